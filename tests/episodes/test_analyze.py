"""What an episode file tells at a glance."""

from pathlib import Path

import pytest
from recordings import record

from rfsn_bridge.episodes.analyze import Curves, analyze
from rfsn_bridge.episodes.episode_file import read


def test_everything_is_counted_once(tmp_path: Path):
    found = analyze(read(record(tmp_path / "a.jsonl", 50)))
    assert (found.turns, found.npcs) == (100, 2)
    assert sum(kind.turns for kind in found.actions.values()) == 100
    assert sum(kind.turns for kind in found.styles.values()) == 100
    assert sum(found.signals.values()) == 100
    rewards = [each.reward for each in read(tmp_path / "a.jsonl") if each.reward is not None]
    assert found.reward.value == pytest.approx(sum(rewards) / len(rewards))


def test_an_insulted_npc_shows_in_the_curves(tmp_path: Path):
    parts = analyze(read(record(tmp_path / "a.jsonl", 60, ("rude",)))).as_json()["parts"]
    assert parts[0]["affinity"] > parts[-1]["affinity"]
    assert (parts[0]["from"], parts[-1]["to"]) == (0, 59)


def test_a_long_episode_keeps_few_places_and_its_means():
    curves = Curves()
    for turn in range(100_000):
        curves.add(turn, {"reward": 1.0 if turn < 50_000 else 0.0})
    assert len(curves.bins) <= 400
    parts = list(curves.parts())
    assert [means["reward"] for _, _, means in parts[:4]] == [1.0] * 4
    assert parts[-1][2]["reward"] == 0.0
    assert curves.learning()[-1][1] == pytest.approx(0.5)


def test_a_curve_begins_at_its_first_turn_and_leaves_out_what_is_not_there():
    curves = Curves()
    curves.add(0, {"reward": 0.5})
    curves.add(2, {"reward": 0.1})
    assert curves.series("reward") == [(0, 0.5), (2, 0.1)]
