"""Which language model a demo thinks with: one that this machine serves already, or the small one we bring."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rfsn_bridge.doctor import advice
from rfsn_bridge.doctor.checks import get_json
from rfsn_bridge.errors import BridgeError

BACKENDS = ("ollama", "openai", "llama_cpp")
SMOLLM2 = "smollm2"
_NOT_FOR_CHAT = re.compile(r"embed|bge-|minilm|rerank|whisper|tts|clip", re.I)
_LOADING_S = 180
"""A server may load a large model with the first line."""
# Measured in docs/small-models.md: the longer it speaks and the more freely, the further it strays.
_SMALL = {"temperature": 0.0, "max_tokens": 80, "max_sentences": 2}


@dataclass(frozen=True, slots=True)
class MindChoice:
    """The `llm` section of a config, and what to tell the player about it."""

    llm: dict[str, Any]
    said: str


def choose(backend: str | None, model: str | None) -> MindChoice:
    """As told, else Ollama, LM Studio, SmolLM2, the first that is there; raises BridgeError."""
    if backend is None and model is not None and model.lower().endswith(".gguf"):
        backend = "llama_cpp"
    if backend == "llama_cpp":
        return _embedded(model)
    for name in [backend] if backend else ["ollama", "openai"]:
        served = _served(name)
        if served is None and backend:
            raise BridgeError(f"{_NAMES[name]} does not answer at {_address(name)}", _START[name])
        chosen = _pick(served or [], model)
        if chosen:
            options = {"base_url": _address(name), "model": chosen}
            llm = {
                "backend": name,
                "options": {name: options},
                "timeouts": {"first_token_s": _LOADING_S},
            }
            return MindChoice(llm, f"{_NAMES[name]} is here: {chosen} speaks for the Jarl.")
        if backend:
            raise BridgeError(f"{_NAMES[name]} has no {model or 'chat model'}", "load one there first")
    if model is not None:
        raise BridgeError(f"neither Ollama nor LM Studio serves {model}", "start one, or name a .gguf by its path")
    return _embedded(None)


def _embedded(model: str | None) -> MindChoice:
    if model is not None and model != SMOLLM2:
        path = Path(model).expanduser().absolute()
        if not path.is_file():
            raise BridgeError(f"{path} is missing", "give --model the path of a .gguf file")
        llm = {"backend": "llama_cpp", "options": {"llama_cpp": {"model": str(path)}}}
        return MindChoice(llm, f"{path.name} speaks for the Jarl.")
    found = re.search(r"llama[\w.:]*\w", advice.suits(advice.this_machine()))
    better = found.group() if found else "llama3.2"
    return MindChoice(
        {"backend": "llama_cpp", **_SMALL, "options": {"llama_cpp": {"model": SMOLLM2}}},
        "SmolLM2 speaks for the Jarl: so small that it shows that all works, and makes things up. For a better"
        f" mind, install Ollama (https://ollama.com), run: ollama pull {better}, then this again.",
    )


_NAMES = {"ollama": "Ollama", "openai": "LM Studio"}
_START = {"ollama": "start it: ollama serve", "openai": "start its server (Developer, Start Server)"}


def _address(backend: str) -> str:
    return advice.OLLAMA if backend == "ollama" else advice.LM_STUDIO


def _served(backend: str) -> list[str] | None:
    """The models that a server lists; None where none answers."""
    path, key, name = ("/api/tags", "models", "name") if backend == "ollama" else ("/models", "data", "id")
    try:
        return [str(entry[name]) for entry in get_json(_address(backend) + path)[key]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def _pick(served: list[str], model: str | None) -> str | None:
    if model is not None:
        return next((name for name in served if name in (model, f"{model}:latest")), None)
    return next((name for name in served if not _NOT_FOR_CHAT.search(name)), None)
