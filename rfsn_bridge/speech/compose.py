"""From a turn's sentences to what the voice is given at a time: tiny ones together, long ones in pieces.

A *passage* is what one `audio` message tells of: one sentence, or a few tiny ones. It is said in one *piece* or in
several, whose sound is one. No clock here: how much speech is still to be played is passed in.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rfsn_bridge.speech.pacing import Pace

_TINY = 12
"""Characters: a sentence as short as this is spoken with the next one, where that can be waited for."""
_TOGETHER = 120
_PAUSE_S = 0.22
_CLAUSE_PAUSE_S = 0.05
_SPARE_S = 0.4
"""Of speech that must be left where a tiny sentence waits for company."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What the voice says at a time, of the passage `seq` to `through_seq`."""

    text: str
    phonemes: Mapping[str, str]
    seq: int
    through_seq: int
    opens: bool
    """It begins its passage."""
    closes: bool
    """It ends its passage."""
    pause_s: float
    """Of silence that follows it."""
    ends_sentence: bool = True
    """Its passage ends with a sentence, and not with the first clause of one."""
    rest: str = ""
    """What of the passage is said after it."""


@dataclass(slots=True)
class _Waiting:
    seq: int
    text: str
    phonemes: Mapping[str, str]
    ends_sentence: bool


@dataclass(slots=True)
class Composer:
    """Takes spoken sentences in order, gives pieces in order."""

    _waiting: deque[_Waiting] = field(default_factory=deque)
    _rest: _Waiting | None = None
    """What is left of the passage under way; its `seq` is the passage's last."""
    _opened: int = 0
    """The first sentence of the passage under way."""
    _sounded: bool = False
    _ended: bool = False
    _last: int | None = None
    """The last sentence that is wanted."""

    def add(self, seq: int, text: str, phonemes: Mapping[str, str], *, ends_sentence: bool = True) -> None:
        """A sentence as it is to be spoken, not empty."""
        if self._last is None or seq <= self._last:
            self._waiting.append(_Waiting(seq, text, phonemes, ends_sentence))

    def end(self) -> None:
        """No sentence follows."""
        self._ended = True

    def cut(self, last: int) -> None:
        """Nothing follows the sentence `last`, which may still come."""
        while self._waiting and self._waiting[-1].seq > last:
            self._waiting.pop()
        self._last = last

    @property
    def waiting(self) -> int:
        """The characters of the next sentence that nothing was taken of; 0: it is not there yet."""
        return len(self._waiting[0].text) if self._waiting else 0

    @property
    def done(self) -> bool:
        return self._ended and not self._waiting and self._rest is None

    def take(self, left_s: float, pace: Pace, *, whole: bool = False) -> Piece | None:
        """The next piece, while `left_s` of speech are still to be played; None: wait for more text, or `done`.

        `whole`: sentences are not cut.
        """
        opens = self._rest is None
        passage = self._passage(left_s, pace) if self._rest is None else self._rest
        if passage is None:
            return None
        cut = pace.next(passage.text, left_s) if self._sounded else pace.first(passage.text)
        end = 0 if whole else cut
        self._sounded = True
        head, tail = (passage.text[:end].strip(), passage.text[end:].strip()) if end else (passage.text, "")
        if tail:
            self._rest = _Waiting(passage.seq, tail, passage.phonemes, passage.ends_sentence)
            pause_s = 0.0
        else:
            self._rest = None
            pause_s = _PAUSE_S if passage.ends_sentence else _CLAUSE_PAUSE_S
        return Piece(
            head,
            passage.phonemes,
            self._opened,
            passage.seq,
            opens,
            not tail,
            pause_s,
            passage.ends_sentence,
            tail,
        )

    def _passage(self, left_s: float, pace: Pace) -> _Waiting | None:
        """The next sentence, with those that are spoken with it."""
        if not self._waiting:
            return None
        texts = [self._waiting[0].text]
        together = len(texts[0])
        while together <= _TINY and len(texts) < len(self._waiting):
            text = self._waiting[len(texts)].text
            if together + len(text) > _TOGETHER:
                break
            texts.append(text)
            together += 1 + len(text)
        all_tiny = together <= _TINY and len(texts) == len(self._waiting)
        if all_tiny and not self._ended and left_s > pace.work_s(together) + _SPARE_S:
            return None  # another may come that it can be spoken with
        taken = [self._waiting.popleft() for _ in texts]
        self._opened = taken[0].seq
        phonemes = {word: sound for each in taken for word, sound in each.phonemes.items()}
        return _Waiting(taken[-1].seq, " ".join(texts), phonemes, taken[-1].ends_sentence)
