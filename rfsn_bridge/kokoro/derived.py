"""Graphs derived from a model's file, kept beside it, and made by a process of their own.

A derived file is named `<model>.<sha of the model>.<quality>-<version>.<sha of its own>.onnx`: its name tells
whether it is still what it should be, so that a broken, half-written or outdated one is never opened but made
anew. It appears whole, by renaming; several processes may make it at once, to the same effect.

Making fp32 takes about 3 s of work and 1.3 GB of memory, which the voice process would keep: so a process of
the lowest priority does it (`python -m rfsn_bridge.kokoro.derived MODEL QUALITY FOLDER`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rfsn_bridge.errors import BridgeError, VoiceError
from rfsn_bridge.kokoro import VERSION

MAKING_S = 300.0
STALE_S = 3600.0
DIGITS = 16


def folder_for(model: Path) -> Path:
    """Beside the model where that can be written, else in the system's folder for what may be lost."""
    beside = model.parent / "derived"
    with contextlib.suppress(OSError):
        beside.mkdir(exist_ok=True)
        if os.access(beside, os.W_OK):
            return beside
    spare = Path(tempfile.gettempdir()) / "rfsn-bridge-derived"
    with contextlib.suppress(OSError):
        spare.mkdir(exist_ok=True)
    return spare


def find(model: Path, quality: str, folder: Path) -> Path | None:
    """The derived file if it is there and whole."""
    for path in sorted(folder.glob(f"{_stem(model, quality)}.*.onnx")):
        if path.name.split(".")[-2] == _sha(path):
            return path
        _delete(path)
    return None


def find_or_make(model: Path, quality: str, folder: Path, stopped: threading.Event | None = None) -> Path:
    """Raise VoiceError if it cannot be made: no room, an unknown graph; or if `stopped` is set."""
    ready = find(model, quality, folder)
    if ready is not None:
        return ready
    command = [sys.executable, "-P", "-X", "utf8", "-m", __name__, str(model), quality, str(folder)]
    priority = getattr(subprocess, "IDLE_PRIORITY_CLASS", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        with subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=priority,
        ) as maker:
            said = _wait(maker, stopped or threading.Event())
    except OSError as error:
        raise VoiceError(f"the {quality} graph of {model.name} could not be made: {error}") from error
    ready = find(model, quality, folder)
    if ready is None:
        raise VoiceError(f"the {quality} graph of {model.name} could not be made: {said}")
    return ready


def _wait(maker: subprocess.Popen[bytes], stopped: threading.Event) -> str:
    """The last of what it says."""
    end = time.monotonic() + MAKING_S
    while True:
        try:
            _, said = maker.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            if stopped.is_set() or time.monotonic() > end:
                maker.kill()
        else:
            return "".join(said.decode("utf-8", "replace").strip().splitlines()[-1:])[:300]


def make(model: Path, quality: str, folder: Path) -> Path:
    """Derive it here and now; what older models and versions left is deleted."""
    import onnx

    from rfsn_bridge.kokoro.rewrites import derive

    stem = _stem(model, quality)
    derived = onnx.load(str(model))
    derive(derived, quality)
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{model.stem}.", suffix=".part", dir=folder)
    os.close(handle)
    part = Path(name)
    try:
        onnx.save(derived, name)
        whole = folder / f"{stem}.{_sha(part)}.onnx"
        with contextlib.suppress(PermissionError):  # On Windows: the same file is there, and somebody reads it.
            part.replace(whole)
    finally:
        _delete(part)
    _sweep(model, quality, folder)
    return whole


def _sweep(model: Path, quality: str, folder: Path) -> None:
    kept = _stem(model, quality)
    for path in folder.glob(f"{model.stem}.*.{quality}-*.onnx"):
        if not path.name.startswith(f"{kept}."):
            _delete(path)
    for path in folder.glob(f"{model.stem}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                _delete(path)


def _stem(model: Path, quality: str) -> str:
    return f"{model.stem}.{_sha(model)}.{quality}-{VERSION}"


def _sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def main() -> None:
    model, quality, folder = sys.argv[1:]
    with contextlib.suppress(OSError, AttributeError):
        os.nice(19)
    try:
        make(Path(model), quality, Path(folder))
    except (BridgeError, OSError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
