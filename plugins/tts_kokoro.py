"""Kokoro (82M) on ONNX Runtime: 49 voices in 7 languages, faster than real time on two cores."""

from __future__ import annotations

import difflib
import os
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import (
    AudioChunk,
    CatalogueModel,
    ModelMissing,
    RegisterEngine,
    SpeechRequest,
    VoiceError,
    hookimpl,
)

if TYPE_CHECKING:  # The daemon reads this file too, and must not load a megabyte of native code for it.
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SAMPLE_RATE = 24_000
CHUNK_S = 0.2
BATCH_PAUSE_S = 0.2
LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
UNSPOKEN = {"j": "Japanese", "z": "Chinese"}  # Their phonemes do not come from espeak.


class KokoroOptions(BaseModel):
    """The built-in voice. Both models are names of the catalogue or absolute paths."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: Annotated[str, CatalogueModel()] = "kokoro"
    """The speech model."""
    voices: Annotated[str, CatalogueModel()] = "kokoro-voices"
    """Its voices."""
    threads: int = Field(default=0, ge=0, le=64)
    """Processor threads; 0 chooses: half the cores, at most 4."""


@hookimpl
def register_tts_engines(register: RegisterEngine) -> None:
    register("kokoro", f"{__name__}:KokoroEngine", options=KokoroOptions)


class KokoroEngine:
    """Speaks batch by batch, at most 510 phonemes (about half a minute) each; a sentence is nearly always one."""

    def open(self, options: Mapping[str, Any]) -> None:
        chosen = KokoroOptions.model_validate(options)
        for path in (chosen.model, chosen.voices):
            if not Path(path).is_file():
                raise ModelMissing(f"{path} is missing", "run: rfsn-bridge models pull kokoro")

        import onnxruntime
        from kokoro_onnx import Kokoro

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = chosen.threads or _threads()
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Spinning threads would take the cores from the game between two operators.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(chosen.model, settings, providers=["CPUExecutionProvider"])
        self._runs = _Runs(session, onnxruntime.RunOptions)
        self._kokoro = Kokoro.from_session(self._runs, chosen.voices)
        self._voices = tuple(name for name in self._kokoro.get_voices() if name[:1] not in UNSPOKEN)
        if not self._voices:
            raise VoiceError(f"{chosen.voices} holds no voice", "run: rfsn-bridge models pull kokoro-voices")
        for _ in self.synthesize(SpeechRequest("Ready.", self._voices[0])):
            pass  # The first espeak call and the first inference are slow.

    def voices(self) -> Sequence[str]:
        return self._voices

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        self._runs.begin()
        return self._speak(request)

    def cancel(self) -> None:
        self._runs.cancel()

    def close(self) -> None:
        self._runs.cancel()

    def _speak(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        lang = self._language(request)
        batches = self._batches(request.text, lang)
        for number, phonemes in enumerate(batches):
            try:
                samples, _ = self._kokoro.create(
                    phonemes, request.voice, request.speed, lang, is_phonemes=True, trim=False
                )
            except _Cancelled:
                return
            yield from _chunks(_trim(samples), pause_s=BATCH_PAUSE_S if number + 1 < len(batches) else 0.0)

    def _language(self, request: SpeechRequest) -> str:
        """The voice's own: a French voice does not speak English. `request.lang` serves voices of other names."""
        if request.voice in self._voices:
            return LANGUAGES.get(request.voice[:1], request.lang)
        near = difflib.get_close_matches(request.voice, self._voices, n=3, cutoff=0.4) or self._voices[:3]
        hint = f"the nearest are {', '.join(near)}"
        if request.voice in self._kokoro.get_voices():
            raise VoiceError(
                f"{request.voice} speaks {UNSPOKEN[request.voice[:1]]}, which kokoro cannot yet", hint
            )
        raise VoiceError(f"kokoro has no voice {request.voice}", hint)

    def _batches(self, text: str, lang: str) -> list[str]:
        from kokoro_onnx.chunker import split_phonemes
        from kokoro_onnx.config import MAX_PHONEME_LENGTH

        plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
        phonemes = " ".join(self._kokoro.tokenizer.phonemize(plain, lang).split()) if plain.strip() else ""
        return [batch for batch in split_phonemes(phonemes, MAX_PHONEME_LENGTH) if _sounds(batch)]


class _Cancelled(Exception):
    pass


class _Runs:
    """An InferenceSession, as far as kokoro-onnx uses one, whose runs can be cancelled from another thread."""

    def __init__(self, session: Any, run_options: Any) -> None:
        self._session = session
        self._run_options = run_options
        self._lock = threading.Lock()
        self._cancelled = False
        self._running: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def begin(self) -> None:
        """An utterance begins: what was cancelled before does not concern it."""
        with self._lock:
            self._cancelled = False

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                self._running.terminate = True

    def run(self, names: Sequence[str] | None, inputs: Mapping[str, Any]) -> Any:
        with self._lock:
            if self._cancelled:
                raise _Cancelled
            self._running = options = self._run_options()
        try:
            return self._session.run(names, inputs, options)
        except Exception:
            if options.terminate:
                raise _Cancelled from None
            raise
        finally:
            with self._lock:
                self._running = None


def _threads() -> int:
    cores = os.cpu_count() or 2
    return cores if cores <= 2 else min(4, cores // 2)


def _sounds(phonemes: str) -> bool:
    """Whether there is anything to say: not just punctuation, stress and length marks."""
    return any(unicodedata.category(p) in ("Ll", "Lu", "Lo") for p in phonemes)


def _trim(samples: Samples) -> Samples:
    """Without the silence around the speech.

    Kokoro's silence is digital (-130 dB) and its consonants start abruptly, so 50 dB below the loudest 10 ms is
    well under the softest /f/ or /h/; 20 ms before it and 60 ms of decay after it stay.
    """
    import numpy as np

    frame = SAMPLE_RATE // 100
    power = np.square(samples[: len(samples) // frame * frame]).reshape(-1, frame).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=1e-6) * 1e-5)
    if not len(loud):
        return samples[:0]
    return samples[max(0, loud[0] - 2) * frame : (loud[-1] + 7) * frame]


def _chunks(samples: Samples, pause_s: float) -> Iterator[AudioChunk]:
    import numpy as np

    pcm = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes() + bytes(2 * int(pause_s * SAMPLE_RATE))
    size = 2 * int(CHUNK_S * SAMPLE_RATE)
    for start in range(0, len(pcm), size):
        yield AudioChunk(pcm[start : start + size], SAMPLE_RATE)
