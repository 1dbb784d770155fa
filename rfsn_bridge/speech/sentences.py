"""Cut a stream of LLM tokens into sentences, each as soon as it can be known.

A sentence is spoken while the next one is still being written, so every character we wait costs the player time,
and every wrong cut is heard as a stumble. Three ideas keep both small:

*Most tokens are quiet.* Only a stop, a newline, a bullet or a closing bracket can end a sentence or force a look
back, so a token without one is appended and nothing else happens. The text of one sentence is bounded by
``max_length``, which makes plain string concatenation linear.

*A stop is a question, asked with as little of what follows as will answer it.* ``_verdict`` sees the text from the
start of the sentence and answers with a place to cut, NO, or WAIT (the answer lies in text not yet here; ask again
with the next token). After a plain word a full stop and a space is answer enough. Otherwise it looks at the next
visible letter ("5 p.m. and", '"Halt!" he said'), and in the few cases where even that says nothing, at the next
word ("the U.S. Government", "the U.S. How").

*Answers depend on the text alone.* An answer given early is never one that more text would change, the look ahead
is bounded by the same length wherever the chunks fall, and what a sentence leaves behind (the last list number, a
liking for emoji) is settled when it is cut. So any chunking of a stream gives the same sentences.

Nothing is rewritten: what comes out is what went in, but for white space at the joins.
"""

from __future__ import annotations

import re

from rfsn_bridge.speech import lexicon
from rfsn_bridge.speech.lexicon import NEVER, SHORT

NO, WAIT = -1, -2

_STOPS = ".!?…‼⁇⁈⁉؟۔।॥։።"
_ASCII_STOPS = frozenset(".!?")
_WIDE = "。！？｡"
_NEWLINES = "\n\r\u2028\u2029"
_BULLETS = "•⁃‣"
_CLOSERS = "\"'”’“»«›)]}*_`」』）】》〉"
_QUOTING = ("と", "っ", "、", "，")  # after 」: the quotation goes on with "said"
_JOINTS = str.maketrans("", "", "'’-")
_CLAUSES = (", ", "; ", ": ", ") ", "— ", "– ", "，", "、", "；", "：")
_SPACED = {"»": "«", ")": "("}  # what may stand apart from the stop it encloses
_MARKS = frozenset(_NEWLINES + _BULLETS + ")")
_QUOTES = frozenset("\"'”’“»«›")
_OPENERS = "\"'“‘«„‹([{*_`¿¡—–-"
_NOISY = frozenset(_STOPS + _WIDE + _NEWLINES + _BULLETS + ")")
_GAP = r"[^\S\n\r\u2028\u2029]*"  # white space within a line
_CLOSING = rf"([{re.escape(_CLOSERS)}]*)({_GAP})"

# One character class in front lets the regex engine skip to the next candidate, five times as fast as "|" would.
_CANDIDATE = re.compile(
    rf"([{_STOPS}{_WIDE}{_NEWLINES}{_BULLETS})])([{_STOPS}{_WIDE}]*)([{re.escape(_CLOSERS)}]*)({_GAP})"
)
_SPACED_DOTS = re.compile(rf"(\.(?:[ \u00a0]\.)*){_CLOSING}")
_EMOJI = (
    "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\u200d\ufe0f\u20e3\U0001f000-\U0001faff"
    "\U000e0020-\U000e007f"
)
_ORNAMENT = re.compile(rf"((?:(?:[{_EMOJI}]+|[:;=]-?[()DP]){_GAP})+)")  # what belongs to the sentence before it
_MARKER = re.compile(rf"\s*([{_BULLETS}*–-]?)\s*([0-9]{{1,3}}|[a-z])(\.\)|[.)])")
_WORD = re.compile(r"\w")
_NAME = re.compile(r"[\w'’-]+")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,3}")  # U.S, a.m, Ph.D: the last dot is the stop itself
_VOWELS = frozenset("aeiouy")

_AHEAD = 48  # how much text after a stop may be asked for
_EYES = (":", ";", "=")  # of a smiley
_ASIDE = 200
_NO_ITEM = ("", "")


class SentenceSplitter:
    """Turns chunks of one stream into stripped sentences; make one for each stream, or flush between two.

    A sentence longer than ``max_length`` characters is cut at a clause, failing that at white space, and inside a
    word only where there is no white space at all.
    """

    __slots__ = ("_at", "_buffer", "_item", "_limit", "_line", "_waiting", "_wary")

    def __init__(self, max_length: int = 400) -> None:
        if max_length < 16:
            raise ValueError("max_length must be at least 16 characters")
        self._limit = max_length
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self._buffer = ""  # from the end of the last sentence
        self._at = 0  # stops before this place in the buffer are settled
        self._waiting = False  # the stop at this place needs more text
        self._line = False  # a newline came before this sentence
        self._item = _NO_ITEM  # number and style of the last sentence, if it was a list item
        self._wary = False  # this writer puts emoji or spaced dots after full stops

    def feed(self, text: str) -> list[str]:
        """Take the next chunk, of any length, and return the sentences it completes."""
        self._buffer = buffer = self._buffer + text
        if not self._waiting and len(buffer) <= self._limit:
            if _NOISY.isdisjoint(text):
                return []
            if text[-1] in _ASCII_STOPS and _NOISY.isdisjoint(text[:-1]):
                self._waiting = True  # for the closing quote or the space
                return []
        return self._scan(final=False)

    def flush(self) -> list[str]:
        """End the stream: return what is left of it and be ready for the next."""
        sentences = self._scan(final=True)
        if tail := self._buffer.strip():
            sentences.append(tail)
        self.reset()
        return sentences

    @property
    def pending(self) -> str:
        """What came after the last sentence; empty while only more text can tell whether a sentence ends in it."""
        return "" if self._waiting else self._buffer

    def cut(self, end: int) -> str:
        """Take the first `end` characters of `pending` out of the stream."""
        head, self._buffer = self._buffer[:end].strip(), self._buffer[end:]
        self._at = max(0, self._at - end)
        return head

    def _scan(self, *, final: bool) -> list[str]:
        text, start, at, size = self._buffer, 0, self._at, len(self._buffer)
        sentences: list[str] = []
        waiting = False
        while True:
            limit = start + self._limit
            if at == size <= limit:
                break
            horizon = limit + _AHEAD
            end = size if size < horizon else horizon
            line = False
            found = _CANDIDATE.search(text, at, end)
            if found is None or (place := found.start()) >= limit:
                if size <= limit:
                    at = size
                    continue
                at, cut = limit, _clause_end(text, start, limit)
            elif text[place] in _MARKS:
                at = place + 1
                line = text[place] in _NEWLINES
                cut = at if line else _item_start(text, start, place)
            else:
                cut = self._verdict(text, start, place, found, end, final or end == horizon)
                if cut == WAIT:
                    at, waiting = place, True
                    break
                at = found.end()
            if cut == NO:
                continue
            if sentence := text[start:cut].strip():
                sentences.append(sentence)
                self._item = _NO_ITEM if "A" <= sentence[0] <= "Z" else self._learn(sentence)
                self._line = line
            elif line:
                self._line = True
            start = cut
            if at < cut:
                at = cut
        self._buffer = text[start:]
        self._at = at - start
        self._waiting = waiting
        return sentences

    def _learn(self, sentence: str) -> tuple[str, str]:
        """The number and style of a list item; and note emoji that should have ended the sentence before."""
        if sentence[0] > "\u2190" and _ORNAMENT.match(sentence):
            self._wary = True
        marker = _MARKER.match(sentence)
        return (marker[2], marker[3]) if marker else _NO_ITEM

    def _verdict(self, text: str, start: int, at: int, found: re.Match[str], end: int, final: bool) -> int:
        """Where to cut for the run of stops at ``at``; NO; or WAIT for more, unless what is here is ``final``."""
        stop, after = found.end(3), found.end()
        if stop == end and not final:
            return WAIT
        run = text[at : found.end(2)]
        word = text[text.rfind(" ", start, at) + 1 or start : at]
        plain = _is_plain(word) if run == "." else "?" in run and not run.strip("!?") and word[-1:].isalnum()
        if plain and stop == at + len(run) and stop < after and not self._wary:
            bare = text.isascii() and text.find("*", start, at) < 0 and text.find("(", start, at) < 0
            if bare or not _enclosed(text, start, at):
                return stop  # most stops end here: "The gate is shut. "

        closers = found[3]
        if run == "." and not closers and word.lower() in NEVER:
            return NO
        if after == end and not final and (len(word) > 3 or run != ".") and run[-1] not in _WIDE:
            return WAIT
        if not _WORD.search(text, start, at):
            return NO
        if run == "." and not word and (spaced := _SPACED_DOTS.match(text, at, end)):
            if at > start + 1 and text[at - 2] == ".":
                return NO  # answered at the first of these dots
            if spaced.end() == end and not final:
                return WAIT
            run, closers = "." * spaced[1].count("."), spaced[2]
            stop, after = spaced.end(2), spaced.end()
            self._wary = self._wary or len(run) > 1
        if text[at - 1] == "[" or (text.find("*", start, at) >= 0 and _in_direction(text, start, at, closers)):
            return NO
        ornament = _ORNAMENT.match(text, after, end)
        place = ornament.end() if ornament else after
        if not final and ((ornament and place == end) or (place + 2 >= end and text[place : place + 1] in _EYES)):
            return WAIT
        if run[-1] in _WIDE:
            if "“" in closers:  # no closing quote here, as it is in German
                return found.start(3) + closers.index("“")
            if closers and text[stop : stop + 1] in _QUOTING:
                return NO
            return ornament.end() if ornament and stop == after else stop
        if run == "." and stop < after and closers in ("", ")"):
            if self._is_marker(text, start, at):
                return NO
            if (item := _next_item(text, start, at, run + closers)) != NO:
                return item
        if after == end:
            return NO if final else WAIT
        if (opener := _SPACED.get(text[after])) and _is_open(text, start, at, opener, text[after]):  # « Halte ! »
            closers, stop = text[after], after + 1
            if stop == end and not final:
                return WAIT
            after = stop + 1 if text[stop : stop + 1].isspace() else stop
            if after >= end:
                return NO if final else WAIT
        dots = not run.strip(".…")
        if ornament:
            return ornament.end() if ornament.end() < end else NO
        follower = text[after]
        halting = dots and run != "."
        if stop == after and not (halting and not closers and follower.isupper() and _is_plain(word)):
            if follower.isalpha() and follower.lower() == follower.upper():
                return NO if dots else stop  # "Hello!你好"
            if not follower.isupper() or closers or halting or not (word.islower() and _is_plain(word)):
                return NO  # "3.5"
            if after + 1 == end:
                return NO if final else WAIT
            return stop if text[after + 1].islower() else NO  # "the end.Next", but "readme.TXT"

        ahead = text[after : min(end, after + _AHEAD)]
        final = final or len(ahead) == _AHEAD
        if closers:
            if follower.islower() or follower in ",;:—–-":
                return NO
            tagged = follower.isupper() and not _QUOTES.isdisjoint(closers) and _all_quoted(text, start, stop)
            new = _not_a_tag(ahead, final) if tagged else True
        elif not dots:
            new = not follower.islower() or word.lower().lstrip(_OPENERS) not in lexicon.EXCLAIMING
        elif run != ".":
            new = _after_ellipsis(text[start:at].split(), len(run) > 3, ahead, final)
        elif follower == ".":
            return _after_spaced_dots(text, stop, after, end, final)
        else:
            new = plain or _after_abbreviation(text[start:at].split(), ahead, final)
        return WAIT if new is None else stop if new else NO

    def _is_marker(self, text: str, start: int, at: int) -> bool:
        """Whether the stop at ``at`` belongs to the number of a list item rather than to a sentence."""
        marker = _MARKER.match(text, start)
        if marker is None or marker.start(3) != at:
            return False
        number, style = marker[2], marker[3]
        return bool(marker[1]) or self._line or number in ("1", "a") or self._item == (_before(number), style)


# The questions a stop asks. Those that look ahead say None if ``ahead`` is too short to tell.


def _is_plain(word: str) -> bool:
    """Whether a full stop after this word, and a space, can only end a sentence."""
    key = word.lower()
    if key in SHORT or len(word) < 2 or not (word.isalpha() or word.translate(_JOINTS).isalpha()):
        return False
    return len(word) > 4 or not _VOWELS.isdisjoint(key) or not word.isascii()


def _enclosed(text: str, start: int, at: int) -> bool:
    """Whether a quotation or bracket may be open, whose end can follow after a space, or an aside."""
    return _in_direction(text, start, at, "") or any(
        _is_open(text, start, at, mark, end) for mark, end in ("“”", "«»", "()")
    )


def _is_open(text: str, start: int, at: int, mark: str, end: str) -> bool:
    """Whether what this mark opens has not ended yet."""
    return text.rfind(mark, start, at) > text.rfind(end, start, at)


def _in_direction(text: str, start: int, at: int, closers: str) -> bool:
    """Whether an *aside. Between asterisks* is open; one not closed for long never was one."""
    star = text.rfind("*", max(start, at - _ASIDE), at)
    if star < 0 or "*" in closers or text.count("*", start, at) % 2 == 0 or text[star + 1].isspace():
        return False
    return star == start or not text[star - 1].isalnum()


def _all_quoted(text: str, start: int, stop: int) -> bool:
    """Whether a sentence that ends in a quote has no word of the narrator's in it yet."""
    return text[start:stop].lstrip()[:1] in _QUOTES or text.count('"', start, stop) % 2 == 1


def _not_a_tag(ahead: str, final: bool) -> bool | None:
    """After a quotation and before a capital: False if a name and "said" follow."""
    *words, last = ahead.split(" ")
    for word in [*words, last] if final else words[:3]:
        if word.rstrip(".,:;!?") in lexicon.SPEECH:
            return False
        if not (_NAME.fullmatch(word) and word[0].isupper()) or (word != "I" and _is_starter(word)):
            return True
    if final or len(words) > 2 or (last[:1].islower() and last not in lexicon.SPEECH_PREFIXES):
        return last.rstrip(".,:;!?") not in lexicon.SPEECH
    return None


def _after_ellipsis(words: list[str], long: bool, ahead: str, final: bool) -> bool | None:
    """After "...", a new sentence needs a capital other than "I", and before it a word that can end one."""
    word = words[-1].lower().lstrip(_OPENERS)
    if word in lexicon.UNFINISHED:
        return False
    ahead = ahead.lstrip(_OPENERS)
    if not ahead:
        return False if final else None
    if not ahead[0].isalpha() or ahead[0].islower():
        return False
    name = _NAME.match(ahead)
    if name is None or long or (ahead[0] != "I" and ahead[0].lower() != word[:1]):
        return True
    if name.end() == len(ahead) and not final:
        return None
    return not (name[0].lower() == word or name[0] == "I" or name[0].startswith(("I'", "I’")))


def _after_abbreviation(words: list[str], ahead: str, final: bool) -> bool | None:
    """After one full stop behind a word that is short, numeric or odd."""
    word = words[-1].lstrip(_OPENERS).rpartition("—")[2]
    key, previous, follower = word.lower(), words[-2] if len(words) > 1 else "", ahead[0]
    if not word[-1:].isalpha() and key not in lexicon.BEFORE_FIGURE:
        return True  # a figure
    if follower.islower() or key in NEVER or (follower.isdigit() and key in lexicon.BEFORE_FIGURE):
        return False
    if not (len(word) == 1 or key in lexicon.MAYBE or _DOTTED.fullmatch(word)):
        return True
    if not follower.isupper():
        return not follower.isdigit()
    if (word == "I" and previous[:1].islower()) or (key == "jarl" and previous.lower() in lexicon.DETERMINERS):
        return True
    if key == "etc":
        return True
    name = _NAME.match(ahead)
    if name is None:
        return True
    partial = name.end() == len(ahead) and not final
    if key in ("a.m", "p.m") and len(words) > 4:  # "At 5 a.m. Mr. Smith" has no verb yet
        begun = name[0].lower()
        return begun not in lexicon.AFTER_TIME and (
            None if partial and begun in lexicon.AFTER_TIME_PREFIXES else True
        )
    if partial:
        return None
    initial = len(name[0]) == 1 and ahead.startswith(".", name.end())
    return _is_starter(name[0]) and not initial


def _after_spaced_dots(text: str, stop: int, after: int, end: int, final: bool) -> int:
    """The verdict for "word. . . .": the dots open the next sentence if there is one, else close this."""
    dots = _SPACED_DOTS.match(text, after, end)
    if dots is None or dots.end() == end:
        return NO if final else WAIT
    return dots.end(2) if dots[2] else stop


def _is_starter(word: str) -> bool:
    """Whether this word, or what stands before its apostrophe, often begins a sentence."""
    key = word.lower()
    return key in lexicon.STARTERS or key.replace("’", "'").partition("'")[0] in lexicon.STARTERS


def _before(number: str) -> str:
    """The list number or letter that precedes this one."""
    return str(int(number) - 1) if number.isdigit() else chr(ord(number) - 1)


def _next_item(text: str, start: int, at: int, style: str) -> int:
    """Where "2." begins, if the sentence being read began with "1."; else NO."""
    begin = text.rfind(" ", start, at) + 1
    if begin <= start or at - begin > 3:
        return NO
    item, first = _MARKER.match(text, begin), _MARKER.match(text, start, begin)
    if item is None or first is None or item.start(3) != at:
        return NO
    return begin if first[3] == style and first[2] == _before(item[2]) else NO


def _item_start(text: str, start: int, at: int) -> int:
    """Where the list item begins whose bullet or bracket is at ``at``, if another comes before it; else NO."""
    if text[at] == ")":
        return _next_item(text, start, at, ")") if text.find("(", start, at) < 0 else NO
    return at if at > start and text[at - 1].isspace() and _WORD.search(text, start, at) else NO


def _clause_end(text: str, start: int, limit: int) -> int:
    """The best place to cut an overlong sentence, at most at ``limit``."""
    middle = (start + limit) // 2
    if (mark := max(text.rfind(clause, middle, limit) for clause in _CLAUSES)) >= 0:
        return mark + 1
    space = max(text.rfind(space, start, limit + 1) for space in " \t\u00a0\u3000")
    return space if space > start else limit
