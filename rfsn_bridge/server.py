"""The listener: the game's WebSocket, and a few pages over GET on the same port."""

import asyncio
import errno
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from rfsn_bridge import paths
from rfsn_bridge.bridge import Bridge
from rfsn_bridge.errors import PortTaken, ProtocolError
from rfsn_bridge.loopback import REFUSAL, is_local
from rfsn_bridge.protocol.messages import SUBPROTOCOL
from rfsn_bridge.protocol.session import Close, Handshake, Reply, encode

log = logging.getLogger(__name__)

_IDENTIFY_S = 5.0
_WRITE_S = 5.0
_MAX_QUEUED_BYTES = 4 * 1024 * 1024
_TRY_AGAIN_LATER = 1013
_PAGES = {"/game": "game.html", "/game/game.js": "game.js", "/game/game.css": "game.css"}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Listening:
    """Where clients connect."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"ws://{self.authority}/ws"


@asynccontextmanager
async def listen(bridge: Bridge, host: str, port: int) -> AsyncIterator[Listening]:
    """Serve `bridge` until the block ends; raises PortTaken."""
    door = _Door(bridge)
    try:
        server = await serve(
            door.converse,
            host,
            port,
            process_request=door.answer_get,
            select_subprotocol=_select_subprotocol,
            compression=None,
            max_size=bridge.limits.max_message_bytes,
            max_queue=16,
            open_timeout=10,
            # A game in a menu answers no pings for minutes; on loopback a dead client's socket closes by itself.
            ping_interval=None,
            close_timeout=2,
            server_header=None,
        )
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
            message = f"port {port} on {host} is already in use"
            hint = "stop the other program (another rfsn-bridge?), or choose another port with --port"
        else:
            message, hint = (
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                "check server.host in config.yaml",
            )
        raise PortTaken(message, hint) from error
    async with server:
        yield Listening(host, _port(server))


def _port(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


def _select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Ours where the client offers it; it need not."""
    return next((name for name in offered if name == SUBPROTOCOL), None)


class _Door:
    """Decides who may come in, and leads each connection to its game."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._pages = {name: paths.pages / file for name, file in _PAGES.items()}

    def answer_get(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a plain GET; None lets a WebSocket open."""
        port = connection.local_address[1]
        if not is_local(request.headers.get_all("Host"), request.headers.get_all("Origin"), port):
            return connection.respond(HTTPStatus.FORBIDDEN, REFUSAL)
        path = request.path.partition("?")[0]
        if path == "/ws":
            return None
        if path == "/health":
            response = connection.respond(HTTPStatus.OK, json.dumps(self._bridge.health()) + "\n")
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = "application/json"
            return response
        if page := self._pages.get(path):
            return _page(connection, page)
        return connection.respond(
            HTTPStatus.NOT_FOUND, "nothing here; games connect to /ws, GET /health tells how it is\n"
        )

    async def converse(self, socket: ServerConnection) -> None:
        """One connection, from `hello` to its end."""
        connection = _Outgoing(socket)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(connection.write())
                await self._converse(socket, connection)
                connection.close(1000, "")
                await writer
        except* ConnectionClosed:
            pass

    async def _converse(self, socket: ServerConnection, connection: "_Outgoing") -> None:
        handshake = Handshake(self._bridge.hello())
        connection.send(encode(handshake.hello))
        try:
            async with asyncio.timeout(_IDENTIFY_S):
                identify = handshake.receive(await socket.recv())
        except TimeoutError:
            identify = handshake.timed_out()
        if isinstance(identify, tuple):
            return connection.refuse(*identify)
        try:
            game = self._bridge.welcome(identify, connection)
        except ProtocolError as error:
            return connection.refuse(*handshake.refuse(error, _TRY_AGAIN_LATER, identify.id))
        try:
            async for frame in socket:
                game.receive(frame)
        finally:
            self._bridge.leave(game, connection)


def _page(connection: ServerConnection, file: Path) -> Response:
    response = connection.respond(HTTPStatus.OK, "")
    response.body = file.read_bytes()
    host, port = connection.local_address[:2]
    own = f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port} ws://localhost:{port}"
    for name, value in {
        "Content-Type": _TYPES[file.suffix],
        "Content-Length": str(len(response.body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"connect-src 'self' {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    }.items():
        response.headers.pop(name, None)
        response.headers[name] = value
    return response


class _Outgoing:
    """What waits to be written to a client; a client that does not read is cut off."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._frames: deque[str | bytes] = deque()
        self._bytes = 0
        self._closing: Close | None = None
        self._news = asyncio.Event()

    def send(self, frame: str | bytes) -> None:
        if self._closing:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._bytes > _MAX_QUEUED_BYTES:
            self._frames.clear()
            self.close(_TRY_AGAIN_LATER, "the client does not read")
        self._news.set()

    def close(self, code: int, reason: str) -> None:
        """After what was sent before."""
        self._closing = self._closing or Close(code, reason)
        self._news.set()

    def refuse(self, reply: Reply, close: Close) -> None:
        self.send(reply.text)
        self.close(close.code, close.reason)

    async def write(self) -> None:
        """Until closed, write what comes; a write that takes too long ends the connection."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
                try:
                    async with asyncio.timeout(_WRITE_S):
                        await self._socket.send(frame)
                except TimeoutError:
                    log.warning("a client does not read; it is cut off")
                    self._socket.transport.abort()
                    return
            if self._closing:
                await self._socket.close(self._closing.code, self._closing.reason)
                return
            self._news.clear()
            await self._news.wait()
