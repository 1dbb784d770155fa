"""The lint: a tape goes in, findings come out. No I/O, no clock."""

from collections.abc import Callable, Iterable, Sequence

from rfsn_bridge.adapter_test.rule import Check, Finding, Rule
from rfsn_bridge.adapter_test.rules import (
    actions,
    fields,
    handshake,
    ids,
    placing,
    rates,
    reconnect,
    reports,
    world,
)
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Said

CHECKS: tuple[Callable[[], Check], ...] = (
    fields.Fields,
    handshake.Handshake,
    reconnect.Reconnect,
    ids.Ids,
    world.Npcs,
    world.Game,
    rates.Rates,
    reports.Reports,
    placing.Placing,
    actions.Actions,
)
RULES: tuple[Rule, ...] = tuple(rule for check in CHECKS for rule in check().rules)


class Lint:
    """Reads one adapter's tape as it grows."""

    def __init__(self) -> None:
        self.story = Story()
        self._checks = [check() for check in CHECKS]

    def see(self, event: Event) -> Sequence[Finding]:
        """What this event breaks, given all before it."""
        if isinstance(event, Said):
            event = self.story.seen_as_repeat(event)
        found = [finding for check in self._checks for finding in check.see(event, self.story)]
        self.story.take(event)
        return found

    def end(self, at: float) -> Sequence[Finding]:
        """What the adapter still owed when it was over."""
        return [finding for check in self._checks for finding in check.end(at, self.story)]


def lint(tape: Iterable[Event], ended_at: float | None = None) -> list[Finding]:
    """All findings of a whole tape, which ends with its last event unless told otherwise."""
    reader, at = Lint(), 0.0
    found: list[Finding] = []
    for event in tape:
        found += reader.see(event)
        at = event.at
    return [*found, *reader.end(at if ended_at is None else ended_at)]
