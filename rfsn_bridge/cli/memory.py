"""`rfsn-bridge memory`: what the NPCs remember, to read, take along, forget and bring back."""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from rfsn_bridge import paths
from rfsn_bridge.cli import settings
from rfsn_bridge.client import Disconnected, connect
from rfsn_bridge.domain import NpcState
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.memory import backups, export
from rfsn_bridge.memory.archive import FILE, Archive, open_archive
from rfsn_bridge.memory.store import InUse, Store
from rfsn_bridge.protocol.messages import FromClient, MemoryReset, MemoryRestore, MemoryStats, Result
from rfsn_bridge.remembrance import backup_view, exchange_view, state_view, summary_view, turn_view

_Run = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    memory = subparsers.add_parser(
        "memory",
        help="what the NPCs remember: read, export, forget, bring back",
        description="What the NPCs remember. Reading works beside a running daemon; a reset and a restore are "
        "carried out by it. Every change makes a backup first.",
        epilog="Example: rfsn-bridge memory show Lydia",
    )
    commands = memory.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: _Run, what: str, example: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"Example: rfsn-bridge memory {name} {example}".rstrip(),
        )
        command.add_argument(
            "--playthrough", metavar="NAME", help="whose memories (default: the only one there is)"
        )
        command.add_argument("--json", action="store_true", help="print JSON")
        settings.add_options(command)
        command.set_defaults(func=lambda args: asyncio.run(run(args)))
        return command

    def add_npc(command: argparse.ArgumentParser, **more: Any) -> None:
        command.add_argument("npc", metavar="NPC", help="the NPC's id, or its name", **more)

    add("list", list_npcs, "list who remembers something")
    show = add("show", show_npc, "show how an NPC stands and what it remembers, the latest last", "Lydia")
    search = add(
        "search",
        search_npc,
        "find the turns that have some words, those with all of them first",
        "Lydia the amulet",
    )
    out = add("export", export_npcs, "write what an NPC, or everybody, remembers to files", "-o my_memories")
    take = add("import", import_file, "bring in what was exported as JSON", "lydia-03ac674216f3.json")
    reset = add("reset", reset_npc, "have an NPC forget everything, in every save", "Lydia")
    listing = add("backups", list_backups, "list the backups, the newest first")
    restore = add("restore", restore_backup, "put a backup in the place of the whole memory", "NAME")
    for command in (show, search, reset):
        add_npc(command)
    add_npc(out, nargs="?")
    for command in (show, search):
        command.add_argument("--limit", type=_count, default=20, metavar="N", help="how many turns (default: 20)")
    search.add_argument("words", nargs="+", metavar="WORDS", help="what to look for")
    listing.add_argument("--check", action="store_true", help="read large ones, too, and look for damage")
    out.add_argument("--format", choices=["json", "markdown"], default="json", help="(default: json)")
    out.add_argument("-o", "--output", metavar="FILE", help="a file, or a folder; without NPC, a folder")
    take.add_argument("file", metavar="FILE", help="a JSON file of `memory export`")
    restore.add_argument("name", metavar="NAME", help="as `memory backups` lists it")
    for command in (reset, restore):
        command.add_argument("--url", help="the running daemon's address (default: as config.yaml says)")


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise ValueError(text)
    return number


# --- Reading


async def list_npcs(args: argparse.Namespace) -> int:
    archive = _archive(args)
    playthrough = await _playthrough(args, archive)
    npcs = await archive.npcs(playthrough)
    if args.json:
        rows = [{"npc_id": npc_id, "name": name, "turns": turns} for npc_id, name, turns in npcs]
        return _print_json({"playthrough": playthrough, "npcs": rows})
    for npc_id, name, turns in npcs:
        print(f"{turns:>7}  {_line(name)}" + (f"  ({_line(npc_id)})" if npc_id != name else ""))
    print(f"NPCs who remember something in playthrough {_line(playthrough)}: {len(npcs)}")
    return 0


async def show_npc(args: argparse.Namespace) -> int:
    archive = _archive(args)
    playthrough = await _playthrough(args, archive)
    npc_id, name = await _npc(archive, playthrough, args.npc)
    state = (await archive.known(playthrough, npc_id, 0)).state or NpcState()
    count = await archive.count(playthrough, npc_id)
    turns = (await archive.turns(playthrough, npc_id, args.limit))[::-1]
    summaries = await archive.summaries(playthrough, npc_id)
    if args.json:
        shown = [turn_view(turn) for turn in turns]
        about = {"npc_id": npc_id, "name": name, "state": state_view(state)}
        told = [summary_view(summary) for summary in summaries]
        return _print_json({**about, "turns": count, "summaries": told, "latest": shown})
    print(f"{_line(name)} ({_line(npc_id)}): {export.in_words(state)}. Turns: {count}")
    for summary in summaries:
        print(f"\nIn short, {export.so_many(len(summary.turn_ids))}: {_line(summary.text)}")
    for turn in turns:
        overheard = "" if turn.npc_id == npc_id else "  (overheard)"
        print(f"\n{time.strftime('%Y-%m-%d %H:%M', time.localtime(turn.started_at))}  {turn.turn_id}{overheard}")
        _print_exchange(turn.npc_name, turn.player_text, turn.heard_text)
    return 0


async def search_npc(args: argparse.Namespace) -> int:
    archive = _archive(args)
    playthrough = await _playthrough(args, archive)
    npc_id, _ = await _npc(archive, playthrough, args.npc)
    found = await archive.search(playthrough, npc_id, " ".join(args.words), args.limit)
    if args.json:
        rows = [
            {
                "turn_id": each.turn_id,
                "npc_name": each.npc_name,
                **exchange_view(each.exchange),
                "score": each.score,
            }
            for each in found
        ]
        return _print_json({"npc_id": npc_id, "found": rows})
    for each in found:
        print(each.turn_id)
        _print_exchange(each.npc_name, each.exchange.player_text, each.exchange.npc_text)
    print(f"Found: {len(found)}")
    return 0


async def list_backups(args: argparse.Namespace) -> int:
    found = backups.looked_through(_folder(args) / FILE, in_full=args.check)
    if args.json:
        return _print_json({"backups": [backup_view(backup) for backup in found]})
    for each in found:
        turns = export.so_many(each.turns) if each.turns >= 0 else "damaged"
        print(f"{each.name}  {turns}, {each.bytes / 1e6:.1f} MB")
    print(f"Backups in {backups.folder_of(_folder(args) / FILE)}: {len(found)}")
    return 0


async def export_npcs(args: argparse.Namespace) -> int:
    archive = _archive(args)
    playthrough = await _playthrough(args, archive)
    write, suffix = (export.to_json, ".json") if args.format == "json" else (export.to_markdown, ".md")
    if args.npc:
        npc_id, _ = await _npc(archive, playthrough, args.npc)
        chosen = [npc_id]
    else:
        chosen = [npc_id for npc_id, _, _ in await archive.npcs(playthrough)]
        if args.output is None:
            raise BridgeError("a folder is needed for everybody's memories", "name one with -o, or name an NPC")
    files = []
    for npc_id in chosen:
        exported = await archive.export(playthrough, npc_id)
        text = write(exported)
        if args.output is None:
            sys.stdout.write(text)
            return 0
        files.append(_write(args.output, export.file_name(exported, suffix), text, whole_folder=not args.npc))
    if args.json:
        return _print_json({"files": list(map(str, files))})
    for path in files:
        print(f"wrote {path}")
    return 0


def _write(output: str, name: str, text: str, *, whole_folder: bool) -> Path:
    """Where a file was written, in one step: what has its name is whole."""
    path = Path(output).expanduser()
    if whole_folder or path.is_dir():
        path /= name
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise BridgeError(f"{path} cannot be written: {error.strerror}", "name another place with -o") from None
    return path


# --- Changing


async def import_file(args: argparse.Namespace) -> int:
    found = export.from_json(_read(args.file))
    playthrough = args.playthrough or found.playthrough

    async def by_hand(store: Store) -> dict[str, Any]:
        backup, new = await store.bring_in(found, playthrough)
        there = len(found.turns) - new
        name = backup.name if backup else None
        return {"npc_id": found.npc_id, "turns_new": new, "turns_there": there, "backup": name}

    done = await _with_store(_folder(args), by_hand)
    if args.json:
        return _print_json(done)
    new = export.so_many(done["turns_new"]).replace(" ", " more ")
    print(f"{_line(found.name)} remembers {new}; there already: {done['turns_there']}.")
    return _undo(done)


def _read(name: str) -> bytes:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            return file.read(export.MOST_BYTES + 1)
    except OSError as error:
        raise BridgeError(f"{path} cannot be read: {error.strerror}", "check the path") from None


async def reset_npc(args: argparse.Namespace) -> int:
    archive = _archive(args)
    playthrough = await _playthrough(args, archive)
    npc_id, name = await _npc(archive, playthrough, args.npc)

    async def by_hand(store: Store) -> dict[str, Any]:
        backup, forgotten = await store.reset(playthrough, npc_id)
        return {"npc_id": npc_id, "turns_forgotten": forgotten, "backup": backup.name}

    done = await _change(args, playthrough, MemoryReset(npc_id=npc_id), by_hand)
    if args.json:
        return _print_json(done)
    print(f"{_line(name)} has forgotten {export.so_many(done['turns_forgotten'])}.")
    return _undo(done)


async def restore_backup(args: argparse.Namespace) -> int:
    chosen = backups.find(_folder(args) / FILE, args.name)

    async def by_hand(store: Store) -> dict[str, Any]:
        undo = await store.restore(chosen.name)
        return {"restored": chosen.name, "backup": undo.name}

    done = await _change(args, "default", MemoryRestore(backup_id=chosen.name), by_hand)
    if args.json:
        return _print_json(done)
    print(f"The memory is that of {chosen.name}: {export.so_many(chosen.turns)}.")
    return _undo(done)


def _undo(done: dict[str, Any]) -> int:
    if done["backup"]:
        print(f"To undo that: rfsn-bridge memory restore {done['backup']}")
    return 0


async def _change(
    args: argparse.Namespace,
    playthrough: str,
    message: FromClient,
    by_hand: Callable[[Store], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """A change made here, or, where a daemon holds the memory, by that daemon."""
    try:
        return await _with_store(_folder(args), by_hand)
    except InUse as held:
        server = settings.load(args)[0].server
        url = args.url or f"ws://{server.host}:{server.port}/ws"
        hint = "name the address of the daemon that holds it with --url, or stop that first"
        try:
            async with connect(url, name="memory", audio="none", reports=False, playthrough=playthrough) as client:
                stats = await client.request(MemoryStats())
                folder = stats.data.get("folder") if isinstance(stats, Result) else None
                if folder is None or Path(folder) != _folder(args):
                    raise BridgeError(f"{held.message}, and the daemon at {url} has another", hint)
                answer = await client.request(message)
        except Disconnected:
            raise BridgeError(f"{held.message}, and no daemon answers at {url}", hint) from None
        return answer.data if isinstance(answer, Result) else {}


async def _with_store(folder: Path, work: Callable[[Store], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    store = Store(folder)
    try:
        if store.trouble:
            print(f"rfsn-bridge: {store.trouble}", file=sys.stderr)
        return await work(store)
    finally:
        await store.aclose()


# --- Who and where


def _folder(args: argparse.Namespace) -> Path:
    return paths.data_folder(args.data) / "memory"


def _archive(args: argparse.Namespace) -> Archive:
    return open_archive(_folder(args))


async def _playthrough(args: argparse.Namespace, archive: Archive) -> str:
    """As told, else the only one, else `default`."""
    there: list[str] = (await archive.stats())["playthroughs"]
    chosen: str = args.playthrough or (there[0] if len(there) == 1 else "default")
    if there and chosen not in there:
        names = ", ".join(map(_line, there))
        raise BridgeError(f"there is no playthrough {chosen!r}", f"name one with --playthrough: {names}")
    return chosen


async def _npc(archive: Archive, playthrough: str, told: str) -> tuple[str, str]:
    """Id and name of the NPC with this id, else of the only one with this name."""
    if name := await archive.name_of(playthrough, told):
        return told, name
    npcs = [(npc_id, name) for npc_id, name, _ in await archive.npcs(playthrough)]
    for alike in (str, str.casefold):
        found = [each for each in npcs if alike(each[1]) == alike(told)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(_line(npc_id) for npc_id, _ in found)
            raise BridgeError(f"{len(found)} NPCs are called {told!r}", f"name one by its id: {ids}")
    raise BridgeError(
        f"nobody called {told!r} remembers anything in playthrough {playthrough!r}",
        "`rfsn-bridge memory list` tells who does",
    )


# --- Words


def _print_json(value: object) -> int:
    print(json.dumps(value, ensure_ascii=False, indent=2))
    return 0


def _print_exchange(npc_name: str, player_text: str, heard_text: str) -> None:
    if player_text:
        print(f"  Player: {_line(player_text)}")
    if heard_text:
        print(f"  {_line(npc_name)}: {_line(heard_text)}")


def _line(text: str) -> str:
    """Words of a game on one line, without what would steer the terminal."""
    return "".join(each if each.isprintable() else " " for each in text)
