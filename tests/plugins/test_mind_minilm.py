"""MiniLM in a process of its own, and what is answered when it has gone, hangs or is not installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lending import Lender, load_plugin

from rfsn_bridge.domain import Action, NpcState, Signal, SignalContext
from rfsn_bridge.mind.lexical import LexicalClassifier

plugin = load_plugin("mind_minilm")
CONTEXT = SignalContext(NpcState())
LEXICAL = LexicalClassifier()
PATIENT = plugin.Options(deadline_ms=5000)

installed = pytest.mark.skipif(
    any(plugin.importlib.util.find_spec(name) is None for name in plugin._PACKAGES), reason="needs the extra nlu"
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def minilm(lender: Lender) -> Iterator[Any]:
    classifier = plugin.MiniLM(PATIENT, lender.services())
    yield classifier
    classifier.close()


def top(signals: Any) -> str:
    return max(signals, key=lambda each: signals[each]).value


@installed
@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It would be a shame if something happened to your lovely shop.", "threaten"),
        ("Were you born stupid?", "insult"),
        ("You're no coward, you're the bravest man I know.", "compliment"),
        ("Are mammoths a threatened species?", "question"),
        ("Good morning, old friend.", "greet"),
    ],
)
async def test_it_hears_what_is_meant(minilm: Any, text: str, label: str) -> None:
    await minilm.warm_up()
    assert top(minilm.classify(text, CONTEXT)) == label


@installed
@pytest.mark.parametrize("text", ["", "😀", "x" * 5000, "こんにちは", "\x00\ud800 hello", "“Die!”", "[SEP] [PAD]"])
async def test_odd_text_gets_probabilities_that_sum_to_one(minilm: Any, text: str) -> None:
    await minilm.warm_up()
    signals = minilm.classify(text, CONTEXT)
    assert all(isinstance(each, Signal) and p > 0 for each, p in signals.items())
    assert sum(signals.values()) == pytest.approx(1)


@installed
async def test_yes_accepts_what_the_npc_offered(minilm: Any) -> None:
    await minilm.warm_up()
    assert top(minilm.classify("yes", SignalContext(NpcState(), last_action=Action.OFFER))) == "accept"


@installed
async def test_while_it_loads_the_lexical_classifier_answers(lender: Lender) -> None:
    hasty = plugin.MiniLM(plugin.Options(deadline_ms=0.001), lender.services())
    assert hasty.classify("Hello.", CONTEXT) == LEXICAL.classify("Hello.", CONTEXT)
    assert lender.notices == []
    hasty.close()


@installed
@posix
async def test_a_process_that_dies_is_replaced_after_a_pause(lender: Lender, clock: Clock) -> None:
    minilm = plugin.MiniLM(PATIENT, lender.services(), clock=clock)
    await minilm.warm_up()
    first = minilm.classify("Nice hat.", CONTEXT)
    os.kill(minilm._child.pid, signal.SIGKILL)
    minilm._child._process.wait()
    assert minilm.classify("Nice hat.", CONTEXT) == LEXICAL.classify("Nice hat.", CONTEXT)
    assert minilm.classify("Nice hat.", CONTEXT) == LEXICAL.classify("Nice hat.", CONTEXT)
    clock.now += 1
    await minilm.warm_up()
    assert minilm.classify("Nice hat.", CONTEXT) == first
    assert [notice[1] for notice in lender.notices] in ([], ["classifier_minilm"])  # told on the event loop
    minilm.close()


@installed
@posix
async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(lender: Lender) -> None:
    minilm = plugin.MiniLM(plugin.Options(deadline_ms=1000), lender.services())
    await minilm.warm_up()
    awake = minilm.classify("Farewell, friend.", CONTEXT)
    os.kill(minilm._child.pid, signal.SIGSTOP)
    assert minilm.classify("I will kill you.", CONTEXT) == LEXICAL.classify("I will kill you.", CONTEXT)
    os.kill(minilm._child.pid, signal.SIGCONT)
    assert minilm.classify("Farewell, friend.", CONTEXT) == awake
    minilm.close()


@installed
async def test_closing_ends_the_process(lender: Lender) -> None:
    minilm = plugin.MiniLM(PATIENT, lender.services())
    await minilm.warm_up()
    process = minilm._child._process
    minilm.close()
    assert process.returncode is not None
    assert minilm.classify("Hello.", CONTEXT) == LEXICAL.classify("Hello.", CONTEXT)


@installed
def test_the_daemon_never_loads_the_models_engine() -> None:
    program = (
        "import sys, asyncio\n"
        "from pathlib import Path\n"
        "from rfsn_bridge.domain import *\n"
        "from rfsn_bridge.interfaces import Services, Timeouts\n"
        "from rfsn_bridge.plugin_file import load\n"
        "from rfsn_bridge.paths import builtin_plugins\n"
        "plugin = load(builtin_plugins / 'mind_minilm.py')\n"
        "assert 'numpy' not in sys.modules\n"
        "minilm = plugin.MiniLM(plugin.Options(), Services(None, Timeouts(), Path(), Path, print))\n"
        "asyncio.run(minilm.warm_up())\n"
        "minilm.classify('Hello.', SignalContext(NpcState()))\n"
        "minilm.close()\n"
        "assert not {'onnxruntime', 'tokenizers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_without_its_packages_the_lexical_classifier_answers_and_the_player_is_told(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "_PACKAGES", ("no_such_package",))
    minilm = plugin.MiniLM(PATIENT, lender.services())
    for _ in range(2):
        assert minilm.classify("Hello.", CONTEXT) == LEXICAL.classify("Hello.", CONTEXT)
    assert lender.notices == [("warning", "classifier_minilm", "the package no_such_package is missing")]
    minilm.close()
