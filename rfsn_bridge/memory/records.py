"""What happens, as rows: turns, minds, events. What is remembered of it is read in remembered.py.

SQL and values; every function takes a connection, that of the writer where it writes.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from rfsn_bridge.domain import NpcState, Turn
from rfsn_bridge.memory import timeline
from rfsn_bridge.memory.export import Export
from rfsn_bridge.memory.remembered import decision_adapter, deed_adapter, known_npc, mind, state_adapter
from rfsn_bridge.memory.words import indexed, who

_COPY = re.compile(r"~\d+\Z")
"""Behind the id of a turn that was brought into another playthrough."""


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
    decision = zlib.compress(decision_adapter().dump_json(turn.decision), 1) if turn.decision else None
    return Encoded(
        turn,
        json.dumps(turn.hearers, ensure_ascii=False),
        deed_adapter().dump_json(turn.deeds).decode(),
        state_adapter().dump_json(turn.state).decode(),
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
    _write_mind(connection, number, branch, moment, state_adapter().dump_json(state).decode(), learned)


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
