"""Speech as WAV files in a folder that the game reads: whole before it is told of, and never more than so many."""

import itertools
import json
import os
import re
import wave
from collections.abc import Sequence
from pathlib import Path

from rfsn_bridge.errors import VoiceError
from rfsn_bridge.speech.visemes import Visemes


class WaveFiles:
    """Writes `<folder>/<voice type>/rfsn_NN.wav`, the names in turn, so that the oldest is written over.

    Beside each lies `rfsn_NN.json`, `{"duration_ms": ..., "visemes": [[t_ms, morph, weight], ...]}`.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._slots = itertools.cycle(range(count))

    def write(self, pcm: Sequence[bytes], sample_rate: int, voice_type: str | None, visemes: Visemes) -> str:
        """Write mono 16-bit PCM; its path below the folder, with `/`. Blocks; raises VoiceError."""
        duration_ms = round(1000 * sum(map(len, pcm)) / 2 / sample_rate)
        name = f"{_folder_name(voice_type)}/rfsn_{next(self._slots):02}.wav"
        path = self._folder / name
        partial = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file, wave.open(file, "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(sample_rate)
                sound.writeframes(b"".join(pcm))
            lips = path.with_suffix(".json")
            lips_partial = path.with_suffix(".json.part")
            lips_partial.write_text(json.dumps({"duration_ms": duration_ms, "visemes": visemes}), encoding="ascii")
            os.replace(lips_partial, lips)
            os.replace(partial, path)
        except OSError as error:
            hint = "check speech.folder in config.yaml"
            raise VoiceError(f"{path} cannot be written: {error.strerror}", hint) from error
        return name


def _folder_name(voice_type: str | None) -> str:
    """A voice type as a folder's name; what a client sends must not lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9_]", "", voice_type or "") or "default"
