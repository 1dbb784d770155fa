"""The store: what is acknowledged is there, what two NPCs heard both remember, a save brings back its day."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rfsn_bridge.domain import Deed, NpcState, Turn, TurnStatus
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory import backups
from rfsn_bridge.memory.schema import CorruptStore, StoreError
from rfsn_bridge.memory.store import Store


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
        "state": NpcState(affinity=number / 100),
        "decision": None,
    }
    return Turn(**(values | fields))


async def said_to(store: Store, npc: str, playthrough: str = "p") -> list[str]:
    return [exchange.player_text for exchange in (await store.known(playthrough, npc, 100)).exchanges]


# --- Turns


async def test_a_turn_comes_back_whole(tmp_path: Path) -> None:
    turn = a_turn(1, hearers=("b",), deeds=(Deed("give", {"item": "torch"}, "applied", "player"),), game_date=17.5)
    async with opened(tmp_path) as store:
        await store.record(turn)
        assert await store.find("t1") == turn == await store.latest()
        assert await store.find("t2") is None


async def test_a_turn_that_is_recorded_twice_is_there_once(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    async with opened(tmp_path) as store:
        for _ in range(2):
            await store.record(a_turn(1), None, lambda: acknowledged.append(1))
        assert await said_to(store, "a") == ["line 1"]
    assert acknowledged == [1, 1]


async def test_many_turns_share_a_commit_and_keep_their_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await asyncio.gather(*(store.record(a_turn(number)) for number in range(200)))
        assert await said_to(store, "a") == [f"line {number}" for number in range(100, 200)]


async def test_whoever_heard_a_turn_remembers_it_and_nobody_remembers_what_was_not_heard(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1, hearers=("b", "c")))
        await store.record(a_turn(2, hearers=("b",), heard_text=""))
        assert [turn.turn_id for turn in await store.turns("p", "b", 9)] == ["t1"]
        assert await said_to(store, "b") == []  # it was said to A
        found = await store.recall(RecallQuery("p", "c", "line answer", 9))
        assert [(each.turn_id, each.own) for each in found] == [("t1", False)]


async def test_names_that_look_alike_are_different_npcs(tmp_path: Path) -> None:
    names = ["Ra'virr", 'Ra"virr', "店主", "Lydia", "lydia", "é", "e\u0301", "a\0b", "n OR m", "*"]
    async with opened(tmp_path) as store:
        for number, name in enumerate(names):
            await store.record(a_turn(number, name))
        for number, name in enumerate(names):
            assert await said_to(store, name) == [f"line {number}"]
        assert {npc_id for npc_id, _, _ in await store.npcs("p")} == set(names)


# --- The timeline


async def test_loading_a_save_brings_back_its_mind_and_later_ones_wait_on_their_branch(tmp_path: Path) -> None:
    """Talk, save A, insult him, save B, load A: he does not know of the insult. Load B: he does."""
    async with opened(tmp_path) as store:
        await store.record(a_turn(1, player_text="Hail."), b"friendly")
        await store.save("p", "A", 17.25)
        await store.record(a_turn(2, player_text="You are a coward.", state=NpcState(affinity=-0.5)), b"hurt")
        await store.save("p", "B", 17.5)
        assert (await store.load("p", "A", 17.25)).exact
        known = await store.known("p", "a", 9)
        assert ([e.player_text for e in known.exchanges], known.learned) == (["Hail."], b"friendly")
        assert known.state == NpcState(affinity=0.01)
        await store.record(a_turn(3, player_text="Well met again."))
        assert await said_to(store, "a") == ["Hail.", "Well met again."]
        await store.load("p", "B", 17.5)
        known = await store.known("p", "a", 9)
        assert [e.player_text for e in known.exchanges] == ["Hail.", "You are a coward."]
        assert (known.state, known.learned) == (NpcState(affinity=-0.5), b"hurt")


async def test_a_save_never_seen_is_found_by_its_date(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(1, 6):
            await store.record(a_turn(number, game_date=float(number)))
        loaded = await store.load("p", "made elsewhere", 3.5)
        assert (loaded.exact, loaded.found) == (False, True)
        assert await said_to(store, "a") == ["line 1", "line 2", "line 3"]
        assert not (await store.load("p", "no date", None)).found
        assert await said_to(store, "a") == ["line 1", "line 2", "line 3"]
        await store.load("p", "before everything", 0.5)
        assert await said_to(store, "a") == []


async def test_a_new_game_of_the_same_name_begins_with_nothing_and_a_restart_changes_nothing(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        for number in range(1, 4):
            await store.record(a_turn(number, game_date=10.0 + number))
        await store.begin("p", 13.0)  # the daemon was restarted while the game went on
        assert len(await said_to(store, "a")) == 3
        await store.begin("p", 0.3)
        assert await said_to(store, "a") == []


async def test_memory_grows_with_what_happens_and_not_with_saves_and_loads(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1), bytes(5000))
        await store.save("p", "A", None)
        for number in range(200):
            await store.save("p", f"s{number % 5}", None)
            await store.load("p", "A", None)
        assert (await store.stats())["saves"] == 6
    with sqlite3.connect(tmp_path / "memory.db") as file:
        assert file.execute("SELECT count(*) FROM branches").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM minds").fetchone() == (1,)


async def test_what_is_learned_between_saves_takes_the_place_of_what_was_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(50):
            await store.keep("p", "a", NpcState(), f"{number}".encode())
        await store.save("p", "A", None)
        for number in range(50, 100):
            await store.keep("p", "a", NpcState(), f"{number}".encode())
        await store.load("p", "A", None)
        assert (await store.known("p", "a", 1)).learned == b"49"
    with sqlite3.connect(tmp_path / "memory.db") as file:
        assert file.execute("SELECT count(*) FROM minds").fetchone() == (2,)


async def test_two_playthroughs_know_nothing_of_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1))
        await store.record(a_turn(2, playthrough="q"))
        await store.save("p", "A", None)
        await store.load("q", "A", None)
        assert await said_to(store, "a", "p") == ["line 1"]
        assert await said_to(store, "a", "q") == ["line 2"]


# --- Recall


async def test_what_comes_to_mind_is_about_the_line(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1, player_text="My brother died at Helgen.", heard_text="May he rest."))
        for number in range(2, 60):
            await store.record(a_turn(number, player_text=f"What about the weather, day {number}?"))
        found = await store.recall(RecallQuery("p", "a", "Do you remember my brother?", 3))
        assert found[0].turn_id == "t1"
        assert await store.recall(RecallQuery("p", "a", "Do you remember my brother?", 3, ("t1",))) == ()
        assert await store.recall(RecallQuery("p", "a", "zzz", 3)) == ()
        for odd in ("", '"', "* NEAR( AND", "who:n1", "🐉" * 50, "a" * 5000):
            await store.recall(RecallQuery("p", "a", odd, 3))


async def test_what_was_overheard_of_late_is_told_the_newest_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(1, 5):
            await store.record(a_turn(number, hearers=("b",)))
        await store.save("p", "A", None)
        await store.record(a_turn(5, hearers=("b",)))
        await store.load("p", "A", None)
        await store.record(a_turn(6, "b"))
        await store.record(a_turn(7, hearers=("b",), heard_text=""))
        await store.record(a_turn(8, hearers=("b",)))
        found = await store.overheard("p", "b", 3)
        assert [each.turn_id for each in found] == ["t8", "t4", "t3"]
        assert {(each.npc_name, each.own) for each in found} == {("A", False)}
        assert [each.turn_id for each in await store.overheard("p", "b", 3, ("t6",))] == ["t8"]
        assert not await store.overheard("p", "a", 3) and not await store.overheard("q", "b", 3)


async def test_what_did_not_happen_on_this_branch_does_not_come_to_mind(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.save("p", "A", None)
        await store.record(a_turn(1, player_text="I buried the amulet."))
        await store.load("p", "A", None)
        await store.record(a_turn(2, player_text="Hail."))
        assert await store.recall(RecallQuery("p", "a", "Where is the amulet?", 3)) == ()


# --- Forgetting and backups


async def test_a_reset_forgets_one_npc_and_can_be_undone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1, hearers=("b",)))
        await store.record(a_turn(2, "b"))
        backup, forgotten = await store.reset("p", "a")
        assert forgotten == 1
        assert await said_to(store, "a") == [] and await said_to(store, "b") == ["line 2"]
        assert await store.recall(RecallQuery("p", "a", "line", 9)) == ()
        assert len(await store.recall(RecallQuery("p", "b", "line", 9))) == 2
        await store.restore(backup.name)
        assert await said_to(store, "a") == ["line 1"]
        assert [each.reason for each in await store.backups()] == ["restore", "reset"]


async def test_backups_of_the_same_second_have_names_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1))
        names = [(await store.back_up("manual")).name for _ in range(5)]
        assert len(set(names)) == 5
        assert all(each.turns == 1 for each in await store.backups())


async def test_old_automatic_backups_go_and_those_made_by_hand_stay(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        kept = await store.back_up("manual")
        for _ in range(5):
            await store.back_up("automatic")
        assert len(backups.prune(store.path, 2)) == 3
        left = [each.name for each in await store.backups()]
        assert len(left) == 3 and kept.name in left
        for reason in ("reset", "restore", "import") * 3:
            await store.back_up(reason)
        assert len(backups.prune(store.path, 2)) == 3
        assert len(await store.backups()) == 9


@pytest.mark.parametrize("name", ["", "..", "../memory.db", "/etc/passwd", "memory-20260101-000000-manual-1.db"])
async def test_only_a_backup_can_be_restored(name: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1))
        with pytest.raises(StoreError, match="there is no backup"):
            await store.restore(name)
        assert await said_to(store, "a") == ["line 1"]


async def test_a_damaged_backup_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1))
        backup = await store.back_up("manual")
        content = bytearray(backup.path.read_bytes())
        content[5000:7000] = b"\xff" * 2000
        backup.path.write_bytes(content)
        with pytest.raises(CorruptStore):
            await store.restore(backup.name)
        assert await said_to(store, "a") == ["line 1"]


async def test_backups_made_at_once_are_apart_and_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        reasons = ["reset", "automatic", "manual", "automatic", "restore"]
        made = await asyncio.gather(*map(store.back_up, reasons))
        assert [each.name for each in await store.backups()] == [each.name for each in made[::-1]]
        assert [each.reason for each in made] == reasons
        for each in made:
            backups.check(each.path)


# --- Trouble


@pytest.mark.parametrize("damage", ["zeros", "text", "middle", "cut"])
async def test_a_damaged_memory_is_set_aside_whole_and_the_newest_good_backup_offered(
    damage: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as store:
        for number in range(50):
            await store.record(a_turn(number))
        good = await store.back_up("manual")
    file = tmp_path / "memory.db"
    content = bytearray(file.read_bytes())
    match damage:
        case "zeros":
            content = bytearray(len(content))
        case "text":
            content = bytearray(b"these are no memories " * 500)
        case "middle":
            content[4096:12288] = b"\xff" * 8192
        case "cut":
            del content[len(content) // 2 :]
    file.write_bytes(content)
    async with opened(tmp_path) as store:
        assert store.trouble and good.name in store.trouble.hint
        (aside,) = tmp_path.glob("memory-damaged-*.db")
        assert aside.read_bytes() == bytes(content)
        assert await said_to(store, "a") == []
        await store.restore(good.name)
        assert len(await said_to(store, "a")) == 50


async def test_of_the_newest_sound_backups_that_with_the_most_turns_is_offered(tmp_path: Path) -> None:
    """A memory that was begun anew by mistake has newer backups, of next to nothing."""
    async with opened(tmp_path) as store:
        for number in range(5):
            await store.record(a_turn(number))
        full = await store.back_up("manual")
    (tmp_path / "memory.db").unlink()
    async with opened(tmp_path) as store:
        await store.record(a_turn(9))
        await store.back_up("automatic")
        (await store.back_up("manual")).path.write_bytes(b"nonsense")
    (tmp_path / "memory.db").write_bytes(b"nonsense" * 1000)
    async with opened(tmp_path) as store:
        assert store.trouble
        assert f"restore {full.name}` brings back 5 turns; `rfsn-bridge memory backups`" in store.trouble.hint


async def test_a_memory_that_is_gone_is_told_of_where_there_are_backups(tmp_path: Path) -> None:
    """As it is when the daemon was killed between setting a damaged one aside and beginning anew."""
    async with opened(tmp_path) as store:
        assert store.trouble is None
        await store.record(a_turn(1))
        good = await store.back_up("manual")
    (tmp_path / "memory.db").unlink()
    async with opened(tmp_path) as store:
        assert store.trouble and good.name in store.trouble.hint
    async with opened(tmp_path) as store:
        assert store.trouble is None


async def test_a_second_daemon_is_told_who_holds_the_memory(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StoreError, match=r"in use by process \d+"):
            Store(tmp_path)
    async with opened(tmp_path):
        pass


async def test_a_full_disk_loses_nothing_and_recovers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rfsn_bridge.memory import database
    from rfsn_bridge.memory import store as store_module

    monkeypatch.setattr(store_module, "_AGAIN_S", 0.05)
    full, connect = True, database.connect

    def limited(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        if full and not read_only:  # a real SQLITE_FULL
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    acknowledged: list[int] = []
    all_there = asyncio.Event()

    def stored(number: int) -> None:
        acknowledged.append(number)
        if len(acknowledged) == 4:
            all_there.set()

    monkeypatch.setattr(database, "connect", limited)
    async with opened(tmp_path) as store:
        with pytest.raises(StoreError, match="full"):
            await store.record(a_turn(0, heard_text="x" * 100_000), None, lambda: stored(0))
        for number in range(1, 4):
            with pytest.raises(StoreError):
                await store.record(a_turn(number), None, partial(stored, number))
        assert acknowledged == [] and store.waiting == 4
        assert await said_to(store, "a") == []  # reading goes on
        full = False
        await asyncio.wait_for(all_there.wait(), 10)
        assert acknowledged == [0, 1, 2, 3]
        assert await said_to(store, "a") == [f"line {number}" for number in range(4)]


async def test_a_save_made_once_there_is_room_has_the_turns_that_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before they are tried again by themselves; and a load does not leave them to what it loads."""
    monkeypatch.setattr("rfsn_bridge.memory.store._AGAIN_S", 60)
    async with opened(tmp_path) as store:
        await store.record(a_turn(1))
        await store.save("p", "A", None)
        write = store._database.write
        acknowledged: list[int] = []

        async def full(job: Any) -> Any:
            raise StoreError("the disk is full")

        for number, change in ((2, store.save("p", "B", None)), (3, store.load("p", "A", None))):
            monkeypatch.setattr(store._database, "write", full)
            with pytest.raises(StoreError, match="full"):
                await store.record(a_turn(number), None, partial(acknowledged.append, number))
            monkeypatch.setattr(store._database, "write", write)
            await change
            assert store.waiting == 0
        assert acknowledged == [2, 3]
        assert await said_to(store, "a") == ["line 1"]
        await store.load("p", "B", None)
        assert await said_to(store, "a") == ["line 1", "line 2"]


async def test_a_save_made_while_the_disk_is_full_waits_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rfsn_bridge.memory.store._AGAIN_S", 0.02)
    all_there = asyncio.Event()
    async with opened(tmp_path) as store:
        write = store._database.write

        async def full(job: Any) -> Any:
            raise StoreError("the disk is full")

        monkeypatch.setattr(store._database, "write", full)
        for change in (
            store.save("p", "A", None),
            store.record(a_turn(1)),
            store.save("p", "B", None),
            store.record(a_turn(2), None, all_there.set),
        ):
            with pytest.raises(StoreError):
                await change
        assert store.waiting == 2
        monkeypatch.setattr(store._database, "write", write)
        await asyncio.wait_for(all_there.wait(), 10)
        for save_id, there in (("B", ["line 1"]), ("A", [])):
            assert (await store.load("p", save_id, None)).exact
            assert await said_to(store, "a") == there


async def test_who_overheard_a_turn_has_the_name_that_is_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1, hearers=("b", "c")), names={"b": "Lydia"})
        assert [await store.name_of("p", npc_id) for npc_id in "bc"] == ["Lydia", "c"]
        await store.keep("p", "c", NpcState(), None, "Ysolda")
        await store.record(a_turn(2, hearers=("b", "c")))
        assert [await store.name_of("p", npc_id) for npc_id in "bc"] == ["Lydia", "Ysolda"]


async def test_after_the_end_the_file_alone_is_the_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.record(a_turn(1))
        assert await said_to(store, "a") == ["line 1"]
    assert not list(tmp_path.glob("memory.db-*"))


async def test_a_memory_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "memory.db") as file:
        file.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer"):
        Store(tmp_path)
