"""The `ollama` backend against a scripted server."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from lending import Lender, load_plugin
from scripted_server import Call, Script, ScriptedServer

from rfsn_bridge import LLMError, LLMRequest, LLMTimeout, LLMUnavailable, Message, TextDelta, Usage

plugin = load_plugin("llm_ollama")
CHAT = "/api/chat"
REQUEST = LLMRequest((Message("user", "Who are you, really?"),), max_tokens=20, temperature=0.5, stop=("\n",))
END = {"message": {"content": ""}, "done": True, "prompt_eval_count": 7, "eval_count": 2}


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content, **more}, "done": False}


def ndjson(*objects: dict[str, Any] | str) -> Script:
    async def script(call: Call) -> None:
        await call.head(200, "application/x-ndjson")
        for value in objects:
            await call.send(value if isinstance(value, str) else json.dumps(value) + "\n")
        await call.end()

    return script


def ollama(server: ScriptedServer, lender: Lender, first_token_s: float = 10.0, **options: Any) -> Any:
    services = lender.services(first_token_s=first_token_s)
    return plugin.Ollama(plugin.Options(base_url=server.url, **options), services)


async def failure(llm: Any) -> LLMError:
    with pytest.raises(LLMError) as caught:
        await asyncio.wait_for(anext(llm.stream(REQUEST)), 10)
    assert caught.value.hint and "really" not in str(caught.value)
    return caught.value


async def test_a_reply_streams_and_its_usage_comes_last(server: ScriptedServer, lender: Lender) -> None:
    server.on(CHAT, ndjson(text("", thinking="Hm"), text("Hel"), "garbage\n", text("lo."), END))
    pieces = [piece async for piece in ollama(server, lender).stream(REQUEST)]
    assert pieces == [TextDelta("Hel"), TextDelta("lo."), Usage(7, 2)]
    assert server.calls[0].json == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "Who are you, really?"}],
        "stream": True,
        "think": False,
        "keep_alive": "30m",
        "options": {"temperature": 0.5, "num_predict": 20, "num_ctx": 4096, "stop": ["\n"]},
    }


async def test_a_schema_is_passed_on(server: ScriptedServer, lender: Lender) -> None:
    server.on(CHAT, ndjson(text("{}"), END))
    async for _ in ollama(server, lender).stream(LLMRequest((), json_schema={"type": "object"})):
        pass
    assert server.calls[0].json["format"] == {"type": "object"}


async def test_a_model_that_cannot_be_told_not_to_think_is_asked_plainly(
    server: ScriptedServer, lender: Lender
) -> None:
    async def refuse(call: Call) -> None:
        await call.answer(400, {"error": '"llama3.2" does not support thinking'})

    server.on(CHAT, refuse, ndjson(text("Hello."), END))
    llm = ollama(server, lender)
    for _ in range(2):
        assert TextDelta("Hello.") in [piece async for piece in llm.stream(REQUEST)]
    assert ["think" in call.json for call in server.calls] == [True, False, False]


async def test_a_missing_model_says_how_to_get_it(server: ScriptedServer, lender: Lender) -> None:
    server.on(CHAT, lambda call: call.answer(404, {"error": "model 'mistral' not found"}))
    error = await failure(ollama(server, lender, model="mistral"))
    assert error.hint == "run: ollama pull mistral"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (lambda call: call.answer(500, {"error": "really bad"}), LLMUnavailable),
        (ndjson({"error": "really bad: out of memory"}), LLMUnavailable),
        (ndjson("<html>\n"), LLMUnavailable),
        (ndjson(), LLMUnavailable),
        (ndjson(text("", thinking="Hm"), END), LLMUnavailable),
        (ndjson("x" * (1 << 19), "x" * (1 << 19), "x"), LLMUnavailable),
        (lambda call: call.client_gone(), LLMTimeout),
    ],
)
async def test_failures_have_names_and_hints(
    server: ScriptedServer, lender: Lender, script: Script, kind: type
) -> None:
    server.on(CHAT, script)
    assert type(await failure(ollama(server, lender, first_token_s=0.3))) is kind


async def test_a_stream_that_ends_early_is_an_error(server: ScriptedServer, lender: Lender) -> None:
    server.on(CHAT, ndjson(text("Hel")))
    stream = ollama(server, lender).stream(REQUEST)
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(LLMUnavailable, match="broke off"):
        await anext(stream)


async def test_closing_the_iterator_drops_the_request_upstream(server: ScriptedServer, lender: Lender) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.send(json.dumps(text("Hel")) + "\n")
        await call.client_gone()
        server.gone.set()

    server.on(CHAT, script)
    async with aclosing(ollama(server, lender).stream(REQUEST)) as stream:
        assert await anext(stream) == TextDelta("Hel")
    await asyncio.wait_for(server.gone.wait(), 5)


async def test_warming_up_loads_the_model_with_its_context(server: ScriptedServer, lender: Lender) -> None:
    server.on(CHAT, lambda call: call.answer(200, {"done": True, "done_reason": "load"}))
    await ollama(server, lender, num_ctx=2048).warm_up()
    body = server.calls[0].json
    assert body["messages"] == [] and body["options"] == {"num_ctx": 2048}


async def test_warming_up_a_missing_model_fails(server: ScriptedServer, lender: Lender) -> None:
    server.on(CHAT, lambda call: call.answer(404, {"error": "model 'llama3.2' not found"}))
    with pytest.raises(LLMUnavailable, match="ollama pull"):
        await ollama(server, lender).warm_up()


@pytest.mark.parametrize(
    ("listed", "ok"), [(["llama3.2:latest"], True), (["llama3.2"], True), (["llama3.2:1b"], False), ([], False)]
)
async def test_health_is_whether_the_model_is_there(
    server: ScriptedServer, lender: Lender, listed: list[str], ok: bool
) -> None:
    server.on("/api/tags", lambda call: call.answer(200, {"models": [{"name": name} for name in listed]}))
    health = await ollama(server, lender).health()
    assert health.ok is ok
    assert ok or health.hint == "run: ollama pull llama3.2"


@pytest.mark.parametrize(
    "written",
    ["127.0.0.1:11434", "http://127.0.0.1:11434/", "http://127.0.0.1:11434/api/", "http://127.0.0.1:11434/v1"],
)
def test_the_address_may_be_written_in_many_ways(written: str) -> None:
    assert plugin.Options(base_url=written).base_url == "http://127.0.0.1:11434"
