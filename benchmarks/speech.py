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
import multiprocessing
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field

from embedded import bare_parts, models, settings
from report import Found, Row, Size, Skipped, main, median, single
from speech_interrupted import barge_in, cut_rows, small_rows
from speech_peers import AsShipped, First, burn, leading_silence_s, policies, tokens_of
from speech_scene import REPLIES, Heard, hear, kokoro_only, met, paced_daemon

from rfsn_bridge.domain import SpeechRequest
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.speech.fallback import VoiceChain

RATES = (15, 30, 60)
INSIDE_S, BETWEEN_S = 0.05, 0.5
FACTORS = (0.25, 0.5, 0.9)
"""Real-time factors of a voice that only waits: what remains is ours."""
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


async def spoken(voice: VoiceChain, text: str) -> tuple[float, float]:
    """Seconds to the first chunk, and the real-time factor."""
    began = time.perf_counter()
    first = speech_s = 0.0
    async with voice.speak(SpeechRequest(text, "af_bella")) as audio:
        async for chunk in audio:
            first = first or time.perf_counter() - began
            speech_s += len(chunk.pcm) / 2 / chunk.sample_rate
    return first, (time.perf_counter() - began) / speech_s


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
    async with AsyncExitStack() as stack:
        shipped = stack.enter_context(closing(AsShipped(paths["kokoro"], paths["kokoro-voices"])))
        daemon = await stack.enter_async_context(paced_daemon(kokoro_only()))
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
    turns: dict[int, list[Heard]] = {rate: [] for rate in RATES}
    async with paced_daemon(kokoro_only()) as daemon, met(daemon) as client:
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
