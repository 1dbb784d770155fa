"""The simulated Skyrim with our own plugin in it, as a process beside the adapter test."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rfsn_bridge.errors import BridgeError

TRANSPORTS = ("web_socket", "page", "long_poll")
_MAJOR = 20


async def play(simulator: Path, addresses: tuple[str, int, int], transport: str) -> int:
    """Play the evening against the daemon at `addresses` (host, port, HTTP port); the game's exit code."""
    process = await asyncio.create_subprocess_exec(
        *command(simulator, addresses, transport), stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def command(simulator: Path, addresses: tuple[str, int, int], transport: str) -> Sequence[str]:
    """Raises BridgeError where something is missing."""
    node = shutil.which("node")
    if node is None:
        raise BridgeError("the simulated game needs Node", f"install Node {_MAJOR} or later from nodejs.org")
    run = simulator / "run.mjs"
    if not run.is_file():
        raise BridgeError(f"{run} is missing", "install rfsn-bridge again")
    host, port, http_port = addresses
    where = ("--host", host, "--port", str(port), "--http-port", str(http_port))
    return (node, str(run), *where, "--transport", transport)
