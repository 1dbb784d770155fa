"""What makes the voice faster while it already speaks: the fp32 graph, and the number of threads that fits.

In the background: the derived fp32 graph is made if it is not there (by a process of the lowest priority);
then, once for a machine, both graphs are timed with 1, 2 and more threads, and the choice is kept in
`speeds.json` beside the derived graphs. Fewer threads win where they are nearly as fast, because a game wants
the others; fp32, which sounds a little better, wins a draw. What is chosen is offered, and speaks from the next
utterance on. On a machine that is more than a quarter busy, seconds say little: the graph is then chosen by
processor time, with the usual number of threads, and measured again at a start when there is rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rfsn_bridge.errors import VoiceError
from rfsn_bridge.kokoro import VERSION, derived
from rfsn_bridge.kokoro.session import Runs, Session, default_threads

Quality = Literal["auto", "int8", "fp32"]

MAKING_MB = 2000
LOADING_MB = 1200
"""Free memory that must be there to derive the fp32 graph, and to load it."""
NEARLY = 1.07
"""int8 must be that much faster, and more threads too, to be chosen."""
ROUNDS = 2
PAUSE_S = 0.2
LOOK_S = 1.0
REST = 25.0
STOP_S = 2.0
SPEEDS = "speeds.json"
KEPT = 8
BUSY = "|busy"


@dataclass(frozen=True, slots=True)
class Choice:
    quality: str
    threads: int


def candidates(cores: int) -> Sequence[int]:
    """Numbers of threads worth timing."""
    return sorted({n for n in (1, 2, cores // 2, min(cores, 4)) if 1 <= n <= min(cores, 8)})


def best(times: Mapping[Choice, float]) -> Choice:
    """Of seconds for the same speech. Raise ValueError if there is nothing to choose from."""

    def cost(choice: Choice) -> float:
        return times[choice] * (NEARLY if choice.quality == "int8" else 1.0)

    fastest = min(map(cost, times))
    enough = [choice for choice in times if cost(choice) <= fastest * NEARLY]
    return min(enough, key=lambda choice: (choice.threads, cost(choice)))


def signature(quality: Quality, threads: int) -> str:
    """What a choice depends on: the options, the runtime and the machine."""
    import onnxruntime

    machine = (platform.machine(), platform.processor(), str(os.cpu_count()))
    return "|".join((str(VERSION), quality, str(threads), onnxruntime.__version__, *machine))


def remembered(folder: Path, key: str) -> Choice | None:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads((folder / SPEEDS).read_text(encoding="utf-8"))[key]
        choice = Choice(str(known["quality"]), int(known["threads"]))
        if choice.quality in ("int8", "fp32") and 1 <= choice.threads <= 64:
            return choice
    return None


def remember(folder: Path, key: str, choice: Choice) -> None:
    """Whole or not at all; that it cannot be written costs a measurement at the next start."""
    known: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        known = dict(list(json.loads((folder / SPEEDS).read_text(encoding="utf-8")).items())[-KEPT:])
    known[key] = {"quality": choice.quality, "threads": choice.threads}
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=SPEEDS, suffix=".part", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file)
        try:
            os.replace(name, folder / SPEEDS)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)


def free_mb() -> float:
    import psutil

    return float(psutil.virtual_memory().available) / 2**20


def busy_share() -> float:
    """Per cent of all cores that other work kept busy in a second; asked while nobody speaks."""
    import psutil

    return float(psutil.cpu_percent(LOOK_S))


def first_choice(model: Path, folder: Path, quality: Quality, threads: int) -> tuple[Path, str, int]:
    """What to speak with at once: what was chosen before if it is there and fits, else int8."""
    key = signature(quality, threads)
    known = remembered(folder, key) or remembered(folder, f"{key}{BUSY}")
    number = threads or (known.threads if known else default_threads())
    if quality == "fp32" or (quality == "auto" and known is not None and known.quality == "fp32"):
        made = derived.find(model, "fp32", folder) if free_mb() >= LOADING_MB else None
        if made is not None:
            return made, "fp32", number
    try:
        return derived.find_or_make(model, "int8", folder), "int8", number
    except VoiceError as error:
        print(f"{error}: no word timings", file=sys.stderr)
        return model, "int8", number


class Improver:
    """Looks for a better session for `runs`, in a thread that `stop` ends soon. `say` speaks a test sentence."""

    def __init__(
        self,
        runs: Runs,
        model: Path,
        folder: Path,
        quality: Quality,
        threads: int,
        say: Callable[[Session, Any], object],
    ) -> None:
        import onnxruntime

        self._runs = runs
        self._paths: dict[str, Path] = {}
        self._model = model
        self._folder = folder
        self._quality: Quality = quality
        self._threads = threads
        self._say = say
        self._stopped = threading.Event()
        self._options = onnxruntime.RunOptions()
        self.done = threading.Event()
        """Set when there is nothing more to expect."""
        threading.Thread(target=self._live, name="improving the voice", daemon=True).start()

    def stop(self) -> None:
        """Returns when it has stopped, which is soon."""
        self._stopped.set()
        self._options.terminate = True
        self.done.wait(STOP_S)

    def _live(self) -> None:
        try:
            self._improve()
        except VoiceError:
            traceback.print_exc()  # It speaks as it is; the end of standard error goes to the daemon's log.
        except Exception:
            # The runtime's own errors (no memory, a stop) have no common name: the voice goes on as it is.
            if not self._stopped.is_set():
                traceback.print_exc()
        finally:
            self.done.set()

    def _improve(self) -> None:
        if (made := derived.find(self._model, "int8", self._folder)) is not None:
            self._paths["int8"] = made
        if self._quality != "int8" and free_mb() >= (LOADING_MB if self._is_made() else MAKING_MB):
            self._paths["fp32"] = derived.find_or_make(self._model, "fp32", self._folder, self._stopped)
        key = signature(self._quality if "fp32" in self._paths else "int8", self._threads)
        choice = remembered(self._folder, key)
        if choice is None or choice.quality not in self._paths:
            choice = self._measured(key)
        if choice is None:
            return
        now = self._runs.session
        if (choice.quality, choice.threads) != (now.quality, now.threads) and not self._stopped.is_set():
            better = Session(self._paths[choice.quality], choice.quality, choice.threads)
            self._say(better, self._options)
            self._runs.offer(better)

    def _measured(self, key: str) -> Choice | None:
        while self._runs.speaking and not self._stopped.wait(PAUSE_S):
            pass
        busy = busy_share() > REST
        key = f"{key}{BUSY}" if busy else key
        choice = remembered(self._folder, key) if busy else None
        if choice is None or choice.quality not in self._paths:
            usual = self._threads or (default_threads() if busy else 0)
            threads = [usual] if usual else candidates(os.cpu_count() or 2)
            times = self._times(threads, time.process_time if busy else time.perf_counter)
            if self._stopped.is_set() or not times:
                return None
            choice = best(times)
            remember(self._folder, key, choice)
        return choice

    def _is_made(self) -> bool:
        return derived.find(self._model, "fp32", self._folder) is not None

    def _times(self, threads: Sequence[int], clock: Callable[[], float]) -> Mapping[Choice, float]:
        """One session at a time, so that memory holds two at most."""
        qualities = ["fp32"] if self._quality == "fp32" and "fp32" in self._paths else list(self._paths)
        times: dict[Choice, float] = {}
        for quality in qualities:
            for number in threads:
                if self._stopped.is_set():
                    return times
                session = Session(self._paths[quality], quality, number)
                times[Choice(quality, number)] = min(self._time(session, clock) for _ in range(ROUNDS))
        return times

    def _time(self, session: Session, clock: Callable[[], float]) -> float:
        """A run while nobody speaks, if there is such a time soon."""
        taken = 0.0
        for _ in range(10):
            while self._runs.speaking and not self._stopped.wait(PAUSE_S):
                pass
            begun = self._runs.begun
            start = clock()
            self._say(session, self._options)
            taken = clock() - start
            if begun == self._runs.begun:
                break
        return taken
