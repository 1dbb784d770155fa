"""The adapter test's daemon: the real one, with a scripted model, a tone for a voice, and a tap before it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rfsn_bridge.adapter_test.lint import Lint
from rfsn_bridge.adapter_test.provoke import Cut, Plan, Provoker
from rfsn_bridge.adapter_test.rule import Finding
from rfsn_bridge.adapter_test.scripted_model import PacedModel
from rfsn_bridge.adapter_test.tap import Tap
from rfsn_bridge.adapter_test.tape import Closed, Event, Opened, Polled, Said
from rfsn_bridge.bridge import Bridge
from rfsn_bridge.protocol.messages import Limits
from rfsn_bridge.testing import Settings, ToneOptions, running_daemon

_LOOK_S = 0.05
_POLLS_MISSED_S = 5.5
"""Only after so long without a poll does the daemon count a client as gone."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Where to listen and how to behave.

    `patience_s`: how long an adapter that left is waited for. `speed`: seconds of the game in one second.
    `eager`: some action is asked for in every turn, fitting or not.
    """

    host: str = "127.0.0.1"
    port: int = 0
    http_port: int = 0
    cut: Cut = "once"
    interrupt: bool = True
    seconds: float | None = None
    patience_s: float = 10.0
    grace_s: float = 10.0
    pace_s: float = 0.05
    voice: bool = True
    speed: float = 1.0
    eager: bool = True


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    findings: list[Finding] = field(default_factory=list)
    provoked: list[str] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    """How many messages of each type the adapter sent."""
    transports: list[str] = field(default_factory=list)
    turns: int = 0
    audio: str = "none"


def _voice(speed: float) -> dict[str, dict[str, Any]]:
    """A voice as fast as the game. What it says for the daemon to play passes in silence: it is only tones."""
    tone = {"ms_per_character": max(1, round(ToneOptions().ms_per_character / speed))}
    return {"tts": {"options": {"tone": tone}}, "playback": {"device": "none"}}


class Trial:
    """One adapter on trial, from before it connects until it is gone."""

    def __init__(self, setup: Setup) -> None:
        self.tested = Outcome()
        self._setup = setup
        self._lint = Lint()
        self._left_at: float | None = None
        self.tap = Tap(self._record, self._clock)
        self._outage_s = setup.grace_s + _POLLS_MISSED_S if setup.cut == "forget" else 0.0
        # Whoever doubles his pauses may be away as long again after nobody was let in.
        self._patience_s = setup.patience_s + self._outage_s
        self._bridge: Bridge | None = None
        self._provoker = Provoker(Plan(setup.cut, setup.interrupt, self._outage_s), self.tap)

    @asynccontextmanager
    async def listen(self, data: Path) -> AsyncIterator[tuple[str, str]]:
        """Be there for the adapter until the block ends; gives the addresses of WebSocket and long poll."""
        setup = self._setup
        limits = Limits(resume_grace_s=setup.grace_s)
        async with AsyncExitStack() as stack:
            daemon = await stack.enter_async_context(
                running_daemon(
                    PacedModel(setup.pace_s / setup.speed, eager=setup.eager),
                    data,
                    Settings(config=_voice(setup.speed), voice=setup.voice, limits=limits),
                )
            )
            self._bridge = daemon.bridge
            http_behind = int(daemon.http_url.rpartition(":")[2])
            port = await stack.enter_async_context(self.tap.listen(setup.host, setup.port, daemon.listening.port))
            http_port = await stack.enter_async_context(self.tap.listen(setup.host, setup.http_port, http_behind))
            host = f"[{setup.host}]" if ":" in setup.host else setup.host
            yield f"ws://{host}:{port}/ws", f"http://{host}:{http_port}"

    async def until_gone(self) -> None:
        """Until the time is over, or the adapter has left and not come back."""
        ends_at = None if self._setup.seconds is None else time.monotonic() + self._setup.seconds
        while ends_at is None or time.monotonic() < ends_at:
            now = time.monotonic()
            if self.tap.requests:
                self._left_at = now
            elif self._left_at is not None and now - self._left_at > self._patience_s:
                return
            await asyncio.sleep(_LOOK_S)

    def finish(self) -> Outcome:
        """Close the tape; what was still owed is found now."""
        self.tested.findings += self._lint.end(self._clock())
        self.tested.provoked = self._provoker.did
        self.tested.turns = len(self._lint.story.turns)
        self.tested.audio = self._lint.story.audio
        return self.tested

    def _clock(self) -> float:
        """The time of the game, in which the rules count."""
        return time.monotonic() * self._setup.speed

    def _record(self, event: Event) -> None:
        self.tested.findings += self._lint.see(event)
        match event:
            case Opened():
                self._left_at = None
                self.tested.transports.append(event.transport)
            case Closed():
                self._left_at = time.monotonic() + (self._outage_s if event.by == "test" else 0.0)
            case Polled():
                self._left_at = time.monotonic()
            case Said():
                self.tested.sent[event.kind] = self.tested.sent.get(event.kind, 0) + 1
                if self._lint.story.links[event.link].transport == "long poll":
                    self._left_at = time.monotonic()
            case _:
                pass
        self._provoker.see(event, self._bridge.games if self._bridge else ())
