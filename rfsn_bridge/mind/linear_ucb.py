"""The default learner: linear UCB on Bayesian ridge regression, at two rates of forgetting.

What a turn pays is taken to be linear in the features: a part that all arms share (players in a good mood reward
whatever is said) and a part of the arm's own, both with a normal prior. The shared part decides nothing, but what
it explains need not be learned six times. Each is kept as a mean and a covariance in units of the noise variance,
and moved by the Kalman gain of the prediction error; the correlation between the two parts is dropped after each
step (assumed-density filtering: T. Minka, "A family of algorithms for approximate Bayesian inference", 2001).

All this is done twice, without forgetting and with: before an arm learns, its covariance grows as if its evidence
were worth `rate` per turn gone by, never beyond the prior's. How well each rate has predicted of late (likelihood,
R. Prado and M. West, "Time series", 2010, section 4.3 on discounting) says how much it counts. When a
Page-Hinkley test finds that forgetting has come to predict better, the other rate takes over what it believes.

An arm's worth is the prior offset + the mean + a bonus for what is not known of it (L. Li and others, "A
contextual-bandit approach to personalized news article recommendation", 2010). Arms that are close to each other,
as far as is known, share the probability; 2 % are left to chance. What is stated is what is drawn from.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from rfsn_bridge.domain import Choice
from rfsn_bridge.mind.bandit import FLOOR, REWARD_LIMIT, choice, draw, floored, signature
from rfsn_bridge.mind.drift import PageHinkley
from rfsn_bridge.mind.packing import pack, packed_size, unpack
from rfsn_bridge.mind.prior import BIAS, Start, expansion, read_start

Array = npt.NDArray[np.float32]

_RATES = (1.0, 0.99)
_SHARED = 0
"""The slot of the part that all arms share."""
_LIMIT = 10.0
"""No weight lies beyond it, either way."""
_NOISE_MEMORY = 0.995
_LIKELIHOOD_MEMORY = 0.98
_STEADY = 2.0
"""The log of how much likelier the world is to stay as it is than to change, before anything was seen."""
_VERSION = 1
_HEAD = struct.Struct("<B8sfffIfffB")
_OLDEST = 65535
_MOST_STARTS = 8
_PROBIT = 1.702
"""Makes a logistic curve out of the normal distribution's."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an NPC without experience begins, and how curious it is."""

    floor: float = FLOOR
    curiosity: float = 0.8
    """The bonus, in standard deviations of what an arm may pay on average."""
    softness: float = 0.1
    """How far the worths of two arms must lie apart, in standard deviations of their difference."""
    own: float = 0.5
    """The prior's variance of an arm's own weights, in units of the noise's."""
    shared: float = 0.1
    usual: float = 4.0
    """The same of the shared weights, and of the first (the bias) among them."""
    noise: float = 0.6
    """The standard deviation of rewards that the features do not explain, as far as is known before."""
    noise_turns: float = 10.0
    """What that guess is worth, in turns."""


class LinearUcbPolicy:
    """What one NPC has learned about one kind of choice."""

    def __init__(self, arms: Sequence[str], features: Sequence[str], tuning: Tuning, start: Start) -> None:
        self._arms = {arm: at + 1 for at, arm in enumerate(arms)}
        self._names = tuple(features)
        self._size = len(features)
        self._tuning = tuning
        self._start = start
        # [rate, slot, row, column]: the covariance, below it the mean; slots are given out as arms are learned.
        self._models: Array = np.repeat(start.models[None, :1], len(_RATES), axis=0)
        self._slots = {_SHARED: _SHARED}
        self._learned_at = [0]
        self._turns = 0
        self._squares = start.noise**2 * start.noise_turns
        self._counted = start.noise_turns
        self._odds = 0.0
        """The log of how much more likely what happened was without forgetting."""
        self._test = PageHinkley(tolerance=0.2, threshold=12.0, fewest=30)

    @property
    def nbytes(self) -> int:
        """What is held in memory for this NPC alone, but for a few words."""
        return self._models.nbytes

    @property
    def _slow(self) -> float:
        """How much the model that does not forget counts."""
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, self._odds + _STEADY))))

    # --- Choosing

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        tuning = self._tuning
        seen = np.array((*x, 0.0), dtype=np.float32)
        means, variances = self._predict(seen, arms)
        noise = math.sqrt(self._squares / self._counted)
        bonuses = [tuning.curiosity * noise * math.sqrt(variance) for variance in variances]
        worth = [sum(parts) for parts in zip(priors, means, bonuses, strict=True)]
        chances = floored(_shares(worth, variances, tuning.softness * noise), tuning.floor)
        at = draw(chances, rng)
        contributions = {"prior": priors[at]}
        terms = self._weights(arms[at]) * seen[:-1]
        contributions |= {self._names[each]: float(terms[each]) for each in terms.nonzero()[0].tolist()}
        contributions["curiosity"] = bonuses[at]
        return choice(arms, chances, worth, at, contributions)

    def _predict(self, seen: Array, arms: Sequence[str]) -> tuple[list[float], list[float]]:
        """Of each arm, what its own part is expected to pay and the variance of that, in units of the noise's."""
        slow = self._slow
        spread, mean = self._moments(self._models, seen)
        begun: tuple[list[float], list[float]] | None = None
        means, variances = [], []
        known = len(self._learned_at)
        for arm in arms:
            slot = self._slots.get(self._arms[arm])
            if slot is None:
                begun = begun or self._moments(self._start.models, seen)
                variances.append(max(1e-9, begun[0][self._arms[arm]]))
                means.append(begun[1][self._arms[arm]])
            else:
                variances.append(max(1e-9, slow * spread[slot] + (1 - slow) * spread[known + slot]))
                means.append(slow * mean[slot] + (1 - slow) * mean[known + slot])
        return means, variances

    def _moments(self, models: Array, seen: Array) -> tuple[list[float], list[float]]:
        """Variances and means of every model."""
        rows = (models.reshape(-1, self._size) @ seen[:-1]).reshape(-1, self._size + 1)
        return (rows @ seen).tolist(), rows[:, -1].tolist()

    def _weights(self, arm: str) -> Array:
        slot = self._slots.get(self._arms[arm])
        if slot is None:
            begun: Array = self._start.models[self._arms[arm], -1]
            return begun
        slow = self._slow
        own = self._models[:, slot, -1]
        mixed: Array = np.float32(slow) * own[0] + np.float32(1 - slow) * own[1]
        return mixed

    # --- Learning

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        seen = np.array((*x, 0.0), dtype=np.float32)
        told, reward = reward, max(-REWARD_LIMIT, min(REWARD_LIMIT, reward))
        number = self._arms[arm]
        slot = self._slot(number)
        self._turns += 1
        models = self._models[:, : slot + 1 : slot]  # the shared one's and the arm's own, in place
        self._forget(models[1], (_SHARED, number), (_SHARED, slot))
        ways = models @ seen[:-1]
        totals = [1 + sum(each) for each in (ways @ seen).tolist()]
        errors = [reward - sum(each) for each in ways[:, :, -1].tolist()]
        if not all(map(math.isfinite, (*totals, *errors, told))):
            raise ValueError(f"cannot learn from {told} for {tuple(x)}")
        # In one go: the covariance loses the outer product of the step, the mean moves along it by the error.
        for way, total, error in zip(ways, totals, errors, strict=True):
            way[:, -1] = -error
            way *= 1 / math.sqrt(total)
        models -= ways[:, :, :, None] * ways[:, :, None, :-1]
        means = models[:, :, -1]
        means.clip(-_LIMIT, _LIMIT, out=means)
        self._judge(totals, errors)

    def _slot(self, arm: int) -> int:
        """Where an arm's model lies; made from the prior when it is first learned."""
        if arm not in self._slots:
            begun = np.repeat(self._start.models[None, arm : arm + 1], len(_RATES), axis=0)
            self._models = np.concatenate((self._models, begun), axis=1)
            self._slots[arm] = len(self._learned_at)
            self._learned_at.append(self._turns)
        return self._slots[arm]

    def _forget(self, models: Array, arms: tuple[int, int], slots: tuple[int, int]) -> None:
        """Let the models that forget know less, for the turns since each learned last."""
        traces = models.reshape(2, -1)[:, :: self._size + 1].sum(axis=1).tolist()
        for model, arm, slot, trace in zip(models, arms, slots, traces, strict=True):
            kept = _RATES[1] ** (self._turns - self._learned_at[slot])
            self._learned_at[slot] = self._turns
            grown = 1 / (kept + (1 - kept) * trace / self._start.spreads[arm])
            model[:-1] *= np.float32(grown)
            if arm:
                model[-1] += np.float32(1 - kept * grown) * (self._start.models[arm, -1] - model[-1])

    def _judge(self, totals: list[float], errors: list[float]) -> None:
        """Which rate predicted better, how noisy rewards are, and whether the world has changed."""
        variance = self._squares / self._counted
        squares = [error * error / total for error, total in zip(errors, totals, strict=True)]
        better = (squares[1] - squares[0]) / (2 * variance) + 0.5 * math.log(totals[1] / totals[0])
        self._odds = _LIKELIHOOD_MEMORY * self._odds + better
        slow = self._slow
        self._squares = _NOISE_MEMORY * self._squares + slow * squares[0] + (1 - slow) * squares[1]
        self._counted = _NOISE_MEMORY * self._counted + 1
        if self._test.changed(max(-5.0, min(5.0, -better))):
            self._models[0] = self._models[1]
            self._odds = 0.0

    # --- Bytes

    def dump(self) -> bytes:
        arms = [arm for arm in self._slots if arm != _SHARED]
        test = self._test
        head = _HEAD.pack(
            _VERSION,
            signature("linucb", tuple(self._arms), self._names),
            self._squares,
            self._counted,
            self._odds,
            test.count,
            test.mean,
            test.risen,
            test.fallen,
            len(arms),
        )
        ages = [min(_OLDEST, self._turns - learned) for learned in self._learned_at]
        slots = struct.pack(f"<{len(arms)}B{len(ages)}H", *arms, *ages)
        return head + zlib.compress(slots + pack(self._models.reshape(-1, self._size + 1, self._size)), 9)

    def restore(self, saved: bytes) -> None:
        """Take back what `dump` gave; raises ValueError where it is another learner's or damaged."""
        try:
            version, mark, squares, counted, odds, *test, count = _HEAD.unpack_from(saved)
            if version != _VERSION or mark != signature("linucb", tuple(self._arms), self._names):
                raise ValueError("it was learned by another learner, for other arms or of other features")
            if not all(map(math.isfinite, (squares, counted, odds, *test))) or squares <= 0 or counted <= 0:
                raise ValueError("its numbers are none")
            limit = packed_size(len(_RATES) * (len(self._arms) + 1), self._size) + 4 * (len(self._arms) + 1)
            body = zlib.decompressobj().decompress(saved[_HEAD.size :], limit)
            numbers = struct.unpack_from(f"<{count}B{count + 1}H", body)
            arms, ages = numbers[:count], numbers[count:]
            if len(set(arms)) != count or not set(arms) <= set(self._arms.values()):
                raise ValueError("its arms are unknown")
            models = unpack(body[3 * count + 2 :], len(_RATES) * (count + 1), self._size)
        except (struct.error, zlib.error) as error:
            raise ValueError(f"what was learned is damaged: {error}") from None
        self._models = models.reshape(len(_RATES), count + 1, self._size + 1, self._size)
        self._slots = {_SHARED: _SHARED} | {arm: at + 1 for at, arm in enumerate(arms)}
        self._turns = max(ages)
        self._learned_at = [self._turns - age for age in ages]
        self._squares, self._counted, self._odds = squares, counted, odds
        self._test.count, self._test.mean, self._test.risen, self._test.fallen = test


class LinearUcb:
    """The built-in learner `linucb`."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self._tuning = tuning or Tuning()
        self._starts: dict[tuple[bytes, tuple[str, ...], tuple[str, ...]], Start] = {}

    def policy(
        self,
        arms: Sequence[str],
        features: Sequence[str],
        *,
        prior: bytes | None = None,
        saved: bytes | None = None,
    ) -> LinearUcbPolicy:
        policy = LinearUcbPolicy(
            arms, features, self._tuning, self._start(prior or b"", tuple(arms), tuple(features))
        )
        if saved is not None:
            policy.restore(saved)
        return policy

    def _start(self, prior: bytes, arms: tuple[str, ...], features: tuple[str, ...]) -> Start:
        """Read once: every NPC begins there, and none changes it."""
        key = (prior, arms, features)
        if key not in self._starts:
            if len(self._starts) >= _MOST_STARTS:
                self._starts.clear()
            start = read_start(prior, arms, features) if prior else None
            self._starts[key] = start or _without_prior(self._tuning, len(arms), features)
        return self._starts[key]


def _without_prior(tuning: Tuning, arms: int, features: Sequence[str]) -> Start:
    """Nothing is known of any arm; the values of a category vary alike, the one without a feature as well."""
    expanded, back = expansion(features)
    own = np.full(len(expanded), tuning.own)
    shared = np.array([tuning.usual if name == BIAS else tuning.shared for name in expanded])
    covariances = np.stack([(back * variances) @ back.T for variances in (shared, *[own] * arms)])
    return Start.of(np.zeros((arms + 1, len(features))), covariances, tuning.noise, tuning.noise_turns)


def _shares(worth: Sequence[float], variances: Sequence[float], softness: float) -> list[float]:
    """The chance of each arm to be better than all others, each pair taken by itself."""
    shares = [1.0] * len(worth)
    for one in range(1, len(worth)):
        for other in range(one):
            doubt = softness * math.sqrt(variances[one] + variances[other])
            beats = 1 / (1 + math.exp(max(-60.0, min(60.0, _PROBIT * (worth[other] - worth[one]) / doubt))))
            shares[one] *= beats
            shares[other] *= 1 - beats
    return shares
