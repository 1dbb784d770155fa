"""What was spoken before is not spoken again: phrases in memory, and those that come back on disk.

In memory, every phrase of up to `LONGEST` characters is kept until the bound in bytes is reached; then the longest
unused goes. On disk is kept only what was asked for twice within one run (greetings, threats, thanks), so that
what an NPC says once leaves no sound behind. All files go when the disk's bound is 0.
"""

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rfsn_bridge import __version__
from rfsn_bridge.domain import AudioChunk, SpeechRequest
from rfsn_bridge.speech.phrase_files import PhraseFiles

log = logging.getLogger(__name__)

LONGEST = 200
"""Characters of a phrase at most."""
REMEMBERED = 4096
"""Keys of which is known that they were asked for."""
WAITING = 16
"""Phrases that wait to be written; one more is written when it is asked for again."""
_EACH = 96
"""Bytes of memory, about, that a phrase and each of its timings take beside the PCM."""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Since the start, and now."""

    memory_hits: int
    disk_hits: int
    misses: int
    memory_phrases: int
    memory_bytes: int
    disk_phrases: int
    disk_bytes: int
    broken: int
    """Files that were deleted because they were not what they should be."""
    failed: int
    """Files that could not be read or written."""


def fingerprint(engine: str, options: Mapping[str, Any]) -> str:
    """What must be the same for a phrase to sound the same: the engine, its options, its model files. Blocks."""
    files = {}
    for name, value in options.items():
        if isinstance(value, str) and value:
            try:
                about = Path(value).stat()
            except (OSError, ValueError):  # no path
                continue
            files[name] = (about.st_size, about.st_mtime_ns)
    return _digest([__version__, engine, options, files])


class PhraseCache:
    """Used from one event loop; files are touched in threads only. A bound of 0 turns its side off.

    Without `open` nothing is known of earlier runs' files, and none is written.
    """

    def __init__(self, folder: Path, *, memory_bytes: int, disk_bytes: int) -> None:
        self._files = PhraseFiles(folder)
        self._memory_most, self._disk_most = memory_bytes, disk_bytes
        self._memory: OrderedDict[str, AudioChunk] = OrderedDict()  # the longest unused first
        self._disk: OrderedDict[str, int] = OrderedDict()  # sizes, likewise
        self._asked: OrderedDict[str, bool] = OrderedDict()  # whether more than once
        self._unwritten: dict[str, AudioChunk] = {}
        self._writer: asyncio.Task[None] | None = None
        self._opened = False
        self._memory_bytes = self._disk_bytes = 0
        self._memory_hits = self._disk_hits = self._misses = self._broken = self._failed = 0

    async def open(self) -> None:
        """Learn what earlier runs have left; delete what is too much of it."""
        try:
            await asyncio.to_thread(self._files.sweep)
            self._disk = OrderedDict(await asyncio.to_thread(self._files.listing))
        except OSError as error:
            self._fail(error)
        self._disk_bytes = sum(self._disk.values())
        await self._trim_disk()
        self._opened = self._disk_most > 0

    async def aclose(self) -> None:
        """Write what waits to be written."""
        self._opened = False
        if self._writer:
            await asyncio.wait([self._writer])

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def stats(self) -> CacheStats:
        return CacheStats(
            memory_hits=self._memory_hits,
            disk_hits=self._disk_hits,
            misses=self._misses,
            memory_phrases=len(self._memory),
            memory_bytes=self._memory_bytes,
            disk_phrases=len(self._disk),
            disk_bytes=self._disk_bytes,
            broken=self._broken,
            failed=self._failed,
        )

    @staticmethod
    def key(request: SpeechRequest, voice: str) -> str:
        """The name of what a voice (its `fingerprint`) makes of a request."""
        sound = [request.text, request.voice, float(request.speed), request.lang, dict(request.phonemes)]
        return _digest([voice, *sound])

    async def get(self, key: str) -> Sequence[AudioChunk]:
        """A whole phrase, or nothing. Awaits only where a file is read."""
        again = self._ask(key)
        if audio := self._memory.get(key):
            self._memory.move_to_end(key)
            self._memory_hits += 1
            if again:
                self._keep(key, audio)
            return (audio,)
        if key in self._disk and (audio := await self._read(key)):
            self._disk_hits += 1
            self._remember(key, audio)
            return (audio,)
        self._misses += 1
        return ()

    def put(self, key: str, request: SpeechRequest, spoken: Sequence[AudioChunk]) -> None:
        """Keep a phrase that was spoken whole, if it is short enough."""
        if not spoken or len(request.text) > LONGEST:
            return
        audio = _joined(spoken)
        self._remember(key, audio)
        if self._asked.get(key):
            self._keep(key, audio)

    async def clear(self) -> None:
        """Forget everything, on disk too, also what was put by others."""
        self._memory.clear()
        self._asked.clear()
        self._unwritten.clear()
        self._disk.clear()
        self._memory_bytes = self._disk_bytes = 0
        if self._writer:
            await asyncio.wait([self._writer])
        try:
            listed = await asyncio.to_thread(self._files.listing)
            await asyncio.to_thread(self._files.delete, [key for key, _ in listed])
        except OSError as error:
            self._fail(error)

    # --- In memory

    def _ask(self, key: str) -> bool:
        """Note that a phrase is asked for; whether it was before."""
        again = key in self._asked
        self._asked[key] = again
        self._asked.move_to_end(key)
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return again

    def _remember(self, key: str, audio: AudioChunk) -> None:
        if (known := self._memory.pop(key, None)) is not None:
            self._memory_bytes -= _size(known)
        if _size(audio) > self._memory_most:
            return
        self._memory[key] = audio
        self._memory_bytes += _size(audio)
        while self._memory_bytes > self._memory_most:
            self._memory_bytes -= _size(self._memory.popitem(last=False)[1])

    # --- On disk

    async def _read(self, key: str) -> AudioChunk | None:
        """A file's phrase, or None: then the file is gone."""
        try:
            audio = await asyncio.to_thread(self._files.read, key)
        except OSError as error:
            self._fail(error)
            return None
        except ValueError:
            self._broken += 1
            log.warning("a cached phrase was broken, and is deleted")
            await asyncio.to_thread(self._files.delete, [key])
            audio = None
        if audio is None:
            self._disk_bytes -= self._disk.pop(key, 0)
        elif key in self._disk:
            self._disk.move_to_end(key)
        return audio

    def _keep(self, key: str, audio: AudioChunk) -> None:
        """Have a phrase written soon, if it is not there."""
        if not self._opened or key in self._disk or len(self._unwritten) >= WAITING:
            return
        self._unwritten[key] = audio
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write(), name="phrase cache")
            self._writer.add_done_callback(self._written)

    async def _write(self) -> None:
        while self._unwritten:
            key = next(iter(self._unwritten))
            audio = self._unwritten.pop(key)
            if len(audio.pcm) > self._disk_most:
                continue
            try:
                size = await asyncio.to_thread(self._files.write, key, audio)
            except OSError as error:
                self._fail(error)
                continue
            self._disk_bytes += size - self._disk.pop(key, 0)
            self._disk[key] = size
            await self._trim_disk()

    def _written(self, writer: asyncio.Task[None]) -> None:
        self._writer = None

    async def _trim_disk(self) -> None:
        gone = []
        while self._disk_bytes > self._disk_most:
            key, size = self._disk.popitem(last=False)
            self._disk_bytes -= size
            gone.append(key)
        if gone:
            await asyncio.to_thread(self._files.delete, gone)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            log.warning("the phrase cache in %s fails: %s", self._files.folder, error.strerror)
        self._failed += 1


def _joined(spoken: Sequence[AudioChunk]) -> AudioChunk:
    """One chunk of those of an utterance, whose timings count from its start already."""
    if len(spoken) == 1:
        return spoken[0]
    return AudioChunk(
        b"".join(chunk.pcm for chunk in spoken),
        spoken[0].sample_rate,
        tuple(timing for chunk in spoken for timing in chunk.timings),
        tuple(timing for chunk in spoken for timing in chunk.phonemes),
    )


def _size(audio: AudioChunk) -> int:
    """Bytes of memory, about."""
    return len(audio.pcm) + _EACH * (1 + len(audio.timings) + len(audio.phonemes))


def _digest(what: Any) -> str:
    """A name for JSON values: equal ones have the same, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
