"""`rfsn-bridge bench`, with scripts of the test's own in the place of the benchmarks."""

import json
from pathlib import Path

import pytest

from rfsn_bridge import paths
from rfsn_bridge.cli import bench, main


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Benchmarks that only tell how they were called."""
    for name in bench.NAMES:
        (tmp_path / f"{name}.py").write_text(
            f'"""Of {name}."""\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n'
        )
    monkeypatch.setattr(paths, "benchmarks", tmp_path)
    return tmp_path


def test_every_benchmark_is_there_and_says_what_it_measures(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(bench.NAMES)
    assert all(told.values())


def test_without_a_name_the_quick_set_runs(scripts: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {name: ["--quick", "--json"] for name in bench.QUICK}


def test_a_named_benchmark_runs_in_full(scripts: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "idle", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"idle": ["--json"]}


def test_all_of_them_run_in_full(scripts: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {name: ["--json"] for name in bench.NAMES}


def test_one_that_breaks_is_named_and_the_others_still_run(scripts: Path, capsys: pytest.CaptureFixture[str]):
    (scripts / "idle.py").write_text("raise SystemExit(3)")
    assert main(["bench", "idle", "clients", "--json"]) == 1
    output = capsys.readouterr()
    assert list(json.loads(output.out)) == ["clients"]
    assert "idle" in output.err


def test_an_unknown_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "sppliter"]) == 1
    assert "splitter" in capsys.readouterr().err
