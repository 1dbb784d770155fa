"""What counts as heard."""

import pytest

from rfsn_bridge.memory.heard import Heard, Hearing

FIRST, SECOND = "Whiterun stands at the heart of Skyrim.", " Its people are proud."


def heard(hearing: Hearing, *texts: str, sent_at: float = 0.0) -> Heard:
    """Sentences that were shown and, where anybody listens, spoken at 60 ms a character."""
    h = Heard(hearing)
    for seq, text in enumerate(texts):
        h.shown(text)
        if hearing is not Hearing.SHOWN:
            h.speech_sent(seq, seq, sent_at)
            h.speech_complete(seq, 60 * len(text))
    return h


def test_a_text_only_client_has_heard_what_it_was_shown() -> None:
    h = heard(Hearing.SHOWN, FIRST, SECOND)
    h.finished(1.0, interrupted=False)
    assert h.settled and h.result(1.0) == (FIRST + SECOND, 1)


def test_reported_sentences_are_heard() -> None:
    h = heard(Hearing.REPORTED, FIRST, SECOND)
    h.finished(1.0, interrupted=False)
    h.report(0, "ended", None, 3.0)
    assert not h.settled
    h.report(1, "ended", None, 5.0)
    assert h.settled and h.result(5.0) == (FIRST + SECOND, 1)


def test_a_sentence_that_was_never_reported_was_not_heard() -> None:
    h = heard(Hearing.REPORTED, FIRST, SECOND)
    deadline = h.finished(1.0, interrupted=False)
    h.report(0, "ended", None, 3.0)
    assert deadline > 4.0
    assert h.result(deadline) == (FIRST, 0)


@pytest.mark.parametrize(
    ("heard_ms", "text", "through"),
    [(940, "Whiterun stands", 0), (0, "", -1), (100, "", -1), (2340, FIRST, 0), (99999, FIRST, 0)],
)
def test_an_aborted_sentence_is_cut_at_a_word(heard_ms: int, text: str, through: int) -> None:
    h = heard(Hearing.REPORTED, FIRST)
    h.finished(1.0, interrupted=True)
    h.report(0, "aborted", heard_ms, 1.0)
    assert h.settled and h.result(1.0) == (text, through)


def test_without_a_figure_the_time_since_it_started_counts() -> None:
    h = heard(Hearing.REPORTED, FIRST)
    h.report(0, "started", None, 10.0)
    h.report(0, "aborted", None, 10.94)
    assert h.result(11.0) == ("Whiterun stands", 0)


def test_an_interrupted_sentence_that_is_never_reported_was_heard_until_the_interruption() -> None:
    h = heard(Hearing.REPORTED, FIRST)
    h.report(0, "started", None, 10.0)
    deadline = h.finished(10.94, interrupted=True)
    assert h.result(deadline) == ("Whiterun stands", 0)


def test_without_reports_sentences_are_heard_as_their_time_passes() -> None:
    h = heard(Hearing.PLAYED, FIRST, SECOND)
    assert h.so_far(1.0) == "Whiterun stands"
    deadline = h.finished(1.5, interrupted=False)
    assert deadline == pytest.approx(0.06 * len(FIRST + SECOND))
    assert h.result(deadline) == (FIRST + SECOND, 1)


def test_without_reports_an_interruption_stops_the_hearing() -> None:
    h = heard(Hearing.PLAYED, FIRST, SECOND)
    h.finished(0.94, interrupted=True)
    assert h.settled and h.result(60.0) == ("Whiterun stands", 0)


def test_a_sentence_that_could_not_be_spoken_was_read() -> None:
    h = Heard(Hearing.REPORTED)
    h.shown(FIRST)
    h.speech_dropped(0)
    h.finished(1.0, interrupted=False)
    assert h.settled and h.result(1.0) == (FIRST, 0)


def test_what_was_shown_instead_is_not_unheard_because_its_sound_broke_off() -> None:
    h = Heard(Hearing.REPORTED)
    h.shown("No.")
    h.shown(" Take two.")
    h.speech_sent(0, 1, 0.0)
    assert list(h.unspoken(0)) == [0, 1]
    h.speech_dropped(0)
    assert h.report(0, "aborted", 0, 1.0) and not h.unspoken(0)
    h.finished(1.0, interrupted=False)
    assert h.settled and h.result(1.0) == ("No. Take two.", 1)


def test_sentences_spoken_together_are_reported_together() -> None:
    h = Heard(Hearing.REPORTED)
    h.shown("No.")
    h.shown(" Take two.")
    h.speech_sent(0, 1, 0.0)
    h.speech_complete(0, 1300)
    h.finished(1.0, interrupted=True)
    h.report(0, "aborted", 700, 1.0)
    assert h.result(1.0) == ("No. Take", 1) or h.result(1.0) == ("No.", 0)


def test_chinese_is_cut_between_characters() -> None:
    h = heard(Hearing.REPORTED, "你好世界。")
    h.finished(1.0, interrupted=True)
    h.report(0, "aborted", 130, 1.0)
    assert h.result(1.0) == ("你好", 0)


def test_a_report_of_no_sentence_is_refused() -> None:
    assert not heard(Hearing.REPORTED, FIRST).report(7, "ended", None, 0.0)
