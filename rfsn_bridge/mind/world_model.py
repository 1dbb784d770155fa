"""What an NPC may do about the player's line, and the state that each action is expected to lead to.

Predictions come from the same transitions that the turn will make. What was observed after such an answer before
(`observations`) moves them by a bounded step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rfsn_bridge.domain import Action, Decision, NpcState, Outcome, Personality, Prediction, Signal
from rfsn_bridge.mind.events import Did, Said
from rfsn_bridge.mind.observations import Observations
from rfsn_bridge.mind.rule_files import builtin_rules
from rfsn_bridge.mind.rules import AVERAGE, RuleSet
from rfsn_bridge.mind.state import Transition, transition

FEWEST, MOST = 5, 9
"""How many candidates there are."""
ALWAYS_OPEN = (Action.IGNORE, Action.FLEE)
"""Whatever the safety rules deny, one of these is left."""
FILLING = (Action.INQUIRE, Action.EXPLAIN, Action.AGREE)
_LIKELY, _SIGNALS = 0.1, 3
"""Signals less likely than this, or beyond this many, do not count: their lines are read as the likelier ones."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The player's line taken in: one state for each signal that it may have been, the likeliest first."""

    signals: tuple[tuple[Signal, float, Transition], ...]

    @property
    def state(self) -> NpcState:
        return self.signals[0][2].state


def said(decision: Decision) -> Said:
    """The player's line as the state of a decision took it in."""
    trace = decision.trace
    if trace is None:
        return Said(decision.signal)
    return Said(decision.signal, trace.last_action, _weight(trace.signals[decision.signal]))


def _weight(probability: float) -> float:
    """How much of a line counts: all of it from a probability of one half on."""
    return min(1.0, 2 * probability)


class WorldModel:
    """Rules at work."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules or builtin_rules()

    def hear(
        self,
        state: NpcState,
        signals: Mapping[Signal, float],
        after: Action | None = None,
        traits: Personality = AVERAGE,
    ) -> Heard:
        """Take in a line. The state follows the likeliest signal, in full from a probability of one half on."""
        ranked = sorted(signals.items(), key=lambda item: -item[1])[:_SIGNALS]
        counted = [(signal, p) for signal, p in ranked if p >= _LIKELY] or ranked[:1]
        total = sum(p for _, p in counted) or 1.0
        weight = _weight(counted[0][1])
        return Heard(
            tuple(
                [
                    (signal, p / total, transition(state, Said(signal, after, weight), self.rules, traits))
                    for signal, p in counted
                ]
            )
        )

    def candidates(self, heard: Heard, traits: Personality = AVERAGE) -> dict[Action, float]:
        """Five to nine actions, the most usual first, each with how usual it is in [0, 1]."""
        usual: dict[Action, float] = {}
        for signal, probability, after in heard.signals:
            best: dict[Action, float] = {}
            for proposal in self.rules.proposed(signal):
                if proposal.condition.holds(after.state, traits):
                    for action, how in proposal.usual.items():
                        if how > best.get(action, 0.0):
                            best[action] = how
            for action, how in best.items():
                usual[action] = usual.get(action, 0.0) + probability * how
        ranked = sorted(usual, key=lambda each: -usual[each])
        chosen = [action for action in ranked if action not in ALWAYS_OPEN][: MOST - len(ALWAYS_OPEN)]
        for action in FILLING:
            if len(chosen) < FEWEST - len(ALWAYS_OPEN) and action not in chosen:
                chosen.append(action)
        return {action: min(1.0, usual.get(action, 0.0)) for action in (*chosen, *ALWAYS_OPEN)}

    def predict(
        self,
        heard: Heard,
        action: Action,
        usual: float = 0.0,
        traits: Personality = AVERAGE,
        observations: Observations | None = None,
    ) -> Prediction:
        """What `action` leads to under each signal that the line may have been."""
        outcomes = []
        fired: list[str] = []
        for index, (signal, probability, after) in enumerate(heard.signals):
            done = transition(after.state, Did(action, signal), self.rules, traits)
            state = done.state
            if index == 0:
                fired = [rule.id for rule in done.rules]
                if observations is not None and (
                    learned := observations.refine(after.state, action, signal, state)
                ):
                    state = learned
                    fired.append("observed")
            outcomes.append(Outcome(signal, probability, state))
        return Prediction(action, outcomes[0].state, tuple(outcomes), tuple(fired), usual)
