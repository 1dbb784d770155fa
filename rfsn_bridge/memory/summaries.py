"""Long histories in few words: summaries of turns, and summaries of those.

Every BLOCK turns that an NPC remembers become one summary of level 0; every FANOUT summaries of a level that
follow each other become one of the next. So what tells of ten thousand turns is a dozen texts, and no turn is
summarised more than once a level. A summary's place is that of the last of its turns, and so it is part of a
present exactly when they are.

SQL and values; every function takes the connection of the writer or of a reader.
"""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from rfsn_bridge.memory import remembered, timeline
from rfsn_bridge.memory.remembered import Remembered, as_remembered
from rfsn_bridge.memory.timeline import Present

BLOCK = 12
"""Turns of one summary of level 0."""
FANOUT = 6
"""Summaries that become one of the next level."""
NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Summary:
    """`turn_ids` are those that it stands for, oldest first."""

    turn_ids: tuple[str, ...]
    text: str
    level: int


@dataclass(frozen=True, slots=True)
class Due:
    """A summary that should be made: of `turns`, or (above level 0) of `texts`."""

    npc_name: str
    level: int
    turn_ids: tuple[str, ...]
    turns: tuple[Remembered, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[int, str]:
        """Which one of its NPC it is."""
        return self.level, self.turn_ids[-1]


def told(
    connection: sqlite3.Connection, present: Present, number: int, limit: int, before: int = NEVER
) -> list[Summary]:
    """Up to `limit` summaries that tell of the time before a moment, the latest of them, oldest first.

    From there back: the highest one that ends there, then the highest before its first turn, and so on.
    """
    found: list[Summary] = []
    for stretch in present.stretches:
        while len(found) < limit:
            row = connection.execute(
                "SELECT turns, text, level, first FROM summaries WHERE npc = ? AND branch = ? AND moment <= ? "
                "ORDER BY moment DESC, level DESC LIMIT 1",
                (number, stretch.branch, min(stretch.upto, before - 1)),
            ).fetchone()
            if row is None:
                break
            found.append(Summary(tuple(json.loads(row[0])), row[1], row[2]))
            before = row[3]
    return found[::-1]


def due(
    connection: sqlite3.Connection,
    present: Present,
    number: int,
    recent_turns: int,
    skipped: Collection[tuple[int, str]] = (),
) -> Due | None:
    """The summary of an NPC to be made next, if there is any.

    The latest `recent_turns` that were said to it, and all since, are not summarised yet. `skipped` are places
    that are passed over.
    """
    (name,) = connection.execute("SELECT name FROM npcs WHERE id = ?", (number,)).fetchone()
    ends = [_last(connection, present, number, 0)]
    while ends[-1]:
        ends.append(_last(connection, present, number, len(ends)))
    for level in range(len(ends) - 2, -1, -1):
        after = ends[level + 1]
        while len(rows := _following(connection, present, number, level, after)) == FANOUT:
            ids = tuple(turn_id for row in rows for turn_id in json.loads(row[1]))
            merged = Due(name, level + 1, ids, texts=tuple(row[2] for row in rows))
            if merged.place not in skipped:
                return merged
            after = rows[-1][0]
    recent = remembered.recent(connection, present, number, recent_turns) if recent_turns else []
    before = recent[0].moment if recent else NEVER
    after = ends[0]
    while len(turns := _turns(connection, present, number, after, before)) == BLOCK:
        block = Due(name, 0, tuple(turn.turn_id for turn in turns), tuple(turns))
        if block.place not in skipped:
            return block
        after = turns[-1].moment
    return None


def keep(connection: sqlite3.Connection, playthrough: str, npc_id: str, made: Due, text: str) -> bool:
    """Write a summary; False if the NPC does not remember all of its turns any more. For the writer."""
    present = timeline.present(connection, playthrough)
    number = remembered.known_npc(connection, present, npc_id) if present else None
    ids = json.dumps(made.turn_ids, ensure_ascii=False)
    found, first, last = connection.execute(
        "SELECT count(*), min(t.moment), max(t.moment) FROM json_each(?) named "
        "CROSS JOIN turns t ON t.turn_id = named.value "  # in this order: any other looks at all that it remembers
        "CROSS JOIN memories m ON m.npc = ? AND m.branch = t.branch AND m.moment = t.moment",
        (ids, number),
    ).fetchone()
    if not found or found != len(made.turn_ids):
        return False
    connection.execute(
        "INSERT OR IGNORE INTO summaries (npc, branch, moment, level, first, text, turns) "
        "SELECT ?, branch, moment, ?, ?, ?, ? FROM turns WHERE moment = ?",
        (number, made.level, first, text, ids, last),
    )
    return True


def _last(connection: sqlite3.Connection, present: Present, number: int, level: int) -> int:
    """The last moment that summaries of a level tell of; 0 if there are none."""
    for stretch in present.stretches:
        row = connection.execute(
            "SELECT moment FROM summaries WHERE npc = ? AND branch = ? AND moment <= ? AND level = ? "
            "ORDER BY moment DESC LIMIT 1",
            (number, stretch.branch, stretch.upto, level),
        ).fetchone()
        if row is not None:
            return int(row[0])
    return 0


def _following(
    connection: sqlite3.Connection, present: Present, number: int, level: int, after: int
) -> list[tuple[int, str, str]]:
    """The next summaries of a level after a moment, as many as become one, oldest first: moment, turns, text."""
    sql = (
        "SELECT moment, turns, text FROM summaries WHERE npc = ? AND branch = ? AND moment > ? AND moment <= ? "
        "AND level = ? ORDER BY moment LIMIT ?"
    )
    rows: list[tuple[int, str, str]] = []
    for stretch in reversed(present.stretches):
        if len(rows) < FANOUT and after < stretch.upto:
            where = (number, stretch.branch, after, stretch.upto, level, FANOUT - len(rows))
            rows += connection.execute(sql, where)
    return rows


def _turns(
    connection: sqlite3.Connection, present: Present, number: int, after: int, before: int
) -> list[Remembered]:
    """The next turns that an NPC remembers between two moments, as many as become one summary, oldest first."""
    sql = (
        "SELECT t.moment, t.turn_id, n.name, t.player_text, t.heard_text, t.deeds, m.own, t.importance "
        "FROM memories m JOIN turns t ON t.moment = m.moment JOIN npcs n ON n.id = t.npc "
        "WHERE m.npc = ? AND m.branch = ? AND m.moment > ? AND m.moment <= ? ORDER BY m.moment LIMIT ?"
    )
    turns: list[Remembered] = []
    for stretch in reversed(present.stretches):
        if len(turns) < BLOCK and after < stretch.upto:
            where = (number, stretch.branch, after, min(before - 1, stretch.upto), BLOCK - len(turns))
            turns += map(as_remembered, connection.execute(sql, where))
    return turns
