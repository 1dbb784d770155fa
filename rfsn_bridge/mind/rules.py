"""World rules as data: what fires on an event, and what it changes. `rule_files` reads them from YAML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rfsn_bridge.domain import Action, Happening, Mood, NpcState, Personality, Relationship, Signal
from rfsn_bridge.mind.events import Did, Happened, Said

AVERAGE = Personality()

NUMBERS: Mapping[str, Callable[[NpcState, Personality], float]] = {
    "affinity": lambda state, traits: state.affinity,
    "trust": lambda state, traits: state.trust,
    "fear": lambda state, traits: state.fear,
    "sentiment": lambda state, traits: state.recent_sentiment,
    "mood_strength": lambda state, traits: state.mood_strength,
    "courage": lambda state, traits: traits.courage,
    "warmth": lambda state, traits: traits.warmth,
    "temper": lambda state, traits: traits.temper,
    "curiosity": lambda state, traits: traits.curiosity,
}
"""What a condition can compare, by the name it has in YAML."""
RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(NUMBERS, (0.0, 1.0)),
    "affinity": (-1.0, 1.0),
    "sentiment": (-1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Between:
    """A number of the state or of the personality, at least `low` and below `high`."""

    name: str
    low: float
    high: float

    def holds(self, state: NpcState, traits: Personality) -> bool:
        return self.low <= NUMBERS[self.name](state, traits) < self.high


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of an NPC for a rule to fire; None: whatever."""

    relationships: frozenset[Relationship] | None = None
    moods: frozenset[Mood] | None = None
    combat: bool | None = None
    quest: bool | None = None
    between: tuple[Between, ...] = ()

    def holds(self, state: NpcState, traits: Personality) -> bool:
        return (
            (self.combat is None or self.combat == state.combat_active)
            and (self.quest is None or self.quest == state.quest_active)
            and (self.relationships is None or state.relationship in self.relationships)
            and (self.moods is None or state.mood in self.moods)
            and (not self.between or all(each.holds(state, traits) for each in self.between))
        )


ALWAYS = Condition()


@dataclass(frozen=True, slots=True)
class Appraisal:
    """How an event strikes the NPC, each in [-1, 1] (`threat` and `surprise` in [0, 1]); its mood follows.

    The variables are those of the OCC model (Ortony, Clore, Collins, "The Cognitive Structure of Emotions", 1988).
    """

    desirability: float = 0.0
    praiseworthiness: float = 0.0
    threat: float = 0.0
    surprise: float = 0.0


INDIFFERENT = Appraisal()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule changes. A fall stops at its floor and a rise at its ceiling, wherever the state already is."""

    affinity: float = 0.0
    trust: float = 0.0
    fear: float = 0.0
    sentiment: float = 0.0
    mood: Mood | None = None
    """Instead of the mood that the appraisal gives."""
    combat: bool | None = None
    quest: bool | None = None
    floor: Mapping[str, float] = field(default_factory=dict)
    ceiling: Mapping[str, float] = field(default_factory=dict)
    appraisal: Appraisal = INDIFFERENT


@dataclass(frozen=True, slots=True)
class Trigger:
    """The events that a rule is about: of each set one must match; an empty set is about something else."""

    signals: frozenset[Signal] = frozenset()
    actions: frozenset[Action] = frozenset()
    after: frozenset[Action] = frozenset()
    """With `signals`: the player replies to this action of the NPC."""
    happenings: frozenset[Happening] = frozenset()
    by_player: bool | None = None
    """With `happenings`: only if the player did it, only if not, or (None) whoever did."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One world rule, and where it stands. Within `cooldown` game days it counts `repeat` of its numbers again."""

    id: str
    on: Trigger
    effect: Effect
    condition: Condition = ALWAYS
    cooldown: float = 0.0
    repeat: float = 0.25
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Actions that are usual, in [0, 1], as an answer to a signal (none given: to any) in a state."""

    id: str
    usual: Mapping[Action, float]
    signals: frozenset[Signal] = frozenset()
    condition: Condition = ALWAYS
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class RuleSet:
    """Every rule in force, in order, and what to look them up by."""

    rules: tuple[Rule, ...]
    proposals: tuple[Proposal, ...]
    revision: str = ""
    """Changes with the rules: a hash of the files they came from."""

    def fired(self, event: Said | Did | Happened, state: NpcState, traits: Personality) -> tuple[Rule, ...]:
        """The rules that an event fires, in order."""
        about = self.about(event)
        return tuple([rule for rule in about if rule.condition is ALWAYS or rule.condition.holds(state, traits)])

    def about(self, event: Said | Did | Happened) -> tuple[Rule, ...]:
        """The rules whose trigger matches, whatever the state."""
        if isinstance(event, Said):
            return self._on_signal[event.signal, event.after]
        if isinstance(event, Did):
            return self._on_action[event.action, event.to]
        return self._on_happening[event.kind, event.by_player]

    def proposed(self, signal: Signal) -> Sequence[Proposal]:
        """The proposals for a signal, whatever the state."""
        return self._proposals[signal]

    @cached_property
    def _on_signal(self) -> dict[tuple[Signal, Action | None], tuple[Rule, ...]]:
        rules = [rule for rule in self.rules if rule.on.signals and not rule.on.actions]
        return {
            (signal, after): tuple([r for r in rules if signal in r.on.signals and _in(after, r.on.after)])
            for signal in Signal
            for after in (None, *Action)
        }

    @cached_property
    def _on_action(self) -> dict[tuple[Action, Signal | None], tuple[Rule, ...]]:
        rules = [rule for rule in self.rules if rule.on.actions]
        return {
            (action, to): tuple([r for r in rules if action in r.on.actions and _in(to, r.on.signals)])
            for action in Action
            for to in (None, *Signal)
        }

    @cached_property
    def _on_happening(self) -> dict[tuple[Happening, bool], tuple[Rule, ...]]:
        rules = [rule for rule in self.rules if rule.on.happenings]
        return {
            (kind, by): tuple([r for r in rules if kind in r.on.happenings and r.on.by_player in (None, by)])
            for kind in Happening
            for by in (True, False)
        }

    @cached_property
    def _proposals(self) -> dict[Signal, tuple[Proposal, ...]]:
        return {
            signal: tuple(each for each in self.proposals if not each.signals or signal in each.signals)
            for signal in Signal
        }


def _in(value: object, of: frozenset[Any]) -> bool:
    """Whether a trigger's part matches: one that names nothing matches whatever there is."""
    return not of or value in of
