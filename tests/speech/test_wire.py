import contextlib
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge import VoiceError
from rfsn_bridge.speech import wire
from rfsn_bridge.speech.wire import Decoder, Frame, Kind

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
frames = st.builds(
    Frame, st.sampled_from(Kind), st.dictionaries(st.text(), json_values, max_size=4), st.binary(max_size=300)
)


@given(sent=st.lists(frames, max_size=5), size=st.integers(1, 64))
def test_frames_survive_however_the_bytes_are_cut(sent: list[Frame], size: int) -> None:
    stream = b"".join(wire.encode(frame) for frame in sent)
    decoder = Decoder()
    received = [f for at in range(0, len(stream), size) for f in decoder.feed(stream[at : at + size])]
    assert received == sent


@given(st.binary(max_size=200))
def test_nonsense_is_a_voice_error_or_waits_for_more(data: bytes) -> None:
    with contextlib.suppress(VoiceError):
        list(Decoder().feed(data))


def test_a_lone_surrogate_passes() -> None:
    frame = Frame(Kind.SPEAK, {"text": "caf\udce9"})
    assert list(Decoder().feed(wire.encode(frame))) == [frame]


def test_a_frame_over_the_limit_is_not_sent() -> None:
    with pytest.raises(VoiceError, match="over the limit"):
        wire.encode(Frame(Kind.AUDIO, {}, bytes(wire.MAX_FRAME)))


def test_a_length_over_the_limit_is_refused_before_it_is_buffered() -> None:
    with pytest.raises(VoiceError, match="cannot be"):
        list(Decoder().feed((wire.MAX_FRAME + 1).to_bytes(4, "little")))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\x02\0\0\0{}",  # no such kind
        b"\x01\x09\0\0\0{}",  # the header is longer than the frame
        b"\x01\x02\0\0\0[]",  # not an object
        b"\x01\x02\0\0\0{x",  # not JSON
        b"\x01" + (100_000).to_bytes(4, "little") + b"[" * 100_000,  # too deep
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(payload: bytes) -> None:
    with pytest.raises(VoiceError, match="makes no sense"):
        list(Decoder().feed(len(payload).to_bytes(4, "little") + payload))


def test_frames_pass_through_a_pipe_until_its_end() -> None:
    """A frame larger than the pipe is written in pieces; the reader ends when the writer closes."""
    sent = [Frame(Kind.AUDIO, {"job": 1}, os.urandom(1_000_000)), Frame(Kind.FINISHED, {"job": 1})]
    reader, writer = os.pipe()

    def write() -> None:
        for frame in sent:
            wire.write(writer, frame)
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    assert list(wire.read(reader)) == sent
    thread.join(10)
    os.close(reader)


def test_writing_to_nobody_is_an_os_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(OSError, match="pipe"):
        wire.write(writer, Frame(Kind.CANCEL, {"job": 1}))
    os.close(writer)
