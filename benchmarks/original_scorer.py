"""The original's prediction and scoring of its eight candidates, written anew from what is known of it.

A prediction comes from a table of rules, else from the five nearest recorded transitions of the same action and
signal, found by going through all of them; without any, the state stays as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

CANDIDATES = ("greet", "agree", "apologize", "compliment", "request", "offer", "inquire", "explain")
SIGNALS = (
    *(
        "greet",
        "farewell",
        "agree",
        "disagree",
        "apologize",
        "insult",
        "compliment",
        "threaten",
        "request",
        "offer",
    ),
    *("refuse", "accept", "attack", "flee", "help", "betray", "ignore", "question", "command"),
)
ACTIONS = (
    *CANDIDATES,
    *("farewell", "disagree", "insult", "threaten", "refuse", "accept", "attack", "defend", "flee", "help"),
    *("betray", "ignore"),
)
_NUMBERS = ("affinity", "trust", "fear", "sentiment")
_CATEGORIES = ("mood", "relationship", "combat", "quest")
_NEAREST = 5


@dataclass(frozen=True)
class State:
    mood: str = "neutral"
    affinity: float = 0.0
    relationship: str = "stranger"
    trust: float = 0.5
    fear: float = 0.0
    sentiment: float = 0.0
    combat: bool = False
    quest: bool = False


@dataclass(frozen=True)
class Transition:
    before: State
    action: str
    signal: str
    after: State


def random_state(rng: Random) -> State:
    return State(
        rng.choice(("happy", "neutral", "sad", "angry", "fearful", "surprised")),
        rng.uniform(-1, 1),
        rng.choice(("stranger", "acquaintance", "friend", "ally", "enemy", "rival")),
        rng.random(),
        rng.random(),
        rng.uniform(-1, 1),
        rng.random() < 0.1,
        rng.random() < 0.3,
    )


def recorded(count: int, rng: Random) -> list[Transition]:
    """A history of so many transitions."""
    return [
        Transition(random_state(rng), rng.choice(ACTIONS), rng.choice(SIGNALS), random_state(rng))
        for _ in range(count)
    ]


def score_all(state: State, signal: str, history: Sequence[Transition]) -> dict[str, float]:
    """What the original worked out in every turn."""
    return {action: _score(_predict(state, action, signal, history)) for action in CANDIDATES}


def _predict(state: State, action: str, signal: str, history: Sequence[Transition]) -> State:
    if (action, signal) == ("apologize", "accept"):
        return replace(state, affinity=state.affinity + 0.1, trust=state.trust + 0.1, fear=state.fear - 0.1)
    if (action, signal) == ("apologize", "refuse"):
        return replace(state, affinity=state.affinity - 0.2, trust=state.trust - 0.1, mood="sad")
    if (action, signal) == ("compliment", "compliment"):
        return replace(state, affinity=state.affinity + 0.2, trust=state.trust + 0.1, mood="happy")
    if (action, signal) == ("compliment", "insult"):
        return replace(state, affinity=state.affinity - 0.3, trust=state.trust - 0.2, mood="sad")
    same = [each for each in history if each.action == action and each.signal == signal]
    if not same:
        return state
    nearest = sorted(same, key=lambda each: _distance(state, each.before))[:_NEAREST]
    numbers = {name: sum(getattr(each.after, name) for each in nearest) / len(nearest) for name in _NUMBERS}
    kinds = {
        name: Counter(getattr(each.after, name) for each in nearest).most_common(1)[0][0] for name in _CATEGORIES
    }
    return State(**numbers, **kinds)


def _distance(one: State, other: State) -> float:
    squares = sum((getattr(one, name) - getattr(other, name)) ** 2 for name in _NUMBERS)
    return math.sqrt(squares + sum(getattr(one, name) != getattr(other, name) for name in _CATEGORIES))


def _score(state: State) -> float:
    mood = 0.1 if state.mood == "happy" else -0.1 if state.mood in ("sad", "angry") else 0.0
    utility = 0.3 * state.affinity + 0.2 * state.trust - 0.3 * state.fear + 0.2 * state.quest - 0.5 * state.combat
    risk = (
        0.8 * state.combat
        + 0.5 * state.fear
        + 0.3 * (state.affinity < -0.5)
        + 0.4 * (state.relationship == "enemy")
    )
    return utility + mood - risk
