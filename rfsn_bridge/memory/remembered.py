"""What is remembered at present, as rows of the memory: turns, minds, names, counts.

SQL and values; every function takes the connection of the writer or of a reader.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from rfsn_bridge.domain import Decision, Deed, Exchange, NpcState, Turn, TurnStatus
from rfsn_bridge.memory.timeline import Present


@lru_cache(maxsize=1)
def decision_adapter() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)


@lru_cache(maxsize=1)
def state_adapter() -> TypeAdapter[NpcState]:
    return TypeAdapter(NpcState)


@lru_cache(maxsize=1)
def deed_adapter() -> TypeAdapter[tuple[Deed, ...]]:
    return TypeAdapter(tuple[Deed, ...])


def known_npc(connection: sqlite3.Connection, present: Present, npc_id: str) -> int | None:
    row = connection.execute(
        "SELECT id FROM npcs WHERE playthrough = ? AND npc_id = ?", (present.playthrough, npc_id)
    ).fetchone()
    return int(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class MindRow:
    state: NpcState
    learned: bytes | None


def mind(connection: sqlite3.Connection, present: Present, number: int) -> MindRow | None:
    """How an NPC stands at present; None if it was never met."""
    learned: bytes | None = None
    state: NpcState | None = None
    for stretch in present.stretches:
        row = connection.execute(
            "SELECT state, learned FROM minds WHERE npc = ? AND branch = ? AND moment <= ? "
            "ORDER BY moment DESC LIMIT 1",
            (number, stretch.branch, stretch.upto),
        ).fetchone()
        if row is not None:
            state = state or state_adapter().validate_json(row[0])
            learned = learned or row[1]
            if learned is not None:
                break
    return MindRow(state, learned) if state else None


_COLUMNS = (
    "t.moment, t.turn_id, n.npc_id, n.name, t.player_text, t.heard_text, t.heard_through_seq, t.status, "
    "t.hearers, t.deeds, t.state, t.decision, t.game_date, t.started_at, p.name, t.importance"
)
_FROM = "FROM turns t JOIN npcs n ON n.id = t.npc JOIN playthroughs p ON p.id = n.playthrough"


def _turn(row: tuple[Any, ...]) -> Turn:
    decision = decision_adapter().validate_json(zlib.decompress(row[11])) if row[11] else None
    return Turn(
        turn_id=row[1],
        playthrough=row[14],
        npc_id=row[2],
        npc_name=row[3],
        player_text=row[4],
        heard_text=row[5],
        heard_through_seq=row[6],
        status=TurnStatus(row[7]),
        state=state_adapter().validate_json(row[10]),
        decision=decision,
        hearers=tuple(json.loads(row[8])),
        deeds=deed_adapter().validate_json(row[9]),
        started_at=row[13],
        game_date=row[12],
    )


def find(connection: sqlite3.Connection, turn_id: str | None) -> Turn | None:
    """A turn by its id, on whatever branch; None for the id: the last that was recorded."""
    where = "WHERE t.turn_id = ?" if turn_id else "ORDER BY t.moment DESC LIMIT 1"
    row = connection.execute(f"SELECT {_COLUMNS} {_FROM} {where}", (turn_id,) if turn_id else ()).fetchone()
    return _turn(row) if row else None


@dataclass(frozen=True, slots=True)
class Remembered:
    """A turn as somebody remembers it. `own`: it was the one spoken to."""

    moment: int
    turn_id: str
    npc_name: str
    exchange: Exchange
    own: bool
    importance: float


def overheard(
    connection: sqlite3.Connection, present: Present, number: int, limit: int, after: int
) -> list[Remembered]:
    """The latest turns after a moment that were said to others in an NPC's hearing, the newest first."""
    found: list[Remembered] = []
    for stretch in present.stretches:
        rows = connection.execute(
            "SELECT t.moment, t.turn_id, n.name, t.player_text, t.heard_text, t.deeds, m.own, t.importance "
            "FROM memories m JOIN turns t ON t.moment = m.moment JOIN npcs n ON n.id = t.npc "
            "WHERE m.npc = ? AND m.branch = ? AND m.moment > ? AND m.moment <= ? AND m.own = 0 "
            "ORDER BY m.moment DESC LIMIT ?",
            (number, stretch.branch, after, stretch.upto, limit - len(found)),
        )
        found += map(as_remembered, rows)
    return found


def recent(
    connection: sqlite3.Connection, present: Present, number: int, limit: int, *, own_only: bool = True
) -> list[Remembered]:
    """The latest turns that an NPC remembers, oldest first."""
    found: list[Remembered] = []
    for stretch in present.stretches:
        if len(found) >= limit:
            break
        rows = connection.execute(
            "SELECT t.moment, t.turn_id, n.name, t.player_text, t.heard_text, t.deeds, m.own, t.importance "
            "FROM memories m JOIN turns t ON t.moment = m.moment JOIN npcs n ON n.id = t.npc "
            "WHERE m.npc = ? AND m.branch = ? AND m.moment <= ? AND m.own >= ? ORDER BY m.moment DESC LIMIT ?",
            (number, stretch.branch, stretch.upto, int(own_only), limit - len(found)),
        )
        found += map(as_remembered, rows)
    return found[::-1]


def as_remembered(row: tuple[Any, ...]) -> Remembered:
    moment, turn_id, name, said, heard, deeds, own, weight = row
    return Remembered(
        moment, turn_id, name, Exchange(said, heard, deed_adapter().validate_json(deeds)), bool(own), weight
    )


def turns_of(
    connection: sqlite3.Connection, present: Present, number: int, limit: int, before: str | None = None
) -> list[Turn]:
    """Whole turns of an NPC at present, the newest first; those before a turn, if one is named."""
    last = 2**62
    if before is not None:
        row = connection.execute("SELECT moment FROM turns WHERE turn_id = ?", (before,)).fetchone()
        last = row[0] - 1 if row else last
    found: list[Turn] = []
    for stretch in present.stretches:
        if len(found) >= limit:
            break
        rows = connection.execute(
            f"SELECT {_COLUMNS} {_FROM} JOIN memories m ON m.moment = t.moment AND m.npc = ? "
            "WHERE m.branch = ? AND m.moment <= ? ORDER BY m.moment DESC LIMIT ?",
            (number, stretch.branch, min(last, stretch.upto), limit - len(found)),
        )
        found += map(_turn, rows)
    return found


def npcs(connection: sqlite3.Connection, present: Present) -> Iterable[tuple[str, str, int]]:
    """Every NPC that remembers something at present: id, name, number of turns."""
    for number, npc_id, name in connection.execute(
        "SELECT id, npc_id, name FROM npcs WHERE playthrough = ? ORDER BY name, npc_id", (present.playthrough,)
    ).fetchall():
        turns = count(connection, present, number)
        if turns:
            yield npc_id, name, turns


def count(connection: sqlite3.Connection, present: Present, number: int) -> int:
    """How many turns an NPC remembers at present."""
    sql = "SELECT count(*) FROM memories WHERE npc = ? AND branch = ? AND moment <= ?"
    return sum(
        connection.execute(sql, (number, stretch.branch, stretch.upto)).fetchone()[0]
        for stretch in present.stretches
    )


def name_of(connection: sqlite3.Connection, playthrough: str, npc_id: str) -> str | None:
    """What an NPC is called that was met in a playthrough, on whatever branch; None: it never was."""
    row = connection.execute(
        "SELECT n.name FROM npcs n JOIN playthroughs p ON p.id = n.playthrough WHERE p.name = ? AND n.npc_id = ?",
        (playthrough, npc_id),
    ).fetchone()
    return row[0] if row else None


def left_behind(connection: sqlite3.Connection, before: Present | None, after: Present | None) -> int:
    """How many turns were part of one present and are not part of another."""
    if before is None or after is None:
        return 0
    kept = {stretch.branch: stretch.upto for stretch in after.stretches}
    return sum(
        connection.execute(
            "SELECT count(*) FROM turns WHERE branch = ? AND moment > ? AND moment <= ?",
            (stretch.branch, kept.get(stretch.branch, 0), stretch.upto),
        ).fetchone()[0]
        for stretch in before.stretches
    )


def turns_in(connection: sqlite3.Connection, present: Present | None) -> int:
    """How many turns are part of a present."""
    return sum(
        connection.execute(
            "SELECT count(*) FROM turns WHERE branch = ? AND moment <= ?", (stretch.branch, stretch.upto)
        ).fetchone()[0]
        for stretch in (present.stretches if present else ())
    )
