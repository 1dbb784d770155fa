"""What is taken out of a reply and what is not; and that its cutting into deltas makes no difference."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.speech.reply import ReplyFilter, RolePrefix

NAME = "Jarl Balgruuf"


def filtered(*deltas: str, name: str = NAME) -> str:
    reply = ReplyFilter(name)
    return "".join([*map(reply.feed, deltas), reply.flush()])


@pytest.mark.parametrize(
    "text",
    [
        "x < y",
        "I <3 you",
        "*nods* Aye.",
        "(laughs) Well met.",
        "5 * 3 is 15",
        "<b>bold</b>",
        "[sighs] So be it.",
        "# not a heading mark",
        "My plan is simple: we wait.",
        "Lydia: a fine housecarl.",
        "Balgruuf is my name: remember it.",
        "Jarl of Whiterun: that is what I am.",
        "**Never** again.",
        "I am no assistant: go away.",
        "A thought <thinker> and <thin> air",
        "a <| b",
        "**",
        "Jarl",
        "the: odd",
        "",
    ],
)
def test_what_a_person_might_write_is_kept_whole(text: str) -> None:
    assert filtered(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Jarl Balgruuf: Hello.",
        "**Jarl Balgruuf:** Hello.",
        "**Jarl Balgruuf**: Hello.",
        "*Balgruuf:* Hello.",
        "[Balgruuf]: Hello.",
        "Balgruuf: Hello.",
        "jarl balgruuf : Hello.",
        "Assistant: Hello.",
        "NPC: Hello.",
        "Assistant: Balgruuf: Hello.",
        "  \n\n Hello.",
        "<think>Hm, what now?</think>\n\nHello.",
        "<THINKING>\nHm <b>\n</thinking> Balgruuf: Hello.",
        "</think>\nHello.",
        "<|im_start|>assistant\nHello.",
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello.",
        "<start_of_turn>model\nHello.",
        "[INST] [/INST] Hello.",
        "<s>Hello.",
        "### Response:\nHello.",
        "<|channel|>analysis<|message|>Say hi<|end|><|start|>assistant<|channel|>final<|message|>Hello.",
    ],
)
def test_what_stands_before_the_reply_goes(text: str) -> None:
    assert filtered(text) == "Hello."


@pytest.mark.parametrize(
    "mark",
    [
        "<|im_end|>",
        "<|eot_id|>",
        "</s>",
        "<end_of_turn>",
        "[INST]",
        "<|im_start|>user",
        "\n### Instruction:",
        "<|user|>",
    ],
)
def test_the_reply_ends_at_an_end_of_turn(mark: str) -> None:
    reply = ReplyFilter(NAME)
    shown = reply.feed(f"Hello.{mark}And what does the player say?")
    assert shown.rstrip() == "Hello."
    assert reply.ended
    assert reply.feed("more") == "" and reply.flush() == ""


def test_a_thought_that_never_ends_is_not_shown() -> None:
    assert filtered("Hello. <think>but what if he", " lies") == "Hello. "


def test_a_stray_end_of_thought_loses_nothing_else() -> None:
    assert filtered("Hello</think> there.") == "Hello there."


def test_ordinary_text_is_passed_on_at_once() -> None:
    reply = ReplyFilter(NAME)
    assert reply.feed("H") == "H"
    assert reply.feed("ello") == "ello"
    assert reply.feed(", x <") == ", x "
    assert reply.feed(" y") == "< y"


def test_a_name_is_held_only_until_it_proves_to_be_no_prefix() -> None:
    reply = ReplyFilter(NAME)
    assert reply.feed("Balgruuf") == ""
    assert reply.feed(" i") == "Balgruuf i"


def test_little_is_held_back_however_much_is_thought() -> None:
    reply = ReplyFilter(NAME)
    reply.feed("<think>")
    for _ in range(1000):
        reply.feed("hm " * 100)
    assert len(reply._held) < 64


def test_a_name_in_another_script_is_a_prefix_too() -> None:
    assert filtered("张三：你好", name="张三") == "你好"


def test_a_role_prefix_is_found_in_a_whole_sentence() -> None:
    assert RolePrefix(NAME).match("Balgruuf: Hello") == len("Balgruuf:")


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["Jarl", "Balgruuf", ":", "**", "*", "_", "[", "]", " ", "\n", "Hello", ", friend.", "ı", "İ"]
        ),
        st.sampled_from(
            ["<think>", "</think>", "<thi", "nk>", "<3", "x < y", "<|", "|>", "### ", "Response:", "User:"]
        ),
        st.sampled_from(
            ["<|im_start|>", "assistant", "user", "<s>", "[INST]", "[/INST]", "<|start_header_id|>", "#"]
        ),
        st.sampled_from(["<|channel|>", "analysis", "final", "<|message|>", "<|im_end|>", "</s>", "<|eot_id|>"]),
    ),
    max_size=14,
)


@given(PIECES, st.data())
def test_the_cutting_into_deltas_makes_no_difference(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    bounds = [0, *cuts, len(text)]
    parts = [text[a:b] for a, b in pairwise(bounds)]
    whole = filtered(text)
    assert filtered(*parts) == whole
    assert filtered(*text) == whole


@given(st.text(max_size=60))
def test_any_text_is_survived(text: str) -> None:
    assert filtered(*text) == filtered(text)
