"""A disk that is full: talk goes on, and what was said is there as soon as there is room."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from crashing import a_turn
from daemon_process import daemon_process
from raw_client import RawClient, raw_client

from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory import store as stores
from rfsn_bridge.memory.schema import StoreError
from rfsn_bridge.memory.store import Store


async def lines(client: RawClient) -> list[str]:
    found = await client.ask(type="memory_get", npc_id="a")
    return [turn["player_text"] for turn in reversed(found["data"]["turns"])]


async def waiting(client: RawClient) -> int:
    stats: dict[str, Any] = (await client.ask(type="memory_stats"))["data"]
    return int(stats["turns_waiting"])


async def test_a_daemon_whose_disk_is_full_talks_on_and_records_once_there_is_room(
    power_cut: Path, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    variables = {
        "LD_PRELOAD": str(power_cut),
        "POWER_FOLDER": str(tmp_path / "data" / "memory"),
        "POWER_FULL": str(full),
    }
    with daemon_process(tmp_path, **variables) as daemon:
        async with raw_client(daemon.url) as client:
            await client.meet("a")
            first = await client.say("a", "Line 0.")
            await client.until("turn_recorded", turn_id=first)
            full.touch()
            turns = []
            for number in (1, 2, 3):
                turns.append(await client.say("a", f"Line {number}."))
                await client.until("turn_finished", turn_id=turns[-1], status="completed")
                notice = await client.until("notice", code="not_stored", turn_id=turns[-1])
                assert notice["level"] == "error" and "free disk space" in notice["hint"]
            assert await lines(client) == ["Line 0."] and await waiting(client) == 3
            refused = await client.ask(type="save_created", playthrough="default", save_id="A")
            assert (refused["code"], "disk is full" in refused["message"]) == ("unavailable", True)
            assert "tried again" in refused["hint"]
            assert not [m for m in client.messages("turn_recorded") if m["turn_id"] != first]
            full.unlink()
            for turn_id in turns:
                await client.until("turn_recorded", turn_id=turn_id)
            assert await lines(client) == [f"Line {number}." for number in range(4)]
            assert await waiting(client) == 0
            last = await client.say("a", "Line 4.")
            await client.until("turn_recorded", turn_id=last)
            recorded = [message["turn_id"] for message in client.messages("turn_recorded")]
            assert recorded == [first, *turns, last]
            loaded = await client.ask(type="save_loaded", playthrough="default", save_id="A")
            assert loaded["data"]["turns_forgotten"] == 1  # the save was made in its place, once there was room
            assert not client.messages("notice", code="save_unknown")
            assert await lines(client) == [f"Line {number}." for number in range(4)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True)
    except OSError:
        pytest.skip("nothing can be mounted")
    if mounted.returncode:
        pytest.skip("nothing may be mounted")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no room for anything else."""
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


@pytest.mark.skipif(os.name != "posix", reason="mounts")
@pytest.mark.parametrize("is_new", [True, False])
async def test_a_memory_that_cannot_be_opened_on_a_full_disk_says_why_and_what_to_do(
    small_disk: Path, is_new: bool
) -> None:
    if not is_new:
        store = Store(small_disk / "memory")
        await store.record(a_turn("r", 0, 0))
        await store.aclose()
    (small_disk / "memory").mkdir(exist_ok=True)
    filler = fill(small_disk)
    with pytest.raises(StoreError, match="the disk is full") as error:
        Store(small_disk / "memory")
    assert "free some MB" in error.value.hint
    filler.unlink()
    store = Store(small_disk / "memory")
    assert len(await store.turns("p", "npc0", 9)) == (0 if is_new else 1)
    await store.aclose()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="mounts")
async def test_a_real_disk_that_is_full_loses_nothing(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_AGAIN_S", 0.05)
    store, stored, again = Store(small_disk / "memory"), [], asyncio.Event()

    def acknowledge(number: int) -> None:
        stored.append(number)
        again.set()

    for number in range(5):
        await store.record(a_turn("r", 0, number), bytes(500), partial(acknowledge, number))
    filler = fill(small_disk)
    number = 5
    while store.waiting < 20:
        try:
            await store.record(a_turn("r", 0, number), bytes(5000), partial(acknowledge, number))
        except StoreError as error:
            assert "full" in error.message or "waiting" in error.message
        number += 1
    acknowledged = len(stored)
    assert acknowledged == number - 20
    assert len((await store.known("p", "npc0", 1000)).exchanges) == acknowledged
    assert await store.recall(RecallQuery("p", "npc0", "line of r", 9)) is not None
    with pytest.raises(StoreError):
        await store.back_up("manual")
    assert not list((small_disk / "memory" / "backups").glob("*"))
    filler.unlink()
    async with asyncio.timeout(30):
        while len(stored) < number:
            again.clear()
            await again.wait()
    assert stored == list(range(number))
    await store.aclose()
    store = Store(small_disk / "memory")
    turns = await store.turns("p", "npc0", 1000)
    assert [turn.turn_id for turn in reversed(turns)] == [f"r-0-{each}" for each in range(number)]
    await store.aclose()
