"""One connected game: its NPCs, its turns, what it watches. It outlives a connection by the resume grace."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from rfsn_bridge import under_way
from rfsn_bridge.audio_path import AudioMode
from rfsn_bridge.cast import Cast, Member
from rfsn_bridge.domain import ActionCall, NpcState, Situation
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.game_time import GameTime
from rfsn_bridge.insight import Insight
from rfsn_bridge.memory.heard import PlayingTime
from rfsn_bridge.mind.game_actions import named_targets
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
    Subscribe,
    Tune,
    Unsubscribe,
)
from rfsn_bridge.protocol.session import Close, Event, Reply, Session, error_message
from rfsn_bridge.remembrance import About, Remembrance
from rfsn_bridge.repertoire import Repertoire
from rfsn_bridge.turn import Line, RunningTurn
from rfsn_bridge.under_way import UnderWay
from rfsn_bridge.watch import Watch


class Connection(Protocol):
    """A way to the client; never blocks. What cannot be delivered is the session's to repeat."""

    def send(self, frame: str | bytes) -> None: ...
    def close(self, code: int, reason: str) -> None: ...


class Daemon(under_way.Daemon, Protocol):
    """What a game needs of the bridge."""

    @property
    def games(self) -> "Sequence[Game]": ...
    def tune(self, message: Tune) -> dict[str, object]: ...
    def metrics(self) -> Metrics: ...


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
        self._loads = 0
        """Saves that it has loaded, and the memory does not follow yet."""
        self._slow: set[asyncio.Task[None]] = set()
        """Answers that take longer than a moment."""
        self._insight = Insight(bridge, self._playing, self._warn_of_memory)
        self._turns = UnderWay(self, bridge, self._cast, self._insight, self._playing, self._game_time, clock)
        self._remembrance = Remembrance(bridge, self)
        self._watch = Watch(self.send, bridge.metrics)

    @property
    def audio(self) -> AudioMode:
        """How speech comes to this client, which may be less than it can take."""
        return self._turns.path.audio

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
                    self._turns.interrupt_npc(message.npc_id)
                self._done(message)
            case GameEvent():
                self._game_time.told(message.game_time)
                self._cast.happened(message)
                self._bridge.store.happened(self.playthrough, message.model_dump(mode="json", exclude_none=True))
                if message.kind == "death":
                    for npc_id in message.npc_ids or ():
                        self._turns.interrupt_npc(npc_id)
                self._done(message)
            case GamePaused():
                self._turns.pause(paused=message.paused)
                self._done(message)
            case Positions():
                ears = (message.listener.position, message.listener.forward) if message.listener else None
                self._bridge.playback.places(ears, message.npcs)
                self._done(message)
            case ActionsRegister():
                self._repertoire.register(message)
                self._done(message)
            case ActionsUnregister():
                self._repertoire.unregister(message)
                self._done(message)
            case ActionResult():
                self._turns.answered(message)
                self._done(message)
            case SaveCreated():
                self._game_time.told(message.game_time)
                self._slowly(self._save(message), message)
            case GameStarted() | SaveLoaded():
                self._load(message)
            case NpcGone():
                for npc_id in message.npc_ids:
                    self._turns.interrupt_npc(npc_id)
                    if (member := self._cast.leave(npc_id)) and not member.unrecorded:
                        self._slowly(self._insight.part(member, self.playthrough), message)
                self._done(message)
            case PlayerLine() | NpcPrompt():
                self._start_turn(message)
            case SpeechReport():
                self._turns.report(message)
                self._done(message)
            case Interrupt():
                self._done(message, {"interrupted": self._turns.interrupt(message)})
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
                self._watch.begin(message.topics)
                self._done(message)
            case Unsubscribe():
                self._watch.end(message.topics)
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
        self._turns.request_action(turn, call)

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
        self._turns.make_room()
        self._turns.interrupt_npc(message.npc_id, message.priority)
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
        self._turns.begin(line, member)

    # --- Answers that take longer

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
        undone = self._turns.undo()
        self._game_time.told(message.game_time, loaded=True)
        self._slowly(self._loaded(message, undone), message)

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
        self._turns.undo(npc_id)
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
        self._watch.end()
        for task in self._slow:
            task.cancel()
        await self._turns.end()
        for member in self._cast.members:
            await self._insight.part(member, self.playthrough)
