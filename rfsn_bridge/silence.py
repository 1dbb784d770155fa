"""Takes the silence around the speech off an engine's audio, as it comes."""

QUIET = 60.0
"""Below this root mean square (of 32,767) ten milliseconds are silent: some 55 dB under full scale."""
BEFORE_MS = 20
AFTER_MS = 60
LONGEST_MS = 2_000
"""A pause within the speech is cut to this, so that what is held back stays small."""


class Trimmer:
    """Feed it mono 16-bit PCM in pieces of any size; it gives back what is to be heard, a moment later."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._frame = 2 * max(1, sample_rate // 100)
        self._rest = self._held = b""
        self._begun = False
        self._skipped = 0

    @property
    def skipped_ms(self) -> int:
        """How much silence was left out before the first sound."""
        return round(1000 * self._skipped / 2 / self._rate)

    def feed(self, pcm: bytes) -> bytes:
        import numpy as np

        data = self._rest + pcm
        whole = len(data) // self._frame * self._frame
        self._rest = data[whole:]
        frames = np.frombuffer(data[:whole], "<i2").reshape(-1, self._frame // 2).astype(np.float32)
        loud = np.flatnonzero(np.square(frames).mean(axis=1) > QUIET**2)
        before = len(self._held)
        held = self._held + data[:whole]
        if not len(loud):
            self._hold(held)
            return b""
        start = 0
        if not self._begun:
            start = max(0, before + int(loud[0]) * self._frame - self._bytes(BEFORE_MS))
            self._skipped += start
            self._begun = True
        end = before + (int(loud[-1]) + 1) * self._frame
        self._held = held[end:][: self._bytes(LONGEST_MS)]
        return held[start:end]

    def flush(self) -> bytes:
        """The last of it, with a little of the silence after it so that it does not end abruptly."""
        if not self._begun:
            return b""
        rest = self._rest[: len(self._rest) // 2 * 2]
        return (self._held + rest)[: self._bytes(AFTER_MS)]

    def _hold(self, held: bytes) -> None:
        if self._begun:
            self._held = held[: self._bytes(LONGEST_MS)]
            return
        kept = self._bytes(BEFORE_MS)
        self._skipped += max(0, len(held) - kept)
        self._held = held[-kept:]

    def _bytes(self, milliseconds: int) -> int:
        return 2 * (self._rate * milliseconds // 1000)
