"""Backups of the memory, by the clock and by the number of turns, beside what goes on."""

import asyncio
import logging
import time
from collections.abc import Callable

from rfsn_bridge.config import Memory
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.memory.store import Store

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_FIRST = 20
"""Turns of which there is to be a backup, however many are to be between two."""


async def keep_backups(
    store: Store,
    settings: Callable[[], Memory],
    warn: Callable[[BridgeError], None],
    every_s: float = _LOOK_EVERY_S,
) -> None:
    """Make the backups that are due, until it is cancelled; `warn` is told when they begin to fail."""
    turns = (await store.stats())["turns"]
    failed = False
    while True:
        await asyncio.sleep(every_s)
        try:
            now = (await store.stats())["turns"]
            if now != turns and await _due(store, settings(), now - turns, now):
                await store.back_up("automatic")
                await store.prune(settings().backups)
                turns = now
            failed = False
        except BridgeError as error:
            log.error("no backup was made: %s", error)
            if not failed:
                warn(error)
            failed = True


async def first_backup(store: Store, settings: Memory) -> None:
    """Make one where there is something to lose and no backup of it; a failure is logged."""
    try:
        if _wanted(settings) and (await store.stats())["turns"] and not await store.backups():
            await store.back_up("automatic")
    except BridgeError as error:
        log.error("no backup was made: %s", error)


def _wanted(settings: Memory) -> bool:
    return bool(settings.backup_every_turns or settings.backup_every_h)


async def _due(store: Store, settings: Memory, turns: int, in_all: int) -> bool:
    """Whether enough turns, or hours, have passed since the last automatic backup."""
    if 0 < settings.backup_every_turns <= turns:
        return True
    if not _wanted(settings):
        return False
    found = await store.backups()
    if not found and in_all >= _FIRST:
        return True
    if not settings.backup_every_h:
        return False
    made = [backup.made_at for backup in found if backup.reason == "automatic"]
    return time.time() - max(made, default=0.0) >= settings.backup_every_h * 3600
