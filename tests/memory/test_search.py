"""What a person searches for is found, however common its words are, and only in the present."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crashing import a_turn

from rfsn_bridge.domain import Turn
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory import records
from rfsn_bridge.memory.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path)
    yield store
    await store.aclose()


def said(number: int, text: str, npc: int = 0) -> Turn:
    return a_turn("r", npc, number, player_text=text, hearers=())


async def talk(store: Store, *texts: str) -> None:
    await asyncio.gather(*(store.record(said(number, text)) for number, text in enumerate(texts)))


async def found(store: Store, text: str, limit: int = 9) -> list[int]:
    """The numbers of the turns, in order."""
    memories = await store.search("p", "npc0", text, limit)
    return [int(memory.turn_id.split("-")[-1]) for memory in memories]


async def test_a_word_of_every_turn_finds_the_newest(store: Store) -> None:
    await talk(store, *["Hail."] * 200)
    assert await store.recall(RecallQuery("p", "npc0", "traveller", 9)) == ()
    assert await found(store, "traveller", 3) == [199, 198, 197]
    assert await found(store, "The BRIDGE, traveller!", 2) == [199, 198]


async def test_turns_with_all_words_come_first_then_those_with_the_rarer(store: Store) -> None:
    await talk(
        store, "I lost the key.", "I lost an amulet here.", "An amulet!", *["Did I lose the way here?"] * 50
    )
    assert (await found(store, "lost amulet"))[:3] == [1, 2, 0]
    assert (await found(store, "the amulet here", 60))[:2] == [1, 2]
    assert await found(store, "key") == [0]
    assert await found(store, "dragon") == []


@pytest.mark.parametrize(
    ("said_then", "asked"),
    [
        ("我昨天在雪漫看见了一条龙。", "你看见龙了吗"),
        ("昨日ホワイトランでドラゴンを見た。", "ドラゴンはどこ"),
        ("เมื่อวานฉันเห็นมังกรตัวใหญ่", "มังกรอยู่ที่ไหน"),
        ("Ich sah 龙王 gestern.", "龙王?"),
    ],
)
async def test_what_is_written_without_spaces_is_found_and_comes_to_mind(
    store: Store, said_then: str, asked: str
) -> None:
    await talk(store, said_then, *["Good day to you."] * 30)
    assert (await found(store, asked))[0] == 0
    assert [memory.turn_id for memory in await store.recall(RecallQuery("p", "npc0", asked, 3))] == ["r-0-0"]


async def test_one_character_is_a_word_where_there_are_no_spaces(store: Store) -> None:
    await talk(store, "我看见了龙", "我看见了他", "龙在哪里", "王龙")
    assert set(await found(store, "龙")) == {0, 2, 3}
    assert await found(store, "见龙") == []  # they are no neighbours
    await store.reset("p", "npc0")
    assert await found(store, "龙") == []


async def test_what_was_indexed_before_in_one_piece_is_indexed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(records, "indexed", str)
        store = Store(tmp_path)
        await talk(store, "我昨天看见了龙", "Hail.")
        await store.aclose()
    with contextlib.closing(sqlite3.connect(tmp_path / "memory.db")) as connection:
        connection.execute("PRAGMA user_version=2")
    store = Store(tmp_path)
    assert await found(store, "看见") == [0] and await found(store, "hail") == [1]
    assert [backup.reason for backup in await store.backups()] == ["migration"]
    await store.reset("p", "npc0")
    assert await store._database.read(lambda c: c.execute("SELECT count(*) FROM vocabulary").fetchone()) == (0,)
    await store.aclose()


async def test_how_much_of_the_words_a_turn_has_is_told(store: Store) -> None:
    await talk(store, "The red amulet.", "The blue amulet.")
    both, one = await store.search("p", "npc0", "blue amulet", 9)
    assert (both.similarity, both.score, one.similarity) == (1, 1, 0.5)
    assert 0 < one.score < 0.5  # the common word tells less


async def test_only_what_is_so_at_present_is_found(store: Store) -> None:
    """However much was said since in saves that are not loaded."""
    await store.record(said(0, "The old amulet."))
    await store.save("p", "A", None)
    for number in range(1, 60):
        await store.record(said(number, "The new amulet."))
        await store.load("p", "A", None)
    await store.record(said(100, "Hail.", npc=1))
    assert await found(store, "amulet", 3) == [0]
    assert await found(store, "hail") == []


@pytest.mark.parametrize("text", ["cle", "CLÉ", "Cl\u00e9", "cle\u0301"])
async def test_accents_and_capitals_make_no_difference(store: Store, text: str) -> None:
    await talk(store, "Où est ma clé?", "Rien.")
    (memory,) = await store.search("p", "npc0", text, 9)
    assert (memory.turn_id, memory.similarity) == ("r-0-0", 1)


@pytest.mark.parametrize("text", ["", "  ", '"', "* NEAR( AND", "who:n1", "🐉" * 50, "a\0b", "x " * 5000])
async def test_odd_words_find_nothing_and_do_no_harm(store: Store, text: str) -> None:
    await talk(store, "Hail.")
    assert await found(store, text) == []
    assert await found(store, "hail", 0) == []
