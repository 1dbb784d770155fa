"""The built-in mind: how an utterance is understood, actions are scored, limited and chosen."""

from rfsn_bridge import Learner, Register, SafetyRule, Scorer, SignalClassifier, hookimpl
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.safety import FleeWhenTerrified, NoFavoursWithoutTrust
from rfsn_bridge.mind.scorer import UtilityScorer
from rfsn_bridge.mind.signals import RuleClassifier


@hookimpl
def register_signal_classifiers(register: Register[SignalClassifier]) -> None:
    register("rules", lambda options, services: RuleClassifier())


@hookimpl
def register_scorers(register: Register[Scorer]) -> None:
    register("utility", lambda options, services: UtilityScorer())


@hookimpl
def register_safety_rules(register: Register[SafetyRule]) -> None:
    register("flee_when_terrified", lambda options, services: FleeWhenTerrified())
    register("no_favours_without_trust", lambda options, services: NoFavoursWithoutTrust())


@hookimpl
def register_learners(register: Register[Learner]) -> None:
    register("greedy", lambda options, services: Greedy())
