"""Which graph and how many threads are chosen, and what is remembered of it."""

from pathlib import Path

import pytest

from rfsn_bridge.kokoro.improving import Choice, best, candidates, remember, remembered


@pytest.mark.parametrize(
    ("cores", "expected"),
    [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (8, [1, 2, 4]), (16, [1, 2, 4, 8]), (64, [1, 2, 4])],
)
def test_few_numbers_of_threads_are_timed(cores: int, expected: list[int]) -> None:
    assert list(candidates(cores)) == expected


def test_the_fastest_is_chosen() -> None:
    times = {Choice("int8", 1): 2.0, Choice("int8", 2): 1.2, Choice("fp32", 1): 1.6, Choice("fp32", 2): 1.0}
    assert best(times) == Choice("fp32", 2)


def test_fewer_threads_win_where_they_are_nearly_as_fast() -> None:
    assert best({Choice("fp32", 2): 1.05, Choice("fp32", 4): 1.0}) == Choice("fp32", 2)


def test_fp32_wins_a_draw() -> None:
    assert best({Choice("int8", 2): 1.0, Choice("fp32", 2): 1.0}) == Choice("fp32", 2)
    assert best({Choice("int8", 2): 0.7, Choice("fp32", 2): 1.0}) == Choice("int8", 2)


def test_a_choice_is_remembered_for_its_machine(tmp_path: Path) -> None:
    assert remembered(tmp_path, "here") is None
    remember(tmp_path, "here", Choice("fp32", 2))
    assert remembered(tmp_path, "here") == Choice("fp32", 2)
    assert remembered(tmp_path, "there") is None


@pytest.mark.parametrize("nonsense", ["", "[]", '{"here": 3}', '{"here": {"quality": "fp8", "threads": 2}}'])
def test_nonsense_is_forgotten(tmp_path: Path, nonsense: str) -> None:
    (tmp_path / "speeds.json").write_text(nonsense, encoding="utf-8")
    assert remembered(tmp_path, "here") is None


def test_what_was_remembered_of_others_stays(tmp_path: Path) -> None:
    for number in range(20):
        remember(tmp_path, f"machine {number}", Choice("int8", 1))
    assert remembered(tmp_path, "machine 19") == remembered(tmp_path, "machine 18") == Choice("int8", 1)
    assert remembered(tmp_path, "machine 0") is None
