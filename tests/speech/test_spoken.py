"""What the voice says of a sentence, and what it passes over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.speech.spoken import SpokenText

NAME = "Jarl Balgruuf"


def spoken(*sentences: str) -> list[str]:
    voice = SpokenText(NAME)
    return [voice.spoken(sentence) for sentence in sentences]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("*nods*", ""),
        ("*nods* Aye, friend.", "Aye, friend."),
        ("*Nods slowly* Aye.", "Aye."),
        ("*He nods.* Aye.", "Aye."),
        ("*Balgruuf leans forward* Speak.", "Speak."),
        ("*slowly draws his sword* Leave.", "Leave."),
        ("*looks at you with suspicion* Well?", "Well?"),
        ("*A long pause.*", ""),
        ("Aye, *nods* come in.", "Aye, come in."),
        ("So be it. *sighs*", "So be it."),
        ("So be it.*sighs*Go.", "So be it. Go."),
        ("Well *sighs*, come in.", "Well, come in."),
        ("(Nodding) Ah, yes.", "Ah, yes."),
        ("(laughs softly) You jest.", "You jest."),
        ("(quietly) Not here.", "Not here."),
        ("[sighs] So be it.", "So be it."),
        ("**nods** Aye.", "Aye."),
        ("_smiles warmly_ Welcome.", "Welcome."),
        ("*Laughing, he turns away* Go.", "Go."),
    ],
)
def test_stage_directions_are_not_said(shown: str, said: str) -> None:
    assert spoken(shown) == [said]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("I am *very* tired.", "I am very tired."),
        ("*Very* well.", "Very well."),
        ("*Never!*", "Never!"),
        ("*This* is Whiterun.", "This is Whiterun."),
        ("*I will not.*", "I will not."),
        ("The *guards* saw it.", "The guards saw it."),
        ("He *is* mad.", "He is mad."),
        ("This is **important**, friend.", "This is important, friend."),
        ("The _old_ ways, the `old` ways.", "The old ways, the old ways."),
        ("The old keep (the one by the river) fell.", "The old keep (the one by the river) fell."),
        ("He came back (eventually).", "He came back (eventually)."),
        ("## The Old Ways", "The Old Ways"),
        ("- First, the sword.", "First, the sword."),
        ("* First, the sword.", "First, the sword."),
        ("See [the map](http://example.org/map) there.", "See the map there."),
        ("It is ~~bad~~ good.", "It is bad good."),
        ("Take my *hands*, child.", "Take my hands, child."),
        ("*The Empire* betrayed us.", "The Empire betrayed us."),
        ("*His honour* is at stake.", "His honour is at stake."),
        ("I like *killing dragons* most.", "I like killing dragons most."),
        ("That is un*believ*able.", "That is unbelievable."),
        ("It is (as always) late.", "It is (as always) late."),
    ],
)
def test_emphasis_and_parentheses_are_said(shown: str, said: str) -> None:
    assert spoken(shown) == [said]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("Well met 🙂 friend ❤️!", "Well met friend!"),
        ("👩‍👩‍👧 family", "family"),
        ("Good :) very good.", "Good very good."),
        ("I <3 Whiterun.", "I Whiterun."),
        ("Jarl Balgruuf: Hello.", "Hello."),
        ("It   costs\n 5 gold.", "It costs 5 gold."),
        ("5 * 3 is 15, 3.5 is 50% of 7.", "5 * 3 is 15, 3.5 is 50% of 7."),
        ("<b>Hold!</b> x < y", "Hold! x < y"),
        ("…so it ends…", "…so it ends…"),
        ("Ja, gut — naïve Zoë, ¿qué?", "Ja, gut — naïve Zoë, ¿qué?"),
        ('"Halt!" he said.', '"Halt!" he said.'),
        ("It was 12:30 on 2024-01-05 & cost $5.", "It was 12:30 on 2024-01-05 & cost $5."),
        ("नमस्ते दोस्त", "नमस्ते दोस्त"),
    ],
)
def test_only_what_can_be_pronounced_is_left(shown: str, said: str) -> None:
    assert spoken(shown) == [said]


@pytest.mark.parametrize("shown", ["", "...", "…", "🙂", "—", "?!", "***", "()", "*", "[]", "<3", "(🙂)", '""'])
def test_nothing_is_said_of_what_has_no_words(shown: str) -> None:
    assert spoken(shown) == [""]


def test_a_direction_may_span_sentences() -> None:
    assert spoken("*He nods.", "Then sits.* Well?", "I see.") == ["", "Well?", "I see."]
    assert spoken("(He nods.", "Then he sits.)", "I see.") == ["", "", "I see."]
    assert spoken("*He nods.", "Then sits.", "He smiles.* Ah.") == ["", "", "Ah."]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("*nods* Aye, friend.", "nods. Aye, friend."),
        ("*He nods.* Aye.", "He nods. Aye."),
        ("Aye, *nods* come in.", "Aye, nods, come in."),
        ("Well *sighs*, come in.", "Well, sighs, come in."),
        ("So be it.*sighs*Go.", "So be it. sighs. Go."),
        ("(laughs softly) You jest.", "laughs softly. You jest."),
        ("I am *very* tired 🙂.", "I am very tired."),
        ("*nods*", "nods"),
    ],
)
def test_with_narration_directions_are_said_and_marks_are_not(shown: str, said: str) -> None:
    assert SpokenText(NAME, narration=True).spoken(shown) == said


def test_with_narration_a_direction_may_span_sentences() -> None:
    voice = SpokenText(NAME, narration=True)
    assert [voice.spoken(each) for each in ("*He nods.", "Then sits.* Well?")] == ["He nods.", "Then sits. Well?"]


def test_a_direction_without_its_end_does_not_swallow_the_speech() -> None:
    assert spoken("*nods slowly.", "Well met, traveler.", "What brings you here?") == [
        "",
        "Well met, traveler.",
        "What brings you here?",
    ]


def test_emphasis_over_two_sentences_is_said() -> None:
    assert spoken("*I will not go.", "Never.*") == ["I will not go.", "Never."]


@given(st.lists(st.text(alphabet="aA.s *_()[]~`#<>3🙂\u200d!?,:-", max_size=40), max_size=5))
def test_any_text_is_survived_and_tidy(sentences: list[str]) -> None:
    voices = SpokenText(NAME), SpokenText(NAME, narration=True)
    for said in (voice.spoken(sentence) for voice in voices for sentence in sentences):
        assert said == said.strip()
        assert "  " not in said
        assert not said or any(map(str.isalnum, said))


@given(st.lists(st.sampled_from(["Well", "met", "friend", "the", "river", "I", "am"]), min_size=1, max_size=9))
def test_plain_words_are_said_as_they_are(words: list[str]) -> None:
    sentence = " ".join(words) + "."
    assert spoken(sentence) == [sentence]


@pytest.mark.parametrize(
    "hostile",
    [
        "*a" * 20_000,
        "*a* b." * 8_000,
        "(a" * 9_000 + ")" * 9_000,
        "(" * 40_000,
        "[a](" * 10_000,
        "<a " * 15_000,
        "_" * 40_000,
        " ." * 20_000,
    ],
)
def test_a_hostile_sentence_takes_linear_time(hostile: str) -> None:
    SpokenText(NAME).spoken(hostile)
