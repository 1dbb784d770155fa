"""World rules from YAML: the built-in ones, and the packs of modders on top of them.

Packs are merged in the order given, after the built-in rules: a rule or proposal whose `id` is there already takes
its place (and position), `remove` takes ids away, everything else is added at the end.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rfsn_bridge import yaml_file
from rfsn_bridge.domain import Action, Happening, Mood, Relationship, Signal
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.rules import (
    ALWAYS,
    INDIFFERENT,
    RANGES,
    Appraisal,
    Between,
    Condition,
    Effect,
    Proposal,
    Rule,
    RuleSet,
    Trigger,
)

_MAX_RULES = 5000


def listed(value: Any) -> Any:
    """One thing may be written without the brackets of a list."""
    return value if isinstance(value, list) else [value]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Entry(_Part):
    id: Annotated[str, Field(min_length=1, max_length=80)]


Signals = Annotated[list[Signal], BeforeValidator(listed)]
Actions = Annotated[list[Action], BeforeValidator(listed)]
Unit = Annotated[float, Field(ge=0, le=1, strict=True)]
Signed = Annotated[float, Field(ge=-1, le=1, strict=True)]
Bounded = Literal["affinity", "trust", "fear"]


class _On(_Part):
    """The event that a rule is about."""

    signal: Signals = []
    action: Actions = []
    after: Actions = []
    event: Annotated[list[Happening], BeforeValidator(listed)] = []
    by: Literal["player", "others"] | None = None

    @model_validator(mode="after")
    def _about_one_thing(self) -> "_On":
        if self.event and (self.signal or self.action or self.after):
            raise ValueError("an `event` stands alone: the game reports it, nobody says or does it")
        if self.by and not self.event:
            raise ValueError("`by` goes with `event`: who did it")
        if self.after and (self.action or not self.signal):
            raise ValueError("`after` goes with `signal`: what the player replies to an action of the NPC")
        if not (self.signal or self.action or self.event):
            raise ValueError("name a `signal`, an `action` or an `event`")
        return self


class _Range(_Part):
    above: Signed | None = None
    below: Signed | None = None


class If(_Part):
    """What must hold of the NPC."""

    relationship: Annotated[list[Relationship], BeforeValidator(listed)] | None = None
    mood: Annotated[list[Mood], BeforeValidator(listed)] | None = None
    combat: bool | None = None
    quest: bool | None = None
    affinity: _Range | None = None
    trust: _Range | None = None
    fear: _Range | None = None
    sentiment: _Range | None = None
    mood_strength: _Range | None = None
    courage: _Range | None = None
    warmth: _Range | None = None
    temper: _Range | None = None
    curiosity: _Range | None = None


class _Appraisal(_Part):
    desirability: Signed = 0
    praiseworthiness: Signed = 0
    threat: Unit = 0
    surprise: Unit = 0


class _Change(_Part):
    affinity: Signed = 0
    trust: Signed = 0
    fear: Signed = 0
    sentiment: Signed = 0
    mood: Mood | None = None
    combat: bool | None = None
    quest: bool | None = None


class _RuleEntry(_Entry):
    """One rule, as it is written."""

    on: _On
    if_: If = Field(default=If(), alias="if")
    change: _Change = _Change()
    appraisal: _Appraisal = _Appraisal()
    floor: Mapping[Bounded, Signed] = {}
    ceiling: Mapping[Bounded, Signed] = {}
    cooldown_days: Annotated[float, Field(ge=0, le=30)] = 0
    repeat: Unit = 0.25


class _ProposalEntry(_Entry):
    """Actions that are usual in a state, as they are written."""

    on: Signals = []
    if_: If = Field(default=If(), alias="if")
    propose: Annotated[dict[Action, Unit], Field(min_length=1)]


class _PackFile(_Part):
    rules: list[_RuleEntry] = []
    proposals: list[_ProposalEntry] = []
    remove: list[str] = []


@lru_cache(maxsize=1)
def builtin_pack() -> WorldRules:
    name = "rules.yaml"
    return WorldRules(name, resources.files("rfsn_bridge.mind.data").joinpath(name).read_bytes())


@lru_cache(maxsize=1)
def builtin_rules() -> RuleSet:
    """The rules that every NPC has."""
    return load_rules(())


def load_rules(packs: Iterable[WorldRules]) -> RuleSet:
    """The built-in rules with `packs` merged into them in order; raises ConfigError with file, line and remedy."""
    rules: dict[str, Rule] = {}
    proposals: dict[str, Proposal] = {}
    revision = hashlib.sha256()
    for pack in (builtin_pack(), *packs):
        revision.update(pack.text)
        found = _read(pack)
        _remove(found, rules, proposals, pack)
        rules.update((rule.id, rule) for rule in found.rules)
        proposals.update((proposal.id, proposal) for proposal in found.proposals)
    if len(rules) > _MAX_RULES:
        raise ConfigError(f"there are {len(rules)} world rules, more than {_MAX_RULES}", "leave out a pack")
    return RuleSet(tuple(rules.values()), tuple(proposals.values()), revision.hexdigest()[:12])


@dataclass(frozen=True, slots=True)
class _Found:
    rules: tuple[Rule, ...]
    proposals: tuple[Proposal, ...]
    removed: Mapping[str, int]


def _read(pack: WorldRules) -> _Found:
    document = yaml_file.read(pack.text, pack.name)
    value = document.value or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{pack.name} holds no keys", "write `rules:` with a list below it", line=1)
    try:
        written = _PackFile.model_validate({key: [] if part is None else part for key, part in value.items()})
    except ValidationError as invalid:
        raise yaml_file.explain(invalid, _PackFile, document.lines, pack.name) from None
    lines = document.lines

    def line(section: str, index: int) -> int:
        return lines.get((section, str(index)), 0)

    seen: dict[str, int] = {}
    sections: tuple[tuple[str, Sequence[_Entry]], ...]
    sections = (("rules", written.rules), ("proposals", written.proposals))
    for section, entries in sections:
        for index, entry in enumerate(entries):
            at = line(section, index)
            if entry.id in seen:
                message = f"{pack.name}, line {at}: id {entry.id!r} is used on line {seen[entry.id]} already"
                raise ConfigError(message, "give it another id", key=entry.id, line=at)
            seen[entry.id] = at
    return _Found(
        tuple(replace(_rule(e), file=pack.name, line=line("rules", i)) for i, e in enumerate(written.rules)),
        tuple(
            replace(_proposal(e), file=pack.name, line=line("proposals", i))
            for i, e in enumerate(written.proposals)
        ),
        {name: line("remove", index) for index, name in enumerate(written.remove)},
    )


def _remove(found: _Found, rules: dict[str, Rule], proposals: dict[str, Proposal], pack: WorldRules) -> None:
    for name, line in found.removed.items():
        taken = rules.pop(name, None), proposals.pop(name, None)
        if taken == (None, None):
            message = f"{pack.name}, line {line}: remove: there is no rule or proposal {name!r} to take away"
            near = difflib.get_close_matches(name, [*rules, *proposals], 1)
            hint = f"did you mean {near[0]!r}?" if near else "`rfsn-bridge rules list` shows their ids"
            raise ConfigError(message, hint, key="remove", line=line)


def _rule(entry: _RuleEntry) -> Rule:
    on = entry.on
    appraisal = Appraisal(**entry.appraisal.model_dump())
    appraisal = INDIFFERENT if appraisal == INDIFFERENT else appraisal
    effect = Effect(
        **entry.change.model_dump(),
        floor=dict(entry.floor.items()),
        ceiling=dict(entry.ceiling.items()),
        appraisal=appraisal,
    )
    by_player = None if on.by is None else on.by == "player"
    return Rule(
        entry.id,
        Trigger(frozenset(on.signal), frozenset(on.action), frozenset(on.after), frozenset(on.event), by_player),
        effect,
        condition(entry.if_),
        entry.cooldown_days,
        entry.repeat,
    )


def _proposal(entry: _ProposalEntry) -> Proposal:
    return Proposal(entry.id, entry.propose, frozenset(entry.on), condition(entry.if_))


def condition(written: If) -> Condition:
    """What an `if:` of YAML asks."""
    between = []
    for name, (low, high) in RANGES.items():
        limits: _Range | None = getattr(written, name)
        if limits is not None:
            above = low if limits.above is None else limits.above
            below = high + 1e-9 if limits.below is None else limits.below  # the end of the range is in it
            between.append(Between(name, above, below))
    asked = Condition(
        None if written.relationship is None else frozenset(written.relationship),
        None if written.mood is None else frozenset(written.mood),
        written.combat,
        written.quest,
        tuple(between),
    )
    return ALWAYS if asked == ALWAYS else asked
