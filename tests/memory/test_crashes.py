"""What was acknowledged is there after a kill, a power cut, and whatever operation of the disk fails.

Each round plays in a process of its own (`crashing.py`), which tells what was acknowledged; what it leaves is
opened here. `power_cut.c` fails the disk, and keeps what a power cut would leave of it.
"""

import contextlib
import errno
import random
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from crashing import ANY, KINDS, Order, Played, Player, a_turn

from rfsn_bridge.memory import backups
from rfsn_bridge.memory.store import Store

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks, kills and preloads"),
    pytest.mark.timeout(3600),
]

_SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with contextlib.closing(Player()) as player:
        yield player


@pytest.fixture(scope="module")
def frail(power_cut: Path) -> Iterator[Player]:
    """A player whose disk can fail."""
    with contextlib.closing(Player(power_cut)) as player:
        yield player


# --- What must be there


@dataclass(slots=True)
class Due:
    """Turns that were acknowledged, along what a player told."""

    now: frozenset[str] = frozenset()
    instead: frozenset[str] | None = None
    """While a backup is put back: what may be there in place of `now`."""
    gone: frozenset[str] = frozenset()
    """What a backup that was put back knew nothing of."""


def due(told: list[str], before: frozenset[str] = frozenset(), *, broken: bool = False) -> Due:
    """`broken`: the disk stays as it is, so that what was refused cannot be taken back for certain."""
    due = Due(before)
    backed_up: frozenset[str] = frozenset()
    unsure: set[str] = set()  # written while a backup was made or put back: before that, or after
    for fact in told:
        what, _, detail = fact.partition(" ")
        if what == "stored" and due.instead is not None:
            unsure.add(detail)
        elif what == "stored":
            due.now |= {detail}
        elif fact == "backing up":
            backed_up = due.now
        elif what == "backup":
            unsure |= due.now - backed_up
        elif what == "restoring":
            due.instead = backed_up
        elif what == "restored":
            due = Due(backed_up, None, due.now - backed_up - unsure)
        elif fact.startswith("refused restore") and not broken:
            due.instead = None
    return due


async def check(folder: Path, due: Due) -> None:
    """The memory opens, is whole, holds what is due, each turn once, and goes on; so does every backup."""
    path = folder / "memory.db"
    store = Store(folder)
    try:
        assert store.trouble is None
        with contextlib.closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert not file.execute("PRAGMA foreign_key_check").fetchall()
            file.execute("INSERT INTO words (words) VALUES ('integrity-check')")
            found = [turn_id for (turn_id,) in file.execute("SELECT turn_id FROM turns")]
            (remembered,) = file.execute("SELECT count(*) FROM memories WHERE own").fetchone()
            (indexed,) = file.execute("SELECT count(*) FROM words_docsize").fetchone()
        there = frozenset(found)
        assert len(found) == len(there) == remembered == indexed
        if due.instead is None or not due.now <= there:
            assert (due.now if due.instead is None else due.instead) <= there
            assert not there & due.gone
            assert due.instead is None or not there & (due.now - due.instead)
        kept = await store.backups()
        for backup in kept:
            assert backups.check(backup.path) == backup.turns
        lying = {path.name for path in (folder / "backups").glob("*")}
        assert lying == {name for backup in kept for name in (backup.name, f"{backup.name}.sha256")}
        again = a_turn("again", 3, len(found))
        await store.record(again)
        assert await store.find(again.turn_id) == again
    finally:
        await store.aclose()


def after_power_cut(order: Order, to: Path, chance: random.Random | None = None) -> Path:
    """The disk after a power cut: what was synced, and of the rest nothing, or what chance let through."""
    watched, image = Path(order.folder), Path(order.image)
    living = {path.stat().st_ino: path for path in [watched, *watched.rglob("*")]}

    def rebuild(inode: str, to: Path) -> None:
        to.mkdir()
        kept = image / f"{inode}.dir"
        entries = {}
        for line in kept.read_text().splitlines() if kept.exists() else ():
            kind, number, name = line.split(" ", 2)
            entries[name] = (kind, number)
        if chance and int(inode) in living:
            for path in living[int(inode)].iterdir():
                if chance.random() < 0.5:
                    entries[path.name] = ("dir" if path.is_dir() else "file", str(path.stat().st_ino))
            gone = [name for name in entries if not (living[int(inode)] / name).exists()]
            for name in gone:
                if chance.random() < 0.5:
                    del entries[name]
        for name, (kind, number) in entries.items():
            if kind == "dir":
                rebuild(number, to / name)
            else:
                (to / name).write_bytes(content(number))

    def content(inode: str) -> bytes:
        kept = image / inode
        old = kept.read_bytes() if kept.exists() else b""
        if not chance or int(inode) not in living:
            return old
        new = living[int(inode)].read_bytes()
        size = chance.choice((len(old), len(new)))
        sectors = range(0, size, 512)
        mixed = b"".join((old, new)[chance.random() < 0.5][at : at + 512].ljust(512, b"\0") for at in sectors)
        return mixed[:size]

    rebuild(str(watched.stat().st_ino), to)
    return to


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator["Rooms"]:
    yield Rooms(tmp_path)


class Rooms:
    """Folders for one round after the other; those of the round before are deleted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def order(self, play: str, *, image: bool = False, **fields: object) -> Order:
        shutil.rmtree(self._path)
        for name in ("disk", "image"):
            (self._path / name).mkdir(parents=True)
        kept = str(self._path / "image") if image else ""
        return Order(play, str(self._path / "disk"), image=kept, **fields)

    @property
    def cut(self) -> Path:
        """Where a disk after a power cut may be put."""
        path = self._path / "cut"
        shutil.rmtree(path, ignore_errors=True)
        return path


def count(frail: Player, fresh: Rooms, kinds: int) -> int:
    """How many operations of these kinds a story has."""
    played = frail.play(fresh.order("story", kinds=kinds))
    assert played.ended == 0 and played.told[-2] == "closed"
    return int(played.told[-1].removeprefix("operations "))


def some(numbers: int, step: int) -> range:
    """Every number up to `numbers` in steps, and beyond them one that never comes."""
    return range(1, numbers + step + 1, step)


# --- Kills


@pytest.mark.parametrize(("rounds", "seed"), [(5, 1), pytest.param(300, 2, marks=_SLOW)])
async def test_a_turn_that_was_acknowledged_before_a_kill_is_there(
    player: Player, tmp_path: Path, rounds: int, seed: int
) -> None:
    """The same memory is killed again and again, at random moments, while 20 NPCs talk and backups are made."""
    chance = random.Random(seed)
    acknowledged: frozenset[str] = frozenset()
    for number in range(rounds):
        if number % 20 == 19:  # a long memory takes long to check
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
            acknowledged = frozenset()
        shutil.rmtree(tmp_path / "memory" / "backups", ignore_errors=True)
        order = Order("load", str(tmp_path), f"r{number}", killed_after_s=chance.uniform(0.02, 0.6))
        played = player.play(order)
        assert played.ended == -signal.SIGKILL
        acknowledged = due(played.told, acknowledged).now
        await check(tmp_path / "memory", Due(acknowledged))
    assert acknowledged


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=_SLOW)])
async def test_a_kill_at_any_operation_leaves_old_or_new_whole(frail: Player, fresh: Rooms, step: int) -> None:
    """In all of a story: turns, a save, a load, a backup, a restore, the end."""
    for at in some(count(frail, fresh, ANY), step):
        order = fresh.order("story", kinds=ANY, at=at)
        played = frail.play(order)
        assert played.ended == -signal.SIGKILL or "closed" in played.told
        await check(Path(order.folder) / "memory", due(played.told))


async def test_a_kill_at_any_operation_leaves_a_damaged_memory_whole(frail: Player, fresh: Rooms) -> None:
    """With the log beside it, where it has one: that holds what was acknowledged last."""
    at, ended = 0, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        at += 1
        order = fresh.order("story", kinds=KINDS["write"], at=300)
        acknowledged = due(frail.play(order).told).now
        folder = Path(order.folder) / "memory"
        assert (folder / "memory.db-wal").stat().st_size
        (folder / "memory.db").write_bytes(b"this is no memory" * 1000)
        order = Order("open", order.folder, kinds=ANY, at=at)
        ended = frail.play(order).ended
        store = Store(folder)
        assert (await store.stats())["turns"] == 0
        await store.aclose()
        damaged = b"".join(path.read_bytes() for path in folder.glob("memory-damaged-*"))
        assert all(f"{turn_id}line".encode() in damaged for turn_id in acknowledged)
    assert acknowledged and at > 20


async def test_a_damaged_memory_that_cannot_be_set_aside_is_told_of(frail: Player, fresh: Rooms) -> None:
    for kind in ("rename", "unlink", "sync"):
        order = fresh.order("open", kinds=KINDS[kind], at=1, error=errno.EIO, from_then_on=True)
        (Path(order.folder) / "memory").mkdir()
        (Path(order.folder) / "memory" / "memory.db").write_bytes(b"this is no memory" * 1000)
        assert told(frail.play(order), "crashed") == []


# --- Power cuts


@pytest.mark.parametrize(("rounds", "seed"), [(4, 1), pytest.param(200, 2, marks=_SLOW)])
async def test_a_turn_that_was_acknowledged_before_a_power_cut_is_there(
    frail: Player, fresh: Rooms, rounds: int, seed: int
) -> None:
    chance = random.Random(seed)
    heard = 0
    for _ in range(rounds):
        order = fresh.order("load", image=True, killed_after_s=chance.uniform(0.02, 0.6))
        played = frail.play(order)
        heard += len(due(played.told).now)
        for luck in (None, chance):
            await check(after_power_cut(order, fresh.cut, luck) / "memory", due(played.told))
    assert heard


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=_SLOW)])
async def test_a_power_cut_at_any_operation_leaves_old_or_new_whole(
    frail: Player, fresh: Rooms, step: int
) -> None:
    chance = random.Random(step)
    for at in some(count(frail, fresh, ANY), step):
        order = fresh.order("story", image=True, kinds=ANY, at=at)
        played = frail.play(order)
        for luck in (None, chance, chance):
            await check(after_power_cut(order, fresh.cut, luck) / "memory", due(played.told))


# --- A disk that fails


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [17, pytest.param(1, marks=_SLOW)])
async def test_whatever_operation_fails_once_the_story_goes_on_and_nothing_is_lost(
    frail: Player, fresh: Rooms, step: int, kind: str, error: int
) -> None:
    for at in some(count(frail, fresh, KINDS[kind]), step):
        order = fresh.order("story", kinds=KINDS[kind], at=at, error=error)
        played = frail.play(order)
        assert (played.ended, told(played, "crashed", "trouble")) == (0, []), (at, played)
        assert len(told(played, "stored")) == 18, (at, played)  # those that had to wait as well
        await check(Path(order.folder) / "memory", due(played.told))


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize("step", [37, pytest.param(1, marks=_SLOW)])
async def test_a_disk_that_fails_for_good_costs_nothing_that_was_acknowledged(
    frail: Player, fresh: Rooms, step: int, error: int
) -> None:
    for at in some(count(frail, fresh, ANY), step):
        order = fresh.order("story", kinds=ANY, at=at, error=error, from_then_on=True)
        played = frail.play(order)
        assert (played.ended, told(played, "crashed", "trouble")) == (0, []), (at, played)
        await check(Path(order.folder) / "memory", due(played.told, broken=True))


@pytest.mark.parametrize("kinds", [KINDS["write"], ANY - KINDS["unlink"]], ids=["writes", "anything"])
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=_SLOW)])
async def test_a_disk_that_is_full_for_a_while_keeps_turns_waiting_and_loses_none(
    frail: Player, fresh: Rooms, step: int, kinds: int
) -> None:
    """None is acknowledged meanwhile, reading goes on, and all are there, in order, once there is room."""
    opening = int(frail.play(fresh.order("open", kinds=kinds)).told[-1].removeprefix("operations "))
    waited, at = True, opening
    while waited:
        at += step
        order = fresh.order("full", kinds=kinds, at=at, error=errno.ENOSPC, from_then_on=True)
        played = frail.play(order)
        assert (played.ended, told(played, "crashed", "trouble")) == (0, []), (at, played)
        room = played.told.index("room")
        refused = told(played, "refused")
        waited = bool(refused)
        meanwhile = played.told[played.told.index(refused[0]) : room] if refused else []
        assert not [fact for fact in meanwhile if fact.startswith("stored")]
        stored = [fact.removeprefix("stored ") for fact in told(played, "stored")]
        assert stored == [f"r-{number % 5}-{number}" for number in range(25)], (at, played)
        before = sum(fact.startswith("stored") for fact in played.told[:room])
        assert f"waiting {20 - before}" in played.told and f"known {before}" in played.told
        assert ("recalled 0" in played.told) == (before == 0)
        told_why = all("the disk is full" in fact or "waiting to be written" in fact for fact in refused)
        assert told_why or kinds != KINDS["write"], played
        await check(Path(order.folder) / "memory", due(played.told))
        with contextlib.closing(sqlite3.connect(Path(order.folder) / "memory" / "memory.db")) as file:
            rows = file.execute("SELECT turn_id FROM turns ORDER BY moment LIMIT 25").fetchall()
        assert [turn_id for (turn_id,) in rows] == stored
    assert at > opening + step


def told(played: Played, *kinds: str) -> list[str]:
    return [fact for fact in played.told if fact.startswith(kinds)]
