"""What goes wrong on purpose: a connection is lost, an NPC is interrupted."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rfsn_bridge.adapter_test.tap import Tap
from rfsn_bridge.adapter_test.tape import Event, Told
from rfsn_bridge.game import Game

Cut = Literal["once", "forget", "never"]


@dataclass(frozen=True, slots=True)
class Plan:
    """`cut` happens after the first sentence of all; with `forget` for so long that the session is lost.

    The second turn is interrupted after its first sentence.
    """

    cut: Cut = "once"
    interrupt: bool = True
    outage_s: float = 0.0


class Provoker:
    """Follows the tape, and does what the plan says when its moment comes."""

    def __init__(self, plan: Plan, tap: Tap) -> None:
        self._plan = plan
        self._tap = tap
        self._turns: list[str] = []
        self.did: list[str] = []
        """In words, for the report."""

    def see(self, event: Event, games: Iterable[Game]) -> None:
        if not isinstance(event, Told):
            return
        if event.kind == "action_request":
            self.did.append(f"asked for the action {event.message.get('name')}")
        if event.kind != "sentence":
            return
        turn_id = str(event.message["turn_id"])
        if turn_id in self._turns:
            return
        self._turns.append(turn_id)
        if len(self._turns) == 1 and self._plan.cut != "never":
            self._tap.cut(outage_s=self._plan.outage_s if self._plan.cut == "forget" else 0.0)
            self.did.append("cut the connection" + (" until the session was over" if self._plan.outage_s else ""))
        elif len(self._turns) == 2 and self._plan.interrupt:
            for game in games:
                if turn_id.startswith(f"{game.session.session_id}."):
                    game.receive(json.dumps({"type": "interrupt", "turn_id": turn_id, "reason": "adapter test"}))
            self.did.append("interrupted a turn")
