"""A bound on the memory that the voice process may take, for engines that leak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rfsn_bridge.speech.child_process import ChildProcess

HARD = 1.5
"""Beyond this many times the limit it is ended at once, whatever it is saying."""
LOOK_EVERY_S = 0.5


class MemoryBound:
    """`limit_mb` of resident memory, in megabytes; 0 is no limit."""

    def __init__(self, limit_mb: int) -> None:
        self.limit_mb = limit_mb

    def excess_mb(self, process: ChildProcess) -> int:
        """What it takes, if that is over the limit; else 0."""
        taken = resident_mb(process.pid) if self.limit_mb else 0
        return taken if taken > self.limit_mb else 0

    @asynccontextmanager
    async def watching(self, process: ChildProcess) -> AsyncIterator[None]:
        """While this is open, the process is ended once it takes far more than the limit."""
        watch = asyncio.get_running_loop().create_task(self._watch(process)) if self.limit_mb else None
        try:
            yield
        finally:
            if watch is not None:
                watch.cancel()

    async def _watch(self, process: ChildProcess) -> None:
        while not process.gone.is_set():
            if (taken := resident_mb(process.pid)) > HARD * self.limit_mb:
                process.end(f"it took {taken} MB of memory, see tts.max_memory_mb")
                return
            await asyncio.sleep(LOOK_EVERY_S)


def resident_mb(pid: int) -> int:
    """The resident memory of a process, which takes some 30 us to ask for; 0 once it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss) >> 20
    except psutil.Error:
        return 0
