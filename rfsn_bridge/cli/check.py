"""`rfsn-bridge check`: is config.yaml right?"""

import argparse
import asyncio
from pathlib import Path

from rfsn_bridge import paths, registry
from rfsn_bridge.cli import settings
from rfsn_bridge.config import Config
from rfsn_bridge.episodes import parts


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = subparsers.add_parser(
        "check",
        help="check config.yaml without starting anything",
        description="Read config.yaml and the plugins it names, and say what is wrong, where, and the remedy.",
        epilog="Example: rfsn-bridge check --config config.yaml",
    )
    settings.add_options(check)
    check.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    config, _ = settings.load(args)
    problems = asyncio.run(_build(config, paths.data_folder(args.data)))
    for problem in problems:
        print(f"not used: plugin {problem.plugin}: {problem.message}")
    print(f"{settings.config_path(args)} is right: llm {config.llm.backend}, tts {', '.join(config.tts.engine)}")
    return 0


async def _build(config: Config, data: Path) -> list[registry.Problem]:
    """Build every part the config names and let go of them again; a daemon may be running beside that."""
    snapshot, plugins = parts.whole(config, data)
    await snapshot.llm.aclose()
    if snapshot.voice:
        await snapshot.voice.aclose()
    return plugins.problems
