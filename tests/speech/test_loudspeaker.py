"""The device's troubles, played by a stand-in for the sound library; test_sound.py has the real one."""

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rfsn_bridge.speech import loudspeaker
from rfsn_bridge.speech.loudspeaker import Device, Loudspeaker
from rfsn_bridge.speech.mixer import Mixer
from rfsn_bridge.speech.sound_devices import NoDevice, ways

PATIENCE_S = 20


class PortAudioError(Exception):
    pass


class Stream:
    """Wants something as long as its library lets it."""

    latency = 0.05

    def __init__(self, library: "Library", **options: Any) -> None:
        if library.refuses(options):
            raise PortAudioError("Invalid sample rate")
        self._library = library
        self.options = options
        self.out = np.ones((480, options["channels"]), np.float32)
        self._ended = threading.Event()
        library.streams.append(self)

    @property
    def active(self) -> bool:
        if self._library.breaks:
            raise PortAudioError("Stream error")
        return not self._ended.is_set()

    def start(self) -> None:
        if self._library.hangs:
            threading.Event().wait()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._ended.wait(0.005):
            self.options["callback"](self.out, 480, None, self._library.status)
        self.options["finished_callback"]()

    def vanish(self) -> None:
        self._ended.set()

    abort = close = vanish


class Library:
    """What of sounddevice is used."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.devices = [
            {"name": "Microphone", "max_output_channels": 0, "hostapi": 0, "index": 0},
            {"name": "Loudspeakers", "max_output_channels": 8, "hostapi": 0, "index": 1},
            {"name": "Headphones (USB)", "max_output_channels": 2, "hostapi": 1, "index": 2},
            {"name": "Headphones (USB)", "max_output_channels": 2, "hostapi": 0, "index": 3},
        ]
        for device in self.devices:
            device["default_samplerate"] = 44_100.0
        self.status: Any = None
        self.apis = ["ALSA", "JACK"]
        self.refuses: Callable[[dict[str, Any]], bool] = lambda options: False
        self.hangs = self.breaks = False
        self.streams: list[Stream] = []
        self.initialised = 0

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        if device is not None:
            return self.devices[device]
        return self.devices if kind is None else self.devices[1]

    def query_hostapis(self) -> Any:
        return [{"name": name, "default_output_device": 3 - number} for number, name in enumerate(self.apis)]

    def WasapiSettings(self, **settings: Any) -> Any:
        return settings

    def OutputStream(self, **options: Any) -> Stream:
        return Stream(self, **options)

    def _terminate(self) -> None:
        pass

    def _initialize(self) -> None:
        self.initialised += 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    library = Library()
    monkeypatch.setattr(loudspeaker, "WATCH_S", 0.01)
    monkeypatch.setattr(loudspeaker, "RETRY_S", (0.01,))
    yield library
    library.refuses = lambda options: True
    for stream in library.streams:
        stream.vanish()


@pytest.fixture
def told() -> "queue.Queue[Device]":
    return queue.Queue()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def busy_mixer() -> Mixer:
    mixer = Mixer(48_000)
    mixer.begin("turn", 0, "npc", 48_000)
    return mixer


def test_it_opens_when_it_is_wanted(library: Library, told: "queue.Queue[Device]") -> None:
    speaker = Loudspeaker("", Mixer(48_000), told.put, lambda: library)
    assert not speaker.playing and not speaker.opening and not library.streams
    speaker.wake()
    assert told.get(timeout=PATIENCE_S) == Device("open", "Loudspeakers", 50)
    assert speaker.playing and not speaker.opening and not speaker.stuck_s
    assert library.streams[0].options["channels"] == 2


def test_a_device_that_vanishes_is_opened_again_and_told(library: Library, told: "queue.Queue[Device]") -> None:
    Loudspeaker("", busy_mixer(), told.put, lambda: library).wake()
    told.get(timeout=PATIENCE_S)
    library.streams[0].vanish()
    assert told.get(timeout=PATIENCE_S).message == "the sound device Loudspeakers is gone"
    assert told.get(timeout=PATIENCE_S).message == "sound comes from Loudspeakers again"
    assert library.initialised == 1


def test_an_error_of_the_stream_is_its_end(library: Library, told: "queue.Queue[Device]") -> None:
    Loudspeaker("", busy_mixer(), told.put, lambda: library).wake()
    told.get(timeout=PATIENCE_S)
    library.breaks = True
    assert told.get(timeout=PATIENCE_S).state == "lost"


def test_no_device_is_told_once_and_looked_for_again(library: Library, told: "queue.Queue[Device]") -> None:
    devices, library.devices = library.devices, []
    speaker = Loudspeaker("", busy_mixer(), told.put, lambda: library)
    speaker.wake()
    assert told.get(timeout=PATIENCE_S).message == "there is no sound device"
    until(lambda: library.initialised > 2)
    assert not speaker.playing
    library.devices = devices
    assert told.get(timeout=PATIENCE_S).state == "open"


def test_nothing_is_looked_for_while_nobody_speaks(library: Library, told: "queue.Queue[Device]") -> None:
    library.devices = []
    speaker = Loudspeaker("", Mixer(48_000), told.put, lambda: library)
    speaker.wake()
    told.get(timeout=PATIENCE_S)
    time.sleep(0.1)
    tried = library.initialised
    time.sleep(0.1)
    assert library.initialised == tried
    speaker.wake()
    until(lambda: library.initialised == tried + 1)


def test_the_device_is_let_go_after_a_silence(
    library: Library, told: "queue.Queue[Device]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loudspeaker, "IDLE_S", 0.05)
    speaker = Loudspeaker("", Mixer(48_000), told.put, lambda: library)
    speaker.wake()
    told.get(timeout=PATIENCE_S)
    until(lambda: not speaker.playing)
    assert told.empty()
    speaker.wake()
    assert told.get(timeout=PATIENCE_S) == Device("open", "Loudspeakers", 50)


def test_a_device_with_its_own_rate_or_one_channel_is_taken_as_it_is(
    library: Library, told: "queue.Queue[Device]"
) -> None:
    library.refuses = lambda options: options["samplerate"] != 44_100
    library.devices[1]["max_output_channels"] = 1
    mixer = busy_mixer()
    Loudspeaker("", mixer, told.put, lambda: library).wake()
    told.get(timeout=PATIENCE_S)
    assert mixer.rate == 44_100
    mixer.feed("turn", 0, np.full(48_000, 16384, "<i2").tobytes())
    until(lambda: library.streams[0].out[-1, 0] == pytest.approx(0.5, abs=0.01))


def test_a_device_that_refuses_everything_is_told(library: Library, told: "queue.Queue[Device]") -> None:
    library.refuses = lambda options: True
    Loudspeaker("", busy_mixer(), told.put, lambda: library).wake()
    lost = told.get(timeout=PATIENCE_S)
    assert lost.message == "the sound device cannot be opened: Invalid sample rate"
    assert "playback.device" in lost.hint


def test_a_library_that_does_not_answer_is_noticed(library: Library, told: "queue.Queue[Device]") -> None:
    library.hangs = True
    speaker = Loudspeaker("", busy_mixer(), told.put, lambda: library)
    speaker.wake()
    until(lambda: speaker.stuck_s > 0.1)


def test_an_error_while_mixing_is_silence(
    library: Library, told: "queue.Queue[Device]", capfd: pytest.CaptureFixture[str]
) -> None:
    mixer = Mixer(48_000)
    mixer.mix = lambda out: 1 / 0  # type: ignore[method-assign, assignment]
    speaker = Loudspeaker("", mixer, told.put, lambda: library)
    speaker.wake()
    told.get(timeout=PATIENCE_S)
    said = ""

    def complains() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "ZeroDivisionError" in said

    until(complains)
    until(lambda: not library.streams[0].out.any())
    assert speaker.playing


def test_a_device_that_is_not_fed_in_time_is_counted(library: Library, told: "queue.Queue[Device]") -> None:
    library.status = SimpleNamespace(output_underflow=True)
    speaker = Loudspeaker("", busy_mixer(), told.put, lambda: library)
    assert speaker.take_late() == 0
    speaker.wake()
    told.get(timeout=PATIENCE_S)
    until(lambda: speaker.take_late() > 0)
    library.status = None
    until(lambda: speaker.take_late() == 0)


def test_a_missing_portaudio_is_told(
    monkeypatch: pytest.MonkeyPatch, told: "queue.Queue[Device]", tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    Loudspeaker("", Mixer(48_000), told.put).wake()
    lost = told.get(timeout=PATIENCE_S)
    assert lost.message.startswith("PortAudio is missing")
    assert "libportaudio2" in lost.hint


def test_no_device_at_all_can_be_chosen(library: Library) -> None:
    speaker = Loudspeaker("none", busy_mixer(), lambda device: None, lambda: library)
    speaker.wake()
    assert not speaker.opening and not speaker.playing and not library.streams


def opened(library: Library, name: str) -> list[tuple[Any, int]]:
    return [(way.options["device"], way.options["samplerate"]) for way in ways(library, name)]


def test_a_device_is_found_by_a_part_of_its_name() -> None:
    """Rather what speaks as the system's own does; if all fails, the system's own."""
    headphones = [(3, 48_000), (3, 44_100), (2, 48_000), (2, 44_100)]
    own = [(1, 48_000), (1, 44_100), (None, 44_100)]
    assert opened(Library(), "headphones") == headphones + own
    assert opened(Library(), "") == own
    assert not any(way.note for way in ways(Library(), "headphones"))


def test_what_cannot_play_is_not_found() -> None:
    assert opened(Library(), "micro") == opened(Library(), "")
    note = next(ways(Library(), "micro")).note
    assert (
        note
        == "there is no sound device micro, only Loudspeakers, Headphones (USB): sound comes from Loudspeakers"
    )


def test_on_windows_the_newer_interface_is_tried_first(library: Library, told: "queue.Queue[Device]") -> None:
    library.apis = ["MME", "Windows WASAPI"]
    library.refuses = lambda options: bool(options["extra_settings"]) or options["device"] is not None
    Loudspeaker("", busy_mixer(), told.put, lambda: library).wake()
    assert told.get(timeout=PATIENCE_S).state == "open"
    first, *_, last = [way.options for way in ways(library, "")]
    assert (first["device"], first["extra_settings"]) == (2, {"auto_convert": True})
    assert (last["device"], last["extra_settings"]) == (None, None)
    assert library.streams[0].options["device"] is None


def test_nothing_to_be_found(library: Library) -> None:
    library.devices = []
    with pytest.raises(NoDevice, match="no sound device"):
        next(ways(library, ""))
