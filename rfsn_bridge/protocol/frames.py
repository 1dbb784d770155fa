"""Binary audio frames: a 16-byte little-endian header, then PCM (signed 16-bit, mono)."""

import struct
from dataclasses import dataclass

from rfsn_bridge.errors import ProtocolError

_HEADER = struct.Struct("<4sIHHB3x")
_MAGIC = b"RFA1"
_LAST = 1
_ABORTED = 2


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """One chunk of a sentence's speech; `chunk` counts from 0 within the sentence."""

    turn_number: int
    seq: int
    chunk: int
    pcm: bytes
    last: bool = False
    aborted: bool = False

    def encode(self) -> bytes:
        flags = (_LAST if self.last else 0) | (_ABORTED if self.aborted else 0)
        return _HEADER.pack(_MAGIC, self.turn_number, self.seq, self.chunk, flags) + self.pcm

    @classmethod
    def decode(cls, data: bytes) -> "AudioFrame":
        """Raises ProtocolError (`bad_message`) for anything else than a frame."""
        if len(data) < _HEADER.size or data[:4] != _MAGIC:
            raise ProtocolError("bad_message", "a binary message is not an RFA1 audio frame")
        _, turn_number, seq, chunk, flags = _HEADER.unpack_from(data)
        pcm = data[_HEADER.size :]
        return cls(turn_number, seq, chunk, pcm, bool(flags & _LAST), bool(flags & _ABORTED))
