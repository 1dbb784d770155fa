"""Where the tests marked `models` find the real ones: in the checkout, or in the data folder (RFSN_DATA)."""

from pathlib import Path

import pytest

from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.models import catalogue


def real_model(name: str) -> Path:
    """A catalogue model's file; without it the test is skipped."""
    try:
        return catalogue.find(name)
    except ModelMissing as missing:
        pytest.skip(str(missing))


def real_config() -> str:
    """A config.yaml with the embedded language model and the real voice, wherever its data folder is."""
    smollm2, kokoro, voices = (real_model(name).as_posix() for name in ("smollm2", "kokoro", "kokoro-voices"))
    return (
        f"llm: {{backend: llama_cpp, options: {{llama_cpp: {{model: '{smollm2}'}}}}}}\n"
        f"tts: {{engine: kokoro, options: {{kokoro: {{model: '{kokoro}', voices: '{voices}'}}}}}}\n"
    )
