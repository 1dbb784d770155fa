"""`rfsn-bridge rules`: what is in force, and what is wrong with it."""

import json
from pathlib import Path

import pytest
from daemon_process import attempt, said_in_one_sentence, write_config

GOOD = """
rules:
  - id: curfew
    on: {signal: greet}
    if: {quest: true}
    change: {sentiment: -0.1}
"""
WARNED = "rules: [{id: mine, on: {signal: ignore}, change: {trust: -0.1}}]\n"
BAD = "# Mine.\nrules:\n  - {id: mine, on: {signal: ignore}, if: {fear: {below: 0}}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, "llm: {backend: parrot}\ntts: {engine: none}\nmind: {learner: greedy}\n")


def pack(folder: Path, text: str, name: str = "pack.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_our_own_rules_are_well(config: Path, tmp_path: Path) -> None:
    done = attempt("rules", "lint", "--config", config, "--data", tmp_path / "data")
    assert done.returncode == 0, done
    assert "considerations: no errors, no warnings" in done.stdout
    assert not (tmp_path / "data").exists(), "looking makes nothing"


def test_a_file_that_is_well_needs_no_config(tmp_path: Path) -> None:
    done = attempt("rules", "lint", pack(tmp_path, GOOD))
    assert (done.returncode, done.stderr) == (0, "")
    assert "no errors, no warnings" in done.stdout


def test_an_error_is_told_in_a_line_with_its_place_and_remedy(tmp_path: Path) -> None:
    path = pack(tmp_path, BAD)
    done = attempt("rules", "lint", path)
    first, last = done.stdout.splitlines()
    assert first.startswith(f"error: {path}, line 3: mine: unreachable: it never fires")
    assert first.endswith("; correct its `if`, or remove it")
    assert "1 error, no warnings" in last
    assert done.returncode == 1


def test_a_warning_is_shown_and_no_failure(tmp_path: Path) -> None:
    done = attempt("rules", "lint", pack(tmp_path, WARNED))
    assert done.returncode == 0
    assert "warning: " in done.stdout and "no errors, 1 warning" in done.stdout


def test_findings_come_as_json_too(tmp_path: Path) -> None:
    done = attempt(
        "rules", "lint", "--json", pack(tmp_path, BAD), pack(tmp_path, WARNED.replace("mine", "b"), "b.yaml")
    )
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["ok"] is False
    assert [(each["id"], each["line"], each["kind"], each["level"]) for each in found["findings"]] == [
        ("mine", 3, "unreachable", "error"),
        ("b", 1, "unbounded", "warning"),
    ]
    assert json.loads(attempt("rules", "lint", "--json", pack(tmp_path, GOOD)).stdout) == {
        "ok": True,
        "findings": [],
    }


def test_a_file_of_considerations_is_known_by_its_keys(tmp_path: Path) -> None:
    text = "considerations:\n  - {id: mine, input: one, weight: 1, if: {mood: []}}\n"
    done = attempt("rules", "lint", pack(tmp_path, text))
    assert done.returncode == 1
    assert "line 2: mine: unreachable: it never counts: it names no mood" in done.stdout


def test_what_config_yaml_names_is_looked_at(config: Path, tmp_path: Path) -> None:
    pack(tmp_path, BAD)
    pack(tmp_path, "considerations: [{id: lazy, input: one, weight: 1, if: {mood: []}}]", "scores.yaml")
    config.write_text(
        "llm: {backend: parrot}\ntts: {engine: none}\n"
        "mind: {learner: greedy, rules: [pack.yaml], options: {utility: {considerations: [scores.yaml]}}}\n",
        encoding="utf-8",
    )
    done = attempt("rules", "lint", "--config", config, "--data", tmp_path)
    assert "pack.yaml, line 3: mine" in done.stdout and "scores.yaml, line 1: lazy" in done.stdout
    assert "2 errors" in done.stdout


def test_what_cannot_be_read_is_one_sentence(config: Path, tmp_path: Path) -> None:
    assert "none.yaml cannot be read" in said_in_one_sentence(attempt("rules", "lint", tmp_path / "none.yaml"))
    wrong = pack(tmp_path, "rules:\n  - id: mine\n    on: {signal: gret}\n")
    said = said_in_one_sentence(attempt("rules", "lint", wrong))
    assert f"{wrong}, line 3: rules.0.on.signal.0: there is no 'gret' here; did you mean 'greet'?" in said
    config.write_text("mind: {learner: greedy, rules: [none.yaml]}\n", encoding="utf-8")
    assert "none.yaml cannot be read" in said_in_one_sentence(attempt("rules", "lint", "--config", config))


def test_considerations_that_are_missing_or_wrong_are_one_sentence(config: Path, tmp_path: Path) -> None:
    config.write_text(
        "mind: {learner: greedy, options: {utility: {considerations: [none.yaml]}}}\n", encoding="utf-8"
    )
    assert "none.yaml cannot be read" in said_in_one_sentence(attempt("rules", "lint", "--config", config))
    config.write_text("mind: {learner: greedy, options: {utility: {weights: {frigt: 1}}}}\n", encoding="utf-8")
    assert "did you mean 'fright'" in said_in_one_sentence(attempt("rules", "lint", "--config", config))


def test_every_entry_is_listed_with_its_place(tmp_path: Path) -> None:
    lines = attempt("rules", "list", pack(tmp_path, GOOD)).stdout.splitlines()
    (mine,) = [line.split() for line in lines if " curfew " in line]
    assert " ".join(mine) == f"rule curfew {tmp_path / 'pack.yaml'}, line 3 signal greet, if quest"
    (ours,) = [line.split() for line in lines if " thanked_for_help " in line]
    assert " ".join(ours[-5:]) == "signal compliment after action help/offer"
    assert any(line.startswith("proposal ") and "to.greet" in line and "greet 1" in line for line in lines)
    assert any(
        line.startswith("consideration ") and "fright" in line and "weight 1.1: flee" in line for line in lines
    )


def test_the_list_comes_as_json_too(tmp_path: Path) -> None:
    listed = json.loads(attempt("rules", "list", "--json", pack(tmp_path, "rules:\n")).stdout)
    assert len(listed["revision"]) == 12
    kinds = [each["kind"] for each in listed["entries"]]
    assert set(kinds) == {"rule", "proposal", "consideration"}
    assert listed["entries"][0] == {
        "id": "hears.greet",
        "kind": "rule",
        "file": "rules.yaml",
        "line": listed["entries"][0]["line"],
        "about": "signal greet",
    }
