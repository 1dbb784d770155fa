"""The `openai` backend against a scripted server."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from lending import Lender, load_plugin
from pydantic import ValidationError
from scripted_server import DONE, FINISH, USAGE, Call, ScriptedServer, delta, sse

from rfsn_bridge import LLMRequest, LLMUnavailable, Message, TextDelta, Usage

plugin = load_plugin("llm_openai")
REQUEST = LLMRequest((Message("user", "Hi"),))


def backend(server: ScriptedServer, lender: Lender, **options: object) -> Any:
    return plugin.OpenAI(plugin.Options(base_url=server.url, **options), lender.services())


def lists(*names: str) -> Callable[[Call], object]:
    return lambda call: call.answer(200, {"data": [{"id": name} for name in names]})


async def test_it_registers_under_its_name() -> None:
    registered = {}
    plugin.register_llm_backends(lambda name, factory, options: registered.update({name: (factory, options)}))
    assert registered == {"openai": (plugin.OpenAI, plugin.Options)}


async def test_without_a_model_the_first_that_chats_is_asked_for_once(
    server: ScriptedServer, lender: Lender
) -> None:
    server.on("/v1/models", lists("text-embedding-nomic", "qwen", "llama"))
    server.on("/v1/chat/completions", sse(delta("Hello."), FINISH, USAGE, DONE))
    llm = backend(server, lender)
    await llm.warm_up()
    for _ in range(2):
        assert [piece async for piece in llm.stream(REQUEST)] == [TextDelta("Hello."), Usage(7, 2)]
    assert [call.path for call in server.calls].count("/v1/models") == 1
    assert server.calls[-1].json["model"] == "qwen"


async def test_after_a_failure_the_models_are_asked_for_again(server: ScriptedServer, lender: Lender) -> None:
    server.on("/v1/models", lists("old"), lists("new"))
    server.on(
        "/v1/chat/completions",
        lambda call: call.answer(404, {"error": {"message": "model not found"}}),
        sse(delta("Hello."), DONE),
    )
    llm = backend(server, lender)
    with pytest.raises(LLMUnavailable):
        await anext(llm.stream(REQUEST))
    assert [piece async for piece in llm.stream(REQUEST)] == [TextDelta("Hello.")]
    assert server.calls[-1].json["model"] == "new"


async def test_a_server_that_lists_no_model_chooses_itself(server: ScriptedServer, lender: Lender) -> None:
    server.on("/v1/models", lists())
    server.on("/v1/chat/completions", sse(delta("Hello."), DONE))
    assert [piece async for piece in backend(server, lender).stream(REQUEST)] == [TextDelta("Hello.")]
    assert "model" not in server.calls[-1].json


async def test_the_key_comes_from_the_environment(
    server: ScriptedServer, lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", " sk-1 \n")
    server.on("/v1/models", lists("m"))
    assert (await backend(server, lender, api_key_env="A_KEY").health()).ok
    assert server.calls[0].headers["authorization"] == "Bearer sk-1"
    assert lender.notices == []


@pytest.mark.parametrize("value", [None, "", "sk-\n1", "sk-ü"])
async def test_a_key_that_is_not_there_is_said_so(
    server: ScriptedServer, lender: Lender, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("A_KEY", value)
    llm = backend(server, lender, api_key_env="A_KEY")
    health = await llm.health()
    assert not health.ok and "A_KEY" in health.message and "sk-" not in health.message
    with pytest.raises(LLMUnavailable, match="A_KEY"):
        await llm.warm_up()
    with pytest.raises(LLMUnavailable, match="A_KEY"):
        await anext(llm.stream(REQUEST))
    assert server.calls == []


async def test_an_unencrypted_key_is_warned_of(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-1")
    for address in ("https://host.example", "http://localhost:1", "http://127.0.0.1:1"):
        plugin.OpenAI(plugin.Options(base_url=address, api_key_env="A_KEY"), lender.services())
    assert lender.notices == []
    plugin.OpenAI(plugin.Options(base_url="http://host.example", api_key_env="A_KEY"), lender.services())
    assert [code for _, code, _ in lender.notices] == ["llm_key_unencrypted"]


def test_a_key_pasted_for_a_name_is_refused_and_not_printed() -> None:
    with pytest.raises(ValidationError) as caught:
        plugin.Options(api_key_env="sk-or-v1-secret")
    assert "secret" not in str(caught.value)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError):
        plugin.Options(api_key="x")


async def test_health_says_what_to_do_when_nothing_answers(lender: Lender) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        llm = plugin.OpenAI(plugin.Options(base_url=f"127.0.0.1:{taken.getsockname()[1]}"), lender.services())
        health = await llm.health()
    assert not health.ok
    assert "nothing answers" in health.message and "llm.options.openai.base_url" in health.hint


async def test_health_tells_when_the_model_is_not_listed(server: ScriptedServer, lender: Lender) -> None:
    server.on("/v1/models", lists("a"))
    health = await backend(server, lender, model="b").health()
    assert health.ok and "b is not among the models" in health.message
