"""A rule, and what is said where one is broken."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Json, Said

Severity = Literal["error", "warning"]

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach: what is wrong, what to do, and the message it is about."""

    rule: str
    severity: Severity
    what: str
    remedy: str
    at: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """`remedy` says what a good adapter does. An error loses or doubles something; a warning may."""

    name: str
    severity: Severity
    remedy: str

    def broken(self, at: float, what: str, message: Said | Json | None = None) -> Finding:
        return Finding(self.name, self.severity, what, self.remedy, at, shown(message))


class Check(Protocol):
    """Reads a tape event by event. `story` is what was known before the event."""

    @property
    def rules(self) -> tuple[Rule, ...]: ...

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        """What this event breaks."""

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        """What was still owed when the tape ended."""


def shown(message: Said | Json | None) -> str:
    """A message, short enough for a line."""
    if message is None:
        return ""
    if isinstance(message, Said):
        text = message.text if isinstance(message.text, str) else f"{len(message.text)} bytes of binary"
    else:
        text = json.dumps(message, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."
