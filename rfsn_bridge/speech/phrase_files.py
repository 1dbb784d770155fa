"""Spoken phrases as files: each whole and checked, named by its key, the oldest use known by the file's time.

A file is `MAGIC`, the SHA-256 of the key and all that follows, the header's length (4 bytes, little-endian), the
header (JSON: sample_rate, timings, phonemes) and the PCM. Everything here blocks.
"""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rfsn_bridge.domain import AudioChunk, WordTiming

MAGIC = b"RFSNPHRASE1\n"
_SUFFIX = ".phrase"
_PARTIAL = ".part"
_NAME = re.compile(rf"([0-9a-f]{{64}}){re.escape(_SUFFIX)}")
_CHECK = hashlib.sha256().digest_size
_HEAD = len(MAGIC) + _CHECK + 4
_numbers = itertools.count()


def folder_in(data: Path) -> Path:
    """Where the phrases lie in the player's data folder."""
    return data / "cache" / "speech"


class PhraseFiles:
    """The files of one folder, which is made when the first is written. What others delete is just not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def listing(self) -> list[tuple[str, int]]:
        """Keys and sizes in bytes, the longest unused first."""
        found = []
        for name in self._names():
            if match := _NAME.fullmatch(name):
                with suppress(FileNotFoundError):
                    about = (self.folder / name).stat()
                    found.append((about.st_mtime_ns, match[1], about.st_size))
        return [(key, size) for _, key, size in sorted(found)]

    def read(self, key: str) -> AudioChunk | None:
        """A phrase, which is marked as used now; None if it is not there. Raises ValueError if it is broken."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        with suppress(OSError):  # a folder that can only be read serves as well
            os.utime(path)
        return decode(key, content)

    def write(self, key: str, audio: AudioChunk) -> int:
        """Keep a phrase; its size in bytes. Raises OSError, and then has changed nothing."""
        content = encode(key, audio)
        partial = self.folder / f"{key}.{os.getpid()}-{next(_numbers)}{_PARTIAL}"
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            os.replace(partial, self._path(key))
        except OSError:
            _delete(partial)
            raise
        return len(content)

    def sweep(self) -> None:
        """Delete what a process that ended in the midst of writing has left."""
        for name in self._names():
            if name.endswith(_PARTIAL):
                _delete(self.folder / name)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            _delete(self._path(key))

    def _names(self) -> list[str]:
        return os.listdir(self.folder) if self.folder.is_dir() else []

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"


def encode(key: str, audio: AudioChunk) -> bytes:
    header = json.dumps(
        {
            "sample_rate": audio.sample_rate,
            "timings": [(each.text, each.start_ms, each.end_ms) for each in audio.timings],
            "phonemes": [(each.text, each.start_ms, each.end_ms) for each in audio.phonemes],
        },
        ensure_ascii=False,
    ).encode("utf-8", "replace")
    body = len(header).to_bytes(4, "little") + header + audio.pcm
    return MAGIC + _sum(key, body) + body


def decode(key: str, content: bytes) -> AudioChunk:
    """What `encode` made; raises ValueError for anything else."""
    if len(content) < _HEAD or not content.startswith(MAGIC):
        raise ValueError("not a phrase")
    body = content[len(MAGIC) + _CHECK :]
    if content[len(MAGIC) : len(MAGIC) + _CHECK] != _sum(key, body):
        raise ValueError("broken, or another phrase")
    length = int.from_bytes(body[:4], "little")
    try:
        header = json.loads(body[4 : 4 + length])
        timings = tuple(WordTiming(*each) for each in header["timings"])
        phonemes = tuple(WordTiming(*each) for each in header["phonemes"])
        return AudioChunk(body[4 + length :], header["sample_rate"], timings, phonemes)
    except (KeyError, TypeError) as error:
        raise ValueError("written by another program") from error


def _sum(key: str, body: bytes) -> bytes:
    checked = hashlib.sha256(key.encode())
    checked.update(body)
    return checked.digest()


def _delete(path: Path) -> None:
    with suppress(OSError):  # gone already, or held open by another process (Windows): the next listing finds it
        path.unlink()
