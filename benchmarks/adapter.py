"""What the Skyrim plugin costs and how soon it shows a reply, in the simulated game.

The game plays in real time at 60 frames a second, in a process of Node's, with the plugin as players get it; the
daemon is in this process, its backend scripted. A frame's cost is all of the plugin's code in it (`tick`,
callbacks, `update`) with the calls that it makes, as the simulator carries them out; an empty plugin in the
same run is the floor. The time to the first sentence begins when the player presses Enter and ends when the page
is told to show it, frames and backend included; the two transports take turns.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from report import Found, Size, Skipped, main, median, rank, single
from scripted_daemon import PacedLLM

from rfsn_bridge import paths
from rfsn_bridge.testing import running_daemon

MEASURE = paths.game_adapters / "skyrim" / "simulator" / "measure.mjs"
TOKENS_PER_S = 200
SENTENCES = 4


async def measured(node: str, turns: int, seconds: float) -> dict[str, Any]:
    """What the simulated game found, in ms."""
    with tempfile.TemporaryDirectory() as data:
        async with running_daemon(PacedLLM(TOKENS_PER_S, SENTENCES), Path(data)) as daemon:
            process = await asyncio.create_subprocess_exec(
                node,
                "--experimental-websocket",
                "--no-warnings",
                str(MEASURE),
                daemon.url,
                daemon.http_url,
                str(turns),
                str(seconds),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the simulated game stopped; see above")
    found: dict[str, Any] = json.loads(out)
    return found


def measure(turns: float, seconds: float) -> list[Found]:
    node = shutil.which("node")
    if node is None:
        return [Skipped("the Skyrim plugin", "the simulated game needs Node 20 or later")]
    found = asyncio.run(measured(node, int(turns), seconds))
    plugin, empty = found["frames"]["plugin"], found["frames"]["empty"]
    socket, poll = found["first"]["web_socket"], found["first"]["long_poll"]
    later = statistics.median(poll) - statistics.median(socket)
    return [
        median("plugin, a frame while an NPC talks", "ms", plugin, ("<", 0.2)),
        rank("the same, p99", "ms", plugin, 99),
        median("floor: an empty plugin", "ms", empty),
        rank("the same, p99", "ms", empty, 99),
        median("Enter to first sentence shown, WebSocket", "ms", socket),
        median("Enter to first sentence shown, long poll", "ms", poll),
        single("long poll later than WebSocket, medians", "ms", later, ("<=", 30), samples=len(poll)),
    ]


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            turns=Size(60, 15, "lines over each transport"),
            seconds=Size(20, 5, "of speech in which frames are measured"),
        )
    )
