"""Which moments belong to the present of a playthrough, and what a save or a load does to that.

Values and SQL, no threads: every function takes the connection of the writer or of a reader.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass

_SAME_DAY = 0.01
"""Dates nearer than this, in game days, are the same."""
_NEVER = 2**62
"""A moment after all others."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a branch that belongs to the present: all up to a moment."""

    branch: int
    upto: int


@dataclass(frozen=True, slots=True)
class Present:
    """The present of a playthrough. `stretches` go from the latest back to the first."""

    playthrough: int
    branch: int
    upto: int | None
    """The last moment of `branch` that counts; None while it is being written on."""
    stretches: tuple[Stretch, ...]


def playthrough(connection: sqlite3.Connection, name: str) -> int:
    """The number of a playthrough, made if it is new. For the writer."""
    if row := connection.execute("SELECT id FROM playthroughs WHERE name = ?", (name,)).fetchone():
        return int(row[0])
    made = connection.execute("INSERT INTO playthroughs (name) VALUES (?)", (name,)).lastrowid or 0
    branch = connection.execute("INSERT INTO branches (playthrough) VALUES (?)", (made,)).lastrowid
    connection.execute("UPDATE playthroughs SET branch = ? WHERE id = ?", (branch, made))
    return made


def present(connection: sqlite3.Connection, name: str) -> Present | None:
    """The present of a playthrough; None if nothing is known of it."""
    row = connection.execute("SELECT id, branch, upto FROM playthroughs WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    number, branch, upto = row
    return Present(number, branch, upto, tuple(_stretches(connection, branch, upto)))


def _stretches(connection: sqlite3.Connection, branch: int | None, upto: int | None) -> Iterator[Stretch]:
    while branch is not None:
        yield Stretch(branch, _NEVER if upto is None else upto)
        branch, fork = connection.execute("SELECT parent, fork FROM branches WHERE id = ?", (branch,)).fetchone()
        upto = fork if upto is None else min(upto, fork)


def now(connection: sqlite3.Connection, name: str) -> tuple[int, int]:
    """The branch and the moment of something that happens now. For the writer.

    Where an earlier point is the present, a new branch forks off it here, and not before something happens.
    """
    number = playthrough(connection, name)
    branch, upto = connection.execute("SELECT branch, upto FROM playthroughs WHERE id = ?", (number,)).fetchone()
    if upto is not None:
        branch = connection.execute(
            "INSERT INTO branches (playthrough, parent, fork) VALUES (?, ?, ?)", (number, branch, upto)
        ).lastrowid
        connection.execute("UPDATE playthroughs SET branch = ?, upto = NULL WHERE id = ?", (branch, number))
    connection.execute("UPDATE clock SET moment = moment + 1")
    (moment,) = connection.execute("SELECT moment FROM clock").fetchone()
    connection.execute("UPDATE branches SET last = ? WHERE id = ?", (moment, branch))
    return branch, moment


def save(connection: sqlite3.Connection, name: str, save_id: str, game_date: float | None) -> None:
    """Mark the present as a save; an older one of that name is written over. For the writer."""
    number = playthrough(connection, name)
    branch, upto = connection.execute("SELECT branch, upto FROM playthroughs WHERE id = ?", (number,)).fetchone()
    if upto is None:
        (upto,) = connection.execute("SELECT last FROM branches WHERE id = ?", (branch,)).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO saves VALUES (?, ?, ?, ?, ?, ?)",
        (number, save_id, branch, upto, game_date, time.time()),
    )


@dataclass(frozen=True, slots=True)
class Loaded:
    """Which point became the present: that of the save, or one found by the game's date."""

    exact: bool
    found: bool = True
    forgotten: int = 0
    """Turns that were part of the present before."""
    remembered: int = 0
    """Turns that are part of it now; counted for a save that was never seen."""

    @property
    def in_words(self) -> str:
        """What the NPCs remember, where the save was never seen."""
        many = {0: "no talk", 1: "one talk"}.get(self.remembered, f"{self.remembered} talks")
        if self.found:
            return f"the NPCs remember {many} of before its date"
        return f"it has no date, and the NPCs remember what they did before, {many}"


def load(connection: sqlite3.Connection, name: str, save_id: str, game_date: float | None) -> Loaded:
    """Make a save the present; one never seen is found by its date. For the writer.

    The game goes on from what it loaded last: where the present tells of a later date, the save was made on the
    way to it. Where the present ends before and nothing has happened since the last load, it can be anywhere.
    """
    number = playthrough(connection, name)
    row = connection.execute(
        "SELECT branch, moment FROM saves WHERE playthrough = ? AND save_id = ?", (number, save_id)
    ).fetchone()
    if row is not None:
        _go_to(connection, number, *row)
        return Loaded(exact=True)
    if game_date is None:
        return Loaded(exact=False, found=False)
    if _is_later(connection, number, game_date):
        _go_to(connection, number, *_by_date(connection, number, game_date))
    elif _only_loaded(connection, number) and (point := _nearest(connection, number, game_date)):
        _go_to(connection, number, *point)
    return Loaded(exact=False)


def date(connection: sqlite3.Connection, name: str) -> float | None:
    """The game's date at present, as far as anything tells of it."""
    here = present(connection, name)
    for stretch in here.stretches if here else ():
        row = connection.execute(
            "SELECT game_date FROM dated WHERE branch = ? AND moment <= ? "
            "ORDER BY moment DESC, game_date DESC LIMIT 1",
            (stretch.branch, stretch.upto),
        ).fetchone()
        if row is not None:
            return float(row[0])
    return None


def _go_to(connection: sqlite3.Connection, number: int, branch: int, moment: int) -> None:
    (last,) = connection.execute("SELECT last FROM branches WHERE id = ?", (branch,)).fetchone()
    upto = None if last <= moment else moment  # nothing came after it: it can be written on
    connection.execute("UPDATE playthroughs SET branch = ?, upto = ? WHERE id = ?", (branch, upto, number))


def _by_date(connection: sqlite3.Connection, number: int, game_date: float) -> tuple[int, int]:
    """The last dated moment of the present that is not after a date; the beginning if there is none."""
    branch, upto = connection.execute("SELECT branch, upto FROM playthroughs WHERE id = ?", (number,)).fetchone()
    for stretch in _stretches(connection, branch, upto):
        row = connection.execute(
            "SELECT max(moment) FROM dated WHERE branch = ? AND moment <= ? AND game_date <= ?",
            (stretch.branch, stretch.upto, game_date),
        ).fetchone()
        if row[0] is not None:
            return stretch.branch, row[0]
    root = connection.execute(
        "SELECT min(id) FROM branches WHERE playthrough = ? AND parent IS NULL", (number,)
    ).fetchone()
    return int(root[0]), 0


def _is_later(connection: sqlite3.Connection, number: int, game_date: float) -> bool:
    """Whether anything of the present has a later date."""
    branch, upto = connection.execute("SELECT branch, upto FROM playthroughs WHERE id = ?", (number,)).fetchone()
    return any(
        connection.execute(
            "SELECT 1 FROM dated WHERE branch = ? AND moment <= ? AND game_date > ? LIMIT 1",
            (stretch.branch, stretch.upto, game_date),
        ).fetchone()
        for stretch in _stretches(connection, branch, upto)
    )


def _only_loaded(connection: sqlite3.Connection, number: int) -> bool:
    """Whether an earlier point is the present, and nothing has happened since it became that."""
    (upto,) = connection.execute("SELECT upto FROM playthroughs WHERE id = ?", (number,)).fetchone()
    return upto is not None


def _nearest(connection: sqlite3.Connection, number: int, game_date: float) -> tuple[int, int] | None:
    """The point of any branch with the latest date that is not after one, the newest of these."""
    points = []
    for (branch,) in connection.execute("SELECT id FROM branches WHERE playthrough = ?", (number,)).fetchall():
        row = connection.execute(
            "SELECT game_date, moment FROM dated WHERE branch = ? AND game_date <= ? "
            "ORDER BY game_date DESC, moment DESC LIMIT 1",
            (branch, game_date),
        ).fetchone()
        if row is not None:
            points.append((*row, branch))
    if not points:
        return None
    _, moment, branch = max(points)
    return branch, moment


def needed(connection: sqlite3.Connection, branch: int, moment: int) -> bool:
    """Whether a save, or a branch that forked off, still needs what was so at a moment of a branch."""
    (is_needed,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM saves WHERE branch = ?1 AND moment >= ?2) "
        "OR EXISTS (SELECT 1 FROM branches WHERE parent = ?1 AND fork >= ?2)",
        (branch, moment),
    ).fetchone()
    return bool(is_needed)


def begin(connection: sqlite3.Connection, name: str, game_date: float | None) -> None:
    """A game begins, or one goes on whose save is not known: what happened after its date is not the present."""
    number = playthrough(connection, name)
    if game_date is None:
        return
    if _is_later(connection, number, game_date + _SAME_DAY):
        _go_to(connection, number, *_by_date(connection, number, game_date))
