"""The game's own days: by its last word, and from then on by the time that was played."""

from collections.abc import Callable

_DAYS_PER_S = 20 / 86_400
"""Skyrim's pace, which most of its kin share: a day of the game in 72 minutes."""


class GameTime:
    """Never goes back, except where another save is loaded. `playing` is a clock in seconds."""

    def __init__(self, playing: Callable[[], float]) -> None:
        self._playing = playing
        self._days = 0.0
        self._told_at = playing()

    def __call__(self) -> float:
        return self._days + max(0.0, self._playing() - self._told_at) * _DAYS_PER_S

    def told(self, days: float | None, *, loaded: bool = False) -> None:
        """The game says what time it is; None: it does not say."""
        if days is not None and (loaded or days > self()):
            self._days, self._told_at = days, self._playing()
