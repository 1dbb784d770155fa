"""`rfsn-bridge check`, and what every command has in common."""

from pathlib import Path

import pytest
from daemon_process import attempt, said_in_one_sentence, write_config

from rfsn_bridge.cli import main


def test_a_right_config_is_called_right(tmp_path: Path) -> None:
    done = attempt("check", "--config", write_config(tmp_path), "--data", tmp_path / "data")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is right: llm parrot, tts tone" in done.stdout
    assert not (tmp_path / "data").exists(), "checking makes nothing"


def test_the_shipped_config_is_right(tmp_path: Path) -> None:
    done = attempt("check", "--data", tmp_path)
    assert done.returncode == 0 and "llm llama_cpp, tts kokoro" in done.stdout


def test_a_wrong_config_is_one_sentence(tmp_path: Path) -> None:
    done = attempt("check", "--config", write_config(tmp_path, "llm:\n  backnd: x\n"), "--data", tmp_path)
    assert "line 2" in said_in_one_sentence(done)


def test_a_plugin_that_is_not_used_is_named(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "plugins" / "broken.py").write_text("raise RuntimeError('no luck')")
    done = attempt("check", "--config", config, "--data", tmp_path)
    assert done.returncode == 0 and "not used: plugin broken" in done.stdout


COMMANDS = [
    "run",
    "demo",
    "say",
    "check",
    "doctor",
    "models",
    "bench",
    "protocol",
    "rules",
    "simulate",
    "analyze",
    "replay",
    "evaluate",
    "prior",
]


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["protocol", "docs"], ["models", "pull"], ["rules", "lint"]]
)
def test_every_command_shows_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "Example: rfsn-bridge" in capsys.readouterr().out
