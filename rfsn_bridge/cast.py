"""The NPCs of one game: who they are, how they stand to the player, what they remember and have learned."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rfsn_bridge.aftermath import Aftermath
from rfsn_bridge.domain import Decision, Exchange, Happening, Mood, Npc, NpcState
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.memory.archive import Known
from rfsn_bridge.memory.store import Store
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Did, Happened, Passed
from rfsn_bridge.mind.experience import Experience
from rfsn_bridge.mind.personality import guess
from rfsn_bridge.mind.state import apply_transition, settle, within_tier
from rfsn_bridge.mind.world_model import said
from rfsn_bridge.protocol.messages import GameEvent, NpcSeed, NpcUpdate
from rfsn_bridge.turn import RunningTurn

_MAX_NPCS = 1024
_MAX_NEWS = 8
_FIELDS = ("name", "race", "gender", "voice_type", "voice", "bio")
# Where a game names the relationship alone, affinity begins in the middle of its tier.
_AFFINITY_OF = {"enemy": -0.8, "rival": -0.4, "stranger": 0.0, "acquaintance": 0.0, "friend": 0.4, "ally": 0.8}


@dataclass(slots=True)
class Member:
    """One NPC. Its turns that are still being recorded count for what it feels and remembers already."""

    npc: Npc
    state: NpcState
    history: deque[tuple[str, Exchange]]
    """The latest turns that were recorded, by their ids, the oldest first."""
    memory: asyncio.Task[None] | None = None
    """Brings back what is on disk; a turn waits for it."""
    meanwhile: list[Callable[[NpcState], NpcState]] = field(default_factory=list)
    """What changed it while its memory was still being read."""
    unrecorded: dict[str, RunningTurn] = field(default_factory=dict)
    seed: NpcSeed | None = None
    """How it stands where nothing is remembered of it."""
    in_scene: bool = False
    """The game's own script has it act or speak."""
    dead: bool = False
    """Until the game tells of it anew."""
    traits: dict[str, float] = field(default_factory=dict)
    """What the game says of its personality; the rest is guessed from its bio."""
    at: float = 0.0
    """When `state` was so, in game days."""
    learned: Experience | None = None
    """What it has learned; there once `memory` is."""
    aftermath: Aftermath | None = None
    unkept: bool = False
    """Whether its state, or what it has learned, is newer than what is on disk."""
    news: deque[str] = field(default_factory=lambda: deque(maxlen=_MAX_NEWS))
    """What happened since it was last spoken to, in sentences; the oldest goes first."""

    def take_news(self) -> tuple[str, ...]:
        """What it is to be told now, once."""
        news = tuple(self.news)
        self.news.clear()
        return news

    def standing(self, now: float) -> NpcState:
        """Its state at `now` (game days): what was said to it counts at once."""
        self.rest(now)
        state = self.state
        for turn in self.unrecorded.values():
            if turn.decision:
                state = self._heard(state, turn, turn.decision)
        return state

    def rest(self, now: float) -> None:
        """Let the time pass that has passed."""
        if now > self.at:
            self.state = apply_transition(self.state, Passed(now - self.at))
        self.at = now

    def change(self, how: Callable[[NpcState], NpcState]) -> None:
        """The game changes its state, now and in what is still being remembered."""
        self.state = how(self.state)
        self.unkept = True
        if self.memory and not self.memory.done():
            self.meanwhile.append(how)

    def _heard(self, state: NpcState, turn: RunningTurn, decision: Decision) -> NpcState:
        rules = turn.snapshot.mind.world.rules
        return apply_transition(state, said(decision), rules, self.npc.personality)

    def remembered(self, before: RunningTurn, now: float) -> list[Exchange]:
        """What was heard before a turn, oldest first."""
        pending = [turn for turn in self.unrecorded.values() if turn is not before]
        return [
            *(exchange for _, exchange in self.history),
            *(_exchange(turn, turn.heard.so_far(now)) for turn in pending),
        ]

    def take_in(self, turn: RunningTurn, heard_text: str) -> None:
        """Remember a turn by what was heard of it; its action counts only if anything was."""
        del self.unrecorded[turn.turn_id]
        if decision := turn.decision:
            self.state = self._heard(self.state, turn, decision)
            if heard_text:
                done = Did(decision.action, decision.signal if turn.line.by_player else None)
                rules = turn.snapshot.mind.world.rules
                self.state = apply_transition(self.state, done, rules, self.npc.personality)
        if turn.line.by_player or heard_text or turn.deeds:
            self.history.append((turn.turn_id, _exchange(turn, heard_text)))


class Cast:
    """Follows `npc_update` and `npc_gone`.

    `playing` is the time played in seconds, `now` the game's in days; `warn` tells the player of what could
    not be read.
    """

    def __init__(
        self,
        playthrough: str,
        store: Store,
        mind: Callable[[], Mind],
        playing: Callable[[], float],
        now: Callable[[], float],
        warn: Callable[[BridgeError], None],
    ) -> None:
        self._playthrough = playthrough
        self._store = store
        self._mind = mind
        self._playing = playing
        self._now = now
        self._warn = warn
        self._members: dict[str, Member] = {}
        self._leaving: dict[str, Member] = {}
        self._loading: asyncio.Future[Any] | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members.values())

    def get(self, npc_id: str) -> Member:
        """Raises ProtocolError (`unknown_npc`)."""
        if member := self._members.get(npc_id):
            return member
        raise ProtocolError("unknown_npc", f"no NPC {npc_id!r} is known", "send npc_update first", field="npc_id")

    def find(self, npc_id: str) -> Member | None:
        return self._members.get(npc_id)

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
            member = Member(npc, NpcState(), deque(maxlen=recent_turns), seed=message.state, at=self._now())
            member.memory = asyncio.create_task(self._remember(member, self._loading, force=message.force))
        else:
            member.npc = replace(member.npc, **given)
            if message.state and message.force:
                member.change(partial(_seeded, seed=message.state))
        if message.personality:
            member.traits |= message.personality.model_dump(exclude_none=True)
        member.npc = replace(member.npc, personality=replace(guess(member.npc.bio), **member.traits))
        self._members[message.npc_id] = member
        member.dead = False
        if message.conditions:
            fight, quest = message.conditions.combat_active, message.conditions.quest_active
            member.state = _with_conditions(member.state, fight, quest)
            if message.conditions.in_scene is not None:
                member.in_scene = message.conditions.in_scene

    def happened(self, event: GameEvent) -> None:
        """Let those concerned know; an event that names them also changes them."""
        data = event.data or {}
        done_by = data.get("by", data.get("aggressor"))
        # A hit is anybody's where the game does not say; help and gifts are the player's.
        by_player = done_by == "player" or (done_by is None and event.kind is not Happening.HIT)
        rules = self._mind().world.rules
        for member in self._concerned(event.npc_ids):
            if event.text:
                member.news.append(event.text)
            if event.kind is Happening.DEATH and event.npc_ids is not None:
                member.dead = True
            if event.npc_ids is not None and data.get("target") in (None, member.npc.npc_id):
                member.rest(self._now())
                traits, what = member.npc.personality, Happened(event.kind, by_player)
                member.change(partial(apply_transition, event=what, rules=rules, traits=traits))

    def _concerned(self, npc_ids: Sequence[str] | None) -> list[Member]:
        if npc_ids is None:
            return list(self._members.values())
        return [member for npc_id in npc_ids if (member := self._members.get(npc_id))]

    async def load(self, playthrough: str, ready: asyncio.Future[Any]) -> int:
        """Another save is the present, once it is `ready`: every NPC stays, and remembers what is stored of it.

        How many there are.
        """
        self._playthrough = playthrough
        return await self.read_again(ready)

    def read_again(self, ready: asyncio.Future[Any], npc_id: str | None = None) -> Coroutine[Any, Any, int]:
        """From now on every NPC, or one, is what is stored of it once it is `ready`; those that left are gone.

        Waits, if awaited, until they are; how many.
        """
        self._loading = ready
        chosen = [npc_id] if npc_id is not None else [*self._members, *self._leaving]
        memories = []
        for each in chosen:
            self._leaving.pop(each, None)
            if old := self._members.get(each):
                member = self._members[each] = self._as_met(old)
                member.memory = asyncio.create_task(self._remember(member, ready))
                memories.append(member.memory)
        return _all_done(memories)

    def _as_met(self, old: Member) -> Member:
        """An NPC without what it remembers, feels and has learned."""
        fight, quest = old.state.combat_active, old.state.quest_active
        return Member(
            old.npc,
            NpcState(combat_active=fight, quest_active=quest),
            deque(maxlen=old.history.maxlen),
            seed=old.seed,
            in_scene=old.in_scene,
            traits=old.traits,
            at=self._now(),
        )

    def names(self, npc_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Name and id of those that are known."""
        return [(member.npc.name, npc_id) for npc_id in npc_ids if (member := self._members.get(npc_id))]

    def leave(self, npc_id: str) -> Member | None:
        """Forget an NPC as soon as its last turn is recorded; it may come back before. None: unknown."""
        member = self._members.pop(npc_id, None)
        if member and member.unrecorded:
            self._leaving[npc_id] = member
        return member

    def settle(self, member: Member, turn_id: str) -> bool:
        """A turn is over for good; whether it was the last of an NPC that has left, and is now forgotten."""
        member.unrecorded.pop(turn_id, None)
        if member.unrecorded or self._leaving.get(member.npc.npc_id) is not member:
            return False
        del self._leaving[member.npc.npc_id]
        return True

    async def _remember(self, member: Member, ready: asyncio.Future[Any] | None, *, force: bool = False) -> None:
        """Bring back what is on disk of an NPC, once it is `ready`; the game's `state` counts where nothing is."""
        if ready:
            await asyncio.shield(ready)
        try:
            known = await self._store.known(self._playthrough, member.npc.npc_id, member.history.maxlen or 0)
        except BridgeError as error:
            self._warn(error)
            known = Known()
        member.learned = self._learned(member.npc.npc_id, known.learned)
        member.aftermath = Aftermath(member.learned, self._playing)
        member.history.extendleft(zip(reversed(known.turn_ids), reversed(known.exchanges), strict=True))
        met = NpcState() if known.state is None else known.state
        if member.seed and (force or known.state is None):
            met = _seeded(met, member.seed)
        for how in member.meanwhile:
            met = how(met)
        fight, quest = member.state.combat_active, member.state.quest_active  # the game's word, not memory's
        member.state = replace(met, combat_active=fight, quest_active=quest)

    def _learned(self, npc_id: str, saved: bytes | None) -> Experience:
        """What an NPC has learned; what cannot be read is told of, and begun anew."""
        mind = self._mind()
        if saved is not None:
            try:
                return mind.returning(saved)
            except ValueError as error:
                hint = "it learns anew; `rfsn-bridge memory backups` lists what there was"
                self._warn(BridgeError(f"what {npc_id} has learned cannot be used: {error}", hint))
        return mind.newcomer()


async def _all_done(memories: Collection[asyncio.Task[None]]) -> int:
    if memories:
        await asyncio.wait(memories)
    return len(memories)


def _exchange(turn: RunningTurn, heard_text: str) -> Exchange:
    return Exchange(turn.line.text if turn.line.by_player else "", heard_text, tuple(turn.deeds))


def _seeded(state: NpcState, seed: NpcSeed) -> NpcState:
    given = {key: value for key, value in seed.model_dump().items() if value is not None}
    if "relationship" in given and "affinity" not in given:
        given["affinity"] = _AFFINITY_OF[given["relationship"].value]
    if "mood" in given:
        given["mood_strength"] = 0.0 if given["mood"] is Mood.NEUTRAL else 1.0
    if "relationship" in given:
        given["affinity"] = within_tier(given["affinity"], given["relationship"])
    return settle(replace(state, **given))


def _with_conditions(state: NpcState, fight: bool | None, quest: bool | None) -> NpcState:
    return replace(
        state,
        combat_active=state.combat_active if fight is None else fight,
        quest_active=state.quest_active if quest is None else quest,
    )
