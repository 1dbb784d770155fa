"""An adapter to copy: a text game in 60 lines. Run it beside `rfsn-bridge run`; end with Ctrl-D.

It shows subtitles as they come and does what a game does with speech: it reports what was played.
"""

import asyncio
import sys

from rfsn_bridge.client import Client, TurnStream, connect
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Audio, AudioEnd, DecisionMade, Notice, NpcUpdate, Numbered, SentenceSaid

LYDIA = NpcUpdate(
    npc_id="npc.lydia",  # your game's own stable id; lowercase is safest
    name="Lydia",
    race="Nord",
    gender="female",
    voice="af_bella",
    bio="Housecarl of the player, sworn to carry their burdens. Loyal, dry, brave.",
)


async def play(client: Client) -> None:
    await client.request(LYDIA)
    while line := await asyncio.to_thread(read_line):
        async with await client.say(LYDIA.npc_id, line) as turn:
            await show(turn)
            await turn.recorded  # now it is remembered, whatever happens


async def show(turn: TurnStream) -> None:
    async for part in turn:
        match part:
            case DecisionMade():
                print(f"  ({part.signal} -> {part.action})")
            case SentenceSaid():
                print(f"Lydia: {part.text}")
            case Audio():
                await turn.report(part.seq, "started")
            case AudioFrame():
                pass  # give part.pcm to your game's sound engine here
            case AudioEnd():
                await turn.report(part.seq, "ended", part.duration_ms)  # when it has really been played


def read_line() -> str:
    print("> ", end="", flush=True)
    return sys.stdin.readline().strip()


def show_notice(message: Numbered) -> None:
    if isinstance(message, Notice):
        print(f"[{message.level}] {message.message} {message.hint or ''}")


async def main(url: str) -> None:
    async with connect(url, name="text-game", on_message=show_notice) as client:
        await play(client)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765/ws"))
