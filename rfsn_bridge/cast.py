"""The NPCs of one game: who they are, how they stand to the player, what they remember of late."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rfsn_bridge.domain import Exchange, Npc, NpcState
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.memory.store import Store
from rfsn_bridge.mind.state import apply_transition, settle
from rfsn_bridge.protocol.messages import GameEvent, NpcSeed, NpcUpdate
from rfsn_bridge.turn import RunningTurn

_MAX_NPCS = 1024
_MAX_NEWS = 8
_FIELDS = ("name", "race", "gender", "voice_type", "voice", "bio")
# Where a game names the relationship alone, affinity begins in the middle of its tier.
_AFFINITY_OF = {"enemy": -0.8, "rival": -0.4, "stranger": 0.0, "acquaintance": 0.0, "friend": 0.4, "ally": 0.8}

_CONDITIONS: Mapping[str, tuple[bool | None, bool | None]] = {
    "combat_started": (True, None),
    "combat_ended": (False, None),
    "quest_started": (None, True),
    "quest_ended": (None, False),
}
"""What an event says of (combat_active, quest_active)."""


@dataclass(slots=True)
class Member:
    """One NPC. Its turns that are still being recorded count for what it feels and remembers already."""

    npc: Npc
    state: NpcState
    history: deque[Exchange]
    memory: asyncio.Task[None] | None = None
    """Brings back what is on disk; a turn waits for it."""
    forced: list[NpcSeed] = field(default_factory=list)
    """What the game ordered its state to be while its memory was still being read."""
    unrecorded: dict[str, RunningTurn] = field(default_factory=dict)
    seed: NpcSeed | None = None
    """How it stands where nothing is remembered of it."""
    in_scene: bool = False
    """The game's own script has it act or speak."""
    news: deque[str] = field(default_factory=lambda: deque(maxlen=_MAX_NEWS))
    """What happened since it was last spoken to, in sentences; the oldest goes first."""

    def take_news(self) -> tuple[str, ...]:
        """What it is to be told now, once."""
        news = tuple(self.news)
        self.news.clear()
        return news

    def standing(self) -> NpcState:
        """Its state now: what was said to it counts at once."""
        state = self.state
        for turn in self.unrecorded.values():
            if turn.decision:
                state = apply_transition(state, turn.decision.signal)
        return state

    def remembered(self, before: RunningTurn, now: float) -> list[Exchange]:
        """What was heard before a turn, oldest first."""
        pending = [turn for turn in self.unrecorded.values() if turn is not before]
        return [*self.history, *(_exchange(turn, turn.heard.so_far(now)) for turn in pending)]

    def take_in(self, turn: RunningTurn, heard_text: str) -> None:
        """Remember a turn by what was heard of it; its action counts only if anything was."""
        del self.unrecorded[turn.turn_id]
        if turn.decision:
            self.state = apply_transition(self.state, turn.decision.signal)
            if heard_text:
                self.state = apply_transition(self.state, turn.decision.action)
        if turn.line.by_player or heard_text or turn.deeds:
            self.history.append(_exchange(turn, heard_text))


class Cast:
    """Follows `npc_update` and `npc_gone`. `warn` tells the player what could not be read."""

    def __init__(self, playthrough: str, store: Store, warn: Callable[[BridgeError], None]) -> None:
        self._playthrough = playthrough
        self._store = store
        self._warn = warn
        self._members: dict[str, Member] = {}
        self._leaving: dict[str, Member] = {}

    def get(self, npc_id: str) -> Member:
        """Raises ProtocolError (`unknown_npc`)."""
        if member := self._members.get(npc_id):
            return member
        raise ProtocolError("unknown_npc", f"no NPC {npc_id!r} is known", "send npc_update first", field="npc_id")

    def update(self, message: NpcUpdate, recent_turns: int) -> None:
        """Meet an NPC, or learn what changed; raises ProtocolError (`busy`) where there are too many."""
        given = {name: value for name in _FIELDS if (value := getattr(message, name)) is not None}
        if message.examples is not None:
            given["examples"] = tuple(Exchange(example.player, example.npc) for example in message.examples)
        if message.npc_id not in self._members and len(self._members) >= _MAX_NPCS:
            raise ProtocolError("busy", f"{_MAX_NPCS} NPCs are known already", "send `npc_gone` for some")
        member = self._members.get(message.npc_id) or self._leaving.pop(message.npc_id, None)
        if member is None:
            npc = Npc(npc_id=message.npc_id, **given)
            member = Member(npc, NpcState(), deque(maxlen=recent_turns), seed=message.state)
            member.memory = asyncio.create_task(self._remember(member, force=message.force))
        else:
            member.npc = replace(member.npc, **given)
            if message.state and message.force:
                member.state = _seeded(member.state, message.state)
                if member.memory and not member.memory.done():
                    member.forced.append(message.state)
        self._members[message.npc_id] = member
        if message.conditions:
            fight, quest = message.conditions.combat_active, message.conditions.quest_active
            member.state = _with_conditions(member.state, fight, quest)
            if message.conditions.in_scene is not None:
                member.in_scene = message.conditions.in_scene

    def happened(self, event: GameEvent) -> None:
        """Let those concerned know; who fights or is on a quest is in a condition for it."""
        for member in self._concerned(event.npc_ids):
            if event.text:
                member.news.append(event.text)
            if event.npc_ids is not None:
                fight, quest = _CONDITIONS.get(event.kind, (None, None))
                member.state = _with_conditions(member.state, fight, quest)

    def _concerned(self, npc_ids: Sequence[str] | None) -> list[Member]:
        if npc_ids is None:
            return list(self._members.values())
        return [member for npc_id in npc_ids if (member := self._members.get(npc_id))]

    async def load(self, playthrough: str) -> int:
        """Another save is the present: every NPC stays, and remembers what is stored. How many there are."""
        self._playthrough = playthrough
        self._leaving.clear()
        for npc_id, old in list(self._members.items()):
            fight, quest = old.state.combat_active, old.state.quest_active
            member = Member(
                old.npc,
                NpcState(combat_active=fight, quest_active=quest),
                deque(maxlen=old.history.maxlen),
                seed=old.seed,
                in_scene=old.in_scene,
            )
            member.memory = asyncio.create_task(self._remember(member))
            self._members[npc_id] = member
        memories = [member.memory for member in self._members.values() if member.memory]
        if memories:
            await asyncio.wait(memories)
        return len(self._members)

    def names(self, npc_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Name and id of those that are known."""
        return [(member.npc.name, npc_id) for npc_id in npc_ids if (member := self._members.get(npc_id))]

    def leave(self, npc_id: str) -> None:
        """Forget an NPC as soon as its last turn is recorded; it may come back before."""
        member = self._members.pop(npc_id, None)
        if member and member.unrecorded:
            self._leaving[npc_id] = member

    def settle(self, member: Member, turn_id: str) -> None:
        """A turn is over for good; nothing holds an NPC that has left any longer than its last."""
        member.unrecorded.pop(turn_id, None)
        if not member.unrecorded and self._leaving.get(member.npc.npc_id) is member:
            del self._leaving[member.npc.npc_id]

    async def _remember(self, member: Member, *, force: bool = False) -> None:
        """Bring back what is on disk of an NPC; the game's `state` counts where nothing is."""
        try:
            limit = member.history.maxlen or 0
            history, state = await self._store.recall(self._playthrough, member.npc.npc_id, limit)
        except BridgeError as error:
            self._warn(error)
            history, state = [], None
        member.history.extendleft(reversed(history))
        met = member.state if state is None else state
        if member.seed and (force or state is None):
            met = _seeded(met, member.seed)
        for forced in member.forced:
            met = _seeded(met, forced)
        fight, quest = member.state.combat_active, member.state.quest_active  # the game's word, not memory's
        member.state = replace(met, combat_active=fight, quest_active=quest)


def _exchange(turn: RunningTurn, heard_text: str) -> Exchange:
    return Exchange(turn.line.text if turn.line.by_player else "", heard_text, tuple(turn.deeds))


def _seeded(state: NpcState, seed: NpcSeed) -> NpcState:
    given = {key: value for key, value in seed.model_dump().items() if value is not None}
    if "relationship" in given and "affinity" not in given:
        given["affinity"] = _AFFINITY_OF[given["relationship"].value]
    seeded = settle(replace(state, **given))
    return replace(seeded, relationship=given["relationship"]) if "relationship" in given else seeded


def _with_conditions(state: NpcState, fight: bool | None, quest: bool | None) -> NpcState:
    return replace(
        state,
        combat_active=state.combat_active if fight is None else fight,
        quest_active=state.quest_active if quest is None else quest,
    )
