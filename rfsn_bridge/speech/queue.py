"""The bounded queue before the voice: a few sentences are with it, the rest wait, in order, within their turns."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SpeechQueue:
    """Places for `size` sentences, given out first come, first served. `size` may change at any time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """Sentences with the voice, and those that wait for a place."""
        return self._taken + len(self._waiters)

    @property
    def size(self) -> int:
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self._admit()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        await self._take()
        try:
            yield
        finally:
            self._taken -= 1
            self._admit()

    async def _take(self) -> None:
        if self._taken < self._size and not self._waiters:
            self._taken += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._taken -= 1  # the place came with the cancellation: pass it on
                self._admit()
            else:
                self._waiters.remove(waiter)
            raise

    def _admit(self) -> None:
        while self._waiters and self._taken < self._size:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._taken += 1
                waiter.set_result(None)
