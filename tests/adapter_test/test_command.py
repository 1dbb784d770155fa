"""`rfsn-bridge adapter test`, as a modder runs it: a process of its own, with adapters good and bad beside it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websockets

from rfsn_bridge import paths
from rfsn_bridge.adapter_test import simulated_game
from rfsn_bridge.adapter_test.lint import RULES
from rfsn_bridge.cli import main
from rfsn_bridge.errors import BridgeError

PATIENCE_S = 20
ADAPTERS = Path(__file__).parents[2] / "game_adapters" / "python"


@dataclass
class Command:
    """A running test, and where it listens."""

    process: asyncio.subprocess.Process
    url: str
    http_url: str

    async def ended(self) -> tuple[int, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), PATIENCE_S)
        assert self.process.returncode is not None and b"Traceback" not in err, err.decode()
        return self.process.returncode, out.decode()

    async def report(self) -> tuple[int, dict[str, Any]]:
        code, out = await self.ended()
        return code, json.loads(out)


@asynccontextmanager
async def adapter_test(*options: str, port: int = 0) -> AsyncIterator[Command]:
    command = ("adapter", "test", f"ws://127.0.0.1:{port}/ws", "--http-port", "0", "--patience", "0.4", *options)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rfsn_bridge", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    line = (await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)).decode()
    try:
        urls = re.fullmatch(r"listening on (ws://\S+) and (http://\S+)\n", line)
        assert urls, line
        yield Command(process, urls[1], urls[2])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said_by(script: Path, url: str, *lines: str) -> str:
    """Run an adapter and say the lines, each when it has shown the end of the first reply."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), url), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin and process.stdout
    out = ""
    for number, line in enumerate(lines):
        while number == 1 and "Now answer 1 ends" not in out:
            out += await _line(process.stdout)
        process.stdin.write(f"{line}\n".encode())
    process.stdin.close()
    rest = await asyncio.wait_for(process.stdout.read(), PATIENCE_S)
    assert await process.wait() == 0
    return out + rest.decode()


async def _line(stream: asyncio.StreamReader) -> str:
    line = (await asyncio.wait_for(stream.readline(), PATIENCE_S)).decode()
    assert line, "the adapter ended"
    return line


def broken(report: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in report["findings"]}


async def test_a_good_adapter_over_websocket_passes() -> None:
    async with adapter_test("--json") as command:
        out = await said_by(ADAPTERS / "text_adapter.py", command.url, "Hello!", "And now?")
        code, report = await command.report()
    assert report["findings"] == []
    assert (code, report["transports"]) == (0, ["websocket", "websocket"])
    assert {"cut the connection", "interrupted a turn"} <= set(report["provoked"])
    assert report["sent"]["player_line"] == 2 and report["sent"]["action_result"] >= 1
    assert out.count("Lydia: Answer 1 begins") == 1, "nothing is shown twice"


async def test_a_good_adapter_over_long_poll_passes() -> None:
    async with adapter_test("--json") as command:
        out = await said_by(
            ADAPTERS / "long_poll.py", command.http_url.removeprefix("http://"), "Hello!", "And now?"
        )
        code, report = await command.report()
    assert report["findings"] == []
    assert (code, report["transports"]) == (0, ["long poll"])
    assert {"cut the connection", "interrupted a turn"} <= set(report["provoked"])
    assert out.count("Lydia: Answer 1 begins") == 1


@pytest.mark.skipif(shutil.which("node") is None, reason="without Node")
async def test_the_javascript_adapter_passes_although_it_is_there_before_the_daemon() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    script = ADAPTERS.parent / "javascript" / "adapter.mjs"
    adapter = await asyncio.create_subprocess_exec(
        *("node", "--experimental-websocket", str(script), f"ws://127.0.0.1:{port}/ws"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with adapter_test("--json", port=port) as command:
            out, _ = await asyncio.wait_for(adapter.communicate(b"Hello!\n"), PATIENCE_S)
            code, report = await command.report()
    finally:
        if adapter.returncode is None:
            adapter.kill()
            await adapter.wait()
    assert (code, report["findings"]) == (0, [])
    assert out.decode().count("Lydia: Answer 1 begins") == 1


async def test_a_bad_adapter_over_websocket_is_told_what_is_wrong() -> None:
    async with adapter_test() as command:
        async with websockets.connect(command.url) as line:
            identify = {"type": "identify", "protocol": "1", "client": {"name": "bad"}}
            await line.send(json.dumps(identify))
            for message in (
                {"type": "player_line", "npc_id": "lydia", "text": "Hi"},
                {"type": "npc_update", "npc_id": "lydia", "name": "Lydia", "voise": "x"},
                {"type": "player_line", "npc_id": "lydia", "text": "Hi"},
            ):
                await line.send(json.dumps(message))
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await asyncio.wait_for(line.recv(), PATIENCE_S)
        code, out = await command.ended()
    assert code == 1
    for rule in ("npc-first", "misspelt-field", "no-return"):
        assert f"error    {rule}: " in out
    for rule in ("no-id", "npc-id-name", "no-playthrough"):
        assert f"warning  {rule}: " in out
    assert "do: connect again when the connection is lost" in out
    assert re.search(r"3 errors, \d warnings in 1 turn\n$", out)


def http(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=PATIENCE_S) as answer:
        return json.load(answer)


async def test_a_bad_adapter_over_long_poll_is_told_what_is_wrong() -> None:
    def play(url: str) -> None:
        identify = {"type": "identify", "protocol": "1", "client": {"name": "bad"}, "playthrough": "p"}
        session = http(f"{url}/session", identify)["session_id"]
        npc = {"type": "npc_update", "npc_id": "npc-1", "name": "Lydia", "id": "1"}
        line = {"type": "player_line", "npc_id": "npc-1", "text": "Hi", "id": "1"}
        http(f"{url}/send", {"session_id": session, "messages": [npc, line]})
        assert http(f"{url}/poll?session={session}&after=0")["messages"]
        positions = {"type": "positions", "npcs": {"npc-1": [0, 0, 0]}}
        http(f"{url}/send", {"session_id": session, "messages": [positions] * 12})

    async with adapter_test("--json", "--cut", "never") as command:
        await asyncio.to_thread(play, command.http_url)
        code, report = await command.report()
    assert code == 1
    assert {"id-reused", "positions-rate", "positions-idle"} <= broken(report)


async def test_a_session_that_is_forgotten_is_to_be_told_everything_anew() -> None:
    """The outage is longer than the grace: the adapter must begin anew, and does."""
    async with adapter_test("--json", "--cut", "forget", "--grace", "0.3", "--patience", "2") as command:
        await said_by(ADAPTERS / "text_adapter.py", command.url, "Hello!")
        code, report = await command.report()
    assert (code, report["findings"]) == (0, [])
    assert report["sent"]["npc_update"] == 2 and report["sent"]["actions_register"] == 2
    assert "cut the connection until the session was over" in report["provoked"]


async def test_the_pages_of_the_daemon_come_through_the_tap() -> None:
    def get(url: str, origin: str) -> int:
        request = urllib.request.Request(url, headers={"Origin": origin})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return int(answer.status)

    async with adapter_test() as command:
        own = command.url.replace("ws://", "http://").removesuffix("/ws")
        assert await asyncio.to_thread(get, f"{own}/health", own) == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await asyncio.to_thread(get, f"{own}/health", "http://elsewhere.example")


async def test_nobody_connected_is_a_failure() -> None:
    async with adapter_test("--seconds", "0.1") as command:
        assert await command.ended() == (1, "no adapter connected\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_ctrl_c_ends_the_test_with_its_report() -> None:
    async with adapter_test() as command:
        async with websockets.connect(command.url) as line:
            await line.send("{")
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await line.recv()
            command.process.send_signal(signal.SIGINT)
        code, out = await command.ended()
    assert code == 1 and "error    bad-json" in out


def test_the_rules_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapter", "test", "--rules", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(RULES)
    assert main(["adapter", "test", "--rules"]) == 0
    assert "error    npc-first" in capsys.readouterr().out


@pytest.mark.parametrize("subject", ["http://127.0.0.1:1", "ws://127.0.0.1:x/ws", "oblivion"])
def test_what_is_no_address_is_wrong_usage(subject: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapter", "test", subject]) == 2
    assert "ws://127.0.0.1:8765/ws" in capsys.readouterr().err


def test_without_a_subject_it_is_wrong_usage() -> None:
    assert main(["adapter", "test"]) == 2


def test_missing_node_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["adapter", "test", "skyrim"]) == 1
    assert "install Node" in capsys.readouterr().err


def test_a_missing_simulator_is_said(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match=r"run\.mjs is missing"):
        simulated_game.command(tmp_path, ("ws://127.0.0.1:1/ws", "http://127.0.0.1:2"), "page")


@pytest.mark.slow
@pytest.mark.parametrize("audio", simulated_game.SPEEDS)
@pytest.mark.parametrize("transport", simulated_game.TRANSPORTS)
async def test_our_own_adapter_passes_in_the_simulated_game(transport: str, audio: str) -> None:
    if not (paths.game_adapters / "skyrim" / "simulator" / "run.mjs").is_file():
        pytest.skip("without the simulated game")
    chosen = ("skyrim", "--transport", transport, "--audio", audio, "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rfsn_bridge", "adapter", "test", *chosen),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, played = await asyncio.wait_for(process.communicate(), 120)
    assert json.loads(out)["findings"] == [], played.decode()
    assert process.returncode == 0, played.decode()
