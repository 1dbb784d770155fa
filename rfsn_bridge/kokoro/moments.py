"""When words and phonemes sound, from the frames that the model gave each token."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate

from rfsn_bridge.domain import WordTiming
from rfsn_bridge.kokoro.reading import Word, is_sound

FRAME_MS = 25
"""600 samples at 24 kHz, at any speed."""


class Moments:
    """Of one inference: `durations` are those of the leading pad, of each of `phonemes`, and of the last pad.

    `cut_ms` of silence were trimmed from its start, and `length_ms` are left that are not silent; it begins at
    `offset_ms` in the utterance.
    """

    def __init__(
        self, phonemes: str, durations: Sequence[float], *, cut_ms: float, length_ms: float, offset_ms: float
    ) -> None:
        self._phonemes = phonemes
        self._edges = [FRAME_MS * frames - cut_ms for frames in accumulate(durations)]
        self._length_ms = length_ms
        self._offset_ms = offset_ms

    def words(self, words: Sequence[Word]) -> list[WordTiming]:
        """Of words whose places count in `phonemes`."""
        timings: list[WordTiming] = []
        for word in words:
            loud = [place for place in range(word.start, word.end) if is_sound(self._phonemes[place])]
            if loud:
                timings.append(self._timing(word.text, word.start, self._after(loud[-1])))
        return timings

    def phonemes(self) -> list[WordTiming]:
        """Each sound with its length mark, from the stress mark before it on."""
        timings: list[WordTiming] = []
        start: int | None = None
        for place, phoneme in enumerate(self._phonemes):
            if phoneme in "ˈˌ":
                start = place if start is None else start
            elif is_sound(phoneme):
                after = self._after(place)
                timings.append(self._timing(self._phonemes[place:after], place if start is None else start, after))
                start = None
            elif not _is_mark(phoneme):
                start = None
        return timings

    def _after(self, place: int) -> int:
        """Past a sound and the marks that belong to it."""
        place += 1
        while place < len(self._phonemes) and _is_mark(self._phonemes[place]):
            place += 1
        return place

    def _timing(self, text: str, start: int, end: int) -> WordTiming:
        return WordTiming(text, self._moment(start), self._moment(end))

    def _moment(self, place: int) -> int:
        return round(self._offset_ms + min(max(self._edges[place], 0.0), self._length_ms))


def _is_mark(phoneme: str) -> bool:
    return phoneme not in "ˈˌ" and unicodedata.category(phoneme) in ("Lm", "Mn", "Sk")
