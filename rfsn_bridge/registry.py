"""Which plugins there are and what they offer: found, loaded, and asked hook by hook, each by itself.

Sources, in order: the built-in folder, installed packages (entry-point group `rfsn_bridge`), the user's folder. A
plugin that fails is left out and reported; that is fatal only where the config selects what it would have offered.
"""

import difflib
import hashlib
import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
from pydantic import BaseModel

from rfsn_bridge import hookspecs, paths, plugin_file
from rfsn_bridge.errors import BridgeError, PluginError
from rfsn_bridge.hookspecs import NoOptions

log = logging.getLogger(__name__)

KINDS = {
    "llm": "register_llm_backends",
    "tts": "register_tts_engines",
    "classifier": "register_signal_classifiers",
    "rules": "register_world_rules",
    "scorer": "register_scorers",
    "safety": "register_safety_rules",
    "learner": "register_learners",
    "recall": "register_recall",
}


_CALLED = {"rules": "pack of world rules", "safety": "safety rule"}
"""What a person calls a kind, where that is not its own name."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """Where a plugin came from. `path` is its file; `sha256` that of the bytes that were loaded."""

    name: str
    source: str
    path: Path | None
    sha256: str | None
    module: ModuleType


@dataclass(frozen=True, slots=True)
class Registration:
    """A part on offer. `factory` is a callable, or "module:Class" for what lives in the voice process."""

    kind: str
    name: str
    factory: Callable[..., Any] | str
    options: type[BaseModel]
    plugin: Plugin


@dataclass(frozen=True, slots=True)
class Problem:
    """A plugin, or one of its parts, that is not used, and why."""

    plugin: str
    message: str


@dataclass(slots=True)
class Registry:
    """What is on offer, by kind and name."""

    parts: dict[tuple[str, str], Registration] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def names(self, kind: str) -> list[str]:
        return sorted(name for each, name in self.parts if each == kind)

    def get(self, kind: str, name: str) -> Registration:
        """Raises PluginError that names what there is instead, and the plugins that failed to load."""
        if part := self.parts.get((kind, name)):
            return part
        names = self.names(kind)
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(names) or 'none are loaded'}"
        failed = "".join(f"; plugin {problem.plugin} failed: {problem.message}" for problem in self.problems)
        raise PluginError(f"there is no {_CALLED.get(kind, kind)} named {name!r}", hint + failed)


def discover(user_folder: Path | None = None, disabled: Iterable[str] = ()) -> Registry:
    """Load every plugin that can be found, except those disabled by name (a file's stem)."""
    registry = Registry()
    manager = pluggy.PluginManager("rfsn_bridge")
    manager.add_hookspecs(hookspecs)
    skip = set(disabled)
    folders = [("built-in", paths.builtin_plugins)]
    if user_folder and user_folder.resolve() != paths.builtin_plugins.resolve():
        folders.append(("user", user_folder))
    plugins = [*_from_folder(registry, *folders[0], skip), *_from_packages(registry, skip)]
    for folder in folders[1:]:
        plugins += _from_folder(registry, *folder, skip)
    for plugin in plugins:
        _compose(registry, manager, plugin)
    for problem in registry.problems:
        log.warning("plugin %s: %s", problem.plugin, problem.message)
    return registry


def _from_folder(registry: Registry, source: str, folder: Path, skip: set[str]) -> list[Plugin]:
    plugins = []
    for path in sorted(folder.glob("*.py")):
        if path.stem in skip or path.stem.startswith("_"):
            continue
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            module = plugin_file.load(path, sha256)
        except (OSError, BridgeError) as error:
            registry.problems.append(Problem(path.stem, str(error)))
        else:
            plugins.append(Plugin(path.stem, source, path, sha256, module))
    return plugins


def _from_packages(registry: Registry, skip: set[str]) -> list[Plugin]:
    plugins = []
    for entry in entry_points(group="rfsn_bridge"):
        if entry.name in skip:
            continue
        try:
            module = entry.load()
        except (Exception, SystemExit) as error:  # a plugin's own code
            registry.problems.append(Problem(entry.name, f"raised {type(error).__name__} when loaded: {error}"))
        else:
            plugins.append(Plugin(entry.name, "package", None, None, module))
    return plugins


def _compose(registry: Registry, manager: pluggy.PluginManager, plugin: Plugin) -> None:
    """Register one plugin and call its hooks, so that one that raises takes nothing else with it."""
    try:
        manager.register(plugin.module, name=f"{plugin.source}:{plugin.name}")
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.is_registered(plugin.module):
            manager.unregister(plugin.module)
        registry.problems.append(Problem(plugin.name, " ".join(str(error).split())))
        return
    others = [each for each in manager.get_plugins() if each is not plugin.module]
    for kind, hook in KINDS.items():
        offered: list[Registration] = []

        def register(
            name: str,
            factory: Callable[..., Any] | str,
            options: type[BaseModel] = NoOptions,
            *,
            kind: str = kind,
            offered: list[Registration] = offered,
        ) -> None:
            _check_part(name, factory, options)
            offered.append(Registration(kind, name, factory, options, plugin))

        try:
            for answer in manager.subset_hook_caller(hook, others)(register=register):
                if inspect.iscoroutine(answer):
                    answer.close()
                    raise TypeError("it is an `async def`; write a plain `def`")
        except (Exception, SystemExit) as error:  # a plugin's own code
            registry.problems.append(Problem(plugin.name, f"{hook} raised {type(error).__name__}: {error}"))
            continue
        for part in offered:
            if (first := registry.parts.get((kind, part.name))) is not None:
                message = f"{kind} {part.name!r} is already offered by {first.plugin.name}; choose another name"
                registry.problems.append(Problem(plugin.name, message))
            else:
                registry.parts[kind, part.name] = part


def _check_part(name: object, factory: object, options: object) -> None:
    """A plugin's mistakes are told when it is loaded, not when its part is first needed."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"a part's name is a string, not {name!r}")
    if not (callable(factory) or isinstance(factory, str)):
        raise TypeError(f'{name!r} is offered as {factory!r}, not a function or "module:Class"')
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        raise TypeError(f"the options of {name!r} are no pydantic model but {options!r}")
