"""A process that plays with the memory until it is killed, or until the disk fails it: for test_crashes.

Run as a script it reads one order (JSON) a line, carries it out in a child of its own, and answers with one line:
what the child told of itself, and how it ended. With `power_cut.c` preloaded, orders may have the disk fail.
"""

import asyncio
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from rfsn_bridge.domain import NpcState, Turn, TurnStatus
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory import store as stores
from rfsn_bridge.memory.schema import StoreError
from rfsn_bridge.memory.store import Store

T = TypeVar("T")

KINDS = {"write": 1, "sync": 2, "rename": 4, "unlink": 8, "create": 16, "truncate": 32}
"""Of operations, as power_cut.c numbers them."""
ANY = sum(KINDS.values())


@dataclass(frozen=True, slots=True)
class Order:
    """What to play, in which folder, and what becomes of it."""

    play: str
    folder: str
    run: str = "r"
    """In front of every turn_id."""
    killed_after_s: float | None = None
    image: str = ""
    """Where to keep what would be left after a power cut."""
    kinds: int = 0
    at: int = 0
    """The operation of these kinds that fails; 0: none."""
    error: int = 0
    """An errno; 0: killed in the midst of the operation."""
    from_then_on: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """`told` is one fact a line, in order; `ended` is the exit code, negative after a signal."""

    told: list[str]
    ended: int


class Player:
    """The process that plays; orders are carried out one after the other."""

    def __init__(self, preloaded: Path | None = None) -> None:
        environment = os.environ | ({"LD_PRELOAD": str(preloaded)} if preloaded else {})
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def play(self, order: Order) -> Played:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Played(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


# --- In that process


def _serve() -> None:
    for line in sys.stdin:
        order = Order(**json.loads(line))
        from_child, to_us = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(from_child)
            os._exit(_carried_out(order, to_us))
        os.close(to_us)
        told, ended = _watched(child, from_child, order.killed_after_s)
        print(json.dumps(asdict(Played(told, ended))), flush=True)


def _watched(child: int, pipe: int, killed_after_s: float | None) -> tuple[list[str], int]:
    heard = b""
    began = time.monotonic()
    while True:
        left = None if killed_after_s is None else max(0.0, began + killed_after_s - time.monotonic())
        if not select.select([pipe], [], [], left)[0]:
            os.kill(child, signal.SIGKILL)
            killed_after_s = None
        elif more := os.read(pipe, 65536):
            heard += more
        else:
            break
    os.close(pipe)
    _, status = os.waitpid(child, 0)
    return heard.decode().splitlines(), os.waitstatus_to_exitcode(status)


def _carried_out(order: Order, pipe: int) -> int:
    stores._AGAIN_S = 0.02

    def tell(fact: str) -> None:
        os.write(pipe, f"{fact}\n".encode())

    disk = ctypes.CDLL(None)
    if hasattr(disk, "power_watch"):
        disk.power_watch(os.fsencode(order.folder), os.fsencode(order.image))
        disk.power_fail(ctypes.c_long(order.kinds), ctypes.c_long(order.at), order.error, int(order.from_then_on))
    try:
        asyncio.run(PLAYS[order.play](Path(order.folder) / "memory", order.run, tell))
    except BaseException as error:
        import traceback

        traceback.print_exc()
        tell(f"crashed {type(error).__name__}: {error}")
        return 1
    finally:
        if hasattr(disk, "power_count"):
            disk.power_count.restype = ctypes.c_long
            tell(f"operations {disk.power_count()}")
    return 0


def a_turn(run: str, npc: int, number: int, **fields: Any) -> Turn:
    turn = Turn(
        turn_id=f"{run}-{npc}-{number}",
        playthrough="p",
        npc_id=f"npc{npc}",
        npc_name=f"NPC {npc}",
        player_text=f"line {number} of {run}",
        heard_text="The bridge has stood for two hundred years, traveller. " * 3,
        heard_through_seq=0,
        status=TurnStatus.COMPLETED,
        state=NpcState(affinity=number % 100 / 100),
        decision=None,
        hearers=(f"npc{(npc + 1) % 20}",),
    )
    return replace(turn, **fields)


class _Teller:
    """A store whose every step is told: done, or refused with a StoreError."""

    def __init__(self, store: Store, run: str, tell: Any) -> None:
        self.store, self.run, self.tell = store, run, tell
        self.numbers = iter(range(1_000_000))
        self.stored = 0
        self.more = asyncio.Event()

    async def record(self, npc: int) -> None:
        turn = a_turn(self.run, npc, next(self.numbers))

        def stored() -> None:
            self.tell(f"stored {turn.turn_id}")
            self.stored += 1
            self.more.set()

        await self.step("record", self.store.record(turn, bytes(500), stored))

    async def until_stored(self, count: int) -> None:
        """As many turns as that, or for half a minute."""
        async with asyncio.timeout(30):
            while self.stored < count:
                self.more.clear()
                await self.more.wait()

    async def turns(self, count: int) -> None:
        await asyncio.gather(*(self.record(npc) for npc in range(count)))

    async def step(self, name: str, done: Awaitable[T]) -> T | None:
        try:
            result = await done
        except StoreError as error:
            self.tell(f"refused {name}: {error.message}")
            return None
        self.tell(f"done {name}")
        return result


def _opened(folder: Path, run: str, tell: Any) -> _Teller | None:
    """The store; a disk that failed is asked a second time."""
    for _ in range(2):
        with suppress(StoreError):
            store = Store(folder)
            if store.trouble:
                tell(f"trouble {store.trouble.message}")
            tell("opened")
            return _Teller(store, run, tell)
        tell("refused open")
    return None


async def _load(folder: Path, run: str, tell: Any) -> None:
    """Turns from 20 NPCs and, beside them, backups, until killed."""
    teller = _opened(folder, run, tell)
    assert teller

    async def talk(npc: int) -> None:
        while True:
            await teller.record(npc)

    async def back_up() -> None:
        while True:
            await teller.step("back_up", teller.store.back_up("automatic"))
            await asyncio.sleep(0.1)

    await asyncio.gather(back_up(), *(talk(npc) for npc in range(20)))


async def _story(folder: Path, run: str, tell: Any) -> None:
    """Everything that a memory is asked to do, once."""
    if (teller := _opened(folder, run, tell)) is None:
        return
    store = teller.store
    await teller.turns(5)
    await teller.turns(5)
    await teller.step("save", store.save("p", "A", None))
    await teller.turns(2)
    await teller.step("load", store.load("p", "A", None))
    await teller.turns(2)
    tell("backing up")
    backup = await teller.step("back_up", store.back_up("manual"))
    if backup:
        tell(f"backup {backup.name}")
    await teller.turns(2)
    if backup:
        tell("restoring")
        if await teller.step("restore", store.restore(backup.name)):
            tell("restored")
    await teller.turns(2)
    await store.aclose()
    tell("closed")


async def _full(folder: Path, run: str, tell: Any) -> None:
    """Turns while the disk gets full, and after there is room again."""
    if (teller := _opened(folder, run, tell)) is None:
        return
    store = teller.store
    for _ in range(4):
        await teller.turns(5)
    tell(f"waiting {store.waiting}")
    known = [len((await store.known("p", f"npc{npc}", 100)).exchanges) for npc in range(5)]
    tell(f"known {sum(known)}")
    tell(f"recalled {len(await store.recall(RecallQuery('p', 'npc0', 'the traveller', 9)))}")
    ctypes.CDLL(None).power_fail(0, 0, 0, 0)
    tell("room")
    await teller.until_stored(20)
    await teller.turns(5)
    await store.aclose()
    tell("closed")


async def _open(folder: Path, run: str, tell: Any) -> None:
    """Nothing: it is opened, and closed."""
    if teller := _opened(folder, run, tell):
        await teller.store.aclose()


PLAYS = {"load": _load, "story": _story, "full": _full, "open": _open}

if __name__ == "__main__":
    _serve()
