"""Any server that speaks OpenAI's chat API: LM Studio, KoboldCpp, llama-server, vLLM, OpenRouter and the like."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import urlsplit

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
    Usage,
    hookimpl,
)
from rfsn_bridge.http_stream import Server
from rfsn_bridge.openai_chat import OpenAIChat, estimate_tokens, normalize_base_url, shown


class Options(BaseModel):
    """Any server that speaks the OpenAI protocol: LM Studio, KoboldCpp, llama-server, vLLM, OpenRouter."""

    # A key pasted where a name belongs must not be printed back.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    base_url: Annotated[str, AfterValidator(normalize_base_url)] = "http://127.0.0.1:1234/v1"
    """The server's address, with or without /v1."""
    model: str = ""
    """Which of the server's models; empty: the first that it lists."""
    api_key_env: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """The NAME of the environment variable that holds the key; empty: no key."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields for the request's body, as this server understands them (top_p, provider, ...)."""


class OpenAI:
    """One server. Its key is read from the environment once and sent to `base_url` only."""

    def __init__(self, options: Options, services: Services) -> None:
        self._options = options
        self._key, self._key_fault = _read_key(options.api_key_env)
        self._first_model: str | None = None
        address = shown(options.base_url)
        self._chat = OpenAIChat(
            services.http,
            options.base_url,
            timeouts=services.timeouts,
            model=options.model,
            api_key=self._key,
            extra=options.extra,
            server=Server(f"the LLM server at {address}", _offline_hint(options.base_url)),
        )
        if self._key and options.base_url.startswith("http://") and not _is_local(options.base_url):
            services.notice(
                "warning",
                "llm_key_unencrypted",
                f"The key in {options.api_key_env} is sent to {address} unencrypted.",
                "use an https:// address in llm.options.openai.base_url",
            )

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        self._check_key()
        model = await self._model()
        try:
            async with aclosing(self._chat.stream(request, model=model)) as pieces:
                async for piece in pieces:
                    yield piece
        except LLMUnavailable:
            self._first_model = None  # another may be loaded by now: ask again next time
            raise

    async def warm_up(self) -> None:
        self._check_key()
        await self._model()

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    async def health(self) -> Health:
        try:
            self._check_key()
            models = await self._chat.models()
        except LLMError as error:
            return Health(False, error.message, error.hint)
        if self._options.model and models and self._options.model not in models:
            return Health(
                True, f"{self._options.model} is not among the models that {self._chat.server.name} lists"
            )
        return Health(True)

    async def aclose(self) -> None:
        pass

    def _check_key(self) -> None:
        if self._key_fault:
            raise LLMUnavailable(
                self._key_fault, "set it and restart, or change llm.options.openai.api_key_env in config.yaml"
            )

    async def _model(self) -> str:
        """The model to ask for; a server that lists none (or cannot list) is left to choose."""
        if self._options.model:
            return self._options.model
        if self._first_model is None:
            listed = await self._chat.models()
            chat_models = [name for name in listed if "embed" not in name.lower()]
            self._first_model = next(iter(chat_models), "")
        return self._first_model


def _read_key(name: str) -> tuple[str, str]:
    """The key, and what is wrong with it in words that do not show it."""
    if not name:
        return "", ""
    key = os.environ.get(name, "").strip()
    if not key:
        return "", f"the environment variable {name} is not set"
    if not (key.isascii() and key.isprintable()):
        return "", f"the environment variable {name} does not hold a key"
    return key, ""


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _offline_hint(url: str) -> str:
    start = "start LM Studio's server" if urlsplit(url).port == 1234 else "start it"
    return f"{start} or change llm.options.openai.base_url in config.yaml"


@hookimpl
def register_llm_backends(register: Register[LLMBackend]) -> None:
    register("openai", OpenAI, Options)
