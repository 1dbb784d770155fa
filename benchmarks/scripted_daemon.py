"""A real daemon in a process of its own whose language model is scripted, and the handle to it.

Run as a script, this file is that process: it prints where it listens, answers each line of its input with what
it has noted since the last, and ends with its input. Times are `time.perf_counter`, one clock for all processes
of a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from rfsn_bridge.domain import LLMRequest, TextDelta, Usage
from rfsn_bridge.speech.sentences import SentenceSplitter
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

BEAT_S = 0.002
_STORY = (
    "the old road north of here is quiet now and few who take it ever come back before winter so mind the bridge "
    "because my men saw wolves there when snow fell on barrow stones near dawn"
)


def as_said(line: str) -> str:
    """The line as the player says it: to be found again in whatever prompt is made of it."""
    return f"[{line}]"


def reply_to(line: str, sentences: int) -> list[str]:
    """The tokens of the reply to a line: each sentence of about nine words names the line, and no other has it."""
    rng = random.Random(line)
    tokens: list[str] = []
    for number in range(sentences):
        words = rng.sample(_STORY.split(), rng.randint(4, 8))
        tokens += [" In" if tokens else "In", f" {line},", f" {number}:", *(f" {word}" for word in words), "."]
    return tokens


@dataclass(frozen=True, slots=True)
class Cut:
    """A sentence of a reply, by tokens: `complete` is the one that ends it, `seen` the one that shows that."""

    text: str
    complete: int
    seen: int


def cuts(tokens: Sequence[str]) -> list[Cut]:
    """Every sentence of the reply, as the daemon must send them."""
    splitter = SentenceSplitter()
    found = [(text, index) for index, token in enumerate(tokens) for text in splitter.feed(token)]
    found += [(text, len(tokens) - 1) for text in splitter.flush()]
    result: list[Cut] = []
    end = 0
    for text, seen in found:
        end = "".join(tokens).index(text, end) + len(text)
        read = 0
        for index, token in enumerate(tokens):  # noqa: B007  # the first that reaches the sentence's end
            read += len(token)
            if read >= end:
                break
        result.append(Cut(text, index, seen))
    return result


# --- Seen from the benchmark ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notes:
    """What the daemon noted: when each token of each line's reply was given, and how late its loop was, in s."""

    given: dict[str, list[float]]
    late: list[float]


class ScriptedDaemon:
    """`url` speaks the protocol; `bare_url` is a plain websockets server in the same loop."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, bare_url: str) -> None:
        self.url = url
        self.bare_url = bare_url
        self._process = process

    @property
    def http(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("ws://").partition("/")[0].rpartition(":")
        return host, int(port)

    async def notes(self) -> Notes:
        """Since the last time."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the daemon has no pipes")
        stdin.write(b"\n")
        return Notes(**json.loads(await stdout.readline()))


@asynccontextmanager
async def scripted_daemon(
    *, tokens_per_s: float, sentences: int, voice: bool = False, heartbeat: bool = False
) -> AsyncIterator[ScriptedDaemon]:
    """Started and, with `voice`, about to sing: the tone engine loads with the first client."""
    arguments = ["--tokens-per-s", str(tokens_per_s), "--sentences", str(sentences)]
    arguments += ["--voice"] * voice + ["--heartbeat"] * heartbeat
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 28,
    )
    try:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the daemon has no pipes")
        first = await process.stdout.readline()
        if not first:
            raise RuntimeError("the scripted daemon did not start")
        yield ScriptedDaemon(process, **json.loads(first))
        process.stdin.close()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# --- The process itself ---------------------------------------------------------------------------


class PacedLLM(ScriptedLLM):
    """Speaks at a steady rate and notes when each token left its hands."""

    def __init__(self, tokens_per_s: float, sentences: int) -> None:
        super().__init__()
        self.given: dict[str, list[float]] = {}
        self._gap_s = 1 / tokens_per_s
        self._sentences = sentences

    async def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        line = request.messages[-1].content.partition("[")[2].partition("]")[0]
        given = self.given[line] = []
        due = time.perf_counter()
        for token in reply_to(line, self._sentences):
            due += self._gap_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            given.append(time.perf_counter())
            yield TextDelta(token)


async def _push(socket: ServerConnection) -> None:
    """Asked for [number, size, gap_s, every]: messages of that size with their times, one every so many ticks."""
    async for order in socket:
        number, size, gap_s, every = json.loads(order)
        due = time.perf_counter()
        for tick in range(number * every):
            due += gap_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if tick % every == every - 1:
                stamp = json.dumps({"t": time.perf_counter()})
                await socket.send(stamp + " " * (size - len(stamp)))


async def _beat(late: list[float]) -> None:
    """Wake up every BEAT_S and note how late that was."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        late.append(loop.time() - due)


async def _serve(args: argparse.Namespace) -> None:
    llm = PacedLLM(args.tokens_per_s, args.sentences)
    late: list[float] = []
    with tempfile.TemporaryDirectory() as data:
        async with (
            running_daemon(llm, Path(data), Settings(voice=args.voice)) as daemon,
            serve(_push, "127.0.0.1", 0, compression=None, ping_interval=None) as bare,
        ):
            gc.collect()
            gc.freeze()  # as `rfsn-bridge run` does
            bare_port = next(iter(bare.sockets)).getsockname()[1]
            _tell({"url": daemon.url, "bare_url": f"ws://127.0.0.1:{bare_port}/"})
            beating = asyncio.create_task(_beat(late)) if args.heartbeat else None
            while await asyncio.to_thread(sys.stdin.readline):
                _tell({"given": llm.given, "late": late})
                llm.given.clear()
                late.clear()
            if beating:
                beating.cancel()


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens-per-s", type=float, default=30)
    parser.add_argument("--sentences", type=int, default=4)
    parser.add_argument("--voice", action="store_true")
    parser.add_argument("--heartbeat", action="store_true")
    asyncio.run(_serve(parser.parse_args()))
