"""Voices mixed of several: "af_bella:0.6,bf_emma:0.4", for engines that set `blends = True`."""

from collections.abc import Collection


def names_of(voice: str) -> tuple[str, ...]:
    """The voices of a blend; of a plain name, the name."""
    return tuple(part.partition(":")[0].strip() for part in voice.split(","))


def speaks(voice: str, known: Collection[str], blends: bool) -> bool:
    """Whether an engine with these voices can speak this one."""
    return voice in known or (blends and all(name in known for name in names_of(voice)))
