"""The voice process, seen from the daemon: which engine it loads, and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rfsn_bridge.speech.child_process import ChildProcess
from rfsn_bridge.speech.wire import Frame, Kind


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine the process loads. `engine` is "module:Class"; `options` are plain JSON, models as paths.

    With `source` "file" the plugin file `path` (whose bytes must have `sha256`, unless that is empty) is loaded
    first as `rfsn_bridge_plugins.<stem>`; with "module" the class is imported from what is installed.
    """

    source: Literal["file", "module"]
    path: str
    sha256: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)


async def start_engine(spec: EngineSpec) -> ChildProcess:
    """Start the process and tell it what to open. Raise VoiceError if the system cannot start it."""
    header = {
        "source": spec.source,
        "path": spec.path,
        "sha256": spec.sha256,
        "engine": spec.engine,
        "options": dict(spec.options),
    }
    return await ChildProcess.start("rfsn_bridge.speech.worker", "the voice process", Frame(Kind.OPEN, header))
