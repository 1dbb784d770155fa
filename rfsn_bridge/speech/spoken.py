"""From a shown sentence to what the voice says of it: without markup and emoji, and stage directions if so wished.

Numbers, times and the like stay as they are written; normal.py has words for them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rfsn_bridge.speech.directions import Directions, Span
from rfsn_bridge.speech.reply import RolePrefix

_CHARACTERS_PER_S = 17.2
"""How fast Kokoro speaks English at speed 1, which is also how fast people like to read."""
_SHORTEST_MS = 1200
_LONGEST_DIRECTION = 6
"""Sentences that one direction may span; then its missing end is forgotten."""


def reading_ms(text: str) -> int:
    """How long a sentence is shown where it is not spoken."""
    return max(_SHORTEST_MS, round(1000 * len(text) / _CHARACTERS_PER_S))


class SpokenText:
    """One turn's sentences, in order: a direction may begin in one and end in a later one.

    With `narration`, directions are read too, set apart from speech by a pause.
    """

    def __init__(self, npc_name: str = "", narration: bool = False) -> None:
        self._narration = narration
        self._prefix = RolePrefix(npc_name)
        self._directions = Directions(npc_name)
        self._open = ""
        self._spanned = 0

    def spoken(self, sentence: str) -> str:
        """What is to be said of `sentence`; empty if that is nothing."""
        text = self._continued(_unlink(sentence.strip()))
        text = text[self._prefix.match(text) :]
        text = _LINE_MARKS.sub("", text)
        return _tidy(_pronounceable(self._without_directions(text)))

    def _continued(self, text: str) -> str:
        """What follows the direction that an earlier sentence left open."""
        if not self._open:
            return text
        end = text.find(self._open)
        self._spanned += 1
        if end >= 0:
            closing, self._open = self._open, ""
            return text[end:].lstrip(closing)
        if self._spanned < _LONGEST_DIRECTION and self._directions.is_narration(text):
            return ""
        self._open = ""  # its end was forgotten: this is speech again
        return text

    def _without_directions(self, text: str) -> str:
        directions, others = self._directions.find(text)
        if self._narration:
            return _narrated(text, directions, others)
        gone = bytearray(len(text))
        for span in directions:
            gone[span.start : span.end] = b"\1" * (span.end - span.start)
            gone[span.start] = _GAP
            if not span.closed:
                self._open, self._spanned = span.closing, 1
        for span in others:
            if span.closing in "*_~" or not span.closed:
                _unmark(span, gone)
        return "".join(_around(text, gone))


_SYMBOLS = frozenset("+=×÷−±<>≤≥°&@%§№")
_JOINERS = "\u200c\u200d"


_GAP = 2
_LINK = re.compile(r"!?\[([^\[\]()]{0,300})\]\([^\s()]{0,500}\)")
_LINE_MARKS = re.compile(r"^\s*(?:#{1,6}\s+|>\s*|[-*+•–]\s+)+")
_HTML_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,10}(?:\s[^<>]{0,80})?/?>")
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=8xX]['’]?-?[()DPpOo|/\\\[\]3]|<3|\^_?\^|[xX]D)(?=[\s.,!?]|$)")


def _around(text: str, gone: bytearray) -> Iterator[str]:
    """The text that stays; a mark within a word leaves no gap in it, a direction between words does."""
    for i, char in enumerate(text):
        if not gone[i]:
            yield char
        elif gone[i] == _GAP:
            yield " "


def _unmark(span: Span, gone: bytearray) -> None:
    """Let the marks go, not what is between them."""
    gone[span.start : span.inner_start] = b"\1" * (span.inner_start - span.start)
    gone[span.inner_end : span.end] = b"\1" * (span.end - span.inner_end)


def _narrated(text: str, directions: list[Span], others: list[Span]) -> str:
    """The text without marks; a pause after a direction that has none of its own."""
    gone = bytearray(len(text))
    for span in others:
        if span.closing in "*_~" or not span.closed:
            _unmark(span, gone)
    out: list[str] = []
    at = 0
    for span in directions:
        before = "".join(_around(text[at : span.start], gone[at : span.start])).rstrip()
        inner = text[span.inner_start : span.inner_end].strip(" *_~")
        opens = before[-1:] in ("", ".", "!", "?", "…")
        out.append(before if opens or before[-1:] in ",;:—" else f"{before},")
        at = span.end
        ends = inner[-1:] in ".,!?…" or not any(map(str.isalnum, text[at:]))
        following = text[at:].lstrip()[:1]
        pause = "" if ends or following in tuple(".,!?;:…") else "." if opens else ","
        out.append(f" {inner}{pause} ")
    out.append("".join(_around(text[at:], gone[at:])))
    return "".join(out)


def _unlink(text: str) -> str:
    return _LINK.sub(r"\1", text)


def _pronounceable(text: str) -> str:
    """Without emoji, emoticons, tags and the symbols that a voice spells out."""
    text = _EMOTICON.sub(" ", _HTML_TAG.sub(" ", text))
    out: list[str] = []
    for i, char in enumerate(text):
        if char.isascii() and (char.isalnum() or char in " .,!?'\"-:;()/&@%$"):
            out.append(char)
            continue
        before = text[i - 1] if i else " "
        after = text[i + 1] if i + 1 < len(text) else " "
        out.append(_heard(char, before, after))
    return "".join(out)


def _heard(char: str, before: str, after: str) -> str:
    if char in "*<>=+":
        sided = before == " " == after or (before.isdigit() and after.isdigit())
        return char if sided or (char in "+=" and after.isdigit()) else " "
    if char in "#~":
        return char if after.isdigit() else " "
    if char in _SYMBOLS:
        return char
    if char in _JOINERS:
        return char if before.isalpha() and after.isalpha() else ""
    if char in "\ufe0e\ufe0f\u20e3`":
        return ""
    if char in "_|^\\{}[]•":
        return " "
    kind = unicodedata.category(char)
    if kind in ("Cf", "Cs"):
        return ""
    return char if kind[0] in "LMNP" or kind == "Sc" else " "


_SPACE = re.compile(r"\s+")
_BEFORE_STOP = re.compile(r" +(?=[,.!?;:…)])|(?<=\() +")
_EMPTY_PARENTHESES = re.compile(r"\([\s.,!?…]{0,20}\)")
_ORPHAN = re.compile(r"^[\s,.;:!?…–—-]+(?=[\s\"'“‘]*\w)")
_TWO_STOPS = re.compile(r"([,;:.!?…]) ?[,;:](?= |$)|(?<=[.!?…]) \.(?= |$)")


def _tidy(text: str) -> str:
    text = _SPACE.sub(" ", _EMPTY_PARENTHESES.sub(" ", text)).strip()
    text = _TWO_STOPS.sub(r"\1", text)
    text = _BEFORE_STOP.sub("", text)
    text = _ORPHAN.sub("", text) if text[:1] not in "-.…" or text[:2] in (". ", "- ", "… ") else text
    return text if any(map(str.isalnum, text)) else ""
