"""What makes the voice faster while it already speaks: the fp32 graph, and the number of threads that fits.

In the background: the derived fp32 graph is made if it is not there (by a process of the lowest priority);
then, once for a machine, both graphs are timed with 1, 2 and more threads, and the choice is kept in
`speeds.json` beside the derived graphs. Fewer threads win where they are nearly as fast, because a game wants
the others; fp32, which sounds a little better, wins a draw. What is chosen is offered, and speaks from the next
utterance on. On a machine that is more than half busy, times say nothing: fp32 then speaks with the usual
number of threads, and it is measured at another start.
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
from dataclasses import dataclass, replace
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
ROUNDS = 3
PAUSE_S = 0.2
LOOK_S = 1.0
HALF = 50.0
STOP_S = 2.0
SPEEDS = "speeds.json"


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


def signature(quality: Quality) -> str:
    import onnxruntime

    return "|".join(
        (
            str(VERSION),
            quality,
            onnxruntime.__version__,
            platform.machine(),
            platform.processor(),
            str(os.cpu_count()),
        )
    )


def remembered(folder: Path, key: str) -> Choice | None:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads((folder / SPEEDS).read_text(encoding="utf-8"))[key]
        choice = Choice(str(known["quality"]), int(known["threads"]))
        if choice.quality in ("int8", "fp32") and 1 <= choice.threads <= 64:
            return choice
    return None


def remember(folder: Path, key: str, choice: Choice) -> None:
    """Whole or not at all; that it cannot be written costs a measurement at the next start."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=SPEEDS, suffix=".part", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({key: {"quality": choice.quality, "threads": choice.threads}}, file)
        try:
            os.replace(name, folder / SPEEDS)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)


def free_mb() -> float:
    import psutil

    return float(psutil.virtual_memory().available) / 2**20


def busy_share() -> float:
    """Per cent of all cores that were busy in the last second, this process aside or not: it waits meanwhile."""
    import psutil

    return float(psutil.cpu_percent(LOOK_S))


def first_choice(model: Path, folder: Path, quality: Quality, threads: int) -> tuple[Path, str, int]:
    """What to speak with at once: what was chosen before if it is there and fits, else int8."""
    known = remembered(folder, signature(quality))
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
        key = signature(self._quality if "fp32" in self._paths else "int8")
        choice = remembered(self._folder, key)
        if choice is not None and self._threads:
            choice = replace(choice, threads=self._threads)
        if choice is None or choice.quality not in self._paths:
            if not self._paths:
                return
            choice = self._measured(key) or Choice(
                "fp32" if "fp32" in self._paths else "int8", self._threads or default_threads()
            )
        now = self._runs.session
        if (choice.quality, choice.threads) != (now.quality, now.threads) and not self._stopped.is_set():
            better = Session(self._paths[choice.quality], choice.quality, choice.threads)
            self._say(better, self._options)
            self._runs.offer(better)

    def _measured(self, key: str) -> Choice | None:
        if busy_share() > HALF:
            return None
        times = self._times()
        if self._stopped.is_set():
            return None
        remember(self._folder, key, choice := best(times))
        return choice

    def _is_made(self) -> bool:
        return derived.find(self._model, "fp32", self._folder) is not None

    def _times(self) -> Mapping[Choice, float]:
        """One session at a time, so that memory holds two at most."""
        threads = [self._threads] if self._threads else candidates(os.cpu_count() or 2)
        qualities = ["fp32"] if self._quality == "fp32" and "fp32" in self._paths else list(self._paths)
        times: dict[Choice, float] = {}
        for quality in qualities:
            for number in threads:
                if self._stopped.is_set():
                    return times
                session = Session(self._paths[quality], quality, number)
                self._say(session, self._options)
                times[Choice(quality, number)] = min(self._time(session) for _ in range(ROUNDS))
        return times

    def _time(self, session: Session) -> float:
        """A run while nobody speaks, if there is such a time soon."""
        taken = 0.0
        for _ in range(10):
            while self._runs.speaking and not self._stopped.wait(PAUSE_S):
                pass
            begun = self._runs.begun
            start = time.perf_counter()
            self._say(session, self._options)
            taken = time.perf_counter() - start
            if begun == self._runs.begun:
                break
        return taken
