"""What each NPC can do in the game, as its adapter registered it."""

from collections.abc import Iterable

from rfsn_bridge.domain import GameAction
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.mind.game_actions import NONE, UnfitSchema, check_parameters
from rfsn_bridge.protocol.messages import ActionsRegister, ActionsUnregister
from rfsn_bridge.protocol.messages import GameAction as Registered

_MAX_ACTIONS = 64
"""For one NPC, and for everybody."""
_MAX_NPCS = 1024
_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


class Repertoire:
    """Follows `actions_register` and `actions_unregister`. An NPC's own action hides everybody's of its name."""

    def __init__(self) -> None:
        self._everybody: dict[str, GameAction] = {}
        self._own: dict[str, dict[str, GameAction]] = {}

    def of(self, npc_id: str) -> tuple[GameAction, ...]:
        """What an NPC can do, in the order of registration."""
        return tuple({**self._everybody, **self._own.get(npc_id, {})}.values())

    def register(self, message: ActionsRegister) -> None:
        """All of it or nothing; raises ProtocolError (`invalid_value`, `busy`)."""
        actions = [_action(each, index) for index, each in enumerate(message.actions)]
        if message.npc_ids is None:
            self._everybody = _merged(self._everybody, actions)
            return
        merged = {npc_id: _merged(self._own.get(npc_id, {}), actions) for npc_id in message.npc_ids}
        if len(self._own | merged) > _MAX_NPCS:
            raise ProtocolError("busy", f"{_MAX_NPCS} NPCs have actions", "unregister those of some that left")
        self._own |= merged

    def unregister(self, message: ActionsUnregister) -> None:
        """What is not registered stays so."""
        for name in message.names:
            if message.npc_ids is None:
                self._everybody.pop(name, None)
        for npc_id in message.npc_ids or ():
            own = {name: each for name, each in self._own.get(npc_id, {}).items() if name not in message.names}
            if own:
                self._own[npc_id] = own
            else:
                self._own.pop(npc_id, None)


def _merged(known: dict[str, GameAction], new: Iterable[GameAction]) -> dict[str, GameAction]:
    merged = {**known, **{action.name: action for action in new}}
    if len(merged) > _MAX_ACTIONS:
        raise ProtocolError("busy", f"an NPC can have {_MAX_ACTIONS} actions", "unregister some", field="actions")
    return merged


def _action(registered: Registered, index: int) -> GameAction:
    where = f"actions.{index}"
    if registered.name == NONE:
        hint = "choose another name: the model answers `none` to do nothing"
        raise ProtocolError("invalid_value", "an action cannot be called `none`", hint, field=f"{where}.name")
    parameters = registered.parameters or _NO_PARAMETERS
    try:
        check_parameters(parameters)
    except UnfitSchema as error:
        message = f"{registered.name}: {error}"
        raise ProtocolError("invalid_value", message, "mend `parameters`", field=f"{where}.parameters") from None
    return GameAction(
        name=registered.name,
        description=registered.description,
        parameters=parameters,
        requires_target=registered.requires_target,
        when=frozenset(registered.when) if registered.when else None,
    )
