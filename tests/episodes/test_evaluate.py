"""What another policy would have earned in a recording."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from fuzzing import default_mind
from recordings import record

from rfsn_bridge.domain import Choice, Npc
from rfsn_bridge.episodes import episode_file, evaluate, personas
from rfsn_bridge.episodes.episode_file import Episode
from rfsn_bridge.episodes.simulate import Stage
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.prior import read_prior


class Anything:
    """A learner, and its own policy, that takes every arm alike and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def policy(self, arms: Sequence[str], features: Sequence[str], **_: object) -> "Anything":
        return self

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        share = 1 / len(arms)
        arm = rng.choice(arms)
        return Choice(arm, share, {"share": share}, dict.fromkeys(arms, share), dict.fromkeys(arms, share))

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        self.told.append((arm, reward))

    def dump(self) -> bytes:
        return b""


@pytest.fixture(scope="module")
def explored() -> list[Episode]:
    """Turns of two NPCs that tried everything."""
    mind = replace(default_mind(), learner=Anything())  # type: ignore[arg-type]

    def lines() -> Iterator[Episode]:
        for name in ("friendly", "scholar"):
            for fields in Stage(mind, Npc(name, name), personas.PERSONAS[name], f"1.{name}").play(150):
                yield Episode.model_validate_json(episode_file.line_of(fields))

    return list(lines())


@pytest.mark.parametrize("kind", ["action", "style"])
def test_what_was_recorded_earns_what_it_earned(explored: list[Episode], kind: evaluate.Kind):
    log = evaluate.read(explored, kind)
    found = evaluate.evaluate(log, kind, "logged", list(evaluate.probabilities(log, kind, evaluate.LOGGED)))
    assert found.ips.value == pytest.approx(found.logged)
    assert found.snips.value == pytest.approx(found.logged)
    assert found.doubly_robust.low < found.logged < found.doubly_robust.high


def test_the_better_policy_is_told_from_the_worse(explored: list[Episode]):
    log = evaluate.read(explored, "style")

    def value_of(*liked: str) -> float:
        target = [dict.fromkeys(each.probabilities, 0.0) | dict.fromkeys(liked, 1 / len(liked)) for each in log]
        return evaluate.evaluate(log, "style", "x", target).doubly_robust.value

    assert value_of("WARM_FRIENDLY", "LORE_RICH") > value_of("TERSE_DIRECT", "PLAYFUL_WITTY") + 0.1


def test_a_learner_is_told_each_choice_after_it_was_asked(explored: list[Episode]):
    log, learner = evaluate.read(explored, "action"), Anything()
    for asked, probabilities in enumerate(evaluate.probabilities(log, "action", "x", learner)):  # type: ignore[arg-type]
        assert len(learner.told) == asked
        assert sum(probabilities.values()) == pytest.approx(1)
    assert learner.told == [(each.arm, each.reward) for each in log]


def test_a_greedy_learner_takes_the_best_score(explored: list[Episode]):
    log = evaluate.read(explored, "action")
    for each, found in zip(log, evaluate.probabilities(log, "action", "greedy", Greedy()), strict=True):
        assert each.priors[max(found, key=lambda arm: found[arm])] == max(each.priors.values())


def test_without_support_an_answer_is_refused(tmp_path: Path):
    greedy = replace(default_mind(), learner=Greedy())
    log = evaluate.read(episode_file.read(record(tmp_path / "a.jsonl", mind=greedy)), "action")
    with pytest.raises(BridgeError, match="cannot be judged"):
        evaluate.evaluate(log, "action", "uniform", list(evaluate.probabilities(log, "action", evaluate.UNIFORM)))


def test_a_recording_without_propensities_is_refused(explored: list[Episode]):
    with pytest.raises(BridgeError, match="keeps no propensities"):
        evaluate.read([explored[0].model_copy(update={"propensities": {}})], "action")


def test_a_recording_of_other_features_is_refused(explored: list[Episode]):
    with pytest.raises(BridgeError, match="features"):
        evaluate.read([explored[1].model_copy(update={"action_features": (1.0,), "reward": 0.1})], "action")


def test_a_population_is_learned_from_files_and_read_back(explored: list[Episode]):
    some = explored[100:200]
    fitted, counts = evaluate.population([some, some])
    assert set(read_prior(fitted)) == {"action", "style"}
    assert counts["action"] == 2 * len(evaluate.read(some, "action"))


def test_nothing_is_learned_from_nothing(explored: list[Episode]):
    unknown = [each.model_copy(update={"reward": None, "style_reward": None}) for each in explored]
    with pytest.raises(BridgeError, match="rewarded"):
        evaluate.population([unknown])
