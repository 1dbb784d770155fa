"""A client of the daemon that hides nothing: what it sends is what is on the wire, what it saw stands in order."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets

from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.testing import RunningDaemon, ScriptedLLM, Settings, running_daemon

PATIENCE_S = 10
_REQUESTS = itertools.count(1)
Seen = dict[str, Any] | AudioFrame


@dataclass
class RawClient:
    """One connection. `seen` is everything that was received, audio frames among it."""

    socket: websockets.ClientConnection
    seen: list[Seen] = field(default_factory=list)

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self) -> Seen:
        frame = await asyncio.wait_for(self.socket.recv(), PATIENCE_S)
        seen = AudioFrame.decode(frame) if isinstance(frame, bytes) else json.loads(frame)
        self.seen.append(seen)
        return seen

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Receive up to the next message of this type with these fields."""
        while True:
            seen = await self.receive()
            if isinstance(seen, dict) and seen["type"] == kind and fields.items() <= seen.items():
                return seen

    async def until_frame(self) -> AudioFrame:
        while True:
            seen = await self.receive()
            if isinstance(seen, AudioFrame):
                return seen

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send with an `id` and receive up to the answer."""
        request = f"q{next(_REQUESTS)}"
        await self.send(id=request, **message)
        while True:
            seen = await self.receive()
            if isinstance(seen, dict) and seen.get("re") == request:
                return seen

    async def meet(self, npc_id: str, **fields: Any) -> None:
        await self.ask(type="npc_update", npc_id=npc_id, **{"name": npc_id, **fields})

    async def say(self, npc_id: str, text: str = "Tell me more.", **fields: Any) -> str:
        """A line of the player; the turn's id."""
        started = await self.ask(type="player_line", npc_id=npc_id, text=text, **fields)
        assert started["type"] == "turn_started", started
        return str(started["turn_id"])

    async def settle(self) -> None:
        """Receive what was sent before now: everything up to the answer of a ping."""
        await self.ask(type="ping")

    async def closed(self) -> tuple[int, str]:
        """Receive up to the end of the connection; its code and reason."""
        try:
            while True:
                await self.receive()
        except websockets.ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def lose(self) -> None:
        """Lose the connection without a closing handshake."""
        self.socket.transport.abort()

    def messages(self, kind: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        return [
            seen
            for seen in self.seen
            if isinstance(seen, dict) and kind in (None, seen["type"]) and fields.items() <= seen.items()
        ]

    def frames(self) -> list[AudioFrame]:
        return [seen for seen in self.seen if isinstance(seen, AudioFrame)]

    @property
    def last_n(self) -> int:
        return max((int(message.get("n", 0)) for message in self.messages()), default=0)


@asynccontextmanager
async def raw_client(
    url: str,
    *,
    audio: str = "none",
    reports: bool = False,
    visemes: bool = False,
    playthrough: str = "default",
    resume: dict[str, Any] | None = None,
) -> AsyncIterator[RawClient]:
    """An identified client; `identified` is the second message that it has seen."""
    async with websockets.connect(url, compression=None, max_size=None) as socket:
        client = RawClient(socket)
        await client.until("hello")
        identify: dict[str, Any] = {
            "type": "identify",
            "protocol": "1",
            "client": {"name": "test"},
            "capabilities": {"audio": audio, "reports": reports, "visemes": visemes},
            "playthrough": playthrough,
        }
        if resume:
            identify["resume"] = resume
        await client.send(**identify)
        await client.until("identified")
        yield client


@asynccontextmanager
async def daemon_and_client(
    llm: ScriptedLLM, data: Path, settings: Settings | None = None, **client: Any
) -> AsyncIterator[tuple[RunningDaemon, RawClient]]:
    """A daemon of its own and a client of it."""
    async with running_daemon(llm, data, settings) as daemon, raw_client(daemon.url, **client) as raw:
        yield daemon, raw
