"""The streaming chat client for every server that speaks OpenAI's `/chat/completions`.

    chat = OpenAIChat(services.http, "http://127.0.0.1:1234/v1", timeouts=services.timeouts)
    async for piece in chat.stream(request): ...

LM Studio, KoboldCpp, llama.cpp, vLLM, OpenRouter and the embedded model are all spoken to through this.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from rfsn_bridge.domain import LLMRequest, TextDelta, Timeouts, Usage
from rfsn_bridge.errors import LLMError, LLMTimeout, LLMUnavailable
from rfsn_bridge.http_stream import (
    LineStream,
    Server,
    body_of_refusal,
    fetch_json,
    is_no_model,
    is_too_long,
    nonsense,
    refusal,
)
from rfsn_bridge.sse import EventData, EventTooLong

# Ends a model that ignores max_tokens: no tokenizer's tokens are this long on average.
_CHARS_PER_TOKEN = 16
_THINKING_CHARS = 64 << 10
_AFTER_FINISH_S = 1.0
_SCHEMA_WORDS = re.compile(r"response_format|json_schema|schema|grammar", re.I)


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What a server takes; learnt from its refusals and remembered once a request went through."""

    stream_options: bool = True
    limit_key: str = "max_tokens"
    json_schema: bool = True

    def without_what_is_refused(self, status: int, said: str, request: LLMRequest) -> _Dialect | None:
        if status not in (400, 422) or is_too_long(said) or is_no_model(said):
            return None
        if request.json_schema is not None and self.json_schema and _SCHEMA_WORDS.search(said):
            return replace(self, json_schema=False)
        if "max_completion_tokens" in said and self.limit_key == "max_tokens":
            return replace(self, limit_key="max_completion_tokens")
        # Many refuse an unknown field without naming it, so this is worth a try whatever they say.
        if self.stream_options:
            return replace(self, stream_options=False)
        return replace(self, json_schema=False) if request.json_schema is not None and self.json_schema else None


class OpenAIChat:
    """A client of one server. `base_url` is whole, as `normalize_base_url` makes it; the key goes nowhere else."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        *,
        timeouts: Timeouts,
        model: str = "",
        api_key: str = "",
        extra: Mapping[str, Any] | None = None,
        server: Server | None = None,
    ) -> None:
        self.server = server or Server(f"the LLM server at {shown(base_url)}")
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._extra = dict(extra or {})
        self._dialect = _Dialect()

    async def models(self) -> tuple[str, ...]:
        """What the server lists, in its order; raise LLMError."""
        listed = await fetch_json(
            self._http, f"{self._base_url}/models", self._headers, self._timeouts, self.server
        )
        entries = listed.get("data") if isinstance(listed, dict) else None
        if not isinstance(entries, list):
            raise nonsense(self.server)
        return tuple(e["id"] for e in entries if isinstance(e, dict) and isinstance(e.get("id"), str))

    async def stream(
        self, request: LLMRequest, *, model: str | None = None
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        """Stream the reply, then its Usage if the server tells; raise LLMError. `model` replaces the usual one."""
        named = self._model if model is None else model
        tried: list[_Dialect] = []
        while True:
            dialect = tried[-1] if tried else self._dialect
            body = self._body(request, named, dialect)
            url = f"{self._base_url}/chat/completions"
            call = self._http.build_request("POST", url, headers=self._headers, json=body)
            async with LineStream(self._http, call, self._timeouts, self.server) as answer:
                if answer.status == 200:
                    self._dialect = dialect
                    async with aclosing(self._pieces(answer, request, named)) as pieces:
                        async for piece in pieces:
                            yield piece
                    return
                said = await body_of_refusal(answer)
            simpler = dialect.without_what_is_refused(answer.status, said, request)
            if simpler is None or len(tried) == 3:
                raise refusal(self.server, answer.status, answer.headers, said, named)
            tried.append(simpler)

    def _body(self, request: LLMRequest, model: str, dialect: _Dialect) -> dict[str, Any]:
        body: dict[str, Any] = {"temperature": request.temperature, dialect.limit_key: request.max_tokens}
        if model:
            body["model"] = model
        if request.stop:
            body["stop"] = list(request.stop)
        if request.json_schema is not None and dialect.json_schema:
            form = {"name": "reply", "strict": True, "schema": dict(request.json_schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if dialect.stream_options:
            body["stream_options"] = {"include_usage": True}
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        return body | self._extra | {"messages": messages, "stream": True}

    async def _pieces(
        self, answer: LineStream, request: LLMRequest, model: str
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        reply = _Reply(self.server, answer.status, model)
        longest = request.max_tokens * _CHARS_PER_TOKEN + 1024
        while True:
            try:
                line = await answer.line()
            except LLMTimeout:
                if reply.finished:  # all is said; only the formal end is missing
                    break
                raise
            for chunk in reply.read(line):
                if chunk.text:
                    yield TextDelta(chunk.text)
                    answer.heard()
                elif chunk.thinking:
                    answer.sign_of_life()
                if chunk.finished:
                    answer.wait_at_most(_AFTER_FINISH_S)
            if line is None or reply.done or reply.said > longest or reply.thought > longest + _THINKING_CHARS:
                break
        reply.check()
        if reply.usage is not None:
            yield reply.usage
        if reply.done:
            await answer.drain()


@dataclass(frozen=True, slots=True)
class _Chunk:
    text: str
    thinking: str
    finished: bool


class _Reply:
    """What a stream has said so far. Takes lines, knows the end, and tells a reply from nonsense."""

    def __init__(self, server: Server, status: int, model: str) -> None:
        self._server = server
        self._status = status
        self._model = model
        self._events = EventData()
        self._plain: list[str] | None = []
        self._plain_size = 0
        self.said = 0
        self.thought = 0
        self.finished = False
        self.done = False
        self.usage: Usage | None = None

    def read(self, line: str | None) -> list[_Chunk]:
        """Take one line (None at the end of the stream)."""
        if line is None:
            events = self._events.flush() or self._not_a_stream()
        else:
            try:
                events = self._events.feed(line)
            except EventTooLong:
                raise nonsense(self._server) from None
            self._keep(line, is_event=bool(events))
        return [chunk for event in events if (chunk := self._chunk(event)) is not None]

    def check(self) -> None:
        """Raise if the stream ended without having been a reply."""
        if self.said or (self.finished and not self.thought):
            return
        if self.thought:
            raise LLMUnavailable(
                f"the model of {self._server.name} only thought and said nothing",
                "raise llm.max_tokens, turn its reasoning off or choose a model that does not reason",
            )
        if not self.usage:
            raise nonsense(self._server)

    def _keep(self, line: str, *, is_event: bool) -> None:
        """Until the first event, what came may be a JSON document: a server that ignores `stream`."""
        if self._plain is None:
            return
        self._plain_size += len(line)
        if is_event:
            self._plain = None
        elif self._plain_size > 4 << 20:
            raise nonsense(self._server)
        elif not line.startswith((":", "data:", "error:")):
            self._plain.append(line)

    def _not_a_stream(self) -> list[str]:
        return ["\n".join(self._plain)] if self._plain else []

    def _chunk(self, event: str) -> _Chunk | None:
        if event.strip() == "[DONE]":
            self.done = True
            return None
        try:
            data = json.loads(event)
        except (ValueError, RecursionError):
            return None
        if not isinstance(data, dict):
            return None
        if data.get("error") or data.get("object") == "error":
            raise self._failure(data)
        self.usage = _usage(data.get("usage")) or self.usage
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return None
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            delta = {"content": choice.get("text")}
        text = _text(delta.get("content"))
        thinking = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        self.said += len(text)
        self.thought += len(thinking)
        finished = choice.get("finish_reason") is not None
        self.finished = self.finished or finished
        return _Chunk(text, thinking, finished)

    def _failure(self, data: Mapping[str, Any]) -> LLMError:
        error = data.get("error")
        code = error.get("code") if isinstance(error, dict) else data.get("code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        return refusal(self._server, status, {}, json.dumps(data), self._model)


def _text(content: object) -> str:
    """A delta's text: a string, or the text parts of a list. Lone surrogates, which no socket can carry, go."""
    if isinstance(content, list):
        content = "".join(p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    if not isinstance(content, str):
        return ""
    return content if content.isascii() else content.encode("utf-8", "replace").decode("utf-8")


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    prompt, completion, cost = (usage.get(k) for k in ("prompt_tokens", "completion_tokens", "cost"))
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    known = isinstance(cost, int | float) and not isinstance(cost, bool) and math.isfinite(cost)
    return Usage(prompt, completion, float(cost) if known and cost is not None else None)


def normalize_base_url(url: str) -> str:
    """The address as people write it, made whole: with a scheme, a version (`/v1`) and no slash at its end."""
    url = url.strip()
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address like http://127.0.0.1:1234/v1 is needed")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/models")
    if not re.search(r"/v\d", path):
        path += "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def shown(url: str) -> str:
    """An address for a message: without the user name and password it may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]|[^\x00-\x7f]|[^A-Za-z ]|  +")


def estimate_tokens(text: str) -> int:
    """A safe over-estimate for what people write in any script: some 1.5 times the count of English prose."""
    total = 1
    for match in _PIECES.finditer(text):
        piece = match.group()
        if piece[0].isascii():
            total += -(-len(piece) * 2 // 5) if piece.isalpha() else 1
        else:
            total += len(piece.encode("utf-8", "replace"))
    return total
