"""What a voice reads of what is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.speech.normal import normal
from rfsn_bridge.speech.number_words import cardinal, ordinal, roman, year


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("500 septims", "five hundred septims"),
        ("1,234 and 1,000,000", "one thousand two hundred thirty-four and one million"),
        ("12,34", "twelve, thirty-four"),
        ("-5 or −5", "minus five or minus five"),
        ("3.5 and 0.05", "three point five and zero point zero five"),
        ("1.2.3", "one point two point three"),
        ("007", "zero zero seven"),
        ("1st, 22nd and 103rd", "first, twenty-second and one hundred third"),
        ("10-15 men", "ten to fifteen men"),
        ("10 - 15 men", "ten to fifteen men"),
        ("15 - 10 is 5", "fifteen minus ten is five"),
        ("1999-2001", "nineteen ninety-nine to two thousand and one"),
        ("5–10%", "five to ten percent"),
        ("1-2-3", "one, two, three"),
        ("1/2, 2/3 and 3/4", "one half, two thirds and three quarters"),
        ("1 1/2 or 2½", "one and a half or two and a half"),
        ("9/10, 100/100, 24/7", "nine out of ten, one hundred out of one hundred, twenty-four seven"),
        ("2:1", "two to one"),
        ("4E 201 and 3E433", "Fourth Era two oh one and Third Era four thirty-three"),
        ("in 1999, since 1066", "in nineteen ninety-nine, since ten sixty-six"),
        ("in 1200 years", "in one thousand two hundred years"),
        ("the 1840s and '80s", "the eighteen forties and eighties"),
        ("2024-01-05", "January fifth, twenty twenty-four"),
        ("a 20-year-old", "a twenty-year-old"),
        ("mp3 and R2D2", "mp three and R two D two"),
        ("٣ men", "three men"),
        ("fifty-fifty is 50-50", "fifty-fifty is fifty fifty"),
        ("threes and sixes are 3s and 6s", "threes and sixes are threes and sixes"),
        ("twice is 2 times, $5/day", "twice is two times, five dollars per day"),
    ],
)
def test_numbers_are_words(written: str, read: str) -> None:
    assert normal(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("14:30, 2:05", "fourteen thirty, two oh five"),
        ("3:00, 14:00, 00:00", "three o'clock, fourteen hundred hours, midnight"),
        ("3 PM or 3:30am", "three P-M or three thirty A-M"),
        ("At 3 p.m.", "At three P-M."),
        ("At 3 p.m. we ride.", "At three P-M we ride."),
        ("It is 3 p.m. We ride.", "It is three P-M. We ride."),
        ("9:00-17:30, 10am–4pm", "nine o'clock to seventeen thirty, ten A-M to four P-M"),
        (
            "$5, $1.50, £0.99, €2 million",
            "five dollars, one dollar and fifty cents, ninety-nine pence, two million euros",
        ),
        ("50g, 10k gold", "fifty gold, ten thousand gold"),
        (
            "5 kg, 1 km, 6 ft, 20°C, 90°",
            "five kilograms, one kilometer, six feet, twenty degrees Celsius, ninety degrees",
        ),
        ("6'2\" tall", "six foot two tall"),
        ("2d6, d20", "two dee six, dee twenty"),
        ("2x as much, x3", "two times as much, times three"),
    ],
)
def test_times_money_and_measures_are_words(written: str, read: str) -> None:
    assert normal(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Mr. Smith, Mrs Jones and Dr. No", "Mister Smith, Missus Jones and Doctor No"),
        ("St. Alessia lives on Elm St. now.", "Saint Alessia lives on Elm Street now."),
        ("swords, bows, etc.", "swords, bows, et cetera."),
        ("swords, etc. and bows", "swords, et cetera and bows"),
        ("e.g. swords, i.e. steel", "for example swords, that is steel"),
        ("No. 5", "Number five"),
        ("Oh no. No. I will not.", "Oh no. No. I will not."),
        ("p. 12, vol. 3, lvl 5", "page twelve, volume three, level five"),
        ("Nords vs. Elves", "Nords versus Elves"),
        ("the U.S.A.", "the U-S-A."),
        ("J. Stark", "J Stark"),
        ("Mr. & Mrs. Stark, St John, Dr.", "Mister and Missus Stark, Saint John, Doctor"),
        ("Sept. 5, Jan 3rd, in Dec.", "September five, January third, in Dec."),
        ("So do I. Come.", "So do I. Come."),
    ],
)
def test_abbreviations_are_read_in_full(written: str, read: str) -> None:
    assert normal(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Uriel Septim VII", "Uriel Septim the Seventh"),
        ("Pelagius III's grave", "Pelagius the Third's grave"),
        ("Chapter IV, Book I.", "Chapter Four, Book One."),
        ("World War II", "World War Two"),
        ("Malcolm X", "Malcolm X"),
        ("II and VI", "Two and Six"),
        ("I AM HERE", "I Am Here"),
        ("Then I spoke. Part I liked.", "Then I spoke. Part I liked."),
        ("FUS RO DAH!", "Fus Ro Dah!"),
        ("STOP, I'M HERE", "Stop, I'm Here"),
        ("an NPC, two NPCs, OK", "an N-P-C, two N-P-Cs, okay"),
        ("Noooo! Pleeease! Yesss!", "No! Please! Yes!"),
        ("Aaaargh, hmmm, grrrr", "Argh, hmm, grr"),
        ("N-no, w-what?", "Nuh no, wuh what?"),
        ("a T-shirt, an X-ray", "a T-shirt, an X-ray"),
    ],
)
def test_capitals_and_drawn_out_words_are_words(written: str, read: str) -> None:
    assert normal(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("you & me", "you and me"),
        ("5 * 3 = 15", "five times three equals fifteen"),
        ("3 + 4", "three plus four"),
        ("a +5 sword, #3, ~20", "a plus five sword, number three, about twenty"),
        ("he/she and/or it", "he or she and or it"),
        ("x < y", "x is less than y"),
        ("wait... no", "wait… no"),
        ("yes - no -- maybe – so", "yes—no—maybe—so"),
        ("But I- what?!", "But I— what?!"),
        ("No!!! Why???", "No! Why?"),
        ("two- and three-handed", "two- and three-handed"),
        ("see www.example.org/a?b=c.", "see example dot org"),
        ("me.you@host.org", "me dot you at host dot org"),
        ("**bold** _it_ `code` 🙂", "bold it code"),
        ("it’s", "it's"),
    ],
)
def test_symbols_and_pauses_are_said_or_kept(written: str, read: str) -> None:
    assert normal(written) == read


def test_other_languages_only_lose_their_markup() -> None:
    assert normal("**Hola** 🙂 5 & 3 años, Sr. X", "es") == "Hola 5 & 3 años, Sr. X"


def test_british_voices_say_and() -> None:
    assert normal("201 men, the 1,001st", "en-gb") == "two hundred and one men, the one thousand and first"


def test_number_words_of_any_size() -> None:
    assert cardinal("0") == "zero"
    assert cardinal("1000101", joined_by=" and ") == "one million one hundred and one"
    assert cardinal("2000000001", joined_by=" and ") == "two billion and one"
    assert cardinal("9" * 5000).count("nine") == 5000
    assert ordinal("80") == "eightieth" and ordinal("112") == "one hundred twelfth"
    assert year("2005") == "two thousand and five" and year("1100") == "eleven hundred"
    assert roman("MCMXC") == "1990"


@given(st.text())
def test_any_text_is_survived_without_a_figure(text: str) -> None:
    read = normal(text)
    assert not re.search(r"\d", read)
    assert read == read.strip() and "  " not in read
    normal(text, "fr-fr")


@given(st.text(alphabet="0123456789.,:/-–%$°xkgEd'stPM IVXaA#+~ "))
def test_any_figures_are_survived(text: str) -> None:
    assert not re.search(r"\d", normal(text))


@given(st.lists(st.sampled_from(["well", "met", "friend", "the", "river", "I", "am", "here,"]), min_size=1))
def test_plain_words_are_read_as_they_are(words: list[str]) -> None:
    sentence = " ".join(words) + "."
    assert normal(sentence) == sentence


@pytest.mark.parametrize(
    "unit", ["1,1,000", "1-", "1.", "½", "a.b@", "A.", "aaa", "1 1/2 ", "I ", "- ", "…", "a-a"]
)
def test_a_hostile_sentence_takes_linear_time(unit: str) -> None:
    normal(unit * 20_000)
