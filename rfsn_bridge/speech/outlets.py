"""Where the sound of a turn goes: to the client as frames, to a folder as files, to this machine's loudspeakers.

An outlet is told of one passage after another: `begin`, `feed` for each chunk of its sound, then `end` or `fail`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from rfsn_bridge.domain import AudioChunk
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Audio, AudioEnd, Numbered
from rfsn_bridge.speech.compose import Piece
from rfsn_bridge.speech.pacing import CHARACTERS_PER_S
from rfsn_bridge.speech.playback import Playback, Sounded
from rfsn_bridge.speech.visemes import Visemes, visemes, visemes_of
from rfsn_bridge.speech.wave_files import WaveFiles


class Sink(Protocol):
    """Where messages and frames go; never blocks."""

    def send(self, message: Numbered) -> None: ...
    def begin_audio(self, audio: Audio, turn_number: int) -> None: ...
    def send_frame(self, turn_id: str, frame: AudioFrame) -> None: ...


class Ears(Protocol):
    """Keeps account of what is heard."""

    def speech_sent(self, seq: int, through_seq: int, now: float) -> None: ...
    def speech_words(self, seq: int, ends_ms: Sequence[int]) -> None: ...
    def speech_complete(self, seq: int, duration_ms: int) -> None: ...
    def speech_dropped(self, seq: int) -> None: ...


class Outlet(Protocol):
    """`whole`: a passage must be said in one piece."""

    whole: bool

    def begin(self, piece: Piece, chunk: AudioChunk) -> None:
        """A passage begins with this chunk, which is fed next."""
        ...

    def feed(self, chunk: AudioChunk) -> None: ...

    def flush(self) -> None:
        """A piece is complete, and its passage goes on: keep nothing back."""
        ...

    async def end(self, pause_s: float) -> None:
        """The passage is complete; so much silence follows. May raise VoiceError."""
        ...

    def fail(self) -> None:
        """Nothing more of the passage comes."""
        ...


def mouth(piece: Piece, chunk: AudioChunk) -> Visemes:
    """How the lips move in a passage that begins with this piece: known of the piece, guessed of the rest."""
    if chunk.phonemes:
        known_ms = chunk.phonemes[-1].end_ms
        timeline = visemes_of(chunk.phonemes, known_ms)
    else:
        known_ms = round(1000 * len(piece.text) / CHARACTERS_PER_S)
        timeline = visemes(piece.text, known_ms)
    rest = visemes(piece.rest, round(1000 * len(piece.rest) / CHARACTERS_PER_S)) if piece.rest else []
    return timeline + [(known_ms + at, shape, weight) for at, shape, weight in rest]


class Frames:
    """Frames of PCM over the connection. Each chunk waits for the next, so that the last can say that it is."""

    whole = False

    def __init__(
        self, turn_id: str, number: int, sink: Sink, ears: Ears, playing: Callable[[], float], *, lips: bool
    ) -> None:
        self._turn_id = turn_id
        self._number = number
        self._sink = sink
        self._ears = ears
        self._playing = playing
        self._lips = lips
        self._seq = self._chunks = self._samples = 0
        self._rate = 1
        self._held = b""

    def begin(self, piece: Piece, chunk: AudioChunk) -> None:
        self._seq, self._rate = piece.seq, chunk.sample_rate
        self._chunks = self._samples = 0
        self._held = b""
        self._ears.speech_sent(piece.seq, piece.through_seq, self._playing())
        audio = Audio(
            turn_id=self._turn_id,
            seq=piece.seq,
            through_seq=piece.through_seq,
            sample_rate=chunk.sample_rate,
            visemes=mouth(piece, chunk) if self._lips else None,
        )
        self._sink.begin_audio(audio, self._number)

    def feed(self, chunk: AudioChunk) -> None:
        self.flush()
        self._held = chunk.pcm
        self._samples += len(chunk.pcm) // 2

    def flush(self) -> None:
        if self._held:
            self._send(self._held)
            self._held = b""

    async def end(self, pause_s: float) -> None:
        pause = int(pause_s * self._rate)
        self._send(self._held + bytes(2 * pause), last=True)
        self._ears.speech_complete(self._seq, round(1000 * self._samples / self._rate))
        duration_ms = round(1000 * (self._samples + pause) / self._rate)
        end = AudioEnd(turn_id=self._turn_id, seq=self._seq, duration_ms=duration_ms, chunks=self._chunks)
        self._sink.send(end)

    def fail(self) -> None:
        self._send(b"", last=True, aborted=True)

    def _send(self, pcm: bytes, *, last: bool = False, aborted: bool = False) -> None:
        frame = AudioFrame(self._number, self._seq, self._chunks, pcm, last, aborted)
        self._sink.send_frame(self._turn_id, frame)
        self._chunks += 1


class Files:
    """A WAV file for each passage, with the movements of the lips beside it; told of when it can be played."""

    whole = True

    def __init__(
        self,
        turn_id: str,
        files: WaveFiles,
        voice_type: str | None,
        sink: Sink,
        ears: Ears,
        playing: Callable[[], float],
    ) -> None:
        self._turn_id = turn_id
        self._files = files
        self._voice_type = voice_type
        self._sink = sink
        self._ears = ears
        self._playing = playing
        self._piece: Piece
        self._chunks: list[AudioChunk] = []

    def begin(self, piece: Piece, chunk: AudioChunk) -> None:
        self._piece, self._chunks = piece, []

    def feed(self, chunk: AudioChunk) -> None:
        self._chunks.append(chunk)

    def flush(self) -> None:
        """Nothing: a file is whole."""

    async def end(self, pause_s: float) -> None:
        piece, chunks = self._piece, self._chunks
        rate = chunks[0].sample_rate
        pcm = [chunk.pcm for chunk in chunks]
        duration_ms = round(1000 * sum(map(len, pcm)) / 2 / rate)
        phonemes = tuple(sound for chunk in chunks for sound in chunk.phonemes)
        lips = visemes_of(phonemes, duration_ms) if phonemes else visemes(piece.text, duration_ms)
        path = await asyncio.to_thread(self._files.write, pcm, rate, self._voice_type, lips)
        self._ears.speech_sent(piece.seq, piece.through_seq, self._playing())
        self._ears.speech_complete(piece.seq, duration_ms)
        self._sink.send(
            Audio(
                turn_id=self._turn_id,
                seq=piece.seq,
                through_seq=piece.through_seq,
                sample_rate=rate,
                duration_ms=duration_ms,
                path=path,
                visemes=lips,
            )
        )

    def fail(self) -> None:
        self._chunks = []


class Loudspeaker:
    """This machine's loudspeakers. `tell` is called with what became of each passage."""

    whole = False

    def __init__(
        self,
        turn_id: str,
        npc_id: str,
        playback: Playback,
        tell: Callable[[Sounded], None],
        sink: Sink,
        ears: Ears,
        playing: Callable[[], float],
    ) -> None:
        self._turn_id = turn_id
        self._npc_id = npc_id
        self._playback = playback
        self._tell = tell
        self._sink = sink
        self._ears = ears
        self._playing = playing
        self._seq = self._samples = 0
        self._rate = 1

    def begin(self, piece: Piece, chunk: AudioChunk) -> None:
        self._seq, self._rate, self._samples = piece.seq, chunk.sample_rate, 0
        self._playback.begin(self._turn_id, piece.seq, self._npc_id, chunk.sample_rate, self._tell)
        self._ears.speech_sent(piece.seq, piece.through_seq, self._playing())
        self._sink.send(
            Audio(
                turn_id=self._turn_id,
                seq=piece.seq,
                through_seq=piece.through_seq,
                sample_rate=chunk.sample_rate,
                visemes=mouth(piece, chunk),
            )
        )

    def feed(self, chunk: AudioChunk) -> None:
        self._samples += len(chunk.pcm) // 2
        words = [word.end_ms for word in chunk.timings]
        self._playback.feed(self._turn_id, self._seq, chunk.pcm, words)

    def flush(self) -> None:
        """Nothing: the player plays what it has."""

    async def end(self, pause_s: float) -> None:
        pause = int(pause_s * self._rate)
        self._playback.feed(self._turn_id, self._seq, bytes(2 * pause))
        self._playback.end(self._turn_id, self._seq)
        self._ears.speech_complete(self._seq, round(1000 * self._samples / self._rate))

    def fail(self) -> None:
        self._playback.stop(self._turn_id, self._seq)
