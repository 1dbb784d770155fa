"""Which game action goes with an answer: what is on offer, and what the model's answer means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rfsn_bridge.domain import Action, ActionCall, GameAction
from rfsn_bridge.mind.game_actions import (
    Offer,
    UnfitAnswer,
    UnfitSchema,
    check_parameters,
    conversation,
    json_schema,
    named_targets,
    offer,
    read,
)

NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
ITEM = {
    "type": "object",
    "properties": {"item": {"type": "string", "enum": ["torch", "potion"]}},
    "required": ["item"],
}
FOLLOW = GameAction("follow", "Walk with the player", NOTHING)
GIVE = GameAction("give_item", "Hand something over", ITEM, when=frozenset({Action.HELP, Action.OFFER}))
ATTACK = GameAction("attack", "Fight somebody", NOTHING, requires_target=True)
TARGETS = named_targets([("Guard", "g1"), ("Guard", "g2")])
ALL = Offer((FOLLOW, GIVE, ATTACK), TARGETS)


def said(**action: Any) -> str:
    return json.dumps({"action": action})


def test_an_action_is_offered_with_the_decisions_it_was_registered_for() -> None:
    assert [a.name for a in offer(ALL.actions, Action.HELP, TARGETS).actions] == ["follow", "give_item", "attack"]
    assert [a.name for a in offer(ALL.actions, Action.REFUSE, TARGETS).actions] == ["follow", "attack"]


def test_what_needs_a_target_is_not_offered_where_there_is_none() -> None:
    assert [a.name for a in offer(ALL.actions, Action.HELP, {}).actions] == ["follow", "give_item"]


def test_two_guards_can_be_told_apart() -> None:
    assert TARGETS == {"player": "player", "Guard": "g1", "Guard 2": "g2"}
    assert read(said(name="attack", target="Guard 2"), ALL) == ActionCall("attack", {}, "g2")


@pytest.mark.parametrize(
    "answer",
    [
        said(name="give_item", arguments={"item": "torch"}),
        '```json\n{"action": {"name": "give_item", "arguments": {"item": "torch"}}}\n```',
        'Of course! {"name": "give_item", "arguments": {"item": "torch"}} There you are.',
        '{"action": "give_item", "arguments": {"item": "torch"}}',
    ],
)
def test_models_wrap_their_answer_and_are_understood(answer: str) -> None:
    assert read(answer, ALL) == ActionCall("give_item", {"item": "torch"})


@pytest.mark.parametrize("answer", [said(name="none"), '{"action": null}', '{"action": "none"}'])
def test_doing_nothing_is_always_an_answer(answer: str) -> None:
    assert read(answer, ALL) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I hand over a torch.", "one JSON object"),
        ("", "one JSON object"),
        ("[" * 5000, "one JSON object"),
        ('{"action": {"name": NaN}}', "one JSON object"),
        (said(name="explode"), "one of: follow, give_item, attack, none"),
        (said(name=["follow"]), "one of"),
        (said(name="give_item", arguments={"item": "sword"}), "give_item"),
        (said(name="give_item"), "give_item"),
        (said(name="follow", arguments={"whom": "me"}), "follow"),
        (said(name="attack"), "target"),
        (said(name="attack", target="Alduin"), "target"),
        ('{"action": 7}', '"action"'),
    ],
)
def test_what_is_not_on_offer_or_unfit_is_refused_in_words(answer: str, why: str) -> None:
    with pytest.raises(UnfitAnswer, match=".*".join(why.split())):
        read(answer, ALL)


@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_no_answer_leads_to_anything_that_was_not_offered(answer: str) -> None:
    try:
        call = read(answer, ALL)
    except UnfitAnswer:
        return
    assert call is None or call.name in {"follow", "give_item", "attack"}


def test_the_schema_holds_what_is_on_offer_and_nothing_else() -> None:
    fits = Draft202012Validator(json_schema(ALL)).is_valid
    assert fits(json.loads(said(name="none")))
    assert fits(json.loads(said(name="give_item", arguments={"item": "potion"})))
    assert fits(json.loads(said(name="attack", target="player")))
    assert not fits(json.loads(said(name="give_item", arguments={"item": "sword"})))
    assert not fits(json.loads(said(name="attack", target="g1")))
    assert not fits(json.loads(said(name="explode")))


def test_the_model_is_told_names_and_never_ids() -> None:
    asked = conversation("Lydia", "Fight!", "As you wish.", ALL)
    told = " ".join(message.content for message in asked)
    assert "torch or potion" in told and "Walk with the player" in told and "Guard 2" in told
    assert "g1" not in told
    assert asked[-1].content == "Player: Fight!\nLydia: As you wish."


def test_every_example_the_model_is_shown_is_a_fitting_answer() -> None:
    asked = conversation("Lydia", "", "I am off.", ALL)
    answers = [message.content for message in asked if message.role == "assistant"]
    calls = [read(answer, ALL) for answer in answers]
    assert [call and call.name for call in calls] == [None, "follow", "give_item", "attack", None]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "array"}, "object"),
        ({}, "object"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}}, "ref"),
        ({"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}}, "pattern"),
        ({"type": "object", "patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"type": "object", "properties": {"a": {"type": "strin"}}}, "no JSON Schema"),
        ({"type": "object", "properties": {"a": {"enum": ["x" * 5000]}}}, "4096"),
        ({"type": "object", "allOf": [{"allOf": [{"allOf": [{"allOf": [{"allOf": []}]}]}]}]}, "deep"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_when_it_is_registered(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(UnfitSchema, match=why):
        check_parameters(schema)


def test_a_property_may_be_called_anything() -> None:
    check_parameters({"type": "object", "properties": {"pattern": {"type": "string"}, "$ref": {"enum": ["$ref"]}}})
