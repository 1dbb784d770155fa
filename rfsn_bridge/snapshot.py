"""Config and registry made into one immutable set of built parts, which a turn holds from start to end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rfsn_bridge import yaml_file
from rfsn_bridge.config import NO_VOICE, Config
from rfsn_bridge.domain import Npc
from rfsn_bridge.errors import BridgeError, ConfigError, PluginError
from rfsn_bridge.interfaces import LLMBackend, Recall, Services, WorldRules
from rfsn_bridge.mind import data
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.rule_files import load_rules
from rfsn_bridge.mind.templates import Prompts, load_prompts
from rfsn_bridge.mind.world_model import WorldModel
from rfsn_bridge.model_path import resolve_models
from rfsn_bridge.registry import Registration, Registry
from rfsn_bridge.speech.cache import PhraseCache
from rfsn_bridge.speech.fallback import Spec, VoiceChain
from rfsn_bridge.speech.normal import normal
from rfsn_bridge.speech.phrase_files import folder_in
from rfsn_bridge.speech.pronunciation import Pronunciation, load_pronunciation
from rfsn_bridge.speech.spoken import SpokenText
from rfsn_bridge.speech.synthesis import Synthesis
from rfsn_bridge.speech.voice import EngineSpec
from rfsn_bridge.speech.voices import Voices, language_of, load_voices
from rfsn_bridge.speech.wave_files import WaveFiles

NO_RECALL = "none"
NO_PRIOR = "none"
_NEEDS_NO_PRIOR = "greedy"
_PRIOR = "prior.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`voice` is None where the config wants no speech. The parts are closed by the bridge, not by a turn."""

    revision: int
    config: Config
    llm: LLMBackend
    voice: VoiceChain | None
    synthesis: Synthesis | None
    """The way to the voice."""
    voices: Voices
    pronunciation: Pronunciation
    wave_files: WaveFiles | None
    """Where speech goes for games that play files; None where the config names no folder."""
    mind: Mind
    prompts: Prompts
    recall: Recall | None
    """None where the config wants only the latest turns."""
    small: bool
    """Whether the language model is one that loses its way in a long prompt."""

    @property
    def summaries(self) -> bool:
        """Whether long histories are summed up, and replies told of them."""
        wanted = self.config.memory.summaries
        return wanted == "always" or (wanted == "auto" and not self.small)

    def voice_of(self, npc: Npc) -> str:
        """Who speaks for an NPC."""
        known = self.voice.voices if self.voice else ()
        engine = self.voice.engine if self.voice else NO_VOICE
        return self.voices.choose(npc, engine, known, self.config.tts.voice)

    def spoken(self, npc: Npc, voice: str) -> Callable[[str], tuple[str, Mapping[str, str]]]:
        """For the sentences of one turn, in order: what is to be said of each, and how words of it sound."""
        text = SpokenText(npc.name, narration=self.config.speech.narration)
        lang = language_of(voice)
        ipa = not (self.voice and self.voice.respell)

        def spoken(sentence: str) -> tuple[str, Mapping[str, str]]:
            return self.pronunciation.apply(normal(text.spoken(sentence), lang), ipa=ipa)

        return spoken


def build(config: Config, registry: Registry, services: Services) -> Snapshot:
    """Build every part the config names; raises ConfigError or PluginError. Nothing heavy is loaded yet."""
    llm, tts = config.llm, config.tts
    voice = _voice(config, registry, services) if tts.speaks else None
    return Snapshot(
        revision=1,
        config=config,
        llm=_part(
            registry, "llm", llm.backend, ("llm", "backend"), ("llm", "options"), llm.options, config, services
        ),
        voice=voice,
        synthesis=_synthesis(voice, config, services) if voice else None,
        voices=load_voices(_table(config)),
        pronunciation=load_pronunciation(
            [(name, _file(config, name, "speech", "pronunciation")) for name in config.speech.pronunciation]
        ),
        wave_files=_wave_files(config, services),
        mind=build_mind(config, registry, services),
        recall=_recall(config, registry, services),
        prompts=load_prompts([(name, _file(config, name, "mind", "prompts")) for name in config.mind.prompts]),
        small=llm.prompt == "short" or (llm.prompt == "auto" and llm.backend == "llama_cpp"),
    )


def _recall(config: Config, registry: Registry, services: Services) -> Recall | None:
    memory = config.memory
    if memory.recall == NO_RECALL or not memory.recalled:
        return None
    at = ("memory", "recall")
    if services.memory is None:  # no daemon runs: that there is such a part is all that can be said
        _chosen(registry, "recall", memory.recall, at, config)
        return None
    recall: Recall = _part(registry, "recall", memory.recall, at, ("memory", "options"), {}, config, services)
    return recall


def build_mind(config: Config, registry: Registry, services: Services) -> Mind:
    """The parts that decide; raises ConfigError or PluginError."""
    mind = config.mind
    packs = [_rules(registry, name, config, services) for name in mind.rules]
    return Mind(
        classifier=_mind_part(registry, "classifier", mind.classifier, config, services),
        scorer=_mind_part(registry, "scorer", mind.scorer, config, services),
        safety={name: _mind_part(registry, "safety", name, config, services) for name in mind.safety},
        learner=_mind_part(registry, "learner", mind.learner, config, services),
        world=WorldModel(load_rules(packs)),
        priors=_priors(config),
    )


def _priors(config: Config) -> Mapping[str, bytes]:
    """Where NPCs without experience begin: as the named file says, else as ours."""
    name = config.mind.prior
    if name == NO_PRIOR or (config.mind.learner == _NEEDS_NO_PRIOR and not name):
        return {}
    from rfsn_bridge.mind.prior import read_prior  # needs numpy

    text = _file(config, name, "mind", "prior") if name else resources.files(data).joinpath(_PRIOR).read_bytes()
    try:
        return read_prior(text)
    except ValueError as error:
        line = config.line_of("mind", "prior")
        hint = "make one with: rfsn-bridge prior fit"
        raise ConfigError(f"mind.prior: {name}: {error}", hint, key="mind.prior", line=line) from None


def _rules(registry: Registry, name: str, config: Config, services: Services) -> WorldRules:
    """A pack that a plugin offers, or a YAML file."""
    if not name.endswith((".yaml", ".yml")):
        pack: WorldRules = _mind_part(registry, "rules", name, config, services)
        return pack
    return WorldRules(name, _file(config, name, "mind", "rules"))


def _table(config: Config) -> list[tuple[str, bytes]]:
    name = config.speech.voices
    return [(name, _file(config, name, "speech", "voices"))] if name else []


def _file(config: Config, name: str, *at: str) -> bytes:
    """A file that a setting names, from the folder of config.yaml."""
    path = config.folder / Path(name).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        line, key = config.line_of(*at), ".".join(at)
        where = f"{config.name}, line {line}: " if line else ""
        message = f"{where}{key}: {path} cannot be read: {error.strerror}"
        raise ConfigError(message, "correct the path", key=key, line=line) from None


def _synthesis(voice: VoiceChain, config: Config, services: Services) -> Synthesis:
    speech = config.speech
    cache = PhraseCache(
        folder_in(services.data),
        memory_bytes=speech.cache_memory_mb << 20,
        disk_bytes=speech.cache_disk_mb << 20,
    )
    return Synthesis(voice, cache, size=speech.max_queue_size, when_full=speech.when_full)


def _wave_files(config: Config, services: Services) -> WaveFiles | None:
    folder = config.speech.folder
    return WaveFiles(services.data / Path(folder).expanduser(), config.speech.files) if folder else None


def _mind_part(registry: Registry, kind: str, name: str, config: Config, services: Services) -> Any:
    at = ("mind", "options")
    return _part(registry, kind, name, ("mind", kind), at, config.mind.options, config, services)


def _part(
    registry: Registry,
    kind: str,
    name: str,
    chosen_at: tuple[str, ...],
    options_at: tuple[str, ...],
    raw: Mapping[str, Mapping[str, Any]],
    config: Config,
    services: Services,
) -> Any:
    part = _chosen(registry, kind, name, chosen_at, config)
    options = _options(part, raw.get(name, {}), (*options_at, name), config)
    if not callable(part.factory):
        raise PluginError(
            f"{kind} {name!r} of plugin {part.plugin.name} has no factory", "pass a callable to register"
        )
    try:
        return part.factory(options, services)
    except BridgeError:
        raise
    except (Exception, SystemExit) as error:  # a plugin's code
        message = f"{kind} {name!r} cannot be built: {type(error).__name__}: {error}"
        raise PluginError(message, f"see plugin {part.plugin.name}") from error


def _chosen(registry: Registry, kind: str, name: str, at: tuple[str, ...], config: Config) -> Registration:
    try:
        return registry.get(kind, name)
    except PluginError as error:
        line = config.line_of(*at)
        where = f"{config.name}, line {line}: " if line else ""
        raise ConfigError(
            f"{where}{'.'.join(at)}: {error.message}", error.hint, key=".".join(at), line=line
        ) from None


def _options(part: Registration, raw: Mapping[str, Any], at: tuple[str, ...], config: Config) -> BaseModel:
    try:
        return part.options.model_validate(raw, context={"folder": config.folder})
    except ValidationError as invalid:
        raise yaml_file.explain(invalid, part.options, config.lines, config.name, at) from None


def _voice(config: Config, registry: Registry, services: Services) -> VoiceChain:
    tts = config.tts
    specs = {name: None if name == NO_VOICE else _engine(name, config, registry, services) for name in tts.engine}
    return VoiceChain(
        specs, tts.voice, services.notice, idle_unload_s=tts.idle_unload_s, max_memory_mb=tts.max_memory_mb
    )


def _engine(name: str, config: Config, registry: Registry, services: Services) -> Spec:
    part = _chosen(registry, "tts", name, ("tts", "engine"), config)
    options = _options(part, config.tts.options.get(name, {}), ("tts", "options", name), config)
    if not isinstance(part.factory, str):
        hint = 'register it as "module:Class"'
        raise PluginError(f"tts {name!r} of plugin {part.plugin.name} is not named by its class", hint)
    engine, plugin = part.factory, part.plugin

    def spec() -> EngineSpec:
        """Resolved whenever the voice starts: its models may have been fetched since."""
        values = resolve_models(options, services.find_model)
        if plugin.path is None:
            return EngineSpec("module", "", "", engine, values)
        return EngineSpec("file", str(plugin.path), plugin.sha256 or "", engine, values)

    return spec
