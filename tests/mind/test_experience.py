"""What one NPC has learned: rewards credited once to the right turn, bounded, saved and taken back."""

from collections.abc import Sequence
from random import Random

import pytest

from rfsn_bridge.domain import Action, Choice, Decision, Npc, NpcState, Signal, Style, Trace
from rfsn_bridge.mind.bandit import Greedy
from rfsn_bridge.mind.epsilon_greedy import EpsilonGreedy
from rfsn_bridge.mind.experience import MAX_PENDING, Experience
from rfsn_bridge.mind.linear_ucb import LinearUcb
from rfsn_bridge.mind.rewards import Heard, Reaction, Result
from rfsn_bridge.mind.style import (
    ACTION_FEATURES,
    STYLE_FEATURES,
    Talk,
    action_features,
    style_features,
    style_priors,
)

GOOD = Result(reactions=frozenset({Reaction.CONTINUED}))


class Recording:
    """A policy that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, float]] = []

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        return Choice(arms[0], 1.0)

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        self.told.append((arm, reward, probability))

    def dump(self) -> bytes:
        return b""


def decision(
    action: Action = Action.GREET, style: Style = Style.LORE_RICH, signal: Signal = Signal.GREET
) -> Decision:
    trace = Trace(
        {signal: 1.0},
        NpcState(),
        (),
        {},
        Choice(action.value, 0.7),
        Choice(style.value, 0.4),
        action_features(Npc("a", "A"), NpcState(), {signal: 1.0}, Talk()),
        style_features(Npc("a", "A"), NpcState(), signal, Talk()),
    )
    return Decision(signal, action, style, NpcState(), (), (), trace)


def fresh() -> tuple[Experience, Recording, Recording]:
    action, style = Recording(), Recording()
    return Experience(action, style), action, style


def test_a_reward_goes_to_the_turn_it_belongs_to_with_its_propensity() -> None:
    experience, action, style = fresh()
    experience.decided("1", decision(Action.GREET, Style.LORE_RICH))
    experience.decided("2", decision(Action.HELP, Style.WARM_FRIENDLY))
    credit = experience.credit("1", GOOD)
    assert credit and credit.action.total == 0.4
    assert action.told == [("greet", 0.4, 0.7)] and style.told == [("LORE_RICH", 0.4, 0.4)]


def test_a_turn_is_credited_once() -> None:
    experience, action, _ = fresh()
    experience.decided("1", decision())
    assert experience.credit("1", GOOD) is not None
    assert experience.credit("1", GOOD) is None
    assert len(action.told) == 1


def test_later_feedback_adds_its_own_part_once() -> None:
    experience, action, _ = fresh()
    experience.decided("1", decision())
    experience.credit("1", GOOD)
    credit = experience.credit("1", Result(feedback=-1, reactions=GOOD.reactions))
    assert credit and credit.action.parts == {"feedback": -1}
    assert experience.credit("1", Result(feedback=1)) is None
    assert [reward for _, reward, _ in action.told] == [0.4, -1]


def test_what_nobody_heard_teaches_nothing_and_may_be_credited_later() -> None:
    experience, action, _ = fresh()
    experience.decided("1", decision())
    assert experience.credit("1", Result(Heard.NOTHING)) is None
    assert experience.credit("1", GOOD) is not None
    assert len(action.told) == 1


def test_unknown_and_forgotten_turns_earn_nothing() -> None:
    experience, action, _ = fresh()
    experience.decided("1", decision())
    experience.forget("1")
    assert experience.credit("1", GOOD) is None and experience.credit("x", GOOD) is None
    assert action.told == []


def test_only_the_latest_turns_wait() -> None:
    experience, _, _ = fresh()
    for turn in range(MAX_PENDING + 1):
        experience.decided(str(turn), decision())
    assert experience.credit("0", GOOD) is None
    assert experience.credit("1", GOOD) is not None


def test_the_talk_tells_how_the_player_is() -> None:
    experience, _, _ = fresh()
    assert experience.talk() == Talk()
    for _ in range(4):
        experience.decided("1", decision(Action.REFUSE, Style.TERSE_DIRECT, Signal.INSULT))
    talk = experience.talk(0.5, contradiction=True)
    assert talk == Talk(4, Style.TERSE_DIRECT, Action.REFUSE, "hostile", 0.5, True)


def test_an_experience_survives_being_saved() -> None:
    experience = Experience.begin(LinearUcb())
    for turn in range(30):
        experience.decided(str(turn), decision())
        experience.credit(str(turn), GOOD)
    again = Experience.load(experience.dump(), LinearUcb())
    assert again.talk() == experience.talk()
    assert again.refused == ()
    assert again.dump() == Experience.load(again.dump(), LinearUcb()).dump()


def test_another_learner_begins_anew_and_says_so() -> None:
    experience = Experience.begin(EpsilonGreedy())
    experience.decided("1", decision())
    again = Experience.load(experience.dump(), LinearUcb())
    assert again.refused and again.talk().turns == 1


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b"", lambda b: b[:20] + b"x" + b[21:]])
def test_damage_is_told(spoil) -> None:  # type: ignore[no-untyped-def]
    saved = Experience.begin(Greedy()).dump()
    with pytest.raises(ValueError):
        Experience.load(spoil(saved), Greedy())


def test_features_are_as_many_as_their_names_and_within_bounds() -> None:
    state, signals = NpcState(affinity=-1, trust=1, fear=1), dict.fromkeys(Signal, 0.5)
    style = style_features(Npc("a", "A"), state, Signal.INSULT, Talk(900, Style.LORE_RICH, None, "hostile", 7.0))
    action = action_features(Npc("a", "A"), state, signals, Talk())
    assert len(style) == len(STYLE_FEATURES) == len(set(STYLE_FEATURES))
    assert len(action) == len(ACTION_FEATURES) == len(set(ACTION_FEATURES))
    assert all(-1 <= value <= 1 for value in (*style, *action))


@pytest.mark.parametrize("action", Action)
def test_every_style_has_a_prior_within_bounds(action: Action) -> None:
    priors = style_priors(Npc("a", "A"), NpcState(), action)
    assert set(priors) == set(Style) and all(-1 <= value <= 1 for value in priors.values())
