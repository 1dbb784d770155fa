"""Summing up what an NPC remembers: what the model is asked, and whether its answer can be used."""

import re
from collections.abc import Iterable, Iterator, Sequence

from rfsn_bridge.domain import Exchange, Message
from rfsn_bridge.mind.prompt import fact, quoted
from rfsn_bridge.mind.templates import Words

LONGEST = 400
"""Characters of a summary."""
_ESSAY = 3 * LONGEST
"""Who writes more has not understood the task."""
_SHORTEST = 8
_LONGEST_LINE = 240
"""Of what is summed up: a block of turns is to fit into the context of a small model."""
_A_QUARTER = 0.25

_WORD = re.compile(r"[^\W_]{2,}|\d")
_HEADING = re.compile(r"[#*\s]*(?:[^\n.!?]{0,80}:|#+[^\n]*)[*\s]*(?:\n|$)")
_DECORATION = re.compile(r"^[\s\-*•>\"“”'_]+|[\s*\"“”_]+$")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’)]*(?=\s|$)|[。！？]""")
_BEGINS = re.compile(r"""(?:^|[.!?…:;。！？]["'”’)]*|["“„«‘(\[])\s*$""")
_NOT_A_SUMMARY = re.compile(r"(?:i['’]?m sorry|i am sorry|i can(?:no|['’])t|as an ai|sorry\b)", re.IGNORECASE)


def ask_for_summary(
    words: Words, name: str, said: Sequence[tuple[str, Exchange]], earlier: Sequence[str] = ()
) -> tuple[Message, ...]:
    """The messages that ask for a summary of exchanges (with who answered in each), or of summaries."""
    named = fact(name)

    def lines() -> Iterator[str]:
        for text in earlier:
            yield words.fill("summarise.earlier", name=named, summary=quoted(text, LONGEST + 20))
        for who, exchange in said:
            for speaker, text in (("Player", exchange.player_text), (fact(who), exchange.npc_text)):
                if text:
                    yield words.fill("summarise.said", name=named, who=speaker, text=quoted(text, _LONGEST_LINE))
            for deed in exchange.deeds:
                if deed.status == "applied":
                    what = ", ".join([deed.name.replace("_", " "), *map(str, deed.arguments.values())])
                    yield words.fill("summarise.did", name=named, who=fact(who), deed=quoted(what))

    return (
        Message("system", words.fill("summarise.system", name=named)),
        Message("user", words.fill("summarise.ask", name=named, notes="\n".join(lines()))),
    )


def usable(answer: str, sources: Iterable[str], names: Iterable[str]) -> str | None:
    """The summary in a model's answer: one paragraph, cut to length at a sentence; None if it is of no use.

    A name or a number that is in none of its sources was made up, and the summary is of no use.
    """
    if len(answer) > _ESSAY:
        return None
    text = _one_paragraph(answer)
    if len(text) > LONGEST or not _SENTENCE_END.search(text[-3:]):
        ends = [end.end() for end in _SENTENCE_END.finditer(text) if end.end() <= LONGEST]
        text = text[: ends[-1]] if ends else text
    if not _SHORTEST <= len(text) <= LONGEST or _NOT_A_SUMMARY.match(text):
        return None
    return None if made_up(text, sources, names) else text


def _one_paragraph(answer: str) -> str:
    """The first paragraph on one line, without a heading and what it is decorated with."""
    text = answer.strip()
    while heading := _HEADING.match(text):
        text = text[heading.end() :].strip()
    paragraph = re.split(r"\n\s*\n", text, maxsplit=1)[0]
    lines = (_DECORATION.sub("", line) for line in paragraph.split("\n"))
    return " ".join(" ".join(line for line in lines if line).split())


def made_up(text: str, sources: Iterable[str], names: Iterable[str]) -> set[str]:
    """The words of a text with a capital letter or a digit that are in none of its sources.

    The first word of a sentence has a capital whatever it is, so that it tells nothing; nor do capitals where the
    sources themselves have many, as in German.
    """
    sources = tuple(sources)
    known = {_stem(word) for source in (*sources, *names) for word in _WORD.findall(source)}
    capitals = _capitals_tell(sources)
    return {
        word
        for word, first in _words(text)
        if _stem(word) not in known
        and (any(map(str.isdigit, word)) or (capitals and not first and any(map(str.isupper, word))))
    }


def _capitals_tell(sources: Iterable[str]) -> bool:
    """Whether few words have a capital, so that those are names."""
    inner = [word for source in sources for word, first in _words(source) if not first]
    return sum(word[0].isupper() for word in inner) <= _A_QUARTER * len(inner)


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Every word, and whether it begins a sentence."""
    for word in _WORD.finditer(text):
        yield word.group(), _BEGINS.search(text[max(0, word.start() - 8) : word.start()]) is not None


def _stem(word: str) -> str:
    return word.casefold().removesuffix("s")
