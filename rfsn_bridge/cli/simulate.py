"""`rfsn-bridge simulate`: players that nobody has to be."""

import argparse
import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from rfsn_bridge import paths
from rfsn_bridge.cli import settings
from rfsn_bridge.cli.episodes import progress
from rfsn_bridge.errors import BridgeError

_MAX_NPCS, _MAX_TURNS = 10_000, 10_000_000


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
    settings.add_options(simulate)
    simulate.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    from rfsn_bridge.episodes import episode_file

    npcs = [*dict.fromkeys(args.npc), *(f"npc-{number:03}" for number in range(1, args.npcs + 1))] or ["npc"]
    out = Path(args.out).expanduser()
    lines = 0
    with (
        asyncio.Runner() as runner,
        _played(args, npcs, runner) as episodes,
        episode_file.written(out) as file,
        progress("turns", len(npcs) * args.turns) as advance,
    ):
        began = time.perf_counter()
        for fields in episodes:
            file.write(episode_file.line_of(fields))
            lines += 1
            advance(1)
        rate = lines / (time.perf_counter() - began)
    print(f"{out}: {lines} turns of {len(npcs)} NPC{'s' * (len(npcs) > 1)}, {rate:,.0f} turns a second")
    return 0


@contextmanager
def _played(
    args: argparse.Namespace, npcs: list[str], runner: asyncio.Runner
) -> Iterator[Iterable[dict[str, Any]]]:
    """The lines of all episodes, NPC after NPC."""
    from rfsn_bridge.domain import Npc
    from rfsn_bridge.episodes import parts, personas, players, starts
    from rfsn_bridge.episodes.llm_player import LLMPlayer
    from rfsn_bridge.episodes.simulate import Stage
    from rfsn_bridge.interfaces import LLMBackend
    from rfsn_bridge.mind.personality import guess

    kinds = ("scripted", "random", "llm", *personas.NAMES)
    if args.players not in kinds:
        raise BridgeError(f"there are no players {args.players!r}", f"choose from: {', '.join(kinds)}")
    starts.start(args.start, Random(0))  # noqa: S311  # to refuse it before anything is built
    config, _ = settings.load(args)
    data = paths.data_folder(args.data)
    llm: LLMBackend | None = None
    if args.players == "llm":
        mind, llm = parts.mind_and_llm(config, data)
    else:
        mind = parts.mind(config, data)

    def player(index: int, npc_id: str, rng: Random) -> players.Player:
        if llm:
            return LLMPlayer(llm, runner, npc_id)
        if args.players == "random":
            return players.RandomPlayer()
        name = personas.NAMES[index % len(personas.NAMES)] if args.players == "scripted" else args.players
        return personas.persona(name, rng)

    def lines() -> Generator[dict[str, Any], None, None]:
        for index, npc_id in enumerate(npcs):
            seed = f"{args.seed}.{npc_id}"
            rng = Random(seed)  # noqa: S311  # a game
            drawn = starts.drawn_personality(rng) if npc_id not in args.npc else guess(args.bio)
            npc = Npc(npc_id, npc_id, bio=args.bio, personality=drawn)
            stage = Stage(mind, npc, player(index, npc_id, rng), seed, starts.start(args.start, rng))
            yield from stage.play(args.turns)

    try:
        with closing(lines()) as episodes:
            yield episodes
    finally:
        if llm:
            runner.run(llm.aclose())


def _count(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from 1 to {most}")
        return value

    read.__name__ = "number"
    return read
