"""What plugins implement. Each factory is called as `factory(options, services)`.

An implementation needs no base class: any object with these methods will do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from rfsn_bridge.domain import (
    Action,
    AudioChunk,
    Choice,
    Health,
    LLMRequest,
    Memory,
    NoticeLevel,
    Prediction,
    SafetyContext,
    Score,
    ScoringContext,
    Sentence,
    Signal,
    SignalContext,
    SpeechRequest,
    TextDelta,
    Timeouts,
    Usage,
    Verdict,
)

if TYPE_CHECKING:  # the voice process imports this file, and needs no HTTP
    import httpx


class NoticeSink(Protocol):
    """Puts a message on the player's screen. `progress` in [0, 1] for work under way."""

    def __call__(
        self,
        level: NoticeLevel,
        code: str,
        message: str,
        hint: str = "",
        progress: float | None = None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class RecallQuery:
    """Whose memory is asked, with what line in mind. `without` are the ids of turns that are told anyway."""

    playthrough: str
    npc_id: str
    text: str
    limit: int
    without: tuple[str, ...] = ()


class Recall(Protocol):
    """What comes to an NPC's mind with a line. Runs on the event loop, and must not block it."""

    async def recall(self, query: RecallQuery) -> Sequence[Memory]:
        """Up to `limit` turns of the present, what matters most first."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the daemon lends to a plugin's factory."""

    http: httpx.AsyncClient
    """The daemon's one pooled client. Do not close it; give every request its own time-outs."""
    timeouts: Timeouts
    data: Path
    """The player's data folder."""
    find_model: Callable[[str], Path]
    """The path of a catalogue model's file by name; raises ModelMissing with the command that fetches it."""
    notice: NoticeSink
    memory: Recall | None = None
    """The memory itself, which recalls by words; None where no daemon runs."""


class LLMBackend(Protocol):
    """A language model. All methods run on the daemon's event loop and must not block it."""

    def stream(self, request: LLMRequest) -> AsyncIterator[TextDelta | Usage]:
        """Stream the reply; raise LLMError. Closing the iterator (or cancelling) drops the request upstream."""
        ...

    async def warm_up(self) -> None:
        """Load what the first reply will need; raise LLMError if there is no hope of one. May be left out."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` costs, exactly or as a safe over-estimate; must be quick."""
        ...

    async def health(self) -> Health:
        """Whether a reply could be had now, without loading anything."""
        ...

    async def aclose(self) -> None:
        """Stop what was started. Called once, when no stream is open."""
        ...


class TTSEngine(Protocol):
    """A speech synthesizer. Lives in the voice process: methods block, one call at a time, except `cancel`.

    Registered as `register(name, "module:Class", options=Model)`; the class is constructed without arguments. It
    may have `blends = True` (SpeechRequest.voice may be "a:0.6,b:0.4") and `respell = True` (it cannot heed
    SpeechRequest.phonemes, so names come in `text` as an English reader would spell them).
    """

    def open(self, options: Mapping[str, Any]) -> None:
        """Load the models. `options` are the validated options as plain JSON values."""
        ...

    def voices(self) -> Sequence[str]:
        """The names that SpeechRequest.voice may hold."""
        ...

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        """Speak, silence trimmed, in chunks as they are ready. Text without a sound in it gives no chunk.

        Raise VoiceError for this utterance alone, VoiceUnavailable where the next would fare no better.
        """
        ...

    def cancel(self) -> None:
        """Called from another thread: make the running `synthesize` end soon (raise or stop early)."""
        ...

    def close(self) -> None: ...


class SignalClassifier(Protocol):
    def classify(self, text: str, context: SignalContext) -> Mapping[Signal, float]:
        """The probability of each signal; absent means 0, the values sum to 1."""
        ...


@dataclass(frozen=True, slots=True)
class WorldRules:
    """A pack of world rules: YAML, and the name that mistakes in it are told by (its file)."""

    name: str
    text: bytes


class Scorer(Protocol):
    def score(self, context: ScoringContext, predictions: Sequence[Prediction]) -> Sequence[Score]:
        """One score for each prediction, in the same order."""
        ...


class SafetyRule(Protocol):
    def check(self, subject: frozenset[Action] | Sentence, context: SafetyContext) -> Verdict:
        """Deny some of the candidate actions, or the sentence, with a reason. A rule can never allow."""
        ...


class Policy(Protocol):
    """What one NPC has learned about one kind of choice. It is never shared between NPCs."""

    def select(self, x: Sequence[float], arms: Sequence[str], priors: Sequence[float], rng: Random) -> Choice:
        """Choose among `arms` (never empty, a subset of the learner's, cleared by the safety rules).

        `x` are the features; `priors` one number for each arm, the higher the better, about in [-1, 1].
        `Choice.probabilities` covers every arm offered and is the true distribution that `rng` was asked for.
        """
        ...

    def update(self, x: Sequence[float], arm: str, reward: float, probability: float) -> None:
        """Learn from a past choice: `reward` in [-2, 2], `probability` as `select` gave it for the arm."""
        ...

    def dump(self) -> bytes:
        """All that was learned; `Learner.policy` takes it back."""
        ...


class Learner(Protocol):
    """Makes policies: one for each NPC and kind of choice."""

    def policy(
        self,
        arms: Sequence[str],
        features: Sequence[str],
        *,
        prior: bytes | None = None,
        saved: bytes | None = None,
    ) -> Policy:
        """A policy over `arms` and named `features`.

        `saved` is what `dump` gave (of this learner, these arms and features: else it is refused with ValueError);
        without it the policy begins at the population's `prior`, if it can read that.
        """
        ...
