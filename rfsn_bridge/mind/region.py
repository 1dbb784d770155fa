"""The states that conditions allow together: whether there are any, and whether a condition holds in all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rfsn_bridge.domain import Mood, Relationship
from rfsn_bridge.mind.rules import ALWAYS, RANGES, Condition
from rfsn_bridge.mind.state import FAINT, affinity_range

_BOTH = frozenset({False, True})
_ENDS = {name: (low, high + 1e-9) for name, (low, high) in RANGES.items()}
"""Each number's range; the end of it is in it, so that it goes a little further."""


@dataclass(frozen=True, slots=True)
class Region:
    """States and personalities. A number is at least the first and below the second of `between`."""

    relationships: frozenset[Relationship] = frozenset(Relationship)
    moods: frozenset[Mood] = frozenset(Mood)
    combat: frozenset[bool] = _BOTH
    quest: frozenset[bool] = _BOTH
    between: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.relationships and self.moods and self.combat and self.quest)

    def range(self, name: str) -> tuple[float, float]:
        return self.between[name] if name in self.between else _ENDS[name]


EVERYWHERE = Region()
NOWHERE = Region(relationships=frozenset())


def region(*conditions: Condition, within: Region = EVERYWHERE) -> Region:
    """Where all the conditions hold, given that a state agrees with itself; empty (`NOWHERE`) if nowhere."""
    here = within
    for condition in conditions:
        if condition is not ALWAYS:
            here = _narrowed(here, condition)
        if here.is_empty:
            return NOWHERE
    return here


def contradiction(condition: Condition) -> str | None:
    """Why a condition never holds, in words; None if it can."""
    if not region(condition).is_empty:
        return None
    for each in condition.between:
        if max(each.low, _ENDS[each.name][0]) >= min(each.high, _ENDS[each.name][1]):
            return f"no {each.name} is from {each.low:g} on and below {each.high:g}"
    if condition.relationships is not None and not condition.relationships:
        return "it names no relationship"
    if condition.moods is not None and not condition.moods:
        return "it names no mood"
    affinity = next((each for each in condition.between if each.name == "affinity"), None)
    asked = condition.relationships
    if (
        affinity
        and asked
        and not any(_meets(affinity_range(each), (affinity.low, affinity.high)) for each in asked)
    ):
        spans = ", ".join(f"{each.value} {_span(affinity_range(each))}" for each in sorted(asked))
        return f"affinity is never there with that relationship ({spans})"
    return f"a mood is at least {FAINT:g} strong, and only the neutral one has no strength"


def covers(wide: Condition, narrow: Region) -> bool:
    """Whether a condition holds everywhere in a region."""
    return (
        (wide.relationships is None or narrow.relationships <= wide.relationships)
        and (wide.moods is None or narrow.moods <= wide.moods)
        and (wide.combat is None or narrow.combat == {wide.combat})
        and (wide.quest is None or narrow.quest == {wide.quest})
        and all(_inside(narrow.range(each.name), (each.low, each.high)) for each in wide.between)
    )


def _narrowed(here: Region, condition: Condition) -> Region:
    between = dict(here.between)
    for each in condition.between:
        low, high = here.range(each.name)
        between[each.name] = max(low, each.low), min(high, each.high)
    if any(low >= high for low, high in between.values()):
        return NOWHERE
    relationships = (
        here.relationships if condition.relationships is None else here.relationships & condition.relationships
    )
    moods = here.moods if condition.moods is None else here.moods & condition.moods
    # A state agrees with itself: a relationship has its affinities, a neutral mood no strength and any other some.
    affinity = between.get("affinity", _ENDS["affinity"])
    relationships = frozenset(each for each in relationships if _meets(affinity_range(each), affinity))
    weakest, strongest = between.get("mood_strength", _ENDS["mood_strength"])
    moods = frozenset(each for each in moods if (weakest <= 0 if each is Mood.NEUTRAL else strongest > FAINT))
    if moods == {Mood.NEUTRAL}:
        between["mood_strength"] = 0.0, 1e-9
    if relationships:
        spans = [affinity_range(each) for each in relationships]
        between["affinity"] = (
            max(affinity[0], min(low for low, _ in spans)),
            min(affinity[1], max(high for _, high in spans)),
        )
    return Region(
        relationships,
        moods,
        here.combat if condition.combat is None else here.combat & {condition.combat},
        here.quest if condition.quest is None else here.quest & {condition.quest},
        between,
    )


def _meets(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])


def _inside(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _span(between: tuple[float, float]) -> str:
    return f"from {between[0]:g} to {between[1]:.2g}"
