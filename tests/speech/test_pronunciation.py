"""How names are said: what is found in a text, and what a lexicon file may hold."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.errors import ConfigError
from rfsn_bridge.speech.pronunciation import Pronunciation, builtin_pronunciation, load_pronunciation

OURS = builtin_pronunciation()


def lexicon(text: str) -> Pronunciation:
    return load_pronunciation([("mine.yaml", text.encode())])


def test_the_sounds_are_of_words_as_they_stand_in_the_text() -> None:
    text, sounds = OURS.apply("The Jarl's men, JARLS all, fear the Dovahkiin.")
    assert text == "The Jarl's men, JARLS all, fear the Dovahkiin."
    assert sounds == {"Jarl's": "jˈɑːɹlz", "JARLS": "jˈɑːɹlz", "Dovahkiin": "dˈoʊvəkˌiːn"}


@pytest.mark.parametrize(
    ("word", "sound"),
    [("Whiterun's", "wˈaɪtɹʌnz"), ("Ulfric's", "ˈʊlfɹɪks"), ("Talos’s", "tˈæloʊsᵻz"), ("netchs", "nˈɛtʃᵻz")],
)
def test_an_ending_sounds_as_its_word_ends(word: str, sound: str) -> None:
    assert OURS.apply(word)[1] == {word: sound}


def test_a_phrase_sounds_word_by_word_and_only_as_a_whole() -> None:
    assert OURS.apply("Molag Bal's mace")[1] == {"Molag": "mˈoʊlæɡ", "Bal's": "bˈɑːlz"}
    assert OURS.apply("Nchuand-Zel")[1] == {"Nchuand": "əntʃˈuːænd", "Zel": "zˈɛl"}
    assert OURS.apply("Bal, Molag")[1] == {}
    assert OURS.apply("Molag, Bal")[1] == {}
    assert OURS.apply("Fus Ro Dah and Fus Ro")[1]["Dah"] == "dˈɑː"


def test_a_name_is_meant_only_with_its_capital_and_a_word_always() -> None:
    assert OURS.apply("My sanguine falk.")[1] == {}
    assert set(OURS.apply("Sanguine! draugr, Draugr and DRAUGR")[1]) == {"Sanguine", "draugr", "Draugr", "DRAUGR"}


def test_without_sounds_words_are_respelled() -> None:
    assert OURS.apply("The Jarl's Dovahkiin", ipa=False) == ("The yarl's doughva-keen", {})


def test_the_players_file_is_on_top() -> None:
    mine = lexicon('Jarl: {say: earl}\nLydia: {ipa: "lˈaɪdiə"}\nTalos: ""\nBob the Brave: bobbo')
    text, sounds = mine.apply("Jarl Lydia, Talos and Bob the Brave's Draugr")
    assert text == "earl Lydia, Talos and bobbo's Draugr"
    assert sounds == {"Lydia": "lˈaɪdiə", "Draugr": "dɹˈaʊɡɚ"}


def test_common_ways_to_write_ipa_are_taken() -> None:
    assert lexicon('Gorm: {ipa: "/g\'ɔ:ɹm/"}').apply("Gorm")[1] == {"Gorm": "ɡˈɔːɹm"}


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("Jarl: yarl\nBob: {sya: b}", "mine.yaml, line 2: there is no key Bob.sya; known here: say, ipa"),
        ("\nBob: 5", "mine.yaml, line 2: Bob does not tell how it is said"),
        ("Bob:\n  ipa: bЖb", "mine.yaml, line 2: Bob.ipa has the sign 'Ж', which no voice knows"),
        ("Fus Ro: {ipa: fus}", "mine.yaml, line 1: Fus Ro.ipa is 1 words, not 2"),
        ("Bob: b\nBob: c", "mine.yaml, line 2: Bob is set twice"),
        ("'...': b", "mine.yaml, line 1: ... is no word"),
        ("- Bob", "mine.yaml holds no words"),
        ("Bob: {say: [b]}", "mine.yaml, line 1: Bob.say is no text"),
    ],
)
def test_a_mistake_is_told_with_its_line(file: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        lexicon(file)


def test_an_empty_file_changes_nothing() -> None:
    assert len(lexicon("# nothing yet")) == len(OURS) >= 120


def test_every_word_of_ours_can_be_spelled_and_sounded() -> None:
    """Both ways, so that engines with and without IPA say the same."""
    for words, entry in OURS._entries.items():
        assert entry.say and len(entry.ipa) == len(words), words


@given(st.text())
def test_any_text_is_survived_and_only_its_own_words_are_told(text: str) -> None:
    spelled, sounds = OURS.apply(text)
    assert spelled == text
    assert all(word in text for word in sounds)
    OURS.apply(text, ipa=False)


@pytest.mark.parametrize("unit", ["Fus Ro ", "Fus ", "a'", "Molag-", "s's "])
def test_a_hostile_text_takes_linear_time(unit: str) -> None:
    OURS.apply(unit * 20_000)
