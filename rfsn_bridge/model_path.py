"""Options that name a file: a model, resolved before an engine's process starts, or one beside config.yaml."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationInfo

from rfsn_bridge.errors import ModelMissing


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """Marks such an option: `model: Annotated[str, CatalogueModel()] = "kokoro"`.

    Its value is a name of the catalogue, or the absolute path of a file of the player's own (`~` allowed).
    """


def _from_config(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


ConfigPath = Annotated[Path, AfterValidator(_from_config)]
"""An option that is a file: relative paths are from the folder of config.yaml."""


def resolve_models(options: BaseModel, find_model: Callable[[str], Path]) -> dict[str, Any]:
    """The options as plain JSON values, every model's name replaced by its path; raise ModelMissing."""
    values = options.model_dump(mode="json")
    for name, field in type(options).model_fields.items():
        if any(isinstance(mark, CatalogueModel) for mark in field.metadata):
            values[name] = str(_find(values[name], find_model))
    return values


def _find(value: str, find_model: Callable[[str], Path]) -> Path:
    path = Path(value).expanduser()
    if not path.is_absolute():
        return find_model(value)
    if not path.is_file():
        raise ModelMissing(
            f"{path} is missing", "check the path, or use a name that rfsn-bridge models list shows"
        )
    return path
