"""What was heard of a turn: the one thing that is remembered of it.

A client that sends reports is believed. Without reports, a sentence is heard while its playing time passes, one
after the other from when its speech was sent. Without speech, a sentence is heard when it is shown. Times are
seconds of playing time, passed in.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

_CHARACTERS_PER_S = 17.2
"""How fast Kokoro speaks English at speed 1; stands in for a duration that is not known yet."""
_WORD = re.compile(r"\S+")
_REPORT_GRACE_S = 10.0
_LATE_S = 1.0
"""How late a report may be before a sentence that should be over counts as over."""
_ABORT_GRACE_S = 2.0


class PlayingTime:
    """A clock in seconds that stands still while the game is paused: nothing is heard then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._paused_at: float | None = None
        self._lost = 0.0

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    def __call__(self) -> float:
        return (self._clock() if self._paused_at is None else self._paused_at) - self._lost

    def pause(self, *, paused: bool) -> None:
        """Stop, or go on; neither is done twice."""
        if paused and self._paused_at is None:
            self._paused_at = self._clock()
        elif not paused and self._paused_at is not None:
            self._lost += self._clock() - self._paused_at
            self._paused_at = None


class Hearing(Enum):
    """How it is known what was heard."""

    SHOWN = "shown"
    PLAYED = "played"
    REPORTED = "reported"


@dataclass(slots=True)
class _Said:
    """A sentence (with the white space before it) and what is known of its speech."""

    text: str
    spoken: bool = False
    """Its speech was announced (with that of an earlier sentence, for one that follows within `through_seq`)."""
    sent_at: float | None = None
    duration_s: float | None = None
    started_at: float | None = None
    heard: float = 0.0
    """The part that was heard, in [0, 1]."""
    dropped: bool = False
    """It was shown instead of spoken; what became of its sound no longer counts."""
    settled: bool = False
    """Nothing more will be known of it."""

    @property
    def length_s(self) -> float:
        return self.duration_s or max(0.1, len(self.text) / _CHARACTERS_PER_S)


class Heard:
    """Gathers, for one turn, what was said and what of it was heard."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._said: list[_Said] = []
        self._through: dict[int, int] = {}
        self._words: dict[int, list[int]] = {}
        """When the words of an utterance end, in milliseconds, where its voice knows that."""
        self._finished_at: float | None = None
        self._interrupted = False

    # --- What happens

    def shown(self, text: str) -> None:
        """A sentence went out, in order; `text` keeps the white space that stood before it."""
        shown_is_heard = self._hearing is Hearing.SHOWN
        self._said.append(_Said(text, heard=float(shown_is_heard), settled=shown_is_heard))

    def speech_sent(self, seq: int, through_seq: int, now: float) -> None:
        self._through[seq] = through_seq
        for said in self._said[seq : through_seq + 1]:
            said.spoken = True
            said.sent_at = now

    def speech_complete(self, seq: int, duration_ms: int) -> None:
        """The whole of an utterance was sent; its length is shared out by characters."""
        covered = self._covered(seq)
        characters = sum(len(said.text) for said in covered) or 1
        for said in covered:
            said.duration_s = duration_ms / 1000 * len(said.text) / characters

    def speech_words(self, seq: int, ends_ms: Sequence[int]) -> None:
        """When more words of an utterance end."""
        self._words.setdefault(seq, []).extend(ends_ms)

    def speech_dropped(self, seq: int) -> None:
        """A sentence stays unspoken, but it was shown."""
        for said in self._covered(seq):
            said.heard, said.dropped, said.settled = 1.0, True, True

    def unspoken(self, seq: int) -> range:
        """The sentences of an utterance, if nothing of it was ever begun or dropped."""
        covered = self._covered(seq)
        begun = any(said.dropped or said.started_at is not None for said in covered)
        return range(seq, seq if begun else seq + len(covered))

    def report(self, seq: int, status: str, heard_ms: int | None, now: float) -> bool:
        """A `speech_report`; False if there is no such sentence."""
        covered = self._covered(seq)
        if not covered:
            return False
        if self._hearing is not Hearing.REPORTED or covered[0].dropped:
            return True
        if status == "started":
            for said in covered:
                said.started_at = now
        elif status == "ended":
            for said in covered:
                said.heard, said.settled = 1.0, True
        else:
            started = covered[0].started_at
            elapsed = heard_ms / 1000 if heard_ms is not None else (now - started if started is not None else 0.0)
            self._pour(seq, covered, elapsed)
            for said in covered:
                said.settled = True
        return True

    def finished(self, now: float, *, interrupted: bool) -> float:
        """Production has ended; the time when to stop waiting for what is still unknown.

        After an interruption the client is silent, whatever was sent.
        """
        self._finished_at = now
        self._interrupted = interrupted
        if self._hearing is Hearing.PLAYED:
            self._play_until(now)
        for said in self._said:
            if not said.spoken and not said.settled:
                # Never spoken: interrupted before its speech, or the voice gave nothing for it.
                said.heard, said.settled = (0.0 if interrupted else 1.0), True
            elif interrupted and self._hearing is Hearing.PLAYED:
                said.settled = True
        if interrupted:
            return now + _ABORT_GRACE_S
        unheard = sum(said.length_s * (1 - said.heard) for said in self._said if not said.settled)
        return now + unheard + (_REPORT_GRACE_S if self._hearing is Hearing.REPORTED else 0.0)

    def abandon(self, now: float) -> None:
        """Nobody will report any more: what is known now is all."""
        self.finished(now, interrupted=True)
        for said in self._said:
            if not said.settled and said.started_at is not None:
                said.heard = min(1.0, (now - said.started_at) / said.length_s)
            said.settled = True

    # --- What is known

    @property
    def settled(self) -> bool:
        return self._finished_at is not None and all(said.settled for said in self._said)

    def sounding(self, now: float) -> tuple[int, float] | None:
        """The sentence that is being heard, and for how many seconds yet at most; None: there is none."""
        if self._hearing is Hearing.PLAYED:
            self._play_until(now)
        for seq, said in enumerate(self._said):
            if said.settled or said.sent_at is None or self._hearing is Hearing.SHOWN:
                continue
            if self._hearing is Hearing.PLAYED and said.heard < 1:
                return seq, said.length_s * (1 - said.heard)
            if self._hearing is Hearing.REPORTED:
                begun_at = said.sent_at if said.started_at is None else said.started_at
                left_s = begun_at + said.length_s + _LATE_S - now
                if left_s > 0:
                    return seq, left_s
        return None

    def has_ended(self, seq: int) -> bool:
        """Whether a sentence was heard to its end, or will not be."""
        return seq < len(self._said) and (self._said[seq].settled or self._said[seq].heard >= 1)

    @property
    def quiet(self) -> bool:
        """Whether nothing that was sent is still to be heard."""
        return all(said.settled for said in self._said if said.sent_at is not None)

    def so_far(self, now: float) -> str:
        """The best guess of what has been heard by now, without changing what is known."""
        heard = [(said.text, said.heard) for said in self._said]
        if self._hearing is Hearing.REPORTED:
            for index, said in enumerate(self._said):
                if not said.settled and said.started_at is not None:
                    heard[index] = (said.text, min(1.0, (now - said.started_at) / said.length_s))
        elif self._hearing is Hearing.PLAYED and self._finished_at is None:
            self._play_until(now)
            heard = [(said.text, said.heard) for said in self._said]
        return _joined(heard)

    def result(self, now: float) -> tuple[str, int]:
        """The text that was heard and the last sentence of which anything was (-1: none)."""
        if self._hearing is Hearing.PLAYED and not self._interrupted:
            self._play_until(now)
        elif self._hearing is Hearing.REPORTED and self._interrupted and self._finished_at is not None:
            for said in self._said:
                if not said.settled and said.started_at is not None:
                    said.heard = min(1.0, (self._finished_at - said.started_at) / said.length_s)
        text = _joined([(said.text, said.heard) for said in self._said])
        through = max(
            (seq for seq, said in enumerate(self._said) if _cut(said.text, said.heard).strip()), default=-1
        )
        return text, through

    # --- How

    def _covered(self, seq: int) -> list[_Said]:
        return self._said[seq : self._through.get(seq, seq) + 1]

    def _pour(self, seq: int, covered: list[_Said], elapsed_s: float) -> None:
        """So much of an utterance was heard: whole words by its voice's timings, or else by its length."""
        if ends_ms := self._words.get(seq):
            heard = bisect_right(ends_ms, elapsed_s * 1000) / len(ends_ms)
            words = round(heard * sum(len(said.text.split()) for said in covered))
            for said in covered:
                said.heard = _after_words(said.text, words)
                words -= len(said.text.split())
            return
        for said in covered:
            said.heard = min(1.0, max(0.0, elapsed_s / said.length_s))
            elapsed_s -= said.length_s

    def _play_until(self, now: float) -> None:
        """Without reports: sentences play one after the other, each from when it was sent at the earliest."""
        free_at = 0.0
        for said in self._said:
            if said.sent_at is None or said.settled:
                continue
            begins = max(said.sent_at, free_at)
            free_at = begins + said.length_s
            said.heard = min(1.0, max(0.0, (now - begins) / said.length_s))


def _after_words(text: str, count: int) -> float:
    """The part of a text that its first words are."""
    ends = [found.end() for found in _WORD.finditer(text)]
    if count >= len(ends):
        return 1.0
    return (ends[count - 1] + 0.5) / len(text) if count > 0 else 0.0


def _joined(pieces: list[tuple[str, float]]) -> str:
    return "".join(_cut(text, heard) for text, heard in pieces).strip()


def _cut(text: str, heard: float) -> str:
    """The words of `text` that were whole within its first `heard` part; single characters where no words are."""
    if heard >= 1:
        return text
    end = int(len(text) * heard)
    head = text[:end]
    if end < len(text) and not text[end].isspace() and text[end].isascii():
        head = head[: max((i for i, c in enumerate(head) if c.isspace()), default=0)]
    return head
