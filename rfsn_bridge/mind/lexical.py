"""What a line does to the NPC, by its words: TF-IDF of words, word classes and pieces of words, a linear model.

The weights are trained by tools/train_signals.py and read from data/lexical.npz (arrays only, no pickle). Each of
the four blocks of features (see wording.py) is a TF-IDF vector of length 1, as in scikit-learn with binary counts.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfsn_bridge.domain import Signal, SignalContext
from rfsn_bridge.mind.answers import as_answer
from rfsn_bridge.mind.signals import trusted_signal
from rfsn_bridge.mind.wording import WordClasses, features, tidy, tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_WORDLESS = {Signal.IGNORE: 0.8, Signal.AGREE: 0.1, Signal.QUESTION: 0.1}
_WORDLESS_QUESTION = {Signal.QUESTION: 0.9, Signal.IGNORE: 0.1}

_NOT_UNDERSTOOD = {Signal.IGNORE: 0.5, Signal.QUESTION: 0.3, Signal.AGREE: 0.2}
"""What a line is taken for of which no word is known: another language, a slip of the keyboard."""
_ENOUGH_KNOWN = 0.5
"""The part of its words that must be known for a line to be taken at its word."""

_RULES_SHARE = 0.5
"""Of the probability, for a rule that is to be trusted."""

_LEAST = 0.005
"""Signals less likely than this are left out."""


class LexicalModel:
    """The linear model: log-odds of each label, to be divided by `temperature` for probabilities."""

    def __init__(self, weights: bytes, words: bytes) -> None:
        import numpy as np

        with np.load(io.BytesIO(weights), allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = dict(stored)
        names = bytes(arrays["features"]).decode("utf-8").split("\n")
        self._place = {name: place for place, name in enumerate(names)}
        self._classes = WordClasses(words.decode("utf-8"))
        self._idf = arrays["idf"].astype(np.float32)
        self._weights = arrays["weights"]  # 8 bits each; a column's unit is its `scale`
        self._scale = arrays["scale"].astype(np.float32)
        self._bias = arrays["bias"].astype(np.float32)
        self.temperature = float(arrays["temperature"])
        self.labels = tuple(Signal(label) for label in bytes(arrays["labels"]).decode().split())

    def known(self, words: list[str]) -> float:
        """The part of a line's words that the model has met."""
        said = [word for word in words if word[0].isalnum()]
        return (
            sum(word in self._place or bool(self._classes.of(word)) for word in said) / len(said) if said else 1.0
        )

    def logits(self, text: str, words: list[str] | None = None) -> Array:
        """For a tidy line, one number for each of `labels`; `words` are its tokens, where known already."""
        import numpy as np

        total = np.zeros(len(self.labels), np.float32)
        for block in features(text, self._classes, words):
            places = [place for name in block if (place := self._place.get(name)) is not None]
            if places:
                idf = self._idf[places]
                total += (idf / np.sqrt(idf @ idf)) @ self._weights[places]
        logits: Array = total * self._scale + self._bias
        return logits


def distribution(logits: Array, labels: tuple[Signal, ...], temperature: float) -> dict[Signal, float]:
    """Probabilities, the likeliest first; the unlikely are left out, the values sum to 1."""
    import numpy as np

    odds = np.exp((logits - logits.max()) / temperature)
    chances = (odds / odds.sum()).tolist()
    kept = sorted(((p, label) for p, label in zip(chances, labels, strict=True) if p >= _LEAST), reverse=True)
    whole = sum(p for p, _ in kept)
    return {label: p / whole for p, label in kept}


def _mixed(heard: Mapping[Signal, float], instead: Mapping[Signal, float], share: float) -> dict[Signal, float]:
    """`share` of one distribution, and of the other the rest."""
    mixed = {signal: p * share for signal, p in heard.items() if share}
    for signal, p in instead.items():
        mixed[signal] = mixed.get(signal, 0.0) + p * (1 - share)
    return mixed


class LexicalClassifier:
    """The built-in classifier `lexical`."""

    def __init__(self, model: LexicalModel | None = None) -> None:
        self._model = model or built_in()

    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        text = tidy(text)
        if not any(map(str.isalnum, text)):
            return _WORDLESS_QUESTION if "?" in text else _WORDLESS
        model, words = self._model, tokens(text)
        heard = distribution(model.logits(text, words), model.labels, model.temperature)
        if (known := model.known(words) / _ENOUGH_KNOWN) < 1:
            heard = _mixed(heard, _NOT_UNDERSTOOD, known)
        if (signal := trusted_signal(words)) is not None:
            heard = {label: (1 - _RULES_SHARE) * p for label, p in heard.items()}
            heard[signal] = heard.get(signal, 0.0) + _RULES_SHARE
        return as_answer(text, heard, context)


@cache
def built_in() -> LexicalModel:
    """The model that is shipped."""
    with data_file("lexical.npz") as weights, data_file("words.txt") as words:
        return LexicalModel(weights.read_bytes(), words.read_bytes())


def data_file(name: str) -> AbstractContextManager[Path]:
    """A file of this package's data, as a path."""
    return resources.as_file(resources.files("rfsn_bridge.mind") / "data" / name)
