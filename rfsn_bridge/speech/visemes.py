"""How the lips move while a sentence is spoken: a timeline of the game's sixteen mouth shapes.

From the phonemes, where the engine tells when they sound. Else from the letters alone, spread over the time the
sentence takes: each sound gets a share by its kind, as rough as a dubbed film and as convincing.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rfsn_bridge.domain import WordTiming

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


# --- From phonemes ----------------------------------------------------------------------------------

_PHONEMES = {
    AAH: "aæɐʌɶI",
    BIG_AAH: "ɑW",
    BMP: "bmpβɓ",
    CH_J_SH: "ʃʒʧʤɕʑʥʨʝçʂʐꭧ",
    DST: "tdszɾɖʈʦʣ",
    EEE: "ijɨ",
    EH: "eɛəɜɘᵊA",
    FV: "fvɸʋⱱ",
    IH: "ɪᵻ",
    K: "kɡgxɣχqɟcʁħʀ",
    N: "nlŋɲɳɭʎɫɴ",
    OH: "oɔɒɤOQY",
    OOH_Q: "uʊɯʉɵøœyʏ",
    R: "ɹɻrɚɝɽ",
    TH: "θð",
    W: "wɥʍɰ",
}
_SHAPE_OF = {sound: shape for shape, sounds in _PHONEMES.items() for sound in sounds}
_BREATHED = frozenset("hɦʔʕ")
"""These have no shape of their own: the mouth is already at the next sound's."""
_BARELY = frozenset("əɐᵻᵊɨ")
_STRESS = frozenset("ˈˌ")
_LONGER = frozenset("ːˑʰʲˠˤ\u0303\u0329\u032f\u0361↓→↗↘")
_MARKS = _STRESS | _LONGER
_LIPS = frozenset({BMP, FV, W, OOH_Q, CH_J_SH})
_WEIGHTS = {BMP: 0.9, FV: 0.8, W: 0.8, CH_J_SH: 0.7, TH: 0.6, R: 0.5, N: 0.4, K: 0.4, DST: 0.5}
_REST_MS = 80
"""A shorter silence between two words does not close the mouth."""
_FULL_MS = 60
"""A vowel or tongue sound shorter than this does not reach its full shape; lips do."""


class _Step(NamedTuple):
    start_ms: int
    shape: int
    weight: float
    rank: int = 0
    """Of two within one step the higher is seen: lips, then vowels, then the tongue, then rest."""


def visemes_of(phonemes: Sequence[WordTiming], duration_ms: int) -> Visemes:
    """`[t_ms, morph, weight]` like `visemes`, from when each phoneme (IPA of any language) sounds."""
    kept: list[_Step] = []
    for step in _steps(phonemes, duration_ms):
        if kept and step.start_ms - kept[-1].start_ms < STEP_MS:
            if step.shape == _PAUSE:  # however short the sound was, its mouth does not stay open
                step = _Step(kept[-1].start_ms + STEP_MS, _PAUSE, 0.0)
            elif step.rank <= kept[-1].rank:
                continue
            else:
                step = _Step(kept.pop().start_ms, step.shape, step.weight, step.rank)
        if kept and kept[-1].shape == step.shape:
            same = kept.pop()
            step = _Step(same.start_ms, step.shape, max(same.weight, step.weight), max(same.rank, step.rank))
        kept.append(step)
    timeline: Visemes = []
    open_shape = _PAUSE
    for step in kept:
        if open_shape != _PAUSE:
            timeline.append((step.start_ms, open_shape, 0.0))
        if step.shape != _PAUSE:
            timeline.append((step.start_ms, step.shape, step.weight))
        open_shape = step.shape
    if open_shape != _PAUSE:
        timeline.append((duration_ms, open_shape, 0.0))
    return timeline


def _steps(phonemes: Sequence[WordTiming], duration_ms: int) -> Iterator[_Step]:
    """Every sound's shape in order of time, none later than the last that can still be seen."""
    latest = duration_ms - STEP_MS
    ended, stressed = 0.0, False
    for sound, after, start, end in _with_next(phonemes):
        if start > latest:
            break
        stressed = stressed or sound in _STRESS
        shape = _shape_of(sound, after)
        if shape == _PAUSE and sound not in _MARKS:
            continue
        if start - ended >= _REST_MS:
            yield _Step(round(ended), _PAUSE, 0.0)
        if shape != _PAUSE:
            yield _step(sound, start, end, shape, stressed=stressed)
            stressed = stressed and shape not in _VOWELS
        ended = max(ended, end)
    if duration_ms - ended >= _REST_MS and ended <= latest:
        yield _Step(round(ended), _PAUSE, 0.0)


def _with_next(phonemes: Sequence[WordTiming]) -> list[tuple[str, str, float, float]]:
    """One sign at a time, with the next sound and when it sounds: an engine may give several sounds as one."""
    found: list[tuple[str, str, float, float]] = []
    after = ""
    for timing in reversed(phonemes):
        signs, first = timing.text, max(0, timing.start_ms)
        share = max(0, timing.end_ms - first) / (len(signs) or 1)
        for number in range(len(signs) - 1, -1, -1):
            start = first + number * share
            found.append((signs[number], after, start, start + share))
            after = after if signs[number] in _MARKS else signs[number]
    return found[::-1]


def _shape_of(sound: str, after: str) -> int:
    if sound in "td" and after and after in "ʃʒɕʑ":
        return CH_J_SH  # one sound, in two signs
    if sound in _BREATHED:
        return _SHAPE_OF.get(after, EH)
    return _SHAPE_OF.get(sound, _PAUSE)


def _step(sound: str, start: float, end: float, shape: int, *, stressed: bool) -> _Step:
    vowel = shape in _VOWELS and sound not in "jw"
    if vowel and stressed and sound == "a":
        shape = BIG_AAH
    weight = _WEIGHTS.get(shape, 0.9 if stressed else 0.45 if sound in _BARELY else 0.7)
    if shape not in _LIPS:
        weight *= 0.6 + 0.4 * min(1.0, (end - start) / _FULL_MS)
    return _Step(round(start), shape, round(weight, 2), 3 if shape in _LIPS else 2 if vowel else 1)
