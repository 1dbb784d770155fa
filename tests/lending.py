"""What a plugin is lent in these tests, and loading one as the daemon does."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from rfsn_bridge import ModelMissing, Services, Timeouts
from rfsn_bridge.paths import builtin_plugins
from rfsn_bridge.plugin_file import load

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


def load_plugin(stem: str) -> ModuleType:
    return sys.modules.get(f"rfsn_bridge_plugins.{stem}") or load(builtin_plugins / f"{stem}.py")


@dataclass
class Lender:
    """Makes services, and keeps what was noticed through them."""

    http: httpx.AsyncClient
    data: Path
    models: dict[str, Path] = field(default_factory=dict)
    notices: list[tuple[str, str, str]] = field(default_factory=list)

    def services(self, **timeouts: float) -> Services:
        return Services(self.http, Timeouts(**timeouts), self.data, self._find_model, self._notice)

    def _find_model(self, name: str) -> Path:
        if name not in self.models:
            raise ModelMissing(f"{name} is missing", f"run: rfsn-bridge models pull {name}")
        return self.models[name]

    def _notice(self, level: str, code: str, message: str, hint: str = "", progress: Any = None) -> None:
        self.notices.append((level, code, message))
