"""`rfsn-bridge doctor`: each check against the real thing, or a small server in its place."""

import argparse
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

import rfsn_bridge
from rfsn_bridge import paths
from rfsn_bridge.cli import doctor
from rfsn_bridge.cli.models import models_of
from rfsn_bridge.config import Config, parse
from rfsn_bridge.doctor import advice, checks
from rfsn_bridge.doctor.advice import Machine
from rfsn_bridge.doctor.checks import Check

Serve = Callable[..., str]


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pages, key = self.server.pages, self.server.key  # type: ignore[attr-defined]
        refused = key and self.headers["Authorization"] != f"Bearer {key}"
        body = json.dumps(pages.get(self.path)).encode()
        self.send_response(401 if refused else 200 if self.path in pages else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(pages: dict[str, object], key: str = "") -> Iterator[str]:
    """A server of JSON pages; gives its address."""
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        server.pages, server.key = pages, key  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nothing listens, and nothing else can come to."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def config(text: str = "") -> Config:
    return parse(text.encode(), environment={})


@pytest.mark.parametrize(("version", "mark"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 14, 0), "fail")])
def test_python_must_be_one_that_is_supported(version: tuple[int, int, int], mark: str) -> None:
    assert checks.python(version).mark == mark


def test_broken_config_is_said_and_the_defaults_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("tts: {engin: none}")
    check, used = checks.config_file(file)
    assert check.mark == "fail" and "engin" in check.finding
    assert used == Config()


def test_data_folder_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    check = checks.data_folder(tmp_path / "new" / "data")
    assert check.mark == "ok" and "GB free" in check.finding
    assert list(tmp_path.iterdir()) == []


def test_missing_model_fails_with_the_command_that_pulls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_CHECKOUT", None)
    check = checks.model("kokoro", tmp_path)
    assert (check.mark, check.finding) == ("fail", "kokoro-v1.0.int8.onnx is missing")
    assert check.hint.startswith("run: rfsn-bridge models pull kokoro")


def test_model_may_be_a_file_of_the_players_own(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    assert checks.model(str(own), tmp_path).mark == "fail"
    own.write_bytes(b"GGUF")
    assert checks.model(str(own), tmp_path).mark == "ok"


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("", ("smollm2", "kokoro", "kokoro-voices")),
        ("{llm: {backend: ollama}, tts: {engine: none}}", ()),
        ("llm: {options: {llama_cpp: {model: /m.gguf}}}", ("/m.gguf", "kokoro", "kokoro-voices")),
    ],
)
def test_only_models_that_the_config_uses_are_needed(text: str, models: tuple[str, ...]) -> None:
    assert models_of(config(text)) == models


def test_library_that_loads_tells_its_version() -> None:
    assert checks.imports("pluggy", required=True).mark == "ok"


def test_library_that_is_missing_fails_only_where_it_is_needed() -> None:
    assert checks.imports("no_such_library", required=True).mark == "fail"
    check = checks.imports("no_such_library", required=False)
    assert check.mark == "warn" and "No module named" in check.finding


@pytest.mark.skipif("sys.platform == 'win32'", reason="POSIX signals")
def test_library_that_crashes_takes_only_its_child() -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    check = checks.imports("wrongly-built", required=True, code=crash)
    assert check.mark == "fail" and check.finding == "crashed (SIGILL)"
    assert "processor lacks instructions" in check.hint


def test_missing_portaudio_is_a_warning_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SOUND", "raise OSError('PortAudio library not found')")
    check = checks.sound()
    assert check.mark == "warn" and "libportaudio2" in check.hint


def test_free_port_is_free() -> None:
    assert checks.port("127.0.0.1", 0) == Check("port 0", "ok", "free")


def test_port_that_another_program_holds_without_listening_is_taken(closed_port: int) -> None:
    assert checks.port("127.0.0.1", closed_port).mark == "fail"


def test_running_daemon_is_known_by_its_health_page() -> None:
    with serving({"/health": {"version": rfsn_bridge.__version__}}) as address:
        check = checks.port("127.0.0.1", port_of(address))
    assert (check.mark, check.finding) == ("ok", "the daemon is running")


def test_daemon_of_another_version_is_a_warning() -> None:
    with serving({"/health": {"version": "0.0.1"}}) as address:
        assert checks.port("127.0.0.1", port_of(address)).mark == "warn"


@pytest.mark.parametrize("pages", [{}, {"/health": {"status": "up"}}, {"/health": [1]}])
def test_another_program_on_the_port_fails_with_a_remedy(pages: dict[str, object]) -> None:
    with serving(pages) as address:
        check = checks.port("127.0.0.1", port_of(address))
    assert (check.mark, check.finding) == ("fail", "another program listens there")
    assert "--port" in check.hint


OLLAMA_HAS = {"/api/tags": {"models": [{"name": "llama3.2:latest"}, {"name": "qwen2.5:7b"}]}}


def test_ollama_names_its_models() -> None:
    with serving(OLLAMA_HAS) as address:
        check = advice.ollama(config(f"llm: {{backend: ollama, options: {{ollama: {{base_url: '{address}'}}}}}}"))
    assert check.mark == "ok" and check.finding.endswith("with llama3.2:latest, qwen2.5:7b")


def test_model_that_ollama_lacks_fails_with_the_command_that_pulls_it() -> None:
    with serving(OLLAMA_HAS) as address:
        options = f"{{base_url: '{address}', model: mistral}}"
        check = advice.ollama(config(f"llm: {{backend: ollama, options: {{ollama: {options}}}}}"))
    assert (check.mark, check.hint) == ("fail", "run: ollama pull mistral")


def test_ollama_that_is_not_running_fails_only_where_the_config_needs_it(closed_port: int) -> None:
    options = f"options: {{ollama: {{base_url: 'http://127.0.0.1:{closed_port}'}}}}"
    assert advice.ollama(config(f"llm: {{backend: ollama, {options}}}")).mark == "fail"
    assert advice.ollama(config(f"llm: {{{options}}}")).mark == "ok"


def test_server_that_answers_something_else_is_not_taken_for_ollama() -> None:
    with serving({"/api/tags": {"models": "none"}}) as address:
        check = advice.ollama(config(f"llm: {{backend: ollama, options: {{ollama: {{base_url: '{address}'}}}}}}"))
    assert check.mark == "fail" and check.finding.startswith("answers something else")


def test_openai_server_gets_the_key_and_names_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"/v1/models": {"data": [{"id": "stheno-8b"}]}}, key="k3y") as address:
        text = f"llm: {{backend: openai, options: {{openai: {{base_url: '{address}', api_key_env: TEST_KEY}}}}}}"
        monkeypatch.delenv("TEST_KEY", raising=False)
        unset = advice.openai(config(text))
        monkeypatch.setenv("TEST_KEY", "k3y")
        right = advice.openai(config(text))
        monkeypatch.setenv("TEST_KEY", "wrong")
        wrong = advice.openai(config(text))
    assert (unset.mark, unset.finding) == ("fail", "the environment variable TEST_KEY is not set")
    assert right.mark == "ok" and "stheno-8b" in right.finding
    assert wrong.mark == "fail" and "answers HTTP 401" in wrong.finding
    assert "k3y" not in repr((unset, right, wrong))


@pytest.mark.parametrize(
    ("machine", "size"),
    [
        (Machine(threads=2, ram=8, vram=None), "1B"),
        (Machine(threads=8, ram=16, vram=None), "3-4B"),
        (Machine(threads=8, ram=16, vram=8), "3-4B"),
        (Machine(threads=8, ram=16, vram=16), "8B"),
        (Machine(threads=4, ram=None, vram=None), "1B"),
    ],
)
def test_model_size_leaves_the_game_its_room(machine: Machine, size: str) -> None:
    assert size in advice.suits(machine).split(" instruct")[0].split()


def test_small_model_is_a_warning_that_names_better_ones() -> None:
    check = advice.machine_and_model(config(), Machine(threads=8, ram=16, vram=None))
    assert check.mark == "warn"
    for word in ("llama3.2", "Ollama", "LM Studio", ".gguf", "Skyrim"):
        assert word in check.hint


def test_model_of_the_players_own_needs_no_advice() -> None:
    own = config("llm: {options: {llama_cpp: {model: /own.gguf}}}")
    assert advice.machine_and_model(own, Machine(8, 16, None)).mark == "ok"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="rfsn-bridge")
    doctor.add_commands(parser.add_subparsers(required=True))
    args = parser.parse_args(["doctor", *words])
    return args.func(args)


@pytest.fixture
def text_only(tmp_path: Path) -> Path:
    """A config that needs no model, and a port that is free."""
    with serving(OLLAMA_HAS) as address:
        file = tmp_path / "config.yaml"
        options = f"options: {{ollama: {{base_url: '{address}'}}}}"
        file.write_text(f"{{server: {{port: 0}}, llm: {{backend: ollama, {options}}}, tts: {{engine: none}}}}")
        yield file


def test_doctor_ends_with_0_where_all_that_is_needed_works(
    text_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--config", str(text_only), "--data", str(tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok   config: ")
    assert lines[-1] == "all that the config asks for works"
    assert all(line.split()[0] in ("ok", "warn") for line in lines[:-1])


def test_doctor_ends_with_1_where_something_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_CHECKOUT", None)
    file = tmp_path / "config.yaml"
    file.write_text("server: {port: 0}")
    assert run("--config", str(file), "--data", str(tmp_path)) == 1
    assert "fail model smollm2: SmolLM2-135M-Instruct.Q4_1.gguf is missing; run: " in capsys.readouterr().out


def test_doctor_as_json(text_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", str(text_only), "--data", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert {frozenset(check) for check in said["checks"]} == {frozenset({"name", "mark", "finding", "hint"})}


def test_only_the_engines_of_the_chain_are_looked_at(tmp_path: Path) -> None:
    def names(engine: str) -> set[str]:
        found = doctor.all_checks(parse(f"tts: {{engine: {engine}}}".encode()), tmp_path)
        return {getattr(getattr(check, "func", check), "__name__", "") for check in found}

    assert not names("kokoro") & {"piper", "speech_server"}
    assert {"piper", "speech_server"} <= names("[kokoro, openai, piper]")


def test_a_speech_server_is_there_if_it_answers_anything(closed_port: int) -> None:
    with serving({}) as address:
        config = parse(f"tts: {{engine: openai, options: {{openai: {{base_url: '{address}'}}}}}}".encode())
        assert advice.speech_server(config).mark == "ok"
    gone = parse(f"tts: {{engine: openai, options: {{openai: {{base_url: '127.0.0.1:{closed_port}'}}}}}}".encode())
    assert advice.speech_server(gone).mark == "fail"
    assert "base_url" in advice.speech_server(gone).hint


def test_a_speech_server_whose_key_is_not_set_is_told_by_the_keys_name() -> None:
    config = parse(b"tts: {engine: openai, options: {openai: {api_key_env: NO_SUCH_KEY}}}")
    assert advice.speech_server(config).finding == "the environment variable NO_SUCH_KEY is not set"


def test_the_models_of_every_engine_are_named() -> None:
    config = parse(b"llm: {backend: ollama}\ntts: {engine: [kokoro, piper, none]}")
    assert models_of(config) == ("kokoro", "kokoro-voices", "piper-joe")
