"""What the language model is told, as strings."""

from rfsn_bridge.domain import Action, Decision, Exchange, Message, Mood, Npc, NpcState, Signal, Situation, Style
from rfsn_bridge.mind.prompt import build_prompt

EXAMPLES = (Exchange("Good day.", "Well met."), Exchange("Who guards you?", "Irileth."))
JARL = Npc("jarl", "Jarl Balgruuf", race="Nord", bio="You rule Whiterun.", examples=EXAMPLES)


def decided(action: Action = Action.EXPLAIN, state: NpcState | None = None) -> Decision:
    return Decision(Signal.QUESTION, action, Style.NEUTRAL_BALANCED, state or NpcState(), (), ())


def prompt(
    text: str = "Where is the smith?",
    decision: Decision | None = None,
    *,
    npc: Npc = JARL,
    by_player: bool = True,
    situation: Situation | None = None,
    history: tuple[Exchange, ...] = (),
    budget: int = 2000,
) -> tuple[Message, ...]:
    return build_prompt(
        npc,
        decision or decided(),
        text,
        by_player=by_player,
        situation=situation or Situation(),
        history=history,
        count_tokens=lambda text: len(text.split()),
        budget=budget,
    )


def test_who_it_is_comes_first_then_examples_then_the_line() -> None:
    messages = prompt()
    assert messages[0].content.startswith("You are Jarl Balgruuf, a Nord. You rule Whiterun.")
    assert [(m.role, m.content) for m in messages[1:]] == [
        ("user", "Good day."),
        ("assistant", "Well met."),
        ("user", "Who guards you?"),
        ("assistant", "Irileth."),
        ("user", "Where is the smith?"),
    ]


def test_all_but_the_last_message_stays_the_same_whatever_is_decided() -> None:
    """The model's cache of the prompt's beginning is kept from turn to turn."""
    angry = decided(Action.THREATEN, NpcState(mood=Mood.ANGRY, combat_active=True))
    rain = Situation("Dragonsreach", "evening", "rain", ("A guard shouts.",))
    assert prompt("You are a coward.", angry, situation=rain)[:-1] == prompt()[:-1]


def test_history_is_told_in_the_words_of_the_turn_that_made_it() -> None:
    """What was sent for a plain answer is, a turn later, the beginning of the next prompt."""
    before = prompt("Where is the smith?")
    after = prompt("Thank you.", history=(Exchange("Where is the smith?", "By the gate."),))
    assert after[: len(before)] == before


def test_every_instruction_reaches_the_model_behind_the_line() -> None:
    for action in Action:
        last = prompt("Hail.", decided(action))[-1].content
        assert last == "Hail." if action is Action.EXPLAIN else last.startswith("Hail. (") and last.endswith(".)")


def test_situation_and_state_stand_before_the_instruction() -> None:
    angry = decided(Action.REFUSE, NpcState(mood=Mood.ANGRY, fear=0.9))
    rain = Situation("Dragonsreach", "evening", "rain", ("A guard shouts.",))
    assert prompt("Give me gold.", angry, situation=rain)[-1].content == (
        "Give me gold. (You are at Dragonsreach. It is evening, rain. A guard shouts. You feel angry. "
        "You are afraid. Refuse.)"
    )


def test_an_npc_that_speaks_of_itself_is_told_why() -> None:
    last = prompt("A dragon lands", decided(Action.FLEE), by_player=False)[-1]
    assert (last.role, last.content) == ("user", "(A dragon lands. Say that you must get away.)")


def test_roles_alternate_whatever_the_history_holds() -> None:
    """Chat templates refuse two messages of one side in a row; what was left unanswered joins the next line."""
    history = (
        Exchange("Hello?", ""),
        Exchange("", "Who is there?"),
        Exchange("", ""),
        Exchange("Me.", ""),
        Exchange("It is me.", "Ah."),
        Exchange("Listen!", ""),
    )
    messages = prompt("Do you hear?", history=history)
    assert [m.role for m in messages] == ["system", *["user", "assistant"] * 4, "user"]
    assert all(m.content.strip() for m in messages)
    assert messages[-5].content == "Hello?\n(Speak.)"
    assert messages[-3].content == "Me.\nIt is me."
    assert messages[-1].content == "Listen!\nDo you hear?"


def test_the_oldest_history_goes_first_where_room_is_short() -> None:
    history = tuple(Exchange(f"line {i}", f"answer {i}") for i in range(50))
    messages = prompt(history=history, budget=80)
    assert messages[:5] == prompt()[:5]
    told = [m.content for m in messages[5:-1:2]]
    assert 0 < len(told) < 50
    assert told == [f"line {i}" for i in range(50 - len(told), 50)]


def test_an_npc_of_which_only_the_name_is_known_will_do() -> None:
    messages = prompt(npc=Npc("guard", "Guard"))
    assert messages[0].content.startswith("You are Guard. You answer")
    assert len(messages) == 2
