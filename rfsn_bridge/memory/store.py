"""Turns on disk: one line of JSON a turn, one file an NPC and playthrough, durable before it is acknowledged.

A plain beginning that a database replaces with the memory issue. A line that a crash cut short is skipped on
reading, and the next append starts on a line of its own.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from rfsn_bridge.domain import Deed, Exchange, Mood, NpcState, Relationship, Turn
from rfsn_bridge.errors import BridgeError

_TAIL_BYTES = 1024 * 1024
_LEARNED = ".learned"


class StoreError(BridgeError):
    """A turn could not be written or read."""


class Store:
    """Appends and reads turns in a thread of its own, in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def record(self, turn: Turn) -> None:
        """Returns once the turn is on disk; raises StoreError if it is not."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._append, turn)

    async def recall(self, playthrough: str, npc_id: str, limit: int) -> tuple[list[Exchange], NpcState | None]:
        """The latest exchanges, oldest first, and the state the NPC was left in (None: never met)."""
        return await asyncio.get_running_loop().run_in_executor(
            self._writer, self._read, playthrough, npc_id, limit
        )

    async def learned(self, playthrough: str, npc_id: str) -> bytes | None:
        """What `keep` was given last; None if nothing was."""
        path = self._path(playthrough, npc_id).with_suffix(_LEARNED)
        return await asyncio.get_running_loop().run_in_executor(self._writer, _bytes, path)

    async def keep(self, playthrough: str, npc_id: str, learned: bytes) -> None:
        """Keep what an NPC has learned: the old or the new is there, whatever happens. Raises StoreError."""
        path = self._path(playthrough, npc_id).with_suffix(_LEARNED)
        await asyncio.get_running_loop().run_in_executor(self._writer, _replace, path, learned)

    async def set_aside(self, playthrough: str, npc_id: str) -> None:
        """Rename what an NPC has learned and nobody can read."""
        path = self._path(playthrough, npc_id).with_suffix(_LEARNED)

        def rename() -> None:
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(f"{_LEARNED}.old"))

        await asyncio.get_running_loop().run_in_executor(self._writer, rename)

    async def find(self, turn_id: str) -> Turn | None:
        """A turn by its id, with its decision; None if there is none, or it cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._find, turn_id)

    async def latest(self) -> Turn | None:
        """The turn recorded last, of any NPC."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._find, None)

    async def aclose(self) -> None:
        """Waits for what was given to `record`."""
        await asyncio.to_thread(self._writer.shutdown, True)

    def _path(self, playthrough: str, npc_id: str) -> Path:
        return self._folder / _file_name(playthrough) / f"{_file_name(npc_id)}.jsonl"

    def _append(self, turn: Turn) -> None:
        path = self._path(turn.playthrough, turn.npc_id)
        line = json.dumps(asdict(turn), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written: {error.strerror}", "free disk space or change --data"
            ) from error

    def _find(self, turn_id: str | None) -> Turn | None:
        """The newest turn, or the one of that id, over every file."""
        wanted = json.dumps(turn_id).encode() if turn_id else b""
        newest: Turn | None = None
        for path in sorted(self._folder.glob("*/*.jsonl")):
            try:
                lines = path.read_bytes().split(b"\n")
            except OSError:
                continue
            found = [line for line in lines if line and wanted in line]
            for line in reversed(found if turn_id else found[-1:]):
                try:
                    turn = _turns().validate_json(line)
                except ValueError:
                    continue
                if turn_id is None and (newest is None or turn.started_at > newest.started_at):
                    newest = turn
                if turn.turn_id == turn_id:
                    return turn
        return newest

    def _read(self, playthrough: str, npc_id: str, limit: int) -> tuple[list[Exchange], NpcState | None]:
        path = self._path(playthrough, npc_id)
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return [], None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}", "check the data folder") from error
        if size > _TAIL_BYTES:
            del lines[0]
        turns = [turn for turn in map(_parse, lines) if turn]
        heard = [exchange for exchange, _ in turns]
        return heard[-limit:] if limit else [], turns[-1][1] if turns else None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}", "check the data folder") from error


def _replace(path: Path, content: bytes) -> None:
    """Write beside, make durable, rename over."""
    new = path.with_suffix(f"{path.suffix}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}", "free disk space or change --data"
        ) from error


@lru_cache(maxsize=1)
def _turns() -> TypeAdapter[Turn]:
    return TypeAdapter(Turn)


def _parse(line: bytes) -> tuple[Exchange, NpcState] | None:
    """What is recalled of a turn; None for a line that a crash cut short, or that is none of ours."""
    try:
        turn: dict[str, Any] = json.loads(line)
        heard = Exchange(turn["player_text"], turn["heard_text"])
        deeds = tuple(Deed(**deed) for deed in turn.get("deeds", ()))  # absent in files of earlier versions
        return replace(heard, deeds=deeds), _state(turn["state"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _state(raw: dict[str, Any]) -> NpcState:
    known = {field.name: raw[field.name] for field in fields(NpcState) if field.name in raw}
    known["cooldowns"] = tuple((str(name), float(days)) for name, days in known.get("cooldowns", ()))
    return NpcState(**{**known, "mood": Mood(known["mood"]), "relationship": Relationship(known["relationship"])})


def _file_name(name: str) -> str:
    """A name any file system takes: a readable slug, and a hash that keeps every two names apart."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]
    return f"{slug or 'npc'}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
