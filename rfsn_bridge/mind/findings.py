"""What a linter says about one entry of the world rules or considerations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rfsn_bridge.mind.considerations import Consideration
from rfsn_bridge.mind.rules import Proposal, Rule

Kind = Literal["unreachable", "shadowed", "never proposed", "unbounded"]
Level = Literal["error", "warning"]
Entry = Rule | Proposal | Consideration


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one rule, proposal or consideration; about all of them where `id` is empty."""

    id: str
    file: str
    line: int
    kind: Kind
    level: Level
    message: str
    remedy: str


def about(entry: Entry, kind: Kind, level: Level, message: str, remedy: str) -> Finding:
    return Finding(entry.id, entry.file, entry.line, kind, level, message, remedy)


def about_all(kind: Kind, message: str, remedy: str) -> Finding:
    return Finding("", "", 0, kind, "warning", message, remedy)


def where(entry: Entry) -> str:
    return f"{entry.file}, line {entry.line}"


def either(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def both(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]
