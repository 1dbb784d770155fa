"""The memory of every NPC, as the daemon uses it: what is written is durable before anybody is told so.

One daemon holds a folder at a time. What cannot be written for now (a full disk) is kept, within bounds, tried
again, and acknowledged when it is there.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from rfsn_bridge.domain import NpcState, Turn
from rfsn_bridge.memory import backups, first, records, remembered, summaries, timeline
from rfsn_bridge.memory.archive import FILE, Archive
from rfsn_bridge.memory.backups import Backup
from rfsn_bridge.memory.database import Database
from rfsn_bridge.memory.export import Export, so_many
from rfsn_bridge.memory.schema import CorruptStore, StoreError
from rfsn_bridge.memory.summaries import Due
from rfsn_bridge.memory.timeline import Loaded
from rfsn_bridge.models.filelock import take

log = logging.getLogger(__name__)

T = TypeVar("T")

_HOLDER = "holder"
"""A file with the process number of who holds the lock; the lock itself cannot be read everywhere."""
_WAITING = 256
"""Turns and saves that may wait for a disk that is full; more are refused."""
_AGAIN_S = 2.0


@dataclass(slots=True)
class _Waiting:
    """A change that must not be lost, and whom to tell when it is on disk."""

    what: str
    job: Callable[[sqlite3.Connection], object]
    stored: Callable[[], None]


class InUse(StoreError):
    """Another process holds the memory."""


class Store(Archive):
    """Open until `aclose`. Everything raises StoreError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = _hold(folder)
        self.trouble: StoreError | None = None
        """What the player must be told of the memory that was found."""
        try:
            self._database = self._opened()
            if self.trouble is None and (earlier := first.files(folder)):
                self._take_in(earlier)
        except BaseException:
            self._lock.close()
            raise
        super().__init__(self.path, self._database)
        self.lost_events = 0
        """Events of games that could not be written."""
        self._waiting: deque[_Waiting] = deque()
        self._retrying: asyncio.Task[None] | None = None
        self._catching_up = asyncio.Lock()
        self._backing_up = asyncio.Lock()
        self.changing = asyncio.Lock()
        """Held by whoever changes what is the present, until all who are there have read it again."""

    def _opened(self) -> Database:
        """The memory, or, where that is damaged, an empty one beside it: nothing is written over."""
        backups.clear_up(self.path)
        if not self.path.exists() or not self.path.stat().st_size:
            self._begin_anew("the memory is gone")
            return Database(self.path)
        try:
            return Database(self.path, lambda path, version: backups.make(path, "migration"))
        except CorruptStore as error:
            log.info("%s", error.message)
            aside = backups.set_aside(self.path)
            self._begin_anew(f"the memory is damaged and was set aside as {aside.name}")
            return Database(self.path)

    def _take_in(self, earlier: Sequence[Path]) -> None:
        """What an earlier version remembered, if there is nothing newer."""
        try:
            self._database.submit(lambda c: first.take_in(c, earlier)).result()
        except BaseException as error:
            self._database.close()
            if isinstance(error, OSError):
                raise StoreError(f"an older memory cannot be read: {error}", "move the folder away") from error
            raise

    def _begin_anew(self, why: str) -> None:
        """Tell of what was lost; where there never was a memory, nothing."""
        if not backups.listed(self.path) and not any(self.path.parent.glob(f"{self.path.stem}-damaged-*")):
            return
        good = backups.best(self.path)
        hint = (
            f"`rfsn-bridge memory restore {good.name}` brings back {so_many(good.turns)}; "
            "`rfsn-bridge memory backups` lists them all"
            if good
            else "no backup is sound"
        )
        self.trouble = CorruptStore(f"{why}; the NPCs begin anew", hint)

    # --- Turns

    async def record(
        self,
        turn: Turn,
        learned: bytes | None = None,
        stored: Callable[[], None] = lambda: None,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Returns once the turn is durable, and then `stored` has been called. `names` are those of its hearers.

        If it cannot be written now, raises StoreError; it is tried again, and `stored` is called when it is there.
        """
        encoded = records.encode(turn)
        waiting = _Waiting("turn", lambda c: records.add_turn(c, encoded, learned, names), stored)
        if self._waiting:  # in order: nothing overtakes what waits
            self._keep_waiting(waiting)
            raise StoreError(f"{self.waiting} turns are waiting to be written", "free disk space")
        await self._now_or_later(waiting)

    async def _now_or_later(self, waiting: _Waiting) -> None:
        try:
            await self._write_now(waiting)
        except CorruptStore:
            raise
        except StoreError:
            self._keep_waiting(waiting)
            raise

    async def _write_now(self, waiting: _Waiting) -> None:
        await self._database.write(waiting.job)
        waiting.stored()

    def _keep_waiting(self, waiting: _Waiting) -> bool:
        """False if too many wait already."""
        if len(self._waiting) >= _WAITING:
            log.error("a %s is lost: %d are waiting for the disk already", waiting.what, _WAITING)
            return False
        self._waiting.append(waiting)
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._try_again())
        return True

    async def _try_again(self) -> None:
        while self._waiting:
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(StoreError):
                await self._catch_up()

    async def _catch_up(self) -> None:
        """Write what waits, in order. Raises StoreError; what is left then waits still."""
        async with self._catching_up:
            while self._waiting:
                await self._write_now(self._waiting[0])
                self._waiting.popleft()

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """As the database does, after the turns that wait: whatever comes after a turn must find it there."""
        if self._waiting:
            await self._catch_up()
        return await self._database.write(job)

    # --- Minds

    async def keep(
        self, playthrough: str, npc_id: str, state: NpcState, learned: bytes | None, name: str | None = None
    ) -> None:
        """Keep how an NPC stands, what it has learned and what it is called, where no turn says so."""
        await self._write(lambda c: records.add_mind(c, playthrough, npc_id, state, learned, name))

    async def keep_summary(self, playthrough: str, npc_id: str, due: Due, text: str) -> bool:
        """Keep a summary that was due; False if the NPC does not remember all of its turns any more."""
        return await self._database.write(lambda c: summaries.keep(c, playthrough, npc_id, due, text))

    # --- The game's events and saves

    def happened(self, playthrough: str, event: Mapping[str, Any]) -> None:
        """Write an event of the game down, some time soon; one that cannot be written is counted."""
        done = self._database.submit(lambda c: records.add_event(c, playthrough, event))
        done.add_done_callback(self._count_lost)

    def _count_lost(self, done: Future[None]) -> None:
        if done.exception() is not None:
            self.lost_events += 1

    async def save(self, playthrough: str, save_id: str, game_date: float | None) -> None:
        """The present is saved under a name.

        If it cannot be written now, raises StoreError; it is tried again, behind the turns that wait by now.
        """
        saving = _Waiting("save", lambda c: timeline.save(c, playthrough, save_id, game_date), lambda: None)
        if self._waiting:
            if self._keep_waiting(saving):
                await self._catch_up()
                return
            await self._catch_up()
        await self._now_or_later(saving)

    async def load(self, playthrough: str, save_id: str, game_date: float | None) -> Loaded:
        """A save is the present."""

        def job(connection: sqlite3.Connection) -> Loaded:
            before = timeline.present(connection, playthrough)
            loaded = timeline.load(connection, playthrough, save_id, game_date)
            after = timeline.present(connection, playthrough)
            forgotten = remembered.left_behind(connection, before, after)
            left = 0 if loaded.exact else remembered.turns_in(connection, after)
            return replace(loaded, forgotten=forgotten, remembered=left)

        return await self._write(job)

    async def begin(self, playthrough: str, game_date: float | None) -> None:
        """A game begins or goes on, at a date."""
        await self._write(lambda c: timeline.begin(c, playthrough, game_date))

    @property
    def waiting(self) -> int:
        """Turns that wait for a disk that is full."""
        return sum(waiting.what == "turn" for waiting in self._waiting)

    async def reset(self, playthrough: str, npc_id: str) -> tuple[Backup, int]:
        """Have an NPC forget everything, after a backup; how many turns that were."""
        backup = await self.back_up("reset")
        forgotten = await self._write(lambda c: records.forget(c, playthrough, npc_id))
        return backup, forgotten

    async def bring_in(self, export: Export, playthrough: str) -> tuple[Backup | None, int]:
        """Have an NPC remember what it remembered elsewhere, after a backup; how many turns were new to it.

        Where nothing is new, nothing is changed, and there is no backup.

        They come after those it has and are known as of now: an earlier save does not have them, a later one does.
        How it stands, and what it has learned, counts only where nothing is known.
        """
        npc_id = export.npc_id
        turns = [records.encode(replace(turn, playthrough=playthrough)) for turn in export.turns]

        def job(connection: sqlite3.Connection) -> int:
            records.met(connection, timeline.playthrough(connection, playthrough), npc_id, export.name)
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            met = present and number is not None and remembered.mind(connection, present, number)
            date = timeline.date(connection, playthrough)
            now = 0.0 if date is None else date  # nothing is dated yet: it was known from the beginning
            if export.state and not met:  # before the turns: a point in time that has them has it as well
                records.add_mind(connection, playthrough, npc_id, export.state, export.learned)
            return sum(records.add_foreign(connection, playthrough, npc_id, each, now) for each in turns)

        if not await self._database.read(lambda c: records.is_news(c, playthrough, export)):
            return None, 0
        backup = await self.back_up("import")
        return backup, await self._write(job)

    # --- Backups

    async def back_up(self, reason: str) -> Backup:
        """Copy the memory as it is, with all that was given to it before, beside what goes on."""
        await self._write(lambda c: None)
        async with self._backing_up:  # one at a time: each has a name of its own
            return await asyncio.to_thread(backups.make, self.path, reason)

    async def prune(self, keep: int) -> list[str]:
        """Delete the oldest backups beyond `keep` of each kind; their names. Those made by hand stay."""
        return await asyncio.to_thread(backups.prune, self.path, keep)

    async def restore(self, name: str) -> Backup:
        """Put a backup in the place of everything, in one step, after a backup of what is there; that backup."""
        chosen = await asyncio.to_thread(backups.find, self.path, name)
        await asyncio.to_thread(backups.check, chosen.path)
        undo = await self.back_up("restore")
        await self._database.replace(chosen.path)
        self.trouble = None
        return undo

    async def aclose(self) -> None:
        """Waits for what was given to `record`."""
        if self._retrying:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        try:
            await self._catch_up()
        except StoreError as error:
            log.error("%d turns are lost: %s", self.waiting, error.message)
        await self._database.aclose()
        self._lock.close()

    def close(self) -> None:
        """Let go of a memory that nothing was written to."""
        self._database.close()
        self._lock.close()


def _hold(folder: Path) -> Any:
    """The lock of a folder, which the system lifts when its holder ends, however it ends. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+b")
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}", "choose another folder with --data"
        ) from error
    if not take(file):
        file.close()
        holder = _told(folder / _HOLDER)
        who = f"process {holder}" if holder else "another process"
        raise InUse(
            f"the memory in {folder} is in use by {who}",
            "stop that RFSN Bridge first, or give this one another --data folder",
        )
    with contextlib.suppress(OSError):
        (folder / _HOLDER).write_text(str(os.getpid()))
    return file


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")[:20].strip()
    except (OSError, ValueError):
        return ""
