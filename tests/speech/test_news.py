"""Nobody misses what is told, and nobody looks without a pause."""

import asyncio

from rfsn_bridge.speech.news import News


async def test_all_who_wait_are_woken() -> None:
    news = News()
    waiting = [asyncio.create_task(news.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    news.tell()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_time_that_stands_still_is_not_looked_at_all_the_time() -> None:
    """What is left of a sound stays the same while the game is paused, however little it is."""
    news, looks = News(), 0

    async def look() -> None:
        nonlocal looks
        while True:
            looks += 1
            await news.wait(1e-9)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0.3)
    looking.cancel()
    assert 1 <= looks <= 16
