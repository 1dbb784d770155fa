"""Long histories are summed up by the language model while nobody talks, and never in a turn's way.

After a turn is recorded, whoever remembers it is looked at. Once no turn has run for a while, the model is asked
for one summary; as soon as a turn begins, that request is closed, and made again later.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from rfsn_bridge.acting import opened
from rfsn_bridge.domain import LLMRequest, TextDelta
from rfsn_bridge.memory.store import Store
from rfsn_bridge.memory.summaries import Due
from rfsn_bridge.mind.summary import ask_for_summary, usable
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.speech.reply import ReplyFilter

log = logging.getLogger(__name__)

_DEADLINE_S = 60.0
_TRIES = 3
_TOKENS = 160
_TEMPERATURE = 0.3
_CHARACTERS = 1500
"""More than any summary has."""
_MOST = 256
"""NPCs that are to be looked at, and places that are skipped; the oldest are forgotten first."""
_LONGEST_PAUSE_S = 3600.0


class Daemon(Protocol):
    """What summarising needs of the bridge."""

    @property
    def snapshot(self) -> Snapshot: ...
    @property
    def store(self) -> Store: ...
    @property
    def meter(self) -> Meter: ...


@dataclass(frozen=True, slots=True)
class _Npc:
    playthrough: str
    npc_id: str
    game: str


class Summariser:
    """Closed by `aclose`. `made`, `refused` and `failed` count what became of requests."""

    def __init__(self, bridge: Daemon, *, quiet_s: float, again_s: float) -> None:
        """Asks once no turn has run for `quiet_s`; after a failure, in `again_s`, then less and less often."""
        self._bridge = bridge
        self._quiet_s = quiet_s
        self._again_s = again_s
        self.made = 0
        self.refused = 0
        """Answers that were no summary, or named what was never said."""
        self.failed = 0
        self._to_look_at: dict[_Npc, None] = {}
        self._tries: dict[tuple[_Npc, tuple[int, str]], int] = {}
        """How often the answer for a place was refused."""
        self._stirred = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[str] | None = None

    def turn_began(self) -> None:
        """A turn needs the language model: nothing else does now."""
        self._stirred.set()
        if self._asking:
            self._asking.cancel()

    def recorded(self, playthrough: str, npc_ids: Iterable[str], game: str) -> None:
        """NPCs remember a turn more."""
        self._stirred.set()
        if not self._bridge.snapshot.summaries:
            return
        for npc_id in npc_ids:
            self._to_look_at[_Npc(playthrough, npc_id, game)] = None
        while len(self._to_look_at) > _MOST:
            del self._to_look_at[next(iter(self._to_look_at))]
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="summaries")

    async def aclose(self) -> None:
        if self._working:
            self._working.cancel()
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        """Until nothing is due any more."""
        pause = self._again_s
        while self._to_look_at:
            await self._until_quiet()
            npc = next(iter(self._to_look_at))
            del self._to_look_at[npc]
            try:
                if await self._look_at(npc):
                    self._to_look_at[npc] = None  # behind the others
                pause = self._again_s
            except (Exception, SystemExit) as error:  # a plugin's code
                # Its words could quote the dialogue: only its kind is told.
                self.failed += 1
                log.warning("no summary could be made (%s); the next try is in %d s", type(error).__name__, pause)
                self._to_look_at[npc] = None
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _until_quiet(self) -> None:
        quiet = False
        while not quiet:
            self._stirred.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), self._quiet_s)
            quiet = not self._stirred.is_set() and not self._bridge.meter.turns_running

    async def _look_at(self, npc: _Npc) -> bool:
        """Make one summary if one is due; whether there may be more to do. Raises what a model or disk raises."""
        snapshot, store = self._bridge.snapshot, self._bridge.store
        if not snapshot.summaries:
            return False
        skipped = {place for (who, place), tries in self._tries.items() if who == npc and tries >= _TRIES}
        recent = snapshot.config.memory.recent_turns
        due = await store.summary_due(npc.playthrough, npc.npc_id, recent, skipped)
        if due is None:
            return False
        answer = await self._answer(snapshot, npc, due)
        if answer is None:
            return True
        text = usable(answer, _sources(due), (due.npc_name, "Player"))
        if text is None:
            self._refuse(npc, due)
        elif await store.keep_summary(npc.playthrough, npc.npc_id, due, text):
            self.made += 1
        else:  # it was forgotten meanwhile
            return False
        return True

    def _refuse(self, npc: _Npc, due: Due) -> None:
        self.refused += 1
        tries = self._tries.pop((npc, due.place), 0) + 1
        self._tries[npc, due.place] = tries
        if len(self._tries) > _MOST:
            del self._tries[next(iter(self._tries))]
        log.info("a summary of %d turns was refused, try %d of %d", len(due.turn_ids), tries, _TRIES)

    async def _answer(self, snapshot: Snapshot, npc: _Npc, due: Due) -> str | None:
        """What the model says; None if a turn came in between."""
        if self._stirred.is_set():
            return None
        self._asking = asyncio.create_task(_whole(snapshot, npc, due))
        try:
            await asyncio.wait([self._asking])
            if self._asking.cancelled() or (self._stirred.is_set() and self._asking.exception()):
                return None
            return self._asking.result()
        finally:
            self._asking.cancel()
            with suppress(Exception, SystemExit, asyncio.CancelledError):
                await self._asking  # its stream is closed when this ends
            self._asking = None


async def _whole(snapshot: Snapshot, npc: _Npc, due: Due) -> str:
    words = snapshot.prompts.words(npc.npc_id, npc.game, small=snapshot.small)
    said = [(turn.npc_name, turn.exchange) for turn in due.turns]
    request = LLMRequest(ask_for_summary(words, due.npc_name, said, due.texts), _TOKENS, _TEMPERATURE)
    reply = ReplyFilter("Summary")
    answer = ""
    async with asyncio.timeout(_DEADLINE_S), opened(snapshot.llm, request) as stream:
        async for part in stream:
            if isinstance(part, TextDelta):
                answer += reply.feed(part.text)
            if reply.ended or len(answer) > _CHARACTERS:
                break
    return answer + reply.flush()


def _sources(due: Due) -> Iterator[str]:
    """All that a summary may be about."""
    yield from due.texts
    for turn in due.turns:
        yield turn.npc_name
        yield turn.exchange.player_text
        yield turn.exchange.npc_text
        for deed in turn.exchange.deeds:
            yield " ".join([deed.name, *map(str, deed.arguments.values())])
