"""The simulated Skyrim with our own plugin in it, as a process beside the adapter test."""

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rfsn_bridge.errors import BridgeError

TRANSPORTS = ("web_socket", "page", "long_poll")
SPEEDS = {"none": 8, "daemon": 4}
"""Seconds of the game in one second, by who speaks. Its evening has a pause of ten minutes; sound needs time."""
_MAJOR = 20


async def play(simulator: Path, urls: tuple[str, str], transport: str, audio: str = "none") -> int:
    """Play an evening against the daemon at `urls` (WebSocket, HTTP); the game's exit code."""
    process = await asyncio.create_subprocess_exec(
        *command(simulator, urls, transport, audio), stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def command(simulator: Path, urls: tuple[str, str], transport: str, audio: str = "none") -> Sequence[str]:
    """Raises BridgeError where something is missing."""
    node = shutil.which("node")
    if node is None:
        raise BridgeError("the simulated game needs Node", f"install Node {_MAJOR} or later from nodejs.org")
    run = simulator / "run.mjs"
    if not run.is_file():
        raise BridgeError(f"{run} is missing", "install rfsn-bridge again")
    url, http_url = urls
    where = ("--daemon", url, "--http", http_url)
    settings = ("--settings", json.dumps({"audio": audio}))
    return (node, str(run), *where, *settings, "--transport", transport, "--speed", str(SPEEDS[audio]))
