"""A playbill played by several processes, NPC by NPC. The lines are the same, and come in the same order."""

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rfsn_bridge.config import Config
from rfsn_bridge.episodes import episode_file, parts
from rfsn_bridge.episodes.playbill import Playbill
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.decide import Mind

MOST_TURNS = 5000
"""An episode longer than this is not held in memory as a whole, and so not played here."""
_AHEAD = 2
"""Episodes for each process that may be begun before an earlier one is written."""

_mind: Mind
_playbill: Playbill


def play(playbill: Playbill, config: Config, data: Path, jobs: int) -> Iterator[bytes]:
    """The lines of one NPC after another."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, spawn, _enter, (playbill, config, data))
    try:
        under_way: deque[Future[bytes]] = deque()
        for index in range(len(playbill.npcs)):
            under_way.append(pool.submit(_episode, index))
            if len(under_way) >= _AHEAD * jobs:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        raise BridgeError("a process of the simulation has ended before its time", "try --jobs 1") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _enter(playbill: Playbill, config: Config, data: Path) -> None:
    global _mind, _playbill
    _mind, _playbill = parts.mind(config, data), playbill


def _episode(index: int) -> bytes:
    return b"".join(map(episode_file.line_of, _playbill.stage(index, _mind).play(_playbill.turns)))
