"""Voices and mixtures of them."""

import numpy as np
import pytest

from rfsn_bridge import VoiceError
from rfsn_bridge.kokoro.blends import Voices, parts

STYLES = {
    name: np.full((510, 1, 256), value, np.float32) for name, value in [("af_a", 1), ("bf_b", 3), ("jf_c", 5)]
}


def test_weights_sum_to_one() -> None:
    assert parts("af_a") == (("af_a", 1.0),)
    assert parts("af_a:3, bf_b:1") == (("af_a", 0.75), ("bf_b", 0.25))
    assert parts("af_a,bf_b") == (("af_a", 0.5), ("bf_b", 0.5))


@pytest.mark.parametrize(
    "wrong", ["", ":1", "af_a:x", "af_a:-1", "af_a:0", "af_a:nan", "af_a:inf", ",".join("abcdefghi")]
)
def test_what_is_no_blend_is_refused(wrong: str) -> None:
    with pytest.raises(VoiceError, match="no blend"):
        parts(wrong)


def test_a_blend_is_the_weighted_mean_and_speaks_the_first_ones_language() -> None:
    voices = Voices(STYLES)
    assert voices.style("af_a:3,bf_b:1", 20).mean() == pytest.approx(1.5)
    assert voices.style("af_a", 9999).shape == (1, 256)
    assert voices.first("bf_b:0.1,af_a:0.9") == "bf_b"
    assert voices.style("af_a:3,bf_b:1", 20).dtype == np.float32


def test_an_unknown_part_is_refused_with_the_nearest() -> None:
    with pytest.raises(VoiceError, match=r"no voice af_x.*af_a"):
        Voices(STYLES).style("bf_b,af_x", 1)
    with pytest.raises(VoiceError, match="speaks Japanese"):
        Voices(STYLES).style("af_a,jf_c", 1)


def test_the_blends_that_are_kept_are_bounded() -> None:
    voices = Voices(STYLES)
    for weight in range(1, 200):
        voices.style(f"af_a:{weight},bf_b:1", 1)
    assert len(voices._blended) <= 64
