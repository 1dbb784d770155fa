"""`rfsn-bridge adapter`: bring an adapter into its game, take it out, or test one that you write."""

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from rfsn_bridge import paths
from rfsn_bridge.adapter_test import report, simulated_game
from rfsn_bridge.adapter_test.lint import RULES
from rfsn_bridge.adapter_test.scripted_daemon import Outcome, Setup, Trial
from rfsn_bridge.adapters import skyrim
from rfsn_bridge.adapters.install import Records, Shipped, install, uninstall
from rfsn_bridge.adapters.skyrim import NoGame, Part
from rfsn_bridge.cli import settings
from rfsn_bridge.config import Server
from rfsn_bridge.errors import BridgeError

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104  # what not to tell the game


def add_commands(subparsers: "argparse._SubParsersAction[ArgumentParser]") -> None:
    """Add `adapter` with its own commands."""
    adapter = subparsers.add_parser(
        "adapter",
        help="install the adapter of a game, or test one",
        description="What runs on the game's side. How to write one: docs/adapters.md.",
        epilog="Example: rfsn-bridge adapter install skyrim --game FOLDER",
    )
    commands = adapter.add_subparsers(metavar="COMMAND", required=True)
    _add_install(commands)
    _add_uninstall(commands)
    _add_test(commands)


def _add_install(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    command = commands.add_parser(
        "install",
        help="put the Skyrim adapter into the game",
        description="Copy the plugin and its settings to where Skyrim Platform finds them, and say what else the\n"
        "game needs. Settings that you have changed stay as they are. Ends with 1 if something is\n"
        "missing; the plugin is put there all the same.",
        epilog="Example: rfsn-bridge adapter install skyrim --game 'C:\\Games\\Skyrim Special Edition'",
        formatter_class=RawDescriptionHelpFormatter,
    )
    _add_place(command)
    command.set_defaults(func=install_adapter)


def _add_uninstall(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    command = commands.add_parser(
        "uninstall",
        help="take the Skyrim adapter out of the game",
        description="Remove what `adapter install` put there. What you have changed since stays.",
        epilog="Example: rfsn-bridge adapter uninstall skyrim --game FOLDER",
    )
    _add_place(command)
    command.add_argument("--purge", action="store_true", help="remove changed settings too")
    command.set_defaults(func=uninstall_adapter)


def _add_place(command: ArgumentParser) -> None:
    command.add_argument("adapter", choices=["skyrim"], metavar="ADAPTER", help="which: skyrim")
    command.add_argument(
        "--game", required=True, metavar="FOLDER", help="Skyrim's folder, its Data folder, or a mod's folder"
    )
    command.add_argument("--mod-folder", action="store_true", help="FOLDER is a mod's (Mod Organizer, Vortex)")
    command.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    command.add_argument("--json", action="store_true", help="print JSON")
    settings.add_options(command)


def _add_test(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    command = commands.add_parser(
        "test",
        help="say what is wrong with what an adapter sends",
        description="Be the daemon for an adapter, with a scripted language model, and check every message that\n"
        "it sends. On the way its connection is cut once, a turn is interrupted, and an action is asked\n"
        "for if one was registered. Ends when the adapter is gone, with 1 if an error was found.\n"
        "With `skyrim` instead of an address, the simulated game is tested with our own plugin in it.",
        epilog="Example: rfsn-bridge adapter test ws://127.0.0.1:8765/ws",
        formatter_class=RawDescriptionHelpFormatter,
    )
    command.add_argument("subject", nargs="?", metavar="URL|skyrim", help="where to listen, or which game to play")
    command.add_argument("--http-port", type=int, default=8001, metavar="N", help="for long poll (default: 8001)")
    command.add_argument("--seconds", type=float, metavar="N", help="end after so long (default: at Ctrl-C)")
    command.add_argument(
        "--patience", type=float, default=10.0, metavar="S", help="how long an adapter may be gone (default: 10)"
    )
    command.add_argument(
        "--cut",
        choices=["once", "forget", "never"],
        default="once",
        help="lose the connection after the first sentence; forget: the session too (default: once)",
    )
    command.add_argument(
        "--grace", type=float, default=10.0, metavar="S", help="how long a lost session is kept (default: 10)"
    )
    command.add_argument("--no-interrupt", action="store_true", help="interrupt no turn")
    command.add_argument(
        "--transport", choices=simulated_game.TRANSPORTS, default="web_socket", help="of the simulated game"
    )
    command.add_argument(
        "--audio", choices=simulated_game.SPEEDS, default="none", help="who speaks in the simulated game (none)"
    )
    command.add_argument("--rules", action="store_true", help="list the rules, and test nothing")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(func=test_adapter)


# --- Into the game and out of it


def install_adapter(args: Namespace) -> int:
    """Install, and show what is there and what is not; 2 where the folder is none to install to."""
    try:
        place = skyrim.recognise(Path(args.game).expanduser().absolute(), as_mod=args.mod_folder)
    except NoGame as error:
        return _refuse(error)
    shipped = Shipped.read(paths.game_adapters / args.adapter)
    records = Records(paths.data_folder(args.data))
    address = _address(settings.load(args)[0].server)
    done = install(place, shipped, address, records, dry_run=args.dry_run)
    return _show([*skyrim.needs(place), *done], as_json=args.json)


def uninstall_adapter(args: Namespace) -> int:
    """Uninstall, and show what went and what stayed."""
    try:
        place = skyrim.recognise(Path(args.game).expanduser().absolute(), as_mod=args.mod_folder)
    except NoGame as error:
        return _refuse(error)
    shipped = Shipped.read(paths.game_adapters / args.adapter)
    records = Records(paths.data_folder(args.data))
    done = uninstall(place, records, shipped, purge=args.purge, dry_run=args.dry_run)
    return _show(done, as_json=args.json)


def _address(server: Server) -> dict[str, object]:
    """Where the game finds the daemon, as its settings name it; a port that is not fixed is left out."""
    address: dict[str, object] = {"host": "127.0.0.1" if server.host in _EVERY_INTERFACE else server.host}
    address |= {"port": server.port} if server.port else {}
    return address | ({"http_port": server.http_port} if server.http_port else {})


def _refuse(error: BridgeError) -> int:
    print(f"rfsn-bridge: {error}", file=sys.stderr)
    return 2


def _show(parts: Sequence[Part], *, as_json: bool) -> int:
    missing = sum(part.mark == "fail" for part in parts)
    if as_json:
        print(json.dumps({"ok": not missing, "parts": [asdict(part) for part in parts]}, indent=2))
        return 1 if missing else 0
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(part.name) for part in parts)
    for part in parts:
        console.print(
            Text(f"{part.mark:<5}", style=_COLOURS[part.mark]) + Text(f"{part.name:<{width}}  {part.finding}", "")
        )
        if part.hint:
            console.print(Text(f"{'':<{width + 7}}{part.hint}"))
    if missing:
        console.print(f"{missing} to mend; then run the same command again")
    return 1 if missing else 0


# --- Testing


def test_adapter(args: Namespace) -> int:
    """Run a trial and print its report."""
    if args.rules:
        return _list_rules(as_json=args.json)
    if args.subject is None:
        return _refuse(BridgeError("nothing to test", "name an address to listen on, or skyrim"))
    logging.basicConfig(level=logging.ERROR)
    host, port, http_port = (
        ("127.0.0.1", 0, 0) if args.subject == "skyrim" else (*_listen_on(args.subject), args.http_port)
    )
    if host is None or port is None:
        return _refuse(BridgeError(f"{args.subject} is no address", "write it as ws://127.0.0.1:8765/ws"))
    setup = Setup(
        host=host,
        port=port,
        http_port=http_port,
        cut=args.cut,
        interrupt=not args.no_interrupt,
        seconds=args.seconds,
        patience_s=args.patience,
        grace_s=args.grace,
        speed=simulated_game.SPEEDS[args.audio] if args.subject == "skyrim" else 1.0,
        eager=args.subject != "skyrim",
    )
    tested, played = asyncio.run(_try(setup, args))
    if args.json:
        print(json.dumps(report.document(tested), indent=2, ensure_ascii=False))
    else:
        print("\n".join(report.lines(tested)))
    if played:
        print(f"the simulated game ended with {played}", file=sys.stderr)
    return 1 if played or report.failed(tested) else 0


async def _try(setup: Setup, args: Namespace) -> tuple[Outcome, int]:
    """What the trial found, and how the simulated game ended (0 where none was played)."""
    trial = Trial(setup)
    with tempfile.TemporaryDirectory(prefix="rfsn-adapter-test-") as data:
        async with trial.listen(Path(data)) as (url, http_url):
            print(f"listening on {url} and {http_url}", file=sys.stderr, flush=True)
            if args.subject == "skyrim":
                played = await _until_stopped(_play(url, http_url, args.transport, args.audio))
            else:
                played = await _until_stopped(trial.until_gone())
        return trial.finish(), played or 0


async def _until_stopped(work: Coroutine[Any, Any, int | None]) -> int | None:
    """Do the work; Ctrl-C and SIGTERM end it, and its report still comes."""
    task = asyncio.ensure_future(work)
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows, where Ctrl-C cancels us instead
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return None


async def _play(url: str, http_url: str, transport: str, audio: str) -> int:
    simulator = paths.game_adapters / "skyrim" / "simulator"
    return await simulated_game.play(simulator, (url, http_url), transport, audio)


def _listen_on(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(url)
        return (
            (parts.hostname, 8765 if parts.port is None else parts.port) if parts.scheme == "ws" else (None, None)
        )
    except ValueError:
        return None, None


def _list_rules(*, as_json: bool) -> int:
    if as_json:
        print(json.dumps([asdict(rule) for rule in RULES], indent=2))
    else:
        width = max(len(rule.name) for rule in RULES)
        for rule in sorted(RULES, key=lambda rule: (rule.severity, rule.name)):
            print(f"{rule.severity:<8} {rule.name:<{width}}  {rule.remedy}")
    return 0
