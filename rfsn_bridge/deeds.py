"""Game actions under way: asked for, and answered by the game with what became of them."""

from collections import OrderedDict
from dataclasses import dataclass

from rfsn_bridge.domain import ActionCall, Deed
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.protocol.messages import ActionRequest, ActionResult
from rfsn_bridge.turn import RunningTurn

_PAST_REQUESTS = 256
ANSWER_S = 10.0
"""How long the game has, once the turn is over, to say what became of an action."""


@dataclass(frozen=True, slots=True)
class _Request:
    turn: RunningTurn
    call: ActionCall


class Deeds:
    """Follows `action_request` and `action_result`; each request is answered once."""

    def __init__(self) -> None:
        self._open: dict[str, _Request] = {}
        self._past: OrderedDict[str, None] = OrderedDict()
        self._count = 0

    def ask(self, turn: RunningTurn, call: ActionCall) -> ActionRequest:
        """The message that asks the game to do it."""
        self._count += 1
        action_id = f"{turn.turn_id}.x{self._count}"
        self._open[action_id] = _Request(turn, call)
        return ActionRequest(
            action_id=action_id,
            turn_id=turn.turn_id,
            npc_id=turn.line.npc.npc_id,
            name=call.name,
            arguments=dict(call.arguments),
            target=call.target,
        )

    def answer(self, result: ActionResult) -> RunningTurn | None:
        """The turn whose action it was; None if that was answered before. Raises ProtocolError (`not_found`)."""
        request = self._open.get(result.action_id)
        if request is None:
            if result.action_id in self._past:
                return None
            raise ProtocolError("not_found", f"there is no action {result.action_id!r}", field="action_id")
        self._close(result.action_id, result)
        return request.turn

    def waiting(self, turn: RunningTurn) -> bool:
        """Whether the game still owes an answer to one of the turn's actions."""
        return any(request.turn is turn for request in self._open.values())

    def give_up(self, turn: RunningTurn) -> None:
        """The turn is recorded: what was not answered by now counts as failed."""
        for action_id in [each for each, request in self._open.items() if request.turn is turn]:
            message = "the game did not say what became of it"
            self._close(action_id, ActionResult(action_id=action_id, status="failed", message=message))

    def _close(self, action_id: str, result: ActionResult) -> None:
        request = self._open.pop(action_id)
        call = request.call
        deed = Deed(call.name, call.arguments, result.status, call.target, result.message or "")
        request.turn.deeds.append(deed)
        self._past[action_id] = None
        if len(self._past) > _PAST_REQUESTS:
            self._past.popitem(last=False)
