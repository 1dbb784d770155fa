"""The session, strings in and strings out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import TurnStatus
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.protocol.messages import (
    Audio,
    AudioDropped,
    AudioEnd,
    ClientInfo,
    Error,
    Hello,
    Identify,
    Limits,
    NpcUpdate,
    Pong,
    SentenceSaid,
    Timings,
    TurnFinished,
    TurnStarted,
)
from rfsn_bridge.protocol.session import Close, Handshake, Reply, Session, parse

IDENTIFY = Identify(protocol="1", client=ClientInfo(name="test"))


def session(limits: Limits | None = None) -> Session:
    return Session("s1", IDENTIFY, limits or Limits())


def reply(event: object) -> dict[str, Any]:
    assert isinstance(event, Reply)
    message: dict[str, Any] = json.loads(event.text)
    return message


def handshake() -> Handshake:
    return Handshake(Hello(server="rfsn-bridge/0", auth="none"))


# --- Handshake


def test_a_client_that_identifies_is_named() -> None:
    got = handshake().receive(IDENTIFY.model_dump_json(exclude_none=True))
    assert isinstance(got, Identify) and got.client.name == "test"


@pytest.mark.parametrize(
    ("frame", "code", "close"),
    [
        ("nonsense", "bad_json", 4006),
        ('{"type": "player_line", "npc_id": "a", "text": "hi"}', "not_identified", 4006),
        ('{"type": "identify"}', "bad_message", 4006),
        ('{"type": "identify", "protocol": "2", "client": {"name": "x"}}', "invalid_value", 4008),
        (b"\x00", "bad_message", 4006),
    ],
)
def test_anything_else_first_is_refused_with_an_error(frame: str | bytes, code: str, close: int) -> None:
    got = handshake().receive(frame)
    assert isinstance(got, tuple)
    assert reply(got[0])["code"] == code
    assert got[1].code == close


def test_a_client_that_says_nothing_is_told_so() -> None:
    text, close = handshake().timed_out()
    assert reply(text)["code"] == "not_identified" and close.code == 4007


# --- What comes in


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ("{", "bad_json", None),
        ("[" * 5000, "bad_json", None),
        ('{"type": "ping", "t": "\\ud800"}', "bad_json", None),
        ("5", "bad_message", None),
        ("{}", "bad_message", "type"),
        ('{"type": 5}', "bad_message", "type"),
        ('{"type": "dance"}', "unknown_type", None),
        ('{"type": "player_line", "text": "hi"}', "bad_message", "npc_id"),
        ('{"type": "player_line", "npc_id": 5, "text": "hi"}', "bad_message", "npc_id"),
        ('{"type": "player_line", "npc_id": "", "text": "hi"}', "invalid_value", "npc_id"),
        ('{"type": "player_line", "npc_id": "a", "text": "  "}', "invalid_value", "text"),
        ('{"type": "tune", "temperature": 99}', "invalid_value", "temperature"),
        ('{"type": "tune", "temperature": NaN}', "invalid_value", "temperature"),
        (
            '{"type": "npc_update", "npc_id": "a", "name": "A", "state": {"mood": "odd"}}',
            "invalid_value",
            "state.mood",
        ),
        ('{"type": "speech_report", "turn_id": "t", "seq": -1, "status": "ended"}', "invalid_value", "seq"),
        ('{"type": "identify", "protocol": "1", "client": {"name": "x"}}', "bad_message", None),
    ],
)
def test_a_wrong_message_is_answered_by_an_error(frame: str, code: str, field: str | None) -> None:
    (event,) = session().receive(frame, 0.0)
    answer = reply(event)
    assert (answer["type"], answer["code"], answer.get("field")) == ("error", code, field)


def test_an_error_names_the_id_of_what_was_wrong() -> None:
    (event,) = session().receive('{"type": "tune", "temperature": 99, "id": "z"}', 0.0)
    assert reply(event)["re"] == "z"


def test_unknown_fields_are_ignored() -> None:
    (event,) = session().receive(
        '{"type": "npc_update", "npc_id": "a", "name": "A", "hat": {"feather": [1]}}', 0.0
    )
    assert event == NpcUpdate(npc_id="a", name="A")


@given(st.text() | st.binary())
def test_no_frame_raises_anything_but_a_protocol_error(frame: str | bytes) -> None:
    try:
        parse(frame)
    except ProtocolError as error:
        assert error.message


# --- Identifiers


def test_a_repeated_id_is_done_once_and_answered_again() -> None:
    s = session()
    line = '{"type": "ping", "id": "p"}'
    assert len(s.receive(line, 0.0)) == 1
    assert s.receive(line, 0.0) == []  # under way: it will be answered, once
    s.send(Pong(re="p", t=1))
    again = reply(s.receive(line, 0.0)[0])
    assert (again["type"], again["re"], again["t"], again["n"]) == ("pong", "p", 1, 2)


def test_an_id_that_was_put_off_may_be_sent_again() -> None:
    s = session()
    line = '{"type": "ping", "id": "p"}'
    s.receive(line, 0.0)
    s.send(Error(re="p", code="busy", message="later"))
    assert not isinstance(s.receive(line, 0.0)[0], Reply)


def test_only_so_many_ids_are_remembered() -> None:
    s = session(Limits(burst=1000))
    for i in range(300):
        s.receive(f'{{"type": "ping", "id": "p{i}"}}', 0.0)
        s.send(Pong(re=f"p{i}"))
    assert isinstance(s.receive('{"type": "ping", "id": "p299"}', 0.0)[0], Reply)
    assert not isinstance(s.receive('{"type": "ping", "id": "p0"}', 0.0)[0], Reply)


# --- Rate


def test_a_burst_passes_and_a_flood_is_refused_once_then_closed() -> None:
    s = session(Limits(burst=10))
    events = [event for _ in range(400) for event in s.receive('{"type": "ping"}', 0.0)]
    refusals = [event for event in events if isinstance(event, Reply)]
    assert [reply(event)["code"] for event in refusals] == ["rate_limited"]
    assert any(isinstance(event, Close) for event in events)


def test_a_steady_flood_is_closed_too() -> None:
    """Ten times the rate: every tenth message passes, which must not wipe out the other nine."""
    s = session(Limits())
    events = [event for i in range(1000) for event in s.receive('{"type": "ping"}', i / 500)]
    assert any(isinstance(event, Close) for event in events)


def test_a_client_that_slows_down_is_forgiven() -> None:
    s = session(Limits())
    for minute in range(10):
        events = [event for i in range(150) for event in s.receive('{"type": "ping"}', 60 * minute + i / 1000)]
        assert not any(isinstance(event, Close) for event in events)


def test_each_message_with_an_id_is_answered_although_it_came_too_fast() -> None:
    s = session(Limits(burst=1, messages_per_second=1))
    frames = ['{"type": "ping", "id": "a"}', '{"type": "ping"}', '{"type": "ping", "id": "b"}', "not json"]
    s.receive('{"type": "ping"}', 0.0)
    answers = [reply(event) for frame in frames for event in s.receive(frame, 0.0)]
    assert [(answer["code"], answer["re"]) for answer in answers] == [("rate_limited", "a"), ("rate_limited", "b")]
    assert not isinstance(s.receive(frames[0], 1.0)[0], Reply)  # sent again with its id, it is done


def test_the_rate_recovers_with_time() -> None:
    s = session(Limits(burst=1, messages_per_second=2))
    assert not isinstance(s.receive('{"type": "ping"}', 0.0)[0], Reply)
    assert isinstance(s.receive('{"type": "ping"}', 0.1)[0], Reply)
    assert not isinstance(s.receive('{"type": "ping"}', 0.6)[0], Reply)


# --- Resume


def started(number: int = 1) -> TurnStarted:
    return TurnStarted(turn_id=f"t{number}", turn_number=number, npc_id="a")


def said(seq: int) -> SentenceSaid:
    return SentenceSaid(turn_id="t1", npc_id="a", seq=seq, text="Hm.", ends_sentence=True, latency_ms=1)


def speak(s: Session, seq: int) -> None:
    s.begin_audio(Audio(turn_id="t1", seq=seq, through_seq=seq, sample_rate=24000), 1)
    s.frame("t1", AudioFrame(1, seq, 0, b"\x01\x00", last=True))
    s.send(AudioEnd(turn_id="t1", seq=seq, duration_ms=1, chunks=1))


def kinds(frames: list[str | bytes]) -> list[object]:
    return [json.loads(f)["n"] if isinstance(f, str) else AudioFrame.decode(f).seq for f in frames]


def test_messages_are_numbered_from_one() -> None:
    s = session()
    assert [json.loads(s.send(message))["n"] for message in (started(), said(0))] == [1, 2]


def test_a_resume_repeats_what_was_missed_in_order_with_its_frames() -> None:
    s = session()
    s.send(started())
    s.send(said(0))
    speak(s, 0)
    assert s.can_resume(2)
    assert kinds(s.resume(2)) == [3, 0, 4]


def test_speech_that_arrived_but_was_not_reported_heard_comes_whole_again() -> None:
    s = session()
    s.send(started())
    s.send(said(0))
    speak(s, 0)
    frames = s.resume(4)
    assert kinds(frames) == [5, 0, 6]
    assert json.loads(frames[0])["type"] == "audio" and json.loads(frames[2])["type"] == "audio_end"


def test_every_message_after_the_last_comes_also_in_the_middle_of_speech() -> None:
    s = session()
    s.send(started())
    speak(s, 0)
    s.send(said(1))
    assert kinds(s.resume(2)) == [3, 4, 5, 0, 6]  # audio_end, sentence; then audio, its frame, audio_end


def test_speech_that_was_reported_heard_does_not_come_again() -> None:
    s = session()
    s.send(started())
    speak(s, 0)
    s.forget_audio("t1", 0)
    assert kinds(s.resume(3)) == []


def test_speech_of_an_interrupted_turn_does_not_come_again() -> None:
    s = session()
    s.send(started())
    speak(s, 0)
    s.send(TurnFinished(turn_id="t1", status=TurnStatus.INTERRUPTED, text="", timings=Timings(total_ms=1)))
    assert kinds(s.resume(1)) == [2, 3, 4]  # every message, no frame


def test_a_client_that_missed_more_than_is_remembered_cannot_resume() -> None:
    s = session()
    for _ in range(3000):
        s.send(said(0))
    assert not s.can_resume(10)
    assert s.can_resume(2999)
    assert not s.can_resume(3001)


def test_held_speech_is_bounded_and_its_loss_is_told() -> None:
    s = session()
    s.begin_audio(Audio(turn_id="t1", seq=0, through_seq=0, sample_rate=24000), 1)
    for chunk in range(20):
        s.frame("t1", AudioFrame(1, 0, chunk, bytes(1024 * 1024)))
    last = s.resume(1)
    assert [json.loads(frame)["type"] for frame in last if isinstance(frame, str)] == ["audio_dropped"]


def test_speech_that_was_given_up_does_not_come_again() -> None:
    s = session()
    s.send(started())
    s.begin_audio(Audio(turn_id="t1", seq=0, through_seq=0, sample_rate=24000), 1)
    s.frame("t1", AudioFrame(1, 0, 0, b"\x01\x00"))
    s.send(AudioDropped(turn_id="t1", seq=0, reason="hoarse"))
    assert kinds(s.resume(1)) == [2, 3]  # every message, no frame


# --- Frames


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.binary(),
    st.booleans(),
    st.booleans(),
)
def test_a_frame_survives_the_wire(turn: int, seq: int, chunk: int, pcm: bytes, last: bool, aborted: bool) -> None:
    frame = AudioFrame(turn, seq, chunk, pcm, last, aborted)
    assert AudioFrame.decode(frame.encode()) == frame


def test_a_frame_has_the_documented_header() -> None:
    assert AudioFrame(1, 2, 3, b"", last=True).encode() == b"RFA1\x01\0\0\0\x02\0\x03\0\x01\0\0\0"
