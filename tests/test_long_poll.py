"""A game without WebSocket: the same session over plain HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from raw_client import PATIENCE_S, raw_client

from rfsn_bridge import http_server, long_poll
from rfsn_bridge.protocol.messages import Limits
from rfsn_bridge.testing import RunningDaemon, ScriptedLLM, Settings, running_daemon

IDENTIFY: dict[str, Any] = {"type": "identify", "protocol": "1", "client": {"name": "test"}}


class Poller:
    """A client as a game would be: posts, polls, remembers the last number."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.session = ""
        self.last_n = 0
        self.seen: list[dict[str, Any]] = []

    async def identify(self, **fields: Any) -> dict[str, Any]:
        identified: dict[str, Any] = (await self.http.post("/session", json={**IDENTIFY, **fields})).json()
        self.session = identified["session_id"]
        return identified

    async def send(self, *messages: dict[str, Any]) -> httpx.Response:
        return await self.http.post("/send", json={"session_id": self.session, "messages": messages})

    async def poll(self) -> list[dict[str, Any]]:
        answer = await self.http.get("/poll", params={"session": self.session, "after": self.last_n})
        assert answer.status_code == 200, answer.text
        messages: list[dict[str, Any]] = answer.json()["messages"]
        self.last_n = messages[-1]["n"] if messages else self.last_n
        self.seen += messages
        return messages

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in await self.poll():
                    if message["type"] == kind:
                        return message


@asynccontextmanager
async def polling(
    tmp_path: Path, *pieces: str, settings: Settings | None = None
) -> AsyncIterator[tuple[RunningDaemon, Poller]]:
    llm = ScriptedLLM(pieces or ("Well met. ", "What now?"))
    async with (
        running_daemon(llm, tmp_path, settings) as daemon,
        httpx.AsyncClient(base_url=daemon.http_url, timeout=PATIENCE_S) as http,
    ):
        yield daemon, Poller(http)


async def _set(event: asyncio.Event) -> None:
    event.set()


MEET = {"type": "npc_update", "npc_id": "lydia", "name": "Lydia"}
SAY = {"type": "player_line", "id": "a1", "npc_id": "lydia", "text": "Hello!"}


async def test_a_turn_comes_over_polls_as_over_a_socket(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        identified = await client.identify()
        assert (identified["type"], identified["resumed"], identified["audio"]) == ("identified", False, "none")
        assert (await client.send(MEET, SAY)).json() == {"accepted": 2}
        await client.until("turn_recorded")
    assert [m["n"] for m in client.seen] == list(range(1, len(client.seen) + 1))
    kinds = [m["type"] for m in client.seen]
    assert kinds[:2] == ["turn_started", "decision"]
    assert [m["text"] for m in client.seen if m["type"] == "sentence"] == ["Well met.", "What now?"]


async def test_a_poll_is_answered_as_soon_as_there_is_something(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        waiting = asyncio.create_task(client.poll())
        await client.send({"type": "ping", "id": "p", "t": 1})
        assert [m["type"] for m in await waiting] == ["pong"]


async def test_a_poll_that_got_lost_is_answered_again(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        await client.send({"type": "ping", "id": "p", "t": 1})
        first = await client.poll()
        client.last_n = 0
        assert await client.poll() == first


async def test_what_is_sent_twice_with_an_id_is_done_once(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        await client.send(MEET, SAY)
        await client.send(SAY)
        await client.until("turn_recorded")
        await client.send({"type": "ping", "id": "end"})
        await client.until("pong")
    assert len({m["turn_id"] for m in client.seen if m["type"] == "turn_started"}) == 1


async def test_an_empty_poll_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_poll, "WAIT_S", 0.05)
    async with polling(tmp_path) as (_, client):
        await client.identify()
        assert await client.poll() == []


async def test_a_newer_poll_takes_the_place_of_an_older(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        polls = {asyncio.create_task(client.poll()) for _ in range(2)}
        done, pending = await asyncio.wait(polls, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [[]]
        await client.send({"type": "ping", "id": "p"})
        assert [len(await task) for task in pending] == [1]


async def test_a_session_can_be_taken_up_again(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        await client.send(MEET, SAY)
        await client.until("turn_recorded")
        seen, session = len(client.seen), client.session
        again = await client.identify(resume={"session_id": session, "last_n": 1})
        assert (again["resumed"], again["session_id"]) == (True, session)
        client.last_n = 1
        await client.poll()
    assert client.seen[seen]["n"] == 2


async def test_a_session_moves_from_polls_to_a_socket(tmp_path: Path) -> None:
    async with polling(tmp_path) as (daemon, client):
        await client.identify()
        await client.send(MEET)
        resume = {"session_id": client.session, "last_n": 0}
        async with raw_client(daemon.url, resume=resume) as raw:
            assert raw.messages("identified")[0]["resumed"]
            await raw.say("lydia", "Hello!")
            await raw.until("turn_recorded")
            gone = await client.http.get("/poll", params={"session": client.session, "after": 0})
            assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_who_polls_no_more_is_given_up_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_poll, "_AWAY_S", 0.02)
    settings = Settings(limits=Limits(resume_grace_s=0.05))
    async with polling(tmp_path, settings=settings) as (daemon, client):
        await client.identify()
        (game,) = daemon.bridge.games
        ended = asyncio.Event()
        monkeypatch.setattr(game, "end", lambda: _set(ended))
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        assert (await client.send(MEET)).status_code == 404


async def test_who_sends_once_more_and_never_polls_again_is_given_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_poll, "_AWAY_S", 0.05)
    settings = Settings(limits=Limits(resume_grace_s=0.05))
    async with polling(tmp_path, settings=settings) as (daemon, client):
        await client.identify()
        await client.send({"type": "ping", "id": "p"})
        assert await client.poll()
        (game,) = daemon.bridge.games
        ended = asyncio.Event()
        monkeypatch.setattr(game, "end", lambda: _set(ended))
        await client.send(MEET)
        await asyncio.wait_for(ended.wait(), PATIENCE_S)


async def test_who_polls_is_not_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_poll, "_AWAY_S", 0.02)
    monkeypatch.setattr(long_poll, "WAIT_S", 0.3)
    settings = Settings(limits=Limits(resume_grace_s=0.05))
    async with polling(tmp_path, settings=settings) as (daemon, client):
        await client.identify()
        assert await client.poll() == []
        assert daemon.bridge.games


async def test_frames_have_no_way_through_polls(tmp_path: Path) -> None:
    async with polling(tmp_path, settings=Settings(voice=True)) as (_, client):
        assert (await client.identify(capabilities={"audio": "binary"}))["audio"] == "none"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/session", b"{", 400, "bad_json"),
        ("/session", b"\xff", 400, "bad_json"),
        ("/session", b'{"type": "ping"}', 400, "not_identified"),
        ("/session", b'{"type": "identify", "protocol": "9", "client": {"name": "x"}}', 400, "invalid_value"),
        ("/session", b" " * 70_000, 413, "too_large"),
        ("/send", b"[" * 5000, 400, "bad_json"),
        ("/send", b"[]", 404, "not_found"),
        ("/send", b'{"session_id": "x", "messages": []}', 404, "not_found"),
        ("/send", b"x" * 300_000, 413, "too_large"),
    ],
)
async def test_wrong_requests_are_answered_in_words(
    path: str, body: bytes, status: int, code: str, tmp_path: Path
) -> None:
    async with polling(tmp_path) as (_, client):
        answer = await client.http.post(path, content=body)
        assert (answer.status_code, answer.json()["type"], answer.json()["code"]) == (status, "error", code)


@pytest.mark.parametrize("messages", [None, {}, [{}] * 65])
async def test_messages_come_in_a_list(messages: Any, tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        answer = await client.http.post("/send", json={"session_id": client.session, "messages": messages})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_message")


async def test_a_wrong_message_is_answered_by_poll_and_the_others_are_done(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        await client.send(MEET, {"type": "dance"}, 5, {"type": "ping", "id": "p"})  # type: ignore[arg-type]
        await client.until("pong")
    assert [m.get("code") for m in client.seen] == ["unknown_type", "bad_message", None]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 20, "7"])
async def test_a_number_that_was_never_sent_is_refused(after: str, tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        answer = await client.http.get("/poll", params={"session": client.session, "after": after})
        assert answer.status_code in (400, 404)


@pytest.mark.parametrize("path", ["/session", "/send", "/poll", "/", "/nothing"])
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
async def test_strangers_are_refused_on_every_route(path: str, headers: dict[str, str], tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        for method in ("GET", "POST"):
            assert (await client.http.request(method, path, headers=headers)).status_code == 403


async def test_a_connection_that_asks_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_HEADERS_S", 0.05)
    async with polling(tmp_path) as (daemon, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(daemon.http_url.rsplit(":", 1)[1]))
        writer.write(b"GET /poll HTTP/1.1\r\nHost: 127")
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()


async def test_the_daemon_stops_although_a_poll_waits(tmp_path: Path) -> None:
    async with polling(tmp_path) as (_, client):
        await client.identify()
        waiting = asyncio.create_task(client.poll())
        await client.send({"type": "ping", "id": "p"})
        await waiting
        waiting = asyncio.create_task(client.poll())
        await asyncio.sleep(0.05)
    await asyncio.wait_for(asyncio.wait([waiting]), PATIENCE_S)


async def test_health_says_where_http_is(tmp_path: Path) -> None:
    async with polling(tmp_path) as (daemon, client):
        health = (await client.http.get(daemon.url.replace("ws:", "http:").replace("/ws", "/health"))).json()
        assert daemon.http_url.endswith(f":{health['http_port']}")


def test_a_taken_port_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(http_server.PortTaken, match="in use"):
        http_server._bind("127.0.0.1", taken.getsockname()[1])
