"""The adapter test's model: what it answers to games' schemas, and what it picks."""

import json
from typing import Any

import jsonschema
import pytest

from rfsn_bridge.adapter_test.scripted_model import PacedModel, example
from rfsn_bridge.domain import GameAction, LLMRequest, Message, TextDelta
from rfsn_bridge.mind.game_actions import Offer, json_schema

NOTHING = {"type": "object", "properties": {}}
ITEM = {
    "type": "object",
    "properties": {"item": {"type": "string", "enum": ["potion", "Torch"]}},
    "required": ["item"],
}


@pytest.mark.parametrize(
    "schema",
    [
        ITEM,
        {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]},
        {"type": "object", "properties": {"n": {"type": "number", "maximum": -2}}, "required": ["n"]},
        {"type": "object", "properties": {"to": {"type": "string", "minLength": 4}}, "required": ["to"]},
        {"type": "object", "properties": {"go": {"type": "boolean"}, "x": {"const": 7}}, "required": ["go", "x"]},
        {
            "type": "object",
            "properties": {"all": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
            "required": ["all"],
        },
        {"type": "object", "properties": {"x": {"anyOf": [{"type": "null"}, ITEM]}}, "required": ["x"]},
        NOTHING,
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(example(schema), schema)


async def picked(model: PacedModel, line: str) -> dict[str, Any]:
    actions = (
        GameAction("wave", "Wave.", NOTHING, requires_target=False, when=None),
        GameAction("give_item", "Give.", ITEM, requires_target=False, when=None),
    )
    schema = json_schema(Offer(actions, {"player": "player"}))
    request = LLMRequest((Message("user", f"Player: {line}\nLydia: Aye."),), 50, 0.0, json_schema=schema)
    text = "".join([part.text async for part in model.stream(request) if isinstance(part, TextDelta)])
    answer: dict[str, Any] = json.loads(text)
    jsonschema.validate(answer, schema)
    return dict(answer["action"])


async def test_it_picks_the_action_of_which_the_player_speaks() -> None:
    model = PacedModel(0)
    assert await picked(model, "Can you spare a torch?") == {"name": "give_item", "arguments": {"item": "Torch"}}
    assert (await picked(model, "Give item, please"))["name"] == "give_item"


async def test_it_picks_each_action_once_before_it_picks_one_again() -> None:
    model = PacedModel(0)
    assert [(await picked(model, "Hello"))["name"] for _ in range(3)] == ["wave", "give_item", "wave"]


async def test_unless_it_is_eager_it_does_nothing_that_was_not_spoken_of() -> None:
    assert await picked(PacedModel(0, eager=False), "Hello") == {"name": "none"}


async def test_no_two_replies_share_a_sentence() -> None:
    model = PacedModel(0)
    replies = []
    for _ in range(3):
        request = LLMRequest((Message("user", "Hello"),), 50, 0.0)
        replies.append("".join([p.text async for p in model.stream(request) if isinstance(p, TextDelta)]))
    sentences = [each for reply in replies for each in reply.split(".") if each.strip()]
    assert len(set(sentences)) == len(sentences) == 9
