"""Fakes for tests: of this project, and of whoever writes a plugin or an adapter.

They stand where a model would, and nowhere else: the daemon, its socket and its voice process are the real ones.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from rfsn_bridge.domain import AudioChunk, Health, LLMRequest, SpeechRequest, TextDelta, Usage
from rfsn_bridge.errors import VoiceError
from rfsn_bridge.hookspecs import NoOptions
from rfsn_bridge.protocol.messages import Limits

if TYPE_CHECKING:  # the voice process imports the tone engine from here, and needs no daemon
    from rfsn_bridge.bridge import Bridge
    from rfsn_bridge.server import Listening


class ScriptedLLM:
    """A language model that says what it is told.

    `replies` are used in order, the last one again and again; each is the pieces (tokens) it streams. An exception
    among the pieces is raised. With `gated`, a piece is only sent after `release()`.
    """

    def __init__(self, *replies: Sequence[str | Exception], gated: bool = False) -> None:
        self.replies: list[Sequence[str | Exception]] = list(replies)
        self.requests: list[LLMRequest] = []
        self.open_streams = 0
        """Streams that were begun and neither ended nor closed."""
        self.closed = asyncio.Event()
        """Set when a stream is closed before its end."""
        self._gate = asyncio.Semaphore(0) if gated else None

    def release(self, pieces: int = 1) -> None:
        """Let the next pieces go."""
        for _ in range(pieces):
            if self._gate:
                self._gate.release()

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        self.open_streams += 1
        complete = False
        try:
            for piece in reply:
                if self._gate:
                    await self._gate.acquire()
                if isinstance(piece, Exception):
                    raise piece
                yield TextDelta(piece)
                await asyncio.sleep(0)
            complete = True
            yield Usage(prompt_tokens=10, completion_tokens=len(reply))
        finally:
            self.open_streams -= 1
            if not complete:
                self.closed.set()

    async def warm_up(self) -> None:
        pass

    def count_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    async def health(self) -> Health:
        return Health(True)

    async def aclose(self) -> None:
        pass


class ToneOptions(BaseModel):
    """How the tone engine speaks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ms_per_character: int = 60
    chunk_ms: int = 200


class ToneEngine:
    """A speech engine that sings one note for as long as a voice would speak. Nothing to install."""

    sample_rate = 24000

    def open(self, options: Mapping[str, Any]) -> None:
        self._options = ToneOptions.model_validate(options)
        self._cancelled = Event()

    def voices(self) -> Sequence[str]:
        return ("tone",)

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        self._cancelled.clear()
        samples = self.sample_rate * len(request.text) * self._options.ms_per_character // 1000
        chunk = self.sample_rate * self._options.chunk_ms // 1000
        for start in range(0, samples, chunk):
            if self._cancelled.is_set():
                raise VoiceError("cancelled")
            count = min(chunk, samples - start)
            wave = (int(8000 * math.sin(0.06 * (start + i))) for i in range(count))
            yield AudioChunk(struct.pack(f"<{count}h", *wave), self.sample_rate)

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        pass


@dataclass(slots=True)
class RunningDaemon:
    """A daemon in this process, on a free port of loopback."""

    bridge: Bridge
    listening: Listening
    llm: ScriptedLLM
    http_url: str
    """Of the HTTP listener, for long poll."""

    @property
    def url(self) -> str:
        return self.listening.url


@dataclass(frozen=True, slots=True)
class Settings:
    """What `running_daemon` starts with."""

    config: Mapping[str, Any] = field(default_factory=dict)
    voice: bool = False
    limits: Limits = field(default_factory=Limits)
    plugins: Path | None = None
    port: int = 0
    http_port: int = 0
    summarise_after_s: float = 3.0


@asynccontextmanager
async def running_daemon(
    llm: ScriptedLLM, data: Path, settings: Settings | None = None
) -> AsyncIterator[RunningDaemon]:
    """Start a real daemon whose language model is `llm` and whose voice is the tone engine, or none."""
    from rfsn_bridge.bridge import Bridge
    from rfsn_bridge.config import Config
    from rfsn_bridge.http_server import listen_http
    from rfsn_bridge.registry import Plugin, Registration, discover
    from rfsn_bridge.server import listen

    settings = settings or Settings()
    registry = discover(settings.plugins)
    here = Plugin("testing", "package", None, None, __import__(__name__, fromlist=["_"]))
    scripted = Registration("llm", "scripted", lambda options, services: llm, NoOptions, here)
    registry.parts["llm", "scripted"] = scripted
    registry.parts["tts", "tone"] = Registration("tts", "tone", f"{__name__}:ToneEngine", ToneOptions, here)
    document = {
        "llm": {"backend": "scripted"},
        "tts": {"engine": "tone" if settings.voice else "none", "voice": "tone"},
    }
    for section, values in settings.config.items():
        document[section] = {**document.get(section, {}), **values}
    bridge = Bridge(
        Config.model_validate(document),
        registry,
        data,
        limits=settings.limits,
        summarise_after_s=settings.summarise_after_s,
    )
    try:
        async with (
            listen(bridge, "127.0.0.1", settings.port) as listening,
            listen_http(bridge, "127.0.0.1", settings.http_port) as http_url,
        ):
            yield RunningDaemon(bridge, listening, llm, http_url)
    finally:
        await bridge.aclose()
