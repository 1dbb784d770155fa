"""Which older turns come to mind with a line: relevant, recent, important.

The score is that of Park et al., "Generative Agents: Interactive Simulacra of Human Behavior" (UIST 2023), section
4.1: the sum of recency, importance and relevance, each in [0, 1]. Recency decays by 0.995 with each turn that the
NPC has had since; importance is what the turn changed; relevance is bm25 (SQLite's FTS5), as a part of the best.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Sequence

from rfsn_bridge.domain import Memory
from rfsn_bridge.memory.remembered import Remembered, as_remembered
from rfsn_bridge.memory.timeline import Present
from rfsn_bridge.memory.words import quoted, words

_DECAY = 0.995
_TERMS = 6
"""Words of the line that are searched for: the rarest."""
_COMMON = 0.2
"""Words that are in a larger part of the latest turns say nothing, nor do those that are so together."""
_LATEST = 5000
"""Turns of anybody in which words are counted: counting all of a long game takes longer than the search."""
_RANKED = 256
"""The latest turns with one of these words; ranking each of ten thousand would take longest of all."""
_CANDIDATES = 64
_FORGOTTEN = 1000
"""Turns after which nothing of recency is left."""


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
    match = f"who:n{number} AND text:({' OR '.join(quoted(term) for term in terms)})"
    rows = connection.execute(
        "SELECT t.moment, t.turn_id, n.name, t.player_text, t.heard_text, t.deeds, m.own, t.importance, "
        "t.branch, w.rank FROM (SELECT * FROM (SELECT rowid, rank FROM words WHERE words MATCH ? "
        "ORDER BY rowid DESC LIMIT ?) ORDER BY rank LIMIT ?) w "
        "JOIN turns t ON t.moment = w.rowid JOIN npcs n ON n.id = t.npc "
        "JOIN memories m ON m.npc = ? AND m.branch = t.branch AND m.moment = t.moment",
        (match, _RANKED, _CANDIDATES, number),
    ).fetchall()
    found = [
        (as_remembered(row[:8]), -row[9])
        for row in rows
        if row[0] <= places.get(row[8], -1) and row[0] not in without
    ]
    if not found:
        return ()
    best = max(relevance for _, relevance in found) or 1.0
    latest = _latest(connection, present, number)
    scored = [
        (relevance / best + turn.importance + _DECAY ** (len(latest) - bisect_right(latest, turn.moment)), turn)
        for turn, relevance in found
    ]
    scored.sort(key=lambda each: -each[0])
    return [
        Memory(turn.turn_id, turn.npc_name, turn.exchange, turn.own, _similarity(terms, turn), score)
        for score, turn in scored[:limit]
    ]


def _similarity(terms: Collection[str], turn: Remembered) -> float:
    """The part of the words searched for that a turn has."""
    there = set(map(str.casefold, words(f"{turn.exchange.player_text} {turn.exchange.npc_text}")))
    return sum(term in there for term in terms) / len(terms)


def _latest(connection: sqlite3.Connection, present: Present, number: int) -> list[int]:
    """The moments of the latest turns that an NPC remembers, in order."""
    moments: list[int] = []
    for stretch in present.stretches:
        if len(moments) >= _FORGOTTEN:
            break
        rows = connection.execute(
            "SELECT moment FROM memories WHERE npc = ? AND branch = ? AND moment <= ? "
            "ORDER BY moment DESC LIMIT ?",
            (number, stretch.branch, stretch.upto, _FORGOTTEN - len(moments)),
        )
        moments += (moment for (moment,) in rows)
    return moments[::-1]


def _rarest(connection: sqlite3.Connection, text: str) -> list[str]:
    """The words of a text that tell most: those that are known, and in few turns."""
    line = list(dict.fromkeys(word.casefold() for word in words(text[:1000]) if len(word) > 1))[:40]
    (last,) = connection.execute("SELECT coalesce(max(moment), 0) FROM turns").fetchone()
    common = max(20, int(_COMMON * min(last, _LATEST)))

    by_number = sorted((counted(connection, word, last - _LATEST, common + 1), word) for word in line)
    terms: list[str] = []
    left = common
    for number, word in by_number:
        left -= number
        if left < 0 or len(terms) == _TERMS:
            break
        if number or counted(connection, word, 0, 1):
            terms.append(word)
    return terms


def counted(connection: sqlite3.Connection, word: str, since: int, limit: int) -> int:
    """How many turns after a moment have a word, counted up to a limit."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? AND rowid > ? LIMIT ?)"
    (found,) = connection.execute(sql, (f"text:{quoted(word)}", since, limit)).fetchone()
    return int(found)
