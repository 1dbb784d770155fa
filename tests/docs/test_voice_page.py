"""The page about the voice: its files are read as the daemon would, and it names what there is."""

import re
import shlex
from pathlib import Path

import pytest
from real_models import real_model

from rfsn_bridge import cli, config, registry
from rfsn_bridge.domain import Npc
from rfsn_bridge.protocol.messages import Priority
from rfsn_bridge.speech import places
from rfsn_bridge.speech.pronunciation import builtin_pronunciation, load_pronunciation
from rfsn_bridge.speech.voices import load_voices

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "voice.md").read_text(encoding="utf-8")
SOURCES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rfsn_bridge").rglob("*.py"))


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def test_the_options_that_are_shown_are_the_engines_own() -> None:
    parts = registry.discover().parts
    for text in fences("yaml"):
        tts = config.parse(text.encode()).tts
        for engine in tts.engine:
            assert engine == config.NO_VOICE or ("tts", engine) in parts
        for engine, options in tts.options.items():
            parts["tts", engine].options.model_validate(options)


def test_the_table_of_voices_that_is_shown_is_read() -> None:
    (shown,) = fences("yaml voices")
    voices = load_voices([("my-voices.yaml", shown.encode())])
    pirate = Npc(npc_id="1", name="N", voice_type="MyPirateVoice")
    assert voices.choose(pirate, "kokoro", ("af_bella", "am_puck"), "af_bella") == "am_puck"


def test_the_words_that_are_shown_are_said_so() -> None:
    (shown,) = fences("yaml pronunciation")
    text, sounds = load_pronunciation([("my-words.yaml", shown.encode())]).apply("The Jarl Hjorlak fears Talos.")
    assert (text, sounds) == ("The earl Hjorlak fears Talos.", {"Hjorlak": "hjˈɔːɹlæk"})
    assert f"({len(builtin_pronunciation())} words and phrases)" in TEXT


def test_every_key_of_its_sections_is_explained_and_none_that_is_not() -> None:
    for section in (config.Speech, config.Playback):
        for key in section.model_fields:
            assert key in TEXT, key
    sections = {"tts": config.TTS, "speech": config.Speech, "playback": config.Playback}
    for section_name, key in re.findall(r"`(tts|speech|playback)\.([a-z_]+)`", TEXT):
        assert key in sections[section_name].model_fields


def test_every_notice_that_is_named_is_shown_somewhere() -> None:
    table = TEXT.partition("| notice |")[2].partition("\n\n")[0]
    codes = re.findall(r"`([a-z]+_[a-z]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert len(codes) == 10
    for code in codes:
        assert f'"{code}"' in SOURCES, code


def test_every_priority_is_explained() -> None:
    table = TEXT.partition("| priority |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `([a-z]+)`", table, re.M)) == Priority.__args__


def test_who_is_far_away_is_heard_as_it_says() -> None:
    assert [places.loudness(distance) for distance in (200, 900, 1600, 6000)] == [1, 1 / 2, 1 / 3, 0]


@pytest.mark.parametrize("line", [line for block in fences("sh") for line in block.splitlines() if line])
def test_every_command_that_is_shown_is_understood(line: str, tmp_path: Path) -> None:
    assert cli.main([*shlex.split(line)[1:], "--data", str(tmp_path)]) == 0


@pytest.mark.models
def test_kokoros_voices_are_those_that_it_has() -> None:
    import numpy as np

    with np.load(real_model("kokoro-voices")) as styles:
        had = {name for name in styles if name[0] not in "jz"}
    table = TEXT.partition("| language |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) == had
    assert f"{len(had)} voices" in TEXT
