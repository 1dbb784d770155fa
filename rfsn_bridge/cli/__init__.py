"""The command line: one file a command group, composed here. Exit codes: 0 ok, 1 failed, 2 wrong usage."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from rfsn_bridge import __version__
from rfsn_bridge.errors import BridgeError

_GROUPS = (
    "run",
    "demo",
    "say",
    "explain",
    "rules",
    "memory",
    "cache",
    "check",
    "doctor",
    "models",
    "bench",
    "protocol",
    "adapter",
    "simulate",
    "episodes",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors that a person can act on are one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="rfsn-bridge",
        description="A mind and a voice for the NPCs of a game.",
        epilog="Example: rfsn-bridge demo",
    )
    parser.add_argument("--version", action="version", version=f"rfsn-bridge {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in _GROUPS:
        importlib.import_module(f"rfsn_bridge.cli.{group}").add_commands(subparsers)
    args = parser.parse_args(argv)
    try:
        code: int = args.func(args)
    except BridgeError as error:
        print(f"rfsn-bridge: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
