"""Which mixtures an engine can speak."""

import pytest

from rfsn_bridge.blend import speaks

KNOWN = ("af_bella", "bf_emma")


@pytest.mark.parametrize(
    ("voice", "can"),
    [
        ("af_bella", True),
        ("af_bella:0.6,bf_emma:0.4", True),
        ("af_bella,bf_emma", True),
        ("af_bella:-1", False),
        ("af_bella:nan", False),
        ("af_bella:0,bf_emma:0", False),
        ("af_bella:much", False),
        ("af_bella:0.6,nobody:0.4", False),
        (",".join(["af_bella"] * 9), False),
        ("", False),
    ],
)
def test_a_mixture_is_of_known_voices_with_weights(voice: str, can: bool) -> None:
    assert speaks(voice, KNOWN, blends=True) is can
    assert speaks(voice, KNOWN, blends=False) is (voice in KNOWN)
