"""Mistakes in world rules that can be read off them."""

import pytest

from rfsn_bridge.domain import Action
from rfsn_bridge.interfaces import WorldRules
from rfsn_bridge.mind.considerations import load_considerations
from rfsn_bridge.mind.findings import Finding
from rfsn_bridge.mind.rule_files import load_rules
from rfsn_bridge.mind.rules_lint import lint


def found(*texts: str, considerations: str = "") -> list[Finding]:
    """What is wrong once these packs are merged into our rules."""
    rules = load_rules([WorldRules(f"pack{n}.yaml", text.encode()) for n, text in enumerate(texts, 1)])
    weighed = load_considerations([WorldRules("mine.yaml", considerations.encode())])
    return list(lint(rules, weighed))


def only(*texts: str, considerations: str = "") -> Finding:
    (finding,) = found(*texts, considerations=considerations)
    return finding


def rule(name: str, parts: str) -> str:
    return f"rules:\n  - id: {name}\n    {parts.replace('; ', chr(10) + '    ')}\n"


def test_nothing_is_wrong_with_our_own() -> None:
    assert found() == []


# --- Unreachable


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("{relationship: friend, affinity: {below: -0.5}}", "affinity is never there with that relationship"),
        ("{fear: {above: 0.8, below: 0.2}}", "no fear is from 0.8 on and below 0.2"),
        ("{mood: neutral, mood_strength: {above: 0.3}}", "only the neutral one has no strength"),
        ("{mood: []}", "names no mood"),
    ],
)
def test_a_condition_that_never_holds_is_an_error(asked: str, says: str) -> None:
    finding = only(rule("mine", f"on: {{signal: greet}}; if: {asked}; change: {{sentiment: 0.1}}"))
    assert (finding.id, finding.file, finding.line) == ("mine", "pack1.yaml", 2)
    assert (finding.kind, finding.level) == ("unreachable", "error")
    assert "never fires" in finding.message and says in finding.message and finding.remedy


def test_so_is_that_of_a_proposal_or_a_consideration() -> None:
    asked = "if: {trust: {below: 0}}"
    finding = only(f"proposals: [{{id: mine, {asked}, propose: {{help: 1}}}}]")
    assert (finding.kind, finding.level) == ("unreachable", "error") and "proposes nothing" in finding.message
    finding = only(considerations=f"considerations: [{{id: mine, input: one, weight: 1, {asked}}}]")
    assert (finding.id, finding.file) == ("mine", "mine.yaml")
    assert (finding.kind, finding.level) == ("unreachable", "error") and "never counts" in finding.message


def test_a_limit_that_nothing_runs_into_is_told() -> None:
    finding = only(rule("mine", "on: {event: hit}; change: {fear: 0.1}; floor: {fear: 0.2}"))
    assert (finding.kind, finding.level) == ("unreachable", "warning")
    assert "its floor for fear does nothing: the rule never makes it fall" in finding.message
    finding = only(
        rule(
            "mine",
            "on: {event: aided}; if: {affinity: {above: 0.5}}; change: {affinity: 0.1}; ceiling: {affinity: 0.4}",
        )
    )
    assert "affinity never rises: wherever it fires, affinity is beyond the ceiling 0.4" in finding.message


# --- Shadowed


def test_a_rule_that_is_there_twice_is_an_error() -> None:
    text = "on: {signal: greet}; if: {combat: true}; change: {sentiment: 0.1}"
    finding = only(rule("mine", text), rule("again", text))
    assert (finding.id, finding.kind, finding.level) == ("again", "shadowed", "error")
    assert "does the same as mine (pack1.yaml, line 2)" in finding.message


def test_a_rule_that_a_later_wider_one_undoes_is_an_error() -> None:
    finding = only(
        rule("mine", "on: {signal: greet}; if: {fear: {above: 0.5}, combat: true}; change: {mood: sad}"),
        rule("late", "on: {signal: [greet, farewell]}; if: {combat: true}; change: {mood: happy}"),
    )
    assert (finding.id, finding.kind, finding.level) == ("mine", "shadowed", "error")
    assert "everything it does is undone by late (pack2.yaml, line 2)" in finding.message


def test_a_number_that_a_later_rule_gives_back_is_undone_too() -> None:
    finding = only(rule("late", "on: {event: hit, by: player}; change: {affinity: 0.2}; ceiling: {affinity: 1}"))
    assert (finding.id, finding.file, finding.level) == ("event.hit_by_the_player", "rules.yaml", "warning")
    assert "its affinity is undone by late" in finding.message
    assert "the id event.hit_by_the_player to replace it" in finding.remedy


@pytest.mark.parametrize(
    "later",
    [
        "on: {signal: greet}; if: {combat: true, quest: true}; change: {mood: happy}",
        "on: {signal: greet, after: greet}; if: {combat: true}; change: {mood: happy}",
        "on: {action: greet, signal: greet}; if: {combat: true}; change: {mood: happy}",
        "on: {signal: greet}; if: {combat: true}; change: {mood: sad}",
        "on: {signal: greet}; if: {combat: true}; change: {sentiment: 0.2}",
    ],
)
def test_a_later_rule_that_is_narrower_or_agrees_undoes_nothing(later: str) -> None:
    first = rule("mine", "on: {signal: greet}; if: {combat: true}; change: {mood: sad, sentiment: -0.1}")
    assert not [each for each in found(first, rule("late", later)) if each.kind == "shadowed"]


def test_a_proposal_that_a_wider_one_outbids_is_an_error() -> None:
    finding = only("proposals: [{id: mine, on: greet, if: {combat: false}, propose: {greet: 0.9, inquire: 0.5}}]")
    assert (finding.id, finding.kind, finding.level) == ("mine", "shadowed", "error")
    assert "greet, inquire never counts: whenever it holds, to.greet (rules.yaml" in finding.message


def test_one_that_is_outbid_in_part_is_told() -> None:
    finding = only("proposals: [{id: mine, on: greet, if: {combat: false}, propose: {greet: 0.9, help: 0.5}}]")
    assert finding.level == "warning" and "its greet never counts" in finding.message


def test_one_that_bids_more_or_elsewhere_is_well() -> None:
    assert found("proposals: [{id: mine, on: greet, if: {combat: true}, propose: {inquire: 0.6}}]") == []
    assert found("proposals: [{id: mine, if: {combat: true}, propose: {greet: 0.6}}]") == []


def test_a_pack_may_propose_more_than_what_it_builds_on() -> None:
    assert found("proposals: [{id: mine, on: greet, propose: {inquire: 0.9}}]") == []
    everything = (
        "proposals: [{id: mine, on: flee, propose: {inquire: 0.9, farewell: 0.9, threaten: 0.9, help: 0.9}}]"
    )
    finding = only(everything)
    assert (finding.id, finding.kind, finding.level) == ("to.flee", "shadowed", "warning")


def test_of_two_equal_proposals_the_later_is_told() -> None:
    text = "proposals: [{{id: {}, on: greet, if: {{combat: true}}, propose: {{help: 0.6}}}}]"
    finding = only(text.format("mine"), text.format("again"))
    assert finding.id == "again" and "mine (pack1.yaml, line 1)" in finding.message


# --- Never proposed


def test_an_action_that_no_proposal_names_is_told_with_all_that_waits_for_it() -> None:
    without = "remove: [to.betray, a_grudge_with_a_smile]"
    findings = found(
        without, considerations="considerations: [{id: mine, actions: betray, input: one, weight: 1}]"
    )
    assert {each.kind for each in findings} == {"never proposed"} and {each.level for each in findings} == {
        "warning"
    }
    assert "no proposal names betray" in findings[-1].message and findings[-1].id == ""
    assert {"does.betray", "mine"} <= {each.id for each in findings}


def test_a_rule_about_an_answer_that_is_not_given_to_that_signal_is_told() -> None:
    finding = only(
        rule("mine", "on: {action: accept, signal: insult}; if: {quest: true}; change: {sentiment: 0.1}")
    )
    assert (finding.id, finding.kind, finding.level) == ("mine", "never proposed", "warning")
    assert "accept is never proposed as an answer to insult where it could fire" in finding.message


def test_a_rule_about_an_answer_that_is_not_given_in_its_state_is_told() -> None:
    only_enemies = "proposals: [{id: to.betray, on: betray, if: {relationship: enemy}, propose: {betray: 0.3}}]"
    finding = only(
        only_enemies, rule("mine", "on: {action: betray}; if: {relationship: ally}; change: {fear: 0.1}")
    )
    assert finding.id == "mine" and "betray is never proposed where it could fire" in finding.message
    assert found(only_enemies, rule("mine", "on: {action: betray}; if: {affinity: {below: 0}}")) == []


def test_fleeing_ignoring_and_what_fills_up_is_open_in_every_state() -> None:
    for action in ("flee", "ignore", "inquire", "explain", "agree"):
        assert found(rule("mine", f"on: {{action: {action}, signal: offer}}; change: {{sentiment: 0.1}}")) == []


def test_a_reply_to_what_is_never_done_is_told() -> None:
    findings = found(
        "remove: [to.betray, a_grudge_with_a_smile]",
        rule("mine", "on: {signal: insult, after: betray}; change: {sentiment: -0.1}"),
    )
    assert any(each.id == "mine" and "no NPC ever does betray" in each.message for each in findings)


def test_a_proposal_of_nothing_takes_nothing_away() -> None:
    finding = only("proposals: [{id: mine, on: greet, propose: {insult: 0}}]")
    assert finding.kind == "never proposed" and "takes nothing away" in finding.message


def test_what_is_crowded_out_is_told() -> None:
    crowd = ", ".join(f"{action}: 0.9" for action in list(Action)[:9])
    findings = found(f"proposals: [{{id: mine, on: offer, propose: {{{crowd}, betray: 0.1}}}}]")
    (finding,) = [each for each in findings if each.id == "mine"]
    assert finding.kind == "never proposed"
    assert "betray is never among the candidates: 7 others" in finding.message


def test_a_consideration_of_an_action_where_it_is_never_proposed_is_told() -> None:
    text = "considerations: [{id: mine, actions: betray, if: {relationship: ally}, input: one, weight: 1}]"
    rules = "proposals: [{id: to.betray, on: betray, if: {relationship: enemy}, propose: {betray: 0.3}}]"
    findings = [each for each in found(rules, considerations=text) if each.id == "mine"]
    assert [each.kind for each in findings] == ["never proposed"]
    assert "betray is never proposed where it would count" in findings[0].message


# --- Unbounded


@pytest.mark.parametrize("number", ["affinity", "trust"])
@pytest.mark.parametrize("on", ["{signal: compliment}", "{action: help}", "{event: item_given}"])
def test_what_can_be_raised_without_end_is_an_error(number: str, on: str) -> None:
    finding = only(rule("mine", f"on: {on}; change: {{{number}: 0.01}}"))
    assert (finding.id, finding.kind, finding.level) == ("mine", "unbounded", "error")
    assert f"raises {number} without end" in finding.message


def test_what_can_be_lowered_without_end_is_told() -> None:
    finding = only(rule("mine", "on: {signal: ignore}; change: {affinity: -0.01, trust: -0.01}"))
    assert (finding.id, finding.kind, finding.level) == ("mine", "unbounded", "warning")
    assert "lowers affinity and trust without end" in finding.message
    assert "affinity -1 and trust 0" in finding.remedy


@pytest.mark.parametrize(
    "parts",
    [
        "change: {affinity: 0.01}; ceiling: {affinity: 1}",
        "change: {affinity: 0.01}; cooldown_days: 0.1",
        "change: {affinity: -0.01}; floor: {affinity: -1}",
        "change: {fear: 0.01}",
    ],
)
def test_a_limit_or_a_cooldown_is_enough(parts: str) -> None:
    assert found(rule("mine", f"on: {{signal: ignore}}; {parts}")) == []


def test_a_cooldown_within_which_everything_counts_is_none() -> None:
    assert (
        only(rule("mine", "on: {signal: ignore}; change: {trust: 0.01}; cooldown_days: 1; repeat: 1")).id == "mine"
    )


def test_rules_that_ask_for_more_than_one_event_may_change_are_told_together() -> None:
    finding = only(rule("mine", "on: {event: hit, by: player}; change: {fear: 0.55}"))
    assert (finding.id, finding.kind, finding.level) == ("mine", "unbounded", "warning")
    assert "event.hit, event.hit_by_the_player and mine together change fear by +0.65" in finding.message
    assert "0.6 at most" in finding.message


def test_rules_that_exclude_each_other_are_not_summed() -> None:
    text = "  - {{id: {}, on: {{event: hit}}, if: {{combat: {}}}, change: {{fear: 0.45}}}}\n"
    text = text.format("fighting", "true") + text.format("at_peace", "false")
    assert found("rules:\n" + text) == []


def test_fear_that_nothing_lowers_is_told() -> None:
    lowering = [each.id for each in load_rules(()).rules if each.effect.fear < 0]
    findings = [each for each in found(f"remove: {lowering}") if not each.id]
    assert [each.message for each in findings] == ["rules raise fear, but nothing brings it down again"]


def test_a_fight_that_nothing_ends_is_told() -> None:
    ending = [each.id for each in load_rules(()).rules if each.effect.combat is False]
    assert any("nothing ends it" in each.message and not each.id for each in found(f"remove: {ending}"))


def test_findings_come_in_the_order_of_the_rules() -> None:
    findings = found(
        rule("z", "on: {signal: ignore}; change: {affinity: 0.01}"),
        rule("a", "on: {signal: ignore}; if: {fear: {below: 0}}; change: {trust: 0.01}"),
        "proposals: [{id: m, on: greet, propose: {greet: 0}}]",
    )
    assert [each.id for each in findings] == ["z", "a", "m"]


def test_a_large_pack_is_read_in_a_breath() -> None:
    """Thousands of rules about one event, none of which can fire with another, are no trouble."""
    text = "".join(
        f"- {{id: r{n}, on: {{signal: greet}}, if: {{sentiment: {{above: {n / 600}, below: {(n + 1) / 600}}}}}, "
        "change: {fear: 0.4}}\n"
        for n in range(500)
    )
    assert found("rules:\n" + text) == []
