import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.speech.places import MIDDLE, SILENT, loudness, sides

EAR, NORTH = (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)
anywhere = st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 3)


@pytest.mark.parametrize(
    ("distance", "gain"), [(0, 1), (200, 1), (900, 1 / 2), (1600, 1 / 3), (5000, 7 / 110), (6000, 0), (1e9, 0)]
)
def test_loudness_falls_with_the_distance(distance: float, gain: float) -> None:
    assert loudness(distance) == pytest.approx(gain)


def test_straight_ahead_and_behind_are_the_middle() -> None:
    assert sides(EAR, NORTH, (0, 150, 0)) == pytest.approx(MIDDLE)
    assert sides(EAR, NORTH, (0, -150, 0)) == pytest.approx(MIDDLE)


def test_east_is_to_the_right_of_who_looks_north_and_to_the_left_of_who_looks_south() -> None:
    left, right = sides(EAR, NORTH, (200, 0, 0))
    assert 0 < left < 0.3 < 1.3 < right
    assert sides(EAR, (0, -1, 0), (200, 0, 0)) == pytest.approx((right, left))


def test_both_sides_together_carry_the_same_power_from_every_direction() -> None:
    for degrees in range(0, 360, 15):
        mouth = (200 * math.sin(math.radians(degrees)), 200 * math.cos(math.radians(degrees)), 0)
        left, right = sides(EAR, NORTH, mouth)
        assert left**2 + right**2 == pytest.approx(2)


def test_who_stands_very_close_is_hardly_at_a_side() -> None:
    left, right = sides(EAR, NORTH, (10, 0, 0))
    assert right / left < 1.1


def test_without_attenuation_only_the_side_counts() -> None:
    near, far = (sides(EAR, NORTH, (x, 0, 0), attenuation=False) for x in (500, SILENT * 2))
    assert near == pytest.approx(far)


@given(ear=anywhere, forward=anywhere, mouth=anywhere)
def test_no_place_is_too_strange(
    ear: tuple[float, ...], forward: tuple[float, ...], mouth: tuple[float, ...]
) -> None:
    assert all(0 <= gain <= math.sqrt(2) + 1e-9 for gain in sides(ear, forward, mouth))
