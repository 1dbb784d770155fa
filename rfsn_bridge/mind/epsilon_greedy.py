"""The original's style learner, which config.yaml may still name: linear, greedy but for 8 %.

Rate .05, decay .9999 per update, features within 5, rewards within 2, weights within 10, as the original had them.
Only what it moved by is another thing: the error of its prediction, not the reward, which made whatever was tried
first look good.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from rfsn_bridge.domain import Choice
from rfsn_bridge.mind.bandit import REWARD_LIMIT, choice, draw, first_best, floored, signature

_EPSILON = 0.08
_RATE = 0.05
_DECAY = 0.9999
_FEATURE_LIMIT = 5.0
_WEIGHT_LIMIT = 10.0


class EpsilonGreedyPolicy:
    """A weight for each arm and feature."""

    def __init__(self, arms: Sequence[str], features: Sequence[str]) -> None:
        self._names = tuple(features)
        self._weights = {arm: [0.0] * len(features) for arm in arms}
        self._signature = signature("epsilon_greedy", arms, features)

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        worth = [
            prior + sum(w * value for w, value in zip(self._weights[arm], x, strict=True))
            for arm, prior in zip(arms, priors, strict=True)
        ]
        chances = floored(first_best(worth), _EPSILON)
        at = draw(chances, rng)
        contributions = {"prior": priors[at]}
        for name, weight, value in zip(self._names, self._weights[arms[at]], x, strict=True):
            if weight * value:
                contributions[name] = weight * value
        return choice(arms, chances, worth, at, contributions)

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        seen = [_within(value, _FEATURE_LIMIT) for value in x]
        weights = self._weights[arm]
        error = _within(reward, REWARD_LIMIT) - sum(w * value for w, value in zip(weights, seen, strict=True))
        # A step of more than 1 / |x|^2 would overshoot what it corrects.
        step = error * min(_RATE, 1 / (1e-9 + sum(value * value for value in seen)))
        self._weights[arm] = [w + step * value for w, value in zip(weights, seen, strict=True)]
        for each, row in self._weights.items():
            self._weights[each] = [_within(_DECAY * w, _WEIGHT_LIMIT) for w in row]

    def dump(self) -> bytes:
        numbers = [weight for row in self._weights.values() for weight in row]
        return self._signature + struct.pack(f"<{len(numbers)}e", *numbers)

    def restore(self, saved: bytes) -> None:
        """Take back what `dump` gave; raises ValueError where it is another learner's."""
        size = len(self._names)
        if saved[:8] != self._signature or len(saved) != 8 + 2 * size * len(self._weights):
            raise ValueError("it was learned by another learner, for other arms or of other features")
        numbers = [
            _within(number, _WEIGHT_LIMIT) for number in struct.unpack(f"<{(len(saved) - 8) // 2}e", saved[8:])
        ]
        for at, arm in enumerate(self._weights):
            self._weights[arm] = numbers[at * size : (at + 1) * size]


class EpsilonGreedy:
    """The built-in learner `epsilon_greedy`. It reads no prior."""

    def policy(
        self,
        arms: Sequence[str],
        features: Sequence[str],
        *,
        prior: bytes | None = None,
        saved: bytes | None = None,
    ) -> EpsilonGreedyPolicy:
        policy = EpsilonGreedyPolicy(arms, features)
        if saved is not None:
            policy.restore(saved)
        return policy


def _within(value: float, limit: float) -> float:
    """No number counts as none."""
    return max(-limit, min(limit, value)) if value == value else 0.0
