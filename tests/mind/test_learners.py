"""Every learner: true propensities, bounded, repeatable, saved and taken back; and each NPC by itself."""

import contextlib
import math
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from rfsn_bridge import Learner
from rfsn_bridge.mind.bandit import Greedy, floored
from rfsn_bridge.mind.epsilon_greedy import EpsilonGreedy
from rfsn_bridge.mind.keyed import Keyed, as_believed
from rfsn_bridge.mind.linear_ucb import LinearUcb, Tuning
from rfsn_bridge.mind.style import ACTION_ARMS, ACTION_FEATURES, STYLE_ARMS, STYLE_FEATURES

MAKERS: dict[str, Callable[[], Learner]] = {
    "linucb": LinearUcb,
    "epsilon_greedy": EpsilonGreedy,
    "thompson": lambda: Keyed("thompson"),
    "softmax": lambda: Keyed("softmax"),
    "ucb1": lambda: Keyed("ucb1"),
    "greedy": Greedy,
}
LEARNERS = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
LEARNING = pytest.mark.parametrize("make", [MAKERS[name] for name in MAKERS if name != "greedy"])
EXPLORING = LEARNING
ARMS = ("a", "b", "c", "d")
FEATURES = ("bias", "affinity", "mood=angry", "mood=sad")
PRIORS = (0.1, 0.0, -0.1, 0.05)


def context(rng: Random) -> tuple[float, ...]:
    mood = rng.choice(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    return (1.0, rng.uniform(-1, 1), *mood)


def pays(x: tuple[float, ...], arm: str, rng: Random) -> float:
    best = "a" if x[2] else "b" if x[3] else "c"
    return (0.8 if arm == best else -0.2) + rng.gauss(0, 0.2)


def live(learner: Learner, turns: int, seed: int = 1) -> tuple[object, list[str]]:
    policy, rng = learner.policy(ARMS, FEATURES), Random(seed)
    chosen = []
    for _ in range(turns):
        x = context(rng)
        made = policy.select(x, ARMS, PRIORS, rng)
        policy.update(x, made.arm, pays(x, made.arm, rng), made.probability)
        chosen.append(made.arm)
    return policy, chosen


@LEARNERS
def test_probabilities_sum_to_one_and_contributions_to_the_worth(make: Callable[[], Learner]) -> None:
    policy, _ = live(make(), 60)
    rng = Random(2)
    for _ in range(50):
        offered = rng.sample(ARMS, rng.randint(1, 4))
        made = policy.select(context(rng), offered, PRIORS[: len(offered)], rng)  # type: ignore[attr-defined]
        assert set(made.probabilities) == set(made.worth) == set(offered)
        assert math.isclose(sum(made.probabilities.values()), 1)
        assert made.probability == made.probabilities[made.arm] > 0
        assert sum(made.contributions.values()) == made.worth[made.arm]


@EXPLORING
def test_every_arm_on_offer_keeps_a_probability(make: Callable[[], Learner]) -> None:
    policy, _ = live(make(), 400)
    rng = Random(3)
    made = policy.select(context(rng), ARMS, PRIORS, rng)  # type: ignore[attr-defined]
    assert min(made.probabilities.values()) >= 0.02 / len(ARMS) - 1e-9


@LEARNERS
def test_what_is_stated_is_what_is_drawn_from(make: Callable[[], Learner]) -> None:
    policy, _ = live(make(), 40)
    rng, x = Random(4), (1.0, 0.3, 0.0, 1.0)
    made = [policy.select(x, ARMS, PRIORS, rng) for _ in range(3000)]  # type: ignore[attr-defined]
    drawn = Counter(each.arm for each in made)
    assert sum(abs(drawn[arm] / 3000 - p) for arm, p in made[0].probabilities.items()) / 2 <= 0.04


@LEARNERS
def test_the_same_seed_makes_the_same_choices(make: Callable[[], Learner]) -> None:
    assert live(make(), 150)[1] == live(make(), 150)[1]


@LEARNING
def test_it_learns_what_pays(make: Callable[[], Learner]) -> None:
    policy, rng = make().policy(ARMS, FEATURES), Random(5)
    earned = []
    for _ in range(1500):
        x = context(rng)
        made = policy.select(x, ARMS, (0.0,) * 4, rng)
        earned.append(pays(x, made.arm, rng))
        policy.update(x, made.arm, earned[-1], made.probability)
    assert sum(earned[-500:]) / 500 > 0.2  # by chance: 0.05


@LEARNERS
def test_what_was_learned_survives_being_saved(make: Callable[[], Learner]) -> None:
    policy, _ = live(make(), 300)
    again = make().policy(ARMS, FEATURES, saved=policy.dump())  # type: ignore[attr-defined]
    rng = Random(6)
    for _ in range(20):
        x = context(rng)
        before = policy.select(x, ARMS, PRIORS, Random(7)).probabilities  # type: ignore[attr-defined]
        after = again.select(x, ARMS, PRIORS, Random(7)).probabilities
        assert sum(abs(before[arm] - after[arm]) for arm in ARMS) / 2 < 0.25
    assert make().policy(ARMS, FEATURES, saved=again.dump()).dump() == again.dump()


@LEARNING
def test_bytes_of_other_arms_features_or_learners_are_refused(make: Callable[[], Learner]) -> None:
    saved = live(make(), 20)[0].dump()  # type: ignore[attr-defined]
    for arms, features in ((ARMS[:3], FEATURES), (ARMS, FEATURES[:3])):
        with pytest.raises(ValueError):
            make().policy(arms, features, saved=saved)
    for other in ("linucb", "epsilon_greedy", "softmax"):
        if MAKERS[other] is not make:
            with pytest.raises(ValueError):
                MAKERS[other]().policy(ARMS, FEATURES, saved=saved)


@LEARNING
def test_damaged_bytes_are_refused_or_taken_but_never_break_it(make: Callable[[], Learner]) -> None:
    saved, rng = live(make(), 50)[0].dump(), Random(8)  # type: ignore[attr-defined]
    for _ in range(200):
        damaged = bytearray(saved[: rng.randint(0, len(saved))] if rng.random() < 0.3 else saved)
        for _ in range(3):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            policy = make().policy(ARMS, FEATURES, saved=bytes(damaged))
        except ValueError:
            continue
        made = policy.select((1.0, 0.0, 0.0, 0.0), ARMS, PRIORS, rng)
        assert math.isfinite(sum(made.probabilities.values()))


@LEARNERS
def test_one_npc_never_changes_another(make: Callable[[], Learner]) -> None:
    learner = make()
    one, other = learner.policy(ARMS, FEATURES), learner.policy(ARMS, FEATURES)
    before, rng = other.dump(), Random(9)
    for _ in range(100):
        x = context(rng)
        one.update(x, one.select(x, ARMS, PRIORS, rng).arm, 1.0, 0.5)
    assert other.dump() == before
    assert other.select(x, ARMS, PRIORS, Random(1)) == learner.policy(ARMS, FEATURES).select(
        x, ARMS, PRIORS, Random(1)
    )


@LEARNING
def test_a_reward_that_is_no_number_teaches_nothing(make: Callable[[], Learner]) -> None:
    policy, _ = live(make(), 30)
    with contextlib.suppress(ValueError):
        policy.update((1.0, 0.0, 0.0, 0.0), "a", math.nan, 0.5)  # type: ignore[attr-defined]
    made = policy.select((1.0, 0.0, 0.0, 0.0), ARMS, PRIORS, Random(1))  # type: ignore[attr-defined]
    assert math.isfinite(sum(made.worth.values()))


def test_linucb_stays_bounded_whatever_it_is_told() -> None:
    policy, rng = LinearUcb().policy(ARMS, FEATURES), Random(10)
    for _ in range(3000):
        policy.update((1.0, 1.0, 1.0, 1.0), rng.choice(ARMS), 1e9, 0.5)
    made = policy.select((1.0, 1.0, 1.0, 1.0), ARMS, (0.0,) * 4, rng)
    assert all(abs(worth) < 10 for worth in made.worth.values())


def test_linucb_follows_a_world_that_changes() -> None:
    policy, rng = LinearUcb().policy(ARMS, FEATURES), Random(11)
    chosen = []
    for turn in range(1200):
        best = "a" if turn < 600 else "d"
        made = policy.select((1.0, 0.0, 0.0, 0.0), ARMS, (0.0,) * 4, rng)
        policy.update(
            (1.0, 0.0, 0.0, 0.0), made.arm, float(made.arm == best) + rng.gauss(0, 0.2), made.probability
        )
        chosen.append(made.arm)
    assert Counter(chosen[300:600])["a"] > 270
    assert Counter(chosen[900:])["d"] > 270


def test_linucb_begins_with_the_better_prior() -> None:
    made = LinearUcb().policy(ARMS, FEATURES).select((1.0, 0.0, 0.0, 0.0), ARMS, (0.0, 0.5, 0.0, 0.0), Random(1))
    assert max(made.worth, key=lambda arm: made.worth[arm]) == "b"
    assert made.probabilities["b"] > 0.9


def test_linucb_of_many_turns_fits_into_little() -> None:
    sizes = []
    for arms, features in ((ACTION_ARMS, ACTION_FEATURES), (STYLE_ARMS, STYLE_FEATURES)):
        policy, rng = LinearUcb().policy(arms, features), Random(12)
        for turn in range(2000):
            x = (1.0, *(rng.uniform(-1, 1) for _ in features[1:]))
            policy.update(x, arms[turn % len(arms)], rng.gauss(0.4, 0.6), 0.5)
        assert policy.nbytes <= 48 * 1024
        sizes.append(len(policy.dump()))
    assert sum(sizes) < 11.5 * 1024


def test_curiosity_tries_what_is_unknown() -> None:
    policy, rng = LinearUcb(Tuning(curiosity=2.0)).policy(ARMS, FEATURES), Random(13)
    x = (1.0, 0.0, 0.0, 0.0)
    for _ in range(20):
        policy.update(x, "a", 0.0, 0.5)
    assert policy.select(x, ARMS, (0.0,) * 4, rng).probabilities["a"] < 0.01


def test_the_chance_to_be_the_best_of_two_betas_is_exact() -> None:
    """P(X > Y) of Beta(3, 1) and Beta(1, 3), by hand: 19/20."""
    best = as_believed((0, 0), ((2.0, 2.0), (2.0, 0.0)), (0.0, 0.0))
    assert best[0] == pytest.approx(0.95, abs=2e-3)
    assert sum(best) == pytest.approx(1, abs=1e-2)


def test_a_floor_is_spread_evenly() -> None:
    assert floored([1.0, 0.0], 0.1) == pytest.approx([0.95, 0.05])
