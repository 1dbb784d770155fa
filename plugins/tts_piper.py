"""Piper: small voices, four times as fast as Kokoro and plainer. An extra, as piper-tts is under GPL-3."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import (
    AudioChunk,
    CatalogueModel,
    ModelMissing,
    RegisterEngine,
    SpeechRequest,
    VoiceError,
    VoiceUnavailable,
    WordTiming,
    hookimpl,
)
from rfsn_bridge.silence import Trimmer

CHUNK_S = 0.2


class PiperOptions(BaseModel):
    """Piper (extra `piper`, GPL-3): small voices, four times as fast as Kokoro and plainer."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: Annotated[str, CatalogueModel()] = "piper-joe"
    """The voice model, a name of the catalogue or an absolute path; its .json lies beside it."""
    threads: int = Field(default=0, ge=0, le=64)
    """Processor threads; 0 chooses: half the cores, at most 4."""


@hookimpl
def register_tts_engines(register: RegisterEngine) -> None:
    register("piper", f"{__name__}:PiperEngine", options=PiperOptions)


class PiperEngine:
    """Speaks sentence by sentence, and tells when words and phonemes sound."""

    def open(self, options: Mapping[str, Any]) -> None:
        chosen = PiperOptions.model_validate(options)
        described = Path(f"{chosen.model}.json")
        for path in (Path(chosen.model), described):
            if not path.is_file():
                raise ModelMissing(f"{path} is missing", "run: rfsn-bridge models pull piper-joe")
        try:
            import piper
        except ImportError as error:
            hint = 'run: pip install "rfsn-bridge[piper]"'
            raise VoiceUnavailable("the voice piper needs piper-tts", hint) from error

        config = piper.config.PiperConfig.from_dict(json.loads(described.read_bytes()))
        self._runs = _Runs(_session(chosen.model, chosen.threads or _threads()))
        session: Any = self._runs
        self._voice = piper.PiperVoice(session, config)
        self._settings = piper.SynthesisConfig
        self._speakers = dict(config.speaker_id_map) if config.num_speakers > 1 else {Path(chosen.model).stem: 0}
        self._usual_scale = config.length_scale
        self._voices = tuple(self._speakers) or tuple(map(str, range(config.num_speakers)))
        for _ in self.synthesize(SpeechRequest("Ready.", self._voices[0])):
            pass  # The first call of espeak and of the session is slow.

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
        if request.voice not in self._voices:
            raise VoiceError(f"piper has no voice {request.voice}", f"it has {', '.join(self._voices[:5])}")
        plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in request.text)
        text = with_phonemes(plain, request.phonemes)
        if not any(map(str.isalnum, plain)):
            return
        speaker = self._speakers.get(request.voice, self._voices.index(request.voice))
        settings = self._settings(speaker_id=speaker, length_scale=self._usual_scale / request.speed)
        clock = _Clock(self._voice.config.sample_rate, plain, self._voice.phonemize(text))
        try:
            for chunk in self._voice.synthesize(text, settings, include_alignments=True):
                yield from clock.feed(chunk)
            yield from clock.end()
        except _Cancelled:
            return


class _Clock:
    """Cuts sentences into chunks, and tells when their words and phonemes sound once the silence is off."""

    def __init__(self, sample_rate: int, text: str, sentences: Sequence[Sequence[str]]) -> None:
        self._rate = sample_rate
        self._trimmer = Trimmer(sample_rate)
        self._words = [word for word in text.split() if any(map(str.isalnum, word))]
        self._groups = sum(len(_spoken_words(sentence)) for sentence in sentences)
        self._raw = self._sent = self._passed = 0
        self._word_times: list[WordTiming] = []
        self._sound_times: list[WordTiming] = []

    def feed(self, chunk: Any) -> Iterator[AudioChunk]:
        pcm = self._trimmer.feed(chunk.audio_int16_bytes)
        if chunk.phoneme_alignments:
            self._time([(alignment.phoneme, int(alignment.num_samples)) for alignment in chunk.phoneme_alignments])
        self._raw += len(chunk.audio_float_array)
        yield from self._chunks(pcm, last=False)

    def end(self) -> Iterator[AudioChunk]:
        yield from self._chunks(self._trimmer.flush(), last=True)

    def _time(self, alignments: Sequence[tuple[str, int]]) -> None:
        start = self._raw
        sounds: list[tuple[str, int, int]] = []
        for phoneme, samples in alignments:
            sounds.append((phoneme, self._ms(start), self._ms(start + samples)))
            start += samples
        spans = _spans(sounds)
        self._sound_times += [WordTiming(*sound) for sound in _sounds(sounds)]
        for word, (first, last) in self._named(len(spans)):
            self._word_times.append(WordTiming(word, spans[first][0], spans[last][1]))

    def _named(self, count: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """The next words of the text, and from which to which group of phonemes each is heard.

        espeak speaks some words as one ("of the") and some as several ("1848"): then they share the groups out.
        """
        begin, self._passed = self._passed, self._passed + count
        for number, word in enumerate(self._words):
            first = number * self._groups // len(self._words)
            last = max(first, (number + 1) * self._groups // len(self._words) - 1)
            if begin <= first < self._passed:
                yield word, (first - begin, min(last, self._passed - 1) - begin)

    def _chunks(self, pcm: bytes, *, last: bool) -> Iterator[AudioChunk]:
        size = 2 * int(CHUNK_S * self._rate)
        for start in range(0, len(pcm), size):
            piece = pcm[start : start + size]
            self._sent += len(piece) // 2
            end_ms = 1000 * self._sent // self._rate
            final = last and start + size >= len(pcm)
            words, self._word_times = _until(self._word_times, None if final else end_ms)
            sounds, self._sound_times = _until(self._sound_times, None if final else end_ms)
            yield AudioChunk(piece, self._rate, words, sounds)

    def _ms(self, sample: int) -> int:
        return max(0, 1000 * sample // self._rate - self._trimmer.skipped_ms)


class _Cancelled(Exception):
    pass


class _Runs:
    """An InferenceSession, as far as Piper uses one, whose runs can be cancelled from another thread."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._cancelled = False
        self._running: Any = None

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
        import onnxruntime

        with self._lock:
            if self._cancelled:
                raise _Cancelled
            self._running = options = onnxruntime.RunOptions()
        try:
            return self._session.run(names, inputs, options)
        except Exception:  # the runtime has none of its own for a run that was terminated
            if options.terminate:
                raise _Cancelled from None
            raise
        finally:
            with self._lock:
                self._running = None


def _session(model: str, threads: int) -> Any:
    """With the durations of the phonemes as a second output, where the model lets us have them."""
    import onnx
    import onnxruntime
    from piper.patch_voice_with_alignment import add_alignment_output

    graph = onnx.load(model)
    with contextlib.suppress(ValueError):  # It has them already, or has none.
        add_alignment_output(graph)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads would take the cores from the game between two operators.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])


def with_phonemes(text: str, phonemes: Mapping[str, str]) -> str:
    """The text as Piper reads it: words whose sound is known in double brackets, and no other such brackets."""
    text = text.replace("[[", "[ [")
    if not phonemes:
        return text
    words = "|".join(map(re.escape, sorted(phonemes, key=len, reverse=True)))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda found: f"[[{phonemes[found.group()]}]]", text)


def _spoken_words(phonemes: Sequence[str]) -> list[str]:
    """Groups of phonemes between spaces, but for those that are only punctuation."""
    return [group for group in "".join(phonemes).split() if any(map(str.isalpha, group))]


def _spans(sounds: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
    """When each group of phonemes between spaces sounds."""
    spans: list[tuple[int, int]] = []
    begun = False
    for phoneme, start, end in sounds:
        if phoneme == " ":
            begun = False
        elif phoneme.isalpha() and begun:
            spans[-1] = (spans[-1][0], end)
        elif phoneme.isalpha():
            spans.append((start, end))
            begun = True
    return spans


def _sounds(sounds: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The phonemes without spaces and punctuation; a mark belongs to the sound before it, a stress to the next."""
    merged: list[tuple[str, int, int]] = []
    stressed: int | None = None
    for phoneme, start, end in sounds:
        if phoneme in "ˈˌ":
            stressed = start
        elif merged and unicodedata.category(phoneme[0]) in ("Lm", "Mn", "Sk"):
            merged[-1] = (merged[-1][0] + phoneme, merged[-1][1], end)
        elif phoneme.isalpha():
            merged.append((phoneme, start if stressed is None else stressed, end))
            stressed = None
    return merged


def _until(times: list[WordTiming], end_ms: int | None) -> tuple[tuple[WordTiming, ...], list[WordTiming]]:
    """Those that begin before a moment (None: all), and the rest."""
    now = tuple(each for each in times if end_ms is None or each.start_ms < end_ms)
    return now, times[len(now) :]


def _threads() -> int:
    cores = os.cpu_count() or 2
    return cores if cores <= 2 else min(4, cores // 2)
