"""What the player's utterance does to the NPC, by rules with word boundaries and negation.

A first, small classifier: the first rule that matches takes most of the probability, the rest is spread over what
the sentence's form suggests. Rules are tried from the most to the least consequential.
"""

import re
from collections.abc import Mapping

from rfsn_bridge.domain import Signal, SignalContext

_CONFIDENCE = 0.85

_NOT = r"(?:not|never|n't|no|won't|wouldn't|don't|didn't|can't|cannot)"
# A threat or insult that is denied, wished for or told of another is none.
_DENIED = re.compile(rf"\b(?:i|we)\b[^.!?]*?(?:{_NOT})\b[^.!?]*\b(?:kill|hurt|harm|attack|threaten)\b", re.I)


def _rule(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(alternatives) + r")(?!\w)", re.I)


_RULES: tuple[tuple[Signal, re.Pattern[str]], ...] = (
    (
        Signal.THREATEN,
        _rule(
            r"(?:i|we)(?:'ll| will| shall|'m going to| am going to) "
            r"(?:kill|gut|hurt|cut|break|burn|end|destroy|slay) (?:you|your)",
            r"(?:or|before) (?:i|we) (?:kill|hurt|gut|cut) (?:you|your)",
            r"or else",
            r"you(?:'ll| will| shall) (?:regret|pay for|die|suffer|bleed)",
            r"your (?:life|head) (?:is|will be) (?:forfeit|mine)",
            r"last warning",
        ),
    ),
    (Signal.ATTACK, _rule(r"(?:die|have at you|draw your (?:sword|weapon|blade)|fight me)")),
    (
        Signal.APOLOGIZE,
        _rule(r"sorry", r"apologi[sz]e", r"apologies", r"forgive me", r"my (?:fault|mistake)", r"i regret"),
    ),
    (
        Signal.INSULT,
        _rule(
            r"(?:idiot|fool|coward|moron|imbecile|scum|swine|milk[- ]drinker|wretch|oaf|bastard|traitor|liar)s?",
            r"you(?:'re| are) (?:a )?(?:pathetic|worthless|useless|disgusting|weak|stupid|ugly|nothing)",
            r"shut up",
            r"i (?:hate|despise) you",
        ),
    ),
    (
        Signal.FAREWELL,
        _rule(
            r"good ?bye",
            r"farewell",
            r"see you(?: later| soon)?",
            r"until next time",
            r"safe travels",
            r"i must (?:go|leave)",
        ),
    ),
    (
        Signal.HELP,
        _rule(
            r"help (?:me|us)",
            r"i need (?:your )?(?:help|aid|healing)",
            r"(?:i'm|i am|we're|we are) (?:hurt|wounded|bleeding|dying|lost|starving|trapped)",
            r"save (?:me|us)",
        ),
    ),
    (
        Signal.COMPLIMENT,
        _rule(
            r"thank(?:s| you)",
            r"well (?:done|fought|said)",
            r"you(?:'re| are) (?:a |an |the |very |so |truly )*"
            r"(?:wise|brave|kind|great|strong|beautiful|good|noble|generous|honou?rable|best)",
            r"i (?:admire|respect|love) (?:you|your)",
            r"impressive",
        ),
    ),
    (Signal.BETRAY, _rule(r"i(?:'ve| have)? (?:betrayed|sold|deceived) you", r"i lied to you")),
    (
        Signal.OFFER,
        _rule(r"i (?:can|could|will|'ll) (?:give|offer|pay|bring) you", r"take this", r"for you, a gift"),
    ),
    (
        Signal.REQUEST,
        _rule(
            r"(?:can|could|would|will) (?:you|i|we) (?:please )?"
            r"(?:give|lend|spare|have|get|bring|show|teach|take|follow|join|open|fetch|make)",
            r"please",
            r"i(?:'d| would) like (?:a|an|some|to (?:buy|trade|have))",
            r"(?:give|lend|bring|hand|sell) me",
            r"may i",
        ),
    ),
    (
        Signal.QUESTION,
        _rule(
            r"tell me (?:about|of|what|where|who|why|how)",
            r"(?:what|where|who|why|when|how|which|whose)(?:'s|'re)? \w+",
            r"(?:do|did|does|is|are|was|were|have|has|can|could|should) (?:you|i|we|he|she|they|it|there|the|any)",
            r"(?:what|where|who|why|when|how)",
        ),
    ),
    (
        Signal.REFUSE,
        _rule(
            r"i (?:refuse|decline)", r"no deal", r"i(?:'ll| will) not (?:do|accept|take)", r"i won't (?:do|accept)"
        ),
    ),
    (Signal.ACCEPT, _rule(r"i accept", r"(?:it's|it is) a deal", r"deal", r"i(?:'ll| will) (?:do|take) it")),
    (
        Signal.DISAGREE,
        _rule(r"no", r"you(?:'re| are) wrong", r"i (?:disagree|doubt|don't think)", r"nonsense", r"never"),
    ),
    (
        Signal.AGREE,
        _rule(
            r"yes", r"aye", r"agreed", r"of course", r"you(?:'re| are) right", r"i agree", r"indeed", r"certainly"
        ),
    ),
    (
        Signal.GREET,
        _rule(r"hello", r"hail", r"greetings", r"well met", r"good (?:day|morning|evening)", r"hi", r"hey"),
    ),
    (
        Signal.COMMAND,
        _rule(r"(?:follow|wait|stop|go|come|leave|stay|attack|bring|guard|move|stand|kneel)(?: \w+)*"),
    ),
)

# These only count at the head of the utterance: "stop" orders, "the rain will stop" does not.
_AT_HEAD = frozenset({Signal.COMMAND, Signal.ATTACK, Signal.AGREE, Signal.DISAGREE, Signal.GREET})
_HOSTILE = frozenset({Signal.THREATEN, Signal.ATTACK})


class RuleClassifier:
    """The built-in classifier `rules`."""

    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        text = text.replace("\u2019", "'").strip()[:500]
        denied = _DENIED.search(text) is not None
        found = [
            signal
            for signal, pattern in _RULES
            if (pattern.match(text) if signal in _AT_HEAD else pattern.search(text))
            and not (denied and signal in _HOSTILE)
        ]
        fallback = Signal.QUESTION if text.endswith("?") else Signal.AGREE
        first, *others = found or [fallback]
        if not others and first is not fallback:
            others = [fallback]
        if not others:
            return {first: 1.0}
        share = (1 - _CONFIDENCE) / len(others)
        return {first: _CONFIDENCE, **dict.fromkeys(others, share)}
