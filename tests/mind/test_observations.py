"""What really came of an NPC's answers: bounded, shrunk where there is little, forgotten when people change."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import Action, Mood, NpcState, Relationship, Signal
from rfsn_bridge.mind.observations import Observations
from rfsn_bridge.mind.state import settle

CALM = settle(NpcState(relationship=Relationship.ACQUAINTANCE))
PAIR = Action.HELP, Signal.REQUEST


def watch(
    seen: Observations,
    change: float,
    times: int = 1,
    pair: tuple[Action, Signal] = PAIR,
    at: NpcState = CALM,
    number: str = "affinity",
) -> Observations:
    """See `change` follow an answer `times` times, far enough apart for each to be a lesson of its own."""
    for _ in range(times):
        seen.observe(at, *pair, NpcState(), NpcState(**{number: change}))  # type: ignore[arg-type]
        for _ in range(2):
            seen.observe(at, Action.GREET, Signal.GREET, NpcState(), NpcState())
    return seen


def moved(seen: Observations, at: NpcState = CALM, pair: tuple[Action, Signal] = PAIR) -> float | None:
    """How far a prediction of no change is moved; None if it is left alone."""
    refined = seen.refine(at, *pair, CALM)
    return None if refined is None else refined.affinity


# --- Refinement


def test_too_little_seen_says_nothing() -> None:
    assert moved(Observations()) is None
    assert moved(watch(Observations(), 0.05, times=2)) is None
    assert moved(watch(Observations(), 0.05, times=3)) is not None


def test_what_little_was_seen_counts_little() -> None:
    """The mean is shrunk towards no change: by half for three, by three eighths for five."""
    assert moved(watch(Observations(), 0.08, times=3)) == pytest.approx(0.08 * 3 / 6)
    assert moved(watch(Observations(), 0.08, times=5)) == pytest.approx(0.08 * 5 / 8)
    assert moved(watch(Observations(), 0.08, times=12)) == pytest.approx(0.08 * 5 / 8)


@pytest.mark.parametrize(
    ("number", "step"), [("affinity", 0.1), ("trust", 0.1), ("fear", 0.1), ("recent_sentiment", 0.2)]
)
def test_each_number_is_moved_by_its_step_at_most(number: str, step: float) -> None:
    seen = watch(Observations(), 1.0, times=8, number=number)
    before = settle(NpcState(trust=0.4))
    refined = seen.refine(CALM, *PAIR, before)
    assert refined is not None
    assert getattr(refined, number) - getattr(before, number) == pytest.approx(step)


def test_the_nearest_five_count() -> None:
    seen = Observations()
    foe = settle(NpcState(affinity=-0.8, relationship=Relationship.ENEMY, mood=Mood.ANGRY, mood_strength=1))
    watch(seen, 0.06, times=5)
    watch(seen, -0.06, times=5, at=foe)
    assert moved(seen) == pytest.approx(0.06 * 5 / 8)
    assert moved(seen, at=foe) == pytest.approx(-0.06 * 5 / 8)


def test_of_those_equally_near_the_latest_count() -> None:
    assert moved(watch(watch(Observations(), 0.06, times=8), -0.06, times=5)) == pytest.approx(-0.06 * 5 / 8)


def test_categories_count_like_a_whole_unit() -> None:
    seen = Observations()
    watch(
        seen, 0.06, times=5, at=settle(NpcState(affinity=0.2, trust=0.9, relationship=Relationship.ACQUAINTANCE))
    )
    watch(seen, -0.06, times=5, at=settle(NpcState(quest_active=True, relationship=Relationship.ACQUAINTANCE)))
    assert moved(seen) == pytest.approx(0.06 * 5 / 8)


def test_only_the_same_answer_to_the_same_signal_is_asked() -> None:
    seen = watch(Observations(), 0.05, times=8)
    assert moved(seen, pair=(Action.HELP, Signal.COMMAND)) is None
    assert moved(seen, pair=(Action.OFFER, Signal.REQUEST)) is None


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1)), min_size=9, max_size=30
    ),
    st.floats(-1, 1),
)
def test_a_refined_state_agrees_with_itself(
    changes: list[tuple[float, float, float, float]], affinity: float
) -> None:
    seen = Observations()
    for index, (a, t, f, s) in enumerate(changes):
        pair = PAIR if index % 3 == 0 else (Action.GREET, list(Signal)[index % 3])
        seen.observe(CALM, *pair, NpcState(), NpcState(affinity=a, trust=t, fear=f, recent_sentiment=s))
    before = settle(NpcState(affinity=affinity))
    refined = seen.refine(CALM, *PAIR, before)
    if refined is not None:
        assert settle(refined) == refined
        assert abs(refined.affinity - before.affinity) <= 0.1 + 1e-6


# --- What is kept


def test_a_quarrel_is_one_lesson() -> None:
    seen = Observations()
    for _ in range(3):
        seen.observe(CALM, *PAIR, NpcState(), NpcState(affinity=-0.3))
    assert len(seen) == 1


def test_there_is_a_limit_to_each_pair_and_to_the_pairs() -> None:
    seen = watch(Observations(), 0.1, times=100)
    assert len(seen) == 20  # of this pair, and of the greetings in between
    seen, rng = Observations(), Random(1)
    for _ in range(5000):
        action, signal = rng.choice(list(Action)[:6]), rng.choice(list(Signal)[:4])
        seen.observe(CALM, action, signal, NpcState(), NpcState(affinity=0.01))
    assert 100 < len(seen) <= 10 * 20


def test_the_pair_least_lately_seen_goes_first() -> None:
    seen = watch(Observations(), 0.05, times=4)
    others = [(action, signal) for action in Action for signal in list(Signal)[:2] if (action, signal) != PAIR]
    for pair in others[:18]:
        watch(seen, 0.0, pair=pair)
    assert moved(seen) is not None
    watch(seen, 0.05)  # seen again
    for pair in others[18:30]:
        watch(seen, 0.0, pair=pair)
    assert moved(seen) is not None
    for pair in others[:20]:
        watch(seen, 0.0, pair=pair)
    assert moved(seen) is None


# --- Drift


def test_when_the_player_changes_the_older_half_is_forgotten() -> None:
    seen = watch(Observations(), 0.08, times=16)
    known = len(seen)
    assert seen.forgotten == 0
    for _ in range(60):
        watch(seen, -0.9)
        if seen.forgotten:
            break
    assert seen.forgotten == 1
    watch(seen, -0.9, times=8)
    assert moved(seen) == pytest.approx(-0.1)
    assert len(seen) < known + 8


def test_a_player_who_stays_the_same_is_not_forgotten() -> None:
    rng, seen = Random(2), Observations()
    for _ in range(400):
        watch(seen, 0.1 + rng.uniform(-0.1, 0.1))
    assert seen.forgotten == 0


# --- Saving


def test_what_is_saved_comes_back() -> None:
    seen = watch(watch(Observations(), 0.06, times=9), -0.2, times=4, pair=(Action.INSULT, Signal.INSULT))
    again = Observations.load(seen.dump())
    assert again.dump() == seen.dump()
    assert len(again) == len(seen) and moved(again) == moved(seen)
    assert Observations.load(Observations().dump()).dump() == Observations().dump()


def test_what_is_saved_is_small() -> None:
    seen, rng = Observations(), Random(3)
    for _ in range(2000):
        at = settle(NpcState(affinity=rng.uniform(-1, 1), trust=rng.random(), fear=rng.random()))
        action, signal = rng.choice(list(Action)[:6]), rng.choice(list(Signal)[:4])
        seen.observe(at, action, signal, NpcState(), NpcState(affinity=rng.uniform(-0.3, 0.3)))
    assert 1000 < len(seen.dump()) <= 4096


WHOLE = watch(Observations(), 0.06, times=5).dump()


@pytest.mark.parametrize(
    "saved",
    [
        b"",
        b"O1",
        b"{}",
        b"O2\0\0",
        b"O1\0\0\1",
        b"O1\0\0\xff\0\0",  # no such action
        b"O1\0\0\0\xff\0",  # no such signal
        b"O1\0\0\0\0\1",  # nothing follows
        WHOLE[:-1],
        WHOLE + b"\0",
        WHOLE[1:],
    ],
)
def test_damaged_bytes_are_refused(saved: bytes) -> None:
    with pytest.raises(ValueError):
        Observations.load(saved)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(saved: bytes) -> None:
    with suppress(ValueError):
        Observations.load(saved)


@given(st.data())
def test_a_damaged_save_is_taken_or_refused_and_never_harms(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    damaged = WHOLE[:at] + data.draw(st.binary(min_size=1, max_size=3)) + WHOLE[at + 1 :]
    try:
        seen = Observations.load(damaged)
    except ValueError:
        return
    refined = seen.refine(CALM, *PAIR, CALM)
    assert refined is None or settle(refined) == refined
