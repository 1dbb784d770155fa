"""What is said about sound: how loud it shall be, what has become of it, how much of it may wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["started", "ended", "aborted", "underrun"]
Position = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud it is. `duck` is how loud the others are, while the NPC that the player talks to speaks."""

    volume: float = 1.0
    mute: bool = False
    duck: float = 0.5
    attenuation: bool = True


@dataclass(frozen=True, slots=True)
class Sounded:
    """What became of an utterance. `heard_ms` is how much of it has sounded, silence left out."""

    status: Status
    turn_id: str
    seq: int
    heard_ms: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, and how long the player may be silent about it."""

    utterances: int = 64
    ahead_s: float = 300.0
    """Seconds of sound that wait, in all."""
    start_s: float = 30.0
    """How long the process may take before it says its first word."""
    hung_s: float = 5.0
    cooldown_s: float = 10.0
    strikes_s: float = 60.0
    """Deaths that lie further apart than this have nothing to do with each other."""


@dataclass(slots=True)
class SoundingUtterance:
    """One that is not over."""

    turn_id: str
    seq: int
    sample_rate: int
    tell: Callable[[Sounded], None]
    given: int = 0
    """Bytes."""
    heard_ms: int = 0
    whole: bool = False

    @property
    def ahead_ms(self) -> float:
        return max(0.0, self.given * 500 / self.sample_rate - self.heard_ms)


@dataclass(slots=True)
class Counters:
    """What was lost."""

    underruns: int = 0
    """Speech came too late."""
    late: int = 0
    """The device was not fed in time: this machine is too busy."""
    aborted: int = 0
    refused: int = 0
    """Utterances that were too many, or too long."""
    restarts: int = 0
    failed_tellings: int = 0
