"""Summaries: which are due, which are told, and that they belong to a present exactly when their turns do."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfsn_bridge.domain import NpcState, Turn, TurnStatus
from rfsn_bridge.memory import backups, records, schema
from rfsn_bridge.memory.archive import open_archive
from rfsn_bridge.memory.schema import StoreError
from rfsn_bridge.memory.store import Store
from rfsn_bridge.memory.summaries import BLOCK, FANOUT, Summary


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = Store(folder)
    try:
        yield store
    finally:
        await store.aclose()


def a_turn(number: int, npc: str = "a", **fields: Any) -> Turn:
    values: dict[str, Any] = {
        "turn_id": f"t{number}",
        "playthrough": "p",
        "npc_id": npc,
        "npc_name": npc.upper(),
        "player_text": f"line {number}",
        "heard_text": f"answer {number}",
        "heard_through_seq": 0,
        "status": TurnStatus.COMPLETED,
        "state": NpcState(),
        "decision": None,
    }
    return Turn(**(values | fields))


async def talked(store: Store, numbers: Sequence[int], npc: str = "a") -> None:
    await asyncio.gather(*(store.record(a_turn(number, npc)) for number in numbers))


async def summarised(store: Store, npc: str = "a", recent: int = 0, most: int = 10_000) -> int:
    """Make all that is due, each naming its turns; how many there were."""
    made = 0
    while made < most and (due := await store.summary_due("p", npc, recent)):
        assert await store.keep_summary("p", npc, due, f"{due.turn_ids[0]} to {due.turn_ids[-1]}")
        made += 1
    return made


async def texts(store: Store, npc: str = "a") -> list[str]:
    return [summary.text for summary in await store.summaries("p", npc)]


async def test_a_block_is_due_once_it_is_older_than_what_a_reply_is_told_of(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await talked(store, range(BLOCK + 7))
        assert await store.summary_due("p", "a", 8) is None
        await talked(store, [BLOCK + 7])
        due = await store.summary_due("p", "a", 8)
        assert due and due.level == 0 and due.npc_name == "A"
        assert due.turn_ids == tuple(f"t{number}" for number in range(BLOCK))
        assert due.turns[1].exchange.player_text == "line 1"
        assert await store.keep_summary("p", "a", due, "They talked.")
        assert await store.summary_due("p", "a", 8) is None
        assert list(await store.summaries("p", "a")) == [Summary(due.turn_ids, "They talked.", 0)]
        assert (await store.stats())["summaries"] == 1


async def test_summaries_are_summarised_and_what_is_told_stays_short(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await talked(store, range(BLOCK * (FANOUT * FANOUT + FANOUT + 1)))
        assert await summarised(store) == FANOUT * FANOUT + FANOUT + 1 + FANOUT + 1 + 1
        told = await store.summaries("p", "a")
        assert [summary.level for summary in told] == [2, 1, 0]
        assert [turn for summary in told for turn in summary.turn_ids] == [
            f"t{number}" for number in range(BLOCK * (FANOUT * FANOUT + FANOUT + 1))
        ]
        assert len(await store.summaries("p", "a", 2)) == 2
        (highest,) = [s for s in told if s.level == 2]
        assert highest.text == f"t0 to t{BLOCK * FANOUT * FANOUT - 1}"


async def test_what_is_told_ends_before_the_turns_that_are_told_anyway(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await talked(store, range(3 * BLOCK))
        await summarised(store)
        told = await store.summaries("p", "a", without=(f"t{2 * BLOCK + 1}", f"t{2 * BLOCK}", "not there yet"))
        assert [summary.turn_ids[-1] for summary in told] == [f"t{BLOCK - 1}", f"t{2 * BLOCK - 1}"]


async def test_what_was_overheard_is_summarised_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(BLOCK):
            await store.record(a_turn(number, "a" if number % 2 else "b", hearers=("b",)))
        due = await store.summary_due("p", "b", 0)
        assert due and len(due.turns) == BLOCK
        assert {(turn.npc_name, turn.own) for turn in due.turns} == {("A", False), ("B", True)}


async def test_a_place_that_is_skipped_makes_room_for_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await talked(store, range(2 * BLOCK))
        first = await store.summary_due("p", "a", 0)
        assert first
        second = await store.summary_due("p", "a", 0, {first.place})
        assert second and second.turn_ids[0] == f"t{BLOCK}"
        assert await store.summary_due("p", "a", 0, {first.place, second.place}) is None


async def test_an_old_save_knows_nothing_of_later_summaries(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await talked(store, range(BLOCK + 3))
        await store.save("p", "early", None)
        await summarised(store)
        await talked(store, range(100, 100 + 2 * BLOCK))
        await summarised(store)
        await store.save("p", "late", None)
        late = await texts(store)
        assert len(late) == 3
        await store.load("p", "early", None)
        assert await texts(store) == late[:1]
        await talked(store, range(200, 200 + BLOCK))  # another story from there on
        await summarised(store)
        assert await texts(store) == [late[0], f"t{BLOCK} to t{200 + BLOCK - 4}"]
        await store.load("p", "late", None)
        assert await texts(store) == late


async def test_a_reset_forgets_an_npcs_summaries_and_no_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(BLOCK):
            await store.record(a_turn(number, hearers=("b",)))
        await summarised(store)
        await summarised(store, "b")
        await store.reset("p", "a")
        assert await texts(store) == []
        assert len(await texts(store, "b")) == 1


async def test_a_summary_that_comes_too_late_is_not_kept(tmp_path: Path) -> None:
    """The NPC was reset, or another memory restored, while the model wrote."""
    async with opened(tmp_path) as store:
        empty = await store.back_up("manual")
        await talked(store, range(BLOCK))
        due = await store.summary_due("p", "a", 0)
        assert due
        await store.reset("p", "a")
        assert not await store.keep_summary("p", "a", due, "They talked.")
        await store.restore(empty.name)
        assert not await store.keep_summary("p", "a", due, "They talked.")
        assert not await store.keep_summary("elsewhere", "a", due, "They talked.")
        assert (await store.stats())["summaries"] == 0


@settings(max_examples=30, deadline=None)
@given(story=st.lists(st.one_of(st.integers(1, 60), st.sampled_from(("save", "load", "summarise"))), max_size=30))
def test_the_walk_tells_of_each_turn_once_without_gaps_and_briefly(
    story: list[int | str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def run() -> None:
        async with opened(tmp_path_factory.mktemp("walk")) as store:
            count, saved = 0, False
            for step in story:
                if isinstance(step, int):
                    await talked(store, range(count, count + step))
                    count += step
                elif step == "summarise":
                    await summarised(store, most=5)
                elif step == "save":
                    await store.save("p", "s", None)
                    saved = True
                elif saved:
                    await store.load("p", "s", None)
                turns = [turn.turn_id for turn in await store.turns("p", "a", 10_000)][::-1]
                told = await store.summaries("p", "a", 10_000)
                covered = [turn_id for summary in told for turn_id in summary.turn_ids]
                assert covered == turns[: len(covered)]
            await summarised(store)
            turns = [turn.turn_id for turn in await store.turns("p", "a", 10_000)]
            told = await store.summaries("p", "a", 10_000)
            assert sum(len(summary.turn_ids) for summary in told) == len(turns) - len(turns) % BLOCK
            levels = [summary.level for summary in told]
            assert levels == sorted(levels, reverse=True)
            assert all(levels.count(level) < FANOUT for level in levels)

    asyncio.run(run())


# --- Files from before there were summaries


def old_file(folder: Path, turns: int = 3) -> Path:
    """A memory as version 1 left it."""
    path = folder / "memory.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "schema_1.sql").read_text(encoding="utf-8"))
        for number in range(turns):
            records.add_turn(connection, records.encode(a_turn(number)), None)
        connection.commit()
    return path


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()


def test_an_older_memory_is_backed_up_and_brought_up_to_date(tmp_path: Path) -> None:
    path = old_file(tmp_path, BLOCK)
    schema.prepare(tmp_path / "new.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        new = schema_of(connection)

    async def run() -> None:
        archive = open_archive(tmp_path)  # can be read before the daemon has brought it up to date
        assert (list(await archive.summaries("p", "a")), (await archive.stats())["summaries"]) == ([], 0)
        async with opened(tmp_path) as store:
            (backup,) = await store.backups()
            assert (backup.reason, backup.turns, backups.check(backup.path)) == ("migration", BLOCK, BLOCK)
            assert len(await store.turns("p", "a", 100)) == BLOCK
            assert await store._database.read(schema_of) == new
            assert await summarised(store) == 1
            await store.restore(backup.name)  # a copy from before the update is brought up to date, too
            assert await texts(store) == []
            assert await summarised(store) == 1
        async with opened(tmp_path) as store:
            assert [backup.reason for backup in await store.backups()] == ["restore", "migration"]

    asyncio.run(run())
    assert path.is_file()


def test_a_migration_that_is_interrupted_leaves_the_old_memory_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_file(tmp_path)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM turns")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setitem(schema.MIGRATIONS, 1, fails)
        with pytest.raises(StoreError):
            Store(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM turns").fetchone() == (3,)

    async def run() -> None:
        async with opened(tmp_path) as store:
            assert len(await store.turns("p", "a", 9)) == 3

    asyncio.run(run())
