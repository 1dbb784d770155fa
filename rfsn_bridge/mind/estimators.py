"""What another policy would have earned, from turns that were logged with their propensities.

`ips` and `snips` weigh each logged reward by how much likelier the other policy was to do the same (D. G. Horvitz
and D. J. Thompson, 1952; A. Swaminathan and T. Joachims, "The self-normalized estimator for counterfactual
learning", 2015). `doubly_robust` adds a model of the rewards, so that it holds if either the model or the
propensities are right (M. Dudik, J. Langford and L. Li, "Doubly robust policy evaluation and learning", 2011); the
point comes from clipped weights, the interval from plain ones, because a clipped one covers far too seldom.

Where the other policy does what was hardly ever tried, nobody knows what it earns: that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_FEWEST = 30
_FEWEST_EFFECTIVE = 20.0
_UNSUPPORTED = 0.01
_CLIP = 10.0
_Z = 1.96
_FOLDS = 5
_RIDGE = 1.0


class NoSupport(ValueError):
    """The logged turns cannot tell; the words say why."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One choice as it was logged. `probabilities` are the logging policy's, of all arms it was offered."""

    x: tuple[float, ...]
    arm: str
    reward: float
    probabilities: Mapping[str, float]
    npc_id: str = ""
    priors: Mapping[str, float] = field(default_factory=dict)
    """The priors that the arms were offered with, where there were any."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Reward per turn; `low` and `high` hold the true one in 95 of 100 logs, where there is an interval."""

    value: float
    low: float
    high: float
    effective: float
    """How many turns of the other policy's own the log is worth."""


Target = Sequence[Mapping[str, float]]
"""For each logged turn, the probabilities of the policy that is judged."""


def ips(log: Sequence[Logged], target: Target) -> Estimate:
    """Inverse propensity scoring: unbiased, and wild where propensities are small."""
    weights = _weights(log, target)
    return _estimate([w * each.reward for w, each in zip(weights, log, strict=True)], weights)


def snips(log: Sequence[Logged], target: Target) -> Estimate:
    """The same, divided by the mean weight: a little bias for much less variance. Interval by the delta method."""
    weights = _weights(log, target)
    total = sum(weights)
    value = sum(w * each.reward for w, each in zip(weights, log, strict=True)) / total
    mean = total / len(log)
    spread = [w * (each.reward - value) / mean for w, each in zip(weights, log, strict=True)]
    half = _Z * math.sqrt(sum(each * each for each in spread)) / len(log)
    return Estimate(value, value - half, value + half, _effective(weights))


def doubly_robust(log: Sequence[Logged], target: Target, *, clip: float = _CLIP) -> Estimate:
    """The point with weights clipped at `clip`, the interval with plain ones, about its own centre.

    The model of the rewards is a ridge regression for each arm, fitted on the folds that a turn is not in.
    """
    weights = _weights(log, target)
    models = _cross_fitted(log)
    plain, clipped = [], []
    for weight, each, wish, model in zip(weights, log, target, models, strict=True):
        expected = sum(p * model.get(arm, 0.0) for arm, p in wish.items() if p)
        error = each.reward - model[each.arm]
        plain.append(expected + weight * error)
        clipped.append(expected + min(clip, weight) * error)
    point = sum(clipped) / len(clipped)
    interval = _estimate(plain, weights)
    return Estimate(point, interval.low, interval.high, interval.effective)


def off_balance(log: Sequence[Logged]) -> float:
    """How far the stated propensities are from what was done: total variation between both shares of the arms.

    A policy that lies about its propensities can pass every check of its rewards; it does not pass this one.
    """
    stated: dict[str, float] = {}
    done: dict[str, float] = {}
    for each in log:
        for arm, probability in each.probabilities.items():
            stated[arm] = stated.get(arm, 0.0) + probability
        done[each.arm] = done.get(each.arm, 0.0) + 1
    arms = stated.keys() | done.keys()
    return sum(abs(stated.get(arm, 0.0) - done.get(arm, 0.0)) for arm in arms) / 2 / max(1, len(log))


# --- Inside ----------------------------------------------------------------------------------------


def _weights(log: Sequence[Logged], target: Target) -> list[float]:
    """How much likelier each logged arm is under the other policy; raises NoSupport."""
    if len(log) < _FEWEST:
        raise NoSupport(f"{len(log)} rewarded turns are too few to judge by; {_FEWEST} are the least")
    weights, beyond = [], 0.0
    for number, (each, wish) in enumerate(zip(log, target, strict=True), 1):
        probability = each.probabilities.get(each.arm, 0.0)
        if not 0 < probability <= 1:
            raise NoSupport(f"turn {number} was logged without the probability of its arm")
        weights.append(wish.get(each.arm, 0.0) / probability)
        beyond += sum(p for arm, p in wish.items() if each.probabilities.get(arm, 0.0) <= 0)
    if beyond > _UNSUPPORTED * len(log):
        share = beyond / len(log)
        raise NoSupport(f"{share:.0%} of what the policy does was never done in the log; explore more, then log")
    if (effective := _effective(weights)) < _FEWEST_EFFECTIVE:
        raise NoSupport(
            f"the log is worth {effective:.0f} turns of this policy; {_FEWEST_EFFECTIVE:.0f} are the least"
        )
    return weights


def _effective(weights: Sequence[float]) -> float:
    squares = sum(weight * weight for weight in weights)
    return sum(weights) ** 2 / squares if squares else 0.0


def _estimate(values: Sequence[float], weights: Sequence[float]) -> Estimate:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    half = _Z * math.sqrt(variance / len(values))
    return Estimate(mean, mean - half, mean + half, _effective(weights))


def _cross_fitted(log: Sequence[Logged]) -> list[dict[str, float]]:
    """For each turn, what each arm would pay by a model that has not seen it."""
    import numpy as np

    xs = np.array([(1.0, *each.x) for each in log])
    rewards = np.array([each.reward for each in log])
    arms = sorted({arm for each in log for arm in (each.arm, *each.probabilities)})
    taken = np.array([arms.index(each.arm) for each in log])
    fold = np.arange(len(log)) % _FOLDS
    ridge = _RIDGE * np.eye(xs.shape[1])
    guesses = np.empty((len(log), len(arms)))
    for each in range(_FOLDS):
        inside, outside = fold == each, fold != each
        usual = rewards[outside].mean()
        for at in range(len(arms)):
            seen = outside & (taken == at)
            weights = np.linalg.solve(xs[seen].T @ xs[seen] + ridge, xs[seen].T @ (rewards[seen] - usual))
            guesses[inside, at] = usual + xs[inside] @ weights
    return [dict(zip(arms, row, strict=True)) for row in guesses.tolist()]
