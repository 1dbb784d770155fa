"""Choosing among the best actions. For now the best one wins."""

from collections.abc import Sequence
from random import Random

from rfsn_bridge.domain import Choice


class GreedyPolicy:
    """The highest prior, with certainty; the first of equals. Nothing is learned."""

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        best = max(range(len(arms)), key=lambda index: priors[index])
        probabilities = {arm: float(index == best) for index, arm in enumerate(arms)}
        return Choice(arms[best], 1.0, {"prior": priors[best]}, probabilities, dict(zip(arms, priors, strict=True)))

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
