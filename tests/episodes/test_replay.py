"""A recording decided again under other rules."""

from dataclasses import replace
from pathlib import Path

import pytest
from fuzzing import default_mind
from recordings import record

from rfsn_bridge.domain import Action
from rfsn_bridge.episodes.episode_file import read
from rfsn_bridge.episodes.replay import Difference, compare
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.rule_files import load_rules
from rfsn_bridge.mind.world_model import WorldModel

MIND = default_mind()
HARSHER = b"""
rules:
  - id: hears.insult
    on: {signal: insult}
    change: {affinity: -0.6, trust: -0.6}
    appraisal: {desirability: -0.9, praiseworthiness: -0.9}
proposals:
  - {id: walks_away, on: insult, propose: {farewell: 1.0}}
"""


def under(text: bytes) -> Mind:
    return replace(MIND, world=WorldModel(load_rules([WorldRules("other.yaml", text)])))


def difference(path: Path, other: Mind) -> Difference:
    total = Difference()
    for line in compare(read(path), MIND, other):
        total.add(line)
    return total


def test_under_the_same_rules_nothing_differs(tmp_path: Path):
    total = difference(record(tmp_path / "a.jsonl"), MIND)
    assert (total.turns, total.differ, total.other_choice) == (120, 0, 0)


def test_other_rules_show_in_states_predictions_scores_and_choices(tmp_path: Path):
    total = difference(record(tmp_path / "a.jsonl"), under(HARSHER))
    found = total.as_json()
    assert 0 < total.other_choice <= total.differ < total.turns
    assert found["state_distance"]["trust"] > 0 and found["prediction_distance"]["trust"] > 0
    assert found["score_distance"] > 0
    assert sum(each["turns"] for each in found["changed"]) == total.other_choice
    assert "+farewell" in found["candidates"]


def test_a_change_of_other_signals_changes_only_them(tmp_path: Path):
    for line in compare(read(record(tmp_path / "a.jsonl")), MIND, under(HARSHER)):
        signals = line.episode.trace.signals if line.episode.trace else {}
        assert "insult" in signals or not line.differs


def test_what_the_learner_had_added_counts_under_both(tmp_path: Path):
    (line,) = list(compare(list(read(record(tmp_path / "a.jsonl", 1, ("friendly",)))), MIND, MIND))
    episode = line.episode
    assert episode.trace
    second = sorted(line.one.scores, key=lambda action: -line.one.scores[action])[1]
    liked = episode.model_copy(update={"trace": episode.trace.model_copy(update={"learned": {second: 2.0}})})
    (again,) = compare([liked], MIND, MIND)
    assert again.one.choice is again.other.choice is Action(second)


def test_a_file_without_traces_is_refused(tmp_path: Path):
    episode = next(read(record(tmp_path / "a.jsonl", 1)))
    with pytest.raises(BridgeError, match="keeps no trace"):
        list(compare([episode.model_copy(update={"trace": None})], MIND, MIND))
