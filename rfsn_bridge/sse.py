"""Server-sent events, line by line: what the `data:` fields carry. Pure; forgiving of what servers really send."""

from __future__ import annotations

import json

_EVENT_LIMIT = 1 << 20


class EventTooLong(ValueError):
    """An event grew past 1 MiB without an end."""


class EventData:
    """Collects `data:` lines into events. Comments, other fields and garbage are skipped, not errors."""

    def __init__(self) -> None:
        self._pending: list[str] = []
        self._size = 0

    def feed(self, line: str) -> list[str]:
        """Take one line without its end; return the data of the events that it completes."""
        if not line:
            return self.flush()
        field, colon, value = line.partition(":")
        if not colon or field not in ("data", "error"):
            return []
        value = value.removeprefix(" ")
        if field == "error":  # llama.cpp of old: `error: {...}` in place of a data field
            value = f'{{"error": {value}}}'
        # Some servers forget the blank line between events.
        done = self.flush() if value.strip() == "[DONE]" or self._is_whole() else []
        self._pending.append(value)
        self._size += len(value)
        if self._size > _EVENT_LIMIT:
            raise EventTooLong
        return done

    def flush(self) -> list[str]:
        """End the event under way (a blank line, or the end of the stream)."""
        if not self._pending:
            return []
        data = "\n".join(self._pending)
        self._pending.clear()
        self._size = 0
        return [data]

    def _is_whole(self) -> bool:
        """Only ever asks of one line, so that an event of many lines is not parsed again for each."""
        if len(self._pending) != 1:
            return False
        try:
            json.loads(self._pending[0])
        except (ValueError, RecursionError):
            return False
        return True
