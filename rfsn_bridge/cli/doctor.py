"""`rfsn-bridge doctor`: what works on this machine, and what to do about the rest."""

import argparse
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from rfsn_bridge import paths
from rfsn_bridge.cli import settings
from rfsn_bridge.cli.models import models_of
from rfsn_bridge.config import Config
from rfsn_bridge.doctor import advice, checks
from rfsn_bridge.doctor.checks import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def add_commands(subparsers: "argparse._SubParsersAction[ArgumentParser]") -> None:
    """Add `doctor`."""
    doctor = subparsers.add_parser(
        "doctor",
        help="check what works here, and say what to do about the rest",
        description="Check this machine, a line for each check. Ends with 1 if what the config asks for fails.",
        epilog="Example: rfsn-bridge doctor",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    settings.add_options(doctor)
    doctor.set_defaults(func=examine)


def examine(args: Namespace) -> int:
    """Run every check and print what it found."""
    first, config = checks.config_file(settings.config_path(args))
    todo = all_checks(config, paths.data_folder(args.data))
    with ThreadPoolExecutor(len(todo)) as pool:
        found = [first, *pool.map(lambda check: check(), todo)]
    broken = [check for check in found if check.mark == "fail"]
    if args.json:
        print(json.dumps({"ok": not broken, "checks": [asdict(check) for check in found]}, indent=2))
    else:
        _show(found)
    return 1 if broken else 0


def all_checks(config: Config, data: Path) -> list[Callable[[], Check]]:
    """Every check but the config's own, in the order of their lines."""
    engines, embedded = config.tts.engine, config.llm.backend == "llama_cpp"
    voice = "kokoro" in engines
    return [
        checks.python,
        checks.package,
        partial(checks.data_folder, data),
        *(partial(checks.model, name, data) for name in models_of(config)),
        partial(checks.imports, "xllamacpp", required=embedded),
        partial(checks.imports, "onnxruntime", required=voice or "piper" in engines),
        partial(checks.imports, "kokoro_onnx", required=voice),
        partial(checks.imports, "espeak-ng", required=voice, code=checks.ESPEAK),
        *([checks.piper] if "piper" in engines else []),
        *([partial(advice.speech_server, config)] if "openai" in engines else []),
        checks.sound,
        partial(checks.port, config.server.host, config.server.port),
        partial(advice.ollama, config),
        partial(advice.openai, config),
        lambda: advice.machine_and_model(config, advice.this_machine()),
    ]


def _show(found: list[Check]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for check in found:
        mark = Text(f"{check.mark:<5}", style=_COLOURS[check.mark])
        advice_of = f"; {check.hint}" if check.hint else ""
        console.print(mark + Text(f"{check.name}: {check.finding}{advice_of}", style=""))
    broken = sum(check.mark == "fail" for check in found)
    console.print(f"{broken} to mend" if broken else "all that the config asks for works")
