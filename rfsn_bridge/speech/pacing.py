"""How much to say at a time, so that the first sound comes at once and the sound never runs dry.

An utterance costs `rtf` seconds of work for each second of speech, measured live. While earlier speech is playing,
the next utterance is made as long as can be ready in time; a sentence that is too long for that is cut where a
speaker would breathe. Pure: characters and seconds, no clock.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CHARACTERS_PER_S = 17.2
"""How fast Kokoro speaks English at speed 1."""
OVERHEAD_S = 0.15
"""Of silence that is rendered around an utterance, whatever its length."""
USUAL_RTF = 0.35
"""Until it is measured."""

_SAFETY = 0.8
"""The part of the time until the sound runs dry that the next utterance may be expected to take."""
_SHORTEST = 12
"""Characters: less is a gasp, not a clause."""
_LEAD = 42
"""Characters of the first clause at least, at a real-time factor of 1: it must last until the next is ready."""
_WORTH_S = 0.15
"""Less is not worth a cut."""
_PIECE = 30
"""Characters of a short next piece."""
_GAP_INSIDE_S = 0.05
_GAP_S = 0.45
"""Between two sentences: a speaker takes a breath."""
_TOO_SLOW = 0.75
"""From this real-time factor on, a cut costs more than it gains."""

# Where a speaker may breathe: after a mark; failing that, before a word that begins a phrase.
_MARK = re.compile(r"(?:[,;:]|\s[—–-]|—|…|\.\.\.)\s+|[，、；：]")
_JOINT = re.compile(
    r"\s(?=(?:and|but|or|nor|so|yet|because|if|when|while|where|who|which|that|than|before|after|until|unless|"
    r"though|although|since|as|for|from|with|without|into|through|between|about|against|to|in|on|at|by)\s)",
    re.IGNORECASE,
)
_INSIDE = frozenset('"“”«»()[]*_~')
_ENOUGH_WORDS = 6
_LONG = 60
"""Characters without a mark."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of the voice now: `rtf` seconds of work for a second of speech at `speed`."""

    rtf: float = USUAL_RTF
    speed: float = 1.0

    def speech_s(self, characters: int) -> float:
        return characters / (CHARACTERS_PER_S * self.speed)

    def work_s(self, characters: int) -> float:
        return self.rtf * (OVERHEAD_S + self.speech_s(characters))

    def in_time(self, left_s: float) -> int:
        """The characters that can be ready before `left_s` of speech have been played."""
        return int((_SAFETY * left_s / self.rtf - OVERHEAD_S) * CHARACTERS_PER_S * self.speed)

    def first(self, text: str, unwritten_s: float = 0.0) -> int:
        """How much of the first sentence to say by itself; 0: nothing. `unwritten_s`: until all of it is there."""
        if self.rtf >= _TOO_SLOW:
            return 0
        least = max(_SHORTEST, int(_LEAD * self.rtf))
        places = breaths(text, 0 if unwritten_s else _SHORTEST)
        needed = self._needed(places, len(text))
        for place in places:
            if place < least or (not unwritten_s and self.speech_s(place) < needed[place]):
                continue
            gained_s = unwritten_s + self.work_s(len(text)) - self.work_s(place)
            return place if gained_s >= _WORTH_S else 0
        return 0

    def next(self, text: str, left_s: float) -> int:
        """How much of `text` to say next, while `left_s` of speech are still to be played; 0: all of it.

        Rather a gap before a sentence than one inside it.
        """
        most = self.in_time(left_s)
        if len(text) <= most:
            return 0
        places = breaths(text)
        needed = self._needed(places, len(text))
        for place in [*(p for p in reversed(places) if p <= most), *(p for p in places if p > most)]:
            if max(0.0, left_s - self.work_s(place)) + self.speech_s(place) >= needed[place]:
                return place
        return 0

    def _needed(self, places: Sequence[int], end: int) -> Mapping[int, float]:
        """How much sound must be left at each place, so that no gap comes from there to the sentence's end."""
        needed = {end: 0.0}
        for place in reversed(places):
            needed[place] = min(
                self.work_s(after - place) + max(-_GAP_INSIDE_S, later - self.speech_s(after - place))
                for after, later in needed.items()
            )
        return needed

    def hold_s(self, speech_s: float, unwritten_s: float, characters: int, *, inside: bool) -> float:
        """How long to keep the first `speech_s` of sound back, so that the next is ready before it was played.

        What is said next is written in `unwritten_s`, and has about `characters`; `inside` the same sentence there
        must be no gap.
        """
        gap_s = _GAP_INSIDE_S if inside else _GAP_S
        return max(0.0, unwritten_s + self.work_s(characters) - speech_s - gap_s)


def piece_of(characters: int) -> int:
    """How much of text that is not ordered yet is about said at a time while little sound is left."""
    return min(characters, _PIECE)


def breaths(text: str, rest: int = _SHORTEST) -> list[int]:
    """The places to breathe in `text`, in order: behind marks, or in long stretches without one before a phrase.

    Never inside quotation marks, brackets or markup, which belong together; `rest` characters are left at least.
    """
    closed = next((at for at, character in enumerate(text) if character in _INSIDE), len(text))
    most = min(closed, len(text) - rest)
    marks = [place for found in _MARK.finditer(text) if _SHORTEST <= (place := found.end()) <= most]
    if not marks or marks[0] > _LONG:
        marks += [
            place
            for found in _JOINT.finditer(text)
            if _SHORTEST <= (place := found.end()) <= most and text.count(" ", 0, place) >= _ENOUGH_WORDS
        ]
    return sorted(marks)
