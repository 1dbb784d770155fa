"""`rfsn-bridge cache`: what is kept of speech can be seen, and sent away."""

import json
from pathlib import Path

import pytest

from rfsn_bridge.cli import main
from rfsn_bridge.domain import AudioChunk
from rfsn_bridge.speech.phrase_files import PhraseFiles, folder_in


@pytest.fixture
def files(tmp_path: Path) -> PhraseFiles:
    files = PhraseFiles(folder_in(tmp_path))
    for digit in "01":
        files.write(digit * 64, AudioChunk(bytes(1024**2), 24000))
    return files


def test_phrases_are_counted(files: PhraseFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "show", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"2 phrases, 2.0 MB in {files.folder}\n"
    assert main(["cache", "show", "--data", str(tmp_path), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["phrases"], about["folder"]) == (2, str(files.folder)) and about["bytes"] > 2 * 1024**2


def test_phrases_are_cleared_and_nothing_else(
    files: PhraseFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files.folder / "notes.txt").write_text("mine")
    (files.folder / "half.part").write_text("RFSN")
    assert main(["cache", "clear", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "deleted: 2 phrases, 2.0 MB\n"
    assert [file.name for file in files.folder.iterdir()] == ["notes.txt"]


def test_where_nothing_was_spoken_there_is_nothing_to_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "clear", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "deleted: 0 phrases, 0.0 MB\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    folder_in(tmp_path).mkdir(parents=True)
    monkeypatch.setattr("os.listdir", refuse)
    assert main(["cache", "show", "--data", str(tmp_path)]) == 1
    assert "cannot be read: Permission denied; check --data" in capsys.readouterr().err
