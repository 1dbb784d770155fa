"""`audio: daemon`: the daemon plays and keeps account; the adapter says where everybody stands."""

from collections.abc import Iterator
from dataclasses import dataclass

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Json, Said, Told, mapping

_BEFORE_S = 1.0
"""So long before a sound begins its speaker may have been placed for it."""
_SHORT_S = 1.0
"""What sounds no longer than this need not be placed."""

NEEDLESS_REPORT = Rule(
    "report-needless", "warning", "with audio `daemon` send no `speech_report`: the daemon knows"
)
UNPLACED = Rule(
    "positions-missing", "warning", "send `positions` while somebody speaks, with the listener and whoever speaks"
)


@dataclass(frozen=True, slots=True)
class _Sound:
    npc_id: str
    began_at: float


class Placing:
    """Who sounds, and whether it was said from where."""

    rules = (NEEDLESS_REPORT, UNPLACED)

    def __init__(self) -> None:
        self._placed: dict[str, float] = {}
        self._listener_at: float | None = None
        self._sounds: dict[tuple[str, int], _Sound] = {}
        self._blamed: set[str] = set()

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if isinstance(event, Said) and event.message is not None and not event.repeat:
            now = story.playing(event.at)
            if event.kind == "positions":
                self._placed |= dict.fromkeys(mapping(event.message.get("npcs")), now)
                self._listener_at = now if event.message.get("listener") else self._listener_at
            elif event.kind == "speech_report" and story.audio == "daemon":
                yield from self._once("", NEEDLESS_REPORT.broken(event.at, "the daemon itself played that", event))
        elif isinstance(event, Told) and event.kind == "playback":
            yield from self._played(event.at, event.message, story)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        yield from ()

    def _played(self, at: float, message: Json, story: Story) -> Iterator[Finding]:
        turn = story.turns.get(str(message.get("turn_id")))
        if turn is None:
            return
        now, key = story.playing(at), (turn.turn_id, int(message["seq"]))
        if message["status"] == "started":
            self._sounds[key] = _Sound(turn.npc_id, now)
        elif (sound := self._sounds.pop(key, None)) and now - sound.began_at > _SHORT_S:
            since = sound.began_at - _BEFORE_S
            if self._listener_at is None:
                finding = UNPLACED.broken(at, "somebody spoke, and nobody said where the listener is", message)
                yield from self._once("listener", finding)
            elif self._placed.get(sound.npc_id, since - 1) < since:
                finding = UNPLACED.broken(at, f"{sound.npc_id!r} spoke, and nobody said where", message)
                yield from self._once(sound.npc_id, finding)

    def _once(self, what: str, finding: Finding) -> Iterator[Finding]:
        if what not in self._blamed:
            self._blamed.add(what)
            yield finding
