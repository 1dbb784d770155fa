"""What is brought in is known as of then, whatever date of a game it was lived at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crashing import a_turn

from rfsn_bridge.domain import NpcState, Turn
from rfsn_bridge.memory.export import Export
from rfsn_bridge.memory.store import Store

STATE = NpcState(affinity=0.5)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path)
    yield store
    await store.aclose()


def lived(*dates: float | None) -> list[Turn]:
    return [a_turn("r", 0, number, game_date=date) for number, date in enumerate(dates)]


async def bring_in(store: Store, *turns: Turn) -> None:
    _, new = await store.bring_in(Export("elsewhere", "npc0", "NPC 0", turns, STATE, b"learned"), "p")
    assert new == len(turns)


async def knows(store: Store) -> tuple[list[str], NpcState | None]:
    known = await store.known("p", "npc0", 100)
    return [turn_id.split("-")[-1] for turn_id in known.turn_ids], known.state


@pytest.mark.parametrize("date", [0.3, 17.0, 400.0])
@pytest.mark.parametrize("how", ["begin", "load"])
async def test_what_is_brought_in_before_the_first_game_is_known_from_the_beginning(
    store: Store, how: str, date: float
) -> None:
    """It was lived at later dates of another game."""
    await bring_in(store, *lived(200.0, None, 201.0))
    if how == "begin":
        await store.begin("p", date)
    else:
        await store.load("p", "never seen", date)
    assert await knows(store) == (["0", "1", "2"], STATE)
    assert (await store.known("p", "npc0", 9)).learned == b"learned"


async def test_what_is_brought_in_is_no_part_of_an_earlier_save_and_of_every_later_one(store: Store) -> None:
    for number, date in enumerate((10.0, 20.0)):
        await store.record(a_turn("own", 1, number, game_date=date))
    await bring_in(store, *lived(5.0, 300.0))
    assert (await store.turns("p", "npc0", 9))[0].game_date == 20.0
    await store.begin("p", 20.5)  # the same game goes on
    assert await knows(store) == (["0", "1"], STATE)
    await store.record(a_turn("own", 1, 2, game_date=30.0))
    for date, known in ((25.0, True), (15.0, False)):
        await store.load("p", "never seen", date)
        assert await knows(store) == ((["0", "1"], STATE) if known else ([], None))


async def test_what_is_brought_in_after_a_load_has_the_date_of_that_save(store: Store) -> None:
    await store.record(a_turn("own", 1, 0, game_date=10.0))
    await store.save("p", "A", 12.0)
    await store.record(a_turn("own", 1, 1, game_date=20.0))
    await store.load("p", "A", 12.0)
    await bring_in(store, *lived(None))
    (turn,) = await store.turns("p", "npc0", 9)
    assert turn.game_date == 12.0


async def test_when_a_turn_was_lived_is_told_still(store: Store) -> None:
    turn = a_turn("r", 0, 0, game_date=5.0, started_at=1e9)
    await bring_in(store, turn)
    assert [each.started_at for each in await store.turns("p", "npc0", 9)] == [1e9]
