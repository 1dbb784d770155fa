"""What a turn is told of the turns before it."""

import asyncio
from pathlib import Path

import pytest
from stored import fill_the_disk

from rfsn_bridge.client import connect
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.protocol.messages import NpcUpdate, TurnFinished
from rfsn_bridge.testing import ScriptedLLM, running_daemon


async def test_a_line_stands_in_its_own_prompt_once_and_earlier_turns_before_it(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Well met."], ["By the gate."])
    async with running_daemon(llm, tmp_path) as daemon, connect(daemon.url, name="test", audio="none") as client:
        await client.request(NpcUpdate(npc_id="a", name="Balgruuf"))
        for line in ("Good day to you.", "Where is the smith?"):
            async with await client.say("a", line) as turn:
                async for _ in turn:
                    pass
                await turn.recorded
    first, second = (" | ".join(message.content for message in request.messages) for request in llm.requests)
    assert first.count("Good day to you.") == 1
    assert second.count("Good day to you.") == 1 and second.count("Where is the smith?") == 1
    assert second.index("Good day to you.") < second.index("Well met.") < second.index("Where is the smith?")


async def test_a_turn_that_cannot_be_stored_is_told_of_and_awaited_by_nobody_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch)
    llm = ScriptedLLM(["Aye."])
    async with running_daemon(llm, tmp_path) as daemon, connect(daemon.url, name="test", audio="none") as client:
        await client.request(NpcUpdate(npc_id="a", name="Balgruuf"))
        async with await client.say("a", "Hail.") as turn:
            parts = [part async for part in turn]
            with pytest.raises(BridgeError, match="memory"):
                await asyncio.wait_for(turn.recorded, 15)
    assert isinstance(parts[-1], TurnFinished) and parts[-1].status == "completed"
