"""What `doctor` looks at, one function a check. Nothing heavy is imported here: a child process tries it."""

import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

import rfsn_bridge
from rfsn_bridge.config import Config, load
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.models import catalogue

_CHILD_S = 60.0
_ANSWER_S = 2.0
_LITTLE_ROOM = 1 << 30

ESPEAK = "from kokoro_onnx.tokenizer import Tokenizer; Tokenizer().phonemize('Well met.'); print('loads')"
SOUND = "import sounddevice; print(sounddevice.query_devices(kind='output')['name'])"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `fail` is something that the config asks for and that does not work."""

    name: str
    mark: Literal["ok", "warn", "fail"]
    finding: str
    hint: str = ""


def python(version: tuple[int, int, int] = sys.version_info[:3]) -> Check:
    finding = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    if (3, 11) <= version < (3, 14):
        return Check("Python", "ok", finding)
    return Check("Python", "fail", finding, "install Python 3.11, 3.12 or 3.13")


def package() -> Check:
    return Check("rfsn-bridge", "ok", f"{rfsn_bridge.__version__} in {Path(rfsn_bridge.__file__).parent}")


def config_file(path: Path) -> tuple[Check, Config]:
    """Also the config, so that the other checks know what it asks for: the defaults where it cannot be read."""
    try:
        return Check("config", "ok", str(path)), load(path)
    except BridgeError as error:
        return Check("config", "fail", error.message, error.hint), Config()


def data_folder(data: Path) -> Check:
    """Whether it can be written, or made; leaves nothing behind."""
    there = next((folder for folder in (data, *data.parents) if folder.is_dir()), data)
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        hint = "mend its permissions or choose another with --data FOLDER"
        return Check("data folder", "fail", f"{data} cannot be written ({error.strerror})", hint)
    finding = f"{data}, {free / 1e9:.1f} GB free"
    if free < _LITTLE_ROOM:
        return Check("data folder", "warn", finding, "free some room: models and memories need it")
    return Check("data folder", "ok", finding)


def model(name: str, data: Path) -> Check:
    """A model that the config names: one of the catalogue, or a file of the player's own."""
    label = f"model {name}"
    if (path := Path(name).expanduser()).is_absolute():
        if path.is_file():
            return Check(label, "ok", f"{path.stat().st_size / 1e6:.1f} MB")
        return Check(label, "fail", "there is no such file", "correct the path in config.yaml")
    try:
        return Check(label, "ok", str(catalogue.find(name, data)))
    except BridgeError as error:
        return Check(label, "fail", error.message, error.hint)


def imports(name: str, *, required: bool, code: str | None = None, label: str = "") -> Check:
    """Whether a library loads, in a child process: one that crashes there crashes nothing else."""
    works, said = _child(
        code or f"import {name}, importlib.metadata as m; print(m.version('{name.replace('_', '-')}'))"
    )
    if works:
        return Check(label or name, "ok", said)
    hint = "reinstall rfsn-bridge (pip install --force-reinstall rfsn-bridge)"
    if "SIGILL" in said:
        hint = "this processor lacks instructions it was built for; choose another backend or engine"
    return Check(label or name, "fail" if required else "warn", said, hint)


def piper() -> Check:
    """An extra, for its licence's sake (GPL-3)."""
    works, said = _child("import piper, importlib.metadata as m; print(m.version('piper-tts'))")
    if works:
        return Check("piper-tts", "ok", said)
    return Check("piper-tts", "fail", said, 'run: pip install "rfsn-bridge[piper]"')


def sound() -> Check:
    """A loudspeaker for the daemon's own playback; a game that plays the audio itself does without."""
    works, said = _child(SOUND)
    if works:
        return Check("sound", "ok", said)
    if "PortAudio library not found" in said:
        hint = "install PortAudio (Debian, Ubuntu: sudo apt install libportaudio2); or let the game play the audio"
        return Check("sound", "warn", "PortAudio is missing", hint)
    return Check("sound", "warn", said, "plug in or enable a playback device; or let the game play the audio")


def port(host: str, number: int) -> Check:
    """Whether the daemon can listen there, or is doing so already."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    name, taken = f"port {number}", "choose another: server.port in config.yaml, or --port"
    try:
        answer = get_json(f"http://{f'[{host}]' if ':' in host else host}:{number}/health")
    except httpx.ConnectError:
        return _can_bind(name, host, number, taken)
    except (httpx.HTTPError, ValueError):
        return Check(name, "fail", "another program listens there", taken)
    version = answer.get("version")
    if version is None:
        return Check(name, "fail", "another program listens there", taken)
    if version != rfsn_bridge.__version__:
        return Check(name, "warn", f"a daemon of version {version} is running", "stop it and start this version")
    return Check(name, "ok", "the daemon is running")


def _can_bind(name: str, host: str, number: int, taken: str) -> Check:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            if sys.platform != "win32":  # there it would allow what the daemon is refused
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        return Check(name, "fail", f"{host} cannot be bound ({error.strerror})", taken)
    return Check(name, "ok", "free")


def get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a server answers at `url`; raises httpx.HTTPError or ValueError. A proxy is never asked."""
    response = httpx.get(url, headers=headers, timeout=_ANSWER_S, trust_env=False)
    response.raise_for_status()
    answer = response.json()
    if not isinstance(answer, dict):
        raise ValueError("not a JSON object")
    return answer


def _child(code: str) -> tuple[bool, str]:
    """Whether `code` runs to its end in a fresh Python, and the last line that it printed."""
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no end after {_CHILD_S:.0f} s"
    if done.returncode == 0:
        return True, _last_line(done.stdout)
    if done.returncode < 0:
        return False, f"crashed ({signal.Signals(-done.returncode).name})"
    return False, _last_line(done.stderr) or f"ended with {done.returncode}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:200]
