"""A game with several NPCs: who is interrupted by what, what is remembered, how they stand to the player."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from raw_client import PATIENCE_S, RawClient, daemon_and_client, raw_client

from rfsn_bridge.domain import LLMRequest
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

VOICE = Settings(voice=True, config={"tts": {"options": {"tone": {"ms_per_character": 10, "chunk_ms": 50}}}})
TALE = ["Whiterun stands at the heart of Skyrim. ", "Its ", "people ", "are proud."]


def talk(request: LLMRequest) -> list[tuple[str, str]]:
    """What was said before the line that a request answers, without what the NPC is told to do about it."""
    return [(message.role, re.sub(r"\s*\([^()]*\)$", "", message.content)) for message in request.messages[1:-1]]


async def turn(client: RawClient, npc_id: str, text: str) -> dict[str, Any]:
    """A whole turn; its `turn_recorded`."""
    turn_id = await client.say(npc_id, text)
    return await client.until("turn_recorded", turn_id=turn_id)


# --- Interruption


async def test_a_new_line_interrupts_its_own_npc_only(tmp_path: Path) -> None:
    llm = ScriptedLLM(["I was ", "saying."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        await client.meet("b")
        first, other = await client.say("a"), await client.say("b")
        second = await client.say("a")
        finished = client.messages("turn_finished")
        assert [(m["turn_id"], m["status"]) for m in finished] == [(first, "interrupted")]
        kinds = [(m["type"], m.get("turn_id")) for m in client.messages()]
        assert kinds.index(("turn_finished", first)) < kinds.index(("turn_started", second))
        llm.release(10)
        done = {(await client.until("turn_finished", status="completed"))["turn_id"] for _ in range(2)}
        assert done == {other, second}


async def test_interrupting_an_npc_leaves_the_others_talking(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hail."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        await client.meet("b")
        await client.say("a")
        other = await client.say("b")
        assert (await client.ask(type="interrupt", npc_id="a"))["data"] == {"interrupted": 1}
        llm.release(5)
        assert (await client.until("turn_finished", turn_id=other))["status"] == "completed"


async def test_interrupting_without_a_name_silences_everybody(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."], gated=True), tmp_path) as (daemon, client):
        for npc in "abc":
            await client.meet(npc)
            await client.say(npc)
        assert (await client.ask(type="interrupt"))["data"] == {"interrupted": 3}
        assert [m["status"] for m in client.messages("turn_finished")] == ["interrupted"] * 3
        assert daemon.bridge.meter.turns_running == 0


async def test_an_npc_that_goes_falls_silent_and_is_no_longer_known(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."], gated=True), tmp_path) as (_, client):
        await client.meet("a")
        await client.say("a")
        await client.ask(type="npc_gone", npc_ids=["a", "nobody"])
        assert client.messages("turn_finished")[0]["status"] == "interrupted"
        answer = await client.ask(type="player_line", npc_id="a", text="Wait!")
        assert (answer["code"], answer["field"]) == ("unknown_npc", "npc_id")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "interrupt", "turn_id": "none"}, "unknown_turn"),
        ({"type": "interrupt", "npc_id": "nobody"}, "unknown_npc"),
        ({"type": "speech_report", "turn_id": "none", "seq": 0, "status": "ended"}, "unknown_turn"),
        ({"type": "player_line", "npc_id": "nobody", "text": "Hail."}, "unknown_npc"),
        ({"type": "tune", "persist": True}, "unavailable"),
        ({"type": "subscribe", "topics": ["log"]}, "unavailable"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_its_code(
    message: dict[str, Any], code: str, tmp_path: Path
) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."]), tmp_path) as (_, client):
        answer = await client.ask(**message)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert (await client.ask(type="ping", t=5))["t"] == 5


async def test_too_many_turns_at_once_are_refused_and_interrupt_nobody(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."], gated=True), tmp_path) as (_, client):
        for i in range(32):
            await client.meet(f"npc {i}")
            await client.say(f"npc {i}")
        await client.settle()
        answer = await client.ask(type="player_line", npc_id="npc 0", text="And you?")
        assert answer["code"] == "busy"
        assert not client.messages("turn_finished")
        await client.send(type="interrupt")


# --- What is heard is what is remembered


async def test_the_next_prompt_holds_what_was_heard_and_nothing_else(tmp_path: Path) -> None:
    llm = ScriptedLLM(TALE, ["Hail."], gated=True)
    async with daemon_and_client(llm, tmp_path, VOICE, audio="binary", reports=True) as (_, client):
        await client.meet("a")
        first = await client.say("a", "Tell me about Whiterun.")
        llm.release(2)
        await client.until("audio_end", turn_id=first, seq=0)
        await client.send(type="speech_report", turn_id=first, seq=0, status="started")
        await client.say("a", "Enough.")
        await client.send(type="speech_report", turn_id=first, seq=0, status="aborted", heard_ms=160)
        recorded = await client.until("turn_recorded", turn_id=first)
        assert (recorded["heard_text"], recorded["heard_through_seq"]) == ("Whiterun stands", 0)
        await client.say("a", "Where is the smith?")
        llm.release(9)
        await client.until("turn_finished", status="completed")
    assert talk(llm.requests[-1])[:2] == [("user", "Tell me about Whiterun."), ("assistant", "Whiterun stands")]


async def test_a_turn_of_which_nothing_was_heard_leaves_the_players_line_alone(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hail."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        await client.say("a", "Hello?")
        second = await client.say("a", "Are you there?")
        await client.until("decision", turn_id=second)
        llm.release(5)
        await client.until("turn_recorded", turn_id=second)
        await turn(client, "a", "Good.")
    assert talk(llm.requests[-1]) == [("user", "Hello?\nAre you there?"), ("assistant", "Hail.")]


async def test_an_unprompted_npc_is_told_why_and_remembers_what_it_said(tmp_path: Path) -> None:
    llm = ScriptedLLM(["A dragon!"], ["Yes, a dragon."])
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        started = await client.ask(type="npc_prompt", npc_id="a", text="A dragon flies over the keep.")
        await client.until("turn_recorded", turn_id=started["turn_id"])
        assert "A dragon flies over the keep" in llm.requests[0].messages[-1].content
        await turn(client, "a", "What was that?")
    assert ("assistant", "A dragon!") in talk(llm.requests[1])
    assert all(content for role, content in talk(llm.requests[1]) if role == "assistant")


@pytest.mark.parametrize("reports", [True, False])
async def test_what_a_silent_client_heard_is_recorded_all_the_same(reports: bool, tmp_path: Path) -> None:
    """Interrupted before any report: nothing is known to have been heard, or what its time allows."""
    llm = ScriptedLLM(["Hail. "], gated=True)
    async with daemon_and_client(llm, tmp_path, VOICE, audio="binary", reports=reports) as (_, client):
        await client.meet("a")
        first = await client.say("a")
        await client.send(type="interrupt")
        recorded = await client.until("turn_recorded", turn_id=first)
        assert (recorded["heard_text"], recorded["heard_through_seq"]) == ("", -1)


async def test_a_report_after_the_record_is_no_error(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."]), tmp_path) as (_, client):
        await client.meet("a")
        recorded = await turn(client, "a", "Hail.")
        answer = await client.ask(type="speech_report", turn_id=recorded["turn_id"], seq=0, status="ended")
        assert answer["type"] == "result"


# --- How an NPC stands to the player


async def test_an_insult_lowers_affinity_for_good(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Begone."]), tmp_path) as (_, client):
        await client.meet("a")
        first = (await turn(client, "a", "You are a coward."))["state"]
        second = (await turn(client, "a", "You are a coward."))["state"]
    assert 0 > first["affinity"] > second["affinity"]
    assert first["mood"] == "angry"
    assert second["relationship"] in ("rival", "enemy")
    before = client.messages("decision")[1]["state"]["affinity"]
    assert before < first["affinity"]


async def test_an_insult_counts_in_the_very_next_turn_although_nothing_is_recorded_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = ScriptedLLM(["Begone."], gated=True)
    async with daemon_and_client(llm, tmp_path, VOICE, audio="binary", reports=True) as (daemon, client):
        store, go_on = daemon.bridge.store, asyncio.Event()
        record = store.record

        async def slow(*told: Any) -> None:
            await go_on.wait()
            await record(*told)

        monkeypatch.setattr(store, "record", slow)
        await client.meet("a")
        await client.say("a", "You are a coward.")
        insulted = await client.until("decision")
        await client.say("a", "You are a coward.")
        again = await client.until("decision")
        assert not client.messages("turn_recorded")
        assert again["state"]["affinity"] < insulted["state"]["affinity"] < 0
        go_on.set()
        await client.send(type="interrupt")


async def test_with_neither_sound_nor_visemes_what_was_shown_was_heard_whatever_is_reported(
    tmp_path: Path,
) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail, old friend of mine."]), tmp_path, reports=True) as (
        _,
        client,
    ):
        await client.meet("a")
        turn_id = await client.say("a")
        await client.until("sentence", turn_id=turn_id)
        await client.ask(type="speech_report", turn_id=turn_id, seq=0, status="aborted", heard_ms=0)
        recorded = await client.until("turn_recorded", turn_id=turn_id)
        assert recorded["heard_text"] == "Hail, old friend of mine."


async def test_an_action_counts_only_if_something_of_it_was_heard(tmp_path: Path) -> None:
    """The decision's own effect is that of the signal; the NPC's action comes on top once it was heard."""
    llm = ScriptedLLM(["Hail, friend."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a", state={"affinity": 0.3, "trust": 0.9})
        unheard = await client.say("a", "You are wise.")
        decided = (await client.until("decision"))["state"]
        await client.send(type="interrupt")
        recorded = await client.until("turn_recorded", turn_id=unheard)
        assert recorded["state"]["affinity"] == decided["affinity"]
        heard = await client.say("a", "You are wise.")
        decision = await client.until("decision")
        llm.release(5)
        recorded = await client.until("turn_recorded", turn_id=heard)
        assert decision["action"] in ("compliment", "agree")
        assert recorded["state"]["affinity"] > decision["state"]["affinity"]


async def test_a_seed_counts_for_an_npc_met_for_the_first_time(tmp_path: Path) -> None:
    seed = {"mood": "sad", "affinity": 0.5, "trust": 0.8, "fear": 0.2}
    async with daemon_and_client(ScriptedLLM(["Hail."]), tmp_path) as (_, client):
        await client.meet("a", state=seed)
        await client.say("a", "Farewell.")
        state = (await client.until("decision"))["state"]
        assert (state["mood"], state["affinity"], state["trust"]) == ("sad", 0.5, 0.8)
        await client.until("turn_recorded")
        await client.meet("a", state={"affinity": -1.0})
        await client.say("a", "Farewell.")
        assert (await client.until("decision"))["state"]["affinity"] > 0.4
        await client.until("turn_recorded")
        await client.meet("a", state={"affinity": -1.0}, force=True)
        await client.say("a", "Farewell.")
        assert (await client.until("decision"))["state"]["affinity"] == -1.0


async def test_a_forced_state_holds_even_if_it_comes_while_memory_is_read(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."]), tmp_path) as (_, client):
        for _ in range(10):
            await client.send(type="npc_update", npc_id="a", name="A", state={"affinity": 0.5})
            await client.send(type="npc_update", npc_id="a", name="A", state={"affinity": -0.9}, force=True)
            await client.say("a", "Farewell.")
            assert (await client.until("decision"))["state"]["affinity"] < -0.8
            await client.ask(type="npc_gone", npc_ids=["a"])


async def test_conditions_of_the_game_reach_the_mind(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Run!"]), tmp_path) as (_, client):
        await client.meet("a", state={"fear": 0.9}, conditions={"combat_active": True, "weapon_drawn": True})
        await client.say("a", "Hello.")
        decision = await client.until("decision")
        assert decision["action"] == "flee" and decision["state"]["combat_active"]
        vetoed = {c["action"] for c in decision["candidates"] if c.get("vetoed_by") == "flee_when_terrified"}
        assert vetoed == {c["action"] for c in decision["candidates"]} - {"flee"}
        await client.meet("a", conditions={"combat_active": False})
        await client.say("a", "Hello.")
        assert not (await client.until("decision"))["state"]["combat_active"]


async def test_an_update_keeps_the_fields_it_leaves_out(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hail."])
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a", name="Lydia", race="Nord", bio="You are sworn to carry burdens.")
        await client.meet("a", name="Lydia")
        await turn(client, "a", "Hail.")
    system = llm.requests[0].messages[0].content
    assert "Nord" in system and "sworn to carry burdens" in system


# --- What survives


async def test_memory_and_feelings_survive_a_restart(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Begone, fool."]), tmp_path) as (_, client):
        await client.meet("a")
        left = (await turn(client, "a", "You are a coward."))["state"]
    llm = ScriptedLLM(["What now?"])
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a", state={"affinity": 0.9})
        await client.say("a", "Farewell.")
        state = (await client.until("decision"))["state"]
        assert state["affinity"] == left["affinity"] < 0
        await client.until("turn_recorded")
    assert talk(llm.requests[0])[:2] == [("user", "You are a coward."), ("assistant", "Begone, fool.")]


async def test_an_npc_that_comes_back_at_once_has_forgotten_nothing(tmp_path: Path) -> None:
    """A cell is left and entered again: what was being recorded of the NPC is not lost on the way."""
    llm = ScriptedLLM(["Begone, fool. ", "I said begone."], gated=True)
    async with daemon_and_client(llm, tmp_path, VOICE, audio="binary", reports=True) as (_, client):
        await client.meet("a")
        first = await client.say("a", "You are a coward.")
        llm.release(2)
        await client.until("audio_end", turn_id=first, seq=0)
        await client.send(type="speech_report", turn_id=first, seq=0, status="ended")
        await client.send(type="npc_gone", npc_ids=["a"])
        await client.send(type="npc_update", npc_id="a", name="A")
        await client.say("a", "Farewell.")
        assert (await client.until("decision"))["state"]["affinity"] < 0
        llm.release(5)
        await client.until("text_finished")
        await client.send(type="interrupt")
    assert talk(llm.requests[-1])[0] == ("user", "You are a coward.")


async def test_playthroughs_are_kept_apart(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hail."])
    async with running_daemon(llm, tmp_path) as daemon:
        for playthrough in ("one", "two"):
            async with raw_client(daemon.url, playthrough=playthrough) as client:
                await client.meet("a")
                await turn(client, "a", f"I am {playthrough}.")
    assert talk(llm.requests[1]) == []


NAMES = [
    "Ra'virr",
    'Ra"virr',
    "店主",
    "店主人",
    "Lydia",
    "lydia",
    "LYDIA",
    "Lydia ",
    "../../../etc/passwd",
    "..",
    ".",
    "/",
    "\\",
    "CON",
    "con",
    "NUL",
    "aux.txt",
    "a\x00b",
    "a\nb",
    "é",
    "e\u0301",
    "🐉",
    "\u202e",
    "n" * 128,
    "店" * 128,
    "a:b|c?d*e<f>g",
]


async def test_every_npc_id_has_a_memory_of_its_own_inside_the_data_folder(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Mm."])
    data = tmp_path / "in" / "side"
    async with running_daemon(llm, data) as daemon:
        for round_ in range(2):
            async with raw_client(daemon.url, playthrough="../../x") as client:
                for npc_id in NAMES:
                    await client.meet(npc_id, name="N")
                    await turn(client, npc_id, f"{round_} {npc_id!r}")
    for npc_id, request in zip(NAMES, llm.requests[len(NAMES) :], strict=True):
        assert talk(request) == [("user", f"0 {npc_id!r}"), ("assistant", "Mm.")]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(data in path.parents for path in files) and len(files) < 10


async def test_an_id_of_no_or_too_many_characters_is_refused(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Mm."]), tmp_path) as (_, client):
        for npc_id in ("", "n" * 129):
            assert (await client.ask(type="npc_update", npc_id=npc_id, name="N"))["code"] == "invalid_value"


# --- Settings and watching


async def test_tuning_counts_from_the_next_turn_on(tmp_path: Path) -> None:
    llm = ScriptedLLM(["One ", "two."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        first = await client.say("a")
        await client.until("decision")
        answer = await client.ask(type="tune", temperature=1.5, max_tokens=7, max_queue_size=9)
        assert answer["data"] == {"temperature": 1.5, "max_tokens": 7, "max_queue_size": 9, "config_revision": 2}
        assert (await client.ask(type="tune", temperature=1.5))["data"]["config_revision"] == 2
        llm.release(9)
        await client.until("turn_recorded", turn_id=first)
        await turn(client, "a", "And now?")
    assert [(r.temperature, r.max_tokens) for r in llm.requests] == [(0.7, 150), (1.5, 7)]


async def test_metrics_come_while_subscribed_and_no_longer(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Mm."]), tmp_path) as (daemon, client):
        await client.meet("a")
        await turn(client, "a", "Hail.")
        await client.ask(type="subscribe", topics=["metrics"])
        await client.ask(type="subscribe", topics=["metrics"])
        for _ in range(2):
            metrics = await client.until("metrics")
        assert (metrics["turns_completed"], metrics["turns_running"], metrics["sessions"]) == (1, 0, 1)
        assert metrics["first_token_ms"] is not None and metrics["total_generation_ms"] > 0
        await client.ask(type="unsubscribe", topics=["metrics"])
        (game,) = daemon.bridge.games
        assert game._watch._task is None
        await client.ask(type="unsubscribe", topics=["metrics"])


# --- Side by side


async def test_eight_clients_with_eight_npcs_hear_their_own_and_nothing_else(tmp_path: Path) -> None:
    words = ["gold", "sword", "shield", "apple", "dragon", "snow", "mead", "horse"]

    class ByName(ScriptedLLM):
        """Each NPC speaks of its own thing, in small pieces."""

        def stream(self, request: LLMRequest) -> Any:
            name = request.messages[0].content.removeprefix("You are ").partition(".")[0]
            text = "".join(f"My {name} number {i} is good. " for i in range(20))
            return ScriptedLLM([text[i : i + 3] for i in range(0, len(text), 3)]).stream(request)

    async def one(url: str, word: str) -> str:
        async with raw_client(url, audio="binary") as client:
            await client.meet(f"npc {word}", name=word)
            for _ in range(2):
                await client.say(f"npc {word}", "What have you got?")
                finished = await client.until("text_finished")
                texts = [m["text"] for m in client.messages("sentence", turn_id=finished["turn_id"])]
                assert texts == [f"My {word} number {i} is good." for i in range(20)]
                assert {m["npc_id"] for m in client.messages("sentence")} == {f"npc {word}"}
            return (await client.until("turn_finished"))["status"]

    async with running_daemon(ByName(), tmp_path, VOICE) as daemon:
        health = daemon.url.replace("ws://", "http://").replace("/ws", "/health")
        talking = asyncio.gather(*(one(daemon.url, word) for word in words))
        async with httpx.AsyncClient(trust_env=False) as http:
            answers = 0
            while not talking.done():
                answer = await http.get(health, timeout=PATIENCE_S)
                assert answer.status_code == 200 and answer.json()["status"] == "ok"
                answers += 1
        assert answers > 5
        assert len(await talking) == 8
