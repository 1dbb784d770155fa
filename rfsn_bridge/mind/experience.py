"""What one NPC has learned: its two policies, the turns that wait for their reward, how its talk has gone.

One for each NPC, with nothing shared, so that one NPC's experience never changes another. Rewards come late, and
are credited once, to the turn they belong to.
"""

import json
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from rfsn_bridge.domain import Action, Decision, Style
from rfsn_bridge.interfaces import Learner, Policy
from rfsn_bridge.mind.observations import Observations
from rfsn_bridge.mind.rewards import Heard, Result, Reward, action_reward, style_reward
from rfsn_bridge.mind.style import (
    ACTION_ARMS,
    ACTION_FEATURES,
    BALANCED,
    STYLE_ARMS,
    STYLE_FEATURES,
    TONES,
    Talk,
    tone_of,
)

MAX_PENDING = 64
"""Turns that may still be rewarded; the oldest goes first."""
_VERSION = 1
_TALLY_DECAY = 0.95
_LEAN = 0.5
"""The part of the lines that must be of one manner to make a playstyle."""


@dataclass(frozen=True, slots=True)
class Credit:
    """What a turn was found to be worth, for each of its two choices."""

    action: Reward
    style: Reward


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A choice as its policy must be told of it."""

    x: tuple[float, ...]
    arm: str
    probability: float


@dataclass(slots=True)
class _Pending:
    """A turn that may be rewarded. `credited` is the result so far, if there was one."""

    action: _Chosen
    style: _Chosen
    credited: Result | None = None


class Experience:
    """Of one NPC."""

    def __init__(self, action: Policy, style: Policy, observations: Observations | None = None) -> None:
        self.action = action
        self.style = style
        self.observations = observations
        self.refused: tuple[str, ...] = ()
        """What of the saved bytes was not taken back, in words."""
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._turns = 0
        self._last_style: Style | None = None
        self._last_action: Action | None = None
        self._tally = dict.fromkeys((*TONES, BALANCED), 0.0)

    @classmethod
    def begin(cls, learner: Learner, priors: Mapping[str, bytes] | None = None) -> Self:
        """An NPC that has learned nothing yet; `priors` as `prior.read_prior` gives them."""
        return cls(*_policies(learner, priors or {}, {}))

    @classmethod
    def load(
        cls,
        saved: bytes,
        learner: Learner,
        priors: Mapping[str, bytes] | None = None,
        observations: Callable[[bytes], Observations] | None = None,
    ) -> Self:
        """What `dump` gave; raises ValueError where it is damaged.

        A policy that `learner` refuses (the config names another now) begins anew, and `refused` tells so.
        """
        head, parts = _unpack(saved)
        refused = []
        try:
            policies = _policies(learner, priors or {}, parts)
        except ValueError as error:
            refused.append(str(error))
            policies = _policies(learner, priors or {}, {})
        made = cls(*policies)
        if observations and "observations" in parts:
            made.observations = observations(parts["observations"])
        made.refused = tuple(refused)
        made._restore(head)
        return made

    def talk(self, similarity: float = 0.0, *, contradiction: bool = False) -> Talk:
        """How the talk has gone so far."""
        most = max(self._tally, key=lambda tone: self._tally[tone])
        total = sum(self._tally.values())
        leans = self._turns >= 3 and self._tally[most] > _LEAN * total
        playstyle = most if leans else BALANCED
        return Talk(self._turns, self._last_style, self._last_action, playstyle, similarity, contradiction)

    def decided(self, turn_id: str, decision: Decision) -> None:
        """Count a turn, and keep what its reward will need."""
        self._turns += 1
        self._last_style, self._last_action = decision.style, decision.action
        for tone in self._tally:
            self._tally[tone] *= _TALLY_DECAY
        self._tally[tone_of(decision.signal)] += 1
        if (trace := decision.trace) is None:
            return
        self._pending[turn_id] = _Pending(
            _Chosen(trace.action_features, trace.action_choice.arm, trace.action_choice.probability),
            _Chosen(trace.style_features, trace.style_choice.arm, trace.style_choice.probability),
        )
        while len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)

    def credit(self, turn_id: str, result: Result) -> Credit | None:
        """Learn what became of a turn, once; later only a first `feedback` counts, by itself.

        None where there is nothing to learn: the turn is not known (any more), or nothing was heard of it.
        """
        turn = self._pending.get(turn_id)
        if turn is None:
            return None
        if turn.credited is not None:
            if turn.credited.feedback is not None or result.feedback is None:
                return None
            result = Result(Heard.NOTHING, feedback=result.feedback)
        credit = Credit(action_reward(result), style_reward(result))
        if not credit.action.parts and not credit.style.parts:
            return None
        turn.credited = result
        for policy, chosen, reward in (
            (self.action, turn.action, credit.action),
            (self.style, turn.style, credit.style),
        ):
            if reward.parts:
                policy.update(chosen.x, chosen.arm, reward.total, chosen.probability)
        return credit

    def forget(self, turn_id: str) -> None:
        """The turn never happened, as far as rewards go."""
        self._pending.pop(turn_id, None)

    # --- Bytes

    def dump(self) -> bytes:
        """All but the turns that wait; `load` takes it back."""
        head = {
            "turns": self._turns,
            "style": self._last_style,
            "action": self._last_action,
            "tally": {tone: round(value, 3) for tone, value in self._tally.items()},
        }
        parts = {"action": self.action.dump(), "style": self.style.dump()}
        if self.observations is not None:
            parts["observations"] = self.observations.dump()
        return _pack(head, parts)

    def _restore(self, head: Mapping[str, Any]) -> None:
        try:
            self._turns = max(0, int(head["turns"]))
            self._last_style = Style(head["style"]) if head["style"] else None
            self._last_action = Action(head["action"]) if head["action"] else None
            self._tally |= {tone: float(head["tally"][tone]) for tone in self._tally}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the experience is damaged: {error}") from None


def _policies(learner: Learner, priors: Mapping[str, bytes], saved: Mapping[str, bytes]) -> tuple[Policy, Policy]:
    action = learner.policy(ACTION_ARMS, ACTION_FEATURES, prior=priors.get("action"), saved=saved.get("action"))
    style = learner.policy(STYLE_ARMS, STYLE_FEATURES, prior=priors.get("style"), saved=saved.get("style"))
    return action, style


def _pack(head: Mapping[str, Any], parts: Mapping[str, bytes]) -> bytes:
    """Magic, version, checksum; then the head as JSON with the parts' lengths, then the parts."""
    header = json.dumps({**head, "parts": {name: len(part) for name, part in parts.items()}}).encode()
    body = struct.pack("<H", len(header)) + header + b"".join(parts.values())
    return b"RFXP" + struct.pack("<BI", _VERSION, zlib.crc32(body)) + body


def _unpack(saved: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    if len(saved) < 11 or saved[:4] != b"RFXP":
        raise ValueError("these bytes are no experience")
    version, checksum = struct.unpack_from("<BI", saved, 4)
    if version != _VERSION:
        raise ValueError(f"this experience is of version {version}, not {_VERSION}")
    body = saved[9:]
    if zlib.crc32(body) != checksum:
        raise ValueError("the experience is damaged")
    (length,) = struct.unpack_from("<H", body)
    head = json.loads(body[2 : 2 + length])
    parts, at = {}, 2 + length
    for name, size in head.pop("parts").items():
        parts[name] = body[at : at + size]
        at += size
    return head, parts
