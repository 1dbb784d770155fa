"""What went over the wire, as plain values: the tap writes them, the rules read them. Times are seconds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Transport = Literal["websocket", "long poll"]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection; over long poll, a `POST /session`. `link` numbers them."""

    at: float
    link: int
    transport: Transport


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended. Over long poll only a cut by the test is one, and the link may go on after it."""

    at: float
    link: int
    by: Literal["adapter", "daemon", "test"]


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the adapter; `message` is None where it is no JSON object."""

    at: float
    link: int
    text: str | bytes
    message: Json | None
    repeat: bool = False
    """It was said before in this session: the same `id`, the same words."""

    @property
    def kind(self) -> str:
        return str(self.message.get("type", "")) if self.message else ""

    @property
    def id(self) -> str | None:
        found = self.message.get("id") if self.message else None
        return found if isinstance(found, str) else None

    @property
    def body(self) -> dict[str, Any]:
        """The message without its `id`."""
        return {key: value for key, value in (self.message or {}).items() if key != "id"}


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the daemon, as it was handed to the adapter."""

    at: float
    link: int
    message: Json

    @property
    def kind(self) -> str:
        return str(self.message.get("type", ""))


@dataclass(frozen=True, slots=True)
class Polled:
    """A `GET /poll`, which acknowledges everything up to `after`."""

    at: float
    link: int
    after: int


Event = Opened | Closed | Said | Told | Polled


def said(at: float, link: int, frame: str | bytes) -> Said:
    """What the adapter put into one frame."""
    try:
        message = json.loads(frame) if isinstance(frame, str) else None
    except ValueError:
        message = None
    return Said(at, link, frame, message if isinstance(message, dict) else None)


def strings(value: object) -> list[str]:
    """The strings of a list that an adapter sent, whatever it is."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def mapping(value: object) -> Json:
    """A JSON object that an adapter sent; empty where it sent something else."""
    return value if isinstance(value, dict) else {}
