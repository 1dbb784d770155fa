"""Backups come by themselves, when enough has happened, and the oldest go."""

import asyncio
from pathlib import Path

from raw_client import daemon_and_client

from rfsn_bridge.config import Memory
from rfsn_bridge.domain import NpcState, Turn, TurnStatus
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.housekeeping import keep_backups
from rfsn_bridge.memory.backups import Backup, listed
from rfsn_bridge.memory.store import Store
from rfsn_bridge.testing import ScriptedLLM


def a_turn(number: int) -> Turn:
    return Turn(f"t{number}", "p", "a", "A", "Hail.", "Hail.", 0, TurnStatus.COMPLETED, NpcState(), None)


async def made_within(store: Store, settings: Memory, turns: int, least: int) -> list[Backup]:
    """The backups there are once there are `least`, while `turns` are recorded one after another."""
    warned: list[BridgeError] = []
    keeping = asyncio.create_task(keep_backups(store, lambda: settings, warned.append, 0.01))
    try:
        async with asyncio.timeout(20):
            for number in range(turns):
                await asyncio.sleep(0.05)
                await store.record(a_turn(number))
            while len(found := await store.backups()) < least:  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.02)
        assert warned == []
        return found
    finally:
        keeping.cancel()


async def test_a_number_of_turns_makes_a_backup_and_the_oldest_go(tmp_path: Path) -> None:
    store = Store(tmp_path)
    try:
        settings = Memory(backup_every_h=0, backup_every_turns=2, backups=2)
        found = await made_within(store, settings, 9, 2)
        assert len(found) <= 2 and all(backup.reason == "automatic" for backup in found)
    finally:
        await store.aclose()


async def test_the_first_twenty_turns_make_one_where_there_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    try:
        (backup,) = await made_within(store, Memory(backup_every_h=0, backup_every_turns=500), 24, 1)
        assert backup.turns >= 20 and backup.reason == "automatic"
    finally:
        await store.aclose()


async def test_a_daemon_leaves_a_backup_when_it_stops_for_the_first_time(tmp_path: Path) -> None:
    for turns in (1, 2):
        async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
            await client.meet("a")
            await client.until("turn_recorded", turn_id=await client.say("a"))
        assert [each.turns for each in listed(tmp_path / "memory" / "memory.db")] == [1], turns
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path / "other"):
        pass
    assert not listed(tmp_path / "other" / "memory" / "memory.db")


async def test_the_first_turn_of_a_day_makes_one_and_nothing_makes_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    try:
        settings = Memory(backup_every_h=24, backup_every_turns=0)
        (backup,) = await made_within(store, settings, 5, 1)
        assert backup.turns >= 1
        assert await made_within(store, Memory(backup_every_h=0, backup_every_turns=0), 5, 1) == [backup]
    finally:
        await store.aclose()
