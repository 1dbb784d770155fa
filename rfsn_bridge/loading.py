"""Tells the player of a model that loads for long, and of nothing that is quick."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rfsn_bridge.interfaces import NoticeSink

LONG_S = 1.0


@asynccontextmanager
async def loading(notice: NoticeSink, code: str, name: str) -> AsyncIterator[None]:
    """Around the loading of a part: after LONG_S a notice `<code>_loading`, then `<code>_ready` if it succeeds."""
    told = False

    def tell() -> None:
        nonlocal told
        told = True
        notice("info", f"{code}_loading", f"loading {name}", progress=0.0)

    timer = asyncio.get_running_loop().call_later(LONG_S, tell)
    try:
        yield
    finally:
        timer.cancel()
    if told:
        notice("info", f"{code}_ready", f"{name} is ready", progress=1.0)
