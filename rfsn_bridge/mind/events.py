"""What happens to an NPC: the player speaks, it answers, the game reports, time passes."""

from dataclasses import dataclass

from rfsn_bridge.domain import Action, Happening, Signal


@dataclass(frozen=True, slots=True)
class Said:
    """The player's line. `after` is what the NPC had done with its last answer.

    `weight` in [0, 1] scales what the line does: less where the classifier is unsure of it.
    """

    signal: Signal
    after: Action | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Did:
    """The NPC's answer was heard. `to` is the signal it answered (None: it spoke of itself)."""

    action: Action
    to: Signal | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """The game reports something that concerns the NPC."""

    kind: Happening
    by_player: bool = True
    """Whether the player did it."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Game time went by, in days."""

    days: float


Event = Said | Did | Happened | Passed | Signal | Action | Happening
"""A bare signal, action or happening stands for `Said`, `Did` or `Happened` of it."""


def whole(event: Event) -> Said | Did | Happened | Passed:
    """The event that a bare signal, action or happening stands for."""
    if isinstance(event, Signal):
        return Said(event)
    if isinstance(event, Action):
        return Did(event)
    return Happened(event) if isinstance(event, Happening) else event
