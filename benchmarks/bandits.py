"""How well does an NPC learn what pays, beside tuned peers and the original, and what does that cost?

Regret is told as a part of the uniform policy's: 0 is an oracle, 1 is chance. All policies meet the same contexts
and the same noise (`bandit_worlds.py`). Peers are tuned in each world, on the very seeds they are judged by
(`bandit_peers.py`); what they did is kept in `data/bandits-peers.json`, and `--fresh 1` plays them again (about 25
minutes). Our learner has one setting for all worlds, found on other seeds.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random

from bandit_peers import SETTINGS, Cache, Original, best
from bandit_worlds import ENCODINGS, WORLDS, Encode, Player, Uniform, World, logged, play
from report import Found, Row, Size, Skipped, Target, main, median, rank, single

from rfsn_bridge import Learner, Policy
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.epsilon_greedy import EpsilonGreedy
from rfsn_bridge.mind.estimators import Logged
from rfsn_bridge.mind.experience import Experience
from rfsn_bridge.mind.keyed import Keyed
from rfsn_bridge.mind.linear_ucb import LinearUcb
from rfsn_bridge.mind.prior import fit_prior, read_prior
from rfsn_bridge.mind.style import ACTION_ARMS, ACTION_FEATURES, STYLE_ARMS, STYLE_FEATURES

ARMS = STYLE_ARMS
BESIDE_PEER = {"linear": 1.2, "drift": 0.9, "npc": 1.0, "warm": 1.05}
BESIDE_ORIGINAL = {"linear": 0.30, "drift": 0.45, "npc": 0.65}
OTHERS: dict[str, Callable[[], Learner]] = {
    "epsilon_greedy": EpsilonGreedy,
    "thompson": lambda: Keyed("thompson"),
    "softmax": lambda: Keyed("softmax"),
    "ucb1": lambda: Keyed("ucb1"),
    "greedy": Greedy,
}


class Ours:
    """A policy of ours in a world; no prior prefers any arm."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self._policy = policy
        self._rng = Random(seed)

    def select(self, x: tuple[float, ...], offered: Sequence[int]) -> tuple[int, float]:
        made = self._policy.select(x, [ARMS[arm] for arm in offered], (0.0,) * len(offered), self._rng)
        return ARMS.index(made.arm), made.probability

    def update(self, x: tuple[float, ...], arm: int, reward: float, probability: float) -> None:
        self._policy.update(x, ARMS[arm], reward, probability)


def measure(seeds: float, fresh: float, turns: float) -> Iterator[Found]:
    """The figures, world by world; then what a choice costs and whether its probability is true."""
    cache, numbers = Cache(fresh=fresh > 0), range(int(seeds))
    for column in WORLDS:
        yield from _regrets(column, numbers, cache)
    if fresh:
        cache.save()
    yield from _costs(int(turns))
    yield from _truths(int(turns))


# --- Regret ----------------------------------------------------------------------------------------


def _regrets(column: str, seeds: Sequence[int], cache: Cache) -> Iterator[Found]:
    worlds = [WORLDS[column](seed) for seed in seeds]
    ours = worlds[0].encodings[-1]
    chance = [_chance(world, ours, seed) for seed, world in zip(seeds, worlds, strict=True)]
    learner = LinearUcb()
    regrets = [_regret(learner, world, ours, seed) for seed, world in zip(seeds, worlds, strict=True)]
    yield _row(f"{column}: linucb", regrets, chance)
    peers = {}
    for library in SETTINGS:
        try:
            setting, played = best(cache, column, library, seeds)
        except StopIteration:  # neither installed nor kept
            yield Skipped(f"{column}: {library}", f"run: pip install {library}")
            continue
        yield _row(f"{column}: {library}", played, chance, setting)
        peers[library] = sum(played)
    if peers:
        yield single(
            f"{column}: beside the best peer",
            "x",
            sum(regrets) / min(peers.values()),
            _at_most(BESIDE_PEER[column]),
        )
    if column in BESIDE_ORIGINAL:
        first = worlds[0].encodings[0]
        original = [_original(world, first, seed) for seed, world in zip(seeds, worlds, strict=True)]
        yield _row(f"{column}: the original's style learner", original, chance)
        ratio = sum(regrets) / sum(original)
        yield single(f"{column}: beside the original", "x", ratio, _at_most(BESIDE_ORIGINAL[column]))
    if column == "npc":
        for name, make in OTHERS.items():
            others = [_regret(make(), world, ours, seed) for seed, world in zip(seeds, worlds, strict=True)]
            yield _row(f"{column}: {name}", others, chance)


def _regret(learner: Learner, world: World, encoding: str, seed: int) -> float:
    """Of our learner: a fresh policy for each NPC, from the population's prior where there is a log."""
    encode = ENCODINGS[encoding]
    size = len(encode(world.episodes[0], 0, -1))
    features = STYLE_FEATURES if encoding == "product" else ("bias", *(f"x{at}" for at in range(1, size)))
    prior = _prior(world, seed, encode, features) if world.log else None

    def begin(at: int) -> Player:
        return Ours(learner.policy(ARMS, features, prior=prior), 1000 * seed + at)

    return _total(world, encoding, begin)


def _prior(world: World, seed: int, encode: Encode, features: Sequence[str]) -> bytes:
    log = [
        Logged(encode(episode, turn, last), ARMS[arm], reward, {}, str(npc))
        for npc, episode, turn, last, arm, reward, _ in logged(world, seed)
    ]
    return read_prior(fit_prior({"style": log}, {"style": ARMS}, {"style": features}))["style"]


def _chance(world: World, encoding: str, seed: int) -> float:
    uniform = Uniform(seed)
    return _total(world, encoding, lambda _: uniform)


def _original(world: World, encoding: str, seed: int) -> float:
    size = len(ENCODINGS[encoding](world.episodes[0], 0, -1))
    return _total(world, encoding, lambda at: Original(size, 1000 * seed + at))


def _total(world: World, encoding: str, begin: Callable[[int], Player]) -> float:
    return sum(play(episode, begin(at), ENCODINGS[encoding]) for at, episode in enumerate(world.episodes))


def _row(what: str, regrets: Sequence[float], chance: Sequence[float], note: str = "") -> Row:
    """The mean over the seeds, and where the middle eight tenths lie."""
    parts = [regret / most for regret, most in zip(regrets, chance, strict=True)]
    spread = median(what, "", parts)
    return Row(what, "of chance's", statistics.fmean(parts), spread.low, spread.high, len(parts), None, note)


def _at_most(limit: float) -> Target:
    return ("<=", limit)


# --- Cost ------------------------------------------------------------------------------------------


def _costs(turns: int) -> Iterator[Found]:
    """Of the style learner as the daemon has it, with experience of every arm."""
    world = WORLDS["npc"](0)
    seen = [
        ENCODINGS["product"](episode, turn, turn % len(ARMS))
        for episode in world.episodes
        for turn in range(len(episode))
    ]
    rng, priors = Random(1), (0.1,) * len(ARMS)
    policy = LinearUcb().policy(STYLE_ARMS, STYLE_FEATURES)
    selects, updates = [], []
    gc.disable()
    for turn in range(turns):
        x = seen[turn % len(seen)]
        began = time.perf_counter()
        made = policy.select(x, STYLE_ARMS, priors, rng)
        chosen = time.perf_counter()
        policy.update(x, ARMS[turn % len(ARMS)] if turn < 200 else made.arm, rng.gauss(0.4, 0.6), made.probability)
        selects.append((chosen - began) * 1e6)
        updates.append((time.perf_counter() - chosen) * 1e6)
    gc.enable()
    yield median("select, six styles", "us", selects, ("<=", 40))
    yield rank("select, 99th percentile", "us", selects, 99, ("<=", 120))
    yield median("update", "us", updates, ("<=", 25))
    yield single("live memory of a style learner", "KiB", _live(policy) / 1024, ("<=", 48))
    yield single("both learners on disk", "KiB", len(_experienced(turns).dump()) / 1024, ("<=", 12))


def _live(policy: Policy) -> int:
    """What a policy holds for itself alone: its arrays, dicts and lists; names and the start are shared."""
    own = [sys.getsizeof(policy)]
    for value in vars(policy).values():
        own.append(value.nbytes if hasattr(value, "nbytes") else sys.getsizeof(value))
    return sum(own)


def _experienced(turns: int) -> Experience:
    """An NPC that has learned about every action and style, in all kinds of state."""
    rng, experience = Random(2), Experience.begin(LinearUcb())
    kinds = ((experience.action, ACTION_ARMS, ACTION_FEATURES), (experience.style, STYLE_ARMS, STYLE_FEATURES))
    for policy, arms, features in kinds:
        for turn in range(turns):
            x = (1.0, *(rng.uniform(-1, 1) for _ in features[1:]))
            policy.update(x, arms[turn % len(arms)], rng.gauss(0.4, 0.6), 0.5)
    return experience


# --- Truth -----------------------------------------------------------------------------------------


def _truths(turns: int) -> Iterator[Found]:
    learners: dict[str, Callable[[], Learner]] = {"linucb": LinearUcb, **OTHERS}
    for name, make in learners.items():
        yield single(f"stated to drawn probabilities: {name}", "TV", _off(make(), turns), ("<=", 0.08))
    same = _choices(LinearUcb(), turns) == _choices(LinearUcb(), turns)
    yield single("choices that differ under one seed", "", 0 if same else 1, ("<=", 0))
    learner = LinearUcb()
    alone = learner.policy(STYLE_ARMS, STYLE_FEATURES).dump()
    other = learner.policy(STYLE_ARMS, STYLE_FEATURES)
    _choices(learner, turns)
    yield single("NPCs changed by another's turns", "", 0 if other.dump() == alone else 1, ("<=", 0))


def _off(learner: Learner, turns: int) -> float:
    """The total variation between stated and drawn shares of the arms, in one state at a time, on average."""
    episode = WORLDS["npc"](1).episodes[0]
    policy, rng, found = learner.policy(STYLE_ARMS, STYLE_FEATURES), Random(3), []
    draws = max(200, turns // 2)
    for turn in range(0, len(episode), 10):
        x = ENCODINGS["product"](episode, turn, -1)
        made = [policy.select(x, STYLE_ARMS, (0.0,) * len(ARMS), rng) for _ in range(draws)]
        drawn = Counter(each.arm for each in made)
        found.append(sum(abs(drawn[arm] / draws - p) for arm, p in made[0].probabilities.items()) / 2)
        for at, each in enumerate(made[:3]):
            policy.update(x, each.arm, episode.reward(turn, -1, (turn + at) % len(ARMS)), each.probability)
    return statistics.fmean(found)


def _choices(learner: Learner, turns: int) -> list[str]:
    rng, policy, episode = Random(4), learner.policy(STYLE_ARMS, STYLE_FEATURES), WORLDS["npc"](2).episodes[0]
    made = []
    for turn in range(min(turns, len(episode))):
        x = ENCODINGS["product"](episode, turn, -1)
        made.append(policy.select(x, STYLE_ARMS, (0.0,) * len(ARMS), rng))
        policy.update(x, made[-1].arm, 0.3, made[-1].probability)
    return [each.arm for each in made]


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__ or "",
            measure,
            seeds=Size(10, 3, "worlds of each kind"),
            fresh=Size(0, 0, "1: play the peers again instead of reading what they did"),
            turns=Size(4000, 1000, "turns that are timed"),
        )
    )
