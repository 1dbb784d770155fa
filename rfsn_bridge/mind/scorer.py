"""How good an action is: a weighted sum of considerations, expected over what the player may have meant."""

from collections.abc import Sequence

from rfsn_bridge.domain import Action, NpcState, Prediction, Score, ScoringContext
from rfsn_bridge.mind.considerations import Consideration, load_considerations
from rfsn_bridge.mind.rules import ALWAYS


class UtilityScorer:
    """The built-in scorer `utility`."""

    def __init__(self, considerations: Sequence[Consideration] | None = None) -> None:
        chosen = load_considerations() if considerations is None else considerations
        self._by_action = {
            action: (
                [each for each in chosen if action in each.actions and not each.of_the_future],
                [each for each in chosen if action in each.actions and each.of_the_future],
            )
            for action in Action
        }

    def score(self, context: ScoringContext, predictions: Sequence[Prediction]) -> Sequence[Score]:
        state, traits = context.state, context.npc.personality
        holds: dict[str, bool] = {}

        def counts(each: Consideration) -> bool:
            if each.condition is ALWAYS:
                return True
            known = holds.get(each.id)
            if known is None:
                known = holds[each.id] = each.condition.holds(state, traits)
            return known

        scores = []
        for prediction in predictions:
            present, future = self._by_action[prediction.action]
            terms: dict[str, float] = {}
            for each in present:
                if counts(each):
                    terms[each.id] = each.weight * each.curve(each.read(state, state, traits, prediction.usual))
            outcomes: Sequence[tuple[float, NpcState]] = [
                (outcome.probability, outcome.state) for outcome in prediction.outcomes
            ] or [(1.0, prediction.state)]
            for each in future:
                if counts(each):
                    read, curve = each.read, each.curve
                    expected = 0.0
                    for probability, after in outcomes:
                        expected += probability * curve(read(state, after, traits, prediction.usual))
                    terms[each.id] = each.weight * expected
            contributions = {name: rounded for name, value in terms.items() if (rounded := round(value, 6))}
            scores.append(Score(prediction.action, round(sum(contributions.values()), 6), contributions))
        return scores
