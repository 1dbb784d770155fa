"""A PulseAudio of the tests' own, with a sink that plays into nothing and whose monitor can be recorded."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

RATE = 48_000
PATIENCE_S = 20
NEEDED = ("pulseaudio", "pactl", "parec")
INSTALL = "apt install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins"


def _go_with_the_tests() -> None:
    """Also where these are killed or crash."""
    parent_death_signal = 1
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


class SoundServer:
    """`start` and `kill` it as often as you like; `environment` leads programs to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "ALSA_CONFIG_PATH": str(folder / "alsa.conf"),
        }
        folder.chmod(0o700)
        lines = "</usr/share/alsa/alsa.conf>", "pcm.!default { type pulse }", "ctl.!default { type pulse }"
        (folder / "alsa.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        modules = (
            f"module-null-sink sink_name=ear rate={RATE} channels=2 format=float32le",
            f"module-native-protocol-unix socket={self._socket} auth-anonymous=1",
        )
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        with (self._folder / "pulseaudio.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(option for module in modules for option in ("-L", module))],
                env=os.environ | self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=_go_with_the_tests,
            )
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(["pactl", "info"], env=os.environ | self.environment, capture_output=True).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "pulseaudio.log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket.unlink(missing_ok=True)

    @contextmanager
    def recording(self) -> Iterator["Recording"]:
        """Record what the sink plays, from now until the end of the block."""
        path = self._folder / "recording.raw"
        options = ["--device=ear.monitor", "--raw", "--format=float32le", f"--rate={RATE}", "--channels=2"]
        with path.open("wb") as file:
            process = subprocess.Popen(
                ["parec", *options, "--latency-msec=20"],
                env=os.environ | self.environment,
                stdout=file,
                preexec_fn=_go_with_the_tests,
            )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not path.stat().st_size:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.01)
            recording = Recording(path)
            yield recording
            recording.wait(0.3)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


class Recording:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def samples(self) -> NDArray[np.float32]:
        """What was recorded so far, of shape (frames, 2)."""
        data = self._path.read_bytes()
        return np.frombuffer(data[: len(data) // 8 * 8], np.float32).reshape(-1, 2)

    def wait(self, seconds: float) -> None:
        """Until so much more was recorded; it is the sink's clock that counts."""
        wanted = self._path.stat().st_size + round(seconds * RATE) * 8
        deadline = time.monotonic() + PATIENCE_S
        while self._path.stat().st_size < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def needed() -> None:
    """Skip where it cannot run; in CI, fail."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    try:
        import sounddevice  # noqa: F401
    except OSError:
        missing.append("PortAudio")
    if missing:
        reason = f"{', '.join(missing)} missing: {INSTALL}"
        if os.environ.get("RFSN_REQUIRE_SOUND"):
            pytest.fail(reason)
        pytest.skip(reason)
