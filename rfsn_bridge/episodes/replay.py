"""One recording decided again under two rule sets: where they differ, and by how much.

Each line is weighed from the state it was recorded in, so that one difference never leads to the next. What the
learner had added to each score is kept as it was, and nothing is left to chance: what is compared is the first
choice under each rule set.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rfsn_bridge.domain import Action, Npc, NpcState, Score, Signal
from rfsn_bridge.episodes.episode_file import Episode
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.decide import Mind, Weighed

_NUMBERS = ("affinity", "trust", "fear", "recent_sentiment")
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Weighing:
    """A line under one rule set."""

    choice: Action
    heard: NpcState
    """The state that the line led to."""
    scores: Mapping[Action, float]
    leads_to: Mapping[Action, NpcState]
    vetoed: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Compared:
    """A line under both."""

    episode: Episode
    one: Weighing
    other: Weighing

    @property
    def chooses_another(self) -> bool:
        return self.one.choice is not self.other.choice

    @property
    def differs(self) -> bool:
        return self.one != self.other


@dataclass
class Difference:
    """What a whole recording comes to."""

    turns: int = 0
    differ: int = 0
    other_choice: int = 0
    other_rules: int = 0
    """Turns that were recorded under rules which neither side has."""
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often one action gave way to another."""
    candidates: Counter[str] = field(default_factory=Counter)
    """`+action` or `-action`: how often it became or ceased to be one."""
    vetoes: Counter[str] = field(default_factory=Counter)
    states: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_NUMBERS, 0.0))
    """The summed distance of the states that the lines led to."""
    predictions: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_NUMBERS, 0.0))
    """The same of what candidates of both would lead to."""
    predicted: int = 0
    scores: float = 0.0

    def add(self, line: Compared) -> None:
        one, other = line.one, line.other
        self.turns += 1
        self.differ += line.differs
        if line.chooses_another:
            self.other_choice += 1
            self.changed[one.choice.value, other.choice.value] += 1
        self.candidates.update(f"+{each.value}" for each in other.scores if each not in one.scores)
        self.candidates.update(f"-{each.value}" for each in one.scores if each not in other.scores)
        self.vetoes.update(f"+{each.value}" for each in other.vetoed - one.vetoed)
        self.vetoes.update(f"-{each.value}" for each in one.vetoed - other.vetoed)
        _add_distance(self.states, one.heard, other.heard)
        for action, state in one.leads_to.items():
            if (against := other.leads_to.get(action)) is not None:
                self.predicted += 1
                _add_distance(self.predictions, state, against)
                self.scores += abs(other.scores[action] - one.scores[action])

    def as_json(self) -> dict[str, Any]:
        """All of it, distances as means."""
        predicted = self.predicted or 1
        return {
            "turns": self.turns,
            "differ": self.differ,
            "other_choice": self.other_choice,
            "recorded_under_other_rules": self.other_rules,
            "changed": [{"from": a, "to": b, "turns": count} for (a, b), count in _ranked(self.changed)],
            "candidates": dict(_ranked(self.candidates)),
            "vetoes": dict(_ranked(self.vetoes)),
            "state_distance": {name: value / (self.turns or 1) for name, value in self.states.items()},
            "prediction_distance": {name: value / predicted for name, value in self.predictions.items()},
            "score_distance": self.scores / predicted,
        }


def compare(episodes: Iterable[Episode], one: Mind, other: Mind) -> Iterator[Compared]:
    """Each line under the rules of both; raises BridgeError where a line holds too little for that."""
    for episode in episodes:
        yield Compared(episode, weighed(episode, one), weighed(episode, other))


def weighed(episode: Episode, mind: Mind) -> Weighing:
    """A line as `mind` weighs it."""
    trace = episode.trace
    if trace is None:
        message = f"turn {episode.turn} keeps no trace to decide it from"
        raise BridgeError(message, "replay a file that `rfsn-bridge simulate` wrote")
    npc = Npc(episode.npc_id, episode.npc_id, personality=episode.personality)
    signals: Mapping[Signal, float] = trace.signals
    heard = mind.world.hear(episode.state_before.npc_state(), signals, trace.last_action, npc.personality)
    found = mind.weigh(npc, heard)
    return Weighing(
        _first(found, trace.learned).action,
        heard.state,
        {score.action: score.total for score in found.ranked},
        {action: prediction.state for action, prediction in found.predictions.items()},
        frozenset(found.vetoes),
    )


def _first(found: Weighed, learned: Mapping[Action, float]) -> Score:
    return max(found.choices, key=lambda score: score.total + learned.get(score.action, 0.0))


def _add_distance(sums: dict[str, float], one: NpcState, other: NpcState) -> None:
    if one is other:
        return
    for name in _NUMBERS:
        distance = abs(getattr(one, name) - getattr(other, name))
        if distance > _SAME:
            sums[name] += distance


def _ranked(counts: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
