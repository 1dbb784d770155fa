"""How much is sent: within the daemon's limits, and no more than is of use."""

from collections.abc import Iterator

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Said

_CHATTY = 20
_CHATTY_BURST = 40
_POSITIONS = 5
_POSITIONS_BURST = 10
"""A long poll sends by handfuls."""
_AGAIN_S = 5.0
"""So long one breach stands for those that follow it."""

TOO_FAST = Rule("too-fast", "error", "keep to limits.messages_per_second: what is beyond is refused")
CHATTY = Rule(
    "chatty", "warning", f"send at most {_CHATTY} messages a second: gather changes, and send them together"
)
POSITIONS_RATE = Rule("positions-rate", "error", f"send `positions` at most {_POSITIONS} times a second")
POSITIONS_IDLE = Rule("positions-idle", "warning", "send `positions` only while somebody speaks")


class Bucket:
    """Tokens flow in at `rate` a second, up to `burst`; each message takes one."""

    def __init__(self, burst: float) -> None:
        self.tokens = burst
        self._at: float | None = None

    def take(self, at: float, rate: float, burst: float) -> bool:
        """Whether there was one."""
        elapsed = 0.0 if self._at is None else max(0.0, at - self._at)
        self._at = at
        self.tokens = min(burst, self.tokens + elapsed * rate)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Rates:
    """Messages a second."""

    rules = (TOO_FAST, CHATTY, POSITIONS_RATE, POSITIONS_IDLE)

    def __init__(self) -> None:
        self._limit: Bucket | None = None
        self._manners = Bucket(_CHATTY_BURST)
        self._positions = Bucket(_POSITIONS_BURST)
        self._blamed: dict[str, float] = {}

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if not isinstance(event, Said) or event.kind == "identify":
            return
        limits = story.limits
        self._limit = self._limit or Bucket(limits.burst)
        within = self._limit.take(event.at, limits.messages_per_second, limits.burst)
        mannered = self._manners.take(event.at, _CHATTY, _CHATTY_BURST)
        if not within and self._due(TOO_FAST, event.at):
            what = f"more than {limits.messages_per_second} messages a second, after a burst of {limits.burst}"
            yield TOO_FAST.broken(event.at, what, event)
        elif not mannered and self._due(CHATTY, event.at):
            what = f"more than {_CHATTY} messages a second, after a burst of {_CHATTY_BURST}"
            yield CHATTY.broken(event.at, what, event)
        if event.kind == "positions":
            yield from self._of_positions(event, story)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        yield from ()

    def _of_positions(self, said: Said, story: Story) -> Iterator[Finding]:
        if not self._positions.take(said.at, _POSITIONS, _POSITIONS_BURST) and self._due(POSITIONS_RATE, said.at):
            what = f"more than {_POSITIONS} positions a second, after a burst of {_POSITIONS_BURST}"
            yield POSITIONS_RATE.broken(said.at, what, said)
        if not story.anybody_speaks(said.at) and self._due(POSITIONS_IDLE, said.at):
            yield POSITIONS_IDLE.broken(said.at, "positions were sent while nobody spoke", said)

    def _due(self, rule: Rule, at: float) -> bool:
        if at - self._blamed.get(rule.name, -_AGAIN_S) < _AGAIN_S:
            return False
        self._blamed[rule.name] = at
        return True
