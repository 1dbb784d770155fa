"""From the player's words to a decision: signal, state, candidates, safety mask, prediction, score, choice."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from rfsn_bridge.domain import (
    Action,
    Candidate,
    Decision,
    Npc,
    NpcState,
    SafetyContext,
    ScoringContext,
    Sentence,
    Signal,
    SignalContext,
    Style,
)
from rfsn_bridge.interfaces import Learner, SafetyRule, Scorer, SignalClassifier
from rfsn_bridge.mind.state import apply_transition
from rfsn_bridge.mind.world_model import predict, propose

_TOP = 4


@dataclass(frozen=True, slots=True)
class Mind:
    """The parts that decide, as config.yaml named them."""

    classifier: SignalClassifier
    scorer: Scorer
    safety: Mapping[str, SafetyRule]
    learner: Learner

    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        return self.classifier.classify(text, context)

    def decide(self, npc: Npc, state: NpcState, signals: Mapping[Signal, float], rng: Random) -> Decision:
        """What `npc` does about the signals. `Decision.state` is its state after they were taken in."""
        signal = max(signals, key=lambda each: signals[each])
        state = apply_transition(state, signal)
        actions = propose(signal, state)
        vetoes, reasons = self._vetoes(actions, SafetyContext(npc, state))
        # Should the rules deny everything, even fleeing, the NPC does nothing.
        allowed = [action for action in actions if action not in vetoes] or [Action.IGNORE]
        context = ScoringContext(npc, state, signals)
        scored = self.scorer.score(context, [predict(state, action) for action in allowed])
        if odd := next((score for score in scored if not math.isfinite(score.total)), None):
            raise ValueError(f"the scorer gave {odd.action.value} {odd.total}")
        ranked = sorted(scored, key=lambda score: -score.total)
        top = ranked[:_TOP]
        arms = [score.action.value for score in top]
        policy = self.learner.policy([action.value for action in Action], ())
        choice = policy.select((), arms, [score.total for score in top], rng)
        chosen = next(score for score in top if score.action.value == choice.arm)
        rest = (1 - choice.probability) / max(1, len(top) - 1)
        probability = {score.action: choice.probability if score is chosen else rest for score in top}
        terms = sorted(chosen.contributions.items(), key=lambda term: -abs(term[1]))[:3]
        why = ", ".join(f"{name} {value:+.2f}" for name, value in terms)
        return Decision(
            signal=signal,
            action=chosen.action,
            style=Style.NEUTRAL_BALANCED,
            state=state,
            candidates=(
                *(Candidate(score.action, score.total, probability.get(score.action, 0.0)) for score in ranked),
                *(Candidate(action, 0.0, 0.0, vetoes[action]) for action in actions if action in vetoes),
            ),
            reasons=(
                f"heard {signal.value} ({signals[signal]:.0%})",
                *reasons,
                f"{chosen.action.value} scored {chosen.total:+.2f}: {why}",
            ),
        )

    def _vetoes(self, actions: Sequence[Action], context: SafetyContext) -> tuple[dict[Action, str], list[str]]:
        """Each denied action with the first rule that denied it, and the rules' reasons."""
        vetoes: dict[Action, str] = {}
        reasons = []
        for name, rule in self.safety.items():
            verdict = rule.check(frozenset(actions), context)
            denied = [action for action in actions if action in verdict.denied_actions]
            if denied:
                reasons.append(f"{name}: {verdict.reason}")
            for action in denied:
                vetoes.setdefault(action, name)
        return vetoes, reasons

    def veto_sentence(self, sentence: Sentence, context: SafetyContext) -> str | None:
        """The rule that forbids this sentence and its reason, or None."""
        for name, rule in self.safety.items():
            verdict = rule.check(sentence, context)
            if verdict.deny_sentence:
                return f"{name}: {verdict.reason}"
        return None
