"""Kokoro (82M) on ONNX Runtime: 41 voices in 6 languages, and blends; faster than real time on two cores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import (
    AudioChunk,
    CatalogueModel,
    ModelMissing,
    RegisterEngine,
    SpeechRequest,
    VoiceError,
    WordTiming,
    hookimpl,
)

if TYPE_CHECKING:  # The daemon reads this file too, and must not load a megabyte of native code for it.
    import numpy as np
    from numpy.typing import NDArray

    from rfsn_bridge.kokoro.reading import Reading
    from rfsn_bridge.kokoro.session import Session

    Samples = NDArray[np.float32]

SAMPLE_RATE = 24_000
CHUNK_S = 0.2
BATCH_PAUSE_S = 0.2
DECAY_S = 0.06
LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
TEST_SENTENCE = "ðə ɹˈoʊd tə ɹˈɪvɚwˌʊd ɪz sˈeɪf baɪ dˈeɪ, bˌʌt duːnˌɑːt wˈɔːk ɪɾ ɐlˈoʊn."


class KokoroOptions(BaseModel):
    """The built-in voice. Both models are names of the catalogue or absolute paths."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: Annotated[str, CatalogueModel()] = "kokoro"
    """The speech model."""
    voices: Annotated[str, CatalogueModel()] = "kokoro-voices"
    """Its voices."""
    threads: int = Field(default=0, ge=0, le=64)
    """Processor threads; 0 chooses: what was fastest when it was measured on this machine, at the first start."""
    quality: Literal["auto", "int8", "fp32"] = "auto"
    """How the model is computed. `int8` is as downloaded and takes 0.6 GB of memory; `fp32` is derived from it
    (once, in the background; 0.3 GB on the disk) and takes 1 GB; `auto` takes the faster one that fits."""


@hookimpl
def register_tts_engines(register: RegisterEngine) -> None:
    register("kokoro", f"{__name__}:KokoroEngine", options=KokoroOptions)


class KokoroEngine:
    """Speaks batch by batch, at most 510 phonemes (about half a minute) each; a sentence is nearly always one."""

    blends = True
    """Voices may be mixed: "af_bella:0.6,bf_emma:0.4"."""

    def open(self, options: Mapping[str, Any]) -> None:
        chosen = KokoroOptions.model_validate(options)
        for path in (chosen.model, chosen.voices):
            if not Path(path).is_file():
                raise ModelMissing(f"{path} is missing", "run: rfsn-bridge models pull kokoro")

        import numpy as np
        from kokoro_onnx.tokenizer import Tokenizer

        from rfsn_bridge.kokoro import blends, derived, improving, session

        model = Path(chosen.model)
        folder = derived.folder_for(model)
        self._tokenizer = Tokenizer()
        with np.load(chosen.voices) as styles:
            self._voices = blends.Voices(styles)
        if not self._voices.names:
            raise VoiceError(f"{chosen.voices} holds no voice", "run: rfsn-bridge models pull kokoro-voices")
        first = improving.first_choice(model, folder, chosen.quality, chosen.threads)
        self._runs = session.Runs(session.Session(*first))
        for _ in self.synthesize(SpeechRequest("Ready.", self._voices.names[0])):
            pass  # The first espeak call and the first inference are slow.
        self._improver = improving.Improver(
            self._runs, model, folder, chosen.quality, chosen.threads, self._say_test
        )

    def voices(self) -> Sequence[str]:
        return self._voices.names

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        self._runs.begin()
        return self._speak(request)

    def cancel(self) -> None:
        self._runs.cancel()

    def close(self) -> None:
        self._improver.stop()
        self._runs.cancel()

    def _speak(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        from rfsn_bridge.kokoro.reading import is_sound, read
        from rfsn_bridge.kokoro.session import Cancelled

        first = self._voices.first(request.voice)
        self._voices.style(request.voice, 1)  # Whether there is such a voice.
        lang = LANGUAGES.get(first[:1], request.lang)
        reading = read(
            request.text,
            lambda text: str(self._tokenizer.phonemize(text, lang)),
            request.phonemes,
            self._tokenizer.vocab,
        )
        batches = [(at, batch) for at, batch in _batches(reading) if any(map(is_sound, batch))]
        offset_s = 0.0
        for number, (at, phonemes) in enumerate(batches):
            tokens = self._tokenizer.tokenize(phonemes)
            style = self._voices.style(request.voice, len(tokens))
            try:
                samples, durations = self._runs.run(tokens, style, request.speed)
            except Cancelled:
                return
            start, end = _loud(samples)
            pause_s = BATCH_PAUSE_S if number + 1 < len(batches) else 0.0
            words, sounds = _timings(reading, at, phonemes, durations, start, end, offset_s)
            pcm = _pcm(samples[start:end], pause_s)
            yield from _chunks(pcm, words, sounds)
            offset_s += len(pcm) / 2 / SAMPLE_RATE

    def _say_test(self, session: Session, options: Any) -> object:
        tokens = self._tokenizer.tokenize(TEST_SENTENCE)
        return session.run(tokens, self._voices.style(self._voices.names[0], len(tokens)), 1.0, options)


def _batches(reading: Reading) -> list[tuple[int, str]]:
    """The phonemes in pieces that the model can take, and where each begins."""
    from kokoro_onnx.chunker import split_phonemes
    from kokoro_onnx.config import MAX_PHONEME_LENGTH

    pieces: list[tuple[int, str]] = []
    at = 0
    for batch in split_phonemes(reading.phonemes, MAX_PHONEME_LENGTH):
        at = max(at, reading.phonemes.find(batch, at))
        pieces.append((at, batch))
        at += len(batch)
    return pieces


def _timings(
    reading: Reading, at: int, phonemes: str, durations: Sequence[float], start: int, end: int, offset_s: float
) -> tuple[list[WordTiming], list[WordTiming]]:
    """Of one batch that begins at place `at`, of whose samples those from `start` to `end` are heard."""
    from rfsn_bridge.kokoro.moments import Moments
    from rfsn_bridge.kokoro.reading import Word

    if len(durations) != len(phonemes) + 2 or start >= end:
        return [], []
    moments = Moments(
        phonemes,
        durations,
        cut_ms=1000 * start / SAMPLE_RATE,
        length_ms=max(0.0, 1000 * ((end - start) / SAMPLE_RATE - DECAY_S)),
        offset_ms=1000 * offset_s,
    )
    inside = [
        Word(word.text, max(word.start - at, 0), min(word.end - at, len(phonemes)))
        for word in reading.words
        if word.start < at + len(phonemes) and word.end > at
    ]
    return moments.words(inside), moments.phonemes()


def _loud(samples: Samples) -> tuple[int, int]:
    """Where the speech begins and ends between the silence around it.

    Kokoro's silence is digital (-130 dB) and its consonants start abruptly, so 50 dB below the loudest 10 ms is
    well under the softest /f/ or /h/; 10 ms before it and 60 ms of decay after it stay.
    """
    import numpy as np

    frame = SAMPLE_RATE // 100
    power = np.square(samples[: len(samples) // frame * frame]).reshape(-1, frame).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=1e-6) * 1e-5)
    if not len(loud):
        return 0, 0
    return max(0, int(loud[0]) - 1) * frame, min(len(samples), (int(loud[-1]) + 7) * frame)


def _pcm(samples: Samples, pause_s: float) -> bytes:
    import numpy as np

    speech = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return speech + bytes(2 * int(pause_s * SAMPLE_RATE))


def _chunks(pcm: bytes, words: Sequence[WordTiming], sounds: Sequence[WordTiming]) -> Iterator[AudioChunk]:
    """Pieces of a fifth of a second; the first tells when all words and phonemes sound."""
    size = 2 * int(CHUNK_S * SAMPLE_RATE)
    for start in range(0, len(pcm), size):
        times = () if start else (tuple(words), tuple(sounds))
        yield AudioChunk(pcm[start : start + size], SAMPLE_RATE, *times)
