"""The figures of the classifiers are computed rightly, and the shipped weights are those that earned them."""

import json
import subprocess
import sys
from typing import Any

import pytest

from rfsn_bridge import paths
from rfsn_bridge.domain import Signal
from rfsn_bridge.mind.wording import tidy, tokens
from rfsn_bridge.plugin_file import load

sys.path.append(str(paths.benchmarks))
signals: Any = load(paths.benchmarks / "signals.py")


def test_macro_f1_is_the_mean_of_each_labels_own() -> None:
    right = [Signal.GREET, Signal.GREET, Signal.HELP]
    top = [Signal.GREET, Signal.HELP, Signal.HELP]
    assert signals.macro_f1(right, top, (Signal.GREET, Signal.HELP)) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_a_classifier_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    assert signals.calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert signals.calibration_error([1.0, 1.0], [True, False]) == 0.5


def test_only_peaceful_lines_can_be_falsely_hostile() -> None:
    lines = [(Signal.GREET, ""), (Signal.GREET, ""), (Signal.INSULT, ""), (Signal.ATTACK, "")]
    told = [{Signal.THREATEN: 1.0}, {Signal.GREET: 1.0}, {Signal.ATTACK: 1.0}, {Signal.HELP: 1.0}]
    found = signals.quality(lines, told)
    assert found.false_hostile == found.hostile_recall == 0.5


def test_the_shipped_weights_reach_their_figures_on_the_held_out_lines() -> None:
    command = [sys.executable, str(paths.benchmarks / "signals.py"), "--json", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    values = {row["what"]: row["value"] for row in json.loads(done.stdout)["rows"]}
    assert values["lexical: macro-F1, 11 core labels"] >= 0.72
    assert values["lexical: calibration error"] <= 0.06


def test_no_held_out_line_is_trained_on() -> None:
    def plain(text: str) -> str:
        return " ".join(word for word in tokens(tidy(text)) if word[0].isalnum())

    train = {plain(text) for _, text in signals.read(signals.LINES / "train.tsv")}
    assert not [text for _, text in signals.read(signals.LINES / "heldout.tsv") if plain(text) in train]
