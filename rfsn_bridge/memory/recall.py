"""Which older turns come to mind with a line: relevant, recent, important.

The score is that of Park et al., "Generative Agents: Interactive Simulacra of Human Behavior" (UIST 2023), section
4.1: the sum of recency, importance and relevance, each in [0, 1]. Recency decays by 0.995 with each turn that the
NPC has had since; importance is what the turn changed; relevance is bm25 (SQLite's FTS5), as a part of the best.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Collection, Sequence

from rfsn_bridge.domain import Memory
from rfsn_bridge.memory.records import Remembered, _remembered
from rfsn_bridge.memory.timeline import Present

_DECAY = 0.995
_TERMS = 6
"""Words of the line that are searched for: the rarest."""
_COMMON = 0.2
"""A word that is in a larger part of all turns says nothing."""
_CANDIDATES = 64
_WORD = re.compile(r"[^\W_]{2,}")


def recall(
    connection: sqlite3.Connection,
    present: Present,
    number: int,
    text: str,
    limit: int,
    without: Collection[int] = (),
) -> Sequence[Memory]:
    """Up to `limit` turns, the best first; `without` are moments that are in the prompt anyway."""
    if limit <= 0 or not (terms := _rarest(connection, text)):
        return ()
    places = {stretch.branch: stretch.upto for stretch in reversed(present.stretches)}
    match = f"who:n{number} AND text:({' OR '.join(_quoted(term) for term in terms)})"
    rows = connection.execute(
        "SELECT t.moment, t.turn_id, n.name, t.player_text, t.heard_text, t.deeds, m.own, t.importance, "
        "t.branch, w.rank FROM (SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?) w "
        "JOIN turns t ON t.moment = w.rowid JOIN npcs n ON n.id = t.npc "
        "JOIN memories m ON m.npc = ? AND m.branch = t.branch AND m.moment = t.moment",
        (match, _CANDIDATES, number),
    ).fetchall()
    found = [
        (_remembered(row[:8]), -row[9])
        for row in rows
        if row[0] <= places.get(row[8], -1) and row[0] not in without
    ]
    if not found:
        return ()
    best = max(relevance for _, relevance in found) or 1.0
    order = sorted((turn.moment for turn, _ in found), reverse=True)
    since = {moment: _turns_since(connection, present, number, moment) for moment in order}
    recalled = [
        Memory(
            turn.turn_id,
            turn.npc_name,
            turn.exchange,
            turn.own,
            _similarity(terms, turn),
            relevance / best + turn.importance + _DECAY ** since[turn.moment],
        )
        for turn, relevance in found
    ]
    return sorted(recalled, key=lambda each: -each.score)[:limit]


def _similarity(terms: Collection[str], turn: Remembered) -> float:
    """The part of the words searched for that a turn has."""
    there = set(map(str.casefold, _WORD.findall(f"{turn.exchange.player_text} {turn.exchange.npc_text}")))
    return sum(term in there for term in terms) / len(terms)


def _turns_since(connection: sqlite3.Connection, present: Present, number: int, moment: int) -> int:
    """How many turns an NPC has had since a moment; counted to a thousand, when all recency is gone."""
    turns = 0
    for stretch in present.stretches:
        turns += connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM memories WHERE npc = ? AND branch = ? AND moment > ? "
            "AND moment <= ? LIMIT 1000)",
            (number, stretch.branch, moment, stretch.upto),
        ).fetchone()[0]
        if turns >= 1000:
            break
    return turns


def _rarest(connection: sqlite3.Connection, text: str) -> list[str]:
    """The words of a text that tell most: those that are known, and in few turns."""
    words = list(dict.fromkeys(word.casefold() for word in _WORD.findall(text[:1000])))[:40]
    (total,) = connection.execute("SELECT max(moment) FROM turns").fetchone()
    known = []
    for word in words:
        row = connection.execute("SELECT doc FROM vocabulary WHERE term = ?", (_folded(word),)).fetchone()
        if row and row[0] <= max(20, _COMMON * (total or 0)):
            known.append((row[0], word))
    return [word for _, word in sorted(known)[:_TERMS]]


def _folded(word: str) -> str:
    """A word as the tokenizer of the index writes it: without its accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
