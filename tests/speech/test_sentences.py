"""Sentences out of a stream: in cases, in properties, and in the work they cost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfsn_bridge.speech.sentences import SentenceSplitter

OPEN_SET = Path(__file__).parents[2] / "benchmarks" / "data" / "sentences.yaml"


def split(text: str, size: int = 1, max_length: int = 400) -> list[str]:
    splitter = SentenceSplitter(max_length)
    sentences = [s for i in range(0, len(text), size) for s in splitter.feed(text[i : i + size])]
    return sentences + splitter.flush()


def visible(text: str) -> str:
    return "".join(text.split())


# A stroke marks every place to cut.
CASES = {
    "a full stop before a capital": "The gate is shut.| Nobody leaves.",
    "questions and shouts": "Who goes there?| Halt!| Speak now.",
    "doubled marks": "What?!| You dare?| Guards!!!",
    "titles": "Dr. Valen and Mrs. Maven met Sgt. Hroki.| Capt. Aldis came too.",
    "Jarl as a title": "Speak with Jarl. Balgruuf at dawn.| Go.",
    "the Jarl at the end": "I serve the Jarl.| Balgruuf is his name.",
    "initials": "J. R. R. Tolkien wrote it.| I read it.",
    "I is no initial after a small word": "It is you and I.| Lydia stays here.",
    "latin": "Bring herbs, e.g. lavender, i.e. the blue ones.| Hurry.",
    "versus": "It was Nords vs. Elves again.",
    "etc. inside and at the end": "We sell pelts, ore, etc. at fair prices.| Ale, mead, etc.| What do you need?",
    "an hour inside and at the end": "Come at 5 a.m. sharp.| He came back at 9 p.m.| Then he left.",
    "a day after an hour": "The court meets at 10 a.m. Tuesday in the hall.",
    "a country and what follows": "I left the U.S. Government.| I left the U.S.| How about you?",
    "No. with a figure and without": "Find No. 5 on the list.| No.| I will not.",
    "titles for two, and of a firm": "Drs. Ali and Lund know.| Ask Khajiit Caravans Pvt. Ltd. or wait.",
    "postscripts": "P.S. The key is yours.| PS. Burn this.| N.B. Come alone.",
    "a number after ext.": "Call ext. 12 or tel. 555 at dawn.",
    "months": "It came on Dec. 12 by boat.",
    "companies": "The East Empire Co. owns it.| Steel & Sons Ltd.| They sell it.",
    "decimals and times": "It costs 3.5 gold at 3:30.| I have 1,000.50 left.",
    "versions and files": "Read config.yaml of v1.2 first.| Then run it.",
    "addresses": "See https://uesp.net/wiki/a.html.| Write to mage.guild@college.edu.| They answer.",
    "ellipsis before a small letter": "He was... no, he is my brother.",
    "ellipsis before a capital": "I trusted him...| She warned me.",
    "I after an ellipsis is no capital": "Good folk... I think.| Well… I'm in.| That....| I know.| Oh...| Ivar!",
    "a stammer": "I... I do not know.| The... the crown is gone!",
    "a spaced ellipsis": "It ends . . . as it began.",
    "the one-character ellipsis": "Wait…| Do you hear that?| Hmm… fine.",
    "no space after an ellipsis": "I waited an hour...|Nobody came.| See ...Docs, or A...Z.",
    "an ellipsis that opens": "...And then it rained.| Good.",
    "said after a quotation": '"Halt!" shouted the guard.| "Who goes there?"',
    "a name and said": '"No!" Lydia cried.| She drew her blade.',
    "a quotation that ends it": "The sign says “Keep out.”| I never read it.",
    "sentences within a quotation": '"Well met.| What brings you here?"',
    "single quotes": "'Come in.' he said.| Then he left.",
    "guillemets": "« Halte ! » cria le garde.| «Qui va là ?»",
    "brackets": "He (who else?) knew.| (So did I.)| [Quest updated.]| Go.",
    "a bracket after a space": "(We leave at dawn. )| Be ready.| (Bring bread.| And ale.)| Good.",
    "a colon does not end it": "My plan is simple: we wait here.",
    "newlines": "Dear friend,\n|Come quickly.|\n\nYour brother",
    "numbered lines": "You have two ways:\n|1. Fight him.\n|2. Run.",
    "a numbered line of prose": "1. Load the cart |2. Leave town",
    "brackets for numbers": "1) Find the horn |2) Blow it",
    "lettered items": "a) Fight.| b) Flee.| c) Pay.",
    "dashes for items": "- Bread\n|- Cheese",
    "bullets": "• Swords |• Shields",
    "a figure alone is no item": "How many?| 12.| And a bear.",
    "stage directions": "*He nods. Then sits.*| Welcome.| *sighs* Not again.",
    "Japanese": "止まれ！|誰だ？|「待て！」と彼は叫んだ。|走れ。",
    "Chinese": "你好，旅人。|“站住！”|他停了下来；他在等。",
    "Spanish": "¡Alto!| ¿Quién va?",
    "Russian": "Стой!| Кто идёт?",
    "Arabic": "من أنت؟| ماذا تريد؟",
    "Hindi": "मैं यहाँ हूँ।| तुम कौन हो?",
    "emoji stay with their sentence": "Welcome, friend! 😀| Come in.| Bye! 👨‍👩‍👧‍👦",
    "a smiley": "Thank you! :)| Come again.",
}


@pytest.mark.parametrize("marked", CASES.values(), ids=CASES.keys())
def test_text_is_cut_where_a_reader_would_cut_it(marked: str):
    assert split(marked.replace("|", "")) == [piece.strip() for piece in marked.split("|")]


def test_the_open_set_is_split_with_at_most_three_errors():
    """All 228 cases, the 48 golden rules among them; the benchmark says which part each is in."""
    spec = importlib.util.spec_from_file_location("splitter", OPEN_SET.parents[1] / "splitter.py")
    assert spec
    assert spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules["splitter"] = benchmark
    spec.loader.exec_module(benchmark)
    cases = [case for part in benchmark.open_cases().values() for case in part]
    wrong = [case.text for case in cases if split(case.text, 4) != list(case.sentences)]
    assert len(cases) >= 200
    assert len(wrong) <= 3, wrong


def test_a_sentence_comes_out_with_the_space_that_follows_it():
    splitter = SentenceSplitter()
    assert splitter.feed("The gate is shut.") == []
    assert splitter.feed(" ") == ["The gate is shut."]


def test_a_newline_needs_no_look_ahead():
    assert SentenceSplitter().feed("First line\n") == ["First line"]


def test_an_ideographic_full_stop_needs_one_character():
    splitter = SentenceSplitter()
    assert splitter.feed("你好。") == []
    assert splitter.feed("你") == ["你好。"]


def test_one_chunk_may_hold_many_sentences():
    assert SentenceSplitter().feed("One came. Two came! Three came? Four") == [
        "One came.",
        "Two came!",
        "Three came?",
    ]


def test_an_unterminated_tail_is_flushed():
    splitter = SentenceSplitter()
    assert splitter.feed("Nobody told me. And then") == ["Nobody told me."]
    assert splitter.flush() == ["And then"]
    assert splitter.flush() == []


def test_a_question_still_open_at_the_end_is_answered_by_the_flush():
    splitter = SentenceSplitter()
    assert splitter.feed("He lives in the U.S. She") == []
    assert splitter.flush() == ["He lives in the U.S.", "She"]


def test_reset_forgets_the_stream():
    splitter = SentenceSplitter()
    splitter.feed("Half a sen")
    splitter.reset()
    assert splitter.feed("New words. ") == ["New words."]


def test_two_splitters_share_nothing():
    one, two = SentenceSplitter(), SentenceSplitter()
    one.feed("Lydia says ")
    two.feed("Nazeem says ")
    assert (one.flush(), two.flush()) == (["Lydia says"], ["Nazeem says"])


def test_run_on_text_is_cut_at_a_clause():
    text = "we walked over the hills, and down the long valley, and then we came to the river and stopped"
    assert split(text, 4, 64) == ["we walked over the hills, and down the long valley,", text[52:]]


def test_run_on_text_without_a_clause_is_cut_between_words():
    text = "word " * 100
    pieces = split(text, 3, 64)
    assert all(set(piece.split()) == {"word"} and len(piece) <= 64 for piece in pieces)


def test_only_a_monstrous_word_is_cut_inside():
    assert [len(piece) for piece in split("a" * 100, 7, 40)] == [40, 40, 20]


def test_a_length_too_short_to_hold_a_word_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        SentenceSplitter(8)


def test_nul_and_odd_letters_pass_through():
    assert split("Nul\0 is here. Ⓐ is not a word. U.S. Ⓐ") == ["Nul\0 is here.", "Ⓐ is not a word.", "U.S.", "Ⓐ"]


# Properties

SCRAPS = (
    "a I Dr Jarl said Bob U.S a.m no is well . .. ! ? ... … 。 ！ 」 と 你 😀 👨‍👩‍👧 ❤️ : ; , — - 1. 2. a) b)"
    " • ( ) [ ] * The etc \" “ ” « » ' 1 2 \0 :) Ⓐ ph.D"
)
streams = st.lists(st.sampled_from([*SCRAPS.split(" "), " ", " ", " ", "\n", "\t", "\u00a0", ". ", " . . ."])).map(
    "".join
)
texts = st.one_of(streams, st.text())


@given(texts, st.data(), st.sampled_from([16, 40, 400]))
@example("One. . . . Two", None, 400)
def test_chunks_change_nothing(text: str, data: st.DataObject | None, max_length: int):
    whole = split(text, max(1, len(text)), max_length)
    assert split(text, 1, max_length) == whole
    if data:
        splitter = SentenceSplitter(max_length)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert [s for piece in pieces for s in splitter.feed(piece)] + splitter.flush() == whole


@given(texts, st.sampled_from([16, 400]))
def test_nothing_is_lost_or_rewritten(text: str, max_length: int):
    sentences = split(text, 4, max_length)
    assert visible("".join(sentences)) == visible(text)
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)
    assert all(len(sentence) <= max_length + 48 for sentence in sentences)


@given(texts, texts)
def test_a_flush_makes_it_new(first: str, second: str):
    splitter = SentenceSplitter()
    splitter.feed(first)
    splitter.flush()
    assert splitter.feed(second) + splitter.flush() == split(second, max(1, len(second)))


# Cost: work is counted, not timed


def work(text: str, size: int) -> int:
    """Calls made, in Python and in C, while ``text`` is split."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    splitter = SentenceSplitter()
    chunks = [text[i : i + size] for i in range(0, len(text), size)]
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for chunk in chunks:
            splitter.feed(chunk)
        splitter.flush()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("size", [1, 4, 1_000_000])
@pytest.mark.parametrize(
    "scrap",
    ['"', ".", ". ", " ", "\n", "a", "word ", "U.S. Go", '"A." Bob ', "! ", "😀", ") ", "*a. ", "1. ", "。"],
)
def test_twice_the_text_is_at_most_twice_the_work(scrap: str, size: int):
    text = scrap * (8000 // len(scrap))
    assert work(text * 2, size) <= 2.1 * work(text, size) + 100


def test_a_quiet_token_costs_a_handful_of_calls():
    quiet = work("walk" * 90, 4) / 90
    assert quiet <= 6
