"""Every message of the wire, once: what is parsed, what is sent, what the reference in docs/ is made of.

Client messages are strict about types and ignore fields they do not know. Server messages are built by us and
leave out fields that are None. Docstrings and field descriptions are the protocol reference.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from rfsn_bridge.domain import (
    Action,
    Happening,
    Mood,
    NoticeLevel,
    NpcState,
    Relationship,
    Signal,
    Style,
    TurnStatus,
)

PROTOCOL = "1.0"
"""The version that `hello` names; a client names its major part in `identify`."""
SUBPROTOCOL = "rfsn.v1"

Id = Annotated[str, Field(min_length=1, max_length=64)]
NpcId = Annotated[str, Field(min_length=1, max_length=128)]
Short = Annotated[str, Field(max_length=256)]
Unit = Annotated[float, Field(ge=0, le=1)]
Seq = Annotated[int, Field(ge=0, le=65535)]
Priority = Literal["low", "medium", "high", "critical"]
SpeechStatus = Literal["started", "ended", "aborted"]
Position = tuple[float, float, float]
Playthrough = Annotated[str, Field(min_length=1, max_length=128, description="Keeps two games' memories apart.")]
SaveId = Annotated[str, Field(min_length=1, max_length=128)]
GameTime = Annotated[
    float, Field(ge=0, description="In days of the game, with fractions: 17.5 is noon of day 17.")
]
ActionName = Annotated[str, Field(min_length=1, max_length=64)]
Visemes = list[tuple[int, int, float]]
"""`[t_ms, morph, weight]`: at `t_ms` of the sentence the morph (0 to 15) moves to the weight (0 to 1)."""

ErrorCode = Literal[
    "bad_json",
    "bad_message",
    "unknown_type",
    "not_identified",
    "unauthorised",
    "unknown_npc",
    "unknown_turn",
    "too_large",
    "rate_limited",
    "busy",
    "not_found",
    "invalid_value",
    "unavailable",
    "internal",
]


class Part(BaseModel):
    """A value inside a message."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


# --- From the client ------------------------------------------------------------------------------


class FromClient(Part):
    """A message of the client."""

    id: Id | None = Field(default=None, description="If given, the message is answered once, with `re` set to it.")


class ClientInfo(Part):
    """Who connects."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[str, Field(max_length=64)] = ""
    game: Annotated[str, Field(max_length=64)] = ""


class Capabilities(Part):
    """What the client can do."""

    audio: Literal["binary", "file", "daemon", "none"] = Field(
        default="none",
        description="How it wants to get speech: frames on this socket, files, played by us, or not at all.",
    )
    visemes: bool = Field(
        default=False,
        description="It moves lips. Without audio, it then shows each sentence for its `duration_ms`.",
    )
    reports: bool = Field(
        default=False,
        description="It sends `speech_report`, of speech or of subtitles that it shows one by one (`visemes`). "
        "With neither audio nor `visemes` what was shown counts as heard, and reports change nothing.",
    )


class Resume(Part):
    """The session to take up again."""

    session_id: Annotated[str, Field(max_length=64)]
    last_n: Annotated[int, Field(ge=0)] = Field(description="The last `n` that arrived.")


class Identify(FromClient):
    """The first message of a connection: who the client is and what it can do."""

    type: Literal["identify"] = "identify"
    protocol: Annotated[str, Field(max_length=16)] = Field(description='The major version it speaks: "1".')
    client: ClientInfo
    token: Annotated[str, Field(max_length=256)] | None = None
    capabilities: Capabilities = Capabilities()
    playthrough: Playthrough = "default"
    resume: Resume | None = None


class NpcSeed(Part):
    """The state of an NPC met for the first time."""

    mood: Mood | None = None
    affinity: Annotated[float, Field(ge=-1, le=1)] | None = None
    trust: Unit | None = None
    fear: Unit | None = None
    relationship: Relationship | None = None


class Traits(Part):
    """What an NPC is like; 0.5 is like most people. What is left out is guessed from words of the bio."""

    courage: Unit | None = None
    warmth: Unit | None = None
    temper: Unit | None = None
    curiosity: Unit | None = None


class Conditions(Part):
    """Facts of the game that the mind heeds; others may be sent and are ignored until something needs them."""

    combat_active: bool | None = None
    quest_active: bool | None = None
    weapon_drawn: bool | None = None
    in_scene: bool | None = Field(
        default=None, description="The game's own script has it act or speak: it is not to be talked over."
    )


class Example(Part):
    """A line of the player and the answer this NPC would give: it keeps small models in character."""

    player: Annotated[str, Field(min_length=1, max_length=500)]
    npc: Annotated[str, Field(min_length=1, max_length=500)]


class NpcUpdate(FromClient):
    """An NPC is here, or something about it changed. Fields left out keep their value."""

    type: Literal["npc_update"] = "npc_update"
    npc_id: NpcId
    name: Annotated[str, Field(min_length=1, max_length=128)]
    race: Short | None = None
    gender: Short | None = None
    voice_type: Short | None = None
    voice: Short | None = Field(default=None, description="A voice of the speech engine, by name.")
    bio: Annotated[str, Field(max_length=8000)] | None = None
    examples: Annotated[list[Example], Field(max_length=8)] | None = None
    personality: Traits | None = None
    state: NpcSeed | None = None
    force: bool = Field(default=False, description="Let `state` override what the daemon remembers.")
    conditions: Conditions | None = None


class NpcGone(FromClient):
    """These NPCs left, died or were unloaded; their turns end."""

    type: Literal["npc_gone"] = "npc_gone"
    npc_ids: Annotated[list[NpcId], Field(max_length=256)]


class Listener(Part):
    """Where the player's ears are; game units, x y z."""

    position: Position
    forward: Position


class Positions(FromClient):
    """Where everybody is, in one message: while somebody speaks, a few times a second."""

    type: Literal["positions"] = "positions"
    listener: Listener | None = None
    npcs: Annotated[dict[NpcId, Position], Field(max_length=256)] = {}


class GameEvent(FromClient):
    """Something happened. `text` is one sentence that the NPCs concerned may be told with the next line."""

    type: Literal["game_event"] = "game_event"
    kind: Happening
    npc_ids: Annotated[list[NpcId], Field(max_length=256)] | None = Field(
        default=None, description="Whom it concerns; absent: everybody."
    )
    text: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    data: Annotated[dict[str, Any], Field(max_length=32)] | None = None
    game_time: GameTime | None = None


class GamePaused(FromClient):
    """The game stands still, or goes on. Meanwhile nothing is heard, and a lost connection may take an hour."""

    type: Literal["game_paused"] = "game_paused"
    paused: bool


class GameAction(Part):
    """Something an NPC can do in the game."""

    name: ActionName
    description: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="What it does, for the language model."
    )
    parameters: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of an object, without `$ref` and `pattern`; at most 4 kB."
    )
    requires_target: bool = Field(default=False, description="It is done to somebody: the player or a hearer.")
    when: Annotated[list[Action], Field(min_length=1, max_length=len(Action))] | None = Field(
        default=None, description="The decisions it may go with; absent: any."
    )


class ActionsRegister(FromClient):
    """These NPCs can do this from now on; a name that was registered before is replaced."""

    type: Literal["actions_register"] = "actions_register"
    npc_ids: Annotated[list[NpcId], Field(max_length=256)] | None = Field(
        default=None, description="Who can; absent: everybody."
    )
    actions: Annotated[list[GameAction], Field(min_length=1, max_length=64)]


class ActionsUnregister(FromClient):
    """These NPCs can no longer do this. A request that is under way may still come."""

    type: Literal["actions_unregister"] = "actions_unregister"
    npc_ids: Annotated[list[NpcId], Field(max_length=256)] | None = Field(
        default=None, description="Who cannot; absent: what everybody could."
    )
    names: Annotated[list[ActionName], Field(min_length=1, max_length=64)]


class ActionResult(FromClient):
    """What became of an `action_request`: this, not the asking, is remembered."""

    type: Literal["action_result"] = "action_result"
    action_id: Annotated[str, Field(min_length=1, max_length=64)]
    status: Literal["applied", "rejected", "failed"]
    message: Annotated[str, Field(max_length=300)] | None = Field(
        default=None, description="Why not, in words the NPC may be told."
    )


class SaveGame(FromClient):
    """A point in a playthrough."""

    playthrough: Playthrough
    game_time: GameTime | None = None


class GameStarted(SaveGame):
    """A game begins: a new one, or one whose save is not known."""

    type: Literal["game_started"] = "game_started"
    save_id: SaveId | None = None


class SaveCreated(SaveGame):
    """The game was saved."""

    type: Literal["save_created"] = "save_created"
    save_id: SaveId


class SaveLoaded(SaveGame):
    """A save was loaded. Running turns end and are forgotten; lines that follow wait until it is done."""

    type: Literal["save_loaded"] = "save_loaded"
    save_id: SaveId


class LineContext(Part):
    """Where and when the line is spoken."""

    location: Short | None = None
    time_of_day: Short | None = None
    weather: Short | None = None
    events: Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=16)] = []


class Line(FromClient):
    """What starts a turn."""

    npc_id: NpcId
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    hearers: Annotated[list[NpcId], Field(max_length=64)] = Field(
        default=[], description="NPCs near enough to hear."
    )
    context: LineContext = LineContext()
    priority: Priority = "high"
    deliver: Literal["dynamic"] = "dynamic"

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must say something")
        return text


class PlayerLine(Line):
    """The player says `text` to an NPC. Answered by `turn_started`; interrupts the NPC's running turn."""

    type: Literal["player_line"] = "player_line"


class NpcPrompt(Line):
    """The NPC speaks of itself; `text` says why. Answered by `turn_started`."""

    type: Literal["npc_prompt"] = "npc_prompt"


class SpeechReport(FromClient):
    """What was really played of a sentence, or shown by a client with `visemes` and no audio."""

    type: Literal["speech_report"] = "speech_report"
    turn_id: Annotated[str, Field(min_length=1, max_length=64)]
    seq: Seq
    status: SpeechStatus
    heard_ms: Annotated[int, Field(ge=0)] | None = Field(default=None, description="How much of it was heard.")


class Interrupt(FromClient):
    """Stop talking: one turn, one NPC's turn, or (neither given) everything."""

    type: Literal["interrupt"] = "interrupt"
    turn_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    npc_id: NpcId | None = None
    priority: Priority = "high"
    reason: Short | None = None


class Feedback(FromClient):
    """What the player thought of a turn; the NPC learns from it, once for each turn."""

    type: Literal["feedback"] = "feedback"
    turn_id: Annotated[str, Field(min_length=1, max_length=64)]
    reward: Annotated[float, Field(ge=-1, le=1)]


class Explain(FromClient):
    """Why an NPC did what it did in a turn: answered in words, with all that the decision was made from."""

    type: Literal["explain"] = "explain"
    turn_id: Annotated[str, Field(min_length=1, max_length=64)]


class LearningReset(FromClient):
    """Forget what an NPC has learned of how to answer this player; what it remembers and feels stays."""

    type: Literal["learning_reset"] = "learning_reset"
    npc_id: NpcId


class MemoryStats(FromClient):
    """How much is remembered, by everybody; `folder` is where.

    `summaries_refused` and `summaries_failed` count, since the daemon's start, what the language model wrote that
    was of no use, and requests that failed.
    """

    type: Literal["memory_stats"] = "memory_stats"


class OfNpc(FromClient):
    """About one NPC, of this session's playthrough, whether it is here now or not."""

    npc_id: NpcId


class MemoryGet(OfNpc):
    """What an NPC remembers: whole turns, the newest first, also those of others that it heard.

    Answered with `turns`, and `more` if there are older ones. Ask on with `before`: long answers are cut short.
    Without `before` there are `summaries` too, oldest first: each has `text` and the `turn_ids` it stands for.
    """

    type: Literal["memory_get"] = "memory_get"
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    before: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="A turn's id: only those that were before it."
    )


class MemorySearch(OfNpc):
    """The turns of an NPC that have some words: `found`, those with all of them first, and the newest first."""

    type: Literal["memory_search"] = "memory_search"
    query: Annotated[str, Field(min_length=1, max_length=1000)]


class MemoryReset(OfNpc):
    """Have an NPC forget everything, in every save of the playthrough: it begins anew as if just met.

    Its running turn ends and is forgotten. Answered with `turns_forgotten` and the `backup` that undoes it.
    """

    type: Literal["memory_reset"] = "memory_reset"


class MemoryBackups(FromClient):
    """The copies of the memory there are, the newest first."""

    type: Literal["memory_backups"] = "memory_backups"
    npc_id: NpcId | None = Field(
        default=None, description="Only those in which it remembers something, with `npc_turns`."
    )


class MemoryRestore(FromClient):
    """Put a backup in the place of the whole memory, of every playthrough.

    Running turns of every game end and are forgotten; every NPC reads its memory again. Answered with the `backup`
    that undoes it.
    """

    type: Literal["memory_restore"] = "memory_restore"
    backup_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="A `backup_id` of `memory_backups`."
    )


class NpcStateRequest(OfNpc):
    """How an NPC stands to the player: its `state`, how many `turns` it remembers, and the `latest` exchanges."""

    type: Literal["npc_state"] = "npc_state"


class Tune(FromClient):
    """Change settings until the next restart."""

    type: Literal["tune"] = "tune"
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=4096)] | None = None
    max_queue_size: Annotated[int, Field(ge=1, le=50)] | None = None
    persist: bool = False


Topic = Literal["metrics", "turns", "events", "log"]


class Subscribe(FromClient):
    """Watch the daemon: `metrics` come twice a second."""

    type: Literal["subscribe"] = "subscribe"
    topics: Annotated[list[Topic], Field(min_length=1, max_length=4)]


class Unsubscribe(FromClient):
    """Watch no longer."""

    type: Literal["unsubscribe"] = "unsubscribe"
    topics: Annotated[list[Topic], Field(min_length=1, max_length=4)]


class Ping(FromClient):
    """Answered by `pong` with the same `t`."""

    type: Literal["ping"] = "ping"
    t: float | int | str | None = None


ClientMessage = (
    Identify
    | NpcUpdate
    | NpcGone
    | Positions
    | GameEvent
    | GamePaused
    | ActionsRegister
    | ActionsUnregister
    | GameStarted
    | SaveCreated
    | SaveLoaded
    | PlayerLine
    | NpcPrompt
    | SpeechReport
    | ActionResult
    | Interrupt
    | Feedback
    | Explain
    | LearningReset
    | MemoryStats
    | MemoryGet
    | MemorySearch
    | MemoryReset
    | MemoryBackups
    | MemoryRestore
    | NpcStateRequest
    | Tune
    | Subscribe
    | Unsubscribe
    | Ping
)
client_messages: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


# --- From the server ------------------------------------------------------------------------------


class FromServer(BaseModel):
    """A message of the daemon."""

    model_config = ConfigDict(frozen=True)


class Numbered(FromServer):
    """A message after the handshake."""

    n: int | None = Field(default=None, description="Counts up from 1 within a session.")


class Hello(FromServer):
    """The daemon's first message."""

    type: Literal["hello"] = "hello"
    protocol: str = PROTOCOL
    server: str
    auth: Literal["none", "token", "approval"]


class Limits(FromServer):
    """What a client must keep to."""

    max_message_bytes: int = 65536
    messages_per_second: int = 50
    burst: int = 100
    resume_grace_s: float = 10
    paused_grace_s: float = Field(default=3600, description="The same while the game is paused.")


class Identified(FromServer):
    """The client is accepted."""

    type: Literal["identified"] = "identified"
    re: str | None = None
    session_id: str
    resumed: bool
    limits: Limits
    config_revision: int
    plugins: dict[str, str]
    audio: Literal["binary", "file", "daemon", "none"] = Field(
        description="How speech will really come, which may be less than the client can take."
    )


class Result(Numbered):
    """A message with an `id` was carried out."""

    type: Literal["result"] = "result"
    re: str
    data: dict[str, Any] = {}


class Error(Numbered):
    """A message was not carried out. The connection stays open."""

    type: Literal["error"] = "error"
    re: str | None = None
    code: ErrorCode
    message: str
    field: str | None = None
    hint: str | None = None


class Pong(Numbered):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"
    re: str | None = None
    t: float | int | str | None = None


class Notice(Numbered):
    """What a player may read on screen."""

    type: Literal["notice"] = "notice"
    level: NoticeLevel
    code: str
    message: str
    hint: str | None = None
    progress: float | None = Field(default=None, description="0 to 1, for work under way.")
    turn_id: str | None = Field(default=None, description="With `not_stored`: the turn that is not recorded yet.")


class TurnStarted(Numbered):
    """A turn begins. `turn_number` names it in the headers of binary frames."""

    type: Literal["turn_started"] = "turn_started"
    re: str | None = None
    turn_id: str
    turn_number: int
    npc_id: str


class StateView(FromServer):
    """How the NPC stands to the player."""

    mood: Mood
    affinity: float
    relationship: Relationship
    trust: float
    fear: float
    recent_sentiment: float
    combat_active: bool
    quest_active: bool

    @classmethod
    def of(cls, state: NpcState) -> "StateView":
        return cls(**asdict(state))


class CandidateView(FromServer):
    """An action that was considered."""

    action: Action
    score: float
    probability: float
    vetoed_by: str | None = None


class DecisionMade(Numbered):
    """What the NPC will do and in which style, before it speaks."""

    type: Literal["decision"] = "decision"
    turn_id: str
    npc_id: str
    signal: Signal
    action: Action
    style: Style
    state: StateView
    candidates: list[CandidateView]
    reasons: list[str]


class SentenceSaid(Numbered):
    """A sentence of the reply, to be shown at once. `latency_ms` counts from the player's line."""

    type: Literal["sentence"] = "sentence"
    turn_id: str
    npc_id: str
    seq: int
    text: str
    ends_sentence: bool = Field(description="False only for a first clause that was sent early.")
    latency_ms: int
    duration_ms: int | None = Field(
        default=None, description="How long to show it, for a client with `visemes` that gets no speech."
    )
    visemes: Visemes | None = Field(
        default=None, description="How the lips move meanwhile: `[t_ms, morph, weight]`."
    )


class TextFinished(Numbered):
    """No further `sentence` of this turn follows."""

    type: Literal["text_finished"] = "text_finished"
    turn_id: str
    sentences: int


class Audio(Numbered):
    """The speech of sentences `seq` to `through_seq` begins; with audio `binary` its frames follow.

    With audio `file` it lies whole at `path` (below `speech.folder`), and neither frames nor `audio_end` follow.
    """

    type: Literal["audio"] = "audio"
    turn_id: str
    seq: int
    through_seq: int
    format: Literal["pcm_s16le"] = "pcm_s16le"
    sample_rate: int
    channels: Literal[1] = 1
    duration_ms: int | None = Field(default=None, description="Known at once with audio `file`.")
    path: str | None = None
    visemes: Visemes | None = Field(default=None, description="How the lips move: `[t_ms, morph, weight]`.")


class ActionRequest(Numbered):
    """The NPC does this, if the game allows it; answered by `action_result`."""

    type: Literal["action_request"] = "action_request"
    action_id: str
    turn_id: str
    npc_id: str
    name: str
    arguments: dict[str, Any]
    target: str | None = Field(default=None, description="An `npc_id`, or `player`.")


class AudioEnd(Numbered):
    """The speech of a sentence is complete."""

    type: Literal["audio_end"] = "audio_end"
    turn_id: str
    seq: int
    duration_ms: int
    chunks: int


class Played(Numbered):
    """What became of the speech that the daemon plays itself; it needs no `speech_report`."""

    type: Literal["playback"] = "playback"
    turn_id: str
    seq: int
    status: SpeechStatus
    heard_ms: int


class AudioDropped(Numbered):
    """A sentence stays unspoken; its text was shown all the same."""

    type: Literal["audio_dropped"] = "audio_dropped"
    turn_id: str
    seq: int
    reason: str


class Timings(FromServer):
    """Milliseconds since the player's line; absent where it never came to that."""

    signal_ms: float | None = None
    decision_ms: float | None = None
    first_token_ms: float | None = None
    first_sentence_ms: float | None = None
    first_audio_ms: float | None = None
    total_ms: float


class UsageView(FromServer):
    """What the reply cost, where the backend says so."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None


class TurnError(FromServer):
    """Why a turn failed."""

    code: str
    message: str
    hint: str | None = None


class TurnFinished(Numbered):
    """Production has ended: no text or audio of the turn follows."""

    type: Literal["turn_finished"] = "turn_finished"
    turn_id: str
    status: TurnStatus
    text: str
    timings: Timings
    usage: UsageView | None = None
    error: TurnError | None = None


class TurnRecorded(Numbered):
    """What was heard of the turn is on disk: the acknowledgement that survives a crash."""

    type: Literal["turn_recorded"] = "turn_recorded"
    turn_id: str
    heard_text: str
    heard_through_seq: int = Field(description="The last sentence heard at least in part; -1 if none was.")
    state: StateView
    stored: Literal[True] = True


class Metrics(Numbered):
    """Figures of the daemon, twice a second while subscribed. Times are of the latest turn that has them."""

    type: Literal["metrics"] = "metrics"
    first_token_ms: float | None
    first_sentence_ms: float | None
    first_audio_ms: float | None
    total_generation_ms: float | None
    tts_queue_size: int
    dropped_sentences: int
    turns_running: int
    turns_completed: int
    turns_interrupted: int
    turns_failed: int
    sessions: int


ServerMessage = (
    Hello
    | Identified
    | Result
    | Error
    | Pong
    | Notice
    | TurnStarted
    | DecisionMade
    | SentenceSaid
    | TextFinished
    | Audio
    | AudioEnd
    | Played
    | AudioDropped
    | ActionRequest
    | TurnFinished
    | TurnRecorded
    | Metrics
)
server_messages: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="type")])
