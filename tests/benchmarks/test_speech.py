"""What the benchmark of speech holds for a gap, and what it has others say first."""

from types import ModuleType

import pytest

from rfsn_bridge import paths
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Audio, AudioEnd, SentenceSaid

SECOND = bytes(48_000)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(paths.benchmarks))
    import speech_peers

    return speech_peers


@pytest.fixture
def scene(peers: ModuleType) -> ModuleType:
    import speech_scene

    return speech_scene


@pytest.mark.parametrize(
    ("policy", "text", "tokens"),
    [
        ("pipecat", "No.", 3),
        ("mantella", "No. Listen, friend:", 6),
        ("livekit", "No. Listen, friend: go now.", 10),
    ],
)
def test_each_policy_waits_for_what_its_source_waits_for(
    peers: ModuleType, policy: str, text: str, tokens: int
) -> None:
    reply = ["No", ".", " Listen", ",", " friend", ":", " go", " now", ".", " Or", " stay", "."]
    first = getattr(peers, policy)(reply)
    assert (first.text, first.tokens) == (text, tokens)


def test_a_gap_is_inside_a_sentence_or_between_two_or_none(scene: ModuleType) -> None:
    listening = scene.Listening(100.0)

    def sentence(seq: int, at: float, *frames: float, ends: bool = True) -> None:
        told = {"turn_id": "t", "seq": seq}
        listening.take(SentenceSaid(**told, npc_id="n", text="", ends_sentence=ends, latency_ms=0), at)
        listening.take(Audio(**told, through_seq=seq, sample_rate=24_000), at)
        for chunk, time in enumerate(frames):
            listening.take(AudioFrame(1, seq, chunk, SECOND), time)
        listening.take(AudioEnd(**told, duration_ms=1, chunks=len(frames)), frames[-1])

    sentence(0, 100.5, 100.5, 101.75, ends=False)  # a quarter of a second too late
    sentence(1, 103.0, 103.0)  # the same sentence goes on, which ended at 102.75
    sentence(2, 103.5, 103.5)  # in time
    sentence(3, 106.0, 106.0)  # a second too late
    heard = listening.heard
    assert heard.first_audio == 0.5 and heard.speech_s == 5
    assert (heard.gaps_inside, heard.gaps_between) == ([0.25, 0.25], [1.0])
