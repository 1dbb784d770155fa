"""`speech_report`: what was really played, in order, once."""

from collections.abc import Iterator
from dataclasses import dataclass

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story, TurnSeen, Unit
from rfsn_bridge.adapter_test.tape import Event, Said

_ABORT_S = 2.0
"""So soon after an interruption the turn is recorded."""
_CROSSING_S = 1.0
"""What is said so soon after an interruption was said before it was known of."""
_CLOCK_MS = 300
"""By so much two clocks may differ."""
_PATIENCE_S = 2.0

UNDECLARED = Rule("report-undeclared", "warning", "identify with `capabilities.reports: true` to be listened to")
UNKNOWN = Rule("report-unknown", "error", "report only what was sent, by the `turn_id` and `seq` of its message")
ORDER = Rule("report-order", "error", "report `started` before `ended` or `aborted`")
TWICE = Rule("report-twice", "error", "report each start and each end once; a resent report keeps its `id`")
MISSING = Rule(
    "report-missing", "error", "report everything that was played: `started`, then `ended` or `aborted`"
)
HEARD = Rule("heard-ms", "error", "tell as `heard_ms` the milliseconds that were really played")
TOO_SOON = Rule("report-too-soon", "warning", "report `ended` when it has been played, not when it has arrived")
AFTER_INTERRUPT = Rule(
    "talks-on", "error", "on `turn_finished` with `interrupted`, stop and report `aborted`: at once"
)
NO_HEARD = Rule(
    "no-heard-ms", "warning", "tell `heard_ms` with `aborted`: only words that were heard are remembered"
)


@dataclass(slots=True)
class _Played:
    """What was reported of one unit."""

    started: Said | None = None
    over: Said | None = None


class Reports:
    """Started, then over, for each unit."""

    rules = (UNDECLARED, UNKNOWN, ORDER, TWICE, MISSING, HEARD, TOO_SOON, AFTER_INTERRUPT, NO_HEARD)

    def __init__(self) -> None:
        self._played: dict[tuple[str, int], _Played] = {}
        self._told_undeclared = False

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if not isinstance(event, Said) or event.kind != "speech_report" or event.message is None or event.repeat:
            return
        if story.audio == "daemon":
            return  # placing.py has a word for it
        if not story.can("reports"):
            if not self._told_undeclared:
                self._told_undeclared = True
                yield UNDECLARED.broken(event.at, "it reports, but did not say that it would", event)
            return
        turn = story.turns.get(str(event.message.get("turn_id")))
        seq = event.message.get("seq")
        if turn is None or not isinstance(seq, int):
            yield UNKNOWN.broken(event.at, f"there is no turn {event.message.get('turn_id')!r}", event)
            return
        unit = story.units(turn).get(seq)
        if unit is None:
            if seq not in turn.dropped:
                yield UNKNOWN.broken(event.at, f"turn {turn.turn_id} plays nothing that begins with {seq}", event)
            return
        played = self._played.setdefault((turn.turn_id, seq), _Played())
        if event.message.get("status") == "started":
            yield from self._started(event, played, turn, story.playing(event.at))
        else:
            yield from self._over(event, played, turn, unit, story.playing(event.at))

    @staticmethod
    def _started(said: Said, played: _Played, turn: TurnSeen, now: float) -> Iterator[Finding]:
        before = played.over or played.started
        if before and before.link == said.link:
            yield TWICE.broken(said.at, _name(said, turn, "was started before"), said)
        elif before is None and turn.status == "interrupted" and now - (turn.finished_at or now) > _CROSSING_S:
            yield AFTER_INTERRUPT.broken(said.at, _name(said, turn, "was started after the interruption"), said)
        played.started = played.started or said

    @staticmethod
    def _over(said: Said, played: _Played, turn: TurnSeen, unit: Unit, now: float) -> Iterator[Finding]:
        if played.over:
            if played.over.link == said.link:
                yield TWICE.broken(said.at, _name(said, turn, "was reported over before"), said)
            return
        played.over = said
        message = said.message or {}
        heard, aborted = message.get("heard_ms"), message.get("status") == "aborted"
        if played.started is None:
            yield ORDER.broken(said.at, _name(said, turn, f"is {message.get('status')}, but never started"), said)
        late = turn.finished_at is not None and now - turn.finished_at > _ABORT_S
        if turn.status == "interrupted" and late:
            yield AFTER_INTERRUPT.broken(said.at, _name(said, turn, "went on after the interruption"), said)
        if aborted and heard is None:
            yield NO_HEARD.broken(said.at, _name(said, turn, "was aborted, and nobody knows where"), said)
        elapsed = (said.at - played.started.at) * 1000 if played.started else None
        if isinstance(heard, int):
            if unit.duration_ms and heard > 1.1 * unit.duration_ms + _CLOCK_MS:
                what = _name(said, turn, f"was heard for {heard} ms, but lasts {unit.duration_ms}")
                yield HEARD.broken(said.at, what, said)
            elif elapsed is not None and heard > 1.1 * elapsed + 2 * _CLOCK_MS:
                what = _name(said, turn, f"was heard for {heard} ms within {elapsed:.0f} ms")
                yield HEARD.broken(said.at, what, said)
            elif not aborted and unit.duration_ms and heard < 0.5 * unit.duration_ms:
                what = _name(said, turn, f"ended after {heard} ms of {unit.duration_ms}")
                yield HEARD.broken(said.at, what, said)
        elif not aborted and elapsed is not None and elapsed < 0.5 * (unit.duration_ms or 0) - _CLOCK_MS:
            what = _name(said, turn, f"ended {elapsed:.0f} ms after its start, but lasts {unit.duration_ms}")
            yield TOO_SOON.broken(said.at, what, said)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        if not story.reports_are_due:
            return
        for turn in story.turns.values():
            for seq, unit in story.units(turn).items():
                played = self._played.get((turn.turn_id, seq), _Played())
                if played.over or not self._due(turn, played, unit, story.until(at)):
                    continue
                how = "started and never ended" if played.started else "not reported at all"
                yield MISSING.broken(at, f"sentence {seq} of turn {turn.turn_id} was {how}", played.started)

    @staticmethod
    def _due(turn: TurnSeen, played: _Played, unit: Unit, at: float) -> bool:
        """Whether its end should have come; what was not begun when a turn was interrupted needs none."""
        if turn.finished_at is None or not unit.complete:
            return False
        if turn.status == "interrupted":
            return played.started is not None and at - turn.finished_at > _ABORT_S
        length = sum(each.duration_ms or 0 for each in (turn.speech or turn.sentences).values()) / 1000
        return at - turn.finished_at > length + _PATIENCE_S


def _name(said: Said, turn: TurnSeen, what: str) -> str:
    return f"sentence {(said.message or {}).get('seq')} of turn {turn.turn_id} {what}"
