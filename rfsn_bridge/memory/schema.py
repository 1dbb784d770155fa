"""The tables, their version, and how an older file becomes one of today's.

Everything that happens is a *moment*: a number that only grows. Each belongs to a *branch* of its playthrough, and
a branch holds all of its parent up to the moment where it forked off. A save is a point (branch, moment); loading
it begins a new branch there, as soon as something new happens. Nothing is ever copied.
"""

import contextlib
import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from rfsn_bridge.errors import BridgeError
from rfsn_bridge.memory.durable import make_folder
from rfsn_bridge.memory.words import index_characters

APPLICATION_ID = 0x5246534E  # "RFSN"
VERSION = 3
WITH_SUMMARIES = 2
"""The first version that has them."""


WHAT_TO_DO = (
    "start the daemon: it sets the file aside; or run: rfsn-bridge memory restore NAME (`backups` lists them)"
)


FREE_SPACE = "free some MB on that disk, or choose another folder with --data, then start again"


class StoreError(BridgeError):
    """Something could not be written or read."""


class CorruptStore(StoreError):
    """The file is damaged, or none of ours."""


TABLES = """
CREATE TABLE clock (moment INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);
CREATE TABLE playthroughs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    branch INTEGER NOT NULL DEFAULT 0,        -- the present: a branch,
    upto INTEGER                              -- and its last moment (NULL: all of it)
) STRICT;
CREATE TABLE branches (
    id INTEGER PRIMARY KEY,
    playthrough INTEGER NOT NULL REFERENCES playthroughs,
    parent INTEGER REFERENCES branches,
    fork INTEGER NOT NULL DEFAULT 0,          -- the last moment of the parent that belongs to it
    last INTEGER NOT NULL DEFAULT 0           -- its own last moment
) STRICT;
CREATE INDEX branches_by_fork ON branches (parent, fork);
CREATE TABLE npcs (
    id INTEGER PRIMARY KEY,
    playthrough INTEGER NOT NULL REFERENCES playthroughs,
    npc_id TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (playthrough, npc_id)
) STRICT;
CREATE TABLE turns (
    moment INTEGER PRIMARY KEY,
    branch INTEGER NOT NULL REFERENCES branches,
    npc INTEGER NOT NULL REFERENCES npcs,
    turn_id TEXT NOT NULL UNIQUE,
    player_text TEXT NOT NULL,
    heard_text TEXT NOT NULL,
    heard_through_seq INTEGER NOT NULL,
    status TEXT NOT NULL,
    hearers TEXT NOT NULL,                    -- JSON: npc_ids
    deeds TEXT NOT NULL,                      -- JSON
    state TEXT NOT NULL,                      -- JSON
    decision BLOB,                            -- JSON, deflated
    importance REAL NOT NULL,                 -- 0 to 1
    game_date REAL,
    started_at REAL NOT NULL
) STRICT;
CREATE TABLE memories (                       -- who remembers which turn: who spoke, and who heard it
    npc INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    own INTEGER NOT NULL,
    PRIMARY KEY (npc, branch, moment)
) STRICT, WITHOUT ROWID;
CREATE INDEX memories_by_turn ON memories (moment);
CREATE TABLE minds (                          -- state and learning; written over unless a save may need the old
    npc INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    state TEXT NOT NULL,                      -- JSON
    learned BLOB,
    PRIMARY KEY (npc, branch, moment)
) STRICT, WITHOUT ROWID;
CREATE TABLE saves (
    playthrough INTEGER NOT NULL REFERENCES playthroughs,
    save_id TEXT NOT NULL,
    branch INTEGER NOT NULL REFERENCES branches,
    moment INTEGER NOT NULL,
    game_date REAL,
    made_at REAL NOT NULL,
    PRIMARY KEY (playthrough, save_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX saves_by_point ON saves (branch, moment);
CREATE TABLE events (
    moment INTEGER PRIMARY KEY,
    branch INTEGER NOT NULL REFERENCES branches,
    kind TEXT NOT NULL,
    npcs TEXT NOT NULL,                       -- JSON: npc_ids
    text TEXT,
    data TEXT,                                -- JSON
    game_date REAL
) STRICT;
CREATE VIEW dated AS
    SELECT branch, moment, game_date FROM turns WHERE game_date IS NOT NULL
    UNION ALL SELECT branch, moment, game_date FROM events WHERE game_date IS NOT NULL
    UNION ALL SELECT branch, moment, game_date FROM saves WHERE game_date IS NOT NULL;
CREATE INDEX turns_dated ON turns (branch, game_date) WHERE game_date IS NOT NULL;
CREATE INDEX events_dated ON events (branch, game_date) WHERE game_date IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (       -- rowid = moment of a turn; `who` = "n12 n15": who remembers it
    who, text, content = '', tokenize = "unicode61 remove_diacritics 2"
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
"""
SUMMARIES = """
CREATE TABLE summaries (                      -- what many turns come to; its place is that of the last of them
    npc INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    level INTEGER NOT NULL,                   -- 0: of turns; above: of summaries
    first INTEGER NOT NULL,                   -- the moment of the first of them
    text TEXT NOT NULL,
    turns TEXT NOT NULL,                      -- JSON: their turn_ids, oldest first
    PRIMARY KEY (npc, branch, moment, level)
) STRICT, WITHOUT ROWID;
"""
SUMMARIES_BY_LEVEL = """
CREATE INDEX summaries_by_level ON summaries (npc, branch, level, moment);
"""

_ROOM = 2**20
"""Bytes without which the memory cannot be opened."""
_CHECKED_AT_ONCE = 64 * 2**20
"""Bytes: a file up to this size is looked through when it is opened, which takes some tenths of a second."""


def _add_summaries(connection: sqlite3.Connection) -> None:
    for statement in (SUMMARIES, SUMMARIES_BY_LEVEL):
        connection.execute(statement)


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], object]] = {1: _add_summaries, 2: index_characters}
"""From each earlier version to the next."""


def prepare(path: Path, before_migration: Callable[[Path, int], object] = lambda path, version: None) -> None:
    """Make the file, or bring an older one up to date; `before_migration` backs it up. Raises StoreError."""
    try:
        make_folder(path.parent)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            _prepare(connection, path, before_migration)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            if says_full(path, error):
                raise StoreError(f"{path} cannot be opened: the disk is full", FREE_SPACE) from error
            raise StoreError(f"{path} cannot be opened: {error}", "check the data folder") from error
        raise CorruptStore(f"{path} is damaged: {error}", WHAT_TO_DO) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(f"{path} cannot be made: the disk is full", FREE_SPACE) from error
        raise StoreError(f"{path} cannot be made: {error.strerror}", "check the data folder") from error


def _prepare(connection: sqlite3.Connection, path: Path, before_migration: Callable[[Path, int], object]) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = version_of(connection)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables and not version:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(
            f"BEGIN IMMEDIATE;{TABLES}{SUMMARIES}{SUMMARIES_BY_LEVEL}"
            f"PRAGMA application_id={APPLICATION_ID};PRAGMA user_version={VERSION};COMMIT;"
        )
        return
    if path.stat().st_size <= _CHECKED_AT_ONCE:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise CorruptStore(f"{path} is damaged: {verdict}", WHAT_TO_DO)
    if application != APPLICATION_ID:
        raise CorruptStore(f"{path} is no memory of RFSN Bridge", "move it away, or name another --data folder")
    if version > VERSION:
        raise StoreError(f"{path} was written by a newer RFSN Bridge (schema {version})", "update RFSN Bridge")
    connection.execute("PRAGMA journal_mode=WAL")
    if version < VERSION:
        before_migration(path, version)
    migrate(connection)


def says_full(path: Path, error: sqlite3.Error) -> bool:
    """Whether an error is that of a full disk; SQLite calls it an I/O error where it has no room for its index."""
    try:
        return "full" in str(error) or ("I/O" in str(error) and shutil.disk_usage(path.parent).free < _ROOM)
    except OSError:
        return False


def version_of(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an older file up to date, one version at a time, each in one step."""
    while (version := version_of(connection)) < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            MIGRATIONS[version](connection)
            connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
