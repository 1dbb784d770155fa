"""`rfsn-bridge say`: talk to an NPC of a running daemon."""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from rfsn_bridge.cli import settings
from rfsn_bridge.client import connect
from rfsn_bridge.demo import scene
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.protocol.messages import (
    DecisionMade,
    Notice,
    NpcUpdate,
    Numbered,
    PlayerLine,
    SentenceSaid,
    TurnFinished,
)


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    say = subparsers.add_parser(
        "say",
        help="say something to an NPC of a running daemon",
        description="Connect to the running daemon, say TEXT to the NPC, and print its answer (no speech).",
        epilog='Example: rfsn-bridge say "Jarl Balgruuf" "Tell me about Whiterun."',
    )
    say.add_argument("npc", metavar="NPC", help="the NPC's name")
    say.add_argument("text", metavar="TEXT", help="what the player says")
    say.add_argument("--bio", help="who the NPC is, in a few sentences")
    say.add_argument("--url", help="the daemon's address (default: as config.yaml says)")
    say.add_argument("--json", action="store_true", help="print every message of the turn as JSON, one a line")
    settings.add_options(say)
    say.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    try:
        NpcUpdate(npc_id="say", name=args.npc, bio=args.bio), PlayerLine(npc_id="say", text=args.text)
    except ValidationError as invalid:
        detail = invalid.errors()[0]
        what = f"{detail['loc'][0]}: {detail['msg'].removeprefix('Value error, ')}"
        raise BridgeError(f"this cannot be said ({what})", "see: rfsn-bridge say --help") from None
    server = settings.load(args)[0].server
    return asyncio.run(_say(args, args.url or f"ws://{server.host}:{server.port}/ws"))


def _npc(npc_id: str, name: str, bio: str | None) -> NpcUpdate:
    """Who is spoken to; whom the demo knows, is known here too."""
    known = scene.load().npc
    if bio is None and name.lower() == known.name.lower():
        return known.model_copy(update={"npc_id": npc_id})
    return NpcUpdate(npc_id=npc_id, name=name, bio=bio)


async def _say(args: argparse.Namespace, url: str) -> int:
    def show_notice(message: Numbered) -> None:
        if isinstance(message, Notice):
            print(
                f"[{message.level}] {message.message}" + (f"; {message.hint}" if message.hint else ""),
                file=sys.stderr,
            )

    async with connect(url, name="say", audio="none", reports=False, on_message=show_notice) as client:
        npc_id = f"say:{args.npc.lower()}"[:128]
        await client.request(_npc(npc_id, args.npc, args.bio))
        status = "failed"
        async with await client.say(npc_id, args.text) as turn:
            async for part in turn:
                if isinstance(part, TurnFinished):
                    status = part.status
                if args.json and isinstance(part, Numbered):
                    print(part.model_dump_json(exclude_none=True), flush=True)
                elif isinstance(part, DecisionMade):
                    print(f"({part.signal} -> {part.action})", flush=True)
                elif isinstance(part, SentenceSaid):
                    print(f"{args.npc}: {part.text}" if part.seq == 0 else part.text, flush=True)
            await asyncio.wait([turn.recorded], timeout=5)
    return 0 if status == "completed" else 1
