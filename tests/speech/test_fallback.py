"""A chain of engines, each a real process whose engine is scripted (engines.py)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rfsn_bridge import AudioChunk, ModelMissing, SpeechRequest, VoiceError, VoiceUnavailable
from rfsn_bridge.speech.fallback import VoiceChain
from rfsn_bridge.speech.utterance import Utterance
from rfsn_bridge.speech.voice import EngineSpec, Limits

ENGINES = Path(__file__).with_name("engines.py")
PATIENCE_S = 30
ALTO, CELLO, OBOE = 1, 11, 12
T = TypeVar("T")


class Notices:
    """What the player would see; `wait` for one of a code."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.messages: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, level: str, code: str, message: str, hint: str = "", progress: float | None = None) -> None:
        if code in ("voice_loading", "voice_ready"):  # as the machine is busy
            return
        self.codes.append(code)
        self.messages.append(message)
        self._news.set()

    async def wait(self, code: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while code not in self.codes:
                self._news.clear()
                await self._news.wait()


def scripted(engine: str = "ScriptedEngine", **options: Any) -> Callable[[], EngineSpec]:
    return lambda: EngineSpec("file", str(ENGINES), "", f"rfsn_bridge_plugins.engines:{engine}", options)


def missing() -> EngineSpec:
    raise ModelMissing("the model is missing", "pull it")


@asynccontextmanager
async def a_chain(
    *, limits: Limits | None = None, **specs: Callable[[], EngineSpec] | None
) -> AsyncIterator[tuple[VoiceChain, Notices]]:
    notices = Notices()
    async with aclosing(VoiceChain(specs, "alto", notices, limits=limits or Limits(cooldown_s=0.01))) as chain:
        yield chain, notices


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rests is tried at once."""
    monkeypatch.setattr("rfsn_bridge.speech.fallback.FIRST_TRY_S", 0.01)
    monkeypatch.setattr("rfsn_bridge.speech.fallback.LONGEST_REST_S", 0.02)
    monkeypatch.setattr("rfsn_bridge.speech.fallback.QUIET_S", 0.01)


async def soon(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


def line(text: str, voice: str = "alto") -> SpeechRequest:
    return SpeechRequest(text, voice)


async def said(utterance: Utterance) -> list[int]:
    """The first sample of every chunk."""
    async with asyncio.timeout(PATIENCE_S):
        chunks: list[AudioChunk] = [chunk async for chunk in utterance]
    return [int.from_bytes(chunk.pcm[:2], "little") for chunk in chunks]


# --- One engine ---


async def test_one_engine_is_a_chain_too() -> None:
    async with a_chain(only=scripted()) as (chain, notices):
        await soon(chain.warm_up())
        assert chain.ready
        assert await said(chain.speak(line("three little words"))) == [ALTO] * 3
        assert (chain.engine, chain.voices, notices.codes) == ("only", ("alto", "bass"), [])
        assert chain.real_time_factor is not None
        assert chain.fingerprint
        assert chain.pid


async def test_one_engine_that_is_unavailable_says_so_itself() -> None:
    async with a_chain(only=missing) as (chain, notices):
        with pytest.raises(VoiceUnavailable, match="the model is missing; pull it"):
            await soon(chain.warm_up())
        with pytest.raises(VoiceUnavailable, match="the model is missing; pull it"):
            chain.speak(line("word"))
        assert notices.codes == ["voice_unavailable"]


async def test_one_engine_that_is_too_slow_speaks_on_and_the_player_is_told_once(tmp_path: Path) -> None:
    (pace := tmp_path / "pace").write_text("0.15")
    async with a_chain(only=scripted("PacedEngine", pace=str(pace))) as (chain, notices):
        for _ in range(4):
            assert await said(chain.speak(line("two words"))) == [ALTO] * 2
        assert notices.codes == ["speech_slow"]
        assert notices.messages[0].startswith("speech cannot keep up: only works 1.")


# --- The next engine ---


async def test_the_next_engine_speaks_where_the_first_cannot_be_opened() -> None:
    async with a_chain(first=missing, second=scripted("OtherEngine")) as (chain, notices):
        await soon(chain.warm_up())
        assert chain.engine == "second"
        assert await said(chain.speak(line("word", "cello"))) == [CELLO]
        assert notices.codes == ["voice_unavailable", "voice_fallback"]
        assert notices.messages[1] == "second speaks until first can again"


async def test_an_utterance_is_handed_on_as_long_as_nothing_of_it_was_heard() -> None:
    async with a_chain(first=scripted(), second=scripted("OtherEngine")) as (chain, notices):
        assert await said(chain.speak(line("word"))) == [ALTO]
        lines = [chain.speak(line(text)) for text in ("gone", "word", "word")]
        assert [len(await said(utterance)) for utterance in lines] == [1, 1, 1]
        assert chain.engine == "second"
        await notices.wait("voice_unavailable")
        assert sorted(notices.codes) == ["voice_fallback", "voice_unavailable"]


async def test_an_utterance_that_was_half_heard_fails() -> None:
    async with a_chain(first=scripted(), second=scripted("OtherEngine")) as (chain, _):
        half = chain.speak(line("gone half-way"))
        assert (await soon(anext(half))).pcm[:1] == b"\1"
        with pytest.raises(VoiceUnavailable, match="the engine is gone"):
            await soon(anext(half))
        assert chain.engine == "second"


async def test_an_engine_that_keeps_crashing_hands_over() -> None:
    async with a_chain(first=scripted(), second=scripted("OtherEngine")) as (chain, _):
        for _ in range(2):
            with pytest.raises(VoiceError, match="died"):
                await said(chain.speak(line("crash")))
        with pytest.raises(VoiceError, match="died"):
            await said(chain.speak(line("crash")))
        heard = await said(chain.speak(line("word")))
        assert heard in ([CELLO], [OBOE])


async def test_a_substitute_has_the_same_voice_for_the_same_name() -> None:
    async with a_chain(first=missing, second=scripted("OtherEngine")) as (chain, notices):
        await soon(chain.warm_up())
        names = [f"npc {number}" for number in range(8)]
        voices = [await said(chain.speak(line("word", name))) for name in names]
        assert [await said(chain.speak(line("word", name))) for name in names] == voices
        assert {value for (value,) in voices} == {CELLO, OBOE}
        assert "unknown_voice" not in notices.codes


async def test_what_no_engine_takes_fails_as_the_first_put_it() -> None:
    async with a_chain(first=missing, second=scripted("ExitAtOpenEngine")) as (chain, _):
        with pytest.raises(VoiceUnavailable, match="the model is missing"):
            await said(chain.speak(line("word")))


async def test_a_sentence_that_is_too_long_is_too_long_for_all() -> None:
    limits = Limits(characters=10)
    async with a_chain(limits=limits, first=scripted(), second=scripted("OtherEngine")) as (chain, _):
        with pytest.raises(VoiceError, match="too long"):
            chain.speak(line("x" * 11))
        assert chain.engine == "first"


async def test_text_alone_may_be_the_last_resort() -> None:
    async with a_chain(first=missing, none=None) as (chain, notices):
        await soon(chain.warm_up())
        with pytest.raises(VoiceUnavailable, match="text only for now"):
            chain.speak(line("word"))
        assert not chain.ready
        assert notices.messages[-1] == "there is text only until first can again"


# --- And back ---


@pytest.mark.usefixtures("eager")
async def test_an_engine_that_can_be_opened_again_speaks_again(tmp_path: Path) -> None:
    model = tmp_path / "model"
    first = scripted("ModelMissingEngine", model=str(model))
    async with a_chain(first=first, second=scripted("OtherEngine")) as (chain, notices):
        assert len(await said(chain.speak(line("word")))) == 1
        assert chain.engine == "second"
        model.touch()
        await said(chain.speak(line("word")))
        await notices.wait("voice_restored")
        assert await said(chain.speak(line("word"))) == [ALTO]
        assert notices.codes.count("voice_unavailable") == 1  # of the tries in between nobody was told


@pytest.mark.usefixtures("eager")
async def test_a_slow_engine_gives_way_until_it_is_quick_enough(tmp_path: Path) -> None:
    (pace := tmp_path / "pace").write_text("0.12")
    first = scripted("PacedEngine", pace=str(pace))
    async with a_chain(first=first, second=scripted("OtherEngine")) as (chain, notices):
        for _ in range(3):
            assert await said(chain.speak(line("word"))) == [ALTO]
        await notices.wait("voice_fallback")
        assert notices.codes == ["speech_slow", "voice_fallback"]
        assert len(await said(chain.speak(line("word")))) == 1
        assert chain.engine == "second"
        pace.write_text("0")
        await said(chain.speak(line("word")))
        await notices.wait("voice_restored")
        assert await said(chain.speak(line("word"))) == [ALTO]


async def test_a_slow_engine_speaks_on_where_the_next_cannot_be_opened(tmp_path: Path) -> None:
    (pace := tmp_path / "pace").write_text("0.12")
    async with a_chain(first=scripted("PacedEngine", pace=str(pace)), second=missing) as (chain, notices):
        for _ in range(3):
            await said(chain.speak(line("word")))
        await notices.wait("voice_unavailable")
        assert await said(chain.speak(line("word"))) == [ALTO]


@pytest.mark.usefixtures("eager")
async def test_who_has_something_to_say_does_not_wait_for_a_trial(tmp_path: Path) -> None:
    (pace := tmp_path / "pace").write_text("0.12")
    first = scripted("PacedEngine", pace=str(pace))
    async with a_chain(first=first, second=scripted("OtherEngine")) as (chain, notices):
        for _ in range(3):
            await said(chain.speak(line("word")))
        await notices.wait("voice_fallback")
        for _ in range(5):
            assert len(await said(chain.speak(line("word")))) == 1
        assert "voice_restored" not in notices.codes


# --- Cancelling and closing ---


async def test_cancelling_reaches_the_engine() -> None:
    async with a_chain(first=scripted(), second=scripted("OtherEngine")) as (chain, _):
        async with chain.speak(line("endless")) as endless:
            await soon(anext(endless))
        assert [chunk async for chunk in endless] == []
        assert await said(chain.speak(line("next"))) == [ALTO]


async def test_audio_that_nobody_takes_is_bounded() -> None:
    limits = Limits(buffered=20_000)
    async with a_chain(limits=limits, first=scripted(), second=scripted("OtherEngine")) as (chain, _):
        unread = chain.speak(line("endless"))
        assert await said(chain.speak(line("next"))) == [ALTO]
        with pytest.raises(VoiceError, match="nobody took the audio"):
            await said(unread)


async def test_closing_fails_what_waits() -> None:
    async with a_chain(first=scripted(), second=scripted("OtherEngine")) as (chain, _):
        speaking, waiting = chain.speak(line("endless")), chain.speak(line("next"))
        await soon(anext(speaking))
    for utterance in (speaking, waiting):
        with pytest.raises(VoiceUnavailable, match="shut down"):
            await said(utterance)
    with pytest.raises(VoiceUnavailable, match="shut down"):
        chain.speak(line("word"))
