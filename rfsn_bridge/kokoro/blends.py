"""Voices by name, and mixed: "af_bella:0.6,bf_emma:0.4"."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rfsn_bridge import blend
from rfsn_bridge.errors import VoiceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNSPOKEN = {"j": "Japanese", "z": "Chinese"}  # Their phonemes do not come from espeak.


def parts(voice: str) -> tuple[tuple[str, float], ...]:
    """Names and weights, which sum to 1. Raise VoiceError for what is neither a name nor a blend."""
    try:
        return blend.parts(voice)
    except ValueError:
        hint = f"write it like af_bella:0.6,bf_emma:0.4: one to {blend.MAX_PARTS} voices, with weights above 0"
        raise VoiceError(f"{voice!r} is no blend of voices", hint) from None


class Voices:
    """The styles of an .npz file by name: what is not spoken here is refused, with the nearest names."""

    def __init__(self, styles: Mapping[str, NDArray[np.float32]]) -> None:
        self._styles = dict(styles)
        self.names: Sequence[str] = tuple(sorted(name for name in self._styles if name[:1] not in UNSPOKEN))
        self._blended: dict[str, NDArray[np.float32]] = {}

    def first(self, voice: str) -> str:
        """The name of a blend's first voice, whose language all of it speaks."""
        return parts(voice)[0][0]

    def style(self, voice: str, tokens: int) -> NDArray[np.float32]:
        """The style of an utterance of so many tokens, [1, 256]."""
        whole = self._blend(voice)
        style: NDArray[np.float32] = whole[min(tokens, len(whole)) - 1]
        return style

    def _blend(self, voice: str) -> NDArray[np.float32]:
        if voice in self._styles:
            self._check(voice)
            return self._styles[voice]
        if voice not in self._blended:
            import numpy as np

            mixed = parts(voice)
            for name, _ in mixed:
                self._check(name)
            styles = [self._styles[name] for name, _ in mixed]
            blended = np.tensordot([weight for _, weight in mixed], styles, axes=1).astype(np.float32)
            if len(self._blended) >= 64:
                self._blended.pop(next(iter(self._blended)))
            self._blended[voice] = blended
        return self._blended[voice]

    def _check(self, name: str) -> None:
        if name in self.names:
            return
        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.4) or self.names[:3]
        hint = f"the nearest are {', '.join(near)}"
        if name in self._styles:
            raise VoiceError(f"{name} speaks {UNSPOKEN[name[:1]]}, which kokoro cannot here", hint)
        raise VoiceError(f"kokoro has no voice {name}", hint)
