"""A player's line as the lexical classifier sees it: one spelling of each word, and the features made of them."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise

MAX_CHARACTERS = 500

_STRAIGHT = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'", "\u201c": '"', "\u201d": '"', "\u2026": "..."}
)
_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[?!]|\.\.+|[:;]-?[()dp]", re.UNICODE)
_LONG_DRAWN = re.compile(r"(\w)\1{2,}")

# Contractions, with and without their apostrophe, slang and archaic forms: all become the same few plain words.
_PLAIN: Mapping[str, str] = {
    word: plain
    for line in """
    i am: i'm im
    i have: i've ive
    i will: i'll i'l
    i would: i'd
    you are: you're youre u're ya're thou'rt
    you have: you've youve
    you will: you'll youll u'll
    you would: you'd youd
    he is: he's hes
    he will: he'll
    she is: she's shes
    she will: she'll
    it is: it's tis 'tis
    it was: twas 'twas
    it will: it'll itll
    we are: we're
    we have: we've weve
    we will: we'll
    we would: we'd
    they are: they're theyre
    they have: they've theyve
    they will: they'll theyll
    they would: they'd theyd
    that is: that's thats
    that will: that'll thatll
    there is: there's theres
    here is: here's heres
    what is: what's whats wats
    where is: where's wheres
    who is: who's whos
    how is: how's hows
    when is: when's whens
    why is: why's whys
    let us: let's lets
    do not: don't dont dun
    does not: doesn't doesnt
    did not: didn't didnt
    can not: can't cant cannot canna
    could not: couldn't couldnt
    will not: won't wont
    would not: wouldn't wouldnt
    should not: shouldn't shouldnt
    must not: mustn't mustnt
    need not: needn't neednt
    is not: isn't isnt
    are not: aren't arent
    was not: wasn't wasnt
    were not: weren't werent
    have not: haven't havent
    has not: hasn't hasnt
    had not: hadn't hadnt
    is not: ain't aint
    could have: could've couldve coulda
    would have: would've wouldve woulda
    should have: should've shouldve shoulda
    going to: gonna gunna
    want to: wanna
    got to: gotta
    give me: gimme
    let me: lemme
    do not know: dunno
    you: u ya ye thou thee yous youse
    your: ur yer thy thine
    are: r art
    have: hast hath 've
    do: dost doth
    please: plz pls
    thanks: thx thnx tnx ty tysm thanx
    thank you: thankyou
    sorry: soz sry srry
    because: cuz cos bc
    okay: ok k kk okey
    yes: yeah yea yep yup yeh ye'
    no: nah nope nay naw
    morning: mornin
    evening: evenin
    about: bout
    with: wit
    before: b4
    see you: cya
    what is up: wassup whassup
    will: shall shalt wilt
    nothing: nothin nuthin
    something: somethin
    them: 'em em
    and: n an'
    for: fer
    my: me'
    """.strip().splitlines()
    for plain, _, words in [line.strip().partition(": ")]
    for word in words.split()
}
_ENDINGS = {"'s": " 's", "'ll": " will", "'d": " would", "'re": " are", "'ve": " have", "n't": " not"}
# "ill" is "I'll" but where somebody is ill.
_ILL = frozenset(
    ("am", "is", "are", "be", "been", "was", "were", "feel", "feels", "felt", "fell", "fall", "so", "very")
)


def tidy(text: str) -> str:
    """What is heard of a line: straight quotes, single spaces, no more than 500 characters."""
    return " ".join(text[:MAX_CHARACTERS].translate(_STRAIGHT).split())


def tokens(text: str) -> list[str]:
    """The words of a tidy line in plain lower-case spelling, with ? ! and ... as words of their own."""
    found = _TOKEN.findall(_LONG_DRAWN.sub(r"\1\1", text.lower()))
    words: list[str] = []
    last = ""
    for place, word in enumerate(found):
        plain = _PLAIN.get(word)
        if plain is not None:
            words += plain.split()
        elif word == "ill" and place + 1 < len(found) and last not in _ILL:
            words += ("i", "will")
        elif "'" in word:
            stem, quote, ending = word.rpartition("'")
            if word.endswith("n't"):
                words += (word[:-3], "not")
            elif (tail := _ENDINGS.get(quote + ending)) is not None:
                words += (stem, tail.strip())
            else:
                words.append(word)
        elif word[0] == ".":
            words.append("...")
        else:
            words.append(word)
        last = word
    return words


_SUFFIXES = (
    ("s", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ed", ""),
    ("ed", "e"),
    ("ly", ""),
    ("er", ""),
    ("est", ""),
    ("es", ""),
)


class WordClasses:
    """Which words do the same work: `harm: kill slay ...`, one class a line; a word may be in several."""

    def __init__(self, text: str) -> None:
        self._of: dict[str, tuple[str, ...]] = {}
        for line in text.splitlines():
            name, colon, words = line.partition(":")
            if colon and not line.startswith("#"):
                for word in dict.fromkeys(words.split()):
                    self._of[word] = (*self._of.get(word, ()), name.strip().upper())
        self.of = lru_cache(4096)(self._find)
        """The classes of a word or of what it is an inflection of; the first stands for it in phrases."""

    def _find(self, word: str) -> tuple[str, ...]:
        if (own := self._of.get(word)) is not None:
            return own
        for suffix, instead in _SUFFIXES:
            if word.endswith(suffix) and len(word) > len(suffix) + 2:
                stem = word[: -len(suffix)] + instead
                if stem in self._of:
                    return self._of[stem]
        return ()


Features = tuple[set[str], set[str], set[str], set[str]]
"""Words and phrases; the same with classes for words; pieces of words; the line's form."""


def features(text: str, classes: WordClasses, words: list[str] | None = None) -> Features:
    """What the lexical classifier knows of a tidy line; `words` are its tokens, where they are known already."""
    words = tokens(text) if words is None else words
    return _phrases(words), _patterns(words, classes), _pieces(words), _form(text, words)


def _phrases(words: list[str]) -> set[str]:
    line = ["^", *words, "$"]
    found = set(words)
    found.update(map(" ".join, pairwise(line)))
    found.update(map(" ".join, zip(line, line[1:], line[2:], strict=False)))
    return found


def _patterns(words: list[str], classes: WordClasses) -> set[str]:
    known = [classes.of(word) for word in words]
    found = {"+" + name for names in known for name in names}
    line = ["^", *(names[0] if names else word for names, word in zip(known, words, strict=True)), "$"]
    found.update([f"~{a} {b}" for a, b in pairwise(line)])
    for a, b, c in zip(line, line[1:], line[2:], strict=False):
        found.add(f"~{a} {b} {c}")
        found.add(f"~{a} _ {c}")
    found.update([f"%{a} {b}" for a, b in pairwise([names[0] for names in known if names])])
    return found


def _pieces(words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        found.update(_cut(word))
    return found


@lru_cache(4096)
def _cut(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple("#" + padded[at : at + size] for size in (3, 4, 5) for at in range(len(padded) - size + 1))


def _form(text: str, words: list[str]) -> set[str]:
    capitals = sum(map(str.isupper, text))
    form = {
        f"=length {min(6, len(words) // 3)}",
        f"=asks {'?' in text}",
        f"=exclaims {'!' in text}",
        f"=shouts {len(text) > 4 and capitals > 0.6 * len(text)}",
    }
    if words:
        form |= {f"=first {words[0]}", f"=last {words[-1]}"}
    return form
