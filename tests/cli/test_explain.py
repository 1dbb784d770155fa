"""`rfsn-bridge explain`, from what a daemon has left on disk."""

import json
from pathlib import Path

import pytest
from daemon_process import daemon_process, run

from rfsn_bridge.cli import main


def test_the_last_turn_is_explained(tmp_path: Path) -> None:
    with daemon_process(tmp_path) as daemon:
        run("say", "Lydia", "Hail.", "--url", daemon.url)
        run("say", "Nazeem", "You are a fool.", "--url", daemon.url)
    told = run("explain", "--data", str(tmp_path / "data"))
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("Turn ") and "Nazeem chose " in told.stdout
    assert 'The player said: "You are a fool."' in told.stdout
    assert "Heard as: insult" in told.stdout and "hears.insult" in told.stdout
    as_json = json.loads(run("explain", "--data", str(tmp_path / "data"), "--json").stdout)
    again = run("explain", as_json["turn_id"], "--data", str(tmp_path / "data"))
    assert again.stdout == told.stdout


def test_where_nothing_was_said_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--data", str(tmp_path)]) == 1
    assert "no memory" in capsys.readouterr().err
    assert main(["explain", "nonsense", "--data", str(tmp_path)]) == 1
    assert "no memory" in capsys.readouterr().err
