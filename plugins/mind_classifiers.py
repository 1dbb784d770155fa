"""The built-in classifiers that need no model: what the player's utterance means."""

from rfsn_bridge import Register, SignalClassifier, hookimpl
from rfsn_bridge.mind.lexical import LexicalClassifier
from rfsn_bridge.mind.signals import RuleClassifier


@hookimpl
def register_signal_classifiers(register: Register[SignalClassifier]) -> None:
    register("lexical", lambda options, services: LexicalClassifier())
    register("rules", lambda options, services: RuleClassifier())
