"""Ollama, through its own chat API: it keeps the model loaded, sets its context and turns its thinking off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rfsn_bridge import (
    Health,
    LLMBackend,
    LLMError,
    LLMRequest,
    LLMUnavailable,
    Register,
    Services,
    TextDelta,
    Timeouts,
    Usage,
    hookimpl,
)
from rfsn_bridge.http_stream import (
    LineStream,
    Server,
    body_of_refusal,
    fetch_json,
    is_no_model,
    nonsense,
    refusal,
)
from rfsn_bridge.openai_chat import estimate_tokens, normalize_base_url, shown

_LOAD_S = 300.0
# Ends a model that ignores num_predict.
_CHARS_PER_TOKEN = 16


def _address(url: str) -> str:
    """The server's root, however much of an API's path was written after it."""
    return normalize_base_url(url.rstrip("/").removesuffix("/api") + "/v1").removesuffix("/v1").removesuffix("/v1")


class Options(BaseModel):
    """A running Ollama."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base_url: Annotated[str, AfterValidator(_address)] = "http://127.0.0.1:11434"
    """Where Ollama listens."""
    model: str = Field(default="llama3.2", min_length=1)
    """Which of its models; `ollama pull NAME` fetches one."""
    keep_alive: str | int = "30m"
    """How long the model stays loaded after a reply: "30m", seconds, -1 for ever, 0 not at all."""
    num_ctx: int = Field(default=4096, ge=512, le=1 << 20)
    """The context in tokens. Ollama silently forgets the beginning of a longer prompt."""


class Ollama:
    def __init__(self, options: Options, services: Services) -> None:
        self._options = options
        self._http = services.http
        self._timeouts = services.timeouts
        self._server = Server(
            f"Ollama at {shown(options.base_url)}",
            "start Ollama (https://ollama.com) or change llm.options.ollama.base_url in config.yaml",
        )
        self._think_field = True

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        while True:
            body = self._body(request)
            async with self._post(body, self._timeouts) as answer:
                if answer.status != 200:
                    said = await body_of_refusal(answer)
                    if answer.status == 400 and "think" in said.lower() and "think" in body:
                        self._think_field = False
                        continue
                    raise self._refusal(answer.status, said)
                async for piece in self._pieces(answer, request):
                    yield piece
                return

    async def warm_up(self) -> None:
        """Load the model: a chat without messages does only that."""
        options = {"num_ctx": self._options.num_ctx}
        body = {
            "model": self._options.model,
            "messages": [],
            "stream": False,
            "keep_alive": self._options.keep_alive,
            "options": options,
        }
        patient = Timeouts(self._timeouts.connect_s, _LOAD_S, _LOAD_S)
        async with self._post(body, patient) as answer:
            said = await body_of_refusal(answer)
            if answer.status != 200:
                raise self._refusal(answer.status, said)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    async def health(self) -> Health:
        url = f"{self._options.base_url}/api/tags"
        try:
            listed = await fetch_json(self._http, url, {}, self._timeouts, self._server)
        except LLMError as error:
            return Health(False, error.message, error.hint)
        models = listed.get("models") if isinstance(listed, dict) else None
        names = {m.get("name") for m in models if isinstance(m, dict)} if isinstance(models, list) else set()
        if names & {self._options.model, f"{self._options.model}:latest"}:
            return Health(True)
        missing = self._no_model()
        return Health(False, missing.message, missing.hint)

    async def aclose(self) -> None:
        pass

    def _body(self, request: LLMRequest) -> dict[str, Any]:
        options: dict[str, Any] = {
            "temperature": request.temperature,
            "num_predict": request.max_tokens,
            "num_ctx": self._options.num_ctx,
        }
        if request.stop:
            options["stop"] = list(request.stop)
        body: dict[str, Any] = {
            "model": self._options.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
            "keep_alive": self._options.keep_alive,
            "options": options,
        }
        if self._think_field:
            body["think"] = False
        if request.json_schema is not None:
            body["format"] = dict(request.json_schema)
        return body

    def _post(self, body: dict[str, Any], timeouts: Timeouts) -> LineStream:
        call = self._http.build_request("POST", f"{self._options.base_url}/api/chat", json=body)
        return LineStream(self._http, call, timeouts, self._server)

    async def _pieces(self, answer: LineStream, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        said = thought = 0
        while (line := await answer.line()) is not None:
            piece = _object(line)
            if piece.get("error"):
                raise self._refusal(500, str(piece["error"]))
            message = piece.get("message")
            message = message if isinstance(message, dict) else {}
            text, thinking = message.get("content"), message.get("thinking")
            if isinstance(text, str) and text:
                said += len(text)
                yield TextDelta(text.encode("utf-8", "replace").decode("utf-8"))
                answer.heard()
            elif isinstance(thinking, str) and thinking:
                thought += len(thinking)
                answer.sign_of_life()
            if piece.get("done"):
                self._check(said, thought)
                prompt, completion = piece.get("prompt_eval_count"), piece.get("eval_count")
                if isinstance(completion, int):
                    # Absent when the whole prompt was still in Ollama's cache.
                    yield Usage(prompt if isinstance(prompt, int) else 0, completion)
                await answer.drain()
                return
            if said > request.max_tokens * _CHARS_PER_TOKEN + 1024 or thought > 64 << 10:
                self._check(said, thought)
                return
        if not said:
            raise nonsense(self._server)
        raise LLMUnavailable(f"{self._server.name} broke off its answer", "look at its own log, then try again")

    def _check(self, said: int, thought: int) -> None:
        if thought and not said:
            raise LLMUnavailable(
                f"the model {self._options.model} only thought and said nothing",
                "raise llm.max_tokens or choose a model that does not reason",
            )

    def _refusal(self, status: int, said: str) -> LLMError:
        if is_no_model(said):
            return self._no_model()
        return refusal(self._server, status, {}, said, self._options.model)

    def _no_model(self) -> LLMUnavailable:
        name = self._options.model
        return LLMUnavailable(f"{self._server.name} does not have the model {name}", f"run: ollama pull {name}")


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


@hookimpl
def register_llm_backends(register: Register[LLMBackend]) -> None:
    register("ollama", Ollama, Options)
