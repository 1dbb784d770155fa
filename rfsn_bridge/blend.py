"""Voices mixed of several, by name and weight: "af_bella:0.6,bf_emma:0.4"."""

import math
from collections.abc import Collection

MAX_PARTS = 8


def names(voice: str) -> tuple[str, ...]:
    """The voices of a mixture, in order; of a plain name, the name."""
    return tuple(part.partition(":")[0].strip() for part in voice.split(","))


def parts(voice: str) -> tuple[tuple[str, float], ...]:
    """Names and weights, which sum to 1. Raises ValueError for what is neither a name nor a mixture."""
    weights = [
        float(weight) if colon else 1.0 for _, colon, weight in (p.partition(":") for p in voice.split(","))
    ]
    total = sum(weights)
    if not all(names(voice)) or not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(f"{voice!r} is no mixture of voices")
    if not 0 < total < math.inf or len(weights) > MAX_PARTS:
        raise ValueError(f"{voice!r} has weights that sum to nothing, or more than {MAX_PARTS} voices")
    return tuple((name, weight / total) for name, weight in zip(names(voice), weights, strict=True))


def speaks(voice: str, known: Collection[str], *, blends: bool) -> bool:
    """Whether an engine with these voices, which may take mixtures of them, can speak this one."""
    if voice in known or not blends:
        return voice in known
    try:
        return all(name in known for name, _ in parts(voice))
    except ValueError:
        return False
