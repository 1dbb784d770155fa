from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel

from rfsn_bridge import ModelMissing
from rfsn_bridge.model_path import CatalogueModel, resolve_models


class Options(BaseModel):
    model: Annotated[str, CatalogueModel()] = "kokoro"
    speaker: str = "kokoro"
    threads: int = 2


def catalogue(name: str) -> Path:
    return Path("/models") / f"{name}.onnx"


def test_only_options_marked_as_models_become_paths() -> None:
    resolved = resolve_models(Options(), catalogue)
    assert resolved == {"model": str(Path("/models/kokoro.onnx")), "speaker": "kokoro", "threads": 2}


def test_a_file_of_the_players_own_is_taken_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.touch()
    assert resolve_models(Options(model=str(own)), catalogue)["model"] == str(own)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"own.onnx is missing"):
        resolve_models(Options(model=str(tmp_path / "own.onnx")), catalogue)
