"""The words of a text, as the index has them and as it is asked for them.

Chinese, Japanese, Thai and the like are written without spaces: there, every character is a word of the index, and
what is looked for are pairs of neighbours.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9d\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, and all of Han."""
_CHARACTER = re.compile(f"[{_UNSPACED}]")
_PART = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")


def indexed(text: str) -> str:
    """A text as it is given to the index."""
    return _CHARACTER.sub(r" \g<0> ", text)


def words(text: str) -> Iterator[str]:
    """What to look for to find a text: its words, and the pairs of characters where there are no spaces."""
    for word in _WORD.findall(text):
        for part in _PART.findall(word):
            if len(part) > 1 and _CHARACTER.match(part):
                yield from map("".join, pairwise(part))
            else:
                yield part


def findable(text: str) -> set[str]:
    """Everything in a text that can be looked for: its words, and single characters where there are no spaces."""
    return {*words(text), *_CHARACTER.findall(text)}


def quoted(word: str) -> str:
    """A word in a query of the index; a pair of characters is a phrase there."""
    return '"' + indexed(word).strip().replace('"', '""') + '"'


def who(speaker: int, all_who_remember: Iterable[int]) -> str:
    """Who remembers a turn, as the index has it: who was spoken to, then the others in order."""
    numbers = set(all_who_remember)
    first = [speaker] if speaker in numbers else []
    return " ".join(f"n{number}" for number in (*first, *sorted(numbers - {speaker})))


def index_characters(connection: sqlite3.Connection) -> None:
    """Index turns by their characters that were indexed before that was done. For the writer."""
    reader = connection.cursor()
    for moment, speaker, said, heard in reader.execute("SELECT moment, npc, player_text, heard_text FROM turns"):
        if not _CHARACTER.search(text := f"{said}\n{heard}"):
            continue
        remember = [n for (n,) in connection.execute("SELECT npc FROM memories WHERE moment = ?", (moment,))]
        row = (moment, who(speaker, remember))
        connection.execute("INSERT INTO words (words, rowid, who, text) VALUES ('delete', ?, ?, ?)", (*row, text))
        connection.execute("INSERT INTO words (rowid, who, text) VALUES (?, ?, ?)", (*row, indexed(text)))
