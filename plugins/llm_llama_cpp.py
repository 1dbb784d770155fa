"""The embedded model: llama.cpp in a process of its own, so that a crash or a full memory never takes the daemon.

This file is run twice. As a plugin it starts and watches the process; as a script (`--serve`) it is that process:
xllamacpp's HTTP server on a loopback port that the system chooses, with a key made for this one start. The key
travels over standard input, where no other program can read it, and that pipe's end is also how the process
learns that the daemon is gone, even by kill -9.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rfsn_bridge import (
    Health,
    LLMBackend,
    LLMError,
    LLMRequest,
    LLMTimeout,
    LLMUnavailable,
    ModelMissing,
    Register,
    Services,
    TextDelta,
    Usage,
    hookimpl,
)
from rfsn_bridge.http_stream import Server
from rfsn_bridge.loading import loading
from rfsn_bridge.openai_chat import OpenAIChat, estimate_tokens

_THIS_FILE = Path(__file__).resolve()
_SERVER = Server("the embedded model", "it will be started again with the next line")
_STDERR_TAIL = 16 << 10
_LONGEST_PAUSE_S = 60.0


class Options(BaseModel):
    """The embedded language model: llama.cpp in a process of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str = Field(default="smollm2", min_length=1)
    """A model of the catalogue by name, or the path of any .gguf file."""
    context: int = Field(default=4096, ge=512, le=1 << 20)
    """Tokens that one conversation may hold, prompt and reply together."""
    threads: int = Field(default=0, ge=0, le=256)
    """Processor threads; 0: about half of them, so that the game has its own."""
    gpu_layers: int = Field(default=-1, ge=-1)
    """Layers to keep on the graphics card; -1: as many as fit, 0: none."""
    repeat_penalty: float = Field(default=1.1, ge=1.0, le=2.0)
    """How much a word that was just said is held back; 1: not at all. Small models go round in circles without."""
    min_p: float = Field(default=0.1, ge=0.0, le=1.0)
    """Leave out words that are less likely than this part of the likeliest; 0: none."""
    parallel: int = Field(default=2, ge=1, le=16)
    """Replies at the same time; each has its own context."""
    idle_unload_s: float = Field(default=0.0, ge=0.0)
    """Free the memory after so many seconds without a reply; 0: never."""
    load_timeout_s: float = Field(default=300.0, gt=0.0)
    """How long the model may take to load."""


class LlamaCpp:
    def __init__(self, options: Options, services: Services) -> None:
        self._options = options
        self._services = services
        self._child: _Child | None = None
        self._starting: asyncio.Task[_Child] | None = None
        self._failure: LLMError | None = None
        self._failures = 0
        self._not_before = 0.0
        self._streams = 0
        self._idle: asyncio.TimerHandle | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        self._streams += 1
        self._stop_clock()
        try:
            child = await self._started_within(self._services.timeouts.first_token_s)
            async with aclosing(child.chat.stream(request)) as pieces:
                async for piece in pieces:
                    yield piece
            self._failures = 0
        finally:
            self._streams -= 1
            self._start_clock()

    async def warm_up(self) -> None:
        try:
            await self._started()
        finally:
            self._start_clock()

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    async def health(self) -> Health:
        if self._child is not None and self._child.alive:
            return Health(True)
        if importlib.util.find_spec("xllamacpp") is None:
            return Health(False, "the package xllamacpp is missing", "run: pip install xllamacpp")
        try:
            await asyncio.to_thread(self._find_model)
        except ModelMissing as error:
            return Health(False, error.message, error.hint)
        if self._failure is not None:
            return Health(False, self._failure.message, self._failure.hint)
        return Health(True, "the model is not loaded yet")

    async def aclose(self) -> None:
        """End the process; it gets a second to go by itself."""
        self._closed = True
        self._stop_clock()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self._child is not None:
            self._stop(self._child)
        if self._stopping:
            await asyncio.wait(self._stopping)

    # --- starting ---------------------------------------------------------------------------------

    async def _started_within(self, seconds: float) -> _Child:
        try:
            async with asyncio.timeout(seconds):
                return await self._started()
        except TimeoutError:
            raise LLMTimeout(
                f"{_SERVER.name} is still loading after {seconds:g} s",
                "try again in a moment; a smaller model loads faster",
            ) from None

    async def _started(self) -> _Child:
        """The running process; all who wait share one start, and none of them can cancel it for the others."""
        if self._closed:
            raise LLMUnavailable(f"{_SERVER.name} is shut down")
        if self._child is not None:
            if self._child.alive:
                return self._child
            self._lost(self._child)
        if self._starting is None:
            pause = self._not_before - asyncio.get_running_loop().time()
            if pause > 0 and self._failure is not None:
                raise type(self._failure)(self._failure.message, self._failure.hint)
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._start_ended)
        return await asyncio.shield(self._starting)

    async def _start(self) -> _Child:
        name = f"the language model {Path(self._options.model).name}"
        try:
            async with loading(self._services.notice, "llm", name):
                model = await asyncio.to_thread(self._find_model)
                return await _Child.start(self._options, model, self._services)
        except ModelMissing as error:
            raise LLMUnavailable(error.message, error.hint) from error

    def _start_ended(self, task: asyncio.Task[_Child]) -> None:
        self._starting = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._child = task.result()
            self._failure = None
        elif isinstance(error, LLMError):
            self._failed(error)

    def _lost(self, child: _Child) -> None:
        self._child = None
        self._failed(LLMUnavailable(f"{_SERVER.name} stopped by itself", _advice(child.stderr.text())[1]))
        self._stop(child)

    def _failed(self, error: LLMError) -> None:
        """Wait longer before each new start in a row: at once, 1 s, 2 s, 4 s ... a minute."""
        self._failure = error
        self._failures += 1
        pause = 0.0 if self._failures == 1 else min(2.0 ** (self._failures - 2), _LONGEST_PAUSE_S)
        self._not_before = asyncio.get_running_loop().time() + pause

    def _find_model(self) -> Path:
        name = self._options.model
        if not (name.lower().endswith(".gguf") or "/" in name or "\\" in name):
            return self._services.find_model(name)
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise ModelMissing(f"{path} is missing", "check the path in llm.options.llama_cpp.model")
        return path

    # --- stopping ---------------------------------------------------------------------------------

    def _stop(self, child: _Child) -> None:
        task = asyncio.create_task(child.stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _start_clock(self) -> None:
        self._stop_clock()
        if self._options.idle_unload_s and not self._streams and self._child is not None:
            self._idle = asyncio.get_running_loop().call_later(self._options.idle_unload_s, self._unload)

    def _stop_clock(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _unload(self) -> None:
        if self._child is not None and not self._streams:
            child, self._child = self._child, None
            self._stop(child)


class _Child:
    """The server process, seen from the daemon."""

    def __init__(self, process: asyncio.subprocess.Process, services: Services) -> None:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101
        self._process = process
        self._stdout = process.stdout
        self._services = services
        self._key = secrets.token_urlsafe(32)
        self.stderr = _Tail(process.stderr)
        self.chat: OpenAIChat

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, options: Options, model: Path, services: Services) -> _Child:
        # -P keeps this folder off the module path: a plugin file must not pass for a library.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_THIS_FILE),
            "--serve",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **_platform_flags(),
        )
        child = cls(process, services)
        try:
            await child._begin(options, model)
        except BaseException:
            await child.stop()
            raise
        return child

    async def _begin(self, options: Options, model: Path) -> None:
        assert self._process.stdin is not None  # noqa: S101
        order = options.model_dump() | {"model": str(model), "key": self._key}
        try:
            async with asyncio.timeout(options.load_timeout_s):
                with suppress(ConnectionError):
                    self._process.stdin.write(json.dumps(order).encode() + b"\n")
                    await self._process.stdin.drain()
                line = await self._stdout.readline()
        except TimeoutError:
            raise LLMTimeout(
                f"{model.name} did not load within {options.load_timeout_s:g} s",
                "choose a smaller model or raise llm.options.llama_cpp.load_timeout_s",
            ) from None
        try:
            address = json.loads(line)["address"]
        except (ValueError, KeyError, TypeError):
            await self.stderr.ended()
            wrong, hint = _advice(self.stderr.text())
            raise LLMUnavailable(f"{model.name} {wrong}", hint) from None
        self.chat = OpenAIChat(
            self._services.http,
            f"{address}/v1",
            timeouts=self._services.timeouts,
            api_key=self._key,
            extra=options.model_dump(include={"repeat_penalty", "min_p"}),
            server=_SERVER,
        )

    async def stop(self) -> None:
        """End of input ends the process; what does not end within a second is killed."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(1.0):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self.stderr.close()


class _Tail:
    """The last of what a process wrote to its standard error; kept in memory only."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._bytes = bytearray()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while chunk := await self._reader.read(4096):
            self._bytes += chunk
            del self._bytes[:-_STDERR_TAIL]

    async def ended(self) -> None:
        await asyncio.wait([self._task], timeout=1.0)

    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")

    def close(self) -> None:
        self._task.cancel()


_CAUSES = (
    (
        r"insufficient memory|out of memory|(failed|unable) to allocate|MemoryError",
        "does not fit into memory",
        "choose a smaller model or a smaller llm.options.llama_cpp.context",
    ),
    (
        r"unknown model architecture: '[^']",
        "is of a kind that this llama.cpp does not know",
        "choose another model, or update xllamacpp",
    ),
    (
        r"invalid magic|not within the file bounds|corrupted|incomplete|gguf_init_from|error loading model",
        "is not a whole GGUF file",
        "download it again; a model of the catalogue: rfsn-bridge models pull NAME",
    ),
    (
        r"No module named 'xllamacpp'|ImportError",
        "cannot be run: the package xllamacpp does not load",
        "run: pip install --force-reinstall xllamacpp",
    ),
)


def _advice(stderr: str) -> tuple[str, str]:
    """What went wrong and what to do, from what llama.cpp wrote."""
    for pattern, wrong, hint in _CAUSES:
        if re.search(pattern, stderr):
            return wrong, hint
    return "could not be loaded", "try another model, or run: rfsn-bridge doctor"


def _platform_flags() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return {}


# --- The process itself ---------------------------------------------------------------------------


def _serve() -> None:
    """Read the order from standard input, load, say where, and live until that input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then closes our input
    if sys.platform != "win32":
        os.nice(10)  # the game comes first
    _die_with_parent()
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    # Whatever llama.cpp prints goes to standard error; the answer alone to standard output.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    import xllamacpp

    server = xllamacpp.Server(_params(xllamacpp, order))
    print(json.dumps({"address": server.listening_address}), file=answer, flush=True)
    threading.Event().wait()


def _params(xllamacpp: Any, order: dict[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.n_parallel = order["parallel"]
    params.n_ctx = order["context"] * order["parallel"]
    params.n_gpu_layers = order["gpu_layers"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"] or _threads(
        os.cpu_count() or 2
    )
    params.enable_reasoning = 0  # an NPC that thinks first keeps the player waiting
    # Only between batches does it hear that a request was closed; 2048 tokens, its default, take a CPU seconds.
    params.n_batch = params.n_ubatch = 128
    params.cache_ram_mib = 256  # prompts of other conversations; its default is 8 GiB
    params.verbosity = 1  # errors only
    # Only for the daemon: no address but loopback, no page, no peeking at prompts, nothing without the key.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [order["key"]]
    params.cors_origins = params.cors_methods = params.cors_headers = ""
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    return params


def _threads(processors: int) -> int:
    """Each step waits for its slowest thread, and one that shares its core with the game stalls them all."""
    return min(max(processors // 2 - 1, 1), 8)


def _exit_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _die_with_parent() -> None:
    """Loading holds the interpreter's lock, so that no thread sees the input end; Linux can tell us otherwise."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        _serve()
else:

    @hookimpl
    def register_llm_backends(register: Register[LLMBackend]) -> None:
        register("llama_cpp", LlamaCpp, Options)
