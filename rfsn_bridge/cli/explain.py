"""`rfsn-bridge explain`: why an NPC did what it did."""

import argparse
import asyncio
import json
from dataclasses import asdict

from rfsn_bridge import paths
from rfsn_bridge.cli import settings
from rfsn_bridge.domain import Npc, Turn
from rfsn_bridge.episodes import parts
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.memory.archive import open_archive
from rfsn_bridge.mind.explain import in_words, smallest_flips


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    explain = subparsers.add_parser(
        "explain",
        help="why did the NPC say that?",
        description="Show what a turn was decided from: how the line was heard, the rules it fired, every action "
        "that was considered with its score, vetoes and odds, and the smallest change that would have made the "
        "NPC do something else. Without TURN, the last turn that was recorded.",
        epilog="Example: rfsn-bridge explain",
    )
    explain.add_argument("turn", nargs="?", metavar="TURN", help="a turn's id (turn_id of its messages)")
    explain.add_argument("--json", action="store_true", help="print everything as JSON")
    settings.add_options(explain)
    explain.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    config, _ = settings.load(args)
    mind = parts.mind(config, paths.data_folder(args.data))
    turn = asyncio.run(_turn(args))
    if turn.decision is None:
        raise BridgeError(f"nothing was decided in turn {turn.turn_id}", "name another turn")
    flips = smallest_flips(mind, Npc(turn.npc_id, turn.npc_name), turn.decision)
    if args.json:
        found = {"turn_id": turn.turn_id, "decision": asdict(turn.decision), "flips": [asdict(f) for f in flips]}
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return 0
    print(f"Turn {turn.turn_id}\n\n{in_words(turn.decision, turn.npc_name, turn.player_text, flips)}")
    trace = turn.decision.trace
    if trace and trace.rules_revision != mind.world.rules.revision:
        print("\nThe world rules have changed since; what would have changed its mind is by today's.")
    return 0


async def _turn(args: argparse.Namespace) -> Turn:
    memory = open_archive(paths.data_folder(args.data) / "memory")
    turn = await (memory.find(args.turn) if args.turn else memory.latest())
    if turn is not None:
        return turn
    if args.turn:
        raise BridgeError(f"there is no turn {args.turn!r} in {paths.data_folder(args.data)}", "see --data")
    raise BridgeError(f"no turn is recorded in {paths.data_folder(args.data)} yet", "talk to an NPC first")
