"""What happened, as rows: turns, minds, events, and how they are read back along the present.

SQL and values; every function takes the connection of the writer or of a reader.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from rfsn_bridge.domain import Decision, Deed, Exchange, NpcState, Turn, TurnStatus
from rfsn_bridge.memory import timeline
from rfsn_bridge.memory.export import Export
from rfsn_bridge.memory.timeline import Present
from rfsn_bridge.memory.words import indexed, who

_COPY = re.compile(r"~\d+\Z")
"""Behind the id of a turn that was brought into another playthrough."""


@lru_cache(maxsize=1)
def _decisions() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)


@lru_cache(maxsize=1)
def _states() -> TypeAdapter[NpcState]:
    return TypeAdapter(NpcState)


@lru_cache(maxsize=1)
def _deeds() -> TypeAdapter[tuple[Deed, ...]]:
    return TypeAdapter(tuple[Deed, ...])


@dataclass(frozen=True, slots=True)
class Encoded:
    """A turn made ready for its row; done outside the writer's thread."""

    turn: Turn
    hearers: str
    deeds: str
    state: str
    decision: bytes | None
    importance: float


def encode(turn: Turn) -> Encoded:
    decision = zlib.compress(_decisions().dump_json(turn.decision), 1) if turn.decision else None
    return Encoded(
        turn,
        json.dumps(turn.hearers, ensure_ascii=False),
        _deeds().dump_json(turn.deeds).decode(),
        _states().dump_json(turn.state).decode(),
        decision,
        importance(turn),
    )


def importance(turn: Turn) -> float:
    """How much a turn mattered to the NPC, in [0, 1]: by what it changed and what was done in it.

    After "importance" of Park et al., "Generative Agents" (2023), which asks a language model for it; here it is
    the change of feeling that the line made and the action is predicted to make, which is known anyway.
    """
    decision = turn.decision
    if decision is None or decision.trace is None:
        return 0.1
    felt = sum(
        abs(change)
        for name, change in decision.trace.changes.items()
        if name in ("affinity", "trust", "fear") and isinstance(change, float)
    )
    done = 0.3 if any(deed.status == "applied" for deed in turn.deeds) else 0.0
    return round(min(1.0, 0.1 + 1.5 * felt + done), 3)


def npc(connection: sqlite3.Connection, playthrough: int, npc_id: str, name: str | None = None) -> int:
    """The number of an NPC, made if it is new. For the writer."""
    row = connection.execute(
        "SELECT id, name FROM npcs WHERE playthrough = ? AND npc_id = ?", (playthrough, npc_id)
    ).fetchone()
    if row is None:
        made = connection.execute(
            "INSERT INTO npcs (playthrough, npc_id, name) VALUES (?, ?, ?)", (playthrough, npc_id, name or npc_id)
        )
        return made.lastrowid or 0
    if name and name != row[1]:
        connection.execute("UPDATE npcs SET name = ? WHERE id = ?", (name, row[0]))
    return int(row[0])


def known_npc(connection: sqlite3.Connection, present: Present, npc_id: str) -> int | None:
    row = connection.execute(
        "SELECT id FROM npcs WHERE playthrough = ? AND npc_id = ?", (present.playthrough, npc_id)
    ).fetchone()
    return int(row[0]) if row else None


def add_turn(
    connection: sqlite3.Connection,
    encoded: Encoded,
    learned: bytes | None,
    names: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Write a turn, who remembers it, and how it left the NPC; False if it was there already.

    `names` are those of its hearers, as far as they are known.
    """
    turn = encoded.turn
    if connection.execute("SELECT 1 FROM turns WHERE turn_id = ?", (turn.turn_id,)).fetchone():
        return False
    branch, moment = timeline.now(connection, turn.playthrough)
    number = timeline.playthrough(connection, turn.playthrough)
    speaker = npc(connection, number, turn.npc_id, turn.npc_name)
    _write_turn(connection, speaker, branch, moment, encoded)
    hearers = {npc(connection, number, each, names.get(each)) for each in turn.hearers if each != turn.npc_id}
    connection.execute("INSERT INTO memories VALUES (?, ?, ?, 1)", (speaker, branch, moment))
    if turn.heard_text:
        connection.executemany(
            "INSERT OR IGNORE INTO memories VALUES (?, ?, ?, 0)", [(each, branch, moment) for each in hearers]
        )
    if turn.player_text or turn.heard_text:
        remember = {speaker, *(hearers if turn.heard_text else ())}
        connection.execute(
            "INSERT INTO words (rowid, who, text) VALUES (?, ?, ?)",
            (moment, who(speaker, remember), indexed(f"{turn.player_text}\n{turn.heard_text}")),
        )
    _write_mind(connection, speaker, branch, moment, encoded.state, learned)
    return True


def _write_turn(connection: sqlite3.Connection, speaker: int, branch: int, moment: int, encoded: Encoded) -> None:
    turn = encoded.turn
    connection.execute(
        "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            moment,
            branch,
            speaker,
            turn.turn_id,
            turn.player_text,
            turn.heard_text,
            turn.heard_through_seq,
            turn.status.value,
            encoded.hearers,
            encoded.deeds,
            encoded.state,
            encoded.decision,
            encoded.importance,
            turn.game_date,
            turn.started_at,
        ),
    )


def add_foreign(
    connection: sqlite3.Connection, playthrough: str, npc_id: str, encoded: Encoded, game_date: float
) -> bool:
    """Write a turn that an NPC remembered elsewhere, for it alone; False if it remembers it already.

    It is known as of `game_date`. A turn that others remember here is not written again.
    """
    turn = encoded.turn
    number = timeline.playthrough(connection, playthrough)
    me = npc(connection, number, npc_id)
    speaker = met(connection, number, turn.npc_id, turn.npc_name)
    turn_id, there = _known_as(connection, turn.turn_id, number)
    if there is None:
        branch, moment = timeline.now(connection, playthrough)
        own = replace(turn, turn_id=turn_id, game_date=game_date)
        _write_turn(connection, speaker, branch, moment, replace(encoded, turn=own))
    else:
        moment, branch, spoke = there
        known = connection.execute("SELECT 1 FROM memories WHERE npc = ? AND moment = ?", (me, moment)).fetchone()
        if spoke != speaker or known:
            return False
    before = _remembering(connection, moment)
    connection.execute("INSERT INTO memories VALUES (?, ?, ?, ?)", (me, branch, moment, int(speaker == me)))
    _index(connection, moment, before, [*before, me])
    return True


def is_news(connection: sqlite3.Connection, playthrough: str, export: Export) -> bool:
    """Whether an export tells anything that its NPC does not remember, on whatever branch."""
    row = connection.execute("SELECT id FROM playthroughs WHERE name = ?", (playthrough,)).fetchone()
    present = timeline.present(connection, playthrough)
    me = known_npc(connection, present, export.npc_id) if present else None
    if row is None or present is None or me is None:
        return True
    if export.state and mind(connection, present, me) is None:
        return True
    places = (_known_as(connection, turn.turn_id, row[0])[1] for turn in export.turns)
    knows = "SELECT 1 FROM memories WHERE npc = ? AND moment = ?"
    return any(there is None or not connection.execute(knows, (me, there[0])).fetchone() for there in places)


def _known_as(
    connection: sqlite3.Connection, turn_id: str, playthrough: int
) -> tuple[str, tuple[int, int, int] | None]:
    """The id that a turn has in a playthrough, or is to have, and its moment, branch and speaker if it is there.

    No two turns have the same id: where another playthrough has it, this one's copy is called after that.
    """
    original = _COPY.sub("", turn_id)
    copy = f"{original}~{playthrough}"
    sql = (
        "SELECT t.moment, t.branch, t.npc, n.playthrough FROM turns t JOIN npcs n ON n.id = t.npc "
        "WHERE t.turn_id = ?"
    )
    rows = {each: connection.execute(sql, (each,)).fetchone() for each in (original, copy)}
    for each, row in rows.items():
        if row and row[3] == playthrough:
            return each, row[:3]
    return copy if rows[original] else original, None


def met(connection: sqlite3.Connection, playthrough: int, npc_id: str, name: str) -> int:
    """The number of an NPC, made if it is new; only then by this name, which may be an old one. For the writer."""
    row = connection.execute(
        "SELECT id FROM npcs WHERE playthrough = ? AND npc_id = ?", (playthrough, npc_id)
    ).fetchone()
    return int(row[0]) if row else npc(connection, playthrough, npc_id, name)


def add_mind(
    connection: sqlite3.Connection,
    playthrough: str,
    npc_id: str,
    state: NpcState,
    learned: bytes | None,
    name: str | None = None,
) -> None:
    """Write how an NPC stands and what it has learned, where no turn says so."""
    branch, moment = timeline.now(connection, playthrough)
    number = npc(connection, timeline.playthrough(connection, playthrough), npc_id, name)
    _write_mind(connection, number, branch, moment, _states().dump_json(state).decode(), learned)


def _write_mind(
    connection: sqlite3.Connection, number: int, branch: int, moment: int, state: str, learned: bytes | None
) -> None:
    """The newest mind takes the place of the one before, unless a save or another branch needs that."""
    row = connection.execute(
        "SELECT moment, learned FROM minds WHERE npc = ? AND branch = ? ORDER BY moment DESC LIMIT 1",
        (number, branch),
    ).fetchone()
    if row is not None:
        learned = row[1] if learned is None else learned
        if not timeline.needed(connection, branch, row[0]):
            connection.execute(
                "DELETE FROM minds WHERE npc = ? AND branch = ? AND moment = ?", (number, branch, row[0])
            )
    connection.execute("INSERT INTO minds VALUES (?, ?, ?, ?, ?)", (number, branch, moment, state, learned))


def add_event(connection: sqlite3.Connection, playthrough: str, event: Mapping[str, Any]) -> None:
    """Write something that the game reported."""
    branch, moment = timeline.now(connection, playthrough)
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            moment,
            branch,
            event["kind"],
            json.dumps(event.get("npc_ids") or []),
            event.get("text"),
            json.dumps(event["data"]) if event.get("data") else None,
            event.get("game_time"),
        ),
    )


def forget(connection: sqlite3.Connection, playthrough: str, npc_id: str) -> int:
    """Take everything of an NPC out of a playthrough, on every branch; what others heard of it they keep.

    How many turns it remembered.
    """
    number = timeline.playthrough(connection, playthrough)
    row = connection.execute(
        "SELECT id FROM npcs WHERE playthrough = ? AND npc_id = ?", (number, npc_id)
    ).fetchone()
    if row is None:
        return 0
    speaker = int(row[0])
    moments = [
        m for (m,) in connection.execute("SELECT moment FROM memories WHERE npc = ?", (speaker,)).fetchall()
    ]
    connection.execute("DELETE FROM memories WHERE npc = ?", (speaker,))
    connection.execute("DELETE FROM minds WHERE npc = ?", (speaker,))
    connection.execute("DELETE FROM summaries WHERE npc = ?", (speaker,))
    for moment in moments:
        left = _remembering(connection, moment)
        _index(connection, moment, [*left, speaker], left)
        if not left:
            connection.execute("DELETE FROM turns WHERE moment = ?", (moment,))
    return len(moments)


def _remembering(connection: sqlite3.Connection, moment: int) -> list[int]:
    """Who remembers a turn."""
    return [n for (n,) in connection.execute("SELECT npc FROM memories WHERE moment = ? ORDER BY npc", (moment,))]


def _index(connection: sqlite3.Connection, moment: int, before: Sequence[int], after: Sequence[int]) -> None:
    """Index a turn for those who remember it now, in the place of those who did before."""
    speaker, said, heard = connection.execute(
        "SELECT npc, player_text, heard_text FROM turns WHERE moment = ?", (moment,)
    ).fetchone()
    if not (said or heard):
        return
    text = indexed(f"{said}\n{heard}")
    if before:
        connection.execute(
            "INSERT INTO words (words, rowid, who, text) VALUES ('delete', ?, ?, ?)",
            (moment, who(speaker, before), text),
        )
    if after:
        connection.execute(
            "INSERT INTO words (rowid, who, text) VALUES (?, ?, ?)", (moment, who(speaker, after), text)
        )


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
            state = state or _states().validate_json(row[0])
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
    decision = _decisions().validate_json(zlib.decompress(row[11])) if row[11] else None
    return Turn(
        turn_id=row[1],
        playthrough=row[14],
        npc_id=row[2],
        npc_name=row[3],
        player_text=row[4],
        heard_text=row[5],
        heard_through_seq=row[6],
        status=TurnStatus(row[7]),
        state=_states().validate_json(row[10]),
        decision=decision,
        hearers=tuple(json.loads(row[8])),
        deeds=_deeds().validate_json(row[9]),
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
        found += map(_remembered, rows)
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
        found += map(_remembered, rows)
    return found[::-1]


def _remembered(row: tuple[Any, ...]) -> Remembered:
    moment, turn_id, name, said, heard, deeds, own, weight = row
    return Remembered(
        moment, turn_id, name, Exchange(said, heard, _deeds().validate_json(deeds)), bool(own), weight
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
