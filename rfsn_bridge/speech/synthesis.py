"""The one way to the voice: pieces of all turns wait in a bounded queue, and are spoken one after another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from rfsn_bridge.domain import AudioChunk, SpeechRequest
from rfsn_bridge.errors import VoiceError
from rfsn_bridge.speech.cache import PhraseCache
from rfsn_bridge.speech.compose import Piece
from rfsn_bridge.speech.pacing import USUAL_RTF, Pace
from rfsn_bridge.speech.queue import UtteranceQueue, WhenFull
from rfsn_bridge.speech.utterance import Utterance

log = logging.getLogger(__name__)

QUEUE_FULL = "too much was waiting to be spoken"


class Voice(Protocol):
    """What speaks: a voice process, or a chain of them."""

    @property
    def real_time_factor(self) -> float | None: ...
    @property
    def fingerprint(self) -> str: ...
    def speak(self, request: SpeechRequest) -> Utterance: ...


class Take:
    """A piece on its way: asked for, spoken, fetched. `async for` gives its sound; raises VoiceError."""

    def __init__(self, piece: Piece, request: SpeechRequest) -> None:
        self.piece = piece
        self.request = request
        self._chunks: deque[AudioChunk] = deque()
        self._over = False
        self._error: VoiceError | None = None
        self._news = asyncio.Event()
        self._utterance: Utterance | None = None

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        return self._fetched()

    async def _fetched(self) -> AsyncIterator[AudioChunk]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._over:
                break
            self._news.clear()
            await self._news.wait()
        if self._error:
            raise self._error

    @property
    def over(self) -> bool:
        return self._over

    async def sounding(self) -> None:
        """Return when the first of it can be fetched, or it is over."""
        while not (self._chunks or self._over):
            self._news.clear()
            await self._news.wait()

    def deliver(self, chunk: AudioChunk) -> None:
        if not self._over:
            self._chunks.append(chunk)
            self._news.set()

    def finish(self, error: VoiceError | None = None) -> None:
        if not self._over:
            self._over, self._error = True, error
            self._news.set()

    def drop(self) -> None:
        """There was no room for it."""
        self.finish(VoiceError(QUEUE_FULL, "speech.when_full: wait loses nothing"))

    def cancel(self) -> None:
        """Nobody wants it any more."""
        self._chunks.clear()
        self.finish()
        if self._utterance:
            self._utterance.cancel()

    async def speak(self, voice: Voice) -> list[AudioChunk]:
        """Have it spoken; all of its sound, or nothing if it was cancelled."""
        spoken: list[AudioChunk] = []
        async with voice.speak(self.request) as self._utterance:
            async for chunk in self._utterance:
                spoken.append(chunk)
                self.deliver(chunk)
        return [] if self._over else spoken


class Synthesis:
    """Speaks what turns ask for. Used from one event loop."""

    def __init__(self, voice: Voice, cache: PhraseCache, *, size: int, when_full: WhenFull) -> None:
        self.voice = voice
        self.when_full = when_full
        self._cache = cache
        self._queue: UtteranceQueue[Take] = UtteranceQueue(size, when_full=when_full)
        self._running: asyncio.Task[None] | None = None
        self._speaking: Take | None = None
        self._opened = False

    def __len__(self) -> int:
        """Pieces that wait, and the one that is being spoken."""
        return len(self._queue) + (self._speaking is not None)

    def pace(self, speed: float) -> Pace:
        return Pace(self.voice.real_time_factor or USUAL_RTF, speed)

    def resize(self, size: int) -> None:
        for take in self._queue.resize(size):
            take.drop()

    async def order(self, take: Take, turn: str) -> None:
        """Have a piece spoken after those that wait already.

        With `wait` it returns once there is room for it, and raises Superseded if the turn is withdrawn meanwhile.
        """
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="synthesis")
        for lost in await self._queue.aput(take, turn):
            lost.drop()

    def withdraw(self, turn: str) -> None:
        """Nothing of a turn is wanted any more."""
        for take in self._queue.interrupt(turn):
            take.cancel()

    async def _run(self) -> None:
        while True:
            self._speaking = None
            take = await self._queue.aget()
            if take.over:
                continue
            self._speaking = take
            try:
                await self._speak(take)
            except VoiceError as error:
                take.finish(error)
            except asyncio.CancelledError:
                take.finish(VoiceError("the voice has been shut down"))
                raise
            except Exception as error:  # a bug must not silence everybody
                log.exception("a piece could not be spoken")
                take.finish(VoiceError(f"speaking failed inside ({type(error).__name__})", "see the daemon's log"))

    async def _speak(self, take: Take) -> None:
        """Have a piece spoken, or bring it from the cache."""
        if not self._opened:
            self._opened = True
            await self._cache.open()
        whose = self.voice.fingerprint
        key = self._cache.key(take.request, whose)
        known = await self._cache.get(key) if whose else ()
        for chunk in known:
            take.deliver(chunk)
        if not known:
            spoken = await take.speak(self.voice)
            if whose and whose == self.voice.fingerprint:  # else another engine may have spoken
                self._cache.put(key, take.request, spoken)
        take.finish()

    async def aclose(self) -> None:
        for take in self._queue.close():
            take.finish(VoiceError("the voice has been shut down"))
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self._cache.aclose()
