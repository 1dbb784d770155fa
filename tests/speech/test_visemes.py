"""The mouth's timeline: within its sentence, and closed at its end."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import WordTiming
from rfsn_bridge.speech.visemes import (
    BMP,
    CH_J_SH,
    EEE,
    FV,
    OOH_Q,
    SHAPES,
    STEP_MS,
    TH,
    Visemes,
    visemes,
    visemes_of,
)

IPA = "hˈoʊp ðə dʒˈɑːɹl mˈaɪt, wˈɪn—ŋʁyøã↗!"


def evenly(ipa: str, each_ms: int = 60) -> tuple[list[WordTiming], int]:
    """Every sign for as long, and how long they take together."""
    timings = [WordTiming(sign, n * each_ms, (n + 1) * each_ms) for n, sign in enumerate(ipa)]
    return timings, each_ms * len(ipa)


def shapes(timeline: Visemes) -> list[int]:
    return [shape for _, shape, weight in timeline if weight]


@given(st.text(), st.integers(0, 20_000))
def test_the_mouth_keeps_to_its_time_and_is_closed_at_the_end(text: str, duration_ms: int) -> None:
    assert_keeps_to_its_time(visemes(text, duration_ms), duration_ms)


@given(
    st.lists(
        st.builds(WordTiming, st.text(IPA, max_size=3), st.integers(-50, 3000), st.integers(-50, 3000)),
        max_size=30,
    ),
    st.integers(0, 3000),
)
def test_so_it_does_whatever_an_engine_tells(phonemes: list[WordTiming], duration_ms: int) -> None:
    assert_keeps_to_its_time(visemes_of(phonemes, duration_ms), duration_ms)


@given(st.text(IPA, max_size=60), st.integers(1, 120))
def test_so_it_does_with_any_sounds(ipa: str, each_ms: int) -> None:
    phonemes, duration_ms = evenly(ipa, each_ms)
    assert_keeps_to_its_time(visemes_of(phonemes, duration_ms), duration_ms)


def assert_keeps_to_its_time(timeline: Visemes, duration_ms: int) -> None:
    weights = [0.0] * SHAPES
    times = []
    for t_ms, shape, weight in timeline:
        assert 0 <= t_ms <= duration_ms and 0 <= shape < SHAPES and 0 <= weight <= 1
        weights[shape] = weight
        assert sum(w > 0 for w in weights) <= 1
        times.append(t_ms)
    assert not any(weights)
    moments = sorted(set(times))
    assert times == sorted(times)
    assert all(later - earlier >= STEP_MS for earlier, later in itertools.pairwise(moments))


def test_sounds_have_their_shapes() -> None:
    assert {shape for _, shape, weight in visemes("mmm bb p", 1000) if weight} == {BMP}
    assert visemes("the", 1000)[0][:2] == (0, TH)


def test_every_script_moves_the_mouth() -> None:
    for text in ("Привет, путник.", "店主がいる。", "مرحبا"):
        assert any(weight for _, _, weight in visemes(text, 1000)), text


def test_silence_and_no_time_move_nothing() -> None:
    assert visemes("... --- !", 1000) == []
    assert visemes("Hello", 10) == []


def test_phonemes_have_their_shapes_when_they_sound() -> None:
    assert visemes_of([WordTiming("m", 0, 100), WordTiming("i", 100, 300)], 400) == [
        (0, BMP, 0.9),
        (100, BMP, 0.0),
        (100, EEE, 0.7),
        (300, EEE, 0.0),
    ]
    assert shapes(visemes_of(*evenly("ðˈɪs"))) == [TH, 8, 4]
    assert shapes(visemes_of(*evenly("dʒˈuː"))) == [CH_J_SH, OOH_Q]


def test_a_breath_has_the_shape_of_what_follows_it() -> None:
    assert shapes(visemes_of(*evenly("hˈuː"))) == [OOH_Q]


def test_a_stressed_vowel_opens_wider_and_a_murmured_one_less() -> None:
    stressed, plain, murmured = (visemes_of(*evenly(ipa))[0][2] for ipa in ("ˈɛt", "ɛt", "ət"))
    assert stressed > plain > murmured > 0


def test_lips_are_seen_however_short_they_touch() -> None:
    phonemes = [
        WordTiming("k", 0, 100),
        WordTiming("a", 100, 108),
        WordTiming("f", 108, 114),
        WordTiming("i", 114, 300),
    ]
    assert FV in shapes(visemes_of(phonemes, 300))


def test_a_pause_closes_the_mouth_and_the_gap_between_words_does_not() -> None:
    pause = [WordTiming("a", 0, 200), WordTiming(",", 200, 500), WordTiming("i", 500, 700)]
    assert (200, 0, 0.0) in visemes_of(pause, 700)
    gap = [WordTiming("a", 0, 200), WordTiming(" ", 200, 250), WordTiming("i", 250, 450)]
    assert (250, 0, 0.0) in visemes_of(gap, 450)


def test_no_phonemes_move_nothing() -> None:
    assert visemes_of([], 1000) == visemes_of([WordTiming("…", 0, 900)], 1000) == []


def test_every_vowel_and_consonant_of_kokoros_alphabet_has_a_shape() -> None:
    for sound in "AIOQWYabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔʣʥʦʨꭧᵊᵻ":
        assert shapes(visemes_of(*evenly(sound, 100))), sound
