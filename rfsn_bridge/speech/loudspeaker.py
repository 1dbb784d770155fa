"""The sound device: found, opened, watched, and opened anew when it is gone.

PortAudio looks for devices only when it is initialised, so that is done before each opening but the first: a
device that was plugged in, or chosen as the system's own, is found the next time that somebody speaks after a
silence. All of it happens in one thread, because any of these calls may take seconds, or for ever; `stuck_s` says
how long the present one has taken.
"""

import contextlib
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rfsn_bridge.speech.mixer import Mixer
from rfsn_bridge.speech.resampling import Samples
from rfsn_bridge.speech.sound_devices import NoDevice, explained, imported_sounddevice, ways

LATENCY_S = 0.06
"""What is asked for: less, and a busy machine stutters."""
START_S = 3.0
"""Some sound systems take this long before they go on after their first buffers."""
STALL_S = 1.0
"""After that, a stream that has wanted nothing for so long is dead, whatever it says."""
IDLE_S = 20.0
"""After so much silence the device is let go."""
WATCH_S = 0.1
RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)
NO_DEVICE = "none"


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of the device: `message` and `hint` are for the player's screen, where there is need."""

    state: Literal["open", "lost"]
    name: str = ""
    latency_ms: int = 0
    message: str = ""
    hint: str = ""


class _Feed:
    """What one stream's callback does, until it is let go."""

    def __init__(self, mixer: Mixer, channels: int) -> None:
        self._mixer = mixer
        self._stereo: Samples | None = np.zeros((0, 2), np.float32) if channels == 1 else None
        self.began_at = self.at = time.monotonic()
        """When it was opened, and when it wanted something last."""
        self.live = True
        self.finished = False
        self.failed = False
        self.late = 0

    def callback(self, out: Samples, frames: int, when: Any, status: Any) -> None:
        self.at = time.monotonic()
        if status and status.output_underflow:
            self.late += 1
        if not self.live:
            out.fill(0)
            return
        try:
            if self._stereo is None:
                self._mixer.mix(out)
                return
            if len(self._stereo) != frames:
                self._stereo = np.zeros((frames, 2), np.float32)
            self._mixer.mix(self._stereo)
            np.mean(self._stereo, axis=1, out=out[:, 0])
        except Exception:  # an error in here would end the stream without a word
            out.fill(0)
            if not self.failed:
                self.failed = True
                traceback.print_exc()

    def finish(self) -> None:
        self.finished = True


class Loudspeaker:
    """Plays what `mixer` mixes on the device whose name holds `name`; a thread of its own calls `tell`.

    `library` imports sounddevice, which initialises PortAudio.
    """

    def __init__(
        self,
        name: str,
        mixer: Mixer,
        tell: Callable[[Device], None],
        library: Callable[[], Any] = imported_sounddevice,
    ) -> None:
        self._library = library
        self._name = name
        self._mixer = mixer
        self._tell = tell
        self._wanted = threading.Event()
        self._called_at = 0.0
        self._feed: _Feed | None = None
        self._initialised = False
        self._hopeful = name != NO_DEVICE
        """Whether the last attempt to open it has not failed."""
        self._lost = False
        """Whether it was told that nothing can be heard."""
        if name != NO_DEVICE:
            threading.Thread(target=self._live, name="loudspeaker", daemon=True).start()

    def wake(self) -> None:
        """Something sounds, or will soon."""
        self._wanted.set()

    @property
    def playing(self) -> bool:
        """Whether the device takes what is mixed."""
        feed, now = self._feed, time.monotonic()
        if feed is None or feed.finished:
            return False
        return now - feed.at < STALL_S or now - feed.began_at < START_S

    @property
    def opening(self) -> bool:
        """Whether it will be `playing` soon, as far as is known: it was not lost, and is wanted."""
        return self._feed is None and self._hopeful and self._wanted.is_set()

    def take_late(self) -> int:
        """How often the device was not fed in time since this was asked."""
        feed = self._feed
        if feed is None:
            return 0
        late = feed.late
        feed.late -= late
        return late

    @property
    def stuck_s(self) -> float:
        """How long the sound system has not answered; 0 where nothing was asked of it."""
        called_at = self._called_at
        return time.monotonic() - called_at if called_at else 0.0

    # --- The thread ---

    def _live(self) -> None:
        failures = 0
        while True:
            if not failures:
                self._wanted.wait()
            try:
                stream, device = self._asked(self._open)
            except Exception as error:  # whatever it is: it is told, and tried again
                self._hopeful = False
                self._fail(error)
                self._wanted.clear()
                self._wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                continue
            failures = 0
            self._hopeful = True
            self._tell(device)
            self._lost = False
            gone = self._watch(stream)
            self._let_go(stream)
            if gone:
                self._fail(
                    NoDevice(f"the sound device {device.name} is gone", "speech goes on where there is one")
                )
                self._wanted.set()

    def _wait(self, seconds: float) -> None:
        """Until it is worth another try: after this time, but only while something sounds."""
        time.sleep(seconds)
        while not self._mixer.busy and not self._wanted.is_set():
            self._wanted.wait()

    def _asked(self, what: Callable[[], Any]) -> Any:
        self._called_at = time.monotonic()
        try:
            return what()
        finally:
            self._called_at = 0.0

    def _open(self) -> tuple[Any, Device]:
        sounddevice = self._library()
        if self._initialised:
            # There is no other way to learn of new devices: https://github.com/PortAudio/portaudio/issues/615
            sounddevice._terminate()
            sounddevice._initialize()
        self._initialised = True
        refused: Exception | None = None
        for way in ways(sounddevice, self._name):
            feed = _Feed(self._mixer, way.options["channels"])
            callbacks = {"callback": feed.callback, "finished_callback": feed.finish}
            try:
                stream = sounddevice.OutputStream(dtype="float32", latency=LATENCY_S, **callbacks, **way.options)
                self._mixer.retune(way.options["samplerate"])
                feed.began_at = feed.at = time.monotonic()
                self._feed = feed
                stream.start()
            except sounddevice.PortAudioError as error:
                refused = refused or error
                self._feed, feed.live = None, False
                continue
            message = way.note or (f"sound comes from {way.name} again" if self._lost else "")
            return stream, Device("open", way.name, round(stream.latency * 1000), message)
        raise refused or NoDevice("there is no sound device", "connect one")

    def _watch(self, stream: Any) -> bool:
        """Return when the device is gone (True), or nothing has sounded for a while (False)."""
        sounded_at = time.monotonic()
        while self.playing and self._asked(lambda: _active(stream)):
            time.sleep(WATCH_S)
            if self._mixer.busy or self._wanted.is_set():
                self._wanted.clear()
                sounded_at = time.monotonic()
            elif time.monotonic() - sounded_at > IDLE_S:
                return False
        return True

    def _let_go(self, stream: Any) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.live = False
        with contextlib.suppress(Exception):  # it may be gone, in any way a library can say so
            self._asked(stream.abort)
            self._asked(stream.close)

    def _fail(self, error: Exception) -> None:
        self._feed = None
        if not self._lost:
            self._lost = True
            message, hint = explained(error)
            self._tell(Device("lost", message=message, hint=hint))


def _active(stream: Any) -> bool:
    with contextlib.suppress(Exception):  # it may be gone, in any way a library can say so
        return bool(stream.active)
    return False
