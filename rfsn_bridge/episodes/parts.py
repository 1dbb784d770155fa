"""The parts that config.yaml names, built without a daemon."""

from pathlib import Path

import httpx

from rfsn_bridge import registry
from rfsn_bridge.config import Config
from rfsn_bridge.domain import NoticeLevel, Timeouts
from rfsn_bridge.interfaces import LLMBackend, Services
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.models import catalogue
from rfsn_bridge.snapshot import Snapshot, build, build_mind


def mind(config: Config, data: Path) -> Mind:
    """The mind as `rfsn-bridge run` would have it; raises ConfigError or PluginError."""
    return build_mind(config, _plugins(config), _services(config, data))


def mind_and_llm(config: Config, data: Path) -> tuple[Mind, LLMBackend]:
    """The same with its language model, which is the caller's to close."""
    snapshot, _ = whole(config, data)
    return snapshot.mind, snapshot.llm


def whole(config: Config, data: Path) -> tuple[Snapshot, registry.Registry]:
    """Everything that the config names, as `rfsn-bridge run` would, without a memory; nothing is loaded."""
    plugins = _plugins(config)
    return build(config, plugins, _services(config, data)), plugins


def _plugins(config: Config) -> registry.Registry:
    return registry.discover(config.folder / config.plugins.folder, config.plugins.disabled)


def _services(config: Config, data: Path) -> Services:
    timeouts = config.llm.timeouts
    return Services(
        http=httpx.AsyncClient(timeout=10),
        timeouts=Timeouts(timeouts.connect_s, timeouts.first_token_s, timeouts.between_tokens_s),
        data=data,
        find_model=lambda name: catalogue.find(name, data),
        notice=_ignored,
    )


def _ignored(level: NoticeLevel, code: str, message: str, hint: str = "", progress: float | None = None) -> None:
    """Nobody plays."""
