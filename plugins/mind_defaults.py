"""The built-in mind: how actions are scored and limited."""

from rfsn_bridge import Register, SafetyRule, Scorer, hookimpl
from rfsn_bridge.mind.safety import FleeWhenTerrified, NoFavoursWithoutTrust
from rfsn_bridge.mind.scorer import UtilityScorer


@hookimpl
def register_scorers(register: Register[Scorer]) -> None:
    register("utility", lambda options, services: UtilityScorer())


@hookimpl
def register_safety_rules(register: Register[SafetyRule]) -> None:
    register("flee_when_terrified", lambda options, services: FleeWhenTerrified())
    register("no_favours_without_trust", lambda options, services: NoFavoursWithoutTrust())
