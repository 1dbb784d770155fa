"""The mind behind the socket: decisions explained, rewards credited, learning kept, events felt."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from raw_client import RawClient, daemon_and_client

from rfsn_bridge.domain import Mood, NpcState, Relationship, Signal, SignalContext
from rfsn_bridge.mind.rewards import Reaction
from rfsn_bridge.testing import RunningDaemon, ScriptedLLM, Settings


async def turn(client: RawClient, npc_id: str, text: str) -> dict[str, Any]:
    """A whole turn; its `turn_recorded`."""
    turn_id = await client.say(npc_id, text)
    return await client.until("turn_recorded", turn_id=turn_id)


def member(daemon: RunningDaemon, npc_id: str) -> Any:
    (game,) = daemon.bridge.games
    return game._cast.get(npc_id)


# --- Explaining


async def test_a_turn_is_explained_in_words_and_in_full(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("lydia", name="Lydia", state={"trust": 0.05})
        done = await turn(client, "lydia", "Can you lend me your sword?")
        decision = client.messages("decision")[-1]
        found = (await client.ask(type="explain", turn_id=done["turn_id"]))["data"]
    assert found["text"].startswith(f"Lydia chose {decision['action'].upper()}")
    assert "vetoed by no_favours_without_trust" in found["text"]
    assert found["decision"]["action"] == decision["action"]
    trace = found["decision"]["trace"]
    assert sum(trace["signals"].values()) == pytest.approx(1, abs=1e-6)
    assert sum(trace["action_choice"]["probabilities"].values()) == pytest.approx(1)
    for candidate in found["decision"]["candidates"]:
        if not candidate["vetoed_by"]:
            assert sum(candidate["contributions"].values()) == pytest.approx(candidate["score"], abs=1e-6)
    assert found["flips"] and all(flip["action"] != decision["action"] for flip in found["flips"])


async def test_a_turn_of_an_earlier_day_is_explained_from_the_store(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a", name="Ra'virr")
        done = await turn(client, "a", "Hail.")
        before = (await client.ask(type="explain", turn_id=done["turn_id"]))["data"]
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        after = (await client.ask(type="explain", turn_id=done["turn_id"]))["data"]
        missing = await client.ask(type="explain", turn_id="nonsense")
    assert after == before
    assert (missing["type"], missing["code"]) == ("error", "unknown_turn")


# --- Learning


async def test_feedback_is_learned_from_once(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        done = await turn(client, "a", "Hail.")
        answers = [await client.ask(type="feedback", turn_id=done["turn_id"], reward=r) for r in (1.0, 1.0)]
        assert [answer["data"]["learned"] for answer in answers] == [True, False]
        assert (await client.ask(type="feedback", turn_id="x", reward=1.0))["code"] == "unknown_turn"
        too_much = await client.ask(type="feedback", turn_id=done["turn_id"], reward=7)
        assert (too_much["code"], too_much["field"]) == ("invalid_value", "reward")


async def test_feedback_that_comes_late_is_in_the_save(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a")
        first = await turn(client, "a", "Where is the inn?")
        await turn(client, "a", "And the temple?")
        assert (await client.ask(type="feedback", turn_id=first["turn_id"], reward=-1.0))["data"]["learned"]
        learned = member(daemon, "a").learned.dump()
        save = {"playthrough": "default", "save_id": "s1"}
        await client.ask(type="save_created", **save)
        await client.ask(type="save_loaded", **save)
        again = member(daemon, "a").learned.dump()
    assert again == learned


async def test_what_one_npc_learns_is_its_own_and_survives_a_restart(tmp_path: Path) -> None:
    settings = Settings(config={"mind": {"learner": "linucb"}})
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path, settings) as (daemon, client):
        for npc in ("a", "b"):
            await client.meet(npc)
        untouched = member(daemon, "b")
        for _ in range(5):
            done = await turn(client, "a", "Where is the inn?")
            await client.ask(type="feedback", turn_id=done["turn_id"], reward=1.0)
        await turn(client, "a", "Farewell.")
        learned = member(daemon, "a").learned.dump()
        assert untouched.learned.dump() == daemon.bridge.snapshot.mind.newcomer().dump()
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path, settings) as (daemon, client):
        await client.meet("a")
        await client.ask(type="ping")
        await member(daemon, "a").memory
        assert member(daemon, "a").learned.dump() == learned
        await client.ask(type="learning_reset", npc_id="a")
        assert member(daemon, "a").learned.dump() == daemon.bridge.snapshot.mind.newcomer().dump()
        assert (await turn(client, "a", "Hail."))["heard_text"] == "Hm."


async def test_what_was_learned_and_is_damaged_is_told_of_and_begun_anew(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await daemon.bridge.store.keep("default", "a", NpcState(affinity=0.3), b"nonsense")
        await client.meet("a")
        notice = await client.until("notice", code="memory")
        done = await turn(client, "a", "Where is the inn?")
    assert "learn" in notice["message"] and notice["hint"]
    assert done["state"]["affinity"] >= 0.3


async def test_a_reward_waits_for_what_the_player_says_next(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["The inn is by the gate."]), tmp_path) as (daemon, client):
        await client.meet("a")
        credited: list[Any] = []
        await turn(client, "a", "Where is the inn?")
        learned = member(daemon, "a").learned
        credit = learned.credit

        def spy(turn_id: str, result: Any) -> Any:
            credited.append(result)
            return credit(turn_id, result)

        learned.credit = spy
        assert credited == []
        await turn(client, "a", "No, I meant the temple.")
        assert [result.reactions for result in credited] == [{Reaction.CONTINUED, Reaction.CORRECTION}]


# --- The game's events


async def test_aid_is_felt_and_asking_for_it_is_not(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a")
        await client.say("a", "Help me, please!")
        asked = (await client.until("decision"))["state"]
        assert (asked["affinity"], asked["trust"]) == (0, 0.5)
        await client.until("turn_recorded")
        before = member(daemon, "a").state
        await client.ask(type="game_event", kind="aided", npc_ids=["a"], text="The player healed A.")
        after = member(daemon, "a").state
    assert after.affinity == pytest.approx(before.affinity + 0.2)
    assert after.trust > before.trust
    assert after.mood in (Mood.HAPPY, Mood.FRIENDLY)


async def test_a_hit_is_held_against_the_player_only_where_the_player_struck(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        for npc in "abc":
            await client.meet(npc)
        hit: dict[str, Any] = {"type": "game_event", "kind": "hit"}
        await client.ask(**hit, npc_ids=["a"], text="A wolf bit A.")
        await client.ask(**hit, npc_ids=["b", "c"], data={"target": "b", "aggressor": "player"})
        a, b, c = (member(daemon, npc).state for npc in "abc")
    assert (a.affinity, c.affinity) == (0, 0) and a.fear > 0 and c.fear == 0
    assert b.affinity < 0


async def test_events_while_memory_is_read_are_not_lost(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.send(type="npc_update", npc_id="a", name="A")
        await client.send(type="game_event", kind="aided", npc_ids=["a"])
        await client.ask(type="ping")
        await member(daemon, "a").memory
        assert member(daemon, "a").state.affinity == pytest.approx(0.2)


async def test_a_relationship_that_the_game_names_agrees_with_affinity(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a", state={"relationship": "ally", "affinity": -0.5})
        await member(daemon, "a").memory
        state = member(daemon, "a").state
    assert state.relationship is Relationship.ALLY and state.affinity > 0


async def test_a_mood_fades_with_game_time(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        await client.ask(type="game_event", kind="custom", game_time=10.0)
        done = await turn(client, "a", "You are an idiot.")
        assert done["state"]["mood"] == "angry"
        await client.ask(type="game_event", kind="custom", game_time=11.0)
        await client.say("a", "Where is the inn?")
        assert (await client.until("decision"))["state"]["mood"] == "neutral"


async def test_a_bio_tells_of_courage_and_the_game_may_say_otherwise(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a", bio="A timid, kind-hearted baker.")
        assert member(daemon, "a").npc.personality.courage < 0.3
        await client.meet("a", personality={"courage": 0.9})
        assert member(daemon, "a").npc.personality.courage == 0.9
        await client.meet("a", bio="A brave and hot-tempered smith.")
        assert member(daemon, "a").npc.personality.courage == 0.9
        assert member(daemon, "a").npc.personality.temper > 0.7


# --- Classifiers that take their time


async def test_a_classifier_that_blocks_runs_beside_the_loop(tmp_path: Path) -> None:
    threads: list[int] = []

    class Slow:
        blocking = True

        def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
            threads.append(threading.get_ident())
            return {Signal.COMPLIMENT: 1.0}

    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        bridge = daemon.bridge
        bridge.snapshot = replace(bridge.snapshot, mind=replace(bridge.snapshot.mind, classifier=Slow()))
        await client.meet("a")
        await client.say("a", "x")
        assert (await client.until("decision"))["signal"] == "compliment"
    assert threads and threading.get_ident() not in threads


async def test_a_decision_travels_whole_through_the_store(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a")
        done = await turn(client, "a", "Hail.")
        stored = await daemon.bridge.store.find(done["turn_id"])
        (game,) = daemon.bridge.games
        assert stored is not None and stored.decision == game._insight.find(done["turn_id"]).decision
    assert stored.decision and stored.decision.trace and stored.decision.trace.seed.endswith("/default/a.0")


async def test_whoever_leaves_says_no_more_and_what_is_known_by_then_is_learned(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a")
        done = await turn(client, "a", "Where is the inn?")
        leaving = member(daemon, "a")
        assert (await client.ask(type="feedback", turn_id=done["turn_id"], reward=-1.0))["data"]["learned"]
        before = leaving.learned._pending[done["turn_id"]].credited
        await client.ask(type="npc_gone", npc_ids=["a"])
        assert before is None
        assert leaving.learned._pending[done["turn_id"]].credited.feedback == -1.0
