"""An engine that leaks memory, in a real process, and what is done about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rfsn_bridge import SpeechRequest, VoiceError
from rfsn_bridge.speech.memory_bound import resident_mb
from rfsn_bridge.speech.voice import EngineSpec, VoiceProcess

ENGINES = Path(__file__).with_name("engines.py")
PATIENCE_S = 30
LIMIT_MB = 200
"""The process takes some 40 by itself."""


@asynccontextmanager
async def a_voice(limit_mb: int = LIMIT_MB) -> AsyncIterator[tuple[VoiceProcess, list[str]]]:
    codes: list[str] = []

    def notice(level: str, code: str, message: str, hint: str = "", progress: float | None = None) -> None:
        if code not in ("voice_loading", "voice_ready"):  # as the machine is busy
            codes.append(code)

    spec = EngineSpec("file", str(ENGINES), "", "rfsn_bridge_plugins.engines:ScriptedEngine", {})
    async with VoiceProcess(spec, "alto", notice, max_memory_mb=limit_mb) as voice, asyncio.timeout(PATIENCE_S):
        yield voice, codes


async def say(voice: VoiceProcess, text: str) -> int:
    return len([chunk async for chunk in voice.speak(SpeechRequest(text, "alto"))])


async def replaced(voice: VoiceProcess, before: int | None) -> None:
    while voice.pid in (before, None):  # noqa: ASYNC110 - nothing tells of it, and nothing should
        await asyncio.sleep(0.01)


async def test_a_process_that_took_too_much_is_replaced_in_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.speech.voice.REST_S", 0.05)
    async with a_voice() as (voice, codes):
        assert await say(voice, "leak 220") == 2
        leaky = voice.pid
        assert leaky is not None and resident_mb(leaky) > LIMIT_MB
        await replaced(voice, leaky)
        assert await say(voice, "word") == 1
        assert voice.pid is not None and resident_mb(voice.pid) < LIMIT_MB
        assert voice.restarts == 1
        assert codes == []  # nothing was lost, so nobody need know


async def test_while_it_has_something_to_say_it_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.speech.voice.REST_S", 60.0)
    async with a_voice() as (voice, _):
        await say(voice, "leak 180")
        leaky = voice.pid
        assert [await say(voice, "word") for _ in range(3)] == [1, 1, 1]
        assert voice.pid == leaky


async def test_far_beyond_the_limit_it_is_ended_at_once() -> None:
    async with a_voice() as (voice, codes):
        with pytest.raises(VoiceError, match=r"the voice process died \(it took \d+ MB of memory, see tts"):
            await say(voice, "leak 500 and go on")
        assert await say(voice, "word") == 1
        assert codes == ["voice_restarted"]


async def test_one_that_needs_more_than_the_limit_just_to_be_there_is_not_replaced_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rfsn_bridge.speech.voice.REST_S", 0.01)
    async with a_voice(limit_mb=1) as (voice, _):
        await voice.warm_up()
        first = voice.pid
        await asyncio.sleep(0.3)
        assert voice.pid == first


async def test_without_a_limit_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.speech.voice.REST_S", 0.01)
    async with a_voice(limit_mb=0) as (voice, _):
        await say(voice, "leak 300")
        first = voice.pid
        await asyncio.sleep(0.2)
        assert voice.pid == first


def test_what_a_process_that_is_gone_takes_is_nothing() -> None:
    assert resident_mb(2**22 - 1) == 0
