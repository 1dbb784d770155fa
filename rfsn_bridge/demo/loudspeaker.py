"""Where a demo is heard: a sound device, or nowhere, which takes no time."""

import asyncio
import importlib
from typing import Any, Protocol


class Loudspeaker(Protocol):
    """Plays mono PCM, signed 16-bit."""

    name: str
    """What is heard on; empty where nothing is."""

    async def play(self, pcm: bytes, rate: int) -> None:
        """Play a piece behind the earlier ones; return when there is room for the next."""
        ...

    async def drain(self) -> None:
        """Return when all that was given has been heard."""
        ...

    def hush(self) -> None:
        """Be silent at once."""
        ...


class Silence:
    name = ""

    async def play(self, pcm: bytes, rate: int) -> None:
        pass

    async def drain(self) -> None:
        pass

    def hush(self) -> None:
        pass


class SoundDevice:
    """The system's own output. A device that fails in the middle is silent from then on."""

    def __init__(self, library: Any, name: str) -> None:
        self.name = name
        self._library = library
        self._stream: Any = None

    async def play(self, pcm: bytes, rate: int) -> None:
        await self._try(self._write, pcm, rate)

    async def drain(self) -> None:
        if self._stream is not None:
            await self._try(self._stream.stop)
            self.hush()

    def hush(self) -> None:
        if self._stream is not None:
            self._stream.close(ignore_errors=True)
            self._stream = None

    def _write(self, pcm: bytes, rate: int) -> None:
        if self._stream is None:
            self._stream = self._library.RawOutputStream(samplerate=rate, channels=1, dtype="int16")
            self._stream.start()
        self._stream.write(pcm)

    async def _try(self, work: Any, *args: object) -> None:
        if self.name:
            try:
                await asyncio.to_thread(work, *args)
            except self._library.PortAudioError:
                self.name = ""


def open_loudspeaker() -> Loudspeaker:
    """The system's output, or Silence where there is none, or no PortAudio to reach it with."""
    try:
        library = importlib.import_module("sounddevice")
    except (ImportError, OSError):
        return Silence()
    try:
        device = library.query_devices(kind="output")
    except (library.PortAudioError, ValueError):
        return Silence()
    return SoundDevice(library, str(device["name"]))
