"""Choosing among the best actions. For now the best one wins; learning comes with the mind issue."""

from collections.abc import Sequence
from random import Random

from rfsn_bridge.domain import Choice, ScoringContext


class Greedy:
    """The built-in learner `greedy`: the highest prior, with certainty; the first of equals."""

    def select(self, context: ScoringContext, arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        best = max(range(len(arms)), key=lambda index: priors[index])
        return Choice(arms[best], 1.0, {"prior": priors[best]})

    def update(self, decision_id: str, reward: float) -> None:
        """Nothing is learned: the choice depends on the scores alone."""
