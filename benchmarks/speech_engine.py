"""Kokoro as we run it, beside kokoro-onnx as shipped: speed on a quiet and on a busy machine, silence, cancelling.

Each side speaks in a process of its own, turn about, the same sentences; busy cores are busy loops in processes
beside them. Ratios are of the seconds for the same sentence, pair by pair. A cancel is timed from the call to the
end of the generator, when the engine is free for the next sentence, at random moments of a long sentence.
"""

from __future__ import annotations

import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any

import psutil
from embedded import SPOKEN, models
from report import Found, Size, Skipped, main, median, rank, single

from rfsn_bridge import paths
from rfsn_bridge.domain import SpeechRequest
from rfsn_bridge.errors import ModelMissing

VOICES = ("af_bella", "am_adam", "bf_emma")
GOALS = {0: 0.8, 1: 0.67, 2: 0.82}
BUSY = {0: "quiet", 1: "one busy core", 2: "two busy cores"}
SIDES = ("shipped", "int8", "fp32")


# --- In the processes of the sides ---


def ours(model: str, voices: str, quality: str) -> Any:
    spec = importlib.util.spec_from_file_location("kokoro_measured", paths.builtin_plugins / "tts_kokoro.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    engine = module.KokoroEngine()
    engine.open({"model": model, "voices": voices, "quality": quality, "threads": 2})
    engine._improver.done.wait(300)
    list(engine.synthesize(SpeechRequest("Ready.", VOICES[0])))
    return engine


def leading_ms(samples: Any) -> float:
    """Until it is louder than 1 % of full scale."""
    import numpy as np

    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return float(loud[0]) / 24 if len(loud) else 0.0


def speak(engine: Any, text: str, voice: str) -> Any:
    import numpy as np

    if hasattr(engine, "create"):
        return engine.create(text, voice)[0]
    chunks = engine.synthesize(SpeechRequest(text, voice))
    return np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2") / 32768


def cancel(engine: Any, after_s: float) -> float:
    """Milliseconds."""
    text = " ".join([SPOKEN["long"]] * 3)
    speaking = Thread(target=lambda: list(engine.synthesize(SpeechRequest(text, VOICES[0]))))
    speaking.start()
    while not engine._runs.speaking:
        time.sleep(0.0005)
    time.sleep(after_s)
    began = time.perf_counter()
    engine.cancel()
    speaking.join()
    return (time.perf_counter() - began) * 1000


def side(name: str, model: str, voices: str) -> None:
    """Answer each line of standard input."""
    if name == "shipped":
        from kokoro_onnx import Kokoro

        engine: Any = Kokoro(model, voices)
        speak(engine, "Ready.", VOICES[0])
    else:
        engine = ours(model, voices, name)
    print(json.dumps({"rss": psutil.Process().memory_info().rss}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "after_s" in asked:
            answer = {"ms": cancel(engine, asked["after_s"])}
        else:
            began, cpu = time.perf_counter(), time.process_time()
            samples = speak(engine, asked["text"], asked["voice"])
            answer = {
                "s": time.perf_counter() - began,
                "cpu_s": time.process_time() - cpu,
                "speech_s": len(samples) / 24_000,
                "leading_ms": leading_ms(samples),
                "rss": psutil.Process().memory_info().rss,
            }
        print(json.dumps(answer), flush=True)


# --- In the process that compares ---


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def ask(child: subprocess.Popen[str], **question: Any) -> dict[str, float]:
    assert child.stdin is not None and child.stdout is not None
    if question:
        child.stdin.write(json.dumps(question) + "\n")
        child.stdin.flush()
    answer: dict[str, float] = json.loads(child.stdout.readline())
    return answer


def measure(rounds: float, cancels: float) -> Iterator[Found]:
    try:
        found = models("kokoro", "kokoro-voices")
    except ModelMissing as missing:
        yield Skipped("Kokoro", f"{missing.message}; {missing.hint}")
        return
    chance = random.Random(6)
    with ExitStack() as stack:
        where = (str(found["kokoro"]), str(found["kokoro-voices"]))
        sides = {name: stack.enter_context(process("--side", name, *where)) for name in SIDES}
        loaded = {name: ask(child)["rss"] for name, child in sides.items()}
        spoken: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
        for busy, goal in GOALS.items():
            with ExitStack() as loops:
                for _ in range(busy):
                    loops.enter_context(process("--spin"))
                times = race(sides, int(rounds), chance)
            yield from ratios(times, BUSY[busy], goal)
            for name in SIDES:
                spoken[name] += times[name]
        for name in SIDES:
            leading = [each["leading_ms"] for each in spoken[name]]
            yield median(f"leading silence, {name}", "ms", leading, None if name == "shipped" else ("<=", 50))
        for name in SIDES[1:]:
            waits = [ask(sides[name], after_s=chance.uniform(0.0, 1.0))["ms"] for _ in range(int(cancels))]
            yield median(f"cancel to engine free, {name}", "ms", waits, ("<=", 15))
            yield rank(f"cancel to engine free, {name}, p90", "ms", waits, 90, ("<=", 60))
        for name in SIDES:
            note = f"{loaded[name] / 2**20:.0f} MB when it was ready"
            most = max(each["rss"] for each in spoken[name])
            yield single(f"memory, {name}", "MB", most / 2**20, note=note)


def race(
    sides: dict[str, subprocess.Popen[str]], rounds: int, chance: random.Random
) -> dict[str, list[dict[str, float]]]:
    times: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        for text in SPOKEN.values():
            voice = VOICES[number % len(VOICES)]
            for name in chance.sample(list(sides), len(sides)):
                times[name].append(ask(sides[name], text=text, voice=voice))
    return times


def ratios(times: dict[str, list[dict[str, float]]], machine: str, goal: float) -> Iterator[Found]:
    shipped = times["shipped"]
    for name, own in times.items():
        factors = [each["s"] / each["speech_s"] for each in own]
        yield median(f"real-time factor, {machine}, {name}", "", factors)
        if name != "shipped":
            pairs = list(zip(own, shipped, strict=True))
            cpu = statistics.median(mine["cpu_s"] / theirs["cpu_s"] for mine, theirs in pairs)
            yield median(
                f"{name} / shipped, {machine}",
                "x",
                [mine["s"] / theirs["s"] for mine, theirs in pairs],
                ("<=", goal),
                note=f"{cpu:.2f} of its processor time",
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        side(*sys.argv[2:5])
    elif sys.argv[1:2] == ["--spin"]:
        while True:
            pass
    else:
        raise SystemExit(
            main(
                __doc__,
                measure,
                rounds=Size(6, 1, "times that each sentence is spoken"),
                cancels=Size(40, 5, "sentences that are cancelled"),
            )
        )
