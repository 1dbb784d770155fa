"""What really came of an NPC's answers, and how that corrects what the rules predict.

An observation is the change of state from just after an answer was given to just after the player's next line was
heard. The correction is the mean of the k nearest observations of the same answer to the same signal, shrunk where
there are few, and never more than one step. Only what happened is recorded, never a prediction.
"""

import math
import struct
from collections import OrderedDict
from dataclasses import replace

from rfsn_bridge.domain import Action, Mood, NpcState, Relationship, Signal
from rfsn_bridge.mind.drift import PageHinkley
from rfsn_bridge.mind.state import settle

_NEAREST = 5
_FEWEST = 3
_PER_PAIR = 10
_PAIRS = 20
_SHRINK = 3.0
_STEPS = (0.1, 0.1, 0.1, 0.2)
"""The most that observations move a prediction: affinity, trust, fear, sentiment."""
_COOLDOWN = 2
"""An answer of the same kind is observed again only after so many other turns: one quarrel is one lesson."""

_SEEN = struct.Struct("<4h3B4h")
"""An observation: four numbers of the state and its categories, then what the four changed by."""
_STATE, _CHANGE = 1000, 10_000
"""The units of its numbers: thousandths of the state, ten-thousandths of the change."""
_HEAD = struct.Struct("<2sH")
_PAIR = struct.Struct("<3B")
_MAGIC = b"O1"
_ACTIONS, _SIGNALS = tuple(Action), tuple(Signal)
_MOODS = {mood: index for index, mood in enumerate(Mood)}
_RELATIONSHIPS = {relationship: index for index, relationship in enumerate(Relationship)}

_Numbers = tuple[float, float, float, float]
_Place = tuple[int, int, int, int, int, int, int]


class Observations:
    """What one NPC has observed, by (action, signal); bounded, the pair least lately observed goes first."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[Action, Signal], list[bytes]] = OrderedDict()
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
        seen.append(_SEEN.pack(*_place(answered), *(round(value * _CHANGE) for value in change)))
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
        ranked = sorted(map(_SEEN.unpack, reversed(seen)), key=lambda each: _distance(each, place))
        nearest = ranked[:_NEAREST]
        share = 1.0 / (len(nearest) + _SHRINK) / _CHANGE
        affinity, trust, fear, sentiment = (sum(each[at] for each in nearest) * share for at in range(7, 11))
        return affinity, trust, fear, sentiment

    def _forget_older_half(self) -> None:
        self.forgotten += 1
        for seen in self._seen.values():
            del seen[: (len(seen) + 1) // 2]

    def dump(self) -> bytes:
        """All of it, in at most 4 KiB."""
        parts = [_HEAD.pack(_MAGIC, min(self.forgotten, 65_535))]
        for (action, signal), seen in self._seen.items():
            parts += [_PAIR.pack(_ACTIONS.index(action), _SIGNALS.index(signal), len(seen)), *seen]
        return b"".join(parts)

    @classmethod
    def load(cls, saved: bytes) -> "Observations":
        """Raises ValueError for what `dump` did not give."""
        self = cls()
        try:
            magic, self.forgotten = _HEAD.unpack_from(saved)
            if magic != _MAGIC:
                raise ValueError("these are no observations")
            at = _HEAD.size
            while at < len(saved):
                action, signal, count = _PAIR.unpack_from(saved, at)
                at += _PAIR.size
                seen = [saved[at + n * _SEEN.size : at + (n + 1) * _SEEN.size] for n in range(count)]
                at += count * _SEEN.size
                for each in seen:
                    _SEEN.unpack(each)  # whole
                self._seen[_ACTIONS[action], _SIGNALS[signal]] = seen[-_PER_PAIR:]
        except (struct.error, IndexError) as error:
            raise ValueError("these observations are damaged") from error
        while len(self._seen) > _PAIRS:
            self._seen.popitem(last=False)
        return self


def _place(state: NpcState) -> _Place:
    return (
        round(state.affinity * _STATE),
        round(state.trust * _STATE),
        round(state.fear * _STATE),
        round(state.recent_sentiment * _STATE),
        _MOODS[state.mood],
        _RELATIONSHIPS[state.relationship],
        state.combat_active + 2 * state.quest_active,
    )


def _distance(seen: tuple[int, ...], place: _Place) -> float:
    """The squared distance: of the numbers, plus 1 for each category that differs."""
    a, t, f, s, mood, relationship, flags, *_ = seen
    b, u, g, r, other_mood, other_relationship, other_flags = place
    numbers = (a - b) ** 2 + (t - u) ** 2 + (f - g) ** 2 + (s - r) ** 2
    categories = (mood != other_mood) + (relationship != other_relationship) + (flags ^ other_flags).bit_count()
    return numbers / _STATE**2 + categories


def _difference(before: NpcState, after: NpcState) -> _Numbers:
    return (
        after.affinity - before.affinity,
        after.trust - before.trust,
        after.fear - before.fear,
        after.recent_sentiment - before.recent_sentiment,
    )
