"""Scenes that a person would believe, in a player's words, with classifier, rules and learner as shipped."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest

from rfsn_bridge import config, registry
from rfsn_bridge.domain import (
    Action,
    Decision,
    Mood,
    Npc,
    NpcState,
    Personality,
    Relationship,
    Signal,
    SignalContext,
    Timeouts,
)
from rfsn_bridge.interfaces import Services
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Did, Passed
from rfsn_bridge.mind.state import apply_transition, settle
from rfsn_bridge.mind.world_model import said
from rfsn_bridge.snapshot import build_mind

FRIEND = NpcState(affinity=0.5, relationship=Relationship.FRIEND, trust=0.7)


@pytest.fixture(scope="module")
def mind() -> Mind:
    services = Services(
        httpx.AsyncClient(), Timeouts(), Path(), lambda name: Path(name), lambda *args, **kwargs: None
    )
    return build_mind(config.Config(), registry.discover(), services)


class Scene:
    """A player talks to one NPC; `seed` is what its chance is drawn from."""

    def __init__(self, mind: Mind, npc: Npc, state: NpcState, seed: int = 1) -> None:
        self.mind, self.npc, self.state = mind, npc, settle(state)
        self.experience = mind.newcomer()
        self.rng = Random(seed)

    def say(self, text: str) -> Decision:
        """Speak, and hear the answer out."""
        context = SignalContext(self.state, last_action=self.experience.talk().last_action)
        signals: Mapping[Signal, float] = self.mind.classify(text, context)
        decision = self.mind.decide(self.npc, self.state, signals, self.rng, self.experience)
        self.experience.decided(f"t{self.rng.random()}", decision)
        rules, traits = self.mind.world.rules, self.npc.personality
        self.state = apply_transition(self.state, said(decision), rules, traits)
        self.state = apply_transition(self.state, Did(decision.action, decision.signal), rules, traits)
        return decision

    def wait(self, days: float) -> None:
        self.state = apply_transition(self.state, Passed(days))


def test_a_friend_who_is_insulted_three_times_cools_and_warms_slower_when_you_apologize(mind: Mind) -> None:
    scene = Scene(mind, Npc("a", "Ysolda"), FRIEND)
    affinity = [scene.state.affinity]
    for text in ("You are an idiot.", "You're a worthless fool, and a liar.", "Shut up, you pathetic wretch."):
        assert scene.say(text).signal is Signal.INSULT
        affinity.append(scene.state.affinity)
    assert affinity == sorted(affinity, reverse=True)
    assert scene.state.relationship is not Relationship.FRIEND
    assert scene.state.mood is Mood.ANGRY
    low = scene.state.affinity
    for text in ("I'm sorry. That was wrong of me.", "Forgive me, please.", "I apologize for what I said."):
        before = scene.state.affinity
        assert scene.say(text).signal is Signal.APOLOGIZE
        assert scene.state.affinity >= before - 0.06  # a rival may brush the first one off
    assert low < scene.state.affinity < FRIEND.affinity
    assert scene.state.affinity - low < affinity[0] - low


def test_an_apology_each_day_makes_a_friend_again(mind: Mind) -> None:
    """Forgiveness takes its time: what is said again at once counts for little."""
    scene = Scene(mind, Npc("a", "Ysolda"), FRIEND)
    for text in ("You are an idiot.", "Shut up."):
        scene.say(text)
    assert scene.state.relationship is not Relationship.FRIEND
    for _ in range(4):
        scene.wait(1)
        scene.say("I am truly sorry for what I said.")
    assert scene.state.affinity > 0.2


@pytest.mark.parametrize("seed", range(20))
def test_a_coward_who_is_threatened_in_combat_flees(mind: Mind, seed: int) -> None:
    coward = Npc("b", "Nazeem", personality=Personality(courage=0.1))
    scene = Scene(mind, coward, NpcState(combat_active=True, fear=0.3), seed)
    decision = scene.say("I will kill you!")
    assert decision.signal is Signal.THREATEN
    assert decision.action is Action.FLEE
    assert decision.state.mood is Mood.FEARFUL


@pytest.mark.parametrize("seed", range(20))
def test_a_brave_one_does_not(mind: Mind, seed: int) -> None:
    brave = Npc("c", "Uthgerd", personality=Personality(courage=0.95))
    scene = Scene(mind, brave, NpcState(combat_active=True, fear=0.1), seed)
    assert scene.say("I will kill you!").action is not Action.FLEE


@pytest.mark.parametrize("quest", [False, True])
@pytest.mark.parametrize("text", ["Help me, please!", "Can you lend me your sword?", "I can pay you well for it."])
def test_a_stranger_without_trust_never_offers_help_quest_or_not(mind: Mind, quest: bool, text: str) -> None:
    for seed in range(30):
        scene = Scene(mind, Npc("d", "Delphine"), NpcState(trust=0.05, quest_active=quest), seed)
        decision = scene.say(text)
        assert decision.action not in {Action.HELP, Action.OFFER, Action.ACCEPT}
        denied = {each.action for each in decision.candidates if each.vetoed_by == "no_favours_without_trust"}
        assert denied
        assert sum(each.probability for each in decision.candidates if each.action in denied) == 0


def test_anger_passes_with_the_hours(mind: Mind) -> None:
    scene = Scene(mind, Npc("a", "Ysolda"), FRIEND)
    scene.say("You are an idiot.")
    assert scene.state.mood is Mood.ANGRY
    scene.wait(0.5)
    assert scene.state.mood is Mood.NEUTRAL


def test_greeting_over_and_over_makes_no_friend(mind: Mind) -> None:
    scene = Scene(mind, Npc("a", "Ysolda"), NpcState())
    for _ in range(50):
        scene.say("Hello!")
    assert scene.state.affinity < 0.35
    assert scene.state.relationship is not Relationship.ALLY


def test_yes_accepts_what_was_offered_and_only_agrees_elsewhere(mind: Mind) -> None:
    context = SignalContext(NpcState(), last_action=Action.OFFER)
    offered, elsewhere = mind.classify("Yes.", context), mind.classify("Yes.", replace(context, last_action=None))
    assert max(elsewhere, key=lambda each: elsewhere[each]) is Signal.AGREE
    if len(offered) > 1:  # a classifier that knows the context
        assert offered.get(Signal.ACCEPT, 0) >= elsewhere.get(Signal.ACCEPT, 0)
