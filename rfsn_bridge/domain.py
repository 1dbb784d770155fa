"""The words the whole project speaks in: frozen values and every enum. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Signal(StrEnum):
    """What the player's utterance does to the NPC."""

    GREET = "greet"
    FAREWELL = "farewell"
    AGREE = "agree"
    DISAGREE = "disagree"
    APOLOGIZE = "apologize"
    INSULT = "insult"
    COMPLIMENT = "compliment"
    THREATEN = "threaten"
    REQUEST = "request"
    OFFER = "offer"
    REFUSE = "refuse"
    ACCEPT = "accept"
    ATTACK = "attack"
    FLEE = "flee"
    HELP = "help"
    BETRAY = "betray"
    IGNORE = "ignore"
    QUESTION = "question"
    COMMAND = "command"


class Action(StrEnum):
    """What the NPC decides to do with its answer."""

    GREET = "greet"
    FAREWELL = "farewell"
    AGREE = "agree"
    DISAGREE = "disagree"
    APOLOGIZE = "apologize"
    INSULT = "insult"
    COMPLIMENT = "compliment"
    THREATEN = "threaten"
    REQUEST = "request"
    OFFER = "offer"
    REFUSE = "refuse"
    ACCEPT = "accept"
    ATTACK = "attack"
    DEFEND = "defend"
    FLEE = "flee"
    HELP = "help"
    BETRAY = "betray"
    IGNORE = "ignore"
    INQUIRE = "inquire"
    EXPLAIN = "explain"


class Mood(StrEnum):
    HAPPY = "happy"
    NEUTRAL = "neutral"
    SAD = "sad"
    ANGRY = "angry"
    FEARFUL = "fearful"
    SURPRISED = "surprised"
    FRIENDLY = "friendly"


class Relationship(StrEnum):
    STRANGER = "stranger"
    ACQUAINTANCE = "acquaintance"
    FRIEND = "friend"
    ALLY = "ally"
    ENEMY = "enemy"
    RIVAL = "rival"


class Style(StrEnum):
    """How the NPC speaks."""

    TERSE_DIRECT = "TERSE_DIRECT"
    WARM_FRIENDLY = "WARM_FRIENDLY"
    LORE_RICH = "LORE_RICH"
    PLAYFUL_WITTY = "PLAYFUL_WITTY"
    FORMAL_RESPECTFUL = "FORMAL_RESPECTFUL"
    NEUTRAL_BALANCED = "NEUTRAL_BALANCED"


class Happening(StrEnum):
    """What a game reports; some of it moves the NPCs concerned."""

    COMBAT_STARTED = "combat_started"
    COMBAT_ENDED = "combat_ended"
    QUEST_STARTED = "quest_started"
    QUEST_UPDATED = "quest_updated"
    QUEST_ENDED = "quest_ended"
    LOCATION_CHANGED = "location_changed"
    HIT = "hit"
    AIDED = "aided"
    DEATH = "death"
    ITEM_GIVEN = "item_given"
    WITNESSED = "witnessed"
    CUSTOM = "custom"


class TurnStatus(StrEnum):
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


NoticeLevel = Literal["info", "warning", "error"]
"""How much a notice matters to a player."""


# --- Who is there ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deed:
    """What an NPC did in the game, or tried to: the outcome of one game action.

    `target` is an `npc_id` or "player"; `message` the game's reason why it was not done.
    """

    name: str
    arguments: Mapping[str, Any]
    status: Literal["applied", "rejected", "failed"]
    target: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the player said and what was heard of the reply; empty text where nothing was."""

    player_text: str
    npc_text: str
    deeds: tuple[Deed, ...] = ()
    """What the NPC did with its answer."""


@dataclass(frozen=True, slots=True)
class Personality:
    """What an NPC is like, each trait in [0, 1]; 0.5 is like most people."""

    courage: float = 0.5
    warmth: float = 0.5
    temper: float = 0.5
    curiosity: float = 0.5


@dataclass(frozen=True, slots=True)
class Npc:
    """A character, as its adapter describes it. `npc_id` is compared exactly and never shown."""

    npc_id: str
    name: str
    race: str | None = None
    gender: str | None = None
    voice_type: str | None = None
    voice: str | None = None
    bio: str | None = None
    examples: tuple[Exchange, ...] = ()
    """How it answers, for models that need to be shown."""
    personality: Personality = Personality()


@dataclass(frozen=True, slots=True)
class NpcState:
    """How an NPC stands to the player. `affinity` in [-1, 1]; `trust` and `fear` in [0, 1]."""

    mood: Mood = Mood.NEUTRAL
    affinity: float = 0.0
    relationship: Relationship = Relationship.STRANGER
    trust: float = 0.5
    fear: float = 0.0
    recent_sentiment: float = 0.0
    """In [-1, 1]: how the last things said and done felt, the latest most."""
    combat_active: bool = False
    quest_active: bool = False
    mood_strength: float = 0.0
    """In [0, 1]: how much of the mood is left; at 0 it is neutral again."""
    cooldowns: tuple[tuple[str, float], ...] = ()
    """What has worked on it of late, and for how many game days it will not work in full again."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where and when a line is spoken, as far as the game says."""

    location: str | None = None
    time_of_day: str | None = None
    weather: str | None = None
    events: tuple[str, ...] = ()


# --- What the mind decides ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignalContext:
    """What a classifier may know beside the text."""

    state: NpcState
    history: tuple[Exchange, ...] = ()
    last_action: Action | None = None
    """What the NPC did with its last answer: "yes" accepts only what was offered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state that an action leads to if `signal` is what the player meant."""

    signal: Signal
    probability: float
    state: NpcState


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an action is expected to lead to. `state` is that under the likeliest signal."""

    action: Action
    state: NpcState
    outcomes: tuple[Outcome, ...] = ()
    """One for each signal that counts; the probabilities sum to 1. Empty: `state` is certain."""
    rules: tuple[str, ...] = ()
    """The world rules behind `state`, by id."""
    usual: float = 0.0
    """How usual the action is as an answer to what was said, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Score:
    """An action's utility; `contributions` sum to `total`."""

    action: Action
    total: float
    contributions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ScoringContext:
    npc: Npc
    state: NpcState
    signals: Mapping[Signal, float]


@dataclass(frozen=True, slots=True)
class SafetyContext:
    npc: Npc
    state: NpcState


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a safety rule forbids. It can only ever deny: actions, or the sentence it was shown."""

    denied_actions: frozenset[Action] = frozenset()
    deny_sentence: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy's pick among arms; `probability` is the true propensity of picking it."""

    arm: str
    probability: float
    contributions: Mapping[str, float] = field(default_factory=dict)
    """What the arm's worth is made of; they sum to `worth[arm]`."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of every arm that was offered; they sum to 1."""
    worth: Mapping[str, float] = field(default_factory=dict)
    """What the policy compared: the higher, the likelier the arm."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An action that was considered; `vetoed_by` names the safety rule that forbade it."""

    action: Action
    score: float
    probability: float
    vetoed_by: str | None = None
    veto_reason: str = ""
    contributions: Mapping[str, float] = field(default_factory=dict)
    """What the score is made of; they sum to it."""
    rules: tuple[str, ...] = ()
    """The world rules that predict what it leads to, by id."""
    changes: Mapping[str, float | str | bool] = field(default_factory=dict)
    """What it is predicted to change of the state, under the likeliest signal."""


@dataclass(frozen=True, slots=True)
class Trace:
    """All that a decision was made from, so that it can be explained, replayed and learned from."""

    signals: Mapping[Signal, float]
    before: NpcState
    """The state before the line was heard."""
    rules: tuple[str, ...]
    """The world rules that the line fired, by id."""
    changes: Mapping[str, float | str | bool]
    """What the line changed of the state."""
    action_choice: Choice
    style_choice: Choice
    action_features: tuple[float, ...] = ()
    style_features: tuple[float, ...] = ()
    last_action: Action | None = None
    """What the NPC had done with its answer before."""
    personality: Personality = Personality()
    seed: str = ""
    """What chance was drawn from."""
    rules_revision: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the NPC will do and how it will say it, with the reasons in words."""

    signal: Signal
    action: Action
    style: Style
    state: NpcState
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    trace: Trace | None = None


# --- What an NPC can do in the game ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GameAction:
    """Something an NPC can do in the game, as its adapter registered it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema of an object."""
    requires_target: bool = False
    when: frozenset[Action] | None = None
    """The decisions it may go with; None: any."""


@dataclass(frozen=True, slots=True)
class ActionCall:
    """A game action with its arguments, valid under its schema. `target` is an `npc_id` or "player"."""

    name: str
    arguments: Mapping[str, Any]
    target: str | None = None


# --- What the LLM is asked and answers ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """A chat completion to stream. `temperature` in [0, 2]; `stop` ends the text before any of its strings."""

    messages: tuple[Message, ...]
    max_tokens: int = 150
    temperature: float = 0.7
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply, of any length, never empty. Reasoning of the model is not part of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion, sent once, last, by backends that know them. `cost` in US dollars."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a backend may take, in seconds: to connect, to the first token, between two tokens."""

    connect_s: float = 3.0
    first_token_s: float = 30.0
    between_tokens_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a part can work right now; `message` says what is wrong and `hint` what to do."""

    ok: bool
    message: str = ""
    hint: str = ""


# --- What is said ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of the reply as it is shown; `seq` counts from 0 within its turn."""

    seq: int
    text: str
    ends_sentence: bool = True


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One utterance to synthesize. `speed` is a factor in [0.5, 2].

    `phonemes` says, for some words of `text` as they stand there, how they sound, in IPA; an engine that cannot
    take that reads them as they are written.
    """

    text: str
    voice: str
    speed: float = 1.0
    lang: str = "en-us"
    phonemes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When a word (or a phoneme, in IPA) sounds, in milliseconds from the start of its utterance."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Mono PCM, signed 16-bit little-endian.

    `timings` (words) and `phonemes` (IPA) where the engine knows them: each once, as early as it is known, and at
    the latest with the chunk in which it begins.
    """

    pcm: bytes
    sample_rate: int
    timings: tuple[WordTiming, ...] = ()
    phonemes: tuple[WordTiming, ...] = ()


# --- What comes to mind ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Memory:
    """An older turn that comes to mind with a line.

    `own`: it was said to the NPC that remembers, not to another in its hearing. `similarity` to the line is in
    [0, 1]; the higher the `score`, the more it matters now.
    """

    turn_id: str
    npc_name: str
    exchange: Exchange
    own: bool
    similarity: float
    score: float


# --- What is remembered ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as it is recorded: only what was heard of it."""

    turn_id: str
    playthrough: str
    npc_id: str
    npc_name: str
    player_text: str
    heard_text: str
    heard_through_seq: int
    status: TurnStatus
    state: NpcState
    decision: Decision | None
    hearers: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = ()
    """What the NPC did in the game, as the game reported it."""
    started_at: float = 0.0
    """Wall-clock seconds since the epoch, for people; nothing is ordered by it."""
    game_date: float | None = None
    """The game's own days, where it has said them."""
