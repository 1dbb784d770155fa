"""How good an action is: a weighted sum of considerations, expected over what the player may have meant."""

from collections.abc import Sequence

from rfsn_bridge.domain import Action, NpcState, Personality, Prediction, Score, ScoringContext
from rfsn_bridge.mind.considerations import Consideration, load_considerations
from rfsn_bridge.mind.numbers import to_six_places
from rfsn_bridge.mind.rules import ALWAYS


class UtilityScorer:
    """The built-in scorer `utility`."""

    def __init__(self, considerations: Sequence[Consideration] | None = None) -> None:
        self.considerations = tuple(load_considerations() if considerations is None else considerations)
        self._by_action = {
            action: [each for each in self.considerations if action in each.actions] for action in Action
        }

    def score(self, context: ScoringContext, predictions: Sequence[Prediction]) -> Sequence[Score]:
        state, traits = context.state, context.npc.personality
        now: dict[str, float] = {}  # what comes to the same for every action; 0: it does not count
        for each in self.considerations:
            if each.condition is not ALWAYS and not each.condition.holds(state, traits):
                now[each.id] = 0.0
            elif each.of_the_present:
                now[each.id] = to_six_places(each.weight * each.curve(each.read(state, state, traits, 0.0)))
        scores = []
        for prediction in predictions:
            contributions: dict[str, float] = {}
            for each in self._by_action[prediction.action]:
                value = now.get(each.id)
                if value is None:
                    value = to_six_places(each.weight * _expected(each, state, prediction, traits))
                if value:
                    contributions[each.id] = value
            scores.append(Score(prediction.action, to_six_places(sum(contributions.values())), contributions))
        return scores


def _expected(each: Consideration, state: NpcState, prediction: Prediction, traits: Personality) -> float:
    """A consideration's curve, averaged over the outcomes of an action."""
    read, curve, usual = each.read, each.curve, prediction.usual
    outcomes = prediction.outcomes
    if len(outcomes) < 2 or not each.of_the_future:
        return curve(read(state, prediction.state, traits, usual))
    expected = 0.0
    for outcome in outcomes:
        expected += outcome.probability * curve(read(state, outcome.state, traits, usual))
    return expected
