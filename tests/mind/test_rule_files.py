"""World rules from YAML: merged in order, and every mistake told with its file, its line and the remedy."""

import pytest

from rfsn_bridge.domain import Action, Mood, NpcState, Personality, Relationship, Signal
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.events import Said
from rfsn_bridge.mind.rule_files import builtin_rules, load_rules
from rfsn_bridge.mind.rules import ALWAYS, INDIFFERENT, Rule, RuleSet
from rfsn_bridge.mind.state import apply_transition


def pack(text: str, name: str = "pack.yaml") -> WorldRules:
    return WorldRules(name, text.encode())


def rule(rules: RuleSet, name: str) -> Rule:
    return next(each for each in rules.rules if each.id == name)


def ids(rules: RuleSet) -> list[str]:
    return [each.id for each in (*rules.rules, *rules.proposals)]


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        load_rules([pack(text)])
    return refused.value


# --- What is read


def test_every_key_of_a_rule_is_read() -> None:
    read = rule(
        load_rules(
            [
                pack(
                    """
rules:
  - id: mine
    on: {signal: compliment, after: [help, offer]}
    if: {relationship: [friend, ally], mood: happy, combat: false, quest: true, trust: {above: 0.5}}
    change: {affinity: 0.1, trust: 0.05, fear: -0.1, sentiment: 0.2, mood: friendly, combat: false, quest: true}
    floor: {fear: 0.1}
    ceiling: {affinity: 0.6, trust: 0.7}
    cooldown_days: 0.5
    repeat: 0.5
    appraisal: {desirability: 0.2, praiseworthiness: 0.3, threat: 0.1, surprise: 0.4}
"""
                )
            ]
        ),
        "mine",
    )
    assert (read.file, read.line) == ("pack.yaml", 3)
    assert read.on.signals == {Signal.COMPLIMENT}
    assert read.on.after == {Action.HELP, Action.OFFER}
    assert (read.cooldown, read.repeat) == (0.5, 0.5)
    effect = read.effect
    assert (effect.affinity, effect.trust, effect.fear, effect.sentiment) == (0.1, 0.05, -0.1, 0.2)
    assert (effect.mood, effect.combat, effect.quest) == (Mood.FRIENDLY, False, True)
    assert (effect.floor, effect.ceiling) == ({"fear": 0.1}, {"affinity": 0.6, "trust": 0.7})
    assert (effect.appraisal.desirability, effect.appraisal.surprise) == (0.2, 0.4)
    friend = NpcState(
        affinity=0.4,
        relationship=Relationship.FRIEND,
        trust=0.5,
        mood=Mood.HAPPY,
        mood_strength=1,
        quest_active=True,
    )
    assert read.condition.holds(friend, Personality())


def test_what_is_left_out_changes_nothing() -> None:
    read = rule(load_rules([pack("rules: [{id: mine, on: {event: death}}]")]), "mine")
    assert read.condition is ALWAYS
    assert read.effect.appraisal is INDIFFERENT
    assert not (read.effect.affinity or read.effect.mood or read.effect.floor or read.cooldown)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "rules:\n", "rules: []\nproposals:\nremove:\n"])
def test_a_pack_may_be_empty(text: str) -> None:
    assert ids(load_rules([pack(text)])) == ids(builtin_rules())


# --- Merging


def test_a_rule_with_a_known_id_takes_its_place_and_its_position() -> None:
    merged = load_rules([pack("rules: [{id: hears.insult, on: {signal: insult}, change: {affinity: -0.01}}]")])
    assert ids(merged) == ids(builtin_rules())
    assert rule(merged, "hears.insult").effect.affinity == -0.01
    assert rule(merged, "hears.insult").file == "pack.yaml"
    assert rule(merged, "hears.threaten") == rule(builtin_rules(), "hears.threaten")


def test_new_rules_come_after_the_old_in_the_order_of_their_packs() -> None:
    first = pack("rules: [{id: b, on: {signal: greet}}, {id: a, on: {signal: greet}}]", "first.yaml")
    second = pack("rules: [{id: c, on: {signal: greet}}]", "second.yaml")
    assert [each.id for each in load_rules([first, second]).rules[-3:]] == ["b", "a", "c"]
    assert [each.id for each in load_rules([second, first]).rules[-3:]] == ["c", "b", "a"]


def test_of_two_packs_with_one_rule_the_later_has_the_last_word() -> None:
    packs = [
        pack(f"rules: [{{id: a, on: {{signal: greet}}, change: {{mood: {mood}}}}}]") for mood in ("sad", "angry")
    ]
    assert rule(load_rules(packs), "a").effect.mood is Mood.ANGRY
    assert rule(load_rules(reversed(packs)), "a").effect.mood is Mood.SAD


def test_the_last_rule_that_gives_a_mood_counts() -> None:
    rules = load_rules(
        [
            pack("rules: [{id: a, on: {signal: greet}, change: {mood: sad}}]"),
            pack("rules: [{id: b, on: {signal: greet}, change: {mood: surprised}}]"),
        ]
    )
    assert apply_transition(NpcState(), Said(Signal.GREET), rules).mood is Mood.SURPRISED


def test_a_pack_takes_rules_and_proposals_away() -> None:
    left = load_rules([pack("remove: [hears.insult, to.insult]")])
    assert set(ids(builtin_rules())) - set(ids(left)) == {"hears.insult", "to.insult"}


def test_what_a_pack_takes_away_it_may_give_anew_at_the_end() -> None:
    text = "remove: [hears.insult]\nrules: [{id: hears.insult, on: {signal: insult}}]"
    assert load_rules([pack(text)]).rules[-1].id == "hears.insult"


def test_a_pack_takes_away_what_an_earlier_one_gave_but_not_what_a_later_one_gives() -> None:
    gives = pack("rules: [{id: a, on: {signal: greet}}]")
    takes = pack("remove: [a]")
    assert ids(load_rules([gives, takes])) == ids(builtin_rules())
    with pytest.raises(ConfigError, match="no rule or proposal 'a'"):
        load_rules([takes, gives])


def test_the_revision_changes_with_the_text_and_the_order() -> None:
    one, other = pack("rules: [{id: a, on: {event: hit}}]"), pack("rules: [{id: b, on: {event: hit}}]")
    revisions = [load_rules(packs).revision for packs in ([], [one], [other], [one, other], [other, one])]
    assert len(set(revisions)) == 5
    assert load_rules([one]).revision == revisions[1]


# --- Mistakes

MISTAKES = [
    ("rules:\n  - id: a\n    on: {signal: gret}\n", 3, "did you mean 'greet'?"),
    ("rules:\n  - id: a\n    on: {signl: greet}\n", 3, "did you mean 'signal'?"),
    ("rules:\n  - id: a\n    onn: {signal: greet}\n", 3, "did you mean 'on'?"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    iff: {combat: true}\n", 4, "did you mean 'if'?"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    if: {relationship: frend}\n", 4, "did you mean 'friend'?"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    if:\n      fear: {abov: 0}\n", 5, "did you mean 'above'?"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    floor: {afinity: 0}\n", 4, "did you mean 'affinity'?"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    change: {affinity: 3}\n", 4, "less than or equal to 1"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    change: {affinity: true}\n", 4, "valid number"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    change: {affinity: .nan}\n", 4, "it is nan"),
    ("rules:\n  - id: a\n    on: {signal: greet}\n    cooldown_days: 31\n", 4, "less than or equal to 30"),
    ("rules:\n  - id: a\n    on: {signal: greet, event: hit}\n", 3, "an `event` stands alone"),
    ("rules:\n  - id: a\n    on: {signal: greet, by: player}\n", 3, "`by` goes with `event`"),
    ("rules:\n  - id: a\n    on: {after: greet}\n", 3, "`after` goes with `signal`"),
    ("rules:\n  - id: a\n    on: {}\n", 3, "name a `signal`, an `action` or an `event`"),
    ("rules:\n  - id: a\n    on: greet\n", 3, "needs keys of its own"),
    ("rules:\n  - id: a\n", 2, "rules.0.on is missing"),
    ("rules:\n  - on: {signal: greet}\n", 2, "rules.0.id is missing"),
    ("rules: all\n", 1, "valid list"),
    ("rulez: []\n", 1, "did you mean 'rules'?"),
    ("- rules\n", None, "holds no keys"),
    ("rules: [\n", 2, "mend the YAML"),
    ("rules:\n  - {id: a, on: {event: hit}}\n  - {id: a, on: {event: hit}}\n", 3, "used on line 2 already"),
    ("rules: [{id: a, on: {event: hit}}]\nproposals:\n  - {id: a, propose: {help: 1}}\n", 3, "used on line 1"),
    ("proposals:\n  - id: a\n    propose: {gret: 1}\n", 3, "did you mean 'greet'?"),
    ("proposals:\n  - id: a\n    propose: {greet: 2}\n", 3, "less than or equal to 1"),
    ("proposals:\n  - id: a\n    propose: {}\n", 3, "at least 1"),
    ("remove:\n  - does.insult\n  - hears.insul\n", 3, "did you mean 'hears.insult'?"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_its_remedy(text: str, line: int | None, says: str) -> None:
    error = refusal(text)
    assert str(error).startswith("pack.yaml")
    assert says in str(error)
    assert error.hint and "\n" not in str(error)
    if line:
        assert error.line == line and f"pack.yaml, line {line}" in str(error)


def test_there_cannot_be_too_many_rules() -> None:
    packs = [
        pack("rules:\n" + "".join(f"- {{id: r{n}.{i}, on: {{event: hit}}}}\n" for i in range(1700)))
        for n in range(3)
    ]
    with pytest.raises(ConfigError, match="more than 5000"):
        load_rules(packs)
