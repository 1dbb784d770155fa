"""Simulated players: what they see, say and do; and one who says anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from rfsn_bridge.domain import Action, Signal, Style
from rfsn_bridge.episodes import phrases
from rfsn_bridge.mind.rewards import Heard


@dataclass(frozen=True, slots=True)
class Answer:
    """What the player has seen of the NPC: its last answer, and which signal that answered. None: none yet."""

    action: Action | None = None
    style: Style | None = None
    to: Signal | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What the player says; `signals` as a classifier gives them, empty where one must be asked."""

    text: str
    signals: Mapping[Signal, float]


@dataclass(frozen=True, slots=True)
class Listened:
    """How the player took an answer: how much was heard of it, and a verdict in [-1, 1] if it gave one."""

    heard: Heard = Heard.ALL
    verdict: float | None = None


class Player(Protocol):
    def speak(self, answer: Answer, rng: Random) -> Line:
        """The next line, after `answer`."""
        ...

    def listen(self, answer: Answer, rng: Random) -> Listened: ...


class RandomPlayer:
    """Says anything, whatever it is answered."""

    kindness = 0.5

    def speak(self, answer: Answer, rng: Random) -> Line:
        signal = rng.choice(_SIGNALS)
        return Line(phrases.said(signal, rng), unsure(signal, rng))

    def listen(self, answer: Answer, rng: Random) -> Listened:
        chance = rng.random()
        return Listened(
            Heard.CUT_OFF if chance < 0.1 else Heard.ALL, 2 * rng.random() - 1 if chance > 0.95 else None
        )


def unsure(signal: Signal, rng: Random) -> dict[Signal, float]:
    """A signal as a classifier hears it: mostly right, often sure, sometimes with a second guess that is near."""
    chance = rng.random()
    if chance < 0.4:
        return {signal: 1.0}
    other = rng.choice(_NEAR.get(signal, _NEUTRAL))
    if other is signal:
        return {signal: 1.0}
    sure = round(0.45 + 0.5 * rng.random(), 3)
    return {signal: sure, other: round(1 - sure, 3)}


_SIGNALS = tuple(Signal)
_NEUTRAL = (Signal.QUESTION, Signal.AGREE, Signal.REQUEST)
_NEAR: Mapping[Signal, tuple[Signal, ...]] = {
    Signal.INSULT: (Signal.THREATEN, Signal.DISAGREE),
    Signal.THREATEN: (Signal.INSULT, Signal.COMMAND, Signal.ATTACK),
    Signal.ATTACK: (Signal.THREATEN,),
    Signal.REQUEST: (Signal.COMMAND, Signal.HELP, Signal.QUESTION),
    Signal.HELP: (Signal.REQUEST,),
    Signal.COMMAND: (Signal.REQUEST,),
    Signal.AGREE: (Signal.ACCEPT,),
    Signal.ACCEPT: (Signal.AGREE,),
    Signal.DISAGREE: (Signal.REFUSE,),
    Signal.REFUSE: (Signal.DISAGREE,),
    Signal.GREET: (Signal.QUESTION,),
    Signal.OFFER: (Signal.REQUEST,),
}
