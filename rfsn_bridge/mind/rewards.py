"""What a turn was worth, from what happened after it: speech heard, deeds done, the player's next line, feedback.

Values are the original's where it had one. Nothing is rewarded for having been predicted.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rfsn_bridge.domain import Deed, Signal

LIMIT = 2.0
"""No reward lies beyond it, either way."""


class Reaction(StrEnum):
    """What the player's next line says about the NPC's last answer."""

    CONTINUED = "continued"
    FOLLOW_UP = "follow_up"
    CORRECTION = "correction"
    CONTRADICTION = "contradiction"


class Heard(StrEnum):
    """How much of the answer the player heard."""

    ALL = "all"
    CUT_OFF = "cut_off"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a turn. `feedback` in [-1, 1] is the player's own verdict."""

    heard: Heard = Heard.ALL
    deeds: tuple[Deed, ...] = ()
    reactions: frozenset[Reaction] = frozenset()
    feedback: float | None = None
    left: bool = False
    """The player walked away instead of answering."""


@dataclass(frozen=True, slots=True)
class Reward:
    """`total` is the sum of the parts, within [-2, 2]."""

    total: float
    parts: Mapping[str, float]


_BY_REACTION = {
    Reaction.CONTINUED: 0.4,
    Reaction.FOLLOW_UP: 0.2,
    Reaction.CORRECTION: -0.7,
    Reaction.CONTRADICTION: -1.0,
}
_CUT_OFF = -0.2
_LEFT = -0.4
_BY_DEED = {"applied": 0.3, "rejected": -0.3, "failed": -0.2}


def style_reward(result: Result) -> Reward:
    """What the manner of speaking was worth. Nothing, where nothing of it was heard."""
    return _reward(_spoken(result) | _feedback(result))


def action_reward(result: Result) -> Reward:
    """What the action was worth: the same, and what came of the deeds, which count whether or not it was heard."""
    deeds = [_BY_DEED[deed.status] for deed in result.deeds]
    done = {"deeds": sum(deeds) / len(deeds)} if deeds else {}
    return _reward(_spoken(result) | done | _feedback(result))


def _spoken(result: Result) -> dict[str, float]:
    if result.heard is Heard.NOTHING:
        return {}
    parts = {reaction.value: _BY_REACTION[reaction] for reaction in Reaction if reaction in result.reactions}
    if result.heard is Heard.CUT_OFF:
        parts["cut_off"] = _CUT_OFF
    if result.left:
        parts["left"] = _LEFT
    return parts


def _feedback(result: Result) -> dict[str, float]:
    return {} if result.feedback is None else {"feedback": min(1.0, max(-1.0, result.feedback))}


def _reward(parts: Mapping[str, float]) -> Reward:
    return Reward(min(LIMIT, max(-LIMIT, sum(parts.values()))), parts)


# --- Reading the player's next line ----------------------------------------------------------------


def _any(*alternatives: str) -> Callable[[str], bool]:
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(alternatives) + r")(?!\w)", re.I)
    return lambda text: pattern.search(text) is not None


_corrects = _any(
    r"(?:no|nay|nah|wait),? (?:no,? )?(?:i (?:meant|mean|said|asked|was asking|was talking)|"
    r"not (?:that|him|her|this))",
    r"no,? (?:the|my|your|that) (?:other|first|second|last|right|left|old|new|big|small)\w* one",
    r"(?:that is|that's|this is|it is|it's|that was|that wasn't|that isn't)(?: not|n't)? (?:not )?what i "
    r"(?:meant|mean|said|asked|wanted|was asking)",
    r"i (?:didn't|did not|never) (?:mean|ask|say|said|want) (?:that|for that|about|you|it)",
    r"i (?:meant|was asking|was talking|asked) (?:about )?(?:the|my|your|his|her|a|an|that|you|about|for)",
    r"you (?:misunderstood|misunderstand|misheard|mistake me|got (?:me|it|that) wrong|have (?:me|it|that) wrong)",
    r"(?:that is|that's|it's) the wrong (?:one|way|person|name|place|thing)",
    r"my name (?:is not|isn't)",
    r"let me (?:rephrase|say that again|put it another way)",
    r"not the \w+,? (?:the|but)",
)
_contradicts = _any(
    r"(?:but )?(?:you|thou) (?:just |already |once |yourself )?(?:said|told me|swore|claimed|promised)(?: me)?"
    r"[^.?!]{0,60}?(?:before|earlier|yesterday|otherwise|the opposite|differently|different|just now|"
    r"a moment ago)",
    r"(?:but|wait,?|yet|and yet) (?:\w+ )?you (?:just |already )?(?:said|told me|swore|claimed|promised)",
    r"(?:earlier|before|yesterday|a moment ago|last time),? you (?:said|told me|swore|claimed|promised)",
    r"(?:that is|that's|this is)(?: not|n't) what you (?:said|told me|claimed|promised|swore)",
    r"that isn't what you (?:said|told me|claimed|promised|swore)",
    r"(?:you|you're|you are|that|which) (?:\w+ )?contradict(?:s|ing|ed)?(?: yourself| what)?",
    r"make up your mind",
    r"your story (?:has )?(?:keeps )?chang(?:es|ed|ing)",
)
_asks_on = _any(
    r"(?:why|how) (?:so|is that|not|come)",
    r"(?:tell me|say) more",
    r"go on",
    r"what (?:happened|then|else|next|do you mean)",
    r"and then",
    r"like what",
    r"such as",
)
_bare_question = re.compile(r"^\W*(?:why|how|who|when|where|which|what|really|how so)\W*\?\W*$", re.I)
_WORD = re.compile(r"[^\W\d_]{4,}")
_COMMON_WORDS = (
    "about also always another answer asked because been before being come could does doing done down even ever "
    "every from give going good have hear heard here into just keep know known like look made make many matter "
    "maybe mean might more most much must need never nothing only other over people please really right said "
    "same shall should some something still such sure take talk tell than thank thanks that their them then there "
    "these they thing things think this those time told very want well were what when where which while will with "
    "without would your yours yourself yeah friend traveler traveller stranger"
)
_COMMON = frozenset(_COMMON_WORDS.split())


def reactions(text: str, signals: Mapping[Signal, float], npc_text: str) -> frozenset[Reaction]:
    """What the player's line `text` says about `npc_text`, the answer it comes after."""
    text = text.replace("\u2019", "'").strip()[:1000]
    if not text:
        return frozenset()
    found = set()
    if signals.get(Signal.FAREWELL, 0.0) < 0.5:
        found.add(Reaction.CONTINUED)
    if _contradicts(text):
        found.add(Reaction.CONTRADICTION)
    elif _corrects(text):
        found.add(Reaction.CORRECTION)
    elif Reaction.CONTINUED in found and _follows(text, signals, npc_text):
        found.add(Reaction.FOLLOW_UP)
    return frozenset(found)


def _follows(text: str, signals: Mapping[Signal, float], npc_text: str) -> bool:
    """Whether a line takes up what was said: it asks on, or shares a telling word with it."""
    if _bare_question.match(text) or _asks_on(text):
        return True
    return bool(_telling(text) & _telling(npc_text))


def _telling(text: str) -> set[str]:
    """A text's words of some weight, without the ending that a plural or a tense gives them."""
    words = (word.casefold() for word in _WORD.findall(text[:2000]))
    return {re.sub(r"(?:ing|ed|es|s)$", "", word) for word in words if word not in _COMMON}
