"""What a score is made of: inputs, curves, weights, and the file they are read from."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import (
    Action,
    Mood,
    Npc,
    NpcState,
    Outcome,
    Personality,
    Prediction,
    Score,
    ScoringContext,
    Signal,
)
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.considerations import INPUTS, Consideration, Curve, load_considerations
from rfsn_bridge.mind.scorer import UtilityScorer

AVERAGE, CALM = Personality(), NpcState()


def file(text: str) -> WorldRules:
    return WorldRules("mine.yaml", text.encode())


def only(text: str) -> UtilityScorer:
    """A scorer with the considerations of a text and none of ours."""
    ours = {each.id for each in load_considerations()}
    return UtilityScorer([each for each in load_considerations([file(text)]) if each.id not in ours])


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        load_considerations([file(text)])
    return refused.value


def context(state: NpcState = CALM, traits: Personality = AVERAGE) -> ScoringContext:
    return ScoringContext(Npc("a", "A", personality=traits), state, {Signal.GREET: 1.0})


def score(scorer: UtilityScorer, action: Action = Action.GREET, **changed: object) -> Score:
    prediction = Prediction(action, NpcState(**changed), usual=0.5)  # type: ignore[arg-type]
    (found,) = scorer.score(context(), [prediction])
    return found


# --- Curves


@pytest.mark.parametrize(
    ("curve", "points"),
    [
        (Curve(), {-1: -1, 0: 0, 0.5: 0.5, 1: 1}),
        (Curve(slope=-1, offset=0.5), {0: 0.5, 0.5: 0, 1: -0.5}),
        (Curve(slope=3), {0.2: 0.6, 1: 1, -1: -1}),
        (Curve(low=-0.4, high=0.2), {-1: -0.4, 1: 0.2, 0.1: 0.1}),
        (Curve(kind="power"), {0: 0, 0.5: 0.25, -0.5: -0.25, 1: 1}),
        (Curve(kind="power", exponent=0.5, slope=0.5), {0.25: 0.25, -0.25: -0.25}),
        (Curve(kind="logistic", slope=14, at=0.6), {0.6: 0.5}),
        (Curve(kind="logistic", slope=12, at=0.3, low=-0.5, high=0.1), {0.3: -0.2}),
        (Curve(kind="step", at=-0.5, below=1, above=0), {-1: 1, -0.51: 1, -0.5: 0, 1: 0}),
    ],
)
def test_a_curve_bends_its_input_as_it_says(curve: Curve, points: dict[float, float]) -> None:
    bend = curve.function()
    assert {x: pytest.approx(bend(x)) for x in points} == points


@given(
    st.builds(
        Curve,
        kind=st.sampled_from(["linear", "power", "logistic"]),
        slope=st.floats(-50, 50),
        offset=st.floats(-10, 10),
        exponent=st.floats(0.01, 10),
        at=st.floats(-1, 1),
        low=st.floats(-1, -0.01),
        high=st.floats(0, 1),
    ),
    st.floats(-1, 1),
)
def test_a_curve_stays_between_its_ends(curve: Curve, x: float) -> None:
    low, high = curve.bounds
    assert low - 1e-9 <= curve.function()(x) <= high + 1e-9


def test_a_logistic_curve_rises_without_overflowing() -> None:
    bend = Curve(kind="logistic", slope=50, at=0).function()
    assert bend(-1) == pytest.approx(0) and bend(1) == pytest.approx(1)
    assert bend(-0.1) < bend(0) < bend(0.1)


# --- Inputs


def test_every_input_reads_a_number_of_its_own() -> None:
    now = NpcState(Mood.ANGRY, 0.11, trust=0.12, fear=0.13, recent_sentiment=0.14, mood_strength=0.5)
    after = NpcState(
        Mood.HAPPY, 0.21, trust=0.22, fear=0.23, recent_sentiment=0.24, combat_active=True, mood_strength=0.6
    )
    read = {name: each(now, after, Personality(0.31, 0.32, 0.33, 0.34), 0.4) for name, each in INPUTS.items()}
    assert read == {
        "one": 1,
        "usual": 0.4,
        "affinity": 0.11,
        "trust": 0.12,
        "fear": 0.13,
        "sentiment": 0.14,
        "liking": pytest.approx((0.11 + 0.24 - 1) / 2),
        "anger": 0.5,
        "after.affinity": 0.21,
        "after.trust": 0.22,
        "after.fear": 0.23,
        "after.sentiment": 0.24,
        "after.combat": 1,
        "after.quest": 0,
        "after.mood": 0.6,
        "courage": 0.31,
        "warmth": 0.32,
        "temper": 0.33,
        "curiosity": 0.34,
    }


# --- Sums


def test_a_term_is_the_weight_times_the_bent_input() -> None:
    scorer = only("considerations: [{id: mine, input: after.trust, curve: {slope: 2, offset: -0.5}, weight: 0.4}]")
    found = score(scorer, trust=0.6)
    assert found.contributions == {"mine": pytest.approx(0.4 * (2 * 0.6 - 0.5))}
    assert found.total == found.contributions["mine"]


def test_terms_add_up_and_what_adds_nothing_is_not_listed() -> None:
    scorer = only(
        "considerations:\n"
        "  - {id: a, input: one, weight: 0.3}\n"
        "  - {id: b, input: usual, weight: -0.2}\n"
        "  - {id: c, input: after.fear, weight: 5}\n"
    )
    assert score(scorer, fear=0).contributions == {"a": 0.3, "b": -0.1}
    assert score(scorer, fear=0).total == pytest.approx(0.2)


def test_what_is_predicted_counts_by_how_likely_it_is() -> None:
    scorer = only("considerations: [{id: mine, input: after.affinity, weight: 1}]")
    outcomes = (
        Outcome(Signal.GREET, 0.75, NpcState(affinity=0.4)),
        Outcome(Signal.INSULT, 0.25, NpcState(affinity=-0.8)),
    )
    (found,) = scorer.score(context(), [Prediction(Action.GREET, NpcState(affinity=0.4), outcomes)])
    assert found.total == pytest.approx(0.75 * 0.4 - 0.25 * 0.8)


def test_a_consideration_is_about_its_actions_by_name_or_group() -> None:
    scorer = only(
        "groups: {talk: [inquire, explain]}\n"
        "considerations: [{id: mine, actions: [talk, greet], input: one, weight: 1}]"
    )
    about = {action for action in Action if score(scorer, action).total}
    assert about == {Action.INQUIRE, Action.EXPLAIN, Action.GREET}


def test_a_condition_is_about_the_state_now_not_the_predicted_one() -> None:
    scorer = only("considerations: [{id: mine, input: one, if: {combat: true}, weight: 1}]")
    peace, fight = NpcState(), NpcState(combat_active=True)
    totals = [
        scorer.score(context(now), [Prediction(Action.GREET, after)])[0].total
        for now, after in ((peace, fight), (fight, peace))
    ]
    assert totals == [0, 1]


def test_ours_score_every_action_with_a_finite_number() -> None:
    for found in UtilityScorer().score(context(), [Prediction(action, NpcState()) for action in Action]):
        assert math.isfinite(found.total)


# --- The file


def by_id(text: str = "", **weights: float) -> dict[str, Consideration]:
    return {each.id: each for each in load_considerations([file(text)], weights)}


def test_a_file_replaces_adds_and_takes_away() -> None:
    ours = list(by_id())
    found = by_id(
        "considerations:\n"
        "  - {id: mood, input: after.mood, weight: 0.5}\n"
        "  - {id: mine, input: one, weight: 1}\n"
        "remove: [enmity]\n"
    )
    assert list(found) == [*(each for each in ours if each != "enmity"), "mine"]
    assert found["mood"].weight == 0.5
    assert (found["mood"].file, found["mood"].line) == ("mine.yaml", 2)
    assert found["fear"].file == "considerations.yaml" and found["fear"].line > 0


def test_a_group_that_is_given_anew_counts_for_our_considerations_too() -> None:
    assert by_id("groups: {giving: [help]}")["distrust"].actions == {Action.HELP}


def test_a_weight_can_be_set_by_itself() -> None:
    assert by_id(fright=2.0)["fright"].weight == 2
    assert by_id("considerations: [{id: mine, input: one, weight: 1}]", mine=-1)["mine"].weight == -1
    with pytest.raises(ConfigError, match="did you mean 'fright'"):
        by_id(frigt=2.0)


@pytest.mark.parametrize("text", ["", "considerations:\n", "groups:\nconsiderations: []\nremove:\n"])
def test_a_file_may_be_empty(text: str) -> None:
    assert list(by_id(text)) == [each.id for each in load_considerations()]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("considerations:\n  - {id: x, input: afinity, weight: 1}\n", 2, "did you mean 'affinity'?"),
        ("considerations:\n  - {id: x, input: one, wieght: 1}\n", 2, "did you mean 'weight'?"),
        ("considerations:\n  - {id: x, input: one}\n", 2, "weight is missing"),
        ("considerations:\n  - {id: x, input: one, weight: 9}\n", 2, "less than or equal to 5"),
        ("considerations:\n  - {id: x, input: one, weight: .nan}\n", 2, "it is nan"),
        ("considerations:\n  - {id: x, input: one, weight: 1, actions: frendly}\n", 2, "did you mean 'friendly'?"),
        ("considerations:\n  - {id: x, input: one, weight: 1, actions: [gret]}\n", 2, "did you mean 'greet'?"),
        ("considerations:\n  - id: x\n    input: one\n    weight: 1\n    if: {mod: sad}\n", 5, "'mood'?"),
        ("considerations:\n  - {id: x, input: one, weight: 1, curve: {kind: lin}}\n", 2, "did you mean 'linear'?"),
        ("considerations:\n  - {id: x, input: one, weight: 1, curve: {slop: 1}}\n", 2, "did you mean 'slope'?"),
        ("considerations:\n  - {id: x, input: one, weight: 1, curve: linear}\n", 2, "needs keys of its own"),
        ("considerations:\n  - {id: x, input: one, weight: 1, curve: {low: 1, high: 0}}\n", 2, "is above `high`"),
        (
            "considerations:\n  - {id: x, input: one, weight: 1}\n  - {id: x, input: one, weight: 2}\n",
            3,
            "used on line 2 already",
        ),
        ("groups:\n  mine: [gret]\n", 2, "did you mean 'greet'?"),
        ("remove:\n  - enmty\n", 2, "did you mean 'enmity'?"),
        ("- considerations\n", None, "holds no keys"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_remedy(text: str, line: int | None, says: str) -> None:
    error = refusal(text)
    assert str(error).startswith("mine.yaml")
    assert says in str(error)
    assert error.hint and "\n" not in str(error)
    if line:
        assert error.line == line and f"mine.yaml, line {line}" in str(error)
