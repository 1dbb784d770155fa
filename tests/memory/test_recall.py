"""Which turns come to mind in a long game: those with words that are rare, however old."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest
from crashing import a_turn

from rfsn_bridge.domain import Turn
from rfsn_bridge.memory import records, timeline
from rfsn_bridge.memory.database import connect
from rfsn_bridge.memory.recall import recall
from rfsn_bridge.memory.schema import prepare


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Connection]:
    prepare(tmp_path / "memory.db")
    with closing(connect(tmp_path / "memory.db")) as connection:
        yield connection


def long_game(memory: Connection, first: str, turns: int) -> None:
    """`first` is said in the first turn, "traveller" in every one."""
    memory.execute("BEGIN")
    for number in range(turns):
        turn: Turn = a_turn("r", 0, number)
        records.add_turn(memory, records.encode(turn), None)
    memory.execute("COMMIT")
    memory.execute("INSERT INTO words (rowid, who, text) VALUES (1, 'n1', ?)", (first,))


def come_to_mind(memory: Connection, line: str) -> list[str]:
    present = timeline.present(memory, "p")
    assert present
    return [each.turn_id for each in recall(memory, present, 1, line, 4)]


def test_a_rare_word_brings_back_the_first_of_many_turns(memory: Connection) -> None:
    long_game(memory, "I lost an amulet in the barrow.", 6000)
    assert come_to_mind(memory, "Have you seen an Amulet, traveller?") == ["r-0-0"]


def test_words_of_most_turns_bring_back_nothing(memory: Connection) -> None:
    long_game(memory, "", 100)
    assert come_to_mind(memory, "The bridge, traveller!") == []


def test_words_that_nobody_ever_said_take_no_place(memory: Connection) -> None:
    long_game(memory, "I lost an amulet in the barrow.", 100)
    assert come_to_mind(memory, "aa bb cc dd ee ff gg hh ii jj amulet") == ["r-0-0"]


def test_accents_make_no_difference(memory: Connection) -> None:
    long_game(memory, "Où est ma clé?", 100)
    assert come_to_mind(memory, "la CLE") == ["r-0-0"]
