"""A daemon of our own: started for one command, in a process of its own, and gone with it whatever happens."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from rfsn_bridge.errors import BridgeError

_START_S = 60.0
_STOP_S = 10.0
_SAYS = "listening on "


@asynccontextmanager
async def own_daemon(config: Path, data: Path, log: Path) -> AsyncIterator[str]:
    """Yield its address, on a free port. What it says about itself goes to `log`.

    We hold its standard input: that pipe's end stops it, even where we are killed.
    """
    command = [sys.executable, "-P", "-m", "rfsn_bridge", "run", "--until-stdin-closes"]
    command += [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--http-port",
        "0",
        "--config",
        str(config),
        "--data",
        str(data),
    ]
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, **_apart()
        )
    try:
        yield await _address(process, log)
    finally:
        await _stop(process)


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101
    try:
        async with asyncio.timeout(_START_S):
            while line := (await process.stdout.readline()).decode("utf-8", "replace"):
                if line.startswith(_SAYS):
                    return line.removeprefix(_SAYS).strip()
    except TimeoutError:
        raise BridgeError(f"the daemon did not start within {_START_S:g} s", f"its log is {log}") from None
    raise BridgeError(f"the daemon did not start: {last_words(log)}", f"its log is {log}")


def last_words(log: Path) -> str:
    """The last line that was written, which says why where something failed."""
    lines = log.read_text("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return last.removeprefix("rfsn-bridge: ")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End of input ends it; what does not end in time is killed, and its own children end with it."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _apart() -> dict[str, Any]:
    """Ctrl-C is for us alone: we stop the daemon in order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
