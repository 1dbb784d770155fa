"""How an NPC stands to the player, and the one place where that changes."""

from dataclasses import replace

from rfsn_bridge.domain import Action, Mood, NpcState, Relationship, Signal

# Changes of affinity. HELP (the player asks for aid) changes nothing by itself.
_BY_SIGNAL = {
    Signal.GREET: 0.1,
    Signal.INSULT: -0.2,
    Signal.APOLOGIZE: 0.15,
    Signal.THREATEN: -0.3,
    Signal.COMPLIMENT: 0.15,
    Signal.ATTACK: -0.5,
    Signal.BETRAY: -0.6,
}
_BY_ACTION = {
    Action.APOLOGIZE: 0.1,
    Action.INSULT: -0.25,
    Action.COMPLIMENT: 0.1,
    Action.THREATEN: -0.3,
    Action.HELP: 0.15,
    Action.AGREE: 0.05,
    Action.DISAGREE: -0.05,
}
_TRUST_BY_SIGNAL = {
    Signal.INSULT: -0.1,
    Signal.APOLOGIZE: 0.05,
    Signal.THREATEN: -0.2,
    Signal.COMPLIMENT: 0.05,
    Signal.ATTACK: -0.4,
    Signal.BETRAY: -0.6,
}
_FEAR_BY_SIGNAL = {Signal.THREATEN: 0.2, Signal.ATTACK: 0.3, Signal.APOLOGIZE: -0.1, Signal.COMPLIMENT: -0.05}
_MOOD_BY_SIGNAL = {
    Signal.INSULT: Mood.ANGRY,
    Signal.THREATEN: Mood.ANGRY,
    Signal.ATTACK: Mood.ANGRY,
    Signal.BETRAY: Mood.ANGRY,
    Signal.COMPLIMENT: Mood.HAPPY,
    Signal.APOLOGIZE: Mood.NEUTRAL,
}
_TIERS = (
    (-0.6, Relationship.ENEMY),
    (-0.2, Relationship.RIVAL),
    (0.2, Relationship.ACQUAINTANCE),
    (0.6, Relationship.FRIEND),
)


def apply_transition(state: NpcState, event: Signal | Action) -> NpcState:
    """The state after the player's signal or the NPC's action; ranges and tiers hold by construction."""
    if isinstance(event, Signal):
        affinity, trust = _BY_SIGNAL.get(event, 0.0), _TRUST_BY_SIGNAL.get(event, 0.0)
        fear, mood = _FEAR_BY_SIGNAL.get(event, 0.0), _MOOD_BY_SIGNAL.get(event, state.mood)
        if mood is Mood.ANGRY and state.fear + fear > 0.6:
            mood = Mood.FEARFUL
    else:
        affinity, trust, fear, mood = _BY_ACTION.get(event, 0.0), 0.0, 0.0, state.mood
    return settle(
        replace(
            state,
            affinity=state.affinity + affinity,
            trust=state.trust + trust,
            fear=state.fear + fear,
            mood=mood,
            recent_sentiment=0.5 * state.recent_sentiment + affinity,
        )
    )


def settle(state: NpcState) -> NpcState:
    """Bring every number into its range and the relationship into agreement with affinity."""
    affinity = _clamp(state.affinity, -1, 1)
    return replace(
        state,
        affinity=affinity,
        trust=_clamp(state.trust, 0, 1),
        fear=_clamp(state.fear, 0, 1),
        recent_sentiment=_clamp(state.recent_sentiment, -1, 1),
        relationship=_tier(affinity),
    )


def _tier(affinity: float) -> Relationship:
    return next((tier for below, tier in _TIERS if affinity < below), Relationship.ALLY)


def _clamp(value: float, low: float, high: float) -> float:
    return round(min(high, max(low, value)), 6)
