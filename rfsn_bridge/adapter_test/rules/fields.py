"""Each message by itself: is it one, is it well formed, is every word in it known?"""

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Json, Said, Told
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.protocol.messages import ClientMessage, Conditions
from rfsn_bridge.protocol.session import parse

MODELS: Mapping[str, type[BaseModel]] = {
    model.model_fields["type"].default: model for model in typing.get_args(ClientMessage)
}
_LARGE = 16 * 1024
_EXPLAINED = frozenset(
    {"bad_json", "bad_message", "invalid_value", "unknown_type", "unknown_npc", "unknown_turn", "rate_limited"}
)
"""Refusals that other rules find on the adapter's side of the wire."""

BAD_JSON = Rule("bad-json", "error", "send one JSON object in each text frame")
UNKNOWN_TYPE = Rule("unknown-type", "error", "use a type of docs/protocol-reference.md")
BAD_MESSAGE = Rule("bad-message", "error", "give every field the form that docs/protocol-reference.md tells")
MISSPELT = Rule("misspelt-field", "error", "correct the name: a field that is not known is ignored")
UNKNOWN_FIELD = Rule(
    "unknown-field", "warning", "leave out what the protocol does not know; `data` takes your own"
)
TOO_LARGE = Rule("too-large", "error", "keep to limits.max_message_bytes: a larger message closes the connection")
LARGE = Rule("large-message", "warning", "send what changed, not everything, and keep bios to a few sentences")
REFUSED = Rule("refused", "warning", "read the error's hint, and heed it")


class Fields:
    """Form, names and size."""

    rules = (BAD_JSON, UNKNOWN_TYPE, BAD_MESSAGE, MISSPELT, UNKNOWN_FIELD, TOO_LARGE, LARGE, REFUSED)

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if isinstance(event, Told) and event.kind == "error":
            yield from self._refused(event, story)
        if not isinstance(event, Said):
            return
        size = len(event.text.encode() if isinstance(event.text, str) else event.text)
        if size > story.limits.max_message_bytes:
            yield TOO_LARGE.broken(event.at, f"{event.kind or 'a message'} has {size} bytes", event)
        elif size > _LARGE:
            yield LARGE.broken(event.at, f"{event.kind or 'a message'} has {size} bytes", event)
        if event.message is None:
            what = "a binary frame" if isinstance(event.text, bytes) else "no JSON object"
            yield BAD_JSON.broken(event.at, f"{what} was sent", event)
            return
        yield from self._form(event, event.message)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        yield from ()

    @staticmethod
    def _form(said: Said, message: Json) -> Iterator[Finding]:
        model = MODELS.get(said.kind)
        if model is None:
            near = difflib.get_close_matches(said.kind, MODELS, 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            yield UNKNOWN_TYPE.broken(said.at, f"there is no type {said.kind!r}{guess}", said)
            return
        for place, name, close in unknown_fields(model, message):
            if close:
                yield MISSPELT.broken(said.at, f"{said.kind}: {place}{name} should be {place}{close}", said)
            else:
                yield UNKNOWN_FIELD.broken(said.at, f"{said.kind}: there is no field {place}{name}", said)
        try:
            parse(said.text)
        except ProtocolError as error:
            yield BAD_MESSAGE.broken(said.at, f"{said.kind}: {error.message}", said)

    @staticmethod
    def _refused(told: Told, story: Story) -> Iterator[Finding]:
        if told.message.get("code") not in _EXPLAINED:
            asked = story.asked.get(str(told.message.get("re")))
            what = f"the daemon answered {told.message.get('code')}: {told.message.get('message')}"
            yield REFUSED.broken(told.at, what, asked.said if asked else told.message)


def unknown_fields(
    model: type[BaseModel], value: object, place: str = ""
) -> Iterator[tuple[str, str, str | None]]:
    """The fields that a model does not have: where, which, and the one that was probably meant."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        field = model.model_fields.get(name)
        if field is None:
            missing = [known for known in model.model_fields if known not in value]
            close = next(iter(difflib.get_close_matches(name, missing, 1, 0.7)), None)
            if close or model is not Conditions:  # of which there may be more than we know
                yield place, name, close
            continue
        for part in _models_in(field.annotation):
            for each, at in _inside(inner, f"{place}{name}"):
                yield from unknown_fields(part, each, f"{at}.")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return [model for inner in typing.get_args(annotation) for model in _models_in(inner)]
    return []


def _inside(value: object, at: str) -> Iterator[tuple[object, str]]:
    if isinstance(value, list):
        yield from ((each, f"{at}[{index}]") for index, each in enumerate(value))
    else:
        yield value, at
