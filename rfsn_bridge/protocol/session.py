"""A session without I/O: frames in, events out; messages in, frames out.

A connection begins with a `Handshake`, which either names who identified or says how to refuse. A `Session` is
what lives on when a connection is lost: it numbers what is sent (`n`), remembers it for a resume within fixed
bounds, answers a repeated `id` from memory, and counts a client's messages against its rate. Time is passed in
(monotonic seconds); sockets, tasks and turns are the caller's.
"""

import json
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json

from rfsn_bridge.domain import TurnStatus
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    PROTOCOL,
    Audio,
    AudioDropped,
    AudioEnd,
    ClientMessage,
    Error,
    ErrorCode,
    FromClient,
    FromServer,
    Hello,
    Identify,
    Limits,
    Numbered,
    Result,
    TurnFinished,
    client_messages,
)

NOT_IDENTIFIED = 4006
IDENTIFY_TIMEOUT = 4007
WRONG_VERSION = 4008
UNAUTHORISED = 4009
FLOOD = 1008

_REMEMBERED_IDS = 256
_REMEMBERED_MESSAGES = 2048
_REMEMBERED_BYTES = 2 * 1024 * 1024
_HELD_AUDIO_BYTES = 16 * 1024 * 1024
_FLOOD_REFUSALS = 200
_REASON_BYTES = 123
"""What fits into a close frame beside the code."""
_RETRY_WITH_SAME_ID = frozenset({"rate_limited", "busy", "unavailable"})


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this text frame."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection, after whatever replies came before."""

    code: int
    reason: str


Event = ClientMessage | Reply | Close


def parse(frame: str | bytes) -> ClientMessage:
    """One client message; raises ProtocolError with the wire's code, and the message's `id` as `.re`."""
    if isinstance(frame, bytes):
        raise ProtocolError("bad_message", "a client sends text frames only")
    try:
        return client_messages.validate_json(frame)
    except ValidationError as invalid:
        raise _explain(frame, invalid.errors(include_url=False)[0]) from None


class BadMessage(ProtocolError):
    """A message that cannot be understood; `re` is its `id` where it has a usable one."""

    re: str | None = None


def _explain(frame: str, detail: ErrorDetails) -> BadMessage:
    kind, location = detail["type"], [str(part) for part in detail["loc"]]
    if kind == "json_invalid":
        return BadMessage("bad_json", detail["msg"], "send one JSON object in each text frame")
    document = from_json(frame)
    if not isinstance(document, dict):
        return BadMessage("bad_message", "a message is a JSON object", "send one JSON object in each text frame")
    name = document.get("type")
    if not isinstance(name, str):
        error = BadMessage("bad_message", "a message needs a `type`", field="type")
    elif kind == "union_tag_invalid":
        error = BadMessage("unknown_type", f"there is no message of type {name[:64]!r}", "see docs/protocol.md")
    else:
        # Location is (type, field, ...); a union inside a field adds the names of its members, which say nothing.
        where = ".".join(location[1:])
        malformed = kind == "missing" or kind.endswith("_type")
        error = BadMessage(
            "bad_message" if malformed else "invalid_value", f"{where}: {detail['msg']}", field=where
        )
    error.re = _usable_id(document)
    return error


def _usable_id(document: Any) -> str | None:
    re = document.get("id") if isinstance(document, dict) else None
    return re if isinstance(re, str) and 1 <= len(re) <= 64 else None


def _id_of(frame: str | bytes) -> str | None:
    """The `id` of a message that is not looked at any further."""
    try:
        return _usable_id(from_json(frame))
    except ValueError:
        return None


def error_message(error: ProtocolError, re: str | None = None) -> Error:
    code: ErrorCode = error.code  # type: ignore[assignment]  # every raise names one of the codes
    return Error(re=re, code=code, message=error.message, field=error.field, hint=error.hint or None)


def encode(message: FromServer) -> str:
    try:
        return message.model_dump_json(exclude_none=True)
    except PydanticSerializationError:  # half a surrogate pair, in the words of a plugin's error
        document = json.dumps(message.model_dump(exclude_none=True), ensure_ascii=False)
        return document.encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Handshake:
    """The opening of a connection: `hello` goes out, `identify` comes in, or the connection closes."""

    hello: Hello

    def receive(self, frame: str | bytes) -> Identify | tuple[Reply, Close]:
        """The client's first frame: what it identifies as, or the error to send and the close that follows."""
        try:
            message = parse(frame)
        except BadMessage as error:
            return self.refuse(error, NOT_IDENTIFIED, error.re)
        except ProtocolError as error:
            return self.refuse(error, NOT_IDENTIFIED)
        if not isinstance(message, Identify):
            return self.refuse(
                ProtocolError("not_identified", "identify before anything else", "send `identify` first"),
                NOT_IDENTIFIED,
                message.id,
            )
        major = PROTOCOL.partition(".")[0]
        if message.protocol.partition(".")[0] != major:
            return self.refuse(
                ProtocolError(
                    "invalid_value",
                    f"this daemon speaks protocol {PROTOCOL}, not {message.protocol!r}",
                    "update the adapter or the daemon",
                    field="protocol",
                ),
                WRONG_VERSION,
                message.id,
            )
        return message

    def timed_out(self) -> tuple[Reply, Close]:
        return self.refuse(
            ProtocolError("not_identified", "no `identify` came in time", "send `identify` after `hello`"),
            IDENTIFY_TIMEOUT,
        )

    @staticmethod
    def refuse(error: ProtocolError, code: int, re: str | None = None) -> tuple[Reply, Close]:
        reason = error.message.encode()[:_REASON_BYTES].decode(errors="ignore")
        return Reply(encode(error_message(error, re))), Close(code, reason)


@dataclass(slots=True)
class _Utterance:
    """The speech of one `audio` message, held until it is reported heard."""

    audio: Audio
    turn_number: int
    frames: list[bytes] = field(default_factory=list)
    size: int = 0
    end: AudioEnd | None = None


Message = TypeVar("Message", bound=Numbered)


class Session:
    """One client from `identified` to its end, over any number of connections."""

    def __init__(self, session_id: str, identify: Identify, limits: Limits) -> None:
        self.session_id = session_id
        self.identify = identify
        self.limits = limits
        self.n = 0
        """The number of the last message that was sent."""
        self._sent: deque[tuple[int, Numbered, str]] = deque()
        self._sent_bytes = 0
        self._answers: OrderedDict[str, Numbered | None] = OrderedDict()
        self._utterances: OrderedDict[tuple[str, int], _Utterance] = OrderedDict()
        self._held_bytes = 0
        self._evicted: set[tuple[str, int]] = set()
        self._tokens = float(limits.burst)
        self._refilled: float | None = None
        self._refusals = 0
        """Messages that were refused since the client last kept well within its rate."""
        self._told_of_rate = False

    # --- What comes in

    def receive(self, frame: str | bytes, now: float) -> list[Event]:
        """What a frame asks for: a message to carry out, or what to send (and whether to close) instead."""
        if not self._within_rate(now):
            return self._refuse_for_rate(frame)
        try:
            message = parse(frame)
            if isinstance(message, Identify):
                raise ProtocolError("bad_message", "already identified", "open a new connection to identify again")
        except BadMessage as error:
            return [Reply(self.send(error_message(error, error.re)))]
        except ProtocolError as error:
            return [Reply(self.send(error_message(error)))]
        if message.id is None:
            return [message]
        if message.id in self._answers:
            answer = self._answers[message.id]
            return [Reply(self.send(answer))] if answer else []
        self._answers[message.id] = None
        if len(self._answers) > _REMEMBERED_IDS:
            self._answers.popitem(last=False)
        return [message]

    def _within_rate(self, now: float) -> bool:
        """A token bucket: `messages_per_second` flow in, up to `burst`."""
        elapsed = 0.0 if self._refilled is None else max(0.0, now - self._refilled)
        self._refilled = now
        self._tokens = min(self.limits.burst, self._tokens + elapsed * self.limits.messages_per_second)
        if self._tokens < 1:
            return False
        if self._tokens > self.limits.burst / 2:
            self._refusals = 0
        self._tokens -= 1
        self._told_of_rate = False
        return True

    def _refuse_for_rate(self, frame: str | bytes) -> list[Event]:
        """Tell of it once, and whoever waits for an answer each time."""
        self._refusals += 1
        if self._refusals > _FLOOD_REFUSALS:
            return [Close(FLOOD, "too many messages")]
        re = _id_of(frame)
        if self._told_of_rate and re is None:
            return []
        self._told_of_rate = True
        rate = self.limits.messages_per_second
        error = ProtocolError(
            "rate_limited", f"more than {rate} messages a second", "slow down, then send it again"
        )
        return [Reply(self.send(error_message(error, re)))]

    # --- What goes out

    def send(self, message: Numbered) -> str:
        """Number a message and remember it: as what a resume repeats, and as the answer to its `re`."""
        self.n += 1
        numbered = message.model_copy(update={"n": self.n})
        text = encode(numbered)
        self._sent.append((self.n, numbered, text))
        self._sent_bytes += len(text)
        while len(self._sent) > _REMEMBERED_MESSAGES or self._sent_bytes > _REMEMBERED_BYTES:
            self._sent_bytes -= len(self._sent.popleft()[2])
        self._note_answer(message)
        match message:
            case AudioEnd() if utterance := self._utterances.get((message.turn_id, message.seq)):
                utterance.end = message
            case AudioDropped():
                self.forget_audio(message.turn_id, message.seq)
            case TurnFinished() if message.status is not TurnStatus.COMPLETED:
                self.forget_audio(message.turn_id)
        return text

    def answer(self, request: FromClient, data: dict[str, object] | None = None) -> str | None:
        """The `result` that a carried-out request is owed, if it has an `id`."""
        return self.send(Result(re=request.id, data=data or {})) if request.id else None

    def _note_answer(self, message: Numbered) -> None:
        re: str | None = getattr(message, "re", None)
        if re is None or re not in self._answers:
            return
        if isinstance(message, Error) and message.code in _RETRY_WITH_SAME_ID:
            del self._answers[re]
        else:
            self._answers[re] = message

    # --- Speech

    def begin_audio(self, audio: Audio, turn_number: int) -> str:
        """Announce a sentence's speech, and hold what follows of it until it is reported heard."""
        self._utterances[audio.turn_id, audio.seq] = _Utterance(audio, turn_number)
        return self.send(audio)

    def frame(self, turn_id: str, frame: AudioFrame) -> bytes:
        """A chunk of announced speech as it goes over the wire."""
        data = frame.encode()
        if utterance := self._utterances.get((turn_id, frame.seq)):
            utterance.frames.append(data)
            utterance.size += len(data)
            self._held_bytes += len(data)
            while self._held_bytes > _HELD_AUDIO_BYTES:
                key, oldest = self._utterances.popitem(last=False)
                self._held_bytes -= oldest.size
                self._evicted.add(key)
        return data

    def forget_audio(self, turn_id: str, seq: int | None = None) -> None:
        """A sentence was heard, or (without `seq`) its turn is over: a resume sends nothing of it again."""
        keys = [key for key in self._utterances if key[0] == turn_id and seq in (None, key[1])]
        for key in keys:
            self._held_bytes -= self._utterances.pop(key).size
        self._evicted = {key for key in self._evicted if key[0] != turn_id or seq not in (None, key[1])}

    # --- Coming back

    def can_resume(self, last_n: int) -> bool:
        """Whether everything after `last_n` is still at hand."""
        if last_n > self.n:
            return False
        return last_n == self.n or (bool(self._sent) and self._sent[0][0] <= last_n + 1)

    def since(self, last_n: int, most_bytes: int) -> list[str]:
        """What was sent after `last_n`, in order, as far as `most_bytes` allow, but one message at least."""
        texts: list[str] = []
        for n, _, text in self._sent:
            if n <= last_n:
                continue
            most_bytes -= len(text)
            if texts and most_bytes < 0:
                break
            texts.append(text)
        return texts

    def resume(self, last_n: int) -> list[str | bytes]:
        """Everything after `last_n`, in order; then, as new messages, the speech that was not reported heard.

        A sentence whose `audio` the client has missed is repeated in its place, with its frames. One whose
        `audio` had arrived is sent whole again at the end, because frames that were under way are lost.
        """
        frames: list[str | bytes] = []
        repeated: set[tuple[str, int]] = set()
        for n, message, text in self._sent:
            if n <= last_n:
                continue
            frames.append(text)
            if isinstance(message, Audio) and (held := self._utterances.get((message.turn_id, message.seq))):
                repeated.add((message.turn_id, message.seq))
                frames += held.frames
        for key, utterance in self._utterances.items():
            if key not in repeated:
                frames += [self.send(utterance.audio), *utterance.frames]
                if utterance.end:
                    frames.append(self.send(utterance.end))
        for turn_id, seq in sorted(self._evicted):
            reason = "too much speech waited for the connection"
            frames.append(self.send(AudioDropped(turn_id=turn_id, seq=seq, reason=reason)))
        self._evicted.clear()
        return frames
