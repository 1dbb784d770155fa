"""What the player's words do, by example: what every built-in classifier must hear."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfsn_bridge.domain import Action, NpcState, Signal, SignalContext
from rfsn_bridge.interfaces import SignalClassifier
from rfsn_bridge.mind.lexical import LexicalClassifier
from rfsn_bridge.mind.signals import RuleClassifier

CONTEXT = SignalContext(NpcState())
CLASSIFIERS: dict[str, SignalClassifier] = {"rules": RuleClassifier(), "lexical": LexicalClassifier()}


@pytest.fixture(params=sorted(CLASSIFIERS))
def classifier(request: pytest.FixtureRequest) -> SignalClassifier:
    return CLASSIFIERS[request.param]


def heard(classifier: SignalClassifier, text: str, context: SignalContext = CONTEXT) -> str:
    signals = classifier.classify(text, context)
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
        ("ill kill you", "threaten"),
        ("I am sorry.", "apologize"),
        ("Forgive me, I was wrong.", "apologize"),
        ("Thank you!", "compliment"),
        ("You are a wise ruler.", "compliment"),
        ("Help me!", "help"),
        ("I need your help.", "help"),
        ("Can you give me a torch?", "request"),
        ("I can pay you well.", "offer"),
        ("I must decline your offer.", "refuse"),
        ("I accept your offer.", "accept"),
        ("Yes, of course.", "agree"),
        ("No.", "disagree"),
        ("You are wrong.", "disagree"),
        ("Follow me.", "command"),
        ("Fight me!", "attack"),
        ("I lied to you.", "betray"),
        ("I yield!", "flee"),
        ("Whatever.", "ignore"),
    ],
)
def test_a_line_is_heard_as_what_it_does(classifier: SignalClassifier, text: str, signal: str) -> None:
    assert heard(classifier, text) == signal


def test_every_signal_can_be_heard(classifier: SignalClassifier) -> None:
    lines = (
        *("Hello.", "Goodbye.", "Yes.", "No.", "I'm sorry.", "You are an idiot.", "Well done!", "I'll kill you."),
        *(
            "Can you give me a torch?",
            "I can pay you well.",
            "No thank you, I must decline.",
            "I accept your offer.",
        ),
        *(
            "Have at you!",
            "I surrender!",
            "Help me!",
            "I lied to you.",
            "Whatever.",
            "Where is the inn?",
            "Wait here.",
        ),
    )
    assert {heard(classifier, line) for line in lines} == {signal.value for signal in Signal}


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
def test_a_word_inside_another_or_a_denial_counts_for_nothing(
    classifier: SignalClassifier, text: str, not_signal: str
) -> None:
    assert heard(classifier, text) != not_signal


@pytest.mark.parametrize(
    "text",
    [
        "Are mammoths a threatened species?",
        "What lives in that shell?",
        "I killed a dragon yesterday, did you hear?",
        "My feet are killing me, good night.",
        "You're no coward, you're the bravest man I know.",
        "I could murder a pint, pour me one.",
        "I'm sorry I called you a fool.",
        "The bandits said they'd burn the farm, please help us!",
    ],
)
def test_violent_words_in_a_peaceful_line_are_not_taken_for_hostile(text: str) -> None:
    assert heard(CLASSIFIERS["lexical"], text) not in {"threaten", "insult", "attack"}


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ("It would be a shame if your shop burned down.", "threaten"),
        ("I know where your daughter sleeps.", "threaten"),
        ("Do you want to lose that hand?", "threaten"),
        ("Were you born stupid?", "insult"),
        ("what happened to your arm", "question"),
        ("i wonder who built this place", "question"),
    ],
)
def test_the_lexical_classifier_hears_what_is_meant(text: str, signal: str) -> None:
    assert heard(CLASSIFIERS["lexical"], text) == signal


@pytest.mark.parametrize(
    ("text", "meant"), [("yes", "accept"), ("Fine.", "accept"), ("no", "refuse"), ("Nope.", "refuse")]
)
@pytest.mark.parametrize("asked", [Action.OFFER, Action.REQUEST])
def test_yes_and_no_answer_what_the_npc_asked(
    classifier: SignalClassifier, text: str, meant: str, asked: Action
) -> None:
    assert heard(classifier, text, SignalContext(NpcState(), last_action=asked)) == meant
    assert heard(classifier, text) in {"agree", "disagree"}


def test_a_question_is_no_answer_to_an_offer(classifier: SignalClassifier) -> None:
    assert (
        heard(classifier, "Where is the smith?", SignalContext(NpcState(), last_action=Action.OFFER)) == "question"
    )


def assert_distribution(classifier: SignalClassifier, text: str, context: SignalContext = CONTEXT) -> None:
    signals = classifier.classify(text, context)
    assert signals and all(isinstance(signal, Signal) and 0 < p <= 1 for signal, p in signals.items())
    assert sum(signals.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
@given(text=st.text(max_size=600), asked=st.sampled_from([None, Action.OFFER, Action.GREET]))
@settings(deadline=None)
def test_every_line_gets_probabilities_that_sum_to_one(name: str, text: str, asked: Action | None) -> None:
    assert_distribution(CLASSIFIERS[name], text, SignalContext(NpcState(), last_action=asked))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "😀😡",
        "¿?",
        "...",
        "*",
        "x" * 5000,
        "ha" * 2500,
        "Où est l'auberge ?",
        "こんにちは",
        "“Die!”",
        "\x00\ud800",
    ],
)
def test_odd_text_is_classified_like_any_other(classifier: SignalClassifier, text: str) -> None:
    assert_distribution(classifier, text)


def test_what_comes_after_500_characters_is_not_heard(classifier: SignalClassifier) -> None:
    line = ("the snow fell on the road and the wind was cold " * 11)[:500]
    assert classifier.classify(line, CONTEXT) == classifier.classify(line + " I will kill you!", CONTEXT)


def test_the_same_line_is_always_heard_the_same(classifier: SignalClassifier) -> None:
    assert classifier.classify("Well met, smith.", CONTEXT) == classifier.classify("Well met, smith.", CONTEXT)


def test_curly_quotes_and_apostrophes_change_nothing(classifier: SignalClassifier) -> None:
    assert classifier.classify("I’ll wait, “friend”.", CONTEXT) == classifier.classify(
        'I\'ll wait, "friend".', CONTEXT
    )
