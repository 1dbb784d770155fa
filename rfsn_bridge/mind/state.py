"""How an NPC stands to the player, and the one place where that changes.

Numbers keep their ranges, and the relationship agrees with affinity, by construction: an enemy's affinity is below
0 and an ally's above. A relationship changes only once affinity is `_MARGIN` past the border of its tier, so that
it does not flicker.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rfsn_bridge.domain import Mood, NpcState, Personality, Relationship
from rfsn_bridge.mind.events import Did, Event, Passed, Said, whole
from rfsn_bridge.mind.numbers import to_six_places
from rfsn_bridge.mind.rule_files import builtin_rules
from rfsn_bridge.mind.rules import AVERAGE, INDIFFERENT, Effect, Rule, RuleSet

_MARGIN = 0.05
_BORDERS = (-0.6, -0.2, 0.2, 0.6)
_TIERS = (
    Relationship.ENEMY,
    Relationship.RIVAL,
    Relationship.ACQUAINTANCE,
    Relationship.FRIEND,
    Relationship.ALLY,
)
_MIDDLE = 2
_PLACE: Mapping[Relationship, int] = {
    **{tier: index for index, tier in enumerate(_TIERS)},
    Relationship.STRANGER: _MIDDLE,
}

STEPS: Mapping[str, float] = {"affinity": 0.8, "trust": 0.8, "fear": 0.6}
"""How far one event can move a number, whatever the rules say together."""
_AFFINITY_STEP, _TRUST_STEP, _FEAR_STEP = STEPS.values()
_SENTIMENT_KEPT = 0.5

_MOOD_HALF_LIFE = 0.05
"""In game days: 72 minutes of the game, about 4 of the player at Skyrim's pace."""
_FEAR_HALF_LIFE = 0.1
_SENTIMENT_HALF_LIFE = 0.5
FAINT = 0.1
"""A mood weaker than this is over."""
_OUTDONE = 0.5
"""A feeling less than so much as strong as the mood does not take its place."""
_GOOD, _BAD = frozenset({Mood.HAPPY, Mood.FRIENDLY}), frozenset({Mood.SAD, Mood.ANGRY, Mood.FEARFUL})


@dataclass(frozen=True, slots=True)
class Transition:
    """The state after an event, and the rules that made it."""

    state: NpcState
    rules: tuple[Rule, ...]


def apply_transition(
    state: NpcState, event: Event, rules: RuleSet | None = None, traits: Personality = AVERAGE
) -> NpcState:
    """The state after the player's signal, the NPC's action, a game event or the passing of time."""
    return transition(state, event, rules or builtin_rules(), traits).state


def transition(state: NpcState, event: Event, rules: RuleSet, traits: Personality = AVERAGE) -> Transition:
    """As `apply_transition`, with the rules that fired."""
    event = whole(event)
    if isinstance(event, Passed):
        return Transition(_rested(state, event.days), ())
    fired = rules.fired(event, state, traits)
    weight = event.weight if isinstance(event, Said) else 1.0
    return Transition(_changed(state, fired, weight, traits, met=isinstance(event, Did)), fired)


def settle(state: NpcState, *, met: bool = False) -> NpcState:
    """Bring every number into its range and the relationship into agreement with affinity.

    `met`: they have spoken with each other, so that a stranger is one no more.
    """
    return _settled(
        state.mood,
        state.affinity,
        state.relationship,
        state.trust,
        state.fear,
        state.recent_sentiment,
        state.combat_active,
        state.quest_active,
        state.mood_strength,
        state.cooldowns,
        met=met,
    )


def _settled(
    mood: Mood,
    affinity: float,
    relationship: Relationship,
    trust: float,
    fear: float,
    sentiment: float,
    combat: bool,
    quest: bool,
    strength: float,
    cooldowns: tuple[tuple[str, float], ...],
    *,
    met: bool,
) -> NpcState:
    affinity, strength = _clamp(affinity, -1.0, 1.0), _clamp(strength, 0.0, 1.0)
    if mood is Mood.NEUTRAL or strength < FAINT:
        mood, strength = Mood.NEUTRAL, 0.0
    return NpcState(
        mood,
        affinity,
        _tier(affinity, relationship, met=met),
        _clamp(trust, 0.0, 1.0),
        _clamp(fear, 0.0, 1.0),
        _clamp(sentiment, -1.0, 1.0),
        combat,
        quest,
        strength,
        cooldowns,
    )


def affinity_range(relationship: Relationship) -> tuple[float, float]:
    """From which affinity up to (but not at) which one a relationship lasts."""
    place = _PLACE[relationship]
    low = _BORDERS[place - 1] - _MARGIN if place else -1.0
    high = _BORDERS[place] + _MARGIN if place < len(_BORDERS) else 1.0 + 1e-9
    return low, high


def within_tier(affinity: float, relationship: Relationship) -> float:
    """The affinity nearest to the given one that goes with a relationship."""
    place = _PLACE[relationship]
    low = _BORDERS[place - 1] if place else -1.0
    high = _BORDERS[place] - 1e-6 if place < len(_BORDERS) else 1.0
    return _clamp(affinity, low, high)


def _changed(
    state: NpcState, fired: tuple[Rule, ...], weight: float, traits: Personality, *, met: bool
) -> NpcState:
    if not (fired or met):
        return state
    affinity, trust, fear = state.affinity, state.trust, state.fear
    felt = desirability = praise = threat = surprise = 0.0
    combat, quest = state.combat_active, state.quest_active
    mood, mood_share = None, 0.0
    cooldowns = state.cooldowns
    for rule in fired:
        effect, share = rule.effect, weight
        if rule.cooldown:
            others = tuple([each for each in cooldowns if each[0] != rule.id])
            if len(others) < len(cooldowns):
                share *= rule.repeat
                cooldowns = others
            cooldowns = (*cooldowns, (rule.id, rule.cooldown))
        if effect.affinity:
            slope = traits.warmth if effect.affinity > 0 else traits.temper
            affinity = _moved(affinity, effect.affinity * share * (0.75 + 0.5 * slope), "affinity", effect, -1.0)
        if effect.trust:
            trust = _moved(trust, effect.trust * share, "trust", effect, 0.0)
        if effect.fear:
            scale = 1.5 - traits.courage if effect.fear > 0 else 1.0
            fear = _moved(fear, effect.fear * share * scale, "fear", effect, 0.0)
        felt += effect.sentiment * share
        if (appraisal := effect.appraisal) is not INDIFFERENT:
            desirability += appraisal.desirability * share
            praise += appraisal.praiseworthiness * share
            threat += appraisal.threat * share
            surprise += appraisal.surprise * share
        if effect.combat is not None:
            combat = effect.combat
        if effect.quest is not None:
            quest = effect.quest
        if effect.mood is not None and share:
            mood, mood_share = effect.mood, share
    felt += (desirability + praise) / 2
    new_mood, strength = state.mood, state.mood_strength
    if mood is not None:
        new_mood, strength = mood, mood_share
    elif desirability or praise or threat or surprise:
        new_mood, strength = _mood(state, *_emotion(desirability, praise, threat, surprise, fear, traits))
    return _settled(
        new_mood,
        _step(_AFFINITY_STEP, state.affinity, affinity),
        state.relationship,
        _step(_TRUST_STEP, state.trust, trust),
        _step(_FEAR_STEP, state.fear, fear),
        _SENTIMENT_KEPT * state.recent_sentiment + felt if felt else state.recent_sentiment,
        combat,
        quest,
        strength,
        cooldowns,
        met=met,
    )


def _moved(value: float, change: float, name: str, effect: Effect, lowest: float) -> float:
    """`value` after a change that stops at the rule's floor or ceiling, or does nothing beyond it."""
    if change < 0:
        return max(value + change, min(value, effect.floor.get(name, lowest)))
    return min(value + change, max(value, effect.ceiling.get(name, 1.0)))


def _step(step: float, before: float, after: float) -> float:
    if -step <= after - before <= step:
        return after
    return before + step if after > before else before - step


def _emotion(
    good: float, praise: float, threat: float, surprise: float, fear: float, traits: Personality
) -> tuple[Mood, float]:
    """The emotion that an appraisal gives, and how strong it is, after OCC.

    Desirable and praiseworthy is gratitude (friendly) or joy; undesirable and blameworthy anger, which in a
    fearful or cowardly NPC is fear where there is a threat; undesirable alone is distress.
    """
    felt: dict[Mood, float] = {}
    if good > 0:
        felt[Mood.FRIENDLY if praise > good else Mood.HAPPY] = max(good, praise)
    elif good < 0:
        if praise < 0:
            felt[Mood.ANGRY] = -(good + praise) / 2 * (0.5 + traits.temper)
            if praise > good / 2:
                felt[Mood.SAD] = -good
        else:
            felt[Mood.SAD] = -good
    if threat > 0:
        felt[Mood.FEARFUL] = threat * (1.5 - traits.courage) + fear / 2
    if surprise > 0:
        felt[Mood.SURPRISED] = surprise
    mood = max(felt, key=lambda each: felt[each], default=Mood.NEUTRAL)
    return mood, min(1.0, felt.get(mood, 0.0))


def _mood(state: NpcState, mood: Mood, strength: float) -> tuple[Mood, float]:
    """What becomes of the present mood under a new emotion: it deepens, is calmed, or gives way."""
    if strength < FAINT:
        return state.mood, state.mood_strength
    if mood is state.mood:
        return mood, min(1.0, max(strength, state.mood_strength) + 0.25 * min(strength, state.mood_strength))
    if (mood in _GOOD and state.mood in _BAD) or (mood in _BAD and state.mood in _GOOD):
        left = state.mood_strength - strength
        if left >= FAINT:
            return state.mood, left
        return (Mood.NEUTRAL, 0.0) if mood in _GOOD else (mood, strength)  # appeased, not cheered up
    if strength < _OUTDONE * state.mood_strength:
        return state.mood, state.mood_strength
    return mood, strength


def _rested(state: NpcState, days: float) -> NpcState:
    """The state after `days` in which nothing happened."""
    if days <= 0:
        return state
    strength = state.mood_strength * 0.5 ** (days / _MOOD_HALF_LIFE)
    fear = state.fear if state.combat_active else state.fear * 0.5 ** (days / _FEAR_HALF_LIFE)
    return _settled(
        state.mood,
        state.affinity,
        state.relationship,
        state.trust,
        fear,
        state.recent_sentiment * 0.5 ** (days / _SENTIMENT_HALF_LIFE),
        state.combat_active,
        state.quest_active,
        strength,
        tuple([(name, left - days) for name, left in state.cooldowns if left > days]),
        met=False,
    )


def _tier(affinity: float, before: Relationship, *, met: bool) -> Relationship:
    place = _PLACE[before]
    while place < len(_BORDERS) and affinity >= _BORDERS[place] + _MARGIN:
        place += 1
    while place > 0 and affinity < _BORDERS[place - 1] - _MARGIN:
        place -= 1
    if place == _MIDDLE and before is Relationship.STRANGER and not met:
        return before
    return _TIERS[place]


def _clamp(value: float, low: float, high: float) -> float:
    return low if value <= low else high if value >= high else to_six_places(value)
