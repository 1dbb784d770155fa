"""Folders as Windows has them, on any system: names are found whatever their case."""

from pathlib import Path


def find(base: Path, *parts: str) -> Path | None:
    """What `parts` lead to from `base`; None if it is not there."""
    for part in parts:
        inner = _child(base, part)
        if inner is None:
            return None
        base = inner
    return base


def place(base: Path, *parts: str) -> Path:
    """The same; what is not there yet gets the names as given."""
    for part in parts:
        base = _child(base, part) or base / part
    return base


def names(folder: Path | None) -> list[str]:
    """What lies in a folder, lowercase; nothing if there is no such folder, or it is closed to us."""
    try:
        return sorted(child.name.lower() for child in folder.iterdir()) if folder else []
    except OSError:
        return []


def _child(folder: Path, name: str) -> Path | None:
    exact = folder / name
    if exact.exists():
        return exact
    try:
        return next((child for child in folder.iterdir() if child.name.lower() == name.lower()), None)
    except OSError:
        return None
