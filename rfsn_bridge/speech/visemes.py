"""How the lips move while a sentence is spoken: a timeline of the game's sixteen mouth shapes.

Made from the letters alone, spread over the time the sentence takes: each sound gets a share by its kind, as rough
as a dubbed film and as convincing. An engine that knows when its sounds come will do better.
"""

import re
import unicodedata
from collections.abc import Iterator

Visemes = list[tuple[int, int, float]]

AAH, BIG_AAH, BMP, CH_J_SH, DST, EEE, EH, FV, IH, K, N, OH, OOH_Q, R, TH, W = range(16)
SHAPES = 16
STEP_MS = 16
"""No two movements of the mouth are closer than this."""

_SOUNDS = re.compile(
    r"tch|sch|igh|th|ch|sh|ph|wh|ck|ng|qu|oo|ou|ow|ee|ea|ai|ay|oa|oi|oy|au|aw|er|\w|[.,;:!?…—]+|\s+"
)
_SHAPE = {
    **dict.fromkeys(("tch", "sch", "ch", "sh", "j"), CH_J_SH),
    **dict.fromkeys(("b", "m", "p"), BMP),
    **dict.fromkeys(("d", "s", "t", "z", "x"), DST),
    **dict.fromkeys(("f", "v", "ph"), FV),
    **dict.fromkeys(("k", "g", "c", "ck", "h"), K),
    **dict.fromkeys(("n", "l", "ng"), N),
    **dict.fromkeys(("r", "er"), R),
    **dict.fromkeys(("w", "wh"), W),
    **dict.fromkeys(("u", "oo", "qu", "q"), OOH_Q),
    **dict.fromkeys(("o", "oa", "au", "aw"), OH),
    **dict.fromkeys(("ou", "ow"), BIG_AAH),
    **dict.fromkeys(("a", "ai", "ay"), AAH),
    **dict.fromkeys(("e", "ea"), EH),
    **dict.fromkeys(("ee", "y"), EEE),
    **dict.fromkeys(("i", "igh"), IH),
    **dict.fromkeys(("oi", "oy"), OH),
    "th": TH,
}
_VOWELS = frozenset({AAH, BIG_AAH, EEE, EH, IH, OH, OOH_Q})
_OF_OTHER_SCRIPTS = (AAH, EH, OH, BMP)
_PAUSE = -1


def visemes(text: str, duration_ms: int) -> Visemes:
    """`[t_ms, morph, weight]` in order of time; every morph that moved is back at 0 by `duration_ms`."""
    sounds = list(_sounds(text.lower()))
    total = sum(length for _, length in sounds)
    if not total or duration_ms < STEP_MS:
        return []
    timeline: Visemes = []
    open_shape, moved_at, at = _PAUSE, -STEP_MS, 0.0
    for shape, length in sounds:
        t_ms = round(at * duration_ms / total)
        at += length
        if shape == open_shape or t_ms - moved_at < STEP_MS or t_ms > duration_ms - STEP_MS:
            continue
        if open_shape != _PAUSE:
            timeline.append((t_ms, open_shape, 0.0))
        if shape != _PAUSE:
            timeline.append((t_ms, shape, 0.8 if shape in _VOWELS else 0.6))
        open_shape, moved_at = shape, t_ms
    if open_shape != _PAUSE:
        timeline.append((duration_ms, open_shape, 0.0))
    return timeline


def _sounds(text: str) -> Iterator[tuple[int, float]]:
    """Each sound's shape and its share of the time."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    for sound in _SOUNDS.findall(plain):
        if sound[0].isspace():
            yield _PAUSE, 0.3
        elif not sound[0].isalnum():
            yield _PAUSE, 3.0
        else:
            shape = _SHAPE.get(sound, _OF_OTHER_SCRIPTS[ord(sound[0]) % len(_OF_OTHER_SCRIPTS)])
            yield shape, 1.6 if shape in _VOWELS else 1.0
