"""The daemon's side of the voice: utterances in order, one process that speaks them, and its restarts.

One task (`_run`) owns the process. It hands over one utterance at a time, so that a crash or a hang can be laid
to the utterance under way and to no other; the gap between two is one trip through a pipe.

A process that dies is replaced at once, because the next sentence is seldom far. `STRIKES` deaths without a
finished utterance between them, or an engine that cannot be opened, make the voice unavailable: for `cooldown_s`
everything is refused at once, then the next utterance tries again (the model may have been fetched meanwhile).
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from rfsn_bridge.blend import speaks
from rfsn_bridge.domain import NoticeLevel, SpeechRequest
from rfsn_bridge.errors import BridgeError, VoiceError, VoiceUnavailable
from rfsn_bridge.interfaces import NoticeSink
from rfsn_bridge.loading import loading
from rfsn_bridge.speech.cache import fingerprint
from rfsn_bridge.speech.child_process import ChildProcess
from rfsn_bridge.speech.engine_process import EngineSpec, chunk_of, failure_of, speak_frame, start_engine
from rfsn_bridge.speech.limits import USUAL, Limits
from rfsn_bridge.speech.memory_bound import MemoryBound
from rfsn_bridge.speech.utterance import Job, Utterance
from rfsn_bridge.speech.wire import Frame, Kind

__all__ = ["EngineSpec", "Limits", "Utterance", "VoiceProcess"]

log = logging.getLogger(__name__)

STRIKES = 3
STOP_S = 1.5
REST_S = 3.0
"""A process that takes too much memory is replaced after this silence."""
RTF_WEIGHT = 0.3
SLOWER_WEIGHT = 0.7
MAX_NAMES = 256
SHUT_DOWN = "the voice has been shut down"


class VoiceProcess:
    """The voice, as the daemon sees it. `voice` is spoken where a request names one that the engine has not.

    `spec` may be a function: it is called, in a thread, whenever a process starts, and may raise BridgeError
    (ModelMissing, say). `measured` hears of every finished utterance: seconds of work, seconds of audio.
    Everything here is used from one event loop.
    """

    def __init__(
        self,
        spec: EngineSpec | Callable[[], EngineSpec],
        voice: str,
        notice: NoticeSink,
        *,
        idle_unload_s: float = 0.0,
        max_memory_mb: int = 0,
        measured: Callable[[float, float], None] | None = None,
        limits: Limits = USUAL,
    ) -> None:
        self._find_spec = (lambda: spec) if isinstance(spec, EngineSpec) else spec
        self._default = voice
        self._notice = notice
        self._idle_unload_s = idle_unload_s
        self._memory = MemoryBound(max_memory_mb)
        self._measured = measured
        self._limits = limits
        self._waiting: deque[Job] = deque()
        self._numbers = 0
        self._current: Job | None = None
        self._deadline: asyncio.Timeout | None = None
        self._process: ChildProcess | None = None
        self._ready = False
        self._spoke = False
        """Whether this process has spoken: one that took too much memory at once would be replaced for ever."""
        self._wanted = False
        """Whether a process should run although no utterance waits."""
        self._strikes = 0
        self._refusal: VoiceUnavailable | None = None
        self._refused_until = 0.0
        self._news = asyncio.Event()
        self._opened = asyncio.Event()
        """Set when an attempt to open has succeeded or failed for good."""
        self._runner: asyncio.Task[None] | None = None
        self._closed = False
        self._unknown: set[str] = set()
        self._blends = False
        self.respell = False
        """Whether the engine wants names spelt as they are said; known once it was opened."""
        self.fingerprint = ""
        """Of all that its sound depends on, the request apart; empty until it was opened for the first time."""
        self.voices: tuple[str, ...] = ()
        """What the engine can speak; empty until it was opened for the first time."""
        self.real_time_factor: float | None = None
        """Seconds of work for a second of speech, averaged over the last few utterances."""
        self.restarts = 0
        """How often a dead process was replaced."""

    @property
    def ready(self) -> bool:
        """Whether an utterance would be spoken without loading anything first."""
        return self._ready

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def queue_size(self) -> int:
        """Utterances that wait for their turn, beside the one that is being spoken."""
        return len(self._waiting)

    async def warm_up(self) -> None:
        """Start and open; return when the voice is ready. Raise VoiceUnavailable if it cannot be.

        Cancelling this leaves the voice loading.
        """
        self._refuse_if_unavailable()
        while not self._ready:
            self._wanted = True
            self._opened.clear()
            self._wake()
            await self._opened.wait()
            if self._closed or self._refusal is not None:
                raise self._refusal or VoiceUnavailable(SHUT_DOWN)

    def speak(self, request: SpeechRequest) -> Utterance:
        """Queue an utterance behind the earlier ones. Raise VoiceError at once if it cannot even wait."""
        self._refuse_if_unavailable()
        if len(request.text) > self._limits.characters:
            raise VoiceError(f"a sentence of {len(request.text)} characters is too long to be spoken")
        if len(self._waiting) >= self._limits.waiting:
            raise VoiceError(f"{len(self._waiting)} sentences are already waiting to be spoken")
        self._numbers += 1
        job = Job(self._numbers, request, self._cancel)
        self._waiting.append(job)
        self._wake()
        return Utterance(job)

    async def aclose(self) -> None:
        """End the process; whatever waits fails with VoiceUnavailable."""
        self._closed = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        self._fail_all(VoiceUnavailable(SHUT_DOWN))
        self._opened.set()
        await self._drop(STOP_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- The one task that owns the process ---

    def _wake(self) -> None:
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="voice")
        self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._next_work()
                process = await self._open()
                if self._waiting:
                    await self._speak(process, self._waiting.popleft())
            except VoiceUnavailable as error:
                await self._refuse(error)
            except VoiceError as error:
                await self._bury(error)
            except Exception as error:
                # Whatever a plugin's options, frames or a notice led to: the daemon goes on, and says so.
                log.exception("the voice failed unexpectedly")
                await self._refuse(VoiceUnavailable(f"the voice failed: {type(error).__name__}", "see the log"))

    async def _next_work(self) -> None:
        """Return when an utterance waits, or a process is wanted and not there; unload an idle one meanwhile."""
        while not self._waiting and (self._ready or not self._wanted):
            self._news.clear()
            process = self._process
            excess_mb = self._memory.excess_mb(process) if process is not None and self._spoke else 0
            idle_s = REST_S if excess_mb else self._idle_unload_s if process is not None else 0.0
            watched = [asyncio.ensure_future(self._news.wait())]
            if process is not None:
                watched.append(asyncio.ensure_future(process.gone.wait()))
            try:
                done, _ = await asyncio.wait(watched, timeout=idle_s or None, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for future in watched:
                    future.cancel()
            if process is not None and process.gone.is_set():
                await self._bury(await _death(process))
            elif not done and excess_mb:
                log.warning("the voice took %d MB of memory: restarting it", excess_mb)
                self.restarts += 1
                await self._drop(STOP_S)
            elif not done:
                log.info("the voice was idle for %g s: unloading it", idle_s)
                self._wanted = False
                await self._drop(STOP_S)

    async def _open(self) -> ChildProcess:
        """The process, ready to speak. Raise VoiceUnavailable if there is no hope, VoiceError if it died."""
        if self._process is not None and self._ready:
            return self._process
        self._wanted = True
        if self._strikes > 1:
            await asyncio.sleep(min(2.0, 0.25 * 2**self._strikes) * random.uniform(0.8, 1.2))  # noqa: S311
        async with loading(self._tell, "voice", "the voice"):
            return await self._start()

    async def _start(self) -> ChildProcess:
        try:
            spec = await asyncio.to_thread(self._find_spec)
            self.fingerprint = await asyncio.to_thread(fingerprint, spec.engine, spec.options)
        except BridgeError as error:
            raise VoiceUnavailable(error.message, error.hint) from error
        process = self._process = await start_engine(spec)
        try:
            async with asyncio.timeout(self._limits.open_s):
                answer = await process.receive()
        except TimeoutError:
            raise VoiceError(f"the voice did not open within {self._limits.open_s:g} s") from None
        if answer.kind is not Kind.OPENED:
            message, hint = str(answer.header.get("message", "")), str(answer.header.get("hint", ""))
            raise VoiceUnavailable(message or "the voice process answers nonsense", hint)
        self.voices = tuple(answer.header.get("voices", ()))
        self._blends = bool(answer.header.get("blends"))
        self.respell = bool(answer.header.get("respell"))
        self._ready = True
        self._spoke = False
        self._refusal = None
        self._opened.set()
        return process

    async def _speak(self, process: ChildProcess, job: Job) -> None:
        text = job.request.text
        allowed_s = self._limits.allowed_s(len(text), self.real_time_factor)
        self._current = job
        try:
            request = self._with_known_voice(job.request)
            process.send(speak_frame(job.number, request))
            async with self._memory.watching(process), asyncio.timeout(allowed_s) as self._deadline:
                await self._listen(process, job)
        except TimeoutError:
            job.finish(VoiceError("the voice process hung", "it is being restarted"))
            raise VoiceError("the voice process hung") from None
        except VoiceError as error:
            job.finish(error)
            raise
        except BaseException:  # a shutdown among it: whoever waits for this sound must hear of it
            job.finish(VoiceUnavailable(SHUT_DOWN if self._closed else "the voice failed"))
            raise
        finally:
            self._current = self._deadline = None
        self._strikes = 0
        self._spoke = True

    async def _listen(self, process: ChildProcess, job: Job) -> None:
        """Deliver the job's audio until the engine is done with it."""
        audio_s = 0.0
        while True:
            frame = await process.receive()
            if frame.header.get("job") != job.number:
                continue
            if frame.kind is Kind.AUDIO:
                chunk = chunk_of(frame)
                audio_s += len(chunk.pcm) / 2 / chunk.sample_rate
                job.deliver(chunk)
                if job.buffered > self._limits.buffered and not job.over:
                    self._cancel(job)
                    job.finish(VoiceError(f"nobody took the audio: over {self._limits.buffered} bytes waited"))
            elif frame.kind is Kind.FINISHED:
                if audio_s and not job.cancelled:
                    self._measure(float(frame.header["busy_s"]), audio_s)
                job.finish()
                return
            elif frame.kind is Kind.FAILED:
                failure = failure_of(frame)
                if isinstance(failure, VoiceUnavailable):
                    raise failure
                job.finish(failure)
                return

    def _cancel(self, job: Job) -> None:
        """Called at once, by whoever cancels, in whatever task."""
        if job is not self._current:
            with contextlib.suppress(ValueError):
                self._waiting.remove(job)
        elif self._process is not None and self._deadline is not None and not self._deadline.expired():
            self._process.send(Frame(Kind.CANCEL, {"job": job.number}))
            soon = asyncio.get_running_loop().time() + self._limits.cancel_s
            self._deadline.reschedule(min(soon, self._deadline.when() or soon))

    # --- What can go wrong ---

    def _refuse_if_unavailable(self) -> None:
        if self._closed:
            raise VoiceUnavailable(SHUT_DOWN)
        if self._refusal is not None and asyncio.get_running_loop().time() < self._refused_until:
            raise VoiceUnavailable(self._refusal.message, self._refusal.hint)

    async def _refuse(self, error: VoiceUnavailable) -> None:
        """There is no voice for now: fail what waits, and what comes within the cool-down."""
        self._refusal = error
        self._refused_until = asyncio.get_running_loop().time() + self._limits.cooldown_s
        self._wanted = False
        self._strikes = 0
        await self._drop(0.0)
        log.error("no voice: %s", error)
        self._tell("error", "voice_unavailable", error.message, error.hint)
        self._fail_all(error)
        self._opened.set()

    async def _bury(self, error: VoiceError) -> None:
        """A process died or had to be killed; another follows, unless too many did."""
        if self._process is not None and self._process.stderr:
            log.debug("the last of its standard error:\n%s", self._process.stderr)
        await self._drop(0.0)
        self._strikes += 1
        if self._strikes >= STRIKES:
            hint = "see the log; another engine can be chosen with tts.engine"
            await self._refuse(VoiceUnavailable(f"the voice keeps failing: {error.message}", hint))
        else:
            self.restarts += 1
            log.warning("restarting the voice: %s", error)
            self._tell("warning", "voice_restarted", f"{error.message}: restarting the voice", error.hint)

    def _tell(
        self, level: NoticeLevel, code: str, message: str, hint: str = "", progress: float | None = None
    ) -> None:
        try:
            self._notice(level, code, message, hint, progress)
        except Exception:  # whoever shows notices must not stop the voice
            log.exception("the notice %s could not be shown", code)

    async def _drop(self, grace_s: float) -> None:
        self._ready = False
        if (
            self._process is not None
        ):  # Kept until it is gone: whoever cancels this in between ends it all the same.
            await self._process.stop(grace_s)
            self._process = None

    def _fail_all(self, error: VoiceUnavailable) -> None:
        while self._waiting:
            self._waiting.popleft().finish(error)

    def _with_known_voice(self, request: SpeechRequest) -> SpeechRequest:
        if not self.voices or speaks(request.voice, self.voices, blends=self._blends):
            return request
        spare = self._default if speaks(self._default, self.voices, blends=self._blends) else self.voices[0]
        if request.voice and request.voice not in self._unknown and len(self._unknown) < MAX_NAMES:
            self._unknown.add(request.voice)
            message = f"there is no voice {request.voice!r}: speaking with {spare}"
            near = difflib.get_close_matches(request.voice, self.voices, n=3)
            log.warning(message)
            self._tell("warning", "unknown_voice", message, f"the nearest are {', '.join(near)}" if near else "")
        return replace(request, voice=spare)

    def _measure(self, busy_s: float, audio_s: float) -> None:
        factor, known = busy_s / audio_s, self.real_time_factor
        if known is not None:  # quick to see that it has become slower, slow to trust that it is faster
            factor = known + (SLOWER_WEIGHT if factor > known else RTF_WEIGHT) * (factor - known)
        self.real_time_factor = factor
        if self._measured is not None:
            self._measured(busy_s, audio_s)


async def _death(process: ChildProcess) -> VoiceError:
    """How a process that is gone came to its end."""
    try:
        while True:
            await process.receive()
    except VoiceError as error:
        return error
