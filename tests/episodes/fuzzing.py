"""States, lines and game actions that nobody would think of, and what must hold whatever they are."""

import math
from collections.abc import Iterator
from pathlib import Path
from random import Random

from rfsn_bridge.config import Config, MindParts
from rfsn_bridge.domain import (
    Action,
    Decision,
    GameAction,
    Happening,
    Mood,
    Npc,
    NpcState,
    Personality,
    Relationship,
    Signal,
)
from rfsn_bridge.episodes import parts
from rfsn_bridge.mind import game_actions
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Did, Happened, Passed
from rfsn_bridge.mind.rewards import Reaction, Result
from rfsn_bridge.mind.state import apply_transition, settle

FAVOURS = {Action.ACCEPT, Action.OFFER, Action.HELP}
_LEAST = {Relationship.ENEMY: -1.0, Relationship.RIVAL: -0.65, Relationship.FRIEND: 0.15, Relationship.ALLY: 0.55}
_MOST = {Relationship.ENEMY: -0.55, Relationship.RIVAL: -0.15, Relationship.FRIEND: 0.65, Relationship.ALLY: 1.0}
_CLOSE = 1e-4


def default_mind(**settings: str) -> Mind:
    """The mind of an empty config.yaml, but for some `settings` of its section `mind`."""
    return parts.mind(Config(mind=MindParts(**settings)), Path("nowhere"))  # type: ignore[arg-type]


def violations(seed: int, count: int) -> list[str]:
    """What went wrong in `count` decisions, in words; a process of its own may call it."""
    mind, rng, found = default_mind(learner="linucb"), Random(seed), []
    experience = mind.newcomer()
    for number in range(count):
        if number % 500 == 499:
            experience = mind.newcomer()
        npc = Npc("a", "A", personality=Personality(*(rng.random() for _ in range(4))))
        before, signals = random_state(rng), random_signals(rng)
        decision = mind.decide(npc, before, signals, rng, experience)
        wrong = [*_decided_wrongly(decision), *_acts_wrongly(decision, rng)]
        state = decision.state
        for event in (
            Did(decision.action, decision.signal),
            Happened(rng.choice(list(Happening)), by_player=rng.random() < 0.5),
            Passed(rng.random()),
        ):
            wrong += _unsound(state)
            state = apply_transition(state, event, mind.world.rules, npc.personality)
        wrong += _unsound(state)
        found += [f"seed {seed}, number {number}: {each} ({before}, {signals})" for each in wrong]
        experience.decided(str(number), decision)
        experience.credit(str(number), Result(reactions=frozenset(rng.sample(list(Reaction), 1))))
    return found


def random_state(rng: Random) -> NpcState:
    """Any state there can be; the borders of ranges and rules more often than chance would have them."""

    def number(low: float, *borders: float) -> float:
        return rng.choice((low, 1.0, *borders)) if rng.random() < 0.3 else rng.uniform(low, 1)

    return settle(
        NpcState(
            rng.choice(list(Mood)),
            number(-1, -0.6, -0.2, 0.2, 0.6, 0.0),
            rng.choice(list(Relationship)),
            number(0, 0.1, 0.0999, 0.05),
            number(0, 0.7, 0.7001),
            number(-1, 0.0),
            rng.random() < 0.4,
            rng.random() < 0.4,
            rng.random(),
        )
    )


def random_signals(rng: Random) -> dict[Signal, float]:
    signals = rng.sample(list(Signal), rng.choice((1, 1, 2, 3, 5)))
    weights = [rng.random() + 0.01 for _ in signals]
    return {signal: weight / sum(weights) for signal, weight in zip(signals, weights, strict=True)}


def _decided_wrongly(decision: Decision) -> Iterator[str]:
    state, chosen = decision.state, decision.action
    vetoed = {each.action for each in decision.candidates if each.vetoed_by}
    allowed = {each.action for each in decision.candidates} - vetoed
    if state.combat_active and state.fear > 0.7 and (chosen is not Action.FLEE or allowed != {Action.FLEE}):
        yield f"terrified in a fight it chose {chosen} of {allowed}"
    if state.trust < 0.1 and (allowed | {chosen}) & FAVOURS:
        yield f"without trust it chose {chosen} of {allowed}"
    if chosen in vetoed:
        yield f"it chose {chosen}, which is vetoed"
    if not 5 <= len(decision.candidates) <= 9:
        yield f"there are {len(decision.candidates)} candidates"
    if len({each.action for each in decision.candidates}) != len(decision.candidates):
        yield "a candidate comes twice"
    for each in decision.candidates:
        if not each.vetoed_by and not math.isclose(sum(each.contributions.values()), each.score, abs_tol=_CLOSE):
            yield f"the contributions to {each.action} do not sum to its score"
        if each.vetoed_by and each.probability:
            yield f"{each.action} is vetoed and has odds"
    trace = decision.trace
    assert trace is not None
    for choice in (trace.action_choice, trace.style_choice):
        if not math.isclose(sum(choice.probabilities.values()), 1, abs_tol=_CLOSE) or choice.probability <= 0:
            yield f"these are no odds: {choice.probabilities}"
        if choice.probabilities[choice.arm] != choice.probability:
            yield f"{choice.arm} was not chosen with the odds it had"
        if not math.isclose(sum(choice.contributions.values()), choice.worth[choice.arm], abs_tol=_CLOSE):
            yield f"the contributions to {choice.arm} do not sum to its worth"
    if not {Action(arm) for arm in trace.action_choice.probabilities} <= allowed:
        yield "the learner chose among more than was allowed"


def _acts_wrongly(decision: Decision, rng: Random) -> Iterator[str]:
    """Game actions that may go with a decision: never others, and never one that must."""
    repertoire = [
        GameAction(
            f"act{index}",
            "does something",
            {"type": "object", "properties": {}},
            requires_target=rng.random() < 0.3,
            when=None if rng.random() < 0.3 else frozenset(rng.sample(list(Action), rng.randint(0, 6))),
        )
        for index in range(rng.randint(0, 4))
    ]
    targets = {"player": "player"} if rng.random() < 0.5 else {}
    offer = game_actions.offer(repertoire, decision.action, targets)
    for action in offer.actions:
        if action.when is not None and decision.action not in action.when:
            yield f"{action.name} is offered with {decision.action}"
        if action.requires_target and not targets:
            yield f"{action.name} is offered without a target"
    if game_actions.read('{"action": {"name": "none"}}', offer) is not None:
        yield "doing nothing is not allowed"


def _unsound(state: NpcState) -> Iterator[str]:
    low = {"affinity": -1.0, "recent_sentiment": -1.0}
    for name in ("affinity", "trust", "fear", "recent_sentiment", "mood_strength"):
        if not low.get(name, 0.0) <= getattr(state, name) <= 1:
            yield f"{name} is {getattr(state, name)}"
    if not _LEAST.get(state.relationship, -0.25) <= state.affinity <= _MOST.get(state.relationship, 0.25):
        yield f"{state.relationship} at an affinity of {state.affinity}"
    if (state.mood is Mood.NEUTRAL) != (state.mood_strength == 0):
        yield f"{state.mood} at a strength of {state.mood_strength}"
