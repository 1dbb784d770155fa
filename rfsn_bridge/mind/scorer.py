"""How good an action's predicted outcome is: a weighted sum that can be read term by term."""

from collections.abc import Sequence

from rfsn_bridge.domain import Action, Prediction, Score, ScoringContext
from rfsn_bridge.mind.world_model import fit

_HOSTILE = frozenset(
    {Action.INSULT, Action.THREATEN, Action.ATTACK, Action.BETRAY, Action.REFUSE, Action.DISAGREE}
)
_QUEST = frozenset({Action.HELP, Action.ACCEPT, Action.AGREE})


class UtilityScorer:
    """The built-in scorer `utility`: fit to what was said, liking, fear, and the pull of an active quest."""

    def score(self, context: ScoringContext, predictions: Sequence[Prediction]) -> Sequence[Score]:
        return [self._score(context, prediction) for prediction in predictions]

    def _score(self, context: ScoringContext, prediction: Prediction) -> Score:
        action, after = prediction.action, prediction.state
        hostile = action in _HOSTILE
        liking = context.state.affinity + (context.state.trust - 0.5)
        terms = {
            "fit": sum(p * fit(signal, action) for signal, p in context.signals.items()),
            "affinity": 0.3 * after.affinity,
            "trust": 0.2 * after.trust,
            "liking": 0.4 * (-liking if hostile else liking),
            "fear": 0.8 * after.fear * (1 if action is Action.FLEE else -1 if hostile else 0),
            "quest": 0.2 if context.state.quest_active and action in _QUEST else 0.0,
        }
        contributions = {name: round(value, 6) for name, value in terms.items() if value}
        return Score(action, round(sum(contributions.values()), 6), contributions)
