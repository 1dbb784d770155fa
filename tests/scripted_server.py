"""A raw HTTP server on loopback whose every answer is scripted, faults included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

Script = Callable[["Call"], Awaitable[None]]


@dataclass
class Call:
    """One request, and the means to answer it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def head(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Transfer-Encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes | str) -> None:
        data = data.encode() if isinstance(data, str) else data
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def answer(self, status: int, body: bytes | str | dict[str, Any], **headers: str) -> None:
        await self.head(status, "application/json", **headers)
        await self.send(json.dumps(body) if isinstance(body, dict) else body)
        await self.end()

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()

    async def client_gone(self) -> None:
        """Return when the client has closed the connection."""
        while await self.reader.read(1024):
            pass


def event(**chunk: Any) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def delta(content: str | None = None, **more: Any) -> str:
    return event(choices=[{"index": 0, "delta": {"content": content, **more}, "finish_reason": None}])


FINISH = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9})
DONE = "data: [DONE]\n\n"


def sse(*pieces: str | bytes) -> Script:
    """A script that streams these pieces, each as its own chunk, and ends well."""

    async def script(call: Call) -> None:
        await call.head()
        for piece in pieces:
            await call.send(piece)
        await call.end()

    return script


@dataclass
class ScriptedServer:
    """Scripts by path, used in order, the last one for good; `calls` are the requests so far."""

    scripts: dict[str, list[Script]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a script saw its client go."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def on(self, path: str, *scripts: Script) -> None:
        self.scripts[path] = list(scripts)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                call = Call(method, path, headers, body, reader, writer)
                self.calls.append(call)
                scripts = self.scripts.get(path)
                if not scripts:
                    await call.answer(404, {"error": {"message": "no such path"}})
                    continue
                await (scripts.pop(0) if len(scripts) > 1 else scripts[0])(call)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
