"""Histories that are summed up while nobody talks: by a real daemon, with a model that says what it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from raw_client import PATIENCE_S, RawClient, daemon_and_client, raw_client
from scripted_server import DONE, FINISH, Call, ScriptedServer, delta

from rfsn_bridge.domain import LLMRequest, TextDelta, Usage
from rfsn_bridge.errors import LLMError
from rfsn_bridge.memory.summaries import BLOCK, FANOUT
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

RECENT = 2
SOON = Settings(config={"memory": {"recent_turns": RECENT}}, summarise_after_s=0.02)
LATER = Settings(config={"memory": {"recent_turns": RECENT}}, summarise_after_s=3600)


class Chronicler(ScriptedLLM):
    """Answers "Aye." in a turn; sums up as it is `told`, in order, the last again and again.

    What was begun and not ended is begun again. `{first}` stands for the first line that it is to sum up. With
    `gated`, it waits before each piece until the gate lets it on.
    """

    def __init__(self, *told: Sequence[str | Exception], gated: bool = False) -> None:
        super().__init__(["Aye."])
        self.told = told or (["They spoke of {first}"],)
        self.gate = asyncio.Event()
        if not gated:
            self.gate.set()
        self.asked = asyncio.Event()
        """Set when a summary is asked for."""
        self.summaries: list[LLMRequest] = []
        self.ended = self.being_written = 0
        self.written_at_turns: list[int] = []
        """How many summaries were being written when each turn asked."""

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        if not request.messages[0].content.startswith("You sum up"):
            self.written_at_turns.append(self.being_written)
            async for part in super().stream(request):
                yield part
            return
        self.summaries.append(request)
        self.asked.set()
        self.being_written += 1
        first = request.messages[-1].content.split('"')[1]
        try:
            for piece in self.told[min(self.ended, len(self.told) - 1)]:
                await self.gate.wait()
                if isinstance(piece, Exception):
                    self.ended += 1
                    raise piece
                yield TextDelta(piece.format(first=first))
            self.ended += 1
        finally:
            self.being_written -= 1


async def talk(client: RawClient, count: int, npc: str = "a", since: int = 0) -> None:
    for number in range(since, since + count):
        turn_id = await client.say(npc, f"Line {number}.")
        await client.until("turn_recorded", turn_id=turn_id)


async def stats(client: RawClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.ask(type="memory_stats"))["data"]
    return found


async def until(client: RawClient, **figures: int) -> dict[str, Any]:
    """Ask until the figures are these."""
    async with asyncio.timeout(PATIENCE_S):
        while not figures.items() <= (found := await stats(client)).items():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def summaries(client: RawClient, npc: str = "a") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.ask(type="memory_get", npc_id=npc))["data"]["summaries"]
    return found


async def test_a_long_history_is_summed_up_and_told_in_place_of_its_turns(tmp_path: Path) -> None:
    llm = Chronicler()
    async with daemon_and_client(llm, tmp_path, SOON) as (_, client):
        await client.meet("a", name="Lydia")
        await talk(client, 4 * BLOCK + RECENT)
        await until(client, summaries=4)
        told = await summaries(client)
        await talk(client, 1, since=900)
        turns = (await client.ask(type="memory_get", npc_id="a", limit=100))["data"]["turns"][::-1]
        assert not client.messages("notice")
    system, *rest = [message.content for message in llm.requests[-1].messages]
    assert [each["text"] for each in told] == [f"They spoke of Line {n * BLOCK}." for n in range(4)]
    assert [turn_id for each in told for turn_id in each["turn_ids"]] == [t["turn_id"] for t in turns[: 4 * BLOCK]]
    positions = [system.index(f'"{each["text"]}"') for each in told]
    assert positions == sorted(positions)
    assert "\n".join(rest).count("Line") == RECENT + 1
    asked = llm.summaries[0].messages[-1].content
    assert 'Player: "Line 0."\nLydia: "Aye."\nPlayer: "Line 1."' in asked
    assert f"Line {BLOCK}." not in asked


async def test_summaries_become_one_in_their_turn(tmp_path: Path) -> None:
    async with daemon_and_client(Chronicler(), tmp_path, SOON) as (_, client):
        await client.meet("a")
        await talk(client, FANOUT * BLOCK + RECENT)
        await until(client, summaries=FANOUT + 1)
        (told,) = await summaries(client)
    assert len(told["turn_ids"]) == FANOUT * BLOCK


async def test_what_others_heard_is_summed_up_for_them_too(tmp_path: Path) -> None:
    async with daemon_and_client(Chronicler(), tmp_path, SOON) as (_, client):
        await client.meet("a")
        await client.meet("b")
        for number in range(BLOCK):
            turn_id = await client.say("a", f"Line {number}.", hearers=["b"])
            await client.until("turn_recorded", turn_id=turn_id)
        await until(client, summaries=1)
        assert len(await summaries(client, "b")) == 1


async def test_a_turn_does_not_wait_for_a_summary_which_is_given_up_and_made_later(tmp_path: Path) -> None:
    llm = Chronicler(gated=True)
    async with daemon_and_client(llm, tmp_path, SOON) as (_, client):
        await client.meet("a")
        await talk(client, BLOCK + RECENT)
        await asyncio.wait_for(llm.asked.wait(), PATIENCE_S)
        await talk(client, 1)
        assert llm.written_at_turns[-1] == 0  # it was closed before the turn asked
        llm.gate.set()
        found = await until(client, summaries=1)
    assert (found["summaries_refused"], found["summaries_failed"]) == (0, 0)


async def test_the_server_of_a_model_sees_the_request_for_a_summary_closed(tmp_path: Path) -> None:
    gone, asked = asyncio.Event(), asyncio.Event()

    async def chat(call: Call) -> None:
        await call.head()
        if call.json["messages"][0]["content"].startswith("You sum up"):
            await call.send(delta("They spoke"))
            asked.set()
            await call.client_gone()
            gone.set()
        else:
            for piece in (delta("Aye."), FINISH, DONE):
                await call.send(piece)
            await call.end()

    async with ScriptedServer() as server:
        server.on("/v1/chat/completions", chat)
        options = {"openai": {"base_url": f"{server.url}/v1", "model": "m"}}
        config = {**SOON.config, "llm": {"backend": "openai", "options": options}}
        settings = Settings(config=config, summarise_after_s=0.02)
        async with running_daemon(ScriptedLLM(), tmp_path, settings) as daemon, raw_client(daemon.url) as client:
            await client.meet("a")
            await talk(client, BLOCK + RECENT)
            await asyncio.wait_for(asked.wait(), PATIENCE_S)
            await talk(client, 1)
            await asyncio.wait_for(gone.wait(), PATIENCE_S)


async def test_an_old_save_is_not_told_of_what_came_after_it(tmp_path: Path) -> None:
    async with daemon_and_client(Chronicler(), tmp_path, SOON) as (_, client):
        await client.meet("a")
        await talk(client, 3)
        await client.ask(type="save_created", playthrough="default", save_id="early")
        await talk(client, BLOCK + RECENT)
        await until(client, summaries=1)
        await client.ask(type="save_created", playthrough="default", save_id="late")
        await client.ask(type="save_loaded", playthrough="default", save_id="early")
        assert await summaries(client) == []
        await client.ask(type="save_loaded", playthrough="default", save_id="late")
        assert len(await summaries(client)) == 1
        await client.ask(type="memory_reset", npc_id="a")
        assert await summaries(client) == []
        assert (await stats(client))["summaries"] == 0


async def test_what_is_made_up_is_refused_and_its_place_left_after_three_tries(tmp_path: Path) -> None:
    made_up = ["They spoke of Ulfric and Galmar."]
    llm = Chronicler(made_up, ["..."], made_up, ["They spoke of lines."])
    async with daemon_and_client(llm, tmp_path, SOON) as (_, client):
        await client.meet("a")
        await talk(client, 2 * BLOCK + RECENT)
        found = await until(client, summaries=1)
        (told,) = await summaries(client)
        turns = (await client.ask(type="memory_get", npc_id="a", limit=100))["data"]["turns"][::-1]
    assert found["summaries_refused"] == 3 == llm.ended - 1
    assert told["turn_ids"] == [turn["turn_id"] for turn in turns[BLOCK : 2 * BLOCK]]


@pytest.mark.parametrize("error", [LLMError("He said: Line 1.", ""), RuntimeError("He said: Line 1.")])
async def test_a_model_that_fails_is_asked_again_and_nobody_is_bothered(
    error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    llm = Chronicler([error], ["They ", error], ["They spoke of lines."])
    async with daemon_and_client(llm, tmp_path, SOON) as (_, client):
        await client.meet("a")
        await talk(client, BLOCK + RECENT)
        found = await until(client, summaries=1)
        assert not client.messages("notice")
    assert found["summaries_failed"] == 2
    warned = [record.getMessage() for record in caplog.records if "no summary" in record.getMessage()]
    assert len(warned) == 2 and "Line" not in caplog.text


@pytest.mark.parametrize(
    ("memory", "llm", "wanted"),
    [("never", "full", False), ("auto", "short", False), ("auto", "full", True), ("always", "short", True)],
)
async def test_config_says_whether_histories_are_summed_up(
    memory: str, llm: str, wanted: bool, tmp_path: Path
) -> None:
    config = {"memory": {"recent_turns": RECENT, "summaries": memory}, "llm": {"prompt": llm}}
    chronicler = Chronicler()
    settings = Settings(config=config, summarise_after_s=0.02)
    async with daemon_and_client(chronicler, tmp_path, settings) as (daemon, client):
        await client.meet("a")
        await talk(client, BLOCK + RECENT)
        if wanted:
            await until(client, summaries=1)
        assert (daemon.bridge.summariser._working is not None) == wanted
    assert bool(chronicler.summaries) == wanted


async def test_stopping_closes_a_summary_that_is_being_written(tmp_path: Path) -> None:
    llm = Chronicler(gated=True)
    async with daemon_and_client(llm, tmp_path, SOON) as (daemon, client):
        await client.meet("a")
        await talk(client, BLOCK + RECENT)
        await asyncio.wait_for(llm.asked.wait(), PATIENCE_S)
        await daemon.bridge.aclose()
        assert (llm.being_written, llm.ended) == (0, 0)


async def test_summaries_that_cannot_be_read_cost_no_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon_and_client(Chronicler(), tmp_path, LATER) as (daemon, client):
        await client.meet("a")
        await talk(client, 1)
        async with asyncio.timeout(PATIENCE_S):
            await daemon.bridge.store._database.write(lambda c: c.execute("DROP TABLE summaries").close())
        await talk(client, 1, since=1)
    assert [m["status"] for m in client.messages("turn_finished")] == ["completed"] * 2
