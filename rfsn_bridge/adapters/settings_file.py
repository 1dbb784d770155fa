"""A player's settings of an adapter: what is new is added, what is his stays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Unreadable(ValueError):
    """A settings file that is no JSON object; the words say where it goes wrong."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The settings to write, what the file already holds where that is the same, and what to tell the player."""

    settings: Mapping[str, Any]
    text: bytes
    notes: tuple[str, ...] = ()


def parse(text: bytes) -> dict[str, Any]:
    """Raises Unreadable. A byte order mark, which Windows editors put first, is no fault of the player's."""
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except ValueError as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise Unreadable("it is not of the form { ... }")
    return document


def merge(
    shipped: Mapping[str, Any],
    own: bytes | None,
    address: Mapping[str, Any],
    installed: Mapping[str, Any] | None = None,
) -> Merged:
    """The player's settings with what is new in `shipped`, and with the daemon's `address`.

    `own` is the player's file, parsable, or None. `installed` is the address that was put in last time: where
    another was set since, it stays.
    """
    players = parse(own) if own is not None else {}
    settings: dict[str, Any] = {**players, **{key: value for key, value in shipped.items() if key not in players}}
    before = {**shipped, **(installed or {})}
    notes = []
    for key, value in address.items():
        if key not in players or players[key] == before.get(key):
            settings[key] = value
        elif players[key] != value:
            notes.append(
                f"{key} stays {json.dumps(players[key])}, as it was set; the daemon's is {json.dumps(value)}"
            )
    added = [key for key in settings if key not in players]
    if own is not None and added:
        notes.append(f"new: {', '.join(added)}")
    unchanged = own is not None and settings == players and not own.startswith(b"\xef\xbb\xbf")
    text = (
        own
        if unchanged and own is not None
        else (json.dumps(settings, indent=2, ensure_ascii=False) + "\n").encode()
    )
    return Merged(settings, text, tuple(notes))
