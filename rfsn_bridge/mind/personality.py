"""What an NPC is like, guessed from the words of its bio where the game does not say."""

import re
from collections.abc import Mapping
from functools import lru_cache

from rfsn_bridge.domain import Personality

_WORDS: Mapping[str, Mapping[str, float]] = {
    "courage": {
        r"coward(?:ly|ice)?|craven|timid|fearful|skittish|meek|nervous|frightened|faint-hearted|spineless": 0.1,
        r"cautious|shy|anxious|frail": 0.3,
        r"brave|bold|courageous|warrior|soldier|veteran|huscarl|housecarl|guard|hunter|mercenary|captain": 0.75,
        r"fearless|heroic|hero|dauntless|berserker|unflinching": 0.9,
    },
    "warmth": {
        r"cruel|heartless|ruthless|sadistic|merciless|callous|hateful": 0.1,
        r"cold|aloof|distant|gruff|stern|bitter|selfish|greedy|suspicious|surly": 0.3,
        r"friendly|warm|kind|gentle|caring|generous|helpful|cheerful|motherly|good-hearted|loyal": 0.75,
        r"saintly|selfless|loving|compassionate": 0.9,
    },
    "temper": {
        r"serene|placid|unflappable|stoic": 0.1,
        r"calm|patient|gentle|peaceful|wise|measured|reserved": 0.3,
        r"proud|stubborn|blunt|fiery|brash|impatient|gruff|surly|hot-headed|hotheaded": 0.7,
        r"hot-tempered|short-tempered|quick-tempered|wrathful|violent|vengeful|furious|bad-tempered": 0.9,
    },
    "curiosity": {
        r"dull|indifferent|incurious|bored": 0.2,
        r"scholar(?:ly)?|mage|wizard|curious|inquisitive|learned|alchemist|gossip|bard|storyteller": 0.8,
    },
}


def guess(bio: str | None) -> Personality:
    """The personality that a bio tells of; the strongest word counts; 0.5 is what it says nothing of."""
    return _guess((bio or "")[:2000])


@lru_cache(maxsize=1024)
def _guess(bio: str) -> Personality:
    traits = {}
    for trait, words in _WORDS.items():
        found = [value for pattern, value in words.items() if _said(pattern, bio)]
        if found:
            traits[trait] = max(found, key=lambda value: abs(value - 0.5))
    return Personality(**traits)


def _said(pattern: str, bio: str) -> bool:
    """Whether one of the words is there and not denied ("not brave", "no coward")."""
    return any(
        not re.search(r"\b(?:no|not|never|hardly|isn't|without)\s+(?:\w+\s+)?$", bio[: found.start()], re.I)
        for found in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", bio, re.I)
    )
