import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfsn_bridge.speech.resampling import Resampler, Samples

RATES = [(24_000, 48_000), (22_050, 48_000), (24_000, 44_100), (48_000, 16_000), (16_000, 48_000)]


def tone(rate: int, hertz: float, seconds: float = 0.5) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_tone_stays_the_tone_it_was(source: int, target: int) -> None:
    """To a ten-thousandth of its loudness at 1 kHz, where drawing straight lines would miss by a hundredth."""
    made = Resampler(source, target).feed(tone(source, 1000), last=True)
    wanted = tone(target, 1000)
    assert len(made) == len(wanted)
    middle = slice(target // 100, -target // 100)
    assert np.abs(made - wanted)[middle].max() < 2e-4


def test_what_the_new_rate_cannot_hold_is_left_out() -> None:
    made = Resampler(48_000, 16_000).feed(tone(48_000, 12_000), last=True)
    assert np.abs(made)[200:-200].max() < 5e-3


@given(cuts=st.lists(st.integers(0, 2000), max_size=6), rates=st.sampled_from(RATES))
@settings(deadline=None)
def test_it_does_not_matter_in_what_pieces_it_comes(cuts: list[int], rates: tuple[int, int]) -> None:
    samples = np.random.default_rng(1).standard_normal(2000).astype(np.float32)
    pieces = Resampler(*rates)
    made = [pieces.feed(piece) for piece in np.split(samples, sorted(cuts))]
    made.append(pieces.feed(np.zeros(0, np.float32), last=True))
    whole = Resampler(*rates).feed(samples, last=True)
    np.testing.assert_allclose(np.concatenate(made), whole, atol=1e-6)
    assert len(whole) == -(-2000 * rates[1] // rates[0])


def test_the_same_rate_passes_untouched() -> None:
    samples = tone(48_000, 440)
    assert Resampler(48_000, 48_000).feed(samples) is samples
