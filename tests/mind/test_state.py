"""How an NPC stands to the player, and what may change it: ranges, tiers, moods, steps, cooldowns and limits."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfsn_bridge.domain import Action, Happening, Mood, NpcState, Personality, Relationship, Signal
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.events import Did, Event, Happened, Passed, Said
from rfsn_bridge.mind.rule_files import builtin_rules, load_rules
from rfsn_bridge.mind.rules import RuleSet
from rfsn_bridge.mind.state import STEPS, affinity_range, apply_transition, settle, transition, within_tier

units, signed = st.floats(0, 1), st.floats(-1, 1)
states = st.builds(
    NpcState,
    st.sampled_from(Mood),
    st.floats(-2, 2),
    st.sampled_from(Relationship),
    st.floats(-1, 2),
    st.floats(-1, 2),
    st.floats(-2, 2),
    st.booleans(),
    st.booleans(),
    st.floats(-1, 2),
).map(settle)
traits = st.builds(Personality, units, units, units, units)
events = st.one_of(
    st.builds(Said, st.sampled_from(Signal), st.none() | st.sampled_from(Action), units),
    st.builds(Did, st.sampled_from(Action), st.none() | st.sampled_from(Signal)),
    st.builds(Happened, st.sampled_from(Happening), st.booleans()),
    st.builds(Passed, st.floats(0, 3)),
)


def rules(*texts: str) -> RuleSet:
    """These rules alone, `x` standing for what the greeting does."""
    return RuleSet(
        tuple(
            each
            for each in load_rules([WorldRules("mine.yaml", "\n".join(["rules:", *texts]).encode())]).rules
            if each.file == "mine.yaml"
        ),
        (),
    )


def greeting(parts: str, name: str = "mine") -> str:
    return f"  - {{id: {name}, on: {{signal: greet}}, {parts}}}"


def after(*happened: Event, by: RuleSet | None = None, **state: object) -> NpcState:
    now = settle(NpcState(**state))  # type: ignore[arg-type]
    for event in happened:
        now = apply_transition(now, event, by)
    return now


# --- What always holds


def check(state: NpcState) -> None:
    assert -1 <= state.affinity <= 1 and 0 <= state.trust <= 1 and 0 <= state.fear <= 1
    assert -1 <= state.recent_sentiment <= 1
    low, high = affinity_range(state.relationship)
    assert low <= state.affinity < high
    assert not (state.relationship is Relationship.ENEMY and state.affinity > 0)
    assert not (state.relationship is Relationship.ALLY and state.affinity < 0)
    assert (state.mood is Mood.NEUTRAL) == (state.mood_strength == 0)
    assert state.mood_strength == 0 or 0.1 <= state.mood_strength <= 1
    assert len({name for name, _ in state.cooldowns}) == len(state.cooldowns) <= len(builtin_rules().rules)
    assert all(0 < days <= 30 for _, days in state.cooldowns)


@settings(max_examples=300)
@given(states, traits, st.lists(events, max_size=25))
def test_whatever_happens_a_state_agrees_with_itself(
    state: NpcState, traits: Personality, happened: Sequence[Event]
) -> None:
    check(state)
    for event in happened:
        before = state
        state = apply_transition(state, event, traits=traits)
        check(state)
        assert settle(state) == state
        if not isinstance(event, Passed):
            for name, step in STEPS.items():
                assert abs(getattr(state, name) - getattr(before, name)) <= step + 1e-6


@given(states, traits, events)
def test_the_same_event_in_the_same_state_does_the_same(
    state: NpcState, traits: Personality, event: Event
) -> None:
    assert transition(state, event, builtin_rules(), traits) == transition(state, event, builtin_rules(), traits)


@given(states)
def test_a_bare_signal_action_or_happening_stands_for_its_event(state: NpcState) -> None:
    assert apply_transition(state, Signal.INSULT) == apply_transition(state, Said(Signal.INSULT))
    assert apply_transition(state, Action.HELP) == apply_transition(state, Did(Action.HELP))
    assert apply_transition(state, Happening.AIDED) == apply_transition(state, Happened(Happening.AIDED))


# --- Tiers


def test_a_relationship_changes_only_beyond_the_border_and_comes_back_only_beyond_it() -> None:
    def at(affinity: float, before: Relationship) -> Relationship:
        return settle(NpcState(affinity=affinity, relationship=before)).relationship

    assert at(0.24, Relationship.ACQUAINTANCE) is Relationship.ACQUAINTANCE
    assert at(0.25, Relationship.ACQUAINTANCE) is Relationship.FRIEND
    assert at(0.16, Relationship.FRIEND) is Relationship.FRIEND
    assert at(0.14, Relationship.FRIEND) is Relationship.ACQUAINTANCE
    assert at(0.64, Relationship.FRIEND) is Relationship.FRIEND
    assert at(0.65, Relationship.FRIEND) is Relationship.ALLY
    assert at(-0.24, Relationship.ACQUAINTANCE) is Relationship.ACQUAINTANCE
    assert at(-0.26, Relationship.ACQUAINTANCE) is Relationship.RIVAL
    assert at(-0.56, Relationship.ENEMY) is Relationship.ENEMY
    assert at(-0.54, Relationship.ENEMY) is Relationship.RIVAL


def test_a_far_leap_passes_several_tiers_at_once() -> None:
    assert settle(NpcState(affinity=-1, relationship=Relationship.ALLY)).relationship is Relationship.ENEMY
    assert settle(NpcState(affinity=1, relationship=Relationship.ENEMY)).relationship is Relationship.ALLY


def test_a_stranger_is_one_until_it_has_answered() -> None:
    assert after(Signal.QUESTION, Signal.GREET).relationship is Relationship.STRANGER
    assert after(Signal.GREET, Action.GREET).relationship is Relationship.ACQUAINTANCE
    assert settle(NpcState(affinity=0.3)).relationship is Relationship.FRIEND


def test_an_affinity_within_a_tier_is_the_nearest_one() -> None:
    for relationship in Relationship:
        for affinity in (-1, -0.6, -0.2, 0, 0.2, 0.6, 1):
            inside = within_tier(affinity, relationship)
            assert settle(NpcState(affinity=inside, relationship=relationship)).relationship is relationship
            if within_tier(inside, relationship) != inside:
                raise AssertionError(f"{inside} is moved again")
    assert within_tier(0.4, Relationship.FRIEND) == 0.4
    assert within_tier(-1, Relationship.FRIEND) == 0.2


# --- Steps and limits


def test_one_event_moves_a_number_by_one_step_at_most() -> None:
    both = rules(greeting("change: {affinity: -0.7, trust: -0.7, fear: 0.5}", "a"))
    twice = rules(
        greeting("change: {affinity: -0.7, trust: -0.7, fear: 0.5}", "a"),
        greeting("change: {affinity: -0.7, trust: -0.7, fear: 0.5}", "b"),
    )
    state = after(Signal.GREET, by=both, affinity=1, trust=1)
    assert (state.affinity, state.trust, state.fear) == (
        pytest.approx(0.3),
        pytest.approx(0.3),
        pytest.approx(0.5),
    )
    state = after(Signal.GREET, by=twice, affinity=1, trust=1)
    assert (state.affinity, state.trust, state.fear) == (
        pytest.approx(0.2),
        pytest.approx(0.2),
        pytest.approx(0.6),
    )


def test_a_rise_stops_at_its_ceiling_and_is_nothing_beyond_it() -> None:
    kind = rules(greeting("change: {affinity: 0.3}, ceiling: {affinity: 0.4}"))
    assert after(Signal.GREET, by=kind, affinity=0.0).affinity == pytest.approx(0.3)
    assert after(Signal.GREET, by=kind, affinity=0.3).affinity == pytest.approx(0.4)
    assert after(Signal.GREET, by=kind, affinity=0.7).affinity == pytest.approx(0.7)


def test_a_fall_stops_at_its_floor_and_is_nothing_beyond_it() -> None:
    unkind = rules(greeting("change: {trust: -0.3}, floor: {trust: 0.2}"))
    assert after(Signal.GREET, by=unkind, trust=0.6).trust == pytest.approx(0.3)
    assert after(Signal.GREET, by=unkind, trust=0.3).trust == pytest.approx(0.2)
    assert after(Signal.GREET, by=unkind, trust=0.1).trust == pytest.approx(0.1)


def test_the_less_sure_a_line_is_the_less_it_does() -> None:
    angry = rules(greeting("change: {affinity: -0.4, trust: -0.2, sentiment: -0.4, mood: angry}"))
    full, half = (after(Said(Signal.GREET, None, weight), by=angry) for weight in (1.0, 0.5))
    assert (full.affinity, full.trust, full.recent_sentiment) == (-0.4, 0.3, -0.4)
    assert (half.affinity, half.trust, half.recent_sentiment) == (-0.2, 0.4, -0.2)
    assert (full.mood, full.mood_strength) == (Mood.ANGRY, 1)
    assert (half.mood, half.mood_strength) == (Mood.ANGRY, 0.5)
    assert after(Said(Signal.GREET, None, 0.05), by=angry).mood is Mood.NEUTRAL


def test_traits_scale_what_is_felt() -> None:
    hurt, please = (
        rules(greeting("change: {affinity: -0.2, fear: 0.2}")),
        rules(greeting("change: {affinity: 0.2}")),
    )

    def greeted(by: RuleSet, **given: float) -> NpcState:
        return apply_transition(NpcState(), Signal.GREET, by, Personality(**given))

    assert greeted(hurt, temper=1).affinity < greeted(hurt).affinity < greeted(hurt, temper=0).affinity < 0
    assert greeted(please, warmth=1).affinity > greeted(please).affinity > greeted(please, warmth=0).affinity > 0
    assert greeted(hurt, courage=0).fear > greeted(hurt).fear > greeted(hurt, courage=1).fear > 0
    assert greeted(hurt).affinity == pytest.approx(-0.2) and greeted(hurt).fear == pytest.approx(0.2)


# --- Cooldowns


def test_what_is_repeated_at_once_counts_its_part() -> None:
    kind = rules(greeting("change: {affinity: 0.2}, cooldown_days: 0.5, repeat: 0.25"))
    assert after(Signal.GREET, Signal.GREET, by=kind).affinity == pytest.approx(0.25)
    assert after(Signal.GREET, Passed(0.4), Signal.GREET, by=kind).affinity == pytest.approx(0.25)
    assert after(Signal.GREET, Passed(0.5), Signal.GREET, by=kind).affinity == pytest.approx(0.4)


def test_a_cooldown_begins_anew_each_time() -> None:
    kind = rules(greeting("change: {affinity: 0.2}, cooldown_days: 0.5, repeat: 0"))
    state = after(Signal.GREET, Passed(0.4), Signal.GREET, Passed(0.4), Signal.GREET, by=kind)
    assert state.affinity == pytest.approx(0.2)
    assert state.cooldowns == (("mine", 0.5),)


def test_each_rule_has_a_cooldown_of_its_own() -> None:
    kind = rules(
        greeting("change: {affinity: 0.1}, cooldown_days: 0.5, repeat: 0", "a"),
        greeting("change: {affinity: 0.1}, cooldown_days: 1, repeat: 0", "b"),
    )
    assert after(Signal.GREET, Passed(0.6), Signal.GREET, by=kind).affinity == pytest.approx(0.3)
    assert dict(after(Signal.GREET, Passed(0.6), by=kind).cooldowns) == {"b": pytest.approx(0.4)}


def test_a_fact_counts_however_often_it_is_told() -> None:
    ends = rules("  - {id: mine, on: {event: quest_ended}, change: {quest: false}, cooldown_days: 1, repeat: 0}")
    ended = Happened(Happening.QUEST_ENDED)
    state = after(ended, by=ends, quest_active=True)
    again = apply_transition(NpcState(quest_active=True, cooldowns=state.cooldowns), ended, ends)
    assert not again.quest_active


def test_a_mood_that_is_not_to_be_repeated_is_not() -> None:
    once = rules(greeting("change: {mood: happy}, cooldown_days: 1, repeat: 0"))
    state = after(Signal.GREET, Passed(0.1), by=once)
    assert state.mood_strength < 0.5
    assert apply_transition(state, Signal.GREET, once).mood_strength == state.mood_strength


# --- Moods


@pytest.mark.parametrize(
    ("appraisal", "mood"),
    [
        ("{desirability: 0.6, praiseworthiness: 0.3}", Mood.HAPPY),
        ("{desirability: 0.3, praiseworthiness: 0.6}", Mood.FRIENDLY),
        ("{desirability: -0.6, praiseworthiness: -0.6}", Mood.ANGRY),
        ("{desirability: -0.6}", Mood.SAD),
        ("{desirability: -0.6, praiseworthiness: 0.2}", Mood.SAD),
        ("{threat: 0.6}", Mood.FEARFUL),
        ("{surprise: 0.6}", Mood.SURPRISED),
        ("{desirability: 0.05}", Mood.NEUTRAL),
        ("{praiseworthiness: 0.5}", Mood.NEUTRAL),
    ],
)
def test_an_appraisal_gives_the_mood(appraisal: str, mood: Mood) -> None:
    assert after(Signal.GREET, by=rules(greeting(f"appraisal: {appraisal}"))).mood is mood


def test_a_threat_frightens_a_coward_and_angers_the_brave() -> None:
    def threatened(courage: float) -> Mood:
        return apply_transition(NpcState(), Signal.THREATEN, traits=Personality(courage=courage)).mood

    assert threatened(0.1) is Mood.FEARFUL and threatened(1.0) is Mood.ANGRY


def test_a_mood_fades_with_game_time() -> None:
    angry = NpcState(mood=Mood.ANGRY, mood_strength=1)
    strengths = [apply_transition(angry, Passed(days)).mood_strength for days in (0, 0.05, 0.1, 0.15, 0.2)]
    assert strengths == [1, 0.5, 0.25, 0.125, 0]
    assert apply_transition(angry, Passed(0.2)).mood is Mood.NEUTRAL


@given(states, st.floats(0, 2), st.floats(0, 2))
def test_time_passes_the_same_in_one_piece_or_two(state: NpcState, first: float, second: float) -> None:
    at_once = apply_transition(state, Passed(first + second))
    in_two = apply_transition(apply_transition(state, Passed(first)), Passed(second))
    assert in_two.fear == pytest.approx(at_once.fear, abs=1e-5)
    assert in_two.recent_sentiment == pytest.approx(at_once.recent_sentiment, abs=1e-5)
    assert (
        in_two.mood_strength == pytest.approx(at_once.mood_strength, abs=1e-3)
        or min(in_two.mood_strength, at_once.mood_strength) == 0
    )


def test_time_that_goes_back_or_stands_changes_nothing() -> None:
    state = settle(NpcState(mood=Mood.SAD, mood_strength=0.6, fear=0.5))
    assert apply_transition(state, Passed(0)) == state == apply_transition(state, Passed(-1))


def test_fear_fades_but_not_in_a_fight() -> None:
    assert after(Passed(0.1), fear=0.8).fear == pytest.approx(0.4)
    assert after(Passed(0.1), fear=0.8, combat_active=True).fear == 0.8
    assert after(Happening.COMBAT_ENDED, fear=0.8, combat_active=True).fear == pytest.approx(0.5)


def test_affinity_and_trust_do_not_fade() -> None:
    state = after(Passed(30), affinity=0.5, trust=0.9)
    assert (state.affinity, state.trust) == (0.5, 0.9)


def test_kindness_calms_anger_and_does_not_make_it_joy_at_once() -> None:
    angry = NpcState(mood=Mood.ANGRY, mood_strength=0.9)
    calmer = apply_transition(angry, Signal.COMPLIMENT)
    assert (calmer.mood, calmer.mood_strength) == (Mood.ANGRY, pytest.approx(0.4))
    assert apply_transition(calmer, Said(Signal.COMPLIMENT)).mood is Mood.ANGRY  # repeated at once, it counts less
    assert apply_transition(NpcState(mood=Mood.ANGRY, mood_strength=0.3), Signal.COMPLIMENT).mood is Mood.NEUTRAL


def test_a_faint_feeling_does_not_take_the_place_of_a_strong_one() -> None:
    furious = NpcState(mood=Mood.ANGRY, mood_strength=0.8)
    disappointed = apply_transition(furious, Signal.DISAGREE)
    assert (disappointed.mood, disappointed.mood_strength) == (Mood.ANGRY, 0.8)
    annoyed = NpcState(mood=Mood.ANGRY, mood_strength=0.15)
    assert apply_transition(annoyed, Signal.DISAGREE).mood is Mood.SAD


def test_surprise_is_neither_good_nor_bad() -> None:
    startling = rules(greeting("appraisal: {surprise: 0.6}"))
    for mood in (Mood.HAPPY, Mood.ANGRY):
        state = NpcState(mood=mood, mood_strength=0.8)
        assert apply_transition(state, Signal.GREET, startling).mood is Mood.SURPRISED
    astonished = NpcState(mood=Mood.SURPRISED, mood_strength=0.5)
    assert apply_transition(astonished, Signal.COMPLIMENT).mood is Mood.HAPPY


def test_the_same_mood_deepens() -> None:
    once = after(Signal.INSULT)
    assert after(Signal.INSULT, Signal.INSULT).mood_strength > once.mood_strength > 0


# --- Sentiment, fights, quests


def test_the_latest_sentiment_counts_most() -> None:
    kind = rules(greeting("change: {sentiment: 0.4}"))
    state = after(Signal.GREET, Signal.GREET, by=kind)
    assert state.recent_sentiment == pytest.approx(0.5 * 0.4 + 0.4)


@pytest.mark.parametrize(
    ("event", "combat", "quest"),
    [
        (Happening.COMBAT_STARTED, True, True),
        (Happening.COMBAT_ENDED, False, True),
        (Happening.DEATH, False, True),
        (Happening.QUEST_ENDED, False, False),
        (Signal.ATTACK, False, True),
    ],
)
def test_fights_and_quests_begin_and_end_by_events(event: Event, combat: bool, quest: bool) -> None:
    fighting = event in (Happening.COMBAT_ENDED, Happening.DEATH)
    state = after(event, combat_active=fighting, quest_active=True)
    assert (state.combat_active, state.quest_active) == (combat, quest)


def test_what_others_do_is_not_held_against_the_player() -> None:
    assert after(Happened(Happening.HIT, by_player=False)).affinity == 0
    assert after(Happened(Happening.HIT, by_player=True)).affinity < 0
    assert after(Happened(Happening.AIDED, by_player=False)).affinity == 0
