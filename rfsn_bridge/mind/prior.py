"""Where a new NPC's linear policies begin: what a population has learned, as data.

From the logged turns of many NPCs, a Bayesian ridge regression with a part that all arms share and one of each
arm's own. How much weights vary is estimated for each kind of feature from the log itself (evidence maximization:
D. J. C. MacKay, "Bayesian interpolation", 1992). NPCs differ: each one's own weights are taken to lie about the
population's with a part `own` of that variance, chosen by how well policies that begin so would have predicted the
turns of NPCs that were left out.

The file is JSON, for people to read and compare; a covariance is its lower triangle, row by row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rfsn_bridge.mind.bandit import REWARD_LIMIT
from rfsn_bridge.mind.estimators import Logged

Array = npt.NDArray[np.float64]

BIAS = "bias"
_VERSION = 1
_OWN = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_USUAL_OWN = 0.2
_FOLDS = 4
_MOST_REPLAYED = 3000
_ROUNDS = 25
_LEAST, _MOST = 1e-3, 10.0
_NOISE_TURNS = 20.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where policies begin. `models[0]` is the part that all arms share, then one for each arm.

    A model is its covariance, in units of the noise's variance, and below it its mean; `spreads` are the traces.
    """

    models: npt.NDArray[np.float32]
    spreads: tuple[float, ...]
    noise: float
    noise_turns: float

    @classmethod
    def of(cls, means: Array, covariances: Array, noise: float, noise_turns: float) -> Start:
        models = np.concatenate((covariances, means[:, None]), axis=1).astype(np.float32)
        models.flags.writeable = False
        return cls(models, tuple(np.trace(covariances, axis1=1, axis2=2).tolist()), noise, noise_turns)


# --- Bytes -----------------------------------------------------------------------------------------


def read_prior(data: bytes) -> dict[str, bytes]:
    """The prior of each kind of choice ("action", "style"), as a learner's `prior`; raises ValueError."""
    try:
        document = json.loads(data)
        if document["version"] != _VERSION:
            raise ValueError(f"its version is {document['version']}, not {_VERSION}")
        return {name: json.dumps(part).encode() for name, part in document["kinds"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"this is no population prior: {error}") from None


def read_start(part: bytes, arms: Sequence[str], features: Sequence[str]) -> Start | None:
    """Where the prior has policies of these arms and features begin; None if it is of others."""
    try:
        document: dict[str, Any] = json.loads(part)
        if document["arms"] != list(arms) or document["features"] != list(features):
            return None
        models = document["models"]
        means = np.array([model["mean"] for model in models], dtype=float)
        covariances = np.stack([_square(model["covariance"], len(features)) for model in models])
        noise = float(document["noise"])
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    if means.shape != (len(arms) + 1, len(features)) or not (np.isfinite(covariances).all() and 0 < noise < 10):
        return None
    return Start.of(np.clip(means, -10, 10), covariances, noise, _NOISE_TURNS)


def _square(triangle: Sequence[float], size: int) -> Array:
    """A covariance of its lower triangle, made positive where rounding left it short."""
    square = np.zeros((size, size))
    square[np.tril_indices(size)] = triangle
    square += np.tril(square, -1).T
    values, vectors = np.linalg.eigh(square)
    restored: Array = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    return restored


# --- Fitting ---------------------------------------------------------------------------------------


def fit_prior(
    kinds: Mapping[str, Iterable[Logged]],
    arms: Mapping[str, Sequence[str]],
    features: Mapping[str, Sequence[str]],
) -> bytes:
    """The prior of each kind of choice, from logged turns; `arms` and `features` name what the kinds are about.

    A kind without rewarded turns is left out. The same turns in the same order give the same bytes.
    """
    fitted = {}
    for kind, log in kinds.items():
        turns = _Turns.of(list(log), arms[kind], len(features[kind]))
        if len(turns.rewards):
            fitted[kind] = _fit_kind(turns, arms[kind], features[kind])
    return (json.dumps({"version": _VERSION, "kinds": fitted}, separators=(",", ":")) + "\n").encode()


@dataclass(frozen=True, slots=True)
class _Turns:
    xs: Array
    arms: npt.NDArray[np.int64]
    rewards: Array
    npcs: npt.NDArray[np.int64]

    @classmethod
    def of(cls, log: Sequence[Logged], arms: Sequence[str], size: int) -> _Turns:
        number = {arm: at for at, arm in enumerate(arms)}
        npcs = {npc: at for at, npc in enumerate(dict.fromkeys(each.npc_id for each in log))}
        return cls(
            np.array([each.x for each in log], dtype=float).reshape(-1, size),
            np.array([number[each.arm] for each in log], dtype=np.int64),
            np.clip(np.array([each.reward for each in log], dtype=float), -REWARD_LIMIT, REWARD_LIMIT),
            np.array([npcs[each.npc_id] for each in log], dtype=np.int64),
        )

    def where(self, chosen: npt.NDArray[np.bool_]) -> _Turns:
        return _Turns(self.xs[chosen], self.arms[chosen], self.rewards[chosen], self.npcs[chosen])


@dataclass(frozen=True, slots=True)
class _Fit:
    """The population's weights: what is known of them, and by how much weights of their kind vary."""

    means: Array
    covariances: Array
    variances: Array
    noise: float

    def start(self, own: float) -> Start:
        return Start.of(self.means, self.covariances + own * self.variances, self.noise, _NOISE_TURNS)


def _fit_kind(turns: _Turns, arms: Sequence[str], features: Sequence[str]) -> dict[str, Any]:
    own = _how_different(turns, len(arms), features)
    start = _fit(turns, len(arms), features).start(own)
    lower = np.tril_indices(len(features))
    models = [
        {"mean": _rounded(model[-1]), "covariance": _rounded(model[:-1][lower])}
        for model in start.models.astype(float)
    ]
    told = {"turns": len(turns.rewards), "npcs": int(turns.npcs.max()) + 1, "own": own}
    return {
        "arms": list(arms),
        "features": list(features),
        "noise": round(start.noise, 4),
        **told,
        "models": models,
    }


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def _fit(turns: _Turns, arms: int, features: Sequence[str]) -> _Fit:
    """All arms at once: the design of a turn is its features twice, as shared and as its arm's own."""
    expanded, back = expansion(features)
    xs = turns.xs @ back
    gram, side = _moments(xs, turns, arms)
    names = [kind_of(name) for name in expanded]
    number = {name: at for at, name in enumerate(dict.fromkeys(names))}
    kinds = np.array([number[name] for name in names])
    groups = np.concatenate([kinds] + [kinds + len(number)] * arms)
    variance, covariance, mean, noise = np.full(2 * len(number), 0.3), gram, side, 1.0
    squares, count = float(turns.rewards @ turns.rewards), len(turns.rewards)
    for _ in range(_ROUNDS):
        covariance = np.linalg.inv(gram + np.diag(1 / variance[groups])).astype(np.float64)
        mean = covariance @ side
        noise = max(1e-3, (squares - float(mean @ side)) / count)
        second = mean**2 / noise + np.diagonal(covariance)
        variance = np.clip(np.bincount(groups, second) / np.bincount(groups), _LEAST, _MOST)
    means, covariances = _contrasted(mean, covariance, arms, len(expanded))
    spreads = variance[groups].reshape(arms + 1, 1, -1)
    return _Fit(means @ back.T, back @ covariances @ back.T, (back * spreads) @ back.T, math.sqrt(noise))


def _moments(xs: Array, turns: _Turns, arms: int) -> tuple[Array, Array]:
    """The sums of squares and of products with the rewards."""
    size = xs.shape[1]
    gram = np.zeros(((arms + 1) * size, (arms + 1) * size))
    gram[:size, :size] = xs.T @ xs
    sides = [xs.T @ turns.rewards]
    for arm in range(arms):
        here, mine = slice((arm + 1) * size, (arm + 2) * size), turns.arms == arm
        gram[here, here] = gram[:size, here] = gram[here, :size] = xs[mine].T @ xs[mine]
        sides.append(xs[mine].T @ turns.rewards[mine])
    return gram, np.concatenate(sides)


def _contrasted(mean: Array, covariance: Array, arms: int, size: int) -> tuple[Array, Array]:
    """Move what the arms have in common into the shared part: what is unsure of all alike decides nothing."""
    unit = np.eye(size)
    turn = np.kron(np.eye(arms + 1), unit)
    turn[:size, size:] = np.tile(unit, arms) / arms
    turn[size:, size:] -= np.tile(unit, (arms, arms)) / arms
    moved = (turn @ covariance @ turn.T).reshape(arms + 1, size, arms + 1, size)
    means = (turn @ mean).reshape(arms + 1, size)
    return means, np.stack([moved[at, :, at] for at in range(arms + 1)])


def expansion(features: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """The features with those that a category leaves out ("mood=": none of the others), and the way back.

    A category's values should vary alike, the one without a feature as well; so priors are thought of with it. The
    matrix makes of weights of the expanded features those of the features that predict the same, and (times it)
    of features the expanded ones.
    """
    kinds = dict.fromkeys(name.split("=")[0] for name in features if "=" in name)
    if BIAS not in features:
        kinds = {}
    expanded = (*features, *(f"{kind}=" for kind in kinds))
    back = np.eye(len(features), len(expanded))
    for at, kind in enumerate(kinds, len(features)):
        back[features.index(BIAS), at] = 1
        for row, name in enumerate(features):
            if name.startswith(f"{kind}="):
                back[row, at] = -1
    return expanded, back


def kind_of(feature: str) -> str:
    """Features of one kind vary alike: the values of a category, the bias, all else."""
    return feature if feature == BIAS else feature.split("=")[0] if "=" in feature else ""


def _how_different(turns: _Turns, arms: int, features: Sequence[str]) -> float:
    """The part of the population's variance that NPCs have of their own, by what predicts those left out best."""
    npcs = int(turns.npcs.max()) + 1
    if npcs < _FOLDS:
        return _USUAL_OWN
    likelihood = dict.fromkeys(_OWN, 0.0)
    for fold in range(_FOLDS):
        left_out = turns.where(turns.npcs % _FOLDS == fold)
        fit = _fit(turns.where(turns.npcs % _FOLDS != fold), arms, features)
        for own in _OWN:
            likelihood[own] += _predicted(left_out, fit.start(own))
    return max(_OWN, key=lambda own: likelihood[own])


def _predicted(turns: _Turns, start: Start) -> float:
    """The log likelihood of NPCs' turns, each NPC learning as it goes, from the same start."""
    total, variance = 0.0, start.noise**2
    for npc in np.unique(turns.npcs):
        models = start.models.astype(float)
        mine = np.flatnonzero(turns.npcs == npc)[: _MOST_REPLAYED * _FOLDS // (int(turns.npcs.max()) + 1)]
        for at in mine.tolist():
            x, two = turns.xs[at], models[[0, turns.arms[at] + 1]]
            ways = two[:, :-1] @ x
            spread = 1 + float((ways @ x).sum())
            error = float(turns.rewards[at] - (two[:, -1] @ x).sum())
            total -= 0.5 * (error * error / (variance * spread) + math.log(spread))
            two[:, -1] += ways * (error / spread)
            two[:, :-1] -= ways[:, :, None] * ways[:, None] / spread
            models[[0, turns.arms[at] + 1]] = two
    return total
