"""One connected game: its NPCs, its turns, what it watches. It outlives a connection by the resume grace."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, Protocol

from rfsn_bridge.cast import Cast, Member
from rfsn_bridge.deeds import ANSWER_S, Deeds
from rfsn_bridge.domain import ActionCall, Memory, NpcState, Situation, Turn, TurnStatus
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.game_time import GameTime
from rfsn_bridge.insight import Insight
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory.heard import Hearing, PlayingTime
from rfsn_bridge.memory.store import Store
from rfsn_bridge.mind.game_actions import named_targets
from rfsn_bridge.mind.prompt import in_mind
from rfsn_bridge.mind.rewards import Heard
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    ActionResult,
    ActionsRegister,
    ActionsUnregister,
    Audio,
    ClientMessage,
    Explain,
    Feedback,
    FromClient,
    GameEvent,
    GamePaused,
    GameStarted,
    Identify,
    Interrupt,
    LearningReset,
    MemoryBackups,
    MemoryGet,
    MemoryReset,
    MemoryRestore,
    MemorySearch,
    MemoryStats,
    Metrics,
    Notice,
    NpcGone,
    NpcPrompt,
    NpcStateRequest,
    NpcUpdate,
    Numbered,
    Ping,
    PlayerLine,
    Pong,
    Positions,
    SaveCreated,
    SaveLoaded,
    SpeechReport,
    StateView,
    Subscribe,
    Tune,
    TurnRecorded,
    Unsubscribe,
)
from rfsn_bridge.protocol.session import Close, Event, Reply, Session, error_message
from rfsn_bridge.remembrance import About, Remembrance
from rfsn_bridge.repertoire import Repertoire
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.summariser import Summariser
from rfsn_bridge.turn import Delivery, Line, Mindset, RunningTurn

log = logging.getLogger(__name__)

_MAX_TURNS = 32
_MOST_SUMMARIES = 12
"""That a reply is told of."""
_OVERHEARD = 3
"""Talks of others that a reply is told of because they were just heard."""
_METRICS_EVERY_S = 0.5

AudioMode = Literal["binary", "file", "daemon", "none"]


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
    @property
    def summariser(self) -> Summariser: ...
    @property
    def games(self) -> "Sequence[Game]": ...
    def tune(self, message: Tune) -> dict[str, object]: ...
    def metrics(self) -> Metrics: ...


def _how_much(turn: RunningTurn, heard_text: str) -> Heard:
    """How much was heard of a turn."""
    if not heard_text:
        return Heard.NOTHING
    cut = turn.status is TurnStatus.INTERRUPTED or heard_text != turn.text
    return Heard.CUT_OFF if cut else Heard.ALL


class Game:
    """Carries out what one client asks and sends it what comes of it."""

    def __init__(self, session: Session, bridge: Daemon, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.session = session
        self.connection: Connection | None = None
        self._bridge = bridge
        self._clock = clock
        self.playthrough = session.identify.playthrough
        self._playing = PlayingTime(clock)
        self._game_time = GameTime(self._playing)
        self._cast = Cast(
            self.playthrough,
            bridge.store,
            lambda: bridge.snapshot.mind,
            self._playing,
            self._game_time,
            self._warn_of_memory,
        )
        self._repertoire = Repertoire()
        self._deeds = Deeds()
        self._forgotten: set[str] = set()
        """Turns that a loaded save has undone."""
        self._loads = 0
        """Saves that it has loaded, and the memory does not follow yet."""
        self._slow: set[asyncio.Task[None]] = set()
        """Answers that take longer than a moment."""
        self._turns: dict[str, RunningTurn] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reported: dict[str, asyncio.Event] = {}
        self._insight = Insight(bridge, self._playing, self._warn_of_memory)
        self._remembrance = Remembrance(bridge, self)
        self._turn_count = 0
        self._watching: asyncio.Task[None] | None = None

    @property
    def audio(self) -> AudioMode:
        """How speech comes to this client, which may be less than it can take."""
        wanted, snapshot = self.session.identify.capabilities.audio, self._bridge.snapshot
        if snapshot.voice is None:
            return "none"
        if wanted == "binary" or (wanted == "file" and snapshot.wave_files):
            return wanted
        return "none"

    @property
    def paused(self) -> bool:
        return self._playing.paused

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
                if self._cast.get(message.npc_id).in_scene:
                    self._interrupt_npc(message.npc_id)
                self._done(message)
            case GameEvent():
                self._game_time.told(message.game_time)
                self._cast.happened(message)
                self._bridge.store.happened(self.playthrough, message.model_dump(mode="json", exclude_none=True))
                if message.kind == "death":
                    for npc_id in message.npc_ids or ():
                        self._interrupt_npc(npc_id)
                self._done(message)
            case GamePaused():
                self._playing.pause(paused=message.paused)
                for reported in self._reported.values():
                    reported.set()
                self._done(message)
            case Positions():  # daemon-played speech will need them
                self._done(message)
            case ActionsRegister():
                self._repertoire.register(message)
                self._done(message)
            case ActionsUnregister():
                self._repertoire.unregister(message)
                self._done(message)
            case ActionResult():
                if turn := self._deeds.answer(message):
                    self._reported[turn.turn_id].set()
                self._done(message)
            case SaveCreated():
                self._game_time.told(message.game_time)
                self._slowly(self._save(message), message)
            case GameStarted() | SaveLoaded():
                self._load(message)
            case NpcGone():
                for npc_id in message.npc_ids:
                    self._interrupt_npc(npc_id)
                    if (member := self._cast.leave(npc_id)) and not member.unrecorded:
                        self._slowly(self._insight.part(member, self.playthrough), message)
                self._done(message)
            case PlayerLine() | NpcPrompt():
                self._start_turn(message)
            case SpeechReport():
                self._report(message)
                self._done(message)
            case Interrupt():
                self._done(message, {"interrupted": self._interrupt(message)})
            case Feedback():
                self._done(message, {"learned": self._insight.feedback(message.turn_id, message.reward)})
            case Explain():
                self._slowly(self._explain(message), message)
            case LearningReset():
                self._slowly(self._reset_learning(message), message)
            case MemoryStats() | MemoryGet() | MemorySearch() | NpcStateRequest() | MemoryBackups():
                self._slowly(self._tell(message), message)
            case MemoryReset() | MemoryRestore():
                self._slowly(self._tell(message), message)
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

    def request_action(self, turn: RunningTurn, call: ActionCall) -> None:
        self.send(self._deeds.ask(turn, call))

    def _done(self, request: FromClient, data: dict[str, object] | None = None) -> None:
        if text := self.session.answer(request, data):
            self._write(text)

    def _write(self, frame: str | bytes) -> None:
        if self.connection:
            self.connection.send(frame)

    # --- Turns

    def _start_turn(self, message: PlayerLine | NpcPrompt) -> None:
        member = self._cast.get(message.npc_id)
        if member.dead:
            raise ProtocolError("unavailable", f"{member.npc.name} is dead", "send npc_update if it lives again")
        if member.in_scene:
            hint = "wait until the scene ends"
            raise ProtocolError("unavailable", f"{member.npc.name} is in a scene of the game's own", hint)
        if len(self._tasks) >= _MAX_TURNS:
            raise ProtocolError("busy", f"{_MAX_TURNS} turns are under way", "wait for one to finish")
        self._interrupt_npc(message.npc_id)
        self._bridge.summariser.turn_began()
        context = message.context
        line = Line(
            npc=member.npc,
            text=message.text,
            by_player=isinstance(message, PlayerLine),
            hearers=tuple(message.hearers),
            situation=Situation(
                context.location,
                context.time_of_day,
                context.weather,
                (*member.take_news(), *context.events),
            ),
            re=message.id,
            game=self.session.identify.client.game,
            repertoire=self._repertoire.of(message.npc_id),
            targets=named_targets(self._cast.names(message.hearers)),
        )
        self._turn_count += 1
        turn_id = f"{self.session.session_id}.{self._turn_count}"
        delivery = self._delivery
        turn = RunningTurn(
            turn_id,
            self._turn_count,
            line,
            self._bridge.snapshot,
            self,
            self._bridge.meter,
            delivery=delivery,
            hearing=self._hearing(delivery),
            clock=self._clock,
            playing=self._playing,
        )
        self._turns[turn_id] = member.unrecorded[turn_id] = turn
        self._reported[turn_id] = asyncio.Event()
        self._insight.began(turn, member)
        self._tasks[turn_id] = asyncio.create_task(self._live(turn, member), name=f"turn {turn_id}")

    @property
    def _delivery(self) -> Delivery:
        if self.audio == "none":
            return Delivery.PACED if self.session.identify.capabilities.visemes else Delivery.SHOWN
        return Delivery.FILES if self.audio == "file" else Delivery.FRAMES

    def _hearing(self, delivery: Delivery) -> Hearing:
        if delivery is Delivery.SHOWN:
            return Hearing.SHOWN
        if self.session.identify.capabilities.reports:
            return Hearing.REPORTED
        return Hearing.SHOWN if delivery is Delivery.PACED else Hearing.PLAYED

    async def _live(self, turn: RunningTurn, member: Member) -> None:
        """A turn's whole life: produced, heard, recorded."""
        started_at = time.time()
        produced = asyncio.create_task(self._produce(turn, member))
        try:
            await turn.over.wait()
            produced.cancel()  # does nothing where it has ended by itself
            await asyncio.wait([produced])
            await self._until_known(turn)
            if turn.turn_id not in self._forgotten:
                await self._record(turn, member, started_at)
        finally:
            self._deeds.give_up(turn)
            undone = turn.turn_id in self._forgotten
            self._forgotten.discard(turn.turn_id)
            produced.cancel()
            self.session.forget_audio(turn.turn_id)
            left = self._cast.settle(member, turn.turn_id)
            del self._turns[turn.turn_id], self._reported[turn.turn_id], self._tasks[turn.turn_id]
            self._insight.ended(turn)
            if left:
                await self._insight.part(member, self.playthrough)
        # Only now: a turn that is recorded must not keep the next one waiting for the disk.
        if not undone:
            await self._insight.keep(member, self.playthrough)

    async def _produce(self, turn: RunningTurn, member: Member) -> None:
        try:
            if member.memory:
                await asyncio.shield(member.memory)
            history = member.remembered(turn, self._playing())
            if member.learned is None or member.aftermath is None:
                raise RuntimeError("an NPC's memory ended without what it has learned")
            seed = f"{turn.snapshot.config.mind.seed}/{self.playthrough}/{member.npc.npc_id}"
            overheard, recalled, summaries = await asyncio.gather(
                self._overheard(member), self._recalled(turn, member), self._summaries(turn, member)
            )
            known = {memory.turn_id for memory in overheard}
            memories = [*overheard, *(memory for memory in recalled if memory.turn_id not in known)]
            mindset = Mindset(
                lambda: member.standing(self._game_time()),
                member.learned,
                member.aftermath,
                tuple(map(in_mind, memories)),
                max((memory.similarity for memory in recalled), default=0.0),
                summaries,
                seed,
            )
            await turn.run(mindset, history)
        finally:
            if not turn.over.is_set():  # whatever happened, it is over
                turn.interrupt()

    async def _recalled(self, turn: RunningTurn, member: Member) -> Sequence[Memory]:
        """What comes to the NPC's mind; a memory that cannot be read costs the memories and not the reply."""
        recall, line = turn.snapshot.recall, turn.line
        if recall is None or not line.text:
            return ()
        limit = turn.snapshot.config.memory.recalled
        told = tuple(turn_id for turn_id, _ in member.history)
        try:
            return await recall.recall(RecallQuery(self.playthrough, line.npc.npc_id, line.text, limit, told))
        except (Exception, SystemExit) as error:  # a plugin's code
            log.warning("nothing was recalled: %s", type(error).__name__)  # its words could quote the dialogue
            return ()

    async def _overheard(self, member: Member) -> Sequence[Memory]:
        """What was said to others in the NPC's hearing since the first turn that it is told of anyway."""
        told = tuple(turn_id for turn_id, _ in member.history)
        try:
            return await self._bridge.store.overheard(self.playthrough, member.npc.npc_id, _OVERHEARD, told)
        except BridgeError as error:
            log.warning("nothing that was overheard was read: %s", error)
            return ()

    async def _summaries(self, turn: RunningTurn, member: Member) -> tuple[str, ...]:
        """What the NPC's history comes to; if that cannot be read, it costs the summaries and not the reply."""
        if not turn.snapshot.summaries:
            return ()
        told = tuple(turn_id for turn_id, _ in member.history)
        npc_id = member.npc.npc_id
        try:
            found = await self._bridge.store.summaries(self.playthrough, npc_id, _MOST_SUMMARIES, told)
        except BridgeError as error:
            log.warning("no summaries were read: %s", error)
            return ()
        return tuple(summary.text for summary in found)

    async def _until_known(self, turn: RunningTurn) -> None:
        """Wait for the reports of what was heard and done, or until they are overdue in playing time."""
        now, silenced = self._playing(), turn.silenced
        heard_by = turn.heard.finished(now, interrupted=silenced)
        reported = self._reported[turn.turn_id]
        while turn.turn_id not in self._forgotten:
            if turn.silenced and not silenced:
                silenced = True
                heard_by = turn.heard.finished(self._playing(), interrupted=True)
            overdue_at = max(
                0.0 if turn.heard.settled else heard_by, now + ANSWER_S if self._deeds.waiting(turn) else 0.0
            )
            left = overdue_at - self._playing()
            if left <= 0:
                break
            reported.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reported.wait(), None if self.paused else left)

    async def _record(self, turn: RunningTurn, member: Member, started_at: float) -> None:
        """Take what was heard into memory, and say so once it is on disk."""
        heard_text, through = turn.heard.result(self._playing())
        self._deeds.give_up(turn)
        member.rest(self._game_time())
        member.take_in(turn, heard_text)
        if member.aftermath:
            member.aftermath.known(turn.turn_id, _how_much(turn, heard_text), tuple(turn.deeds))
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
            deeds=tuple(turn.deeds),
            started_at=started_at,
            game_date=self._game_time.date,
        )
        acknowledgement = TurnRecorded(
            turn_id=turn.turn_id,
            heard_text=heard_text,
            heard_through_seq=through,
            state=StateView.of(record.state),
        )
        learned = member.learned.dump() if member.learned else None
        member.unkept = False

        def stored() -> None:
            self.send(acknowledgement)
            remembering = (record.npc_id, *record.hearers)
            self._bridge.summariser.recorded(record.playthrough, remembering, self.session.identify.client.game)

        try:
            names = {npc_id: name for name, npc_id in self._cast.names(record.hearers)}
            await self._bridge.store.record(record, learned, stored, names)
        except BridgeError as error:
            log.error("a turn is not stored yet: %s", error)
            notice = Notice(level="error", code="not_stored", message=error.message, hint=error.hint)
            self.send(notice.model_copy(update={"turn_id": turn.turn_id}))

    async def _explain(self, message: Explain) -> None:
        self._done(message, await self._insight.explain(message.turn_id))

    async def _reset_learning(self, message: LearningReset) -> None:
        await self._insight.reset(self._cast.get(message.npc_id), self.playthrough)
        self._done(message, {"npc_id": message.npc_id})

    async def _tell(self, message: About) -> None:
        self._done(message, await self._remembrance.answer(message))

    def _slowly(self, answer: Coroutine[Any, Any, None], request: FromClient) -> None:
        """Answer when it is ready; what goes wrong then is answered as an error, as it would be at once."""

        async def until_answered() -> None:
            try:
                await answer
            except ProtocolError as error:
                self.send(error_message(error, request.id))
            except BridgeError as error:
                self.send(error_message(ProtocolError("unavailable", error.message, error.hint), request.id))

        task = asyncio.create_task(until_answered())
        self._slow.add(task)
        task.add_done_callback(self._slow.discard)

    def _warn_of_memory(self, error: BridgeError) -> None:
        self.send(Notice(level="warning", code="memory", message=error.message, hint=error.hint))

    def _report(self, message: SpeechReport) -> None:
        turn = self._turns.get(message.turn_id)
        if turn is None:
            if message.turn_id in self._insight:
                return  # it came after its deadline
            raise ProtocolError("unknown_turn", f"there is no turn {message.turn_id!r}", field="turn_id")
        if not turn.heard.report(message.seq, message.status, message.heard_ms, self._playing()):
            raise ProtocolError(
                "invalid_value", f"turn {message.turn_id!r} has no sentence {message.seq}", field="seq"
            )
        if message.status != "started":
            self.session.forget_audio(message.turn_id, message.seq)
        self._reported[message.turn_id].set()

    # --- Saves

    async def _save(self, message: SaveCreated) -> None:
        """The present gets a name, with all that is felt and learned by now in whatever game plays it."""
        playing = [game for game in self._bridge.games if game.playthrough == message.playthrough]
        keeping = [
            game._insight.keep(member, game.playthrough) for game in playing for member in game._cast.members
        ]
        saving = self._bridge.store.save(message.playthrough, message.save_id, message.game_time)
        await asyncio.gather(*keeping, saving)
        self._done(message)

    def _load(self, message: GameStarted | SaveLoaded) -> None:
        """Another point of a playthrough is the present; what was under way has not happened."""
        self.playthrough = message.playthrough
        self._loads += 1
        undone = self._undo()
        self._game_time.told(message.game_time, loaded=True)
        self._slowly(self._loaded(message, undone), message)

    def _undo(self, npc_id: str | None = None) -> int:
        """End the turns of an NPC, or all, as if they had not been; how many."""
        chosen = [turn for turn in self._turns.values() if npc_id in (None, turn.line.npc.npc_id)]
        for turn in chosen:
            self._forgotten.add(turn.turn_id)
            turn.interrupt()
            self._reported[turn.turn_id].set()
        return len(chosen)

    def member(self, npc_id: str) -> Member | None:
        """An NPC that is here."""
        return self._cast.find(npc_id)

    def standing(self, member: Member) -> NpcState:
        """How an NPC stands now."""
        return member.standing(self._game_time())

    async def keep(self) -> None:
        """Put on disk what is felt and learned by now."""
        await asyncio.gather(*(self._insight.keep(member, self.playthrough) for member in self._cast.members))

    @property
    def is_loading(self) -> bool:
        """Whether it will read its memory again by itself."""
        return self._loads > 0

    def read_again(
        self, ready: asyncio.Future[None], npc_id: str | None = None, date: float | None = None
    ) -> Coroutine[Any, Any, int]:
        """What is running has not been; every NPC, or one, is what is stored of it once that is `ready`.

        With a `date`, that is the game's now.
        """
        self._undo(npc_id)
        self._game_time.told(date, loaded=True)
        return self._cast.read_again(ready, npc_id)

    async def _loaded(self, message: GameStarted | SaveLoaded, undone: int) -> None:
        going = asyncio.ensure_future(self._go_to(message))
        npcs = await self._cast.load(message.playthrough, going)
        self._done(message, {"npcs": npcs, "turns_forgotten": undone + await going})

    async def _go_to(self, message: GameStarted | SaveLoaded) -> int:
        """Have the memory follow; what cannot be found is told of. How many turns are not part of it any more."""
        store, playthrough, date = self._bridge.store, message.playthrough, message.game_time
        try:
            if isinstance(message, SaveLoaded) or message.save_id is not None:
                load = store.load(playthrough, message.save_id or "", date)
                loaded = await self._remembrance.load(playthrough, date, load)
            elif date is None:  # the game goes on, and so does that of whoever else plays it
                return 0
            else:
                await self._remembrance.load(playthrough, date, store.begin(playthrough, date))
                return 0
        except BridgeError as error:
            self._warn_of_memory(error)
            return 0
        finally:
            self._loads -= 1
        if not loaded.exact:
            text = f"the save {message.save_id!r} was made without RFSN Bridge: {loaded.in_words}"
            self.send(
                Notice(level="info", code="save_unknown", message=text, hint="save once more to have it known")
            )
        return loaded.forgotten

    # --- Interruption

    def _interrupt(self, message: Interrupt) -> int:
        """Interrupt what the message names; how many turns that were."""
        if message.turn_id is not None:
            if message.turn_id not in self._turns and message.turn_id not in self._insight:
                raise ProtocolError("unknown_turn", f"there is no turn {message.turn_id!r}", field="turn_id")
            chosen = [turn for turn in self._turns.values() if turn.turn_id == message.turn_id]
        elif message.npc_id is not None:
            self._cast.get(message.npc_id)
            chosen = [turn for turn in self._turns.values() if turn.line.npc.npc_id == message.npc_id]
        else:
            chosen = list(self._turns.values())
        return sum(map(self._stop, chosen))

    def _interrupt_npc(self, npc_id: str) -> None:
        for turn in list(self._turns.values()):
            if turn.line.npc.npc_id == npc_id:
                self._stop(turn)

    def _stop(self, turn: RunningTurn) -> bool:
        """End a turn, or the waiting for what is still being heard of one that is written."""
        stopped = turn.interrupt()
        self._reported[turn.turn_id].set()
        return stopped

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
        for task in self._slow:
            task.cancel()
        for turn in list(self._turns.values()):
            turn.interrupt()
            turn.heard.abandon(self._playing())
            self._deeds.give_up(turn)
            self._reported[turn.turn_id].set()
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks)
        for member in self._cast.members:
            await self._insight.part(member, self.playthrough)
