"""The chat client against a real server that misbehaves on command."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import DONE, FINISH, USAGE, Call, ScriptedServer, delta, event, sse

from rfsn_bridge import LLMError, LLMRequest, LLMTimeout, LLMUnavailable, Message, TextDelta, Timeouts, Usage
from rfsn_bridge.http_stream import LineSplitter
from rfsn_bridge.openai_chat import OpenAIChat, estimate_tokens, normalize_base_url, shown
from rfsn_bridge.sse import EventData

CHAT = "/v1/chat/completions"
KEY = "sk-very-secret"
REQUEST = LLMRequest(
    (Message("system", "You are a jarl."), Message("user", "Who are you, really?")), max_tokens=20
)
BRIEF = Timeouts(connect_s=2.0, first_token_s=0.2, between_tokens_s=0.2)
PATIENT = Timeouts(connect_s=5.0, first_token_s=10.0, between_tokens_s=10.0)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield http


def chat_with(server: ScriptedServer, http: httpx.AsyncClient, timeouts: Timeouts = PATIENT) -> OpenAIChat:
    return OpenAIChat(http, f"{server.url}/v1", timeouts=timeouts, model="m", api_key=KEY)


async def said(chat: OpenAIChat, request: LLMRequest = REQUEST) -> tuple[str, list[Usage]]:
    pieces = [piece async for piece in chat.stream(request)]
    texts = [piece.text for piece in pieces if isinstance(piece, TextDelta)]
    assert all(texts)
    usages = [piece for piece in pieces if isinstance(piece, Usage)]
    assert not usages or pieces[-1] is usages[-1]
    return "".join(texts), usages


async def failure(chat: OpenAIChat) -> LLMError:
    with pytest.raises(LLMError) as caught:
        await asyncio.wait_for(said(chat), 10)
    error = caught.value
    assert error.message and error.hint
    for secret in (KEY, "really", "jarl"):
        assert secret not in str(error)
    return error


# --- What is asked --------------------------------------------------------------------------------


async def test_a_reply_streams_and_its_usage_comes_last(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, sse(delta("", role="assistant"), delta("Hel"), delta("lo."), FINISH, USAGE, DONE))
    assert await said(chat_with(server, http)) == ("Hello.", [Usage(7, 2)])


async def test_the_request_says_what_was_asked(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, sse(delta("{}"), DONE))
    request = LLMRequest((Message("user", "Hi"),), 9, 0.5, ("\n",), {"type": "object"})
    chat = OpenAIChat(
        http, f"{server.url}/v1", timeouts=PATIENT, model="m", api_key=KEY, extra={"top_p": 0.9, "stream": 0}
    )
    await said(chat, request)
    call = server.calls[0]
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "stop": ["\n"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": {"type": "object"}},
        },
        "top_p": 0.9,
    }


async def test_a_connection_is_used_again(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, sse(delta("Hello."), DONE))
    chat = chat_with(server, http)
    await said(chat)
    await said(chat)
    assert len(server.calls) == 2 and server.connections == 1


async def test_a_pooled_connection_that_the_server_closes_costs_no_reply(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    async def hang_up(call: Call) -> None:
        call.reset()

    server.on(CHAT, sse(delta("Hello."), DONE), hang_up, sse(delta("Again."), DONE))
    chat = chat_with(server, http)
    assert [(await said(chat))[0], (await said(chat))[0]] == ["Hello.", "Again."]
    assert server.connections == 2


async def test_a_fresh_connection_that_the_server_closes_is_not_tried_again(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    async def hang_up(call: Call) -> None:
        call.reset()

    server.on(CHAT, hang_up)
    assert "broke off" in (await failure(chat_with(server, http))).message
    assert len(server.calls) == 1


@pytest.mark.parametrize("refused", ["Invalid schema for response_format 'reply'", "bad request"])
async def test_a_server_that_takes_no_schema_is_asked_without(
    refused: str, server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    async def picky(call: Call) -> None:
        if "response_format" in call.json:
            await call.answer(400, {"error": {"message": refused}})
        else:
            await sse(delta("{}"), FINISH, DONE)(call)

    server.on(CHAT, picky)
    asked = LLMRequest(REQUEST.messages, json_schema={"type": "object"})
    chat = chat_with(server, http)
    assert (await said(chat, asked))[0] == "{}"
    tries = len(server.calls)
    assert (await said(chat, asked))[0] == "{}"
    assert len(server.calls) == tries + 1


@pytest.mark.parametrize("refused", ["Unrecognized request argument supplied: stream_options", "bad request"])
async def test_stream_options_are_left_out_for_good_once_refused(
    server: ScriptedServer, http: httpx.AsyncClient, refused: str
) -> None:
    async def refuse(call: Call) -> None:
        await call.answer(400, {"error": {"message": refused}})

    server.on(CHAT, refuse, sse(delta("Hello."), DONE))
    chat = chat_with(server, http)
    assert (await said(chat))[0] == "Hello."
    assert (await said(chat))[0] == "Hello."
    assert ["stream_options" in call.json for call in server.calls] == [True, False, False]


async def test_a_request_that_stays_refused_is_tried_twice_only(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    async def refuse(call: Call) -> None:
        await call.answer(400, {"error": {"message": "no"}})

    server.on(CHAT, refuse)
    chat = chat_with(server, http)
    assert "HTTP 400" in (await failure(chat)).message
    assert len(server.calls) == 2
    await failure(chat)
    assert "stream_options" in server.calls[2].json


async def test_a_newer_name_of_max_tokens_is_learnt(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    async def refuse(call: Call) -> None:
        await call.answer(400, {"error": {"message": "Use 'max_completion_tokens' instead of 'max_tokens'."}})

    server.on(CHAT, refuse, sse(delta("Hello."), DONE))
    await said(chat_with(server, http))
    assert server.calls[1].json["max_completion_tokens"] == 20


# --- What servers really send ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        [delta("Hello.").replace("\n", "\r\n"), DONE.replace("\n", "\r\n")],
        [delta("Hello.").replace("data: ", "data:"), "data:[DONE]\n\n"],
        [": ping\n\n", "event: message\nid: 3\nretry: 5\n", delta("Hello."), ": ping\n\n", DONE],
        ["garbage\n", "data: {broken\n\n", "data: [1, 2]\n\n", "data: 7\n\n", delta("Hello."), DONE],
        ['data: {"choices": [{"delta":\ndata: {"content": "Hello."}}]}\n\n', DONE],
        [delta("Hel")[:-1], delta("lo.")[:-1], "data: [DONE]\n"],
        [delta("Hello.")[:-2]],
        [event(choices=[]), delta(None), delta("Hello."), event(choices=None), event(), DONE],
        [event(choices=[{"delta": {"content": [{"type": "text", "text": "Hello."}]}}]), DONE],
        [event(choices=[{"text": "Hello."}]), DONE],
        [delta(None, reasoning_content="Hm"), delta(None, reasoning="Hm"), delta("Hello."), DONE],
        ["\ufeff\n", delta("Hello."), FINISH],
        ['{"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}'],
        ['{\n "choices": [\n {"message": {"content": "Hello."}}]}\n'],
    ],
)
async def test_every_dialect_is_understood(
    server: ScriptedServer, http: httpx.AsyncClient, stream: list[str]
) -> None:
    server.on(CHAT, sse(*stream))
    assert (await said(chat_with(server, http)))[0] == "Hello."


async def test_half_a_character_waits_for_its_other_half(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    data = f'data: {{"choices": [{{"delta": {{"content": "Zoë 🙂"}}}}]}}\n\n{DONE}'.encode()
    server.on(CHAT, sse(*[data[i : i + 1] for i in range(len(data))]))
    assert (await said(chat_with(server, http)))[0] == "Zoë 🙂"


async def test_a_lone_surrogate_does_not_reach_the_caller(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, sse('data: {"choices": [{"delta": {"content": "a\\ud800b"}}]}\n\n', DONE))
    assert (await said(chat_with(server, http)))[0].encode() == b"a?b"


async def test_the_end_is_not_waited_for_once_the_reply_is_finished(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.send(delta("Hello.") + FINISH)
        await call.client_gone()
        server.gone.set()

    server.on(CHAT, script)
    assert (await asyncio.wait_for(said(chat_with(server, http)), 5))[0] == "Hello."
    await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_model_that_never_stops_is_stopped(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    async def script(call: Call) -> None:
        await call.head()
        while True:
            await call.send(delta("word " * 20))

    server.on(CHAT, script)
    text, _ = await asyncio.wait_for(said(chat_with(server, http)), 10)
    assert 20 < len(text) < 3000


# --- Cancelling -----------------------------------------------------------------------------------


async def _endless(call: Call, server: ScriptedServer, started: asyncio.Event | None = None) -> None:
    await call.head()
    await call.send(delta("Hello"))
    if started is not None:
        started.set()
    await call.client_gone()
    server.gone.set()


async def test_closing_the_iterator_drops_the_request_upstream(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    server.on(CHAT, lambda call: _endless(call, server))
    async with aclosing(chat_with(server, http).stream(REQUEST)) as stream:
        assert await anext(stream) == TextDelta("Hello")
    await asyncio.wait_for(server.gone.wait(), 5)


@pytest.mark.parametrize("cancels", [1, 2])
async def test_cancelling_the_task_drops_the_request_upstream(
    server: ScriptedServer, http: httpx.AsyncClient, cancels: int
) -> None:
    started = asyncio.Event()
    server.on(CHAT, lambda call: _endless(call, server, started))
    for _ in range(3):  # none of them may cost the pool a connection
        started.clear()
        server.gone.clear()
        task = asyncio.create_task(said(chat_with(server, http)))
        await asyncio.wait_for(started.wait(), 5)
        for _ in range(cancels):
            task.cancel()
            await asyncio.wait([task], timeout=0)
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)
    assert http._transport._pool.connections == []  # type: ignore[attr-defined]


async def test_cancelling_before_the_first_byte_drops_the_request_too(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    asked = asyncio.Event()

    async def silent(call: Call) -> None:
        asked.set()
        await call.client_gone()
        server.gone.set()

    server.on(CHAT, silent)
    task = asyncio.create_task(said(chat_with(server, http)))
    await asyncio.wait_for(asked.wait(), 5)
    task.cancel()
    await asyncio.wait_for(server.gone.wait(), 5)
    with pytest.raises(asyncio.CancelledError):
        await task


# --- Failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, "who are you, really? jarl", LLMUnavailable, "refuses the key"),
        (402, "", LLMUnavailable, "no credit"),
        (
            404,
            {"error": {"message": "The model `m` does not exist"}},
            LLMUnavailable,
            'does not have the model "m"',
        ),
        (404, "Not Found", LLMUnavailable, "no chat at that address"),
        (400, {"error": {"type": "exceed_context_size_error"}}, LLMUnavailable, "longer than the context"),
        (400, {"error": {"message": "maximum context length is 4096 tokens"}}, LLMUnavailable, "longer than"),
        (400, {"error": "No models loaded. Please load a model"}, LLMUnavailable, "does not have the model"),
        (429, "", LLMUnavailable, "asked too often"),
        (500, "<html>really bad</html>", LLMUnavailable, "failed (HTTP 500)"),
        (503, {"error": {"message": "Loading model"}}, LLMUnavailable, "still loading"),
        (504, "", LLMTimeout, "gave up waiting"),
        (301, "", LLMUnavailable, "sends us elsewhere"),
        (418, "", LLMUnavailable, "HTTP 418"),
    ],
)
async def test_a_refusal_says_what_to_do(
    server: ScriptedServer,
    http: httpx.AsyncClient,
    status: int,
    body: str | dict[str, object],
    kind: type,
    words: str,
) -> None:
    server.on(CHAT, lambda call: call.answer(status, body, Location="http://elsewhere.example/"))
    error = await failure(chat_with(server, http))
    assert type(error) is kind
    assert words in error.message


async def test_too_many_requests_says_how_long_to_wait(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, lambda call: call.answer(429, "", Retry_After="7"))
    assert "7 s" in (await failure(chat_with(server, http))).hint


async def test_nothing_listening_is_said_so(http: httpx.AsyncClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        chat = OpenAIChat(http, f"http://127.0.0.1:{taken.getsockname()[1]}/v1", timeouts=PATIENT)
        error = await failure(chat)
    assert isinstance(error, LLMUnavailable) and "nothing answers" in error.message


@pytest.mark.parametrize("before", ["", ": ping\n\n", delta("Hel")])
async def test_a_reset_is_unavailable(server: ScriptedServer, http: httpx.AsyncClient, before: str) -> None:
    async def script(call: Call) -> None:
        await call.head()
        if before:
            await call.send(before)
        call.reset()

    server.on(CHAT, script)
    error = await failure(chat_with(server, http))
    assert isinstance(error, LLMUnavailable) and "broke off" in error.message


async def test_what_came_before_a_reset_was_given(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.send(delta("Hel"))
        call.reset()

    server.on(CHAT, script)
    stream = chat_with(server, http).stream(REQUEST)
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(LLMUnavailable):
        await anext(stream)


async def _pinging(call: Call, server: ScriptedServer, first: str = "") -> None:
    """Say `first`, then nothing but comments until the client has had enough."""
    gone = asyncio.create_task(call.client_gone())
    await call.head()
    if first:
        await call.send(first)
    try:
        while not gone.done():
            await call.send(": ping\n\n")
            await asyncio.wait([gone], timeout=0.02)
    except ConnectionError:
        pass
    finally:
        gone.cancel()
        server.gone.set()


@pytest.mark.parametrize(
    ("first", "words"), [("", "sent no reply within"), (delta("Hel"), "stopped in the middle")]
)
async def test_comments_do_not_stop_the_clocks(
    server: ScriptedServer, http: httpx.AsyncClient, first: str, words: str
) -> None:
    server.on(CHAT, lambda call: _pinging(call, server, first))
    error = await failure(chat_with(server, http, BRIEF))
    assert isinstance(error, LLMTimeout) and words in error.message
    await asyncio.wait_for(server.gone.wait(), 5)


async def test_no_answer_at_all_is_a_time_out(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, lambda call: call.client_gone())
    error = await failure(chat_with(server, http, BRIEF))
    assert isinstance(error, LLMTimeout) and "0.2 s" in error.message


async def test_thinking_is_a_sign_of_life(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    turns = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        for _ in range(8):  # together longer than first_token_s, each shorter than between_tokens_s
            await call.send(delta(None, reasoning_content="Hm. "))
            with suppress(TimeoutError):
                await asyncio.wait_for(turns.wait(), 0.05)
        await call.send(delta("Hello.") + DONE)
        await call.end()

    server.on(CHAT, script)
    assert (await said(chat_with(server, http, BRIEF)))[0] == "Hello."


async def test_a_model_that_only_thinks_is_an_error(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on(CHAT, sse(delta(None, reasoning_content="Hm"), FINISH, DONE))
    assert "only thought" in (await failure(chat_with(server, http))).message


@pytest.mark.parametrize(
    "stream",
    [
        ["<html>jarl</html>"],
        [],
        ["data: nonsense\n\n"],
        ['{"some": "json"}'],
        ["x" * (1 << 19)] * 3,
        ["data: " + "x" * (1 << 19)] * 3,
        ["data: x\n" * 1000] * 300,
        [DONE],
    ],
)
async def test_nonsense_is_unavailable(server: ScriptedServer, http: httpx.AsyncClient, stream: list[str]) -> None:
    server.on(CHAT, sse(*stream))
    assert isinstance(await failure(chat_with(server, http)), LLMUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        event(error={"message": "really bad, jarl", "code": 500}),
        event(error="really bad"),
        event(object="error", message="really", code=400),
        'error: {"code": 500, "message": "really"}\n\n',
        event(
            error={"code": 429, "message": "slow"}, choices=[{"delta": {"content": ""}, "finish_reason": "error"}]
        ),
    ],
)
async def test_an_error_within_the_stream_is_raised(
    server: ScriptedServer, http: httpx.AsyncClient, error: str
) -> None:
    server.on(CHAT, sse(delta("Hel"), error, DONE))
    assert isinstance(await failure(chat_with(server, http)), LLMUnavailable)


async def test_neither_key_nor_dialogue_is_logged(
    server: ScriptedServer, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on(CHAT, lambda call: call.answer(500, "really"), sse(delta("Secret reply"), DONE))
    chat = chat_with(server, http)
    await failure(chat)
    await said(chat)
    assert KEY not in caplog.text and "really" not in caplog.text and "Secret reply" not in caplog.text


# --- The models, the address, the estimate --------------------------------------------------------


async def test_the_models_are_listed_in_order(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    server.on("/v1/models", lambda call: call.answer(200, {"data": [{"id": "b"}, {"id": "a"}, {"x": 1}, 3]}))
    assert await chat_with(server, http).models() == ("b", "a")


@pytest.mark.parametrize("body", ["<html>", "[]", '{"data": 3}'])
async def test_a_list_that_is_none_is_an_error(server: ScriptedServer, http: httpx.AsyncClient, body: str) -> None:
    server.on("/v1/models", lambda call: call.answer(200, body))
    with pytest.raises(LLMUnavailable):
        await chat_with(server, http).models()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://127.0.0.1:1234", "http://127.0.0.1:1234/v1"),
        ("http://127.0.0.1:1234/v1/", "http://127.0.0.1:1234/v1"),
        ("localhost:5001", "http://localhost:5001/v1"),
        ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/api/v1/chat/completions", "https://openrouter.ai/api/v1"),
        ("https://host.example/v1beta/openai/", "https://host.example/v1beta/openai"),
        ("https://host.example/api/paas/v4", "https://host.example/api/paas/v4"),
    ],
)
def test_an_address_is_made_whole(written: str, meant: str) -> None:
    assert normalize_base_url(written) == meant


@pytest.mark.parametrize("written", ["", "ftp://host.example", "http://", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="http"):
        normalize_base_url(written)


def test_a_password_in_an_address_is_not_shown() -> None:
    assert shown("https://me:secret@host.example:8/v1") == "https://host.example:8"


def test_tokens_are_overestimated_but_not_wildly() -> None:
    text = "Well met, traveler. I am Jarl Balgruuf of Whiterun; what brings you to Dragonsreach?"
    assert len(text) / 4 < estimate_tokens(text) < len(text) / 2
    assert estimate_tokens("你好") >= 2


@given(st.binary(max_size=80).filter(lambda b: b"\r" not in b), st.data())
def test_lines_do_not_depend_on_how_they_arrive(raw: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(raw)))
    whole, parts = LineSplitter(), LineSplitter()
    expected = whole.feed(raw) + whole.flush()
    assert parts.feed(raw[:cut]) + parts.feed(raw[cut:]) + parts.flush() == expected
    assert "\n".join(expected) == raw.decode("utf-8", "replace").removesuffix("\n")


@given(st.lists(st.text(max_size=20).filter(lambda s: "\n" not in s and "\r" not in s), max_size=8))
def test_any_lines_are_survived(lines: list[str]) -> None:
    events = EventData()
    for line in [*lines, *(f"data:{line}" for line in lines)]:
        events.feed(line)
    events.flush()


def test_several_data_lines_are_one_event() -> None:
    events = EventData()
    assert events.feed('data: {"a":') == []
    assert events.feed("data: 1}") == []
    assert [json.loads(e) for e in events.feed("")] == [{"a": 1}]
