"""The reference client, with a daemon and with servers that are none."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets
from raw_client import PATIENCE_S

from rfsn_bridge.client import Client, Disconnected, connect
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    AudioEnd,
    NpcUpdate,
    Ping,
    Pong,
    Resume,
    SentenceSaid,
    Tune,
    TurnFinished,
)
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

HELLO = {"type": "hello", "protocol": "1.0", "server": "other/9", "auth": "none"}
IDENTIFIED = {
    "type": "identified",
    "session_id": "s",
    "resumed": False,
    "limits": {},
    "config_revision": 1,
    "plugins": {},
    "audio": "none",
}


@asynccontextmanager
async def server(*frames: object, then_close: bool = False) -> AsyncIterator[str]:
    """A server that says these things, whatever it is told; a ping it answers."""

    async def converse(socket: websockets.ServerConnection) -> None:
        for frame in frames:
            await socket.send(frame if isinstance(frame, bytes) else json.dumps(frame))
        if then_close:
            return
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "ping":
                await socket.send(json.dumps({"type": "pong", "n": 9, "re": message["id"], "t": message["t"]}))

    async with websockets.serve(converse, "127.0.0.1", 0) as listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/ws"


async def met(client: Client) -> Client:
    await client.request(NpcUpdate(npc_id="a", name="A"))
    return client


async def test_a_turn_comes_in_order_with_its_sound(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Hail. ", "Well met."])
    async with (
        running_daemon(llm, tmp_path, Settings(voice=True)) as daemon,
        connect(daemon.url, name="test") as client,
        await (await met(client)).say("a", "Hail.") as turn,
    ):
        parts = [part async for part in turn]
        for seq in (0, 1):
            await turn.report(seq, "ended")
        recorded = await asyncio.wait_for(turn.recorded, PATIENCE_S)
    assert [part.text for part in parts if isinstance(part, SentenceSaid)] == ["Hail.", "Well met."]
    assert isinstance(parts[-1], TurnFinished) and recorded.heard_text == "Hail. Well met."
    frames = sum(isinstance(part, AudioFrame) for part in parts)
    assert frames == sum(part.chunks for part in parts if isinstance(part, AudioEnd)) > 0


async def test_an_error_is_raised_where_the_request_was_made(tmp_path: Path) -> None:
    async with (
        running_daemon(ScriptedLLM(["Hail."]), tmp_path) as daemon,
        connect(daemon.url, name="test") as client,
    ):
        with pytest.raises(ProtocolError) as refused:
            await client.say("nobody", "Hail.")
        assert refused.value.code == "unknown_npc"
        with pytest.raises(ProtocolError):
            await client.request(Tune(persist=True))


async def test_a_message_of_an_unknown_type_is_passed_over() -> None:
    async with (
        server(HELLO, IDENTIFIED, {"type": "weather_report", "n": 1, "sky": "blue"}) as url,
        connect(url, name="test") as client,
    ):
        answer = await asyncio.wait_for(client.request(Ping(t=1)), PATIENCE_S)
        assert isinstance(answer, Pong) and answer.t == 1


@pytest.mark.parametrize("first", [{"type": "pong", "n": 1}, {"type": "dance"}, b"RFA1", "text", {}])
async def test_a_server_that_is_no_daemon_is_named(first: object) -> None:
    async with server(first, IDENTIFIED) as url:
        with pytest.raises(Disconnected):
            async with connect(url, name="test"):
                pass


async def test_a_refusal_to_identify_is_raised() -> None:
    async with server(HELLO, {"type": "error", "code": "unauthorised", "message": "wrong token"}) as url:
        with pytest.raises(ProtocolError, match="wrong token"):
            async with connect(url, name="test"):
                pass


async def test_a_lost_daemon_ends_what_waits_for_it(tmp_path: Path) -> None:
    async with (
        running_daemon(ScriptedLLM(["Hail."], gated=True), tmp_path) as daemon,
        connect(daemon.url, name="test") as client,
    ):
        turn = await (await met(client)).say("a", "Hail.")
        (game,) = daemon.bridge.games
        assert game.connection
        game.connection.close(1001, "going")
        with pytest.raises(Disconnected):
            async with asyncio.timeout(PATIENCE_S):
                async for _ in turn:
                    pass
        assert turn.recorded.cancelled()
        with pytest.raises(Disconnected):
            await client.request(Ping(t=1))


async def test_what_to_resume_with_is_known_after_a_resume_too(tmp_path: Path) -> None:
    async with running_daemon(ScriptedLLM(["Hail."]), tmp_path) as daemon:
        async with connect(daemon.url, name="test") as client:
            await met(client)
            resume = Resume(session_id=client.identified.session_id, last_n=client.last_n)
        async with connect(daemon.url, name="test", resume=resume) as client:
            assert client.identified.resumed and client.last_n == resume.last_n > 0


async def test_a_resumed_session_takes_no_new_request_for_an_old_one(tmp_path: Path) -> None:
    async with running_daemon(ScriptedLLM(["Aye."]), tmp_path) as daemon:
        async with connect(daemon.url, name="test", audio="none") as first:
            await first.request(NpcUpdate(npc_id="a", name="Lydia"))
            resume = Resume(session_id=first.identified.session_id, last_n=first.last_n)
        async with connect(daemon.url, name="test", audio="none", resume=resume) as second:
            assert second.identified.resumed
            assert isinstance(await second.request(Ping(t=7)), Pong)
