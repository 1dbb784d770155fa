"""The built-in classifiers: what the player's utterance means."""

from rfsn_bridge import Register, SignalClassifier, hookimpl
from rfsn_bridge.mind.signals import RuleClassifier


@hookimpl
def register_signal_classifiers(register: Register[SignalClassifier]) -> None:
    register("rules", lambda options, services: RuleClassifier())
