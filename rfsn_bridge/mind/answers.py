"""What "yes" and "no" mean once the NPC has offered or asked for something."""

from collections.abc import Mapping

from rfsn_bridge.domain import Action, Signal, SignalContext

_ASKING = frozenset({Action.OFFER, Action.REQUEST})
_BECOMES = {Signal.AGREE: Signal.ACCEPT, Signal.DISAGREE: Signal.REFUSE}
# A line that begins so, or is as short, answers the offer; a longer one may be about what was said with it.
_OPENINGS = (
    *("yes", "yeah", "yep", "aye", "sure", "ok", "okay", "fine", "alright", "all right", "of course", "gladly"),
    *("very well", "deal", "done", "agreed", "with pleasure", "why not", "i'll", "i will", "i accept", "i would"),
    *("no", "nope", "nah", "never", "not ", "i won't", "i can't", "i cannot", "i refuse", "forget it", "keep "),
)
_SHORT = 3
_LONG_SHARE = 0.5


def as_answer(text: str, signals: Mapping[Signal, float], context: SignalContext) -> dict[Signal, float]:
    """`signals`, with agreement heard as ACCEPT and refusal as REFUSE after an offer or a request of the NPC."""
    if context.last_action not in _ASKING:
        return dict(signals)
    lowered = text.lower()
    share = 1.0 if lowered.startswith(_OPENINGS) or len(lowered.split()) <= _SHORT else _LONG_SHARE
    heard = dict(signals)
    for said, meant in _BECOMES.items():
        if moved := heard.get(said, 0.0) * share:
            heard[meant] = heard.get(meant, 0.0) + moved
            heard[said] -= moved
    return {signal: p for signal, p in heard.items() if p > 0}
