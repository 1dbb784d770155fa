"""What the docs show, works."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from rfsn_bridge import SpeechRequest, cli, config, registry
from rfsn_bridge.hookspecs import hookspec
from rfsn_bridge.speech.voice import EngineSpec, VoiceProcess
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_config_that_is_shown_is_right(page: Path) -> None:
    for text in fences(page, "yaml"):
        config.parse(text.encode())


def test_the_quick_start_is_two_commands_in_fences_of_their_own() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- quickstart: (\w+) -->\n```sh\n([^\n]+)\n```", readme)
    assert [name for name, _ in found] == ["main", "test"]


def test_the_readme_names_only_commands_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    named = set(re.findall(r"rfsn-bridge ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    for command in sorted(named):
        with pytest.raises(SystemExit) as left:
            cli.main([command, "--help"])
        assert left.value.code == 0, command


async def run_beside_a_daemon(script: Path, tmp_path: Path, typed: str = "") -> str:
    """Run a Python file against a real daemon with a scripted model; what it printed."""
    async with running_daemon(
        ScriptedLLM(["Aye. ", "What now?"]), tmp_path / "data", Settings(voice=True)
    ) as daemon:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "utf8", str(script), daemon.url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(typed.encode()), 60)
        assert process.returncode == 0, out.decode()
        return out.decode()


async def test_the_least_adapter_of_the_protocol_page_works(tmp_path: Path) -> None:
    (code,) = fences(ROOT / "docs" / "protocol.md", "python")
    script = tmp_path / "least.py"
    script.write_text(code, encoding="utf-8")
    assert "What now?" in await run_beside_a_daemon(script, tmp_path)


async def test_the_example_adapter_works(tmp_path: Path) -> None:
    said = await run_beside_a_daemon(ROOT / "game_adapters/python/adapter.py", tmp_path, "Hello!\nAnd you?\n")
    assert said.count("Lydia: What now?") == 2
    assert "(greet -> greet)" in said


PLUGINS = fences(ROOT / "docs" / "plugins.md", "python")


@pytest.mark.parametrize("code", PLUGINS, ids=lambda code: re.findall(r"def (register_\w+)", code)[0])
def test_every_plugin_that_is_shown_is_composed(code: str, tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(code, encoding="utf-8")
    found = registry.discover(tmp_path)
    assert not found.problems
    assert [part.name for part in found.parts.values() if part.plugin.name == "shown"]


def test_the_shown_language_model_answers_a_whole_config(tmp_path: Path) -> None:
    plugin, settings = PLUGINS[0], fences(ROOT / "docs" / "plugins.md", "yaml")[0]
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "echo.py").write_text(plugin, encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(settings, encoding="utf-8")
    assert cli.main(["check", "--config", str(path), "--data", str(tmp_path / "data")]) == 0


async def test_the_shown_engine_speaks_and_tells_when(tmp_path: Path) -> None:
    (plugin,) = (code for code in PLUGINS if "def register_tts_engines" in code)
    path = tmp_path / "hum.py"
    path.write_text(plugin, encoding="utf-8")
    spec = EngineSpec("file", str(path), "", "rfsn_bridge_plugins.hum:Hum", {})
    request = SpeechRequest("Hail, Jarl.", "high", phonemes={"Jarl": "jˈɑːɹl"})
    async with VoiceProcess(spec, "low", lambda *notice: None) as voice, voice.speak(request) as utterance:
        chunks = [chunk async for chunk in utterance]
        assert (voice.voices, not voice.respell) == (("low", "high"), True)
    words = [timing for chunk in chunks for timing in chunk.timings]
    length_ms = sum(len(chunk.pcm) for chunk in chunks) / 2 / 24
    assert [(word.text, word.end_ms - word.start_ms) for word in words] == [("Hail,", 300), ("Jarl.", 360)]
    assert words[0].start_ms == 20  # the silence is off
    assert words[-1].end_ms + 60 == length_ms


def test_every_hook_is_documented_shown_and_used() -> None:
    from rfsn_bridge import hookspecs

    marker = f"{hookspec.project_name}_spec"
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, marker)]
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    plugins = [*(ROOT / "plugins").glob("*.py"), *(ROOT / "examples").glob("**/*.py")]
    used = "".join(path.read_text(encoding="utf-8") for path in plugins)
    for hook in hooks:
        assert f"### `{hook}(register)`" in page
        assert any(f"def {hook}(" in code for code in PLUGINS)
        assert f"def {hook}(" in used
    assert set(hooks) == set(registry.KINDS.values())


def test_generated_pages_are_current() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_words_of_a_modder_that_are_shown_are_right() -> None:
    from rfsn_bridge.mind.templates import load_prompts

    (shown,) = fences(ROOT / "docs" / "words.md", "yaml words")
    words = load_prompts([("words.yaml", shown.encode())]).words("skyrim:0001A69A", "Skyrim", small=False)
    assert "gruff" in words.fill("styles.WARM_FRIENDLY", name="Lydia")
