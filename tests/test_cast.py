"""What a turn is told of the turns before it."""

from pathlib import Path

from rfsn_bridge.client import connect
from rfsn_bridge.protocol.messages import NpcUpdate
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
