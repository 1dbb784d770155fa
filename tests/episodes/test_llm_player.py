"""A player whose lines a language model writes."""

import asyncio
from random import Random

import pytest

from rfsn_bridge.domain import Action, Style
from rfsn_bridge.episodes.llm_player import LLMPlayer
from rfsn_bridge.episodes.players import Answer
from rfsn_bridge.errors import LLMUnavailable
from rfsn_bridge.testing import ScriptedLLM


def said(*replies: str | Exception) -> tuple[list[str], ScriptedLLM]:
    """What the player makes of a model's replies, and the model."""
    llm, rng = ScriptedLLM(*([reply] for reply in replies)), Random(1)
    with asyncio.Runner() as runner:
        player = LLMPlayer(llm, runner, "Lydia")
        answer = Answer(Action.GREET, Style.WARM_FRIENDLY, text="Well met.")
        return [player.speak(answer, rng).text for _ in replies], llm


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        ('"Well met, Lydia."', "Well met, Lydia."),
        ("Player: Who are you?\nLydia: Nobody.", "Who are you?"),
        ("(nods) Fine. I will go and (", "Fine."),
        ("*shrugs* As you like", "As you like"),
        ("", "..."),
        ("\n\n  Hm!  ", "Hm!"),
    ],
)
def test_only_what_is_said_counts(reply: str, line: str):
    assert said(reply)[0] == [line]


def test_the_model_is_told_who_it_is_and_what_was_said():
    _, llm = said("Hello.", "Hello again.")
    system, *talk = llm.requests[1].messages
    assert "talk with Lydia" in system.content
    assert [each.role for each in talk] == ["user", "assistant", "user"]
    assert talk[0].content.startswith("Well met.") and talk[1].content == "Hello."
    assert llm.requests[0].messages[0] == system, "it stays who it is"


def test_a_talk_of_any_length_is_told_of_only_in_its_end():
    _, llm = said(*["Hello."] * 30)
    assert len(llm.requests[-1].messages) <= 9


def test_a_model_that_fails_ends_the_episode():
    with pytest.raises(LLMUnavailable):
        said(LLMUnavailable("gone"))
