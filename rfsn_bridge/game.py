"""One connected game: its NPCs, its turns, what it watches. It outlives a connection by the resume grace."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from random import Random
from typing import Protocol

from rfsn_bridge.cast import Cast, Member
from rfsn_bridge.domain import Situation, Turn, TurnStatus
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.memory.heard import Hearing
from rfsn_bridge.memory.store import Store
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    Audio,
    ClientMessage,
    FromClient,
    Identify,
    Interrupt,
    Metrics,
    Notice,
    NpcGone,
    NpcPrompt,
    NpcUpdate,
    Numbered,
    Ping,
    PlayerLine,
    Pong,
    SpeechReport,
    StateView,
    Subscribe,
    Tune,
    TurnRecorded,
    Unsubscribe,
)
from rfsn_bridge.protocol.session import Close, Event, Reply, Session, error_message
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.turn import Line, RunningTurn

log = logging.getLogger(__name__)

_MAX_TURNS = 32
_PAST_TURNS = 256
_METRICS_EVERY_S = 0.5


class Connection(Protocol):
    """A way to the client; never blocks. What cannot be delivered is the session's to repeat."""

    def send(self, frame: str | bytes) -> None: ...
    def close(self, code: int, reason: str) -> None: ...


class Daemon(Protocol):
    """What a game needs of the bridge."""

    @property
    def snapshot(self) -> Snapshot: ...
    @property
    def store(self) -> Store: ...
    @property
    def meter(self) -> Meter: ...
    def tune(self, message: Tune) -> dict[str, object]: ...
    def metrics(self) -> Metrics: ...


class Game:
    """Carries out what one client asks and sends it what comes of it."""

    def __init__(self, session: Session, bridge: Daemon, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.session = session
        self.connection: Connection | None = None
        self._bridge = bridge
        self._clock = clock
        self._cast = Cast(session.identify.playthrough, bridge.store, self._warn_of_memory)
        self._turns: dict[str, RunningTurn] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reported: dict[str, asyncio.Event] = {}
        self._past: OrderedDict[str, None] = OrderedDict()
        self._turn_count = 0
        self._watching: asyncio.Task[None] | None = None

    @property
    def playthrough(self) -> str:
        return self.session.identify.playthrough

    @property
    def audio(self) -> bool:
        """Whether speech goes to this client."""
        return self.session.identify.capabilities.audio == "binary" and self._bridge.snapshot.voice is not None

    # --- In

    def receive(self, frame: str | bytes) -> None:
        """One frame of the client."""
        for event in self.session.receive(frame, self._clock()):
            self._carry_out(event)

    def _carry_out(self, event: Event) -> None:
        if isinstance(event, Reply):
            self._write(event.text)
        elif isinstance(event, Close):
            if self.connection:
                self.connection.close(event.code, event.reason)
        else:
            try:
                self._handle(event)
            except ProtocolError as error:
                self.send(error_message(error, event.id))

    def _handle(self, message: ClientMessage) -> None:
        match message:
            case NpcUpdate():
                self._cast.update(message, self._bridge.snapshot.config.memory.recent_turns)
                self._done(message)
            case NpcGone():
                for npc_id in message.npc_ids:
                    self._interrupt_npc(npc_id)
                    self._cast.leave(npc_id)
                self._done(message)
            case PlayerLine() | NpcPrompt():
                self._start_turn(message)
            case SpeechReport():
                self._report(message)
                self._done(message)
            case Interrupt():
                self._done(message, {"interrupted": self._interrupt(message)})
            case Tune():
                self._done(message, self._bridge.tune(message))
            case Subscribe():
                self._subscribe(message)
                self._done(message)
            case Unsubscribe():
                if "metrics" in message.topics:
                    self._unsubscribe()
                self._done(message)
            case Ping():
                self.send(Pong(re=message.id, t=message.t))
            case Identify():  # the session has refused it already
                raise ProtocolError("bad_message", "already identified")

    # --- Out

    def send(self, message: Numbered) -> None:
        self._write(self.session.send(message))

    def begin_audio(self, audio: Audio, turn_number: int) -> None:
        self._write(self.session.begin_audio(audio, turn_number))

    def send_frame(self, turn_id: str, frame: AudioFrame) -> None:
        self._write(self.session.frame(turn_id, frame))

    def _done(self, request: FromClient, data: dict[str, object] | None = None) -> None:
        if text := self.session.answer(request, data):
            self._write(text)

    def _write(self, frame: str | bytes) -> None:
        if self.connection:
            self.connection.send(frame)

    # --- Turns

    def _start_turn(self, message: PlayerLine | NpcPrompt) -> None:
        member = self._cast.get(message.npc_id)
        if len(self._tasks) >= _MAX_TURNS:
            raise ProtocolError("busy", f"{_MAX_TURNS} turns are under way", "wait for one to finish")
        self._interrupt_npc(message.npc_id)
        context = message.context
        line = Line(
            npc=member.npc,
            text=message.text,
            by_player=isinstance(message, PlayerLine),
            hearers=tuple(message.hearers),
            situation=Situation(context.location, context.time_of_day, context.weather, tuple(context.events)),
            re=message.id,
        )
        self._turn_count += 1
        turn_id = f"{self.session.session_id}.{self._turn_count}"
        reports = self.session.identify.capabilities.reports
        turn = RunningTurn(
            turn_id,
            self._turn_count,
            line,
            self._bridge.snapshot,
            self,
            self._bridge.meter,
            speaks=self.audio,
            hearing=(Hearing.REPORTED if reports else Hearing.PLAYED) if self.audio else Hearing.SHOWN,
            clock=self._clock,
        )
        self._turns[turn_id] = member.unrecorded[turn_id] = turn
        self._reported[turn_id] = asyncio.Event()
        self._tasks[turn_id] = asyncio.create_task(self._live(turn, member), name=f"turn {turn_id}")

    async def _live(self, turn: RunningTurn, member: Member) -> None:
        """A turn's whole life: produced, heard, recorded."""
        started_at = time.time()
        produced = asyncio.create_task(self._produce(turn, member))
        try:
            await turn.over.wait()
            produced.cancel()  # does nothing where it has ended by itself
            await asyncio.wait([produced])
            await self._until_heard(turn)
            await self._record(turn, member, started_at)
        finally:
            produced.cancel()
            self.session.forget_audio(turn.turn_id)
            self._cast.settle(member, turn.turn_id)
            del self._turns[turn.turn_id], self._reported[turn.turn_id], self._tasks[turn.turn_id]
            self._past[turn.turn_id] = None
            if len(self._past) > _PAST_TURNS:
                self._past.popitem(last=False)

    async def _produce(self, turn: RunningTurn, member: Member) -> None:
        try:
            if member.memory:
                await asyncio.shield(member.memory)
            history = member.remembered(turn, self._clock())
            await turn.run(member.standing(), history, Random(turn.turn_id))  # noqa: S311  # a choice, not a secret
        finally:
            turn.interrupt()  # whatever happened, it is over

    async def _until_heard(self, turn: RunningTurn) -> None:
        deadline = turn.heard.finished(self._clock(), interrupted=turn.status is TurnStatus.INTERRUPTED)
        reported = self._reported[turn.turn_id]
        while not turn.heard.settled and (left := deadline - self._clock()) > 0:
            reported.clear()
            try:
                await asyncio.wait_for(reported.wait(), left)
            except TimeoutError:
                break

    async def _record(self, turn: RunningTurn, member: Member, started_at: float) -> None:
        """Take what was heard into memory, and say so once it is on disk."""
        heard_text, through = turn.heard.result(self._clock())
        member.take_in(turn, heard_text)
        record = Turn(
            turn_id=turn.turn_id,
            playthrough=self.playthrough,
            npc_id=turn.line.npc.npc_id,
            npc_name=turn.line.npc.name,
            player_text=turn.line.text if turn.line.by_player else "",
            heard_text=heard_text,
            heard_through_seq=through,
            status=turn.status or TurnStatus.FAILED,
            state=member.state,
            decision=turn.decision,
            hearers=turn.line.hearers,
            started_at=started_at,
        )
        try:
            await self._bridge.store.record(record)
        except BridgeError as error:
            log.error("a turn was not stored: %s", error)
            notice = Notice(level="error", code="not_stored", message=error.message, hint=error.hint)
            self.send(notice.model_copy(update={"turn_id": turn.turn_id}))
            return
        self.send(
            TurnRecorded(
                turn_id=turn.turn_id,
                heard_text=heard_text,
                heard_through_seq=through,
                state=StateView.of(record.state),
            )
        )

    def _warn_of_memory(self, error: BridgeError) -> None:
        self.send(Notice(level="warning", code="memory", message=error.message, hint=error.hint))

    def _report(self, message: SpeechReport) -> None:
        turn = self._turns.get(message.turn_id)
        if turn is None:
            if message.turn_id in self._past:
                return  # it came after its deadline
            raise ProtocolError("unknown_turn", f"there is no turn {message.turn_id!r}", field="turn_id")
        if not turn.heard.report(message.seq, message.status, message.heard_ms, self._clock()):
            raise ProtocolError(
                "invalid_value", f"turn {message.turn_id!r} has no sentence {message.seq}", field="seq"
            )
        if message.status != "started":
            self.session.forget_audio(message.turn_id, message.seq)
        self._reported[message.turn_id].set()

    # --- Interruption

    def _interrupt(self, message: Interrupt) -> int:
        """Interrupt what the message names; how many turns that were."""
        if message.turn_id is not None:
            if message.turn_id not in self._turns and message.turn_id not in self._past:
                raise ProtocolError("unknown_turn", f"there is no turn {message.turn_id!r}", field="turn_id")
            chosen = [turn for turn in self._turns.values() if turn.turn_id == message.turn_id]
        elif message.npc_id is not None:
            self._cast.get(message.npc_id)
            chosen = [turn for turn in self._turns.values() if turn.line.npc.npc_id == message.npc_id]
        else:
            chosen = list(self._turns.values())
        return sum(turn.interrupt() for turn in chosen)

    def _interrupt_npc(self, npc_id: str) -> None:
        for turn in list(self._turns.values()):
            if turn.line.npc.npc_id == npc_id:
                turn.interrupt()

    # --- Watching

    def _subscribe(self, message: Subscribe) -> None:
        missing = [topic for topic in message.topics if topic != "metrics"]
        if missing:
            raise ProtocolError(
                "unavailable", f"{missing[0]!r} cannot be watched yet", "subscribe to metrics alone"
            )
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            self.send(self._bridge.metrics())
            await asyncio.sleep(_METRICS_EVERY_S)

    def _unsubscribe(self) -> None:
        if self._watching:
            self._watching.cancel()
            self._watching = None

    # --- Connections

    def attach(self, connection: Connection) -> None:
        """A connection takes over, from one that may linger half-open."""
        if self.connection:
            self.connection.close(1000, "taken over by a new connection")
        self.connection = connection

    def resume(self, last_n: int) -> None:
        for frame in self.session.resume(last_n):
            self._write(frame)

    async def end(self) -> None:
        """Interrupt every turn and wait until what was heard of them is recorded."""
        self._unsubscribe()
        for turn in list(self._turns.values()):
            turn.interrupt()
            turn.heard.abandon(self._clock())
            self._reported[turn.turn_id].set()
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks)
