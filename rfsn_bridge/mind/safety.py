"""What an NPC must never do. A rule only ever denies, so rules cannot undo each other: deny wins."""

from rfsn_bridge.domain import Action, SafetyContext, Sentence, Verdict

_ALLOWED = Verdict()


class FleeWhenTerrified:
    """In combat with fear above 0.7, fleeing is all that is left."""

    def check(self, subject: frozenset[Action] | Sentence, context: SafetyContext) -> Verdict:
        if isinstance(subject, Sentence) or not (context.state.combat_active and context.state.fear > 0.7):
            return _ALLOWED
        return Verdict(
            denied_actions=subject - {Action.FLEE}, reason="too afraid in combat to do anything but flee"
        )


class NoFavoursWithoutTrust:
    """Below a trust of 0.1 nothing is accepted, offered or done for the player."""

    _FAVOURS = frozenset({Action.ACCEPT, Action.OFFER, Action.HELP})

    def check(self, subject: frozenset[Action] | Sentence, context: SafetyContext) -> Verdict:
        if isinstance(subject, Sentence) or context.state.trust >= 0.1:
            return _ALLOWED
        return Verdict(denied_actions=subject & self._FAVOURS, reason="does not trust the player enough")
