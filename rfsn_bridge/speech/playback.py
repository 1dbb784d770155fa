"""The daemon's side of the player: what sounds on this machine, and what became of it.

    playback.begin(turn_id, seq, npc_id, sample_rate, tell)
    playback.feed(turn_id, seq, pcm, words)     as often as there is something
    playback.end(turn_id, seq)                  nothing more comes
    playback.stop(turn_id)                      and everything of the turn that is not over is told as aborted

The utterances of a turn sound one after another without a gap, those of several turns at the same time. `tell` is
called with one `Sounded` "started" at most, any number of "underrun", and exactly one "ended" or "aborted". None
of these methods waits; all are called on the event loop, on which `tell` is called as well.

A process plays (player.py), so that a sound system that hangs or crashes costs this sound and no more: what was
under way is told as aborted with what was heard of it, and another process takes over. Where there is no device,
time goes on as if there were.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Self

from rfsn_bridge.domain import NoticeLevel
from rfsn_bridge.errors import VoiceError, VoiceUnavailable
from rfsn_bridge.interfaces import NoticeSink
from rfsn_bridge.speech.child_process import ChildProcess
from rfsn_bridge.speech.sounded import Counters, Levels, Limits, Position, Sounded, SoundingUtterance, Status
from rfsn_bridge.speech.wire import Frame, Kind

__all__ = ["Counters", "Levels", "Limits", "Playback", "Position", "Sounded"]

log = logging.getLogger(__name__)

PLAYER = "rfsn_bridge.speech.player"
STRIKES = 3
STOP_S = 1.0
MAX_NPCS = 256
AS_IT_IS = Levels()
LIMITS = Limits()
SHUT_DOWN = "the playback has been shut down"
REPLACED = 3
"""The exit code of a player that found its sound system stuck."""
_PIECE = 1024 * 1024
"""Bytes of PCM in a frame at most."""
_STATUS: Mapping[Kind, Status] = {
    Kind.STARTED: "started",
    Kind.UNDERRUN: "underrun",
    Kind.ENDED: "ended",
    Kind.ABORTED: "aborted",
}


class Playback:
    """Speech on this machine's loudspeakers. `device` is a part of its name; "" is the system's own choice.

    "none" is no device: everything passes in silence.
    """

    def __init__(
        self, notice: NoticeSink, *, device: str = "", levels: Levels = AS_IT_IS, limits: Limits = LIMITS
    ) -> None:
        self._notice = notice
        self._device = device
        self._levels = levels
        self._limits = limits
        self._focus: str | None = None
        self._paused = False
        self._listener: tuple[Position, Position] | None = None
        self._npcs: dict[str, Position] = {}
        self._utterances: dict[tuple[str, int], SoundingUtterance] = {}
        self._process: ChildProcess | None = None
        self._outbox: deque[Frame] = deque()
        """What a process that is not there yet will be told; the limits of what it holds are the utterances'."""
        self._runner: asyncio.Task[None] | None = None
        self._deaths: deque[float] = deque(maxlen=STRIKES)
        self._refused_until = 0.0
        self._refusal = ""
        self._closed = False
        self._problem = "the sound device is none" if device == "none" else "no sound device has been opened yet"
        self.counters = Counters()
        self.latency_ms = 0
        """From the player to the ear, as the device tells it."""
        self.device = ""
        """What the sound comes from; "" where it comes from nowhere."""

    @property
    def available(self) -> bool:
        """Whether what sounds can be heard."""
        return not self._problem

    @property
    def why_not(self) -> str:
        """Why nothing can be heard; "" where it can."""
        return self._problem

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def busy(self) -> int:
        """Utterances that are not over."""
        return len(self._utterances)

    def heard_ms(self, turn_id: str, seq: int) -> int:
        """How much of an utterance that is not over has sounded: a tenth of a second old at most."""
        utterance = self._utterances.get((turn_id, seq))
        return utterance.heard_ms if utterance else 0

    def ahead_ms(self, turn_id: str) -> int:
        """How much of a turn's speech is there and has not sounded yet."""
        return round(sum(each.ahead_ms for each in self._utterances.values() if each.turn_id == turn_id))

    # --- What sounds ---

    def wake(self) -> None:
        """Something will sound soon: start the process and open the device, as they are found now."""
        if not self._closed and asyncio.get_running_loop().time() >= self._refused_until:
            self._send(Kind.WAKE, {})

    def begin(
        self,
        turn_id: str,
        seq: int,
        npc_id: str,
        sample_rate: int,
        tell: Callable[[Sounded], None],
        *,
        pause_ms: int = 0,
    ) -> None:
        """An utterance, behind the earlier ones of its turn, and `pause_ms` of silence after them.

        Raise VoiceUnavailable if nothing can sound now, VoiceError if too much waits or it was begun already.
        """
        if self._closed:
            raise VoiceUnavailable(SHUT_DOWN)
        if asyncio.get_running_loop().time() < self._refused_until:
            raise VoiceUnavailable(self._refusal, "it is tried again soon")
        if (turn_id, seq) in self._utterances:
            raise VoiceError(f"sentence {seq} of turn {turn_id} sounds already")
        if len(self._utterances) >= self._limits.utterances:
            self.counters.refused += 1
            raise VoiceError(f"{len(self._utterances)} sentences are already waiting to sound")
        self._utterances[turn_id, seq] = SoundingUtterance(turn_id, seq, sample_rate, tell)
        header = {"npc": npc_id, "sample_rate": sample_rate, "pause_ms": pause_ms}
        self._send(Kind.BEGIN, {"turn": turn_id, "seq": seq, **header})

    def feed(self, turn_id: str, seq: int, pcm: bytes, words: Sequence[int] = ()) -> None:
        """More of it: 16-bit mono PCM. `words` are where words end in it, in ms from the utterance's beginning.

        What is fed to an utterance that is over is ignored. Raise VoiceError, and abort it, if too much waits.
        """
        utterance = self._utterances.get((turn_id, seq))
        if utterance is None or utterance.whole:
            return
        utterance.given += len(pcm)
        if sum(each.ahead_ms for each in self._utterances.values()) > self._limits.ahead_s * 1000:
            self.counters.refused += 1
            self.stop(turn_id, seq)
            raise VoiceError(f"over {self._limits.ahead_s:g} s of speech are already waiting to sound")
        header = {"turn": turn_id, "seq": seq, "words": list(words)}
        for at in range(0, len(pcm), _PIECE):
            self._send(Kind.AUDIO, header, pcm[at : at + _PIECE])
            header = {"turn": turn_id, "seq": seq, "words": []}

    def end(self, turn_id: str, seq: int) -> None:
        """It has been fed whole."""
        utterance = self._utterances.get((turn_id, seq))
        if utterance is not None and not utterance.whole:
            utterance.whole = True
            self._send(Kind.END, {"turn": turn_id, "seq": seq})

    def stop(self, turn_id: str, seq: int | None = None, within_ms: int = 0) -> None:
        """End the utterance, or all of the turn: where a word ends within this time, else after it."""
        of_turn = [key for key in self._utterances if key[0] == turn_id]
        if (turn_id, seq) in of_turn or (seq is None and of_turn):
            header: dict[str, Any] = {"turn": turn_id, "within_ms": within_ms}
            self._send(Kind.STOP, header if seq is None else header | {"seq": seq})

    # --- How it sounds ---

    def pause(self, paused: bool) -> None:
        """The game stands still, or goes on."""
        if paused != self._paused:
            self._paused = paused
            self._send_if_running(Kind.PAUSE, {"paused": paused})

    def places(
        self, listener: tuple[Position, Position] | None = None, npcs: Mapping[str, Position] | None = None
    ) -> None:
        """Where everybody is: the listener's position and the direction of their face, and NPCs; game units.

        Who is not named stays; an NPC whose place is unknown is heard in the middle and at full volume.
        """
        if listener is not None:
            self._listener = listener
        for npc_id, position in (npcs or {}).items():
            self._npcs.pop(npc_id, None)
            self._npcs[npc_id] = position
            if len(self._npcs) > MAX_NPCS:
                del self._npcs[next(iter(self._npcs))]
        self._send_if_running(Kind.PLACES, {"listener": listener, "npcs": dict(npcs or {})})

    def tune(self, levels: Levels) -> None:
        if levels != self._levels:
            self._levels = levels
            self._send_if_running(Kind.LEVELS, asdict(levels))

    def volume(self, volume: float) -> None:
        """0 is silence, 1 the voice as it is."""
        self.tune(replace(self._levels, volume=volume))

    def mute(self, mute: bool) -> None:
        self.tune(replace(self._levels, mute=mute))

    def focus(self, npc_id: str | None) -> None:
        """Whom the player talks to: the others are ducked while this NPC speaks."""
        if npc_id != self._focus:
            self._focus = npc_id
            self._send_if_running(Kind.LEVELS, {"focus": npc_id or ""})

    async def aclose(self) -> None:
        """End the process; what was not over is told as aborted."""
        self._closed = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        await self._drop(STOP_S)
        self._problem, self.device = SHUT_DOWN, ""
        self._abort_all()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- The process ---

    def _send_if_running(self, kind: Kind, header: Mapping[str, Any]) -> None:
        """A process that starts later is told by `_introduce`."""
        if self._process is not None:
            self._process.send(Frame(kind, header))

    def _send(self, kind: Kind, header: Mapping[str, Any], body: bytes = b"") -> None:
        frame = Frame(kind, header, body)
        if self._process is not None:
            self._process.send(frame)
            return
        if kind is not Kind.WAKE:
            self._outbox.append(frame)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="playback")

    async def _run(self) -> None:
        """One process after another: until one leaves by itself while nothing waits to sound, or too many died."""
        while True:
            try:
                process = self._process = await ChildProcess.start(PLAYER, "the player", self._opening())
                self._introduce(process)
                await self._listen(process)
            except VoiceError as error:
                died = self._bury(error, await self._drop(0.0))
            except Exception as error:  # whatever its frames led to: the daemon goes on, and says so
                log.exception("the playback failed unexpectedly")
                await self._drop(0.0)
                died = self._bury(VoiceError(f"the player makes no sense ({type(error).__name__})"), None)
            if not (died or self._outbox):
                return

    def _opening(self) -> Frame:
        return Frame(Kind.OPEN, {"device": self._device, **asdict(self._levels)})

    def _introduce(self, process: ChildProcess) -> None:
        """Tell a new process what the old one knew, and what has waited for it."""
        process.send(Frame(Kind.LEVELS, {"focus": self._focus or ""}))
        process.send(Frame(Kind.PLACES, {"listener": self._listener, "npcs": dict(self._npcs)}))
        process.send(Frame(Kind.PAUSE, {"paused": self._paused}))
        process.send(Frame(Kind.WAKE, {}))
        while self._outbox:
            process.send(self._outbox.popleft())

    async def _listen(self, process: ChildProcess) -> None:
        """Pass on what the player says. Raise VoiceError when it is dead or hangs."""
        patience_s = self._limits.start_s
        while True:
            try:
                async with asyncio.timeout(patience_s):
                    frame = await process.receive()
            except TimeoutError:
                if self._utterances:
                    raise VoiceError("the player hung") from None
                continue
            patience_s = self._limits.hung_s
            if frame.kind is Kind.DEVICE:
                self._tell_of_device(frame.header)
                continue
            if frame.kind is Kind.LATE:
                self.counters.late += int(frame.header["times"])
                continue
            utterance = self._utterances.get((str(frame.header.get("turn")), int(frame.header.get("seq", -1))))
            if utterance is not None:
                self._take(frame, utterance)

    def _take(self, frame: Frame, utterance: SoundingUtterance) -> None:
        utterance.heard_ms = int(frame.header.get("heard_ms", utterance.heard_ms))
        if status := _STATUS.get(frame.kind):
            self._tell(utterance, status)

    def _tell(self, utterance: SoundingUtterance, status: Status) -> None:
        if status in ("ended", "aborted"):
            del self._utterances[utterance.turn_id, utterance.seq]
        self.counters.aborted += status == "aborted"
        self.counters.underruns += status == "underrun"
        try:
            utterance.tell(Sounded(status, utterance.turn_id, utterance.seq, utterance.heard_ms))
        except Exception:  # whoever listens to one utterance must not silence the others
            self.counters.failed_tellings += 1
            log.exception("what became of an utterance could not be told")

    def _tell_of_device(self, header: Mapping[str, Any]) -> None:
        """The player has found its device, or none, or has lost it."""
        had, self.device = self.device, str(header["name"])
        self.latency_ms = int(header["latency_ms"])
        message, hint = str(header["message"]), str(header["hint"])
        self._problem = "" if header["state"] == "open" else message
        if header["state"] == "open" and had != self.device:
            log.info("sound comes from %s", self.device)
            if message:
                self._show("info", "sound_device", message, hint)
        elif header["state"] == "lost":
            log.warning(message)
            self._show("warning", "sound_device", message, hint)

    def _bury(self, error: VoiceError, exit_code: int | None) -> bool:
        """A process is gone: say what was lost with it. Whether another should follow at once."""
        now = asyncio.get_running_loop().time()
        self._problem, self.device = error.message, ""
        self.counters.restarts += 1
        log.warning("restarting the player: %s", error)
        if exit_code != REPLACED:
            self._deaths.append(now)
        if len(self._deaths) == STRIKES and now - self._deaths[0] < self._limits.strikes_s:
            self._refused_until = now + self._limits.cooldown_s
            self._refusal = f"speech cannot be played: {error.message}"
            self._deaths.clear()
            self._show("error", "sound_unavailable", self._refusal, "see the log; replies are still shown")
        elif exit_code != REPLACED:
            self._show("warning", "sound_restarted", f"{error.message}: restarting the sound", error.hint)
        self._abort_all()
        return exit_code != REPLACED and now >= self._refused_until

    async def _drop(self, grace_s: float) -> int | None:
        """Let go of the process; what it ended with."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stderr:
            log.debug("the last of its standard error:\n%s", process.stderr)
        exit_code = process.exit_code
        await process.stop(grace_s)
        return exit_code

    def _abort_all(self) -> None:
        self._outbox.clear()
        for utterance in list(self._utterances.values()):
            self._tell(utterance, "aborted")

    def _show(self, level: NoticeLevel, code: str, message: str, hint: str) -> None:
        with contextlib.suppress(Exception):  # a notice that cannot be shown is in the log all the same
            self._notice(level, code, message, hint, None)
