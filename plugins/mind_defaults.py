"""The built-in mind: how actions are scored and limited."""

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import ConfigError, ConfigPath, Register, SafetyRule, Scorer, Services, WorldRules, hookimpl
from rfsn_bridge.mind.considerations import load_considerations
from rfsn_bridge.mind.safety import FleeWhenTerrified, NoFavoursWithoutTrust
from rfsn_bridge.mind.scorer import UtilityScorer


class UtilityOptions(BaseModel):
    """The built-in scorer: a weighted sum of considerations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    considerations: tuple[ConfigPath, ...] = Field(
        default=(), description="YAML files of considerations on top of ours, in order."
    )
    weights: dict[str, float] = Field(default={}, description="Other weights for considerations, by their id.")


def utility(options: UtilityOptions, services: Services) -> Scorer:
    files = []
    for path in options.considerations:
        try:
            files.append(WorldRules(path.name, path.read_bytes()))
        except OSError as error:
            message = f"mind.options.utility.considerations: {path} cannot be read: {error.strerror}"
            raise ConfigError(message, "correct the path") from None
    return UtilityScorer(load_considerations(files, options.weights))


@hookimpl
def register_scorers(register: Register[Scorer]) -> None:
    register("utility", utility, options=UtilityOptions)


@hookimpl
def register_safety_rules(register: Register[SafetyRule]) -> None:
    register("flee_when_terrified", lambda options, services: FleeWhenTerrified())
    register("no_favours_without_trust", lambda options, services: NoFavoursWithoutTrust())
