"""The voice when something is wrong with it: how soon another sentence is heard, and how fast a substitute is.

A real voice process with Kokoro (and Piper, where it is installed) is killed with SIGSEGV in the midst of a
sentence, stopped so that it hangs, and made to be over its memory. What counts is the time from the player's being
told to the next sentence's first sound, the loading of the model included. A hang is found out by the time-out of
its sentence (20 s and 0.3 s a character; here 1 s and none, so as not to wait).
"""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress

import psutil
from report import Found, Size, Skipped, main, median, single

from rfsn_bridge import registry
from rfsn_bridge.domain import SpeechRequest
from rfsn_bridge.errors import ModelMissing, VoiceError
from rfsn_bridge.model_path import resolve_models
from rfsn_bridge.models import catalogue
from rfsn_bridge.speech.engine_process import EngineSpec
from rfsn_bridge.speech.fallback import VoiceChain
from rfsn_bridge.speech.memory_bound import HARD
from rfsn_bridge.speech.voice import Limits, VoiceProcess

LONG = (
    "The road to the old mill is watched, so you had better wait until nightfall, and then go by the river. " * 3
)
LINE = "Keep to the road, and do not stop for anything."
AFTER_S = 2.0


class Told:
    """When the player was told what."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def __call__(self, level: str, code: str, message: str, hint: str = "", progress: float | None = None) -> None:
        self.at[code] = time.perf_counter()


def spec(engine: str) -> Callable[[], EngineSpec]:
    part = registry.discover().get("tts", engine)
    values = resolve_models(part.options(), catalogue.find)
    path = str(part.plugin.path)
    assert isinstance(part.factory, str)
    made = EngineSpec("file", path, part.plugin.sha256 or "", part.factory, values)
    return lambda: made


async def first_sound(voice: VoiceProcess | VoiceChain, text: str = LINE) -> float:
    """When it came. The rest is heard too: the next measurement must not wait for it."""
    at = 0.0
    async for _ in voice.speak(SpeechRequest(text, "")):
        at = at or time.perf_counter()
    return at


async def killed(how: signal.Signals, rounds: int) -> tuple[list[float], list[float]]:
    """How long it took, and how much work of the processor that was: whatever else the machine does."""
    limits = Limits(answer_s=1.0 if how is signal.SIGSTOP else 60.0, answer_s_per_character=0.0)
    took, work = [], []
    for _ in range(rounds):
        told = Told()
        generous = Limits(answer_s_per_character=1.0)
        async with VoiceProcess(spec("kokoro"), "", told, limits=generous) as voice:
            await voice.warm_up()
            voice._limits = limits
            under_way = asyncio.ensure_future(first_sound(voice, LONG))
            await asyncio.sleep(0.3)
            assert voice.pid is not None
            psutil.Process(voice.pid).send_signal(how)
            with suppress(VoiceError):
                await under_way
            voice._limits = generous
            heard = await first_sound(voice)
            took.append(heard - told.at["voice_restarted"])
            times = psutil.Process(voice.pid).cpu_times()
            work.append(times.user + times.system)
    return took, work


async def leaked(rounds: int) -> list[float]:
    """Its limit is put below what it takes."""
    took = []
    for _ in range(rounds):
        told = Told()
        async with VoiceProcess(spec("kokoro"), "", told) as voice:
            await voice.warm_up()
            assert voice.pid is not None
            rss_mb = psutil.Process(voice.pid).memory_info().rss >> 20
            voice._memory.limit_mb = int(rss_mb / HARD / 2)
            with suppress(VoiceError):
                await first_sound(voice, LONG)
            voice._memory.limit_mb = 0
            heard = await first_sound(voice)
            took.append(heard - told.at["voice_restarted"])
    return took


async def handed_over(rounds: int) -> list[float]:
    """From the first engine's refusal, whose model is missing, to the substitute's first sound."""

    def missing() -> EngineSpec:
        raise ModelMissing("no model")

    took = []
    for _ in range(rounds):
        told = Told()
        async with aclosing(VoiceChain({"kokoro": missing, "piper": spec("piper")}, "", told)) as chain:
            heard = await first_sound(chain)
            took.append(heard - told.at["voice_unavailable"])
    return took


async def beside(rounds: int) -> tuple[list[float], list[float]]:
    """Real-time factors, turn about."""
    factors: tuple[list[float], list[float]] = ([], [])

    def voice(engine: str, into: list[float]) -> VoiceProcess:
        return VoiceProcess(
            spec(engine), "", Told(), measured=lambda busy_s, audio_s: into.append(busy_s / audio_s)
        )

    voices = voice("kokoro", factors[0]), voice("piper", factors[1])
    async with voices[0], voices[1]:
        for _ in range(rounds):
            for each in voices:
                await first_sound(each, LONG)
    return factors


def measure(rounds: float) -> Iterator[Found]:
    count = int(rounds)
    try:
        spec("kokoro")
    except ModelMissing as missing:
        yield Skipped("the voice after a fault", str(missing))
        return
    faults = [("SIGSEGV", signal.SIGSEGV)]
    if sys.platform != "win32":
        faults.append(("a hang", signal.SIGSTOP))
    for name, how in faults:
        took, work = asyncio.run(killed(how, count))
        yield median(f"next sound after {name}", "s", took, ("<=", AFTER_S))
        yield median(f"work of the processor after {name}", "s", work)
    yield median("next sound after a leak", "s", asyncio.run(leaked(count)), ("<=", AFTER_S))
    try:
        spec("piper")
    except ModelMissing as missing:
        yield Skipped("Piper in Kokoro's place", str(missing))
        return
    if importlib.util.find_spec("piper") is None:
        yield Skipped("Piper in Kokoro's place", 'run: pip install "rfsn-bridge[piper]"')
        return
    yield median("Piper's first sound in Kokoro's place", "s", asyncio.run(handed_over(count)), ("<=", AFTER_S))
    kokoro, piper = asyncio.run(beside(count))
    yield median("real-time factor of Kokoro", "", kokoro)
    yield median("real-time factor of Piper", "", piper)
    yield single("Piper's beside Kokoro's", "", statistics.median(piper) / statistics.median(kokoro), ("<=", 0.5))


if __name__ == "__main__":
    sys.exit(main(__doc__, measure, rounds=Size(5, 1, "faults of each kind")))
