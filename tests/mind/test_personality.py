"""What a bio tells of an NPC's traits."""

import pytest

from rfsn_bridge.domain import Personality
from rfsn_bridge.mind.personality import guess


@pytest.mark.parametrize("bio", [None, "", "A woman of Whiterun.", "Sells potions.", "x" * 5000])
def test_a_bio_that_says_nothing_leaves_it_like_most_people(bio: str | None) -> None:
    assert guess(bio) == Personality()


@pytest.mark.parametrize(
    ("bio", "traits"),
    [
        ("A timid milkmaid.", {"courage": 0.1}),
        ("A cowardly man", {"courage": 0.1}),
        ("Shy and a little frail.", {"courage": 0.3}),
        ("A housecarl, sworn to carry your burdens.", {"courage": 0.75}),
        ("A FEARLESS hunter", {"courage": 0.9}),
        ("Cruel and cold.", {"warmth": 0.1}),
        ("A greedy merchant.", {"warmth": 0.3}),
        ("Kind to children.", {"warmth": 0.75}),
        ("A loving father.", {"warmth": 0.9}),
        ("A stoic.", {"temper": 0.1}),
        ("A calm voice.", {"temper": 0.3}),
        ("Proud as a Nord can be.", {"temper": 0.7}),
        ("Hot-tempered, and vengeful.", {"temper": 0.9}),
        ("Bored of it all.", {"curiosity": 0.2}),
        ("The court wizard.", {"curiosity": 0.8}),
        ("A gruff veteran scholar.", {"courage": 0.75, "warmth": 0.3, "temper": 0.7, "curiosity": 0.8}),
        ("Gentle.", {"warmth": 0.75, "temper": 0.3}),
    ],
)
def test_words_tell_of_traits(bio: str, traits: dict[str, float]) -> None:
    assert guess(bio) == Personality(**traits)


@pytest.mark.parametrize(
    "bio",
    [
        "He is not brave.",
        "She is no coward.",
        "Never very kind.",
        "A man without any kind words.",
        "He isn't cruel.",
        "Hardly a hero.",
    ],
)
def test_what_is_denied_is_not_told(bio: str) -> None:
    assert guess(bio) == Personality()


@pytest.mark.parametrize(
    "bio", ["A bravery medal.", "Bernard.", "The blacksmith's unkindness.", "Mankind.", "Fearlessly"]
)
def test_a_part_of_a_word_is_not_the_word(bio: str) -> None:
    assert guess(bio) == Personality()


def test_the_strongest_word_counts() -> None:
    assert guess("Cautious, some say craven; once a soldier.").courage == 0.1
    assert guess("A cautious hero.").courage == 0.9


def test_a_word_that_is_denied_once_may_be_told_elsewhere() -> None:
    assert guess("Not brave in youth, but brave now.").courage == 0.75


def test_only_the_beginning_of_a_long_bio_is_read() -> None:
    assert guess("x " * 1000 + "coward").courage == 0.5
    assert guess("coward " + "x " * 1000).courage == 0.1
