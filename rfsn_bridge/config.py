"""config.yaml: read whole, checked whole, frozen. Every key has a default, so an empty file works.

Options of plugins stay raw here; the snapshot checks them against the models that the plugins declare.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from rfsn_bridge import yaml_file
from rfsn_bridge.errors import ConfigError

NO_VOICE = "none"
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
    prompt: Literal["auto", "short", "full"] = Field(
        default="auto",
        description="How much the model is told: short suits very small ones; auto: short for llama_cpp.",
    )
    timeouts: LLMTimeouts = LLMTimeouts()
    options: Options = Field(default={}, description="Each backend's own options, by its name.")


class TTS(Section):
    """The voice."""

    engine: tuple[Name, ...] = Field(
        default=("kokoro",),
        min_length=1,
        description="Which plugin, or a list of them that stand in for one another; none (the last): text only.",
    )
    voice: Name = Field(
        default="af_bella",
        description="The voice of an NPC of which nothing is known; its language is that of all.",
    )
    speed: float = Field(default=1.0, ge=0.5, le=2, description="How fast it speaks.")
    idle_unload_s: float = Field(default=600, ge=0, description="Unload the voice after this silence; 0 = never.")
    max_memory_mb: int = Field(
        default=3000,
        ge=0,
        description="Memory at which the voice is restarted in a pause, at 1.5 times that at once; 0 = no limit.",
    )
    options: Options = Field(default={}, description="Each engine's own options, by its name.")

    @field_validator("engine", mode="before")
    @classmethod
    def _one_or_several(cls, engine: object) -> object:
        return (engine,) if isinstance(engine, str) else engine

    @field_validator("engine")
    @classmethod
    def _in_order(cls, engine: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(engine)) < len(engine):
            raise ValueError("an engine is named twice")
        if NO_VOICE in engine[:-1]:
            raise ValueError("none stands last: nothing comes after text alone")
        return engine

    @property
    def speaks(self) -> bool:
        return self.engine != (NO_VOICE,)


class Speech(Section):
    """The way from text to sound."""

    max_queue_size: int = Field(
        default=3, ge=1, le=50, description="Sentences, or pieces of long ones, that may wait for the voice."
    )
    when_full: Literal["wait", "drop"] = Field(
        default="wait",
        description="What happens where more would wait: it waits in its turn, or something is dropped.",
    )
    first_chunk: Literal["clause", "sentence"] = Field(
        default="clause",
        description="Whether the first clause is spoken before its sentence is there, where that helps.",
    )
    one_at_a_time: bool = Field(default=True, description="Whether NPCs wait until another has been heard.")
    narration: bool = Field(default=False, description="Whether *actions* and (asides) in a reply are read too.")
    pronunciation: tuple[Name, ...] = Field(
        default=(), description="How words are said, on top of Skyrim's names, in order: YAML files."
    )
    voices: str = Field(
        default="", description="Which NPC has which voice, on top of our table: a YAML file; empty: ours alone."
    )
    cache_memory_mb: int = Field(
        default=32, ge=0, le=4096, description="Memory for phrases that were spoken before; 0 = none."
    )
    cache_disk_mb: int = Field(
        default=256,
        ge=0,
        le=65536,
        description="Disk for phrases that come back (greetings, say); 0 = none, and what lies there is deleted.",
    )
    folder: str = Field(default="", description="Where speech goes that games play as files; empty: nowhere.")
    files: int = Field(
        default=32, ge=4, le=999, description="How many files of a voice type at most; the oldest is written over."
    )


class Playback(Section):
    """Speech that the daemon plays itself, for adapters that ask for it."""

    volume: float = Field(default=1, ge=0, le=2, description="How loud: 0 is silence, 1 the voice as it is.")
    mute: bool = Field(default=False, description="Play nothing; the replies take their time all the same.")
    device: str = Field(
        default="", description="A part of the device's name; empty: the system's own choice; none: no device."
    )
    duck: float = Field(
        default=0.5, ge=0, le=1, description="How loud others are while the NPC that is talked to speaks."
    )
    attenuation: bool = Field(default=True, description="Whether who is far away is heard less.")


class MindParts(Section):
    """What an NPC decides with."""

    classifier: Name = Field(default="lexical", description="What the player's line means.")
    rules: tuple[Name, ...] = Field(
        default=(), description="World rules on top of ours, in order: packs of plugins by name, or YAML files."
    )
    scorer: Name = Field(default="utility", description="How good each action would be.")
    safety: tuple[Name, ...] = Field(
        default=("flee_when_terrified", "no_favours_without_trust"), description="What is never done."
    )
    learner: Name = Field(default="linucb", description="Which of the best actions is taken, and in what style.")
    prompts: tuple[Name, ...] = Field(
        default=(), description="What the model is told, on top of our words, in order: YAML files."
    )
    prior: str = Field(
        default="", description="Where NPCs begin: a file of `prior fit`, none = nowhere; empty: ours."
    )
    seed: int = Field(default=0, description="What chance is drawn from; the same seed, the same choices.")
    options: Options = Field(default={}, description="Each part's own options, by its name.")


class Memory(Section):
    """What is remembered."""

    recent_turns: int = Field(default=8, ge=0, le=50, description="Earlier exchanges that a reply is told of.")
    recall: Name = Field(default="words", description="How older ones come to mind: which plugin, or none.")
    recalled: int = Field(default=3, ge=0, le=20, description="How many of those a reply is told of.")
    summaries: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether long histories are summed up while nobody talks; auto: not by very small models.",
    )
    backup_every_h: float = Field(default=24, ge=0, le=8760, description="Hours between backups; 0: none.")
    backup_every_turns: int = Field(default=500, ge=0, description="Turns between backups; 0: none.")
    backups: int = Field(default=10, ge=1, le=1000, description="How many automatic backups are kept.")


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
    playback: Playback = Playback()
    mind: MindParts = MindParts()
    memory: Memory = Memory()
    plugins: Plugins = Plugins()
    log: Log = Log()

    _lines: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)
    _folder: Path = PrivateAttr(default=Path())
    _name: str = PrivateAttr(default="config.yaml")

    @property
    def name(self) -> str:
        """What the file is called where its mistakes are told."""
        return self._name

    @property
    def folder(self) -> Path:
        """Where the file lies: relative paths in it begin here."""
        return self._folder

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
    config = parse(text, str(path), os.environ if environment is None else environment)
    config._folder = path.parent
    return config


def parse(text: bytes, name: str = "config.yaml", environment: Mapping[str, str] | None = None) -> Config:
    read = yaml_file.read(text, name)
    document = read.value
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
        raise yaml_file.explain(invalid, Config, read.lines, name, variables=variables) from None
    config._lines.update(read.lines)
    config._name = name
    return config


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
