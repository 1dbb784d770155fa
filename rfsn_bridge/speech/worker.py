"""The voice process: one engine, one utterance at a time (`python -m rfsn_bridge.speech.worker`).

The main thread only reads frames, so that a cancel and the daemon's end are noticed whatever the engine does;
the engine lives in a thread of its own. A crash, a hang or a leak costs this process, never the daemon.
"""

import contextlib
import importlib
import queue
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from rfsn_bridge import plugin_file
from rfsn_bridge.domain import AudioChunk, SpeechRequest
from rfsn_bridge.errors import BridgeError, PluginError, VoiceUnavailable
from rfsn_bridge.interfaces import TTSEngine
from rfsn_bridge.speech import wire
from rfsn_bridge.speech.child import be_modest, leave, live
from rfsn_bridge.speech.wire import Frame, Kind

CANCEL_AGAIN_S = 0.05
CLOSE_S = 1.0


class _Job:
    def __init__(self, header: Mapping[str, Any]) -> None:
        self.number = int(header["job"])
        self.request = SpeechRequest(
            header["text"], header["voice"], header["speed"], header["lang"], header["phonemes"]
        )
        self.cancelled = False
        self.over = threading.Event()


class Worker:
    """`output` is the pipe to the daemon. `run` reads it all until the daemon's stream ends."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._sending = threading.Lock()
        self._engine: TTSEngine
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._jobs: dict[int, _Job] = {}
        self._current: _Job | None = None
        self._state = threading.Lock()  # Held while `_current` changes and while it is being cancelled.

    def run(self, frames: Iterator[Frame]) -> None:
        opening = next(frames, None)
        if opening is None:
            return
        life = threading.Thread(target=self._live, args=(opening.header,), daemon=True)
        life.start()
        for frame in frames:
            if frame.kind is Kind.SPEAK:
                job = self._jobs[int(frame.header["job"])] = _Job(frame.header)
                self._waiting.put(job)
            elif frame.kind is Kind.CANCEL:
                self._cancel(int(frame.header["job"]))
        self._waiting.put(None)
        for number in list(self._jobs):
            self._cancel(number)
        life.join(CLOSE_S)

    def _live(self, opening: Mapping[str, Any]) -> None:
        try:
            self._engine = load_engine(opening["source"], opening["path"], opening["sha256"], opening["engine"])
            self._engine.open(opening["options"])
            voices = [str(voice) for voice in self._engine.voices()]
        except BaseException as error:  # A plugin's import may even raise SystemExit.
            traceback.print_exc()
            self._send(Kind.FAILED, _explained(error, f"the engine {opening['engine']}"))
            leave(1)
        takes = {name: bool(getattr(self._engine, name, False)) for name in ("blends", "respell")}
        self._send(Kind.OPENED, {"voices": voices, **takes})
        while job := self._waiting.get():
            self._speak(job)
        with contextlib.suppress(Exception):
            self._engine.close()

    def _speak(self, job: _Job) -> None:
        with self._state:
            if not job.cancelled:
                self._current = job
        busy_s = 0.0
        failure: dict[str, Any] | None = None
        try:
            if not job.cancelled:
                busy_s = self._synthesize(job)
        except BaseException as error:  # an engine's code, SystemExit among it: it costs this utterance
            if not job.cancelled:
                traceback.print_exc()
                failure = _explained(error)
        with self._state:
            self._current = None
            del self._jobs[job.number]
        job.over.set()
        if failure is not None:
            self._send(Kind.FAILED, {"job": job.number, **failure})
        else:
            self._send(Kind.FINISHED, {"job": job.number, "busy_s": busy_s})

    def _synthesize(self, job: _Job) -> float:
        """Send the job's audio; return the time that the engine took."""
        busy_s = 0.0
        began = time.perf_counter()
        with contextlib.closing(_closable(self._engine.synthesize(job.request))) as chunks:
            for chunk in chunks:
                busy_s += time.perf_counter() - began
                if job.cancelled:
                    break
                self._send_audio(job, chunk)
                began = time.perf_counter()
            else:
                busy_s += time.perf_counter() - began
        return busy_s

    def _cancel(self, number: int) -> None:
        with self._state:
            job = self._jobs.get(number)
            if job is None or job.cancelled:
                return
            job.cancelled = True
            running = job is self._current
        if running:
            threading.Thread(target=self._stop, args=(job,), daemon=True).start()

    def _stop(self, job: _Job) -> None:
        """Ask until it is over: an engine may miss the one request that comes before it has begun."""
        while not job.over.is_set():
            with self._state:
                if self._current is job:
                    try:
                        self._engine.cancel()
                    except Exception:  # an engine's code; it is asked again
                        traceback.print_exc()
            job.over.wait(CANCEL_AGAIN_S)

    def _send_audio(self, job: _Job, chunk: AudioChunk) -> None:
        if len(chunk.pcm) % 2 or chunk.sample_rate <= 0:
            raise PluginError("the engine gave something that is not 16-bit PCM at a positive sample rate")
        header = {
            "job": job.number,
            "sample_rate": chunk.sample_rate,
            "timings": [(timing.text, timing.start_ms, timing.end_ms) for timing in chunk.timings],
            "phonemes": [(timing.text, timing.start_ms, timing.end_ms) for timing in chunk.phonemes],
        }
        self._send(Kind.AUDIO, header, chunk.pcm)

    def _send(self, kind: Kind, header: Mapping[str, Any], body: bytes = b"") -> None:
        frame = Frame(kind, header, body)
        try:
            with self._sending:
                wire.write(self._output, frame)
        except OSError:
            leave(0)  # The daemon is gone.


def load_engine(source: str, path: str, sha256: str, engine: str) -> TTSEngine:
    """The engine "module:Class", built; with `source` "file" the plugin file at `path` is loaded first.

    Raise PluginError if the file is not the one that was approved, or holds no such class.
    """
    name, _, attribute = engine.partition(":")
    own = plugin_file.load(Path(path), sha256 or None) if source == "file" else None
    module = own if own and name in (own.__name__, Path(path).stem) else importlib.import_module(name)
    factory = getattr(module, attribute, None)
    if factory is None:
        raise PluginError(f"{name} has no {attribute}", "the plugin registers an engine that it does not define")
    return cast(TTSEngine, factory())


def _closable(chunks: Iterator[AudioChunk]) -> Any:
    return chunks if hasattr(chunks, "close") else (chunk for chunk in chunks)


def _explained(error: BaseException, opening: str = "") -> dict[str, Any]:
    """What went wrong, for a player's screen: an unforeseen error's own words may quote the dialogue."""
    if isinstance(error, BridgeError):
        unavailable = isinstance(error, VoiceUnavailable)
        return {"message": error.message, "hint": error.hint, "unavailable": unavailable}
    if opening:  # Nothing has been said yet.
        return {"message": f"{opening} cannot be opened: {type(error).__name__}: {error}"[:500], "hint": ""}
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"message": f"the engine raised {type(error).__name__}{place}", "hint": ""}


def main() -> None:
    live(lambda output, frames: Worker(output).run(frames), be_modest)


if __name__ == "__main__":
    main()
