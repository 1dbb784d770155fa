"""A voice in real time: how soon a reply is heard, whether it stutters, how soon it is silent.

Our side is a daemon process with Kokoro, whose language model says replies written beforehand, 15, 30 or 60
tokens a second, and a WebSocket client. The peers' side is what they would give to the voice first
(speech_peers.py), when the tokens are there, and how long that takes to speak: by kokoro-onnx as shipped, and
by our engine. All take turns in one run, with one model. Nothing is counted against the peers but tokens and
synthesis.

The engine by itself is measured by speech_engine.py.
"""

from __future__ import annotations

import array
import asyncio
import base64
import json
import multiprocessing
import random
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field

from embedded import bare_parts, models, settings
from report import Found, Row, Size, Skipped, main, median, percentile, rank, single
from speech_peers import AsShipped, First, burn, leading_silence_s, policies, tokens_of
from speech_scene import REPLIES, Heard, PacedDaemon, first_audio, hear, paced_daemon

from rfsn_bridge.client import Client, TurnStream, connect
from rfsn_bridge.domain import SpeechRequest
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Interrupt, NpcUpdate, TurnFinished
from rfsn_bridge.speech.fallback import VoiceChain

RATES = (15, 30, 60)
SETTLE_S = 90
INSIDE_S, BETWEEN_S = 0.05, 0.5
FACTORS = (0.25, 0.5, 0.9)
"""Real-time factors of a voice that only waits: what remains is ours."""
LONG, SHORT = 6, 2
GOALS = {"pipecat": 0.5, "quick-yield": 0.77}
STRETCH = {"pipecat": 0.32, "quick-yield": 0.5}


@dataclass(slots=True)
class Sides:
    """Seconds to the first sound, by tokens a second; lists of one run go together."""

    ours: dict[int, list[float]] = field(default_factory=lambda: {rate: [] for rate in RATES})
    peers: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)
    """By policy, by engine (`as shipped` or `our engine`), by tokens a second."""
    turns: dict[int, list[Heard]] = field(default_factory=lambda: {rate: [] for rate in RATES})
    factors: list[float] = field(default_factory=list)
    shipped_silence: list[float] = field(default_factory=list)


async def settled(daemon: PacedDaemon) -> None:
    """Return when the voice is loaded and has found its best graph, and rests."""
    address = daemon.url.replace("ws://", "http://").rpartition("/")[0] + "/health"
    until = time.perf_counter() + SETTLE_S
    quiet = 0
    while quiet < 4 and time.perf_counter() < until:
        answer = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(address, timeout=5)))  # noqa: S310
        processes = [daemon.process, *daemon.process.children(recursive=True)]
        before = [sum(each.cpu_times()[:2]) for each in processes]
        await asyncio.sleep(0.5)
        spent_s = sum(sum(each.cpu_times()[:2]) for each in processes if each.is_running()) - sum(before)
        quiet = quiet + 1 if answer["voice_ready"] and spent_s < 0.05 else 0


async def spoken(voice: VoiceChain, text: str) -> tuple[float, float]:
    """Seconds to the first chunk, and the real-time factor."""
    began = time.perf_counter()
    first = speech_s = 0.0
    async with voice.speak(SpeechRequest(text, "af_bella")) as audio:
        async for chunk in audio:
            first = first or time.perf_counter() - began
            speech_s += len(chunk.pcm) / 2 / chunk.sample_rate
    return first, (time.perf_counter() - began) / speech_s


@asynccontextmanager
async def met(daemon: PacedDaemon) -> AsyncIterator[Client]:
    async with connect(daemon.url, name="speech", audio="binary", reports=False) as client:
        await client.request(NpcUpdate(npc_id="npc", name="Lydia", voice="af_bella"))
        await settled(daemon)
        yield client


# --- Reply time, and stutter ----------------------------------------------------------------------


def the_first_words() -> dict[tuple[str, int], First]:
    """By policy and reply."""
    return {
        (name, number): policy(tokens_of(reply))
        for name, policy in policies().items()
        for number, reply in enumerate(REPLIES)
    }


async def replies(rounds: int, firsts: dict[tuple[str, int], First], found: Sides) -> None:
    paths = models("kokoro", "kokoro-voices")
    document = settings(paths)
    document.pop("llm")
    async with AsyncExitStack() as stack:
        shipped = stack.enter_context(closing(AsShipped(paths["kokoro"], paths["kokoro-voices"])))
        daemon = await stack.enter_async_context(paced_daemon(document))
        client = await stack.enter_async_context(met(daemon))
        _, voice = await stack.enter_async_context(bare_parts(settings(paths)))
        await voice.warm_up()
        await shipped.speak("Ready.")
        await asyncio.sleep(5)
        for number in range(len(REPLIES)):  # the live real-time factor is known, and the caches are warm
            await hear(client, number, 60)
        for _ in range(rounds):
            for number in range(len(REPLIES)):
                for rate in RATES:
                    heard = await hear(client, number, rate)
                    found.turns[rate].append(heard)
                    found.ours[rate].append(heard.first_audio)
                await the_peers(number, firsts, shipped, voice, found)


async def the_peers(
    number: int, firsts: dict[tuple[str, int], First], shipped: AsShipped, voice: VoiceChain, found: Sides
) -> None:
    """Several policies give the same to the voice: that is spoken once for them all."""
    mine = {name: first for (name, reply), first in firsts.items() if reply == number}
    for text in dict.fromkeys(first.text for first in mine.values()):
        theirs_s, silence_s = await shipped.speak(text)
        ours_s, factor = await spoken(voice, text)
        found.factors.append(factor)
        found.shipped_silence.append(silence_s)
        for name, first in mine.items():
            if first.text != text:
                continue
            for rate in RATES:
                for engine, work_s in (("as shipped", theirs_s), ("our engine", ours_s)):
                    found.peers.setdefault((name, engine, rate), []).append(first.tokens / rate + work_s)


def reply_rows(found: Sides) -> Iterator[Row]:
    for rate in RATES:
        at = f"at {rate} tokens/s"
        yield median(f"first audio {at}", "s", found.ours[rate])
        for (name, engine, speed), values in found.peers.items():
            if speed != rate:
                continue
            yield median(f"{name}, {engine}, {at}", "s", values)
            if engine == "as shipped":
                ratios = [ours / theirs for ours, theirs in zip(found.ours[rate], values, strict=True)]
                goal = GOALS.get(name) if rate == 30 else None
                whole = sum(found.ours[rate]) / sum(values)
                best = at_best(found.ours[rate]) / at_best(values)
                note = f"of all replies together {whole:.2f}, of each at its best {best:.2f}"
                note += f"; stretch {STRETCH[name]:g}" if goal else ""
                yield median(f"ours / {name}, {at}", "x", ratios, ("<=", goal) if goal else None, note)
    yield median("real-time factor of those pieces, our engine", "", found.factors)


def silence_rows(found: Sides) -> Iterator[Row]:
    silences = []
    for heard in (heard for turns in found.turns.values() for heard in turns):
        samples = array.array("h", heard.begins_with)
        silences.append(leading_silence_s(samples, 24_000))
    yield median("leading silence of a reply", "s", silences, ("<=", 0.05))
    yield median("leading silence, kokoro-onnx as shipped", "s", found.shipped_silence)


def at_best(values: list[float]) -> float:
    """All replies, each as soon as it once was: where nothing else was in the way."""
    return sum(min(values[number :: len(REPLIES)]) for number in range(len(REPLIES)))


def gap_rows(turns: dict[int, list[Heard]], beside: str) -> Iterator[Row]:
    for rate, heard in turns.items():
        at = f"at {rate} tokens/s, {beside}"
        inside = [gap for each in heard for gap in each.gaps_inside if gap > INSIDE_S]
        between = [gap for each in heard for gap in each.gaps_between if gap > INSIDE_S]
        long = sum(gap > BETWEEN_S for gap in between)
        speech_s = sum(each.speech_s for each in heard)
        note = f"of {speech_s:.0f} s of speech in {len(heard)} replies"
        if inside:
            note += f"; {sum(inside):.2f} s together, the longest {max(inside):.2f} s"
        yield single(f"gaps inside a sentence {at}", "", len(inside), ("<=", 0), note, len(heard))
        longest = f"the longest {max(between):.2f} s" if between else ""
        yield single(f"waits between sentences {at}", "", len(between), None, longest, len(heard))
        yield single(f"of these longer than {BETWEEN_S:g} s {at}", "", long, ("<=", 0), samples=len(heard))
        lost = sum(each.dropped for each in heard)
        if lost:
            yield single(f"sentences unspoken {at}", "", lost, ("<=", 0))


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """So many cores do something else."""
    burning = [multiprocessing.get_context("spawn").Process(target=burn, daemon=True) for _ in range(cores)]
    for each in burning:
        each.start()
    try:
        yield
    finally:
        for each in burning:
            each.terminate()
            each.join()


async def beside_a_game(rounds: int) -> dict[int, list[Heard]]:
    document = settings(models("kokoro", "kokoro-voices"))
    document.pop("llm")
    turns: dict[int, list[Heard]] = {rate: [] for rate in RATES}
    async with paced_daemon(document) as daemon, met(daemon) as client:
        with busy(1):
            for number in range(3):
                await hear(client, number, 60)
            for _ in range(rounds):
                for number in random.sample(range(len(REPLIES)), len(REPLIES)):
                    for rate in RATES:
                        turns[rate].append(await hear(client, number, rate))
    return turns


async def steady(factor: float, rate: int) -> list[Heard]:
    """Every reply once, with a voice whose speed is told and not the machine's."""
    tts = {"engine": "steady", "voice": "steady", "options": {"steady": {"factor": factor}}}
    async with paced_daemon({"tts": tts}) as daemon, met(daemon) as client:
        for number in range(4):
            await hear(client, number, 60)
        return [await hear(client, number, rate) for number in range(len(REPLIES))]


async def pacing() -> AsyncIterator[tuple[str, dict[int, list[Heard]]]]:
    """Beside each other, for these voices only wait."""
    for factor in FACTORS:
        told = await asyncio.gather(*(steady(factor, rate) for rate in RATES))
        yield f"steady {factor:g}", dict(zip(RATES, told, strict=True))


async def pacing_rows() -> list[Row]:
    rows: list[Row] = []
    async for beside, turns in pacing():
        for rate, heard in turns.items():
            first = [each.first_audio for each in heard]
            rows.append(median(f"first audio at {rate} tokens/s, {beside}", "s", first))
        rows += gap_rows(turns, beside)
    return rows


# --- Silence --------------------------------------------------------------------------------------


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
    document = settings(models("kokoro", "kokoro-voices"))
    document.pop("llm")
    cuts = Cuts()
    async with paced_daemon(document) as daemon, met(daemon) as client:
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


# --- Small parts ----------------------------------------------------------------------------------


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


def measure(rounds: float, game_rounds: float, interruptions: float) -> Iterator[Found]:
    yield from small_rows(9)
    try:
        models("kokoro", "kokoro-voices")
    except ModelMissing as missing:
        yield Skipped("replies, gaps, interruptions", f"{missing.message}; {missing.hint}")
        return
    if "quick-yield" not in policies():
        yield Skipped("quick-yield", 'run: pip install "rfsn-bridge[peers]"')
    if rounds >= 1:
        sides = Sides()
        asyncio.run(replies(int(rounds), the_first_words(), sides))
        yield from reply_rows(sides)
        yield from silence_rows(sides)
        yield from gap_rows(sides.turns, "other work as it was")
        yield from asyncio.run(pacing_rows())
    if game_rounds >= 1:
        yield from gap_rows(asyncio.run(beside_a_game(int(game_rounds))), "one core busy")
    if interruptions >= 2:
        yield from cut_rows(asyncio.run(barge_in(int(interruptions))))


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            rounds=Size(3, 1, "times each reply is said, at each speed and by each peer; 0: not at all"),
            game_rounds=Size(2, 0, "times each reply is said beside a busy core"),
            interruptions=Size(40, 6, "turns that are interrupted"),
        )
    )
