"""Game actions: registered so that a model can use them, answered once and in time."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Json, Said, Told, mapping

_ANSWER_S = 10.0
_LEAVING_S = 0.5
"""Who leaves has answered what it was asked before that."""
_MAX_ACTIONS = 64
_MAX_SCHEMA_BYTES = 4096
_FORBIDDEN = ("$ref", "pattern")

SCHEMA = Rule(
    "action-schema",
    "error",
    "give `parameters` as JSON Schema of type object, below 4 kB, without $ref or pattern",
)
TOO_MANY = Rule(
    "too-many-actions", "error", f"register at most {_MAX_ACTIONS} actions, and only what can be done now"
)
OPEN_VALUES = Rule(
    "action-open-value", "warning", "name the possible values in `enum`: a model that has to guess guesses wrong"
)
UNANSWERED = Rule("action-unanswered", "error", "answer each action_request by `action_result`, within 10 seconds")
TWICE = Rule("action-twice", "error", "answer each action_request once")
UNKNOWN = Rule("action-unknown", "error", "answer with the `action_id` of the request")


@dataclass(slots=True)
class _Request:
    told: Told
    asked_at: float
    """On the game's own clock."""
    answered: Said | None = None


class Actions:
    """Registered well, answered well."""

    rules = (SCHEMA, TOO_MANY, OPEN_VALUES, UNANSWERED, TWICE, UNKNOWN)

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}
        self._registered: set[str] = set()

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if isinstance(event, Told) and event.kind == "action_request":
            self._requests.setdefault(str(event.message["action_id"]), _Request(event, story.playing(event.at)))
        if not isinstance(event, Said) or event.message is None or event.repeat:
            return
        if event.kind == "actions_register":
            yield from self._register(event, event.message)
        elif event.kind == "action_result":
            yield from self._result(event, event.message, story.playing(event.at))

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        for request in self._requests.values():
            waited = story.until(at) - request.asked_at
            if request.answered is None and waited > (_LEAVING_S if story.left else _ANSWER_S):
                what = f"{request.told.message.get('name')} was never answered"
                yield UNANSWERED.broken(request.told.at, what, request.told.message)

    def _register(self, said: Said, message: Json) -> Iterator[Finding]:
        actions = [each for each in message.get("actions") or () if isinstance(each, dict)]
        self._registered |= {str(action.get("name")) for action in actions}
        if len(self._registered) > _MAX_ACTIONS:
            yield TOO_MANY.broken(said.at, f"{len(self._registered)} actions are registered", said)
        for action in actions:
            parameters = action.get("parameters")
            if parameters is not None:
                yield from _schema(said, str(action.get("name")), parameters)

    def _result(self, said: Said, message: Json, now: float) -> Iterator[Finding]:
        request = self._requests.get(str(message.get("action_id")))
        if request is None:
            yield UNKNOWN.broken(said.at, f"nobody asked for action {message.get('action_id')!r}", said)
        elif request.answered:
            if request.answered.link == said.link:
                yield TWICE.broken(said.at, f"action {message.get('action_id')!r} was answered before", said)
        else:
            request.answered = said
            if (took := now - request.asked_at) > _ANSWER_S:
                what = f"{request.told.message.get('name')} was answered after {took:.0f} s"
                yield UNANSWERED.broken(said.at, what, said)


def _schema(said: Said, name: str, parameters: object) -> Iterator[Finding]:
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        yield SCHEMA.broken(said.at, f"{name}: parameters are not of type object", said)
        return
    if size := _beyond(json.dumps(parameters)):
        yield SCHEMA.broken(said.at, f"{name}: parameters have {size} bytes", said)
    for word in _FORBIDDEN:
        if word in _keywords(parameters):
            yield SCHEMA.broken(said.at, f"{name}: parameters use {word}", said)
    for key, value in mapping(parameters.get("properties")).items():
        free = isinstance(value, dict) and value.get("type") == "string" and not {"enum", "const"} & set(value)
        if free and not value.get("description"):
            yield OPEN_VALUES.broken(said.at, f"{name}: {key} may be any text, and nothing tells which", said)


def _beyond(text: str) -> int:
    size = len(text.encode())
    return size if size > _MAX_SCHEMA_BYTES else 0


def _keywords(schema: object) -> set[str]:
    """The keywords of a schema, at any depth; the names of properties are none."""
    if isinstance(schema, list):
        return {word for each in schema for word in _keywords(each)}
    if not isinstance(schema, Mapping):
        return set()
    found = set(map(str, schema))
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            found |= {word for each in mapping(value).values() for word in _keywords(each)}
        elif key not in ("enum", "const", "default"):
            found |= _keywords(value)
    return found
