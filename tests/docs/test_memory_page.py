"""The page about memory names only commands that there are, and they do what it says."""

import re
import shlex
from pathlib import Path

import pytest

from rfsn_bridge import cli
from rfsn_bridge.protocol.messages import ClientMessage

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S) for line in block.splitlines() if line
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_is_shown_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(line)[1:]
    done = cli.main([*arguments, "--data", str(tmp_path)])  # wrong usage would leave with 2
    said = capsys.readouterr()
    assert done in (0, 1) and ("there is no" in said.err or "cannot be read" in said.err or "Backups" in said.out)


def test_every_message_that_is_named_is_one() -> None:
    known = {model.model_fields["type"].default for model in ClientMessage.__args__}
    assert set(re.findall(r"`((?:memory|save)_[a-z]+|npc_state)`", TEXT)) <= known
