"""What the player's utterance does to the NPC, by rules: small, fast, no weights to load.

The rules see the line's words in one spelling (wording.py: "I'll" and "ill" are "i will"). The first rule that
matches takes most of the probability, the more the surer it is on lines it was not written for; what is left is
spread over the other rules that match and what the line's form suggests. The consequential come first.
"""

import re
from collections.abc import Mapping

from rfsn_bridge.domain import Signal, SignalContext
from rfsn_bridge.mind.answers import as_answer
from rfsn_bridge.mind.wording import tidy, tokens

_HARM = (
    r"(?:kill|gut|hurt|cut|break|burn|end|destroy|slay|murder|skin|hang|stab|crush|bury|strangle|drown|flay|slit|"
    r"feed|rip|tear|carve|snap|smash|make|find|have|take)"
)
_BODY = (
    r"(?:head|throat|neck|heart|tongue|hands?|fingers?|eyes?|teeth|legs?|knees?|bones?|hide|skull|guts|ears?|life)"
)
_NOUN = (
    r"(?:idiot|fool|coward|moron|imbecile|scum|swine|milk-?drinker|wretch|oaf|bastard|traitor|liar|worm|weasel|"
    r"dolt|dunce|halfwit|half-wit|simpleton|clown|buffoon|weakling|disgrace|joke|failure|loser|pig|rat|dog|cur|toad|"
    r"maggot|peasant|whelp|cretin|knave)s?"
)
_BAD = (
    r"(?:pathetic|worthless|useless|disgusting|weak|stupid|ugly|dumb|filthy|cowardly|spineless|incompetent|lazy|"
    r"ridiculous|laughable|pitiful|hopeless|brainless|boring|nothing)"
)
_GOOD = (
    r"(?:wise|brave|kind|great|strong|beautiful|good|noble|generous|honou?rable|best|amazing|brilliant|wonderful|"
    r"clever|excellent|magnificent|lovely|skilled|talented|incredible|impressive|splendid|genius|hero|legend|fine)"
)
_NOT = r"(?:not|never|no|nobody|nothing|neither)"
_DENIED = re.compile(rf"\b{_NOT}\b.{{0,30}}\b(?:kill|hurt|harm|attack|threaten|threat|fight|fool|coward|stupid)\b")

Rule = tuple[Signal, float, re.Pattern[str]]


def _rule(signal: Signal, sure: float, *alternatives: str) -> Rule:
    """Matches anywhere between words; an alternative that begins with ^ at the head of the line only."""
    return signal, sure, re.compile(r"(?<!\S)(?:" + "|".join(alternatives) + r")(?!\S)")


_RULES: tuple[Rule, ...] = (
    _rule(Signal.BETRAY, 0.9, r"i (?:have )?(?:betrayed|sold|deceived|tricked) you", r"i lied to you"),
    _rule(
        Signal.ATTACK,
        0.85,
        r"^(?:die|have at you|draw your (?:sword|weapon|blade|steel)|fight me|defend yourself|to battle)",
        r"^(?:attack|charge|en garde) !.*",
    ),
    _rule(
        Signal.THREATEN,
        0.85,
        rf"i (?:will|am going to|could) {_HARM} (?:you|your {_BODY}|off your {_BODY})",
        r"(?:or|before) i (?:will )?(?:kill|hurt|gut|cut|burn|break|make) (?:you|your)",
        r"or else",
        r"you (?:will|are going to) (?:regret|pay (?:for|with)|die|suffer|bleed|rue|be sorry|beg|hang|wish you)",
        r"(?:last|final|only) (?:warning|chance)",
        r"(?:shame|pity) if (?:something|anything|someone|your|the)",
        r"i know where (?:you|your)",
        r"you are (?:a )?dead(?: man| meat)?",
        r"sleep with one eye open",
        r"watch your back",
    ),
    _rule(
        Signal.APOLOGIZE,
        0.75,
        r"(?:i am|we are) (?:so |very |truly |really |deeply )*(?:sorry|ashamed)",
        r"i (?:apologi[sz]e|regret)",
        r"(?:my|our) (?:apologies|fault|mistake|bad)",
        r"forgive me",
        r"i did not mean",
        r"^(?:sorry|oops|whoops|apologies)",
    ),
    _rule(
        Signal.INSULT,
        0.75,
        rf"(?:you|such an?|what an?) (?:\w+ )?{_NOUN}",
        rf"you are (?:\w+ ){{0,3}}{_NOUN}",
        rf"^(?:\w+ )?{_NOUN}(?: !)?$",
        rf"you are (?:a |so |just |all |such )*{_BAD}",
        rf"^{_BAD}$",
        r"shut (?:up|your mouth)",
        r"i (?:hate|despise) you",
        r"you (?:disgust|sicken) me",
        r"you (?:smell|stink|reek)",
    ),
    _rule(
        Signal.FLEE,
        0.8,
        r"i (?:yield|surrender|give up)",
        r"^(?:run|retreat|mercy|fall back)(?: !| for .*)?$",
        r"do not (?:kill|hurt) me",
        r"spare me",
        r"run for (?:it|your lives)",
    ),
    _rule(
        Signal.FAREWELL,
        0.85,
        r"good ?bye",
        r"farewell",
        r"see you (?:later|soon|around|tomorrow|again)",
        r"until (?:next time|we meet|tomorrow|then)",
        r"safe (?:travels|roads|journey)",
        r"i (?:must|should|have to|had better|got to) (?:go|leave|be going|be off)",
        r"take care",
        r"^(?:bye|good ?night|so long|later)",
    ),
    _rule(
        Signal.HELP,
        0.85,
        r"(?:help|save|heal|rescue|hide) (?:me|us)(?! (?:to|with|find|carry|move)\b)",
        r"(?:somebody|someone) help",
        r"i need (?:your )?(?:help|aid|healing|a healer)",
        r"(?:i am|we are) (?:hurt|wounded|bleeding|dying|lost|starving|trapped|stuck|under attack|poisoned)",
        r"^help",
    ),
    _rule(
        Signal.REFUSE,
        0.75,
        r"i (?:must )?(?:decline|refuse)",
        r"no (?:deal|thanks|thank you)",
        r"keep your (?:gold|money|coin)",
    ),
    _rule(
        Signal.ACCEPT,
        0.8,
        r"i accept",
        r"(?:it is|you have|we have) a deal",
        r"^deal$",
        r"i will take (?:it|the job)",
    ),
    _rule(
        Signal.COMPLIMENT,
        0.6,
        r"(?:thanks|thank you|much obliged|my thanks)",
        r"well (?:done|fought|played|met my hero)",
        r"(?:good|great|nice|fine|excellent) (?:job|work|shot|one)",
        rf"you are (?:a |an |the |very |so |such a |truly |really |quite )*{_GOOD}",
        r"i (?:admire|respect|adore) (?:you|your)",
        rf"what an? {_GOOD}",
        r"^(?:impressive|bravo|brilliant|amazing)",
    ),
    _rule(
        Signal.OFFER,
        0.65,
        r"i (?:can|could|will|would) (?:give|offer|pay|help|heal) you",
        r"(?:let me|can i|may i) (?:help|buy|carry|heal|pay|offer)",
        r"(?:this is|a gift) for you",
        r"^(?:take|have) (?:this|these|some)",
    ),
    _rule(
        Signal.QUESTION,
        0.6,
        r"tell me (?:about|of|more|what|where|who|why|how)",
        r"^(?:so |and |but |tell me )?(?:what|where|who|why|when|how|which|whose)(?! a| an)",
        r"^(?:do|did|does|is|are|was|were|have|has) (?:you|i|we|he|she|they|it|there|the|any|that|this|your)",
        r"i wonder",
        r"(?:have you|do you know|any idea|ever) .*",
    ),
    _rule(
        Signal.REQUEST,
        0.6,
        r"(?:can|could|would|will) (?:you|i|we)",
        r"please",
        r"i (?:would like|want|need|would love|will have) (?:a|an|some|the|to|you|my|two|three)",
        r"(?:give|lend|bring|hand|sell|show|teach|pass|fetch|take) (?:me|us)",
        r"(?:may|might) i",
        r"let me (?:in|see|pass|through|have|go)",
        r"i am looking (?:for|to)",
    ),
    _rule(
        Signal.COMMAND,
        0.6,
        r"^(?:follow|wait|stop|halt|go|come|leave|stay|guard|move|stand|kneel|hold|keep|sit|get)(?: \S+){0,4}$",
    ),
    _rule(
        Signal.IGNORE,
        0.8,
        r"^(?:whatever|not now|leave me alone|go away|hmm?|huh|meh|uh huh)(?: [.!]+)?$",
        r"i am busy",
    ),
    _rule(
        Signal.DISAGREE,
        0.5,
        r"^(?:no|never|nonsense|rubbish|hardly|absolutely not|not (?:a chance|really|true))",
        r"you are (?:wrong|mistaken|lying)",
        r"i (?:disagree|doubt|do not (?:think|believe|agree)|will not|can not)",
        r"(?:is|was) not (?:true|how|what|right|me)",
        r"i did not",
    ),
    _rule(
        Signal.AGREE,
        0.65,
        r"^(?:yes|aye|agreed|of course|indeed|certainly|sure|okay|fine|exactly|right|true|very well|al ?l?right)",
        r"you are right",
        r"i (?:agree|suppose so|think so)",
        r"^(?:sounds|makes) (?:good|fair|sense)",
    ),
    _rule(
        Signal.GREET,
        0.9,
        r"^(?:hello|hail|greetings|hi|hey|morning|evening|good (?:day|morning|evening|afternoon)|ho there)",
        r"(?:well met|good to see you|nice to meet you|pleased to meet you)",
    ),
)
_HOSTILE = frozenset({Signal.THREATEN, Signal.ATTACK, Signal.INSULT})
# A line that no rule knows.
_UNKNOWN = {
    signal: 1 / 8
    for signal in (
        *(Signal.QUESTION, Signal.AGREE, Signal.DISAGREE, Signal.REQUEST),
        *(Signal.COMPLIMENT, Signal.OFFER, Signal.GREET, Signal.IGNORE),
    )
}

# Where these rules and the lexical model differ, the rules are right more often (in cross-validation).
_TRUSTED = tuple(
    rule
    for rule in _RULES
    if rule[0] in {Signal.THREATEN, Signal.ATTACK, Signal.BETRAY, Signal.FLEE, Signal.ACCEPT}
)


def trusted_signal(words: list[str]) -> Signal | None:
    """What a rule that is to be trusted beside a model makes of a line's words, if one matches."""
    line = " ".join(words)
    found = (signal for signal, _, pattern in _TRUSTED if pattern.search(line))
    signal = next(found, None)
    return None if signal in _HOSTILE and _DENIED.search(line) else signal


class RuleClassifier:
    """The built-in classifier `rules`."""

    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        text = tidy(text)
        words = tokens(text)
        if not any(map(str.isalnum, text)):
            return {Signal.QUESTION: 0.9, Signal.IGNORE: 0.1} if "?" in text else {Signal.IGNORE: 1.0}
        line = " ".join(words)
        denied = _DENIED.search(line) is not None
        found = {
            signal: sure
            for signal, sure, pattern in _RULES
            if not (denied and signal in _HOSTILE) and pattern.search(line)
        }
        likely = {Signal.QUESTION: 1.0} if "?" in words else _UNKNOWN
        if not found:
            return as_answer(text, likely, context)
        first, sure = next(iter(found.items()))
        rest = dict.fromkeys([*found][1:], 1.0) or {
            signal: p for signal, p in likely.items() if signal is not first
        }
        whole = sum(rest.values())
        if not whole:
            return as_answer(text, {first: 1.0}, context)
        shares = {signal: (1 - sure) * p / whole for signal, p in rest.items()}
        return as_answer(text, {first: sure, **shares}, context)
