"""Rules that run away: by being repeated, by firing together, or because nothing leads back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from rfsn_bridge.domain import Action, Happening, Signal
from rfsn_bridge.mind.events import Did, Happened, Said
from rfsn_bridge.mind.findings import Finding, about, about_all, both
from rfsn_bridge.mind.region import EVERYWHERE, Region, region
from rfsn_bridge.mind.rules import Rule, RuleSet
from rfsn_bridge.mind.state import STEPS

_NUMBERS = ("affinity", "trust", "fear")
_LASTING = ("affinity", "trust")
"""Those that time does not mend."""
_FLAGS: Mapping[str, str] = {"combat": "a fight", "quest": "a quest"}
_TRIES = 500
"""How many sets of rules are looked at for one event before the best found so far has to do."""


def unbounded(rules: RuleSet) -> Iterator[Finding]:
    """What can be repeated without end, asks for too much at once, or goes one way only."""
    yield from _without_end(rules.rules)
    yield from _too_much_at_once(rules)
    yield from _one_way(rules.rules)


def _without_end(rules: Iterable[Rule]) -> Iterator[Finding]:
    """Rules that the player (or the NPC itself) can repeat until a number is at its end."""
    for rule in rules:
        effect = rule.effect
        if (rule.cooldown and rule.repeat < 1) or region(rule.condition).is_empty:
            continue
        rises = [name for name in _LASTING if getattr(effect, name) > 0 and name not in effect.ceiling]
        falls = [name for name in _LASTING if getattr(effect, name) < 0 and name not in effect.floor]
        if rises:
            message = f"repeated, it raises {both(rises)} without end"
            remedy = "give it `cooldown_days`, or a `ceiling` (1: all the way up, if that is meant)"
            yield about(rule, "unbounded", "error", message, remedy)
        if falls and not rule.on.happenings:
            ends = " and ".join(f"{name} {-1 if name == 'affinity' else 0}" for name in falls)
            message = f"repeated, it lowers {both(falls)} without end"
            remedy = f"give it a `floor` ({ends}: all the way down, if that is meant), or `cooldown_days`"
            yield about(rule, "unbounded", "warning", message, remedy)


def _too_much_at_once(rules: RuleSet) -> Iterator[Finding]:
    """Rules that together ask for more than one event may change."""
    told: set[tuple[str, ...]] = set()
    for words, fired in _events(rules):
        for name in _NUMBERS:
            for sign in (-1, 1):
                amount = partial(_amount, name, sign)
                if sum(max(0.0, amount(rule)) for rule in fired) <= STEPS[name] + 1e-9:
                    continue
                together = _most(fired, amount)
                total = sum(getattr(rule.effect, name) for rule in together)
                ids = (name, *(rule.id for rule in together))
                if abs(total) <= STEPS[name] + 1e-9 or ids in told:
                    continue
                told.add(ids)
                message = (
                    f"{words}, {both([rule.id for rule in together])} together change {name} by {total:+.2f}; "
                    f"one event changes it by {STEPS[name]:g} at most"
                )
                yield about(together[-1], "unbounded", "warning", message, "let them change less")


def _amount(name: str, sign: int, rule: Rule) -> float:
    return sign * float(getattr(rule.effect, name))


def _events(rules: RuleSet) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    """Each event that fires other rules than those before it, in words, with all rules about it."""
    seen: set[tuple[str, ...]] = set()
    events: list[tuple[str, Said | Did | Happened]] = []
    for signal in Signal:
        events += [(f"on the signal {signal}", Said(signal))]
        events += [(f"on the signal {signal} after {after}", Said(signal, after)) for after in Action]
    for action in Action:
        events += [(f"on the action {action} to {to}", Did(action, to)) for to in Signal]
    for kind in Happening:
        events += [(f"on the event {kind}", Happened(kind, by)) for by in (True, False)]
    for words, event in events:
        about = rules.about(event)
        ids = tuple(rule.id for rule in about)
        if ids not in seen:
            seen.add(ids)
            yield words, about


def _most(rules: Sequence[Rule], amount: Callable[[Rule], float]) -> tuple[Rule, ...]:
    """The rules that can fire together and whose amounts sum to the most."""
    counted = [rule for rule in rules if amount(rule) > 0]
    left = [0.0]
    for rule in reversed(counted):
        left.append(left[-1] + amount(rule))
    left.reverse()
    best: tuple[float, tuple[Rule, ...]] = (0.0, ())
    stack: list[tuple[int, float, tuple[Rule, ...], Region]] = [(0, 0.0, (), EVERYWHERE)]
    tries = 0
    while stack and tries < _TRIES:
        tries += 1
        index, total, chosen, here = stack.pop()
        if total > best[0]:
            best = total, chosen
        if index == len(counted) or total + left[index] <= best[0]:
            continue
        rule = counted[index]
        stack.append((index + 1, total, chosen, here))
        narrower = region(rule.condition, within=here)
        if not narrower.is_empty:
            stack.append((index + 1, total + amount(rule), (*chosen, rule), narrower))
    return best[1]


def _one_way(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Numbers and flags that go one way and never back."""
    fires = [rule for rule in rules if not region(rule.condition).is_empty]
    for name in _NUMBERS:
        rises = any(getattr(rule.effect, name) > 0 for rule in fires)
        falls = any(getattr(rule.effect, name) < 0 for rule in fires)
        if rises != falls:
            way, back = ("raise", "brings it down") if rises else ("lower", "brings it up")
            message = f"rules {way} {name}, but nothing {back} again"
            remedy = f"write a rule that does ({'-' if rises else '+'} in `change: {{{name}: ...}}`)"
            yield about_all("unbounded", message, remedy)
    for name, what in _FLAGS.items():
        values: set[bool | None] = {getattr(rule.effect, name) for rule in fires}
        if True in values and False not in values:
            message, remedy = f"rules begin {what}, but nothing ends it", f"write `change: {{{name}: false}}`"
            yield about_all("unbounded", message, remedy)
