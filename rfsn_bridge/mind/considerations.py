"""What a score is made of, as data: inputs, response curves and weights, read from YAML.

The form is that of the Infinite Axis Utility System (D. Mark, K. Dill, "Improving AI Decision Modeling Through
Utility Theory", GDC 2010; M. Lewis in "Game AI Pro 3", ch. 13, 2017), summed instead of multiplied, so that a
score can be told apart into its contributions.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rfsn_bridge import yaml_file
from rfsn_bridge.domain import Action, Mood, NpcState, Personality
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.rule_files import If, condition, listed
from rfsn_bridge.mind.rules import Condition

_MOODS = {Mood.HAPPY: 1.0, Mood.FRIENDLY: 1.0, Mood.SAD: -0.6, Mood.ANGRY: -1.0, Mood.FEARFUL: -0.8}

Input = Callable[[NpcState, NpcState, Personality, float], float]
"""Reads one number of the state now, the state after the action, the personality, and how usual the action is."""
INPUTS: Mapping[str, Input] = {
    "one": lambda now, after, traits, usual: 1.0,
    "usual": lambda now, after, traits, usual: usual,
    "affinity": lambda now, after, traits, usual: now.affinity,
    "trust": lambda now, after, traits, usual: now.trust,
    "fear": lambda now, after, traits, usual: now.fear,
    "sentiment": lambda now, after, traits, usual: now.recent_sentiment,
    "liking": lambda now, after, traits, usual: (now.affinity + 2 * now.trust - 1) / 2,
    "anger": lambda now, after, traits, usual: now.mood_strength if now.mood is Mood.ANGRY else 0.0,
    "after.affinity": lambda now, after, traits, usual: after.affinity,
    "after.trust": lambda now, after, traits, usual: after.trust,
    "after.fear": lambda now, after, traits, usual: after.fear,
    "after.sentiment": lambda now, after, traits, usual: after.recent_sentiment,
    "after.combat": lambda now, after, traits, usual: float(after.combat_active),
    "after.quest": lambda now, after, traits, usual: float(after.quest_active),
    "after.mood": lambda now, after, traits, usual: _MOODS.get(after.mood, 0.0) * after.mood_strength,
    "courage": lambda now, after, traits, usual: traits.courage,
    "warmth": lambda now, after, traits, usual: traits.warmth,
    "temper": lambda now, after, traits, usual: traits.temper,
    "curiosity": lambda now, after, traits, usual: traits.curiosity,
}
_OF_THE_FUTURE = "after."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Curve(_Part):
    """How an input is bent: the result lies between `low` and `high` (linear and power: clipped to them)."""

    kind: Literal["linear", "power", "logistic", "step"] = "linear"
    slope: Annotated[float, Field(ge=-50, le=50)] = 1.0
    offset: Annotated[float, Field(ge=-10, le=10)] = 0.0
    exponent: Annotated[float, Field(gt=0, le=10)] = 2.0
    at: Annotated[float, Field(ge=-1, le=1)] = 0.5
    below: Annotated[float, Field(ge=-1, le=1)] = 0.0
    above: Annotated[float, Field(ge=-1, le=1)] = 1.0
    low: Annotated[float, Field(ge=-1, le=1)] | None = None
    high: Annotated[float, Field(ge=-1, le=1)] | None = None

    @model_validator(mode="after")
    def _upright(self) -> "Curve":
        low, high = self.bounds
        if low > high:
            raise ValueError(f"`low` ({low:g}) is above `high` ({high:g})")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        low = (0.0 if self.kind == "logistic" else -1.0) if self.low is None else self.low
        return low, 1.0 if self.high is None else self.high

    def function(self) -> Callable[[float], float]:
        """The curve as a function of its input."""
        low, high = self.bounds
        slope, offset, at = self.slope, self.offset, self.at
        if self.kind == "step":
            below, above = self.below, self.above
            return lambda x: below if x < at else above
        if self.kind == "logistic":
            return lambda x: low + (high - low) / (1 + math.exp(-max(-60.0, min(60.0, slope * (x - at)))))
        if self.kind == "power":
            exponent = self.exponent
            return lambda x: max(low, min(high, slope * math.copysign(abs(x) ** exponent, x) + offset))

        def line(x: float) -> float:  # the most frequent curve by far, and so the one that must be quick
            y = slope * x + offset
            return low if y < low else high if y > high else y

        return line


class _Entry(_Part):
    """One consideration, as it is written."""

    id: Annotated[str, Field(min_length=1, max_length=80)]
    input: str
    weight: Annotated[float, Field(ge=-5, le=5)]
    actions: Annotated[list[str], BeforeValidator(listed)] = []
    curve: Curve = Curve()
    if_: If = Field(default=If(), alias="if")


class _File(_Part):
    groups: dict[str, list[Action]] = {}
    considerations: list[_Entry] = []
    remove: list[str] = []


@dataclass(frozen=True, slots=True)
class Consideration:
    """One term of the score."""

    id: str
    actions: frozenset[Action]
    read: Input
    curve: Callable[[float], float]
    weight: float
    condition: Condition
    of_the_future: bool
    """Whether it reads the predicted state, and so differs with what the player may have meant."""
    file: str = ""
    line: int = 0

    @property
    def of_the_present(self) -> bool:
        """Whether it comes to the same for every action: it reads only how things stand now."""
        return not self.of_the_future and self.read is not INPUTS["usual"]


def load_considerations(
    files: Iterable[WorldRules] = (), weights: Mapping[str, float] | None = None
) -> tuple[Consideration, ...]:
    """The built-in considerations, with `files` merged in by id, then `weights` replaced; raises ConfigError."""
    groups: dict[str, list[Action]] = {}
    entries: dict[str, tuple[_Entry, str, int]] = {}
    for pack in (_builtin(), *files):
        written, lines = _read(pack)
        groups |= written.groups
        for index, name in enumerate(written.remove):
            if entries.pop(name, None) is None:
                line = lines.get(("remove", str(index)), 0)
                message = f"{pack.name}, line {line}: remove: there is no consideration {name!r} to take away"
                raise ConfigError(message, _near(name, entries), key="remove", line=line)
        for index, entry in enumerate(written.considerations):
            entries[entry.id] = (entry, pack.name, lines.get(("considerations", str(index)), 0))
    for name in weights or {}:
        if name not in entries:
            raise ConfigError(f"there is no consideration {name!r}", _near(name, entries))
    return tuple(
        _built(entry, groups, (weights or {}).get(name, entry.weight), file, line)
        for name, (entry, file, line) in entries.items()
    )


def _read(pack: WorldRules) -> tuple[_File, Mapping[yaml_file.Key, int]]:
    document = yaml_file.read(pack.text, pack.name)
    value = document.value or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{pack.name} holds no keys", "write `considerations:` with a list below it", line=1)
    try:
        written = _File.model_validate({key: part for key, part in value.items() if part is not None})
    except ValidationError as invalid:
        raise yaml_file.explain(invalid, _File, document.lines, pack.name) from None
    seen: dict[str, int] = {}
    for index, entry in enumerate(written.considerations):
        line = document.lines.get(("considerations", str(index)), 0)
        if entry.id in seen:
            message = f"{pack.name}, line {line}: id {entry.id!r} is used on line {seen[entry.id]} already"
            raise ConfigError(message, "give it another id", key=entry.id, line=line)
        seen[entry.id] = line
    return written, document.lines


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, map(str, known), 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


@lru_cache(maxsize=1)
def _builtin() -> WorldRules:
    name = "considerations.yaml"
    return WorldRules(name, resources.files("rfsn_bridge.mind.data").joinpath(name).read_bytes())


def _built(
    entry: _Entry, groups: Mapping[str, list[Action]], weight: float, file: str, line: int
) -> Consideration:
    where = f"{file}, line {line}"
    if entry.input not in INPUTS:
        raise ConfigError(f"{where}: there is no input {entry.input!r}", _near(entry.input, INPUTS), line=line)
    actions: set[Action] = set()
    for name in entry.actions:
        if name not in groups and name not in set(Action):
            message = f"{where}: {name!r} is neither an action nor a group"
            raise ConfigError(message, _near(name, [*groups, *Action]), line=line)
        actions |= set(groups[name]) if name in groups else {Action(name)}
    return Consideration(
        entry.id,
        frozenset(actions or Action),
        INPUTS[entry.input],
        entry.curve.function(),
        weight,
        condition(entry.if_),
        entry.input.startswith(_OF_THE_FUTURE),
        file,
        line,
    )
