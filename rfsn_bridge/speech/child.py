"""What a process of the daemon's own does on its side: its pipes, its priority, its end."""

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

from rfsn_bridge.speech import wire
from rfsn_bridge.speech.wire import Frame


def leave(code: int) -> None:
    """End now: native threads, and plugins' own, are not waited for."""
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    os._exit(code)


def own_pipes() -> tuple[int, int]:
    """Keep the pipes to the daemon for frames alone: what a library prints goes to standard error instead."""
    given, output = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (given, output):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return given, output


def be_modest() -> None:
    """Give way to the game."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            below_normal = 0x4000
            kernel = ctypes.windll.kernel32
            kernel.SetPriorityClass(ctypes.c_void_p(kernel.GetCurrentProcess()), below_normal)
        else:
            os.nice(5)


def go_with_the_daemon() -> None:
    """Leave Ctrl+C to the daemon, and go when it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # The end of the pipe says the same, but not to a thread that waits for a hung engine to yield the GIL.
        parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def live(run: Callable[[int, Iterator[Frame]], None], manners: Callable[[], None]) -> None:
    """A whole life: `run` is given the pipe to the daemon, and the daemon's frames until its stream ends."""
    given, output = own_pipes()
    faulthandler.enable(sys.stderr)
    go_with_the_daemon()
    manners()
    try:
        run(output, wire.read(given))
    except BaseException:  # whatever it is: it is told, and ends this process as a crash would
        traceback.print_exc()
        leave(1)
    leave(0)
