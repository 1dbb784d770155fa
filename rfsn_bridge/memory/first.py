"""The memory of the first daemons: a line of JSON a turn, a file an NPC, and beside it what it had learned.

They lie in folders below the memory's, `<playthrough>/<npc>.jsonl` and `.learned`, and stay there.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path

from pydantic import TypeAdapter

from rfsn_bridge.domain import Turn
from rfsn_bridge.memory import records

log = logging.getLogger(__name__)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.jsonl"))


def take_in(connection: sqlite3.Connection, paths: Sequence[Path]) -> None:
    """Write what lies in the files, if nothing has ever happened in this memory. For the writer."""
    if connection.execute("SELECT moment FROM clock").fetchone() != (0,):
        return
    turns = [list(_read(path)) for path in paths]
    written = 0
    for turn in merge(*turns, key=lambda turn: turn.started_at):
        written += records.add_turn(connection, records.encode(turn), None)
    for path, some in zip(paths, turns, strict=True):
        learned = path.with_suffix(".learned")
        if some and learned.is_file():
            last = some[-1]
            records.add_mind(connection, last.playthrough, last.npc_id, last.state, learned.read_bytes())
    log.info("%d turns of %d NPCs were taken in from the files of an earlier version", written, len(paths))


def _read(path: Path) -> Iterator[Turn]:
    """The turns of a file, in order; a line that a crash cut short, or that cannot be understood, is left out."""
    turns: TypeAdapter[Turn] = TypeAdapter(Turn)
    for line in filter(None, path.read_bytes().split(b"\n")):
        try:
            yield turns.validate_json(line)
        except ValueError:
            try:  # what was decided looked otherwise once
                yield turns.validate_python({**json.loads(line), "decision": None})
            except (ValueError, TypeError, RecursionError):
                log.warning("a line of %s is left out: it cannot be understood", path)
