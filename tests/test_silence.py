"""The silence around speech goes, however the audio is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.silence import AFTER_MS, BEFORE_MS, LONGEST_MS, Trimmer

RATE = 8_000


def ms(count: int, value: int = 0) -> bytes:
    """Milliseconds of one value."""
    return value.to_bytes(2, "little", signed=True) * (RATE // 1000 * count)


def trimmed(*pieces: bytes) -> bytes:
    trimmer = Trimmer(RATE)
    return b"".join([*(trimmer.feed(piece) for piece in pieces), trimmer.flush()])


def test_what_is_before_and_after_the_speech_goes_but_for_a_moment() -> None:
    assert trimmed(ms(400) + ms(300, 5000) + ms(500)) == ms(BEFORE_MS) + ms(300, 5000) + ms(AFTER_MS)


def test_how_much_went_before_the_speech_is_known() -> None:
    trimmer = Trimmer(RATE)
    trimmer.feed(ms(400) + ms(300, 5000))
    assert trimmer.skipped_ms == 400 - BEFORE_MS


def test_a_pause_within_the_speech_stays() -> None:
    speech = ms(100, 5000) + ms(700) + ms(100, -5000)
    assert trimmed(speech) == speech


def test_a_pause_is_never_endless() -> None:
    assert trimmed(ms(100, 5000), ms(60_000), ms(100, 5000)) == ms(100, 5000) + ms(LONGEST_MS) + ms(100, 5000)


@pytest.mark.parametrize("silence", [b"", b"\0", ms(3000)])
def test_silence_alone_is_nothing(silence: bytes) -> None:
    assert trimmed(silence) == b""


@given(st.lists(st.integers(min_value=1, max_value=999), max_size=20))
def test_the_pieces_make_no_difference(sizes: list[int]) -> None:
    whole = ms(37) + ms(55, 900) + ms(81) + ms(33, -900) + ms(111)
    pieces, rest = [], whole
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assert trimmed(*pieces, rest) == trimmed(whole)
