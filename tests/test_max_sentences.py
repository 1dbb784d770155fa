"""`llm.max_sentences`: a reply ends after so many sentences, and the model is told so at once."""

import asyncio
from pathlib import Path

import pytest

from rfsn_bridge.client import connect
from rfsn_bridge.protocol.messages import Notice, NpcUpdate, Numbered, SentenceSaid, TurnFinished
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

REPLY = ["Well met. ", "Speak ", "freely. And ", "be quick. ", "My time ", "is short."]


async def reply(llm: ScriptedLLM, data: Path, config: dict[str, dict[str, int]]) -> tuple[list[str], str, str]:
    """The sentences, the text and the status of one turn."""
    async with (
        asyncio.timeout(15),
        running_daemon(llm, data, Settings(config=config)) as daemon,
        connect(daemon.url, name="test", audio="none") as client,
    ):
        await client.request(NpcUpdate(npc_id="jarl", name="Jarl"))
        async with await client.say("jarl", "Hail.") as turn:
            parts = [part async for part in turn]
    finished = parts[-1]
    assert isinstance(finished, TurnFinished)
    return [part.text for part in parts if isinstance(part, SentenceSaid)], finished.text, finished.status


@pytest.mark.parametrize(("limit", "said"), [(1, 1), (2, 2), (0, 4), (9, 4)])
async def test_a_reply_has_at_most_so_many_sentences(tmp_path: Path, limit: int, said: int) -> None:
    sentences, text, status = await reply(ScriptedLLM(REPLY), tmp_path, {"llm": {"max_sentences": limit}})
    assert sentences == ["Well met.", "Speak freely.", "And be quick.", "My time is short."][:said]
    assert (text, status) == (" ".join(sentences), "completed")


async def test_the_stream_is_closed_when_enough_is_said(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    await reply(llm, tmp_path, {"llm": {"max_sentences": 2}})
    assert llm.closed.is_set() and llm.open_streams == 0


async def test_a_piece_with_several_sentences_is_cut_too(tmp_path: Path) -> None:
    sentences, text, _ = await reply(
        ScriptedLLM(["One. Two. Three. Four. "]), tmp_path, {"llm": {"max_sentences": 2}}
    )
    assert (sentences, text) == (["One.", "Two."], "One. Two.")


async def test_what_the_model_says_for_the_player_is_not_shown(tmp_path: Path) -> None:
    llm = ScriptedLLM(["I am the Jarl.\n", "Player: And then?\n", "Jarl: ", "Then you go."])
    sentences, _, status = await reply(llm, tmp_path, {})
    assert (sentences, status) == (["I am the Jarl."], "completed")


async def test_a_model_that_says_nothing_is_told_of(tmp_path: Path) -> None:
    notices: list[str] = []

    def note(message: Numbered) -> None:
        if isinstance(message, Notice):
            notices.append(message.code)

    async with (
        asyncio.timeout(15),
        running_daemon(ScriptedLLM(["<think>for ever"]), tmp_path) as daemon,
        connect(daemon.url, name="test", audio="none", on_message=note) as client,
    ):
        await client.request(NpcUpdate(npc_id="jarl", name="Jarl"))
        async with await client.say("jarl", "Hail.") as turn:
            async for _ in turn:
                pass
    assert notices == ["empty_reply"]
