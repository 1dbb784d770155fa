"""From the player's words to a decision: signal, state, candidates, safety mask, prediction, score, choice, style.

Values in, values out: what happened before comes in as the state and the NPC's experience, chance as `rng`. The
decision carries a trace of everything it was made from; `explain` turns that into words.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from random import Random

from rfsn_bridge.domain import (
    Action,
    Candidate,
    Choice,
    Decision,
    Npc,
    NpcState,
    Prediction,
    SafetyContext,
    Score,
    ScoringContext,
    Sentence,
    Signal,
    SignalContext,
    Style,
    Trace,
)
from rfsn_bridge.interfaces import Learner, SafetyRule, Scorer, SignalClassifier
from rfsn_bridge.mind.experience import Experience
from rfsn_bridge.mind.numbers import to_six_places
from rfsn_bridge.mind.observations import Observations
from rfsn_bridge.mind.style import STYLE_ARMS, Talk, action_features, style_features, style_priors
from rfsn_bridge.mind.world_model import Heard, WorldModel

_TOP = 4
"""How many of the best actions the learner chooses among."""
_WITHIN = 0.3
"""An action whose score is further below the best is no choice, only a mistake."""
_COMPARED = tuple(each.name for each in fields(NpcState) if each.name != "cooldowns")
_compared = attrgetter(*_COMPARED)


@dataclass(frozen=True, slots=True)
class Weighed:
    """The candidates of one line: what may be done, how good it is, what is denied and why."""

    predictions: Mapping[Action, Prediction]
    ranked: Sequence[Score]
    """The best first."""
    vetoes: Mapping[Action, tuple[str, str]]
    """Each denied action with the rule that denied it first, and its reason."""

    @property
    def choices(self) -> Sequence[Score]:
        """What the learner chooses among."""
        return [each for each in self.ranked[:_TOP] if each.total >= self.ranked[0].total - _WITHIN]


@dataclass(frozen=True, slots=True)
class Mind:
    """The parts that decide, as config.yaml named them."""

    classifier: SignalClassifier
    scorer: Scorer
    safety: Mapping[str, SafetyRule]
    learner: Learner
    world: WorldModel = field(default_factory=WorldModel)
    priors: Mapping[str, bytes] = field(default_factory=dict)
    """What the population has learned: where a new NPC's policies begin."""

    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        """The probability of each signal; raises ValueError where the classifier gives something else."""
        signals = self.classifier.classify(text, context)
        total = sum(signals.values())
        if not (0 < total < 1.001 and min(signals.values()) >= 0):  # whatever is not a number is refused too
            raise ValueError(f"the classifier gave {dict(signals)}, which are no probabilities of signals")
        return signals

    def newcomer(self) -> Experience:
        """The experience of an NPC that has none."""
        experience = Experience.begin(self.learner, self.priors)
        experience.observations = Observations()
        return experience

    def returning(self, saved: bytes) -> Experience:
        """An experience as `dump` gave it; raises ValueError where it is damaged."""
        return Experience.load(saved, self.learner, self.priors, Observations.load)

    def decide(
        self,
        npc: Npc,
        state: NpcState,
        signals: Mapping[Signal, float],
        rng: Random,
        experience: Experience | None = None,
        talk: Talk | None = None,
        seed: str = "",
    ) -> Decision:
        """What `npc` does about the signals. `Decision.state` is its state after they were taken in.

        `seed` is what `rng` was made of, for the trace.
        """
        experience = experience or self.newcomer()
        talk = talk or experience.talk()
        heard = self.world.hear(state, signals, talk.last_action, npc.personality)
        signal, state_after = heard.signals[0][0], heard.state
        weighed = self.weigh(npc, heard, experience.observations)

        top = weighed.choices
        x = action_features(npc, state_after, signals, talk)
        choice = experience.action.select(x, [s.action.value for s in top], [s.total for s in top], rng)
        chosen = next(score for score in top if score.action.value == choice.arm)

        y = style_features(npc, state_after, signal, talk)
        styles = style_priors(npc, state_after, chosen.action)
        manner = experience.style.select(y, STYLE_ARMS, [styles[Style(arm)] for arm in STYLE_ARMS], rng)

        heard_by = heard.signals[0][2]
        return Decision(
            signal=signal,
            action=chosen.action,
            style=Style(manner.arm),
            state=state_after,
            candidates=tuple(_candidates(weighed, choice, state_after)),
            reasons=tuple(_reasons(signal, signals, weighed, chosen, choice)),
            trace=Trace(
                signals=dict(signals),
                before=state,
                rules=tuple([rule.id for rule in heard_by.rules]),
                changes=changes(state, state_after),
                action_choice=choice,
                style_choice=manner,
                action_features=x,
                style_features=y,
                last_action=talk.last_action,
                personality=npc.personality,
                seed=seed,
                rules_revision=self.world.rules.revision,
            ),
        )

    def weigh(self, npc: Npc, heard: Heard, observations: Observations | None = None) -> Weighed:
        """Propose, deny, predict and score. What is denied is not even predicted, and cannot come back."""
        state, traits = heard.state, npc.personality
        usual = self.world.candidates(heard, traits)
        vetoes = self._vetoes(tuple(usual), SafetyContext(npc, state))
        # Should the rules deny everything, even fleeing, the NPC does nothing; that needs no leave.
        allowed = [action for action in usual if action not in vetoes] or [Action.IGNORE]
        predictions = {
            action: self.world.predict(heard, action, usual[action], traits, observations) for action in allowed
        }
        signals = {signal: probability for signal, probability, _ in heard.signals}
        scores = self.scorer.score(ScoringContext(npc, state, signals), list(predictions.values()))
        if [score.action for score in scores] != allowed:
            raise ValueError("the scorer did not score the actions it was given, each once and in their order")
        if odd := next((score for score in scores if not math.isfinite(score.total)), None):
            raise ValueError(f"the scorer gave {odd.action.value} {odd.total}")
        return Weighed(predictions, sorted(scores, key=lambda score: -score.total), vetoes)

    def _vetoes(self, actions: Sequence[Action], context: SafetyContext) -> dict[Action, tuple[str, str]]:
        vetoes: dict[Action, tuple[str, str]] = {}
        asked = frozenset(actions)
        for name, rule in self.safety.items():
            verdict = rule.check(asked, context)
            for action in actions:
                if action in verdict.denied_actions:
                    vetoes.setdefault(action, (name, verdict.reason))
        return vetoes

    def veto_sentence(self, sentence: Sentence, context: SafetyContext) -> str | None:
        """The rule that forbids this sentence and its reason, or None."""
        for name, rule in self.safety.items():
            verdict = rule.check(sentence, context)
            if verdict.deny_sentence:
                return f"{name}: {verdict.reason}"
        return None


def changes(before: NpcState, after: NpcState) -> dict[str, float | str | bool]:
    """What differs between two states: numbers as differences, the rest as it is now."""
    return {
        name: to_six_places(new - old) if type(new) is float else new
        for name, old, new in zip(_COMPARED, _compared(before), _compared(after), strict=True)
        if old != new
    }


def _candidates(weighed: Weighed, choice: Choice, state: NpcState) -> Iterable[Candidate]:
    for score in weighed.ranked:
        prediction = weighed.predictions[score.action]
        yield Candidate(
            score.action,
            score.total,
            choice.probabilities.get(score.action.value, choice.probability * (score.action.value == choice.arm)),
            contributions=score.contributions,
            rules=prediction.rules,
            changes=changes(state, prediction.state),
        )
    for action, (rule, reason) in weighed.vetoes.items():
        yield Candidate(action, 0.0, 0.0, rule, reason)


def _reasons(
    signal: Signal, signals: Mapping[Signal, float], weighed: Weighed, chosen: Score, choice: Choice
) -> Iterable[str]:
    yield f"heard {signal.value} ({signals[signal]:.0%})"
    yield from dict.fromkeys(f"{rule}: {reason}" for rule, reason in weighed.vetoes.values())
    terms = sorted(chosen.contributions.items(), key=lambda term: -abs(term[1]))[:3]
    why = ", ".join(f"{name} {value:+.2f}" for name, value in terms)
    yield f"{chosen.action.value} scored {chosen.total:+.2f}: {why}"
    best = weighed.ranked[0]
    if chosen is not best:
        yield f"{best.action.value} scored more ({best.total:+.2f}), but {_why_not(best, chosen, choice)}"


def _why_not(best: Score, chosen: Score, choice: Choice) -> str:
    """Why another action was chosen than the one that scored best."""
    one, other = (choice.worth.get(score.action.value, score.total) for score in (chosen, best))
    if one > other:
        learned = f"{one - chosen.total:+.2f} against {other - best.total:+.2f}"
        return f"{chosen.action.value} has done better with this player ({learned})"
    return f"{chosen.action.value} was tried (chance {choice.probability:.1%})"
