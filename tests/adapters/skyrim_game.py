"""Runs the simulated Skyrim (game_adapters/skyrim/simulator) and reads what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from skyrim_lines import Townsfolk

from rfsn_bridge import paths
from rfsn_bridge.protocol.messages import Limits
from rfsn_bridge.testing import RunningDaemon, Settings, running_daemon

ADAPTER = paths.game_adapters / "skyrim"
SIMULATOR = ADAPTER / "simulator"
PATIENCE_S = 200
MS_PER_CHARACTER = 20
"""Of speech that the daemon plays: a third of what people take, for it plays in real time."""
_NODE_AT_LEAST = 20


def node() -> str:
    """Node's program; skips the test where there is none that would do, unless RFSN_REQUIRE_NODE is set."""
    found = shutil.which("node")
    version = (
        subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else ""
    )
    if found and int(version.removeprefix("v").partition(".")[0]) >= _NODE_AT_LEAST:
        return found
    reason = f"Node {_NODE_AT_LEAST} or later is not here, and the simulated game needs it"
    if os.environ.get("RFSN_REQUIRE_NODE"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_browser() -> None:
    """Skips the test where there is no Chromium, unless RFSN_REQUIRE_BROWSER is set."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if os.environ.get("CHROMIUM") or any(map(shutil.which, names)):
        return
    reason = "Chromium is not here, and the daemon's page needs it"
    if os.environ.get("RFSN_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@asynccontextmanager
async def whiterun(data: Path, *, grace_s: float = 60, aloud: bool = False) -> AsyncIterator[RunningDaemon]:
    """A daemon for which the people of Whiterun speak; with `aloud`, as sound that it plays where no device is.

    It keeps a session for longer than the game's menu is open: a WebSocket that breaks as the menu opens, before
    the daemon has heard of it, comes back only when the menu closes.
    """
    limits = Limits(resume_grace_s=grace_s, messages_per_second=5000, burst=5000)  # the game's seconds are short
    config = {"playback": {"device": "none"}, "tts": {"options": {"tone": {"ms_per_character": MS_PER_CHARACTER}}}}
    settings = Settings(limits=limits, voice=aloud, config=config if aloud else {})
    async with running_daemon(Townsfolk(), data, settings) as daemon:
        yield daemon


async def run(
    *options: str, daemon: RunningDaemon | None = None, patience_s: float = PATIENCE_S
) -> tuple[int, list[dict[str, Any]], str]:
    """Run the simulator: its exit code, a result for each scene, and what the game's console said."""
    urls = ["--daemon", daemon.url, "--http", daemon.http_url] if daemon else _NOWHERE
    flags = ("--experimental-websocket", "--no-warnings")
    process = await asyncio.create_subprocess_exec(
        node(),
        *flags,
        str(SIMULATOR / "run.mjs"),
        *urls,
        "--json",
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), patience_s)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    results = [json.loads(line) for line in out.decode().splitlines()]
    assert process.returncode is not None
    return process.returncode, results, err.decode()


_NOWHERE = ["--daemon", "ws://127.0.0.1:9/ws", "--http", "http://127.0.0.1:9"]


async def play(
    daemon: RunningDaemon, scenes: str, transports: str, *options: str, patience_s: float = PATIENCE_S
) -> list[dict[str, Any]]:
    """Play scenes in which nothing may go wrong."""
    chosen = ("--scene", scenes, "--transport", transports, *options)
    code, results, errors = await run(*chosen, daemon=daemon, patience_s=patience_s)
    assert results, errors
    wrong = [(result["scene"], result["transport"], each) for result in results for each in _wrong(result)]
    assert not wrong, json.dumps(wrong, indent=1)
    assert code == 0, errors
    return results


def _wrong(result: dict[str, Any]) -> list[Any]:
    """Faults of an evening, or those of the evenings that were cut."""
    found: list[Any] = result.get("faults") or result.get("failed") or []
    return found
