"""`rfsn-bridge run`: the daemon."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rfsn_bridge import paths, registry
from rfsn_bridge.bridge import Bridge
from rfsn_bridge.cli import settings
from rfsn_bridge.config import Config, Server
from rfsn_bridge.errors import BridgeError, PortTaken
from rfsn_bridge.http_server import listen_http
from rfsn_bridge.server import Listening, listen

log = logging.getLogger(__name__)


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = subparsers.add_parser(
        "run",
        help="start the daemon",
        description="Listen for games until Ctrl-C or SIGTERM. Prints one line when ready.",
        epilog="Example: rfsn-bridge run --port 0",
    )
    settings.add_options(run)
    run.add_argument("--host", help="address to listen on (default: server.host)")
    run.add_argument("--port", type=_port, help="port to listen on, 0 for a free one (default: server.port)")
    run.add_argument(
        "--http-port", type=_port, help="port for games without WebSocket (default: server.http_port)"
    )
    run.add_argument("--log-level", choices=["DEBUG", "INFO", "WARNING", "ERROR"], help="(default: log.level)")
    run.add_argument(
        "--until-stdin-closes", action="store_true", help="also end with the program that holds our standard input"
    )
    run.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    config, folder = settings.load(args)
    level = args.log_level or config.log.level
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "websockets"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    host = args.host or config.server.host
    port = config.server.port if args.port is None else args.port
    http_port = config.server.http_port if args.http_port is None else args.http_port
    server = config.server.model_copy(update={"host": host, "port": port, "http_port": http_port})
    config = config.model_copy(update={"server": server})
    data = paths.data_folder(args.data)
    asyncio.run(_serve(config, folder, data, watch_stdin=args.until_stdin_closes))
    return 0


async def _serve(config: Config, folder: Path, data: Path, *, watch_stdin: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if watch_stdin:
        threading.Thread(target=_at_end_of_stdin, args=(loop, stop.set), daemon=True).start()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels this task instead
            loop.add_signal_handler(name, stop.set)
    async with daemon(config, folder, data) as listening:
        gc.collect()
        gc.freeze()  # what lives as long as the daemon need not be walked by every collection
        print(f"listening on {listening.url}", flush=True)
        await stop.wait()


@asynccontextmanager
async def daemon(config: Config, folder: Path, data: Path) -> AsyncIterator[Listening]:
    """A daemon in this process, whole, until the block ends."""
    _make_folder(data)
    server = config.server
    plugins = registry.discover(folder / config.plugins.folder, config.plugins.disabled)
    bridge = Bridge(config, plugins, data)
    try:
        async with listen(bridge, server.host, server.port) as listening, _http(bridge, server):
            try:
                yield listening
            finally:
                await bridge.aclose()  # while clients can still be told how their turns end
    finally:
        await bridge.aclose()


@asynccontextmanager
async def _http(bridge: Bridge, server: Server) -> AsyncIterator[None]:
    """The HTTP listener beside the WebSocket; most games do without it, so a taken port is no reason to stop."""
    if server.http_port is None:
        yield
        return
    async with contextlib.AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(listen_http(bridge, server.host, server.http_port))
        except PortTaken as error:
            bridge.notice("warning", "http_unavailable", error.message, error.hint)
        else:
            log.info("listening on %s for games without WebSocket", url)
        yield


def _at_end_of_stdin(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> None:
    """Its end comes even where whoever holds the other side is killed."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the daemon ended first
        loop.call_soon_threadsafe(do)


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        message = f"{data} cannot be written: {error.strerror}"
        raise BridgeError(message, "choose another folder with --data") from None


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port
