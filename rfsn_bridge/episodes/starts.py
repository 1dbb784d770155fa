"""How an NPC stands when its episode begins: by name, or as JSON."""

from collections.abc import Mapping
from random import Random
from typing import Any

from pydantic import ConfigDict, ValidationError

from rfsn_bridge.domain import Mood, NpcState, Personality, Relationship
from rfsn_bridge.episodes.episode_file import State
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.state import settle, within_tier

_MIDDLES = {
    Relationship.ENEMY: -0.8,
    Relationship.RIVAL: -0.4,
    Relationship.STRANGER: 0.0,
    Relationship.ACQUAINTANCE: 0.0,
    Relationship.FRIEND: 0.4,
    Relationship.ALLY: 0.8,
}
NAMED: Mapping[str, Mapping[str, Any]] = {
    **{each.value: {"relationship": each.value} for each in Relationship},
    "distrustful": {"relationship": "acquaintance", "trust": 0.05},
    "fighting": {"relationship": "rival", "combat_active": True, "fear": 0.4},
    "terrified": {"relationship": "enemy", "combat_active": True, "fear": 0.9, "mood": "fearful"},
    "questing": {"relationship": "friend", "quest_active": True, "trust": 0.6},
}
VARIED = "varied"


class _Start(State):
    model_config = ConfigDict(extra="forbid", frozen=True)


def start(text: str, rng: Random) -> NpcState:
    """A named state, `varied` (one of them by chance), or a JSON object; raises BridgeError."""
    if text == VARIED:
        text = rng.choice(tuple(NAMED))
    known = f"give JSON like '{{\"affinity\": 0.4}}' or one of: {', '.join((*NAMED, VARIED))}"
    if text not in NAMED and not text.startswith("{"):
        raise BridgeError(f"there is no start named {text[:80]!r}", known)
    try:
        given = _Start.model_validate(NAMED[text]) if text in NAMED else _Start.model_validate_json(text)
    except ValidationError as invalid:
        detail = invalid.errors(include_url=False)[0]
        at = ".".join(str(part) for part in detail["loc"])
        raise BridgeError(f"--start {text[:80]}: {at + ': ' if at else ''}{detail['msg']}", known) from None
    fields = {name: getattr(given, name) for name in given.model_fields_set}
    if "relationship" in fields:
        fields["affinity"] = within_tier(fields.get("affinity", _MIDDLES[given.relationship]), given.relationship)
    if given.mood is not Mood.NEUTRAL:
        fields.setdefault("mood_strength", 1.0)
    return settle(NpcState(**fields))


def drawn_personality(rng: Random) -> Personality:
    """Somebody: most traits near the middle."""
    return Personality(*(round((rng.random() + rng.random()) / 2, 2) for _ in range(4)))
