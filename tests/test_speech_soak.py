"""Eight NPCs take turns for minutes (RFSN_SOAK_MINUTES, ten by default), and the player breaks in on them.

A daemon process with Kokoro (the tone engine where the models are missing) and a client that plays what it gets in
real time and reports it, as an adapter does. Run with: pytest -m slow -s tests/test_speech_soak.py
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from daemon_process import DaemonProcess, daemon_process
from raw_client import RawClient, raw_client

from rfsn_bridge import paths
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.models import catalogue
from rfsn_bridge.protocol.frames import AudioFrame

MINUTES = float(os.environ.get("RFSN_SOAK_MINUTES", "10"))
WARM_UP = 0.3
"""The part of the time in which memory may grow: models are taken over, caches fill."""
DAEMON_MB_A_MINUTE, VOICE_MB_A_MINUTE = 1.5, 8.0
"""What a straight line through the memory may rise after it. The daemon remembers 2,048 messages for a client that
comes back (it stands at 116 MB after 2,000 turns); the runtime keeps room for the longest sentence so far."""
VOICE_MOST_MB = 900
GAP_S = 0.05
HINDERED = 1.5
BUSY = 0.9
AT_ONCE = 3
NPCS = ("Lydia", "Ra'virr", "Balgruuf", "Farengar", "Mjoll", "Ulfric", "Karliah", "Serana")

PLUGIN = '''
import asyncio
import importlib.util
import random
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from rfsn_bridge import Health, TextDelta, hookimpl
from rfsn_bridge.testing import ToneEngine

HERE = Path(__file__).parent
PLACES = "Riften Whiterun Solitude Markarth Windhelm Falkreath Dawnstar Morthal".split()
SENTENCES = (
    "No.", "Aye.", "Who told you that?", "Keep your voice down, friend.",
    "I saw {n} of them on the road to {place} this morning.",
    "If you mean to go to {place}, then take the pass before the snow closes it, and do not go alone.",
    "My brother left for {place} {n} winters ago, and nobody has had a word from him since.",
    "The jarl pays {n} septims for a head, but the men who went out for it have not come back, and I do not think "
    "that they will.",
    "Ask in {place}; they have long memories there.",
    "There is nothing in {place} for the likes of you!",
)

class Minstrel:
    """One to five sentences, 20 to 60 tokens a second."""

    def __init__(self, options, services):
        self._chance = random.Random(7)

    async def stream(self, request):
        chance = self._chance
        told = chance.sample(SENTENCES, chance.randint(1, 5))
        text = " ".join(each.format(n=chance.randint(2, 90), place=chance.choice(PLACES)) for each in told)
        gap_s = 1 / chance.uniform(20, 60)
        due = time.perf_counter()
        for start in range(0, len(text), 4):
            due += gap_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            yield TextDelta(text[start:start + 4])

    async def warm_up(self): pass
    def count_tokens(self, text): return len(text) // 4 + 1
    async def health(self): return Health(True)
    async def aclose(self): pass

class Options(BaseModel):
    engine: str = ""
    """The file of the plugin whose engine speaks; empty: the tone engine."""
    options: dict[str, str] = {}

class Timed:
    """Another engine, whose work is noted."""

    blends = True

    def open(self, options):
        if options["engine"]:
            spec = importlib.util.spec_from_file_location("timed_engine", options["engine"])
            module = sys.modules["timed_engine"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            self._engine = module.KokoroEngine()
        else:
            self._engine = ToneEngine()
        self._engine.open(options["options"])

    def voices(self):
        return self._engine.voices()

    def synthesize(self, request):
        began, seconds = time.perf_counter(), 0.0
        for chunk in self._engine.synthesize(request):
            seconds += len(chunk.pcm) / 2 / chunk.sample_rate
            yield chunk
        if seconds:
            with open(HERE.parent / "synthesis.txt", "a") as file:
                print(began, time.perf_counter() - began, seconds, file=file)

    def cancel(self):
        self._engine.cancel()

    def close(self):
        self._engine.close()

@hookimpl
def register_llm_backends(register):
    register("minstrel", Minstrel)

@hookimpl
def register_tts_engines(register):
    register("timed", f"{__name__}:Timed", options=Options)
'''


@dataclass(slots=True)
class Passage:
    through: int
    chunks: int = 0
    samples: int = 0
    began: float = 0.0
    told: int = -1
    """How many chunks `audio_end` says that there were."""
    ended: bool = False
    """Whether it was reported as ended or aborted."""


@dataclass(slots=True)
class Turn:
    npc: str
    finished: list[str] = field(default_factory=list)
    recorded: int = 0
    sentences: dict[int, bool] = field(default_factory=dict)
    """Whether each ends a sentence."""
    passages: dict[int, Passage] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    played_until: float = 0.0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """Within sentences: when, and how long."""
    waits: list[float] = field(default_factory=list)
    late: int = 0
    """Messages and frames after `turn_finished`."""
    silent: bool = False

    @property
    def inside(self) -> bool:
        """Whether what was sent last ends in the midst of a sentence."""
        complete = [passage.through for passage in self.passages.values() if passage.told >= 0]
        return bool(complete) and not self.sentences.get(max(complete), True)


class Player:
    """Hears everything, plays it by the clock, reports it, and keeps the books."""

    def __init__(self, client: RawClient, rate: int = 24_000) -> None:
        self.turns: dict[str, Turn] = {}
        self.notices: list[dict[str, Any]] = []
        self._client = client
        self._rate = rate
        self._numbers: dict[int, str] = {}
        self._reports: set[asyncio.Task[None]] = set()

    async def read(self) -> None:
        while True:
            frame = await self._client.socket.recv()
            now = time.perf_counter()
            if isinstance(frame, bytes):
                self._play(AudioFrame.decode(frame), now)
            else:
                self._take(json.loads(frame), now)

    def _take(self, message: dict[str, Any], now: float) -> None:
        kind, turn_id = message["type"], message.get("turn_id", "")
        if kind == "turn_started":
            self.turns[turn_id] = Turn(message["npc_id"])
            self._numbers[message["turn_number"]] = turn_id
        elif kind == "notice":
            self.notices.append(message)
        elif turn := self.turns.get(turn_id):
            if turn.finished and kind not in ("turn_recorded", "turn_finished"):
                turn.late += 1
            if kind == "sentence":
                turn.sentences[message["seq"]] = message["ends_sentence"]
            elif kind == "audio":
                turn.passages[message["seq"]] = Passage(message["through_seq"])
            elif kind == "audio_end":
                passage = turn.passages[message["seq"]]
                passage.told = message["chunks"]
                self._later(turn.played_until - now, turn_id, message["seq"], "ended")
            elif kind == "audio_dropped":
                turn.dropped.append(message["seq"])
            elif kind == "turn_finished":
                turn.finished.append(message["status"])
                if message["status"] == "interrupted":
                    self.silence(turn_id)
            elif kind == "turn_recorded":
                turn.recorded += 1

    def _play(self, frame: AudioFrame, now: float) -> None:
        turn_id = self._numbers[frame.turn_number]
        turn = self.turns[turn_id]
        turn.late += bool(turn.finished)
        passage = turn.passages[frame.seq]
        length_s = len(frame.pcm) / 2 / self._rate
        if turn.played_until and now > turn.played_until and not turn.silent:
            if frame.chunk or turn.inside:
                turn.gaps.append((now, now - turn.played_until))
            else:
                turn.waits.append(now - turn.played_until)
        start = max(now, turn.played_until)
        if passage.chunks == 0:
            passage.began = start
            self._later(start - now, turn_id, frame.seq, "started")
        passage.chunks += 1
        passage.samples += len(frame.pcm) // 2
        turn.played_until = start + length_s

    def silence(self, turn_id: str) -> None:
        """What is being played of this turn is cut off."""
        turn, now = self.turns[turn_id], time.perf_counter()
        if turn.silent:
            return
        turn.silent = True
        for seq, passage in turn.passages.items():
            if passage.chunks and not passage.ended and passage.began <= now:
                passage.ended = True
                heard_s = min(now - passage.began, passage.samples / self._rate)
                self._background(self._report(turn_id, seq, "aborted", round(1000 * heard_s)))

    def silence_npc(self, npc: str) -> None:
        for turn_id, turn in self.turns.items():
            if turn.npc == npc:
                self.silence(turn_id)

    def silence_all(self) -> None:
        for turn_id in self.turns:
            self.silence(turn_id)

    @property
    def under_way(self) -> Counter[str]:
        """Turns that are not over, or are still heard, by NPC."""
        now = time.perf_counter()
        return Counter(
            turn.npc
            for turn in self.turns.values()
            if not turn.finished or (turn.played_until > now and not turn.silent)
        )

    def _later(self, delay_s: float, turn_id: str, seq: int, status: str) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay_s)
            turn = self.turns[turn_id]
            if not turn.silent and not turn.passages[seq].ended:
                turn.passages[seq].ended = status == "ended"
                await self._report(turn_id, seq, status)

        self._background(wait())

    async def _report(self, turn_id: str, seq: int, status: str, heard_ms: int | None = None) -> None:
        told = {} if heard_ms is None else {"heard_ms": heard_ms}
        await self._client.send(type="speech_report", turn_id=turn_id, seq=seq, status=status, **told)

    def _background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)


async def play(client: RawClient, player: Player, until: float) -> None:
    """What the player does: speak to somebody, wait, break in; the eight in turn, up to `AT_ONCE` at a time."""
    chance = random.Random(3)
    while time.perf_counter() < until:
        for npc in chance.sample(NPCS, len(NPCS)):
            if chance.random() < 0.25:
                priority = chance.choice(("low", "medium", "high", "critical"))
                await client.send(type="interrupt", priority=priority)
                if priority in ("high", "critical"):
                    player.silence_all()
            while player.under_way.total() >= AT_ONCE and time.perf_counter() < until:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            if time.perf_counter() >= until:
                return
            if npc in player.under_way and chance.random() < 0.5:
                continue
            player.silence_npc(npc)
            await client.send(type="player_line", npc_id=npc, text="What have you heard?")
            await asyncio.sleep(chance.uniform(0.2, 6.0))


async def settle(player: Player, patience_s: float = 120) -> None:
    """Wait until every turn is recorded; what is missing then is for the test to find."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while not all(turn.recorded for turn in player.turns.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.2)


@dataclass(slots=True)
class Memory:
    """Resident megabytes by seconds."""

    daemon: list[tuple[float, float]] = field(default_factory=list)
    voice: list[tuple[float, float]] = field(default_factory=list)
    voices: set[int] = field(default_factory=set)

    async def watch(self, daemon: DaemonProcess) -> None:
        process = psutil.Process(daemon.process.pid)
        while True:
            now = time.perf_counter()
            self.daemon.append((now, process.memory_info().rss / 1e6))
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in process.children():
                    if "rfsn_bridge.speech.worker" in child.cmdline():
                        self.voices.add(child.pid)
                        self.voice.append((now, child.memory_info().rss / 1e6))
            await asyncio.sleep(1)


def rise(samples: Sequence[tuple[float, float]]) -> float:
    """Megabytes a minute after the warm-up: the slope of the straight line with the least squares."""
    samples = samples[int(len(samples) * WARM_UP) :]
    middle_s = sum(at for at, _ in samples) / len(samples)
    middle_mb = sum(mb for _, mb in samples) / len(samples)
    spread = sum((at - middle_s) ** 2 for at, _ in samples)
    return 60 * sum((at - middle_s) * (mb - middle_mb) for at, mb in samples) / spread


def config(folder: Path) -> str:
    """With Kokoro, or with the tone engine; the plugin is put into the folder."""
    try:
        model, voices = catalogue.find("kokoro").as_posix(), catalogue.find("kokoro-voices").as_posix()
        path = (paths.builtin_plugins / "tts_kokoro.py").as_posix()
    except ModelMissing:
        model = voices = path = ""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "minstrel.py").write_text(PLUGIN)
    options = f"{{engine: '{path}', options: {{model: '{model}', voices: '{voices}'}}}}" if path else "{}"
    return (
        f"llm: {{backend: minstrel}}\ntts: {{engine: timed, voice: af_bella, options: {{timed: {options}}}}}\n"
        "speech: {cache_memory_mb: 2, cache_disk_mb: 4}\n"
    )


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of speech: when it was begun, seconds that it took, seconds of sound."""

    began: float
    took: float
    speech_s: float


def work(folder: Path, since: float) -> list[Work]:
    lines = [tuple(map(float, line.split())) for line in (folder / "synthesis.txt").read_text().splitlines()]
    return [Work(*line) for line in lines if line[0] >= since]


def hindered(at: float, pieces: Sequence[Work]) -> bool:
    """Whether the piece that was ready by then took much longer than pieces do: the machine had other work."""
    usual = sum(piece.took for piece in pieces) / sum(piece.speech_s for piece in pieces)
    made = [piece for piece in pieces if at - 0.5 < piece.began + piece.took <= at]
    return any(piece.took > HINDERED * usual * piece.speech_s for piece in made)


def health(daemon: DaemonProcess) -> dict[str, Any]:
    address = daemon.url.replace("ws://", "http://").rpartition("/")[0] + "/health"
    answer: dict[str, Any] = json.load(urllib.request.urlopen(address, timeout=10))
    return answer


async def soak(daemon: DaemonProcess, minutes: float) -> tuple[Player, Memory, float]:
    """The books, the memory, and when it began."""
    memory = Memory()
    async with raw_client(daemon.url, audio="binary", reports=True) as client:
        for npc in NPCS:
            await client.meet(npc)
        async with asyncio.timeout(120):
            while not (await asyncio.to_thread(health, daemon))["voice_ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        player = Player(client)
        reading = asyncio.create_task(player.read())
        watching = asyncio.create_task(memory.watch(daemon))
        began = time.perf_counter()
        try:
            await play(client, player, began + 60 * minutes)
            await settle(player)
        finally:
            reading.cancel()
            watching.cancel()
    return player, memory, began


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES + 400)
async def test_eight_npcs_talk_for_minutes_and_nothing_is_lost_or_leaks_or_stutters(tmp_path: Path) -> None:
    with daemon_process(tmp_path, "--log-level", "ERROR", config=config(tmp_path)) as daemon:
        player, memory, began = await soak(daemon, MINUTES)
        turns = list(player.turns.values())
        wall_s = time.perf_counter() - began
        told = await asyncio.to_thread(health, daemon)
        pieces = work(tmp_path, began)
    share = sum(piece.took for piece in pieces) / wall_s
    rises = rise(memory.daemon), rise(memory.voice)
    print(summary(player, memory, pieces, wall_s))
    # Every turn ends once and is recorded once, and the daemon counts them so.
    assert [turn.finished for turn in turns if len(turn.finished) != 1] == []
    assert [turn.recorded for turn in turns if turn.recorded != 1] == []
    statuses = Counter(turn.finished[0] for turn in turns)
    assert {status: count for status, count in told["turns"].items() if count} == statuses
    assert statuses.keys() <= {"completed", "interrupted"} and len(statuses) == 2
    # Each sentence of a turn that was not interrupted is spoken or told as dropped, and counted; nothing is late.
    for turn in turns:
        check_books(turn)
    assert sum(len(turn.dropped) for turn in turns) == told["dropped_sentences"] == 0
    assert {notice["code"] for notice in player.notices if notice["level"] != "info"} <= {
        "speech_slow",
        "unknown_voice",
    }
    # The sound runs dry only where the voice cannot keep up.
    if share < BUSY:
        assert [
            gap for turn in turns for gap in turn.gaps if gap[1] > GAP_S and not hindered(gap[0], pieces)
        ] == []
    # Memory is flat.
    assert len(memory.voices) == 1
    assert rises[0] <= DAEMON_MB_A_MINUTE, rises
    assert max(mb for _, mb in memory.voice) <= VOICE_MOST_MB
    if MINUTES >= 10:  # before that, ever longer sentences are still new to the runtime
        assert rises[1] <= VOICE_MB_A_MINUTE, rises


def check_books(turn: Turn) -> None:
    spoken = [
        seq for first, passage in turn.passages.items() for seq in range(first, passage.through + 1)
    ] + turn.dropped
    assert len(spoken) == len(set(spoken)) and turn.late == 0
    if turn.finished == ["completed"]:
        assert sorted(spoken) == sorted(turn.sentences)
        assert all(passage.told == passage.chunks for passage in turn.passages.values())


def summary(player: Player, memory: Memory, pieces: Sequence[Work], wall_s: float) -> str:
    turns = player.turns.values()
    gaps = [gap for turn in turns for gap in turn.gaps if gap[1] > GAP_S]
    waits = [wait for turn in turns for wait in turn.waits if wait > GAP_S]
    took, speech_s = sum(piece.took for piece in pieces), sum(piece.speech_s for piece in pieces)
    slow = sum(piece.took > BUSY * piece.speech_s for piece in pieces)
    near = [
        [f"{piece.took / piece.speech_s:.2f}" for piece in pieces if 0 < at - piece.began < piece.took + 1]
        for at, _ in gaps
    ]
    lines = [
        f"{len(turns)} turns in {wall_s:.0f} s: {dict(Counter(end for turn in turns for end in turn.finished))}, "
        f"notices {dict(Counter(notice['code'] for notice in player.notices))}",
        f"synthesis {took:.0f} s, {took / wall_s:.2f} of the time; {speech_s:.0f} s of speech in {len(pieces)} "
        f"pieces, {took / speech_s:.2f} of its length, {slow} of them above {BUSY:g}",
        f"gaps within sentences: {[round(gap, 2) for _, gap in gaps]}, real-time factors then: {near}",
        f"waits between sentences, others' turns among them: {len(waits)}, "
        f"above 0.5 s: {sum(wait > 0.5 for wait in waits)}, "
        f"the longest {max(waits, default=0):.2f} s",
    ]
    for name, samples in (("daemon", memory.daemon), ("voice", memory.voice)):
        first, last = samples[int(len(samples) * WARM_UP)][1], samples[-1][1]
        lines.append(
            f"{name}: {first:.0f} MB after the warm-up, {last:.0f} at the end, {rise(samples):+.2f} a minute"
        )
    return "\n" + "\n".join(lines)
