"""Each rule: a tape that breaks it and nothing else, and what comes near to it and is right."""

import json
from collections.abc import Callable

import pytest
from tapes import LYDIA, Tape, met

from rfsn_bridge.adapter_test.lint import RULES
from rfsn_bridge.adapter_test.rules.fields import unknown_fields
from rfsn_bridge.protocol.messages import NpcUpdate

TORCH = {"type": "object", "properties": {"item": {"type": "string", "enum": ["torch"]}}}
GIVE = {"name": "give", "description": "Hand it over", "parameters": TORCH}


def with_action(**fields: object) -> Tape:
    action = {key: value for key, value in {**GIVE, **fields}.items() if value is not None}
    return met().say("actions_register", actions=[action]).answer()


def asked() -> Tape:
    """The daemon has asked for an action."""
    tape = with_action().line().sentence().finish().played()
    return tape.tell("action_request", action_id="x1", turn_id="t1", npc_id=LYDIA, name="give", arguments={})


def many(count: int, seconds: float, kind: str = "ping") -> Tape:
    """So many messages within a time."""
    tape = met()
    step = seconds / count
    for _ in range(count):
        tape.say(kind, id=None).wait(max(0.0, step - 0.01))
    return tape


def positions(count: int, seconds: float) -> Tape:
    tape = met().line().sentence()
    for _ in range(count):
        tape.say("positions", id=None, npcs={LYDIA: [0, 0, 0]}).wait(seconds / count - 0.01)
    return tape.finish().played().tell("turn_recorded", turn_id="t1")


def speech() -> Tape:
    """With audio frames: two sentences are spoken as one."""
    tape = Tape().connect(audio="binary").meet().line().sentence(0, duration_ms=None)
    tape.sentence(1, duration_ms=None).tell("audio", turn_id="t1", seq=0, through_seq=1, sample_rate=24000)
    return tape.tell("audio_end", turn_id="t1", seq=0, duration_ms=2000, chunks=2).finish()


def played_by_the_daemon(*, listener: bool = True, npc_id: str = LYDIA, seconds: float = 2) -> Tape:
    """A sentence that the daemon plays, and where it was said to come from."""
    tape = Tape().connect(audio="daemon").meet().meet("npc-1", "Farkas").line().sentence(duration_ms=None)
    ears = {"position": [0, 0, 0], "forward": [0, 1, 0]} if listener else None
    tape.say("positions", id=None, listener=ears, npcs={npc_id: [9, 0, 0]})
    tape.tell("audio", turn_id="t1", seq=0, through_seq=0, sample_rate=24000).finish()
    tape.tell("playback", turn_id="t1", seq=0, status="started", heard_ms=0).wait(seconds)
    tape.tell("playback", turn_id="t1", seq=0, status="ended", heard_ms=round(1000 * seconds))
    return tape.tell("turn_recorded", turn_id="t1").wait(20)


def again() -> Tape:
    """A session of the same adapter after the first is lost."""
    tape = met().say("game_started", playthrough="p").answer().turn()
    return tape.back(resumed=False)


BREACHES: dict[str, Callable[[], Tape]] = {
    "bad-json": lambda: met().frame("{"),
    "unknown-type": lambda: met().say("player_lin", npc_id=LYDIA),
    "bad-message": lambda: met().say("npc_gone", npc_ids=LYDIA),
    "misspelt-field": lambda: met().say("npc_update", npc_id=LYDIA, name="Lydia", voise_type="soft"),
    "unknown-field": lambda: met().say("npc_update", npc_id=LYDIA, name="Lydia", shoes=2),
    "too-large": lambda: met().say("game_event", kind="custom", data={"x": "y" * 70000}),
    "large-message": lambda: met().say("game_event", kind="custom", data={"x": "y" * 20000}),
    "refused": lambda: met().tell("error", code="busy", message="32 turns are under way"),
    "identify-first": lambda: Tape().open().say("player_line", npc_id=LYDIA, text="Hi").connect().meet(),
    "identify-once": lambda: met().say("identify", protocol="1", client={"name": "x"}, id=None),
    "protocol-version": lambda: Tape().connect(protocol="2"),
    "no-playthrough": lambda: Tape().connect(playthrough=None),
    "no-client-info": lambda: Tape().connect(client={"name": "x"}),
    "no-return": lambda: met().turn().close("test").wait(20),
    "no-resume": lambda: met().turn().close("test").connect(session="s2").meet(),
    "resume-ahead": lambda: met().back(last_n=99),
    "resume-behind": lambda: met().turn().back(last_n=0),
    "forgot-world": lambda: again().meet().wait(1),
    "poll-after": lambda: Tape().open("long poll").identify().poll(0).meet().turn().wait(1).poll(0),
    "id-reused": lambda: met().say("ping", id="a").say("interrupt", id="a"),
    "id-changed": lambda: (
        met().say("game_event", kind="death", id="a").back().say("game_event", kind="death").answer()
    ),
    "id-lost": lambda: met().say("game_event", kind="death").back().wait(5),
    "no-id": lambda: met().say("save_created", id=None, playthrough="p", save_id="1"),
    "npc-first": lambda: met().say("interrupt", npc_id="npc-2").answer(),
    "npc-id-form": lambda: Tape().connect().meet("NPC-42"),
    "npc-id-case": lambda: met().meet(LYDIA.upper()),
    "npc-id-name": lambda: Tape().connect().meet("lydia", "Lydia"),
    "npc-id-changed": lambda: met().back(resumed=False).meet("npc-77", "Lydia"),
    "needless-update": lambda: met().meet(),
    "unknown-hearer": lambda: met().line(hearers=["npc-9"]),
    "pause-balance": lambda: met().say("game_paused", paused=False).answer(),
    "playthrough-differs": lambda: met().say("save_created", playthrough="q", save_id="1").answer(),
    "too-fast": lambda: many(250, 1),
    "chatty": lambda: many(60, 1),
    "positions-rate": lambda: positions(30, 2),
    "positions-idle": lambda: met().say("positions", id=None, npcs={}),
    "positions-missing": lambda: played_by_the_daemon(npc_id="npc-1"),
    "report-needless": lambda: played_by_the_daemon().report("ended", 1000),
    "report-undeclared": lambda: Tape().connect(capabilities={"audio": "none"}).meet().turn(),
    "report-unknown": lambda: met().turn().report("started", turn_id="t9"),
    "report-order": lambda: met().line().sentence().finish().wait(1).report("ended", 1000),
    "report-twice": lambda: met().turn().report("ended", 1000),
    "report-missing": lambda: met().line().sentence().finish().report("started").wait(20),
    "heard-ms": lambda: met().line().sentence().finish().report("started").wait(1).report("ended", 5000),
    "report-too-soon": lambda: met().line().sentence().finish().report("started").report("ended"),
    "talks-on": lambda: (
        met().line().sentence().finish("interrupted").wait(1).report("started").report("aborted", 0)
    ),
    "no-heard-ms": lambda: met().line().sentence().report("started").finish("interrupted").report("aborted"),
    "action-schema": lambda: with_action(parameters={"type": "object", "properties": {"x": {"$ref": "#/y"}}}),
    "too-many-actions": lambda: (
        met()
        .say("actions_register", actions=[{**GIVE, "name": f"give-{i}"} for i in range(64)])
        .answer()
        .say("actions_register", actions=[GIVE])
        .answer()
    ),
    "action-open-value": lambda: with_action(
        parameters={"type": "object", "properties": {"item": {"type": "string"}}}
    ),
    "action-unanswered": lambda: asked().wait(11),
    "action-twice": lambda: (
        asked()
        .say("action_result", action_id="x1", status="applied")
        .answer()
        .say("action_result", action_id="x1", status="failed")
        .answer()
    ),
    "action-unknown": lambda: met().say("action_result", action_id="x9", status="applied").answer(),
}
BESIDES = {
    "too-fast": {"chatty"},
    "id-changed": {"id-lost"},
    "identify-first": {"npc-first"},
    "npc-id-case": {"npc-id-form"},
}
"""What else is broken by such a tape, unavoidably."""


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_a_breach_of_each_rule_is_found_and_nothing_else(rule: str) -> None:
    broken = set(BREACHES[rule]().broken())
    assert rule in broken
    assert broken - {rule} <= BESIDES.get(rule, set())


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


RIGHT: dict[str, Callable[[], Tape]] = {
    "a whole turn": lambda: met().turn(),
    "two turns": lambda: met().turn("t1").turn("t2"),
    "an interrupted turn, aborted at once": lambda: (
        met()
        .line()
        .sentence(0)
        .sentence(1)
        .report("started")
        .wait(0.3)
        .finish("interrupted")
        .report("aborted", 300)
        .wait(20)
    ),
    "what was not begun when it was interrupted": lambda: met().line().sentence().finish("interrupted").wait(20),
    "a report that was lost and is sent again": lambda: (
        met()
        .line()
        .sentence()
        .finish()
        .say("speech_report", turn_id="t1", seq=0, status="started", id="r")
        .back()
        .say("speech_report", turn_id="t1", seq=0, status="started", id="r")
        .answer()
        .wait(1)
        .report("ended", 1000)
    ),
    "what the daemon plays, without reports": lambda: played_by_the_daemon(),
    "a word that the daemon plays": lambda: played_by_the_daemon(npc_id="npc-1", seconds=0.5),
    "a text that is shown, without reports": lambda: (
        Tape().connect(capabilities={"audio": "none"}).meet().line().sentence(duration_ms=None).finish().wait(20)
    ),
    "two sentences that are spoken as one": lambda: (
        speech().report("started").wait(2).report("ended", 2000).wait(20)
    ),
    "speech that is dropped": lambda: (
        Tape()
        .connect(audio="binary")
        .meet()
        .line()
        .sentence()
        .tell("audio_dropped", turn_id="t1", seq=0, reason="busy")
        .finish()
        .wait(20)
    ),
    "a sentence that is still shown": lambda: met().line().sentence().finish().report("started").wait(0.5),
    "a sentence shown while the game is paused": lambda: (
        met()
        .line()
        .sentence()
        .finish()
        .report("started")
        .wait(0.5)
        .say("game_paused", paused=True)
        .answer()
        .wait(600)
        .say("game_paused", paused=False)
        .answer()
        .wait(0.5)
        .report("ended", 1000)
    ),
    "an action, answered": lambda: asked().say("action_result", action_id="x1", status="applied").answer(),
    "an action that may still be answered": lambda: asked().wait(2),
    "an answered request that the connection lost": lambda: (
        asked()
        .say("action_result", action_id="x1", status="applied", id="r")
        .back()
        .say("action_result", action_id="x1", status="applied", id="r")
        .answer()
    ),
    "positions, five a second": lambda: positions(10, 2),
    "a new session, told everything": lambda: again().meet().say("game_started", playthrough="p").answer(),
    "a load instead of a start": lambda: again().meet().say("save_loaded", playthrough="p", save_id="s").answer(),
    "an update with something new": lambda: met().meet(conditions={"combat_active": True}),
    "the same update in a new session": lambda: met().back(resumed=False).meet(),
    "a condition of one's own": lambda: met().meet(conditions={"drunk": True}),
    "two guards of one name": lambda: Tape().connect().meet("g-1", "Guard").meet("g-2", "Guard"),
    "an event about somebody nobody met": lambda: (
        met().say("game_event", kind="death", npc_ids=["wolf-1"]).answer()
    ),
    "an answer that the daemon repeats": lambda: (
        met().say("game_event", kind="death", id="e").back().tell("result", re="e", data={})
    ),
    "a refused line in a scene": lambda: met().tell("error", code="unknown_npc", message="who?"),
    "a property that is called pattern": lambda: with_action(
        parameters={"type": "object", "properties": {"pattern": {"type": "string", "enum": ["plaid"]}}}
    ),
    "a poll that crosses an answer": lambda: Tape().open("long poll").identify().poll(0).meet().poll(0),
    "polls that acknowledge": lambda: Tape().open("long poll").identify().poll(0).meet().poll(1).turn().poll(8),
}


@pytest.mark.parametrize("case", RIGHT)
def test_nothing_is_found_in(case: str) -> None:
    assert RIGHT[case]().findings() == []


def test_a_listener_must_be_somewhere() -> None:
    (finding,) = played_by_the_daemon(listener=False).findings()
    assert (finding.rule, "listener" in finding.what) == ("positions-missing", True)


def test_a_finding_shows_the_message_and_what_to_do() -> None:
    (finding,) = met().say("npc_update", npc_id=LYDIA, name="Lydia", voise_type="soft").findings()
    assert finding.what == "npc_update: voise_type should be voice_type"
    assert json.loads(finding.message)["voise_type"] == "soft"
    assert finding.severity == "error" and "correct the name" in finding.remedy


def test_a_long_message_is_shown_in_short() -> None:
    (finding,) = BREACHES["large-message"]().findings()
    assert len(finding.message) == 200 and finding.message.endswith(" ...")


def test_a_type_that_is_nearly_right_is_guessed() -> None:
    (finding,) = BREACHES["unknown-type"]().findings()
    assert "did you mean 'player_line'" in finding.what


def test_misspelt_fields_are_found_at_any_depth() -> None:
    message = {"type": "npc_update", "state": {"affinty": 1}, "examples": [{"player": "a", "npcs": "b"}]}
    assert list(unknown_fields(NpcUpdate, message)) == [
        ("state.", "affinty", "affinity"),
        ("examples[0].", "npcs", "npc"),
    ]


def test_an_adapter_that_leaves_owes_an_answer_for_what_it_was_asked_before() -> None:
    assert asked().wait(1).close().wait(20).broken() == ["action-unanswered"]


def test_an_adapter_that_leaves_owes_nothing_for_the_time_after() -> None:
    assert met().line().sentence().finish().report("started").close().wait(60).broken() == []
