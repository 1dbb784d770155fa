"""docs/protocol.md: every message that it shows is one."""

import json
import re
from pathlib import Path

import pytest

from rfsn_bridge.protocol.messages import client_messages, server_messages
from rfsn_bridge.speech.wave_files import WaveFiles

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.parametrize("text", fences("json"))
def test_what_a_client_is_shown_to_send_can_be_sent(text: str) -> None:
    client_messages.validate_json(text)


@pytest.mark.parametrize("text", fences("json server"))
def test_what_the_daemon_is_shown_to_send_can_come(text: str) -> None:
    server_messages.validate_json(text)


def test_the_lips_beside_a_file_are_as_shown(tmp_path: Path) -> None:
    (text,) = fences("json lips")
    shown = json.loads(text)
    visemes = [(at, shape, weight) for at, shape, weight in shown["visemes"]]
    pcm = [bytes(2 * 24 * shown["duration_ms"])]
    path = WaveFiles(tmp_path, 4).write(pcm, 24000, "MaleNord", visemes)
    assert json.loads((tmp_path / path).with_suffix(".json").read_text(encoding="ascii")) == shown
