"""The bounded queue before the voice: a few sentences are with it, the rest wait, in order, within their turns."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
WhenFull = Literal["wait", "drop"]

MOST = 50
"""The largest queue."""


class Superseded(Exception):
    """The turn was interrupted while its sentence waited for room; `interrupt` (or `close`) has given it back."""


class QueueClosed(Exception):
    """Nothing is queued or given out any more; what was about to be put is still its owner's."""


@dataclass(slots=True, eq=False)
class _Putter(Generic[T]):
    """Waits for room. `wake` is called under the lock, from any thread."""

    wake: Callable[[], object]
    turn: str
    item: T
    superseded: bool = False


@dataclass(slots=True, eq=False)
class _Getter:
    """Waits for an item."""

    wake: Callable[[], object]


class UtteranceQueue(Generic[T]):
    """Sentences of several turns on their way to the voice; for threads and for tasks of any event loop.

    Every method decides under one lock, the consumer's too. What is put comes out once, in the order in which it
    was put, or is returned by the call that removed it, and counted: by `dropped` (no room) or `superseded` (its
    turn was interrupted, or the queue was closed). A put or get that raises, cancelled or timed out, has changed
    nothing. Who waits is served first come, first served, so a turn that puts one sentence after another lets the
    others in between.

    When it is full, `wait` makes who puts wait for room, and `drop` makes room at once, always by one rule. The
    first of a turn's sentences here continues what is being said, and the last ends it: so the oldest that is
    neither goes. If there are only firsts and lasts, the newest last goes whose turn keeps its first; that may be
    the very one that came. If every turn has but one, the oldest goes: a newer turn is nearer to what the player
    sees.
    """

    def __init__(self, size: int, when_full: WhenFull = "wait") -> None:
        self._size = _checked(size)
        self._when_full = when_full
        self._changed = threading.Condition()  # reentrant: a coroutine that is collected leaves its line anywhere
        self._items: list[tuple[str, T]] = []
        self._putters: deque[_Putter[T]] = deque()  # bounded by who puts: each waits with one sentence
        self._getters: deque[_Getter] = deque()
        self._closed = False
        self.dropped = 0
        """Sentences that went for want of room."""
        self.superseded = 0
        """Sentences that went with their turns."""

    def __len__(self) -> int:
        """Sentences that wait to be taken."""
        return len(self._items)

    @property
    def size(self) -> int:
        return self._size

    @property
    def when_full(self) -> WhenFull:
        return self._when_full

    @property
    def waiting(self) -> int:
        """Sentences that wait for room."""
        return len(self._putters)

    # --- Putting

    def offer(self, item: T, turn: str) -> bool:
        """Put it if there is room and nobody waits for that; never waits, never drops."""
        with self._changed:
            if self._closed:
                raise QueueClosed
            if self._putters or len(self._items) >= self._size:
                return False
            self._add(turn, item)
            return True

    def put(self, item: T, turn: str, timeout: float | None = None) -> Sequence[T]:
        """Put it, from a thread; return what was dropped for it, perhaps itself.

        With `wait`, nothing is; then this blocks until there is room, and may raise TimeoutError or Superseded.
        """
        with self._changed:
            putter = _Putter(self._changed.notify_all, turn, item)
            self._putters.append(putter)
            try:
                if not self._changed.wait_for(lambda: self._may_put(putter), timeout):
                    raise TimeoutError("no room in the queue")
                return self._add(turn, item)
            finally:
                self._leave(self._putters, putter)

    async def aput(self, item: T, turn: str) -> Sequence[T]:
        """`put` for tasks. Cancelled, it has not put the item."""
        news = asyncio.Event()
        putter = _Putter(partial(asyncio.get_running_loop().call_soon_threadsafe, news.set), turn, item)
        with self._changed:
            self._putters.append(putter)
        try:
            while True:
                with self._changed:
                    if self._may_put(putter):
                        return self._add(turn, item)
                await news.wait()
                news.clear()
        finally:
            with self._changed:
                self._leave(self._putters, putter)

    # --- Taking

    def get(self, timeout: float | None = None) -> T:
        """Take the next one, from a thread. Raise QueueClosed, or TimeoutError."""
        with self._changed:
            getter = _Getter(self._changed.notify_all)
            self._getters.append(getter)
            try:
                if not self._changed.wait_for(lambda: self._may_get(getter), timeout):
                    raise TimeoutError("nothing in the queue")
                return self._items.pop(0)[1]
            finally:
                self._leave(self._getters, getter)

    async def aget(self) -> T:
        """`get` for tasks. Cancelled, it has taken nothing: the item is taken in the step that returns it."""
        news = asyncio.Event()
        getter = _Getter(partial(asyncio.get_running_loop().call_soon_threadsafe, news.set))
        with self._changed:
            self._getters.append(getter)
        try:
            while True:
                with self._changed:
                    if self._may_get(getter):
                        return self._items.pop(0)[1]
                await news.wait()
                news.clear()
        finally:
            with self._changed:
                self._leave(self._getters, getter)

    # --- Taking back

    def interrupt(self, turn: str) -> Sequence[T]:
        """Give back, in order, what waits of a turn, here or for room; who put the latter gets Superseded."""
        with self._changed:
            gone = [item for its, item in self._items if its == turn]
            self._items = [(its, item) for its, item in self._items if its != turn]
            return self._supersede(gone, [putter for putter in self._putters if putter.turn == turn])

    def resize(self, size: int) -> Sequence[T]:
        """Change the size; return what is dropped for it. With `wait`, nothing is: what is too much drains."""
        with self._changed:
            self._size = _checked(size)
            dropped = self._trim() if self._when_full == "drop" else ()
            self._wake()
            return dropped

    def close(self) -> Sequence[T]:
        """Give back everything that waits. Who waits to take gets QueueClosed, as does whoever comes later."""
        with self._changed:
            self._closed = True
            gone = [item for _, item in self._items]
            self._items = []
            for getter in self._getters:
                with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                    getter.wake()
            return self._supersede(gone, list(self._putters))

    # --- Under the lock

    def _may_put(self, putter: _Putter[T]) -> bool:
        if putter.superseded:
            raise Superseded
        if self._closed:
            raise QueueClosed
        if self._when_full == "drop":
            return True
        return len(self._items) < self._size and self._putters[0] is putter

    def _may_get(self, getter: _Getter) -> bool:
        if self._closed:
            raise QueueClosed
        return bool(self._items) and self._getters[0] is getter

    def _add(self, turn: str, item: T) -> Sequence[T]:
        self._items.append((turn, item))
        dropped = self._trim() if self._when_full == "drop" else ()
        self._wake()
        return dropped

    def _trim(self) -> Sequence[T]:
        dropped = []
        while len(self._items) > self._size:
            dropped.append(self._items.pop(expendable([turn for turn, _ in self._items]))[1])
        self.dropped += len(dropped)
        return dropped

    def _supersede(self, gone: list[T], putters: Sequence[_Putter[T]]) -> Sequence[T]:
        for putter in putters:
            putter.superseded = True
            self._putters.remove(putter)
            gone.append(putter.item)
            with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                putter.wake()
        self.superseded += len(gone)
        self._wake()
        return gone

    def _leave(self, line: deque[_Putter[T]] | deque[_Getter], waiter: _Putter[T] | _Getter) -> None:
        with suppress(ValueError):  # superseded, or its loop was closed
            line.remove(waiter)  # type: ignore[arg-type]  # its own line
        self._wake()

    def _wake(self) -> None:
        """Tell who is next, on either side, that there is something for them."""
        if self._items:
            _wake_first(self._getters)
        if len(self._items) < self._size:
            _wake_first(self._putters)


def expendable(turns: Sequence[str]) -> int:
    """Which of the sentences of these turns, oldest first, goes when one must; see UtteranceQueue for the rule."""
    first = {turn: place for place, turn in reversed(tuple(enumerate(turns)))}
    last = {turn: place for place, turn in enumerate(turns)}
    for place, turn in enumerate(turns):
        if first[turn] < place < last[turn]:
            return place
    return max((place for turn, place in last.items() if first[turn] < place), default=0)


def _wake_first(line: deque[_Putter[T]] | deque[_Getter]) -> None:
    while line:
        try:
            line[0].wake()
            return
        except RuntimeError:  # its loop is closed: nobody waits there any more
            line.popleft()


def _checked(size: int) -> int:
    if not 1 <= size <= MOST:
        raise ValueError(f"a queue of {size}: from 1 to {MOST}")
    return size
