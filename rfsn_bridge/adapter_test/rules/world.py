"""NPCs and the game: named before they are spoken of, by ids that last."""

from collections.abc import Iterator

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Json, Said, mapping, strings

NPC_FIRST = Rule("npc-first", "error", "send `npc_update` for an NPC before anything that names it")
NPC_ID_FORM = Rule("npc-id-form", "warning", "make ids lowercase ASCII: some game scripts ignore case")
NPC_ID_CASE = Rule("npc-id-case", "error", "write an id always the same way: ids are compared exactly")
NPC_ID_NAME = Rule(
    "npc-id-name", "warning", "use the game's own stable id, not the display name: two guards share a name"
)
NPC_ID_CHANGED = Rule("npc-id-changed", "error", "keep an NPC's id: under a new one it remembers nothing")
NEEDLESS_UPDATE = Rule("needless-update", "warning", "send `npc_update` when something changed")
UNKNOWN_HEARER = Rule("unknown-hearer", "warning", "name as hearers only NPCs that `npc_update` told of")
PAUSE_BALANCE = Rule(
    "pause-balance", "warning", "send `game_paused` once when the game stops, and once when it goes on"
)
PLAYTHROUGH_CHANGED = Rule(
    "playthrough-differs", "warning", "use one name for the playthrough in `identify` and in what is said of saves"
)

_OF_SAVES = ("game_started", "save_created", "save_loaded")


class Npcs:
    """Who there is."""

    rules = (NPC_FIRST, NPC_ID_FORM, NPC_ID_CASE, NPC_ID_NAME, NPC_ID_CHANGED, NEEDLESS_UPDATE, UNKNOWN_HEARER)

    def __init__(self) -> None:
        self._updates: dict[str, tuple[int, Json]] = {}
        self._met: set[str] = set()
        self._blamed: set[tuple[str, str]] = set()

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if not isinstance(event, Said) or event.message is None or event.repeat:
            return
        if event.kind == "npc_update":
            yield from self._update(event, event.message, story)
            return
        for npc_id in _named(event.kind, event.message):
            if npc_id not in story.npcs and self._first_time(NPC_FIRST, npc_id):
                yield NPC_FIRST.broken(event.at, f"{event.kind} names {npc_id!r}, of whom nothing was told", event)
        for npc_id in strings(event.message.get("hearers")):
            if npc_id not in story.npcs and self._first_time(UNKNOWN_HEARER, npc_id):
                yield UNKNOWN_HEARER.broken(event.at, f"{npc_id!r} hears, of whom nothing was told", event)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        yield from ()

    def _update(self, said: Said, message: Json, story: Story) -> Iterator[Finding]:
        npc_id, name = message.get("npc_id"), message.get("name")
        if not isinstance(npc_id, str) or not isinstance(name, str):
            return
        if self._updates.get(npc_id) == (said.link, said.body) and self._first_time(NEEDLESS_UPDATE, npc_id):
            yield NEEDLESS_UPDATE.broken(said.at, f"the same was told of {npc_id!r} before", said)
        self._updates[npc_id] = said.link, said.body
        if npc_id in self._met:
            return
        twin = next((other for other in self._met if other.lower() == npc_id.lower()), None)
        self._met.add(npc_id)
        before = story.names_before.get(name, set())
        if twin:
            yield NPC_ID_CASE.broken(said.at, f"{npc_id!r} was {twin!r} before", said)
        elif len(before) == 1:
            yield NPC_ID_CHANGED.broken(said.at, f"{name} is {npc_id!r} now and was {next(iter(before))!r}", said)
        if npc_id.lower() == name.lower():
            yield NPC_ID_NAME.broken(said.at, f"the id of {name} is its name", said)
        elif not npc_id.isascii() or npc_id != npc_id.lower():
            yield NPC_ID_FORM.broken(said.at, f"the id {npc_id!r} is not lowercase ASCII", said)

    def _first_time(self, rule: Rule, npc_id: str) -> bool:
        new = (rule.name, npc_id) not in self._blamed
        self._blamed.add((rule.name, npc_id))
        return new


def _named(kind: str, message: Json) -> list[str]:
    """The NPCs that a message is about."""
    named = strings(message.get("npc_ids")) + list(mapping(message.get("npcs")))
    if isinstance(npc_id := message.get("npc_id"), str):
        named.append(npc_id)
    return [] if kind in ("npc_gone", "game_event") else named  # which may be of NPCs nobody met


class Game:
    """Pauses and saves."""

    rules = (PAUSE_BALANCE, PLAYTHROUGH_CHANGED)

    def __init__(self) -> None:
        self._paused_by: Said | None = None

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if not isinstance(event, Said) or event.message is None or event.repeat:
            return
        if event.kind == "game_paused":
            paused = bool(event.message.get("paused"))
            if paused == story.paused:
                state = "paused" if paused else "running"
                yield PAUSE_BALANCE.broken(event.at, f"the game was {state} already", event)
            self._paused_by = event if paused else None
        elif event.kind in _OF_SAVES:
            told, now = story.identify.get("playthrough", "default"), event.message.get("playthrough")
            if isinstance(now, str) and now != told:
                what = f"{event.kind} is of playthrough {now!r}, identify of {told!r}"
                yield PLAYTHROUGH_CHANGED.broken(event.at, what, event)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        if story.paused and self._paused_by:
            yield PAUSE_BALANCE.broken(at, "the game is still paused at the end", self._paused_by)
