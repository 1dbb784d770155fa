"""Plugins that are well and plugins that are not: what is offered, and what is said of the rest."""

from pathlib import Path

import pytest

from rfsn_bridge import registry
from rfsn_bridge.errors import PluginError
from rfsn_bridge.registry import Registry

GOOD = """
from rfsn_bridge import hookimpl

@hookimpl
def register_learners(register):
    register("{name}", lambda options, services: None)
"""


def discovered(folder: Path, **files: str) -> Registry:
    """What is found with these files in the user's folder."""
    folder.mkdir(exist_ok=True)
    for stem, text in files.items():
        (folder / f"{stem}.py").write_text(text, encoding="utf-8")
    return registry.discover(folder)


def said_of(found: Registry, plugin: str) -> str:
    return " | ".join(problem.message for problem in found.problems if problem.plugin == plugin)


def test_the_built_in_plugins_offer_their_parts_without_a_problem() -> None:
    found = registry.discover()
    assert found.problems == []
    assert {"llama_cpp", "ollama", "openai"} <= set(found.names("llm"))
    assert found.names("tts") == ["kokoro", "openai", "piper"]
    for kind in set(registry.KINDS) - {"rules"}:  # ours are no pack: they are always there
        assert found.names(kind)


def test_a_file_in_the_users_folder_offers_its_part(tmp_path: Path) -> None:
    found = discovered(tmp_path, mine=GOOD.format(name="mine"))
    part = found.get("learner", "mine")
    assert (part.plugin.name, part.plugin.source, part.plugin.path) == ("mine", "user", tmp_path / "mine.py")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('oops')", "RuntimeError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("def broken(:", "SyntaxError"),
        ("import no_such_module", "no_such_module"),
        ("\0", "mend it"),
        ("x = 1 / 0", "ZeroDivisionError"),
        ("from rfsn_bridge import no_such_name", "no_such_name"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_left_out_and_told_of(text: str, says: str, tmp_path: Path) -> None:
    found = discovered(tmp_path, bad=text, good=GOOD.format(name="mine"))
    assert says in said_of(found, "bad")
    assert "mine" in found.names("learner") and "kokoro" in found.names("tts")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise RuntimeError('oops')", "RuntimeError: oops"),
        ("raise SystemExit(1)", "SystemExit"),
        ("register('x')", "TypeError"),
        ("register('x', lambda o, s: None, options=dict)", "no pydantic model"),
        ("register('x', lambda o, s: None, 5)", "no pydantic model"),
        ("register(5, lambda o, s: None)", "string"),
        ("register('', lambda o, s: None)", "string"),
        ("register('x', None)", "not a function"),
    ],
)
def test_a_hook_that_fails_loses_its_own_plugin_only(body: str, says: str, tmp_path: Path) -> None:
    bad = f"from rfsn_bridge import hookimpl\n@hookimpl\ndef register_learners(register):\n    {body}\n"
    found = discovered(tmp_path, bad=bad, good=GOOD.format(name="mine"))
    assert says in said_of(found, "bad")
    assert {"greedy", "mine"} <= set(found.names("learner")) and "x" not in found.names("learner")


def test_a_misspelt_hook_is_told_of(tmp_path: Path) -> None:
    found = discovered(
        tmp_path, bad=GOOD.format(name="x").replace("learners", "lerners"), good=GOOD.format(name="mine")
    )
    assert "register_lerners" in said_of(found, "bad")
    assert {"greedy", "mine"} <= set(found.names("learner")) and "x" not in found.names("learner")
    assert [problem.plugin for problem in found.problems] == ["bad"]


def test_an_async_hook_is_told_of(tmp_path: Path) -> None:
    found = discovered(tmp_path, bad=GOOD.format(name="x").replace("def ", "async def "))
    assert "async def" in said_of(found, "bad")


def test_a_wrong_argument_of_a_hook_is_told_of(tmp_path: Path) -> None:
    found = discovered(tmp_path, bad=GOOD.format(name="x").replace("(register)", "(registrar)"))
    assert "registrar" in said_of(found, "bad")


def test_of_two_parts_with_one_name_the_first_stays(tmp_path: Path) -> None:
    found = discovered(tmp_path, a=GOOD.format(name="same"), b=GOOD.format(name="same"))
    assert found.get("learner", "same").plugin.name == "a"
    assert "already offered by a" in said_of(found, "b")


def test_a_users_file_may_bear_the_name_of_a_built_in_one(tmp_path: Path) -> None:
    found = discovered(tmp_path, tts_kokoro=GOOD.format(name="mine"))
    assert found.get("tts", "kokoro").plugin.source == "built-in"
    assert found.get("learner", "mine").plugin.source == "user"


def test_a_disabled_plugin_is_not_even_loaded(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise RuntimeError('oops')")
    found = registry.discover(tmp_path, ["bad", "tts_kokoro"])
    assert found.problems == [] and "kokoro" not in found.names("tts")


def test_files_that_begin_with_an_underscore_are_none_of_ours(tmp_path: Path) -> None:
    assert discovered(tmp_path, _part="raise RuntimeError('oops')").problems == []


def test_a_folder_that_is_not_there_holds_no_plugins(tmp_path: Path) -> None:
    assert registry.discover(tmp_path / "none").problems == []


def test_a_folder_named_like_a_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "odd.py").mkdir()
    assert said_of(registry.discover(tmp_path), "odd")


def test_an_installed_package_is_a_plugin_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "npc_wise", GOOD.format(name="wise"))
    install(tmp_path, "npc_odd", "raise RuntimeError('oops')")
    install(tmp_path, "npc_rude", "raise SystemExit(2)")
    monkeypatch.syspath_prepend(tmp_path)
    found = registry.discover()
    assert found.get("learner", "wise").plugin.source == "package"
    assert "oops" in said_of(found, "npc_odd") and "SystemExit" in said_of(found, "npc_rude")


def install(site: Path, name: str, text: str) -> None:
    """Put a module with an entry point where a package's wheel would."""
    (site / f"{name}.py").write_text(text)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[rfsn_bridge]\n{name} = {name}\n")


def test_a_name_that_nobody_offers_gets_the_nearest_and_the_failures(tmp_path: Path) -> None:
    found = discovered(tmp_path, bad="raise RuntimeError('oops')")
    with pytest.raises(PluginError, match="no tts named 'kokro'") as missing:
        found.get("tts", "kokro")
    assert "'kokoro'" in missing.value.hint and "plugin bad failed" in missing.value.hint
