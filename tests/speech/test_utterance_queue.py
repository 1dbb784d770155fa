"""The queue before the voice: what is put comes out once and in order, or is given back and counted."""

import asyncio
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfsn_bridge.speech.queue import QueueClosed, Superseded, UtteranceQueue, WhenFull, expendable

PATIENCE_S = 60
"""How long a thread may take before it counts as stuck; they take milliseconds."""


def filled(size: int, *items: str, when_full: WhenFull = "drop") -> UtteranceQueue[str]:
    """A queue of such items as "a1": the first sentence of turn a."""
    queue = UtteranceQueue[str](size, when_full)
    for item in items:
        assert queue.offer(item, item[0])
    return queue


def rest(queue: UtteranceQueue[str]) -> list[str]:
    return [queue.get(0) for _ in range(len(queue))]


# --- What is dropped


def test_the_oldest_in_the_midst_of_a_turn_is_dropped() -> None:
    queue = filled(3, "a1", "a2", "a3")
    assert queue.put("a4", "a") == ["a2"]
    assert queue.put("a5", "a") == ["a3"]
    assert rest(queue) == ["a1", "a4", "a5"] and queue.dropped == 2


def test_the_first_that_waits_is_kept_when_those_before_it_were_taken() -> None:
    queue = filled(3, "a1", "a2", "a3")
    assert queue.get() == "a1"
    assert queue.put("a4", "a") == []
    assert queue.put("a5", "a") == ["a3"]
    assert rest(queue) == ["a2", "a4", "a5"]


def test_a_turn_keeps_its_first_and_last_whoever_comes() -> None:
    queue = filled(4, "a1", "a2", "a3", "b1")
    assert queue.put("b2", "b") == ["a2"]
    assert queue.put("b3", "b") == ["b2"]
    assert rest(queue) == ["a1", "a3", "b1", "b3"]


def test_of_firsts_and_lasts_the_newest_last_goes() -> None:
    queue = filled(3, "a1", "a2", "b1")
    assert queue.put("b2", "b") == ["b2"]  # the one that came
    assert queue.put("c1", "c") == ["a2"]
    assert rest(queue) == ["a1", "b1", "c1"]


def test_of_firsts_alone_the_oldest_goes() -> None:
    queue = filled(2, "a1", "b1")
    assert queue.put("c1", "c") == ["a1"]
    assert rest(queue) == ["b1", "c1"]


def test_a_single_place_keeps_the_sentence_that_is_next() -> None:
    queue = filled(1, "a1")
    assert queue.put("a2", "a") == ["a2"]
    assert rest(queue) == ["a1"]


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=50))
def test_no_first_or_last_goes_while_there_is_another(turns: list[str]) -> None:
    gone = expendable(turns)
    turn, counts = turns[gone], Counter(turns)
    places = [place for place, each in enumerate(turns) if each == turn]
    if max(counts.values()) > 2:
        assert places[0] < gone < places[-1]
    elif max(counts.values()) == 2:
        assert gone == places[-1] != places[0]
    else:
        assert gone == 0


def test_a_smaller_queue_drops_by_the_same_rule() -> None:
    queue = filled(6, "a1", "a2", "a3", "b1", "b2", "b3")
    assert queue.resize(4) == ["a2", "b2"]
    assert queue.resize(2) == ["b3", "a3"]
    assert queue.resize(1) == ["a1"]
    assert rest(queue) == ["b1"] and queue.dropped == 5


@pytest.mark.parametrize("size", [0, 51])
def test_the_size_has_limits(size: int) -> None:
    with pytest.raises(ValueError):
        UtteranceQueue[str](size)
    with pytest.raises(ValueError):
        filled(1).resize(size)


# --- What waits


def test_who_waits_loses_nothing_to_a_smaller_queue() -> None:
    queue = filled(3, "a1", "a2", "a3", when_full="wait")
    assert queue.resize(1) == ()
    assert not queue.offer("a4", "a")
    with pytest.raises(TimeoutError):
        queue.put("a4", "a", timeout=0)
    assert rest(queue) == ["a1", "a2", "a3"] and queue.dropped == 0
    assert queue.offer("a4", "a")


def test_an_empty_queue_can_be_waited_for_in_vain() -> None:
    with pytest.raises(TimeoutError):
        filled(1).get(timeout=0)


async def tick(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_turns_get_room_in_the_order_in_which_they_asked() -> None:
    queue = filled(1, "a1", when_full="wait")

    async def speak(turn: str) -> None:
        for number in (2, 3):
            assert await queue.aput(f"{turn}{number}", turn) == ()

    speakers = [asyncio.create_task(speak(turn)) for turn in "abc"]
    await tick()
    assert queue.waiting == 3 and len(queue) == 1
    assert not queue.offer("d1", "d")
    said = [await queue.aget() for _ in range(7)]
    assert said == ["a1", "a2", "b2", "c2", "a3", "b3", "c3"]
    await asyncio.gather(*speakers)


async def test_who_takes_is_served_in_the_order_of_asking() -> None:
    queue = filled(3)
    takers = [asyncio.create_task(queue.aget()) for _ in range(3)]
    await tick()
    for item in ("a1", "a2", "b1"):
        queue.put(item, item[0])
    assert await asyncio.gather(*takers) == ["a1", "a2", "b1"]


async def test_nobody_pushes_in_before_who_was_woken() -> None:
    queue = filled(1, when_full="wait")
    taker = asyncio.create_task(queue.aget())
    await tick()
    queue.put("a1", "a")
    with pytest.raises(TimeoutError):
        queue.get(timeout=0)
    assert await taker == "a1"

    assert queue.offer("a2", "a")
    putter = asyncio.create_task(queue.aput("a3", "a"))
    await tick()
    assert queue.get() == "a2"
    assert not queue.offer("b1", "b")
    with pytest.raises(TimeoutError):
        queue.put("b1", "b", timeout=0)
    await putter
    assert rest(queue) == ["a3"]


async def test_a_cancelled_taker_leaves_the_item_to_the_next() -> None:
    queue = filled(3)
    first, second = asyncio.create_task(queue.aget()), asyncio.create_task(queue.aget())
    await tick()
    queue.put("a1", "a")  # wakes the first, which is cancelled before it runs
    first.cancel()
    assert await second == "a1"
    assert first.cancelled() or await asyncio.wait([first])


async def test_a_cancelled_put_has_put_nothing_and_leaves_the_room_to_the_next() -> None:
    queue = filled(1, "a1", when_full="wait")
    first, second = asyncio.create_task(queue.aput("a2", "a")), asyncio.create_task(queue.aput("b1", "b"))
    await tick()
    assert queue.get() == "a1"  # wakes the first, which is cancelled before it runs
    first.cancel()
    await asyncio.wait([first, second])
    assert rest(queue) == ["b1"]


async def test_a_thread_and_a_loop_pass_each_other_items() -> None:
    queue, back = UtteranceQueue[int](1), UtteranceQueue[int](1)

    def echo() -> None:
        for _ in range(100):
            back.put(queue.get(PATIENCE_S), "back", PATIENCE_S)

    thread = threading.Thread(target=echo)
    thread.start()
    for number in range(100):
        await queue.aput(number, "there")
        assert await back.aget() == number
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert not thread.is_alive()


# --- Interrupting and closing


async def test_the_room_of_an_interrupted_turn_goes_to_who_waits() -> None:
    queue = filled(1, "a1", when_full="wait")
    waiting = asyncio.create_task(queue.aput("b1", "b"))
    await tick()
    assert queue.interrupt("a") == ["a1"]
    await waiting
    assert rest(queue) == ["b1"]


async def test_an_interrupted_turn_gives_back_what_waits_and_makes_room() -> None:
    queue = filled(3, "a1", "b1", "a2", when_full="wait")
    waiting = [asyncio.create_task(queue.aput(item, item[0])) for item in ("a3", "b2")]
    await tick()
    assert queue.interrupt("a") == ["a1", "a2", "a3"]
    assert queue.superseded == 3
    with pytest.raises(Superseded):
        await waiting[0]
    await waiting[1]
    assert rest(queue) == ["b1", "b2"]
    assert queue.interrupt("a") == []


async def test_a_closed_queue_gives_back_the_rest_and_sends_everybody_away() -> None:
    queue, empty = filled(1, "a1", when_full="wait"), filled(1)
    putter, taker = asyncio.create_task(queue.aput("a2", "a")), asyncio.create_task(empty.aget())
    await tick()
    assert queue.close() == ["a1", "a2"] and empty.close() == [] and queue.close() == []
    with pytest.raises(Superseded):
        await putter
    with pytest.raises(QueueClosed):
        await taker
    for refused in (lambda: queue.offer("a3", "a"), lambda: queue.put("a3", "a"), queue.get):
        with pytest.raises(QueueClosed):
            refused()
    assert queue.superseded == 2


def test_who_waited_in_a_loop_that_is_gone_is_passed_over() -> None:
    queue = filled(1, "a1", when_full="wait")
    loop = asyncio.new_event_loop()
    lost = loop.create_task(queue.aput("a2", "a"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert queue.get() == "a1"
    assert queue.offer("b1", "b") and queue.waiting == 0
    lost._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant to be lost


# --- A thousand stories, with real threads


@dataclass
class Story:
    """What some threads do to one queue, and what became of each item."""

    queue: UtteranceQueue[tuple[str, int]]
    lock: threading.Lock = field(default_factory=threading.Lock)
    refused: list[tuple[str, int]] = field(default_factory=list)
    put: list[tuple[str, int]] = field(default_factory=list)
    dropped: list[tuple[str, int]] = field(default_factory=list)
    superseded: list[tuple[str, int]] = field(default_factory=list)
    mistakes: list[BaseException] = field(default_factory=list)

    def give(self, turn: str, ways: Sequence[str]) -> None:
        for seq, way in enumerate(ways):
            item = (turn, seq)
            with self.lock:
                self.put.append(item)
            try:
                if way == "offer":
                    taken = self.queue.offer(item, turn)
                    self.note(self.refused, [] if taken else [item])
                else:
                    self.note(self.dropped, self.queue.put(item, turn, 0 if way == "hurry" else None))
            except (TimeoutError, QueueClosed):
                self.note(self.refused, [item])
            except Superseded:
                pass  # `interrupt` or `close` told of it

    def take(self, heard: list[tuple[str, int]]) -> None:
        while True:
            try:
                item = self.queue.get()
            except QueueClosed:
                return
            if item[0] == "end":
                return
            heard.append(item)

    def direct(self, orders: Sequence[tuple[str, int]]) -> None:
        for order, number in orders:
            if order == "resize":
                self.note(self.dropped, self.queue.resize(number))
            elif order == "interrupt":
                self.note(self.superseded, self.queue.interrupt("abc"[number % 3]))
            else:
                time.sleep(0)  # lets another thread go on

    def note(self, where: list[tuple[str, int]], items: Sequence[tuple[str, int]]) -> None:
        with self.lock:
            where.extend(items)

    def thread(self, target: Callable[..., None], *args: object) -> threading.Thread:
        def run() -> None:
            try:
                target(*args)
            except BaseException as error:  # whatever it is, the test tells it
                self.mistakes.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


@pytest.fixture(scope="module")
def hasty_threads() -> Iterator[None]:
    """Has threads take turns far more often than usual, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a thread is stuck"


orders = st.tuples(st.sampled_from(["resize", "interrupt", "pause", "pause"]), st.integers(1, 6))
ways = st.lists(st.sampled_from(["put", "put", "offer", "hurry"]), max_size=12)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    when_full=st.sampled_from(["wait", "drop"]),
    size=st.integers(1, 6),
    scripts=st.lists(ways, min_size=3, max_size=3),
    direction=st.lists(orders, max_size=12),
    takers=st.integers(1, 2),
    late=st.booleans(),
)
def test_nothing_is_lost_uncounted_nor_doubled_and_order_is_kept(
    hasty_threads: None,
    when_full: WhenFull,
    size: int,
    scripts: list[list[str]],
    direction: list[tuple[str, int]],
    takers: int,
    late: bool,
) -> None:
    story = Story(UtteranceQueue(size, when_full))
    heard: list[list[tuple[str, int]]] = [[] for _ in range(takers)]
    consumers = [] if late else [story.thread(story.take, each) for each in heard]
    producers = [story.thread(story.give, turn, script) for turn, script in zip("abc", scripts, strict=True)]
    director = story.thread(story.direct, direction)
    if late:  # the queue has filled meanwhile
        consumers = [story.thread(story.take, each) for each in heard]
    join([*producers, director])
    if when_full == "wait":  # every taker gets this far, with nobody's help
        ends = [story.thread(story.queue.put, ("end", number), "end") for number in range(takers)]
        join([*ends, *consumers])
    story.superseded.extend(story.queue.close())
    join(consumers)

    assert not story.mistakes
    taken = [item for each in heard for item in each]
    assert sorted(taken + story.dropped + story.superseded + story.refused) == sorted(story.put)
    assert story.queue.dropped == len(story.dropped) and story.queue.superseded == len(story.superseded)
    assert len(story.queue) == 0 and story.queue.waiting == 0
    assert when_full == "drop" or not story.dropped
    for each in heard:
        in_turns = defaultdict(list)
        for turn, seq in each:
            in_turns[turn].append(seq)
        assert all(seqs == sorted(seqs) for seqs in in_turns.values())


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_nor_doubled_however_tasks_are_cancelled(hasty_threads: None, seed: int) -> None:
    asyncio.run(asyncio.wait_for(cancelling(Random(seed)), PATIENCE_S))


async def cancelling(rng: Random) -> None:
    """Tasks that put and take are cancelled at any time, beside a thread that takes too."""
    queue = UtteranceQueue[tuple[str, int]](rng.randint(1, 4), rng.choice(["wait", "drop"]))
    put, taken, lost = list[tuple[str, int]](), list[tuple[str, int]](), list[tuple[str, int]]()
    aside = Story(queue)
    thread = aside.thread(aside.take, heard := [])

    async def speak(turn: str) -> None:
        for seq in range(20):
            lost.extend(await queue.aput((turn, seq), turn))
            put.append((turn, seq))  # reached exactly when it was put

    async def listen() -> None:
        while True:
            taken.append(await queue.aget())

    speakers = [asyncio.create_task(speak(turn)) for turn in "abc"]
    listeners = [asyncio.create_task(listen()) for _ in range(3)]
    for victim in rng.sample([*speakers[1:], *listeners], 4):
        await tick(rng.randrange(12))
        victim.cancel()
    await asyncio.wait([*speakers])
    superseded = queue.close()
    await asyncio.wait([*speakers, *listeners])
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert not thread.is_alive() and not aside.mistakes
    assert sorted([*taken, *heard, *lost, *superseded]) == sorted(put)
    assert queue.dropped == len(lost) and queue.superseded == len(superseded)
