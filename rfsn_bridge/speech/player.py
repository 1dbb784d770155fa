"""The player: the process that sounds what was spoken (`python -m rfsn_bridge.speech.player`).

The main thread reads what the daemon says, one thread tends the device, the sound system's own thread mixes, and
another tells the daemon what became of it. Where no device takes the sound, the clock does, so that an utterance
always comes to its end in its own time.
"""

import contextlib
import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from rfsn_bridge.speech import wire
from rfsn_bridge.speech.child import leave, live
from rfsn_bridge.speech.loudspeaker import Device, Loudspeaker
from rfsn_bridge.speech.mixer import Mixer
from rfsn_bridge.speech.sound_devices import RATE
from rfsn_bridge.speech.wire import Frame, Kind

TICK_S = 0.01
IDLE_S = 0.5
PULSE_S = 0.1
HOLD_S = 1.0
"""What sounds waits so long for a device that is being opened."""
STUCK_S = 5.0
STUCK_BUSY_S = 10.0
STUCK = 3
"""The exit code of a player whose sound system does not answer; the daemon starts another one."""
LAST_FALL_S = 0.03


class Player:
    """`output` is the pipe to the daemon. `run` reads what the daemon says until its end."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._sending = threading.Lock()
        self._news = threading.Event()
        self._mixer = Mixer(RATE, self._news.set)
        self._loudspeaker: Loudspeaker
        self._scratch = np.zeros((RATE // 10, 2), np.float32)
        self._silent_since: float | None = None
        """Up to when the clock has taken what was mixed, while no device does."""
        self._hold_until = 0.0

    def run(self, frames: Iterator[Frame]) -> None:
        opening = next(frames, None)
        if opening is None:
            return
        levels = dict(opening.header)
        self._loudspeaker = Loudspeaker(str(levels.pop("device")), self._mixer, self._tell_of_device)
        self._mixer.tune(**levels)
        threading.Thread(target=self._serve, name="service", daemon=True).start()
        for frame in frames:
            self._take(frame.kind, frame.header, frame.body)
        if self._mixer.busy:
            self._mixer.pause(True)
            time.sleep(LAST_FALL_S)

    def _take(self, kind: Kind, header: Mapping[str, Any], body: bytes) -> None:
        mixer = self._mixer
        if kind is Kind.AUDIO:
            mixer.feed(header["turn"], header["seq"], body, header["words"])
        elif kind is Kind.BEGIN:
            self._begin(header)
        elif kind is Kind.END:
            mixer.finish(header["turn"], header["seq"])
        elif kind is Kind.STOP:
            mixer.stop(header["turn"], header.get("seq"), header["within_ms"])
        elif kind is Kind.PLACES:
            mixer.places(header["listener"], header["npcs"])
        elif kind is Kind.LEVELS:
            mixer.tune(**header)
        elif kind is Kind.PAUSE:
            mixer.pause(header["paused"])
        elif kind is Kind.WAKE:
            self._loudspeaker.wake()

    def _begin(self, header: Mapping[str, Any]) -> None:
        turn, seq = header["turn"], header["seq"]
        if self._mixer.begin(turn, seq, header["npc"], header["sample_rate"], header["pause_ms"]):
            self._loudspeaker.wake()
            self._news.set()
        else:  # more voices than can be told apart
            self._send(Kind.ABORTED, {"turn": turn, "seq": seq, "heard_ms": 0})

    # --- The thread that tells ---

    def _serve(self) -> None:
        try:
            pulse_at = 0.0
            while True:
                self._news.wait(TICK_S if self._mixer.busy else IDLE_S)
                self._news.clear()
                self._let_time_pass()
                for news in self._mixer.take_news():
                    self._send(news[0], _told(*news))
                if time.monotonic() >= pulse_at:
                    pulse_at = time.monotonic() + PULSE_S
                    for news in self._mixer.heard():
                        self._send(news[0], _told(*news))
                    if late := self._loudspeaker.take_late():
                        self._send(Kind.LATE, {"times": late})
                stuck_s = self._loudspeaker.stuck_s
                if stuck_s > (STUCK_BUSY_S if self._mixer.busy else STUCK_S):
                    leave(STUCK)
        except BaseException:  # without this thread nobody would learn of anything
            traceback.print_exc()
            leave(1)

    def _let_time_pass(self) -> None:
        """Take what sounds by the clock, where no device does."""
        now = time.monotonic()
        speaker = self._loudspeaker
        if not self._mixer.busy or speaker.playing:
            self._silent_since = None
            return
        if self._silent_since is None:
            self._silent_since, self._hold_until = now, now + HOLD_S
        if speaker.opening and now < self._hold_until:
            self._silent_since = now
            return
        frames = int((now - self._silent_since) * self._mixer.rate)
        self._silent_since += frames / self._mixer.rate
        self._mixer.mix(self._scratch[:frames])  # at most what it holds: this machine may have slept

    def _tell_of_device(self, device: Device) -> None:
        self._send(Kind.DEVICE, asdict(device))

    def _send(self, kind: Kind, header: Mapping[str, Any]) -> None:
        try:
            with self._sending:
                wire.write(self._output, Frame(kind, header))
        except OSError:
            leave(0)  # The daemon is gone.


def _told(kind: Kind, turn: str, seq: int, milliseconds: int) -> dict[str, Any]:
    name = "missing_ms" if kind is Kind.UNDERRUN else "heard_ms"
    return {"turn": turn, "seq": seq, name: milliseconds}


def _be_quick() -> None:
    """Sound cannot wait for a game; it needs little."""
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            import ctypes

            above_normal = 0x8000
            kernel = ctypes.windll.kernel32
            kernel.SetPriorityClass(ctypes.c_void_p(kernel.GetCurrentProcess()), above_normal)
        else:
            os.nice(-5)  # where the user may


def main() -> None:
    live(lambda output, frames: Player(output).run(frames), _be_quick)


if __name__ == "__main__":
    main()
