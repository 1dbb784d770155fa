"""A daemon whose replies are written beforehand and come at the pace that is asked for, and who listens to it.

The daemon is `rfsn-bridge run` in a process of its own, with a plugin for its language model, and Kokoro.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from embedded import models, settings
from speech_peers import tokens_of

from rfsn_bridge.client import Client, TurnStream, connect
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    Audio,
    AudioDropped,
    AudioEnd,
    Interrupt,
    NpcUpdate,
    SentenceSaid,
    TurnFinished,
)

REPLIES = (
    "Well met, traveller. You look like you have come a long way, and the road has not been kind to you. Sit "
    "down by the fire.",
    "The dragon was seen near the western watchtower, and if it comes to the city, then the walls will not "
    "hold it for long. Ride now, and take whoever will follow you.",
    "No. I have nothing more to say about the war, and neither should you.",
    "If you are looking for work, speak with my steward. He pays well for strong arms and closed mouths, "
    "though not always in the same week.",
    "I have held this hall through two wars and a dragon, and I will not give it up without a fight. Tell "
    "that to Ulfric. Tell him that I said it to your face.",
    "Listen, friend: the old mill is watched, so wait until nightfall, and then go by the river. Nobody will "
    "look for you there.",
    "My father used to say that a blade remembers every hand that has held it. I did not believe him until I "
    "found this one in the barrow. Now I do not sleep well.",
    "Who told you that? There are only three people in Whiterun who know what happened that night, and two of "
    "them are in this room. So choose your next words with care.",
)
PLUGIN = '''
import asyncio
import json
import re
import threading
import time
from pathlib import Path

from pydantic import BaseModel

from rfsn_bridge import AudioChunk, Health, TextDelta, hookimpl

REPLIES = json.loads((Path(__file__).parent / "replies.json").read_text())

class Paced:
    """Told "[30 4]", it says reply 4 at 30 tokens a second; its first token takes as long as any."""

    def __init__(self, options, services): pass

    async def stream(self, request):
        rate, number = re.findall(r"\\[([\\d.]+) (\\d+)\\]", request.messages[-1].content)[-1]
        due = time.perf_counter()
        for token in REPLIES[int(number)]:
            due += 1 / float(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            yield TextDelta(token)

    async def warm_up(self): pass
    def count_tokens(self, text): return len(text) // 4 + 1
    async def health(self): return Health(True)
    async def aclose(self): pass

@hookimpl
def register_llm_backends(register):
    register("paced", Paced)

class Options(BaseModel):
    factor: float

class Steady:
    """Takes `factor` seconds for a second of speech, whatever else the machine does."""

    def open(self, options):
        self._factor = options["factor"]
        self._stop = threading.Event()

    def voices(self):
        return ("steady",)

    def synthesize(self, request):
        self._stop.clear()
        speech_s = len(request.text) / 17.2 / request.speed
        self._stop.wait(self._factor * (speech_s + 0.15))
        for start in range(0, int(speech_s * 24000), 4800):
            if self._stop.is_set():
                return
            yield AudioChunk(b"\\1\\1" * min(4800, int(speech_s * 24000) - start), 24000)

    def cancel(self):
        self._stop.set()

    def close(self):
        pass

@hookimpl
def register_tts_engines(register):
    register("steady", f"{__name__}:Steady", options=Options)
'''


SETTLE_S = 90


@dataclass(frozen=True, slots=True)
class PacedDaemon:
    url: str
    process: psutil.Process


@asynccontextmanager
async def paced_daemon(
    document: Mapping[str, Any], replies: tuple[str, ...] = REPLIES
) -> AsyncIterator[PacedDaemon]:
    """With this config; the phrase cache is off unless it says otherwise, for replies are said again and again."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "plugins").mkdir()
        (home / "plugins" / "paced.py").write_text(PLUGIN, encoding="utf-8")
        told = json.dumps([tokens_of(reply) for reply in replies])
        (home / "plugins" / "replies.json").write_text(told, encoding="utf-8")
        speech = {"cache_memory_mb": 0, "cache_disk_mb": 0, **document.get("speech", {})}
        whole = {**document, "llm": {"backend": "paced"}, "speech": speech}
        (home / "config.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rfsn_bridge", "run", "--port", "0"),
            *("--config", str(home / "config.yaml"), "--data", str(home / "data"), "--log-level", "ERROR"),
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "RFSN_CONFIG"},
        )
        try:
            line = (await process.stdout.readline()).decode() if process.stdout else ""
            if "listening on " not in line:
                raise RuntimeError("the daemon did not start; try: rfsn-bridge run")
            yield PacedDaemon(line.split("listening on ")[1].strip(), psutil.Process(process.pid))
        finally:
            process.terminate()
            await process.wait()


async def settled(daemon: PacedDaemon) -> None:
    """Return when the voice is loaded and has found its best graph, and rests."""
    address = daemon.url.replace("ws://", "http://").rpartition("/")[0] + "/health"
    until = time.perf_counter() + SETTLE_S
    quiet = 0
    while quiet < 4 and time.perf_counter() < until:
        answer = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(address, timeout=5)))  # noqa: S310
        processes = [daemon.process, *daemon.process.children(recursive=True)]
        before = [sum(each.cpu_times()[:2]) for each in processes]
        await asyncio.sleep(0.5)
        spent_s = sum(sum(each.cpu_times()[:2]) for each in processes if each.is_running()) - sum(before)
        quiet = quiet + 1 if answer["voice_ready"] and spent_s < 0.05 else 0


@asynccontextmanager
async def met(daemon: PacedDaemon) -> AsyncIterator[Client]:
    async with connect(daemon.url, name="speech", audio="binary", reports=False) as client:
        await client.request(NpcUpdate(npc_id="npc", name="Lydia", voice="af_bella"))
        await settled(daemon)
        yield client


def kokoro_only() -> dict[str, Any]:
    """The defaults, with the models by path."""
    document = settings(models("kokoro", "kokoro-voices"))
    del document["llm"]
    return dict(document)


@dataclass(slots=True)
class Heard:
    """Of one turn, in seconds since the line was sent; who listens plays what has come, and waits for the rest."""

    first_audio: float = 0.0
    gaps_inside: list[float] = field(default_factory=list)
    """How long the sound stood still within a sentence, each time."""
    gaps_between: list[float] = field(default_factory=list)
    """How much longer than the silence that was sent, between two."""
    speech_s: float = 0.0
    last_frame: float = 0.0
    finished: float = 0.0
    begins_with: bytes = b""
    dropped: int = 0
    text: str = ""


class Listening:
    """Feed it the parts of a turn as they come."""

    def __init__(self, began: float) -> None:
        self.heard = Heard()
        self._began = began
        self._played_until = 0.0
        self._rate = 24_000
        self._ended: dict[int, bool] = {}
        self._inside = False
        """What was heard last ends in the midst of a sentence."""
        self._seq = self._through = 0

    def take(self, part: object, now: float) -> None:
        heard = self.heard
        if isinstance(part, SentenceSaid):
            self._ended[part.seq] = part.ends_sentence
        elif isinstance(part, Audio):
            self._rate, self._seq, self._through = part.sample_rate, part.seq, part.through_seq
        elif isinstance(part, AudioFrame):
            self._frame(part, now)
        elif isinstance(part, AudioEnd):
            self._inside = not self._ended.get(self._through, True)
        elif isinstance(part, AudioDropped):
            heard.dropped += 1
        elif isinstance(part, TurnFinished):
            heard.finished, heard.text = now - self._began, part.text

    def _frame(self, frame: AudioFrame, now: float) -> None:
        heard = self.heard
        if not heard.first_audio:
            heard.first_audio = now - self._began
            self._played_until = now
        if frame.seq == 0:
            heard.begins_with += frame.pcm
        if now > self._played_until:
            gaps = heard.gaps_inside if frame.chunk or self._inside else heard.gaps_between
            gaps.append(now - self._played_until)
        length_s = len(frame.pcm) / 2 / self._rate
        self._played_until = max(now, self._played_until) + length_s
        heard.speech_s += length_s
        heard.last_frame = now - self._began


async def hear(client: Client, number: int, tokens_per_s: float, npc: str = "npc") -> Heard:
    """A whole turn, then silence: what was sent is cut off as soon as all of it is there."""
    began = time.perf_counter()
    listening = Listening(began)
    async with await client.say(npc, f"[{tokens_per_s:g} {number}]") as turn:
        async for part in turn:
            listening.take(part, time.perf_counter())
    await client.request(Interrupt(priority="critical"))
    return listening.heard


async def first_audio(
    client: Client, number: int, tokens_per_s: float, npc: str = "npc"
) -> tuple[float, TurnStream]:
    """When the first frame of a turn came, and the turn, of which the rest may be read."""
    began = time.perf_counter()
    turn = await client.say(npc, f"[{tokens_per_s:g} {number}]")
    async for part in turn:
        if isinstance(part, AudioFrame):
            return time.perf_counter() - began, turn
    raise RuntimeError("the turn was not spoken; try: rfsn-bridge check")
