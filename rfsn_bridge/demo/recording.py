"""What was heard of a scene, as WAV files: one a sentence, and one of it all."""

import sys
import wave
from array import array
from pathlib import Path

from rfsn_bridge.errors import BridgeError

SCENE = "scene.wav"
_BETWEEN_SENTENCES_S = 0.25
_BETWEEN_REPLIES_S = 0.9
_SAMPLE_BYTES = 2


class Recording:
    """Mono, signed 16-bit. The files of an earlier scene in the folder are replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sentences = 0
        self._rate = 0
        self._scene = bytearray()
        self._line = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in [folder / SCENE, *folder.glob("line-*-sentence-*.wav")]:
                old.unlink(missing_ok=True)
        except OSError as error:
            message = f"{error.filename or folder} cannot be written ({error.strerror})"
            raise BridgeError(message, "choose another folder with --out") from None

    @property
    def seconds(self) -> float:
        return len(self._scene) / _SAMPLE_BYTES / self._rate if self._rate else 0.0

    def add(self, line: int, sentence: int, pcm: bytes, rate: int) -> None:
        """Write one sentence of the reply to a line (both counted from 1), as far as it was heard."""
        if not pcm or (self._rate and rate != self._rate):
            return
        if self._scene:
            pause_s = _BETWEEN_SENTENCES_S if line == self._line else _BETWEEN_REPLIES_S
            self._scene += bytes(_SAMPLE_BYTES * int(pause_s * rate))
        pcm = _faded(pcm, rate)
        self._line, self._rate = line, rate
        self._scene += pcm
        self.sentences += 1
        self._write(f"line-{line}-sentence-{sentence}.wav", pcm)

    def finish(self) -> Path | None:
        """Write the whole scene; None where nothing was heard."""
        return self._write(SCENE, self._scene) if self._scene else None

    def _write(self, name: str, pcm: bytes | bytearray) -> Path:
        path = self.folder / name
        try:
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(_SAMPLE_BYTES)
                file.setframerate(self._rate)
                file.writeframes(pcm)
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror})"
            raise BridgeError(message, "free the disk, or choose another folder with --out") from None
        return path


def _faded(pcm: bytes, rate: int) -> bytes:
    """Speech that was cut ends within 10 ms instead of in a click."""
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    length = min(len(samples), rate // 100)
    for i in range(1, length + 1):
        samples[-i] = samples[-i] * (i - 1) // length
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
