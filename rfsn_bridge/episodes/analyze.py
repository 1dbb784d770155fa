"""What an episode file tells at a glance: rewards and feelings by turn, what was done and how it was said."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rfsn_bridge.episodes.episode_file import Episode

SERIES = ("reward", "affinity", "trust", "fear")
_MAX_BINS = 400
_PARTS = 10
_MAX_NPCS = 100_000


@dataclass(slots=True)
class Mean:
    """A mean that grows; None of nothing."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float, count: int = 1) -> None:
        self.total += value
        self.count += count

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


def _means() -> dict[str, Mean]:
    return {name: Mean() for name in SERIES}


@dataclass
class Curves:
    """Means by turn, over all NPCs: never more than 400 places, however long the episodes are."""

    width: int = 1
    """How many turns share a place."""
    bins: list[dict[str, Mean]] = field(default_factory=list)

    def add(self, turn: int, values: Mapping[str, float]) -> None:
        while turn // self.width >= _MAX_BINS:
            self._widen()
        while len(self.bins) <= turn // self.width:
            self.bins.append(_means())
        here = self.bins[turn // self.width]
        for name, value in values.items():
            here[name].add(value)

    def _widen(self) -> None:
        self.width *= 2
        old, self.bins = self.bins, []
        for index, each in enumerate(old):
            if index % 2 == 0:
                self.bins.append(each)
                continue
            for name, mean in each.items():
                self.bins[-1][name].add(mean.total, mean.count)

    def series(self, name: str) -> list[tuple[int, float]]:
        """The first turn of each place, and the mean there."""
        means = ((index * self.width, each[name].value) for index, each in enumerate(self.bins))
        return [(turn, value) for turn, value in means if value is not None]

    def learning(self) -> list[tuple[int, float]]:
        """The mean reward of all turns until then: what learning should raise."""
        so_far, curve = Mean(), []
        for index, each in enumerate(self.bins):
            so_far.add(each["reward"].total, each["reward"].count)
            if so_far.value is not None:
                curve.append((index * self.width, so_far.value))
        return curve

    def parts(self) -> Iterator[tuple[int, int, dict[str, float | None]]]:
        """The episodes in ten parts (fewer where they are short): first turn, last turn, means."""
        size = -(-len(self.bins) // _PARTS) or 1
        for begin in range(0, len(self.bins), size):
            means = _means()
            for each in self.bins[begin : begin + size]:
                for name, mean in each.items():
                    means[name].add(mean.total, mean.count)
            end = min(begin + size, len(self.bins)) * self.width - 1
            yield begin * self.width, end, {name: mean.value for name, mean in means.items()}


@dataclass
class Kind:
    """How often something was done, and what it was worth."""

    turns: int = 0
    reward: Mean = field(default_factory=Mean)


@dataclass
class Analysis:
    """Of one file."""

    turns: int = 0
    npcs: int = 0
    reward: Mean = field(default_factory=Mean)
    style_reward: Mean = field(default_factory=Mean)
    tried: int = 0
    """Turns in which the learner took another action than its likeliest."""
    curves: Curves = field(default_factory=Curves)
    actions: dict[str, Kind] = field(default_factory=dict)
    styles: dict[str, Kind] = field(default_factory=dict)
    signals: Counter[str] = field(default_factory=Counter)
    vetoes: Counter[str] = field(default_factory=Counter)
    """How often each safety rule denied a candidate."""

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        parts = [{"from": begin, "to": end, **means} for begin, end, means in self.curves.parts()]
        return {
            "turns": self.turns,
            "npcs": self.npcs,
            "rewarded": self.reward.count,
            "reward": self.reward.value,
            "style_reward": self.style_reward.value,
            "tried": self.tried,
            "parts": parts,
            "learning": [{"turn": turn, "reward": value} for turn, value in self.curves.learning()],
            "actions": _told(self.actions),
            "styles": _told(self.styles),
            "signals": dict(self.signals.most_common()),
            "vetoes": dict(self.vetoes.most_common()),
        }


def analyze(episodes: Iterable[Episode]) -> Analysis:
    """Read a file to its end, in bounded memory."""
    found = Analysis()
    seen: set[str] = set()
    for each in episodes:
        found.turns += 1
        if len(seen) < _MAX_NPCS:
            seen.add(each.npc_id)
        state = each.state_after
        values = {"affinity": state.affinity, "trust": state.trust, "fear": state.fear}
        if each.reward is not None:
            values["reward"] = each.reward
            found.reward.add(each.reward)
        if each.style_reward is not None:
            found.style_reward.add(each.style_reward)
        found.curves.add(each.turn, values)
        _count(found.actions, each.selected_action.value, each.reward)
        if each.style:
            _count(found.styles, each.style.value, each.style_reward)
        if each.propensities and each.propensities.get(each.selected_action, 0.0) < max(
            each.propensities.values()
        ):
            found.tried += 1
        found.signals[each.player_signal.value] += 1
        if each.trace:
            found.vetoes.update(each.trace.vetoed.values())
    found.npcs = len(seen)
    return found


def _count(kinds: dict[str, Kind], name: str, reward: float | None) -> None:
    kind = kinds.setdefault(name, Kind())
    kind.turns += 1
    if reward is not None:
        kind.reward.add(reward)


def ranked(kinds: Mapping[str, Kind]) -> list[tuple[str, Kind]]:
    """The most frequent first."""
    return sorted(kinds.items(), key=lambda item: (-item[1].turns, item[0]))


def _told(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    return {name: {"turns": kind.turns, "reward": kind.reward.value} for name, kind in ranked(kinds)}
