"""Voices mixed of several: "af_bella:0.6,bf_emma:0.4", for engines that set `blends = True`."""

import math
from collections.abc import Collection

MAX_PARTS = 8


def names_of(voice: str) -> tuple[str, ...]:
    """The voices of a blend; of a plain name, the name."""
    return tuple(part.partition(":")[0].strip() for part in voice.split(","))


def speaks(voice: str, known: Collection[str], blends: bool) -> bool:
    """Whether an engine with these voices can speak this one."""
    if voice in known:
        return True
    return blends and _may_be_mixed(voice) and all(name in known for name in names_of(voice))


def _may_be_mixed(voice: str) -> bool:
    try:
        weights = [float(part.partition(":")[2] or 1) for part in voice.split(",")]
    except ValueError:
        return False
    sound = all(math.isfinite(weight) and weight >= 0 for weight in weights)
    return sound and 0 < sum(weights) < math.inf and len(weights) <= MAX_PARTS
