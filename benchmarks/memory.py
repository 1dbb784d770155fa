"""How many turns a second become durable, what one costs in a long game, how soon older ones are recalled.

Turns of 20 NPCs as the daemon records them: with the decision, its trace and what was learned; acknowledged once
they are on the disk. Beside the original's way, written anew from its description: a JSON file for each NPC, all
of it written over with every turn, and not synced (`synced`: as it would be, were it to survive a power cut). The
files lie in the folder for temporary files; where that is no disk (TMPDIR), the figures of writing mean nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from sqlite3 import Connection
from typing import Any

from episodes import anyhow, experienced
from report import Found, Size, main, median, rank, single

from rfsn_bridge.config import Config, MindParts
from rfsn_bridge.domain import Decision, Npc, Signal, SignalContext, Turn, TurnStatus
from rfsn_bridge.episodes import parts, phrases
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory import records, timeline
from rfsn_bridge.memory.database import Database
from rfsn_bridge.memory.records import Encoded
from rfsn_bridge.memory.store import Store

NPCS = 20
_SAVED_EVERY = 200
"""Turns from one save of the game to the next."""
_VOCABULARY = 5000


class Talk:
    """Turns as they come, from one NPC after the other, in words as common as those of a language are."""

    def __init__(self) -> None:
        self._rng, self._numbers = Random(1), count()
        self._words = ["".join(self._rng.choices("abcdefghijklmnoprstuvwyz", k=6)) for _ in range(_VOCABULARY)]
        mind = parts.mind(Config(mind=MindParts(classifier="lexical", learner="linucb")), Path("nowhere"))
        experience = experienced(mind)
        self.learned = experience.dump()
        self._decisions: list[Decision] = []
        for signal in Signal:
            state, text = anyhow(self._rng), phrases.said(signal, self._rng)
            heard = mind.classify(text, SignalContext(state))
            self._decisions.append(mind.decide(Npc("npc", "Npc"), state, heard, self._rng, experience))

    def text(self, words: int) -> str:
        ranks = (min(_VOCABULARY, int(self._rng.paretovariate(0.6))) - 1 for _ in range(words))
        return " ".join(self._words[each] for each in ranks)

    def turn(self) -> Turn:
        number = next(self._numbers)
        decision = self._decisions[number % len(self._decisions)]
        turn = Turn(
            turn_id=f"turn-{number}",
            playthrough="p",
            npc_id=f"npc-{number % NPCS}",
            npc_name=f"NPC {number % NPCS}",
            player_text=self.text(8),
            heard_text=self.text(25),
            heard_through_seq=2,
            status=TurnStatus.COMPLETED,
            state=decision.state,
            decision=decision,
            hearers=(f"npc-{(number + 1) % NPCS}",) if number % 4 == 0 else (),
            game_date=number / 100,
        )
        return replace(turn, started_at=time.time())


def make_up(folder: Path, talk: Talk, turns: int) -> None:
    """A memory of so many turns."""

    async def fill() -> None:
        database = Database(folder / "memory.db")
        for first in range(0, turns, _SAVED_EVERY):
            some = [records.encode(talk.turn()) for _ in range(min(_SAVED_EVERY, turns - first))]
            await database.write(partial(_add, some, talk.learned, f"save-{first}"))
        await database.aclose()

    asyncio.run(fill())


def _add(turns: Sequence[Encoded], learned: bytes, save_id: str, connection: Connection) -> None:
    for turn in turns:
        records.add_turn(connection, turn, learned)
    timeline.save(connection, "p", save_id, None)


async def under_load(store: Store, talk: Talk, seconds: float) -> tuple[float, list[float]]:
    """Turns a second, and the milliseconds to each acknowledgement, while each NPC records one by one."""
    waits: list[float] = []
    began = time.perf_counter()

    async def one() -> None:
        while time.perf_counter() < began + seconds:
            turn = talk.turn()
            at = time.perf_counter()
            await store.record(turn, talk.learned)
            waits.append((time.perf_counter() - at) * 1e3)

    await asyncio.gather(*(one() for _ in range(NPCS)))
    return len(waits) / (time.perf_counter() - began), waits


async def one_by_one(stores: Sequence[Store], talk: Talk, rounds: int) -> list[list[float]]:
    """Milliseconds to the acknowledgement of a single turn, in each store turn about."""
    waits: list[list[float]] = [[] for _ in stores]
    for number in range(rounds + 10):
        for store, times in zip(stores, waits, strict=True):
            turn = talk.turn()
            at = time.perf_counter()
            await store.record(turn, talk.learned)
            if number >= 10:  # what comes first warms up
                times.append((time.perf_counter() - at) * 1e3)
    return waits


async def recalled(store: Store, talk: Talk, rounds: int) -> list[float]:
    """Milliseconds to the four turns that come to mind with a line of ten words."""
    waits = []
    for number in range(rounds + 10):
        query = RecallQuery("p", f"npc-{number % NPCS}", talk.text(10), 4)
        at = time.perf_counter()
        await store.recall(query)
        if number >= 10:
            waits.append((time.perf_counter() - at) * 1e3)
    return waits


async def searched(store: Store, talk: Talk, rounds: int) -> list[float]:
    """Milliseconds to the twenty turns with most of ten words, which are as common as those of a language are."""
    waits = []
    for number in range(rounds + 10):
        at = time.perf_counter()
        await store.search("p", f"npc-{number % NPCS}", talk.text(10), 20)
        if number >= 10:
            waits.append((time.perf_counter() - at) * 1e3)
    return waits


# --- The original's way


def original_turn(path: Path, told: list[dict[str, Any]], turn: Turn, *, synced: bool) -> None:
    """Append a turn to what an NPC remembers, and write all of it."""
    told.append({"user_input": turn.player_text, "npc_response": turn.heard_text, "timestamp": turn.started_at})
    with path.open("w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def original_times(folder: Path, talk: Talk, stored: int, rounds: int, *, synced: bool) -> list[float]:
    """Milliseconds for a turn of an NPC that has its share of so many stored turns."""
    path = folder / "original.json"
    turns = (talk.turn() for _ in range(stored // NPCS))
    told = [{"user_input": t.player_text, "npc_response": t.heard_text, "timestamp": t.started_at} for t in turns]
    return [_ms(lambda: original_turn(path, told, talk.turn(), synced=synced)) for _ in range(rounds)]


def _ms(of: Callable[[], object]) -> float:
    began = time.perf_counter()
    of()
    return (time.perf_counter() - began) * 1e3


def synced(folder: Path, rounds: int) -> list[float]:
    """Milliseconds in which the disk takes 4 KiB."""

    def one() -> None:
        os.write(file.fileno(), bytes(4096))
        os.fsync(file.fileno())

    with (folder / "synced").open("wb", buffering=0) as file:
        return [_ms(one) for _ in range(rounds)]


async def ours(folder: Path, talk: Talk, sizes: Sequence[int], seconds: float, rounds: int) -> list[Found]:
    stores = [Store(folder / str(size)) for size in sizes]
    try:
        waits = await one_by_one(stores, talk, rounds)
        came = await recalled(stores[-1], talk, rounds)
        looked_up = await searched(stores[-1], talk, rounds)
        rate, acknowledged = await under_load(stores[0], talk, seconds)
        late_rate, late = await under_load(stores[-1], talk, seconds)
    finally:
        for store in stores:
            await store.aclose()
    medians = [statistics.median(times) for times in waits]
    return [
        single(f"durable turns from {NPCS} NPCs", "a second", rate, (">=", 1000), samples=len(acknowledged)),
        rank("their acknowledgement, p99", "ms", acknowledged, 99, ("<", 30)),
        single(f"the same with {sizes[-1]} stored", "a second", late_rate, (">=", 1000), samples=len(late)),
        rank("their acknowledgement, p99, then", "ms", late, 99, ("<", 30)),
        *(median(f"one turn, {size} stored", "ms", times) for size, times in zip(sizes, waits, strict=True)),
        single("the slowest of these by the fastest", "times", max(medians) / min(medians), ("<=", 1.3)),
        median(f"recall, {sizes[-1]} stored", "ms", came, ("<", 5)),
        rank(f"recall, {sizes[-1]} stored, p99", "ms", came, 99),
        median(f"search by a person, {sizes[-1]} stored", "ms", looked_up, ("<", 50)),
        rank(f"search by a person, {sizes[-1]} stored, p99", "ms", looked_up, 99),
    ]


def measure(stored: float, seconds: float, rounds: float) -> list[Found]:
    talk, sizes = Talk(), (0, round(stored) // 10, round(stored))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in sizes[1:]:
            make_up(folder / str(size), talk, size)
        found = asyncio.run(ours(folder, talk, sizes, seconds, round(rounds)))
        found.append(median("this disk: 4 KiB written and synced", "ms", synced(folder, round(rounds))))
        took = os.stat(folder / str(sizes[-1]) / "memory.db").st_size / sizes[-1]
        found.append(
            single("a stored turn", "bytes", took, note=f"what was learned: {len(talk.learned)} bytes an NPC")
        )
        some = max(5, round(rounds) // 10)
        for size in sizes:
            times = original_times(folder, talk, size, some, synced=False)
            found.append(median(f"the original's way: one turn, {size} stored", "ms", times))
        times = original_times(folder, talk, sizes[-1], some, synced=True)
        found.append(median(f"the same synced, {sizes[-1]} stored", "ms", times))
    return found


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__ or "",
            measure,
            stored=Size(200_000, 10_000, "turns of the longest game"),
            seconds=Size(10, 2, "how long 20 NPCs record at once"),
            rounds=Size(500, 100, "single turns and recalls"),
        )
    )
