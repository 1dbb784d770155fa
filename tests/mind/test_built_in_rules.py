"""What the built-in rules make of an NPC over an evening: nothing runs away that a person would not believe."""

from collections.abc import Sequence
from random import Random

import pytest

from rfsn_bridge.domain import Action, Mood, Npc, NpcState, Personality, Relationship, Signal
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Did, Passed, Said
from rfsn_bridge.mind.safety import FleeWhenTerrified, NoFavoursWithoutTrust
from rfsn_bridge.mind.scorer import UtilityScorer
from rfsn_bridge.mind.signals import RuleClassifier
from rfsn_bridge.mind.state import apply_transition, settle
from rfsn_bridge.mind.world_model import said

MIND = Mind(
    RuleClassifier(), UtilityScorer(), {"flee": FleeWhenTerrified(), "trust": NoFavoursWithoutTrust()}, Greedy()
)
STRANGER = NpcState()
FRIEND = NpcState(affinity=0.45, relationship=Relationship.FRIEND, trust=0.7)
ALLY = NpcState(affinity=0.8, relationship=Relationship.ALLY, trust=0.9)
ENEMY = NpcState(affinity=-0.8, relationship=Relationship.ENEMY, trust=0.1)
COWARD = Personality(courage=0.1)


def best(signal: Signal, state: NpcState = STRANGER, traits: Personality | None = None) -> Action:
    """The first choice of an NPC."""
    traits = traits or Personality()
    heard = MIND.world.hear(settle(state), {signal: 1.0}, None, traits)
    return MIND.weigh(Npc("a", "A", personality=traits), heard).ranked[0].action


def evening(lines: Sequence[Signal], turns: int = 100, seed: int = 1) -> tuple[NpcState, list[Action]]:
    """The state after a player who says only such things, and what the NPC did."""
    rng, state, experience = Random(seed), settle(STRANGER), MIND.newcomer()
    npc, done = Npc("a", "A", personality=Personality(*(rng.uniform(0.2, 0.8) for _ in range(4)))), []
    for turn in range(turns):
        decision = MIND.decide(npc, state, {rng.choice(lines): 1.0}, rng, experience)
        experience.decided(str(turn), decision)
        done.append(decision.action)
        for event in (said(decision), Did(decision.action, decision.signal), Passed(0.01)):
            state = apply_transition(state, event, traits=npc.personality)
    return state, done


SEEDS = pytest.mark.parametrize("seed", range(4))


@SEEDS
def test_a_kind_player_makes_an_ally(seed: int) -> None:
    state, _ = evening([Signal.COMPLIMENT, Signal.OFFER, Signal.AGREE, Signal.QUESTION, Signal.GREET], seed=seed)
    assert state.relationship is Relationship.ALLY and state.trust > 0.6


@SEEDS
def test_a_polite_one_is_liked_and_no_more(seed: int) -> None:
    state, done = evening(
        [Signal.QUESTION, Signal.REQUEST, Signal.AGREE, Signal.DISAGREE, Signal.GREET], seed=seed
    )
    assert state.relationship in {Relationship.ACQUAINTANCE, Relationship.FRIEND}
    assert not {Action.INSULT, Action.THREATEN, Action.ATTACK, Action.BETRAY} & set(done)


@SEEDS
def test_one_who_only_begs_is_helped_until_it_is_too_much(seed: int) -> None:
    state, done = evening([Signal.HELP, Signal.HELP, Signal.REQUEST], seed=seed)
    assert state.relationship is Relationship.ACQUAINTANCE
    assert done[0] is Action.HELP


@SEEDS
def test_a_rude_one_makes_an_enemy_who_can_be_reconciled(seed: int) -> None:
    state, done = evening([Signal.INSULT, Signal.COMMAND, Signal.QUESTION, Signal.DISAGREE], seed=seed)
    assert state.relationship is Relationship.ENEMY and state.affinity > -1 and state.trust > 0
    assert not {Action.HELP, Action.COMPLIMENT} & set(done[-20:])
    for _ in range(20):  # an apology a day
        for event in (Said(Signal.APOLOGIZE), Did(Action.IGNORE, Signal.APOLOGIZE), Passed(1)):
            state = apply_transition(state, event)
    assert state.relationship in {Relationship.ACQUAINTANCE, Relationship.FRIEND}


@SEEDS
def test_a_cruel_one_is_fled_from(seed: int) -> None:
    state, done = evening([Signal.THREATEN, Signal.ATTACK, Signal.BETRAY], seed=seed)
    assert state.relationship is Relationship.ENEMY and state.fear > 0.5
    assert not state.combat_active  # that is the game's to say
    assert set(done[-20:]) <= {Action.FLEE, Action.ATTACK, Action.DEFEND, Action.THREATEN, Action.INSULT}


@pytest.mark.parametrize("signal", [Signal.GREET, Signal.FAREWELL, Signal.COMPLIMENT, Signal.INSULT])
def test_an_enemy_answers_with_hostility(signal: Signal) -> None:
    assert best(signal, ENEMY) in {Action.INSULT, Action.THREATEN}


def test_everyday_answers_are_the_everyday_ones() -> None:
    for state in (STRANGER, FRIEND, ALLY):
        assert best(Signal.GREET, state) is Action.GREET
        assert best(Signal.FAREWELL, state) is Action.FAREWELL
        assert best(Signal.QUESTION, state) is Action.EXPLAIN
        assert best(Signal.APOLOGIZE, state) is Action.ACCEPT
        assert best(Signal.HELP, state) is Action.HELP


def test_friends_do_as_they_are_told_and_strangers_do_not() -> None:
    assert best(Signal.COMMAND, STRANGER) is Action.REFUSE
    assert best(Signal.COMMAND, FRIEND) is Action.ACCEPT
    assert best(Signal.COMMAND, NpcState(fear=0.5), COWARD) is Action.ACCEPT


def test_silence_is_not_accepted_on_a_quest() -> None:
    quest = NpcState(affinity=0.45, relationship=Relationship.FRIEND, trust=0.7, quest_active=True)
    assert best(Signal.IGNORE, quest) is Action.REQUEST


def test_a_coward_who_is_afraid_answers_no_insult_with_one() -> None:
    afraid = NpcState(fear=0.5)
    assert best(Signal.INSULT, afraid, COWARD) is not Action.INSULT
    assert best(Signal.BETRAY, afraid, COWARD) not in {Action.INSULT, Action.THREATEN, Action.ATTACK}
    assert best(Signal.ATTACK, afraid, COWARD) is Action.FLEE


def test_a_betrayal_turns_a_friend_into_a_rival_at_least() -> None:
    for after in (None, Action.HELP):
        betrayed = apply_transition(settle(FRIEND), Said(Signal.BETRAY, after))
        assert betrayed.relationship in {Relationship.RIVAL, Relationship.ENEMY}
        assert betrayed.mood is Mood.ANGRY and betrayed.trust == 0


def test_words_go_less_far_than_deeds() -> None:
    insulted = threatened = attacked = settle(STRANGER)
    for _ in range(50):
        insulted = apply_transition(insulted, Signal.INSULT)
        threatened = apply_transition(threatened, Signal.THREATEN)
        attacked = apply_transition(attacked, Signal.ATTACK)
    assert insulted.affinity > threatened.affinity > attacked.affinity == -1
    assert insulted.trust > threatened.trust > attacked.trust == 0
