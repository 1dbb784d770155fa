"""Which game action goes with an answer: what is on offer, how the model is asked, what its answer means.

The model is asked once its reply is written, about the last exchange alone, with an example for every action and
two for none: a small model that is unsure then does nothing, which is always allowed. It fills in a JSON object
under a schema that holds only what is registered and legal now; what a backend does not constrain is checked here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.protocols import Validator
from referencing import Registry

from rfsn_bridge.domain import Action, ActionCall, GameAction, Message

NONE = "none"
_NOTHING = '{"action": {"name": "none"}}'
_SMALL_TALK = ("Hello, how are you?", "Tell me about the town.")
PLAYER = "player"
_MAX_SCHEMA = 4096
_MAX_DEPTH = 8
_FORBIDDEN = {
    "$ref": "write out what it refers to",
    "$dynamicRef": "write out what it refers to",
    "pattern": "use `enum` or `maxLength`",
    "patternProperties": "name each property",
}
_NAMED = {"properties", "$defs", "definitions", "dependentSchemas"}
_VALUES = {"enum", "const", "default", "examples"}


class UnfitSchema(ValueError):
    """A schema for parameters that cannot be used; the words say why."""


class UnfitAnswer(ValueError):
    """An answer of the model that names no action on offer, or fits no schema; the words tell the model why."""


def check_parameters(schema: Mapping[str, Any]) -> None:
    """Raises UnfitSchema unless `schema` describes an object, is small, and cannot be slow to check."""
    if len(json.dumps(schema, ensure_ascii=False)) > _MAX_SCHEMA:
        raise UnfitSchema(f"a schema may have {_MAX_SCHEMA} characters")
    if schema.get("type") != "object":
        raise UnfitSchema('it must describe an object: {"type": "object", ...}')
    _check_keywords(schema, 0)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UnfitSchema(f"it is no JSON Schema: {error.message[:200]}") from None


def _check_keywords(schema: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise UnfitSchema(f"it is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(schema, list):
        for inner in schema:
            _check_keywords(inner, depth + 1)
    elif isinstance(schema, Mapping):
        for keyword, remedy in _FORBIDDEN.items():
            if keyword in schema:
                raise UnfitSchema(f"`{keyword}` is not taken; {remedy}")
        for keyword, value in schema.items():
            if keyword in _VALUES:
                continue
            if keyword in _NAMED and isinstance(value, Mapping):  # a property may have any name
                value = list(value.values())
            _check_keywords(value, depth + 1)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an NPC may do with this answer. `targets` maps the names that the model is told to ids."""

    actions: tuple[GameAction, ...]
    targets: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.actions)


def offer(repertoire: Iterable[GameAction], decision: Action, targets: Mapping[str, str]) -> Offer:
    """What may go with `decision`: nothing that needs a target where there is none."""
    fitting = (action for action in repertoire if action.when is None or decision in action.when)
    return Offer(tuple(action for action in fitting if targets or not action.requires_target), targets)


def conversation(name: str, player_text: str, reply: str, choices: Offer) -> tuple[Message, ...]:
    """What the model is asked when `name` has answered `player_text` (empty: it spoke of itself) with `reply`."""
    listed = "\n".join(_described(action, choices.targets) for action in choices.actions)
    system = (
        f"You decide what {name} does in the game after the last words: one of these, if it was asked for or "
        f"announced, else none.\n{listed}\n{_NOTHING} = only talk\nAnswer with one JSON object, nothing else."
    )
    messages = [Message("system", system), *_example_of(_SMALL_TALK[0], _NOTHING)]
    for action in choices.actions:
        request = f"{action.name.replace('_', ' ').capitalize()}! ({action.description})"
        messages += _example_of(request, json.dumps(_form(action, choices.targets, _first), ensure_ascii=False))
    messages += _example_of(_SMALL_TALK[1], _NOTHING)
    last = "\n".join([*([f"Player: {player_text}"] if player_text else []), f"{name}: {reply}"])
    return (*messages, Message("user", last))


def _example_of(player_text: str, answer: str) -> list[Message]:
    return [Message("user", f"Player: {player_text}"), Message("assistant", answer)]


def _described(action: GameAction, targets: Mapping[str, str]) -> str:
    form = json.dumps(_form(action, targets, _all), ensure_ascii=False)
    return f"{form} = {action.description}"


def _form(action: GameAction, targets: Mapping[str, str], show: Callable[[Any], Any]) -> dict[str, Any]:
    """The answer that names an action, its values as `show` gives them of their schemas."""
    form: dict[str, Any] = {"name": action.name}
    properties = action.parameters.get("properties")
    if properties:
        form["arguments"] = {name: show(schema) for name, schema in properties.items()}
    if action.requires_target:
        form["target"] = show({"enum": list(targets)})
    return {"action": form}


def _all(schema: Any) -> Any:
    """Every value that is allowed, else what the schema says of itself."""
    if not isinstance(schema, Mapping):
        return "..."
    if isinstance(schema.get("enum"), list):
        return " or ".join(str(value) for value in schema["enum"])
    return schema.get("description") or schema.get("type", "...")


def _first(schema: Any) -> Any:
    """One value that is allowed."""
    if isinstance(schema, Mapping) and isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    return {"integer": 1, "number": 1, "boolean": True}.get(_all(schema), "...")


def json_schema(choices: Offer) -> dict[str, Any]:
    """What the model's answer must fit: one of the actions on offer, or none."""
    variants = [_variant(action, choices.targets) for action in choices.actions]
    nothing = _closed({"name": {"type": "string", "enum": [NONE]}})
    return _closed({"action": {"anyOf": [*variants, nothing]}})


def _variant(action: GameAction, targets: Mapping[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {"name": {"type": "string", "enum": [action.name]}}
    if action.parameters.get("properties"):
        properties["arguments"] = {"additionalProperties": False, **action.parameters}
    if action.requires_target:
        properties["target"] = {"type": "string", "enum": list(targets)}
    return _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read(answer: str, choices: Offer) -> ActionCall | None:
    """The action that a model's answer asks for, None for none; raises UnfitAnswer."""
    document = _first_object(answer)
    chosen = document.get("action", document)
    if isinstance(chosen, str):  # {"action": "follow", "arguments": {...}}
        chosen = {**document, "name": chosen}
    if chosen is None:
        return None
    if not isinstance(chosen, dict):
        raise UnfitAnswer('"action" must be an object with a "name"')
    name = chosen.get("name")
    if name == NONE:
        return None
    action = next((each for each in choices.actions if each.name == name), None)
    if action is None:
        names = ", ".join(each.name for each in choices.actions)
        raise UnfitAnswer(f'"name" must be one of: {names}, {NONE}')
    arguments = chosen.get("arguments") or {}
    if error := best_match(_validator(json.dumps(action.parameters)).iter_errors(arguments)):
        raise UnfitAnswer(f'"arguments" of {name}: {error.message[:200]}')
    return ActionCall(action.name, arguments, _target(chosen, action, choices.targets))


def _target(chosen: Mapping[str, Any], action: GameAction, targets: Mapping[str, str]) -> str | None:
    if not action.requires_target:
        return None
    target = targets.get(str(chosen.get("target")))
    if target is None:
        raise UnfitAnswer(f'"target" must be one of: {", ".join(targets)}')
    return target


def _first_object(answer: str) -> dict[str, Any]:
    """The first JSON object in an answer: models wrap it in fences and politeness."""
    start = answer.find("{")
    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(answer[start:] if start >= 0 else "")
    except (ValueError, RecursionError):
        raise UnfitAnswer("the answer must be one JSON object") from None
    return value if isinstance(value, dict) else {}


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    # An empty registry: the library would fetch what a `$ref` names from the internet.
    return Draft202012Validator(json.loads(schema), registry=Registry())


def named_targets(listener_names: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Names for the model and the ids behind them: "player" first; a second Guard becomes "Guard 2"."""
    targets = {PLAYER: PLAYER}
    for name, npc_id in listener_names:
        unique, count = name, 1
        while unique in targets:
            count += 1
            unique = f"{name} {count}"
        targets[unique] = npc_id
    return targets
