"""What can be asked about memory over the socket, and that the NPCs who are there follow what becomes of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from raw_client import PATIENCE_S, RawClient, daemon_and_client, raw_client

from rfsn_bridge.testing import ScriptedLLM

INSULT = "You are a filthy coward."


async def turn(client: RawClient, npc_id: str, text: str, **fields: Any) -> dict[str, Any]:
    """A whole turn; its `turn_recorded`."""
    turn_id = await client.say(npc_id, text, **fields)
    return await client.until("turn_recorded", turn_id=turn_id)


async def data(client: RawClient, kind: str, **fields: Any) -> dict[str, Any]:
    answer = await client.ask(type=kind, **fields)
    assert answer["type"] == "result", answer
    found: dict[str, Any] = answer["data"]
    return found


async def lines(client: RawClient, npc_id: str) -> list[str]:
    """What the player said to an NPC, as it remembers it, the newest first."""
    return [each["player_text"] for each in (await data(client, "memory_get", npc_id=npc_id))["turns"]]


def like(state: dict[str, Any]) -> dict[str, Any]:
    """A state, but for what fades with the time that a test takes."""
    return {
        key: pytest.approx(value, abs=0.01) if isinstance(value, float) else value for key, value in state.items()
    }


# --- Reading


async def test_what_an_npc_remembers_is_told_page_by_page(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a", name="Ra'virr")
        for number in range(5):
            await turn(client, "a", f"Line {number}.")
        first = await data(client, "memory_get", npc_id="a", limit=3)
        rest = await data(client, "memory_get", npc_id="a", limit=3, before=first["turns"][-1]["turn_id"])
    assert [each["player_text"] for each in first["turns"]] == ["Line 4.", "Line 3.", "Line 2."]
    assert [each["player_text"] for each in rest["turns"]] == ["Line 1.", "Line 0."]
    assert (first["name"], first["more"], rest["more"]) == ("Ra'virr", True, False)
    assert first["turns"][0]["heard_text"] == "Hm." and first["turns"][0]["status"] == "completed"


async def test_a_long_answer_is_cut_short_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.remembrance._CHARACTERS", 5000)
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        for number in range(3):
            await turn(client, "a", f"{number}" + " so" * 1000)
        found = await data(client, "memory_get", npc_id="a")
    assert (len(found["turns"]), found["more"]) == (1, True)


async def test_whoever_heard_a_turn_remembers_it_too(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["I saw a dragon."]), tmp_path) as (_, client):
        await client.meet("a")
        await client.meet("b", name="Lydia")
        await turn(client, "a", "What did you see?", hearers=["b"])
        await client.ask(type="npc_gone", npc_ids=["b"])
        (heard,) = (await data(client, "memory_get", npc_id="b"))["turns"]
        searched = await data(client, "memory_search", npc_id="b", query="the dragon")
    found = searched["found"]
    assert searched["name"] == "Lydia"  # who never said a word
    assert (heard["npc_id"], heard["hearers"]) == ("a", ["b"])
    assert [(each["npc_name"], each["own"], each["heard_text"]) for each in found] == [
        ("a", False, "I saw a dragon.")
    ]


async def test_what_was_just_overheard_is_told_whatever_the_line_is_about(tmp_path: Path) -> None:
    llm = ScriptedLLM(["A dragon burned Helgen."])
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a", name="Ralof")
        await client.meet("b", name="Lydia")
        await turn(client, "a", "What did you see?", hearers=["b"])
        await turn(client, "b", "Good morning to you.")
        told = str(llm.requests[-1])
        assert told.count("Ralof answered: A dragon burned Helgen.") == 1
        await turn(client, "b", "A dragon, you say?")  # which brings it to mind, too
        assert str(llm.requests[-1]).count("Ralof answered: A dragon burned Helgen.") <= 1


async def test_how_an_npc_stands_is_told_whether_it_is_here_or_not(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a", name="Lydia")
        recorded = await turn(client, "a", INSULT)
        here = await data(client, "npc_state", npc_id="a")
        await client.ask(type="npc_gone", npc_ids=["a"])
        gone = await data(client, "npc_state", npc_id="a")
    assert here["state"] == like(recorded["state"])
    assert gone["state"] == like(recorded["state"])
    assert here["turns"] == gone["turns"] == 1
    assert here["latest"] == gone["latest"]
    assert (here["latest"][0]["player_text"], here["here"], gone["here"]) == (INSULT, True, False)
    assert gone["name"] == "Lydia"


async def test_what_is_in_the_memory_is_counted(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        await turn(client, "a", "Hail.")
        stats = await data(client, "memory_stats")
    assert (stats["turns"], stats["npcs"], stats["turns_waiting"], stats["backups"]) == (1, 1, 0, 0)
    assert stats["folder"] == str(tmp_path / "memory")


@pytest.mark.parametrize("kind", ["memory_get", "memory_search", "memory_reset", "npc_state"])
async def test_of_an_npc_that_never_was_nothing_is_told(kind: str, tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        query = {"query": "x"} if kind == "memory_search" else {}
        refused = await client.ask(type=kind, npc_id="nobody", **query)
        assert (refused["code"], refused["field"]) == ("unknown_npc", "npc_id")
        assert (await data(client, "memory_backups"))["backups"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "memory_get", "npc_id": "a", "limit": 0}, "invalid_value"),
        ({"type": "memory_get", "npc_id": "a", "limit": 101}, "invalid_value"),
        ({"type": "memory_get", "npc_id": "a", "before": "x"}, "unknown_turn"),
        ({"type": "memory_search", "npc_id": "a", "query": ""}, "invalid_value"),
        ({"type": "memory_search", "npc_id": "a"}, "bad_message"),
        ({"type": "memory_restore", "backup_id": "../memory.db"}, "not_found"),
        ({"type": "memory_restore", "backup_id": "memory-20260101-000000-manual-1.db"}, "not_found"),
    ],
)
async def test_what_cannot_be_asked_is_an_error(fields: dict[str, Any], code: str, tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        assert (await client.ask(**fields))["code"] == code


@pytest.mark.parametrize("query", ['"', "* NEAR( AND", "who:n1", "🐉" * 50, "a\0b"])
async def test_any_words_can_be_searched_for(query: str, tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        await turn(client, "a", "Hail.")
        assert (await data(client, "memory_search", npc_id="a", query=query))["found"] == []


# --- Forgetting


async def test_an_npc_that_is_made_to_forget_is_as_if_just_met(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hm."])
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a", state={"affinity": 0.4})
        await client.meet("b")
        await turn(client, "a", INSULT, hearers=["b"])
        await turn(client, "b", "Hail.")
        done = await data(client, "memory_reset", npc_id="a")
        state = await data(client, "npc_state", npc_id="a")
        assert (done["turns_forgotten"], state["turns"], state["latest"]) == (1, 0, [])
        assert state["state"]["affinity"] == pytest.approx(0.4)
        await turn(client, "a", "Good day.")
        assert INSULT not in str(llm.requests[-1])
        assert await lines(client, "a") == ["Good day."]
        assert await lines(client, "b") == ["Hail.", INSULT]


async def test_it_forgets_in_every_game_of_the_playthrough_and_in_no_other(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hm."])
    async with (
        daemon_and_client(llm, tmp_path) as (daemon, client),
        raw_client(daemon.url) as beside,
        raw_client(daemon.url, playthrough="other") as other,
    ):
        for each in (client, beside, other):
            await each.meet("a")
            await turn(each, "a", INSULT)
        await data(client, "memory_reset", npc_id="a")
        assert [
            len((await data(each, "npc_state", npc_id="a"))["latest"]) for each in (client, beside, other)
        ] == [
            0,
            0,
            1,
        ]


async def test_a_turn_that_runs_meanwhile_is_forgotten_too(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hm."], ["So ", "it ", "is."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        llm.release()
        await turn(client, "a", INSULT)
        await client.say("a", "I buried the amulet.")
        await client.until("decision")
        await data(client, "memory_reset", npc_id="a")
        finished = client.messages("turn_finished")[-1]
        assert finished["status"] == "interrupted"
        assert await lines(client, "a") == []
        assert len(client.messages("turn_recorded")) == 1


async def test_what_was_forgotten_can_be_brought_back(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        before = (await turn(client, "a", INSULT))["state"]
        backup = (await data(client, "memory_reset", npc_id="a"))["backup"]
        undone = await data(client, "memory_restore", backup_id=backup)
        state = await data(client, "npc_state", npc_id="a")
        assert (state["state"], state["turns"]) == (like(before), 1)
        await data(client, "memory_restore", backup_id=undone["backup"])
        assert (await data(client, "npc_state", npc_id="a"))["turns"] == 0


async def test_what_is_felt_by_now_is_in_the_backup_of_a_reset(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        await client.ask(type="game_event", kind="aided", npc_ids=["a"])
        felt = (await data(client, "npc_state", npc_id="a"))["state"]["affinity"]
        backup = (await data(client, "memory_reset", npc_id="a"))["backup"]
        assert felt > 0 == (await data(client, "npc_state", npc_id="a"))["state"]["affinity"]
        await data(client, "memory_restore", backup_id=backup)
        assert (await data(client, "npc_state", npc_id="a"))["state"]["affinity"] == pytest.approx(felt)


# --- Saves, where several clients are one game


async def test_a_save_that_one_loads_is_what_all_of_the_playthrough_remember(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hm."])
    async with (
        daemon_and_client(llm, tmp_path) as (daemon, client),
        raw_client(daemon.url) as beside,
        raw_client(daemon.url, playthrough="other") as other,
    ):
        for each in (client, beside, other):
            await each.meet("a")
        await turn(beside, "a", "Hail.")
        await client.ask(type="save_created", playthrough="default", save_id="A", game_time=17.0)
        for each in (beside, other):
            await turn(each, "a", INSULT)
        insulted = (await data(other, "npc_state", npc_id="a"))["state"]["affinity"]
        await data(client, "save_loaded", playthrough="default", save_id="A", game_time=17.0)
        state = await data(beside, "npc_state", npc_id="a")
        assert [each["player_text"] for each in state["latest"]] == ["Hail."]
        assert state["state"]["affinity"] > insulted
        await turn(beside, "a", "Good day.")
        assert INSULT not in str(llm.requests[-1]) and "Hail." in str(llm.requests[-1])
        found = (await data(client, "memory_get", npc_id="a"))["turns"][0]
        assert found["player_text"] == "Good day." and found["game_time"] == pytest.approx(17.0, abs=0.1)
        assert (await data(other, "npc_state", npc_id="a"))["state"] == like(
            (await data(other, "memory_get", npc_id="a"))["turns"][0]["state"]
        )


@pytest.mark.parametrize(
    "message",
    [
        {"type": "save_loaded", "playthrough": "default", "save_id": "A"},
        {"type": "game_started", "playthrough": "default", "save_id": "A"},
        {"type": "game_started", "playthrough": "default", "game_time": 0.1},
    ],
)
async def test_what_runs_in_another_game_when_a_save_is_loaded_has_not_been(
    message: dict[str, Any], tmp_path: Path
) -> None:
    llm = ScriptedLLM(["Hm. ", "So it is."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (daemon, client), raw_client(daemon.url) as beside:
        for each in (client, beside):
            await each.meet("a")
        await client.ask(type="save_created", playthrough="default", save_id="A", game_time=17.0)
        running = await beside.say("a", INSULT)
        await beside.until("decision")
        await data(client, **{"kind": message["type"]} | {k: v for k, v in message.items() if k != "type"})
        await beside.until("turn_finished", turn_id=running, status="interrupted")
        assert (await data(beside, "npc_state", npc_id="a"))["latest"] == []
        llm.release(9)
        later = await turn(beside, "a", "Good day.")
        assert await lines(beside, "a") == ["Good day."]
        assert not beside.messages("turn_recorded", turn_id=running) and later["state"]["affinity"] >= 0


async def test_a_game_that_says_it_began_and_no_more_leaves_the_others_alone(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hm."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (daemon, client), raw_client(daemon.url) as beside:
        for each in (client, beside):
            await each.meet("a")
        running = await beside.say("a", "Hail.")
        await data(client, "game_started", playthrough="default")
        llm.release(9)
        await beside.until("turn_recorded", turn_id=running)


async def test_a_save_has_what_is_felt_in_every_game_of_the_playthrough(tmp_path: Path) -> None:
    async with (
        daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client),
        raw_client(daemon.url) as beside,
    ):
        felt = {}
        for save_id in "ABC":
            await client.ask(type="save_created", playthrough="default", save_id=save_id)
            await beside.meet("a")
            felt[save_id] = (await data(beside, "npc_state", npc_id="a"))["state"]["affinity"]
            await beside.ask(type="game_event", kind="aided", npc_ids=["a"])
        assert 0 == felt["A"] < felt["B"] < felt["C"]
        for save_id in "BACBCA":
            await data(client, "save_loaded", playthrough="default", save_id=save_id)
            state = (await data(beside, "npc_state", npc_id="a"))["state"]
            assert state["affinity"] == pytest.approx(felt[save_id])


@pytest.mark.parametrize(
    ("save", "counts"),
    [({"game_time": 15.0}, "2 talks of before its date"), ({"game_time": 5.0}, "no talk of"), ({}, "one talk")],
)
async def test_of_a_save_that_nobody_knows_it_is_told_what_counts(
    save: dict[str, Any], counts: str, tmp_path: Path
) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        for day in (10.0, 20.0, 30.0):  # the first talk has no date: none was told by then
            await turn(client, "a", "Hail.")
            await client.ask(type="save_created", playthrough="default", save_id=f"{day}", game_time=day)
        await data(client, "save_loaded", playthrough="default", save_id="10.0", game_time=10.0)
        await data(client, "save_loaded", playthrough="default", save_id="unknown", **save)
        (notice,) = client.messages("notice", code="save_unknown")
        assert counts in notice["message"]


async def test_loads_at_the_same_time_end_with_the_last_for_everybody(tmp_path: Path) -> None:
    async with (
        daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client),
        raw_client(daemon.url) as beside,
    ):
        for each in (client, beside):
            await each.meet("a")
        for save_id in "AB":
            await turn(client, "a", f"Before {save_id}.")
            await client.ask(type="save_created", playthrough="default", save_id=save_id)
        for number in range(10):
            asked = zip((client, beside), "AB" if number % 2 else "BA", strict=True)
            await asyncio.gather(
                *(data(each, "save_loaded", playthrough="default", save_id=save_id) for each, save_id in asked)
            )
            there = (await lines(client, "a"))[::-1]
            for each in (client, beside):
                latest = (await data(each, "npc_state", npc_id="a"))["latest"]
                assert [exchange["player_text"] for exchange in latest] == there


async def test_what_was_felt_while_an_undone_turn_ran_is_undone_too(tmp_path: Path) -> None:
    """It must not be kept when the turn has ended: by then the save is the present."""
    llm = ScriptedLLM(["Hm. ", "So it is."], gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("a")
        llm.release(2)
        await turn(client, "a", "Hail.")
        await client.ask(type="save_created", playthrough="default", save_id="A")
        before = (await data(client, "npc_state", npc_id="a"))["state"]
        await client.say("a", "Hm?")
        await client.until("decision")
        await client.ask(type="game_event", kind="aided", npc_ids=["a"])
        await data(client, "save_loaded", playthrough="default", save_id="A")
        await client.settle()
        await client.ask(type="npc_gone", npc_ids=["a"])
        assert (await data(client, "npc_state", npc_id="a"))["state"] == like(before)


# --- Backups


async def test_backups_are_listed_and_those_of_an_npc(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        for npc in ("a", "b"):
            await client.meet(npc)
            await turn(client, npc, "Hail.")
            await daemon.bridge.store.back_up("manual")
        every = (await data(client, "memory_backups"))["backups"]
        of_b = (await data(client, "memory_backups", npc_id="b"))["backups"]
    assert sorted(each["turns"] for each in every) == [1, 2]
    assert [(each["turns"], each["npc_turns"]) for each in of_b] == [(2, 1)]


async def test_a_backup_brought_back_is_what_the_npcs_of_every_game_remember(tmp_path: Path) -> None:
    async with (
        daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client),
        raw_client(daemon.url, playthrough="other") as other,
    ):
        for each in (client, other):
            await each.meet("a")
        await turn(client, "a", "Hail.")
        backup = await daemon.bridge.store.back_up("manual")
        for each in (client, other):
            await turn(each, "a", INSULT)
        await data(client, "memory_restore", backup_id=backup.name)
        assert await lines(client, "a") == ["Hail."]
        assert (await data(client, "npc_state", npc_id="a"))["state"]["affinity"] >= 0
        assert (await data(other, "npc_state", npc_id="a"))["latest"] == []


async def test_a_damaged_backup_is_refused_and_what_is_there_stays(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        await client.meet("a")
        await turn(client, "a", INSULT)
        backup = await daemon.bridge.store.back_up("manual")
        backup.path.write_bytes(b"nonsense")
        refused = await client.ask(type="memory_restore", backup_id=backup.name)
        assert (refused["type"], refused["code"]) == ("error", "unavailable")
        assert len((await data(client, "npc_state", npc_id="a"))["latest"]) == 1
        await turn(client, "a", "Hail.")
        assert await lines(client, "a") == ["Hail.", INSULT]


async def test_a_change_goes_on_to_its_end_without_its_asker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (daemon, client):
        store, began, go_on = daemon.bridge.store, asyncio.Event(), asyncio.Event()
        reset = store.reset

        async def slow(*told: str) -> Any:
            began.set()
            await go_on.wait()
            return await reset(*told)

        monkeypatch.setattr(store, "reset", slow)
        await client.meet("a")
        await turn(client, "a", INSULT)
        async with raw_client(daemon.url) as asker:
            await asker.send(type="memory_reset", npc_id="a")
            await asyncio.wait_for(began.wait(), PATIENCE_S)
        await daemon.bridge.games[-1].end()
        go_on.set()
        assert (await data(client, "npc_state", npc_id="a"))["latest"] == []
