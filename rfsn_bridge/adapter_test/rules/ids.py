"""The `id` of a message: what makes it safe to send again."""

from collections.abc import Iterator

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Said

ID_REUSED = Rule(
    "id-reused", "error", "give each message an `id` of its own, as <random>-<counter>: a repeat is not done"
)
ID_CHANGED = Rule("id-changed", "error", "send it again with the `id` it had: with a new one it is done twice")
ID_LOST = Rule(
    "id-lost", "error", "keep every message until its `re` has come, and send it again after a reconnect"
)
NO_ID = Rule("no-id", "warning", "give it an `id`: only then can it be sent again safely, and is it answered")

_NEED_ONE = frozenset(
    {
        "player_line",
        "npc_prompt",
        "actions_register",
        "actions_unregister",
        "action_result",
        "game_started",
        "save_created",
        "save_loaded",
    }
)


class Ids:
    """Unique, kept, repeated unchanged."""

    rules = (ID_REUSED, ID_CHANGED, ID_LOST, NO_ID)

    def __init__(self) -> None:
        self._without: set[str] = set()

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if not isinstance(event, Said) or event.message is None or event.kind == "identify":
            return
        if event.id is None:
            if event.kind in _NEED_ONE and event.kind not in self._without:
                self._without.add(event.kind)
                yield NO_ID.broken(event.at, f"{event.kind} has no id", event)
            return
        before = story.asked.get(event.id)
        if before and not event.repeat:
            what = f"id {event.id!r} was given to {before.said.kind} before"
            yield ID_REUSED.broken(event.at, what, event)
        elif not before:
            for lost in story.unanswered():
                if lost.link != event.link and lost.body == event.body:
                    what = f"{event.kind} comes again as {event.id!r}; it was {lost.id!r}"
                    yield ID_CHANGED.broken(event.at, what, event)
                    break

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        last = max(story.links, default=0)
        for lost in story.unanswered():
            if lost.link != last:
                what = f"{lost.kind} {lost.id!r} was under way when the connection broke, and never came again"
                yield ID_LOST.broken(lost.at, what, lost)
