"""Whether an engine keeps up with its own speech, told from how long its latest utterances took."""

from collections import deque

UTTERANCES = 3
SLOW = 1.0
STEADY = 0.8


class Strain:
    """Slow is who took longer than the speech lasts, over three utterances; steady again who needs 0.8 of it.

    Long utterances count for more: a short one costs nearly the same work, and says little.
    """

    def __init__(self) -> None:
        self.slow = False
        self._latest: deque[tuple[float, float]] = deque(maxlen=UTTERANCES)

    @property
    def factor(self) -> float:
        """Seconds of work for a second of speech, of the latest utterances together; 0 if there are none."""
        audio_s = sum(audio_s for _, audio_s in self._latest)
        return sum(busy_s for busy_s, _ in self._latest) / audio_s if audio_s else 0.0

    def add(self, busy_s: float, audio_s: float) -> bool:
        """Count an utterance; returns whether `slow` has changed."""
        self._latest.append((busy_s, audio_s))
        if len(self._latest) < UTTERANCES:
            return False
        before = self.slow
        self.slow = self.factor > (STEADY if self.slow else SLOW)
        return self.slow != before

    def forget(self) -> None:
        """Begin anew, as steady."""
        self.slow = False
        self._latest.clear()
