"""Why an NPC did what it did, in words.

The signal, the rules, the candidates, the vetoes, the odds, and what little would have changed its mind.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rfsn_bridge.domain import Action, Candidate, Decision, Mood, Npc, NpcState, Trace
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.state import settle

_STEP = 0.05
_EXACT = 0.005
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "affinity": (-1, 1),
    "trust": (0, 1),
    "fear": (0, 1),
    "recent_sentiment": (-1, 1),
}
_SHOWN_TERMS = 5
_NOTHING = "nothing"
_NOT_BY_RULES_ALONE = ("mood_strength", "recent_sentiment")
"""What also changes because the old fades: shown with the state and not among what rules did."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A change of the state before the line that would have made another action the NPC's first choice."""

    name: str
    now: float | str | bool
    then: float | str | bool
    action: Action
    size: float
    """How big a change it is, as a part of the range."""

    def __str__(self) -> str:
        if isinstance(self.then, bool):
            return f"{self.name} {'on' if self.then else 'off'}: {self.action.value}"
        if isinstance(self.then, str):
            return f"{self.name} {self.then} instead of {self.now}: {self.action.value}"
        side = "below" if self.then < float(self.now) else "from"
        return f"{self.name} {side} {self.then:.2f} on (it was {float(self.now):.2f}): {self.action.value}"


def preferred(decision: Decision) -> Action:
    """What the NPC would do if it left nothing to chance."""
    trace = decision.trace
    if trace is None or not trace.action_choice.worth:
        return decision.action
    worth = trace.action_choice.worth
    return Action(max(worth, key=lambda arm: worth[arm]))


def smallest_flips(mind: Mind, npc: Npc, decision: Decision) -> tuple[Flip, ...]:
    """The smallest changes, one at a time, that would have flipped the choice; the smallest first.

    What the NPC had learned of each action is taken as it was. Empty where no change of one thing would do.
    """
    trace = decision.trace
    if trace is None:
        return ()
    npc = replace(npc, personality=trace.personality)
    choice, scores = trace.action_choice, {c.action.value: c.score for c in decision.candidates if not c.vetoed_by}
    learned = {arm: worth - scores.get(arm, worth) for arm, worth in choice.worth.items()}

    def first_choice(state: NpcState) -> Action:
        heard = mind.world.hear(state, trace.signals, trace.last_action, npc.personality)
        choices = mind.weigh(npc, heard).choices
        return max(choices, key=lambda score: score.total + learned.get(score.action.value, 0.0)).action

    now = first_choice(trace.before)
    return tuple(sorted(_flips(trace, now, first_choice), key=lambda flip: flip.size))


def _flips(trace: Trace, now: Action, first_choice: Callable[[NpcState], Action]) -> Iterable[Flip]:
    before = trace.before
    for name, (low, high) in _NUMBERS.items():
        if (found := _nearest(before, name, low, high, now, first_choice)) is not None:
            value, action = found
            is_at = getattr(before, name)
            yield Flip(name, round(is_at, 3), value, action, abs(value - is_at) / (high - low))
    for name in ("combat_active", "quest_active"):
        is_on = getattr(before, name)
        action = first_choice(_with(before, name, not is_on))
        if action is not now:
            yield Flip(name, is_on, not is_on, action, 1.0)
    for mood in (Mood.NEUTRAL, Mood.ANGRY, Mood.HAPPY, Mood.FEARFUL):
        if mood is not before.mood:
            action = first_choice(settle(replace(before, mood=mood, mood_strength=1.0)))
            if action is not now:
                yield Flip("mood", before.mood.value, mood.value, action, 1.0)
                return


def _nearest(
    before: NpcState, name: str, low: float, high: float, now: Action, first_choice: Callable[[NpcState], Action]
) -> tuple[float, Action] | None:
    """The value nearest to the present one, either way, at which the choice is another."""
    is_at = getattr(before, name)
    found: list[tuple[float, Action]] = []
    for direction in (-1, 1):
        last, steps = is_at, int((high - low) / _STEP) + 1
        for step in range(1, steps + 1):
            value = min(high, max(low, is_at + direction * step * _STEP))
            if value == last:
                break
            if found and abs(value - is_at) - _STEP > abs(found[0][0] - is_at):
                break
            action = first_choice(_with(before, name, value))
            if action is not now:
                while abs(value - last) > _EXACT:
                    middle = (value + last) / 2
                    between = first_choice(_with(before, name, middle))
                    if between is now:
                        last = middle
                    else:
                        value, action = middle, between
                found.append((round(value, 3), action))
                break
            last = value
    return min(found, key=lambda each: abs(each[0] - is_at), default=None)


def _with(state: NpcState, name: str, value: float | bool) -> NpcState:
    changed: dict[str, Any] = {name: value}
    return settle(replace(state, **changed))


def in_words(decision: Decision, name: str, player_text: str = "", flips: Iterable[Flip] = ()) -> str:
    """The whole explanation, for a person to read."""
    trace = decision.trace
    lines = [f"{name} chose {decision.action.value.upper()} in style {decision.style.value}."]
    if player_text:
        lines.append(f'The player said: "{player_text}"')
    if trace:
        likely = sorted(trace.signals.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{signal.value} {p:.0%}" for signal, p in likely if p >= 0.01)
        lines += ["", f"Heard as: {shares}", f"Before:   {_state(trace.before)}"]
        lines.append(f"After it: {_state(decision.state)}")
        if trace.rules:
            lines.append(f"          by {', '.join(trace.rules)}: {_changes(trace.changes)}")
    lines += ["", "What it considered: the score, what it has learned of that, the odds = the terms of the score"]
    worth = trace.action_choice.worth if trace else {}
    for candidate in decision.candidates:
        learned = worth.get(candidate.action.value)
        chosen = candidate.action is decision.action
        lines += _candidate(candidate, None if learned is None else learned - candidate.score, chosen=chosen)
    if trace:
        lines += ["", *_choice(decision, trace)]
    found = [str(flip) for flip in flips]
    if found:
        lines += ["", "It would have been otherwise with:", *(f"  {flip}" for flip in found)]
    return "\n".join(lines)


def _candidate(candidate: Candidate, learned: float | None, *, chosen: bool) -> Iterable[str]:
    mark = ">" if chosen else " "
    if candidate.vetoed_by:
        yield f"{mark} {candidate.action.value:<11} vetoed by {candidate.vetoed_by}: {candidate.veto_reason}"
        return
    terms = sorted(candidate.contributions.items(), key=lambda item: -abs(item[1]))
    shown = " ".join(f"{term} {value:+.2f}" for term, value in terms[:_SHOWN_TERMS])
    rest = sum(value for _, value in terms[_SHOWN_TERMS:])
    rest_shown = f" others {rest:+.2f}" if len(terms) > _SHOWN_TERMS else ""
    odds = f"{candidate.probability:6.1%}" if candidate.probability else "     -"
    known = "     " if learned is None else f"{learned:+.2f}"
    yield f"{mark} {candidate.action.value:<11}{candidate.score:+.2f} {known} {odds}  = {shown}{rest_shown}"
    if (changes := _changes(candidate.changes)) != _NOTHING:
        yield f"                          leads to {changes} ({', '.join(candidate.rules)})"


def _choice(decision: Decision, trace: Trace) -> Iterable[str]:
    choice, manner = trace.action_choice, trace.style_choice
    best = preferred(decision)
    if best is decision.action:
        yield f"It was the first choice, taken with a probability of {choice.probability:.1%}."
    else:
        yield (
            f"The first choice was {best.value}; {decision.action.value} was tried to learn from it "
            f"(probability {choice.probability:.1%})."
        )
    if choice.contributions:
        parts = " ".join(f"{part} {value:+.2f}" for part, value in choice.contributions.items())
        yield f"Its worth: {parts}"
    odds = sorted(manner.probabilities.items(), key=lambda item: -item[1])[:3]
    yield "Style: " + ", ".join(f"{arm} {p:.0%}" for arm, p in odds)


def _state(state: NpcState) -> str:
    mood = state.mood.value + (f" ({state.mood_strength:.0%})" if state.mood is not Mood.NEUTRAL else "")
    flags = [name for name, on in (("in combat", state.combat_active), ("on a quest", state.quest_active)) if on]
    numbers = f"affinity {state.affinity:+.2f}, trust {state.trust:.2f}, fear {state.fear:.2f}"
    numbers += f", sentiment {state.recent_sentiment:+.2f}"
    return ", ".join([state.relationship.value, mood, numbers, *flags])


def _changes(changes: Mapping[str, float | str | bool]) -> str:
    shown = [
        f"{name} {value:+.2f}" if type(value) is float else f"{name} {str(value).lower()}"
        for name, value in changes.items()
        if name not in _NOT_BY_RULES_ALONE and not (type(value) is float and abs(value) < 0.005)
    ]
    return ", ".join(shown) or _NOTHING
