"""Episode files: read line by line, refused in one sentence, whole or not there."""

import json
import tracemalloc
from pathlib import Path

import pytest
from recordings import record

from rfsn_bridge.domain import Action, Mood, NpcState, Signal
from rfsn_bridge.episodes import episode_file
from rfsn_bridge.errors import BridgeError

ORIGINAL = {
    "turn": 0,
    "timestamp": "2024-01-01T00:00:00",
    "player_signal": "greet",
    "state_before": {"mood": "neutral", "affinity": 0.1, "trust_level": 0.6, "fear_level": 0.2},
    "candidates": ["greet", "agree"],
    "scores": {"greet": 0.4, "agree": 0.1},
    "bandit_key": "neutral|stranger|2|greet|0|0",
    "selected_action": "greet",
    "reward": 0.4,
    "state_after": {"mood": "happy", "affinity": 0.2},
}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    return record(tmp_path / "a.jsonl", 10)


def refused(path: Path) -> str:
    with pytest.raises(BridgeError) as error:
        list(episode_file.read(path))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_was_written_is_read(recorded: Path):
    episodes = list(episode_file.read(recorded))
    assert [each.turn for each in episodes] == [*range(10)] * 2
    assert {each.npc_id for each in episodes} == {"friendly", "rude"}


def test_a_file_of_the_original_is_read(tmp_path: Path):
    path = tmp_path / "original.jsonl"
    path.write_text(json.dumps(ORIGINAL) + "\n")
    (episode,) = episode_file.read(path)
    assert (episode.state_before.trust, episode.state_before.fear) == (0.6, 0.2)
    assert episode.propensity is None and episode.trace is None


def test_a_file_that_breaks_off_is_told_from_one_that_is_wrong(recorded: Path):
    text = recorded.read_bytes()
    recorded.write_bytes(text[:-100])
    assert "line 20, breaks off" in refused(recorded)
    recorded.write_bytes(b"PK\x03\x04" + text)
    assert "line 1, is no JSON" in refused(recorded)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"selected_action": "dance"}, "selected_action"),
        ({"reward": 40}, "reward"),
        ({"state_before": {"affinity": 3}}, "state_before.affinity"),
        ({"turn": -1}, "turn"),
        ({"propensities": {"greet": 2.0}}, "propensities.greet"),
        ({"trace": {"signals": {"greet": 1.0}, "changes": {"mood": "odd"}}}, "trace.changes.mood"),
    ],
)
def test_a_wrong_value_is_told_with_its_line_and_place(tmp_path: Path, change: dict[str, object], told: str):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in (ORIGINAL, ORIGINAL | change)) + "\n")
    assert f"line 2, is no turn of an episode ({told}" in refused(path)


def test_an_empty_file_a_folder_and_a_missing_one_are_refused(tmp_path: Path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    assert "holds no turn" in refused(empty)
    assert "cannot be read" in refused(tmp_path)
    assert "cannot be read" in refused(tmp_path / "none.jsonl")


def test_an_endless_line_is_refused_before_it_is_held_in_memory(tmp_path: Path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"[" * 20_000_000)
    tracemalloc.start()
    assert "longer than" in refused(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_file_is_whole_or_not_there(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text("before")
    with pytest.raises(RuntimeError), episode_file.written(path) as file:
        file.write(b"half")
        raise RuntimeError("the power went")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(BridgeError, match="cannot be written"), episode_file.written(tmp_path / "no" / "a.jsonl"):
        pass


def test_the_key_names_the_situation_as_the_original_did():
    state = NpcState(Mood.ANGRY, affinity=-0.7, combat_active=True)
    assert episode_file.bandit_key(state, Signal.INSULT) == "angry|stranger|0|insult|1|0"


def test_a_change_leads_from_one_state_to_the_next():
    change = episode_file.Change(affinity=-0.3, mood=Mood.SAD, mood_strength=0.5, combat_active=True)
    state = change.applied(NpcState(affinity=0.1))
    assert (state.affinity, state.mood, state.combat_active) == (pytest.approx(-0.2), Mood.SAD, True)
    assert state.mood_strength == 0.5


def test_a_decision_of_any_kind_of_number_is_one_line_of_json(recorded: Path):
    for line in recorded.read_text().splitlines():
        assert Action(json.loads(line)["selected_action"])
