"""The Skyrim plugin's modules, in a game that is not Skyrim: all of it that knows the game is its own."""

import asyncio
import re
import shlex
import shutil
from pathlib import Path

import pytest

from rfsn_bridge.adapter_test.scripted_daemon import Setup, Trial

PATIENCE_S = 30
FOLDER = Path(__file__).parents[2] / "game_adapters" / "javascript"
GAME = FOLDER / "text_game.ts"
ESBUILD = FOLDER.parent / "skyrim" / "node_modules" / ".bin" / "esbuild"


@pytest.mark.skipif(shutil.which("node") is None or not ESBUILD.is_file(), reason="without Node and esbuild")
async def test_the_skyrim_modules_serve_another_game(tmp_path: Path) -> None:
    bundled = tmp_path / "text_game.mjs"
    (bundle,) = re.findall(r"esbuild (text_game\.ts .*) --outfile=text_game\.mjs\n", GAME.read_text("utf-8"))
    process = await asyncio.create_subprocess_exec(
        *(str(ESBUILD), *shlex.split(bundle), f"--outfile={bundled}", "--log-level=error"), cwd=FOLDER
    )
    assert await process.wait() == 0
    trial = Trial(Setup(pace_s=0.01, voice=False))
    async with trial.listen(tmp_path / "data") as (url, _):
        game = await asyncio.create_subprocess_exec(
            *("node", "--experimental-websocket", str(bundled), url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert game.stdin and game.stdout
        game.stdin.write(b"Can you give me a torch?\n")
        shown = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while "Now answer 1 ends" not in shown:
                    shown += (await game.stdout.readline()).decode()
        finally:
            game.kill()
            await game.wait()
        tested = trial.finish()
    assert tested.findings == []
    assert tested.transports == ["websocket", "websocket"], "the connection was cut, and taken up again"
    assert shown.count("Lydia: Answer 1 begins here.") == 1
