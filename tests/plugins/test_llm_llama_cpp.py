"""The embedded backend, with its real process; those marked `models` load SmolLM2 into it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from lending import Lender, load_plugin

from rfsn_bridge import LLMRequest, LLMTimeout, LLMUnavailable, Message, TextDelta, Usage, paths

plugin = load_plugin("llm_llama_cpp")
REQUEST = LLMRequest((Message("user", "Say hello."),), max_tokens=12, temperature=0.0)
LONG = LLMRequest((Message("user", "Tell a very long story."),), max_tokens=1500)
models = pytest.mark.models


def llama(lender: Lender, model: str | Path, *, first_token_s: float = 60.0, **options: Any) -> Any:
    services = lender.services(first_token_s=first_token_s)
    return plugin.LlamaCpp(plugin.Options(model=str(model), **options), services)


@pytest.fixture
async def smol(lender: Lender, smollm2: Path) -> AsyncIterator[Any]:
    llm = llama(lender, smollm2, context=2048, parallel=1)
    yield llm
    await asyncio.wait_for(llm.aclose(), 2)


async def reply(llm: Any, request: LLMRequest = REQUEST) -> tuple[str, list[Usage]]:
    pieces = [piece async for piece in llm.stream(request)]
    text = "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
    return text, [piece for piece in pieces if isinstance(piece, Usage)]


def wait_until_gone(pid: int) -> None:
    """An orphan may stay behind as a zombie where nobody buries it; it runs no more."""
    try:
        process = psutil.Process(pid)
        for _ in range(100):
            if process.status() == psutil.STATUS_ZOMBIE:
                return
            try:
                process.wait(0.05)
                return
            except psutil.TimeoutExpired:
                pass
    except psutil.NoSuchProcess:
        return
    raise AssertionError(f"process {pid} is still there")


# --- Without a model ------------------------------------------------------------------------------


def test_the_daemon_does_not_import_llama_cpp() -> None:
    code = (
        "import sys, pathlib; from rfsn_bridge.plugin_file import load; load(pathlib.Path(sys.argv[1]));"
        "sys.exit('xllamacpp' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, paths.builtin_plugins / "llm_llama_cpp.py"], check=True, timeout=60
    )


async def test_a_missing_catalogue_model_says_how_to_get_it(lender: Lender) -> None:
    llm = llama(lender, "smollm2")
    for attempt in (llm.warm_up(), anext(llm.stream(REQUEST))):
        with pytest.raises(LLMUnavailable) as caught:
            await attempt
        assert caught.value.hint == "run: rfsn-bridge models pull smollm2"
    health = await llm.health()
    assert not health.ok and health.hint == "run: rfsn-bridge models pull smollm2"
    await llm.aclose()


@pytest.mark.parametrize("model", ["no/such.gguf", "nowhere.GGUF", "folder\\file"])
async def test_a_missing_file_is_named(lender: Lender, model: str) -> None:
    llm = llama(lender, model)
    with pytest.raises(LLMUnavailable, match="is missing"):
        await llm.warm_up()
    assert not (await llm.health()).ok
    await llm.aclose()


@pytest.mark.parametrize("content", [b"hello, I am no model", b"GGUF\x03\x00\x00\x00" + bytes(64)])
async def test_a_broken_file_is_told_from_a_model(lender: Lender, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    llm = llama(lender, tmp_path / "bad.gguf")
    with pytest.raises(LLMUnavailable) as caught:
        await llm.warm_up()
    assert caught.value.message == "bad.gguf is not a whole GGUF file"
    assert not (await llm.health()).ok
    await llm.aclose()


async def test_starts_that_fail_again_and_again_are_spaced_out(
    lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rfsn_bridge.loading.LONG_S", 0.0)
    (tmp_path / "bad.gguf").write_bytes(b"hello")
    llm = llama(lender, tmp_path / "bad.gguf")
    for _ in range(6):
        with pytest.raises(LLMUnavailable, match="GGUF"):
            await llm.warm_up()
    starts = [message for _, code, message in lender.notices if code == "llm_loading"]
    assert 2 <= len(starts) < 6
    await llm.aclose()


async def test_a_start_that_hangs_is_given_up(lender: Lender, tmp_path: Path) -> None:
    (tmp_path / "any.gguf").write_bytes(b"hello")
    llm = llama(lender, tmp_path / "any.gguf", load_timeout_s=0.01)
    with pytest.raises(LLMTimeout, match="did not load"):
        await llm.warm_up()
    await llm.aclose()


async def test_closing_during_a_start_ends_it(lender: Lender, tmp_path: Path) -> None:
    (tmp_path / "any.gguf").write_bytes(b"hello")
    llm = llama(lender, tmp_path / "any.gguf")
    warming = asyncio.create_task(llm.warm_up())
    await asyncio.wait([warming], timeout=0)
    await asyncio.wait_for(llm.aclose(), 2)
    with pytest.raises((LLMUnavailable, asyncio.CancelledError)):
        await warming
    with pytest.raises(LLMUnavailable, match="shut down"):
        await llm.warm_up()


# --- With the real model --------------------------------------------------------------------------


@models
async def test_a_reply_streams(smol: Any) -> None:
    assert (await smol.health()).message == "the model is not loaded yet"
    text, usages = await reply(smol)
    assert text and len(usages) == 1 and 0 < usages[0].completion_tokens <= 12
    assert (await smol.health()).ok


@models
async def test_all_who_wait_share_one_start(smol: Any, lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.loading.LONG_S", 0.0)
    await asyncio.gather(smol.warm_up(), reply(smol), reply(smol))
    assert [code for _, code, _ in lender.notices] == ["llm_loading", "llm_ready"]


@models
async def test_one_who_gives_up_does_not_stop_the_start_for_others(smol: Any) -> None:
    first = asyncio.create_task(smol.warm_up())
    second = asyncio.create_task(smol.warm_up())
    await asyncio.wait([first], timeout=0)
    first.cancel()
    await asyncio.wait_for(second, 60)


@models
async def test_a_reply_asked_for_while_loading_times_out_but_the_loading_goes_on(
    lender: Lender, smollm2: Path
) -> None:
    llm = llama(lender, smollm2, first_token_s=0.001)
    with pytest.raises(LLMTimeout, match="still loading"):
        await anext(llm.stream(REQUEST))
    await asyncio.wait_for(llm.warm_up(), 60)
    assert (await llm.health()).ok
    await llm.aclose()


@models
async def test_closing_a_reply_frees_the_only_place_at_once(smol: Any) -> None:
    async with aclosing(smol.stream(LONG)) as stream:
        await anext(stream)
    # 1500 tokens would keep the one slot busy for far longer than this.
    assert (await asyncio.wait_for(reply(smol), 5))[0]


@models
async def test_a_schema_binds_the_reply(smol: Any) -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["happy", "sad"]}}, "required": ["mood"]}
    text, _ = await reply(smol, LLMRequest(REQUEST.messages, max_tokens=40, json_schema=schema))
    assert json.loads(text)["mood"] in ("happy", "sad")


@models
async def test_a_prompt_that_is_too_long_is_told(smol: Any) -> None:
    with pytest.raises(LLMUnavailable, match="longer than the context"):
        await reply(smol, LLMRequest((Message("user", "word " * 4000),)))


@models
async def test_tokens_are_never_underestimated(smol: Any) -> None:
    for text in (
        "Well met, traveler. I am Jarl Balgruuf of Whiterun; what brings you to Dragonsreach?",
        "M'aiq knows much, tells some. Ulfric's men fled to Windhelm!",
        "Zoë, ¿qué? 你好，世界 🙂 1234567 x1y2z3 ... ((())) \n\n\t<|>",
    ):
        _, with_text = await reply(smol, LLMRequest((Message("user", text),), max_tokens=1))
        _, without = await reply(smol, LLMRequest((Message("user", ""),), max_tokens=1))
        assert with_text[0].prompt_tokens - without[0].prompt_tokens <= smol.count_tokens(text)


@models
async def test_a_process_that_dies_is_replaced(smol: Any) -> None:
    await smol.warm_up()
    before = smol._child.pid
    psutil.Process(before).kill()
    await smol._child._process.wait()
    assert (await reply(smol))[0]
    assert smol._child.pid != before


@models
async def test_a_reply_cut_off_by_a_crash_is_unavailable(smol: Any) -> None:
    stream = smol.stream(LONG)
    await anext(stream)
    psutil.Process(smol._child.pid).kill()
    with pytest.raises(LLMUnavailable):
        async for _ in stream:
            pass


@models
async def test_the_memory_is_freed_when_idle(lender: Lender, smollm2: Path) -> None:
    llm = llama(lender, smollm2, idle_unload_s=0.01)
    await llm.warm_up()
    child = llm._child or pytest.fail("unloaded before it was loaded")
    await asyncio.wait_for(child._process.wait(), 10)
    assert (await reply(llm))[0]
    await llm.aclose()


@models
async def test_the_process_gives_way_to_the_game(smol: Any) -> None:
    await smol.warm_up()
    nice = psutil.Process(smol._child.pid).nice()
    assert nice == (10 if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)


@models
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
async def test_an_interrupt_of_the_terminal_does_not_end_it(smol: Any) -> None:
    await smol.warm_up()
    psutil.Process(smol._child.pid).send_signal(2)
    assert (await reply(smol))[0] and smol._child.alive


@models
async def test_the_key_is_in_no_command_line_and_no_environment(smol: Any) -> None:
    await smol.warm_up()
    process = psutil.Process(smol._child.pid)
    assert smol._child._key not in " ".join(process.cmdline())
    assert smol._child._key not in " ".join(process.environ().values())


@models
async def test_every_start_has_its_own_key(smol: Any) -> None:
    await smol.warm_up()
    first = smol._child._key
    psutil.Process(smol._child.pid).kill()
    await smol._child._process.wait()
    await smol.warm_up()
    assert smol._child._key != first and len(first) >= 32


ENDPOINTS = [
    *(
        ("GET", path)
        for path in ("/models", "/v1/models", "/props", "/slots", "/metrics", "/lora-adapters", "/tools")
    ),
    *(
        ("GET", path)
        for path in ("/api/tags", "/cors-proxy?url=http://127.0.0.1", "/nothing", "/v1", "/v1/health/x")
    ),
    *(("POST", path) for path in ("/v1/chat/completions", "/chat/completions", "/completion", "/completions")),
    *(("POST", path) for path in ("/v1/completions", "/infill", "/tokenize", "/detokenize", "/apply-template")),
    *(("POST", path) for path in ("/v1/embeddings", "/embedding", "/v1/messages", "/v1/responses", "/rerank")),
    *(("POST", path) for path in ("/api/chat", "/api/show", "/props", "/slots/0?action=save", "/models/load")),
]


@models
@pytest.mark.parametrize("key", [None, "wrong"])
async def test_a_foreign_page_cannot_use_it(smol: Any, key: str | None) -> None:
    await smol.warm_up()
    base = smol._child.chat._base_url.removesuffix("/v1")
    for host in ("evil.example", base.removeprefix("http://")):
        headers = {"Origin": "http://evil.example", "Host": host}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as page:
            for method, path in ENDPOINTS:
                answer = await page.request(method, path, json={} if method == "POST" else None)
                assert answer.status_code == 401, path
                assert answer.headers.get("access-control-allow-origin", "") == "", path
            for path in ("/", "/index.html", "/ui"):
                assert (await page.get(path)).status_code in (401, 404), path
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            preflight = await page.request("OPTIONS", "/v1/chat/completions", headers=asked)
            for allowed in ("origin", "methods", "headers"):
                assert preflight.headers.get(f"access-control-allow-{allowed}", "") == ""
            assert preflight.headers.get("access-control-allow-credentials") != "true"
            assert (await page.get("/health")).json() == {"status": "ok"}


@models
async def test_even_with_the_key_prompts_cannot_be_looked_at(smol: Any) -> None:
    await reply(smol)
    base = smol._child.chat._base_url.removesuffix("/v1")
    headers = {"Authorization": f"Bearer {smol._child._key}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as page:
        assert (await page.get("/slots")).status_code == 501
        assert (await page.get("/metrics")).status_code == 501


PARENT = """
import asyncio, pathlib, sys
import httpx
from rfsn_bridge import Services, Timeouts, loading
from rfsn_bridge.plugin_file import load

async def main():
    loading.LONG_S = 0.0
    plugin = load(pathlib.Path(sys.argv[1]))
    async with httpx.AsyncClient(trust_env=False) as http:
        notice = lambda *a, **k: print("loading", flush=True) if k.get("progress") == 0.0 else None
        services = Services(http, Timeouts(), pathlib.Path("."), pathlib.Path, notice)
        llm = plugin.LlamaCpp(plugin.Options(model=sys.argv[2]), services)
        await llm.warm_up()
        print(llm._child.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def start_parent(smollm2: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    plugin_file = paths.builtin_plugins / "llm_llama_cpp.py"
    command = [sys.executable, "-c", PARENT, str(plugin_file), str(smollm2)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as parent:
        try:
            yield parent
        finally:
            parent.kill()


@models
def test_killing_the_daemon_leaves_no_process_behind(smollm2: Path, tmp_path: Path) -> None:
    with start_parent(smollm2, tmp_path) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "loading\n"
        child = int(parent.stdout.readline())
        assert psutil.Process(child).cmdline()[-1] == "--serve"
        parent.kill()
    wait_until_gone(child)


@models
def test_killing_the_daemon_while_the_model_loads_leaves_none_either(smollm2: Path, tmp_path: Path) -> None:
    with start_parent(smollm2, tmp_path) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "loading\n"
        while not (children := psutil.Process(parent.pid).children()):
            pass
        parent.kill()
    for child in children:
        wait_until_gone(child.pid)
