"""The door: who is let in, what is refused and how, what becomes of a lost connection."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from raw_client import PATIENCE_S, RawClient, daemon_and_client, raw_client
from stored import latest

from rfsn_bridge import __version__, server
from rfsn_bridge.domain import TurnStatus
from rfsn_bridge.errors import PortTaken
from rfsn_bridge.loopback import is_local
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Limits
from rfsn_bridge.server import listen
from rfsn_bridge.testing import RunningDaemon, ScriptedLLM, Settings, running_daemon

VOICE = Settings(voice=True, config={"tts": {"options": {"tone": {"ms_per_character": 10, "chunk_ms": 50}}}})
ROUTES = [
    "/",
    "/ws",
    "/ws?x=1",
    "/health",
    "/game",
    "/game/game.js",
    "/chat",
    "/metrics",
    "/nothing",
    "//[",
    "/%00",
    "/" + "a" * 2000,
]


def quiet() -> ScriptedLLM:
    return ScriptedLLM(["Hail."])


def address(daemon: RunningDaemon, path: str = "") -> str:
    return f"http://127.0.0.1:{daemon.listening.port}{path}"


async def status_of(daemon: RunningDaemon, path: str, *headers: str) -> int:
    """The status of a GET with these very header lines, and no others."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.listening.port)
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode())
    answer = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    writer.close()
    return int(answer.split()[1])


# --- Who may come in


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
BAD_HOSTS = [
    "evil.example",
    "localhost.evil",
    "evil.localhost",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "evil.example:8765",
    "[",
    "[::1",
    "]",
    "",
    "0x7f000001",
    "localhost.",
]


@pytest.mark.parametrize("path", ROUTES)
async def test_a_foreign_name_or_page_gets_nothing_on_any_route(path: str, tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon:
        for host in BAD_HOSTS:
            assert await status_of(daemon, path, f"Host: {host}", *UPGRADE) == 403, host
        good = f"Host: 127.0.0.1:{daemon.listening.port}"
        for origin in (
            "http://evil.example",
            "null",
            "file://",
            "",
            "http://localhost.evil",
            "http://127.0.0.1:1",
        ):
            assert await status_of(daemon, path, good, f"Origin: {origin}", *UPGRADE) == 403, origin
        assert await status_of(daemon, path) == 403
        assert await status_of(daemon, path, good, "Host: evil.example", *UPGRADE) in (400, 403)


@pytest.mark.parametrize(
    ("path", "status"), [("/", 404), ("/ws/", 404), ("/health/", 404), ("/%2e%2e/", 404), ("/health", 200)]
)
async def test_only_what_there_is_is_found(path: str, status: int, tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon, httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(address(daemon, path))).status_code == status
        own = {"Origin": address(daemon)}
        assert (await http.get(address(daemon, path), headers=own)).status_code == status


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1:8765", True), ("localhost", True), ("[::1]:8765", True), ("192.168.1.5", True), ("pc", False)],
)
def test_an_address_cannot_be_rebound_and_a_name_can(host: str, local: bool) -> None:
    assert is_local([host], [], 8765) is local


async def test_health_is_json_and_says_the_version(tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(address(daemon, "/health"))
    assert answer.headers["content-type"] == "application/json"
    health = answer.json()
    assert (health["status"], health["version"], health["llm"]) == ("ok", __version__, "scripted")


@pytest.mark.parametrize("offered", [None, ["rfsn.v1"], ["other", "rfsn.v1"], ["other"]])
async def test_the_subprotocol_is_optional(offered: list[Any] | None, tmp_path: Path) -> None:
    async with (
        running_daemon(quiet(), tmp_path) as daemon,
        websockets.connect(daemon.url, subprotocols=offered) as connection,
    ):
        assert connection.subprotocol == ("rfsn.v1" if offered and "rfsn.v1" in offered else None)
        assert json.loads(await connection.recv())["type"] == "hello"


async def test_nothing_is_compressed(tmp_path: Path) -> None:
    async with (
        running_daemon(quiet(), tmp_path) as daemon,
        websockets.connect(daemon.url, compression="deflate") as connection,
    ):
        assert connection.protocol.extensions == []


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon:
        with pytest.raises(PortTaken, match=str(daemon.listening.port)) as taken:
            async with listen(daemon.bridge, "127.0.0.1", daemon.listening.port):
                pass
        assert "--port" in taken.value.hint


async def test_a_host_that_is_not_ours_is_named(tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon:
        with pytest.raises(PortTaken, match="no-such-host") as wrong:
            async with listen(daemon.bridge, "no-such-host.invalid", 0):
                pass
        assert "server.host" in wrong.value.hint


# --- The handshake


IDENTIFY = {"type": "identify", "protocol": "1", "client": {"name": "test"}}


@pytest.mark.parametrize(
    ("first", "code", "close"),
    [
        ("not json", "bad_json", 4006),
        (b"\x00\x01", "bad_message", 4006),
        ('{"type": "ping", "id": "x"}', "not_identified", 4006),
        ('{"type": "identify"}', "bad_message", 4006),
        (json.dumps({"type": "店" * 64}), "unknown_type", 4006),
        (json.dumps({**IDENTIFY, "protocol": "2"}), "invalid_value", 4008),
        (json.dumps({**IDENTIFY, "protocol": "店" * 16}), "invalid_value", 4008),
        (json.dumps({**IDENTIFY, "capabilities": {"audio": "loud"}}), "invalid_value", 4006),
    ],
)
async def test_anything_but_identify_first_ends_with_a_reason(
    first: str | bytes, code: str, close: int, tmp_path: Path
) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon, websockets.connect(daemon.url) as connection:
        client = RawClient(connection)
        await connection.send(first)
        assert (await client.until("error"))["code"] == code
        assert (await client.closed())[0] == close


async def test_a_client_that_says_nothing_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_IDENTIFY_S", 0.05)
    async with running_daemon(quiet(), tmp_path) as daemon, websockets.connect(daemon.url) as connection:
        client = RawClient(connection)
        assert (await client.until("error"))["code"] == "not_identified"
        assert (await client.closed())[0] == 4007


async def test_a_minor_version_and_unknown_fields_are_welcome(tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon, websockets.connect(daemon.url) as connection:
        client = RawClient(connection)
        await client.send(**{**IDENTIFY, "protocol": "1.7", "mood": "sunny"})
        identified = await client.until("identified")
        assert identified["limits"] == Limits().model_dump() and identified["resumed"] is False


async def test_many_short_visits_shut_nobody_out(tmp_path: Path) -> None:
    """Sessions wait for their client's return; they make room for others meanwhile."""
    async with running_daemon(quiet(), tmp_path) as daemon:
        for _ in range(40):
            async with raw_client(daemon.url):
                pass
        assert len(daemon.bridge.games) <= 32


async def test_the_thirty_third_game_at_once_is_told_to_wait(tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon, contextlib.AsyncExitStack() as stack:
        for _ in range(32):
            await stack.enter_async_context(raw_client(daemon.url))
        connection = await stack.enter_async_context(websockets.connect(daemon.url))
        client = RawClient(connection)
        await client.send(**IDENTIFY)
        assert (await client.until("error"))["code"] == "busy"
        assert (await client.closed())[0] == 1013


# --- What a connection may send


async def test_a_message_that_is_too_large_ends_the_connection(tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (_, client):
        await client.send(type="ping", t="x" * 70_000)
        assert (await client.closed())[0] == 1009


async def test_a_message_of_the_largest_size_passes(tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (_, client):
        empty = len(json.dumps({"type": "ping", "t": ""}))
        await client.send(type="ping", t="x" * (65536 - empty))
        assert len((await client.until("pong"))["t"]) == 65536 - empty


async def test_bytes_that_are_no_text_end_the_connection(tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (_, client):
        await client.socket.send(b"\xff\xfe\x80", text=True)
        assert (await client.closed())[0] == 1007


async def test_binary_frames_are_refused_and_the_connection_lives(tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (_, client):
        await client.socket.send(b"RFA1")
        assert (await client.until("error"))["code"] == "bad_message"
        assert (await client.ask(type="ping", t=1))["t"] == 1


@pytest.mark.parametrize("t", [5, -1.5, "text", None, "🐉"])
async def test_a_ping_is_answered_with_what_it_brought(t: Any, tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (_, client):
        assert (await client.ask(type="ping", t=t)).get("t") == t


async def test_a_flood_is_told_to_slow_down_and_then_shut_out(tmp_path: Path) -> None:
    async with (
        running_daemon(quiet(), tmp_path) as daemon,
        raw_client(daemon.url) as other,
        raw_client(daemon.url) as flooding,
    ):

        async def flood() -> None:
            with contextlib.suppress(websockets.ConnectionClosed):
                for _ in range(20_000):
                    await flooding.send(type="ping")

        task = asyncio.create_task(flood())
        assert (await flooding.closed())[0] == 1008
        await task
        assert flooding.messages("error")[0]["code"] == "rate_limited"
        assert (await other.ask(type="ping", t=7))["t"] == 7


async def test_a_client_that_does_not_read_is_cut_off_and_the_others_talk_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_WRITE_S", 0.2)
    limits = Limits(messages_per_second=100_000, burst=100_000)
    async with (
        running_daemon(quiet(), tmp_path, Settings(limits=limits)) as daemon,
        raw_client(daemon.url) as deaf,
        raw_client(daemon.url) as other,
    ):
        game = daemon.bridge.games[0]
        deaf.socket.transport.pause_reading()  # type: ignore[attr-defined]
        most = 0
        for _ in range(2000):
            if game.connection is None:
                break
            most = max(most, game.connection._bytes)  # type: ignore[attr-defined]
            with contextlib.suppress(websockets.ConnectionClosed):
                await deaf.send(type="ping", t="x" * 60_000)
            assert (await other.ask(type="ping", t=1))["t"] == 1
        assert game.connection is None
        deaf.lose()
        assert 1024 * 1024 < most < 5 * 1024 * 1024


async def test_a_repeated_id_is_done_once_and_answered_again(tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (_, client):
        await client.meet("a")
        line = {"type": "player_line", "id": "same", "npc_id": "a", "text": "Hail."}
        await client.send(**line)
        first = await client.until("turn_started")
        await client.until("turn_recorded")
        await client.send(**line)
        again = await client.until("turn_started")
        assert {**first, "n": 0} == {**again, "n": 0} and again["n"] > first["n"]
        await client.settle()
        assert len(client.messages("turn_finished")) == 1


async def test_an_id_that_was_refused_as_busy_may_be_sent_again(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(["Hail."], gated=True), tmp_path) as (_, client):
        for i in range(33):
            await client.meet(f"npc {i}")
        for i in range(32):
            await client.say(f"npc {i}")
        line = {"type": "player_line", "id": "same", "npc_id": "npc 32", "text": "Hail."}
        await client.send(**line)
        assert (await client.until("error", re="same"))["code"] == "busy"
        await client.send(type="npc_gone", npc_ids=["npc 0"])
        await client.until("turn_recorded")
        await client.send(**line)
        assert await client.until("turn_started", re="same")
        await client.send(type="interrupt")


# --- Coming back


async def until(happened: Callable[[], object]) -> None:
    """Wait for what no message tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110  # it is the daemon's own state, which nobody announces
            await asyncio.sleep(0.001)


async def lost(client: RawClient, daemon: RunningDaemon) -> dict[str, Any]:
    """Lose the connection; what to resume with, once the daemon has seen it."""
    (game,) = daemon.bridge.games
    last_n = client.last_n
    client.lose()
    await until(lambda: game.connection is None)
    return {"session_id": game.session.session_id, "last_n": last_n}


async def before_the_first_word(client: RawClient) -> None:
    await client.until("decision")


async def with_text_and_no_sound(client: RawClient) -> None:
    await client.until("sentence", seq=0)


async def in_the_middle_of_a_sentences_sound(client: RawClient) -> None:
    await client.until_frame()
    await client.until_frame()


async def between_two_sentences(client: RawClient) -> None:
    await client.until("audio_end", seq=0)


@pytest.mark.parametrize(
    "moment",
    [before_the_first_word, with_text_and_no_sound, in_the_middle_of_a_sentences_sound, between_two_sentences],
)
async def test_a_lost_connection_comes_back_and_misses_nothing(moment: Any, tmp_path: Path) -> None:
    llm = ScriptedLLM(["The first sentence is here. ", "The second one follows. ", "And so does the third."])
    async with running_daemon(llm, tmp_path, VOICE) as daemon:
        async with raw_client(daemon.url, audio="binary", reports=True) as client:
            await client.meet("a")
            await client.say("a")
            await moment(client)
            resume = await lost(client, daemon)
        async with raw_client(daemon.url, audio="binary", reports=True, resume=resume) as back:
            assert back.messages("identified")[0]["resumed"] is True
            await back.until("turn_finished", status="completed")
            for seq in (0, 1, 2):
                await back.send(type="speech_report", turn_id=f"{resume['session_id']}.1", seq=seq, status="ended")
            recorded = await back.until("turn_recorded")
            assert recorded["heard_text"] == "".join(llm.replies[0])  # type: ignore[arg-type]
    seen = [*client.messages("sentence"), *back.messages("sentence")]
    assert [message["seq"] for message in seen] == [0, 1, 2]
    numbers = [message["n"] for message in back.messages() if "n" in message]
    assert numbers == list(range(resume["last_n"] + 1, resume["last_n"] + 1 + len(numbers)))
    for seq in (0, 1, 2):  # nothing was reported heard, so each comes whole over the new connection
        chunks = [frame.chunk for frame in back.frames() if frame.seq == seq]
        end = back.messages("audio_end", seq=seq)[-1]
        assert chunks == list(range(end["chunks"]))
        announced = back.seen.index(back.messages("audio", seq=seq)[0])
        assert announced < back.seen.index(next(frame for frame in back.frames() if frame.seq == seq))


async def test_who_comes_back_too_late_finds_the_turn_cancelled_and_recorded(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Whiterun stands. ", "It ", "does."], gated=True)
    async with running_daemon(llm, tmp_path, Settings(limits=Limits(resume_grace_s=0.05))) as daemon:
        async with raw_client(daemon.url) as client:
            await client.meet("a")
            await client.say("a", "Tell me.")
            llm.release(2)
            await client.until("sentence")
            resume = await lost(client, daemon)
        await asyncio.wait_for(llm.closed.wait(), PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            while (turn := await latest(tmp_path)) is None:  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.02)
        async with raw_client(daemon.url, resume=resume) as back:
            identified = back.messages("identified")[0]
            assert identified["resumed"] is False and identified["session_id"] != resume["session_id"]
            assert (await back.ask(type="player_line", npc_id="a", text="Hm?"))["code"] == "unknown_npc"
    assert (turn.heard_text, turn.status) == ("Whiterun stands.", TurnStatus.INTERRUPTED)


async def test_a_resume_of_an_unknown_session_begins_a_new_one(tmp_path: Path) -> None:
    async with (
        running_daemon(quiet(), tmp_path) as daemon,
        raw_client(daemon.url, resume={"session_id": "nobody", "last_n": 3}) as client,
    ):
        assert client.messages("identified")[0]["resumed"] is False


async def test_a_new_connection_takes_over_from_one_that_hangs(tmp_path: Path) -> None:
    async with running_daemon(quiet(), tmp_path) as daemon, raw_client(daemon.url) as old:
        await old.meet("a")
        resume = {"session_id": old.messages("identified")[0]["session_id"], "last_n": old.last_n}
        async with raw_client(daemon.url, resume=resume) as new:
            assert (await old.closed())[0] == 1000
            await new.say("a")
            await new.until("turn_recorded")
            assert len(daemon.bridge.games) == 1
        assert not old.messages("turn_started")


async def test_speech_that_was_given_up_does_not_come_again(tmp_path: Path) -> None:
    """`audio_dropped` is the last word on a sentence, over a new connection too."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "breaks.py").write_text(
        """
from rfsn_bridge import AudioChunk, hookimpl

@hookimpl
def register_tts_engines(register):
    register("breaks", f"{__name__}:Breaks")

class Breaks:
    def open(self, options): pass
    def voices(self): return ("tone",)
    def synthesize(self, request):
        yield AudioChunk(bytes(4800), 24000)
        yield AudioChunk(bytes(4800), 24000)
        raise RuntimeError("hoarse")
    def cancel(self): pass
    def close(self): pass
"""
    )
    settings = Settings(voice=True, config={"tts": {"engine": "breaks"}}, plugins=tmp_path / "plugins")
    llm = ScriptedLLM(["Hail. ", "It ", "is late."], gated=True)
    async with running_daemon(llm, tmp_path, settings) as daemon:
        async with raw_client(daemon.url, audio="binary", reports=True) as client:
            await client.meet("a")
            await client.say("a")
            llm.release(2)
            await client.until("audio_dropped")
            aborted = [frame for frame in client.frames() if frame.aborted]
            assert len(aborted) == 1 and client.frames()[-1] is aborted[0]
            resume = await lost(client, daemon)
        async with raw_client(daemon.url, audio="binary", reports=True, resume=resume) as back:
            await back.settle()
            assert not back.messages("audio") and not back.frames()


async def test_what_is_no_websocket_at_all_harms_nobody(tmp_path: Path) -> None:
    async with daemon_and_client(quiet(), tmp_path) as (daemon, client):
        for nonsense in (b"", b"\x16\x03\x01\x02\x00", b"POST / HTTP/1.1\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 5):
            reader, writer = await asyncio.open_connection("127.0.0.1", daemon.listening.port)
            writer.write(nonsense)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), PATIENCE_S)
            writer.close()
        with socket.create_connection(("127.0.0.1", daemon.listening.port)):
            pass
        assert (await client.ask(type="ping", t=1))["t"] == 1
        assert all(not isinstance(seen, AudioFrame) for seen in client.seen)


# --- The page for a game's browser


async def test_the_game_page_and_what_it_loads_come_with_a_strict_policy(tmp_path: Path) -> None:
    async with running_daemon(ScriptedLLM(["Hm."]), tmp_path) as daemon, httpx.AsyncClient() as http:
        base = daemon.url.replace("ws:", "http:").removesuffix("/ws")
        page = await http.get(f"{base}/game")
        assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe-inline" not in page.headers["content-security-policy"]
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert sorted(loaded) == ["/game/game.css", "/game/game.js"]
        for path, kind in (("/game/game.js", "text/javascript"), ("/game/game.css", "text/css")):
            part = await http.get(base + path)
            assert part.status_code == 200 and part.headers["content-type"].startswith(kind)
            assert len(part.content) == int(part.headers["content-length"]) > 100
        assert (await http.get(f"{base}/game/../config.yaml")).status_code == 404
        assert (await http.get(f"{base}/game", headers={"Host": "evil.example"})).status_code == 403
