"""What really came of an NPC's answers, and how that corrects what the rules predict.

An observation is the change of state from just after an answer was given to just after the player's next line was
heard. The correction is the mean of the k nearest observations of the same answer to the same signal, shrunk where
there are few, and never more than one step. Only what happened is recorded, never a prediction.
"""

import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rfsn_bridge.domain import Action, NpcState, Signal
from rfsn_bridge.mind.drift import PageHinkley
from rfsn_bridge.mind.state import settle

_NEAREST = 5
_FEWEST = 3
_PER_PAIR = 16
_PAIRS = 24
_SHRINK = 3.0
_STEPS = (0.1, 0.1, 0.1, 0.2)
"""The most that observations move a prediction: affinity, trust, fear, sentiment."""
_FURTHEST = 2.0
"""A number of a state cannot change by more."""
_COOLDOWN = 2
"""An answer of the same kind is observed again only after so many other turns: one quarrel is one lesson."""

_Numbers = tuple[float, float, float, float]
_Place = tuple[float, float, float, float, str, str, bool, bool]
_Seen = tuple[_Place, _Numbers]


class Observations:
    """What one NPC has observed, by (action, signal); bounded, the pair least lately observed goes first."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[Action, Signal], list[_Seen]] = OrderedDict()
        self._last: dict[tuple[Action, Signal], int] = {}
        self._turn = 0
        self._drift = PageHinkley(threshold=2.0)
        self.forgotten = 0
        """How often what was known was dropped because the player had changed."""

    def __len__(self) -> int:
        return sum(map(len, self._seen.values()))

    def observe(
        self, answered: NpcState, action: Action, signal: Signal, before: NpcState, after: NpcState
    ) -> None:
        """An answer was given in the state `answered`, and led from `before` to `after`.

        `answered` is the state once the line was heard, `before` the one right after the answer, `after` the one
        after the player's next line.
        """
        self._turn += 1
        pair = (action, signal)
        change = _difference(before, after)
        error = math.dist(change, self._expected(answered, pair) or (0.0, 0.0, 0.0, 0.0))
        if self._drift.changed(error):
            self._forget_older_half()
        if pair in self._last and self._turn - self._last[pair] <= _COOLDOWN:
            return
        self._last[pair] = self._turn
        seen = self._seen.setdefault(pair, [])
        self._seen.move_to_end(pair)
        seen.append((_place(answered), change))
        del seen[:-_PER_PAIR]
        while len(self._seen) > _PAIRS:
            pair, _ = self._seen.popitem(last=False)
            self._last.pop(pair, None)

    def refine(self, answered: NpcState, action: Action, signal: Signal, predicted: NpcState) -> NpcState | None:
        """The predicted state, corrected by what was observed; None where too little was."""
        expected = self._expected(answered, (action, signal))
        if expected is None:
            return None
        affinity, trust, fear, sentiment = (
            max(-step, min(step, value)) for value, step in zip(expected, _STEPS, strict=True)
        )
        return settle(
            replace(
                predicted,
                affinity=predicted.affinity + affinity,
                trust=predicted.trust + trust,
                fear=predicted.fear + fear,
                recent_sentiment=predicted.recent_sentiment + sentiment,
            )
        )

    def _expected(self, state: NpcState, pair: tuple[Action, Signal]) -> _Numbers | None:
        seen = self._seen.get(pair)
        if seen is None or len(seen) < _FEWEST:
            return None
        place = _place(state)
        # Of those equally near, the latest: people change.
        nearest = sorted(reversed(seen), key=lambda each: _distance(each[0], place))[:_NEAREST]
        share = 1.0 / (len(nearest) + _SHRINK)
        totals = [sum(change[index] for _, change in nearest) * share for index in range(4)]
        return totals[0], totals[1], totals[2], totals[3]

    def _forget_older_half(self) -> None:
        self.forgotten += 1
        for seen in self._seen.values():
            del seen[: (len(seen) + 1) // 2]

    def dump(self) -> bytes:
        """All of it, as compact JSON."""
        pairs = [[action, signal, seen] for (action, signal), seen in self._seen.items()]
        return json.dumps({"seen": pairs, "forgotten": self.forgotten}, separators=(",", ":")).encode()

    @classmethod
    def load(cls, saved: bytes) -> "Observations":
        """Raises ValueError for what `dump` did not give."""
        self = cls()
        try:
            document = json.loads(saved)
            self.forgotten = int(document["forgotten"])
            for action, signal, seen in document["seen"][-_PAIRS:]:
                self._seen[Action(action), Signal(signal)] = [
                    (_read_place(place), _read_numbers(change)) for place, change in seen[-_PER_PAIR:]
                ]
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("these are no observations") from error
        return self


def _read_place(values: Sequence[Any]) -> _Place:
    *numbers, mood, relationship, combat, quest = values
    return *_read_numbers(numbers), str(mood), str(relationship), bool(combat), bool(quest)


def _read_numbers(values: Sequence[Any]) -> _Numbers:
    affinity, trust, fear, sentiment = map(float, values)
    for value in (affinity, trust, fear, sentiment):
        if not -_FURTHEST <= value <= _FURTHEST:  # not even a number, perhaps
            raise ValueError(f"{value} is neither a place nor a change of a state")
    return affinity, trust, fear, sentiment


def _place(state: NpcState) -> _Place:
    return (
        round(state.affinity, 3),
        round(state.trust, 3),
        round(state.fear, 3),
        round(state.recent_sentiment, 3),
        state.mood.value,
        state.relationship.value,
        state.combat_active,
        state.quest_active,
    )


def _distance(one: _Place, other: _Place) -> float:
    """The root of the squared differences of the numbers, plus 1 for each category that differs."""
    a, t, f, s, *categories = one
    b, u, g, r, *others = other
    differing = sum(map(_differs, categories, others))
    return math.sqrt((a - b) ** 2 + (t - u) ** 2 + (f - g) ** 2 + (s - r) ** 2 + differing)


def _differs(one: object, other: object) -> bool:
    return one != other


def _difference(before: NpcState, after: NpcState) -> _Numbers:
    return (
        round(after.affinity - before.affinity, 4),
        round(after.trust - before.trust, 4),
        round(after.fear - before.fear, 4),
        round(after.recent_sentiment - before.recent_sentiment, 4),
    )
