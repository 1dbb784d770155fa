"""A plugin file of scripted engines: what the first word of a text orders, happens in the voice process."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rfsn_bridge import (
    AudioChunk,
    ModelMissing,
    RegisterEngine,
    SpeechRequest,
    VoiceUnavailable,
    WordTiming,
    hookimpl,
)

VOICES = ("alto", "bass")
RATE = 8000
CHUNK = RATE // 10


@hookimpl
def register_tts_engines(register: RegisterEngine) -> None:
    register("scripted", f"{__name__}:ScriptedEngine")


def tone(value: int) -> AudioChunk:
    """A tenth of a second in which every sample is `value`."""
    return AudioChunk(value.to_bytes(2, "little") * CHUNK, RATE)


class ScriptedEngine:
    """Says one chunk a word; its samples are 1 (alto) or 2 (bass). Some first words are orders."""

    def open(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._cancelled = threading.Event()

    def voices(self) -> Sequence[str]:
        return VOICES

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        self._cancelled.clear()
        order = request.text.partition(" ")[0]
        if order == "crash":
            signal.raise_signal(signal.SIGSEGV)  # In this thread, as a real one is.
        elif order == "exit":
            sys.exit("a plugin must not, but may")
        elif order == "vanish":
            os._exit(7)
        elif order == "hang":
            threading.Event().wait()
        elif order == "seize":  # Hang and keep the GIL, as native code can.
            yield tone(0)
            ctypes.PyDLL(None).pause()
        elif order == "leak":
            self._leaked = os.urandom(1 << 20) * int(request.text.split()[1])
            if request.text.split()[-1] == "on":
                threading.Event().wait()
        elif order == "gone":
            if request.text.split()[-1] == "half-way":
                yield tone(1)
            raise VoiceUnavailable("the engine is gone", "bring it back")
        elif order == "raise":
            raise RuntimeError(f"cannot say {request.text}")
        elif order == "print":
            print("a stray line")
            os.write(1, b"and one from native code\n")
            subprocess.run(["echo", "and one from a child"], check=True)
            if sys.stdin.read():
                raise RuntimeError("frames were read by the plugin")
        elif order == "half":
            yield AudioChunk(b"\0\0\0", RATE)
        elif order == "huge":
            yield AudioChunk(bytes(20 * 1024 * 1024), RATE)
        elif order == "timed":
            yield AudioChunk(tone(1).pcm, RATE, (WordTiming("timed", 0, 100),))
            return
        elif order == "endless":
            while not self._cancelled.wait(0.005):
                yield tone(3)
            return
        elif order == "deaf":  # Does not hear a cancel.
            yield tone(3)
            threading.Event().wait()
        elif order == "flood":
            for _ in range(100):
                yield tone(3)
        for _ in request.text.split():
            if self._cancelled.is_set():
                return
            yield tone(1 + VOICES.index(request.voice))

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        if farewell := self._options.get("farewell"):
            with open(farewell, "w", encoding="utf-8") as file:
                file.write("closed")


class OtherEngine(ScriptedEngine):
    """Has other voices; knows no orders."""

    def voices(self) -> Sequence[str]:
        return ("cello", "oboe")

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        yield tone(11 + self.voices().index(request.voice))


class PacedEngine(ScriptedEngine):
    """Works as long for a chunk of a tenth of a second as the file `pace` says, in seconds."""

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        for chunk in super().synthesize(request):
            with open(self._options["pace"], encoding="utf-8") as file:
                time.sleep(float(file.read()))
            yield chunk


class ListEngine(ScriptedEngine):
    """Gives all its chunks at once, as an iterator without `close`."""

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        return iter([tone(1) for _ in request.text.split()])


class ModelMissingEngine(ScriptedEngine):
    """Its model is there once somebody has pulled it."""

    def open(self, options: Mapping[str, Any]) -> None:
        super().open(options)
        if not os.path.exists(options["model"]):
            raise ModelMissing(f"{options['model']} is missing", "run: rfsn-bridge models pull scripted")


class CrashAtOpenEngine(ScriptedEngine):
    def open(self, options: Mapping[str, Any]) -> None:
        signal.raise_signal(signal.SIGSEGV)  # In this thread, as a real one is.


class ExitAtOpenEngine(ScriptedEngine):
    def open(self, options: Mapping[str, Any]) -> None:
        sys.exit(3)


class HangAtOpenEngine(ScriptedEngine):
    def open(self, options: Mapping[str, Any]) -> None:
        threading.Event().wait()


class ModulesEngine(ScriptedEngine):
    """Its voices are the modules that the voice process has loaded."""

    def voices(self) -> Sequence[str]:
        return sorted(sys.modules)
