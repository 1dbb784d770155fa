"""When the voice of a turn begins."""

from collections.abc import Sequence
from pathlib import Path

from rfsn_bridge.domain import AudioChunk, Sentence
from rfsn_bridge.speech.cache import PhraseCache
from rfsn_bridge.speech.compose import Piece
from rfsn_bridge.speech.floor import Floor
from rfsn_bridge.speech.synthesis import Synthesis
from rfsn_bridge.speech.text_only import Silence
from rfsn_bridge.speech.turn_voice import TurnVoice


class Nobody:
    """Neither plays nor hears."""

    whole = False

    def begin(self, piece: Piece, chunk: AudioChunk) -> None: ...
    def feed(self, chunk: AudioChunk) -> None: ...
    async def end(self, pause_s: float) -> None: ...
    def fail(self) -> None: ...
    def speech_sent(self, seq: int, through_seq: int, now: float) -> None: ...
    def speech_words(self, seq: int, ends_ms: Sequence[int]) -> None: ...
    def speech_complete(self, seq: int, duration_ms: int) -> None: ...
    def speech_dropped(self, seq: int) -> None: ...


def turn_voice() -> TurnVoice:
    synthesis = Synthesis(
        Silence(), PhraseCache(Path("nowhere"), memory_bytes=0, disk_bytes=0), size=3, when_full="wait"
    )
    return TurnVoice(
        "t.1",
        synthesis,
        Floor(lambda: 0.0),
        Nobody(),
        Nobody(),
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
