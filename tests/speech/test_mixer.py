"""What comes out of the mixer, to the sample: at the device's own rate, so that nothing is converted."""

import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rfsn_bridge.speech.mixer import BLOCK, CLIPS, VOICES, Mixer, News
from rfsn_bridge.speech.wire import Kind

RATE = 48_000
FADE = 240
MS = RATE // 1000
Out = NDArray[np.float32]


def flat(milliseconds: float, level: float = 0.5) -> bytes:
    return np.full(round(milliseconds * MS), round(level * 32768), "<i2").tobytes()


def noise(frames: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(-8000, 8000, frames).astype("<i2").tobytes()


def say(mixer: Mixer, pcm: bytes, turn: str = "turn", seq: int = 0, npc: str = "npc", pause_ms: int = 0) -> None:
    assert mixer.begin(turn, seq, npc, mixer.rate, pause_ms)
    mixer.feed(turn, seq, pcm)
    mixer.finish(turn, seq)


def heard(mixer: Mixer, milliseconds: float, block: int = 480) -> Out:
    out = np.full((round(milliseconds * MS), 2), 9, np.float32)
    for at in range(0, len(out), block):
        mixer.mix(out[at : at + block])
    return out


def left(mixer: Mixer, milliseconds: float, block: int = 480) -> Out:
    return heard(mixer, milliseconds, block)[:, 0]


# --- One voice ---


def test_an_utterance_rises_sounds_as_it_is_and_falls() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(50))
    out = heard(mixer, 60)
    assert np.array_equal(out[:, 0], out[:, 1])
    sound = out[:, 0]
    np.testing.assert_allclose(sound[:FADE], 0.5 * (np.arange(FADE) + 0.5) / FADE, rtol=1e-6)
    assert np.all(sound[FADE : 2400 - FADE] == 0.5)
    np.testing.assert_allclose(sound[2400 - FADE : 2400], sound[:FADE][::-1], rtol=1e-6)
    assert not sound[2400:].any()
    assert mixer.take_news() == [(Kind.STARTED, "turn", 0, 0), (Kind.ENDED, "turn", 0, 50)]
    assert not mixer.busy


@given(
    blocks=st.lists(st.integers(1, 3000), min_size=1, max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=4)
)
@settings(deadline=None)
def test_neither_the_size_of_the_blocks_nor_of_the_pieces_is_heard(blocks: list[int], cuts: list[int]) -> None:
    def sound(blocks: list[int], cuts: list[int]) -> Out:
        mixer = Mixer(RATE)
        mixer.begin("turn", 0, "npc", RATE)
        pcm = noise(2000)
        for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 2000], strict=True):
            mixer.feed("turn", 0, pcm[2 * begin : 2 * end])
        mixer.finish("turn", 0)
        say(mixer, noise(1500, seed=1), seq=1)
        out = np.zeros((4000, 2), np.float32)
        at = number = 0
        while at < 4000:
            mixer.mix(out[at : at + blocks[number % len(blocks)]])
            at += blocks[number % len(blocks)]
            number += 1
        return out

    assert np.array_equal(sound(blocks, cuts), sound([4000], []))


def test_the_next_of_a_turn_follows_without_a_gap() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(20.5), seq=0)
    say(mixer, flat(20.5), seq=1)
    out = left(mixer, 41)
    assert out.all()
    assert out[: len(out) // 2] == pytest.approx(out[len(out) // 2 :])


def test_a_pause_before_an_utterance_is_silent_and_not_heard_as_a_part_of_it() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(20), seq=0)
    say(mixer, flat(20), seq=1, pause_ms=30)
    out = left(mixer, 70)
    assert out[: 20 * MS].all() and not out[20 * MS : 50 * MS].any() and out[50 * MS :].all()
    assert mixer.take_news()[-1] == (Kind.ENDED, "turn", 1, 20)


def test_another_rate_is_converted_while_it_is_taken_in() -> None:
    mixer = Mixer(RATE)
    mixer.begin("turn", 0, "npc", 24_000)
    mixer.feed("turn", 0, flat(25))  # half as many samples a second: twice as long
    mixer.finish("turn", 0)
    out = left(mixer, 60)
    assert out[FADE : 50 * MS - FADE] == pytest.approx(0.5, abs=0.05)
    assert mixer.take_news()[-1] == (Kind.ENDED, "turn", 0, 50)


# --- Several ---


def test_turns_sound_at_the_same_time() -> None:
    mixer = Mixer(RATE)
    for turn in ("a", "b", "c"):
        say(mixer, flat(30, 0.25), turn)
    assert np.all(left(mixer, 20)[FADE:] == 0.75)


def test_too_much_at_once_is_held_below_full_scale_and_recovers() -> None:
    mixer = Mixer(RATE)
    for turn in range(VOICES):
        say(mixer, flat(100, 0.9), str(turn))
    out = heard(mixer, 100)
    assert np.abs(out).max() <= 1
    assert out[50 * MS, 0] == pytest.approx(0.98, abs=0.001)
    say(mixer, flat(2000, 0.5))
    assert left(mixer, 1950)[-1] == pytest.approx(0.5, abs=0.001)


def test_more_voices_or_clips_than_there_is_room_for_are_refused() -> None:
    mixer = Mixer(RATE)
    assert all(mixer.begin(str(turn), 0, "npc", RATE) for turn in range(VOICES))
    assert not mixer.begin("one more", 0, "npc", RATE)
    assert all(mixer.begin("0", seq, "npc", RATE) for seq in range(1, CLIPS))
    assert not mixer.begin("0", CLIPS, "npc", RATE)


# --- Late ---


def test_what_comes_late_is_counted_and_does_not_click() -> None:
    mixer = Mixer(RATE)
    mixer.begin("turn", 0, "npc", RATE)
    assert not left(mixer, 10).any()  # nothing was there yet: that is not late
    mixer.feed("turn", 0, flat(15))
    early = left(mixer, 30)
    mixer.feed("turn", 0, flat(15))
    mixer.finish("turn", 0)
    out = np.concatenate((early, left(mixer, 20)))
    assert np.abs(np.diff(out)).max() <= 0.5 / FADE * 1.01
    assert not out[15 * MS + FADE : 30 * MS].any()
    assert mixer.take_news() == [
        (Kind.STARTED, "turn", 0, 0),
        (Kind.UNDERRUN, "turn", 0, 15),
        (Kind.ENDED, "turn", 0, 30),
    ]


def test_an_end_that_is_told_late_is_no_gap() -> None:
    mixer = Mixer(RATE)
    mixer.begin("turn", 0, "npc", RATE)
    mixer.feed("turn", 0, flat(15))
    left(mixer, 30)
    mixer.finish("turn", 0)
    left(mixer, 10)
    assert mixer.take_news() == [(Kind.STARTED, "turn", 0, 0), (Kind.ENDED, "turn", 0, 15)]


# --- Stopping ---


@pytest.mark.parametrize(
    ("within_ms", "stopped_at_ms"), [(0, 25), (40, 60), (39, 59), (1000, 60)], ids=["now", "word", "time", "next"]
)
def test_it_stops_at_the_end_of_a_word_or_in_time(within_ms: int, stopped_at_ms: int) -> None:
    mixer = Mixer(RATE)
    mixer.begin("turn", 0, "npc", RATE)
    mixer.feed("turn", 0, flat(200), [10, 60, 120])
    mixer.finish("turn", 0)
    left(mixer, 20)
    mixer.stop("turn", within_ms=within_ms)
    out = left(mixer, 80)
    end = (stopped_at_ms - 20) * MS
    assert np.all(out[: end - FADE] == 0.5)
    assert np.all(np.diff(out[end - FADE : end]) < 0)
    assert not out[end:].any()
    assert mixer.take_news()[-1] == (Kind.ABORTED, "turn", 0, stopped_at_ms)


def test_what_has_not_begun_is_over_at_once_and_other_turns_go_on() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(50), "a", 0)
    say(mixer, flat(50), "a", 1)
    say(mixer, flat(50), "b", 0)
    left(mixer, 10)
    mixer.stop("a", within_ms=20)
    assert (Kind.ABORTED, "a", 1, 0) in mixer.take_news()
    left(mixer, 50)
    assert mixer.take_news() == [(Kind.ABORTED, "a", 0, 30), (Kind.ENDED, "b", 0, 50)]


def test_one_of_a_turn_can_be_stopped_and_the_next_follows() -> None:
    mixer = Mixer(RATE)
    for seq in range(3):
        say(mixer, flat(50), seq=seq)
    left(mixer, 10)
    mixer.stop("turn", 1)
    left(mixer, 100)
    assert [news[2:] for news in mixer.take_news() if news[0] is Kind.ENDED] == [(0, 50), (2, 50)]


def test_who_ends_before_the_cut_has_ended() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(50))
    left(mixer, 10)
    mixer.stop("turn", within_ms=100)
    left(mixer, 50)
    assert mixer.take_news()[-1] == (Kind.ENDED, "turn", 0, 50)


def test_what_is_fed_to_what_is_over_is_ignored() -> None:
    mixer = Mixer(RATE)
    mixer.feed("turn", 0, flat(10))
    say(mixer, flat(10))
    mixer.stop("turn")
    mixer.feed("turn", 0, flat(10))
    mixer.finish("turn", 0)
    mixer.stop("turn")
    assert mixer.take_news() == [(Kind.ABORTED, "turn", 0, 0)]


# --- The game stands still ---


def test_a_pause_loses_nothing() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(100))
    before = left(mixer, 20)
    mixer.pause(True)
    fading, still = left(mixer, 10), left(mixer, 500)
    mixer.pause(False)
    after = left(mixer, 100)
    assert np.all(np.diff(fading[:FADE]) < 0)
    assert not fading[FADE:].any() and not still.any()
    assert np.all(np.diff(after[:FADE]) > 0)
    # 100 ms were heard: 20, then 5 of the fall, then the rest.
    assert before.all() and after[: 75 * MS].all() and not after[75 * MS :].any()
    assert mixer.take_news()[-1] == (Kind.ENDED, "turn", 0, 100)


def test_it_can_be_stopped_while_the_game_stands_still() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(100))
    left(mixer, 20)
    mixer.pause(True)
    left(mixer, 20)
    mixer.stop("turn", within_ms=150)
    assert mixer.take_news()[-1] == (Kind.ABORTED, "turn", 0, 25)


# --- How loud, and from where ---


def test_places_are_heard() -> None:
    mixer = Mixer(RATE)
    mixer.places(((0, 0, 0), (0, 1, 0)), {"npc": (0, 900, 0), "other": (-200, 0, 0)})
    say(mixer, flat(30))
    assert left(mixer, 30)[FADE : 2 * FADE] == pytest.approx(0.25)
    say(mixer, flat(30), npc="other")
    out = heard(mixer, 30)
    assert out[FADE, 0] > 4 * out[FADE, 1] > 0


def test_a_jump_to_another_place_is_heard_as_a_glide() -> None:
    mixer = Mixer(RATE)
    mixer.places(((0, 0, 0), (0, 1, 0)), {"npc": (-3000, 0, 0)})
    say(mixer, flat(1000))
    heard(mixer, 20)
    mixer.places(npcs={"npc": (200, 0, 0)})
    out = heard(mixer, 500)
    assert np.abs(np.diff(out, axis=0)).max() < 0.001  # a step would be 0.6
    assert out[-1, 1] == pytest.approx(0.5 * 1.397, abs=0.001)


def test_volume_and_muting() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(1000))
    mixer.tune(volume=0.5)
    assert left(mixer, 20)[-1] == 0.25
    mixer.tune(mute=True)
    assert left(mixer, 500)[-1] == 0
    left(mixer, 480)
    assert mixer.take_news()[-1] == (Kind.ENDED, "turn", 0, 1000)


def test_others_are_ducked_while_the_one_who_is_talked_to_speaks() -> None:
    mixer = Mixer(RATE)
    mixer.tune(focus="npc", duck=0.5)
    say(mixer, flat(2000, 0.25), "far", npc="crier")
    assert left(mixer, 300)[-1] == 0.25
    say(mixer, flat(300, 0.25), "near", npc="npc")
    assert left(mixer, 290)[-1] == pytest.approx(0.25 + 0.125, abs=0.001)
    assert left(mixer, 400)[-1] == pytest.approx(0.25, abs=0.001)


# --- Whatever is asked ---

turns, seqs = st.sampled_from("abc"), st.integers(0, 3)
asked = st.one_of(
    st.tuples(st.just("begin"), turns, seqs, st.integers(0, 20)),
    st.tuples(st.just("feed"), turns, seqs, st.integers(0, 1500)),
    st.tuples(st.just("finish"), turns, seqs),
    st.tuples(st.just("stop"), turns, st.none() | seqs, st.integers(0, 30)),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("tune"), st.sampled_from(["", "a"]), st.floats(0, 2)),
    st.tuples(st.just("retune"), st.sampled_from([RATE, 44_100])),
    st.tuples(st.just("mix"), st.integers(1, 3000)),
    st.tuples(st.just("news")),
)


@given(st.lists(asked, max_size=40))
@settings(deadline=None, max_examples=300)
def test_whatever_is_asked_each_utterance_ends_once_and_nothing_is_too_loud(orders: list[tuple[Any, ...]]) -> None:
    mixer = Mixer(RATE)
    begun: list[tuple[str, int]] = []
    given_ms: dict[tuple[str, int], float] = {}
    news: list[News] = []

    def mix(frames: int) -> None:
        out = np.full((frames, 2), np.nan, np.float32)
        mixer.mix(out)
        assert np.all(np.abs(out) <= 1)  # also that no frame was left out

    for order, *options in [*orders, ("pause", False), ("stop", "a", None, 0), ("stop", "b", None, 5)]:
        if order == "begin":
            turn, seq, pause_ms = options
            if (turn, seq) not in begun and mixer.begin(turn, seq, turn, 24_000, pause_ms):
                begun.append((turn, seq))
        elif order == "feed":
            turn, seq, count = options
            mixer.feed(turn, seq, noise(count), [5, 12])
            given_ms[turn, seq] = given_ms.get((turn, seq), 0) + count / 24
        elif order == "tune":
            mixer.tune(focus=options[0], volume=options[1])
        elif order == "mix":
            mix(options[0])
        elif order == "news":
            news += mixer.take_news()
        else:
            getattr(mixer, order)(*options)
    for seq in range(4):
        mixer.finish("c", seq)
    for _ in range(12):
        mix(48_000)
    news += mixer.take_news()
    assert not mixer.busy
    ended = [(turn, seq) for kind, turn, seq, _ in news if kind in (Kind.ENDED, Kind.ABORTED)]
    assert sorted(ended) == sorted(begun)
    for kind, turn, seq, ms in news:
        if kind in (Kind.ENDED, Kind.ABORTED):
            assert 0 <= ms <= given_ms.get((turn, seq), 0) + 3  # a change of the rate may cost a rounding


def test_it_is_mixed_while_it_is_fed_and_stopped() -> None:
    """Real threads: the callback, one who speaks in each of four turns, and one who cuts off."""
    mixer = Mixer(RATE)
    over = threading.Event()
    news: list[News] = []

    def callback() -> None:
        out = np.zeros((480, 2), np.float32)
        while not over.is_set():
            mixer.mix(out)
            news.extend(mixer.take_news())

    def speak(turn: str) -> None:
        for seq in range(40):
            while not mixer.begin(turn, seq, turn, 24_000):
                time.sleep(0.001)
            for _ in range(3):
                mixer.feed(turn, seq, noise(700))
            mixer.finish(turn, seq)

    def cut() -> None:
        for number in range(60):
            mixer.stop("ab"[number % 2], within_ms=number)

    threads = [threading.Thread(target=speak, args=(turn,)) for turn in "abcd"]
    threads.append(threading.Thread(target=cut))
    mixing = threading.Thread(target=callback)
    for thread in [mixing, *threads]:
        thread.start()
    for thread in threads:
        thread.join(60)
    deadline = time.monotonic() + 60
    while mixer.busy and time.monotonic() < deadline:
        time.sleep(0.001)
    over.set()
    mixing.join(60)
    news += mixer.take_news()
    ended = [each[1:3] for each in news if each[0] in (Kind.ENDED, Kind.ABORTED)]
    assert sorted(ended) == [(turn, seq) for turn in "abcd" for seq in range(40)]
    for turn in "cd":  # nobody cut these off
        assert [each[2] for each in news if each[1] == turn and each[0] is Kind.ENDED] == list(range(40))


# --- The callback ---


def test_mixing_makes_no_array() -> None:
    """Nothing stays, and even in passing not as much as one block of one voice is asked for."""
    program = """
import gc, tracemalloc
import numpy as np
from rfsn_bridge.speech.mixer import Mixer

mixer = Mixer(48_000)
for turn in map(str, range(8)):
    mixer.begin(turn, 0, turn, 24_000)
    mixer.feed(turn, 0, np.full(24_000 * 8, 3000, "<i2").tobytes())
mixer.places(((0, 0, 0), (0, 1, 0)), {str(npc): (400.0 * npc, 0, 0) for npc in range(8)})
out = np.zeros((480, 2), np.float32)
mixer.mix(out)
gc.collect()
tracemalloc.start()
for _ in range(300):
    mixer.mix(out)
mixer.places(npcs={"1": (0.0, 900.0, 0.0)})  # a gain on its way takes the longer path
mixer.mix(out)
tracemalloc.reset_peak()
before, _ = tracemalloc.get_traced_memory()
for _ in range(300):
    mixer.mix(out)
after, peak = tracemalloc.get_traced_memory()
assert out.any() and mixer.busy
print(after - before, peak - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    stayed, passing = map(int, done.stdout.split())
    assert stayed < 512
    assert passing < 480 * 4


def test_a_request_larger_than_a_block_is_filled() -> None:
    mixer = Mixer(RATE)
    say(mixer, flat(100))
    assert left(mixer, 100, block=100 * MS).all()
    assert 100 * MS > 4 * BLOCK


def test_news_is_announced_by_the_callback() -> None:
    announced: list[int] = []
    mixer = Mixer(RATE, lambda: announced.append(1))
    say(mixer, flat(15))
    for _ in range(4):
        heard(mixer, 10)
    assert len(announced) == 2


def test_the_device_may_want_another_rate_from_now_on() -> None:
    mixer = Mixer(RATE)
    mixer.begin("turn", 0, "npc", 24_000)
    mixer.feed("turn", 0, flat(50), [30, 90])
    left(mixer, 20)
    mixer.retune(44_100)
    assert mixer.heard() == [(Kind.HEARD, "turn", 0, 20)]
    mixer.feed("turn", 0, flat(50))
    mixer.finish("turn", 0)
    out = np.zeros((44_100, 2), np.float32)
    mixer.mix(out)
    news = mixer.take_news()[-1]
    assert news[:3] == (Kind.ENDED, "turn", 0)
    assert news[3] == pytest.approx(200, abs=2)  # the filter was begun anew: a few samples are missing
    assert np.flatnonzero(out[:, 0])[-1] == pytest.approx(0.18 * 44_100, abs=90)
