"""Scripted players: personalities that answer to what an NPC does and to how it speaks.

None of them sees inside the NPC. What they like shows as it does in a game: they go on, follow up, correct, cut
the NPC off, give their verdict or leave; `rewards` reads that as it reads any player's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from rfsn_bridge.domain import Action, Signal, Style
from rfsn_bridge.episodes import phrases
from rfsn_bridge.episodes.players import Answer, Line, Listened, unsure
from rfsn_bridge.mind.rewards import Heard
from rfsn_bridge.mind.style import tone_of

Weights = Mapping[Signal, float]


@dataclass(frozen=True)
class Persona:
    """A scripted player. `says` is how it talks by itself, `answers` what it replies to an action of the NPC."""

    says: Weights
    answers: Mapping[Action, Weights] = field(default_factory=dict)
    styles: Mapping[Style, float] = field(default_factory=dict)
    """How it likes to be spoken to, in [-1, 1]."""
    actions: Mapping[Action, float] = field(default_factory=dict)
    """What it likes an NPC to do beyond what anybody likes, in [-1, 1]."""
    impatience: float = 0.05
    """How often it cuts off what it does not mind hearing."""
    verdicts: float = 0.05
    """How often it tells what it thinks of an answer."""
    kindness: float = 0.5
    """How it acts in the game, in [0, 1]: helps, gives, or strikes."""

    def speak(self, answer: Answer, rng: Random) -> Line:
        pleased = self._pleased(answer, rng)
        signal = self._signal(answer, pleased, rng)
        text = phrases.said(signal, rng)
        if answer.action is not None and (remark := phrases.remark(pleased, rng)):
            text = f"{remark} {text}"
        return Line(text, unsure(signal, rng))

    def listen(self, answer: Answer, rng: Random) -> Listened:
        pleased = self._pleased(answer, rng)
        cut_off = rng.random() < self.impatience + 0.4 * max(0.0, -pleased)
        verdict = round(max(-1.0, min(1.0, pleased)), 1) if rng.random() < self.verdicts else None
        return Listened(Heard.CUT_OFF if cut_off else Heard.ALL, verdict)

    def _pleased(self, answer: Answer, rng: Random) -> float:
        """How it likes an answer, about in [-1, 1]: its manner, its sense, its own taste, and some chance."""
        if answer.action is None or answer.style is None or answer.to is None:
            return 0.0
        tone = tone_of(answer.to)
        what = 0.5 * _FITS[tone].get(answer.action, 0.0) + 0.4 * self.actions.get(answer.action, 0.0)
        how = 0.6 * _SUITS[tone].get(answer.style, 0.0) + 0.6 * self.styles.get(answer.style, 0.0)
        return what + how + rng.gauss(0.0, 0.2)

    def _signal(self, answer: Answer, pleased: float, rng: Random) -> Signal:
        if pleased < -0.6 and rng.random() < 0.15:
            return Signal.FAREWELL
        reply = self.answers.get(answer.action) or _ANSWERS.get(answer.action) if answer.action else None
        weights = reply if reply and rng.random() < 0.6 else self.says
        return drawn(weights, rng)


@dataclass(slots=True)
class Changing:
    """A player who is one person at first and another one later: from turn `after` on."""

    first: Persona
    then: Persona
    after: int
    _turns: int = 0

    @property
    def _now(self) -> Persona:
        return self.first if self._turns <= self.after else self.then

    @property
    def kindness(self) -> float:
        return self._now.kindness

    def speak(self, answer: Answer, rng: Random) -> Line:
        self._turns += 1
        return self._now.speak(answer, rng)

    def listen(self, answer: Answer, rng: Random) -> Listened:
        return self._now.listen(answer, rng)


def drawn(weights: Weights, rng: Random) -> Signal:
    """A signal, each as likely as its weight."""
    return rng.choices(tuple(weights), tuple(weights.values()))[0]


_FITS: Mapping[str, Mapping[Action, float]] = {
    "asking": {
        Action.EXPLAIN: 0.6,
        Action.HELP: 0.7,
        Action.ACCEPT: 0.4,
        Action.OFFER: 0.4,
        Action.AGREE: 0.2,
        Action.INQUIRE: -0.1,
        Action.REFUSE: -0.4,
        Action.IGNORE: -0.8,
        Action.INSULT: -0.8,
        Action.THREATEN: -0.6,
        Action.DISAGREE: -0.3,
    },
    "warm": {
        Action.GREET: 0.4,
        Action.COMPLIMENT: 0.4,
        Action.ACCEPT: 0.5,
        Action.OFFER: 0.3,
        Action.INQUIRE: 0.2,
        Action.AGREE: 0.1,
        Action.IGNORE: -0.7,
        Action.INSULT: -0.9,
        Action.THREATEN: -0.9,
        Action.REFUSE: -0.5,
    },
    "hostile": {
        Action.THREATEN: 0.2,
        Action.DEFEND: 0.3,
        Action.INSULT: 0.2,
        Action.APOLOGIZE: 0.2,
        Action.REFUSE: 0.2,
        Action.DISAGREE: 0.2,
        Action.COMPLIMENT: -0.5,
        Action.GREET: -0.5,
        Action.IGNORE: -0.3,
    },
    "balanced": {Action.FAREWELL: 0.2, Action.EXPLAIN: 0.2, Action.INQUIRE: 0.2, Action.IGNORE: -0.5},
}
"""What makes sense as an answer to a manner of line, whoever the player is; in [-1, 1]."""

_SUITS: Mapping[str, Mapping[Style, float]] = {
    "asking": {
        Style.LORE_RICH: 0.4,
        Style.NEUTRAL_BALANCED: 0.2,
        Style.TERSE_DIRECT: -0.3,
        Style.PLAYFUL_WITTY: -0.2,
    },
    "warm": {Style.WARM_FRIENDLY: 0.4, Style.PLAYFUL_WITTY: 0.2, Style.TERSE_DIRECT: -0.4, Style.LORE_RICH: -0.1},
    "hostile": {
        Style.TERSE_DIRECT: 0.4,
        Style.FORMAL_RESPECTFUL: 0.1,
        Style.WARM_FRIENDLY: -0.3,
        Style.LORE_RICH: -0.4,
    },
    "balanced": {Style.NEUTRAL_BALANCED: 0.2, Style.LORE_RICH: -0.2},
}
"""The same of the manner of speaking."""

_ANSWERS: Mapping[Action, Weights] = {
    Action.GREET: {Signal.QUESTION: 3, Signal.GREET: 1, Signal.REQUEST: 1},
    Action.FAREWELL: {Signal.FAREWELL: 2, Signal.GREET: 2, Signal.QUESTION: 1},
    Action.REQUEST: {Signal.ACCEPT: 2, Signal.REFUSE: 2, Signal.QUESTION: 2},
    Action.OFFER: {Signal.ACCEPT: 3, Signal.REFUSE: 1, Signal.QUESTION: 2},
    Action.INQUIRE: {Signal.AGREE: 2, Signal.DISAGREE: 1, Signal.REQUEST: 2, Signal.HELP: 1},
    Action.EXPLAIN: {Signal.QUESTION: 3, Signal.AGREE: 2, Signal.COMPLIMENT: 1},
    Action.HELP: {Signal.COMPLIMENT: 3, Signal.REQUEST: 1},
    Action.APOLOGIZE: {Signal.ACCEPT: 2, Signal.REFUSE: 1, Signal.INSULT: 0.5},
    Action.COMPLIMENT: {Signal.COMPLIMENT: 2, Signal.AGREE: 1, Signal.QUESTION: 1},
    Action.THREATEN: {Signal.APOLOGIZE: 1, Signal.THREATEN: 1, Signal.FLEE: 1},
    Action.INSULT: {Signal.INSULT: 1, Signal.APOLOGIZE: 1, Signal.DISAGREE: 1},
    Action.ATTACK: {Signal.ATTACK: 2, Signal.FLEE: 2, Signal.APOLOGIZE: 1},
    Action.REFUSE: {Signal.REQUEST: 1, Signal.QUESTION: 1, Signal.OFFER: 1},
}

_FRIENDLY = Persona(
    says={
        Signal.GREET: 2,
        Signal.COMPLIMENT: 3,
        Signal.QUESTION: 3,
        Signal.AGREE: 2,
        Signal.OFFER: 1,
        Signal.HELP: 1,
        Signal.APOLOGIZE: 0.5,
        Signal.FAREWELL: 0.5,
    },
    styles={
        Style.WARM_FRIENDLY: 0.9,
        Style.PLAYFUL_WITTY: 0.4,
        Style.TERSE_DIRECT: -0.7,
        Style.FORMAL_RESPECTFUL: -0.2,
    },
    actions={Action.COMPLIMENT: 0.3, Action.OFFER: 0.3},
    kindness=0.9,
)
_TRAITOR = Persona(
    says={
        Signal.BETRAY: 2,
        Signal.ATTACK: 1,
        Signal.THREATEN: 2,
        Signal.REFUSE: 2,
        Signal.IGNORE: 1,
        Signal.INSULT: 1,
    },
    styles={Style.TERSE_DIRECT: 0.7, Style.WARM_FRIENDLY: -0.6, Style.LORE_RICH: -0.4},
    kindness=0.1,
)
PERSONAS: Mapping[str, Persona] = {
    "friendly": _FRIENDLY,
    "rude": Persona(
        says={
            Signal.INSULT: 3,
            Signal.COMMAND: 2,
            Signal.DISAGREE: 2,
            Signal.IGNORE: 1,
            Signal.REFUSE: 1,
            Signal.QUESTION: 1,
        },
        answers={
            Action.APOLOGIZE: {Signal.INSULT: 2, Signal.ACCEPT: 1},
            Action.HELP: {Signal.IGNORE: 1, Signal.COMMAND: 1},
        },
        styles={
            Style.TERSE_DIRECT: 0.8,
            Style.PLAYFUL_WITTY: 0.3,
            Style.WARM_FRIENDLY: -0.6,
            Style.LORE_RICH: -0.6,
        },
        actions={Action.INSULT: 0.3, Action.DEFEND: 0.2, Action.COMPLIMENT: -0.5},
        impatience=0.3,
        kindness=0.2,
    ),
    "bargaining": Persona(
        says={
            Signal.OFFER: 3,
            Signal.REQUEST: 4,
            Signal.REFUSE: 2,
            Signal.ACCEPT: 2,
            Signal.QUESTION: 1,
            Signal.DISAGREE: 1,
        },
        answers={
            Action.REFUSE: {Signal.OFFER: 3, Signal.REQUEST: 1},
            Action.OFFER: {Signal.REFUSE: 2, Signal.ACCEPT: 2},
        },
        styles={
            Style.TERSE_DIRECT: 0.5,
            Style.NEUTRAL_BALANCED: 0.5,
            Style.LORE_RICH: -0.7,
            Style.PLAYFUL_WITTY: 0.2,
        },
        actions={Action.OFFER: 0.5, Action.ACCEPT: 0.5, Action.REQUEST: 0.3},
        impatience=0.12,
    ),
    "timid": Persona(
        says={
            Signal.APOLOGIZE: 3,
            Signal.AGREE: 3,
            Signal.HELP: 2,
            Signal.GREET: 1,
            Signal.FLEE: 1,
            Signal.QUESTION: 1,
        },
        answers={Action.THREATEN: {Signal.FLEE: 3, Signal.APOLOGIZE: 3}, Action.ATTACK: {Signal.FLEE: 1}},
        styles={
            Style.WARM_FRIENDLY: 0.8,
            Style.NEUTRAL_BALANCED: 0.3,
            Style.TERSE_DIRECT: -0.8,
            Style.PLAYFUL_WITTY: -0.3,
        },
        actions={Action.HELP: 0.4, Action.THREATEN: -0.6},
        verdicts=0.02,
        kindness=0.7,
    ),
    "scholar": Persona(
        says={Signal.QUESTION: 6, Signal.REQUEST: 1, Signal.AGREE: 1, Signal.DISAGREE: 1, Signal.COMPLIMENT: 1},
        answers={Action.EXPLAIN: {Signal.QUESTION: 3, Signal.DISAGREE: 1, Signal.AGREE: 1}},
        styles={
            Style.LORE_RICH: 0.9,
            Style.FORMAL_RESPECTFUL: 0.4,
            Style.TERSE_DIRECT: -0.6,
            Style.PLAYFUL_WITTY: -0.2,
        },
        actions={Action.EXPLAIN: 0.5, Action.INQUIRE: 0.2},
        verdicts=0.1,
        kindness=0.6,
    ),
    "bully": Persona(
        says={Signal.THREATEN: 4, Signal.COMMAND: 3, Signal.INSULT: 2, Signal.ATTACK: 1, Signal.REQUEST: 1},
        answers={
            Action.FLEE: {Signal.THREATEN: 1, Signal.INSULT: 1},
            Action.THREATEN: {Signal.ATTACK: 1, Signal.THREATEN: 2},
        },
        styles={
            Style.FORMAL_RESPECTFUL: 0.7,
            Style.TERSE_DIRECT: 0.3,
            Style.PLAYFUL_WITTY: -0.7,
            Style.LORE_RICH: -0.4,
        },
        actions={Action.APOLOGIZE: 0.5, Action.ACCEPT: 0.4, Action.FLEE: 0.2},
        impatience=0.25,
        kindness=0.05,
    ),
    "courtly": Persona(
        says={
            Signal.GREET: 2,
            Signal.COMPLIMENT: 2,
            Signal.REQUEST: 2,
            Signal.OFFER: 1,
            Signal.FAREWELL: 1,
            Signal.QUESTION: 2,
        },
        styles={
            Style.FORMAL_RESPECTFUL: 0.9,
            Style.LORE_RICH: 0.3,
            Style.PLAYFUL_WITTY: -0.5,
            Style.TERSE_DIRECT: -0.4,
        },
        actions={Action.GREET: 0.3, Action.AGREE: 0.2},
        kindness=0.7,
    ),
    "jester": Persona(
        says={
            Signal.INSULT: 1,
            Signal.COMPLIMENT: 2,
            Signal.QUESTION: 2,
            Signal.DISAGREE: 2,
            Signal.OFFER: 1,
            Signal.IGNORE: 1,
        },
        styles={Style.PLAYFUL_WITTY: 0.9, Style.WARM_FRIENDLY: 0.2, Style.FORMAL_RESPECTFUL: -0.8},
        actions={Action.INSULT: 0.3, Action.DISAGREE: 0.3},
        verdicts=0.1,
    ),
    "erratic": Persona(
        says=dict.fromkeys(Signal, 1.0),
        styles={Style.NEUTRAL_BALANCED: 0.3},
        impatience=0.2,
        verdicts=0.15,
    ),
}
"""By the name that `--players` takes; "traitor" is friendly first, and not for long."""
NAMES = (*PERSONAS, "traitor")


def persona(name: str, rng: Random) -> Persona | Changing:
    """A player of that name."""
    if name == "traitor":
        return Changing(_FRIENDLY, _TRAITOR, rng.randint(30, 120))
    return PERSONAS[name]
