"""Engines in order of preference: the first that can speaks, and the next one as long as it cannot.

An engine rests when it is unavailable (see voice.py), or when it has been slower than its own speech for a while
and another is there to take over. Whatever rests is tried again, first after a few seconds and then ever more
rarely, between utterances: an unavailable engine is opened, a slow one says a sentence that nobody hears. An
utterance is handed on as long as nothing of it was heard; after that it fails: no two voices share one.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from rfsn_bridge.domain import AudioChunk, NoticeLevel, SpeechRequest
from rfsn_bridge.errors import VoiceError, VoiceUnavailable
from rfsn_bridge.interfaces import NoticeSink
from rfsn_bridge.speech.engine_process import EngineSpec
from rfsn_bridge.speech.limits import USUAL, Limits
from rfsn_bridge.speech.strain import STEADY, Strain
from rfsn_bridge.speech.text_only import Silence
from rfsn_bridge.speech.utterance import Job, Utterance
from rfsn_bridge.speech.voice import SHUT_DOWN, VoiceProcess

log = logging.getLogger(__name__)

QUIET_S = 2.0
"""A resting engine is tried after so much silence."""
FIRST_TRY_S = 10.0
LONGEST_REST_S = 300.0
TRUSTED_AFTER = 10
"""Utterances after which an engine that came back is trusted: its next rest is short again."""
TELL_AGAIN_S = 300.0
TRIAL = "The weather is turning, so let us be on our way."

Spec = Callable[[], EngineSpec]
Reason = Literal["", "slow", "unavailable"]


class _Engine:
    def __init__(self, name: str) -> None:
        self.name = name
        self.voice: VoiceProcess | Silence = Silence()
        self.strain = Strain()
        self.resting: Reason = ""
        self.trying = False
        """Whether it is being tried while it rests."""
        self.utterances = 0
        """Since it came back."""


class VoiceChain:
    """The voice, as the daemon sees it; has the face of a VoiceProcess. Used from one event loop.

    `specs` are the engines by name, the preferred first; None (the last) stands for text only. `voice` is the
    first engine's default; the others choose one of their own by the name of the voice that is asked for.
    """

    def __init__(
        self,
        specs: Mapping[str, Spec | None],
        voice: str,
        notice: NoticeSink,
        *,
        idle_unload_s: float = 0.0,
        max_memory_mb: int = 0,
        limits: Limits = USUAL,
    ) -> None:
        self._notice = notice
        self._limits = limits
        self._engines = [_Engine(name) for name in specs]
        for engine, spec in zip(self._engines, specs.values(), strict=True):
            if spec is not None:
                engine.voice = VoiceProcess(
                    spec,
                    voice if engine is self._engines[0] else "",
                    self._sink(engine),
                    idle_unload_s=idle_unload_s,
                    max_memory_mb=max_memory_mb,
                    measured=self._gauge(engine),
                    limits=limits,
                )
        self._numbers = 0
        self._relays: set[asyncio.Task[None]] = set()
        self._switching: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._rest_s = FIRST_TRY_S
        self._spoken = asyncio.Event()
        """Set when something was asked for since a resting engine was last tried: an idle daemon tries nothing."""
        self._spoken.set()
        self._spoken_at = float("-inf")
        self._trial: Utterance | None = None
        self._told_at = float("-inf")
        self._closed = False

    @property
    def engine(self) -> str:
        """The name of the one that would speak now."""
        return self._speaker.name

    @property
    def respell(self) -> bool:
        return self._speaker.voice.respell

    @property
    def voices(self) -> tuple[str, ...]:
        """What that one can speak; empty until it was opened for the first time."""
        return self._speaker.voice.voices

    @property
    def fingerprint(self) -> str:
        """What the sound of a request depends on beside it; empty until it is known."""
        return self._speaker.voice.fingerprint

    @property
    def ready(self) -> bool:
        """Whether an utterance would be spoken without loading anything first."""
        return self._speaker.voice.ready

    @property
    def real_time_factor(self) -> float | None:
        return self._speaker.voice.real_time_factor

    @property
    def pid(self) -> int | None:
        return self._speaker.voice.pid

    @property
    def restarts(self) -> int:
        """How often a dead process was replaced, of all engines."""
        return sum(engine.voice.restarts for engine in self._engines)

    @property
    def queue_size(self) -> int:
        """Utterances that wait for their turn, beside those that are being spoken."""
        return sum(engine.voice.queue_size for engine in self._engines)

    async def warm_up(self) -> None:
        """Return when an engine is ready to speak. Raise VoiceUnavailable, as the first put it, if none can be."""
        refusal: VoiceUnavailable | None = None
        for engine in self._in_order():
            try:
                await engine.voice.warm_up()
            except VoiceUnavailable as error:
                refusal = refusal or error
                self._rest(engine, "unavailable")
            else:
                if engine.resting == "unavailable":
                    self._return(engine)
                return
        raise refusal or VoiceUnavailable(SHUT_DOWN)

    def speak(self, request: SpeechRequest) -> Utterance:
        """Queue an utterance behind the earlier ones. Raise VoiceError at once if it cannot even wait."""
        self._spoken.set()
        self._spoken_at = asyncio.get_running_loop().time()
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None
            self._rest_s /= 2  # Interrupted is not slow: the next trial comes no later for it.
        tried: list[_Engine] = []
        engine, utterance = self._begin(request, tried)
        if len(self._engines) == 1:
            return utterance
        self._numbers += 1
        relay = _Relay(utterance)
        job = Job(self._numbers, request, relay.cut)
        task = asyncio.get_running_loop().create_task(self._relay(relay, job, engine, tried), name="relay")
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)
        return Utterance(job)

    async def aclose(self) -> None:
        """End every process; whatever waits fails with VoiceUnavailable."""
        self._closed = True
        tasks = [task for task in (self._switching, self._recovering) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(engine.voice.aclose() for engine in self._engines))
        await asyncio.gather(*self._relays)

    # --- Who speaks ---

    @property
    def _speaker(self) -> _Engine:
        return self._in_order()[0]

    def _in_order(self) -> list[_Engine]:
        """Those that can speak, then those that are slow, then those that could not when they were last asked."""
        order: tuple[Reason, ...] = ("", "slow", "unavailable")
        return sorted(self._engines, key=lambda engine: order.index(engine.resting))

    def _begin(self, request: SpeechRequest, tried: list[_Engine]) -> tuple[_Engine, Utterance]:
        """Give the request to the best engine not tried; raise what the best of them said if none takes it."""
        refusal: VoiceUnavailable | None = None
        for engine in self._in_order():
            if engine in tried:
                continue
            tried.append(engine)
            try:
                return engine, engine.voice.speak(self._voiced(request, engine))
            except VoiceUnavailable as error:
                refusal = refusal or error
                self._rest(engine, "unavailable")
        raise refusal or VoiceUnavailable("no engine is left to speak")

    def _voiced(self, request: SpeechRequest, engine: _Engine) -> SpeechRequest:
        """With a voice that a substitute has, always the same one for the same name."""
        voices = engine.voice.voices
        if engine is self._engines[0] or not voices or request.voice in voices:
            return request
        return replace(request, voice=voices[zlib.crc32(request.voice.encode("utf-8", "replace")) % len(voices)])

    async def _relay(self, relay: _Relay, job: Job, engine: _Engine, tried: list[_Engine]) -> None:
        """Pass an utterance's audio on, or the utterance to the next engine where its own is unavailable."""
        refusal: VoiceUnavailable | None = None
        try:
            while not job.over:
                try:
                    heard = False
                    async for chunk in relay.utterance:
                        heard = True
                        self._deliver(relay, job, chunk)
                    job.finish()
                except VoiceUnavailable as error:
                    refusal = refusal or error
                    self._rest(engine, "unavailable")
                    if heard or job.over or self._closed:
                        raise
                    engine, relay.utterance = self._begin(job.request, tried)
        except VoiceError as error:
            job.finish(refusal or error)
        finally:
            job.finish(VoiceUnavailable("the voice failed"))  # Nobody waits for ever, whatever went wrong.

    def _deliver(self, relay: _Relay, job: Job, chunk: AudioChunk) -> None:
        job.deliver(chunk)
        if job.buffered > self._limits.buffered and not job.over:
            relay.utterance.cancel()
            job.finish(VoiceError(f"nobody took the audio: over {self._limits.buffered} bytes waited"))

    # --- Rest and recovery ---

    def _rest(self, engine: _Engine, reason: Reason) -> None:
        if self._closed or len(self._engines) == 1 or isinstance(engine.voice, Silence):
            return
        news = not engine.resting
        engine.resting = reason
        engine.strain.forget()
        if news and not self._speaker.resting:
            instead = self._speaker
            who = "there is text only" if isinstance(instead.voice, Silence) else f"{instead.name} speaks"
            message = f"{who} until {engine.name} can again"
            self._tell("warning", "voice_fallback", message, "it is tried again by itself")
        if self._recovering is None:
            self._recovering = asyncio.get_running_loop().create_task(self._recover(), name="voice recovery")

    async def _recover(self) -> None:
        """Try whatever rests, ever more rarely, until nothing does."""
        try:
            while any(engine.resting for engine in self._engines):
                await asyncio.sleep(self._rest_s)
                await self._quiet()
                for engine in [engine for engine in self._engines if engine.resting]:
                    if await self._recovered(engine):
                        self._return(engine)
                self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        finally:
            self._recovering = None

    async def _quiet(self) -> None:
        """Return once something has been said since the last time, and then nothing for a while."""
        await self._spoken.wait()
        loop = asyncio.get_running_loop()
        while (left_s := self._spoken_at + QUIET_S - loop.time()) > 0 or self._relays:  # noqa: ASYNC110
            await asyncio.sleep(max(left_s, 0.1))
        self._spoken.clear()

    async def _recovered(self, engine: _Engine) -> bool:
        engine.trying = True
        try:
            await engine.voice.warm_up()
            if engine.resting == "unavailable":
                return True
            engine.strain.forget()
            self._trial = engine.voice.speak(SpeechRequest(TRIAL, ""))
            async with self._trial as trial:
                async for _ in trial:
                    pass
            return 0 < engine.strain.factor < STEADY  # 0 if somebody had something to say meanwhile
        except VoiceUnavailable:
            engine.resting = "unavailable"
            return False
        except VoiceError:
            return False
        finally:
            self._trial = None
            engine.trying = False

    def _return(self, engine: _Engine) -> None:
        before = self._speaker
        engine.resting = ""
        engine.utterances = 0
        engine.strain.forget()
        if self._speaker is not before:
            self._tell("info", "voice_restored", f"{engine.name} speaks again")

    def _gauge(self, engine: _Engine) -> Callable[[float, float], None]:
        def measured(busy_s: float, audio_s: float) -> None:
            changed = engine.strain.add(busy_s, audio_s)
            if engine.resting == "unavailable":
                self._return(engine)
            if engine.resting:
                return
            engine.utterances += 1
            if engine.utterances == TRUSTED_AFTER and self._recovering is None:
                self._rest_s = FIRST_TRY_S
            if changed and engine.strain.slow:
                self._fall_behind(engine)

        return measured

    def _fall_behind(self, engine: _Engine) -> None:
        """It has been too slow for a while: tell, and let the next one speak once that is ready."""
        loop = asyncio.get_running_loop()
        later = self._engines[self._engines.index(engine) + 1 :]
        instead = next((other for other in later if not other.resting), None)
        if instead is not None and self._switching is None:
            self._switching = loop.create_task(self._make_way(engine, instead), name="voice switch")
        if loop.time() >= self._told_at + TELL_AGAIN_S:
            self._told_at = loop.time()
            message = f"speech cannot keep up: {engine.name} works {engine.strain.factor:.1f} s for a second of it"
            hint = "leave the processor some room: a limit on the game's frame rate helps"
            if instead is None:
                hint += ", and so does a faster engine to fall back on (tts.engine: [kokoro, piper])"
            self._tell("warning", "speech_slow", message, hint)

    async def _make_way(self, engine: _Engine, instead: _Engine) -> None:
        try:
            await instead.voice.warm_up()
            self._rest(engine, "slow")
        except VoiceUnavailable:
            self._rest(instead, "unavailable")
            engine.strain.forget()
        finally:
            self._switching = None

    # --- What the player is told ---

    def _sink(self, engine: _Engine) -> NoticeSink:
        """For an engine's own notices: how one that rests fares, and a substitute's voices, nobody need know."""

        def told(
            level: NoticeLevel, code: str, message: str, hint: str = "", progress: float | None = None
        ) -> None:
            resting = engine.trying or (engine.resting and code != "voice_unavailable")
            if resting or (code == "unknown_voice" and engine is not self._engines[0]):
                log.info("%s: %s: %s", engine.name, code, message)
            else:
                self._notice(level, code, message, hint, progress)

        return told

    def _tell(self, level: NoticeLevel, code: str, message: str, hint: str = "") -> None:
        try:
            self._notice(level, code, message, hint)
        except Exception:
            # Whoever shows notices must not stop the voice.
            log.exception("the notice %s could not be shown", code)


class _Relay:
    """What of an utterance is cut when it is cancelled: its present engine's part."""

    def __init__(self, utterance: Utterance) -> None:
        self.utterance = utterance

    def cut(self, _: Job) -> None:
        self.utterance.cancel()
