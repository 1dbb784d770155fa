"""The original's action learners, which config.yaml may still name: what each arm earned, for each kind of state.

The original's key was mood | relationship | affinity band | signal | combat | quest. It is read from the features
by their names: "affinity" by its band, and whether each of the others that tell a mood, a relationship, what was
said, a combat or a quest is more true than not. States without a key of their own count as one.

A reward is taken as a part of the best there is: -2 is 0, 2 is 1. As in the original, a prior moves an arm's worth
by a twentieth of itself, at most .05; an arm that was tried less than three times loses .03 for each it lacks; a
tenth of all choices is left to chance. What is stated is what is drawn from.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from random import Random

from rfsn_bridge.domain import Choice
from rfsn_bridge.mind.bandit import REWARD_LIMIT, choice, draw, first_best, floored, signature, softmax

_EXPLORE = 0.10
_TEMPERATURE = 0.1
_CONFIDENCE = 2.0
_TRIED = 3
_COLD = 0.03
_PRIOR_PART, _PRIOR_LIMIT = 1 / 20, 0.05
_BANDS = (-0.6, -0.2, 0.2, 0.6)
_KEYED = ("mood", "relationship", "said", "combat", "quest", "angry", "sad")
_MOST_KEYS = 48
"""The state that was met longest ago is forgotten for a new one."""
_MOST = 2000.0
"""Times tried that count; beyond it, older ones fade."""
_GRID = 160

Counts = dict[int, tuple[float, float]]
"""Of each arm: how often it was tried, and the sum of what it earned, in [0, 1] each time."""
Rule = Callable[[Sequence[float], Sequence[tuple[float, float]], Sequence[float]], list[float]]
"""Probabilities, from each arm's worth, its counts, and what was added to its mean to make its worth."""


def greedily(worth: Sequence[float], counts: Sequence[tuple[float, float]], added: Sequence[float]) -> list[float]:
    return first_best(worth)


def softly(worth: Sequence[float], counts: Sequence[tuple[float, float]], added: Sequence[float]) -> list[float]:
    return softmax(worth, _TEMPERATURE)


def as_believed(
    worth: Sequence[float], counts: Sequence[tuple[float, float]], added: Sequence[float]
) -> list[float]:
    """How likely each arm is the best, if what it earns is Beta distributed: the integral of f_i times all F_j.

    On a grid, by midpoints; what is added to an arm's mean moves its curve.
    """
    import numpy as np

    tried, earned = np.array(counts).T[:, :, None]
    low, high = min(0.0, *added), max(0.0, *added)
    edges = np.linspace(low, 1 + high, _GRID + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    at = middles - np.array(added)[:, None]
    inside = (at > 0) & (at < 1)
    at = np.where(inside, at, 0.5)
    logs = earned * np.log(at) + (tried - earned) * np.log1p(-at)
    density = np.where(inside, np.exp(logs - logs.max(axis=1, keepdims=True)), 0.0)
    density /= density.sum(axis=1, keepdims=True)
    below = np.maximum(np.cumsum(density, axis=1) - density / 2, 1e-300)
    others = np.exp(np.log(below).sum(axis=0) - np.log(below))
    best: list[float] = (density * others).sum(axis=1).tolist()
    return best


class KeyedPolicy:
    """Counts for each key. `confidence` is UCB1's: what is added for an arm that was tried seldom."""

    def __init__(
        self, name: str, arms: Sequence[str], features: Sequence[str], rule: Rule, confidence: float
    ) -> None:
        self._arms = {arm: at for at, arm in enumerate(arms)}
        self._affinity = features.index("affinity") if "affinity" in features else None
        self._keyed = [at for at, each in enumerate(features) if each.split("=")[0] in _KEYED]
        self._signature = signature(name, arms, features)
        self._rule = rule
        self._confidence = confidence
        self._counts: OrderedDict[int, Counts] = OrderedDict()

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        known = self._counts.get(self._key(x), {})
        total = sum(tried for tried, _ in known.values())
        counts, parts = [], []
        for arm, prior in zip(arms, priors, strict=True):
            tried, earned = known.get(self._arms[arm], (0.0, 0.0))
            counts.append((tried, earned))
            part = {
                "earned": (earned + 1) / (tried + 2),
                "prior": max(-_PRIOR_LIMIT, min(_PRIOR_LIMIT, _PRIOR_PART * prior)),
                "cold": -_COLD * max(0.0, _TRIED - tried),
            }
            if self._confidence:
                part["curiosity"] = math.sqrt(self._confidence * math.log(total + 1) / (tried + 1))
            parts.append(part)
        worth = [sum(part.values()) for part in parts]
        added = [each - part["earned"] for each, part in zip(worth, parts, strict=True)]
        chances = floored(self._rule(worth, counts, added), _EXPLORE)
        at = draw(chances, rng)
        return choice(arms, chances, worth, at, parts[at])

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        if not math.isfinite(reward):
            raise ValueError(f"cannot learn from {reward}")
        key = self._key(x)
        counts = self._counts.setdefault(key, {})
        self._counts.move_to_end(key)
        while len(self._counts) > _MOST_KEYS:
            self._counts.popitem(last=False)
        tried, earned = counts.get(self._arms[arm], (0.0, 0.0))
        if tried >= _MOST:
            tried, earned = tried / 2, earned / 2
        part = (max(-REWARD_LIMIT, min(REWARD_LIMIT, reward)) + REWARD_LIMIT) / (2 * REWARD_LIMIT)
        counts[self._arms[arm]] = (tried + 1, earned + part)

    def _key(self, x: Sequence[float]) -> int:
        """Bits: the affinity's band, then each keyed feature that is more true than not."""
        band = 0 if self._affinity is None else sum(x[self._affinity] >= each for each in _BANDS)
        bits = sum(1 << place for place, at in enumerate(self._keyed) if x[at] > 0.5)
        return bits * (len(_BANDS) + 1) + band

    def dump(self) -> bytes:
        rows = [struct.pack("<B", len(self._counts))]
        for key, counts in self._counts.items():
            rows.append(struct.pack("<QB", key & 0xFFFFFFFFFFFFFFFF, len(counts)))
            rows += [struct.pack("<Bee", arm, tried, earned / tried) for arm, (tried, earned) in counts.items()]
        return self._signature + zlib.compress(b"".join(rows), 9)

    def restore(self, saved: bytes) -> None:
        """Take back what `dump` gave; raises ValueError where it is another learner's or damaged."""
        if saved[:8] != self._signature:
            raise ValueError("it was learned by another learner, for other arms or of other features")
        restored: OrderedDict[int, Counts] = OrderedDict()
        try:
            data = zlib.decompressobj().decompress(saved[8:], 1 + _MOST_KEYS * (9 + 5 * len(self._arms)))
            at = 1
            for _ in range(data[0]):
                key, arms = struct.unpack_from("<QB", data, at)
                at += 9
                counts: Counts = {}
                for _ in range(arms):
                    arm, tried, mean = struct.unpack_from("<Bee", data, at)
                    if not (arm < len(self._arms) and 0 < tried <= _MOST + 1 and 0 <= mean <= 1):
                        raise ValueError("its counts are none")
                    counts[arm] = (tried, tried * mean)
                    at += 5
                restored[key] = counts
        except (struct.error, zlib.error, IndexError) as error:
            raise ValueError(f"what was learned is damaged: {error}") from None
        self._counts = restored


_RULES: Mapping[str, tuple[Rule, float]] = {
    "thompson": (as_believed, 0.0),
    "softmax": (softly, 0.0),
    "ucb1": (greedily, _CONFIDENCE),
}


class Keyed:
    """The built-in learners `thompson`, `softmax` and `ucb1`. They read no prior."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rule, self._confidence = _RULES[name]

    def policy(
        self,
        arms: Sequence[str],
        features: Sequence[str],
        *,
        prior: bytes | None = None,
        saved: bytes | None = None,
    ) -> KeyedPolicy:
        policy = KeyedPolicy(self._name, arms, features, self._rule, self._confidence)
        if saved is not None:
            policy.restore(saved)
        return policy
