"""Whatever the state and the line: nothing unsafe is chosen, and no invariant is broken."""

import multiprocessing
import os

import pytest
from fuzzing import violations


def test_three_thousand_odd_lines_break_nothing():
    assert violations(seed=1, count=3000) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_odd_lines_break_nothing():
    """About two minutes on two free cores."""
    pieces = 100
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        found = pool.starmap(violations, [(seed, 1_000_000 // pieces) for seed in range(100, 100 + pieces)])
    assert [each for piece in found for each in piece][:10] == []
