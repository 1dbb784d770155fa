"""Which actions are worth considering, and the state each is expected to lead to."""

from collections.abc import Mapping

from rfsn_bridge.domain import Action, NpcState, Prediction, Signal
from rfsn_bridge.mind.state import apply_transition

_ANSWERS: Mapping[Signal, tuple[Action, ...]] = {
    Signal.GREET: (Action.GREET, Action.INQUIRE, Action.IGNORE),
    Signal.FAREWELL: (Action.FAREWELL, Action.IGNORE),
    Signal.AGREE: (Action.AGREE, Action.EXPLAIN, Action.INQUIRE),
    Signal.DISAGREE: (Action.EXPLAIN, Action.DISAGREE, Action.INQUIRE),
    Signal.APOLOGIZE: (Action.ACCEPT, Action.REFUSE, Action.INQUIRE),
    Signal.INSULT: (Action.DISAGREE, Action.INSULT, Action.THREATEN, Action.IGNORE),
    Signal.COMPLIMENT: (Action.COMPLIMENT, Action.AGREE, Action.INQUIRE),
    Signal.THREATEN: (Action.DEFEND, Action.THREATEN, Action.APOLOGIZE, Action.FLEE),
    Signal.REQUEST: (Action.HELP, Action.OFFER, Action.ACCEPT, Action.INQUIRE, Action.REFUSE),
    Signal.OFFER: (Action.ACCEPT, Action.REFUSE, Action.INQUIRE),
    Signal.REFUSE: (Action.INQUIRE, Action.DISAGREE, Action.EXPLAIN),
    Signal.ACCEPT: (Action.AGREE, Action.EXPLAIN, Action.COMPLIMENT),
    Signal.ATTACK: (Action.DEFEND, Action.ATTACK, Action.FLEE),
    Signal.FLEE: (Action.INQUIRE, Action.FAREWELL, Action.THREATEN),
    Signal.HELP: (Action.HELP, Action.OFFER, Action.INQUIRE, Action.REFUSE),
    Signal.BETRAY: (Action.THREATEN, Action.INSULT, Action.FAREWELL, Action.ATTACK),
    Signal.IGNORE: (Action.INQUIRE, Action.EXPLAIN, Action.GREET),
    Signal.QUESTION: (Action.EXPLAIN, Action.HELP, Action.INQUIRE, Action.REFUSE),
    Signal.COMMAND: (Action.ACCEPT, Action.REFUSE, Action.INQUIRE),
}
# Open to an NPC whatever was said; without IGNORE and FLEE a rule could leave it nothing to do.
_ALWAYS = (Action.INQUIRE, Action.IGNORE, Action.FLEE)


def propose(signal: Signal, state: NpcState) -> tuple[Action, ...]:
    """Candidate actions, the most usual answer first; never empty, never twice the same."""
    return tuple(dict.fromkeys((*_ANSWERS[signal], *_ALWAYS)))


def fit(signal: Signal, action: Action) -> float:
    """How usual an action is as an answer to a signal, in [0, 1]."""
    answers = _ANSWERS[signal]
    return 1 - answers.index(action) / len(answers) if action in answers else 0.0


def predict(state: NpcState, action: Action) -> Prediction:
    """The state an action leads to, by the same transitions that the turn will apply."""
    return Prediction(action, apply_transition(state, action))
