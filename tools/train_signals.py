"""Train the lexical classifier of players' lines: training/signals/train.tsv -> rfsn_bridge/mind/data/lexical.npz.

Needs the extra `train`. Every choice is made by cross-validation that leaves one author out; heldout.tsv is never
read here (benchmarks/signals.py measures with it). `--check` trains nothing to keep and only prints the figures.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from rfsn_bridge.domain import Signal
from rfsn_bridge.mind.lexical import LexicalModel
from rfsn_bridge.mind.wording import Features, WordClasses, features, tidy

ROOT = Path(__file__).resolve().parent.parent
TRAIN = ROOT / "training" / "signals" / "train.tsv"
DATA = ROOT / "rfsn_bridge" / "mind" / "data"

BLOCK_WEIGHTS = (1.0, 1.0, 1.0, 0.3)
RARE = (1, 1, 2, 2)
"""In how many lines a feature of each block must be found, at the least."""
STRENGTH = 12.0
"""C of the logistic regression."""
KEPT = 40_000
"""Features in the file: those that move a label the most."""

CORE = (
    *("greet", "farewell", "insult", "threaten", "apologize", "help"),
    *("request", "question", "compliment", "agree", "disagree"),
)
HOSTILE = ("insult", "threaten", "attack")
HOSTILE_SHIFT = -0.5
"""Added to the hostile labels' log-odds: players are hostile less often than the training lines are, and to take
a friend for a foe is the worse mistake. In cross-validation of the lexical model it makes a third fewer of those
and misses a fifth more of the hostile lines; the other figures hardly change."""


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    text: str
    author: str


def read(path: Path) -> list[Line]:
    """`label<TAB>text[<TAB>author]` a line; raises ValueError at a label that is no signal."""
    lines = []
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        label, text, *author = row.split("\t")
        if label not in set(Signal):
            raise ValueError(f"{path}:{number}: {label!r} is no signal")
        lines.append(Line(label, tidy(text), author[0] if author else ""))
    return lines


class Vectors:
    """TF-IDF of the four blocks, fitted on some lines."""

    def __init__(self, found: Sequence[Features]) -> None:
        self.names: list[str] = []
        self.blocks: list[range] = []
        counts: list[int] = []
        for block, rare in enumerate(RARE):
            df = Counter(name for each in found for name in each[block])
            names = sorted(name for name, count in df.items() if count >= rare)
            self.blocks.append(range(len(self.names), len(self.names) + len(names)))
            self.names += names
            counts += [df[name] for name in names]
        self.idf = np.log((1 + len(found)) / (1 + np.array(counts))) + 1
        self._place = {name: place for place, name in enumerate(self.names)}

    def keep(self, places: Iterable[int]) -> None:
        """Drop all other features."""
        chosen = sorted(places)
        kept = set(chosen)
        sizes = [sum(place in kept for place in block) for block in self.blocks]
        ends = np.cumsum(sizes)
        self.blocks = [range(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True)]
        self.names = [self.names[place] for place in chosen]
        self.idf = self.idf[chosen]
        self._place = {name: place for place, name in enumerate(self.names)}

    def matrix(self, found: Sequence[Features]) -> Any:
        parts = []
        for number, (block, weight) in enumerate(zip(self.blocks, BLOCK_WEIGHTS, strict=True)):
            rows: list[int] = []
            columns: list[int] = []
            values: list[float] = []
            for row, each in enumerate(found):
                places = sorted(place for name in each[number] if (place := self._place.get(name)) is not None)
                idf = self.idf[places]
                rows += [row] * len(places)
                columns += [place - block.start for place in places]
                values += (weight * idf / np.sqrt(idf @ idf)).tolist() if places else []
            parts.append(csr_matrix((values, (rows, columns)), shape=(len(found), len(block))))
        return hstack(parts).tocsr()


def fit(vectors: Vectors, found: Sequence[Features], labels: Sequence[str]) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-4).fit(vectors.matrix(found), labels)


def packed(found: Sequence[Features], labels: Sequence[str], temperature: float, shift: float = 0.0) -> bytes:
    """A model as the bytes of lexical.npz: fitted, pruned, fitted again, in 8 bits.

    `shift` is added to the log-odds of the hostile labels, once they are divided by the temperature.
    """
    vectors = Vectors(found)
    strength = np.abs(fit(vectors, found, labels).coef_).max(axis=0) * vectors.idf
    vectors.keep(np.argsort(-strength, kind="stable")[:KEPT])
    model = fit(vectors, found, labels)
    weights = (model.coef_ * np.repeat(BLOCK_WEIGHTS, [len(block) for block in vectors.blocks])).T
    scale = np.abs(weights).max(axis=0) / 127
    file = io.BytesIO()
    np.savez_compressed(
        file,
        features=np.frombuffer("\n".join(vectors.names).encode(), np.uint8),
        labels=np.frombuffer(" ".join(model.classes_).encode(), np.uint8),
        idf=vectors.idf.astype(np.float16),
        weights=np.round(weights / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        bias=(model.intercept_ + shift * temperature * np.isin(model.classes_, HOSTILE)).astype(np.float32),
        temperature=np.float32(temperature),
    )
    return file.getvalue()


def temperature_of(logits: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    """What the log-odds must be divided by for the likeliest probabilities."""
    candidates = np.geomspace(0.3, 3, 70)
    return float(min(candidates, key=lambda t: negative_log_likelihood(logits / t, right)))


def negative_log_likelihood(logits: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    logits = logits - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(right)), right]).mean())


def figures(logits: np.ndarray[Any, Any], right: np.ndarray[Any, Any], labels: Sequence[str]) -> str:
    """The table's figures in one line; `logits` already divided by the temperature."""
    top = logits.argmax(axis=1)
    f1 = {}
    for core in (CORE, labels):
        among = np.isin(right, [labels.index(label) for label in core])
        scores = []
        for number in (labels.index(label) for label in core):
            said, meant = top[among] == number, right[among] == number
            scores.append(2 * (said & meant).sum() / max(1, said.sum() + meant.sum()))
        f1[len(core)] = float(np.mean(scores))
    foe = np.isin(right, [labels.index(label) for label in HOSTILE])
    called = np.isin(top, [labels.index(label) for label in HOSTILE])
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    sure = (chances / chances.sum(axis=1, keepdims=True)).max(axis=1)
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs((top == right)[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    return (
        f"macro-F1 {f1[len(CORE)]:.3f} (all {f1[len(labels)]:.3f}), false-hostile {called[~foe].mean():.3f}, "
        f"hostile recall {called[foe].mean():.3f}, calibration error {sum(gaps):.3f}"
    )


def out_of_fold(
    lines: Sequence[Line], found: Sequence[Features], labels: Sequence[str], words: bytes
) -> np.ndarray[Any, Any]:
    """Each line's log-odds by a model that has seen no line of its author."""
    logits = np.zeros((len(lines), len(labels)))
    for author in sorted({line.author for line in lines}):
        seen = [n for n, line in enumerate(lines) if line.author != author]
        model = LexicalModel(packed([found[n] for n in seen], [lines[n].label for n in seen], 1.0), words)
        order = [model.labels.index(Signal(label)) for label in labels]
        for n, line in enumerate(lines):
            if line.author == author:
                logits[n] = model.logits(line.text)[order]
    return logits


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="print the figures, write nothing")
    parser.add_argument("--lines", type=Path, default=TRAIN, help="the training lines")
    parser.add_argument("--words", type=Path, default=DATA / "words.txt", help="the classes of words")
    parser.add_argument("-o", "--output", type=Path, default=DATA / "lexical.npz")
    options = parser.parse_args()
    lines, words = read(options.lines), options.words.read_bytes()
    classes = WordClasses(words.decode("utf-8"))
    found = [features(line.text, classes) for line in lines]
    labels = sorted({line.label for line in lines})
    right = np.array([labels.index(line.label) for line in lines])
    logits = out_of_fold(lines, found, labels, words)
    temperature = temperature_of(logits, right)
    print(f"{len(lines)} lines, each author by a model of the others: temperature {temperature:.2f}")
    logits = logits / temperature + HOSTILE_SHIFT * np.isin(labels, HOSTILE)
    for author in (*sorted({line.author for line in lines}), None):
        its = np.array([author in (line.author, None) for line in lines])
        print(f"{author or 'all'}: {figures(logits[its], right[its], labels)}")
    if not options.check:
        options.output.write_bytes(packed(found, [line.label for line in lines], temperature, HOSTILE_SHIFT))
        print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
