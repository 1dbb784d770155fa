"""Which turns have the words that a person looks for: those with all of them first, then those with most.

What comes to an NPC's mind (recall.py) leaves out words that are common; whoever searches means every one. A
turn's score is the part of the words that it has, each weighing more the rarer it is (inverse document frequency,
Spärck Jones 1972); of those that are alike, the newest comes first.
"""

import math
import sqlite3
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from rfsn_bridge.domain import Memory
from rfsn_bridge.memory.recall import counted
from rfsn_bridge.memory.remembered import Remembered, as_remembered
from rfsn_bridge.memory.timeline import Present
from rfsn_bridge.memory.words import findable, quoted, words

_WORDS = 16
_LATEST = 5000
"""Turns of anybody in which words are counted."""
_LOOKED_AT = 20_000
"""Turns with a word, the newest first, of which those of the present are taken; others belong to other saves."""
_AT_ONCE = 500
_SELECTED = (
    "SELECT t.moment, t.turn_id, n.name, t.player_text, t.heard_text, t.deeds, m.own, t.importance "
    "FROM turns t JOIN npcs n ON n.id = t.npc "
    "JOIN memories m ON m.npc = ? AND m.branch = t.branch AND m.moment = t.moment"
)


def search(
    connection: sqlite3.Connection, present: Present, number: int, text: str, limit: int
) -> Sequence[Memory]:
    """Up to `limit` turns, the best first: among the newest with all words, and the newest with each."""
    wanted = list(dict.fromkeys(words(unicodedata.normalize("NFC", text[:1000].lower()))))[:_WORDS]
    if limit <= 0 or not wanted:
        return ()
    moments: set[int] = set()
    for some in (wanted, *([word] for word in wanted if len(wanted) > 1)):
        match = f"who:n{number} AND text:({' AND '.join(map(quoted, some))})"
        moments.update(islice(_newest(connection, present, match), limit))
    weights = _weights(connection, wanted)
    whole = sum(weights.values())
    found = []
    for turn in _turns(connection, number, moments):
        there = findable(_folded(f"{turn.exchange.player_text} {turn.exchange.npc_text}"))
        have = [weight for word, weight in weights.items() if word in there]
        found.append((sum(have) / whole, len(have) / len(weights), turn))
    found.sort(key=lambda each: (-each[0], -each[2].moment))
    return [
        Memory(turn.turn_id, turn.npc_name, turn.exchange, turn.own, similarity, score)
        for score, similarity, turn in found[:limit]
    ]


def _newest(connection: sqlite3.Connection, present: Present, match: str) -> Iterator[int]:
    """The moments of turns of the present that match, the newest first."""
    places = {stretch.branch: stretch.upto for stretch in reversed(present.stretches)}
    rows = connection.execute(
        "SELECT t.moment, t.branch FROM words JOIN turns t ON t.moment = words.rowid WHERE words MATCH ? "
        "AND words.rowid <= ? ORDER BY words.rowid DESC LIMIT ?",
        (match, max(places.values()), _LOOKED_AT),
    )
    return (moment for moment, branch in rows if moment <= places.get(branch, -1))


def _weights(connection: sqlite3.Connection, wanted: Collection[str]) -> dict[str, float]:
    """How much each word tells, by its rarity of late."""
    (last,) = connection.execute("SELECT coalesce(max(moment), 0) FROM turns").fetchone()
    latest = min(last, _LATEST)
    return {
        _folded(word): math.log(2 + latest / (1 + counted(connection, word, last - _LATEST, _LATEST)))
        for word in wanted
    }


def _turns(connection: sqlite3.Connection, number: int, moments: Collection[int]) -> Iterator[Remembered]:
    left = iter(moments)
    while some := list(islice(left, _AT_ONCE)):
        marks = ", ".join("?" * len(some))
        sql = f"{_SELECTED} WHERE t.moment IN ({marks})"
        yield from map(as_remembered, connection.execute(sql, (number, *some)))


def _folded(text: str) -> str:
    """As the index has it: without accents and capitals."""
    plain = "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))
    return unicodedata.normalize("NFC", plain.lower())
