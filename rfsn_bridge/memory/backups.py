"""Copies of the memory: made while it is in use, checked, kept for a while, and put back in one step.

A backup is a whole SQLite file, made by SQLite's backup API into a file of another name, checked, made durable,
then renamed: whatever happens, what has a backup's name is one. Its checksum lies beside it. Names are unique: the
time, the reason, a number.
"""

import contextlib
import hashlib
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from rfsn_bridge.memory.durable import make_folder, sync_file, sync_folder
from rfsn_bridge.memory.schema import APPLICATION_ID, CorruptStore, StoreError

_NAME = re.compile(r"memory-(?P<when>\d{8}-\d{6})-(?P<reason>[a-z_]+)-(?P<number>\d+)\.db")
_CHECKED_AT_ONCE = 64 * 2**20
"""Bytes: a backup up to this size is read when it is listed for a person."""
_FEW = 3
_PAGES = 2048
"""Copied at a time, so that a writer beside it is not held up."""


@dataclass(frozen=True, slots=True)
class Backup:
    """`name` is its file's; `reason` is automatic, reset, restore, migration, import or manual.

    `turns` is -1 where it is known to be damaged.
    """

    name: str
    path: Path
    made_at: float
    reason: str
    turns: int
    bytes: int


def folder_of(store: Path) -> Path:
    return store.with_name("backups")


def make(store: Path, reason: str) -> Backup:
    """Copy the memory as it is now. Raises StoreError, and leaves nothing half-made."""
    folder = folder_of(store)
    try:
        make_folder(folder)
        path = _unused(folder, reason)
        part = path.with_suffix(".part")
        try:
            _copy(store, part)
            turns = check(part)
            sync_file(part)
            _sums(path).write_text(_sum(part))
            sync_file(_sums(path))
            sync_folder(folder)  # no backup without its checksum
            part.replace(path)
            sync_folder(folder)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"no backup could be made: {error}", "check the disk of the data folder") from error
    return Backup(path.name, path, time.time(), reason, turns, path.stat().st_size)


def listed(store: Path) -> list[Backup]:
    """The backups there are, the newest first; files of other names are none of ours."""
    found = []
    for path in folder_of(store).glob("memory-*.db"):
        if match := _NAME.fullmatch(path.name):
            status = path.stat()
            found.append((match["when"], int(match["number"]), path, status, match["reason"]))
    found.sort(key=lambda each: each[:2], reverse=True)
    return [
        Backup(path.name, path, status.st_mtime, reason, _turns(path), status.st_size)
        for _, _, path, status, reason in found
    ]


def looked_through(store: Path, *, in_full: bool = False) -> list[Backup]:
    """As `listed`, with the damaged ones marked: small ones are compared with their checksums.

    In full, each is checked as it is before it is restored, which takes a second for some 100 MB.
    """
    return [
        replace(backup, turns=-1)
        if (in_full or backup.bytes <= _CHECKED_AT_ONCE) and _damaged(backup, in_full)
        else backup
        for backup in listed(store)
    ]


def _damaged(backup: Backup, in_full: bool) -> bool:
    try:
        if in_full or not _sums(backup.path).is_file():
            check(backup.path)
            return False
        return _sums(backup.path).read_text() != _sum(backup.path)
    except (CorruptStore, OSError, ValueError):
        return True


def prune(store: Path, keep: int) -> list[str]:
    """Delete the oldest backups beyond `keep`, of the automatic and of each kind of change; their names."""
    names = []
    for reason in ("automatic", "reset", "restore", "migration", "import"):
        for backup in [each for each in listed(store) if each.reason == reason][keep:]:
            with contextlib.suppress(OSError):
                backup.path.unlink()
                _sums(backup.path).unlink(missing_ok=True)
                names.append(backup.name)
    return names


def check(path: Path) -> int:
    """How many turns a whole and sound memory has; raises CorruptStore for anything else.

    A backup must be, byte for byte, what was written: SQLite's own check does not see every change.
    """
    try:
        if _sums(path).is_file() and _sums(path).read_text() != _sum(path):
            raise CorruptStore(f"{path} is damaged: it is not what was written", "choose another backup")
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                raise CorruptStore(f"{path} is no memory of RFSN Bridge", "choose another backup")
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise CorruptStore(f"{path} is damaged: {verdict}", "choose another backup")
            return int(connection.execute("SELECT count(*) FROM turns").fetchone()[0])
    except (sqlite3.Error, OSError) as error:
        raise CorruptStore(f"{path} is damaged: {error}", "choose another backup") from error


def find(store: Path, name: str) -> Backup:
    """A backup by its name, which is never a path. Raises StoreError."""
    for backup in listed(store):
        if backup.name == name:
            return backup
    raise StoreError(f"there is no backup {name!r}", "`rfsn-bridge memory backups` lists them")


def set_aside(store: Path) -> Path:
    """Rename a damaged memory, with what belongs to it, so that nothing writes over it; its new name.

    The log beside it is copied before, and deleted after: whenever this ends, both are together somewhere.
    Raises StoreError.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = next(
        path
        for number in count(1)
        if not (path := store.with_name(f"{store.stem}-damaged-{stamp}-{number}{store.suffix}")).exists()
    )
    written_ahead = _beside(store, "-wal")
    try:
        if written_ahead.exists():
            shutil.copy2(written_ahead, _beside(aside, "-wal"))
            sync_file(_beside(aside, "-wal"))
        store.replace(aside)
        sync_folder(store.parent)
        for side in ("-wal", "-shm"):
            _beside(store, side).unlink(missing_ok=True)
    except OSError as error:
        message = f"{store} is damaged and cannot be set aside: {error}"
        raise StoreError(message, "check the disk of the data folder") from error
    return aside


def clear_up(store: Path) -> None:
    """Delete what backups left behind that were killed. Nobody else may be making one."""
    folder = folder_of(store)
    unfinished = [*folder.glob("memory-*.part*")]
    orphans = [path for path in folder.glob("memory-*.db.sha256") if not path.with_suffix("").exists()]
    for path in (*unfinished, *orphans):
        with contextlib.suppress(OSError):
            path.unlink()


def best(store: Path) -> Backup | None:
    """Of the newest few backups that are whole and sound, the one with the most turns."""
    return max(islice(_good(listed(store)), _FEW), key=lambda backup: backup.turns, default=None)


def _good(backups: Iterable[Backup]) -> Iterator[Backup]:
    for backup in backups:
        with contextlib.suppress(CorruptStore):
            check(backup.path)
            yield backup


def _sums(path: Path) -> Path:
    """Where a backup's checksum lies."""
    return path.with_name(f"{path.name}.sha256")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unused(folder: Path, reason: str) -> Path:
    """Numbered through all that are made in a second, for that is their order."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while any(folder.glob(f"memory-{stamp}-*-{number}.db")):
        number += 1
    return folder / f"memory-{stamp}-{reason}-{number}.db"


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as there,
        contextlib.closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here, pages=_PAGES)
        (mode,) = here.execute("PRAGMA journal_mode=DELETE").fetchone()
        if mode != "delete":  # a write failed, and SQLite says no more than that
            raise sqlite3.OperationalError("the disk did not take all of it")


def _beside(path: Path, side: str) -> Path:
    """The file of SQLite's that belongs to a database."""
    return path.with_name(path.name + side)


def _turns(path: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM turns").fetchone()[0])
    except sqlite3.Error:
        return -1
