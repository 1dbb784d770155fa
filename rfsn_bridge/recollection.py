"""What comes to an NPC's mind with a line: talks it has just overheard, older ones, and what its history comes to.

A memory that cannot be read costs the memories and not the reply.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from rfsn_bridge.cast import Member
from rfsn_bridge.domain import Memory
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory.store import Store
from rfsn_bridge.mind.prompt import in_mind
from rfsn_bridge.turn import RunningTurn

log = logging.getLogger(__name__)

_MOST_SUMMARIES = 12
_OVERHEARD = 3
"""Talks of others that a reply is told of because they were just heard."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """In words, what matters most first; `similarity` of the nearest older turn to the line, in [0, 1]."""

    memories: tuple[str, ...]
    similarity: float
    summaries: tuple[str, ...]


async def recollect(turn: RunningTurn, member: Member, playthrough: str, store: Store) -> Recollection:
    told = tuple(turn_id for turn_id, _ in member.history)
    overheard, recalled, summaries = await asyncio.gather(
        _overheard(member, playthrough, store, told),
        _recalled(turn, playthrough, told),
        _summaries(turn, member, playthrough, store, told),
    )
    known = {memory.turn_id for memory in overheard}
    memories = [*overheard, *(memory for memory in recalled if memory.turn_id not in known)]
    similarity = max((memory.similarity for memory in recalled), default=0.0)
    return Recollection(tuple(map(in_mind, memories)), similarity, summaries)


async def _recalled(turn: RunningTurn, playthrough: str, told: tuple[str, ...]) -> Sequence[Memory]:
    recall, line = turn.snapshot.recall, turn.line
    if recall is None or not line.text:
        return ()
    limit = turn.snapshot.config.memory.recalled
    try:
        return await recall.recall(RecallQuery(playthrough, line.npc.npc_id, line.text, limit, told))
    except (Exception, SystemExit) as error:  # a plugin's code
        log.warning("nothing was recalled: %s", type(error).__name__)  # its words could quote the dialogue
        return ()


async def _overheard(member: Member, playthrough: str, store: Store, told: tuple[str, ...]) -> Sequence[Memory]:
    """What was said to others in the NPC's hearing since the first turn that it is told of anyway."""
    try:
        return await store.overheard(playthrough, member.npc.npc_id, _OVERHEARD, told)
    except BridgeError as error:
        log.warning("nothing that was overheard was read: %s", error)
        return ()


async def _summaries(
    turn: RunningTurn, member: Member, playthrough: str, store: Store, told: tuple[str, ...]
) -> tuple[str, ...]:
    if not turn.snapshot.summaries:
        return ()
    try:
        found = await store.summaries(playthrough, member.npc.npc_id, _MOST_SUMMARIES, told)
    except BridgeError as error:
        log.warning("no summaries were read: %s", error)
        return ()
    return tuple(summary.text for summary in found)
