from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from lending import SMOLLM2, Lender
from scripted_server import ScriptedServer

from rfsn_bridge.paths import model_folders


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def lender(tmp_path: Path) -> AsyncIterator[Lender]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Lender(http, tmp_path)


@pytest.fixture
def smollm2(tmp_path: Path) -> Path:
    """The real model's file."""
    for folder in model_folders(tmp_path):
        if (folder / SMOLLM2).is_file():
            return folder / SMOLLM2
    pytest.skip(f"{SMOLLM2} is not here")
