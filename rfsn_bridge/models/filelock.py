"""A lock between processes that the operating system lifts when its holder ends, however it ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

_POLL_S = 0.1

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path` (made if need be, never deleted: that would race).

    While another holds it, `waiting` is called some times a second; it may raise to give up.
    """
    with path.open("ab") as file:
        while True:
            try:
                _take(file.fileno())
                break
            except (BlockingIOError, PermissionError):  # POSIX, Windows
                waiting()
                Event().wait(_POLL_S)
        # Closing the file lifts the lock.
        yield
