"""A streaming HTTP answer, read line by line against three clocks; every failure gets a name and a hint.

The exchange runs in a task of its own, which is cancelled exactly once: httpcore loses a connection of its pool
for good when a second cancellation meets the clean-up of the first (encode/httpx issue 3782), and a turn can well
be interrupted while a time-out fires.

What the server wrote never enters a message: an error's text may quote the prompt.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from rfsn_bridge.domain import Timeouts
from rfsn_bridge.errors import LLMError, LLMTimeout, LLMUnavailable

LINE_LIMIT = 1 << 20
BODY_LIMIT = 4 << 20

_closing: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class Server:
    """How messages speak of a server: "{name} sent no reply", and what to do when nothing answers."""

    name: str
    offline_hint: str = "start it, or point llm.backend at another"


class LineSplitter:
    r"""Bytes in, lines out, ended by \n or \r\n. Linear; a line past the limit raises ValueError."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[str]:
        *whole, rest = chunk.split(b"\n")
        lines = []
        for piece in whole:
            self._take(piece)
            lines.append(self._line())
        self._take(rest)
        return lines

    def flush(self) -> list[str]:
        """The last line, if the stream did not end with a line's end."""
        return [self._line()] if self._size else []

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise ValueError("line too long")
        if piece:
            self._parts.append(piece)

    def _line(self) -> str:
        # Decoding whole lines only, so that no character is ever cut in half.
        line = b"".join(self._parts).removesuffix(b"\r").decode("utf-8", "replace")
        self._parts.clear()
        self._size = 0
        return line


class LineStream:
    """One request and its answer. Leaving the `async with` block drops the request upstream at once.

    The clock of the first token runs from the start until `heard()` is called, then that between tokens runs anew
    from each call: lines that carry no token (keep-alive comments) do not stop it.
    """

    def __init__(
        self, http: httpx.AsyncClient, request: httpx.Request, timeouts: Timeouts, server: Server
    ) -> None:
        request.extensions["timeout"] = httpx.Timeout(
            connect=timeouts.connect_s, pool=timeouts.connect_s, write=timeouts.first_token_s, read=None
        ).as_dict()
        # A compressed stream would come in lumps.
        request.headers["Accept-Encoding"] = "identity"
        self._http = http
        self._request = request
        self._timeouts = timeouts
        self._server = server
        self._arrived: asyncio.Queue[httpx.Response | bytes | BaseException | None] = asyncio.Queue(maxsize=64)
        self._splitter = LineSplitter()
        self._lines: list[str] = []
        self._next_line = 0
        self._ended = False
        self._heard = False

    async def __aenter__(self) -> Self:
        self._clock = asyncio.get_running_loop().time
        self._limit = self._timeouts.first_token_s
        self._deadline = self._clock() + self._limit
        self._task = asyncio.create_task(self._exchange())
        try:
            response = await self._arrival()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        assert isinstance(response, httpx.Response)  # noqa: S101
        self.status = response.status_code
        self.headers = response.headers
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        _closing.add(self._task)
        self._task.add_done_callback(_closing.discard)
        await asyncio.wait([self._task])

    def heard(self) -> None:
        """A token arrived and was dealt with: wait `between_tokens_s` for the next from now on."""
        self._heard = True
        self.wait_at_most(self._timeouts.between_tokens_s)

    def sign_of_life(self) -> None:
        """Something was done that is not yet text: prolongs the wait, never shortens it."""
        self._deadline = max(self._deadline, self._clock() + self._timeouts.between_tokens_s)

    def wait_at_most(self, seconds: float) -> None:
        self._limit = seconds
        self._deadline = self._clock() + seconds

    async def line(self) -> str | None:
        """The next line without its end, or None after the last."""
        while self._next_line == len(self._lines):
            if self._ended:
                return None
            arrived = await self._arrival()
            self._next_line = 0
            try:
                self._lines = self._splitter.feed(arrived) if arrived is not None else self._splitter.flush()
            except ValueError:
                raise nonsense(self._server) from None
            self._ended = arrived is None
        self._next_line += 1
        return self._lines[self._next_line - 1]

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole answer as bytes, in place of `line`."""
        chunks: list[bytes] = []
        size = 0
        while (arrived := await self._arrival()) is not None:
            size += len(arrived)
            if size > limit:
                raise nonsense(self._server)
            chunks.append(arrived)
        return b"".join(chunks)

    async def drain(self, seconds: float = 0.05) -> None:
        """Read to the end if that is near: only then can the connection be used again."""
        self.wait_at_most(seconds)
        try:
            for _ in range(64):
                if self._ended or await self._arrival() is None:
                    return
        except LLMError:
            return

    async def _exchange(self) -> None:
        try:
            response = await self._send()
            try:
                await self._arrived.put(response)
                async for chunk in response.aiter_bytes():
                    await self._arrived.put(chunk)
            finally:
                await response.aclose()
        except Exception as error:
            await self._arrived.put(error)
        else:
            await self._arrived.put(None)

    async def _send(self) -> httpx.Response:
        """Send, and once more if a pooled connection turns out to be closed (llama.cpp closes one in ten)."""
        for _ in range(3):
            connected = False

            async def watch(event: str, info: object) -> None:
                nonlocal connected
                connected = connected or event.startswith("connection.connect")

            self._request.extensions["trace"] = watch
            try:
                return await self._http.send(self._request, stream=True, follow_redirects=False)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if connected:
                    raise
        return await self._http.send(self._request, stream=True, follow_redirects=False)

    async def _arrival(self) -> Any:
        try:
            async with asyncio.timeout_at(self._deadline):
                arrived = await self._arrived.get()
        except TimeoutError:
            raise self._too_slow() from None
        if isinstance(arrived, BaseException):
            if (named := self._named(arrived)) is None:
                raise arrived
            raise named from arrived
        return arrived

    def _too_slow(self) -> LLMTimeout:
        if self._heard:
            return LLMTimeout(
                f"{self._server.name} stopped in the middle of its reply: nothing more for {self._limit:g} s",
                "try again; if it happens often, choose a smaller model or raise llm.timeouts.between_tokens_s",
            )
        return LLMTimeout(
            f"{self._server.name} sent no reply within {self._limit:g} s",
            "its model may be loading: try again, choose a smaller model or raise llm.timeouts.first_token_s",
        )

    def _named(self, error: BaseException) -> LLMError | None:
        name, hint = self._server.name, self._server.offline_hint
        match error:
            case httpx.ConnectTimeout():
                return LLMTimeout(f"no connection to {name} within {self._timeouts.connect_s:g} s", hint)
            case httpx.ConnectError() if "certificate" in str(error).lower():
                return LLMUnavailable(f"the certificate of {name} is not valid", "check the host name in base_url")
            case httpx.ConnectError():
                return LLMUnavailable(f"nothing answers for {name}", hint)
            case httpx.PoolTimeout():
                return LLMUnavailable(f"too many requests to {name} are under way", "wait for one of them to end")
            case httpx.TimeoutException():
                return self._too_slow()
            case httpx.HTTPError() | OSError():
                return LLMUnavailable(f"{name} broke off its answer", "look at its own log, then try again")
        return None


def nonsense(server: Server) -> LLMUnavailable:
    return LLMUnavailable(
        f"{server.name} answers something that is no chat reply", "check that base_url is that of an LLM server"
    )


_TOO_LONG = re.compile(
    r"context.{0,3}(length|size|window)|exceeds? the (available|maximum) context|too many tokens", re.I
)
_NO_MODEL = re.compile(
    r"model.{0,120}?(not found|not exist|not loaded|not available|no such)"
    r"|(unknown|invalid) model|model_not_found|no models? (is )?loaded",
    re.I | re.S,
)


def is_too_long(body: str) -> bool:
    """Whether an error's body says that the prompt does not fit into the context."""
    return _TOO_LONG.search(body) is not None


def is_no_model(body: str) -> bool:
    """Whether an error's body says that the model is not there."""
    return _NO_MODEL.search(body) is not None


def refusal(server: Server, status: int, headers: Mapping[str, str], body: str, model: str = "") -> LLMError:
    """The error that an HTTP status (with what the body reveals of its kind) stands for."""
    name = server.name
    if status in (400, 413, 422, 500) and is_too_long(body):
        return LLMUnavailable(
            f"the conversation is longer than the context of the model of {name}",
            "give the model a larger context, or the NPC a shorter bio and memory",
        )
    if status in (400, 404, 422, 500, 503) and is_no_model(body):
        which = f'the model "{model}"' if model else "a model loaded"
        return LLMUnavailable(f"{name} does not have {which}", "load it there, or choose one that it lists")
    match status:
        case 401 | 403:
            return LLMUnavailable(
                f"{name} refuses the key (HTTP {status})",
                "put a valid key into the environment variable that api_key_env names, and restart",
            )
        case 402:
            return LLMUnavailable(
                f"the account at {name} has no credit left", "add credit or choose another model"
            )
        case 404 | 405:
            return LLMUnavailable(f"{name} has no chat at that address (HTTP {status})", "check base_url")
        case 408 | 504:
            return LLMTimeout(f"{name} gave up waiting for its model (HTTP {status})", "try again")
        case 429:
            seconds = _retry_after(headers)
            hint = (
                f"try again in {seconds:g} s" if seconds else "try again later, or choose another model or service"
            )
            return LLMUnavailable(f"{name} is asked too often (HTTP 429)", hint)
        case 503 if "loading" in body.lower():
            return LLMUnavailable(f"{name} is still loading its model", "try again in a moment")
        case _ if 300 <= status < 400:
            return LLMUnavailable(f"{name} sends us elsewhere (HTTP {status})", "set base_url to its real address")
        case _ if status >= 500:
            return LLMUnavailable(f"{name} failed (HTTP {status})", "look at its own log, then try again")
    return LLMUnavailable(
        f"{name} refuses the request (HTTP {status})", "look at its own log; check model and extra"
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Whole seconds only: the other form, a date, depends on two clocks."""
    value = headers.get("retry-after", "").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) else None


async def body_of_refusal(answer: LineStream) -> str:
    """What an error's body says, for `refusal`; empty if it cannot be read."""
    try:
        return (await answer.body(64 << 10)).decode("utf-8", "replace")
    except LLMError:
        return ""


async def fetch_json(
    http: httpx.AsyncClient, url: str, headers: Mapping[str, str], timeouts: Timeouts, server: Server
) -> Any:
    """GET a small JSON document, within `connect_s` to connect and 5 s in all; raise LLMError."""
    request = http.build_request("GET", url, headers=dict(headers))
    brief = Timeouts(connect_s=min(timeouts.connect_s, 5.0), first_token_s=5.0, between_tokens_s=5.0)
    async with LineStream(http, request, brief, server) as answer:
        if answer.status != 200:
            raise refusal(server, answer.status, answer.headers, await body_of_refusal(answer))
        try:
            return json.loads(await answer.body())
        except (ValueError, RecursionError):
            raise nonsense(server) from None
