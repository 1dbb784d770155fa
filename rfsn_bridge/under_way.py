"""The turns of one game that are under way: begun, produced, heard, recorded, interrupted."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rfsn_bridge import audio_path, summariser
from rfsn_bridge.audio_path import AudioPath
from rfsn_bridge.cast import Cast, Member
from rfsn_bridge.deeds import ANSWER_S, Deeds
from rfsn_bridge.domain import ActionCall, Turn, TurnStatus
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.game_time import GameTime
from rfsn_bridge.insight import Insight
from rfsn_bridge.memory.heard import PlayingTime
from rfsn_bridge.mind.rewards import Heard
from rfsn_bridge.protocol.messages import (
    ActionResult,
    Interrupt,
    Notice,
    Priority,
    SpeechReport,
    SpeechStatus,
    StateView,
    TurnRecorded,
)
from rfsn_bridge.protocol.session import Session
from rfsn_bridge.recollection import recollect
from rfsn_bridge.summariser import Summariser
from rfsn_bridge.turn import Line, Mindset, Output, RunningTurn

log = logging.getLogger(__name__)

_MAX_TURNS = 32
_LOOK_EVERY_S = 0.05
_LONGEST_PAUSE_S = 2.0
_NEXT_WORD_MS = 150
"""How long speech that is interrupted may go on to the end of a word."""


class Daemon(audio_path.Daemon, summariser.Daemon, Protocol):
    """What turns need of the bridge."""

    @property
    def summariser(self) -> Summariser: ...


class Client(Output, Protocol):
    """Whose turns they are, and where their messages go."""

    session: Session
    playthrough: str


class UnderWay:
    """Of one game."""

    def __init__(
        self,
        client: Client,
        bridge: Daemon,
        cast: Cast,
        insight: Insight,
        playing: PlayingTime,
        game_time: GameTime,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._bridge = bridge
        self._cast = cast
        self._insight = insight
        self._playing = playing
        self._game_time = game_time
        self._clock = clock
        self.path = AudioPath(client.session.identify.capabilities, bridge, client, playing, self._played)
        self._deeds = Deeds()
        self._forgotten: set[str] = set()
        """Turns that a loaded save has undone."""
        self._turns: dict[str, RunningTurn] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reported: dict[str, asyncio.Event] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Wait for the end of a sentence, with which a turn is to end."""
        self._count = 0

    def make_room(self) -> None:
        """Raises ProtocolError (`busy`) where there are too many turns for another."""
        if len(self._tasks) >= _MAX_TURNS:
            raise ProtocolError("busy", f"{_MAX_TURNS} turns are under way", "wait for one to finish")

    def begin(self, line: Line, member: Member) -> None:
        """A turn begins; it is produced when those of the same NPC before it are over."""
        self._bridge.summariser.turn_began()
        self._count += 1
        turn_id = f"{self._client.session.session_id}.{self._count}"
        turn = RunningTurn(
            turn_id,
            self._count,
            line,
            self._bridge.snapshot,
            self._client,
            self._bridge.meter,
            delivery=self.path.delivery,
            hearing=self.path.hearing,
            clock=self._clock,
            playing=self._playing,
            outlet=self.path.outlet,
            floor=self.path.floor,
        )
        before = list(member.unrecorded.values())
        self._turns[turn_id] = member.unrecorded[turn_id] = turn
        self._reported[turn_id] = asyncio.Event()
        self._insight.began(turn, member)
        self._tasks[turn_id] = asyncio.create_task(self._live(turn, member, before), name=f"turn {turn_id}")

    def request_action(self, turn: RunningTurn, call: ActionCall) -> None:
        self._client.send(self._deeds.ask(turn, call))

    def answered(self, result: ActionResult) -> None:
        """The game tells what became of an action."""
        if turn := self._deeds.answer(result):
            self._reported[turn.turn_id].set()

    def pause(self, *, paused: bool) -> None:
        """The game stands still, or goes on."""
        self.path.pause(paused=paused)
        for reported in self._reported.values():
            reported.set()

    # --- A turn's life

    async def _live(self, turn: RunningTurn, member: Member, before: Sequence[RunningTurn]) -> None:
        """A turn's whole life: produced, heard, recorded."""
        started_at = time.time()
        produced = asyncio.create_task(self._produce(turn, member, before))
        try:
            await turn.over.wait()
            produced.cancel()  # does nothing where it has ended by itself
            await asyncio.wait([produced])
            await self._until_known(turn)
            self.path.floor.silent(turn.turn_id)
            if turn.turn_id not in self._forgotten:
                await self._record(turn, member, started_at)
        finally:
            self._deeds.give_up(turn)
            undone = turn.turn_id in self._forgotten
            self._forgotten.discard(turn.turn_id)
            produced.cancel()
            self._client.session.forget_audio(turn.turn_id)
            left = self._cast.settle(member, turn.turn_id)
            del self._turns[turn.turn_id], self._reported[turn.turn_id], self._tasks[turn.turn_id]
            self._insight.ended(turn)
            if left:
                await self._insight.part(member, self._client.playthrough)
        # Only now: a turn that is recorded must not keep the next one waiting for the disk.
        if not undone:
            await self._insight.keep(member, self._client.playthrough)

    async def _produce(self, turn: RunningTurn, member: Member, before: Sequence[RunningTurn]) -> None:
        """Produce a turn, once those of the same NPC `before` it are over."""
        try:
            for earlier in before:
                await earlier.over.wait()
            if member.memory:
                await asyncio.shield(member.memory)
            history = member.remembered(turn, self._playing())
            if member.learned is None or member.aftermath is None:
                raise RuntimeError("an NPC's memory ended without what it has learned")
            seed = f"{turn.snapshot.config.mind.seed}/{self._client.playthrough}/{member.npc.npc_id}"
            mind = await recollect(turn, member, self._client.playthrough, self._bridge.store)
            mindset = Mindset(
                lambda: member.standing(self._game_time()),
                member.learned,
                member.aftermath,
                mind.memories,
                mind.similarity,
                mind.summaries,
                seed,
            )
            await turn.run(mindset, history)
        finally:
            if not turn.over.is_set():  # whatever happened, it is over
                turn.interrupt()

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
                await asyncio.wait_for(reported.wait(), None if self._playing.paused else left)

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
            playthrough=self._client.playthrough,
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
            self._client.send(acknowledgement)
            remembering, game = (record.npc_id, *record.hearers), turn.line.game
            self._bridge.summariser.recorded(record.playthrough, remembering, game)

        try:
            names = {npc_id: name for name, npc_id in self._cast.names(record.hearers)}
            await self._bridge.store.record(record, learned, stored, names)
        except BridgeError as error:
            log.error("a turn is not stored yet: %s", error)
            notice = Notice(level="error", code="not_stored", message=error.message, hint=error.hint)
            self._client.send(notice.model_copy(update={"turn_id": turn.turn_id}))

    # --- What is played

    def report(self, message: SpeechReport) -> None:
        """The client tells what it played. Raises ProtocolError where there is no such sentence."""
        turn = self._turns.get(message.turn_id)
        if turn is None:
            if message.turn_id in self._insight:
                return  # it came after its deadline
            raise ProtocolError("unknown_turn", f"there is no turn {message.turn_id!r}", field="turn_id")
        if not self._take_report(turn, message.seq, message.status, message.heard_ms):
            raise ProtocolError(
                "invalid_value", f"turn {message.turn_id!r} has no sentence {message.seq}", field="seq"
            )

    def _played(self, turn: RunningTurn, seq: int, status: SpeechStatus, heard_ms: int) -> None:
        """Our own player tells what it played."""
        if turn.turn_id in self._turns:
            self._take_report(turn, seq, status, heard_ms)

    def _take_report(self, turn: RunningTurn, seq: int, status: SpeechStatus, heard_ms: int | None) -> bool:
        """Something was played; False if there is no such sentence."""
        if not turn.heard.report(seq, status, heard_ms, self._playing()):
            return False
        if status != "started":
            self._client.session.forget_audio(turn.turn_id, seq)
            if turn.heard.quiet:
                self.path.floor.silent(turn.turn_id)
        self._reported[turn.turn_id].set()
        return True

    # --- Interruption

    def interrupt(self, message: Interrupt) -> int:
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
        return sum(self._stop(turn, message.priority) for turn in chosen)

    def interrupt_npc(self, npc_id: str, priority: Priority = "critical") -> None:
        """Interrupt the turns of an NPC."""
        for turn in list(self._turns.values()):
            if turn.line.npc.npc_id == npc_id:
                self._stop(turn, priority)

    def _stop(self, turn: RunningTurn, priority: Priority) -> bool:
        """End a turn, or the waiting for what is still being heard of one that is written; whether it ends.

        A `low` priority lets it go on, a `medium` one lets it finish the sentence that is being heard.
        """
        if priority == "low":
            return False
        if priority == "medium" and (heard := turn.heard.sounding(self._playing())):
            last = turn.finish_sentence(heard[0])
            task = asyncio.create_task(self._stop_after(turn, last))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            return True
        stopped = turn.interrupt()
        self.path.stop(turn, within_ms=_NEXT_WORD_MS if priority == "high" else 0)
        self._reported[turn.turn_id].set()
        return stopped

    async def _stop_after(self, turn: RunningTurn, last: int) -> None:
        """End a turn when a sentence of it has been heard; before that it may pause, for a while."""
        quiet_s = 0.0
        while turn.turn_id in self._turns and quiet_s < _LONGEST_PAUSE_S:
            heard = turn.heard.sounding(self._playing())
            if (heard is None and turn.heard.has_ended(last)) or (heard and heard[0] > last):
                break
            await asyncio.sleep(_LOOK_EVERY_S)  # playing time may stand still
            quiet_s = 0.0 if heard else quiet_s + _LOOK_EVERY_S
        if turn.turn_id in self._turns:
            self._stop(turn, "critical")

    def undo(self, npc_id: str | None = None) -> int:
        """End the turns of an NPC, or all, as if they had not been; how many."""
        chosen = [turn for turn in self._turns.values() if npc_id in (None, turn.line.npc.npc_id)]
        for turn in chosen:
            self._forgotten.add(turn.turn_id)
            self._stop(turn, "critical")
        return len(chosen)

    async def end(self) -> None:
        """Interrupt every turn and wait until what was heard of them is recorded."""
        for task in self._ending:
            task.cancel()
        for turn in list(self._turns.values()):
            self._stop(turn, "critical")
            turn.heard.abandon(self._playing())
            self._deeds.give_up(turn)
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks)


def _how_much(turn: RunningTurn, heard_text: str) -> Heard:
    """How much was heard of a turn."""
    if not heard_text:
        return Heard.NOTHING
    cut = turn.status is TurnStatus.INTERRUPTED or heard_text != turn.text
    return Heard.CUT_OFF if cut else Heard.ALL
