"""The reference client: what an adapter does, in Python. The demo, `say`, the tests and the benchmarks use it.

async with connect("ws://127.0.0.1:8765/ws", name="my-game") as client:
    await client.request(NpcUpdate(npc_id="lydia", name="Lydia"))
    async with await client.say("lydia", "Hello!") as turn:
        async for message in turn:
            if isinstance(message, SentenceSaid):
                print(message.text)
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import websockets.asyncio.client
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    PROTOCOL,
    SUBPROTOCOL,
    Capabilities,
    ClientInfo,
    Error,
    FromClient,
    FromServer,
    Hello,
    Identified,
    Identify,
    Notice,
    NpcPrompt,
    Numbered,
    PlayerLine,
    Resume,
    SpeechReport,
    TurnFinished,
    TurnRecorded,
    TurnStarted,
    server_messages,
)

TurnPart = Numbered | AudioFrame


class Disconnected(BridgeError):
    """The daemon is not there, or is no longer."""


class TurnStream:
    """The messages and audio frames of one turn, in order, ending with `turn_finished`."""

    def __init__(self, client: "Client", started: TurnStarted) -> None:
        self.started = started
        self.turn_id = started.turn_id
        self.recorded: asyncio.Future[TurnRecorded] = asyncio.get_running_loop().create_future()
        """`turn_recorded`, which comes after the reports; BridgeError if the turn could not be stored, cancelled
        if the connection is lost before."""
        self._client = client
        self._parts: asyncio.Queue[TurnPart | None] = asyncio.Queue()
        self._over = False

    def __aiter__(self) -> AsyncIterator[TurnPart]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[TurnPart]:
        """Raises Disconnected if the connection is lost before the turn has finished."""
        while not self._over:
            part = await self._parts.get()
            if part is None:
                raise Disconnected(
                    "the daemon closed the connection in the middle of a turn", "reconnect with `resume`"
                )
            self._over = isinstance(part, TurnFinished)
            yield part

    def put(self, part: TurnPart | None) -> None:
        if isinstance(part, TurnRecorded):
            if not self.recorded.done():
                self.recorded.set_result(part)
        elif isinstance(part, Notice):  # not_stored
            if not self.recorded.done():
                self.recorded.set_exception(BridgeError(part.message, part.hint or ""))
                self.recorded.exception()  # whoever awaits it is told; nobody has to
        else:
            self._parts.put_nowait(part)

    async def report(self, seq: int, status: str, heard_ms: int | None = None) -> None:
        """Tell the daemon what was played of a sentence: `started`, `ended` or `aborted`."""
        report = SpeechReport.model_validate(
            {"turn_id": self.turn_id, "seq": seq, "status": status, "heard_ms": heard_ms}
        )
        await self._client.send(report)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.forget(self)


class Client:
    """An identified connection. Make one with `connect`."""

    def __init__(
        self,
        socket: websockets.asyncio.client.ClientConnection,
        hello: Hello,
        identified: Identified,
        on_message: Callable[[Numbered], None],
    ) -> None:
        self.hello = hello
        self.identified = identified
        self.last_n = 0
        """The number of the last message that arrived: what `resume` wants."""
        self._socket = socket
        self._on_message = on_message
        self._ids = map(f"{secrets.token_hex(3)}-{{}}".format, itertools.count(1))
        """Never the same over two connections: a resumed session remembers the ids of the one before."""
        self._answers: dict[str, asyncio.Future[Numbered]] = {}
        self._turns: dict[str, TurnStream] = {}
        self._numbers: dict[int, TurnStream] = {}

    async def send(self, message: FromClient) -> None:
        """Send without waiting for an answer."""
        try:
            await self._socket.send(message.model_dump_json(exclude_none=True))
        except ConnectionClosed as closed:
            raise _gone(closed) from None

    async def request(self, message: FromClient) -> Numbered:
        """Send with an `id` and wait for the answer; raises ProtocolError if it is an `error`."""
        name = next(self._ids)
        message = message.model_copy(update={"id": name})
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        await self.send(message)
        reply: Numbered = await answer
        if isinstance(reply, Error):
            raise ProtocolError(reply.code, reply.message, reply.hint or "", field=reply.field)
        return reply

    async def say(self, npc_id: str, text: str, **fields: Any) -> TurnStream:
        """The player says `text`; the turn's messages can be read as soon as this returns."""
        return await self._begin(PlayerLine(npc_id=npc_id, text=text, **fields))

    async def prompt(self, npc_id: str, reason: str, **fields: Any) -> TurnStream:
        """Have the NPC speak of itself."""
        return await self._begin(NpcPrompt(npc_id=npc_id, text=reason, **fields))

    async def _begin(self, line: FromClient) -> TurnStream:
        started = await self.request(line)
        if not isinstance(started, TurnStarted):
            raise Disconnected(f"the daemon answered with {type(started).__name__}", "check its version")
        return self._turns[started.turn_id]

    def forget(self, turn: TurnStream) -> None:
        self._turns.pop(turn.turn_id, None)
        self._numbers.pop(turn.started.turn_number, None)

    async def read(self) -> None:
        """Deliver what arrives until the connection ends; `connect` runs this."""
        try:
            async for frame in self._socket:
                if isinstance(frame, bytes):
                    audio = AudioFrame.decode(frame)
                    if stream := self._numbers.get(audio.turn_number):
                        stream.put(audio)
                else:
                    message = _parsed(frame)
                    if isinstance(message, Numbered):
                        self._deliver(message)
        finally:
            self._end()

    def _deliver(self, message: Numbered) -> None:
        self.last_n = max(self.last_n, message.n or 0)
        if isinstance(message, TurnStarted):
            stream = TurnStream(self, message)
            self._turns[message.turn_id] = self._numbers[message.turn_number] = stream
        answer = self._answers.pop(getattr(message, "re", None) or "", None)
        if answer and not answer.done():
            answer.set_result(message)
        if stream_or_none := self._turns.get(getattr(message, "turn_id", "")):
            stream_or_none.put(message)
            if isinstance(message, TurnRecorded | Notice):
                self.forget(stream_or_none)
        self._on_message(message)

    def _end(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(_gone(None))
        for stream in self._turns.values():
            stream.put(None)
            stream.recorded.cancel()


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str,
    version: str = "",
    game: str = "",
    audio: str = "binary",
    reports: bool = True,
    playthrough: str = "default",
    token: str | None = None,
    resume: Resume | None = None,
    on_message: Callable[[Numbered], None] = lambda message: None,
) -> AsyncIterator[Client]:
    """Connect and identify; raises Disconnected or ProtocolError. `on_message` sees every numbered message."""
    try:
        socket = await websockets.asyncio.client.connect(
            url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, max_size=None, ping_interval=None
        )
    except (OSError, TimeoutError, ValueError, OverflowError, websockets.exceptions.WebSocketException) as error:
        reason = getattr(error, "strerror", None) or error
        raise Disconnected(f"no daemon answers at {url} ({reason})", "start one with: rfsn-bridge run") from None
    async with socket:
        try:
            hello = await _first(socket, Hello)
            identify = Identify(
                protocol=PROTOCOL.partition(".")[0],
                client=ClientInfo(name=name, version=version, game=game),
                capabilities=Capabilities.model_validate({"audio": audio, "reports": reports}),
                playthrough=playthrough,
                token=token,
                resume=resume,
            )
            await socket.send(identify.model_dump_json(exclude_none=True))
            identified = await _first(socket, Identified)
        except ConnectionClosed as closed:
            raise _gone(closed) from None
        client = Client(socket, hello, identified, on_message)
        client.last_n = resume.last_n if resume and identified.resumed else 0
        reader = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


def _parsed(frame: str) -> FromServer | None:
    """A message; None for one of a type that this client does not know, because its daemon is newer."""
    try:
        return server_messages.validate_json(frame)
    except ValidationError as invalid:
        if invalid.errors()[0]["type"] == "union_tag_invalid":
            return None
        raise


M = TypeVar("M", bound=FromServer)


async def _first(socket: websockets.asyncio.client.ClientConnection, kind: type[M]) -> M:
    frame = await socket.recv()
    try:
        message = server_messages.validate_json(frame)
    except ValidationError:
        raise Disconnected("what answers there is no rfsn-bridge", "check the address and the port") from None
    if isinstance(message, Error):
        raise ProtocolError(message.code, message.message, message.hint or "", field=message.field)
    if not isinstance(message, kind):
        raise Disconnected(f"the daemon sent {type(message).__name__} first", "check its version")
    return message


def _gone(closed: ConnectionClosed | None) -> Disconnected:
    why = f" ({closed.rcvd.code} {closed.rcvd.reason})" if closed and closed.rcvd else ""
    return Disconnected(f"the daemon closed the connection{why}", "reconnect with `resume`")
