"""What the daemon says to the voice process and to the player, and they to it, as frames over a pair of pipes.

    u32 length of the rest | u8 kind | u32 length of the header | header (JSON, ASCII) | body (raw PCM)

All integers are little-endian. The daemon opens the engine once, then has one job at a time under way:

    OPEN {source, path, sha256, engine, options}  ->  OPENED {voices, blends, respell}
                                                      | FAILED {message, hint}, and it ends
    SPEAK {job, text, voice, speed, lang, phonemes} -> AUDIO {job, sample_rate, timings, phonemes} ...
                                                      FINISHED {job, busy_s}
                                                      FAILED {job, message, hint, unavailable}
    CANCEL {job}                                  ->  the job ends soon, FINISHED or FAILED

The player sounds what was spoken; an utterance is `turn` and `seq`, and its times are in milliseconds of itself:

    OPEN {device, volume, mute, duck, attenuation}, WAKE {}, PAUSE {paused}
    LEVELS {volume?, mute?, duck?, attenuation?, focus?}, PLACES {listener?, npcs}
    BEGIN {turn, seq, npc, sample_rate, pause_ms}, AUDIO {turn, seq, words}, END {turn, seq}
    STOP {turn, seq?, within_ms}
    -> DEVICE {state, name, latency_ms, message, hint}, STARTED {turn, seq}, UNDERRUN {turn, seq, missing_ms},
       HEARD {turn, seq, heard_ms} now and then, ENDED {turn, seq, heard_ms} or ABORTED {turn, seq, heard_ms},
       LATE {times} where the device was not fed in time

The end of the daemon's stream ends the process; the end of the process's stream is its death.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from rfsn_bridge.errors import VoiceError

MAX_FRAME = 16 * 1024 * 1024
_READ = 256 * 1024
_LENGTH = struct.Struct("<I")
_START = struct.Struct("<BI")


class Kind(IntEnum):
    OPEN = 1
    SPEAK = 2
    CANCEL = 3
    WAKE = 4
    LEVELS = 5
    PLACES = 6
    PAUSE = 7
    BEGIN = 8
    END = 9
    STOP = 10
    OPENED = 16
    AUDIO = 17
    FINISHED = 18
    FAILED = 19
    DEVICE = 20
    STARTED = 21
    HEARD = 22
    UNDERRUN = 23
    ENDED = 24
    ABORTED = 25
    LATE = 26


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    header: Mapping[str, Any]
    body: bytes = b""


def encode(frame: Frame) -> bytes:
    """Raise VoiceError for a frame beyond MAX_FRAME: nothing of it has been sent then."""
    header = json.dumps(frame.header, separators=(",", ":")).encode("ascii")
    length = _START.size + len(header) + len(frame.body)
    if length > MAX_FRAME:
        raise VoiceError(f"a {frame.kind.name} frame of {length} bytes is over the limit of {MAX_FRAME}")
    return b"".join((_LENGTH.pack(length), _START.pack(frame.kind, len(header)), header, frame.body))


class Decoder:
    """Cuts a stream of bytes into frames, however the bytes are chunked."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raise VoiceError on nonsense, after which the stream is lost."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if not _START.size <= length <= MAX_FRAME:
                raise VoiceError(f"the stream holds a frame of {length} bytes, which cannot be")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(memoryview(self._buffer)[_LENGTH.size : end])
            del self._buffer[:end]
            yield _decode(payload)


def _decode(payload: bytes) -> Frame:
    kind, header_length = _START.unpack_from(payload)
    body_at = _START.size + header_length
    try:
        if body_at > len(payload):
            raise ValueError("the header is longer than its frame")
        header = json.loads(payload[_START.size : body_at])
        if not isinstance(header, dict):
            raise ValueError("the header is not an object")
        return Frame(Kind(kind), header, payload[body_at:])
    except (ValueError, RecursionError) as error:
        raise VoiceError(f"the stream makes no sense: {error}") from error


def read(descriptor: int) -> Iterator[Frame]:
    """The frames of a pipe until its end; blocks. Raise VoiceError on nonsense."""
    decoder = Decoder()
    while data := os.read(descriptor, _READ):
        yield from decoder.feed(data)


def write(descriptor: int, frame: Frame) -> None:
    """Write the whole frame, blocking. Raise OSError once nobody reads."""
    left = memoryview(encode(frame))
    while left:
        left = left[os.write(descriptor, left) :]
