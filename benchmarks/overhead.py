"""What the bridge adds: from the token that shows a sentence's end to the client's `sentence`.

The backend is scripted and paced, the daemon a process of its own, the socket real, the client the reference
client, to the parsed message. The floor is measured in the same run, turn about: a bare websockets server in the
daemon's own loop sends messages of the same size to a bare websockets client at the same pace.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import websockets.asyncio.client
from report import Row, Size, main, median, rank, single
from scripted_daemon import ScriptedDaemon, as_said, cuts, reply_to, scripted_daemon

from rfsn_bridge.client import Client, connect
from rfsn_bridge.protocol.messages import NpcUpdate, SentenceSaid

SENTENCES = 8


async def one_turn(client: Client, line: str) -> tuple[list[float], int]:
    """When each sentence of a turn arrived, and how long its message was."""
    arrived: list[float] = []
    size = 0
    async with await client.say("npc", as_said(line)) as turn:
        async for part in turn:
            if isinstance(part, SentenceSaid):
                arrived.append(time.perf_counter())
                size = len(part.model_dump_json(exclude_none=True))
    return arrived, size


async def pushes(socket: websockets.asyncio.client.ClientConnection, size: int, gap_s: float) -> list[float]:
    """Milliseconds that as many bare messages were under way as a turn has sentences."""
    await socket.send(json.dumps([SENTENCES, size, gap_s, 9]))
    spent = []
    for _ in range(SENTENCES):
        message = await socket.recv()
        arrived = time.perf_counter()
        spent.append((arrived - json.loads(message)["t"]) * 1000)
    return spent


async def sides(turns: int, tokens_per_s: float) -> tuple[list[float], list[float]]:
    """Milliseconds of the bridge and of the bare websockets, interleaved; the first turn of each is left out."""
    bridge: list[float] = []
    bare: list[float] = []
    async with (
        scripted_daemon(tokens_per_s=tokens_per_s, sentences=SENTENCES) as daemon,
        connect(daemon.url, name="overhead", audio="none", reports=False) as client,
        websockets.asyncio.client.connect(daemon.bare_url, compression=None, ping_interval=None) as socket,
    ):
        await client.request(NpcUpdate(npc_id="npc", name="Lydia"))
        for number in range(turns + 1):
            line = f"line {number}"
            arrived, size = await one_turn(client, line)
            floor = await pushes(socket, size, 1 / tokens_per_s)
            spent = await under_way(daemon, line, arrived)
            if number:
                bridge += spent
                bare += floor
    return bridge, bare


async def under_way(daemon: ScriptedDaemon, line: str, arrived: list[float]) -> list[float]:
    """Milliseconds from each sentence's token to its arrival."""
    given = (await daemon.notes()).given[line]
    ends = zip(cuts(reply_to(line, SENTENCES)), arrived, strict=True)
    return [(at - given[cut.seen]) * 1000 for cut, at in ends]


def measure(turns: float, tokens_per_s: float) -> list[Row]:
    bridge, bare = asyncio.run(sides(int(turns), tokens_per_s))
    ratio = statistics.median(bridge) / statistics.median(bare)
    return [
        median("token in, `sentence` at the client", "ms", bridge, ("<", 2)),
        rank("the same, p99", "ms", bridge, 99),
        median("floor: a bare websockets message of that size", "ms", bare),
        rank("the same, p99", "ms", bare, 99),
        single("bridge / floor, medians", "x", ratio, samples=len(bridge)),
    ]


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            turns=Size(60, 12, "turns of eight sentences"),
            tokens_per_s=Size(200, 200, "tokens a second of the backend"),
        )
    )
