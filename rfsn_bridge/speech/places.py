"""How a voice sounds from where it stands: louder the nearer, left or right of where the listener looks.

Distances are the game's units, 70 to a metre: full volume up to `NEAR`, half at `NEAR + HALVED`, a third at
`NEAR + 2 * HALVED` and so on (sound pressure falls with the distance); from `FADING` on it fades until nothing is
heard at `SILENT`. The two sides always carry the same power together. A voice in the middle is on each side what
it would be without places, and one at the side is still heard a little on the other.
"""

import math
from collections.abc import Sequence

NEAR = 200.0
HALVED = 700.0
FADING = 4000.0
SILENT = 6000.0
WIDTH = 0.8
"""How far to a side a voice may go; at 1 the other ear would hear nothing."""
MIDDLE = (1.0, 1.0)


def loudness(distance: float) -> float:
    """From 1 near by to 0 out of earshot."""
    if distance <= NEAR:
        return 1.0
    fading = (SILENT - distance) / (SILENT - FADING)
    return HALVED / (HALVED + distance - NEAR) * min(1.0, max(0.0, fading))


def sides(
    ear: Sequence[float], forward: Sequence[float], mouth: Sequence[float], *, attenuation: bool = True
) -> tuple[float, float]:
    """The gains of the left and the right side. x is east, y north, z up; the listener looks `forward`."""
    away = [there - here for there, here in zip(mouth, ear, strict=True)]
    distance, level = math.hypot(*away), math.hypot(forward[0], forward[1])
    if not math.isfinite(distance):
        return MIDDLE
    gain = loudness(distance) if attenuation else 1.0
    if not distance or not level or not math.isfinite(level):
        return gain, gain
    east, north = away[0] / distance, away[1] / distance
    to_the_right = east * (forward[1] / level) - north * (forward[0] / level)
    # Who stands close is around the listener rather than at one side.
    angle = (1 + WIDTH * to_the_right * min(1.0, distance / NEAR)) * math.pi / 4
    return gain * math.sqrt(2) * math.cos(angle), gain * math.sqrt(2) * math.sin(angle)
