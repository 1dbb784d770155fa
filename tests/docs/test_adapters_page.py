"""docs/adapters.md: every block of it runs, and what it builds step by step is the files to copy."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from rfsn_bridge.protocol.messages import client_messages
from rfsn_bridge.testing import RunningDaemon, ScriptedLLM, Settings, running_daemon

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
GIVE = json.dumps({"action": {"name": "give_item", "arguments": {"item": "torch"}}})
NONE = json.dumps({"action": {"name": "none"}})


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


JAVASCRIPT, PYTHON = fences("javascript"), fences("python")


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("shown", "file"),
    [
        ("".join(JAVASCRIPT[1:]), "javascript/adapter.mjs"),
        ("".join(PYTHON[1:-1]), "python/text_adapter.py"),
        (PYTHON[-1], "python/long_poll.py"),
    ],
)
def test_the_steps_are_the_file_to_copy(shown: str, file: str) -> None:
    assert lines(shown) == lines((ROOT / "game_adapters" / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", fences("json"))
def test_every_message_that_is_shown_is_one(text: str) -> None:
    client_messages.validate_json(text)


def test_the_commands_that_are_named_exist() -> None:
    from rfsn_bridge import cli

    for command in set(re.findall(r"rfsn-bridge (adapter [a-z]+|[a-z]+)", PAGE)):
        with pytest.raises(SystemExit) as left:
            cli.main([*command.split(), "--help"])
        assert left.value.code == 0, command


def interpreter(file: Path) -> list[str]:
    if file.suffix == ".py":
        return [sys.executable, "-X", "utf8", str(file)]
    node = shutil.which("node")
    if node is None:
        if os.environ.get("RFSN_REQUIRE_NODE"):
            pytest.fail("node is missing")
        pytest.skip("node is missing")
    return [node, "--experimental-websocket", "--no-warnings", str(file)]


async def run(file: Path, daemon: RunningDaemon, typed: str = "", *, http: bool = False) -> str:
    """Run an adapter beside a daemon until it ends by itself; what it printed."""
    where = daemon.http_url.removeprefix("http://") if http else daemon.url
    process = await asyncio.create_subprocess_exec(
        *interpreter(file),
        where,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(typed.encode()), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.parametrize(("name", "code"), [("hello.mjs", JAVASCRIPT[0]), ("hello.py", PYTHON[0])])
async def test_the_conversation_in_a_hurry(name: str, code: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(code, encoding="utf-8")
    async with running_daemon(ScriptedLLM(["Well met. ", "What now?"]), tmp_path) as daemon:
        assert (await run(file, daemon)).splitlines() == ["Lydia: Well met.", "Lydia: What now?"]


@pytest.mark.parametrize("file", ["javascript/adapter.mjs", "python/text_adapter.py"])
async def test_the_whole_adapter_talks_gives_and_is_remembered(file: str, tmp_path: Path) -> None:
    llm = ScriptedLLM(["Take mine. ", "I have two."], [GIVE], ["Aye."], [NONE])
    async with running_daemon(llm, tmp_path) as daemon:
        said = await run(ROOT / "game_adapters" / file, daemon, "Can you spare a torch?\n")
        assert re.findall(r"Lydia: .*", said)[-2:] == ["Lydia: Take mine.", "Lydia: I have two."]
        assert "give_item" in said and "(request -> help)" in said
        stored = await daemon.bridge.store.latest()
    assert stored and stored.heard_text == "Take mine. I have two."
    assert [(deed.name, deed.status) for deed in stored.deeds] == [("give_item", "applied")]


@pytest.mark.parametrize("file", ["javascript/adapter.mjs", "python/text_adapter.py"])
async def test_the_commands_of_the_whole_adapter_are_taken(file: str, tmp_path: Path) -> None:
    typed = "/hit\n/save\n/pause\n/pause\n/load\n/stop\nHello!\n"
    async with running_daemon(ScriptedLLM(["Aye."], [NONE]), tmp_path) as daemon:
        said = await run(ROOT / "game_adapters" / file, daemon, typed)
    assert "Lydia: Aye." in said and "[error]" not in said


async def test_the_adapter_for_which_the_daemon_plays(tmp_path: Path) -> None:
    (code,) = fences("python aloud")
    file = tmp_path / "aloud.py"
    file.write_text(code, encoding="utf-8")
    config = {"playback": {"device": "none"}, "tts": {"options": {"tone": {"ms_per_character": 10}}}}
    settings = Settings(voice=True, config=config)
    reply = ["*nods* ", "The hall is warm, and the mead is poured. ", "Aye. ", "What now?"]
    async with running_daemon(ScriptedLLM(reply), tmp_path, settings) as daemon:
        said = await run(file, daemon)
    shown = re.sub(r" \(\d\d+ movements of her lips\)", "", said).splitlines()
    assert shown[-1] == "heard: " + "".join(reply)
    assert " ".join(line.partition(": ")[2] for line in shown[:-1]) == "".join(reply)


async def test_the_adapter_without_websocket(tmp_path: Path) -> None:
    async with running_daemon(ScriptedLLM(["Well met. ", "What now?"]), tmp_path) as daemon:
        said = await run(ROOT / "game_adapters/python/long_poll.py", daemon, "Hello!\n", http=True)
    assert said.splitlines() == ["Lydia: Well met.", "Lydia: What now?"]
