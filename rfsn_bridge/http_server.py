"""The HTTP listener, for games that have no WebSocket. Other HTTP adapters mount their routes here."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from rfsn_bridge.bridge import Bridge
from rfsn_bridge.errors import PortTaken
from rfsn_bridge.long_poll import LongPoll, Refused, refused
from rfsn_bridge.loopback import REFUSAL, is_local

_HEADERS_S = 10.0
_BODY_S = 10.0
_MAX_BODY = 256 * 1024
_MAX_CONNECTIONS = 64
_STOP_S = 2


@asynccontextmanager
async def listen_http(bridge: Bridge, host: str, port: int) -> AsyncIterator[str]:
    """Serve `bridge` over HTTP until the block ends; gives the address. Raises PortTaken."""
    listener = _bind(host, port)
    bound: int = listener.getsockname()[1]
    polling = LongPoll(bridge)
    config = uvicorn.Config(
        _Guard(_app(polling), bound),
        http=_Hasty,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    bridge.http_port = bound
    try:
        yield f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
    finally:
        polling.stop()
        server.stop()
        await asyncio.wait([serving])
        listener.close()
        bridge.http_port = None


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where reusing an address takes it from its owner
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_MAX_CONNECTIONS)  # who comes before the server runs waits for it
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
            message = f"port {port} on {host} is already in use"
            hint = "games without WebSocket cannot connect; choose another server.http_port"
        else:
            message, hint = f"cannot listen on {host}:{port}: {error.strerror or error}", "check server.host"
        raise PortTaken(message, hint) from error
    listener.setblocking(False)
    return listener


def _app(polling: LongPoll) -> Starlette:
    async def session(request: Request) -> Response:
        return Response(polling.session(await _body(request)), media_type="application/json")

    async def send(request: Request) -> Response:
        return JSONResponse({"accepted": polling.send(await _body(request))})

    async def poll(request: Request) -> Response:
        return Response(await polling.poll(request.query_params), media_type="application/json")

    return Starlette(
        routes=[
            Route("/session", _answered(session), methods=["POST"]),
            Route("/send", _answered(send), methods=["POST"]),
            Route("/poll", _answered(poll), methods=["GET"]),
        ]
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _answered(endpoint: Endpoint) -> Endpoint:
    """Refusals become `error` messages with their status."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refused as refusal:
            return Response(refusal.text, refusal.status, media_type="application/json")
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BODY:
                    raise refused(413, "too_large", f"a request may have {_MAX_BODY} bytes")
    except TimeoutError:
        raise refused(408, "bad_message", "the request did not come in time") from None
    return bytes(body)


class _Guard:
    """Lets in only whom `is_local` does, whatever the route."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = scope.get("headers", [])
        hosts, origins = (
            [value.decode("latin-1") for key, value in headers if key == name] for name in (b"host", b"origin")
        )
        if is_local(hosts, origins, self._port):
            await self._app(scope, receive, send)
        else:
            await Response(REFUSAL, 403, media_type="text/plain")(scope, receive, send)


class _Hasty(H11Protocol):
    """Closes a connection whose first request does not come; uvicorn alone would wait for ever."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(_HEADERS_S, self._lose_patience)

    def _lose_patience(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Leaves signals to the daemon, and sleeps until it is stopped instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stop.set()

    async def main_loop(self) -> None:
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
