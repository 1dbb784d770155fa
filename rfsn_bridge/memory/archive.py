"""Reading the memory: what is remembered at present, what came to mind, what a person asks to see.

Reading needs no lock: it goes on beside the daemon that writes.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rfsn_bridge.domain import Exchange, Memory, NpcState, Turn
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory import backups, remembered, summaries, timeline
from rfsn_bridge.memory.backups import Backup
from rfsn_bridge.memory.database import connect, told
from rfsn_bridge.memory.export import Export
from rfsn_bridge.memory.recall import recall
from rfsn_bridge.memory.schema import WITH_SUMMARIES, StoreError, version_of
from rfsn_bridge.memory.search import search
from rfsn_bridge.memory.summaries import Due, Summary

T = TypeVar("T")

FILE = "memory.db"
_ALL = 2**31


class Reader(Protocol):
    """Runs a job on a connection that only reads."""

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an NPC at present."""

    exchanges: tuple[Exchange, ...] = ()
    turn_ids: tuple[str, ...] = ()
    state: NpcState | None = None
    """None: it was never met."""
    learned: bytes | None = None


class Archive:
    """What can be read of a memory. Everything raises StoreError."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self._reader = reader

    async def find(self, turn_id: str) -> Turn | None:
        """A turn by its id, with its decision, on whatever branch."""
        return await self._reader.read(lambda c: remembered.find(c, turn_id))

    async def latest(self) -> Turn | None:
        """The turn recorded last, of any NPC."""
        return await self._reader.read(lambda c: remembered.find(c, None))

    async def known(self, playthrough: str, npc_id: str, limit: int) -> Known:
        """The latest exchanges of an NPC, oldest first, how it was left, and what it has learned."""

        def job(connection: sqlite3.Connection) -> Known:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return Known()
            turns = remembered.recent(connection, present, number, limit)
            mind = remembered.mind(connection, present, number)
            return Known(
                tuple(turn.exchange for turn in turns),
                tuple(turn.turn_id for turn in turns),
                mind.state if mind else None,
                mind.learned if mind else None,
            )

        return await self._reader.read(job)

    async def recall(self, query: RecallQuery) -> Sequence[Memory]:
        """The turns of an NPC that come to mind with a text, what matters most first."""

        def job(connection: sqlite3.Connection) -> Sequence[Memory]:
            present = timeline.present(connection, query.playthrough)
            number = remembered.known_npc(connection, present, query.npc_id) if present else None
            if present is None or number is None:
                return ()
            marks = ", ".join("?" * len(query.without))
            rows = connection.execute(f"SELECT moment FROM turns WHERE turn_id IN ({marks})", query.without)  # noqa: S608
            return recall(connection, present, number, query.text, query.limit, {row[0] for row in rows})

        return await self._reader.read(job)

    async def overheard(
        self, playthrough: str, npc_id: str, limit: int, told: Sequence[str] = ()
    ) -> Sequence[Memory]:
        """What was said to others in an NPC's hearing since the first turn of `told`, the newest first."""

        def job(connection: sqlite3.Connection) -> Sequence[Memory]:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return ()
            found = remembered.overheard(connection, present, number, limit, _first(connection, told) or 0)
            return [Memory(each.turn_id, each.npc_name, each.exchange, False, 0.0, 0.0) for each in found]

        return await self._reader.read(job)

    async def summaries(
        self, playthrough: str, npc_id: str, limit: int = 100, without: Sequence[str] = ()
    ) -> Sequence[Summary]:
        """What an NPC's history comes to, oldest first, as few texts as tell of it: the latest `limit`.

        `without` are turns that are told of anyway: only what was before them.
        """

        def job(connection: sqlite3.Connection) -> Sequence[Summary]:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None or not _has_summaries(connection):
                return ()
            first = _first(connection, without) or summaries.NEVER
            return summaries.told(connection, present, number, limit, first)

        return await self._reader.read(job)

    async def summary_due(
        self, playthrough: str, npc_id: str, recent_turns: int, skipped: Collection[tuple[int, str]] = ()
    ) -> Due | None:
        """The summary of an NPC to be made next, if there is any; `skipped` are places that are passed over."""

        def job(connection: sqlite3.Connection) -> Due | None:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return None
            return summaries.due(connection, present, number, recent_turns, skipped)

        return await self._reader.read(job)

    async def search(self, playthrough: str, npc_id: str, text: str, limit: int) -> Sequence[Memory]:
        """The turns of an NPC that have some words, those with all of them first."""

        def job(connection: sqlite3.Connection) -> Sequence[Memory]:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            return search(connection, present, number, text, limit) if present and number is not None else ()

        return await self._reader.read(job)

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
                "summaries": count("summaries") if _has_summaries(connection) else 0,
                "bytes": self.path.stat().st_size,
            }

        return await self._reader.read(job)

    async def npcs(self, playthrough: str) -> list[tuple[str, str, int]]:
        """Every NPC that remembers something: id, name, number of turns."""

        def job(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
            present = timeline.present(connection, playthrough)
            return list(remembered.npcs(connection, present)) if present else []

        return await self._reader.read(job)

    async def turns(self, playthrough: str, npc_id: str, limit: int, before: str | None = None) -> list[Turn]:
        """Whole turns that an NPC remembers, the newest first."""

        def job(connection: sqlite3.Connection) -> list[Turn]:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return []
            return remembered.turns_of(connection, present, number, limit, before)

        return await self._reader.read(job)

    async def name_of(self, playthrough: str, npc_id: str) -> str | None:
        """What an NPC is called that was met in a playthrough, in whatever save; None: it never was."""
        return await self._reader.read(lambda c: remembered.name_of(c, playthrough, npc_id))

    async def count(self, playthrough: str, npc_id: str) -> int:
        """How many turns an NPC remembers."""

        def job(connection: sqlite3.Connection) -> int:
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            return remembered.count(connection, present, number) if present and number is not None else 0

        return await self._reader.read(job)

    async def export(self, playthrough: str, npc_id: str) -> Export:
        """All that an NPC remembers at present."""

        def job(connection: sqlite3.Connection) -> Export:
            name = remembered.name_of(connection, playthrough, npc_id) or npc_id
            present = timeline.present(connection, playthrough)
            number = remembered.known_npc(connection, present, npc_id) if present else None
            if present is None or number is None:
                return Export(playthrough, npc_id, name, ())
            turns = remembered.turns_of(connection, present, number, _ALL)
            mind = remembered.mind(connection, present, number)
            state, learned = (mind.state, mind.learned) if mind else (None, None)
            told = summaries.told(connection, present, number, _ALL) if _has_summaries(connection) else ()
            texts = tuple(summary.text for summary in told)
            return Export(playthrough, npc_id, name, tuple(reversed(turns)), state, learned, texts)

        return await self._reader.read(job)

    async def backups(self) -> list[Backup]:
        return await asyncio.to_thread(backups.listed, self.path)


def _first(connection: sqlite3.Connection, turn_ids: Sequence[str]) -> int | None:
    """The moment of the first of some turns."""
    marks = ", ".join("?" * len(turn_ids))
    sql = f"SELECT min(moment) FROM turns WHERE turn_id IN ({marks})"  # noqa: S608
    (first,) = connection.execute(sql, tuple(turn_ids)).fetchone()
    return None if first is None else int(first)


def _has_summaries(connection: sqlite3.Connection) -> bool:
    """Not so in an older memory, or a copy of one, that no daemon has brought up to date yet."""
    return version_of(connection) >= WITH_SUMMARIES


class FileReader:
    """Reads a memory that another process may be writing."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError where there is none."""
        if not path.is_file() or not path.stat().st_size:
            if backups.listed(path):
                hint = "`rfsn-bridge memory backups` lists what can be restored"
                raise StoreError(f"the memory in {path.parent} is gone", hint)
            raise StoreError(f"there is no memory in {path.parent} yet", "talk to an NPC first, or see --data")
        self._path = path

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._read, job)

    def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with contextlib.closing(connect(self._path, read_only=True)) as connection:
                return job(connection)
        except sqlite3.Error as error:
            raise told(self._path, error, "read") from error


def open_archive(folder: Path) -> Archive:
    """The memory of a data folder's `memory`, to be read; raises StoreError."""
    path = folder / FILE
    return Archive(path, FileReader(path))
