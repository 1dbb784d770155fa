"""A tap on the wire: it stands before the daemon's listeners, passes every byte on, and notes what went over.

It knows as much HTTP as it must to find the messages, changes nothing but the port in `Host` and `Origin` (the
daemon lets in only its own pages), and has each HTTP connection serve one request. It can also be the bad luck
that an adapter must live with: `cut` loses connections as a crash does.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from rfsn_bridge.adapter_test.tape import Closed, Event, Opened, Polled, Told, mapping, said
from rfsn_bridge.errors import PortTaken

_HEAD_S = 10.0
_MAX_HEAD = 64 * 1024
_MAX_BODY = 1024 * 1024
_CHUNK = 64 * 1024

Record = Callable[[Event], None]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Tap:
    """Where an adapter connects instead. `record` gets each event, in order, with the time of `clock`."""

    def __init__(self, record: Record, clock: Callable[[], float]) -> None:
        self._record = record
        self._clock = clock
        self._links = 0
        self._sessions: dict[str, int] = {}
        """The link of each long-poll session."""
        self._told: dict[str, int] = {}
        """The last `n` of each long-poll session that was handed over."""
        self._sockets: dict[int, tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self.requests = 0
        """Long-poll requests under way."""
        self._cut_long_poll = False
        self._refuse_until = 0.0

    @asynccontextmanager
    async def listen(self, host: str, port: int, behind: int) -> AsyncIterator[int]:
        """Stand before the listener on port `behind` until the block ends; gives our port. Raises PortTaken."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                await self._handle((reader, writer), behind)
            writer.close()

        try:
            server = await asyncio.start_server(handle, host, port, limit=_MAX_HEAD)
        except OSError as error:
            message = f"cannot listen on {host}:{port}: {error.strerror or error}"
            raise PortTaken(message, "stop the daemon that runs there, or choose another port") from None
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    def cut(self, *, outage_s: float = 0.0) -> None:
        """Lose every connection at once, and refuse new ones for a while."""
        self._refuse_until = time.monotonic() + outage_s
        for link, writers in list(self._sockets.items()):
            self._record(Closed(self._clock(), link, "test"))
            del self._sockets[link]
            for writer in writers:
                writer.transport.abort()
        self._cut_long_poll = bool(self._sessions)

    # --- One connection

    async def _handle(self, adapter: Stream, behind: int) -> None:
        if time.monotonic() < self._refuse_until:
            adapter[1].transport.abort()
            return
        async with asyncio.timeout(_HEAD_S):
            head = (await adapter[0].readuntil(b"\r\n\r\n")).decode("latin-1")
        port = adapter[1].get_extra_info("sockname")[1]
        head = re.sub(rf"(?im)^((?:host|origin):.*):{port}\r$", rf"\g<1>:{behind}\r", head)
        daemon = await asyncio.open_connection("127.0.0.1", behind, limit=_MAX_HEAD)
        try:
            if re.search(r"(?im)^upgrade:\s*websocket", head):
                await self._websocket(adapter, daemon, head)
            else:
                self.requests += 1
                try:
                    await self._request(adapter, daemon, head)
                finally:
                    self.requests -= 1
        finally:
            daemon[1].close()

    # --- WebSocket

    async def _websocket(self, adapter: Stream, daemon: Stream, head: str) -> None:
        self._links += 1
        link = self._links
        daemon[1].write(head.encode("latin-1"))
        answer = await daemon[0].readuntil(b"\r\n\r\n")
        adapter[1].write(answer)
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            adapter[1].write(await daemon[0].read())
            return
        self._record(Opened(self._clock(), link, "websocket"))
        self._sockets[link] = adapter[1], daemon[1]
        pumps = [
            asyncio.create_task(_pump(adapter[0], daemon[1], _Frames(Side.SERVER, self._said(link)))),
            asyncio.create_task(_pump(daemon[0], adapter[1], _Frames(Side.CLIENT, self._told_frame(link)))),
        ]
        try:
            ended, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if self._sockets.pop(link, None):
                by_adapter = pumps[0] in ended
                self._record(Closed(self._clock(), link, "adapter" if by_adapter else "daemon"))
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def _said(self, link: int) -> Callable[[str | bytes], None]:
        return lambda frame: self._record(said(self._clock(), link, frame))

    def _told_frame(self, link: int) -> Callable[[str | bytes], None]:
        def told(frame: str | bytes) -> None:
            if isinstance(frame, str):  # the rules need no audio
                self._record(Told(self._clock(), link, json.loads(frame)))

        return told

    # --- Long poll

    async def _request(self, adapter: Stream, daemon: Stream, head: str) -> None:
        """One request and its answer. Bodies come with their length: games send them no other way."""
        length = re.search(r"(?im)^content-length:\s*(\d+)", head)
        size = int(length[1]) if length else 0
        if size > _MAX_BODY:
            return
        body = await adapter[0].readexactly(size)
        method, target = head.split(" ", 2)[:2]
        path = f"{method} {urlsplit(target).path}"
        note_answer = self._note_request(path, target, body)
        head = re.sub(r"(?im)^(?:connection|keep-alive):.*\r\n", "", head)
        head = head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        daemon[1].write(head.encode("latin-1") + body)
        gone = asyncio.create_task(adapter[0].read(1))  # it ends its request, and the daemon learns of it
        answer = asyncio.create_task(daemon[0].read())
        try:
            await asyncio.wait([gone, answer], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                return
            if self._cut_long_poll and note_answer:
                self._cut_long_poll = False
                self._record(Closed(self._clock(), max(self._sessions.values()), "test"))
                adapter[1].transport.abort()
                return
            adapter[1].write(answer.result())
            await adapter[1].drain()
            if note_answer:
                note_answer(_json_body(answer.result()))
        finally:
            for task in (gone, answer):
                task.cancel()
            await asyncio.gather(gone, answer, return_exceptions=True)

    def _note_request(self, path: str, target: str, body: bytes) -> Callable[[Any], None] | None:
        """Note what the adapter asks; what to do with the answer's JSON, for the three requests there are."""
        if path == "POST /session":
            self._links += 1
            link = self._links
            self._record(Opened(self._clock(), link, "long poll"))
            self._record(said(self._clock(), link, body.decode(errors="replace")))
            return lambda answer: self._session_began(link, answer)
        if path == "POST /send":
            document = mapping(_parsed(body))
            link = self._sessions.get(str(document.get("session_id")), 0)
            for message in document.get("messages") or [] if link else []:
                self._record(said(self._clock(), link, json.dumps(message, ensure_ascii=False)))
            return lambda answer: None
        if path == "GET /poll":
            query = parse_qs(urlsplit(target).query)
            session, after = query.get("session", [""])[0], query.get("after", ["0"])[0]
            link = self._sessions.get(session, 0)
            if link and after.isdecimal():
                self._record(Polled(self._clock(), link, int(after)))
            return lambda answer: self._hand_over(session, link, answer)
        return None

    def _session_began(self, link: int, answer: Any) -> None:
        message = mapping(answer)
        if message.get("type") == "identified":
            session = str(message["session_id"])
            self._sessions[session] = link
            if not message["resumed"]:
                self._told[session] = 0
        if message:
            self._record(Told(self._clock(), link, message))

    def _hand_over(self, session: str, link: int, answer: Any) -> None:
        for message in mapping(answer).get("messages") or []:
            n = int(message.get("n") or 0)
            if link and n > self._told.get(session, 0):  # an answer that was lost comes twice
                self._told[session] = n
                self._record(Told(self._clock(), link, message))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, frames: "_Frames") -> None:
    """Pass bytes on until they end; what they hold is noted before it is passed on."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            frames.feed(data)
            sink.write(data)
            await sink.drain()
            if frames.closed and frames.side is Side.CLIENT:
                break


class _Frames:
    """Finds the messages in one direction of a WebSocket. `side` is the side that receives them."""

    def __init__(self, side: Side, note: Callable[[str | bytes], None]) -> None:
        self.side = side
        self.closed = False
        self._protocol = Protocol(side, state=State.OPEN, max_size=None)
        self._note = note
        self._parts: list[Frame] = []

    def feed(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._protocol.data_to_send()  # its answers to pings and closes, which are the daemon's to give
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.closed = True
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(frame)
            if frame.fin:
                whole = b"".join(bytes(part.data) for part in self._parts)
                text = self._parts[0].opcode is Opcode.TEXT
                self._parts.clear()
                self._note(whole.decode(errors="replace") if text else whole)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _json_body(answer: bytes) -> Any:
    """The JSON of an HTTP answer, if it is any; a chunked body is put together."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if re.search(rb"(?im)^transfer-encoding:\s*chunked", head):
        whole = b""
        while (size := int(body.partition(b"\r\n")[0] or b"0", 16)) > 0:
            start = body.index(b"\r\n") + 2
            whole += body[start : start + size]
            body = body[start + size + 2 :]
        body = whole
    return _parsed(body)
