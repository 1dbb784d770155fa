"""The running daemon: its current snapshot, the games that are connected, and what they share."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from rfsn_bridge import __version__
from rfsn_bridge.config import NO_VOICE, Config
from rfsn_bridge.domain import NoticeLevel, Timeouts
from rfsn_bridge.errors import BridgeError, ProtocolError, VoiceUnavailable
from rfsn_bridge.game import Connection, Game
from rfsn_bridge.housekeeping import first_backup, keep_backups
from rfsn_bridge.interfaces import Services
from rfsn_bridge.memory.store import Store
from rfsn_bridge.models import catalogue
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.protocol.messages import PROTOCOL, Hello, Identified, Identify, Limits, Metrics, Notice, Tune
from rfsn_bridge.protocol.session import Session, encode
from rfsn_bridge.registry import Registry
from rfsn_bridge.snapshot import Snapshot, build
from rfsn_bridge.speech.playback import Levels, Playback
from rfsn_bridge.summariser import Summariser

log = logging.getLogger(__name__)

_MAX_GAMES = 32


class Bridge:
    """Made by `cli` (or a test), closed by `aclose`. Everything runs on one event loop."""

    def __init__(
        self,
        config: Config,
        registry: Registry,
        data: Path,
        *,
        limits: Limits | None = None,
        summarise_after_s: float = 3.0,
    ) -> None:
        """Histories are summed up once no turn has run for `summarise_after_s`."""
        self.meter = Meter()
        self.store = Store(data / "memory")
        if trouble := self.store.trouble:
            log.error("%s; %s", trouble.message, trouble.hint)
        self.summariser = Summariser(self, quiet_s=summarise_after_s, again_s=3 * summarise_after_s)
        self.limits = limits or Limits()
        self._began = time.monotonic()
        self._closed = False
        self._games: dict[str, Game] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._loading: set[asyncio.Task[None]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._warm: set[str] = set()
        self._backups: asyncio.Task[None] | None = None
        self.http_port: int | None = None
        """Where the HTTP listener is, once it listens."""
        # A proxy of the player's environment is for the internet, not for the servers on this machine.
        direct = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))
        self._http = httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=64), mounts=direct)
        timeouts = config.llm.timeouts
        services = Services(
            http=self._http,
            timeouts=Timeouts(timeouts.connect_s, timeouts.first_token_s, timeouts.between_tokens_s),
            data=data,
            find_model=lambda name: catalogue.find(name, data),
            notice=self.notice,
            memory=self.store,
        )
        try:
            self.snapshot: Snapshot = build(config, registry, services)
        except BaseException:
            self.store.close()
            raise
        playback = config.playback
        levels = Levels(playback.volume, playback.mute, playback.duck, playback.attenuation)
        self.playback = Playback(self.notice, device=playback.device, levels=levels)
        """What games that want it hear from this machine; nothing is opened before one does."""
        self._plugin_problems = registry.problems

    @property
    def games(self) -> tuple[Game, ...]:
        """Those that are connected, or may come back."""
        return tuple(self._games.values())

    # --- Sessions

    def hello(self) -> Hello:
        return Hello(server=f"rfsn-bridge/{__version__}", auth=self.snapshot.config.server.auth)

    def welcome(self, identify: Identify, connection: Connection) -> Game:
        """Resume the client's session where that is possible, else begin one; says so to the client.

        Raises ProtocolError (`busy`) where too many games are connected.
        """
        if self._closed:
            raise ProtocolError("unavailable", "the daemon is stopping", "connect again when it has been started")
        resume = identify.resume
        game = self._games.get(resume.session_id) if resume else None
        resumed = bool(game and resume and game.session.can_resume(resume.last_n))
        if game is None or not resumed:
            if len(self._games) >= _MAX_GAMES and not self._make_room():
                raise ProtocolError("busy", f"{_MAX_GAMES} games are connected", "close one")
            session = Session(secrets.token_hex(12), identify, self.limits)
            game = self._games[session.session_id] = Game(session, self)
        if timer := self._expiries.pop(game.session.session_id, None):
            timer.cancel()
        game.attach(connection)
        connection.send(encode(self._identified(game, identify, resumed=resumed)))
        if resumed and resume:
            game.resume(resume.last_n)
        if not resumed and (trouble := self.store.trouble):
            game.send(Notice(level="error", code="memory_damaged", message=trouble.message, hint=trouble.hint))
        for problem in [] if resumed else self._plugin_problems:
            game.send(
                Notice(level="warning", code="plugin", message=f"plugin {problem.plugin}: {problem.message}")
            )
        if (
            not resumed
            and self.snapshot.voice
            and (notice := _unavailable(identify.capabilities.audio, game.audio))
        ):
            game.send(notice)
        self._warm_up(speech=game.audio != "none")
        if game.audio == "daemon":
            self.playback.wake()
        if self._backups is None:
            keeping = keep_backups(self.store, lambda: self.snapshot.config.memory, self._warn_of_backup)
            self._backups = asyncio.create_task(keeping)
        return game

    def rejoin(self, game: Game, connection: Connection) -> None:
        """A connection that had been given up is there after all."""
        if timer := self._expiries.pop(game.session.session_id, None):
            timer.cancel()
        if game.connection is not connection:
            game.attach(connection)

    def leave(self, game: Game, connection: Connection) -> None:
        """A connection is gone; its game is kept for the resume grace, a longer one while it is paused."""
        if game.connection is not connection:
            return
        game.connection = None
        loop = asyncio.get_running_loop()
        session_id = game.session.session_id
        grace_s = self.limits.paused_grace_s if game.paused else self.limits.resume_grace_s
        self._expiries[session_id] = loop.call_later(grace_s, self._expire, session_id)

    def _make_room(self) -> bool:
        """Stop waiting for the client that has been away longest; False if none is away."""
        away = next(iter(self._expiries), None)
        if away is not None:
            self._expire(away)
        return away is not None

    def _expire(self, session_id: str) -> None:
        if timer := self._expiries.pop(session_id, None):
            timer.cancel()
        if game := self._games.pop(session_id, None):
            self._background(game.end(), self._endings)

    def _identified(self, game: Game, identify: Identify, *, resumed: bool) -> Identified:
        config = self.snapshot.config
        return Identified(
            re=identify.id,
            session_id=game.session.session_id,
            resumed=resumed,
            limits=self.limits,
            config_revision=self.snapshot.revision,
            plugins={"llm": config.llm.backend, "tts": self._speaks},
            audio=game.audio,
        )

    # --- What games ask of all

    def tune(self, message: Tune) -> dict[str, object]:
        """Change settings for the turns that follow; answers with what is in force."""
        if message.persist:
            raise ProtocolError("unavailable", "settings cannot be kept yet", "edit config.yaml", field="persist")
        config = self.snapshot.config
        changes = message.model_dump(include={"temperature", "max_tokens"}, exclude_none=True)
        if message.max_queue_size is not None:
            if self.snapshot.synthesis is not None:
                self.snapshot.synthesis.resize(message.max_queue_size)
            config = config.model_copy(
                update={"speech": config.speech.model_copy(update={"max_queue_size": message.max_queue_size})}
            )
        config = config.model_copy(update={"llm": config.llm.model_copy(update=changes)})
        if config != self.snapshot.config:
            self.snapshot = replace(self.snapshot, config=config, revision=self.snapshot.revision + 1)
        return {
            "temperature": config.llm.temperature,
            "max_tokens": config.llm.max_tokens,
            "max_queue_size": config.speech.max_queue_size,
            "config_revision": self.snapshot.revision,
        }

    def metrics(self) -> Metrics:
        return self.meter.message(tts_queue_size=self._waiting_speech, sessions=len(self._games))

    @property
    def _waiting_speech(self) -> int:
        return len(self.snapshot.synthesis) if self.snapshot.synthesis is not None else 0

    @property
    def _speaks(self) -> str:
        """The engine that speaks now."""
        return self.snapshot.voice.engine if self.snapshot.voice else NO_VOICE

    def health(self) -> dict[str, Any]:
        """What /health answers; never waits for anything."""
        config, voice = self.snapshot.config, self.snapshot.voice
        return {
            "status": "ok",
            "version": __version__,
            "protocol": PROTOCOL,
            "uptime_s": round(time.monotonic() - self._began, 1),
            "config_revision": self.snapshot.revision,
            "sessions": len(self._games),
            "turns_running": self.meter.turns_running,
            "turns": {status.value: count for status, count in self.meter.turns.items()},
            "dropped_sentences": self.meter.dropped_sentences,
            "tts_queue_size": self._waiting_speech,
            "llm": config.llm.backend,
            "tts": self._speaks,
            "voice_ready": bool(voice and voice.ready),
            "http_port": self.http_port,
        }

    def notice(
        self,
        level: NoticeLevel,
        code: str,
        message: str,
        hint: str = "",
        progress: float | None = None,
    ) -> None:
        """Put a message on every player's screen, and in the log."""
        severity = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}[level]
        log.log(severity, "%s: %s%s", code, message, f"; {hint}" if hint else "")
        for game in self._games.values():
            game.send(Notice(level=level, code=code, message=message, hint=hint or None, progress=progress))

    def _warn_of_backup(self, error: BridgeError) -> None:
        self.notice("warning", "backup", error.message, error.hint)

    # --- Models

    def _warm_up(self, *, speech: bool) -> None:
        """Load in the background what the first reply will need. What fails is tried again by the next client."""
        for part, loaded in (("llm", self.snapshot.llm), ("classifier", self.snapshot.mind.classifier)):
            if warm_up := getattr(loaded, "warm_up", None):  # what has nothing to load has none
                self._load(part, warm_up)
        if speech and self.snapshot.voice:
            self._load("tts", self.snapshot.voice.warm_up)

    def _load(self, part: str, warm_up: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if part not in self._warm:
            self._warm.add(part)
            self._background(self._loaded(part, warm_up), self._loading)

    async def _loaded(self, part: str, warm_up: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await warm_up()
        except VoiceUnavailable:  # the voice tells of that itself, whenever it happens
            self._warm.discard(part)
        except BridgeError as error:
            self._warm.discard(part)
            self.notice("error", f"{part}_unavailable", error.message, error.hint)
        except (Exception, SystemExit) as error:  # a plugin's code
            self._warm.discard(part)
            log.exception("%s could not be loaded", part)
            message = f"{part} could not be loaded ({type(error).__name__})"
            self.notice("error", f"{part}_unavailable", message, "see the daemon's log")

    # --- Tasks and the end

    @staticmethod
    def _background(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def aclose(self) -> None:
        """End every turn, record what was heard, close every part. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        for timer in self._expiries.values():
            timer.cancel()
        await asyncio.gather(*(game.end() for game in self._games.values()), *self._endings)
        self._games.clear()
        await self.summariser.aclose()
        if self._backups:
            self._loading.add(self._backups)
        for task in self._loading:
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        try:
            await self.snapshot.llm.aclose()
        except (Exception, SystemExit):  # a plugin's code; what comes after it must be closed all the same
            log.exception("the llm could not be closed")
        if close := getattr(self.snapshot.mind.classifier, "close", None):
            try:
                await asyncio.to_thread(close)
            except (Exception, SystemExit):  # a plugin's code
                log.exception("the classifier could not be closed")
        if self.snapshot.synthesis is not None:
            await self.snapshot.synthesis.aclose()
        if self.snapshot.voice:
            await self.snapshot.voice.aclose()
        await self.playback.aclose()
        await self._http.aclose()
        await first_backup(self.store, self.snapshot.config.memory)
        await self.store.aclose()


def _unavailable(wanted: str, given: str) -> Notice | None:
    """What to tell a player whose game asked for more than it gets, which only files can be."""
    if given == wanted:
        return None
    message, hint = "speech in files has no folder to go to", "set speech.folder in config.yaml"
    return Notice(level="warning", code="audio_unavailable", message=message, hint=hint)
