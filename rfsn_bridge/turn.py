"""One turn, told top to bottom: a line comes in, a decision is made, a reply is written, shown, done and spoken.

Text never waits for speech: each sentence is shown as soon as the splitter has it and queues, within its turn, for
the voice. Whatever happens, `turn_finished` is sent once, and nothing of the turn's text or audio after it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random
from typing import Protocol

from rfsn_bridge.acting import added, choose_action, opened
from rfsn_bridge.aftermath import Aftermath
from rfsn_bridge.domain import (
    ActionCall,
    Decision,
    Deed,
    Exchange,
    GameAction,
    LLMRequest,
    Npc,
    NpcState,
    SafetyContext,
    Sentence,
    Signal,
    SignalContext,
    Situation,
    TextDelta,
    TurnStatus,
    Usage,
)
from rfsn_bridge.errors import BridgeError, LLMError
from rfsn_bridge.memory.heard import Heard, Hearing
from rfsn_bridge.mind import game_actions
from rfsn_bridge.mind.experience import Experience
from rfsn_bridge.mind.prompt import build_prompt, most_sentences
from rfsn_bridge.mind.rewards import Reaction
from rfsn_bridge.observe.metrics import Meter
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    Audio,
    AudioDropped,
    CandidateView,
    DecisionMade,
    Notice,
    Numbered,
    SentenceSaid,
    StateView,
    TextFinished,
    Timings,
    TurnError,
    TurnFinished,
    TurnStarted,
    UsageView,
)
from rfsn_bridge.snapshot import Snapshot
from rfsn_bridge.speech.floor import Floor
from rfsn_bridge.speech.outlets import Outlet
from rfsn_bridge.speech.reply import ReplyFilter
from rfsn_bridge.speech.sentences import SentenceSplitter
from rfsn_bridge.speech.spoken import reading_ms
from rfsn_bridge.speech.turn_voice import NOTHING_TO_SAY, TurnVoice
from rfsn_bridge.speech.visemes import visemes

log = logging.getLogger(__name__)

_PROMPT_BUDGET = 2000
"""Tokens of bio, examples and history that a prompt may hold."""
_LOOK_AHEAD_S = 0.03
"""How often the first sentence is looked at while it is being written."""
_FOR_THE_PLAYER = ("Player:", "User:")


class Output(Protocol):
    """Where a turn's messages go; never blocks."""

    def send(self, message: Numbered) -> None: ...
    def begin_audio(self, audio: Audio, turn_number: int) -> None: ...
    def send_frame(self, turn_id: str, frame: AudioFrame) -> None: ...
    def request_action(self, turn: "RunningTurn", call: ActionCall) -> None: ...


class Delivery(Enum):
    """How a turn's speech reaches its client."""

    SHOWN = "shown"
    """Not at all: sentences are shown as they come."""
    PACED = "paced"
    """Not at all, but sentences are shown one after another, each for its time, with moving lips."""
    ALOUD = "aloud"


@dataclass(frozen=True, slots=True)
class Line:
    """What starts a turn: words of the player, or (not `by_player`) the reason why the NPC speaks of itself."""

    npc: Npc
    text: str
    by_player: bool = True
    hearers: tuple[str, ...] = ()
    situation: Situation = field(default_factory=Situation)
    re: str | None = None
    repertoire: tuple[GameAction, ...] = ()
    """What the NPC can do in the game."""
    game: str = ""
    """Which game is played, as its adapter names it."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Whom it can do it to: names for the model, and the ids behind them."""


@dataclass(frozen=True, slots=True)
class Mindset:
    """How the NPC comes to a turn: how it stands now, what it has learned, where it learns of what comes next."""

    standing: Callable[[], NpcState]
    learned: Experience
    aftermath: Aftermath
    memories: tuple[str, ...] = ()
    """Older turns that the line brings to mind, in words, what matters most first."""
    similarity: float = 0.0
    """Of the best of them to the line, in [0, 1]."""
    summaries: tuple[str, ...] = ()
    """What its history comes to, oldest first."""
    seed: str = ""
    """What its chance is drawn from, together with the number of the turn."""


class RunningTurn:
    """A turn from its line to `turn_finished`, when `over` is set. `heard` gathers reports beyond that."""

    def __init__(
        self,
        turn_id: str,
        number: int,
        line: Line,
        snapshot: Snapshot,
        out: Output,
        meter: Meter,
        *,
        delivery: Delivery,
        hearing: Hearing,
        clock: Callable[[], float] = time.monotonic,
        playing: Callable[[], float] | None = None,
        outlet: Callable[["RunningTurn"], Outlet] | None = None,
        floor: Floor | None = None,
    ) -> None:
        """`playing` is the clock of what is heard (default: `clock`); it may stand still.

        Of a turn that is heard ALOUD, `outlet` makes the way of its sound, and `floor` says when it may sound.
        """
        self.turn_id = turn_id
        self.number = number
        self.line = line
        self.snapshot = snapshot
        self.heard = Heard(hearing)
        self.decision: Decision | None = None
        self.status: TurnStatus | None = None
        self.silenced = False
        """Its speech was cut off: what was not heard by now will not be."""
        self.deeds: list[Deed] = []
        """What came of the actions that were asked for."""
        self._out = out
        self._meter = meter
        self._delivery = delivery
        self._clock = clock
        self._playing = playing or clock
        self._began = clock()
        self._marks: dict[str, float] = {}
        self._raw = ""
        self._shown: list[str] = []
        self._clause = ""
        """The beginning of the first sentence, where that went ahead."""
        self._withheld = False
        self._cut = False
        """The model began to speak for the player; nothing more is shown."""
        self._last: int | None = None
        """The last sentence that is wanted, where the turn is to end with it."""
        self._ends: list[bool] = []
        """Whether each of what was shown ends a sentence."""
        self._usage: Usage | None = None
        self._failure: BridgeError | None = None
        self.over = asyncio.Event()
        self._voice: TurnVoice | None = None
        self._outlet = outlet
        self._floor = floor
        meter.turns_running += 1
        out.send(TurnStarted(re=line.re, turn_id=turn_id, turn_number=number, npc_id=line.npc.npc_id))

    @property
    def text(self) -> str:
        """What has been shown, as it was generated."""
        return "".join(self._shown).strip()

    # --- The story

    async def run(self, mindset: Mindset, history: Sequence[Exchange]) -> None:
        """Produce the turn. Cancelling is the same as `interrupt`."""
        try:
            decision = await self._decide(mindset, history)
            self._voice = self._make_voice()
            speech = asyncio.create_task(self._voice.run()) if self._voice else None
            try:
                await self._write(decision, history, mindset)
                await self._act(decision)
                if speech:
                    await speech
                if self._last is not None:
                    await self.over.wait()  # whoever asked for that interrupts when the sentence has been heard
            finally:
                if speech:
                    speech.cancel()
        except asyncio.CancelledError:
            self._finish(TurnStatus.INTERRUPTED)
            raise
        except (Exception, SystemExit) as error:  # a plugin's code; the daemon and the other turns go on
            log.exception("turn %s failed", self.turn_id)
            self._failure = BridgeError(f"the turn failed inside ({type(error).__name__})", "see the daemon's log")
        self._finish(TurnStatus.FAILED if self._failure else TurnStatus.COMPLETED)

    def interrupt(self) -> bool:
        """Finish now, or cut off what is still being heard of it; False if nothing was left of it to stop.

        Whoever runs the turn then cancels it, as `over` is set.
        """
        if self._voice:
            self._voice.silence()
        if self.status is None:
            self._finish(TurnStatus.INTERRUPTED)
        elif self.silenced or self.heard.settled:
            return False
        self.silenced = True
        return True

    def finish_sentence(self, seq: int) -> int:
        """Say no more than the sentence that `seq` is in; the last part of it.

        Whoever asks for this interrupts the turn when that has been heard.
        """
        self._last = seq if self._ends[seq] else seq + 1  # a first clause has its rest behind it
        if self._voice:
            self._voice.finish(self._last)
        return self._last

    # --- The mind

    async def _decide(self, mindset: Mindset, history: Sequence[Exchange]) -> Decision:
        mind, line, learned = self.snapshot.mind, self.line, mindset.learned
        contradicted = False
        if line.by_player:
            context = SignalContext(mindset.standing(), tuple(history), learned.talk().last_action)
            signals = await self._classify(context)
            found = mindset.aftermath.next_line(line.text, signals, mind.world, line.npc.personality)
            contradicted = Reaction.CONTRADICTION in found
        else:
            signals = {Signal.IGNORE: 1.0}
        self._mark("signal_ms")
        talk = learned.talk(mindset.similarity, contradiction=contradicted)
        seed = f"{mindset.seed}.{talk.turns}"
        rng = Random(seed)  # noqa: S311  # a choice, not a secret
        decision = mind.decide(line.npc, mindset.standing(), signals, rng, learned, talk, seed)
        self.decision = decision
        mindset.aftermath.decided(self.turn_id, decision, lambda: self.text)
        self._mark("decision_ms")
        self.send(
            DecisionMade(
                turn_id=self.turn_id,
                npc_id=line.npc.npc_id,
                signal=decision.signal,
                action=decision.action,
                style=decision.style,
                state=StateView.of(decision.state),
                candidates=[
                    CandidateView(action=c.action, score=c.score, probability=c.probability, vetoed_by=c.vetoed_by)
                    for c in decision.candidates
                ],
                reasons=list(decision.reasons),
            )
        )
        return decision

    async def _classify(self, context: SignalContext) -> Mapping[Signal, float]:
        mind = self.snapshot.mind
        if getattr(mind.classifier, "blocking", False):
            return await asyncio.to_thread(mind.classify, self.line.text, context)
        return mind.classify(self.line.text, context)

    # --- The words

    async def _write(self, decision: Decision, history: Sequence[Exchange], mindset: Mindset) -> None:
        """Stream the reply into sentences. If the backend fails, what it said until then is still shown."""
        reply, splitter = ReplyFilter(self.line.npc.name), SentenceSplitter()
        ahead: asyncio.Task[None] | None = None
        try:
            async with opened(self.snapshot.llm, self._request(decision, history, mindset)) as stream:
                async for part in stream:
                    if isinstance(part, Usage):
                        self._usage = part
                    elif isinstance(part, TextDelta):
                        self._mark("first_token_ms")
                        self._take(reply.feed(part.text), splitter)
                        if ahead is None and self.snapshot.config.speech.first_chunk == "clause":
                            ahead = asyncio.create_task(self._go_ahead(splitter))
                    if reply.ended or self._said_enough:
                        break
        except LLMError as error:
            self._failure = error
        finally:
            if ahead:
                ahead.cancel()
        self._take(reply.flush(), splitter)
        for text in splitter.flush():
            self._say(text)
        self.send(TextFinished(turn_id=self.turn_id, sentences=len(self._shown)))
        if not (self._shown or self._withheld or self._failure):
            hint = "say it in other words; if that does not help, try another model"
            self.send(
                Notice(level="warning", code="empty_reply", message="the language model said nothing", hint=hint)
            )
        if self._voice:
            self._voice.end()

    def _request(self, decision: Decision, history: Sequence[Exchange], mindset: Mindset) -> LLMRequest:
        config, line, llm = self.snapshot.config.llm, self.line, self.snapshot.llm
        messages = build_prompt(
            line.npc,
            decision,
            line.text,
            by_player=line.by_player,
            situation=line.situation,
            history=history,
            memories=mindset.memories,
            summaries=mindset.summaries,
            count_tokens=llm.count_tokens,
            budget=_PROMPT_BUDGET,
            prompts=self.snapshot.prompts,
            game=line.game,
            small=self.snapshot.small,
        )
        stop = (*(f"\n{role}" for role in _FOR_THE_PLAYER), f"\n{line.npc.name}:")
        return LLMRequest(messages, config.max_tokens, config.temperature, stop)

    def _take(self, text: str, splitter: SentenceSplitter) -> None:
        if text := text.encode("utf-8", "replace").decode():  # half a surrogate pair can be neither sent nor kept
            self._raw += text
            for sentence in splitter.feed(text):
                self._say(sentence)

    @property
    def _said_enough(self) -> bool:
        most = self.snapshot.config.llm.max_sentences
        if self.decision:
            most = most_sentences(self.decision.style, most, small=self.snapshot.small)
        if self._cut or (self._last is not None and len(self._shown) > self._last):
            return True
        return 0 < most <= sum(self._ends)

    async def _go_ahead(self, splitter: SentenceSplitter) -> None:
        """Show the first clause before its sentence is written, where that brings its sound forward."""
        began = self._clock()
        while self._voice and not (self._shown or self._withheld):
            await asyncio.sleep(_LOOK_AHEAD_S)
            pending = splitter.pending
            if self._shown or self._withheld:
                return
            if end := self._voice.first_clause(pending, len(pending) / (self._clock() - began)):
                self._say(splitter.cut(end), ends_sentence=False)

    def _say(self, text: str, *, ends_sentence: bool = True) -> None:
        """Show a sentence, unless a safety rule forbids it, and give it to the voice."""
        if self._said_enough:
            return
        if self._shown and text.startswith(_FOR_THE_PLAYER):  # a server that does not heed `stop`
            self._cut = True
            return
        before, _, self._raw = self._raw.partition(text)
        sentence = Sentence(len(self._shown), text, ends_sentence)
        decision = self.decision
        state = decision.state if decision else NpcState()
        judged = replace(sentence, text=self._clause + before + text)
        self._clause = "" if ends_sentence else text
        if veto := self.snapshot.mind.veto_sentence(judged, SafetyContext(self.line.npc, state)):
            self._meter.vetoed_sentences += 1
            self._withheld = True
            log.info("turn %s: a sentence was withheld by %s", self.turn_id, veto.partition(":")[0])
            return
        if self.status is not None:
            return
        self._mark("first_sentence_ms")
        self._ends.append(ends_sentence)
        self._shown.append(before + text)
        self.heard.shown(before + text)
        duration_ms = self._pace(sentence)
        self.send(
            SentenceSaid(
                turn_id=self.turn_id,
                npc_id=self.line.npc.npc_id,
                seq=sentence.seq,
                text=text,
                ends_sentence=sentence.ends_sentence,
                latency_ms=round(self._elapsed_ms()),
                duration_ms=duration_ms,
                visemes=visemes(text, duration_ms) if duration_ms else None,
            )
        )
        if self._voice:
            self._voice.say(sentence)

    def _pace(self, sentence: Sentence) -> int | None:
        """How long a client that shows sentences one by one shows this one."""
        if self._delivery is not Delivery.PACED:
            return None
        duration_ms = reading_ms(sentence.text)
        self.heard.speech_sent(sentence.seq, sentence.seq, self._playing())
        self.heard.speech_complete(sentence.seq, duration_ms)
        return duration_ms

    # --- The deeds

    async def _act(self, decision: Decision) -> None:
        """Have the NPC do what goes with its words, if anything does."""
        offer = game_actions.offer(self.line.repertoire, decision.action, self.line.targets)
        if not offer or not self._shown or self._failure:
            return
        line = self.line
        asked = game_actions.conversation(line.npc.name, line.text if line.by_player else "", self.text, offer)
        choice = await choose_action(self.snapshot.llm, asked, offer)
        self._meter.refused_actions += choice.refused
        if choice.usage:
            self._usage = choice.usage if self._usage is None else added(self._usage, choice.usage)
        if choice.call and self.status is None:
            self._out.request_action(self, choice.call)

    # --- The voice

    def _make_voice(self) -> TurnVoice | None:
        snapshot, npc = self.snapshot, self.line.npc
        if self._delivery is not Delivery.ALOUD:
            return None
        if snapshot.synthesis is None or self._outlet is None or self._floor is None:
            return None
        voice = snapshot.voice_of(npc)
        return TurnVoice(
            self.turn_id,
            snapshot.synthesis,
            self._floor,
            self._outlet(self),
            self.heard,
            snapshot.spoken(npc, voice),
            voice,
            snapshot.config.tts.speed,
            began=lambda: self._mark("first_audio_ms"),
            dropped=self._dropped,
        )

    def _dropped(self, seq: int, reason: str) -> None:
        if self.status is None:
            self._meter.dropped_sentences += reason != NOTHING_TO_SAY
            self.send(AudioDropped(turn_id=self.turn_id, seq=seq, reason=reason))

    # --- The end

    def _finish(self, status: TurnStatus) -> None:
        if self.status is not None:
            return
        failure = self._failure if status is TurnStatus.FAILED else None
        timings = Timings(total_ms=round(self._elapsed_ms(), 3), **self._marks)
        usage = self._usage and UsageView(
            prompt_tokens=self._usage.prompt_tokens,
            completion_tokens=self._usage.completion_tokens,
            cost=self._usage.cost,
        )
        error = None
        if failure:
            code = "llm_unavailable" if isinstance(failure, LLMError) else "internal"
            error = TurnError(code=code, message=failure.message, hint=failure.hint or None)
            self.send(Notice(level="error", code=code, message=error.message, hint=error.hint))
        self.send(
            TurnFinished(
                turn_id=self.turn_id,
                status=status,
                text=self.text,
                timings=timings,
                usage=usage or None,
                error=error,
            )
        )
        self.status = status
        self.over.set()
        self._meter.turn_finished(status, timings)

    # --- How

    def send(self, message: Numbered) -> None:
        """To the client, if the turn is not over."""
        if self.status is None:
            self._out.send(message)

    def begin_audio(self, audio: Audio, turn_number: int) -> None:
        if self.status is None:
            self._out.begin_audio(audio, turn_number)

    def send_frame(self, turn_id: str, frame: AudioFrame) -> None:
        if self.status is None:
            self._out.send_frame(turn_id, frame)

    def _elapsed_ms(self) -> float:
        return (self._clock() - self._began) * 1000

    def _mark(self, name: str) -> None:
        """Note the first time that something happens."""
        if name not in self._marks:
            self._marks[name] = round(self._elapsed_ms(), 3)
