"""The plugin for Skyrim, in a simulated game by the game's own rules, with the real daemon."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from skyrim_game import ADAPTER, SIMULATOR, need_browser, node, play, run, whiterun
from skyrim_lines import REPLIES

from rfsn_bridge import paths

BUNDLE = ADAPTER / "dist" / "rfsn-bridge.js"
TRANSPORTS = ("web_socket", "long_poll", "page")

# --- With the plugin ------------------------------------------------------------------------------


async def test_an_evening_is_the_same_over_every_transport(tmp_path: Path) -> None:
    """Every sentence shown, lip-synced and reported once; the torch changes hands; the same messages."""
    need_browser()
    async with whiterun(tmp_path) as daemon:
        evenings = await play(daemon, "evening", ",".join(TRANSPORTS), "--speed", "40")
    assert {evening["transport"] for evening in evenings} == set(TRANSPORTS)
    first, *others = evenings
    assert spoken(first["shown"]) == "Lydia: " + " ".join(REPLIES.values())
    assert first["items"] == ["1 Torch: Lydia to Hrefna"]
    assert len(first["sent"]["player_line"]) == len(REPLIES)
    assert set(first["sent"]) == {
        "action_result",
        "actions_register",
        "game_event",
        "game_paused",
        "game_started",
        "npc_gone",
        "npc_update",
        "player_line",
        "save_created",
        "save_loaded",
        "speech_report",
    }
    for other in others:
        assert (other["shown"], other["items"], other["turns"]) == (first["shown"], first["items"], first["turns"])
        assert other["sent"] == first["sent"], other["transport"]


def spoken(shown: list[str]) -> str:
    """What one speaker said, subtitle after subtitle."""
    return shown[0] + "".join(" " + line.partition(": ")[2] for line in shown[1:])


@pytest.mark.parametrize("transports", ["web_socket,long_poll", "page"])
async def test_a_sentence_outlives_menus_and_reloads_and_yields_to_scripted_scenes(
    tmp_path: Path, transports: str
) -> None:
    """In the middle of a sentence: ten minutes in a menu, a reload of the plugin, a scene of the game's own."""
    if transports == "page":
        need_browser()
    async with whiterun(tmp_path) as daemon:
        await play(daemon, "pause,reload,scripted", transports, "--speed", "40")


async def test_a_daemon_is_found_when_it_comes(tmp_path: Path) -> None:
    async with whiterun(tmp_path) as daemon:
        await play(daemon, "late", "web_socket,long_poll", "--speed", "60")


@pytest.mark.parametrize("transport", ["web_socket", pytest.param("long_poll", marks=pytest.mark.slow)])
async def test_a_daemon_that_has_forgotten_the_session_hears_everything_again(
    tmp_path: Path, transport: str
) -> None:
    async with whiterun(tmp_path, grace_s=1) as daemon:
        await play(daemon, "new_session", transport, "--speed", "60")


async def test_the_best_transport_is_chosen(tmp_path: Path) -> None:
    async with whiterun(tmp_path) as daemon:
        [talk] = await play(daemon, "talk", "auto", "--verbose")
    assert talk["shown"] == ["Lydia: Well met, my Thane.", "Lydia: The hall is warm and the mead is poured."]


ALOUD = ("--settings", '{"audio": "daemon"}')


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_the_daemon_plays_is_seen_as_it_is_heard(tmp_path: Path, transport: str) -> None:
    """It sounds in real time: a menu in its midst, and all that may end it before its end."""
    if transport == "page":
        need_browser()
    async with whiterun(tmp_path, aloud=True) as daemon:
        [aloud] = await play(daemon, "aloud", transport, *ALOUD, "--speed", "4")
    assert "speech_report" not in aloud["sent"]
    assert len(aloud["sent"]["interrupt"]) == 4


async def test_what_the_daemon_plays_outlives_a_reload_of_the_plugin(tmp_path: Path) -> None:
    async with whiterun(tmp_path, aloud=True) as daemon:
        await play(daemon, "reload,scripted", "web_socket", *ALOUD, "--speed", "4")


async def test_what_the_daemon_plays_outlives_a_cut(tmp_path: Path) -> None:
    async with whiterun(tmp_path, aloud=True) as daemon:
        [cut] = await play(
            daemon, "talk", "web_socket", *ALOUD, "--speed", "8", "--cut-from", "30", "--cut-every", "9"
        )
    assert cut["evenings"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_evening_that_the_daemon_plays_is_the_same(tmp_path: Path, transport: str) -> None:
    if transport == "page":
        need_browser()
    async with whiterun(tmp_path, aloud=True) as daemon:
        [evening] = await play(daemon, "evening", transport, *ALOUD, "--speed", "6")
    assert spoken(evening["shown"]) == "Lydia: " + " ".join(REPLIES.values())
    assert evening["items"] == ["1 Torch: Lydia to Hrefna"]


CUTS = ("--speed", "60")


async def test_a_cut_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """At a few messages; at all of them below."""
    async with whiterun(tmp_path) as daemon:
        cut = await play(daemon, "evening", "web_socket,long_poll", *CUTS, "--cut-from", "5", "--cut-every", "37")
    assert all(each["evenings"] > 5 for each in cut)


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_cut_at_any_message_loses_or_repeats_anything(tmp_path: Path, transport: str) -> None:
    """Twice at each: behind the message, and with it. Some hundred evenings."""
    if transport == "page":
        need_browser()
    # The daemon takes no crowd over HTTP.
    options = (*CUTS, "--together", "4" if transport == "long_poll" else "12", "--cut-every", "1")
    async with whiterun(tmp_path) as daemon:
        [cut] = await play(daemon, "evening", transport, *options, patience_s=2300)
    assert cut["evenings"] > cut["messages"]


# --- The simulated game itself --------------------------------------------------------------------

LYDIA = "skyrimPlatform.Actor.from(skyrimPlatform.Game.getFormEx(0xa2c94))"
BAD_PLUGINS = {
    "world call in tick": ("on('tick', () => Game.getPlayer());", "game call outside a legal context"),
    "world call in a menu": ("on('menuOpen', () => Game.getPlayer());", "game call outside a legal context"),
    "world call at a key": (
        "on('buttonEvent', () => Debug.notification('!'));",
        "Debug.notification in buttonEvent",
    ),
    "world call at a save": ("on('saveGame', () => Utility.getCurrentGameTime());", "in saveGame"),
    "world call at a load": ("on('postLoadGame', () => Game.getPlayer());", "in postLoadGame"),
    "world call in a Papyrus event": ("on('modEvent', () => Game.getPlayer());", "in modEvent"),
    "world call while it loads": ("Game.getPlayer();", "Game.getPlayer in module"),
    "world call in an HTTP callback": (
        "once('update', () => new HttpClient('http://127.0.0.1:9').get('/', {}, () => Game.getPlayer()));",
        "in an HTTP callback",
    ),
    "world call in a WebSocket callback": (
        "new WebSocket('ws://127.0.0.1:9/').onerror = () => Game.getPlayer();",
        "in a WebSocket callback",
    ),
    "world call in a promise": (
        "once('update', () => Promise.resolve().then(() => Game.getPlayer()).catch(() => 0));",
        "in a promise",
    ),
    "method call in tick": (
        "let who; on('update', () => { who = Game.getPlayer(); }); on('tick', () => who && who.getName());",
        "Form.getName in tick",
    ),
    "actor kept over frames": (
        "let who; on('update', () => { who = who || Game.getPlayer(); who.getName(); });",
        "stale object",
    ),
    "object of an event kept": (
        "let who; on('hit', (e) => { who = e.target; }); on('update', () => who && who.getName());",
        "stale object",
    ),
    "stale argument": (
        f"let who; on('update', () => {{ who = who || Game.getPlayer(); {LYDIA}.getDistance(who); }});",
        "stale object",
    ),
    "no such morph": (f"on('update', () => {LYDIA}.setExpressionPhoneme(16, 0));", "phoneme out of range"),
    "too wide a mouth": (f"on('update', () => {LYDIA}.setExpressionPhoneme(0, 1.1));", "phoneme out of range"),
    "a mouth left open": (f"on('update', () => {LYDIA}?.setExpressionPhoneme(0, 1));", "mouth stands open"),
    "the dead speak": (
        "on('deathStart', (e) => e.actorDying.say(Topic.from(Game.getFormEx(0x142a8)), null, false));",
        "a dead actor was to speak",
    ),
    "combat with oneself": (f"on('update', () => {LYDIA}.startCombat({LYDIA}));", "combat with oneself"),
    "combat with the dead": (
        f"on('deathStart', (e) => {LYDIA}.startCombat(Actor.from(e.actorDying)));",
        "combat with the dead",
    ),
    "an exception": ("on('update', () => { throw new Error('oops'); });", "unhandled exception"),
    "an exception in a promise": (
        "on('update', () => { Promise.reject(new Error('oops')); });",
        "unhandled rejection: Error: oops",
    ),
    "a player's words as code": (
        """on('tick', () => browser.executeJavaScript("window.rfsn && rfsn.subtitle('" + "it's" + "')"));""",
        "not a call of the page",
    ),
    "what no reload keeps": ("storage.later = () => 0;", "storage holds what a reload cannot keep"),
    "no such event": ("on('updatee', () => 0);", "no such event"),
}


@pytest.fixture(scope="module")
def faults_of_bad_plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Each in a game of its own, all at once."""
    folder = tmp_path_factory.mktemp("bad_plugins")
    files = {written(folder, code, name): name for name, (code, _) in BAD_PLUGINS.items()}
    chosen = [option for file in files for option in ("--plugin", file)]
    exit_code, results, _ = asyncio.run(run(*IDLE, *chosen))
    assert exit_code == 1
    return {files[result["plugin"]]: result["faults"] for result in results}


@pytest.mark.parametrize("name", BAD_PLUGINS)
def test_a_plugin_that_breaks_a_rule_is_found_out(faults_of_bad_plugins: dict[str, list[str]], name: str) -> None:
    _, expected = BAD_PLUGINS[name]
    assert any(expected in fault for fault in faults_of_bad_plugins[name])


GOOD_PLUGIN = """
on('tick', () => 0);
on('update', () => { const who = Game.getPlayer(); who.getName(); });
on('hit', (e) => e.target.getFormID());
on('buttonEvent', () => once('update', () => Debug.notification('later')));
"""


async def test_a_plugin_that_breaks_no_rule_passes(tmp_path: Path) -> None:
    exit_code, [result], _ = await run(*IDLE, "--plugin", written(tmp_path, GOOD_PLUGIN))
    assert (exit_code, result["faults"]) == (0, [])


async def test_promises_wait_for_the_world(tmp_path: Path) -> None:
    """In the main menu, where a plugin loads, nothing settles them."""
    code = """
    let ticks = 0;
    on('tick', () => { ticks += 1; });
    once('update', () => printConsole('the world runs'));
    Promise.resolve().then(() => printConsole('settled after', ticks > 100 ? 'many' : 'few', 'ticks'));
    """
    said = await console(tmp_path, code)
    assert said[:2] == ["the world runs", "settled after many ticks"]


async def test_frames_of_the_world_stop_in_a_menu(tmp_path: Path) -> None:
    code = """
    let menu = false, ticks = 0, updates = 0;
    on('menuOpen', (e) => { menu = e.name === 'Journal Menu'; ticks = updates = 0; });
    on('tick', () => { ticks += 1; });
    on('update', () => { updates += 1; });
    on('menuClose', (e) => { if (menu) printConsole(ticks > 50 ? 'ticks' : 'no ticks', updates); menu = false; });
    """
    assert "ticks 0" in await console(tmp_path, code)


async def test_a_reload_keeps_storage_and_nothing_else(tmp_path: Path) -> None:
    code = """
    storage.loads = (storage.loads || 0) + 1;
    globalThis.seen = (globalThis.seen || 0) + 1;
    const load = storage.loads;
    once('modEvent', () => 0);
    on('locationChanged', () => printConsole('load', load, 'seen', globalThis.seen));
    """
    assert await console(tmp_path, code) == ["load 2 seen 1"]


async def test_who_is_unloaded_is_not_found(tmp_path: Path) -> None:
    code = "on('locationChanged', () => once('update', () => printConsole(Game.getFormEx(0xa2c94))));"
    assert await console(tmp_path, code) == ["null"]


async def test_a_request_without_an_answer_has_status_0_and_holds_one_of_three_threads(tmp_path: Path) -> None:
    code = """
    const client = new HttpClient('http://127.0.0.1:9');
    for (let i = 0; i < 5; i += 1) {
      client.get('/', {}, ({status, body, error}) => printConsole(i, status, JSON.stringify(body + error)));
    }
    """
    assert sorted((await console(tmp_path, code))[:5]) == [f'{i} 0 ""' for i in range(5)]


IDLE = ("--scene", "idle", "--transport", "web_socket", "--speed", "60")
"""Everything happens once; no daemon."""


async def console(tmp_path: Path, code: str) -> list[str]:
    """What a plugin prints that breaks no rule."""
    _, [result], printed = await run(*IDLE, "--verbose", "--plugin", written(tmp_path, code))
    assert result["faults"] == []
    return printed.splitlines()


def written(folder: Path, code: str, name: str = "plugin") -> str:
    """A plugin's file, with the game's names in reach."""
    names = "Actor, browser, Debug, Game, HttpClient, on, once, printConsole, storage, Topic, Utility"
    path = folder / f"{name}.js"
    path.write_text(f"const {{{names}}} = skyrimPlatform;\n{code}", encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_the_plugin_is_measured() -> None:
    command = [sys.executable, str(paths.benchmarks / "adapter.py"), "--json", "--turns", "1", "--seconds", "1"]
    node()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["plugin, a frame while an NPC talks"]["samples"] >= 60
    assert rows["Enter to first sentence shown, long poll"]["value"] > 0


def test_every_expectation_can_fail() -> None:
    tests = sorted(map(str, (SIMULATOR / "tests").glob("*.test.mjs")))
    done = subprocess.run([node(), "--test", *tests], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


# --- The sources ----------------------------------------------------------------------------------


def test_the_bundle_is_small() -> None:
    assert BUNDLE.stat().st_size < 100_000


@pytest.fixture(scope="module")
def compiler() -> Path:
    """The folder of the compiler's programs; installed where RFSN_REQUIRE_NODE asks for it."""
    modules = ADAPTER / "node_modules"
    required = bool(os.environ.get("RFSN_REQUIRE_NODE"))
    npm = shutil.which("npm")
    if not modules.is_dir() and required:
        assert npm, "npm is not here"
        install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=ADAPTER, check=True, timeout=200)
    if not modules.is_dir():
        pytest.skip("the compiler is not installed; run: npm install, in game_adapters/skyrim")
    return modules / ".bin"


def test_the_plugin_compiles_strictly(compiler: Path) -> None:
    compiled(compiler, ADAPTER / "tsconfig.json")
    assert '"strict": true' in (ADAPTER / "tsconfig.json").read_text(encoding="utf-8")


def test_the_modules_that_need_no_game(compiler: Path) -> None:
    tests = sorted(map(str, (ADAPTER / "tests").glob("*.test.mjs")))
    done = subprocess.run(
        [node(), "--test", *tests], cwd=ADAPTER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_simulator_compiles_strictly(compiler: Path) -> None:
    if not (ADAPTER / "node_modules" / "@types" / "node").is_dir():
        pytest.skip("@types/node is not installed")
    compiled(compiler, SIMULATOR / "jsconfig.json")


def compiled(compiler: Path, project: Path) -> None:
    command = [str(compiler / "tsc"), "--noEmit", "-p", str(project)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def test_the_committed_bundle_is_what_a_build_gives(compiler: Path) -> None:
    command = [node(), str(ADAPTER / "build.mjs"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bundle_needs_nothing_but_the_game() -> None:
    """No module, no clock and no socket that the released runtime does not have."""
    code = BUNDLE.read_text(encoding="utf-8")
    for absent in ("setTimeout", "setInterval", "process.", "fetch(", "XMLHttpRequest", 'require("'):
        assert absent not in code or (absent == 'require("' and code.count('require("') == 0), absent


def test_a_wheel_brings_the_plugin() -> None:
    assert (paths.game_adapters / "skyrim" / "dist" / "rfsn-bridge.js").is_file()
