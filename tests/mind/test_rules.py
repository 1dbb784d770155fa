"""Which rules an event fires: triggers, conditions, and that every pair of action and signal is covered."""

import itertools

import pytest

from rfsn_bridge.domain import Action, Happening, Mood, NpcState, Personality, Relationship, Signal
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.events import Did, Happened, Said
from rfsn_bridge.mind.rule_files import If, builtin_rules, condition, load_rules
from rfsn_bridge.mind.rules import AVERAGE, Rule, RuleSet

BUILT_IN = builtin_rules()


def names(rules: tuple[Rule, ...]) -> list[str]:
    return [rule.id for rule in rules]


def mine(text: str) -> RuleSet:
    """These rules and proposals alone."""
    found = load_rules([WorldRules("mine.yaml", text.encode())])
    return RuleSet(
        tuple(each for each in found.rules if each.file == "mine.yaml"),
        tuple(each for each in found.proposals if each.file == "mine.yaml"),
    )


# --- Coverage by composition


@pytest.mark.parametrize("signal", Signal)
def test_every_signal_has_a_rule_of_its_own(signal: Signal) -> None:
    assert f"hears.{signal.value}" in names(BUILT_IN.about(Said(signal)))


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_rule_of_its_own(action: Action) -> None:
    assert f"does.{action.value}" in names(BUILT_IN.about(Did(action)))


def test_every_pair_of_action_and_signal_is_covered_by_composition() -> None:
    """An answer's own rule fires whatever it answers, and a line's own rule whatever it follows."""
    for action, signal in itertools.product(Action, Signal):
        answered = BUILT_IN.about(Did(action, signal))
        heard = BUILT_IN.about(Said(signal, after=action))
        assert names(answered)[0] == f"does.{action.value}"
        assert names(heard)[0] == f"hears.{signal.value}"
        for rule in (answered[0], heard[0]):
            assert rule in BUILT_IN.fired(
                Did(action, signal) if rule in answered else Said(signal), NpcState(), AVERAGE
            )


@pytest.mark.parametrize("signal", Signal)
def test_every_signal_has_answers(signal: Signal) -> None:
    proposed = {action for each in BUILT_IN.proposed(signal) for action in each.usual}
    assert len(proposed) >= 5


def test_every_action_is_an_answer_to_something() -> None:
    assert {action for each in BUILT_IN.proposals for action in each.usual} == set(Action)


@pytest.mark.parametrize("kind", sorted(set(Happening) - {"location_changed", "witnessed", "custom"}))
def test_what_the_game_reports_of_an_npc_does_something(kind: Happening) -> None:
    assert BUILT_IN.about(Happened(kind))


# --- Triggers


def test_a_rule_on_a_signal_fires_whatever_it_follows() -> None:
    rules = mine("rules: [{id: a, on: {signal: [greet, agree]}}]")
    for after in (None, *Action):
        assert names(rules.about(Said(Signal.GREET, after))) == ["a"]
    assert names(rules.about(Said(Signal.INSULT))) == []
    assert names(rules.about(Did(Action.GREET, Signal.GREET))) == []


def test_a_rule_on_a_reply_fires_only_after_that_action() -> None:
    rules = mine("rules: [{id: a, on: {signal: accept, after: [offer, request]}}]")
    fires = [after for after in (None, *Action) if rules.about(Said(Signal.ACCEPT, after))]
    assert fires == [Action.REQUEST, Action.OFFER]


def test_a_rule_on_an_answer_fires_only_to_that_signal() -> None:
    rules = mine("rules: [{id: a, on: {action: help, signal: [help, request]}}, {id: b, on: {action: help}}]")
    assert names(rules.about(Did(Action.HELP, Signal.HELP))) == ["a", "b"]
    assert names(rules.about(Did(Action.HELP, Signal.GREET))) == ["b"]
    assert names(rules.about(Did(Action.HELP))) == ["b"]
    assert names(rules.about(Said(Signal.HELP, Action.HELP))) == []


def test_a_rule_on_an_event_may_ask_who_did_it() -> None:
    rules = mine(
        "rules: [{id: a, on: {event: hit}}, {id: b, on: {event: hit, by: player}}, "
        "{id: c, on: {event: hit, by: others}}]"
    )
    assert names(rules.about(Happened(Happening.HIT, by_player=True))) == ["a", "b"]
    assert names(rules.about(Happened(Happening.HIT, by_player=False))) == ["a", "c"]


def test_rules_fire_in_the_order_in_which_they_stand() -> None:
    rules = mine(
        "rules: [{id: z, on: {event: hit}}, {id: a, on: {event: hit}}, {id: m, on: {event: [hit, death]}}]"
    )
    assert names(rules.about(Happened(Happening.HIT))) == ["z", "a", "m"]


def test_a_proposal_without_a_signal_is_for_all() -> None:
    rules = mine("proposals: [{id: a, propose: {help: 1}}, {id: b, on: greet, propose: {help: 1}}]")
    assert [each.id for each in rules.proposed(Signal.GREET)] == ["a", "b"]
    assert [each.id for each in rules.proposed(Signal.INSULT)] == ["a"]


# --- Conditions

STATE = NpcState(
    Mood.ANGRY, -0.3, Relationship.RIVAL, 0.4, 0.6, -0.2, combat_active=True, quest_active=False, mood_strength=0.5
)
TRAITS = Personality(courage=0.2, warmth=0.4, temper=0.6, curiosity=0.8)


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({}, True),
        ({"mood": "angry"}, True),
        ({"mood": ["sad", "angry"]}, True),
        ({"mood": "sad"}, False),
        ({"relationship": ["rival", "enemy"]}, True),
        ({"relationship": "enemy"}, False),
        ({"combat": True}, True),
        ({"combat": False}, False),
        ({"quest": False}, True),
        ({"quest": True}, False),
        ({"affinity": {"below": -0.3}}, False),
        ({"affinity": {"below": -0.29}}, True),
        ({"affinity": {"above": -0.3}}, True),
        ({"affinity": {"above": -0.5, "below": -0.1}}, True),
        ({"trust": {"above": 0.41}}, False),
        ({"fear": {"above": 0.6}}, True),
        ({"sentiment": {"below": 0}}, True),
        ({"mood_strength": {"above": 0.5}}, True),
        ({"courage": {"below": 0.3}}, True),
        ({"warmth": {"above": 0.5}}, False),
        ({"temper": {"above": 0.5}, "curiosity": {"above": 0.5}}, True),
        ({"mood": "angry", "combat": True, "trust": {"above": 0.9}}, False),
    ],
)
def test_all_parts_of_a_condition_must_hold(asked: dict[str, object], holds: bool) -> None:
    assert condition(If.model_validate(asked)).holds(STATE, TRAITS) is holds


@pytest.mark.parametrize("number", ["trust", "fear", "mood_strength", "courage"])
def test_the_end_of_a_range_belongs_to_it(number: str) -> None:
    at_end = NpcState(Mood.SAD, trust=1, fear=1, mood_strength=1), Personality(courage=1)
    assert condition(If.model_validate({number: {"above": 0.9}})).holds(*at_end)
    assert condition(If.model_validate({number: {"above": 1}})).holds(*at_end)
    assert not condition(If.model_validate({number: {"below": 1}})).holds(*at_end)


def test_a_condition_is_asked_of_the_state_before_the_event() -> None:
    rules = mine(
        "rules:\n"
        "  - {id: a, on: {signal: greet}, change: {fear: 0.5}}\n"
        "  - {id: b, on: {signal: greet}, if: {fear: {above: 0.3}}}\n"
    )
    assert names(rules.fired(Said(Signal.GREET), NpcState(), AVERAGE)) == ["a"]
    assert names(rules.fired(Said(Signal.GREET), NpcState(fear=0.5), AVERAGE)) == ["a", "b"]
