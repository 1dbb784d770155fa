"""What becomes of a lost connection: the adapter comes back, takes up its session, or begins anew in full."""

from collections.abc import Iterator

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Closed, Event, Json, Opened, Polled, Said, Told, mapping

_CAN_BE_UNDER_WAY = 32
"""Messages that were written to a connection as it broke may never have arrived."""
_CROSSING_S = 0.5
"""So long two requests may cross."""

NO_RETURN = Rule(
    "no-return", "error", "connect again when the connection is lost: at once, then after 0.5 s, 1 s ..."
)
NO_RESUME = Rule("no-resume", "warning", "identify with `resume: {session_id, last_n}` after a lost connection")
RESUME_AHEAD = Rule("resume-ahead", "error", "give as `last_n` the last `n` that arrived")
RESUME_BEHIND = Rule(
    "resume-behind", "warning", "give as `last_n` the last `n` that arrived: older ones come again"
)
FORGOT_WORLD = Rule(
    "forgot-world",
    "error",
    "after `resumed: false`, tell everything again: npc_update, actions_register, game_started or save_loaded",
)
POLL_AFTER = Rule("poll-after", "error", "poll with `after` set to the last `n` that arrived: it acknowledges")

_TOLD_AGAIN = ("npc_update", "actions_register", "game_started")
_STANDS_FOR = {"game_started": {"game_started", "save_loaded"}}


class Reconnect:
    """Coming back."""

    rules = (NO_RETURN, NO_RESUME, RESUME_AHEAD, RESUME_BEHIND, FORGOT_WORLD, POLL_AFTER)

    def __init__(self) -> None:
        self._cut: Closed | None = None
        self._delivered: dict[int, list[tuple[float, int]]] = {}
        """When each `n` of a link was handed over, from the last that a poll was compared with."""

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        match event:
            case Closed(by="test"):
                self._cut = event
            case Opened():
                self._cut = None
            case Told():
                n = int(event.message.get("n") or 0)
                self._delivered.setdefault(event.link, []).append((event.at, n))
            case Polled():
                self._cut = None
                had = self._surely_had(event)
                if event.after < had:
                    yield POLL_AFTER.broken(event.at, f"it polls after {event.after}, but had {had} already")
            case Said():
                self._cut = None
                again = bool(story.sessions) and event.link not in story.identifies
                if event.kind == "identify" and event.message is not None and again:
                    yield from self._resumes(event, event.message, story)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        if self._cut:
            yield NO_RETURN.broken(self._cut.at, "the connection was cut, and the adapter did not come back")
        if len(story.sessions) < 2:
            return
        for kind in _TOLD_AGAIN:
            if kind in story.kinds_before and not story.kinds & _STANDS_FOR.get(kind, {kind}):
                yield FORGOT_WORLD.broken(at, f"the session is new, and {kind} was not sent in it")

    def _surely_had(self, poll: Polled) -> int:
        """The last `n` that arrived before this poll was sent; what came since may have crossed it on its way."""
        delivered = self._delivered.get(poll.link, [])
        had = max((n for at, n in delivered if at < poll.at - _CROSSING_S), default=0)
        newer = [each for each in delivered if each[0] >= poll.at - _CROSSING_S]
        self._delivered[poll.link] = [(poll.at - 2 * _CROSSING_S, min(had, poll.after)), *newer]
        return had

    @staticmethod
    def _resumes(said: Said, identify: Json, story: Story) -> Iterator[Finding]:
        resume = mapping(identify.get("resume"))
        if not resume:
            yield NO_RESUME.broken(said.at, "it came back without `resume`", said)
            return
        if resume.get("session_id") != story.sessions[-1]:
            yield NO_RESUME.broken(said.at, f"it resumes {resume.get('session_id')!r}, not its last session", said)
            return
        last_n = resume.get("last_n")
        if not isinstance(last_n, int):
            return
        if last_n > story.last_n:
            what = f"it resumes after {last_n}, but only {story.last_n} messages were sent"
            yield RESUME_AHEAD.broken(said.at, what, said)
        elif last_n < story.last_n - _CAN_BE_UNDER_WAY or (last_n == 0 and story.last_n > 1):
            what = f"it resumes after {last_n}, though {story.last_n} messages were sent"
            yield RESUME_BEHIND.broken(said.at, what, said)
