"""What an NPC remembers as a file of its own: JSON that can be brought back, Markdown to be read.

Values in, text out. The JSON names its format and version and carries the SHA-256 of its content, written the one
way (sorted keys, no spaces, ASCII), so that a file that was cut or edited is refused.
"""

import base64
import binascii
import hashlib
import json
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, NoReturn

from pydantic import Field, TypeAdapter, ValidationError

from rfsn_bridge.domain import NpcState, Turn
from rfsn_bridge.memory.schema import StoreError

FORMAT = "rfsn-bridge memory"
VERSION = 1
MOST_BYTES = 256 * 2**20
_MOST_SEQ = 65535
_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~])")

_Name = Annotated[str, Field(min_length=1, max_length=128)]


@dataclass(frozen=True, slots=True)
class Export:
    """All that an NPC remembers at present, the oldest first; `learned` as its experience dumps it.

    `summaries` are to be read, and no part of the JSON: they are made anew where it is brought in.
    """

    playthrough: _Name
    npc_id: _Name
    name: Annotated[str, Field(min_length=1, max_length=256)]
    turns: tuple[Turn, ...]
    state: NpcState | None = None
    learned: bytes | None = None
    summaries: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _exports() -> TypeAdapter[Export]:
    return TypeAdapter(Export)


def to_json(export: Export) -> str:
    """Raises StoreError where it would be larger than what can be brought back."""
    adapter: TypeAdapter[Any] = TypeAdapter(Any)
    content = {
        "playthrough": export.playthrough,
        "npc_id": export.npc_id,
        "name": export.name,
        "turns": adapter.dump_python(export.turns, mode="json"),
        "state": adapter.dump_python(export.state, mode="json"),
        "learned": base64.b64encode(export.learned).decode() if export.learned is not None else None,
    }
    document = {"format": FORMAT, "version": VERSION, "sha256": _sum(_canonical(content)), "content": content}
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    if len(text.encode()) > MOST_BYTES:
        raise StoreError(f"{export.name} remembers more than {MOST_BYTES >> 20} MB", "export it as Markdown")
    return text


def from_json(data: bytes) -> Export:
    """What `to_json` gave; raises StoreError for anything else."""
    if len(data) > MOST_BYTES:
        _refuse(f"it is larger than {MOST_BYTES >> 20} MB")
    try:
        document = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _refuse("it is no JSON")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        _refuse("it is no export of a memory")
    version, content = document.get("version"), document.get("content")
    if isinstance(version, int) and version > VERSION:
        raise StoreError("the file was written by a newer RFSN Bridge", "update RFSN Bridge")
    if version != VERSION or not isinstance(content, dict):
        _refuse("it is no export of a memory")
    try:
        text = _canonical(content)
    except (ValueError, RecursionError):
        _refuse("it has a number that is none")
    if document.get("sha256") != _sum(text):
        _refuse("it is not what was written: it was cut or changed")
    return _understood(content)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is none")


def _understood(content: dict[str, Any]) -> Export:
    try:
        learned = content.get("learned")
        secret = None if learned is None else base64.b64decode(learned, validate=True)
        export = _exports().validate_json(_canonical({**content, "learned": None}))
    except (ValidationError, binascii.Error, TypeError, ValueError):
        _refuse("what is in it cannot be understood")
    states = [turn.state for turn in export.turns] + ([export.state] if export.state else [])
    if not all(map(_possible, states)) or not all(map(_fits, export.turns)):
        _refuse("what is in it cannot be")
    return Export(export.playthrough, export.npc_id, export.name, export.turns, export.state, secret)


def _fits(turn: Turn) -> bool:
    return all(1 <= len(name) <= 128 for name in (turn.turn_id, turn.npc_id, *turn.hearers)) and (
        -1 <= turn.heard_through_seq <= _MOST_SEQ
    )


def _possible(state: NpcState) -> bool:
    return all(-1 <= value <= 1 for value in (state.affinity, state.recent_sentiment)) and all(
        0 <= value <= 1 for value in (state.trust, state.fear, state.mood_strength)
    )


def _refuse(why: str) -> NoReturn:
    raise StoreError(
        f"the file cannot be brought in: {why}", "import what `rfsn-bridge memory export` wrote as JSON"
    )


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- To be read


def to_markdown(export: Export) -> str:
    return "\n".join(_lines(export)) + "\n"


def _lines(export: Export) -> Iterator[str]:
    yield f"# {_plain(export.name)}"
    yield ""
    yield f"{_plain(export.npc_id)}, playthrough {_plain(export.playthrough)}. Turns: {len(export.turns)}."
    if state := export.state:
        yield ""
        yield f"To the player: {in_words(state)}."
    if export.summaries:
        yield ""
        yield "## In short"
        yield ""
        yield from (f"- {_plain(text)}" for text in export.summaries)
    day = ""
    for turn in export.turns:
        if (today := time.strftime("%Y-%m-%d", time.localtime(turn.started_at))) != day:
            day = today
            yield ""
            yield f"## {day}"
        if turn.npc_id != export.npc_id:
            yield ""
            yield f"(overheard, said to {_plain(turn.npc_name)})"
        if turn.player_text:
            yield ""
            yield f"**Player:** {_plain(turn.player_text)}"
        if turn.heard_text:
            yield ""
            yield f"**{_plain(turn.npc_name)}:** {_plain(turn.heard_text)}"
        for deed in turn.deeds:
            yield ""
            yield f"({_plain(deed.name)}: {deed.status})"


def so_many(turns: int) -> str:
    return f"{turns} turn" if turns == 1 else f"{turns} turns"


def in_words(state: NpcState) -> str:
    """How an NPC stands, in a line."""
    figures = ", ".join(f"{name} {getattr(state, name):.2f}" for name in ("affinity", "trust", "fear"))
    return f"{state.relationship}, {state.mood}, {figures}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def file_name(export: Export, suffix: str) -> str:
    """A name for the file, different for every NPC on every system, whatever they are called."""
    told = unicodedata.normalize("NFKD", export.name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", told)[:40].strip("-") or "npc"
    exact = f"{export.playthrough}\0{export.npc_id}".encode("utf-8", "surrogatepass")
    return f"{slug}-{hashlib.sha256(exact).hexdigest()[:12]}{suffix}"
