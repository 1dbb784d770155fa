"""How soon a turn is silent when it is interrupted, and what a frame of audio costs: parts of speech.py."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from report import Row, median, percentile, rank, single
from speech_scene import REPLIES, first_audio, kokoro_only, met, paced_daemon

from rfsn_bridge.client import Client, TurnStream
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Interrupt, TurnFinished

LONG, SHORT = 6, len(REPLIES)
"""Replies; the short one is said in one piece, so that nothing but the voice decides when it is heard."""


@dataclass(slots=True)
class Cuts:
    """Milliseconds since the interruption, but for the last two."""

    finished: list[float] = field(default_factory=list)
    last_frame: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    """From the next line to its first sound, just after an interruption, in s."""
    rested: list[float] = field(default_factory=list)
    """The same where the voice had nothing to do."""


async def barge_in(times: int) -> Cuts:
    """Interrupted while the voice is at work, one to so many hundredths of a second after the first sound."""
    cuts = Cuts()
    async with paced_daemon(kokoro_only(), (*REPLIES, "Good evening to you.")) as daemon, met(daemon) as client:
        for _ in range(times + 1):
            _, turn = await first_audio(client, LONG, 1000)
            ending = asyncio.create_task(how_it_ends(turn))
            await asyncio.sleep(random.uniform(0.0, 0.6))
            began = time.perf_counter()
            await client.request(Interrupt(priority="critical"))
            last, finished = await ending
            cuts.finished.append(1000 * (finished - began))
            cuts.last_frame.append(max(0.0, 1000 * (last - began)))
            cuts.after.append(await one_short(client))
            await asyncio.sleep(0.7)
            cuts.rested.append(await one_short(client))
            await asyncio.sleep(0.3)
    for values in (cuts.finished, cuts.last_frame, cuts.after, cuts.rested):
        del values[0]  # the first is slow
    return cuts


async def how_it_ends(turn: TurnStream) -> tuple[float, float]:
    """When the last frame and `turn_finished` came."""
    last = finished = 0.0
    async with turn:
        async for part in turn:
            if isinstance(part, AudioFrame):
                last = time.perf_counter()
            elif isinstance(part, TurnFinished):
                finished = time.perf_counter()
    return last, finished


async def one_short(client: Client) -> float:
    at, turn = await first_audio(client, SHORT, 1000)
    await client.request(Interrupt(priority="critical"))
    await how_it_ends(turn)
    return at


def cut_rows(cuts: Cuts) -> Iterator[Row]:
    later = {p: 1000 * (percentile(cuts.after, p) - percentile(cuts.rested, p)) for p in (50, 90)}
    note = "0: none came after that"
    yield median("interrupt to turn_finished", "ms", cuts.finished, ("<=", 15))
    yield rank("interrupt to turn_finished, 90 of 100", "ms", cuts.finished, 90, ("<=", 60))
    yield median("interrupt to the last frame", "ms", cuts.last_frame, ("<=", 15), note)
    yield rank("interrupt to the last frame, 90 of 100", "ms", cuts.last_frame, 90, ("<=", 60))
    yield median("the next line to its first sound, after that", "s", cuts.after)
    yield median("the same with a voice that rested", "s", cuts.rested)
    what = "the interruption costs the next line"
    times = len(cuts.after)
    yield single(
        what, "ms", later[50], ("<=", 15), "the difference of the medians: when the voice was free", times
    )
    yield single(f"{what}, 90 of 100", "ms", later[90], ("<=", 60), samples=times)


async def hops(count: int) -> float:
    """Items a second from a thread to the event loop."""
    loop = asyncio.get_running_loop()
    arrived: list[int] = []
    done = asyncio.Event()

    def arrive(number: int) -> None:
        arrived.append(number)
        if number == count - 1:
            done.set()

    def give() -> None:
        for number in range(count):
            loop.call_soon_threadsafe(arrive, number)

    began = time.perf_counter()
    threading.Thread(target=give).start()
    await done.wait()
    assert arrived == list(range(count))
    return count / (time.perf_counter() - began)


def frame_us(frames: int) -> tuple[float, float]:
    """Microseconds of work for a frame of 0.2 s: as it is sent, and as JSON with base64 would be."""
    pcm = random.randbytes(9600)
    began = time.thread_time()
    for number in range(frames):
        AudioFrame(7, 1, number & 0xFF, pcm).encode()
    ours = time.thread_time() - began
    few = max(1, frames // 50)
    began = time.thread_time()
    for number in range(few):
        json.dumps({"turn": 7, "seq": 1, "chunk": number, "pcm": base64.b64encode(pcm).decode()})
    return 1e6 * ours / frames, 1e6 * (time.thread_time() - began) / few


def small_rows(rounds: int) -> Iterator[Row]:
    speeds, frames = [], []
    for _ in range(rounds):
        speeds.append(asyncio.run(hops(50_000)))
        frames.append(frame_us(20_000))
    yield median("from a thread to the event loop", "items/s", speeds, (">=", 150_000))
    yield median("a frame of audio, made", "us", [ours for ours, _ in frames], ("<=", 1))
    yield median("the same as JSON with base64", "us", [theirs for _, theirs in frames])
