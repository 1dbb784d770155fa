"""Stage directions in a reply: "*nods*", "(laughs softly)", "[sighs]", "*He draws his sword.*".

Whether "*...*" is a direction or emphasis ("I am *very* tired") is told by its words and its place: a direction
begins with what a body does (nods, laughing, he turns), or opens a sentence in lower case. In doubt it is speech:
a direction read aloud is odd, a lost word is a loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A marked stretch of text; `start` and `end` include its marks, the inner bounds do not."""

    start: int
    inner_start: int
    inner_end: int
    end: int
    closing: str
    closed: bool = True


def spans(text: str) -> list[Span]:
    """Every pair of marks, and those that are opened and not closed; in order of their starts."""
    found: list[Span] = []
    pending: dict[str, tuple[int, int]] = {}
    brackets: list[tuple[str, int]] = []
    for match in _MARK.finditer(text):
        mark, start, end = match.group(), match.start(), match.end()
        if mark in "([":
            brackets.append((")" if mark == "(" else "]", start))
            continue
        if mark in ")]":
            if brackets and brackets[-1][0] == mark:
                _, opened = brackets.pop()
                found.append(Span(opened, opened + 1, start, end, mark))
            continue
        before = text[start - 1] if start else " "
        after = text[end] if end < len(text) else " "
        if mark[0] == "_" and before.isalnum() and after.isalnum():
            continue
        if mark in pending and not before.isspace():
            opened, inner = pending.pop(mark)
            found.append(Span(opened, inner, start, end, mark[0]))
        elif mark not in pending and not after.isspace():
            pending[mark] = (start, end)
    for mark, (opened, inner) in pending.items():
        if mark[0] == "*" or not text[:opened].strip():
            found.append(Span(opened, inner, len(text), len(text), mark[0], closed=False))
    if brackets:
        closing, opened = brackets[0]
        if not text[:opened].strip():
            found.append(Span(opened, opened + 1, len(text), len(text), closing, closed=False))
    return sorted(found, key=lambda span: span.start)


class Directions:
    """Tells directions from speech; knows the NPC's name, for "*Lydia nods*"."""

    def __init__(self, npc_name: str) -> None:
        self._persons = _OTHERS | {word.casefold() for word in npc_name.split()}

    def find(self, text: str) -> tuple[list[Span], list[Span]]:
        """The directions of a sentence, and the other marked spans (emphasis, parentheses)."""
        directions: list[Span] = []
        others: list[Span] = []
        last_word = max((i for i, char in enumerate(text) if char.isalnum()), default=-1)
        reached = 0
        for span, opens in _with_places(text, spans(text), directions):
            if span.start < reached:
                continue  # inside a direction
            if self._is_direction(text, span, opens=opens, alone=opens and last_word < span.end):
                directions.append(span)
                reached = span.end
            else:
                others.append(span)
        return directions, others

    def is_narration(self, text: str) -> bool:
        """Whether a sentence goes on with a direction that an earlier one left open."""
        words = _WORD.findall(text.casefold())
        if not words:
            return True
        if _SPEAKS.intersection(words) or text.rstrip().endswith(("!", "?")):
            return False
        return words[0] in _THEN or self._is_doing(words, opens=True)

    def _is_direction(self, text: str, span: Span, *, opens: bool, alone: bool) -> bool:
        inner = text[span.inner_start : min(span.inner_end, span.inner_start + _ENOUGH)].strip(" *_~")
        words = _WORD.findall(inner.casefold())
        if not words or span.closing == "~":
            return False
        if span.closing == "]":
            return True
        starred = span.closing in "*_"
        if words[0] in _DOING and len(words) == 1 and starred and not opens:
            before = _LAST_WORD.search(text, max(0, span.start - 24), span.start)
            return before is None or before.group(1).casefold() not in _BEFORE_NOUN
        bold = span.inner_start - span.start > 1
        if self._is_doing(words, opens=opens and not bold):
            return True
        if bold or not opens or _SPEAKS.intersection(words) or text[span.inner_end - 1] in "!?":
            return False
        if not starred:
            return len(words) <= (8 if inner[0].islower() else 3)
        if inner[0].islower():
            return len(words) > 1 or words[0].endswith(("s", "ing", "ly"))
        return alone and span.closed and len(words) > 1

    def _is_doing(self, words: list[str], *, opens: bool) -> bool:
        while len(words) > 1 and (words[0] in _THEN or words[0].endswith("ly")):
            words = words[1:]
        first, after = words[0], words[1:5]
        if first in _DOING or (first.endswith("ing") and first[:-3] in _DOING_STEMS):
            return True
        if first in ("he", "she", "they") and _DOING.intersection(after):
            return True
        if not opens or not after:
            return False
        if first in ("he", "she"):
            return any(word.endswith("s") and word not in _NOT_DOING for word in after)
        if first in self._persons:
            return bool(_DOING.intersection(after))
        if first in _NOT_DOING or _SPEAKS.intersection(words):
            return False
        return first.endswith("ing") or (first.endswith("s") and len(after) > 1)


def _with_places(text: str, found: list[Span], directions: list[Span]) -> Iterator[tuple[Span, bool]]:
    """Each span, and whether it stands at a sentence's beginning once the directions before it are gone."""
    last, at, passed = "", 0, 0
    for span in found:
        while at < span.start:
            if passed < len(directions) and at >= directions[passed].start:
                at = max(at, directions[passed].end)
                passed += 1
                continue
            if text[at] not in _NO_LAST:
                last = text[at]
            at += 1
        yield span, last in ("", ".", "!", "?", "…")


_ENOUGH = 400
_NO_LAST = " \t\n\"'“”‘’*_~([)]"
_MARK = re.compile(r"\*{1,3}|_{1,3}|~~|[()\[\]]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LAST_WORD = re.compile(r"([^\W\d_]+) *$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_THEN = _words("then and but still again once also now finally")
_OTHERS = _words("they his her their the a an")
_SPEAKS = _words("i i'm i'll i've i’m i’ll i’ve we you my your our me us")
_BEFORE_NOUN = _words("""
    the a an my your his her our their its these those this that in of with to no all some by for on at
""")
_NOT_DOING = _words("""
    this his its yes was is as has us always perhaps less unless thus gods ours yours hers theirs besides
    towards does ring king thing nothing something anything everything being during bring evening morning spring
    string
""")
_DOING_STEMS = _words("""
    nod laugh chuckl grin smil frown sigh shrug bow wink growl grunt snort scoff smirk sneer gasp groan moan
    mutter mumbl whisper murmur cough snarl hiss yawn sob cry weep giggl cackl humm sniff swallow stutter
    stammer shout yell wav point gestur turn look glanc star gaz glar walk step lean sitt stand kneel draw rais
    lower tilt shak scratch strok rubb cross fold clear paus ponder watch listen approach reach clench narrow
    squint blink shiver trembl shudder wip spitt drink sipp clapp patt tapp fidget pac retreat back salut beckon
    motion stiffen relax crack slam pound thump squeez straighten hesitat clutch gripp bellow roar
""")
_DOING = _words("""
    nods laughs chuckles grins smiles frowns sighs shrugs bows winks growls grunts snorts scoffs smirks sneers
    gasps groans moans mutters mumbles whispers murmurs coughs snarls hisses yawns sobs cries weeps giggles
    cackles hums sniffs swallows stutters stammers shouts yells waves points gestures turns looks glances stares
    gazes glares walks steps leans sits stands kneels rises draws raises lowers tilts shakes scratches strokes
    rubs crosses folds clears pauses thinks ponders waits watches listens approaches reaches takes gives hands
    grabs holds clenches narrows squints blinks shivers trembles shudders wipes spits drinks sips claps pats
    taps fidgets paces retreats backs salutes beckons motions stiffens relaxes cracks slams pounds thumps
    squeezes straightens hesitates clutches grips narrow widen furrow bellows roars pause silence sigh
""")
