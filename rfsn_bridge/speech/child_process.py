"""One life of a process of the daemon's, seen from the daemon: start it, talk with it, learn how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from typing import cast

from rfsn_bridge.errors import VoiceError
from rfsn_bridge.speech import wire
from rfsn_bridge.speech.wire import Frame

STDERR_BYTES = 8 * 1024
INBOX_FRAMES = 10_000
LAST_WORDS_S = 0.5
GONE_S = 3.0


class ChildProcess(asyncio.SubprocessProtocol):
    """A running process; `start` makes one, `stop` or its own death ends it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.gone = asyncio.Event()
        """Set once it has died and its last frames are in."""
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._decoder = wire.Decoder()
        self._stderr = b""
        self._nonsense = ""
        self._exited = self._silent = False
        self._transport: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport

    @classmethod
    async def start(cls, module: str, name: str, opening: Frame) -> ChildProcess:
        """Run `module`, which errors call `name`, and send it `opening`. Raise VoiceError if it cannot start."""
        try:
            _, process = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(name),
                *(sys.executable, "-P", "-X", "utf8", "-m", module),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise VoiceError(f"{name} cannot be started: {error}") from error
        process.send(opening)
        return process

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    @property
    def exit_code(self) -> int | None:
        return self._transport.get_returncode()

    def send(self, frame: Frame) -> None:
        """Returns at once. A dead process takes no notice: `receive` tells of its death."""
        data = wire.encode(frame)
        if not self._stdin.is_closing():
            self._stdin.write(data)

    async def receive(self) -> Frame:
        """The next frame. Raise VoiceError, with what is known of its end, when the process is dead."""
        frame = await self._inbox.get()
        if frame is None:
            self._inbox.put_nowait(None)
            raise VoiceError(f"{self._name} died ({self._cause()})", self._last_words())
        return frame

    async def stop(self, grace_s: float = 0.0) -> None:
        """End it: by the end of its input, and by force after `grace_s`."""
        try:
            self._stdin.close()
            if grace_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_s):
                        await self.gone.wait()
        finally:
            self._kill()
        with contextlib.suppress(TimeoutError):  # The system may be slow to let go of it; dead it is.
            async with asyncio.timeout(GONE_S):
                await self.gone.wait()

    def end(self, cause: str) -> None:
        """Kill it at once; `receive` tells of its death by this cause."""
        self._nonsense = self._nonsense or cause
        self._kill()

    def _kill(self) -> None:
        if self._transport.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()

    def _cause(self) -> str:
        code = self._transport.get_returncode()
        if self._nonsense:
            return self._nonsense
        if code is None:
            return "it closed its output"
        if code < 0:
            try:
                return signal.Signals(-code).name
            except ValueError:
                return f"signal {-code}"
        return f"exit code {code:#x}" if code > 255 else f"exit code {code}"

    def _last_words(self) -> str:
        """What faulthandler said, if it did: other output may hold dialogue."""
        said = re.findall(r"^(?:Fatal Python error|Windows fatal exception):.*", self.stderr, re.MULTILINE)
        return said[-1].strip()[:200] if said else ""

    @property
    def stderr(self) -> str:
        """The end of what the process wrote to standard error. It may quote the dialogue."""
        return self._stderr.decode("utf-8", "replace")

    # --- What asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr = (self._stderr + data)[-STDERR_BYTES:]
            return
        try:
            for frame in self._decoder.feed(data):
                if self._inbox.qsize() >= INBOX_FRAMES:
                    raise VoiceError("it says more than it was asked for")
                self._inbox.put_nowait(frame)
        except VoiceError as error:
            self.end(error.message)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._silent = True
            self._end()

    def process_exited(self) -> None:
        self._exited = True
        if self.gone.is_set():
            self._transport.close()
        self._end()

    def _end(self) -> None:
        """Its exit and the end of its output belong together, but a child of its own may keep the pipe open."""
        if self._exited and self._silent:
            self._bury()
        else:
            asyncio.get_running_loop().call_later(LAST_WORDS_S, self._bury)

    def _bury(self) -> None:
        if not self.gone.is_set():
            self.gone.set()
            self._inbox.put_nowait(None)
            self._kill()
            if self._exited:  # Else asyncio would fight its own child watcher over the exit code.
                self._transport.close()
