from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from lending import Lender
from real_models import real_model
from scripted_server import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def lender(tmp_path: Path) -> AsyncIterator[Lender]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Lender(http, tmp_path)


@pytest.fixture
def smollm2() -> Path:
    """The real model's file."""
    return real_model("smollm2")
