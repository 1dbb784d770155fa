"""What is wrong with world rules that can be read: those that never fire, never matter, or run away.

Everything is derived from the rules themselves; nothing is simulated. An error is certainly a mistake, a warning
may be meant: where a line is ambiguous, an action proposed for one reading is weighed under the other too.
"""

from collections.abc import Iterable, Iterator, Sequence

from rfsn_bridge.domain import Action, Signal
from rfsn_bridge.mind.considerations import Consideration
from rfsn_bridge.mind.findings import Entry, Finding, about, about_all, either, where
from rfsn_bridge.mind.region import EVERYWHERE, Region, contradiction, covers, region
from rfsn_bridge.mind.rules import INDIFFERENT, Effect, Proposal, Rule, RuleSet, Trigger
from rfsn_bridge.mind.rules_bounds import unbounded
from rfsn_bridge.mind.world_model import ALWAYS_OPEN, FILLING, MOST

_NUMBERS = ("affinity", "trust", "fear")
_FLAGS = ("combat", "quest")
_PLACES = MOST - len(ALWAYS_OPEN)
"""Of the candidates, those that have to be proposed."""


def lint(rules: RuleSet, considerations: Sequence[Consideration] = ()) -> tuple[Finding, ...]:
    """Every finding, those of one entry together."""
    entries: list[Entry] = [*rules.rules, *rules.proposals, *considerations]
    found = [
        *_unreachable(entries),
        *_idle_limits(rules.rules),
        *_shadowed_rules(rules.rules),
        *_shadowed_proposals(rules.proposals),
        *_never_proposed(rules, considerations),
        *unbounded(rules),
    ]
    place = {each.id: index for index, each in enumerate(entries)}
    return tuple(sorted(found, key=lambda finding: place.get(finding.id, len(place))))


# --- Unreachable


def _unreachable(entries: Iterable[Entry]) -> Iterator[Finding]:
    for entry in entries:
        if why := contradiction(entry.condition):
            what = {Rule: "never fires", Proposal: "proposes nothing"}.get(type(entry), "never counts")
            yield about(entry, "unreachable", "error", f"it {what}: {why}", "correct its `if`, or remove it")


def _idle_limits(rules: Iterable[Rule]) -> Iterator[Finding]:
    """Floors and ceilings that nothing runs into, or that everything lies beyond."""
    for rule in rules:
        here = region(rule.condition)
        if here.is_empty:
            continue
        for limit, limits, sign in (("floor", rule.effect.floor, -1), ("ceiling", rule.effect.ceiling, 1)):
            for name, value in limits.items():
                change = sign * getattr(rule.effect, name)
                low, high = here.range(name)
                way = "falls" if sign < 0 else "rises"
                if change <= 0:
                    message = f"its {limit} for {name} does nothing: the rule never makes it {way[:-1]}"
                    yield about(rule, "unreachable", "warning", message, f"take the {limit} away")
                elif high <= value if sign < 0 else low >= value:
                    message = (
                        f"{name} never {way}: wherever it fires, {name} is beyond the {limit} {value:g} already"
                    )
                    yield about(rule, "unreachable", "warning", message, f"move the {limit}, or mend the `if`")


# --- Shadowed


def _shadowed_rules(rules: Sequence[Rule]) -> Iterator[Finding]:
    seen: dict[tuple[object, ...], Rule] = {}
    for rule in rules:
        same = (rule.on, rule.condition, repr(rule.effect))
        if (first := seen.setdefault(same, rule)) is not rule:
            message = f"it does the same as {first.id} ({where(first)}) on the same: everything counts twice"
            yield about(rule, "shadowed", "error", message, f"remove one, or give it the id {first.id}")
    at = {rule.id: index for index, rule in enumerate(rules)}
    overriding = [rule for rule in rules if _parts(rule.effect)]
    for rule in overriding:
        here, parts = region(rule.condition), _parts(rule.effect)
        if here.is_empty:
            continue
        for later in overriding:
            if at[later.id] <= at[rule.id] or not _about_all_of(later.on, rule.on):
                continue
            if (lost := _overridden(rule.effect, later.effect)) and covers(later.condition, here):
                whole = set(lost) == set(parts)
                what = (
                    "everything it does is" if whole else f"its {' and '.join(lost)} {'are' if lost[1:] else 'is'}"
                )
                message = f"{what} undone by {later.id} ({where(later)}), which fires whenever it does"
                remedy = f"give the later rule the id {rule.id} to replace it, or a narrower `if`"
                yield about(rule, "shadowed", "error" if whole else "warning", message, remedy)


def _parts(effect: Effect) -> list[str]:
    """What a rule does, by name."""
    changed = [name for name in (*_NUMBERS, "sentiment") if getattr(effect, name)]
    flags = [name for name in ("mood", *_FLAGS) if getattr(effect, name) is not None]
    return [*changed, *flags, *(["appraisal"] if effect.appraisal != INDIFFERENT else [])]


def _overridden(effect: Effect, later: Effect) -> list[str]:
    """What of an effect is lost when another follows: numbers add up, of moods and flags the last one counts."""
    lost = [name for name in (*_NUMBERS, "sentiment") if getattr(effect, name) and _sum(effect, later, name) == 0]
    for name in ("mood", *_FLAGS):
        mine, other = getattr(effect, name), getattr(later, name)
        if mine is not None and other is not None and mine != other:
            lost.append(name)
    return lost


def _sum(one: Effect, other: Effect, name: str) -> float:
    total: float = round(getattr(one, name) + getattr(other, name), 9)
    return total


def _about_all_of(wide: Trigger, narrow: Trigger) -> bool:
    """Whether whatever triggers `narrow` triggers `wide`."""
    if narrow.happenings:
        return narrow.happenings <= wide.happenings and wide.by_player in (None, narrow.by_player)
    if narrow.actions:
        return narrow.actions <= wide.actions and _any_of(wide.signals, narrow.signals)
    return not wide.actions and narrow.signals <= wide.signals and _any_of(wide.after, narrow.after)


def _any_of(wide: frozenset[Action] | frozenset[Signal], narrow: frozenset[Action] | frozenset[Signal]) -> bool:
    return not wide or (bool(narrow) and narrow <= wide)


def _shadowed_proposals(proposals: Sequence[Proposal]) -> Iterator[Finding]:
    for index, proposal in enumerate(proposals):
        here = region(proposal.condition)
        if here.is_empty:
            continue
        wider = [
            (other, place < index)
            for place, other in enumerate(proposals)
            if other is not proposal
            and (not other.signals or (proposal.signals and proposal.signals <= other.signals))
            and covers(other.condition, here)
        ]
        best: dict[Action, Proposal] = {}
        for action, how in proposal.usual.items():
            for other, earlier in wider:
                theirs = other.usual.get(action, 0.0)
                if how and (theirs > how or (earlier and theirs == how)):
                    best.setdefault(action, other)
        whole = best.keys() == {action for action, how in proposal.usual.items() if how}
        meant = all(other.file != proposal.file and other in proposals[index:] for other in best.values())
        if not best or (meant and not whole):  # a pack proposes more of something than what it builds on
            continue
        others = ", ".join(dict.fromkeys(f"{other.id} ({where(other)})" for other in best.values()))
        names = ", ".join(best)
        message = f"its {names} never counts: whenever it holds, {others} proposes as much or more"
        remedy = "remove it, or propose more" if whole else f"leave {names} out, or propose more"
        yield about(proposal, "shadowed", "error" if whole and not meant else "warning", message, remedy)


# --- Never proposed


def _never_proposed(rules: RuleSet, considerations: Sequence[Consideration]) -> Iterator[Finding]:
    proposals = rules.proposals
    never = frozenset(action for action in Action if not _proposed(action, proposals))
    for action in sorted(never):
        message, remedy = f"no proposal names {action}: no NPC ever does it", "propose it, however little"
        yield about_all("never proposed", message, remedy)
    for rule in rules.rules:
        here = region(rule.condition)
        if here.is_empty:
            continue
        if rule.on.after and rule.on.after <= never:
            message = f"it never fires: no NPC ever does {either(rule.on.after)}"
            yield about(rule, "never proposed", "warning", message, "propose it, or remove the rule")
        if rule.on.actions and not any(
            _proposed(each, proposals, rule.on.signals, here) for each in rule.on.actions
        ):
            to = f" as an answer to {either(rule.on.signals)}" if rule.on.signals else ""
            state = "" if here is EVERYWHERE else " where it could fire"
            message = f"{either(rule.on.actions)} is never proposed{to}{state}"
            yield about(rule, "never proposed", "warning", message, "propose it there, or remove the rule")
    for proposal in proposals:
        if zero := [action for action, how in proposal.usual.items() if not how]:
            message = f"{either(zero)}: 0 proposes nothing, and takes nothing away that others propose"
            remedy = "replace the proposal that names it (give yours the same id)"
            yield about(proposal, "never proposed", "warning", message, remedy)
        if crowded := [action for action in proposal.usual if _crowded_out(action, proposal, rules)]:
            message = f"{either(crowded)} is never among the candidates: {_PLACES} others are more usual"
            yield about(proposal, "never proposed", "warning", message, "propose it more")
    for each in considerations:
        here = region(each.condition)
        if here.is_empty or each.actions == frozenset(Action):
            continue
        dead = frozenset(a for a in each.actions if not _proposed(a, proposals, within=here))
        if dead and (dead == each.actions or dead & never):
            shown = either(dead if dead == each.actions else dead & never)
            message = f"{shown} is never proposed" + ("" if here is EVERYWHERE else " where it would count")
            yield about(each, "never proposed", "warning", message, "propose it there, or leave it out")


def _proposed(
    action: Action,
    proposals: Iterable[Proposal],
    signals: frozenset[Signal] = frozenset(),
    within: Region = EVERYWHERE,
) -> bool:
    """Whether an action is a candidate for any of the signals (none given: of all) in some of the states."""
    if action in ALWAYS_OPEN or action in FILLING:
        return True
    return any(
        each.usual.get(action)
        and (not signals or not each.signals or signals & each.signals)
        and not region(each.condition, within=within).is_empty
        for each in proposals
    )


def _crowded_out(action: Action, proposal: Proposal, rules: RuleSet) -> bool:
    """Whether too many others are more usual for each signal that a proposal is about."""
    how, here = proposal.usual[action], region(proposal.condition)
    if not how or here.is_empty or action in ALWAYS_OPEN:
        return False
    for signal in proposal.signals or Signal:
        more = {
            other
            for each in rules.proposed(signal)
            if covers(each.condition, here)
            for other, others in each.usual.items()
            if others > how and other not in (action, *ALWAYS_OPEN)
        }
        if len(more) < _PLACES:
            return False
    return True
