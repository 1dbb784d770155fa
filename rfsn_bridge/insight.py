"""What is asked about the minds of a game's NPCs: why they did something, how good it was, that they forget it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rfsn_bridge.aftermath import Aftermath
from rfsn_bridge.cast import Member
from rfsn_bridge.domain import Decision, Npc
from rfsn_bridge.errors import BridgeError, ProtocolError
from rfsn_bridge.memory.store import Store
from rfsn_bridge.mind.explain import in_words, smallest_flips
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.turn import RunningTurn

_PAST_TURNS = 256


class Daemon(Protocol):
    """What insight needs of the bridge."""

    @property
    def snapshot(self) -> Snapshot: ...
    @property
    def store(self) -> Store: ...


@dataclass(frozen=True, slots=True)
class Past:
    """Whose turn it was, what had been said, and what was decided."""

    member: Member
    text: str
    decision: Decision | None


class Insight:
    """Of one game; remembers its latest turns. `playing` is the time played in seconds."""

    def __init__(self, bridge: Daemon, playing: Callable[[], float], warn: Callable[[BridgeError], None]) -> None:
        self._bridge = bridge
        self._playing = playing
        self._warn = warn
        self._running: dict[str, tuple[Member, RunningTurn]] = {}
        self._past: OrderedDict[str, Past] = OrderedDict()

    def __contains__(self, turn_id: str) -> bool:
        """Whether a turn has been, of late."""
        return turn_id in self._past

    def began(self, turn: RunningTurn, member: Member) -> None:
        self._running[turn.turn_id] = member, turn

    def ended(self, turn: RunningTurn) -> None:
        """A turn is over for good, and past."""
        member, _ = self._running.pop(turn.turn_id)
        self._past[turn.turn_id] = Past(member, turn.line.text, turn.decision)
        if len(self._past) > _PAST_TURNS:
            self._past.popitem(last=False)

    def find(self, turn_id: str) -> Past | None:
        """A turn that is under way or was of late."""
        if running := self._running.get(turn_id):
            member, turn = running
            return Past(member, turn.line.text, turn.decision)
        return self._past.get(turn_id)

    def feedback(self, turn_id: str, reward: float) -> bool:
        """The player's verdict on a turn; False if it had one before. Raises ProtocolError (`unknown_turn`)."""
        if (past := self.find(turn_id)) is None:
            raise _unknown(turn_id)
        member = past.member
        taken = member.aftermath is not None and member.aftermath.feedback(turn_id, reward)
        member.unkept |= taken
        return taken

    async def explain(self, turn_id: str) -> dict[str, Any]:
        """Why a turn came as it did, in words and in full, and what would have changed it; of any stored turn."""
        if past := self.find(turn_id):
            npc, text, decision = past.member.npc, past.text, past.decision
        elif turn := await self._bridge.store.find(turn_id):
            npc, text, decision = Npc(turn.npc_id, turn.npc_name), turn.player_text, turn.decision
        else:
            raise _unknown(turn_id)
        if decision is None:
            raise ProtocolError("not_found", f"nothing was decided in turn {turn_id!r}", field="turn_id")
        flips = await asyncio.to_thread(smallest_flips, self._bridge.snapshot.mind, npc, decision)
        return {
            "text": in_words(decision, npc.name, text, flips),
            "decision": asdict(decision),
            "flips": [asdict(flip) for flip in flips],
        }

    async def keep(self, member: Member, playthrough: str) -> None:
        """Put how an NPC stands, and what it has learned, on disk, if that is news."""
        if member.learned is None or not member.unkept:
            return
        member.unkept = False
        try:
            npc, learned = member.npc, member.learned.dump()
            await self._bridge.store.keep(playthrough, npc.npc_id, member.state, learned, npc.name)
        except BridgeError as error:
            member.unkept = True
            self._warn(error)

    async def part(self, member: Member, playthrough: str) -> None:
        """Nobody will say anything to an NPC any more: its last turn is worth what is known of it."""
        if member.aftermath and member.aftermath.over():
            member.unkept = True
        await self.keep(member, playthrough)

    async def reset(self, member: Member, playthrough: str) -> None:
        """Have an NPC learn anew; a backup has what it had learned. Raises StoreError."""
        if member.memory:
            await asyncio.shield(member.memory)
        await self._bridge.store.back_up("reset")
        member.learned = self._bridge.snapshot.mind.newcomer()
        member.aftermath = Aftermath(member.learned, self._playing)
        member.unkept = True
        await self.keep(member, playthrough)


def _unknown(turn_id: str) -> ProtocolError:
    return ProtocolError("unknown_turn", f"there is no turn {turn_id!r}", field="turn_id")
