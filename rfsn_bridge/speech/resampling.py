"""From the voice's sample rate to the device's: windowed sinc, piece by piece, as if it had come in one."""

from math import gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_REACH = 12
"""Samples on each side of where one is made."""
_BETA = 8.0
_PASSED = 0.95
"""Of the band that both rates have."""
_BATCH = 4096


class Resampler:
    """Mono. What comes out is as long as what went in, to the sample: `ceil(samples * target / source)`."""

    def __init__(self, source: int, target: int) -> None:
        shared = gcd(source, target)
        self._up, self._down = target // shared, source // shared
        self._taps = _taps(self._up, min(1.0, target / source)) if self._up != self._down else None
        self._held: Samples = np.zeros(_REACH - 1, np.float32)
        self._held_from = -(_REACH - 1)
        """Where in the source the first held sample lies."""
        self._made = 0

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """What can be made so far; with `last`, all of it."""
        if self._taps is None:
            return samples
        held = np.concatenate((self._held, samples, np.zeros(_REACH if last else 0, np.float32)))
        # An output at t needs the source up to floor(t) + _REACH.
        whole = self._held_from + len(held) - _REACH
        until = -(-whole * self._up // self._down) if whole > 0 else 0
        made = np.empty(max(0, until - self._made), np.float32)
        if len(made):
            windows = sliding_window_view(held, 2 * _REACH)
            for at in range(0, len(made), _BATCH):
                places = np.arange(self._made + at, min(self._made + at + _BATCH, until)) * self._down
                first = places // self._up - (_REACH - 1) - self._held_from
                rows = np.einsum("ij,ij->i", windows[first], self._taps[places % self._up])
                made[at : at + _BATCH] = rows
            self._made = until
        used = self._made * self._down // self._up - (_REACH - 1) - self._held_from
        if used > 0:
            held = held[used:]
            self._held_from += used
        self._held = held.copy()
        return made


def _taps(phases: int, band: float) -> Samples:
    """The filter for each place between two samples; each row passes a constant unchanged."""
    offsets = np.arange(-_REACH + 1, _REACH + 1)[None, :] - np.arange(phases)[:, None] / phases
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (offsets / _REACH) ** 2, 0, None))) / np.i0(_BETA)
    taps = np.sinc(offsets * band * _PASSED) * window
    level: Samples = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return level
