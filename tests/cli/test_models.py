"""`rfsn-bridge models`, as a player runs it."""

import argparse
import hashlib
import json
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rfsn_bridge import paths
from rfsn_bridge.cli import models
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.models import fetch

FILES = {"tiny.bin": b"the model", "tiny-voices.bin": b"its voices"}

Run = Callable[..., int]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command with a catalogue of two small models, served on the loopback."""
    served = tmp_path / "served"
    served.mkdir()
    for name, content in FILES.items():
        (served / name).write_bytes(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        entries = {
            name: {
                "purpose": "for tests",
                "file": file,
                "size": len(FILES[file]),
                "sha256": hashlib.sha256(FILES[file]).hexdigest(),
                "licence": "MIT (weights)",
                "needs": needs,
                "sources": [{"url": f"http://127.0.0.1:{server.server_port}/{file}"}],
            }
            for name, file, needs in (
                ("tiny", "tiny.bin", ["tiny-voices"]),
                ("tiny-voices", "tiny-voices.bin", []),
            )
        }
        (tmp_path / "catalogue.yaml").write_text(json.dumps({"models": entries}))
        monkeypatch.setattr(paths, "catalogue", tmp_path / "catalogue.yaml")
        monkeypatch.setattr(paths, "_CHECKOUT", None)
        monkeypatch.setenv("RFSN_DATA", str(tmp_path / "data"))

        def run(*words: str) -> int:
            parser = argparse.ArgumentParser(prog="rfsn-bridge")
            models.add_commands(parser.add_subparsers(required=True))
            args = parser.parse_args(["models", *words])
            return args.func(args)

        yield run
        server.shutdown()
        thread.join()


def test_pull_fetches_a_model_with_what_it_needs(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("pull", "tiny") == 0
    for name, content in FILES.items():
        assert (tmp_path / "data" / "models" / name).read_bytes() == content
    said = capsys.readouterr().out
    assert said.index("licence: MIT (weights)") < said.index("downloading from 127.0.0.1")
    assert f"is at {tmp_path / 'data' / 'models' / 'tiny.bin'}" in said


@pytest.mark.parametrize(
    ("config", "pulled"),
    [
        ("{llm: {options: {llama_cpp: {model: tiny}}}, tts: {engine: none}}", ["tiny-voices.bin", "tiny.bin"]),
        ("{llm: {options: {llama_cpp: {model: /own.gguf}}}, tts: {engine: none}}", []),
    ],
)
def test_pull_without_a_name_fetches_what_the_config_needs(
    run: Run, tmp_path: Path, config: str, pulled: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text(config)
    assert run("pull", "--config", str(tmp_path / "config.yaml")) == 0
    assert sorted(path.name for path in tmp_path.glob("data/models/tiny*")) == pulled


def test_pull_into_a_named_folder(run: Run, tmp_path: Path) -> None:
    assert run("pull", "tiny-voices", "--data", str(tmp_path / "other")) == 0
    assert (tmp_path / "other" / "models" / "tiny-voices.bin").exists()
    assert not (tmp_path / "data").exists()


def test_pull_of_an_unknown_model_fetches_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="the catalogue has: tiny, tiny-voices"):
        run("pull", "tiny", "llama")
    assert not (tmp_path / "data").exists()


def test_ctrl_c_tells_that_the_pull_can_go_on(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ctrl_c(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "pull", ctrl_c)
    assert run("pull", "tiny") == 1
    assert "run the same command again to go on" in capsys.readouterr().out


def test_list_says_where_each_lies_or_that_it_is_missing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("pull", "tiny-voices")
    capsys.readouterr()
    assert run("list") == 0
    said = capsys.readouterr().out
    assert "where: missing" in said
    assert f"where: {tmp_path / 'data' / 'models' / 'tiny-voices.bin'}" in said


def test_list_as_json(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data" / "models").mkdir(parents=True)
    (tmp_path / "data" / "models" / "tiny.bin").write_bytes(b"half")
    assert run("list", "--json") == 0
    tiny, voices = json.loads(capsys.readouterr().out)
    assert (tiny["name"], tiny["needs"], tiny["size_right"]) == ("tiny", ["tiny-voices"], False)
    assert tiny["path"] == str(tmp_path / "data" / "models" / "tiny.bin")
    assert (voices["path"], voices["size_right"]) == (None, False)


def test_verify_tells_right_from_wrong(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pull", "tiny")
    assert run("verify") == 0
    (tmp_path / "data" / "models" / "tiny.bin").write_bytes(b"the mOdel")
    capsys.readouterr()
    assert run("verify") == 1
    said = capsys.readouterr().out
    assert "tiny: wrong" in said and "tiny-voices: right" in said


def test_verify_minds_a_missing_model_only_when_asked_for_it(run: Run) -> None:
    assert run("verify") == 0
    assert run("verify", "tiny") == 1


@pytest.mark.parametrize("words", [(), ("pull",), ("list",), ("verify",)])
def test_help_shows_an_example(run: Run, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(*words, "--help")
    assert "Example: rfsn-bridge models" in capsys.readouterr().out
