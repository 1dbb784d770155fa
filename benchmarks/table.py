"""The original's four rows, target beside actual.

First token and first audio are those of the embedded models, warm. A sentence is detected when the client has it,
counted from the token that ends it: at 30 tokens a second most of that is the wait for the next token, which shows
that it has ended. An item of the queue is a sentence through the speech queue and a voice process with an engine
that costs next to nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from embedded import BIO, LINES, SPOKEN, bare_parts, bridge_turn, models, real_daemon, settings
from overhead import SENTENCES, one_turn
from report import Found, Size, Skipped, main, median
from scripted_daemon import cuts, reply_to, scripted_daemon

from rfsn_bridge.client import connect
from rfsn_bridge.domain import Npc, SpeechRequest
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.protocol.messages import NpcUpdate
from rfsn_bridge.speech.queue import UtteranceQueue
from rfsn_bridge.speech.voice import EngineSpec, VoiceProcess

BATCH = 20


async def first_tokens(found: dict[str, Path], turns: int) -> list[float]:
    """Seconds from the player's line to the first token, as the daemon times it; the first turn warms up."""
    times = []
    document = settings(found, max_tokens=4) | {"tts": {"engine": "none"}}
    async with real_daemon(document) as url, connect(url, name="table", audio="none", reports=False) as client:
        for number in range(turns + 1):
            npc = Npc(f"npc-{number}", "Jarl Balgruuf", race="Nord", gender="man", bio=BIO)
            times.append((await bridge_turn(client, npc, LINES[number % len(LINES)])).first_token)
    return times[1:]


async def first_chunks(found: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """Milliseconds from a sentence to its first audio, with the voice warm."""
    spent: dict[str, list[float]] = {"short": [], "medium": []}
    async with bare_parts(settings(found)) as (_, voice):
        await voice.warm_up()
        for _ in range(rounds):
            for name, times in spent.items():
                began = time.perf_counter()
                async with voice.speak(SpeechRequest(SPOKEN[name], "af_bella")) as audio:
                    async for _ in audio:
                        times.append((time.perf_counter() - began) * 1000)
                        break
    return spent


async def detections(turns: int) -> list[float]:
    """Milliseconds from the token that ends a sentence to the client's `sentence`."""
    spent: list[float] = []
    async with (
        scripted_daemon(tokens_per_s=30, sentences=SENTENCES) as daemon,
        connect(daemon.url, name="table", audio="none", reports=False) as client,
    ):
        await client.request(NpcUpdate(npc_id="npc", name="Lydia"))
        for number in range(turns):
            line = f"line {number}"
            arrived, _ = await one_turn(client, line)
            given = (await daemon.notes()).given[line]
            ends = zip(cuts(reply_to(line, SENTENCES)), arrived, strict=True)
            spent += [(at - given[cut.complete]) * 1000 for cut, at in ends]
    return spent


async def queue_rates(batches: int) -> list[float]:
    """Sentences a second, over batches that stand in the queue together."""
    queue = UtteranceQueue[int](3)
    spec = EngineSpec("module", "", "", "rfsn_bridge.testing:ToneEngine", {"ms_per_character": 1})

    async def speak_all(voice: VoiceProcess) -> None:
        for _ in range(BATCH):
            await queue.aget()
            async with voice.speak(SpeechRequest("Mind the bridge, my friend.", "tone")) as audio:
                async for _ in audio:
                    pass

    rates = []
    async with VoiceProcess(spec, "tone", lambda *args, **kwargs: None) as voice:
        await voice.warm_up()
        for _ in range(batches):
            began = time.perf_counter()
            await asyncio.gather(speak_all(voice), *(queue.aput(number, f"{number}") for number in range(BATCH)))
            rates.append(BATCH / (time.perf_counter() - began))
    return rates


def measure(turns: float, rounds: float) -> Iterator[Found]:
    try:
        tokens = asyncio.run(first_tokens(models("smollm2"), int(rounds)))
    except ModelMissing as missing:
        yield Skipped("first token", f"{missing.message}; {missing.hint}")
    else:
        yield median("first token", "s", tokens, ("<", 1.5))
    yield median("sentence detection", "ms", asyncio.run(detections(int(turns))), ("<", 50))
    try:
        chunks = asyncio.run(first_chunks(models("kokoro", "kokoro-voices"), int(rounds)))
    except ModelMissing as missing:
        yield Skipped("speech, to its first audio", f"{missing.message}; {missing.hint}")
    else:
        why = "Kokoro renders a sentence as a whole; on a processor alone that takes longer than this target"
        for name, times in chunks.items():
            what = f"speech, to its first audio ({len(SPOKEN[name])} characters)"
            yield median(what, "ms", times, ("<", 100), why if name == "short" else "")
    yield median("speech queue", "items/s", asyncio.run(queue_rates(10)), (">=", 10))


if __name__ == "__main__":
    raise SystemExit(
        main(
            __doc__,
            measure,
            turns=Size(4, 1, "scripted turns of eight sentences, at 30 tokens a second"),
            rounds=Size(12, 3, "turns of the model, and times each sentence is spoken"),
        )
    )
