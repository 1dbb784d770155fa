"""What a client watches: figures of the daemon, twice a second."""

import asyncio
from collections.abc import Callable, Collection

from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.protocol.messages import Metrics, Numbered

_EVERY_S = 0.5


class Watch:
    """Of one client."""

    def __init__(self, send: Callable[[Numbered], None], metrics: Callable[[], Metrics]) -> None:
        self._send = send
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def begin(self, topics: Collection[str]) -> None:
        """Raises ProtocolError (`unavailable`) where one of them cannot be watched."""
        if missing := [topic for topic in topics if topic != "metrics"]:
            raise ProtocolError(
                "unavailable", f"{missing[0]!r} cannot be watched yet", "subscribe to metrics alone"
            )
        if self._task is None:
            self._task = asyncio.create_task(self._tell())

    def end(self, topics: Collection[str] = ("metrics",)) -> None:
        if self._task and "metrics" in topics:
            self._task.cancel()
            self._task = None

    async def _tell(self) -> None:
        while True:
            self._send(self._metrics())
            await asyncio.sleep(_EVERY_S)
