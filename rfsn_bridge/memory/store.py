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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfsn_bridge.domain import Exchange, NpcState, Turn
from rfsn_bridge.memory import backups, records, timeline
from rfsn_bridge.memory.backups import Backup
from rfsn_bridge.memory.database import Database
from rfsn_bridge.memory.recall import Recalled, recall
from rfsn_bridge.memory.records import Encoded
from rfsn_bridge.memory.schema import CorruptStore, StoreError
from rfsn_bridge.memory.timeline import Loaded
from rfsn_bridge.models.filelock import take

log = logging.getLogger(__name__)

_FILE = "memory.db"
_HOLDER = "holder"
"""A file with the process number of who holds the lock; the lock itself cannot be read everywhere."""
_WAITING = 256
"""Turns that may wait for a disk that is full; more are refused."""
_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an NPC at present."""

    exchanges: tuple[Exchange, ...] = ()
    turn_ids: tuple[str, ...] = ()
    state: NpcState | None = None
    """None: it was never met."""
    learned: bytes | None = None


@dataclass(slots=True)
class _Waiting:
    encoded: Encoded
    learned: bytes | None
    stored: Callable[[], None]


class Store:
    """Open until `aclose`. Everything raises StoreError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE
        self._lock = _hold(folder)
        self.trouble: StoreError | None = None
        """What the player must be told of the memory that was found."""
        try:
            self._database = self._opened()
        except BaseException:
            self._lock.close()
            raise
        self.lost_events = 0
        """Events of games that could not be written."""
        self._waiting: deque[_Waiting] = deque()
        self._retrying: asyncio.Task[None] | None = None

    def _opened(self) -> Database:
        """The memory, or, where that is damaged, an empty one beside it: nothing is written over."""
        try:
            return Database(self.path)
        except CorruptStore as error:
            aside = backups.set_aside(self.path)
            good = backups.newest_good(self.path)
            hint = (
                f"`rfsn-bridge memory restore {good.name}` brings back {good.turns} turns"
                if good
                else "no backup is sound"
            )
            message = f"the memory is damaged and was set aside as {aside.name}; the NPCs begin anew"
            self.trouble = CorruptStore(message, hint)
            log.error("%s (%s); %s", message, error.message, hint)
            return Database(self.path)

    # --- Turns

    async def record(
        self, turn: Turn, learned: bytes | None = None, stored: Callable[[], None] = lambda: None
    ) -> None:
        """Returns once the turn is durable, and then `stored` has been called.

        If it cannot be written now, raises StoreError; it is tried again, and `stored` is called when it is there.
        """
        waiting = _Waiting(records.encode(turn), learned, stored)
        if self._waiting:  # in order: nothing overtakes what waits
            self._keep_waiting(waiting)
            raise StoreError(f"{len(self._waiting)} turns are waiting to be written", "free disk space")
        try:
            await self._write_turn(waiting)
        except CorruptStore:
            raise
        except StoreError:
            self._keep_waiting(waiting)
            raise

    async def _write_turn(self, waiting: _Waiting) -> None:
        await self._database.write(lambda c: records.add_turn(c, waiting.encoded, waiting.learned))
        waiting.stored()

    def _keep_waiting(self, waiting: _Waiting) -> None:
        if len(self._waiting) >= _WAITING:
            log.error("a turn is lost: %d are waiting for the disk already", _WAITING)
            return
        self._waiting.append(waiting)
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._try_again())

    async def _try_again(self) -> None:
        while self._waiting:
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(StoreError):
                while self._waiting:
                    await self._write_turn(self._waiting[0])
                    self._waiting.popleft()

    async def find(self, turn_id: str) -> Turn | None:
        """A turn by its id, with its decision, on whatever branch."""
        return await self._database.read(lambda c: records.find(c, turn_id))

    async def latest(self) -> Turn | None:
        """The turn recorded last, of any NPC."""
        return await self._database.read(lambda c: records.find(c, None))

    # --- Minds

    async def known(self, playthrough: str, npc_id: str, limit: int) -> Known:
        """The latest exchanges of an NPC, oldest first, how it was left, and what it has learned."""

        def job(connection: sqlite3.Connection) -> Known:
            present = timeline.present(connection, playthrough)
            number = records.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return Known()
            turns = records.recent(connection, present, number, limit)
            mind = records.mind(connection, present, number)
            return Known(
                tuple(turn.exchange for turn in turns),
                tuple(turn.turn_id for turn in turns),
                mind.state if mind else None,
                mind.learned if mind else None,
            )

        return await self._database.read(job)

    async def keep(self, playthrough: str, npc_id: str, state: NpcState, learned: bytes | None) -> None:
        """Keep how an NPC stands and what it has learned, where no turn says so."""
        await self._database.write(lambda c: records.add_mind(c, playthrough, npc_id, state, learned))

    async def recall(
        self, playthrough: str, npc_id: str, text: str, limit: int, without: Sequence[str] = ()
    ) -> Sequence[Recalled]:
        """The turns of an NPC that come to mind with a text; `without` are turns that need not be looked for."""

        def job(connection: sqlite3.Connection) -> Sequence[Recalled]:
            present = timeline.present(connection, playthrough)
            number = records.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return ()
            marks = ", ".join("?" * len(without))
            rows = connection.execute(f"SELECT moment FROM turns WHERE turn_id IN ({marks})", tuple(without))  # noqa: S608
            return recall(connection, present, number, text, limit, {row[0] for row in rows})

        return await self._database.read(job)

    # --- The game's events and saves

    def happened(self, playthrough: str, event: Mapping[str, Any]) -> None:
        """Write an event of the game down, some time soon; one that cannot be written is counted."""
        done = self._database.submit(lambda c: records.add_event(c, playthrough, event))
        done.add_done_callback(self._count_lost)

    def _count_lost(self, done: Future[None]) -> None:
        if done.exception() is not None:
            self.lost_events += 1

    async def save(self, playthrough: str, save_id: str, game_date: float | None) -> None:
        """The present is saved under a name."""
        await self._database.write(lambda c: timeline.save(c, playthrough, save_id, game_date))

    async def load(self, playthrough: str, save_id: str, game_date: float | None) -> Loaded:
        """A save is the present."""
        return await self._database.write(lambda c: timeline.load(c, playthrough, save_id, game_date))

    async def begin(self, playthrough: str, game_date: float | None) -> None:
        """A game begins or goes on, at a date."""
        await self._database.write(lambda c: timeline.begin(c, playthrough, game_date))

    # --- What a person asks

    async def stats(self, playthrough: str | None = None) -> dict[str, Any]:
        """Counts and sizes."""

        def job(connection: sqlite3.Connection) -> dict[str, Any]:
            def count(table: str) -> int:
                return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

            return {
                "turns": count("turns"),
                "npcs": count("npcs"),
                "playthroughs": [
                    name for (name,) in connection.execute("SELECT name FROM playthroughs ORDER BY name")
                ],
                "saves": count("saves"),
                "events": count("events"),
                "bytes": self.path.stat().st_size,
                "waiting": len(self._waiting),
            }

        return await self._database.read(job)

    async def npcs(self, playthrough: str) -> list[tuple[str, str, int]]:
        """Every NPC that remembers something: id, name, number of turns."""

        def job(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
            present = timeline.present(connection, playthrough)
            return list(records.npcs(connection, present)) if present else []

        return await self._database.read(job)

    async def turns(self, playthrough: str, npc_id: str, limit: int, before: str | None = None) -> list[Turn]:
        """Whole turns that an NPC remembers, the newest first."""

        def job(connection: sqlite3.Connection) -> list[Turn]:
            present = timeline.present(connection, playthrough)
            number = records.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return []
            return records.turns_of(connection, present, number, limit, before)

        return await self._database.read(job)

    async def reset(self, playthrough: str, npc_id: str) -> tuple[Backup, int]:
        """Have an NPC forget everything, after a backup; how many turns that were."""
        backup = await self.back_up("reset")
        forgotten = await self._database.write(lambda c: records.forget(c, playthrough, npc_id))
        return backup, forgotten

    # --- Backups

    async def back_up(self, reason: str) -> Backup:
        """Copy the memory as it is, beside what goes on."""
        return await asyncio.to_thread(backups.make, self.path, reason)

    async def backups(self) -> list[Backup]:
        return await asyncio.to_thread(backups.listed, self.path)

    async def restore(self, name: str) -> Backup:
        """Put a backup in the place of everything, in one step, after a backup of what is there; that backup."""
        chosen = await asyncio.to_thread(backups.find, self.path, name)
        await asyncio.to_thread(backups.check, chosen.path)
        undo = await self.back_up("restore")
        await self._database.replace(chosen.path)
        return undo

    async def aclose(self) -> None:
        """Waits for what was given to `record`."""
        if self._retrying:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        with contextlib.suppress(StoreError):
            while self._waiting:
                await self._write_turn(self._waiting[0])
                self._waiting.popleft()
        await self._database.aclose()
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
        raise StoreError(
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
