"""A save that the daemon never saw is found by its date: in the present, else wherever the game can come from."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crashing import a_turn
from hypothesis import given, settings
from hypothesis import strategies as st

from rfsn_bridge.memory.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "memory")
    yield store
    await store.aclose()


async def talk(store: Store, number: int, date: float | None = None) -> None:
    await store.record(a_turn("t", 0, number, game_date=date))


async def told(store: Store) -> list[int]:
    """The numbers of the turns of the present."""
    return [int(turn.turn_id.split("-")[-1]) for turn in reversed(await store.turns("p", "npc0", 1000))]


async def test_one_that_follows_what_an_older_save_left_is_found_there(store: Store) -> None:
    """An old save was looked into, then a late one loaded that the daemon never saw: nothing is lost."""
    for number, date in enumerate((10.0, 20.0, 30.0)):
        await talk(store, number, date)
        await store.save("p", f"day {date:.0f}", date)
    await store.load("p", "day 10", 10.0)
    loaded = await store.load("p", "made elsewhere", 25.0)
    assert (loaded.exact, loaded.found, loaded.remembered) == (False, True, 2)
    assert await told(store) == [0, 1]


async def test_one_that_comes_after_all_of_a_way_that_was_gone_on_is_on_that_way(store: Store) -> None:
    for number, date in enumerate((10.0, 20.0, 30.0)):
        await talk(store, number, date)
        await store.save("p", f"day {date:.0f}", date)
    await store.load("p", "day 10", 10.0)
    await talk(store, 3, 11.0)
    loaded = await store.load("p", "made elsewhere", 25.0)
    assert (await told(store), loaded.remembered, loaded.forgotten) == ([0, 3], 2, 0)


async def test_one_without_a_date_changes_nothing_and_says_what_counts(store: Store) -> None:
    await talk(store, 0, 10.0)
    await store.save("p", "A", 10.0)
    await talk(store, 1, 20.0)
    await store.load("p", "A", 10.0)
    loaded = await store.load("p", "made elsewhere", None)
    assert (loaded.found, loaded.remembered, await told(store)) == (False, 1, [0])
    assert "one talk" in loaded.in_words and "everything" not in loaded.in_words


Path_ = tuple[int, ...]

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("talk"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["save", "load"]), st.integers(0, 2)),
        st.tuples(st.just("unknown"), st.integers(0, 12)),
        st.tuples(st.just("begin"), st.integers(0, 12)),
    ),
    max_size=25,
)


class Model:
    """Which turns are the present: a way from the first turn to a point where the game stands."""

    def __init__(self) -> None:
        self.here: Path_ = ()
        self.dates: list[int] = []
        """Of every turn there ever was."""
        self.ways: list[Path_] = []
        """To every turn there ever was, by its number."""
        self.saves: dict[int, Path_] = {}

    def talk(self, later: int) -> int:
        self.dates.append((self.dates[self.here[-1]] if self.here else 0) + later)
        self.here += (len(self.ways),)
        self.ways.append(self.here)
        return self.dates[-1]

    def unknown(self, date: int) -> None:
        gone_on = any(way[:-1] == self.here for way in self.ways)
        if any(self.dates[turn] > date for turn in self.here):
            self.here = tuple(turn for turn in self.here if self.dates[turn] <= date)
        elif gone_on:
            before = [(self.dates[turn], turn) for turn in range(len(self.ways)) if self.dates[turn] <= date]
            self.here = self.ways[max(before)[1]] if before else self.here

    def begin(self, date: int) -> None:
        if any(self.dates[turn] > date for turn in self.here):
            self.unknown(date)


@settings(max_examples=60, deadline=None)
@given(_STEPS)
def test_whatever_is_saved_and_loaded_the_npcs_remember_one_way_to_where_they_are(
    steps: list[tuple[str, int]],
) -> None:
    async def story(folder: Path) -> None:
        store, model = Store(folder), Model()
        for step, number in steps:
            match step:
                case "talk":
                    await talk(store, len(model.ways), float(model.talk(number)))
                case "save":
                    await store.save("p", str(number), None)
                    model.saves[number] = model.here
                case "load" if number in model.saves:
                    await store.load("p", str(number), None)
                    model.here = model.saves[number]
                case "unknown":
                    model.unknown(number)
                    assert (await store.load("p", "made elsewhere", number)).remembered == len(model.here)
                case "begin":
                    model.begin(number)
                    await store.begin("p", number)
            assert await told(store) == list(model.here)
        await store.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
