"""When the voice of a turn begins."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rfsn_bridge.domain import AudioChunk, Sentence, SpeechRequest
from rfsn_bridge.speech.cache import PhraseCache
from rfsn_bridge.speech.compose import Piece
from rfsn_bridge.speech.floor import Floor
from rfsn_bridge.speech.synthesis import Synthesis, Voice
from rfsn_bridge.speech.text_only import Silence
from rfsn_bridge.speech.turn_voice import TurnVoice


class Nobody:
    """Neither plays nor hears."""

    whole = True

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, piece: Piece, chunk: AudioChunk) -> None:
        self.begun.append(piece.text)

    def feed(self, chunk: AudioChunk) -> None: ...
    def flush(self) -> None: ...
    async def end(self, pause_s: float) -> None: ...
    def fail(self) -> None: ...
    def speech_sent(self, seq: int, through_seq: int, now: float) -> None: ...
    def speech_words(self, seq: int, ends_ms: Sequence[int]) -> None: ...
    def speech_complete(self, seq: int, duration_ms: int) -> None: ...
    def speech_dropped(self, seq: int) -> None: ...


class Gated:
    """A voice, slow if it is not told otherwise: each piece is there when it is released."""

    ready, voices, fingerprint = True, ("",), ""

    def __init__(self, real_time_factor: float = 0.9) -> None:
        self.real_time_factor = real_time_factor
        self.asked: asyncio.Queue[tuple[str, asyncio.Event]] = asyncio.Queue()

    def speak(self, request: SpeechRequest) -> Any:
        released = asyncio.Event()
        self.asked.put_nowait((request.text, released))

        async def chunks() -> AsyncIterator[AudioChunk]:
            await released.wait()
            yield AudioChunk(bytes(4800), 24_000)

        @asynccontextmanager
        async def utterance() -> AsyncIterator[AsyncIterator[AudioChunk]]:
            yield chunks()

        return utterance()


def turn_voice(
    voice: Voice | None = None, listener: Nobody | None = None, floor: Floor | None = None
) -> TurnVoice:
    cache = PhraseCache(Path("nowhere"), memory_bytes=0, disk_bytes=0)
    listener = listener or Nobody()
    return TurnVoice(
        "t.1",
        Synthesis(voice or Silence(), cache, size=3, when_full="wait"),
        floor or Floor(lambda: 0.0),
        listener,
        listener,
        lambda text: (text, {}),
        "",
        1.0,
        began=lambda: None,
        dropped=lambda seq, reason: None,
    )


NEXT = "You look like you have come a long way, and"


def test_the_first_clause_goes_ahead_of_its_sentence() -> None:
    assert turn_voice().first_clause(NEXT, 100.0) == len("You look like you have come a long way, ")


def test_nothing_of_the_second_sentence_goes_ahead_nor_is_it_taken_for_the_pace_of_the_first() -> None:
    voice = turn_voice()
    assert voice.first_clause("Well met, trav", 100.0) == 0
    voice.say(Sentence(0, "Well met, traveller."))
    assert voice.first_clause(NEXT, 10.0) == 0
    assert voice._written_per_s == 100.0


async def everybody() -> None:
    """Let every task do what it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_word_is_held_back_while_the_sentence_that_was_ordered_after_it_is_not_ready() -> None:
    engine, listener = Gated(), Nobody()
    voice = turn_voice(engine, listener)
    voice.say(Sentence(0, "Never."))
    running = asyncio.create_task(voice.run())
    said, first = await engine.asked.get()
    voice.say(Sentence(1, "I have nothing more to say about the war and neither has anybody here."))
    voice.end()
    await everybody()
    first.set()
    _, second = await engine.asked.get()
    await everybody()
    assert said == "Never." and not listener.begun
    second.set()
    await running
    assert listener.begun[0] == "Never."


async def test_nobody_speaks_between_a_first_clause_and_the_rest_of_its_sentence() -> None:
    engine, listener, now = Gated(0.1), Nobody(), 0.0
    floor = Floor(lambda: now)
    voice = turn_voice(engine, listener, floor)
    await floor.take("t.1")
    other = asyncio.create_task(floor.take("t.2"))
    await everybody()
    now = 60.0  # the other has waited long
    voice.say(Sentence(0, "If you mean to go to Riften,", ends_sentence=False))
    running = asyncio.create_task(voice.run())
    (await engine.asked.get())[1].set()
    await everybody()
    assert listener.begun == ["If you mean to go to Riften,"] and not other.done()
    voice.say(Sentence(1, "then take the pass before the snow."))
    voice.end()
    (await engine.asked.get())[1].set()
    await running
    assert len(listener.begun) == 2
    now = 120.0  # all of it has been played
    floor.wake()
    await other
