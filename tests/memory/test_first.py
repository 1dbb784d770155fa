"""What the first daemons wrote down is remembered by today's."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from crashing import a_turn

from rfsn_bridge.domain import Deed, NpcState, Turn
from rfsn_bridge.memory.schema import StoreError
from rfsn_bridge.memory.store import Store

DEED = Deed("give", {"item": "torch"}, "applied", "player")


def lived(number: int, npc: int, **fields: Any) -> Turn:
    return a_turn("old", npc, number, started_at=1e9 + number, game_date=17.0 + number, deeds=(DEED,), **fields)


def write(folder: Path, npc: int, *turns: Turn, learned: bytes | None = None) -> Path:
    """As the first version did."""
    path = folder / "p-148de9c5a7a44d19" / f"npc{npc}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(asdict(turn)).encode() + b"\n" for turn in turns))
    if learned is not None:
        path.with_suffix(".learned").write_bytes(learned)
    return path


async def test_turns_of_the_first_version_are_taken_in_once_and_in_order(tmp_path: Path) -> None:
    turns = [lived(number, number % 2, state=NpcState(affinity=number / 10)) for number in range(6)]
    path = write(tmp_path, 0, *turns[::2], learned=b"learned")
    write(tmp_path, 1, *turns[1::2])
    for _ in range(2):
        store = Store(tmp_path)
        assert (await store.stats())["turns"] == 6
        assert await store.turns("p", "npc1", 9) == turns[::-1]  # it heard the other as well
        known = await store.known("p", "npc0", 9)
        assert (known.state, known.learned) == (NpcState(affinity=0.4), b"learned")
        await store.aclose()
    assert path.exists()


async def test_what_was_forgotten_since_stays_forgotten(tmp_path: Path) -> None:
    write(tmp_path, 0, lived(0, 0))
    store = Store(tmp_path)
    await store.reset("p", "npc0")
    await store.aclose()
    store = Store(tmp_path)
    assert await store.count("p", "npc0") == 0
    await store.aclose()


async def test_lines_that_a_crash_cut_and_decisions_that_looked_otherwise_cost_nothing_more(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, 0, lived(0, 0), lived(1, 0))
    first, second, _ = path.read_bytes().split(b"\n")
    odd = json.dumps(json.loads(second) | {"decision": {"action": "greet"}}).encode()
    path.write_bytes(b"\n".join([first, second[:50], b"\xff", b"[]", odd]))
    store = Store(tmp_path)
    assert [turn.turn_id for turn in await store.turns("p", "npc0", 9)] == ["old-0-1", "old-0-0"]
    await store.aclose()


async def test_where_they_cannot_be_read_nothing_begins(tmp_path: Path) -> None:
    """It would be too late for them afterwards."""
    path = write(tmp_path, 0, lived(0, 0))
    path.rename(path.with_suffix(".x"))
    path.mkdir()
    for _ in range(2):
        with pytest.raises(StoreError, match="older memory"):
            Store(tmp_path)
    path.rmdir()
    path.with_suffix(".x").rename(path)
    store = Store(tmp_path)
    assert (await store.stats())["turns"] == 1
    await store.aclose()
