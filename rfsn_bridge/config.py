"""config.yaml: read whole, checked whole, frozen. Every key has a default, so an empty file works.

Options of plugins stay raw here; the snapshot checks them against the models that the plugins declare.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from rfsn_bridge.errors import ConfigError

_MAX_BYTES = 256 * 1024
_MAX_DEPTH = 32

Name = Annotated[str, Field(min_length=1)]
Options = dict[str, dict[str, Any]]


class Section(BaseModel):
    """A part of the document; keys it does not know are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Section):
    """Where adapters connect."""

    host: str = Field(default="127.0.0.1", description="The address to listen on; stay on loopback.")
    port: int = Field(default=8765, ge=0, le=65535, description="The WebSocket's port; 0 picks a free one.")
    http_port: int | None = Field(
        default=8001, ge=0, le=65535, description="For games without WebSocket; 0 picks a free one, null = none."
    )
    auth: Literal["none"] = Field(default="none", description="Who may connect: any program on this machine.")


class LLMTimeouts(Section):
    """How long the language model may take, in seconds."""

    connect_s: float = Field(default=3, gt=0, le=120, description="To accept the connection.")
    first_token_s: float = Field(default=30, gt=0, le=600, description="From the request to the first token.")
    between_tokens_s: float = Field(default=10, gt=0, le=600, description="From one token to the next.")


class LLM(Section):
    """The language model."""

    backend: Name = Field(default="llama_cpp", description="Which plugin: llama_cpp, ollama or openai.")
    temperature: float = Field(default=0.7, ge=0, le=2, description="How freely it speaks.")
    max_tokens: int = Field(default=150, ge=1, le=4096, description="How long a reply may grow.")
    max_sentences: int = Field(default=0, ge=0, le=50, description="Sentences of a reply at most; 0 = no limit.")
    timeouts: LLMTimeouts = LLMTimeouts()
    options: Options = Field(default={}, description="Each backend's own options, by its name.")


class TTS(Section):
    """The voice."""

    engine: Name = Field(default="kokoro", description="Which plugin, or none for text only.")
    voice: Name = Field(default="af_bella", description="The voice of an NPC that names none.")
    speed: float = Field(default=1.0, ge=0.5, le=2, description="How fast it speaks.")
    idle_unload_s: float = Field(default=600, ge=0, description="Unload the voice after this silence; 0 = never.")
    options: Options = Field(default={}, description="Each engine's own options, by its name.")


class Speech(Section):
    """The way from text to sound."""

    max_queue_size: int = Field(
        default=3, ge=1, le=50, description="Sentences with the voice at a time; the rest wait."
    )
    folder: str = Field(default="", description="Where speech goes that games play as files; empty: nowhere.")
    files: int = Field(default=32, ge=4, le=999, description="How many files, before the oldest is written over.")


class MindParts(Section):
    """What an NPC decides with."""

    classifier: Name = Field(default="rules", description="What the player's line means.")
    scorer: Name = Field(default="utility", description="How good each action would be.")
    safety: tuple[Name, ...] = Field(
        default=("flee_when_terrified", "no_favours_without_trust"), description="What is never done."
    )
    learner: Name = Field(default="greedy", description="Which of the best actions is taken.")
    options: Options = Field(default={}, description="Each part's own options, by its name.")


class Memory(Section):
    """What is remembered."""

    recent_turns: int = Field(default=8, ge=0, le=50, description="Earlier exchanges that a reply is told of.")


class Plugins(Section):
    """Plugins of your own."""

    folder: str = Field(default="plugins", description="Where they lie, from the folder of config.yaml.")
    disabled: tuple[str, ...] = Field(default=(), description="Names of plugins to leave out.")


class Log(Section):
    """What the daemon writes about itself; never dialogue, never keys."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much.")


class Config(Section):
    """The whole document."""

    server: Server = Server()
    llm: LLM = LLM()
    tts: TTS = TTS()
    speech: Speech = Speech()
    mind: MindParts = MindParts()
    memory: Memory = Memory()
    plugins: Plugins = Plugins()
    log: Log = Log()

    _lines: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)

    @property
    def lines(self) -> Mapping[tuple[str, ...], int]:
        """Where each key stands in the file, from 1."""
        return self._lines

    def line_of(self, *key: str) -> int | None:
        """The line of a key in the file (from 1), or of the nearest key above it that is there."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key)


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and check a file; raises ConfigError that names line, key and remedy.

    RFSN_HOST, RFSN_PORT, RFSN_HTTP_PORT and RFSN_LOG_LEVEL of `environment` (default: ours) take precedence.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "give --config an existing file") from error
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_BYTES} bytes", "this cannot be a config.yaml")
    return parse(text, str(path), os.environ if environment is None else environment)


def parse(text: bytes, name: str = "config.yaml", environment: Mapping[str, str] | None = None) -> Config:
    lines: dict[tuple[str, ...], int] = {}
    try:
        _check_shape(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = _value(root, (), lines, name) if root else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(f"{name}{_at(line)}: {error.problem}", "mend the YAML", line=line) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {' '.join(str(error).split())}", "mend the YAML") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(
            f"{name} holds no keys", "write for instance `llm:` with `backend: ollama` below it", line=1
        )
    # A section whose keys are all commented out reads as null; it means the defaults.
    document = {key: {} if value is None else value for key, value in document.items()}
    variables = _apply(environment or {}, document)
    try:
        config = Config.model_validate(document)
    except ValidationError as invalid:
        raise explain(invalid, Config, lines, name, variables=variables) from None
    config._lines.update(lines)
    return config


def explain(
    invalid: ValidationError,
    model: type[BaseModel],
    lines: Mapping[tuple[str, ...], int],
    name: str,
    prefix: tuple[str, ...] = (),
    variables: Mapping[tuple[str, ...], str] = {},
) -> ConfigError:
    """The first mistake as one sentence with its line; misspelt keys get the nearest right one.

    `variables` are the environment variables that stand for keys.
    """
    detail = invalid.errors(include_url=False)[0]
    inner = tuple(str(part) for part in detail["loc"])
    key = (*prefix, *inner)
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
    dotted = ".".join(key)
    if detail["type"] == "extra_forbidden":
        known = _keys(model, inner[:-1])
        near = difflib.get_close_matches(inner[-1], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return ConfigError(f"{name}{_at(line)}: there is no key {dotted}", hint, key=dotted, line=line)
    a_section = detail["type"] in ("model_type", "dict_type")
    what = "needs keys of its own below it" if a_section else detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    shown = f" (it is {_shortly(given)})" if isinstance(given, str | int | float | bool | None) else ""
    if variable := variables.get(key):
        return ConfigError(f"{variable}: {what}{shown}", "correct this environment variable", key=dotted)
    return ConfigError(f"{name}{_at(line)}: {dotted}: {what}{shown}", "correct this value", key=dotted, line=line)


def _keys(model: type[BaseModel], location: tuple[str, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return sorted(model.model_fields)


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


def _apply(environment: Mapping[str, str], document: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """Put variables in the place of keys; which they were."""
    applied: dict[tuple[str, ...], str] = {}
    for variable, (section, key) in {
        "RFSN_HOST": ("server", "host"),
        "RFSN_PORT": ("server", "port"),
        "RFSN_HTTP_PORT": ("server", "http_port"),
        "RFSN_LOG_LEVEL": ("log", "level"),
    }.items():
        if value := environment.get(variable):
            if not isinstance(document.get(section), dict):
                document[section] = {}
            document[section][key] = value.upper() if variable == "RFSN_LOG_LEVEL" else value
            applied[section, key] = variable
    return applied


def _shortly(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:76]} ..."


def _at(line: int | None) -> str:
    return f", line {line}" if line else ""
