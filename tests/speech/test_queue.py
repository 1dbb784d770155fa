"""Places before the voice: first come, first served, and none is ever lost."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from rfsn_bridge.speech.queue import SpeechQueue


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def hold(queue: SpeechQueue, name: str, order: list[str], until: asyncio.Event) -> None:
    async with queue.place():
        order.append(name)
        await until.wait()


async def test_places_are_given_in_order_and_no_more_than_there_are() -> None:
    queue, order, done = SpeechQueue(2), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(queue, name, order, done)) for name in "abcd"]
    await turns()
    assert order == ["a", "b"] and len(queue) == 4
    done.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "d"] and len(queue) == 0


async def test_a_larger_queue_admits_who_waits_and_a_smaller_one_sends_nobody_away() -> None:
    queue, order, done = SpeechQueue(1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(queue, name, order, done)) for name in "abc"]
    await turns()
    queue.size = 3
    await turns()
    assert order == ["a", "b", "c"]
    queue.size = 1
    late = asyncio.create_task(hold(queue, "d", order, done))
    await turns()
    assert order == ["a", "b", "c"] and queue.size == 1
    done.set()
    await asyncio.gather(*tasks, late)
    assert len(queue) == 0


async def test_who_stops_waiting_takes_no_place() -> None:
    queue = SpeechQueue(1)
    async with AsyncExitStack() as first:
        await first.enter_async_context(queue.place())
        waiting = [asyncio.create_task(hold(queue, "x", [], asyncio.Event())) for _ in range(3)]
        await turns()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(queue) == 1
    assert len(queue) == 0


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_however_turns_are_cancelled(seed: int) -> None:
    rng, queue = random.Random(seed), SpeechQueue(2)
    most = 0

    async def speak() -> None:
        nonlocal most
        async with queue.place():
            most = max(most, queue._taken)
            await turns(rng.randrange(4))

    tasks = [asyncio.create_task(speak()) for _ in range(40)]
    for task in rng.sample(tasks, 25):
        await turns(rng.randrange(3))
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(queue) == 0 and most == 2
