"""What is said for a text: its phonemes, and which of them belong to which word."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Phonemize = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Word:
    """A word as in the text, and where its phonemes begin and end in the string of all."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    phonemes: str
    words: tuple[Word, ...]


def read(text: str, phonemize: Phonemize, given: Mapping[str, str], vocabulary: Collection[str]) -> Reading:
    """`phonemize` is espeak's; `given` says how some words sound."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
    if not plain.strip():
        return Reading("", ())
    said = _pieces(plain, phonemize, given, vocabulary) if given else phonemize(plain)
    phonemes = " ".join(said.split())
    return Reading(phonemes, _words(plain, phonemes, phonemize, given))


def is_sound(phoneme: str) -> bool:
    """Whether it is more than punctuation, stress and length."""
    return unicodedata.category(phoneme) in ("Ll", "Lu", "Lo")


def _pieces(text: str, phonemize: Phonemize, given: Mapping[str, str], vocabulary: Collection[str]) -> str:
    """The given words as they are given, and what is between them by espeak."""
    longest_first = sorted(filter(None, given), key=len, reverse=True)
    words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    said: list[str] = []
    done = 0
    for match in words.finditer(text):
        said.append(_between(text[done : match.start()], phonemize))
        said.append("".join(phoneme for phoneme in given[match[0]] if phoneme in vocabulary))
        done = match.end()
    said.append(_between(text[done:], phonemize))
    return "".join(said)


def _between(text: str, phonemize: Phonemize) -> str:
    said = phonemize(text) if text.strip() else ""
    return f"{text[:1] if text[:1].isspace() else ''}{said}{' ' if text[-1:].isspace() else ''}"


# --- Which phonemes belong to which word ---


def _words(text: str, phonemes: str, phonemize: Phonemize, given: Mapping[str, str]) -> tuple[Word, ...]:
    words = [word for word in (_bare(part) for part in text.split()) if word]
    groups = [match.span() for match in re.finditer(r"\S+", phonemes) if any(map(is_sound, match[0]))]
    if len(words) == len(groups):
        return tuple(Word(word, *span) for word, span in zip(words, groups, strict=True))
    alone = [given.get(word) or phonemize(word) for word in words]
    starts = _starts(alone, phonemes)
    ends = [*starts[1:], len(phonemes)]
    return tuple(
        Word(word, start, end) for word, start, end in zip(words, starts, ends, strict=True) if start < end
    )


def _bare(part: str) -> str:
    """A word without the punctuation around it; empty if it was only that."""
    loud = [place for place, letter in enumerate(part) if letter.isalnum()]
    return part[loud[0] : loud[-1] + 1] if loud else ""


def _starts(alone: Sequence[str], phonemes: str) -> list[int]:
    """Where each word begins, though espeak may run some together ("do not") or say one as several ("42").

    The sounds of the words one by one are laid along those of the whole, and each word's first one is looked up.
    """
    places = [place for place, phoneme in enumerate(phonemes) if is_sound(phoneme)]
    whole = "".join(phonemes[place] for place in places)
    sounds = ["".join(filter(is_sound, word)) for word in alone]
    matcher = SequenceMatcher(None, "".join(sounds), whole, autojunk=False)
    blocks = matcher.get_matching_blocks()
    begins = [block.a for block in blocks]
    starts: list[int] = []
    at = 0
    for word in sounds:
        block = blocks[max(0, bisect_right(begins, at) - 1)]
        offset = at - block.a
        place = block.b + min(max(offset, 0), block.size) if block.a <= at else 0
        starts.append(_back(phonemes, places[place]) if place < len(places) else len(phonemes))
        at += len(word)
    if starts:
        starts[0] = 0
    return starts


def _back(phonemes: str, place: int) -> int:
    """To the stress mark before a sound."""
    while place and phonemes[place - 1] in "ˈˌ":
        place -= 1
    return place
