"""One utterance on its way to the loudspeaker: what came of it, how far it has sounded, where it ends."""

import numpy as np

from rfsn_bridge.speech.resampling import Resampler, Samples

FADE_S = 0.005


class Fades:
    """A rise and a fall, which keep a beginning or an end from clicking."""

    def __init__(self, rate: int) -> None:
        self.length = max(1, round(rate * FADE_S))
        self.rise: Samples = ((np.arange(self.length, dtype=np.float32) + 0.5) / self.length).astype(np.float32)
        self.fall: Samples = self.rise[::-1].copy()


class Clip:
    """Frames are of the device's rate; `read` is called by the callback, all else while it is kept out."""

    def __init__(self, turn: str, seq: int, source_rate: int, rate: int, pause_ms: int) -> None:
        self.turn, self.seq = turn, seq
        self.source_rate = source_rate
        self.resampler = Resampler(source_rate, rate)
        self._rate = rate
        self._fades = Fades(rate)
        self._pieces: list[Samples] = []
        self._piece = self._offset = 0
        self.given = 0
        self.heard = 0
        self.pause = pause_ms * rate // 1000
        """Silent frames before it."""
        self.end: int | None = None
        """The frame at which it ends, once that is known."""
        self.aborted = False
        self.started = False
        self.starved = 0
        """Frames that it was late by, since it last had something to sound."""
        self._risen_from = 0
        self._last = np.float32(0)
        self._fallen = self._fades.length
        """How much of the fall from the last sample is done, where the next samples are late."""
        self._words: list[int] = []

    @property
    def over(self) -> bool:
        return self.end is not None and self.heard >= self.end

    @property
    def ahead(self) -> int:
        return (self.given if self.end is None else min(self.end, self.given)) - self.heard

    def ms(self, frames: int) -> int:
        return frames * 1000 // self._rate

    @property
    def heard_ms(self) -> int:
        return self.ms(self.heard)

    def feed(self, samples: Samples, words_ms: list[int]) -> int:
        """Append what was resampled; how many frames it was late, 0 if it was in time."""
        self._words += [word * self._rate // 1000 for word in words_ms]
        if not len(samples):
            return 0
        self._pieces.append(samples)
        self.given += len(samples)
        late, self.starved = self.starved, 0
        if late:
            self._risen_from = self.heard
        return late

    def finish(self) -> None:
        if self.end is None:
            self.end = self.given

    def cut(self, within: int) -> None:
        """End where the first word ends within so many frames, else after them, and never later than so far."""
        soonest, latest = self.heard + self._fades.length, self.heard + max(within, self._fades.length)
        end = min((word for word in self._words if soonest <= word <= latest), default=latest)
        if self.end is None or end < self.end:
            self.end, self.aborted = end, True
        if not self.started or self.starved:
            self.end = self.heard

    def read(self, out: Samples, at: int) -> int:
        """Write its next frames into `out[at:]`; how many. Fewer than there is room for: it is over, or late."""
        began, first = at, self.heard
        until = len(out) if self.end is None else min(len(out), at + self.end - self.heard)
        while at < until and self._piece < len(self._pieces):
            piece = self._pieces[self._piece]
            count = min(until - at, len(piece) - self._offset)
            out[at : at + count] = piece[self._offset : self._offset + count]
            at += count
            self.heard += count
            self._offset += count
            if self._offset == len(piece):
                self._piece, self._offset = self._piece + 1, 0
        if at > began:
            self.started = True
            self._fallen = 0
            self._shape(out[began:at], first)
            self._last = out[at - 1]
        if at < until:
            self._starve(out, at)
        return at - began

    def _shape(self, samples: Samples, first: int) -> None:
        """Apply the rise after a silence, and the fall towards the end."""
        length = self._fades.length
        risen = first - self._risen_from
        if risen < length:
            count = min(len(samples), length - risen)
            np.multiply(samples[:count], self._fades.rise[risen : risen + count], out=samples[:count])
        if self.end is not None and (begins := self.end - length) < first + len(samples):
            skip = max(0, begins - first)
            done = max(0, first - begins)
            count = min(len(samples) - skip, length - done)
            falling = samples[skip : skip + count]
            np.multiply(falling, self._fades.fall[done : done + count], out=falling)

    def _starve(self, out: Samples, at: int) -> None:
        """Nothing is there to sound: fall from the last sample instead of stopping short."""
        if self.aborted:
            self.end = self.heard
        if self.started and self.end is None:
            self.starved += len(out) - at
        count = min(len(out) - at, self._fades.length - self._fallen)
        if count > 0:
            np.multiply(
                self._fades.fall[self._fallen : self._fallen + count], self._last, out=out[at : at + count]
            )
            self._fallen += count

    def retune(self, rate: int) -> None:
        """The device's rate is another from here on: convert what has not sounded."""
        left = self._pieces[self._piece :]
        if left:
            left[0] = left[0][self._offset :]
        rest = Resampler(self._rate, rate).feed(np.concatenate(left), last=True) if left else None
        self.heard = self.heard * rate // self._rate
        self.given = self.heard + (0 if rest is None else len(rest))
        if self.end is not None:
            self.end = self.given if not self.aborted else self.end * rate // self._rate
        self.pause = self.pause * rate // self._rate
        self._words = [word * rate // self._rate for word in self._words]
        self._pieces, self._piece, self._offset = [] if rest is None else [rest], 0, 0
        self.resampler = Resampler(self.source_rate, rate)
        self._rate, self._fades = rate, Fades(rate)
        self._risen_from, self._fallen, self.starved = self.heard, self._fades.length, 0
