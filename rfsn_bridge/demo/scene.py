"""Plays a short scene through the reference client, as a game would: lines, subtitles, speech, reports."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files

import yaml

from rfsn_bridge.client import Client, TurnStream
from rfsn_bridge.demo.loudspeaker import Loudspeaker
from rfsn_bridge.demo.recording import Recording
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    Audio,
    AudioDropped,
    AudioEnd,
    DecisionMade,
    NpcUpdate,
    SentenceSaid,
    Timings,
    TurnFinished,
)

_CUT_AFTER_MS = 1200
_PIECE_MS = 50
_RECORDED_S = 15.0

Show = Callable[[str, str], None]
"""Prints a text; the other word says what it is: player, npc, mind or note."""


@dataclass(frozen=True, slots=True)
class ScriptedLine:
    """What the player says; an `interrupted` reply is cut short by the line after it."""

    text: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    npc: NpcUpdate
    lines: tuple[ScriptedLine, ...]


def load() -> Scene:
    """The scene that we ship."""
    document = yaml.safe_load(files("rfsn_bridge.demo").joinpath("scene.yaml").read_text("utf-8"))
    return Scene(NpcUpdate(**document["npc"]), tuple(ScriptedLine(**line) for line in document["lines"]))


@dataclass(slots=True)
class Utterance:
    """The speech of one sentence, as far as it has come, and how much of it was heard."""

    seq: int
    rate: int
    pcm: bytearray = field(default_factory=bytearray)
    complete: bool = False
    heard: int = 0
    """Bytes."""

    def bytes_of(self, ms: int) -> int:
        return 2 * (self.rate * ms // 1000)

    @property
    def heard_ms(self) -> int:
        return 1000 * (self.heard // 2) // self.rate


class Take:
    """One line and its reply: read by `follow`, heard by `listen`, told of by `close`."""

    def __init__(
        self, number: int, line: ScriptedLine, turn: TurnStream, npc_name: str, show: Show, *, speech: bool
    ) -> None:
        self.number = number
        self.line = line
        self.turn = turn
        self.sentences: list[str] = []
        self.spoken: list[Utterance] = []
        self.finished: TurnFinished | None = None
        self._npc_name = npc_name
        self._show = show
        self._speech = speech
        self._news = asyncio.Condition()

    async def follow(self) -> None:
        """Show and gather what comes, until the turn has finished."""
        async for part in self.turn:
            match part:
                case DecisionMade():
                    self._show(f"({part.signal} -> {part.action})", "mind")
                case SentenceSaid():
                    self.sentences.append(part.text)
                    self._show(f"{self._npc_name}: {part.text}", "npc")
                case Audio():
                    self.spoken.append(Utterance(part.seq, part.sample_rate))
                case AudioFrame():
                    self.spoken[-1].pcm += part.pcm
                    self.spoken[-1].complete = part.last
                case AudioEnd():
                    self.spoken[-1].complete = True
                case AudioDropped():
                    self._show(f"[not spoken: {part.reason}]", "note")
                case TurnFinished():
                    self.finished = part
            async with self._news:
                self._news.notify_all()

    async def listen(self, loudspeaker: Loudspeaker) -> None:
        """Hear the reply to its end; one that is to be interrupted, to the middle of its first sentence."""
        if self.line.interrupted and not self._speech:
            await self._until(lambda: bool(self.sentences))
            return
        heard: list[Utterance] = []
        while await self._until(lambda: len(self.spoken) > len(heard)):
            utterance = self.spoken[len(heard)]
            await self.turn.report(utterance.seq, "started")
            if await self._hear(utterance, loudspeaker):
                loudspeaker.hush()
                return
            await self.turn.report(utterance.seq, "ended", utterance.heard_ms)
            heard.append(utterance)
        await loudspeaker.drain()

    async def _hear(self, utterance: Utterance, loudspeaker: Loudspeaker) -> bool:
        """Play as the speech comes; whether it was cut."""
        end = None
        if self.line.interrupted:
            cut = utterance.bytes_of(_CUT_AFTER_MS)
            await self._until(lambda: utterance.complete or len(utterance.pcm) > 2 * cut)
            end = min(cut, len(utterance.pcm) // 4 * 2)
        while await self._until(lambda: len(utterance.pcm) > utterance.heard or utterance.complete):
            piece = bytes(utterance.pcm[utterance.heard : end][: utterance.bytes_of(_PIECE_MS)])
            if not piece:
                break
            await loudspeaker.play(piece, utterance.rate)
            utterance.heard += len(piece)
        return end is not None

    async def _until(self, there: Callable[[], bool]) -> bool:
        """Wait until it is; False where the turn has finished without it."""
        async with self._news:
            await self._news.wait_for(lambda: there() or self.finished is not None)
        return there()

    async def close(self, recording: Recording) -> None:
        """Report what was not heard, keep what was, and say how long it took and what the NPC remembers."""
        for utterance in self.spoken:
            if not utterance.complete or utterance.heard < len(utterance.pcm):
                await self.turn.report(utterance.seq, "aborted", utterance.heard_ms)
            recording.add(self.number, utterance.seq + 1, bytes(utterance.pcm[: utterance.heard]), utterance.rate)
        if self.finished is not None:
            self._show(f"[{_in_words(self.finished.timings)}]", "note")
        try:
            async with asyncio.timeout(_RECORDED_S):
                recorded = await self.turn.recorded
        except (TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not self.turn.recorded.cancelled():
                raise
            raise BridgeError("the daemon did not record the turn", "see its log") from None
        if self.line.interrupted:
            self._show(f'[interrupted; what he remembers saying: "{recorded.heard_text}"]', "note")

    def check(self) -> None:
        """Raises BridgeError where the reply is not what was to come."""
        finished = self.finished
        if finished is None or finished.status == "failed":
            why = finished.error if finished else None
            raise BridgeError(why.message if why else "the reply failed", (why.hint if why else None) or "")
        if not self.sentences and not self.line.interrupted:
            raise BridgeError(f"there was no answer to line {self.number}", "try another model with --model")
        if self._speech and not any(utterance.heard for utterance in self.spoken):
            raise BridgeError(f"the answer to line {self.number} was not spoken", "run: rfsn-bridge doctor")
        if finished.status == "interrupted" and not self.line.interrupted:
            raise BridgeError(f"the reply to line {self.number} was cut short", "see the daemon's log")


async def play(
    scene: Scene, client: Client, loudspeaker: Loudspeaker, recording: Recording, show: Show
) -> list[Take]:
    """Say line after line. The reply that is interrupted ends when the next line is said, as in a game."""
    await client.request(scene.npc)
    speech = client.identified.audio != "none"
    takes: list[Take] = []
    following: asyncio.Task[None] | None = None
    try:
        for number, line in enumerate(scene.lines, 1):
            turn = await client.say(scene.npc.npc_id, line.text)
            if following:
                await following
                await takes[-1].close(recording)
            show(f"You: {line.text}", "player")
            take = Take(number, line, turn, scene.npc.name, show, speech=speech)
            takes.append(take)
            following = asyncio.create_task(take.follow())
            await _heard(take, following, loudspeaker)
            if not line.interrupted:
                await following
                await take.close(recording)
                following = None
        return takes
    finally:
        if following:
            following.cancel()


async def _heard(take: Take, following: asyncio.Task[None], loudspeaker: Loudspeaker) -> None:
    """Wait until the take has been heard as far as it is to be; a lost connection ends the waiting."""
    listening = asyncio.create_task(take.listen(loudspeaker))
    try:
        await asyncio.wait([listening, following], return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
        await listening
    finally:
        listening.cancel()


def _in_words(timings: Timings) -> str:
    """First token 62 ms, first sentence 0.31 s, ..."""
    named = (
        ("first token", timings.first_token_ms),
        ("first sentence", timings.first_sentence_ms),
        ("first audio", timings.first_audio_ms),
        ("all", timings.total_ms),
    )
    return ", ".join(f"{name} {_seconds(ms)}" for name, ms in named if ms is not None)


def _seconds(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 100 else f"{ms / 1000:.2f} s"
