"""`rfsn-bridge run`, from its one line to the last of its children."""

import contextlib
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets
from daemon_process import (
    CONFIG,
    PATIENCE_S,
    attempt,
    command,
    daemon_process,
    environment,
    run,
    said_in_one_sentence,
    write_config,
)
from raw_client import raw_client
from real_models import real_config
from stored import latest

from rfsn_bridge import __version__
from rfsn_bridge.domain import TurnStatus


def test_one_line_says_where_it_listens_and_the_version_is_the_same_everywhere(tmp_path: Path) -> None:
    with daemon_process(tmp_path) as daemon:
        assert re.fullmatch(r"listening on ws://127\.0\.0\.1:\d+/ws\n", daemon.line)
        health = httpx.get(daemon.url.replace("ws:", "http:").replace("/ws", "/health"), trust_env=False).json()
        assert health["version"] == __version__
        daemon.process.send_signal(signal.SIGTERM)
        code, out, err = daemon.ended()
    assert (code, out) == (0, "") and "Traceback" not in err
    assert run("--version").stdout == f"rfsn-bridge {__version__}\n"


async def told_at_the_end(client: Any) -> list[str]:
    """What a client hears of its turn until the connection closes."""
    seen = len(client.messages())
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await client.receive()
    told = (message["type"] for message in client.messages()[seen:])
    return [kind for kind in told if kind in ("turn_finished", "turn_recorded")]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
async def test_nothing_is_left_running_however_it_ends(how: signal.Signals, tmp_path: Path) -> None:
    """In the middle of a spoken reply, with a client that stays connected."""
    with daemon_process(tmp_path) as daemon:
        async with raw_client(daemon.url, audio="binary") as client:
            assert client.messages("hello")[0]["server"] == f"rfsn-bridge/{__version__}"
            await client.meet("a")
            await client.say("a", "Please go on.")
            await client.until_frame()
            children = daemon.children()
            assert children, "the voice runs in a process of its own"
            daemon.process.send_signal(how)
            ending = await told_at_the_end(client)
            code, out, err = daemon.ended()
            _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
            assert not alive
    assert out == "" and "Traceback" not in err
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0)
    if how is not signal.SIGKILL:
        assert ending == ["turn_finished", "turn_recorded"]
        record = await latest(tmp_path / "data")
        assert record and record.status is TurnStatus.INTERRUPTED


@pytest.mark.models
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
async def test_nothing_of_the_real_models_is_left_running(how: signal.Signals, tmp_path: Path) -> None:
    with daemon_process(tmp_path, config=real_config()) as daemon:
        async with raw_client(daemon.url, audio="binary") as client:
            await client.meet("a", name="Jarl Balgruuf")
            await client.send(type="player_line", npc_id="a", text="Tell me about Whiterun.")
            while not client.frames():
                await client.receive()
            children = daemon.children()
            assert len(children) >= 2
            daemon.process.send_signal(how)
            daemon.ended()
            assert not psutil.wait_procs(children, timeout=PATIENCE_S)[1]


def test_its_standard_input_can_hold_it(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    told = command("run", "--port", "0", "--config", config, "--data", tmp_path, "--until-stdin-closes")
    pipe = subprocess.PIPE
    with subprocess.Popen(told, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment()) as process:
        assert process.stdout and process.stdout.readline().startswith("listening on ")
        out, err = process.communicate("", timeout=PATIENCE_S)
    assert (process.returncode, out) == (0, "") and "Traceback" not in err


# --- What can be wrong before it starts


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = attempt("run", "--port", str(port), "--config", write_config(tmp_path), "--data", tmp_path)
    said = said_in_one_sentence(done)
    assert str(port) in said and "--port" in said and done.stdout == ""


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("llm: {temperature: 99}", "line 1: llm.temperature"),
        ("llm:\n  backnd: x", "line 2: there is no key llm.backnd; did you mean 'backend'?"),
        ("llm: [", "mend the YAML"),
        ("llm: {backend: parot}", "did you mean 'parrot'?"),
        ("llm: {backend: parrot}\ntts: {engine: tnoe}", "line 2: tts.engine"),
        ("llm: {backend: parrot, options: {parrot: {loud: 1}}}", "llm.options.parrot.loud"),
        ("server: {host: no-such-host.invalid}\n" + CONFIG, "server.host"),
        ("server: {port: -1}", "server.port"),
    ],
)
def test_a_wrong_config_is_one_sentence(config: str, says: str, tmp_path: Path) -> None:
    done = attempt("run", "--port", "0", "--config", write_config(tmp_path, config), "--data", tmp_path)
    assert says in said_in_one_sentence(done)
    assert done.stdout == ""


def test_a_config_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    assert "none.yaml" in said_in_one_sentence(
        attempt("run", "--config", tmp_path / "none.yaml", "--data", tmp_path)
    )
    assert "none.yaml" in said_in_one_sentence(
        attempt("run", "--data", tmp_path, RFSN_CONFIG=str(tmp_path / "none.yaml"))
    )


def test_a_data_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        done = attempt("run", "--port", "0", "--config", write_config(tmp_path), "--data", data)
        assert "--data" in said_in_one_sentence(done)
        done = attempt("run", "--port", "0", "--config", write_config(tmp_path), RFSN_DATA=str(data))
        assert "--data" in said_in_one_sentence(done)


@pytest.mark.parametrize(
    "arguments",
    [["run", "--port", "many"], ["run", "--port", "70000"], ["dance"], [], ["run", "--log-level", "LOUD"]],
)
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    done = attempt(*arguments)
    assert done.returncode == 2 and "usage: rfsn-bridge" in done.stderr and "Traceback" not in done.stderr


# --- Where settings come from


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(taken.getsockname()[1]) for taken in (one, other)]
        config = write_config(tmp_path, CONFIG + f"server: {{port: {ports[0]}}}\n")
        told = ("run", "--config", config, "--data", tmp_path)
        assert f"port {ports[0]} " in said_in_one_sentence(attempt(*told))
        assert f"port {ports[1]} " in said_in_one_sentence(attempt(*told, RFSN_PORT=ports[1]))
        assert f"port {ports[0]} " in said_in_one_sentence(attempt(*told, "--port", ports[0], RFSN_PORT=ports[1]))
        host = "no-such-host.invalid"
        assert host in said_in_one_sentence(attempt(*told, RFSN_HOST=host))
        assert f"port {ports[0]} " in said_in_one_sentence(attempt(*told, "--host", "127.0.0.1", RFSN_HOST=host))


def test_a_config_in_the_data_folder_is_found(tmp_path: Path) -> None:
    write_config(tmp_path, "llm: {backend: nobody}")
    assert "'nobody'" in said_in_one_sentence(attempt("run", "--data", tmp_path))
    assert "'nobody'" in said_in_one_sentence(attempt("run", RFSN_DATA=str(tmp_path)))
    named = {"RFSN_CONFIG": str(tmp_path / "config.yaml"), "RFSN_DATA": str(tmp_path / "elsewhere")}
    assert "'nobody'" in said_in_one_sentence(attempt("run", **named))


# --- What can be wrong once it runs is told to the game


@pytest.mark.parametrize(
    ("config", "code", "hint"),
    [
        (
            "llm: {backend: ollama, options: {ollama: {base_url: 'http://127.0.0.1:9'}}}",
            "llm_unavailable",
            "llama",
        ),
        ("llm: {options: {llama_cpp: {model: /no/such.gguf}}}", "llm_unavailable", "check the path"),
        ("llm: {options: {llama_cpp: {model: no-such-model}}}", "llm_unavailable", "smollm2"),
    ],
)
async def test_a_mind_that_is_not_there_is_told_on_screen(
    config: str, code: str, hint: str, tmp_path: Path
) -> None:
    with daemon_process(tmp_path, config=f"{config}\ntts: {{engine: none}}\n") as daemon:
        async with raw_client(daemon.url) as client:
            await client.meet("a")
            await client.say("a", "Hail.")
            finished = await client.until("turn_finished")
            assert finished["status"] == "failed" and finished["error"]["code"] == code
            notice = client.messages("notice", code=code)[0]
            assert notice["message"] and hint in notice["hint"].lower() + notice["message"].lower()
        daemon.process.terminate()
        assert "Traceback" not in daemon.ended()[2]


async def test_a_plugin_that_is_broken_is_told_on_screen(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "plugins" / "broken.py").write_text("raise RuntimeError('no luck')")
    with daemon_process(tmp_path) as daemon:
        async with raw_client(daemon.url) as client:
            notice = await client.until("notice", code="plugin")
            assert "broken" in notice["message"] and "no luck" in notice["message"]
