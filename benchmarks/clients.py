"""Eight games talk to eight NPCs at once: whose text reaches whom, and does the daemon stay awake.

The daemon runs in a process of its own, with a scripted backend, once without a voice and once with the tone
engine. A task in its event loop wakes every 2 ms and notes how late it is; /health is asked from a thread of
this process all the while.
"""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from report import Row, Size, main, median, rank, single
from scripted_daemon import as_said, cuts, reply_to, scripted_daemon

from rfsn_bridge.client import connect
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import AudioEnd, NpcUpdate, SentenceSaid, TurnFinished

NPCS = ("Lydia", "Ra'virr", "Balgruuf", "Farengar", "Mjoll", "Ulfric", "Karliah", "Serana")
SENTENCES = 6


@dataclass(slots=True)
class Heard:
    """What all clients got."""

    turns: int = 0
    sentences: int = 0
    wrong: int = 0
    """Sentences and turns that hold anything but their own NPC's text, or lack some of it."""
    frames: int = 0
    spent_ms: list[float] = field(default_factory=list)
    """From the token that showed a sentence's end to its arrival."""


@dataclass(slots=True)
class Health:
    """What the thread that asks found."""

    spent_ms: list[float] = field(default_factory=list)
    failed: int = 0


def ask_health(address: tuple[str, int], stop: threading.Event, health: Health) -> None:
    """A new connection each time, as a page that polls would make it."""
    while not stop.wait(0.02):
        began = time.perf_counter()
        try:
            connection = http.client.HTTPConnection(*address, timeout=5)
            connection.request("GET", "/health")
            ok = connection.getresponse().status == 200
            connection.close()
        except OSError:
            ok = False
        health.spent_ms.append((time.perf_counter() - began) * 1000)
        health.failed += not ok


async def play(
    url: str, npc: str, until: float, heard: Heard, arrived: dict[str, list[float]], *, audio: bool
) -> None:
    """One game: line after line to its NPC, one at least."""
    async with connect(url, name=npc, audio="binary" if audio else "none", reports=False) as client:
        await client.request(NpcUpdate(npc_id=npc, name=npc))
        number = 0
        while number == 0 or time.perf_counter() < until:
            line = f"{npc} {number}"
            number += 1
            expected = [cut.text for cut in cuts(reply_to(line, SENTENCES))]
            got: list[str] = []
            frames: Counter[int] = Counter()
            arrived[line] = []
            async with await client.say(npc, as_said(line)) as turn:
                async for part in turn:
                    if isinstance(part, SentenceSaid):
                        arrived[line].append(time.perf_counter())
                        got.append(part.text)
                        heard.wrong += part.npc_id != npc
                    elif isinstance(part, AudioFrame):
                        heard.frames += 1
                        frames[part.seq] += 1
                        heard.wrong += part.turn_number != turn.started.turn_number
                    elif isinstance(part, AudioEnd):
                        heard.wrong += part.turn_id != turn.turn_id or part.chunks != frames[part.seq]
                    elif isinstance(part, TurnFinished):
                        heard.wrong += part.text != "".join(reply_to(line, SENTENCES))
            heard.turns += 1
            heard.sentences += len(expected)
            heard.wrong += sum(a != b for a, b in zip(got, expected, strict=False)) + abs(len(got) - len(expected))


async def scene(seconds: float, tokens_per_s: float, *, voice: bool) -> tuple[Heard, list[float], Health]:
    """What was heard, how late the daemon's loop was in ms, and what /health did."""
    heard, health, stop = Heard(), Health(), threading.Event()
    arrived: dict[str, list[float]] = {}
    async with scripted_daemon(
        tokens_per_s=tokens_per_s, sentences=SENTENCES, voice=voice, heartbeat=True
    ) as daemon:
        await play(daemon.url, "warm up", 0.0, Heard(), {}, audio=voice)
        await daemon.notes()
        asking = threading.Thread(target=ask_health, args=(daemon.http, stop, health))
        asking.start()
        until = time.perf_counter() + seconds
        try:
            await asyncio.gather(*(play(daemon.url, npc, until, heard, arrived, audio=voice) for npc in NPCS))
        finally:
            stop.set()
            asking.join()
        notes = await daemon.notes()
    for line, times in arrived.items():
        given = notes.given[line]
        for cut, at in zip(cuts(reply_to(line, SENTENCES)), times, strict=False):
            heard.spent_ms.append((at - given[cut.seen]) * 1000)
    return heard, [late * 1000 for late in notes.late], health


def measure(seconds: float, tokens_per_s: float) -> list[Row]:
    rows: list[Row] = []
    for voice in (False, True):
        heard, late, health = asyncio.run(scene(seconds, tokens_per_s, voice=voice))
        asked = len(health.spent_ms)
        side = "with voice" if voice else "text only"
        spoken = f", {heard.frames} audio frames" if voice else ""
        note = f"{heard.turns} turns, {heard.sentences} sentences{spoken}"
        rows += [
            single(f"{side}: wrong texts or frames", "", heard.wrong, ("<=", 0), note, samples=heard.sentences),
            rank(f"{side}: the loop is late, p50", "ms", late, 50),
            rank(f"{side}: the loop is late, p99", "ms", late, 99),
            rank(f"{side}: the loop is late, p99.9", "ms", late, 99.9, ("<", 20)),
            rank(f"{side}: the loop is late, at worst", "ms", late, 100),
            rank(f"{side}: /health, p50", "ms", health.spent_ms, 50),
            rank(f"{side}: /health, p99", "ms", health.spent_ms, 99),
            rank(f"{side}: /health, at worst", "ms", health.spent_ms, 100),
            single(f"{side}: /health without an answer", "", health.failed, ("<=", 0), samples=asked),
            median(f"{side}: token in, `sentence` at the client", "ms", heard.spent_ms),
        ]
    return rows


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            seconds=Size(30, 5, "how long, with and without a voice"),
            tokens_per_s=Size(30, 30, "tokens a second of each reply"),
        )
    )
