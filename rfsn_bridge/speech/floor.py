"""Who speaks to a listener: one at a time, first come, first served, and nobody for ever.

Whoever has the floor keeps it from sentence to sentence, until others have waited long; it is free again when the
sound has been played. Times are seconds of playing time, which stands still while the game is paused.
"""

from collections import deque
from collections.abc import Callable

from rfsn_bridge.speech.news import News

_PATIENCE_S = 6.0
"""How long others wait before the speaker gives way, after a sentence."""


class Floor:
    """Of one listener. Where it is told when a sound is over, that may be `late_s` late, and no later."""

    def __init__(self, playing: Callable[[], float], *, late_s: float = 0.0, one_at_a_time: bool = True) -> None:
        self._playing = playing
        self._late_s = late_s
        self._one_at_a_time = one_at_a_time
        self._holder: object | None = None
        self._waiting: deque[tuple[object, float]] = deque()
        self._until: dict[object, float] = {}
        """When the sound of each speaker will have been played."""
        self._news = News()

    async def take(self, who: object) -> None:
        """Return when `who` may be heard."""
        if not self._one_at_a_time or self._holder is who:
            return
        place = (who, self._playing())
        self._waiting.append(place)
        try:
            while self._holder is not None or self._waiting[0] is not place or (left := self._others_s(who)) > 0:
                timeout = left if self._holder is None and self._waiting[0] is place else None
                await self._news.wait(timeout)
            self._holder = who
        finally:
            self._waiting.remove(place)
            self._news.tell()

    def is_for(self, who: object) -> bool:
        """Whether `who` has the floor, or nobody else does or waits for it."""
        others = self._holder not in (None, who) or any(each is not who for each, _ in self._waiting)
        return not self._one_at_a_time or self._holder is who or not others

    def leave(self, who: object) -> None:
        """`who` has nothing more to say; what was sent is still played."""
        if self._holder is who:
            self._holder = None
            self._news.tell()

    def give_way(self, who: object) -> None:
        """After a sentence: leave, if another has waited long."""
        if self._waiting and self._playing() - self._waiting[0][1] >= _PATIENCE_S:
            self.leave(who)

    def sounds(self, who: object, seconds: float) -> None:
        """More sound of `who` is on its way to the listener."""
        now = self._playing()
        self._until[who] = max(now, self._until.get(who, now)) + seconds

    def silent(self, who: object) -> None:
        """The sound of `who` is over, or was cut off."""
        self._until.pop(who, None)
        self._news.tell()

    def left_s(self, who: object) -> float:
        """How much sound of `who` is still to be played."""
        return max(0.0, self._until.get(who, 0.0) - self._playing())

    def wake(self) -> None:
        """The game is paused, or goes on."""
        self._news.tell()

    def _others_s(self, who: object) -> float:
        """How long the sound of others goes on; what has ended is forgotten."""
        now = self._playing()
        self._until = {each: until for each, until in self._until.items() if until + self._late_s > now}
        return max(
            (until + self._late_s - now for each, until in self._until.items() if each is not who), default=0
        )
