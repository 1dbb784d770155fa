"""The protocol's transcripts, played against a real daemon with a scripted language model and the tone engine."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
import yaml

from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import Numbered
from rfsn_bridge.testing import RunningDaemon, ScriptedLLM, Settings, running_daemon

_PATIENCE_S = 15
_TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.yaml"))


class Player:
    """Plays the client's steps, and holds the daemon to its own, message for message."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self.daemon = daemon
        self.names: dict[str, str] = {}
        self.socket: websockets.ClientConnection | None = None

    async def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            (kind, value), *_ = step.items()
            await getattr(self, f"do_{kind}")(value)
        if self.socket:
            await self.socket.close()

    async def _receive(self) -> str | bytes:
        if self.socket is None:
            self.socket = await websockets.connect(self.daemon.url)
        return await asyncio.wait_for(self.socket.recv(), _PATIENCE_S)

    async def do_S(self, expected: dict[str, Any]) -> None:
        frame = await self._receive()
        assert isinstance(frame, str), f"expected {expected}, got an audio frame {frame[:16]!r}"
        self._match(expected, json.loads(frame), expected["type"])

    def _match(self, expected: Any, got: Any, where: str) -> None:
        """Every expected field is there with its value; `$name` stands for any value, the same each time."""
        if isinstance(expected, dict):
            for key, value in expected.items():
                assert key in got, f"{where}: no {key} in {got}"
                self._match(value, got[key], f"{where}.{key}")
        elif isinstance(expected, str) and expected.startswith("$"):
            assert self.names.setdefault(expected, got) == got
        else:
            assert got == expected, f"{where}: {got!r} is not {expected!r}"

    async def do_C(self, message: dict[str, Any]) -> None:
        assert self.socket
        text = json.dumps(message)
        for name, value in self.names.items():
            text = text.replace(f'"{name}"', json.dumps(value))
        await self.socket.send(text)

    async def do_text(self, text: str) -> None:
        assert self.socket
        await self.socket.send(text)

    async def do_large(self, size: int) -> None:
        await self.do_C({"type": "ping", "t": "x" * size})

    async def do_close(self, code: int) -> None:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await self._receive()
        assert closed.value.rcvd and closed.value.rcvd.code == code
        self.socket = None

    async def do_frames(self, expected: dict[str, Any]) -> None:
        for chunk in range(expected["chunks"]):
            data = await self._receive()
            assert isinstance(data, bytes), f"expected frame {chunk}, got {data}"
            frame = AudioFrame.decode(data)
            last = chunk == expected["chunks"] - 1
            assert (frame.turn_number, frame.seq, frame.chunk) == (expected["turn"], expected["seq"], chunk)
            assert (frame.last, frame.aborted) == (last, False)
            assert frame.pcm

    async def do_find(self, expected: dict[str, Any]) -> None:
        """Read on to a message of this kind, which must be as expected."""
        which = {key: expected[key] for key in ("type", "seq") if key in expected}
        while True:
            frame = await self._receive()
            if isinstance(frame, str) and which.items() <= (message := json.loads(frame)).items():
                return self._match(expected, message, expected["type"])

    async def do_llm(self, pieces: int) -> None:
        self.daemon.llm.release(pieces)

    async def do_upstream(self, _: str) -> None:
        await asyncio.wait_for(self.daemon.llm.closed.wait(), _PATIENCE_S)

    async def do_cut(self, when: dict[str, int]) -> None:
        """Lose the connection without a closing handshake, having read up to n."""
        assert self.socket
        self.daemon.llm.release(1)
        while json.loads(str(await self._receive()))["n"] < when["when"]:
            pass
        self.socket.transport.abort()
        self.socket = None

    async def do_until(self, n: int) -> None:
        """Let the turn run on with nobody connected, until the daemon has numbered so many messages."""
        (game,) = self.daemon.bridge.games
        send, reached = game.session.send, asyncio.Event()

        def counted(message: Numbered) -> str:
            text = send(message)
            if game.session.n >= n:
                reached.set()
            return text

        setattr(game.session, "send", counted)
        if game.session.n < n:
            await asyncio.wait_for(reached.wait(), _PATIENCE_S)
        setattr(game.session, "send", send)


def _ids() -> Iterator[str]:
    return (path.stem for path in _TRANSCRIPTS)


@pytest.mark.parametrize("path", _TRANSCRIPTS, ids=_ids())
async def test_transcript(path: Path, tmp_path: Path) -> None:
    transcript = yaml.safe_load(path.read_text(encoding="utf-8"))
    replies = [transcript[key] for key in ("reply", "choice") if key in transcript]
    llm = ScriptedLLM(*replies, gated=True)
    settings = Settings(voice=True, config={"playback": {"device": "none"}})
    async with running_daemon(llm, tmp_path, settings) as daemon:
        assert daemon.bridge.snapshot.voice
        await daemon.bridge.snapshot.voice.warm_up()  # a slow start would be told of in between
        await Player(daemon).play(transcript["steps"])
