"""The page about world rules: its examples are read as the daemon would, and it names every key there is."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from rfsn_bridge.cli import main
from rfsn_bridge.domain import Action, Happening
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind import considerations, rule_files
from rfsn_bridge.mind.considerations import INPUTS, load_considerations
from rfsn_bridge.mind.rule_files import builtin_rules, load_rules
from rfsn_bridge.mind.rules_lint import lint

PAGE = Path(__file__).parents[2] / "docs" / "world-rules.md"
TEXT = PAGE.read_text(encoding="utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def file(text: str) -> WorldRules:
    return WorldRules("shown.yaml", text.encode())


def first_line(text: str) -> str:
    return next(line for line in text.splitlines() if "id:" in line).strip()


@pytest.mark.parametrize("text", fences("yaml rules"), ids=first_line)
def test_every_pack_that_is_shown_is_read_and_lints_clean(text: str) -> None:
    assert lint(load_rules([file(text)]), load_considerations()) == ()


@pytest.mark.parametrize("text", fences("yaml considerations"), ids=first_line)
def test_every_file_of_considerations_that_is_shown_is_read_and_lints_clean(text: str) -> None:
    assert lint(builtin_rules(), load_considerations([file(text)])) == ()


def without_count(said: str) -> str:
    """Our rules become more, and move; what is said of them stays."""
    return re.sub(r"\(rules.yaml, line \d+\)|\d+ rules, \d+ proposals and \d+ considerations", "", said)


def test_what_the_linter_is_said_to_say_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pack,), (said,) = fences("yaml wrong"), fences("text")
    monkeypatch.chdir(tmp_path)
    Path("pack.yaml").write_text(pack, encoding="utf-8")
    assert main(["rules", "lint", "pack.yaml"]) == 1
    assert without_count(capsys.readouterr().out) == without_count(said)


@pytest.mark.parametrize(
    "model",
    [
        each
        for module in (rule_files, considerations)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
    ],
    ids=lambda model: model.__name__,
)
def test_every_key_is_explained(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert re.search(rf"`\{{?{field.alias or name}\b", TEXT), f"{field.alias or name} of {model.__name__}"


@pytest.mark.parametrize("names", [Action, Happening, INPUTS], ids=["actions", "events", "inputs"])
def test_every_word_is_listed(names: object) -> None:
    for name in names:  # type: ignore[attr-defined]
        assert f"`{name}`" in TEXT
