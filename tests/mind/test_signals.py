"""What the player's words do, by example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import NpcState, Signal, SignalContext
from rfsn_bridge.mind.signals import RuleClassifier

CONTEXT = SignalContext(NpcState())


def heard(text: str) -> str:
    signals = RuleClassifier().classify(text, CONTEXT)
    return max(signals, key=lambda signal: signals[signal]).value


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ("Hello there!", "greet"),
        ("Good evening, my Jarl.", "greet"),
        ("Farewell, friend.", "farewell"),
        ("Tell me about Whiterun.", "question"),
        ("Where is the smith?", "question"),
        ("You are a coward.", "insult"),
        ("You're pathetic", "insult"),
        ("I will kill you!", "threaten"),
        ("I'll gut you where you stand.", "threaten"),
        ("Do it, or else.", "threaten"),
        ("I'm going to kill you", "threaten"),
        ("I’ll kill you", "threaten"),
        ("I am sorry.", "apologize"),
        ("Forgive me, I was wrong.", "apologize"),
        ("Thank you!", "compliment"),
        ("You are a wise ruler.", "compliment"),
        ("Help me!", "help"),
        ("I need your help.", "help"),
        ("Can you give me a torch?", "request"),
        ("I can pay you well.", "offer"),
        ("I refuse.", "refuse"),
        ("I accept.", "accept"),
        ("Yes, of course.", "agree"),
        ("No.", "disagree"),
        ("You are wrong.", "disagree"),
        ("Follow me.", "command"),
        ("Fight me!", "attack"),
        ("I lied to you.", "betray"),
    ],
)
def test_a_line_is_heard_as_what_it_does(text: str, signal: str) -> None:
    assert heard(text) == signal


@pytest.mark.parametrize(
    ("text", "not_signal"),
    [
        ("I know the north is under snow.", "disagree"),
        ("The rain will stop.", "command"),
        ("I will never kill you.", "threaten"),
        ("I don't want to hurt you.", "threaten"),
        ("The foolproof lock held.", "insult"),
        ("This is high.", "greet"),
        ("They sell helmets here.", "help"),
    ],
)
def test_a_word_inside_another_or_a_denial_counts_for_nothing(text: str, not_signal: str) -> None:
    assert heard(text) != not_signal


@given(st.text(max_size=600))
def test_every_line_gets_probabilities_that_sum_to_one(text: str) -> None:
    signals = RuleClassifier().classify(text, CONTEXT)
    assert signals and all(isinstance(signal, Signal) and 0 < p <= 1 for signal, p in signals.items())
    assert sum(signals.values()) == pytest.approx(1)
