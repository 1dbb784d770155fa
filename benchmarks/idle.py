"""What the daemon costs while no game is connected: `rfsn-bridge run`, before any model is loaded."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from report import Found, Size, Skipped, main, median, single

WINDOW_S = 2.0


@contextmanager
def idle_daemon() -> Iterator[psutil.Process]:
    """`python -m rfsn_bridge run`, listening, with a data folder of its own."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "rfsn_bridge", "run", "--port", "0", "--data", data]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            if process.stdout is None or "listening" not in process.stdout.readline():
                raise RuntimeError("the daemon did not start; try: rfsn-bridge run")
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(10)


def processor_s(family: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (each.cpu_times() for each in family))


def measure(seconds: float) -> list[Found]:
    with idle_daemon() as daemon:
        time.sleep(1.0)  # what the start itself costs is not idling
        family = [daemon, *daemon.children(recursive=True)]
        shares, sizes = [], []
        began, spent = time.perf_counter(), processor_s(family)
        for _ in range(max(1, round(seconds / WINDOW_S))):
            at, so_far = time.perf_counter(), processor_s(family)
            time.sleep(WINDOW_S)
            shares.append(100 * (processor_s(family) - so_far) / (time.perf_counter() - at))
            sizes.append(sum(each.memory_info().rss for each in family) / 1e6)
        share = 100 * (processor_s(family) - spent) / (time.perf_counter() - began)
        note = f"over {seconds:g} s; at worst {max(shares):.2g} % in {WINDOW_S:g} s"
        return [
            single("processor", "% of a core", share, ("<", 1), note, samples=len(shares)),
            median("resident memory", "MB", sizes, ("<", 120)),
            *_proportional(family),
            single("threads", "", sum(each.num_threads() for each in family)),
            single("open descriptors", "", sum(map(_descriptors, family))),
            single("processes", "", len(family)),
        ]


def _proportional(family: list[psutil.Process]) -> Iterator[Found]:
    """What would come free if it ended, as Linux can tell."""
    full = [each.memory_full_info() for each in family]
    if hasattr(full[0], "pss"):
        yield single("proportional memory (PSS)", "MB", sum(each.pss for each in full) / 1e6)
    else:
        yield Skipped("proportional memory (PSS)", "only Linux tells it")


def _descriptors(process: psutil.Process) -> int:
    count: int = getattr(process, "num_fds" if hasattr(process, "num_fds") else "num_handles")()
    return count


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure, seconds=Size(20, 6, "how long to watch")))
