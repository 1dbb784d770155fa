"""`rfsn-bridge say`, with a daemon and without."""

import json
from pathlib import Path

import pytest
from daemon_process import daemon_process, run

from rfsn_bridge.cli import main


def test_the_answer_is_printed_as_it_comes(tmp_path: Path) -> None:
    with daemon_process(tmp_path) as daemon:
        done = run("say", "Lydia", "Hail.", "--url", daemon.url)
        as_json = run("say", "Lydia", "Hail.", "--url", daemon.url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "(greet -> greet)\nLydia: Well met, traveller.\nFarewell.\n"
    messages = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [message["text"] for message in messages if message["type"] == "sentence"] == [
        "Well met, traveller.",
        "Farewell.",
    ]
    assert messages[-1]["type"] in ("turn_finished", "turn_recorded")


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:9/ws", "nonsense", "http://", "ws://127.0.0.1:99999/ws", "ws://[/ws", "ws:///ws", ""]
)
def test_without_a_daemon_it_says_so_in_one_sentence(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("server: {port: 9}")
    assert main(["say", "Lydia", "Hail.", "--data", str(tmp_path), f"--url={url}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("rfsn-bridge: no daemon answers at ws://" if not url else "rfsn-bridge: ")
    assert "rfsn-bridge run" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("npc", "text"), [("", "Hail."), ("Lydia", ""), ("Lydia", "   "), ("n" * 200, "Hail."), ("Lydia", "x" * 5000)]
)
def test_what_cannot_be_said_is_one_sentence(npc: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["say", npc, text]) == 1
    said = capsys.readouterr().err
    assert said.startswith("rfsn-bridge: this cannot be said") and said.count("\n") == 1


def test_a_mind_that_is_not_there_is_told_on_standard_error(tmp_path: Path) -> None:
    config = "llm: {backend: ollama, options: {ollama: {base_url: 'http://127.0.0.1:9'}}}\ntts: {engine: none}\n"
    with daemon_process(tmp_path, config=config) as daemon:
        done = run("say", "Lydia", "Hail.", "--url", daemon.url)
    assert done.returncode == 1 and "[error]" in done.stderr and "Traceback" not in done.stderr
