"""YAML that people edit: safe, without aliases or keys that come twice, every mistake told with its line."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rfsn_bridge.errors import ConfigError

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 32

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where: `lines` are from 1, by the path of each key."""

    value: Any
    lines: Mapping[Key, int]


def read(text: bytes, name: str) -> Document:
    """Raises ConfigError that names the file, the line and the remedy."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{name} is larger than {MAX_BYTES} bytes", "this cannot be the right file")
    lines: dict[Key, int] = {}
    try:
        _check_shape(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Document(_value(root, (), lines, name) if root else None, lines)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(f"{name}{_at(line)}: {error.problem}", "mend the YAML", line=line) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {' '.join(str(error).split())}", "mend the YAML") from None


def explain(
    invalid: ValidationError,
    model: type[BaseModel],
    lines: Mapping[tuple[str, ...], int],
    name: str,
    prefix: tuple[str, ...] = (),
    variables: Mapping[tuple[str, ...], str] = {},
) -> ConfigError:
    """The first mistake as one sentence with its line; misspelt keys and values get the nearest right one.

    `variables` are the environment variables that stand for keys.
    """
    details = invalid.errors(include_url=False)
    detail = details[0]
    if detail["type"] == "missing":  # it may only be misspelt
        detail = next((each for each in details if each["type"] == "extra_forbidden"), detail)
    inner = tuple(str(part) for part in detail["loc"] if part != "[key]")
    key = (*prefix, *inner)
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
    dotted = ".".join(key)
    if detail["type"] == "extra_forbidden":
        known = _keys(model, inner[:-1])
        near = difflib.get_close_matches(inner[-1], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return ConfigError(f"{name}{_at(line)}: there is no key {dotted}", hint, key=dotted, line=line)
    if detail["type"] == "missing":
        return ConfigError(f"{name}{_at(line)}: {dotted} is missing", "add it", key=dotted, line=line)
    a_section = detail["type"] in ("model_type", "dict_type")
    what = "needs keys of its own below it" if a_section else detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    shown = f" (it is {_shortly(given)})" if isinstance(given, str | int | float | bool | None) else ""
    if variable := variables.get(key):
        return ConfigError(f"{variable}: {what}{shown}", "correct this environment variable", key=dotted)
    expected = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    if isinstance(given, str) and (near := difflib.get_close_matches(given, expected, 1)):
        message = f"{name}{_at(line)}: {dotted}: there is no {given!r} here"
        return ConfigError(message, f"did you mean {near[0]!r}?", key=dotted, line=line)
    return ConfigError(f"{name}{_at(line)}: {dotted}: {what}{shown}", "correct this value", key=dotted, line=line)


def _keys(model: type[BaseModel], location: tuple[str, ...]) -> list[str]:
    """The keys that may stand at a location, as they are written."""
    for part in location:
        if part.isdigit():  # an entry of a list of models
            continue
        field = _fields(model).get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return sorted(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is of: itself, or what a list or an optional value holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _check_shape(text: bytes, name: str) -> None:
    """Refuse what no config needs and what could make reading it slow: aliases, and nesting without end."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{name} uses YAML aliases (*name)", "write the values out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise ConfigError(f"{name} is nested more than {_MAX_DEPTH} levels deep", "mend the YAML")


def _value(node: yaml.Node, at: tuple[str, ...], lines: dict[tuple[str, ...], int], name: str) -> Any:
    """A composed YAML node as plain values, noting each key's line and refusing keys that come twice."""
    if at:
        lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in mapping:
                dotted = ".".join((*at, key))
                raise ConfigError(
                    f"{name}{_at(line)}: {dotted} is set twice", "keep one of them", key=dotted, line=line
                )
            lines[(*at, key)] = line
            mapping[key] = _value(value_node, (*at, key), lines, name)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*at, str(index)), lines, name) for index, child in enumerate(node.value)]
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # a tag or form that does not fit
        line = node.start_mark.line + 1
        reason = error.problem if isinstance(error, yaml.MarkedYAMLError) else type(error).__name__
        message = f"{name}{_at(line)}: {'.'.join(at)}: {_shortly(node.value)} is no value ({reason})"
        raise ConfigError(message, "put it in quotes, or correct it", key=".".join(at), line=line) from None
    finally:
        loader.dispose()


def _shortly(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:76]} ..."


def _at(line: int | None) -> str:
    return f", line {line}" if line else ""
