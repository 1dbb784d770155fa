"""One connected game: its NPCs, its turns, what it watches. It outlives a connection by the resume grace."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from rfsn_bridge.domain import Exchange, Npc, NpcState, Situation, Turn, TurnStatus
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.memory.heard import Hearing
from rfsn_bridge.memory.store import Store
from rfsn_bridge.mind.state import apply_transition, settle
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    Audio,
    ClientMessage,
    Conditions,
    FromClient,
    Identify,
    Interrupt,
    Metrics,
    Notice,
    NpcGone,
    NpcPrompt,
    NpcSeed,
    NpcUpdate,
    Numbered,
    Ping,
    PlayerLine,
    Pong,
    SpeechReport,
    Subscribe,
    Tune,
    TurnRecorded,
    Unsubscribe,
)
from rfsn_bridge.protocol.session import Close, Event, Reply, Session, error_message
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.turn import Line, RunningTurn, state_view

log = logging.getLogger(__name__)

_MAX_NPCS = 1024
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


@dataclass(slots=True)
class _Known:
    """An NPC of this game: who it is, how it stands to the player, what it remembers of late."""

    npc: Npc
    state: NpcState
    history: deque[Exchange]
    memory: asyncio.Task[None] | None = None
    forced: list[NpcSeed] = field(default_factory=list)
    """What the game ordered its state to be while its memory was still being read."""
    unrecorded: dict[str, RunningTurn] = field(default_factory=dict)

    def standing(self) -> NpcState:
        """Its state now: what was said to it counts at once, also in turns that are still being recorded."""
        state = self.state
        for turn in self.unrecorded.values():
            if turn.decision:
                state = apply_transition(state, turn.decision.signal)
        return state

    def remembered(self, before: RunningTurn, now: float) -> list[Exchange]:
        """What was heard before a turn, oldest first; also of turns that are still being recorded."""
        pending = [turn for turn in self.unrecorded.values() if turn is not before]
        return [*self.history, *(_exchange(turn.line, turn.heard.so_far(now)) for turn in pending)]


class Game:
    """Carries out what one client asks and sends it what comes of it."""

    def __init__(self, session: Session, bridge: Daemon, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.session = session
        self.connection: Connection | None = None
        self._bridge = bridge
        self._clock = clock
        self._npcs: dict[str, _Known] = {}
        self._leaving: dict[str, _Known] = {}
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
                self._update(message)
                self._done(message)
            case NpcGone():
                for npc_id in message.npc_ids:
                    self._leave(npc_id)
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

    # --- NPCs

    def _update(self, message: NpcUpdate) -> None:
        given = {
            key: value
            for key in ("name", "race", "gender", "voice_type", "voice", "bio")
            if (value := getattr(message, key)) is not None
        }
        if message.examples is not None:
            given["examples"] = tuple(Exchange(example.player, example.npc) for example in message.examples)
        if message.npc_id not in self._npcs and len(self._npcs) >= _MAX_NPCS:
            raise ProtocolError("busy", f"{_MAX_NPCS} NPCs are known already", "send `npc_gone` for some")
        known = self._npcs.get(message.npc_id) or self._leaving.pop(message.npc_id, None)
        if known is None:
            npc = Npc(npc_id=message.npc_id, **given)
            recent = self._bridge.snapshot.config.memory.recent_turns
            known = _Known(npc, NpcState(), deque(maxlen=recent))
            known.memory = asyncio.create_task(self._remember(known, message.state, force=message.force))
        else:
            known.npc = replace(known.npc, **given)
            if message.state and message.force:
                known.state = _seeded(known.state, message.state)
                if known.memory and not known.memory.done():
                    known.forced.append(message.state)
        self._npcs[message.npc_id] = known
        known.state = _with_conditions(known.state, message.conditions)

    async def _remember(self, known: _Known, seed: NpcSeed | None, *, force: bool) -> None:
        """Bring back what is on disk of an NPC; the game's `state` counts where nothing is."""
        try:
            limit = known.history.maxlen or 0
            history, state = await self._bridge.store.recall(self.playthrough, known.npc.npc_id, limit)
        except BridgeError as error:
            self.send(Notice(level="warning", code="memory", message=error.message, hint=error.hint))
            history, state = [], None
        known.history.extendleft(reversed(history))
        met = known.state if state is None else state
        if seed and (force or state is None):
            met = _seeded(met, seed)
        for forced in known.forced:
            met = _seeded(met, forced)
        fight, quest = known.state.combat_active, known.state.quest_active  # the game's word, not memory's
        known.state = replace(met, combat_active=fight, quest_active=quest)

    def _leave(self, npc_id: str) -> None:
        """Forget an NPC as soon as its last turn is recorded; it may come back before."""
        self._interrupt_npc(npc_id)
        known = self._npcs.pop(npc_id, None)
        if known and known.unrecorded:
            self._leaving[npc_id] = known

    def _known(self, npc_id: str) -> _Known:
        if known := self._npcs.get(npc_id):
            return known
        raise ProtocolError("unknown_npc", f"no NPC {npc_id!r} is known", "send npc_update first", field="npc_id")

    # --- Turns

    def _start_turn(self, message: PlayerLine | NpcPrompt) -> None:
        known = self._known(message.npc_id)
        if len(self._tasks) >= _MAX_TURNS:
            raise ProtocolError("busy", f"{_MAX_TURNS} turns are under way", "wait for one to finish")
        self._interrupt_npc(message.npc_id)
        context = message.context
        line = Line(
            npc=known.npc,
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
        self._turns[turn_id] = known.unrecorded[turn_id] = turn
        self._reported[turn_id] = asyncio.Event()
        self._tasks[turn_id] = asyncio.create_task(self._live(turn, known), name=f"turn {turn_id}")

    async def _live(self, turn: RunningTurn, known: _Known) -> None:
        """A turn's whole life: produced, heard, recorded."""
        started_at = time.time()
        produced = asyncio.create_task(self._produce(turn, known))
        try:
            await turn.over.wait()
            produced.cancel()  # does nothing where it has ended by itself
            await asyncio.wait([produced])
            await self._until_heard(turn)
            await self._record(turn, known, started_at)
        finally:
            produced.cancel()
            self.session.forget_audio(turn.turn_id)
            known.unrecorded.pop(turn.turn_id, None)
            if not known.unrecorded and self._leaving.get(known.npc.npc_id) is known:
                del self._leaving[known.npc.npc_id]
            del self._turns[turn.turn_id], self._reported[turn.turn_id], self._tasks[turn.turn_id]
            self._past[turn.turn_id] = None
            if len(self._past) > _PAST_TURNS:
                self._past.popitem(last=False)

    async def _produce(self, turn: RunningTurn, known: _Known) -> None:
        try:
            if known.memory:
                await asyncio.shield(known.memory)
            history = known.remembered(turn, self._clock())
            await turn.run(known.standing(), history, Random(turn.turn_id))  # noqa: S311  # a choice, not a secret
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

    async def _record(self, turn: RunningTurn, known: _Known, started_at: float) -> None:
        """Take what was heard into memory, and say so once it is on disk."""
        heard_text, through = turn.heard.result(self._clock())
        if turn.decision:
            known.state = apply_transition(known.state, turn.decision.signal)
            if heard_text:
                known.state = apply_transition(known.state, turn.decision.action)
        if turn.line.by_player or heard_text:
            known.history.append(_exchange(turn.line, heard_text))
        known.unrecorded.pop(turn.turn_id, None)
        record = Turn(
            turn_id=turn.turn_id,
            playthrough=self.playthrough,
            npc_id=turn.line.npc.npc_id,
            npc_name=turn.line.npc.name,
            player_text=turn.line.text if turn.line.by_player else "",
            heard_text=heard_text,
            heard_through_seq=through,
            status=turn.status or TurnStatus.FAILED,
            state=known.state,
            decision=turn.decision,
            hearers=turn.line.hearers,
            started_at=started_at,
        )
        try:
            await self._bridge.store.record(record)
        except BridgeError as error:
            self.send(Notice(level="error", code="not_stored", message=error.message, hint=error.hint))
            return
        self.send(
            TurnRecorded(
                turn_id=turn.turn_id,
                heard_text=heard_text,
                heard_through_seq=through,
                state=state_view(record.state),
            )
        )

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
            self._known(message.npc_id)
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
        self.connection = None
        for turn in list(self._turns.values()):
            turn.interrupt()
            turn.heard.abandon(self._clock())
            self._reported[turn.turn_id].set()
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks)


def _exchange(line: Line, heard_text: str) -> Exchange:
    return Exchange(line.text if line.by_player else "", heard_text)


def _seeded(state: NpcState, seed: NpcSeed) -> NpcState:
    given = {key: value for key, value in seed.model_dump().items() if value is not None}
    if "relationship" in given and "affinity" not in given:
        given["affinity"] = _AFFINITY_OF[given["relationship"].value]
    seeded = settle(replace(state, **given))
    return replace(seeded, relationship=given["relationship"]) if "relationship" in given else seeded


# Where a game names the relationship alone, affinity begins in the middle of its tier.
_AFFINITY_OF = {"enemy": -0.8, "rival": -0.4, "stranger": 0.0, "acquaintance": 0.0, "friend": 0.4, "ally": 0.8}


def _with_conditions(state: NpcState, conditions: Conditions | None) -> NpcState:
    if conditions is None:
        return state
    fight, quest = conditions.combat_active, conditions.quest_active
    return replace(
        state,
        combat_active=state.combat_active if fight is None else fight,
        quest_active=state.quest_active if quest is None else quest,
    )
