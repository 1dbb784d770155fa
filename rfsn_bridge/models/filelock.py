"""A lock between processes that the operating system lifts when its holder ends, however it ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import IO

_POLL_S = 0.1

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def take(file: IO[bytes]) -> bool:
    """Take the lock that an open file stands for; False if another has it. Closing the file lifts it."""
    try:
        _take(file.fileno())
    except (BlockingIOError, PermissionError):  # POSIX, Windows
        return False
    return True


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path` (made if need be, never deleted: that would race).

    While another holds it, `waiting` is called some times a second; it may raise to give up.
    """
    with path.open("ab") as file:
        while not take(file):
            waiting()
            Event().wait(_POLL_S)
        # Closing the file lifts the lock.
        yield
