"""Which language model suits a machine, and where one is being served already."""

import importlib
import os
import shutil
import subprocess
from dataclasses import dataclass

import httpx

from rfsn_bridge.config import Config
from rfsn_bridge.doctor.checks import Check, get_json
from rfsn_bridge.models.catalogue import load as load_catalogue
from rfsn_bridge.openai_chat import normalize_base_url, shown

OLLAMA = "http://127.0.0.1:11434"
SPEECH_SERVER = "http://127.0.0.1:8880/v1"
LM_STUDIO = "http://127.0.0.1:1234/v1"

_GB = 1 << 30
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor threads, and gigabytes of memory and of graphics memory where they can be told."""

    threads: int
    ram: float | None
    vram: float | None

    def __str__(self) -> str:
        parts = [f"{self.threads} processor threads"]
        parts += [f"{self.ram:.0f} GB RAM"] if self.ram else []
        parts += [f"{self.vram:.0f} GB graphics memory"] if self.vram else []
        return ", ".join(parts)


def this_machine() -> Machine:
    return Machine(os.cpu_count() or 1, _ram(), _vram())


def _ram() -> float | None:
    try:
        return float(importlib.import_module("psutil").virtual_memory().total) / _GB
    except ImportError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _vram() -> float | None:
    """Of the largest NVIDIA card; others are not asked."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
        return max(float(line) for line in done.stdout.split()) / 1024
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def suits(machine: Machine) -> str:
    """A model that leaves the game its room. 4-bit weights: 8B take about 5 GB, 3B 2 GB, 1B 1 GB."""
    ram, vram = machine.ram or 0.0, machine.vram or 0.0
    if vram >= 12 or (ram >= 32 and machine.threads >= 16):
        return "an 8B instruct model in 4 bits (llama3.1:8b, or the Skyrim tune Mantella-Skyrim-Llama-3-8B-GGUF)"
    if vram >= 8 or (ram >= 12 and machine.threads >= 6):
        return "a 3-4B instruct model in 4 bits (llama3.2)"
    return "a 1B instruct model in 4 bits (llama3.2:1b), or a hosted one"


def machine_and_model(config: Config, machine: Machine) -> Check:
    """Warns where the small model that only shows that all works is what NPCs think with."""
    if config.llm.backend == "llama_cpp" and _model_of(config, "llama_cpp", "smollm2") in load_catalogue():
        hint = (
            f"SmolLM2 only shows that all works; this machine suits {suits(machine)}: serve it with Ollama"
            " (llm.backend: ollama) or LM Studio (llm.backend: openai), or name a .gguf by its path"
            " (llm.options.llama_cpp.model); role-play tunes made for Skyrim exist"
        )
        return Check("machine", "warn", str(machine), hint)
    return Check("machine", "ok", f"{machine}; suits {suits(machine)}")


def ollama(config: Config) -> Check:
    """Needed where the config says so, otherwise worth knowing of."""
    needed = config.llm.backend == "ollama"
    address = _address_of(config, "ollama", OLLAMA).rstrip("/")
    try:
        names = [str(entry["name"]) for entry in get_json(f"{address}/api/tags")["models"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return _absent("Ollama", address, error, needed, "start Ollama (https://ollama.com)")
    model = _model_of(config, "ollama", "llama3.2")
    if needed and not {model, f"{model}:latest"} & set(names):
        return Check("Ollama", "fail", f"has no {model}, but {_some(names)}", f"run: ollama pull {model}")
    return Check("Ollama", "ok", f"answers at {shown(address)} with {_some(names)}")


def openai(config: Config) -> Check:
    """LM Studio, or whichever server of this kind the config names."""
    needed = config.llm.backend == "openai"
    address = _address_of(config, "openai", LM_STUDIO) if needed else LM_STUDIO
    name = "LM Studio" if address == LM_STUDIO else "OpenAI-compatible server"
    variable = str(config.llm.options.get("openai", {}).get("api_key_env", "")) if needed else ""
    if variable and not os.environ.get(variable):
        return Check(name, "fail", f"the environment variable {variable} is not set", "put the API key into it")
    headers = {"Authorization": f"Bearer {os.environ[variable]}"} if variable else {}
    try:
        address = normalize_base_url(address)
        names = [str(entry["id"]) for entry in get_json(f"{address}/models", headers)["data"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return _absent(
            name, address, error, needed, "start it, and its server (LM Studio: Developer, Start Server)"
        )
    model = _model_of(config, "openai", "")
    if needed and model and model not in names:
        return Check(name, "warn", f"does not list {model}, but {_some(names)}", "check llm.options.openai.model")
    return Check(name, "ok", f"answers at {shown(address)} with {_some(names)}")


def speech_server(config: Config) -> Check:
    """The server that the voice `openai` is spoken by. Any answer shows that it is there: few can list voices."""
    options = config.tts.options.get("openai", {})
    address = str(options.get("base_url", SPEECH_SERVER))
    variable = str(options.get("api_key_env", ""))
    if variable and not os.environ.get(variable):
        return Check(
            "speech server", "fail", f"the environment variable {variable} is not set", "put the key into it"
        )
    try:
        address = normalize_base_url(address)
        httpx.get(f"{address}/models", timeout=2.0, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        hint = "start it, or correct tts.options.openai.base_url"
        return _absent("speech server", address, error, needed=True, start=hint)
    return Check("speech server", "ok", f"answers at {shown(address)}")


def _absent(name: str, address: str, error: Exception, needed: bool, start: str) -> Check:
    if isinstance(error, httpx.HTTPStatusError):
        reason = f"answers HTTP {error.response.status_code}"
    elif isinstance(error, httpx.TransportError):
        reason = "does not answer"
    else:
        reason = "answers something else"
    if needed:
        return Check(name, "fail", f"{reason} at {shown(address)}", start)
    return Check(name, "ok", f"{reason} at {shown(address)}; not needed by the config")


def _options(config: Config, backend: str) -> dict[str, object]:
    return dict(config.llm.options.get(backend, {}))


def _address_of(config: Config, backend: str, default: str) -> str:
    return str(_options(config, backend).get("base_url", default))


def _model_of(config: Config, backend: str, default: str) -> str:
    return str(_options(config, backend).get("model", default))


def _some(names: list[str]) -> str:
    if not names:
        return "no model"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
