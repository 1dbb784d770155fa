"""Which phonemes belong to which word, with an espeak of a few words."""

from collections.abc import Mapping

from rfsn_bridge.kokoro.moments import Moments
from rfsn_bridge.kokoro.reading import Reading, Word, read

SAID = {
    "the": "ðə",
    "road": "ɹˈoʊd",
    "do": "dˈuː",
    "not": "nˈɑːt",
    "walk": "wˈɔːk",
    "42": "fˈɔːɹɾi tˈuː",
    "gold": "ɡˈoʊld",
    "Jarl": "dʒˈɑːɹl",
    "do not": "duːnˌɑːt",
}
VOCABULARY = frozenset("".join(SAID.values()) + "jɑrl, ")


def espeak(text: str) -> str:
    for pair in ("do not",):
        text = text.replace(pair, pair.replace(" ", "_"))
    words = text.split()
    said = []
    for word in words:
        bare = word.strip(",.!").replace("_", " ")
        said.append(SAID.get(bare, "") + word[len(word.rstrip(",.!")) :])
    return " ".join(said)


def spoken(text: str, given: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    reading = read(text, espeak, given or {}, VOCABULARY)
    return reading.phonemes, {word.text: reading.phonemes[word.start : word.end] for word in reading.words}


def test_words_and_groups_go_one_to_one() -> None:
    phonemes, words = spoken("the road, gold!")
    assert phonemes == "ðə ɹˈoʊd, ɡˈoʊld!"
    assert words == {"the": "ðə", "road": "ɹˈoʊd,", "gold": "ɡˈoʊld!"}


def test_words_that_run_together_are_told_apart() -> None:
    assert spoken("do not walk")[1] == {"do": "duː", "not": "nˌɑːt ", "walk": "wˈɔːk"}


def test_a_word_said_as_several_is_one() -> None:
    words = spoken("the 42 gold")[1]
    assert words["42"].strip() == "fˈɔːɹɾi tˈuː"
    assert words["gold"] == "ɡˈoʊld"


def test_a_given_word_sounds_as_it_is_given_and_only_as_a_word() -> None:
    phonemes, words = spoken("the Jarl, gold", {"Jarl": "jˈɑrl✗"})
    assert phonemes == "ðə jˈɑrl, ɡˈoʊld"
    assert words["Jarl"] == "jˈɑrl,"
    assert spoken("the Jarls", {"Jarl": "jˈɑrl"})[0] == "ðə"


def test_nothing_to_say_has_no_phonemes() -> None:
    assert read(" \x00\n", espeak, {}, VOCABULARY) == Reading("", ())


def test_moments_come_from_the_frames_after_what_was_trimmed() -> None:
    phonemes = "ðə ɹˈoʊd."
    durations = [10, 1, 2, 1, 2, 1, 3, 2, 20, 5, 1]
    moments = Moments(phonemes, durations, cut_ms=240, length_ms=600, offset_ms=1000)
    words = moments.words([Word("the", 0, 2), Word("road", 3, 9)])
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [
        ("the", 1010, 1085),
        ("road", 1110, 1600),
    ]
    sounds = [(sound.text, sound.start_ms) for sound in moments.phonemes()]
    assert sounds == [("ð", 1010), ("ə", 1035), ("ɹ", 1110), ("o", 1160), ("ʊ", 1260), ("d", 1310)]


def test_a_length_mark_belongs_to_its_sound() -> None:
    moments = Moments("wˈɔːk", [0, 1, 1, 1, 1, 1, 0], cut_ms=0, length_ms=1000, offset_ms=0)
    assert [(s.text, s.start_ms, s.end_ms) for s in moments.phonemes()] == [
        ("w", 0, 25),
        ("ɔː", 25, 100),
        ("k", 100, 125),
    ]
