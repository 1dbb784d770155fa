"""The words of a line in one spelling."""

import pytest

from rfsn_bridge.mind.wording import MAX_CHARACTERS, WordClasses, features, tidy, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'll kill you!", "i will kill you !"),
        ("ill kill u", "i will kill you"),
        ("I am ill today", "i am ill today"),
        ("Don't... please", "do not ... please"),
        ("dont plz", "do not please"),
        ("You're a half-wit", "you are a half-wit"),
        ("The smith's hammer", "the smith 's hammer"),
        ("noooooo", "noo"),
        ("Thou art wise", "you are wise"),
        ("ma'am, o'clock", "ma'am o'clock"),
    ],
)
def test_spellings_become_one(text: str, words: str) -> None:
    assert tokens(tidy(text)) == words.split()


def test_a_line_is_cut_and_its_space_is_single() -> None:
    assert tidy("  a \n b  ") == "a b"
    assert len(tidy("y" * 5000)) == MAX_CHARACTERS


def test_an_inflected_word_has_its_stems_classes() -> None:
    classes = WordClasses("# comment\nharm: kill burn\nhot: burn")
    assert classes.of("burning") == ("HARM", "HOT")
    assert classes.of("kills") == ("HARM",)
    assert classes.of("hat") == ()


def test_the_features_are_words_classes_pieces_and_form() -> None:
    words, patterns, pieces, form = features("Kill him!", WordClasses("harm: kill"))
    assert {"kill", "^ kill", "kill him !"} <= words
    assert {"+HARM", "~HARM him", "~^ _ him"} <= patterns
    assert {"# ki", "#kill"} <= pieces
    assert {"=exclaims True", "=asks False", "=first kill"} <= form
