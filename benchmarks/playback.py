"""Speech that the daemon plays itself: what the callback costs, and how soon a word is heard or cut off.

The sound system is the machine's own; where there is none, the clock takes the sound, every 10 ms. What lies
between the callback and the ear (`latency`) is told by the device and not a part of the other figures.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
import psutil
from report import Found, Size, Skipped, Target, main, median, rank, single

from rfsn_bridge.speech.mixer import Mixer
from rfsn_bridge.speech.playback import Playback, Sounded
from rfsn_bridge.speech.resampling import Resampler

RATE = 48_000
SOURCE = 24_000
BLOCK = RATE // 100
PATIENCE_S = 20


def speaking(voices: int) -> Mixer:
    """So many NPCs, each at a place of its own, with enough to say."""
    mixer = Mixer(RATE)
    pcm = (np.random.default_rng(0).standard_normal(SOURCE) * 4000).astype("<i2").tobytes()
    for voice in range(voices):
        mixer.begin(str(voice), 0, str(voice), SOURCE)
        for _ in range(12):
            mixer.feed(str(voice), 0, pcm)
    mixer.places(((0, 0, 0), (0, 1, 0)), {str(voice): (100.0 * voice, 300.0, 0.0) for voice in range(voices)})
    return mixer


def callback(blocks: int) -> Iterator[Found]:
    """The mixers take turns, so that what else the machine does meets all of them."""
    mixers = {voices: speaking(voices) for voices in (1, 8, 16)}
    took: dict[int, list[float]] = {voices: [] for voices in mixers}
    out = np.zeros((BLOCK, 2), np.float32)
    for number in range(blocks):
        for voices, mixer in mixers.items():
            if number % 20 == 0:  # everybody walks
                mixer.places(npcs={str(voice): (100.0 * voice, number, 0.0) for voice in range(voices)})
            began = time.perf_counter()
            mixer.mix(out)
            took[voices].append((time.perf_counter() - began) * 1e6)
    for voices, values in took.items():
        target: Target | None = ("<=", 500.0) if voices == 8 else None
        yield median(f"callback, 10 ms of {voices} voices", "us", values, target)
    yield rank("callback, 10 ms of 8 voices, 99 of 100", "us", took[8], 99)
    yield single("callback, memory taken in passing", "B", _memory(mixers[8], out), ("<", BLOCK * 4.0))


def _memory(mixer: Mixer, out: np.ndarray) -> float:
    for _ in range(10):
        mixer.mix(out)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(20):
            mixer.mix(out)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            mixer.mix(out)
        return float(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()


def taking_in() -> Iterator[Found]:
    """A second of speech, converted to the device's rate, and what straight lines between samples would do."""
    time_s = np.arange(SOURCE) / SOURCE
    tone = np.sin(2 * np.pi * 6000 * time_s).astype(np.float32)
    wanted = np.sin(2 * np.pi * 6000 * np.arange(RATE) / RATE)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        made = Resampler(SOURCE, RATE).feed(tone, last=True)
        took.append((time.perf_counter() - began) * 1e3)
    lines = np.interp(np.arange(RATE) / RATE, time_s, tone)
    yield median("taking in a second of speech", "ms", took)
    for what, signal in (("ours", made), ("straight lines", lines)):
        error = np.mean((signal - wanted)[200:-200] ** 2) / 0.5
        yield single(f"error of a tone of 6 kHz, {what}", "dB", 10 * float(np.log10(error)))


async def hops(times: int) -> list[Found]:
    """From the call on the event loop to what is told on it: there, the callback, and back."""
    told: asyncio.Queue[Sounded] = asyncio.Queue()
    pcm = (np.sin(np.arange(SOURCE * 5) / 20) * 8000).astype("<i2").tobytes()

    async def until(status: str) -> float:
        async with asyncio.timeout(PATIENCE_S):
            while (await told.get()).status != status:
                pass
        return time.perf_counter()

    async with Playback(lambda *notice: None) as playback:
        began = time.perf_counter()
        playback.begin("first", 0, "npc", SOURCE, told.put_nowait)
        playback.feed("first", 0, pcm)
        opened_s = await until("started") - began
        await asyncio.sleep(2)  # a sound system may take long over its first buffers
        playback.stop("first")
        await until("aborted")
        first, stopped = [], []
        for number in range(times):
            turn = str(number)
            await asyncio.sleep(0.037)  # not in step with the callback
            began = time.perf_counter()
            playback.begin(turn, 0, "npc", SOURCE, told.put_nowait)
            playback.feed(turn, 0, pcm[:9600])
            first.append((await until("started") - began) * 1e3)
            began = time.perf_counter()
            playback.stop(turn)
            stopped.append((await until("aborted") - began) * 1e3)
        assert playback.pid is not None
        player = psutil.Process(playback.pid)
        rows: list[Found] = [
            single("from nothing to the first sample", "ms", opened_s * 1e3, note="the process starts, and opens"),
            median("a command to the first sample, and back", "ms", first, ("<=", 30)),
            median("a stop to the last sample, and back", "ms", stopped, ("<=", 30)),
            single("resident memory of the player", "MB", player.memory_info().rss / 1e6),
        ]
        if playback.available:
            rows.append(single(f"latency, as {playback.device} tells it", "ms", playback.latency_ms))
        else:
            rows.append(Skipped("latency", f"{playback.why_not}: the clock took the sound"))
        player.cpu_percent()
        await asyncio.sleep(2)
        return [*rows, single("processor of the player between two turns", "% of a core", player.cpu_percent())]


def measure(blocks: float, turns: float) -> list[Found]:
    return [*callback(round(blocks)), *taking_in(), *asyncio.run(hops(round(turns)))]


if __name__ == "__main__":
    blocks = Size(1000, 300, "how many blocks to mix")
    raise SystemExit(main(__doc__, measure, blocks=blocks, turns=Size(60, 15, "how many utterances to play")))
