"""`rfsn-bridge simulate`, `analyze`, `replay`, `evaluate` and `prior fit`, as they are called."""

import json
import sys
from pathlib import Path

import pytest
from daemon_process import attempt, said_in_one_sentence, write_config


def simulated(folder: Path, *options: str, turns: int = 30) -> Path:
    file = folder / "episode.jsonl"
    given = options or ("--npcs", "3")
    done = attempt("simulate", *given, "--turns", str(turns), "-o", file, "--data", folder / "data")
    assert (done.returncode, done.stderr) == (0, "")
    assert "turns a second" in done.stdout
    return file


def test_a_simulation_makes_nothing_but_its_file(tmp_path: Path):
    simulated(tmp_path, "--npc", "lydia")
    assert [each.name for each in tmp_path.iterdir()] == ["episode.jsonl"]


@pytest.mark.parametrize("players", ["random", "scholar", "traitor"])
def test_players_are_chosen_by_name(tmp_path: Path, players: str):
    file = simulated(tmp_path, "--npc", "a", "--npc", "b", "--players", players)
    assert len(file.read_text().splitlines()) == 60


def test_a_bio_makes_the_personality(tmp_path: Path):
    file = simulated(tmp_path, "--npc", "a", "--bio", "a cowardly, cruel thief", turns=1)
    traits = json.loads(file.read_text())["trace"]["personality"]
    assert traits["courage"] == 0.1 and traits["warmth"] == 0.1


def test_a_language_model_can_be_the_player(tmp_path: Path):
    file = tmp_path / "a.jsonl"
    config = write_config(tmp_path)
    done = attempt(
        *("simulate", "--npc", "lydia", "--players", "llm", "--turns", "4", "-o", file),
        *("--config", config, "--data", tmp_path / "data"),
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [each["player_text"] for each in lines] == ["Well met, traveller. Farewell."] * 4


@pytest.mark.parametrize("option", [("--turns", "0"), ("--npcs", "999999"), ("--turns", "many")])
def test_numbers_out_of_range_are_refused(tmp_path: Path, option: tuple[str, str]):
    done = attempt("simulate", *option, "-o", tmp_path / "a.jsonl")
    assert done.returncode == 2 and option[0] in done.stderr


def test_an_analysis_is_a_table_or_json(tmp_path: Path):
    file = simulated(tmp_path)
    shown = attempt("analyze", file)
    assert shown.returncode == 0 and "mean reward" in shown.stdout and "affinity" in shown.stdout
    told = json.loads(attempt("analyze", file, "--json").stdout)
    assert told["turns"] == 90 and told["npcs"] == 3


def test_an_analysis_is_a_picture(tmp_path: Path):
    pytest.importorskip("matplotlib")
    done = attempt("analyze", simulated(tmp_path), "-o", tmp_path / "a.png")
    assert done.returncode == 0 and "drawn" in done.stdout
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_table_still_comes_and_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = simulated(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = attempt("analyze", file, "-o", tmp_path / "a.png")
    assert "pip install 'rfsn-bridge[plots]'" in said_in_one_sentence(done)
    assert "mean reward" in done.stdout and not (tmp_path / "a.png").exists()


def test_a_replay_shows_which_turns_choose_another_action(tmp_path: Path):
    file = simulated(tmp_path, "--npcs", "3", "--players", "rude")
    rules = tmp_path / "harsher.yaml"
    rules.write_text(
        "rules:\n  - {id: hears.insult, on: {signal: insult}, change: {affinity: -0.6, trust: -0.6}}\n"
        "proposals:\n  - {id: walks_away, on: insult, propose: {farewell: 1.0}}\n"
    )
    shown = attempt("replay", file, "--rules", rules, "--data", tmp_path / "data")
    assert shown.returncode == 0 and "turns choose another action" in shown.stdout
    told = json.loads(attempt("replay", file, "--rules", rules, "--json", "--data", tmp_path / "data").stdout)
    assert told["other_choice"] > 0 and told["first"][0]["from"] != told["first"][0]["to"]


def test_a_replay_can_compare_with_another_config(tmp_path: Path):
    other = tmp_path / "other.yaml"
    other.write_text("mind: {safety: []}\n")
    file = simulated(tmp_path, "--npcs", "2", "--start", "terrified")
    told = json.loads(attempt("replay", file, "--against", other, "--json", "--data", tmp_path / "data").stdout)
    assert told["vetoes"] and all(name.startswith("-") for name in told["vetoes"])


def test_a_replay_with_nothing_to_compare_says_so(tmp_path: Path):
    done = attempt("replay", simulated(tmp_path), "--data", tmp_path / "data")
    assert "--rules" in said_in_one_sentence(done)


def test_rules_that_are_wrong_are_told_with_their_line(tmp_path: Path):
    rules = tmp_path / "wrong.yaml"
    rules.write_text("rules:\n  - {id: x, on: {signal: insullt}}\n")
    done = attempt("replay", simulated(tmp_path), "--rules", rules, "--data", tmp_path / "data")
    assert "line 2" in said_in_one_sentence(done)


@pytest.mark.parametrize("command", ["analyze", "replay"])
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, command: str):
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_bytes(b"\x00\x01 not this")
    extra = ("--rules", __file__) if command == "replay" else ()
    done = attempt(command, wrong, *extra)
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_a_policy_is_judged_as_a_table_or_json(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text("mind: {learner: linucb}\n")
    file = tmp_path / "a.jsonl"
    of = ("--config", config, "--data", tmp_path / "data")
    assert attempt("simulate", "--npcs", "4", "--turns", "60", "-o", file, *of).returncode == 0
    shown = attempt("evaluate", file, "--policy", "greedy", "--choice", "style", *of)
    assert shown.returncode == 0 and "doubly robust" in shown.stdout
    told = json.loads(attempt("evaluate", file, "--policy", "logged", "--json", *of).stdout)
    assert told["ips"]["value"] == pytest.approx(told["logged"])


def test_an_unknown_policy_is_answered_with_the_known_ones(tmp_path: Path):
    done = attempt("evaluate", simulated(tmp_path), "--policy", "gready", "--data", tmp_path / "data")
    assert "greedy" in said_in_one_sentence(done)


def test_a_policy_that_the_recording_never_tried_is_refused(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text("mind: {learner: greedy}\n")
    file = tmp_path / "a.jsonl"
    attempt("simulate", "--npc", "a", "-o", file, "--config", config, "--data", tmp_path / "data")
    assert "cannot be judged" in said_in_one_sentence(attempt("evaluate", file, "--policy", "uniform"))


def test_a_prior_is_fitted_from_files(tmp_path: Path):
    file = simulated(tmp_path, turns=60)
    done = attempt("prior", "fit", file, file, "-o", tmp_path / "prior.json")
    assert done.returncode == 0 and "mind: {prior:" in done.stdout
    assert set(json.loads((tmp_path / "prior.json").read_text())["kinds"]) == {"action", "style"}
