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

NO, WAIT = -1, -2

_STOPS = ".!?…‼⁇⁈⁉؟۔।॥։።"
_WIDE = "。！？｡"
_NEWLINES = "\n\r\u2028\u2029"
_BULLETS = "•⁃‣"
_CLOSERS = "\"'”’“»«›)]}*_`」』）】》〉"
_QUOTES = frozenset("\"'”’“»«›")
_OPENERS = "\"'“‘«„‹([{*_`¿¡—–-"
_NOISY = frozenset(_STOPS + _WIDE + _NEWLINES + _BULLETS + ")")
_GAP = r"[^\S\n\r\u2028\u2029]*"  # white space within a line
_CLOSING = rf"((?:[{re.escape(_CLOSERS)}]|[ \u00a0\u202f]»)*)"

_CANDIDATE = re.compile(rf"([{_STOPS}{_WIDE}]+){_CLOSING}({_GAP})|[{_NEWLINES}{_BULLETS})]")
_SPACED_DOTS = re.compile(rf"(\.(?:[ \u00a0]\.)*){_CLOSING}({_GAP})")
_ORNAMENT = re.compile(
    "((?:[\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\u200d\ufe0f\u20e3\U0001f000-\U0001faff"
    rf"\U000e0020-\U000e007f]+{_GAP})+)"
)
_MARKER = re.compile(rf"\s*([{_BULLETS}*–-]?)\s*([0-9]{{1,3}}|[a-z])(\.\)|[.)])")
_WORD = re.compile(r"\w")
_NAME = re.compile(r"[\w'’-]+")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,3}")  # U.S, a.m, Ph.D: the last dot is the stop itself
_VOWELS = frozenset("aeiouyáéíóúàèìòùâêîôûäëïöüæøåãõ")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A capital after these is a name, a number or the rest of the phrase, never a new sentence.
_NEVER = _words("mr mrs ms mx messrs mme mlle dr prof e.g i.e eg ie cf vs v viz approx a.k.a c.f incl esp")
# After these a new sentence begins only with a word that usually begins one.
_MAYBE = _words(
    "st mt ft hon rev fr capt cpt col gen lt sgt cpl cmdr maj adm gov sen rep pres supt jarl jr sr esq al inc corp"
    " ltd llc plc co bros dept univ assn ave blvd rd hwy est jan feb apr jun jul aug sep sept oct nov dec mon tue"
    " tues thu thur thurs fri ph.d hr hrs min mins lb lbs oz yr yrs wm geo chas etc"
)
# These are short for something only before a figure.
_BEFORE_FIGURE = _words("no nos n° nº p pp pg pt art fig figs sec ch chap vol vols eq op ver v lv lvl")
_STARTERS = _words(
    "he she it we they i you the a an this that these those there here how what when where why which is are was"
    " were do does did can could would shall should must have has had if but and so then now my your his her our"
    " their its please let no yes not never in on at for from with after before as while however although though"
    " because since once come go look see tell take give keep some many most all one each every both it's he's"
    " she's i'm i've i'll i'd we're they're you're that's there's what's don't it’s he’s she’s i’m i’ve i’ll i’d"
    " we’re they’re you’re that’s there’s what’s don’t"
)
_DETERMINERS = _words("the my our your his her their a this that new old young good")
# An ellipsis after these is a hesitation, whatever comes next; after a filler, only "I" goes on.
_UNFINISHED = _words(
    "i he she we they the a an my your his our their to of for with from at by into and but or nor if because is"
    " was are were am be than i'm it's"
)
_FILLERS = _words("well hmm hm um umm uh er erm ah oh so yes no maybe perhaps look listen and but now then")
_SPEECH = _words(
    "said says asked asks replied replies answered answers shouted shouts yelled yells cried cries whispered"
    " whispers muttered mutters growled growls called calls roared roars barked barks hissed hisses snapped snaps"
    " sighed sighs laughed laughs added adds continued murmured murmurs bellowed exclaimed grunted grunts declared"
    " demanded demands spat began warned warns agreed screamed"
)
_SPEECH_PREFIXES = frozenset(verb[:n] for verb in _SPEECH for n in range(1, len(verb) + 1))
_EXCLAIMING = _words("yahoo jeopardy yum oh ah o ho ha alas lo hark")  # the sentence goes on in lower case

_SLACK = 48  # how far past max_length a stop may look for its answer
_ASIDE = 200  # a stage direction longer than this was never closed


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
        self._buffer = ""  # from the start of the sentence being read
        self._at = 0  # candidates before this place in the buffer are settled
        self._waiting = False  # a candidate waits for more text
        self._line = False  # the sentence being read begins a line
        self._item = ("", "")  # number and style of the last list item
        self._wary = False  # this writer puts emoji or spaced dots after full stops

    def feed(self, text: str) -> list[str]:
        """Take the next chunk, of any length, and return the sentences it completes."""
        self._buffer = buffer = self._buffer + text
        if not self._waiting and _NOISY.isdisjoint(text) and len(buffer) <= self._limit:
            return []
        return self._scan(final=False)

    def flush(self) -> list[str]:
        """End the stream: return what is left of it and be ready for the next."""
        sentences = self._scan(final=True)
        if tail := self._buffer.strip():
            sentences.append(tail)
        self.reset()
        return sentences

    def _scan(self, *, final: bool) -> list[str]:
        text, start, at, limit = self._buffer, 0, self._at, self._limit
        size = len(text)
        sentences: list[str] = []
        self._waiting = False
        while True:
            end = min(size, start + limit + _SLACK)
            found = _CANDIDATE.search(text, at, end)
            line = False
            if found is None or found.start() >= start + limit:
                if size <= start + limit:
                    at = size
                    break
                at, cut = start + limit, _clause_end(text, start, start + limit)
            elif found[1] is None:
                at = found.end()
                line = text[at - 1] in _NEWLINES
                cut = at if line else self._item_start(text, start, at - 1)
            else:
                at = found.end(2)
                cut = self._verdict(text, start, found, end, final or end < size or end == start + limit + _SLACK)
                if cut == WAIT:
                    at = found.start()
                    self._waiting = True
                    break
            if cut == NO:
                continue
            if sentence := text[start:cut].strip():
                sentences.append(sentence)
                self._note(sentence)
                self._line = line
            elif line:
                self._line = True
            start = cut
            at = max(at, cut)
        self._buffer = text[start:]
        self._at = at - start
        return sentences

    def _note(self, sentence: str) -> None:
        """Learn from a sentence what the next may look like."""
        marker = _MARKER.match(sentence)
        self._item = (marker[2], marker[3]) if marker else ("", "")
        if sentence[0] > "\u2190" and _ORNAMENT.match(sentence):
            self._wary = True

    def _item_start(self, text: str, start: int, at: int) -> int:
        """Where the list item begins whose bullet or bracket is at ``at``, if it ends the item before it."""
        if text[at] != ")":
            return at if at > start and text[at - 1].isspace() and _WORD.search(text, start, at) else NO
        return _next_item(text, start, at, ")") if text.find("(", start, at) < 0 else NO

    def _is_marker(self, text: str, start: int, at: int) -> bool:
        """Whether the stop at ``at`` belongs to the number of a list item rather than to a sentence."""
        marker = _MARKER.match(text, start)
        if marker is None or marker.start(3) != at:
            return False
        number, style = marker[2], marker[3]
        return bool(marker[1]) or self._line or number in ("1", "a") or self._item == (_before(number), style)

    def _verdict(self, text: str, start: int, found: re.Match[str], end: int, final: bool) -> int:
        """Where to cut for this run of stops; NO; or WAIT for more text, unless there is ``final``ly none."""
        at = found.start()
        run, closers = found[1], found[2]
        word = text[max(text.rfind(" ", start, at) + 1, start) : at]
        if run == "." and not word and (spaced := _SPACED_DOTS.match(text, at, end)):
            if at > start + 1 and text[at - 2] == ".":
                return NO  # answered at the first of these dots
            found, run, closers = spaced, spaced[1].replace(" ", "").replace("\u00a0", ""), spaced[2]
            self._wary = self._wary or len(run) > 1
        stop, after = found.span(3)
        if stop == end and not final:
            return WAIT
        if not _WORD.search(text, start, at) or _in_direction(text, start, at, closers):
            return NO
        if run[-1] in _WIDE:
            return (
                NO
                if closers and text[stop : stop + 1] in ("と", "っ", "、", "，")
                else _ornament_end(text, stop, end)
            )
        if stop == after < end and not _ORNAMENT.match(text, stop, end):
            glued = text[stop]  # "3.5", "end.Next" - but "Hello!你好"
            return stop if run[-1] in "!?" and glued.isalpha() and glued.lower() == glued.upper() else NO
        plain = run == "?" or (run == "." and _is_plain(word))
        if plain and not closers and stop < after and not self._wary and not _in_quotation(text, start, at):
            return stop
        if after == end:
            return NO if final else WAIT
        if ornament := _ORNAMENT.match(text, after, end):
            if ornament.end() == end and not final:
                return WAIT
            return ornament.end() if ornament.end() < end else NO
        follower = text[after]
        if text[at - 1] == "[":
            return NO  # [...]
        if closers:
            if run == "." and closers == ")":
                if self._is_marker(text, start, at):
                    return NO
                if (cut := _next_item(text, start, at, ".)")) != NO:
                    return cut
            if follower.islower() or follower in ",;:—–-":
                return NO
            return stop if _QUOTES.isdisjoint(closers) else _speech_tag(text, start, stop, after, end, final)
        if "!" in run or "?" in run:
            return NO if follower.islower() and word.lower().lstrip(_OPENERS) in _EXCLAIMING else stop
        if len(run) > 1 or run == "…":
            return _after_ellipsis(text, start, at, stop, after, end, final, run)
        if follower == ".":
            return _after_spaced_dots(text, stop, after, end, final)
        if plain:
            return stop
        return self._after_abbreviation(text, start, at, word, stop, after, end, final)

    def _after_abbreviation(
        self, text: str, start: int, at: int, word: str, stop: int, after: int, end: int, final: bool
    ) -> int:
        """The answer for one full stop after a word that is short, numeric or odd."""
        if self._is_marker(text, start, at):
            return NO
        if (cut := _next_item(text, start, at, text[at:stop])) != NO:
            return cut
        follower = text[after]
        if follower.islower():
            return NO
        word = word.lstrip(_OPENERS).rpartition("—")[2]
        key = word.lower()
        if key in _NEVER:
            return NO
        if key in _BEFORE_FIGURE and follower.isdigit():
            return NO
        letter = len(word) == 1 and word.isalpha()
        if not (letter or key in _MAYBE or _DOTTED.fullmatch(word)):
            return stop
        if not follower.isupper():
            return NO if follower.isdigit() else stop
        if key == "etc":
            return stop
        previous = text[start : at - len(word)].split()[-1:] or [""]
        if (word == "I" and previous[0][:1].islower()) or (key == "jarl" and previous[0].lower() in _DETERMINERS):
            return stop
        if key in ("a.m", "p.m") and text.count(" ", start, at) > 3:
            return stop
        name = _NAME.match(text, after, end)
        assert name is not None  # noqa: S101 - an upper-case letter is a word
        if name.end() == end and not final:
            return WAIT
        if len(name[0]) == 1 and text.startswith(".", name.end()):
            return NO  # another initial
        return stop if name[0].lower() in _STARTERS else NO


def _before(number: str) -> str:
    """The list number or letter that precedes this one."""
    return str(int(number) - 1) if number.isdigit() else chr(ord(number) - 1)


def _next_item(text: str, start: int, at: int, style: str) -> int:
    """Where "2." begins, if the sentence being read began with "1."; else NO."""
    begin = text.rfind(" ", start, at) + 1
    number = text[begin:at]
    if begin <= start or not ((number.isdecimal() and number.isascii() and len(number) < 4) or len(number) == 1):
        return NO
    marker = _MARKER.match(text, start, at)
    if marker is None or marker.start(2) >= begin:
        return NO
    return begin if (marker[2], marker[3]) == (_before(number), style) else NO


def _is_plain(word: str) -> bool:
    """Whether a full stop after this word, and a space, can only end a sentence."""
    letters = word if word.isalpha() else word.replace("'", "").replace("’", "").replace("-", "")
    key = word.lower()
    if len(letters) < 2 or not letters.isalpha() or key in _NEVER or key in _MAYBE or key in _BEFORE_FIGURE:
        return False
    return not letters.isascii() or not _VOWELS.isdisjoint(key)


def _in_quotation(text: str, start: int, at: int) -> bool:
    """Whether a typographic quotation is open, where spaced dots or a spaced » may still follow."""
    return text.count("“", start, at) > text.count("”", start, at) or text.count("«", start, at) > text.count(
        "»", start, at
    )


def _in_direction(text: str, start: int, at: int, closers: str) -> bool:
    """Whether an *aside between asterisks* is open."""
    star = text.rfind("*", max(start, at - _ASIDE), at)
    if star < 0 or "*" in closers or not text.count("*", start, at) % 2 or text[star + 1].isspace():
        return False
    return star == start or not text[star - 1].isalnum()


def _ornament_end(text: str, stop: int, end: int) -> int:
    ornament = _ORNAMENT.match(text, stop, end)
    return ornament.end() if ornament else stop


def _speech_tag(text: str, start: int, stop: int, after: int, end: int, final: bool) -> int:
    """After a closing quote and before a capital: NO if a name and "said" follow, which belong to the quotation."""
    head = text[start:after].lstrip()[:1]
    name = _NAME.match(text, after, end)
    if name is None or not text[after].isupper():
        return stop
    if head not in _QUOTES and text.count('"', start, stop) % 2 == 0:
        return stop  # the narrator spoke before the quotation
    for _ in range(3):
        if name is None:
            return stop
        word = name[0]
        if name.end() == end and not final:
            return stop if word[0].islower() and word not in _SPEECH_PREFIXES else WAIT
        if word in _SPEECH:
            return NO
        if word[0].islower() or (word != "I" and word.lower() in _STARTERS):
            return stop
        if name.end() + 1 >= end:
            return stop if final else WAIT
        name = _NAME.match(text, name.end() + 1, end)
    return stop


def _after_ellipsis(text: str, start: int, at: int, stop: int, after: int, end: int, final: bool, run: str) -> int:
    """The answer for "..." and its kin: a new sentence needs a capital, and a word before that could end one."""
    head = text[start:at].split()
    word = head[-1].lower().lstrip(_OPENERS)
    if word in _UNFINISHED:
        return NO
    while after < end and text[after] in _OPENERS:
        after += 1
    if after == end:
        return NO if final else WAIT
    follower = text[after]
    if not follower.isalpha() or follower.islower():
        return NO
    name = _NAME.match(text, after, end)
    doubtful = follower == "I" and len(head) == 1 and word in _FILLERS
    if name is None or len(run) > 3 or not (doubtful or follower.lower() == word[:1]):
        return stop
    if name.end() == end and not final:
        return WAIT
    said = name[0].lower()
    return NO if said == word or (doubtful and (said == "i" or said[:2] in ("i'", "i’"))) else stop


def _after_spaced_dots(text: str, stop: int, after: int, end: int, final: bool) -> int:
    """The answer for "word. . . .": the dots open the next sentence if there is one, else close this."""
    dots = _SPACED_DOTS.match(text, after, end)
    assert dots is not None  # noqa: S101 - called at a full stop
    if dots.end() == end:
        return NO if final else WAIT
    return dots.end(2) if dots[2] else stop


def _clause_end(text: str, start: int, stop: int) -> int:
    """The best place to cut an overlong sentence, at most at ``stop``."""
    half = (start + stop) // 2
    cut = max(
        text.rfind(mark, half, stop) for mark in (", ", "; ", ": ", ") ", "— ", "– ", "，", "、", "；", "：")
    )
    if cut >= 0:
        return cut + 1
    space = max(text.rfind(mark, start, stop + 1) for mark in " \t\u00a0\u3000")
    return space if space > start else stop
