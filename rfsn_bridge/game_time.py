"""How many days of the game have passed in a session, by its word and, between its words, by the time played."""

from collections.abc import Callable

_DAYS_PER_S = 20 / 86_400
"""Skyrim's pace, which most of its kin share: a day of the game in 72 minutes."""


class GameTime:
    """Counts up from 0 and never goes back. `playing` is a clock in seconds."""

    def __init__(self, playing: Callable[[], float]) -> None:
        self._playing = playing
        self._passed = 0.0
        self._counted_at = playing()
        self._date: float | None = None
        """The game's date at `_counted_at`, once it has said it."""

    def __call__(self) -> float:
        return self._passed + max(0.0, self._playing() - self._counted_at) * _DAYS_PER_S

    @property
    def date(self) -> float | None:
        """The game's own date, as far as it has said one, in days."""
        return None if self._date is None else self._date + self() - self._passed

    def told(self, date: float | None, *, loaded: bool = False) -> None:
        """The game says its date, in days (None: it does not). After a load, no time has passed since the last."""
        if date is None:
            return
        now = self()
        if self._date is not None and not loaded:
            now = max(now, self._passed + date - self._date)
        self._passed, self._counted_at, self._date = now, self._playing(), date
