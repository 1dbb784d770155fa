"""Other people's learners in the simulated worlds: Vowpal Wabbit, MABWiser, and the original's own.

Each setting is tried with every encoding that a world has; the best of them stands for its library. They choose on
the very seeds they are judged by, which is in their favour. A regret depends on nothing but code and seed, so what
was played once is kept in `data/bandits-peers.json` under the versions it was played with.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import importlib.metadata
import itertools
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bandit_worlds import ARMS, ENCODINGS, WORLDS, Encode, Player, World, logged, play

CACHE = Path(__file__).parent / "data" / "bandits-peers.json"
_TRIED_ON = 2
_FINALISTS = 3

Row = tuple[tuple[float, ...], int, float, float]
"""A logged choice: features, arm, reward, probability."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to set up a library."""

    library: str
    family: str
    options: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return " ".join([self.family, *(f"{name}={value:g}" for name, value in self.options)])


def _grid(library: str, family: str, **options: Sequence[float]) -> Iterator[Setting]:
    for values in itertools.product(*options.values()):
        yield Setting(library, family, tuple(zip(options, values, strict=True)))


SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    "vowpalwabbit": (
        *_grid(
            "vowpalwabbit", "squarecb", gamma_scale=(3, 10, 50, 300), learning_rate=(0.5, 2, 5), power_t=(0.5, 0)
        ),
        *_grid("vowpalwabbit", "cover", cover=(3, 8), learning_rate=(0.5, 2), power_t=(0.5, 0)),
        *_grid("vowpalwabbit", "epsilon", epsilon=(0.02, 0.08), learning_rate=(0.5, 2), power_t=(0.5, 0)),
        *_grid("vowpalwabbit", "regcb", learning_rate=(0.5,), power_t=(0.5,)),
    ),
    "mabwiser": (
        *_grid("mabwiser", "LinUCB", alpha=(0.1, 0.25, 0.5, 1), l2_lambda=(0.3, 1, 3)),
        *_grid("mabwiser", "LinTS", alpha=(0.1, 0.3), l2_lambda=(1, 3)),
        *_grid("mabwiser", "LinGreedy", epsilon=(0.02,), l2_lambda=(1, 3)),
    ),
}


# --- The libraries ---------------------------------------------------------------------------------


class VowpalWabbit:
    """`cb_explore_adf` with a weight for each pair of feature and arm."""

    _FAMILIES: Mapping[str, str] = {"squarecb": "--squarecb", "regcb": "--regcb"}

    def __init__(self, setting: Setting, size: int, seed: int, log: Sequence[Row]) -> None:
        options = " ".join(f"--{name} {value:g}" for name, value in setting.options)
        self._arguments = (
            f"--cb_explore_adf {self._FAMILIES.get(setting.family, '')} {options} "
            f"-q sa --ignore_linear s --noconstant --cb_type mtr --quiet --random_seed {seed}"
        )
        self._rng = random.Random(seed)
        self._model: str | None = None
        if log:
            self._workspace = self._open()
            for row in log:
                self.update(*row)
            self._folder = tempfile.TemporaryDirectory()
            self._model = str(Path(self._folder.name) / "model.vw")
            self._workspace.save(self._model)

    def begin(self) -> Player:
        """A learner for one NPC."""
        self._workspace = self._open()
        return self

    def _open(self) -> Any:
        import vowpalwabbit

        loaded = f" -i {self._model}" if self._model else ""
        return vowpalwabbit.Workspace(self._arguments + loaded, enable_logging=False)

    def select(self, x: tuple[float, ...], offered: Sequence[int]) -> tuple[int, float]:
        lines = [_shared(x), *(f"|a {arm}" for arm in offered)]
        chances = self._workspace.predict("\n".join(lines))
        (at,) = self._rng.choices(range(len(offered)), chances)
        return offered[at], chances[at]

    def update(self, x: tuple[float, ...], arm: int, reward: float, probability: float) -> None:
        cost = f"0:{-reward:.6f}:{probability:.6f} "
        lines = [f"{cost if each == arm else ''}|a {each}" for each in range(ARMS)]
        self._workspace.learn("\n".join([_shared(x), *lines]))


def _shared(x: tuple[float, ...]) -> str:
    return "shared |s " + " ".join(f"f{at}:{value:.5g}" for at, value in enumerate(x) if value)


class MabWiser:
    """A policy of MABWiser. It states no probability, so 1 is told; its linear learners do not ask."""

    def __init__(self, setting: Setting, size: int, seed: int, log: Sequence[Row]) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        policy = getattr(LearningPolicy, setting.family)(**dict(setting.options))
        self._rng = random.Random(seed)
        self._fresh = MAB(list(range(ARMS)), policy, seed=seed)
        self._fitted = bool(log)
        if log:
            xs, arms, rewards, _ = zip(*log, strict=True)
            self._fresh.fit(list(arms), list(rewards), np.array(xs))
        self._mab = self._fresh

    def begin(self) -> Player:
        begun = copy.copy(self)
        begun._mab = copy.deepcopy(self._fresh)
        return begun

    def select(self, x: tuple[float, ...], offered: Sequence[int]) -> tuple[int, float]:
        if not self._fitted:
            return self._rng.choice(offered), 1 / len(offered)
        worth = self._mab.predict_expectations(np.array([x]))
        return max(offered, key=lambda arm: worth[arm]), 1.0

    def update(self, x: tuple[float, ...], arm: int, reward: float, probability: float) -> None:
        learn = self._mab.partial_fit if self._fitted else self._mab.fit
        learn([arm], [reward], np.array([x]))
        self._fitted = True


class Original:
    """The original's style learner, as its source had it: linear, greedy but for 8 %, moved by the reward alone.

    weights += .05 x reward x features, then all weights x .9999; features within 5, rewards within 2, weights
    within 10.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._rng = random.Random(seed)
        self._weights = np.zeros((ARMS, size))

    def select(self, x: tuple[float, ...], offered: Sequence[int]) -> tuple[int, float]:
        if self._rng.random() < 0.08:
            return self._rng.choice(offered), 1.0
        worth = self._weights @ np.array(x)
        return max(offered, key=lambda arm: float(worth[arm])), 1.0

    def update(self, x: tuple[float, ...], arm: int, reward: float, probability: float) -> None:
        self._weights[arm] += 0.05 * np.clip(reward, -2, 2) * np.clip(x, -5, 5)
        self._weights = np.clip(0.9999 * self._weights, -10, 10)


# --- Playing them ----------------------------------------------------------------------------------

_MAKERS: Mapping[str, Callable[..., VowpalWabbit | MabWiser]] = {
    "vowpalwabbit": VowpalWabbit,
    "mabwiser": MabWiser,
}


def regret(setting: Setting, encoding: str, world: World, seed: int) -> float:
    """The regret of one setting over a world."""
    encode = ENCODINGS[encoding]
    size = len(encode(world.episodes[0], 0, -1))
    maker = _MAKERS[setting.library](setting, size, seed + 1, log_rows(world, seed, encode))
    return sum(play(episode, maker.begin(), encode) for episode in world.episodes)


def log_rows(world: World, seed: int, encode: Encode) -> list[Row]:
    """The logged turns, as a learner reads them."""
    rows = logged(world, seed)
    return [(encode(episode, turn, last), arm, reward, p) for _, episode, turn, last, arm, reward, p in rows]


class Cache:
    """Regrets that were played before."""

    def __init__(self, *, fresh: bool = False) -> None:
        self._kept: dict[str, float] = {} if fresh or not CACHE.exists() else json.loads(CACHE.read_text())
        self._used: dict[str, float] = {}

    def regret(self, column: str, setting: Setting, encoding: str, seed: int) -> float:
        world = _world(column, seed)
        where = f"{column} {seed} {_print_of(world, encoding)} {setting.library}"
        key = f"{where} {self.version(setting.library)} {setting} {encoding}"
        if key not in self._kept:
            self._kept[key] = round(regret(setting, encoding, world, seed), 4)
        self._used[key] = self._kept[key]
        return self._kept[key]

    def version(self, library: str) -> str:
        """The installed one, else that of what is kept."""
        try:
            return importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            return next(key.split()[4] for key in self._kept if key.split()[3] == library)

    def save(self) -> None:
        """Keep what was asked for, and nothing older."""
        CACHE.write_text(json.dumps(dict(sorted(self._used.items())), indent=0) + "\n")


@functools.lru_cache(maxsize=4)
def _world(column: str, seed: int) -> World:
    return WORLDS[column](seed)


def _print_of(world: World, encoding: str) -> str:
    """The same for the same world in the same encoding."""
    found = hashlib.sha256()
    for episode in (*world.episodes, *world.log):
        seen = [ENCODINGS[encoding](episode, turn, 0) for turn in (0, len(episode) // 2, len(episode) - 1)]
        found.update(np.round(episode.means, 6).tobytes() + np.round(episode.noise, 6).tobytes())
        found.update(repr((seen, episode.offered, episode.delay)).encode())
    return found.hexdigest()[:8]

    def version(self, library: str) -> str:
        """The installed one, else that of what is kept."""
        try:
            return importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            return next(key.split()[4] for key in self._kept if key.split()[3] == library)

    def save(self) -> None:
        """Keep what was played with this code."""
        current = {key: value for key, value in sorted(self._kept.items()) if key.startswith(self._code)}
        CACHE.write_text(json.dumps(current, indent=0) + "\n")


def best(cache: Cache, column: str, library: str, seeds: Sequence[int]) -> tuple[str, list[float]]:
    """A library's best setting and encoding in a world, and its regret for each seed."""
    tried = [(setting, encoding) for setting in SETTINGS[library] for encoding in _world(column, 0).encodings]
    first: dict[tuple[Setting, str], float] = dict.fromkeys(tried, 0.0)
    for seed in seeds[:_TRIED_ON]:  # seed by seed: a world is made once
        for one in tried:
            first[one] += cache.regret(column, *one, seed)
    finalists = sorted(tried, key=lambda one: first[one])[:_FINALISTS]
    played = {one: [0.0] * len(seeds) for one in finalists}
    for at, seed in enumerate(seeds):
        for one in finalists:
            played[one][at] = cache.regret(column, *one, seed)
    setting, encoding = min(finalists, key=lambda one: sum(played[one]))
    return f"{setting}, {encoding}", played[setting, encoding]
