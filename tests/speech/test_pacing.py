"""Sound comes at once and does not run dry: where sentences are cut, and what that is worth, in simulated time."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfsn_bridge.speech.compose import Composer, Piece
from rfsn_bridge.speech.pacing import CHARACTERS_PER_S, OVERHEAD_S, Pace, breaths, piece_of
from rfsn_bridge.speech.sentences import SentenceSplitter

REPLIES = (
    "Whiterun stands at the heart of Skyrim. Its people are proud, and its walls have never fallen. If you must "
    "go to Bleak Falls Barrow, take a torch and a friend. No. Take two.",
    "Well met, traveler! I have not seen you here before, so let me give you some advice: stay out of the "
    "catacombs under the city, because nobody who went down there in the last year has come back alive.",
    "I used to be an adventurer like you. Then I took an arrow in the knee. Now I stand here day and night and "
    "watch the same three merchants argue about the price of cabbages.",
    "Hail. The Jarl is not receiving visitors today. Dragons have been seen near Helgen and he has called his "
    "council together to decide what must be done about it before winter comes.",
    "Aye. That sword was forged by Eorlund Gray-Mane himself, and there is no finer steel in all of Skyrim. It "
    "costs five hundred septims, which is less than it is worth.",
)


# --- Where to breathe


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "If you must go to Bleak Falls Barrow, take a torch.",
            ["If you must go to Bleak Falls Barrow,", "take a torch."],
        ),
        ("It costs 1,000 septims and no coin less.", ["It costs 1,000 septims and no coin less."]),
        ("He said “come in, friend” and left, and he never came back.", None),
        ("Go now (if you must, at least) to the old town.", None),
        ("We wait right here — until the storm passes.", ["We wait right here —", "until the storm passes."]),
        (
            "He does not mind the dust of tombs that lie in the dark.",
            ["He does not mind the dust of tombs", "that lie", "in the dark."],
        ),
        ("Nothing to cut in here at all", None),
    ],
)
def test_a_speaker_breathes_behind_a_mark_or_before_a_phrase(text: str, pieces: list[str] | None) -> None:
    places = breaths(text)
    cut = [text[start:end].strip() for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert cut == (pieces or [text])


@given(st.text(alphabet='ab ,;:.—"*()and', max_size=120))
def test_a_breath_is_between_words_and_never_inside_marks_that_belong_together(text: str) -> None:
    places = breaths(text)
    assert places == sorted(set(places))
    for place in places:
        assert text[place - 1].isspace() and not text[place].isspace()
        assert not set(text[:place]) & set('"*()')


# --- How much at a time


def test_the_first_clause_goes_ahead_where_that_helps() -> None:
    text = "If you must go to Bleak Falls Barrow, take a torch and a friend, and come back before the night."
    end = Pace(0.3).first(text)
    assert text[:end] == "If you must go to Bleak Falls Barrow, "
    assert Pace(0.3).first("Good day, friend.") == 0  # nothing is gained
    assert Pace(0.8).first(text) == 0  # the rest would come too late
    assert Pace(0.3).first("Well now, ", unwritten_s=0) == 0


def test_a_clause_goes_ahead_of_what_is_not_written_yet() -> None:
    text = "If you must go to Bleak Falls Barrow, t"
    assert Pace(0.3).first(text, unwritten_s=0.5) == 38
    assert Pace(0.3).first(text, unwritten_s=0.01) == 0


def test_what_comes_next_is_as_long_as_can_be_ready_in_time() -> None:
    text = "It was forged by Eorlund himself, who works at the Skyforge, and there is no finer steel in Skyrim."
    assert Pace(0.3).next(text, left_s=10) == 0
    end = Pace(0.5).next(text, left_s=2.5)
    assert 0 < end <= Pace(0.5).in_time(2.5) and text[:end].endswith(", ")


# --- What becomes of whole replies


@dataclass
class Played:
    """What a listener hears, with an engine that needs `rtf` and a model that writes `tokens_per_s`."""

    first_s: float = 0.0
    inside: list[float] = field(default_factory=list)
    """Gaps inside sentences."""
    between: list[float] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


def written(reply: str, tokens_per_s: float, pace: Pace) -> list[tuple[float, str, bool]]:
    """Each sentence and when it is there; the first clause apart, where it goes ahead."""
    splitter, now, out = SentenceSplitter(), 0.15, list[tuple[float, str, bool]]()
    for at in range(0, len(reply), 4):
        now += 1 / tokens_per_s
        out += [(now, sentence, True) for sentence in splitter.feed(reply[at : at + 4])]
        if not out and (end := pace.first(splitter.pending, 40 / (4 * tokens_per_s))):
            out.append((now, splitter.cut(end), False))
    return out + [(now, sentence, True) for sentence in splitter.flush()]


def play(reply: str, rtf: float, tokens_per_s: float) -> Played:
    pace, composer, played = Pace(rtf), Composer(), Played()
    text = written(reply, tokens_per_s, pace)
    now = until = 0.0
    seq = 0
    while not composer.done:
        while seq < len(text) and text[seq][0] <= now:
            composer.add(seq, text[seq][1], {}, ends_sentence=text[seq][2])
            seq += 1
        if seq == len(text):
            composer.end()
        piece = composer.take(max(0.0, until - now), pace)
        if piece is None:
            now += 0.01
            continue
        now += rtf * (OVERHEAD_S + len(piece.text) / CHARACTERS_PER_S)
        if not played.pieces:
            follows = piece_of(len(piece.rest) or composer.waiting or 60)
            unwritten_s = 0 if piece.rest or composer.waiting else 60 / (4 * tokens_per_s)
            inside = bool(piece.rest) or not piece.ends_sentence
            if not composer.done:
                now += pace.hold_s(pace.speech_s(len(piece.text)), unwritten_s, follows, inside=inside)
            played.first_s = until = now
        elif now > until:
            before = played.pieces[-1]
            inside = not piece.opens or not before.ends_sentence
            (played.inside if inside else played.between).append(now - until)
            until = now
        until += 0.08 + len(piece.text) / CHARACTERS_PER_S + piece.pause_s
        played.pieces.append(piece)
    return played


@pytest.mark.parametrize("rtf", [0.2, 0.35, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("tokens_per_s", [15, 30, 60, 1000])
@pytest.mark.parametrize("reply", REPLIES)
def test_no_sentence_runs_dry_where_its_text_is_there(reply: str, rtf: float, tokens_per_s: float) -> None:
    played = play(reply, rtf, tokens_per_s)
    if tokens_per_s >= 30:  # slower, the rest of a long first sentence may not be written in time
        assert max(played.inside, default=0) <= 0.1
    assert " ".join(piece.text for piece in played.pieces).split() == reply.split()


@pytest.mark.parametrize("reply", REPLIES)
def test_cutting_brings_the_first_sound_forward(reply: str) -> None:
    whole = Pace(0.35).work_s(len(SentenceSplitter().feed(reply + " X")[0]))
    assert play(reply, 0.35, 1000).first_s <= 0.2 + max(whole, Pace(0.35).work_s(48))


# --- What is said together


_sentences = st.lists(st.text(alphabet="abc d,", min_size=1, max_size=60).filter(str.strip), max_size=8)


@given(_sentences, st.floats(0.05, 2), st.lists(st.floats(0, 5), max_size=40))
@settings(max_examples=300)
def test_every_sentence_is_said_once_in_order(texts: list[str], rtf: float, left: list[float]) -> None:
    composer, pieces = Composer(), list[Piece]()
    for seq, text in enumerate(texts):
        composer.add(seq, " ".join(text.split()), {})
    composer.end()
    steps = iter(left)
    while not composer.done:
        piece = composer.take(next(steps, 0.0), Pace(rtf))
        assert piece is not None
        pieces.append(piece)
    assert " ".join(piece.text for piece in pieces).split() == " ".join(texts).split()
    passages = [piece for piece in pieces if piece.opens]
    covered = [seq for piece in passages for seq in range(piece.seq, piece.through_seq + 1)]
    assert covered == list(range(len(texts)))
    for piece, following in zip(pieces, [*pieces[1:], None], strict=False):
        assert piece.closes == (following is None or following.opens)


def test_tiny_sentences_are_said_with_the_next() -> None:
    composer = Composer()
    for seq, text in enumerate(("No.", "Take two.", "And a torch for the way home.")):
        composer.add(seq, text, {})
    first = composer.take(0, Pace(0.3))
    assert first and (first.text, first.seq, first.through_seq) == ("No. Take two.", 0, 1)


def test_a_tiny_sentence_waits_for_company_only_while_sound_is_left() -> None:
    composer = Composer()
    composer.add(0, "No.", {})
    assert composer.take(3.0, Pace(0.3)) is None
    lonely = composer.take(0.2, Pace(0.3))
    assert lonely and lonely.text == "No."
    composer.end()
    assert composer.done


def test_a_sentence_is_said_whole_where_pieces_are_of_no_use() -> None:
    composer = Composer()
    text = "If you must go to Bleak Falls Barrow, take a torch and a friend, and come back before the night."
    composer.add(0, text, {})
    piece = composer.take(0, Pace(0.3), whole=True)
    assert piece and piece.text == text and piece.opens and piece.closes
