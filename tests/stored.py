"""What a daemon has written into its memory, read beside it; and a disk that is full."""

import sqlite3
from pathlib import Path

import pytest

from rfsn_bridge.domain import Turn
from rfsn_bridge.memory import database
from rfsn_bridge.memory.archive import open_archive


async def latest(data: Path) -> Turn | None:
    """The turn recorded last in a data folder; None if there is none."""
    return await open_archive(data / "memory").latest()


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, whoever opens a memory cannot make it grow: a real SQLITE_FULL."""
    connect = database.connect

    def limited(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        if not read_only:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    monkeypatch.setattr(database, "connect", limited)
