"""The mouth's timeline: within its sentence, and closed at its end."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.speech.visemes import BMP, SHAPES, STEP_MS, TH, visemes


@given(st.text(), st.integers(0, 20_000))
def test_the_mouth_keeps_to_its_time_and_is_closed_at_the_end(text: str, duration_ms: int) -> None:
    weights = [0.0] * SHAPES
    times = []
    for t_ms, shape, weight in visemes(text, duration_ms):
        assert 0 <= t_ms <= duration_ms and 0 <= shape < SHAPES and 0 <= weight <= 1
        weights[shape] = weight
        assert sum(w > 0 for w in weights) <= 1
        times.append(t_ms)
    assert not any(weights)
    moments = sorted(set(times))
    assert times == sorted(times)
    assert all(later - earlier >= STEP_MS for earlier, later in itertools.pairwise(moments))


def test_sounds_have_their_shapes() -> None:
    assert {shape for _, shape, weight in visemes("mmm bb p", 1000) if weight} == {BMP}
    assert visemes("the", 1000)[0][:2] == (0, TH)


def test_every_script_moves_the_mouth() -> None:
    for text in ("Привет, путник.", "店主がいる。", "مرحبا"):
        assert any(weight for _, _, weight in visemes(text, 1000)), text


def test_silence_and_no_time_move_nothing() -> None:
    assert visemes("... --- !", 1000) == []
    assert visemes("Hello", 10) == []
