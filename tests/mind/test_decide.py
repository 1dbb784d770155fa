"""From signals to a decision: whatever the state, something allowed is chosen, for reasons that add up."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import (
    Action,
    Mood,
    Npc,
    NpcState,
    Prediction,
    Relationship,
    SafetyContext,
    ScoringContext,
    Sentence,
    Signal,
    SignalContext,
    Style,
    Verdict,
)
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.decide import Mind, changes
from rfsn_bridge.mind.safety import FleeWhenTerrified, NoFavoursWithoutTrust
from rfsn_bridge.mind.scorer import UtilityScorer
from rfsn_bridge.mind.signals import RuleClassifier
from rfsn_bridge.mind.state import apply_transition, settle
from rfsn_bridge.mind.world_model import WorldModel

NPC = Npc("a", "A")
RULES = {"flee": FleeWhenTerrified(), "favours": NoFavoursWithoutTrust()}
FAVOURS = {Action.ACCEPT, Action.OFFER, Action.HELP}

numbers = st.floats(-1, 1)
units = st.floats(0, 1)
states = st.builds(
    NpcState,
    st.sampled_from(Mood),
    numbers,
    st.sampled_from(Relationship),
    units,
    units,
    numbers,
    st.booleans(),
    st.booleans(),
)


def mind(**rules: object) -> Mind:
    return Mind(RuleClassifier(), UtilityScorer(), rules or RULES, Greedy())  # type: ignore[arg-type]


def random_state(rng: Random) -> NpcState:
    return NpcState(
        rng.choice(list(Mood)),
        rng.uniform(-1, 1),
        rng.choice(list(Relationship)),
        rng.random(),
        rng.random(),
        rng.uniform(-1, 1),
        rng.random() < 0.5,
        rng.random() < 0.5,
    )


# --- Decisions


def test_two_thousand_random_states_each_lead_to_an_allowed_action() -> None:
    rng = Random(1)
    for _ in range(2000):
        state, signal = random_state(rng), rng.choice(list(Signal))
        decision = mind().decide(NPC, state, {signal: 0.85, rng.choice(list(Signal)): 0.15}, rng)
        by_action = {candidate.action: candidate for candidate in decision.candidates}
        assert len(by_action) == len(decision.candidates) <= 9
        assert by_action[decision.action].vetoed_by is None
        assert decision.style in Style and decision.reasons
        assert math.isclose(sum(candidate.probability for candidate in decision.candidates), 1)
        if decision.state.combat_active and decision.state.fear > 0.7:
            assert decision.action is Action.FLEE
        if decision.state.trust < 0.1:
            assert decision.action not in FAVOURS


def test_a_decision_depends_on_nothing_but_its_values() -> None:
    state, signals = random_state(Random(2)), {Signal.REQUEST: 1.0}
    assert mind().decide(NPC, state, signals, Random(3)) == mind().decide(NPC, state, signals, Random(3))


@pytest.mark.parametrize("order", [("flee", "favours"), ("favours", "flee")])
def test_deny_wins_whatever_the_order_of_rules(order: tuple[str, str]) -> None:
    """An active quest pulls towards help; it cannot bring back what a rule has taken away."""
    state = NpcState(trust=0.0, quest_active=True)
    decision = mind(**{name: RULES[name] for name in order}).decide(NPC, state, {Signal.REQUEST: 1.0}, Random(1))
    denied = {candidate.action for candidate in decision.candidates if candidate.vetoed_by == "favours"}
    assert denied == FAVOURS and decision.action not in FAVOURS
    assert any(reason.startswith("favours: ") for reason in decision.reasons)


def test_where_everything_is_denied_nothing_is_done() -> None:
    class Never:
        def check(self, subject: object, context: SafetyContext) -> Verdict:
            return Verdict(denied_actions=frozenset(Action), reason="never")

    decision = mind(never=Never()).decide(NPC, NpcState(), {Signal.GREET: 1.0}, Random(1))
    assert decision.action is Action.IGNORE


def test_a_rule_may_veto_a_sentence_and_is_named() -> None:
    class Quiet:
        def check(self, subject: object, context: SafetyContext) -> Verdict:
            return Verdict(deny_sentence=isinstance(subject, Sentence), reason="quiet")

    context = SafetyContext(NPC, NpcState())
    assert mind(quiet=Quiet()).veto_sentence(Sentence(0, "Hm."), context) == "quiet: quiet"
    assert mind().veto_sentence(Sentence(0, "Hm."), context) is None


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {Signal.GREET: 0.0},
        {Signal.GREET: float("nan")},
        {Signal.GREET: 2.0},
        {Signal.GREET: 1.1, Signal.HELP: -0.1},
    ],
)
def test_what_is_no_distribution_is_refused(answer: dict[Signal, float]) -> None:
    class Odd:
        def classify(self, text: str, context: SignalContext) -> dict[Signal, float]:
            return answer

    odd = Mind(Odd(), UtilityScorer(), RULES, Greedy())
    with pytest.raises(ValueError, match="no probabilities"):
        odd.classify("Hail.", SignalContext(NpcState()))


# --- Scores


@given(states, st.sampled_from(Signal), st.sampled_from(Signal))
def test_what_contributes_to_a_score_sums_to_it(state: NpcState, first: Signal, second: Signal) -> None:
    context = ScoringContext(NPC, state, {first: 0.85, second: 0.15} if first != second else {first: 1.0})
    world = WorldModel()
    heard = world.hear(state, context.signals)
    predictions = [world.predict(heard, action, 0.5) for action in Action]
    scores = UtilityScorer().score(context, predictions)
    assert [score.action for score in scores] == list(Action)
    for score in scores:
        assert score.total == pytest.approx(sum(score.contributions.values()), abs=1e-9)
        assert math.isfinite(score.total)


def test_a_quest_pulls_towards_helping() -> None:
    def total(quest: bool) -> float:
        state = NpcState(quest_active=quest)
        context = ScoringContext(NPC, state, {Signal.REQUEST: 1.0})
        return UtilityScorer().score(context, [Prediction(Action.HELP, state)])[0].total

    assert total(quest=True) > total(quest=False)


# --- States


@given(states, st.lists(st.sampled_from([*Signal, *Action]), max_size=30))
def test_a_state_stays_in_its_ranges_whatever_happens(state: NpcState, events: list[Signal | Action]) -> None:
    state = settle(state)
    for event in events:
        state = apply_transition(state, event)
        assert -1 <= state.affinity <= 1 and 0 <= state.trust <= 1 and 0 <= state.fear <= 1
        assert -1 <= state.recent_sentiment <= 1
        assert not (state.relationship is Relationship.ENEMY and state.affinity > 0)
        assert not (state.relationship is Relationship.ALLY and state.affinity < 0)


def test_asking_for_help_changes_nothing_by_itself() -> None:
    before = settle(NpcState(affinity=0.3))
    after = apply_transition(before, Signal.HELP)
    assert (after.affinity, after.trust, after.fear) == (before.affinity, before.trust, before.fear)


# --- Candidates


@given(st.sampled_from(Signal), st.sampled_from(Signal), states)
def test_there_are_five_to_nine_candidates_and_always_a_way_out(
    first: Signal, second: Signal, state: NpcState
) -> None:
    world = WorldModel()
    usual = world.candidates(
        world.hear(settle(state), {first: 0.6, second: 0.4} if first != second else {first: 1})
    )
    assert 5 <= len(usual) <= 9
    assert {Action.IGNORE, Action.FLEE} <= set(usual)
    assert all(0 <= how <= 1 for how in usual.values())


def test_a_number_that_reaches_the_end_of_its_range_is_told_as_a_difference():
    after = apply_transition(NpcState(trust=0.1), Signal.ATTACK)
    assert after.trust == 0.0 and type(after.trust) is float
    assert changes(NpcState(trust=0.1), after)["trust"] == pytest.approx(-0.1)
