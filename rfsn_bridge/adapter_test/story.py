"""What a tape has told so far: who connected, which NPCs and turns there are, what was answered."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rfsn_bridge.adapter_test.tape import Closed, Event, Json, Opened, Polled, Said, Told, mapping, strings
from rfsn_bridge.protocol.messages import Limits

_AFTER_SPEECH_S = 1.5


@dataclass(slots=True)
class Unit:
    """What is played in one piece: a sentence, or the speech of sentences `seq` to `through_seq`."""

    seq: int
    through_seq: int
    duration_ms: int | None
    complete: bool = True
    """All of it has come."""


@dataclass(slots=True)
class TurnSeen:
    """One turn as the adapter was told of it."""

    turn_id: str
    npc_id: str
    sentences: dict[int, Unit] = field(default_factory=dict)
    speech: dict[int, Unit] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    status: str | None = None
    finished_at: float | None = None
    """On the game's own clock."""
    recorded_at: float | None = None


@dataclass(slots=True)
class Asked:
    """A message with an `id`."""

    said: Said
    answered: bool = False


class Story:
    """Grows by `take`. What belongs to a session is new with every session that is not resumed."""

    def __init__(self) -> None:
        self.links: dict[int, Opened] = {}
        self.identifies: dict[int, Json] = {}
        self.sessions: list[str] = []
        self.npcs: dict[str, str] = {}
        self.names_before: dict[str, set[str]] = {}
        """The ids that each display name had in earlier sessions."""
        self.kinds_before: set[str] = set()
        """Types that were sent in earlier sessions."""
        self.kinds: set[str] = set()
        self.limits = Limits()
        self.audio = "none"
        self._left_at: float | None = None
        self._paused_at: float | None = None
        self._paused_s = 0.0
        self._begin_session()

    def _begin_session(self) -> None:
        for npc_id, name in self.npcs.items():
            self.names_before.setdefault(name, set()).add(npc_id)
        self.kinds_before |= self.kinds
        self.kinds = set()
        self.npcs = {}
        self.turns: dict[str, TurnSeen] = {}
        self.asked: dict[str, Asked] = {}
        self.last_n = 0
        self._paused_at, self._paused_s = None, 0.0

    @property
    def identify(self) -> Json:
        """How the adapter introduced itself last."""
        return self.identifies[max(self.identifies)] if self.identifies else {}

    def can(self, capability: str) -> Any:
        return mapping(self.identify.get("capabilities")).get(capability, False)

    # --- Time

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    def playing(self, at: float) -> float:
        """The time of the game's own clock, which stands still while it is paused."""
        return (at if self._paused_at is None else self._paused_at) - self._paused_s

    def until(self, ended_at: float) -> float:
        """How far the adapter was there, on the game's clock: nothing is owed for the time after."""
        return self.playing(ended_at if self._left_at is None else min(ended_at, self._left_at))

    @property
    def left(self) -> bool:
        """Whether the adapter has closed its connection."""
        return self._left_at is not None

    # --- What is played

    @property
    def reports_are_due(self) -> bool:
        """Whether what was heard is the adapter's to report; of what it plays itself the daemon knows."""
        if self.audio == "daemon":
            return False
        paced = self.audio in ("binary", "file") or bool(self.can("visemes"))
        return bool(self.can("reports")) and paced

    def units(self, turn: TurnSeen) -> dict[int, Unit]:
        """What the adapter plays of a turn, each to be reported by its `seq`."""
        if self.audio not in ("binary", "file"):
            return turn.sentences
        return {seq: unit for seq, unit in turn.speech.items() if seq not in turn.dropped}

    def anybody_speaks(self, at: float) -> bool:
        return any(
            turn.recorded_at is None or at - turn.recorded_at < _AFTER_SPEECH_S for turn in self.turns.values()
        )

    # --- Growing

    def seen_as_repeat(self, said: Said) -> Said:
        """The message, marked where it was said before."""
        before = self.asked.get(said.id or "")
        return replace(said, repeat=True) if before and before.said.body == said.body else said

    def take(self, event: Event) -> None:
        match event:
            case Opened():
                self.links[event.link] = event
                self._left_at = None
            case Said():
                self._take_said(event)
            case Told():
                self._take_told(event)
            case Closed():
                self._left_at = event.at if event.by == "adapter" else None
            case Polled():
                pass

    def _take_said(self, said: Said) -> None:
        message = said.message
        if message is None:
            return
        if said.kind == "identify":
            self.identifies.setdefault(said.link, message)
            return
        self.kinds.add(said.kind)
        if said.id:
            self.asked.setdefault(said.id, Asked(said))
        npc_id, name = message.get("npc_id"), message.get("name")
        if said.kind == "npc_update" and isinstance(npc_id, str) and isinstance(name, str):
            self.npcs[npc_id] = name
        elif said.kind == "npc_gone":
            for gone in strings(message.get("npc_ids")):
                self.npcs.pop(gone, None)
        elif said.kind == "game_paused":
            self._pause(said.at, paused=bool(message.get("paused")))

    def _pause(self, at: float, *, paused: bool) -> None:
        if paused:
            self._paused_at = at if self._paused_at is None else self._paused_at
        elif self._paused_at is not None:
            self._paused_s += at - self._paused_at
            self._paused_at = None

    def _take_told(self, told: Told) -> None:
        message = told.message
        if told.kind == "identified":
            if not message["resumed"]:
                self._begin_session()
                self.sessions.append(str(message["session_id"]))
            self.limits = Limits.model_validate(message["limits"])
            self.audio = str(message["audio"])
        self.last_n = max(self.last_n, int(message.get("n") or 0))
        if asked := self.asked.get(str(message.get("re"))):
            asked.answered = True
        if told.kind == "turn_started":
            turn_id = str(message["turn_id"])
            self.turns.setdefault(turn_id, TurnSeen(turn_id, str(message["npc_id"])))
        elif turn := self.turns.get(str(message.get("turn_id"))):
            _grow(turn, told, self.playing(told.at))

    def unanswered(self) -> Iterator[Said]:
        """Messages with an `id` whose answer has not come."""
        return (asked.said for asked in self.asked.values() if not asked.answered)


def _grow(turn: TurnSeen, told: Told, now: float) -> None:
    message = told.message
    match told.kind:
        case "sentence":
            seq = int(message["seq"])
            turn.sentences[seq] = Unit(seq, seq, message.get("duration_ms"))
        case "audio":
            seq, duration = int(message["seq"]), message.get("duration_ms")
            turn.speech[seq] = Unit(seq, int(message["through_seq"]), duration, complete="path" in message)
        case "audio_end":
            if unit := turn.speech.get(int(message["seq"])):
                unit.duration_ms, unit.complete = int(message["duration_ms"]), True
        case "audio_dropped":
            turn.dropped.add(int(message["seq"]))
        case "turn_finished":
            turn.status, turn.finished_at = str(message["status"]), now
        case "turn_recorded":
            turn.recorded_at = told.at
