"""Which states conditions allow together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import Mood, NpcState, Personality, Relationship
from rfsn_bridge.mind.region import EVERYWHERE, NOWHERE, contradiction, covers, region
from rfsn_bridge.mind.rule_files import If, condition
from rfsn_bridge.mind.rules import ALWAYS, NUMBERS, Condition
from rfsn_bridge.mind.state import affinity_range, settle

units, signed, flags = st.floats(0, 1), st.floats(-1, 1), st.none() | st.booleans()
ranges = st.none() | st.builds(dict, above=st.none() | signed, below=st.none() | signed)
written = st.fixed_dictionaries(
    {
        "relationship": st.none() | st.lists(st.sampled_from(Relationship), max_size=3),
        "mood": st.none() | st.lists(st.sampled_from(Mood), max_size=3),
        "combat": flags,
        "quest": flags,
    },
    optional={name: ranges for name in NUMBERS},
)
conditions = written.map(lambda parts: condition(If.model_validate(parts)))
states = st.builds(
    NpcState,
    st.sampled_from(Mood),
    signed,
    st.sampled_from(Relationship),
    units,
    units,
    signed,
    st.booleans(),
    st.booleans(),
    units,
).map(settle)
traits = st.builds(Personality, units, units, units, units)


def asked(**parts: object) -> Condition:
    return condition(If.model_validate(parts))


@given(st.lists(conditions, min_size=1, max_size=3), states, traits)
def test_where_conditions_hold_their_region_is_not_empty(
    given_: list[Condition], state: NpcState, traits: Personality
) -> None:
    if all(each.holds(state, traits) for each in given_):
        assert not region(*given_).is_empty
        assert not any(map(contradiction, given_))


@given(conditions, conditions, states, traits)
def test_a_condition_that_covers_a_region_holds_in_it(
    wide: Condition, narrow: Condition, state: NpcState, traits: Personality
) -> None:
    here = region(narrow)
    if not here.is_empty and covers(wide, here) and narrow.holds(state, traits):
        assert wide.holds(state, traits)


@given(states)
def test_a_relationship_lies_in_its_range_of_affinity(state: NpcState) -> None:
    low, high = affinity_range(state.relationship)
    assert low <= state.affinity < high


def test_nothing_asked_is_everywhere() -> None:
    assert region() is EVERYWHERE and region(ALWAYS) is EVERYWHERE
    assert covers(ALWAYS, EVERYWHERE) and contradiction(ALWAYS) is None


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"affinity": {"above": 0.5, "below": 0.2}}, "no affinity is from 0.5 on and below 0.2"),
        ({"fear": {"below": 0}}, "no fear is from 0 on and below 0"),
        ({"trust": {"below": -0.5}}, "no trust"),
        ({"relationship": "friend", "affinity": {"below": -0.5}}, "friend from 0.15 to 0.65"),
        ({"relationship": ["enemy", "rival"], "affinity": {"above": 0}}, "enemy from -1 to -0.55, rival"),
        ({"mood": "neutral", "mood_strength": {"above": 0.2}}, "only the neutral one has no strength"),
        ({"mood": ["angry", "sad"], "mood_strength": {"below": 0.1}}, "at least 0.1 strong"),
        ({"relationship": []}, "names no relationship"),
        ({"mood": []}, "names no mood"),
    ],
)
def test_what_never_holds_is_told_with_its_reason(parts: dict[str, object], says: str | None) -> None:
    found = contradiction(asked(**parts))
    assert (says in found) if says and found else found is None


@pytest.mark.parametrize(
    "parts",
    [
        {"relationship": "friend", "affinity": {"below": 0.2}},
        {"relationship": "enemy", "affinity": {"above": -0.6}},
        {"relationship": "ally", "affinity": {"above": 1}},
        {"mood": ["neutral", "angry"], "mood_strength": {"above": 0.2}},
        {"trust": {"above": 1}},
        {"affinity": {"below": 0.2}, "fear": {"above": 0.5}, "combat": True},
    ],
)
def test_what_holds_somewhere_is_no_contradiction(parts: dict[str, object]) -> None:
    assert contradiction(asked(**parts)) is None


def test_conditions_that_exclude_each_other_meet_nowhere() -> None:
    assert region(asked(combat=True), asked(combat=False)).is_empty
    assert region(asked(relationship="friend"), asked(affinity={"below": 0})) is NOWHERE
    assert not region(asked(relationship="friend"), asked(affinity={"below": 0.3})).is_empty


def test_a_wider_condition_covers_a_narrower_one_and_not_the_other_way() -> None:
    wide, narrow = asked(affinity={"below": 0}), asked(relationship="enemy", fear={"above": 0.5})
    assert covers(wide, region(narrow)) and not covers(narrow, region(wide))
    assert covers(asked(mood_strength={"below": 0.5}), region(asked(mood="neutral")))
