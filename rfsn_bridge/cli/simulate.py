"""`rfsn-bridge simulate`: players that nobody has to be."""

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rfsn_bridge import paths
from rfsn_bridge.cli import settings
from rfsn_bridge.cli.episodes import progress
from rfsn_bridge.config import Config

if TYPE_CHECKING:
    from rfsn_bridge.episodes.playbill import Playbill

_MAX_NPCS, _MAX_TURNS = 10_000, 10_000_000
_WORTH_PROCESSES = 10_000
"""So many turns take longer than the start of processes."""


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    simulate = subparsers.add_parser(
        "simulate",
        help="let simulated players talk with NPCs, and write down every turn",
        description="Run the mind of config.yaml against simulated players and write an episode file: one line "
        "of JSON a turn, with all that the decision was made from and what it was worth. The same seed gives the "
        "same file.",
        epilog="Example: rfsn-bridge simulate --npc lydia --turns 200 --seed 1 -o lydia.jsonl",
    )
    simulate.add_argument("--npc", action="append", default=[], metavar="ID", help="an NPC; may be given again")
    simulate.add_argument(
        "--npcs", type=_count(_MAX_NPCS), default=0, metavar="N", help="so many NPCs, each different"
    )
    simulate.add_argument(
        "--turns", type=_count(_MAX_TURNS), default=100, metavar="N", help="of each (default: 100)"
    )
    simulate.add_argument(
        "--seed", type=int, default=0, metavar="N", help="what all chance is drawn from (default: 0)"
    )
    simulate.add_argument(
        "--players",
        default="scripted",
        metavar="KIND",
        help="scripted (each NPC meets another personality), one of them by name, random, or llm, whose lines the "
        "language model of config.yaml writes (default: scripted)",
    )
    simulate.add_argument(
        "--start",
        default="stranger",
        metavar="STATE",
        help="how the NPC stands at first: a name (stranger, friend, enemy, terrified ...), varied, or JSON",
    )
    simulate.add_argument("--bio", help="who the NPC is; its personality is guessed from that")
    simulate.add_argument("-o", "--out", required=True, metavar="FILE", help="the episode file to write")
    simulate.add_argument(
        "--jobs",
        type=_count(64),
        metavar="N",
        help="processes (default: one; one a core if it is worth it)",
    )
    settings.add_options(simulate)
    simulate.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    from rfsn_bridge.episodes import episode_file
    from rfsn_bridge.episodes.playbill import Playbill

    named = tuple(dict.fromkeys(args.npc))
    npcs = (*named, *(f"npc-{number:03}" for number in range(1, args.npcs + 1))) or ("npc",)
    playbill = Playbill(npcs, len(named), args.turns, args.seed, args.players, args.start, args.bio)
    playbill.check()
    out, lines = Path(args.out).expanduser(), 0
    with (
        closing(_played(playbill, args)) as pieces,
        episode_file.written(out) as file,
        progress("turns", len(npcs) * args.turns) as advance,
    ):
        began = time.perf_counter()
        for piece in pieces:
            file.write(piece)
            count = piece.count(b"\n")
            lines += count
            advance(count)
        rate = lines / (time.perf_counter() - began)
    of = f"{lines} turns of {len(npcs)} NPC{'s' * (len(npcs) > 1)}"
    print(f"{out}: {of}, {rate:,.{0 if rate > 9 else 1}f} turns a second")
    return 0


def _played(playbill: "Playbill", args: argparse.Namespace) -> Generator[bytes, None, None]:
    """The lines of all episodes, NPC after NPC."""
    from rfsn_bridge.episodes import episode_file, parts, troupe
    from rfsn_bridge.episodes import playbill as playbills

    config, _ = settings.load(args)
    data = paths.data_folder(args.data)
    if playbill.players == playbills.LLM:
        yield from _by_llm(playbill, config, data)
        return
    mind = parts.mind(config, data)
    jobs = args.jobs or (os.cpu_count() or 1 if len(playbill.npcs) * playbill.turns >= _WORTH_PROCESSES else 1)
    jobs = min(jobs, len(playbill.npcs))
    if jobs > 1 and playbill.turns <= troupe.MOST_TURNS:
        yield from troupe.play(playbill, config, data, jobs)
        return
    for index in range(len(playbill.npcs)):
        yield from map(episode_file.line_of, playbill.stage(index, mind).play(playbill.turns))


def _by_llm(playbill: "Playbill", config: Config, data: Path) -> Iterator[bytes]:
    from rfsn_bridge.episodes import episode_file, parts
    from rfsn_bridge.episodes.llm_player import LLMPlayer

    mind, llm = parts.mind_and_llm(config, data)
    with asyncio.Runner() as runner:
        try:
            for index in range(len(playbill.npcs)):
                stage = playbill.stage(index, mind, lambda npc_id: LLMPlayer(llm, runner, npc_id))
                yield from map(episode_file.line_of, stage.play(playbill.turns))
        finally:
            runner.run(llm.aclose())


def _count(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from 1 to {most}")
        return value

    read.__name__ = "number"
    return read
