"""What all learners share: a floor under every probability, the draw, and the choice with its reasons."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from random import Random

from rfsn_bridge.domain import Choice

FLOOR = 0.02
"""The part of all choices that is left to chance, so that every arm on offer has a probability."""
REWARD_LIMIT = 2.0


def floored(probabilities: Sequence[float], floor: float = FLOOR) -> list[float]:
    """The same wish, with `floor` spread evenly over the arms; sums to 1 exactly as far as floats do."""
    share, rest = floor / len(probabilities), (1 - floor) / sum(probabilities)
    return [share + rest * probability for probability in probabilities]


def softmax(worth: Sequence[float], temperature: float) -> list[float]:
    """Probabilities in proportion to exp(worth / temperature)."""
    best = max(worth)
    weights = [math.exp((each - best) / temperature) for each in worth]
    total = sum(weights)
    return [weight / total for weight in weights]


def first_best(worth: Sequence[float]) -> list[float]:
    """All on the best; the first of equals."""
    best = max(range(len(worth)), key=lambda at: worth[at])
    return [float(at == best) for at in range(len(worth))]


def draw(probabilities: Sequence[float], rng: Random) -> int:
    """Where the dice fall: one number of `rng`, whatever the probabilities."""
    left = rng.random() * sum(probabilities)
    for at, probability in enumerate(probabilities):
        left -= probability
        if left < 0:
            return at
    return len(probabilities) - 1


def choice(
    arms: Sequence[str],
    probabilities: Sequence[float],
    worth: Sequence[float],
    at: int,
    contributions: Mapping[str, float],
) -> Choice:
    """The arm at `at`, as a Choice. Its worth is told as the sum of the contributions, to the last bit."""
    compared = dict(zip(arms, worth, strict=True))
    compared[arms[at]] = sum(contributions.values())
    return Choice(
        arms[at], probabilities[at], contributions, dict(zip(arms, probabilities, strict=True)), compared
    )


def signature(learner: str, arms: Sequence[str], features: Sequence[str]) -> bytes:
    """Eight bytes that what was learned begins with: whose it is, and about what."""
    return hashlib.blake2b(repr((learner, tuple(arms), tuple(features))).encode(), digest_size=8).digest()


class GreedyPolicy:
    """The highest prior, with certainty; the first of equals. Nothing is learned."""

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        certain = first_best(priors)
        best = certain.index(1.0)
        return choice(arms, certain, priors, best, {"prior": priors[best]})

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        """The choice depends on the priors alone."""

    def dump(self) -> bytes:
        return b""


class Greedy:
    """The built-in learner `greedy`."""

    def policy(
        self,
        arms: Sequence[str],
        features: Sequence[str],
        *,
        prior: bytes | None = None,
        saved: bytes | None = None,
    ) -> GreedyPolicy:
        return GreedyPolicy()
