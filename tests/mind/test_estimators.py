"""Judging a policy by another's log: unbiased, covered, and refused where the log cannot tell."""

from collections.abc import Mapping
from random import Random

import pytest

from rfsn_bridge.mind.estimators import Estimate, Logged, NoSupport, doubly_robust, ips, off_balance, snips

ARMS = ("a", "b", "c")


def logging_policy(x: float) -> dict[str, float]:
    return {"a": 0.2, "b": 0.6, "c": 0.2} if x > 0 else {"a": 0.5, "b": 0.25, "c": 0.25}


def wished(x: float) -> dict[str, float]:
    return {"a": 0.1, "b": 0.1, "c": 0.8} if x > 0 else {"a": 0.7, "b": 0.2, "c": 0.1}


def mean(x: float, arm: str) -> float:
    return {"a": 0.2 - 0.5 * x, "b": 0.1, "c": 0.6 * x}[arm]


def simulated(seed: int, turns: int) -> tuple[list[Logged], list[Mapping[str, float]], float]:
    """A log, the other policy's wishes, and what it would earn in the long run."""
    rng = Random(seed)
    log, wishes = [], []
    for _ in range(turns):
        x = rng.uniform(-1, 1)
        chances = logging_policy(x)
        arm = rng.choices(ARMS, [chances[each] for each in ARMS])[0]
        log.append(Logged((x,), arm, mean(x, arm) + rng.gauss(0, 0.5), chances))
        wishes.append(wished(x))
    grid = [(2 * at + 1) / 2000 - 1 for at in range(2000)]
    truth = sum(p * mean(x, arm) for x in grid for arm, p in wished(x).items()) / len(grid)
    return log, wishes, truth


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_a_long_log_tells_what_another_policy_earns(estimator) -> None:  # type: ignore[no-untyped-def]
    log, wishes, truth = simulated(1, 6000)
    found: Estimate = estimator(log, wishes)
    assert found.value == pytest.approx(truth, abs=0.05)
    assert found.low < truth < found.high


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_intervals_hold_the_truth_about_as_often_as_they_say(estimator) -> None:  # type: ignore[no-untyped-def]
    held = 0
    for seed in range(120):
        log, wishes, truth = simulated(seed, 250)
        found = estimator(log, wishes)
        held += found.low <= truth <= found.high
    assert held >= 0.88 * 120


def test_the_doubly_robust_interval_is_the_narrowest() -> None:
    log, wishes, _ = simulated(2, 1000)
    robust, plain = doubly_robust(log, wishes), ips(log, wishes)
    assert robust.high - robust.low < plain.high - plain.low


def test_a_policy_that_does_what_was_never_tried_is_refused() -> None:
    log = [Logged((0.0,), "a", 1.0, {"a": 1.0}) for _ in range(100)]
    with pytest.raises(NoSupport, match="never done"):
        ips(log, [{"a": 0.5, "b": 0.5}] * 100)


def test_a_log_worth_a_few_turns_only_is_refused() -> None:
    log = [Logged((0.0,), "b" if at < 5 else "a", 1.0, {"a": 0.95, "b": 0.05}) for at in range(100)]
    with pytest.raises(NoSupport, match="worth 5"):
        doubly_robust(log, [{"b": 1.0}] * 100)
    with pytest.raises(NoSupport, match="too few"):
        snips(log[:10], [{"a": 1.0}] * 10)


def test_lies_about_propensities_are_seen() -> None:
    log, _, _ = simulated(3, 2000)
    assert off_balance(log) < 0.03
    lying = [Logged(each.x, each.arm, each.reward, {"a": 0.8, "b": 0.1, "c": 0.1}) for each in log]
    assert off_balance(lying) > 0.3
