"""What a benchmark's figures mean: percentiles and verdicts."""

import importlib.util
import sys
from types import ModuleType

import pytest

from rfsn_bridge import paths


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report", paths.benchmarks / "report.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["report"] = module
    spec.loader.exec_module(module)
    return module


def test_a_percentile_is_one_of_the_values(report: ModuleType):
    values = list(range(1, 1001))
    assert [report.percentile(values, p) for p in (50, 99, 99.9, 100)] == [500, 990, 999, 1000]
    assert report.percentile([7.0], 99.9) == 7.0


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [(1.9, ("<", 2), "meets"), (2, ("<", 2), "misses"), (2, ("<=", 2), "meets"), (9, (">=", 10), "misses")],
)
def test_a_row_is_judged_by_its_target(report: ModuleType, value: float, target: tuple[str, float], verdict: str):
    assert report.single("it", "ms", value, target).verdict == verdict


def test_a_row_without_a_target_is_not_judged(report: ModuleType):
    assert report.median("it", "ms", [1.0, 2.0, 3.0]).verdict == ""


def test_what_was_skipped_is_told_with_its_remedy(report: ModuleType):
    found = report.as_json([report.Skipped("speech", "the model is missing; run: rfsn-bridge models pull kokoro")])
    assert found["skipped"] == [
        {"what": "speech", "reason": "the model is missing; run: rfsn-bridge models pull kokoro"}
    ]
