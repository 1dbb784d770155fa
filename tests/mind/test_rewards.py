"""What the player's next line says of the last answer, and what a turn was worth."""

import pytest

from rfsn_bridge.domain import Deed, Signal
from rfsn_bridge.mind.rewards import Heard, Reaction, Result, action_reward, reactions, style_reward

JARL = "Jarl Balgruuf rules Whiterun. His brother Hrongar commands the guards."


@pytest.mark.parametrize(
    "text",
    [
        "I know the way.",
        "Will it snow tonight?",
        "We ride north at dawn.",
        "Nobody told me that.",
        "No.",
        "No, thank you.",
        "No, I have never been to Riften.",
        "No, the road is not safe.",
        "Nonsense, the dragons are real.",
        "Not yet, but soon.",
        "I meant no harm.",
        "What do you mean?",
        "The notice says otherwise.",
        "I said goodbye to my brother there.",
        "Knowing you, that was cheap.",
    ],
)
def test_a_line_that_only_sounds_like_a_no_corrects_nothing(text: str) -> None:
    assert not reactions(text, {}, JARL) & {Reaction.CORRECTION, Reaction.CONTRADICTION}


@pytest.mark.parametrize(
    "text",
    [
        "No, I meant the other one.",
        "No, the other one.",
        "no i said the sword",
        "That's not what I asked.",
        "That is not what I meant!",
        "You misunderstood me.",
        "I didn't ask about the jarl.",
        "I was asking about the mine.",
        "Not the sword, the shield.",
        "That’s the wrong one.",
        "Wait, not him.",
        "Let me rephrase.",
    ],
)
def test_a_line_that_puts_the_npc_right_is_a_correction(text: str) -> None:
    assert Reaction.CORRECTION in reactions(text, {}, JARL)


@pytest.mark.parametrize(
    "text",
    [
        "But you said he was dead.",
        "You told me otherwise before.",
        "Earlier you said the road was safe.",
        "That's not what you said yesterday.",
        "You're contradicting yourself.",
        "Make up your mind!",
    ],
)
def test_a_line_that_holds_the_npc_to_its_words_is_a_contradiction(text: str) -> None:
    assert Reaction.CONTRADICTION in reactions(text, {}, JARL)


@pytest.mark.parametrize("text", ["Why?", "Tell me more.", "And where is Hrongar now?", "How does Whiterun live?"])
def test_a_line_that_takes_up_what_was_said_is_a_follow_up(text: str) -> None:
    assert reactions(text, {}, JARL) == {Reaction.CONTINUED, Reaction.FOLLOW_UP}


def test_a_new_subject_continues_without_following_up() -> None:
    assert reactions("I need a horse.", {}, JARL) == {Reaction.CONTINUED}


def test_a_farewell_does_not_continue_and_silence_says_nothing() -> None:
    assert reactions("Farewell, then.", {Signal.FAREWELL: 0.9}, JARL) == frozenset()
    assert reactions("   ", {}, JARL) == frozenset()


def test_the_parts_sum_to_the_reward_as_the_original_had_them() -> None:
    result = Result(reactions=frozenset({Reaction.CONTINUED, Reaction.CORRECTION}), heard=Heard.CUT_OFF)
    reward = style_reward(result)
    assert reward.parts == {"continued": 0.4, "correction": -0.7, "cut_off": -0.2}
    assert reward.total == pytest.approx(-0.5)


def test_a_reward_is_clipped() -> None:
    worst = Result(
        reactions=frozenset(Reaction) - {Reaction.CONTINUED, Reaction.FOLLOW_UP}, feedback=-9, left=True
    )
    assert style_reward(worst).total == -2.0


def test_what_was_not_heard_earns_nothing_but_deeds_count() -> None:
    deeds = (Deed("follow", {}, "applied"), Deed("trade", {}, "rejected"))
    unheard = Result(Heard.NOTHING, deeds, frozenset({Reaction.CONTINUED}))
    assert style_reward(unheard).parts == {}
    assert action_reward(unheard).parts == {"deeds": 0.0}
