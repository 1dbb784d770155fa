"""Every benchmark that needs no model runs, small, and says what it found."""

import json
import subprocess
import sys
from typing import Any

import pytest

from rfsn_bridge import paths


def found_by(name: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, str(paths.benchmarks / f"{name}.py"), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(found: dict[str, Any], what: str) -> dict[str, Any]:
    return next(each for each in found["rows"] if each["what"] == what)


def test_the_splitter_is_measured_and_judged():
    found = found_by("splitter", "--rounds", "1")
    assert row(found, "results that lose text")["verdict"] == "meets"
    assert found["machine"]["cores"]


def test_the_overhead_is_measured_beside_its_floor():
    found = found_by("overhead", "--turns", "1", "--tokens-per-s", "1000")
    both = (
        row(found, "token in, `sentence` at the client"),
        row(found, "floor: a bare websockets message of that size"),
    )
    assert all(each["samples"] == 8 and each["value"] > 0 for each in both)


def test_decisions_and_simulated_turns_are_timed_beside_the_originals_scoring():
    found = found_by("episodes", "--turns", "60")
    assert row(found, "from text to decision")["samples"] == 57
    assert row(found, "the original's scoring, 50000 transitions recorded")["value"] > 0


def test_the_learners_are_measured_beside_what_their_peers_did():
    found = found_by("bandits", "--seeds", "1", "--turns", "300")
    assert row(found, "drift: linucb")["value"] < row(found, "drift: mabwiser")["value"]
    assert row(found, "drift: beside the original")["verdict"] == "meets"
    assert row(found, "warm: beside the best peer")["value"] > 0
    assert row(found, "NPCs changed by another's turns")["value"] == 0


def test_the_memory_is_measured_beside_the_originals_way():
    found = found_by("memory", "--stored", "400", "--seconds", "0.2", "--rounds", "10")
    assert row(found, "durable turns from 20 NPCs")["value"] > 0
    assert row(found, "one turn, 400 stored")["samples"] == 10
    assert row(found, "the original's way: one turn, 400 stored")["value"] > 0


@pytest.mark.slow
def test_eight_clients_get_their_own_npcs_text_and_nothing_else():
    found = found_by("clients", "--seconds", "0.1", "--tokens-per-s", "200")
    for side in ("text only", "with voice"):
        assert row(found, f"{side}: wrong texts or frames")["value"] == 0
        assert row(found, f"{side}: /health without an answer")["value"] == 0


@pytest.mark.slow
def test_an_idle_daemon_is_weighed():
    found = found_by("idle", "--seconds", "1")
    assert row(found, "resident memory")["value"] > 0
