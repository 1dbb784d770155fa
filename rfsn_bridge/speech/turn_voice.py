"""The voice of one turn: takes sentences as they are shown, has them spoken, sends their sound where it is heard.

Three things go on side by side: sentences come in, pieces of them are ordered a little ahead of what is being
heard, and their sound goes out, in order, once the turn has the floor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from rfsn_bridge.domain import AudioChunk, Sentence, SpeechRequest, WordTiming
from rfsn_bridge.errors import VoiceError
from rfsn_bridge.speech.compose import Composer, Piece
from rfsn_bridge.speech.floor import Floor
from rfsn_bridge.speech.news import News
from rfsn_bridge.speech.one_rate import OneRate
from rfsn_bridge.speech.outlets import Ears, Outlet
from rfsn_bridge.speech.pacing import CHARACTERS_PER_S, Pace, piece_of
from rfsn_bridge.speech.queue import QueueClosed, Superseded
from rfsn_bridge.speech.synthesis import Synthesis, Take

NOTHING_TO_SAY = "nothing in it can be said"

_AHEAD_S = 3.0
"""Of speech, or as much as the voice needs for another sentence, are kept ready; more would be for the bin."""
_USUAL_SENTENCE = 60
"""Characters."""
_USUAL_REST = 40
"""Characters that a sentence still has behind its first clause."""
_LONGEST_HOLD_S = 1.5


def later(chunk: AudioChunk, ms: int) -> AudioChunk:
    """A chunk whose timings begin so much later."""

    def shifted(timings: Sequence[WordTiming]) -> tuple[WordTiming, ...]:
        return tuple(WordTiming(each.text, each.start_ms + ms, each.end_ms + ms) for each in timings)

    return replace(chunk, timings=shifted(chunk.timings), phonemes=shifted(chunk.phonemes)) if ms else chunk


Spoken = Callable[[str], tuple[str, Mapping[str, str]]]
"""What is to be said of a sentence (empty: nothing), and how words of it sound."""


class TurnVoice:
    """`say` and `end` as the text comes; `run` until all of it has gone out. Cancelling `run` silences it."""

    def __init__(
        self,
        turn_id: str,
        synthesis: Synthesis,
        floor: Floor,
        outlet: Outlet,
        ears: Ears,
        spoken: Spoken,
        voice: str,
        speed: float,
        *,
        began: Callable[[], None],
        dropped: Callable[[int, str], None],
    ) -> None:
        """`began` is called with the first sound, `dropped(seq, reason)` for each sentence that stays unspoken."""
        self._turn_id = turn_id
        self._synthesis = synthesis
        self._floor = floor
        self._outlet = outlet
        self._ears = ears
        self._spoken = spoken
        self._voice = voice
        self._speed = speed
        self._began = began
        self._dropped = dropped
        self._composer = Composer()
        self._ordered: deque[Take] = deque()  # bounded by `_AHEAD_S`
        self._all_ordered = False
        self._ordered_s = 0.0
        """Of speech that was ordered and has not gone out."""
        self._begun = False
        """A sentence has come in."""
        self._heard_first = False
        self._saying = -1
        """The first sentence of the passage that is being said."""
        self._said_s = 0.0
        """Of its sound."""
        self._sounds = False
        """Whether it has begun to sound."""
        self._rate = OneRate()
        self._speaking: Take | None = None
        self._silent = False
        self._written_per_s = 0.0
        self._news = News()

    # --- Text comes in

    def say(self, sentence: Sentence) -> None:
        self._begun = True
        text, phonemes = self._spoken(sentence.text)
        if text:
            self._composer.add(sentence.seq, text, phonemes, ends_sentence=sentence.ends_sentence)
        else:
            self._drop(sentence.seq, sentence.seq, NOTHING_TO_SAY)
        self._news.tell()

    def end(self) -> None:
        """No sentence follows."""
        self._composer.end()
        self._news.tell()

    def finish(self, last: int) -> None:
        """Say no more than the sentence `last`."""
        self._composer.cut(last)
        while self._ordered and self._ordered[-1].piece.seq > last:
            self._ordered.pop().cancel()
        self._news.tell()

    def first_clause(self, text: str, written_per_s: float) -> int:
        """How much of the unfinished first sentence should be shown and said at once; 0: nothing yet.

        `written_per_s`: how many characters come in a second. If it is asked once more when the sentence has just
        been said, `text` is a word of the next one, and tells nothing of that.
        """
        if self._begun or not text:
            return 0
        self._written_per_s = written_per_s
        return self._pace.first(text, _USUAL_REST / written_per_s)

    def silence(self) -> None:
        """No sound after this, not even what is ready."""
        self._silent = True
        self._composer = Composer()
        self._composer.end()
        self._synthesis.withdraw(self._turn_id)
        for take in self._ordered:
            take.cancel()
        if self._speaking:
            self._speaking.cancel()
        self._floor.silent(self._turn_id)
        self._floor.leave(self._turn_id)

    # --- Sound goes out

    async def run(self) -> None:
        ordering = asyncio.create_task(self._order())
        try:
            while take := await self._next():
                await self._passage(take)
            await ordering  # a fault of it is the turn's
            self._floor.leave(self._turn_id)
        except BaseException:  # a cancellation among it: nothing of it is heard any more
            self.silence()
            raise
        finally:
            ordering.cancel()

    async def _order(self) -> None:
        """Order pieces, as far ahead as is good."""
        try:
            while not self._composer.done:
                pace, left_s = self._pace, self._left_s
                ahead_s = max(_AHEAD_S, 2 * pace.work_s(_USUAL_SENTENCE))
                if not self._floor.is_for(self._turn_id):
                    ahead_s = 0.0  # one piece is enough to begin with, and who is heard now needs the voice
                if self._synthesis.when_full == "wait" and left_s > ahead_s:
                    await self._news.wait(left_s - ahead_s)
                elif piece := self._composer.take(left_s, pace, whole=self._whole):
                    await self._order_piece(piece)
                else:
                    await self._news.wait(left_s if left_s > 0 else None)
        except (QueueClosed, Superseded):
            return  # the turn is over, or the daemon
        finally:
            self._all_ordered = True
            self._news.tell()

    async def _order_piece(self, piece: Piece) -> None:
        request = SpeechRequest(piece.text, self._voice, self._speed, phonemes=piece.phonemes)
        take = Take(piece, request)
        self._ordered_s += self._length_s(take)
        self._ordered.append(take)
        self._news.tell()
        await self._synthesis.order(take, self._turn_id)

    @property
    def _whole(self) -> bool:
        """Whether sentences are said in one piece: of what may be dropped, none must be dropped in part."""
        return self._outlet.whole or self._synthesis.when_full == "drop"

    @property
    def _pace(self) -> Pace:
        return self._synthesis.pace(self._speed)

    @property
    def _left_s(self) -> float:
        """Speech that is to be heard yet: on its way to the listener, and ordered."""
        return self._floor.left_s(self._turn_id) + self._ordered_s

    def _length_s(self, take: Take) -> float:
        return len(take.piece.text) / (CHARACTERS_PER_S * self._speed)

    async def _next(self) -> Take | None:
        """The next piece that was ordered; None: there is none."""
        while not self._ordered:
            if self._all_ordered:
                return None
            await self._news.wait()
        return self._ordered.popleft()

    async def _passage(self, take: Take) -> None:
        """Have a passage heard: this piece, and those that go on with it."""
        first = take.piece
        self._saying, self._said_s, self._rate, self._sounds = first.seq, 0.0, OneRate(), False
        failure = ""
        while True:
            piece = take.piece
            if not failure:
                try:
                    await self._piece(take)
                    if self._silent:
                        return
                    if not self._sounds:
                        failure = NOTHING_TO_SAY if piece.closes else ""
                    elif not piece.closes:
                        self._outlet.flush()
                    else:
                        pause_s = 0.0 if self._composer.done and not self._ordered else piece.pause_s
                        await self._outlet.end(pause_s)
                        self._floor.sounds(self._turn_id, pause_s)
                except VoiceError as error:
                    failure = error.message
            else:
                take.cancel()  # the passage is lost: what was ordered of it is for nothing
            self._ordered_s = max(0.0, self._ordered_s - self._length_s(take))
            self._news.tell()
            if piece.closes or (following := await self._next()) is None:
                break
            take = following
        if failure:
            if self._sounds:
                self._outlet.fail()
            self._drop(first.seq, first.through_seq, failure)
        if first.ends_sentence:  # nobody speaks between a sentence's first clause and its rest
            self._floor.give_way(self._turn_id)

    async def _piece(self, take: Take) -> None:
        """Send the sound of a piece."""
        begun_ms = round(1000 * self._said_s)
        self._speaking = take
        await take.sounding()
        async for piece_chunk in take:
            chunk = self._rate.passed(later(piece_chunk, begun_ms))
            if not self._sounds:
                if not self._heard_first:
                    await self._hold(take.piece)
                await self._floor.take(self._turn_id)
                self._news.tell()
                if self._silent:
                    return
                self._outlet.begin(take.piece, chunk)
                self._sounds = True
                if not self._heard_first:
                    self._heard_first = True
                    self._began()
            if chunk.timings:
                self._ears.speech_words(self._saying, [word.end_ms for word in chunk.timings])
            self._outlet.feed(chunk)
            seconds = len(chunk.pcm) / 2 / chunk.sample_rate
            self._said_s += seconds
            self._floor.sounds(self._turn_id, seconds)

    async def _hold(self, piece: Piece) -> None:
        """Keep the first sound back where it would run dry before the next can follow."""
        pace = self._pace
        following = len(self._ordered[0].piece.text) if self._ordered else 0
        written = following or len(piece.rest) or self._composer.waiting
        unwritten_s = 0.0
        if not written:
            if self._composer.done:
                return
            unwritten_s = _USUAL_SENTENCE / self._written_per_s if self._written_per_s else 0.0
        inside = bool(piece.rest) or not piece.ends_sentence
        sound_s = pace.speech_s(len(piece.text))
        hold_s = pace.hold_s(
            sound_s, unwritten_s, following or piece_of(written or _USUAL_SENTENCE), inside=inside
        )
        if hold_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._following(), min(hold_s, _LONGEST_HOLD_S))

    async def _following(self) -> None:
        """Return once the piece after the first can be heard, or there is none."""
        while not self._ordered and not self._all_ordered:
            await self._news.wait()
        if self._ordered:
            await self._ordered[0].sounding()

    def _drop(self, seq: int, through_seq: int, reason: str) -> None:
        for each in range(seq, through_seq + 1):
            self._ears.speech_dropped(each)
            self._dropped(each, reason)
