"""The hooks, all on one screen. Each plugin's are called once, by themselves, when the daemon composes itself.

A plugin is a Python file (or an installed package) with functions of these names marked `@hookimpl`.
`register(name, factory, options=Model)` adds a part that config.yaml can select by that name; `Model` is a
pydantic model of its options (default: none), and the part is built as `factory(options, services)`.
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import pluggy
from pydantic import BaseModel, ConfigDict

from rfsn_bridge.interfaces import (
    Learner,
    LLMBackend,
    Recall,
    SafetyRule,
    Scorer,
    Services,
    SignalClassifier,
    WorldRules,
)

hookspec = pluggy.HookspecMarker("rfsn_bridge")
hookimpl = pluggy.HookimplMarker("rfsn_bridge")

Part = TypeVar("Part", contravariant=True)


class NoOptions(BaseModel):
    """The options of a part that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Register(Protocol, Generic[Part]):
    def __call__(
        self, name: str, factory: Callable[[Any, Services], Part], options: type[BaseModel] = NoOptions
    ) -> None: ...


class RegisterEngine(Protocol):
    def __call__(self, name: str, engine: str, options: type[BaseModel] = NoOptions) -> None: ...


@hookspec
def register_llm_backends(register: Register[LLMBackend]) -> None:
    """Language models, chosen by `llm.backend`."""


@hookspec
def register_tts_engines(register: RegisterEngine) -> None:
    """Speech synthesizers, chosen by `tts.engine`; `engine` is "module:Class", imported in the voice process."""


@hookspec
def register_signal_classifiers(register: Register[SignalClassifier]) -> None:
    """What the player's utterance means, chosen by `mind.classifier`."""


@hookspec
def register_world_rules(register: Register[WorldRules]) -> None:
    """What things do to NPCs, and what they usually do about them; packs chosen by `mind.rules` (a list)."""


@hookspec
def register_scorers(register: Register[Scorer]) -> None:
    """How good each action's predicted outcome is, chosen by `mind.scorer`."""


@hookspec
def register_safety_rules(register: Register[SafetyRule]) -> None:
    """What an NPC must never do or say, chosen by `mind.safety` (a list)."""


@hookspec
def register_recall(register: Register[Recall]) -> None:
    """What comes to an NPC's mind with a line, chosen by `memory.recall`."""


@hookspec
def register_learners(register: Register[Learner]) -> None:
    """Which of the best actions is taken, chosen by `mind.learner`."""
