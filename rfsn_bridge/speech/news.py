"""Waiting for something to have changed, on one event loop."""

import asyncio
from contextlib import suppress

_LEAST_S = 0.02
"""Where time stands still, what is left of it stays the same: it is looked at again no sooner."""


class News:
    """Look at what matters, then `wait`, with no `await` in between: so nothing that is told is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        """Wake all who wait."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout_s: float | None = None) -> None:
        """Return when something is told, or after so long (never at once)."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), None if timeout_s is None else max(timeout_s, _LEAST_S))
