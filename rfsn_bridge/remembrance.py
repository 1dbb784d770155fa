"""What is asked about the memory of a game's NPCs: to read it, search it, forget it, bring it back."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from rfsn_bridge.cast import Member
from rfsn_bridge.domain import Exchange, NpcState, Turn
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.memory.archive import Archive, FileReader
from rfsn_bridge.memory.backups import Backup
from rfsn_bridge.memory.schema import StoreError
from rfsn_bridge.memory.store import Store
from rfsn_bridge.memory.summaries import Summary
from rfsn_bridge.protocol.messages import (
    MemoryBackups,
    MemoryGet,
    MemoryReset,
    MemoryRestore,
    MemorySearch,
    MemoryStats,
    NpcStateRequest,
    StateView,
)
from rfsn_bridge.summariser import Summariser

T = TypeVar("T")

_FOUND = 20
_LATEST = 8
_CHARACTERS = 100_000
"""Of text in one answer, which the session remembers; what is left can be asked for."""

About = MemoryStats | MemoryGet | MemorySearch | MemoryReset | MemoryBackups | MemoryRestore | NpcStateRequest


class Game(Protocol):
    """A game whose NPCs remember."""

    playthrough: str

    def member(self, npc_id: str) -> Member | None: ...
    def standing(self, member: Member) -> NpcState: ...
    async def keep(self) -> None: ...
    def read_again(
        self, ready: asyncio.Future[None], npc_id: str | None = None, date: float | None = None
    ) -> Coroutine[Any, Any, int]: ...
    @property
    def is_loading(self) -> bool: ...


class Daemon(Protocol):
    """What remembrance needs of the bridge."""

    @property
    def store(self) -> Store: ...
    @property
    def summariser(self) -> Summariser: ...
    @property
    def games(self) -> Sequence[Game]: ...


class Remembrance:
    """Of one game."""

    def __init__(self, bridge: Daemon, game: Game) -> None:
        self._bridge = bridge
        self._game = game
        self._changing: set[asyncio.Task[dict[str, Any]]] = set()

    async def answer(self, about: About) -> dict[str, Any]:
        """What a message asks for. Raises ProtocolError or StoreError."""
        match about:
            case MemoryStats():
                return await self._stats()
            case MemoryGet():
                return await self._get(about)
            case MemorySearch():
                return await self._search(about)
            case NpcStateRequest():
                return await self._state(about.npc_id)
            case MemoryBackups():
                return {"backups": await self._backups(about.npc_id)}
            case MemoryReset():
                await self._name(about.npc_id)
                return await self._whole(self._reset(about.npc_id))
            case MemoryRestore():
                if about.backup_id not in {backup.name for backup in await self._store.backups()}:
                    hint = "`memory_backups` lists them"
                    message = f"there is no backup {about.backup_id!r}"
                    raise ProtocolError("not_found", message, hint, field="backup_id")
                return await self._whole(self._restore(about.backup_id))

    @property
    def _store(self) -> Store:
        return self._bridge.store

    async def _name(self, npc_id: str) -> str:
        """Of an NPC that is here, or ever was."""
        if member := self._game.member(npc_id):
            return member.npc.name
        if name := await self._store.name_of(self._game.playthrough, npc_id):
            return name
        raise ProtocolError("unknown_npc", f"nothing is known of an NPC {npc_id!r}", field="npc_id")

    # --- Reading

    async def _stats(self) -> dict[str, Any]:
        store = self._store
        found = await store.stats()
        backups = len(await store.backups())
        return {
            **found,
            "backups": backups,
            "turns_waiting": store.waiting,
            "lost_events": store.lost_events,
            "summaries_refused": self._bridge.summariser.refused,
            "summaries_failed": self._bridge.summariser.failed,
            "folder": str(store.path.parent),
        }

    async def _get(self, asked: MemoryGet) -> dict[str, Any]:
        name = await self._name(asked.npc_id)
        if asked.before is not None and await self._store.find(asked.before) is None:
            raise ProtocolError("unknown_turn", f"there is no turn {asked.before!r}", field="before")
        playthrough, one_more = self._game.playthrough, asked.limit + 1
        turns = await self._store.turns(playthrough, asked.npc_id, one_more, asked.before)
        shown: list[dict[str, Any]] = []
        characters = 0
        for turn in turns[: asked.limit]:
            characters += len(turn.player_text) + len(turn.heard_text)
            if shown and characters > _CHARACTERS:
                break
            shown.append(turn_view(turn))
        told = await self._summaries(asked.npc_id) if asked.before is None else {}
        return {"npc_id": asked.npc_id, "name": name, "turns": shown, "more": len(turns) > len(shown), **told}

    async def _summaries(self, npc_id: str) -> dict[str, Any]:
        """What the history of an NPC comes to, oldest first; the latest, where that is too much for one answer."""
        shown: list[dict[str, Any]] = []
        characters = 0
        for summary in reversed(await self._store.summaries(self._game.playthrough, npc_id)):
            characters += len(summary.text) + sum(map(len, summary.turn_ids))
            if characters > _CHARACTERS:
                break
            shown.insert(0, summary_view(summary))
        return {"summaries": shown}

    async def _search(self, asked: MemorySearch) -> dict[str, Any]:
        name = await self._name(asked.npc_id)
        found = [
            {
                "turn_id": memory.turn_id,
                "npc_name": memory.npc_name,
                **exchange_view(memory.exchange),
                "own": memory.own,
                "similarity": memory.similarity,
                "score": memory.score,
            }
            for memory in await self._store.search(self._game.playthrough, asked.npc_id, asked.query, _FOUND)
        ]
        return {"npc_id": asked.npc_id, "name": name, "found": found}

    async def _state(self, npc_id: str) -> dict[str, Any]:
        name = await self._name(npc_id)
        turns = await self._store.count(self._game.playthrough, npc_id)
        if member := self._game.member(npc_id):
            if member.memory:
                await asyncio.shield(member.memory)
            state = self._game.standing(member)
            latest = list(member.history)[-_LATEST:]
        else:
            known = await self._store.known(self._game.playthrough, npc_id, _LATEST)
            state = known.state or NpcState()
            latest = list(zip(known.turn_ids, known.exchanges, strict=True))
        return {
            "npc_id": npc_id,
            "name": name,
            "here": member is not None,
            "state": state_view(state),
            "turns": turns,
            "latest": [{"turn_id": turn_id, **exchange_view(exchange)} for turn_id, exchange in latest],
        }

    async def _backups(self, npc_id: str | None) -> list[dict[str, Any]]:
        backups = await self._store.backups()
        if npc_id is None:
            return [backup_view(backup) for backup in backups]
        found = []
        for backup in backups:
            with contextlib.suppress(StoreError):  # a damaged one remembers nobody
                archive = Archive(backup.path, FileReader(backup.path))
                if turns := await archive.count(self._game.playthrough, npc_id):
                    found.append({**backup_view(backup), "npc_turns": turns})
        return found

    # --- Changing

    async def _whole(self, change: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """A change goes on to its end, even if whoever asked for it is gone by then."""
        task = asyncio.create_task(change)
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return await asyncio.shield(task)

    async def _reset(self, npc_id: str) -> dict[str, Any]:
        playthrough = self._game.playthrough
        reset = self._store.reset(playthrough, npc_id)
        backup, forgotten = await self._read_again(lambda game: game.playthrough == playthrough, reset, npc_id)
        return {"npc_id": npc_id, "turns_forgotten": forgotten, "backup": backup.name}

    async def _restore(self, name: str) -> dict[str, Any]:
        undo = await self._read_again(lambda game: True, self._store.restore(name))
        return {"restored": name, "backup": undo.name}

    async def load(self, playthrough: str, date: float | None, change: Coroutine[Any, Any, T]) -> T:
        """Make another point of a playthrough the present; the other games that play it follow. As `change`."""

        def follows(game: Game) -> bool:
            return game is not self._game and game.playthrough == playthrough

        return await self._read_again(follows, change, date=date)

    async def _read_again(
        self,
        concerned: Callable[[Game], bool],
        change: Coroutine[Any, Any, T],
        npc_id: str | None = None,
        date: float | None = None,
    ) -> T:
        """Carry out a change of what is stored, and have every NPC, or one, read its memory after it.

        What was felt and learned by then is stored before, so that the backup which the change begins with has it.
        If the change fails, they read what is there still. One change at a time, so that all end with the last.
        """
        async with self._store.changing:
            games = [game for game in self._bridge.games if concerned(game) and not game.is_loading]
            await asyncio.gather(*(game.keep() for game in games))
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            reading = [game.read_again(done, npc_id, date) for game in games]
            try:
                return await change
            finally:
                done.set_result(None)
                await asyncio.gather(*reading)


def turn_view(turn: Turn) -> dict[str, Any]:
    return {
        "turn_id": turn.turn_id,
        "npc_id": turn.npc_id,
        "npc_name": turn.npc_name,
        "player_text": turn.player_text,
        "heard_text": turn.heard_text,
        "status": turn.status,
        "hearers": turn.hearers,
        "deeds": [asdict(deed) for deed in turn.deeds],
        "state": state_view(turn.state),
        "started_at": turn.started_at,
        "game_time": turn.game_date,
    }


def summary_view(summary: Summary) -> dict[str, Any]:
    return {"turn_ids": summary.turn_ids, "text": summary.text}


def exchange_view(exchange: Exchange) -> dict[str, Any]:
    return {
        "player_text": exchange.player_text,
        "heard_text": exchange.npc_text,
        "deeds": [asdict(deed) for deed in exchange.deeds],
    }


def state_view(state: NpcState) -> dict[str, Any]:
    return StateView.of(state).model_dump(mode="json")


def backup_view(backup: Backup) -> dict[str, Any]:
    return {
        "backup_id": backup.name,
        "made_at": backup.made_at,
        "reason": backup.reason,
        "turns": backup.turns,
        "bytes": backup.bytes,
    }
