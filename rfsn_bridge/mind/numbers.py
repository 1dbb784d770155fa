"""Numbers as they are kept and shown."""

from math import floor


def to_six_places(value: float) -> float:
    """`value` to six decimal places, several times as fast as `round`; a decision does it some 200 times."""
    return floor(value * 1e6 + 0.5) / 1e6
