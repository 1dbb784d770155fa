"""What the two learners see of a turn, and which manner of speaking suits an NPC before it has learned anything.

The original's ten style features, the categories one-hot (an ordinal code of moods means nothing to a linear
model) and without the hash of the NPC (each NPC learns for itself). Of each category one value is the rule and has
no feature of its own: a neutral mood, a stranger, a player of no particular manner, a line neither hostile nor
asking. All lie in [-1, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rfsn_bridge.domain import Action, Mood, Npc, NpcState, Relationship, Signal, Style
from rfsn_bridge.mind.numbers import to_six_places

STYLE_ARMS = tuple(style.value for style in Style)
ACTION_ARMS = tuple(action.value for action in Action)

BALANCED = "balanced"
TONES: Mapping[str, frozenset[Signal]] = {
    "hostile": frozenset({Signal.INSULT, Signal.THREATEN, Signal.ATTACK, Signal.BETRAY}),
    "warm": frozenset(
        {Signal.GREET, Signal.COMPLIMENT, Signal.APOLOGIZE, Signal.AGREE, Signal.ACCEPT, Signal.OFFER}
    ),
    "asking": frozenset({Signal.QUESTION, Signal.REQUEST, Signal.HELP, Signal.COMMAND}),
}
"""The manners of a player's lines, which also name the playstyles; the other signals have none."""

_MOODS = tuple(mood for mood in Mood if mood is not Mood.NEUTRAL)
_RELATIONSHIPS = tuple(each for each in Relationship if each is not Relationship.STRANGER)
_MARKED = tuple(tone for tone in TONES if tone != "warm")
_MANY_TURNS = 50

STYLE_FEATURES: tuple[str, ...] = (
    "bias",
    "affinity",
    "sentiment",
    "similarity",
    "contradiction",
    "turns",
    *(f"mood={mood.value}" for mood in _MOODS),
    *(f"relationship={each.value}" for each in _RELATIONSHIPS),
    *(f"playstyle={tone}" for tone in TONES),
    *(f"said={tone}" for tone in _MARKED),
    *(f"last={style.value}" for style in Style),
)
ACTION_FEATURES: tuple[str, ...] = (
    "bias",
    "affinity",
    "trust",
    "fear",
    "sentiment",
    "combat",
    "quest",
    "angry",
    "sad",
    *(f"said={tone}" for tone in TONES),
)


@dataclass(frozen=True, slots=True)
class Talk:
    """What has gone before in the talk with one NPC. `similarity` in [0, 1]: of the best memory to the line."""

    turns: int = 0
    last_style: Style | None = None
    last_action: Action | None = None
    playstyle: str = BALANCED
    similarity: float = 0.0
    contradiction: bool = False
    """Whether the player has just told the NPC that it contradicts itself."""


def tone_of(signal: Signal) -> str:
    """The manner of a line, or `balanced`."""
    return next((tone for tone, signals in TONES.items() if signal in signals), BALANCED)


def style_features(npc: Npc, state: NpcState, signal: Signal, talk: Talk) -> tuple[float, ...]:
    """What the style is chosen by, in the order of STYLE_FEATURES."""
    return (
        1.0,
        state.affinity,
        state.recent_sentiment,
        _unit(talk.similarity),
        float(talk.contradiction),
        min(1.0, talk.turns / _MANY_TURNS),
        *(float(state.mood is mood) for mood in _MOODS),
        *(float(state.relationship is each) for each in _RELATIONSHIPS),
        *(float(talk.playstyle == tone) for tone in TONES),
        *(float(signal in TONES[tone]) for tone in _MARKED),
        *(float(talk.last_style is style) for style in Style),
    )


def action_features(npc: Npc, state: NpcState, signals: Mapping[Signal, float], talk: Talk) -> tuple[float, ...]:
    """What the action is chosen by, in the order of ACTION_FEATURES; of the signals, how likely each manner is."""
    return (
        1.0,
        state.affinity,
        2 * state.trust - 1,
        state.fear,
        state.recent_sentiment,
        float(state.combat_active),
        float(state.quest_active),
        float(state.mood is Mood.ANGRY),
        float(state.mood is Mood.SAD),
        *(_unit(sum([p for signal, p in signals.items() if signal in tone])) for tone in TONES.values()),
    )


_BY_MOOD: Mapping[Mood, Mapping[Style, float]] = {
    Mood.ANGRY: {
        Style.TERSE_DIRECT: 0.5,
        Style.WARM_FRIENDLY: -0.4,
        Style.PLAYFUL_WITTY: -0.3,
        Style.LORE_RICH: -0.2,
    },
    Mood.FEARFUL: {Style.TERSE_DIRECT: 0.35, Style.FORMAL_RESPECTFUL: 0.2, Style.PLAYFUL_WITTY: -0.4},
    Mood.SAD: {Style.TERSE_DIRECT: 0.15, Style.NEUTRAL_BALANCED: 0.1, Style.PLAYFUL_WITTY: -0.3},
    Mood.HAPPY: {Style.WARM_FRIENDLY: 0.2, Style.PLAYFUL_WITTY: 0.2, Style.TERSE_DIRECT: -0.15},
    Mood.FRIENDLY: {Style.WARM_FRIENDLY: 0.3, Style.PLAYFUL_WITTY: 0.1, Style.TERSE_DIRECT: -0.15},
    Mood.SURPRISED: {Style.NEUTRAL_BALANCED: 0.1},
    Mood.NEUTRAL: {Style.NEUTRAL_BALANCED: 0.1},
}
_BY_RELATIONSHIP: Mapping[Relationship, Mapping[Style, float]] = {
    Relationship.STRANGER: {
        Style.FORMAL_RESPECTFUL: 0.15,
        Style.NEUTRAL_BALANCED: 0.15,
        Style.PLAYFUL_WITTY: -0.1,
    },
    Relationship.ACQUAINTANCE: {Style.NEUTRAL_BALANCED: 0.15},
    Relationship.FRIEND: {Style.WARM_FRIENDLY: 0.25, Style.PLAYFUL_WITTY: 0.15, Style.FORMAL_RESPECTFUL: -0.15},
    Relationship.ALLY: {Style.WARM_FRIENDLY: 0.3, Style.LORE_RICH: 0.1, Style.FORMAL_RESPECTFUL: -0.1},
    Relationship.ENEMY: {Style.TERSE_DIRECT: 0.35, Style.WARM_FRIENDLY: -0.5, Style.LORE_RICH: -0.2},
    Relationship.RIVAL: {Style.TERSE_DIRECT: 0.2, Style.PLAYFUL_WITTY: 0.1, Style.WARM_FRIENDLY: -0.3},
}
_BY_ACTION: Mapping[Action, Mapping[Style, float]] = {
    Action.GREET: {Style.WARM_FRIENDLY: 0.1},
    Action.FAREWELL: {Style.FORMAL_RESPECTFUL: 0.05, Style.WARM_FRIENDLY: 0.05},
    Action.APOLOGIZE: {Style.FORMAL_RESPECTFUL: 0.15, Style.WARM_FRIENDLY: 0.15, Style.PLAYFUL_WITTY: -0.3},
    Action.INSULT: {Style.PLAYFUL_WITTY: 0.1, Style.TERSE_DIRECT: 0.2, Style.FORMAL_RESPECTFUL: -0.2},
    Action.COMPLIMENT: {Style.WARM_FRIENDLY: 0.2, Style.TERSE_DIRECT: -0.1},
    Action.THREATEN: {Style.TERSE_DIRECT: 0.35, Style.WARM_FRIENDLY: -0.4, Style.LORE_RICH: -0.2},
    Action.REFUSE: {Style.TERSE_DIRECT: 0.15, Style.FORMAL_RESPECTFUL: 0.1},
    Action.ATTACK: {Style.TERSE_DIRECT: 0.5, Style.LORE_RICH: -0.4, Style.WARM_FRIENDLY: -0.4},
    Action.DEFEND: {Style.TERSE_DIRECT: 0.4, Style.LORE_RICH: -0.4},
    Action.FLEE: {Style.TERSE_DIRECT: 0.5, Style.LORE_RICH: -0.5, Style.PLAYFUL_WITTY: -0.3},
    Action.HELP: {Style.WARM_FRIENDLY: 0.15},
    Action.IGNORE: {Style.TERSE_DIRECT: 0.4, Style.LORE_RICH: -0.3},
    Action.INQUIRE: {Style.NEUTRAL_BALANCED: 0.1},
    Action.EXPLAIN: {Style.LORE_RICH: 0.3, Style.NEUTRAL_BALANCED: 0.1, Style.TERSE_DIRECT: -0.1},
}
_BY_TRAIT: Mapping[str, Mapping[Style, float]] = {
    "courage": {Style.TERSE_DIRECT: 0.15, Style.FORMAL_RESPECTFUL: -0.1},
    "warmth": {Style.WARM_FRIENDLY: 0.5, Style.TERSE_DIRECT: -0.25},
    "temper": {Style.TERSE_DIRECT: 0.25, Style.FORMAL_RESPECTFUL: -0.2, Style.PLAYFUL_WITTY: 0.1},
    "curiosity": {Style.LORE_RICH: 0.4, Style.PLAYFUL_WITTY: 0.2},
}
"""What a trait at its strongest adds; at its weakest, the opposite."""


def style_priors(npc: Npc, state: NpcState, action: Action) -> dict[Style, float]:
    """How well each style suits who speaks, to whom, in what mood and doing what; in [-1, 1]."""
    priors = dict.fromkeys(Style, 0.0)
    strength = max(0.5, state.mood_strength)  # a game may set a mood and no strength
    parts = [(_BY_MOOD[state.mood], strength), (_BY_RELATIONSHIP[state.relationship], 1.0)]
    parts.append((_BY_ACTION.get(action, {}), 1.0))
    parts += [(effect, 2 * getattr(npc.personality, trait) - 1) for trait, effect in _BY_TRAIT.items()]
    for effect, factor in parts:
        for style, value in effect.items():
            priors[style] += factor * value
    return {style: to_six_places(min(1.0, max(-1.0, value))) for style, value in priors.items()}


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
