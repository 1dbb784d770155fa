"""One utterance on its way from the voice process to whoever plays it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rfsn_bridge.domain import AudioChunk, SpeechRequest
from rfsn_bridge.errors import VoiceError


class Job:
    """What the voice knows of an utterance: its request, and its audio until it is fetched."""

    def __init__(self, number: int, request: SpeechRequest, on_cancel: Callable[[Job], None]) -> None:
        self.number = number
        self.request = request
        self.over = False
        """Nothing more is delivered: it was spoken, it failed, or nobody wants it any more."""
        self.cancelled = False
        self.buffered = 0
        self._on_cancel = on_cancel
        self._chunks: deque[AudioChunk] = deque()
        self._error: VoiceError | None = None
        self._news = asyncio.Event()

    def deliver(self, chunk: AudioChunk) -> None:
        if not self.over:
            self._chunks.append(chunk)
            self.buffered += len(chunk.pcm)
            self._news.set()

    def finish(self, error: VoiceError | None = None) -> None:
        """Its last chunk is delivered; `error` is raised after the chunks that came before it."""
        if not self.over:
            self.over = True
            self._error = error
            self._news.set()

    def cancel(self) -> None:
        if self.cancelled:
            return
        self.cancelled = True
        self._chunks.clear()
        self.buffered = 0
        self._error = None
        if not self.over:
            self.over = True
            self._on_cancel(self)
        self._news.set()

    async def fetch(self) -> AudioChunk | None:
        while not self._chunks:
            if self.over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            self._news.clear()
            await self._news.wait()
        chunk = self._chunks.popleft()
        self.buffered -= len(chunk.pcm)
        return chunk


class Utterance:
    """The audio of one utterance, to be iterated once. Closing it, or cancelling its reader, silences it at once.

    Close it (`aclose`, or `async with`) unless it was read to its end.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        """Raise VoiceError if it could not be spoken (any more)."""
        try:
            chunk = await self._job.fetch()
        except asyncio.CancelledError:
            self._job.cancel()
            raise
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def cancel(self) -> None:
        """No chunk comes after this, not even one that was already there."""
        self._job.cancel()

    async def aclose(self) -> None:
        self._job.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._job.cancel()

    def __del__(self) -> None:
        # Forgotten half-way, as by a `break`: nobody will hear the rest. The collector may run in any thread.
        if not self._job.over:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._job.cancel)
