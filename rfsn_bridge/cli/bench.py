"""`rfsn-bridge bench`: how fast it is on this machine. Each benchmark is a script of its own, run in a process."""

import argparse
import ast
import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from rfsn_bridge import paths
from rfsn_bridge.errors import BridgeError

NAMES = (
    *("table", "splitter", "overhead", "clients", "idle", "embedded", "adapter"),
    *("episodes", "bandits", "signals", "prompts", "memory"),
    *("speech", "speech_engine", "voice_faults", "playback"),
)
QUICK = ("table", "splitter", "overhead", "clients", "idle", "episodes", "bandits", "memory")


def add_commands(subparsers: "argparse._SubParsersAction[ArgumentParser]") -> None:
    """Add `bench`."""
    bench = subparsers.add_parser(
        "bench",
        help="measure how fast it is here",
        description="Measure, and show each figure beside its target. A missed target is reported, nothing more. "
        f"Without NAME: a quick set of about a minute ({', '.join(QUICK)}). Benchmarks of the models say which "
        "command fetches a missing one, and are left out.",
        epilog="Example: rfsn-bridge bench overhead idle",
    )
    bench.add_argument("names", nargs="*", metavar="NAME", help=f"which, in full: {', '.join(NAMES)}")
    bench.add_argument("--all", action="store_true", help="all of them, in full")
    bench.add_argument("--list", action="store_true", help="say what each measures, and measure nothing")
    bench.add_argument("--json", action="store_true", help="print JSON")
    bench.set_defaults(func=measure)


def measure(args: Namespace) -> int:
    """Run the benchmarks one after the other; 1 only if one could not run to its end."""
    if unknown := [name for name in args.names if name not in NAMES]:
        raise BridgeError(f"there is no benchmark {unknown[0]!r}", f"choose from: {', '.join(NAMES)}")
    if args.list:
        return _list(as_json=args.json)
    in_full = args.all or bool(args.names)
    results: dict[str, Any] = {}
    failed: list[str] = []
    for name in args.names or (NAMES if args.all else QUICK):
        command = [sys.executable, str(_script(name)), *([] if in_full else ["--quick"])]
        if args.json:
            done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
            if not done.returncode:
                results[name] = json.loads(done.stdout)
        else:
            done = subprocess.run(command, text=True, check=False)  # noqa: S603
        if done.returncode:
            failed.append(name)
    if args.json:
        print(json.dumps(results, indent=2))
    if failed:
        print(f"did not run to the end: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _list(*, as_json: bool) -> int:
    docs = {name: ast.get_docstring(ast.parse(_script(name).read_text(encoding="utf-8"))) or "" for name in NAMES}
    told = {name: doc.splitlines()[0] for name, doc in docs.items()}
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        for name, line in told.items():
            print(f"{name:<10} {line}")
    return 0


def _script(name: str) -> Path:
    return paths.benchmarks / f"{name}.py"
