"""One turn as a client sees it, with a real daemon, its socket and its voice process."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from raw_client import PATIENCE_S, RawClient, daemon_and_client

from rfsn_bridge.domain import LLMRequest, TextDelta, Usage
from rfsn_bridge.errors import LLMTimeout, LLMUnavailable
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.testing import ScriptedLLM, Settings

VOICE = Settings(voice=True, config={"tts": {"options": {"tone": {"ms_per_character": 10, "chunk_ms": 50}}}})
REPLY = ("Whiterun ", "stands at ", "the heart ", "of Skyrim. ", "Its people ", "are proud.")


async def one_turn(client: RawClient, text: str = "Tell me about Whiterun.") -> dict[str, Any]:
    """Meet an NPC, say a line, receive up to the turn's record; the `turn_finished`."""
    await client.meet("balgruuf", name="Jarl Balgruuf")
    await client.say("balgruuf", text)
    finished = await client.until("turn_finished")
    await client.until("turn_recorded")
    return finished


# --- Order


async def test_a_turn_tells_its_story_in_order(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, VOICE, audio="binary") as (_, client):
        await one_turn(client)
    kinds = [seen["type"] if isinstance(seen, dict) else "frame" for seen in client.seen]
    assert kinds[kinds.index("turn_started") : kinds.index("turn_started") + 2] == ["turn_started", "decision"]
    assert kinds.count("turn_finished") == kinds.count("turn_recorded") == kinds.count("text_finished") == 1
    assert [message["seq"] for message in client.messages("sentence")] == [0, 1]
    for seq in (0, 1):
        shown = client.seen.index(client.messages("sentence", seq=seq)[0])
        announced = client.seen.index(client.messages("audio", seq=seq)[0])
        ended = client.seen.index(client.messages("audio_end", seq=seq)[0])
        frames = [client.seen.index(frame) for frame in client.frames() if frame.seq == seq]
        assert shown < announced < min(frames) <= max(frames) < ended
    assert kinds.index("turn_finished") > max(i for i, kind in enumerate(kinds) if kind in ("frame", "audio_end"))
    numbers = [message["n"] for message in client.messages() if "n" in message]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_each_sentences_frames_count_up_and_only_the_last_says_so(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, VOICE, audio="binary") as (_, client):
        await one_turn(client)
    for seq in (0, 1):
        frames = [frame for frame in client.frames() if frame.seq == seq]
        assert [frame.chunk for frame in frames] == list(range(len(frames)))
        assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
        (end,) = client.messages("audio_end", seq=seq)
        samples = sum(len(frame.pcm) // 2 for frame in frames)
        assert (end["chunks"], end["duration_ms"]) == (len(frames), round(samples / 24))


async def test_text_never_waits_for_speech(tmp_path: Path) -> None:
    """An engine that never says a word holds back no sentence."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mute.py").write_text(_HANGING_ENGINE)
    settings = Settings(voice=True, config={"tts": {"engine": "hanging"}}, plugins=tmp_path / "plugins")
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings, audio="binary") as (_, client):
        await client.meet("balgruuf")
        await client.say("balgruuf")
        await client.until("text_finished", sentences=2)
        assert not client.messages("audio")
        await client.send(type="interrupt")
        assert (await client.until("turn_finished"))["status"] == "interrupted"


_HANGING_ENGINE = """
import threading

from rfsn_bridge import hookimpl

@hookimpl
def register_tts_engines(register):
    register("hanging", f"{__name__}:Hanging")

class Hanging:
    def open(self, options): self.stop = threading.Event()
    def voices(self): return ("tone",)
    def synthesize(self, request):
        self.stop.wait()
        return iter(())
    def cancel(self): self.stop.set()
    def close(self): pass
"""


async def test_a_text_only_client_gets_no_speech_and_has_heard_all(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, VOICE, audio="none") as (_, client):
        await one_turn(client)
    assert not client.messages("audio") and not client.frames()
    (recorded,) = client.messages("turn_recorded")
    assert recorded["heard_text"] == "".join(REPLY) and recorded["heard_through_seq"] == 1


# --- What reaches the screen, and what the voice


_RECORDING_ENGINE = """
import os

from rfsn_bridge import AudioChunk, hookimpl

@hookimpl
def register_tts_engines(register):
    register("recording", f"{__name__}:Recording")

class Recording:
    def open(self, options): self.file = open(os.environ["RECORDING"], "a", encoding="utf-8")
    def voices(self): return ("tone",)
    def synthesize(self, request):
        print(request.text, file=self.file, flush=True)
        yield AudioChunk(bytes(4800), 24000)
    def cancel(self): pass
    def close(self): pass
"""


@pytest.mark.parametrize(
    ("pieces", "shown", "spoken"),
    [
        (["<think>He is ", "a fool.</think>Hail. Welcome."], "Hail. Welcome.", ["Hail.", "Welcome."]),
        (["Hail, friend.<|im", "_end|>", "<|im_start|>user\nMore."], "Hail, friend.", ["Hail, friend."]),
        (["Jarl Balgruuf", ": Hail to you."], "Hail to you.", ["Hail to you."]),
        (["*nods slowly* Hail to you."], "*nods slowly* Hail to you.", ["Hail to you."]),
        (["(He looks away.) Speak up now."], "(He looks away.) Speak up now.", ["Speak up now."]),
        (["I have 3 < 4 septims.", " <3"], "I have 3 < 4 septims. <3", None),
    ],
)
async def test_only_words_reach_the_voice_and_all_that_was_written_the_screen(
    pieces: list[str],
    shown: str,
    spoken: list[str] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECORDING", str(tmp_path / "said.txt"))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "recorder.py").write_text(_RECORDING_ENGINE)
    settings = Settings(voice=True, config={"tts": {"engine": "recording"}}, plugins=tmp_path / "plugins")
    async with daemon_and_client(ScriptedLLM(pieces), tmp_path, settings, audio="binary") as (_, client):
        finished = await one_turn(client)
    assert finished["text"] == shown
    said = (tmp_path / "said.txt").read_text(encoding="utf-8").splitlines()
    if spoken is not None:
        assert " ".join(said) == " ".join(spoken)
    for mark in ("<think>", "im_end", "Balgruuf:", "nods", "looks away", "fool"):
        assert mark not in "\n".join(said)


async def test_the_stream_is_closed_where_the_models_reply_ends(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hail.", "<|im_end|>", "<|im_start|>user", "\nKill me."])
    async with daemon_and_client(llm, tmp_path) as (_, client):
        finished = await one_turn(client)
        assert (finished["status"], finished["text"]) == ("completed", "Hail.")
        await asyncio.wait_for(llm.closed.wait(), PATIENCE_S)
    assert llm.open_streams == 0


async def test_half_a_surrogate_pair_from_a_model_harms_nobody(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail \ud83d there."]), tmp_path) as (_, client):
        finished = await one_turn(client)
    assert finished["status"] == "completed"
    assert finished["text"] == "Hail ? there."


async def test_a_sentence_that_a_safety_rule_vetoes_is_neither_shown_nor_spoken(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "prude.py").write_text(
        """
from rfsn_bridge import Sentence, Verdict, hookimpl

class Prude:
    def check(self, subject, context):
        if isinstance(subject, Sentence) and "damn" in subject.text:
            return Verdict(deny_sentence=True, reason="it swears")
        return Verdict()

@hookimpl
def register_safety_rules(register):
    register("prude", lambda options, services: Prude())
"""
    )
    settings = Settings(voice=True, config={"mind": {"safety": ["prude"]}}, plugins=tmp_path / "plugins")
    llm = ScriptedLLM(["Well met. ", "The damn elves came. ", "I saw them."])
    async with daemon_and_client(llm, tmp_path, settings, audio="binary") as (_, client):
        finished = await one_turn(client)
    assert [(m["seq"], m["text"]) for m in client.messages("sentence")] == [(0, "Well met."), (1, "I saw them.")]
    assert {m["seq"] for m in client.messages("audio")} == {0, 1}
    assert "damn" not in finished["text"]
    assert "damn" not in client.messages("turn_recorded")[0]["heard_text"]
    llm = ScriptedLLM(["The damn elves came."])
    async with daemon_and_client(llm, tmp_path, settings, audio="binary") as (_, client):
        await one_turn(client)
    assert not client.messages("notice")  # the model did say something: no word of an empty reply


# --- What can go wrong


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([LLMUnavailable("no model answers", "start it")], ""),
        ([LLMUnavailable("it said \ud83d", "start it")], ""),
        (["Whiterun stands. ", "It is", LLMTimeout("too slow", "wait")], "Whiterun stands. It is"),
    ],
)
async def test_a_backend_that_fails_ends_the_turn_once_and_keeps_what_was_said(
    pieces: Sequence[str | Exception], text: str, tmp_path: Path
) -> None:
    async with daemon_and_client(ScriptedLLM(pieces, REPLY), tmp_path, VOICE, audio="binary") as (_, client):
        finished = await one_turn(client)
        assert (finished["status"], finished["text"]) == ("failed", text)
        assert finished["error"]["hint"] and finished["error"]["code"] == "llm_unavailable"
        assert client.messages("notice", code="llm_unavailable")
        await client.say("balgruuf")  # and the next turn is none the worse
        assert (await client.until("turn_finished"))["status"] == "completed"
    assert len(client.messages("turn_finished")) == 2


class _Rogue(ScriptedLLM):
    """A backend whose plugin raises what it should not, in one of its methods."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__(["Hail."])
        self._where, self._error = where, error

    def _maybe(self, where: str) -> None:
        if where == self._where:
            raise self._error

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        self._maybe("before")
        yield TextDelta("Hail. ")
        self._maybe("mid")
        yield TextDelta("Well met.")

    async def warm_up(self) -> None:
        self._maybe("warm_up")

    def count_tokens(self, text: str) -> int:
        self._maybe("count_tokens")
        return 1

    async def aclose(self) -> None:
        self._maybe("aclose")


@pytest.mark.parametrize("where", ["before", "mid", "count_tokens", "warm_up"])
@pytest.mark.parametrize("error", [RuntimeError("oops"), KeyError("oops"), SystemExit(3), MemoryError()])
async def test_a_backend_that_raises_anything_costs_its_own_turn_only(
    where: str, error: BaseException, tmp_path: Path
) -> None:
    async with daemon_and_client(_Rogue(where, error), tmp_path) as (_, client):
        finished = await one_turn(client)
        await client.settle()
    assert finished["status"] == ("completed" if where == "warm_up" else "failed")
    assert len(client.messages("turn_finished")) == 1


async def test_a_backend_that_cannot_be_closed_leaves_no_voice_behind(tmp_path: Path) -> None:
    async with daemon_and_client(_Rogue("aclose", RuntimeError("oops")), tmp_path, VOICE, audio="binary") as (
        daemon,
        client,
    ):
        await one_turn(client)
        voice = daemon.bridge.snapshot.voice
        assert voice and voice.pid
    assert voice.pid is None


async def test_a_plain_iterator_without_aclose_will_do_as_a_stream(tmp_path: Path) -> None:
    class Plain:
        def __init__(self) -> None:
            self._pieces = iter(["Hail. ", "Well met."])

        def __aiter__(self) -> "Plain":
            return self

        async def __anext__(self) -> TextDelta:
            for piece in self._pieces:
                return TextDelta(piece)
            raise StopAsyncIteration

    llm = ScriptedLLM()
    llm.stream = lambda request: Plain()  # type: ignore[method-assign, assignment, return-value]
    async with daemon_and_client(llm, tmp_path) as (_, client):
        finished = await one_turn(client)
    assert (finished["status"], finished["text"]) == ("completed", "Hail. Well met.")


@pytest.mark.parametrize(
    "scorer",
    [
        "raise RuntimeError('oops')",
        "return [Score(p.action, float('nan'), {}) for p in predictions]",
        "return []",
        "raise SystemExit(1)",
    ],
)
async def test_a_scorer_that_misbehaves_fails_the_turn_and_nothing_else(scorer: str, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "odd.py").write_text(
        f"""
from rfsn_bridge import Score, hookimpl

class Odd:
    def score(self, context, predictions):
        {scorer}

@hookimpl
def register_scorers(register):
    register("odd", lambda options, services: Odd())
"""
    )
    settings = Settings(config={"mind": {"scorer": "odd"}}, plugins=tmp_path / "plugins")
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings) as (_, client):
        finished = await one_turn(client)
    assert finished["status"] == "failed"
    assert client.messages("notice", code="internal")


async def test_a_voice_that_fails_costs_the_sound_and_not_the_text(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hoarse.py").write_text(
        _HANGING_ENGINE.replace("hanging", "hoarse").replace("self.stop.wait()", "raise RuntimeError('hoarse')")
    )
    settings = Settings(voice=True, config={"tts": {"engine": "hoarse"}}, plugins=tmp_path / "plugins")
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings, audio="binary") as (_, client):
        finished = await one_turn(client)
    assert finished["status"] == "completed" and finished["text"] == "".join(REPLY)
    assert [message["seq"] for message in client.messages("audio_dropped")] == [0, 1]
    assert client.messages("turn_recorded")[0]["heard_text"] == "".join(REPLY)


# --- Interruption


async def test_interrupting_closes_the_stream_and_ends_the_turn_at_once(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY, gated=True)
    async with daemon_and_client(llm, tmp_path, VOICE, audio="binary") as (_, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        llm.release(4)
        await client.until("sentence", seq=0)
        answer = await client.ask(type="interrupt", turn_id=turn_id)
        assert answer["data"] == {"interrupted": 1}
        finished = client.messages("turn_finished")[0]
        assert finished["status"] == "interrupted"
        assert finished["text"] == "Whiterun stands at the heart of Skyrim."
        await asyncio.wait_for(llm.closed.wait(), PATIENCE_S)
        assert (await client.ask(type="interrupt", turn_id=turn_id))["data"] == {"interrupted": 0}
        assert llm.open_streams == 0


async def test_nothing_of_a_turn_follows_its_interruption_whenever_it_comes(tmp_path: Path) -> None:
    """Forty moments, from before the first word to the middle of the last sentence's sound."""
    rng = random.Random(7)
    sentences = [f"Sentence number {i} has a few words in it. " for i in range(6)]
    async with daemon_and_client(ScriptedLLM(sentences), tmp_path, VOICE, audio="binary") as (daemon, client):
        await client.meet("balgruuf")
        for _ in range(40):
            turn_id = await client.say("balgruuf")
            for _ in range(rng.randrange(110)):
                if client.messages("turn_finished", turn_id=turn_id):
                    break
                await client.receive()
            how: dict[str, str] = rng.choice([{}, {"npc_id": "balgruuf"}, {"turn_id": turn_id}])
            await client.ask(type="interrupt", **how)
            assert len(client.messages("turn_finished", turn_id=turn_id)) == 1
        await client.settle()
        assert daemon.bridge.snapshot.synthesis is not None and len(daemon.bridge.snapshot.synthesis) == 0
    statuses = {message["status"] for message in client.messages("turn_finished")}
    assert statuses == {"interrupted", "completed"}, "the moments do not cover all of a turn"
    for finished in client.messages("turn_finished"):
        number = client.messages("turn_started", turn_id=finished["turn_id"])[0]["turn_number"]
        for seen in client.seen[client.seen.index(finished) + 1 :]:
            if isinstance(seen, AudioFrame):
                assert seen.turn_number != number
            elif seen.get("turn_id") == finished["turn_id"]:
                assert seen["type"] == "turn_recorded"


async def test_an_interrupted_voice_is_free_for_the_next_turn_at_once(tmp_path: Path) -> None:
    settings = Settings(voice=True, config={"speech": {"max_queue_size": 1}})
    async with daemon_and_client(
        ScriptedLLM(["A very long tale. " * 30], ["Hail."]), tmp_path, settings, audio="binary"
    ) as (_, client):
        await client.meet("balgruuf")
        await client.meet("lydia")
        await client.say("balgruuf")
        await client.until_frame()
        await client.send(type="npc_gone", npc_ids=["balgruuf"])
        second = await client.say("lydia")
        await client.until("audio_end", turn_id=second)


async def test_frames_of_a_turn_carry_its_number(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."]), tmp_path, VOICE, audio="binary") as (_, client):
        for npc in ("a", "b"):
            await client.meet(npc)
            await client.say(npc)
            await client.until("turn_finished")
    numbers = {m["turn_id"]: m["turn_number"] for m in client.messages("turn_started")}
    assert sorted(numbers.values()) == [1, 2]
    announced = None
    for seen in client.seen:
        if isinstance(seen, AudioFrame):
            assert announced and numbers[announced] == seen.turn_number
        elif seen["type"] == "audio":
            announced = seen["turn_id"]
