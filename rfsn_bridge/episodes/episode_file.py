"""Episode files: JSON lines, one a turn, with all that a decision was made from and what became of it.

Line by line, so that a file of any length needs no more memory than its longest line.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from rfsn_bridge.domain import (
    Action,
    Decision,
    Mood,
    NpcState,
    Personality,
    Relationship,
    Signal,
    Style,
    Trace,
)
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.numbers import to_six_places
from rfsn_bridge.mind.state import settle

_MAX_LINE = 1 << 20
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_BANDS = (-0.6, -0.2, 0.2, 0.6)

Unit = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Reward = Annotated[float, Field(ge=-2, le=2)]


class _Part(BaseModel):
    """What other programs add is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class State(_Part):
    """An `NpcState` as a line holds it; the original's names of trust and fear are read as well."""

    mood: Mood = Mood.NEUTRAL
    affinity: Signed = 0.0
    relationship: Relationship = Relationship.STRANGER
    trust: Unit = Field(0.5, validation_alias=AliasChoices("trust", "trust_level"))
    fear: Unit = Field(0.0, validation_alias=AliasChoices("fear", "fear_level"))
    recent_sentiment: Signed = 0.0
    combat_active: bool = False
    quest_active: bool = False
    mood_strength: Unit = 0.0
    cooldowns: tuple[tuple[str, float], ...] = ()

    def npc_state(self) -> NpcState:
        return NpcState(**{name: getattr(self, name) for name in State.model_fields})


class Change(_Part):
    """What differs between two states: numbers as differences, the rest as it is then."""

    mood: Mood | None = None
    affinity: Number = 0.0
    relationship: Relationship | None = None
    trust: Number = 0.0
    fear: Number = 0.0
    recent_sentiment: Number = 0.0
    combat_active: bool | None = None
    quest_active: bool | None = None
    mood_strength: Number = 0.0

    def applied(self, state: NpcState) -> NpcState:
        """The state after it."""
        changed: dict[str, Any] = {}
        for name in self.model_fields_set:
            value = getattr(self, name)
            changed[name] = getattr(state, name) + value if type(value) is float else value
        return settle(replace(state, **changed))


class Traced(_Part):
    """What a decision was made from, and what its turn was worth, part by part."""

    signals: dict[Signal, Unit]
    last_action: Action | None = None
    personality: dict[str, Unit] = {}
    events: tuple[str, ...] = ()
    """What the game reported since the turn before."""
    rules: tuple[str, ...] = ()
    changes: Change = Change()
    """What the line changed of `state_before`."""
    vetoed: dict[Action, str] = {}
    """Denied candidates, with the safety rule that denied each."""
    why: dict[str, Number] = {}
    """What the score of the selected action is made of."""
    learned: dict[Action, Number] = {}
    """What the learner added to each score that it compared."""
    heard: str = ""
    rewards: dict[str, Number] = {}
    seed: str = ""
    rules_revision: str = ""


class Episode(_Part):
    """One turn. The original's fields come first; what only we write may be missing."""

    turn: Annotated[int, Field(ge=0)]
    timestamp: str | float
    player_signal: Signal
    state_before: State
    candidates: tuple[Action, ...] = ()
    scores: dict[Action, Number] = {}
    bandit_key: str = ""
    selected_action: Action
    reward: Reward | None
    """None: nothing was ever known of the turn's worth."""
    state_after: State
    npc_id: str = ""
    style: Style | None = None
    action_features: tuple[Number, ...] = ()
    style_features: tuple[Number, ...] = ()
    propensity: Unit | None = None
    propensities: dict[Action, Unit] = {}
    """Of every action that could have been selected; they sum to 1."""
    style_propensity: Unit | None = None
    style_propensities: dict[Style, Unit] = {}
    style_reward: Reward | None = None
    trace: Traced | None = None

    @property
    def personality(self) -> Personality:
        return Personality(**(self.trace.personality if self.trace else {}))

    @property
    def heard_state(self) -> NpcState:
        """The state that the action was chosen in: `state_before` with what the player's line changed."""
        state = self.state_before.npc_state()
        return self.trace.changes.applied(state) if self.trace else state


# --- Reading ----------------------------------------------------------------------------------------


def read(path: Path) -> Iterator[Episode]:
    """The turns of a file, one by one; raises BridgeError that names the line."""
    try:
        with path.open("rb") as file:
            yield from _episodes(file, path)
    except OSError as error:
        raise BridgeError(f"{path} cannot be read: {error.strerror}", "give an episode file") from None


def _episodes(file: BinaryIO, path: Path) -> Iterator[Episode]:
    number = found = 0
    while line := file.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise _unfit(path, number, f"is longer than {_MAX_LINE} bytes")
        if not line.strip():
            continue
        try:
            yield Episode.model_validate_json(line)
        except ValidationError as invalid:
            detail = invalid.errors(include_url=False)[0]
            if detail["type"] == "json_invalid" and found and not line.endswith(b"\n"):
                raise _unfit(path, number, "breaks off: the file was not written to its end") from None
            raise _unfit(path, number, _mistake(detail)) from None
        found += 1
    if not found:
        raise BridgeError(f"{path} holds no turn", "write one with: rfsn-bridge simulate -o FILE.jsonl")


def _mistake(detail: Any) -> str:
    if detail["type"] == "json_invalid":
        return "is no JSON"
    at = ".".join(str(part) for part in detail["loc"])
    return f"is no turn of an episode ({at + ': ' if at else ''}{detail['msg']})"


def _unfit(path: Path, number: int, what: str) -> BridgeError:
    hint = "is this an episode file, as `rfsn-bridge simulate` writes it?"
    return BridgeError(f"{path}, line {number}, {what}", hint)


# --- Writing ----------------------------------------------------------------------------------------


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that is there once all of it is: it is written beside its place, and moved there at the end."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise BridgeError(f"{path} cannot be written: {error.strerror}", "give -o another file") from None
    finally:
        beside.unlink(missing_ok=True)


def line_of(fields: Mapping[str, Any]) -> bytes:
    """A line of a file; the same fields give the same bytes."""
    return _JSON.encode(fields).encode() + b"\n"


def decided(decision: Decision, state_before: NpcState) -> dict[str, Any]:
    """The fields of a line that a decision fills, in the order of `Episode`; raises ValueError without a trace."""
    trace = decision.trace
    if trace is None:
        raise ValueError("the decision keeps no trace")
    scores = {each.action: each.score for each in decision.candidates if not each.vetoed_by}
    choice, manner = trace.action_choice, trace.style_choice
    return {
        "player_signal": decision.signal,
        "state_before": state_fields(state_before),
        "candidates": [each.action for each in decision.candidates],
        "scores": scores,
        "bandit_key": bandit_key(state_before, decision.signal),
        "selected_action": decision.action,
        "style": decision.style,
        "action_features": trace.action_features,
        "style_features": trace.style_features,
        "propensity": choice.probability,
        "propensities": choice.probabilities,
        "style_propensity": manner.probability,
        "style_propensities": manner.probabilities,
        "trace": _traced(decision, trace, scores),
    }


def _traced(decision: Decision, trace: Trace, scores: Mapping[Action, float]) -> dict[str, Any]:
    chosen = next(each for each in decision.candidates if each.action is decision.action)
    traits, worth = trace.personality, trace.action_choice.worth
    return {
        "signals": trace.signals,
        "last_action": trace.last_action,
        "personality": {
            "courage": traits.courage,
            "warmth": traits.warmth,
            "temper": traits.temper,
            "curiosity": traits.curiosity,
        },
        "rules": trace.rules,
        "changes": trace.changes,
        "vetoed": {each.action: each.vetoed_by for each in decision.candidates if each.vetoed_by},
        "why": chosen.contributions,
        "learned": {arm: to_six_places(value - scores[Action(arm)]) for arm, value in worth.items()},
        "seed": trace.seed,
        "rules_revision": trace.rules_revision,
    }


def state_fields(state: NpcState) -> dict[str, Any]:
    """A state as a line holds it."""
    return {
        "mood": state.mood,
        "affinity": state.affinity,
        "relationship": state.relationship,
        "trust": state.trust,
        "fear": state.fear,
        "recent_sentiment": state.recent_sentiment,
        "combat_active": state.combat_active,
        "quest_active": state.quest_active,
        "mood_strength": state.mood_strength,
        "cooldowns": [(name, to_six_places(days)) for name, days in state.cooldowns],
    }


def bandit_key(state: NpcState, signal: Signal) -> str:
    """The original's name of a situation: mood|relationship|affinity band|signal|combat|quest."""
    band = sum(state.affinity >= border for border in _BANDS)
    combat, quest = int(state.combat_active), int(state.quest_active)
    return f"{state.mood}|{state.relationship}|{band}|{signal}|{combat}|{quest}"
