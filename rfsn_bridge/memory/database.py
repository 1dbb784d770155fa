"""The database file: one writer that makes many changes durable at once, and readers beside it.

Writes queue up in a thread of their own. While one commit waits for the disk, those that arrive meanwhile gather,
and the next commit makes them all durable together (group commit). A change is done in full or not at all: each
runs inside a savepoint, so that one that fails takes no other with it. Success is told after the commit.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rfsn_bridge.errors import BridgeError
from rfsn_bridge.memory.schema import WHAT_TO_DO, CorruptStore, StoreError, migrate, prepare, says_full

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

_QUEUED = 4096
"""Changes that may wait for the disk; more are refused, and their callers told."""
_GROUP = 512
_READERS = 2


@dataclass(slots=True)
class _Change:
    job: Job[Any]
    done: Future[Any]


class Database:
    """Open for one process; `aclose` waits for what was given to `write`."""

    def __init__(
        self, path: Path, before_migration: Callable[[Path, int], object] = lambda path, version: None
    ) -> None:
        """Opens and, if need be, makes or migrates the file; raises StoreError or CorruptStore."""
        self.path = path
        self._changes: queue.Queue[_Change | None] = queue.Queue(_QUEUED)
        self._closed = False
        prepare(path, before_migration)
        self._local = threading.local()
        self._read_connections = [_held(path)]
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="memory-read")
        self._writer = threading.Thread(target=self._write_all, name="memory-write", daemon=True)
        self._writer.start()

    async def write(self, job: Job[T]) -> T:
        """What `job` gives, once its changes are durable. Raises StoreError; then nothing of it was changed."""
        return await asyncio.wrap_future(self.submit(job))

    def submit(self, job: Job[T]) -> Future[T]:
        """As `write`, without waiting."""
        done: Future[T] = Future()
        if self._closed:
            done.set_exception(StoreError("the memory is closed", "start the daemon again"))
            return done
        try:
            self._changes.put_nowait(_Change(job, done))
        except queue.Full:
            message = f"the disk is too slow: {_QUEUED} changes are waiting for it"
            done.set_exception(StoreError(message, "close what else writes to the disk"))
        return done

    async def read(self, job: Job[T]) -> T:
        """What `job` gives, on a connection that only reads. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    async def replace(self, source: Path) -> None:
        """Put the contents of another database in the place of ours, in one transaction. Raises StoreError."""
        await asyncio.wrap_future(self.submit(_Replace(source)))

    async def aclose(self) -> None:
        """Does nothing the second time."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """As `aclose`, and blocks until what was given to `write` is done."""
        if self._closed:
            return
        self._closed = True
        self._readers.shutdown(True)
        for connection in self._read_connections:
            connection.close()
        self._changes.put(None)  # the writer closes last, which takes the log into the file
        self._writer.join()

    # --- In the threads

    def _read(self, job: Job[T]) -> T:
        connection = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = connect(self.path, read_only=True)
                self._read_connections.append(connection)
            return job(connection)
        except sqlite3.Error as error:
            raise told(self.path, error, "read") from error

    def _write_all(self) -> None:
        connection: sqlite3.Connection | None = None
        ended = False
        while not ended:
            changes = self._gathered()
            if changes and changes[-1] is None:
                ended = True
            group = [
                change for change in changes if change is not None and change.done.set_running_or_notify_cancel()
            ]
            if not group:
                continue
            try:
                if connection is None:
                    connection = connect(self.path)
                results = _carry_out(connection, group)
            except sqlite3.Error as error:
                log.error("nothing of %d changes was written: %s", len(group), error)
                failure = told(self.path, error, "written")
                for change in group:
                    change.done.set_exception(failure)
                _discard(connection)
                connection = None
            except BaseException as error:  # whoever waits must hear of it
                for change in group:
                    if not change.done.done():
                        change.done.set_exception(error)
                raise
            else:
                for change, result in zip(group, results, strict=True):
                    if isinstance(result, _Failed):
                        change.done.set_exception(result.error)
                    else:
                        change.done.set_result(result)
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA optimize")
            connection.close()

    def _gathered(self) -> list[_Change | None]:
        """What waits, once there is something."""
        changes = [self._changes.get()]
        while len(changes) < _GROUP and changes[-1] is not None:
            try:
                changes.append(self._changes.get_nowait())
            except queue.Empty:
                break
        return changes


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


@dataclass(frozen=True, slots=True)
class _Replace:
    """The one change that is no part of a transaction, but one by itself."""

    source: Path

    def __call__(self, connection: sqlite3.Connection) -> None:
        with contextlib.closing(connect(self.source, read_only=True)) as source:
            source.backup(connection)
        migrate(connection)  # it may be a copy from before an update; where this fails, the next start does it


def _carry_out(connection: sqlite3.Connection, group: Sequence[_Change]) -> list[Any]:
    """Carry out changes in order, as many at a time as can be."""
    results: list[Any] = []
    together: list[_Change] = []
    for change in group:
        if not isinstance(change.job, _Replace):
            together.append(change)
            continue
        if together:
            results += _commit(connection, together)
            together = []
        change.job(connection)
        results.append(None)
    return results + (_commit(connection, together) if together else [])


def _commit(connection: sqlite3.Connection, group: Sequence[_Change]) -> list[Any]:
    """Carry out a group of changes in one transaction. Raises sqlite3.Error if it could not be committed."""
    results: list[Any] = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        for change in group:
            connection.execute("SAVEPOINT change")
            try:
                results.append(change.job(connection))
            except sqlite3.OperationalError:
                raise  # the disk: none of the others will fare better
            except sqlite3.Error as error:
                connection.execute("ROLLBACK TO change")
                results.append(_Failed(StoreError(f"a change was refused: {error}", "please report this")))
            except Exception as error:  # a mistake in one change: its caller hears of it, the others stand
                connection.execute("ROLLBACK TO change")
                results.append(_Failed(error))
            connection.execute("RELEASE change")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return results


def _discard(connection: sqlite3.Connection | None) -> None:
    """After a failed commit, a new connection is to see what is really there."""
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def _held(path: Path) -> sqlite3.Connection:
    """A connection that has read: while it is open, another can be opened on a full disk. Raises StoreError."""
    try:
        connection = connect(path, read_only=True)
        connection.execute("SELECT * FROM clock").fetchall()
    except sqlite3.Error as error:
        raise told(path, error, "read") from error
    return connection


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our settings: every commit is on the disk when it returns."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10,
    )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-8192")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def told(path: Path, error: sqlite3.Error, what: str) -> BridgeError:
    """An error of SQLite as a person is told of it."""
    text = str(error)
    if any(sign in text for sign in ("malformed", "not a database", "corrupt")):
        return CorruptStore(f"{path} is damaged: {text}", WHAT_TO_DO)
    if says_full(path, error):
        return StoreError(
            f"{path} cannot be {what}: the disk is full", "free disk space; what waits is tried again"
        )
    return StoreError(f"{path} cannot be {what}: {text}", "check the data folder and its disk")
