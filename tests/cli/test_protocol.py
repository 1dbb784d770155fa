"""`rfsn-bridge protocol`: the reference and the schema, and whether a copy is current."""

import json
from pathlib import Path

import pytest

from rfsn_bridge.cli import main
from rfsn_bridge.protocol.messages import client_messages


@pytest.mark.parametrize("name", ["docs", "schema"])
def test_what_was_written_is_current_until_it_is_changed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    assert main(["protocol", name, "-o", str(file)]) == 0
    assert main(["protocol", name, "--check", str(file)]) == 0
    assert main(["protocol", name]) == 0
    assert capsys.readouterr().out == file.read_text(encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert main(["protocol", name, "--check", str(file)]) == 1
    assert f"run: rfsn-bridge protocol {name} -o {file}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_copy_that_cannot_be_read_is_not_current(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content:
        (tmp_path / "file").write_bytes(content)
    assert main(["protocol", "docs", "--check", str(tmp_path / "file")]) == 1
    assert "is not current" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["protocol", "docs", "-o", str(tmp_path / "none" / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_schema_names_every_message(capsys: pytest.CaptureFixture[str]) -> None:
    main(["protocol", "schema"])
    schema = json.dumps(json.loads(capsys.readouterr().out))
    for name in client_messages.json_schema()["discriminator"]["mapping"]:
        assert f'"{name}"' in schema
