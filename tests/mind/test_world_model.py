"""What an NPC may do about a line, and what each answer is expected to lead to."""

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import Action, Mood, Npc, NpcState, Personality, Relationship, Signal
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Did, Said
from rfsn_bridge.mind.observations import Observations
from rfsn_bridge.mind.rule_files import builtin_rules, load_rules
from rfsn_bridge.mind.rules import RuleSet
from rfsn_bridge.mind.scorer import UtilityScorer
from rfsn_bridge.mind.signals import RuleClassifier
from rfsn_bridge.mind.state import apply_transition, settle
from rfsn_bridge.mind.world_model import ALWAYS_OPEN, FEWEST, MOST, WorldModel, said

WORLD = WorldModel()
FRIEND = settle(NpcState(affinity=0.5, relationship=Relationship.FRIEND, trust=0.7))
units, signed = st.floats(0, 1), st.floats(-1, 1)
states = st.builds(
    NpcState,
    st.sampled_from(Mood),
    signed,
    st.sampled_from(Relationship),
    units,
    units,
    signed,
    st.booleans(),
    st.booleans(),
    units,
).map(settle)
distributions = st.dictionaries(st.sampled_from(Signal), st.floats(0.01, 1), min_size=1, max_size=6).map(
    lambda weights: {signal: weight / sum(weights.values()) for signal, weight in weights.items()}
)


def proposing(text: str) -> WorldModel:
    """A world with our rules and these proposals alone."""
    found = load_rules([WorldRules("mine.yaml", text.encode())])
    return WorldModel(RuleSet(found.rules, tuple(each for each in found.proposals if each.file == "mine.yaml")))


def usual(world: WorldModel, signals: Mapping[Signal, float], state: NpcState = FRIEND) -> dict[Action, float]:
    return world.candidates(world.hear(state, signals))


# --- Hearing


def test_the_state_follows_the_likeliest_signal() -> None:
    heard = WORLD.hear(FRIEND, {Signal.COMPLIMENT: 0.3, Signal.INSULT: 0.7})
    assert [(signal, p) for signal, p, _ in heard.signals] == [(Signal.INSULT, 0.7), (Signal.COMPLIMENT, 0.3)]
    assert heard.state == apply_transition(FRIEND, Signal.INSULT)
    assert heard.signals[1][2].state == apply_transition(FRIEND, Signal.COMPLIMENT)


def test_a_line_that_might_mean_many_things_does_less() -> None:
    heard = WORLD.hear(FRIEND, {Signal.INSULT: 0.4, Signal.QUESTION: 0.3, Signal.AGREE: 0.3})
    assert heard.state == apply_transition(FRIEND, Said(Signal.INSULT, None, 0.8))
    assert WORLD.hear(FRIEND, {Signal.INSULT: 0.5, Signal.AGREE: 0.5}).state == apply_transition(
        FRIEND, Signal.INSULT
    )


def test_unlikely_signals_do_not_count_and_three_at_most_do() -> None:
    heard = WORLD.hear(FRIEND, {Signal.GREET: 0.92, Signal.INSULT: 0.08})
    assert [(signal, p) for signal, p, _ in heard.signals] == [(Signal.GREET, 1)]
    even = dict.fromkeys(list(Signal)[:5], 0.2)
    assert [p for _, p, _ in WORLD.hear(FRIEND, even).signals] == [pytest.approx(1 / 3)] * 3
    all_even = dict.fromkeys(Signal, 1 / len(Signal))
    assert [p for _, p, _ in WORLD.hear(FRIEND, all_even).signals] == [1]


def test_a_reply_to_an_action_fires_its_rules() -> None:
    plain, reply = (WORLD.hear(FRIEND, {Signal.ACCEPT: 1}, after) for after in (None, Action.APOLOGIZE))
    assert reply.state.affinity > plain.state.affinity
    assert "apology_accepted" in [rule.id for rule in reply.signals[0][2].rules]


@given(states, distributions, st.none() | st.sampled_from(Action))
def test_what_was_said_can_be_said_again(
    state: NpcState, signals: dict[Signal, float], after: Action | None
) -> None:
    """The event of a decision is the one that its state came from."""
    mind = Mind(RuleClassifier(), UtilityScorer(), {}, Greedy())
    experience = mind.newcomer()
    decision = mind.decide(Npc("a", "A"), state, signals, Random(1), experience)
    assert apply_transition(state, said(decision)) == decision.state


# --- Candidates


@given(states, distributions, st.builds(Personality, units, units, units, units))
def test_there_are_five_to_nine_candidates_the_most_usual_first(
    state: NpcState, signals: dict[Signal, float], traits: Personality
) -> None:
    found = WORLD.candidates(WORLD.hear(state, signals, None, traits), traits)
    assert FEWEST <= len(found) <= MOST
    assert tuple(found)[-2:] == ALWAYS_OPEN
    hows = [how for action, how in found.items() if action not in ALWAYS_OPEN]
    assert hows == sorted(hows, reverse=True)
    assert all(0 <= how <= 1 for how in found.values())


def test_where_nothing_is_proposed_there_is_still_something_to_do() -> None:
    nothing = usual(proposing(""), {Signal.GREET: 1})
    assert nothing == dict.fromkeys((Action.INQUIRE, Action.EXPLAIN, Action.AGREE, *ALWAYS_OPEN), 0)
    one = usual(proposing("proposals: [{id: a, propose: {explain: 0.4}}]"), {Signal.GREET: 1})
    assert one == {Action.EXPLAIN: 0.4} | dict.fromkeys((Action.INQUIRE, Action.AGREE, *ALWAYS_OPEN), 0)


def test_of_several_proposals_the_highest_counts() -> None:
    world = proposing("proposals: [{id: a, propose: {help: 0.4}}, {id: b, propose: {help: 0.7}}]")
    assert usual(world, {Signal.GREET: 1})[Action.HELP] == 0.7


def test_how_usual_an_action_is_is_expected_over_the_signals() -> None:
    world = proposing(
        "proposals: [{id: a, on: greet, propose: {help: 0.8}}, {id: b, on: insult, propose: {attack: 1}}]"
    )
    found = usual(world, {Signal.GREET: 0.75, Signal.INSULT: 0.25})
    assert found[Action.HELP] == pytest.approx(0.6) and found[Action.ATTACK] == pytest.approx(0.25)


def test_a_proposal_is_asked_of_the_state_after_the_line() -> None:
    world = proposing("proposals: [{id: a, if: {affinity: {below: 0.1}}, propose: {attack: 1}}]")
    assert Action.ATTACK in usual(world, {Signal.ATTACK: 1})
    assert Action.ATTACK not in usual(world, {Signal.GREET: 1})


def test_there_is_a_way_out_however_crowded_it_is() -> None:
    crowd = ", ".join(f"{action}: 1" for action in Action if action not in ALWAYS_OPEN)
    found = usual(proposing(f"proposals: [{{id: a, propose: {{{crowd}}}}}]"), {Signal.GREET: 1})
    assert len(found) == MOST and set(ALWAYS_OPEN) <= set(found)


def test_each_action_is_a_candidate_somewhere() -> None:
    rng = Random(1)
    open_to: set[Action] = set()
    for _ in range(3000):
        state = settle(
            NpcState(
                rng.choice(list(Mood)),
                rng.uniform(-1, 1),
                rng.choice(list(Relationship)),
                rng.random(),
                rng.random(),
                rng.uniform(-1, 1),
                rng.random() < 0.5,
                rng.random() < 0.5,
                rng.random(),
            )
        )
        open_to |= usual(WORLD, {rng.choice(list(Signal)): 1.0}, state).keys()
    assert open_to == set(Action)


# --- Predictions


@given(states, distributions, st.sampled_from(Action))
def test_a_prediction_is_what_the_turn_would_make_of_it(
    state: NpcState, signals: dict[Signal, float], action: Action
) -> None:
    heard = WORLD.hear(state, signals)
    predicted = WORLD.predict(heard, action, 0.3)
    likeliest = heard.signals[0][0]
    assert predicted.state == apply_transition(heard.state, Did(action, likeliest)) == predicted.outcomes[0].state
    assert sum(outcome.probability for outcome in predicted.outcomes) == pytest.approx(1)
    assert [outcome.signal for outcome in predicted.outcomes] == [signal for signal, _, _ in heard.signals]
    assert (predicted.action, predicted.usual) == (action, 0.3)
    fired = builtin_rules().fired(Did(action, likeliest), heard.state, Personality())
    assert predicted.rules == tuple(rule.id for rule in fired)


def observed(change: float, times: int = 6) -> Observations:
    """What an NPC has seen that was thanked (or not) for its help, over and over."""
    seen = Observations()
    heard = WORLD.hear(FRIEND, {Signal.REQUEST: 1}).state
    for _ in range(times * 3):  # one quarrel is one lesson, so that the lessons lie apart
        seen.observe(heard, Action.HELP, Signal.REQUEST, NpcState(), NpcState(affinity=change))
    return seen


@pytest.mark.parametrize("change", [-1.0, -0.05, 0.05, 1.0])
def test_what_was_observed_moves_a_prediction_by_one_step_at_most(change: float) -> None:
    heard = WORLD.hear(FRIEND, {Signal.REQUEST: 1})
    plain = WORLD.predict(heard, Action.HELP)
    learned = WORLD.predict(heard, Action.HELP, observations=observed(change))
    moved = learned.state.affinity - plain.state.affinity
    assert moved * change > 0 and abs(moved) <= 0.1 + 1e-9
    assert learned.rules == (*plain.rules, "observed")
    assert learned.outcomes[0].state == learned.state


def test_what_was_observed_of_another_answer_says_nothing() -> None:
    heard = WORLD.hear(FRIEND, {Signal.REQUEST: 1})
    for observations in (observed(-1.0, times=0), Observations()):
        assert WORLD.predict(heard, Action.HELP, observations=observations) == WORLD.predict(heard, Action.HELP)
    assert WORLD.predict(heard, Action.OFFER, observations=observed(-1.0)) == WORLD.predict(heard, Action.OFFER)
