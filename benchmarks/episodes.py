"""How fast the mind decides, and how many turns a second are simulated, beside the original's scoring.

With the lexical classifier and the linear learner, without a language model. A decision is all between the
player's text and what the NPC will do and how: classifier, state, rules, scores, both choices, trace. The
original's scoring is written anew from its description (`original_scorer.py`); it grows with what was recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import original_scorer
from report import Found, Size, main, median, rank, single

from rfsn_bridge.config import Config, MindParts
from rfsn_bridge.domain import Mood, Npc, NpcState, Relationship, Signal, SignalContext
from rfsn_bridge.episodes import episode_file, parts, personas, phrases, starts
from rfsn_bridge.episodes.simulate import Stage
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.experience import Experience
from rfsn_bridge.mind.state import settle

_HISTORIES = (0, 1_000, 10_000, 50_000)
_OF_AN_NPC = 60
_KNOWN = 500
"""Turns after which an NPC has learned all that it keeps."""


def timed_us(of: Callable[[], object]) -> float:
    began = time.perf_counter()
    of()
    return (time.perf_counter() - began) * 1e6


def anyhow(rng: Random) -> NpcState:
    """Any state an NPC can be in."""
    mood, relationship = rng.choice(list(Mood)), rng.choice(list(Relationship))
    affinity, sentiment = rng.uniform(-1, 1), rng.uniform(-1, 1)
    fight, quest = rng.random() < 0.2, rng.random() < 0.3
    return settle(
        NpcState(mood, affinity, relationship, rng.random(), rng.random(), sentiment, fight, quest, rng.random())
    )


def simulated(mind: Mind, turns: int) -> Iterator[Found]:
    """Whole turns, written as lines, one NPC after another."""
    names, size = personas.NAMES, 0
    count = max(1, round(turns / _OF_AN_NPC))
    began, busy = time.perf_counter(), time.process_time()
    for number in range(count):
        rng = Random(number)
        name = names[number % len(names)]
        npc = Npc(name, name, personality=starts.drawn_personality(rng))
        stage = Stage(mind, npc, personas.persona(name, rng), str(number), starts.start("varied", rng))
        for fields in stage.play(_OF_AN_NPC):
            size += len(episode_file.line_of(fields))
    spent, busy, done = time.perf_counter() - began, time.process_time() - busy, count * _OF_AN_NPC
    yield single("simulated turns, scripted players", "a second", done / spent, (">=", 2000), samples=done)
    yield single("the same by a second of processor time", "a second", done / busy, samples=done)
    yield single("a line of an episode file", "bytes", size / done, samples=done)


def decided(mind: Mind, turns: int, warm: Experience) -> Iterator[Found]:
    """From text to decision, and the parts of it."""
    rng, npc = Random(1), Npc("npc", "Npc")
    whole, deciding, busy, cold, known = [], [], [], [], []
    signals = list(Signal)
    for number in range(turns):
        state = anyhow(rng)
        text = phrases.said(rng.choice(signals), rng)
        began, used = time.perf_counter(), time.thread_time()
        heard = mind.classify(text, SignalContext(state))
        classified = time.perf_counter()
        mind.decide(npc, state, heard, rng, warm)
        ended, used = time.perf_counter(), time.thread_time() - used
        if number >= turns // 20:  # what comes first warms up
            whole.append((ended - began) * 1e3)
            deciding.append((ended - classified) * 1e3)
            busy.append(used * 1e3)
            taken_in = mind.world.hear(state, heard)
            cold.append(timed_us(lambda taken_in=taken_in: mind.weigh(npc, taken_in)))  # type: ignore[misc]
            known.append(timed_us(lambda taken_in=taken_in: mind.weigh(npc, taken_in, warm.observations)))  # type: ignore[misc]
    yield median("from text to decision", "ms", whole, ("<", 1))
    yield rank("from text to decision, p99", "ms", whole, 99)
    yield rank("the same by processor time, p99", "ms", busy, 99)
    yield median("the decision without the classifier", "ms", deciding, ("<", 1))
    yield median("predict and score all candidates, an NPC that knows nothing", "us", cold, ("<=", 300))
    yield median(f"the same after {_KNOWN} turns", "us", known, ("<=", 300))


def original(rounds: int) -> Iterator[Found]:
    """The original's part of that: predicting and scoring its eight candidates."""
    rng = Random(2)
    for size in _HISTORIES:
        history, times = original_scorer.recorded(size, rng), []
        for _ in range(max(5, min(rounds, rounds * 1_000 // (size + 1)))):
            state, signal = original_scorer.random_state(rng), rng.choice(original_scorer.SIGNALS)
            times.append(timed_us(lambda s=state, h=signal, t=history: original_scorer.score_all(s, h, t)))  # type: ignore[misc]
        yield median(f"the original's scoring, {size} transitions recorded", "us", times)


def experienced(mind: Mind) -> Experience:
    """What an NPC has learned that has talked for long."""
    stage = Stage(mind, Npc("npc", "Npc"), personas.PERSONAS["erratic"], "warm")
    for _ in stage.play(_KNOWN):
        pass
    return stage.experience


def measure(turns: float) -> list[Found]:
    mind = parts.mind(Config(mind=MindParts(classifier="lexical", learner="linucb")), Path("nowhere"))
    warm = experienced(mind)
    count = max(40, round(turns))
    return [*simulated(mind, count), *decided(mind, count, warm), *original(max(20, count // 20))]


if __name__ == "__main__":
    raise SystemExit(main(__doc__ or "", measure, turns=Size(6000, 1000, "turns to simulate and to decide")))
