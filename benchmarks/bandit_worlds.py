"""Simulated worlds for the learners: what is seen, what each choice would pay, when the reward comes.

Everything random is drawn before a policy plays, from the seed alone, so that all policies meet the same contexts
and the same noise. Regret is what the best arm on offer would have paid on average in that context, less what the
chosen one would have. A world is a list of episodes, one for each NPC; a policy begins anew with each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rfsn_bridge.domain import Mood, Npc, NpcState, Relationship, Signal, Style
from rfsn_bridge.mind.style import BALANCED, TONES, Talk, style_features

Array = npt.NDArray[np.float64]
Encode = Callable[["Episode", int, int], tuple[float, ...]]
"""The features of an episode's turn, given the arm that was chosen last (-1: none)."""

ARMS = 6
LIMIT = 2.0
_MOODS, _RELATIONSHIPS, _STYLES = tuple(Mood), tuple(Relationship), tuple(Style)
_PLAYSTYLES = (BALANCED, *TONES)
_NPC = Npc("npc", "NPC")


@dataclass(frozen=True, slots=True)
class Episode:
    """The turns of one NPC. `means[t, last + 1, arm]` is what an arm pays on average after `last`."""

    means: Array
    noise: Array
    offered: tuple[tuple[int, ...], ...]
    delay: tuple[int, ...]
    """How many turns later the reward of each turn is known."""
    numbers: Array
    """Of each turn: the features (linear), or affinity, sentiment, similarity, contradiction, turns / 50."""
    kinds: npt.NDArray[np.int64] | None = None
    """Of each turn: mood, relationship, playstyle."""
    bucket: float = 0.0
    """The hash of the NPC's id, in [0, 1], as the original had it."""

    def __len__(self) -> int:
        return len(self.offered)

    def reward(self, turn: int, last: int, arm: int) -> float:
        return float(np.clip(self.means[turn, last + 1, arm] + self.noise[turn, arm], -LIMIT, LIMIT))

    def regret(self, turn: int, last: int, arm: int) -> float:
        row = self.means[turn, last + 1]
        return float(max(row[each] for each in self.offered[turn]) - row[arm])


@dataclass(frozen=True, slots=True)
class World:
    """What is played, and (warm) what others' turns were logged before, under a uniform policy."""

    episodes: tuple[Episode, ...]
    log: tuple[Episode, ...] = ()
    encodings: tuple[str, ...] = ("numbers",)


class Player(Protocol):
    """A policy for one episode, over arm numbers."""

    def select(self, x: tuple[float, ...], offered: Sequence[int]) -> tuple[int, float]:
        """The arm, and the probability that it had."""
        ...

    def update(self, x: tuple[float, ...], arm: int, reward: float, probability: float) -> None: ...


# --- Playing ---------------------------------------------------------------------------------------


def play(episode: Episode, player: Player, encode: Encode) -> float:
    """The regret of a policy over one episode; rewards come when they are due."""
    total, last = 0.0, -1
    due: dict[int, list[tuple[tuple[float, ...], int, float, float]]] = {}
    for turn, offered in enumerate(episode.offered):
        x = encode(episode, turn, last)
        arm, probability = player.select(x, offered)
        total += episode.regret(turn, last, arm)
        came = (x, arm, episode.reward(turn, last, arm), probability)
        due.setdefault(turn + episode.delay[turn], []).append(came)
        for late in due.pop(turn, ()):
            player.update(*late)
        last = arm
    return total


def logged(world: World, seed: int) -> list[tuple[int, Episode, int, int, int, float, float]]:
    """The logged turns of others: (NPC, episode, turn, last arm, arm, reward, probability)."""
    rng = np.random.default_rng([seed, 9])
    found = []
    for number, episode in enumerate(world.log):
        last = -1
        for turn, offered in enumerate(episode.offered):
            arm = int(rng.choice(offered))
            reward = episode.reward(turn, last, arm)
            found.append((number, episode, turn, last, arm, reward, 1 / len(offered)))
            last = arm
    return found


class Uniform:
    """Any arm on offer, all alike: what the regrets are measured in."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 8])

    def select(self, x: tuple[float, ...], offered: Sequence[int]) -> tuple[int, float]:
        return offered[int(self._rng.integers(len(offered)))], 1 / len(offered)

    def update(self, x: tuple[float, ...], arm: int, reward: float, probability: float) -> None:
        """Nothing is learned."""


def numbers(episode: Episode, turn: int, last: int) -> tuple[float, ...]:
    return tuple(episode.numbers[turn].tolist())


def ordinal(episode: Episode, turn: int, last: int) -> tuple[float, ...]:
    """The original's ten features: a category is its place in the list, divided by the list's length."""
    assert episode.kinds is not None
    mood, relationship, playstyle = episode.kinds[turn].tolist()
    affinity, sentiment, similarity, contradiction, turns = episode.numbers[turn].tolist()
    return (
        episode.bucket,
        affinity,
        mood / len(_MOODS),
        relationship / len(_RELATIONSHIPS),
        playstyle / len(_PLAYSTYLES),
        sentiment,
        similarity,
        contradiction,
        turns,
        (last + 1) / (ARMS + 1),
    )


def one_hot(episode: Episode, turn: int, last: int) -> tuple[float, ...]:
    """A bias, the numbers, and every category with a feature for each of its values."""
    assert episode.kinds is not None
    row = [1.0, *episode.numbers[turn].tolist()]
    sizes = (len(_MOODS), len(_RELATIONSHIPS), len(_PLAYSTYLES), ARMS + 1)
    for value, size in zip((*episode.kinds[turn].tolist(), last + 1), sizes, strict=True):
        row += [float(value == each) for each in range(size)]
    return tuple(row)


def product(episode: Episode, turn: int, last: int) -> tuple[float, ...]:
    """What the daemon itself shows its style learner, the manner of the last line apart (it pays nothing here)."""
    assert episode.kinds is not None
    mood, relationship, playstyle = episode.kinds[turn].tolist()
    affinity, sentiment, similarity, contradiction, turns = episode.numbers[turn].tolist()
    state = NpcState(
        mood=_MOODS[mood],
        affinity=affinity,
        relationship=_RELATIONSHIPS[relationship],
        recent_sentiment=sentiment,
    )
    before = _STYLES[last] if last >= 0 else None
    talk = Talk(round(50 * turns), before, None, _PLAYSTYLES[playstyle], similarity, contradiction > 0)
    return style_features(_NPC, state, Signal.FAREWELL, talk)


ENCODINGS: dict[str, Encode] = {"numbers": numbers, "ordinal": ordinal, "one-hot": one_hot, "product": product}


# --- Making ----------------------------------------------------------------------------------------


_PLAIN_NOISE = 0.5
_TALK_NOISE = 0.7
_USUAL = 0.4
"""What a choice pays whatever it is: players mostly go on talking."""


def linear(seed: int, turns: int = 1500) -> World:
    """Ten features, six arms, payoffs linear in the features."""
    rng = np.random.default_rng([seed, 1])
    x = _features(rng, turns)
    return World((_plain(x, x @ _weights(rng).T, rng),))


def drift(seed: int, turns: int = 1500) -> World:
    """The same, but the weights walk at random, and after each third all are drawn anew."""
    rng = np.random.default_rng([seed, 2])
    x = _features(rng, turns)
    means, weights, step = np.empty((turns, ARMS)), _weights(rng), 0.02
    for turn in range(turns):
        changed = turn in (turns // 3, 2 * turns // 3)
        weights = _weights(rng) if changed else np.sqrt(1 - step**2) * weights + step * _weights(rng)
        means[turn] = weights @ x[turn]
    return World((_plain(x, means, rng),))


def npc(seed: int, npcs: int = 20, turns: int = 100) -> World:
    """NPCs with the original's ten features: a payoff of the population's, and a part of each NPC's own."""
    rng = np.random.default_rng([seed, 3])
    population = _Taste.drawn(rng, 1.0)
    return World(tuple(_talk(rng, population, turns) for _ in range(npcs)), (), ("ordinal", "one-hot", "product"))


def warm(seed: int, npcs: int = 20, turns: int = 100, before: int = 12) -> World:
    """The same, after the turns of other NPCs of that population were logged."""
    rng = np.random.default_rng([seed, 4])
    population = _Taste.drawn(rng, 1.0)
    log = tuple(_talk(rng, population, turns) for _ in range(before))
    played = tuple(_talk(rng, population, turns) for _ in range(npcs))
    return World(played, log, ("ordinal", "one-hot", "product"))


WORLDS: dict[str, Callable[[int], World]] = {"linear": linear, "drift": drift, "npc": npc, "warm": warm}


def _features(rng: np.random.Generator, turns: int) -> Array:
    """A bias and nine numbers in [-1, 1]."""
    x = rng.uniform(-1, 1, (turns, 10))
    x[:, 0] = 1
    return x


def _weights(rng: np.random.Generator) -> Array:
    return 0.3 * rng.standard_normal((ARMS, 10))


def _plain(x: Array, means: Array, rng: np.random.Generator) -> Episode:
    turns = len(x)
    noise = _PLAIN_NOISE * rng.standard_normal((turns, ARMS))
    everything = (tuple(range(ARMS)),) * turns
    return Episode(np.repeat(_USUAL + means[:, None], ARMS + 1, axis=1), noise, everything, (0,) * turns, x)


@dataclass(frozen=True, slots=True)
class _Taste:
    """What each arm pays by itself, by number and by category; `last` what it pays after each other arm."""

    arm: Array
    numbers: Array
    mood: Array
    relationship: Array
    playstyle: Array
    last: Array

    @classmethod
    def drawn(cls, rng: np.random.Generator, scale: float) -> _Taste:
        """Half of what a context pays, it pays whatever the arm."""

        def draw(deviation: float, size: int) -> Array:
            drawn: Array = scale * deviation * (rng.standard_normal((ARMS, size)) + rng.standard_normal(size))
            return drawn

        repeated = -0.1 * scale * np.eye(ARMS, ARMS + 1, k=1)  # saying it the same way again wears off
        return cls(
            draw(0.15, 1)[:, 0],
            draw(0.15, 5),
            draw(0.25, len(_MOODS)),
            draw(0.25, len(_RELATIONSHIPS)),
            draw(0.25, len(_PLAYSTYLES)),
            draw(0.05, ARMS + 1) + repeated,
        )

    def pays(self, row: Array, kinds: Sequence[int]) -> Array:
        """[last + 1, arm]"""
        mood, relationship, playstyle = kinds
        fixed = self.arm + self.numbers @ row + self.mood[:, mood] + self.relationship[:, relationship]
        return (fixed + self.playstyle[:, playstyle])[None] + self.last.T


def _talk(rng: np.random.Generator, population: _Taste, turns: int) -> Episode:
    """One NPC's turns: moods last a while, affinity wanders and makes the relationship, playstyles are habits."""
    own = _Taste.drawn(rng, 0.4)
    rows, kinds = np.empty((turns, 5)), np.empty((turns, 3), dtype=np.int64)
    means = np.empty((turns, ARMS + 1, ARMS))
    affinity, sentiment = rng.uniform(-0.6, 0.6), 0.0
    mood, playstyle = int(rng.integers(len(_MOODS))), int(rng.integers(len(_PLAYSTYLES)))
    for turn in range(turns):
        affinity = float(np.clip(affinity + 0.12 * rng.standard_normal(), -1, 1))
        sentiment = float(np.clip(0.8 * sentiment + 0.25 * rng.standard_normal(), -1, 1))
        mood = int(rng.integers(len(_MOODS))) if rng.random() < 0.25 else mood
        playstyle = int(rng.integers(len(_PLAYSTYLES))) if rng.random() < 0.08 else playstyle
        contradiction = float(rng.random() < 0.06)
        rows[turn] = (affinity, sentiment, rng.beta(2, 3), contradiction, min(1.0, turn / 50))
        kinds[turn] = (mood, _RELATIONSHIPS.index(_tier(affinity, turn)), playstyle)
        means[turn] = _USUAL + population.pays(rows[turn], kinds[turn]) + own.pays(rows[turn], kinds[turn])
    noise = _TALK_NOISE * rng.standard_normal((turns, ARMS))
    offered = []
    for _ in range(turns):
        masked = rng.random() < 0.1
        arms = rng.permutation(ARMS)[: ARMS // 2] if masked else np.arange(ARMS)
        offered.append(tuple(sorted(arms.tolist())))
    delay = tuple(rng.integers(1, 4, turns).tolist())
    return Episode(means, noise, tuple(offered), delay, rows, kinds, float(rng.integers(100)) / 100)


def _tier(affinity: float, turn: int) -> Relationship:
    if turn < 5 and abs(affinity) < 0.6:
        return Relationship.STRANGER
    tiers = ((-0.6, Relationship.ENEMY), (-0.2, Relationship.RIVAL), (0.2, Relationship.ACQUAINTANCE))
    named = next((tier for below, tier in tiers if affinity < below), None)
    return named or (Relationship.FRIEND if affinity < 0.6 else Relationship.ALLY)
