"""One at a time, first come, first served, and nobody for ever."""

import asyncio

import pytest

from rfsn_bridge.speech.floor import Floor


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def steps(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_second_waits_until_the_first_has_left_and_been_heard(clock: Clock) -> None:
    floor = Floor(clock)
    await floor.take("a")
    floor.sounds("a", 2.0)
    second = asyncio.create_task(floor.take("b"))
    await steps()
    floor.leave("a")
    await steps()
    assert not second.done() and floor.left_s("a") == 2.0
    clock.now = 2.0
    floor.wake()
    await asyncio.wait_for(second, 5)


async def test_sound_that_is_cut_off_frees_the_floor(clock: Clock) -> None:
    floor = Floor(clock)
    await floor.take("a")
    floor.sounds("a", 60.0)
    second = asyncio.create_task(floor.take("b"))
    await steps()
    floor.leave("a")
    floor.silent("a")
    await asyncio.wait_for(second, 5)


async def test_who_came_first_speaks_first_and_who_gives_up_is_passed_over(clock: Clock) -> None:
    floor, order = Floor(clock), list[str]()

    async def speak(who: str) -> None:
        await floor.take(who)
        order.append(who)
        floor.leave(who)

    await floor.take("a")
    tasks = [asyncio.create_task(speak(who)) for who in "bcd"]
    await steps()
    tasks[0].cancel()
    await steps()
    floor.leave("a")
    await asyncio.wait(tasks)
    assert order == ["c", "d"]


async def test_a_long_talker_gives_way_after_a_sentence_when_others_have_waited_long(clock: Clock) -> None:
    floor = Floor(clock)
    await floor.take("a")
    second = asyncio.create_task(floor.take("b"))
    await steps()
    clock.now = 1.0
    floor.give_way("a")
    await steps()
    assert not second.done()
    clock.now = 7.0
    floor.give_way("a")
    await asyncio.wait_for(second, 5)
    again = asyncio.create_task(floor.take("a"))
    await steps()
    assert not again.done()
    floor.leave("b")
    await asyncio.wait_for(again, 5)


async def test_all_may_speak_at_once_where_the_player_wants_that(clock: Clock) -> None:
    floor = Floor(clock, one_at_a_time=False)
    await floor.take("a")
    floor.sounds("a", 9.0)
    await asyncio.wait_for(floor.take("b"), 5)


async def test_a_report_that_is_late_counts_as_given_in_the_end(clock: Clock) -> None:
    floor = Floor(clock, late_s=1.5)
    await floor.take("a")
    floor.sounds("a", 2.0)
    floor.leave("a")
    second = asyncio.create_task(floor.take("b"))
    await steps()
    clock.now = 2.5
    floor.wake()
    await steps()
    assert not second.done()
    clock.now = 4.0
    floor.wake()
    await asyncio.wait_for(second, 5)
