"""The voice process, seen from the daemon: which engine it loads, and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rfsn_bridge.domain import AudioChunk, SpeechRequest, WordTiming
from rfsn_bridge.errors import VoiceError, VoiceUnavailable
from rfsn_bridge.speech.child_process import ChildProcess
from rfsn_bridge.speech.wire import Frame, Kind


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine the process loads. `engine` is "module:Class"; `options` are plain JSON, models as paths.

    With `source` "file" the plugin file `path` (whose bytes must have `sha256`, unless that is empty) is loaded
    first as `rfsn_bridge_plugins.<stem>`; with "module" the class is imported from what is installed.
    """

    source: Literal["file", "module"]
    path: str
    sha256: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)


async def start_engine(spec: EngineSpec) -> ChildProcess:
    """Start the process and tell it what to open. Raise VoiceError if the system cannot start it."""
    header = {
        "source": spec.source,
        "path": spec.path,
        "sha256": spec.sha256,
        "engine": spec.engine,
        "options": dict(spec.options),
    }
    return await ChildProcess.start("rfsn_bridge.speech.worker", "the voice process", Frame(Kind.OPEN, header))


def speak_frame(job: int, request: SpeechRequest) -> Frame:
    """What asks the process to speak."""
    header = {
        "job": job,
        "text": request.text,
        "voice": request.voice,
        "speed": request.speed,
        "lang": request.lang,
        "phonemes": dict(request.phonemes),
    }
    return Frame(Kind.SPEAK, header)


def chunk_of(frame: Frame) -> AudioChunk:
    """The audio in a frame of the process's."""
    timings = tuple(WordTiming(*timing) for timing in frame.header["timings"])
    phonemes = tuple(WordTiming(*timing) for timing in frame.header["phonemes"])
    return AudioChunk(frame.body, int(frame.header["sample_rate"]), timings, phonemes)


def failure_of(frame: Frame) -> VoiceError:
    """Why an utterance failed: VoiceUnavailable where the engine can speak no other either."""
    kind = VoiceUnavailable if frame.header.get("unavailable") else VoiceError
    return kind(str(frame.header["message"]), str(frame.header["hint"]))
