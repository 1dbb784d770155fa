"""The days of a game: what it says counts, and what it does not say is estimated."""

import pytest

from rfsn_bridge.game_time import GameTime


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_day_passes_in_72_minutes_of_play() -> None:
    clock = Clock()
    time = GameTime(clock)
    clock.now += 72 * 60
    assert time() == pytest.approx(1)


def test_the_first_date_is_where_counting_begins() -> None:
    time = GameTime(Clock())
    time.told(182.5)
    assert time() == 0
    time.told(183.0)
    assert time() == pytest.approx(0.5)


def test_it_does_not_go_back_when_the_game_is_slower_than_thought() -> None:
    clock = Clock()
    time = GameTime(clock)
    time.told(10.0)
    clock.now += 72 * 60
    before = time()
    time.told(10.5)
    assert time() == before
    time.told(12.5)
    assert time() == pytest.approx(before + 2)


def test_a_loaded_save_takes_no_time_whatever_its_date() -> None:
    time = GameTime(Clock())
    time.told(10.0)
    time.told(300.0, loaded=True)
    assert time() == 0
    time.told(301.0)
    assert time() == pytest.approx(1)


def test_a_game_that_says_nothing_is_not_told() -> None:
    time = GameTime(Clock())
    time.told(None)
    assert time() == 0
