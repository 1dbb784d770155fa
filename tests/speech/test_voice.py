"""The voice with a real process behind it, whose engine is scripted (engines.py)."""

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from rfsn_bridge import AudioChunk, ModelMissing, SpeechRequest, VoiceError, VoiceUnavailable, WordTiming
from rfsn_bridge.speech.voice import EngineSpec, Limits, Utterance, VoiceProcess

ENGINES = Path(__file__).with_name("engines.py")
PATIENCE_S = 30
T = TypeVar("T")


class Notices:
    """What the player would see: (level, code) in order; `wait` for one of a code."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.messages: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, level: str, code: str, message: str, hint: str = "", progress: float | None = None) -> None:
        self.codes.append(code)
        self.messages.append(f"{message}; {hint}")
        self._news.set()

    async def wait(self, code: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.codes.count(code) < times:
                self._news.clear()
                await self._news.wait()


def scripted(engine: str = "ScriptedEngine", **options: Any) -> EngineSpec:
    return EngineSpec("file", str(ENGINES), "", f"rfsn_bridge_plugins.engines:{engine}", options)


@asynccontextmanager
async def a_voice(
    spec: EngineSpec | Callable[[], EngineSpec] | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    idle_unload_s: float = 0.0,
    voice: str = "alto",
) -> AsyncIterator[tuple[VoiceProcess, Notices]]:
    notices = Notices()
    process = VoiceProcess(spec or scripted(), voice, notices, limits=limits, idle_unload_s=idle_unload_s)
    async with process:
        yield process, notices
    assert process.pid is None


def line(text: str, voice: str = "alto") -> SpeechRequest:
    return SpeechRequest(text, voice)


async def soon(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


async def all_of(utterance: Utterance) -> list[AudioChunk]:
    async with asyncio.timeout(PATIENCE_S):
        return [chunk async for chunk in utterance]


# --- Speaking ---


async def test_it_speaks() -> None:
    async with a_voice() as (voice, _):
        chunks = await all_of(voice.speak(line("three little words")))
        assert [len(chunk.pcm) for chunk in chunks] == [1600] * 3
        assert chunks[0].sample_rate == 8000
        assert voice.real_time_factor is not None
        assert voice.voices == ("alto", "bass")


async def test_utterances_are_spoken_in_the_order_they_were_asked_for() -> None:
    async with a_voice() as (voice, _):
        finished: list[int] = []

        async def hear(number: int, utterance: Utterance) -> None:
            assert len(await all_of(utterance)) == number + 1
            finished.append(number)

        utterances = [voice.speak(line("word " * (number + 1))) for number in range(6)]
        async with asyncio.TaskGroup() as tasks:
            for number, utterance in reversed(list(enumerate(utterances))):
                tasks.create_task(hear(number, utterance))
        assert finished == list(range(6))


async def test_word_timings_arrive() -> None:
    async with a_voice() as (voice, _):
        (chunk,) = await all_of(voice.speak(line("timed")))
        assert chunk.timings == (WordTiming("timed", 0, 100),)


async def test_text_without_a_sound_gives_no_chunk() -> None:
    async with a_voice() as (voice, _):
        assert await all_of(voice.speak(line(""))) == []


async def test_it_is_ready_after_warming_up() -> None:
    async with a_voice() as (voice, notices):
        assert not voice.ready
        await soon(voice.warm_up())
        assert voice.ready
        assert notices.codes == []  # it was quick


async def test_a_voice_that_loads_for_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.loading.LONG_S", 0.0)
    async with a_voice() as (voice, notices):
        await soon(voice.warm_up())
        assert notices.codes == ["voice_loading", "voice_ready"]
        await soon(voice.warm_up())


async def test_an_unknown_voice_falls_back_to_the_default_and_is_told_once() -> None:
    async with a_voice() as (voice, notices):
        for _ in range(2):
            (chunk,) = await all_of(voice.speak(line("hello", "soprano")))
            assert chunk.pcm[:2] == b"\1\0"
        (chunk,) = await all_of(voice.speak(line("hello", "bass")))
        assert chunk.pcm[:2] == b"\2\0"
        assert notices.codes.count("unknown_voice") == 1


async def test_odd_unicode_is_carried_as_it_is() -> None:
    async with a_voice() as (voice, _):
        assert len(await all_of(voice.speak(line("\udcff\0 \U0010ffff \u202eend")))) == 3


# --- Cancelling ---


async def test_closing_an_utterance_silences_it_and_frees_the_engine() -> None:
    async with a_voice() as (voice, _):
        async with voice.speak(line("endless")) as endless:
            await soon(anext(endless))
            following = voice.speak(line("next"))
        assert [chunk async for chunk in endless] == []
        assert len(await all_of(following)) == 1


async def test_cancelling_the_reader_silences_the_utterance() -> None:
    async with a_voice() as (voice, _):
        endless = voice.speak(line("hang"))
        reader = asyncio.ensure_future(anext(endless))
        await soon(voice.warm_up())
        reader.cancel()
        assert await asyncio.gather(reader, return_exceptions=True)
        assert [chunk async for chunk in endless] == []


async def test_an_utterance_that_is_forgotten_half_way_is_cancelled() -> None:
    async with a_voice() as (voice, _):
        async for _chunk in voice.speak(line("endless")):
            break
        gc.collect()
        assert len(await all_of(voice.speak(line("next")))) == 1


async def test_an_utterance_cancelled_while_it_waits_is_never_sent() -> None:
    async with a_voice() as (voice, _):
        endless = voice.speak(line("endless"))
        await soon(anext(endless))
        waiting = voice.speak(line("crash"))
        assert voice.queue_size == 1
        waiting.cancel()
        assert voice.queue_size == 0
        endless.cancel()
        assert len(await all_of(voice.speak(line("next")))) == 1
        assert voice.restarts == 0


async def test_an_engine_that_does_not_hear_a_cancel_is_replaced() -> None:
    async with a_voice(limits=Limits(cancel_s=0.2)) as (voice, _):
        async with voice.speak(line("deaf")) as deaf:
            await soon(anext(deaf))
            first = voice.pid
        assert len(await all_of(voice.speak(line("next")))) == 1
        assert voice.pid != first


# --- Slow readers ---


async def test_a_reader_that_does_not_read_holds_up_nobody() -> None:
    async with a_voice() as (voice, _):
        unread = voice.speak(line("flood"))
        assert len(await all_of(voice.speak(line("next")))) == 1
        assert len(await all_of(unread)) == 101


async def test_an_utterance_too_far_ahead_of_its_reader_fails_after_what_was_buffered() -> None:
    async with a_voice(limits=Limits(buffered=20_000)) as (voice, _):
        unread = voice.speak(line("endless"))
        assert len(await all_of(voice.speak(line("next")))) == 1
        with pytest.raises(VoiceError, match="nobody took the audio"):
            async with asyncio.timeout(PATIENCE_S):
                heard = [await anext(unread) for _ in range(13)]
                assert len(heard) == 13
                await anext(unread)


async def test_too_many_waiting_utterances_are_refused() -> None:
    async with a_voice(limits=Limits(waiting=2)) as (voice, _):
        kept = [voice.speak(line("word")) for _ in range(2)]
        with pytest.raises(VoiceError, match="already waiting"):
            voice.speak(line("word"))
        assert [len(await all_of(utterance)) for utterance in kept] == [1, 1]


async def test_a_text_beyond_the_limit_is_refused() -> None:
    async with a_voice(limits=Limits(characters=10)) as (voice, _):
        with pytest.raises(VoiceError, match="too long"):
            voice.speak(line("x" * 11))


# --- Faults ---


@pytest.mark.parametrize("order", ["crash", "vanish"])
async def test_a_dead_process_costs_one_utterance(order: str) -> None:
    async with a_voice() as (voice, notices):
        await soon(voice.warm_up())
        first = voice.pid
        dying, following = voice.speak(line(order)), voice.speak(line("next"))
        with pytest.raises(VoiceError, match="died"):
            await all_of(dying)
        assert len(await all_of(following)) == 1
        assert voice.pid != first
        assert notices.codes.count("voice_restarted") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_a_crash_is_named() -> None:
    async with a_voice() as (voice, _):
        with pytest.raises(VoiceError, match=r"SIGSEGV.*Segmentation fault"):
            await all_of(voice.speak(line("crash")))


async def test_a_process_that_dies_while_idle_is_replaced_at_once() -> None:
    async with a_voice() as (voice, notices):
        await soon(voice.warm_up())
        assert voice.pid is not None
        psutil.Process(voice.pid).kill()
        await notices.wait("voice_restarted")
        await soon(voice.warm_up())
        assert voice.ready
        assert len(await all_of(voice.speak(line("next")))) == 1


async def test_a_hung_engine_costs_one_utterance() -> None:
    limits = Limits(answer_s=0.5, answer_s_per_character=0.2)
    async with a_voice(limits=limits) as (voice, _):
        hung, following = voice.speak(line("hang")), voice.speak(line("next " * 30))
        with pytest.raises(VoiceError, match="hung"):
            await all_of(hung)
        assert len(await all_of(following)) == 30
        assert voice.restarts == 1


async def test_an_engine_that_raises_keeps_its_process() -> None:
    async with a_voice() as (voice, _):
        with pytest.raises(VoiceError, match=r"RuntimeError at engines\.py"):
            await all_of(voice.speak(line("raise")))
        assert len(await all_of(voice.speak(line("next")))) == 1
        assert voice.restarts == 0


async def test_too_many_deaths_make_the_voice_unavailable_until_it_has_cooled_down() -> None:
    async with a_voice(limits=Limits(cooldown_s=3600)) as (voice, notices):
        for _ in range(3):
            with pytest.raises(VoiceError):
                await all_of(voice.speak(line("crash")))
        await notices.wait("voice_unavailable")
        with pytest.raises(VoiceUnavailable, match="keeps failing"):
            voice.speak(line("next"))
        assert voice.pid is None


async def test_after_the_cooldown_the_voice_is_tried_again() -> None:
    async with a_voice(limits=Limits(cooldown_s=0)) as (voice, notices):
        for _ in range(3):
            with pytest.raises(VoiceError):
                await all_of(voice.speak(line("crash")))
        await notices.wait("voice_unavailable")
        assert len(await all_of(voice.speak(line("next")))) == 1


async def test_a_missing_model_says_how_to_get_it_and_is_found_once_it_is_there(tmp_path: Path) -> None:
    model = tmp_path / "model"
    async with a_voice(scripted("ModelMissingEngine", model=str(model)), Limits(cooldown_s=0)) as (voice, notices):
        with pytest.raises(VoiceUnavailable, match="models pull scripted"):
            await soon(voice.warm_up())
        with pytest.raises(VoiceUnavailable, match="models pull scripted"):
            await all_of(voice.speak(line("hello")))
        assert "voice_unavailable" in notices.codes
        model.touch()
        assert len(await all_of(voice.speak(line("hello")))) == 1


async def test_a_model_missing_from_the_catalogue_is_reported_in_the_same_way() -> None:
    def find() -> EngineSpec:
        raise ModelMissing("the model kokoro is missing", "run: rfsn-bridge models pull kokoro")

    async with a_voice(find) as (voice, _):
        with pytest.raises(VoiceUnavailable, match="models pull kokoro"):
            await soon(voice.warm_up())


@pytest.mark.parametrize(
    ("engine", "limits"),
    [
        ("CrashAtOpenEngine", Limits(cooldown_s=3600)),
        ("ExitAtOpenEngine", Limits(cooldown_s=3600)),
        ("HangAtOpenEngine", Limits(cooldown_s=3600, open_s=0.5)),
        ("NoSuchEngine", Limits(cooldown_s=3600)),
    ],
)
async def test_an_engine_that_cannot_be_opened_makes_the_voice_unavailable(engine: str, limits: Limits) -> None:
    async with a_voice(scripted(engine), limits) as (voice, _):
        with pytest.raises(VoiceUnavailable):
            await all_of(voice.speak(line("hello")))
        with pytest.raises(VoiceUnavailable):
            await soon(voice.warm_up())


async def test_a_notice_sink_that_raises_harms_nobody() -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    async with VoiceProcess(scripted(), "alto", broken) as voice:
        assert len(await all_of(voice.speak(line("hello")))) == 1


async def test_the_dialogue_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with a_voice() as (voice, notices):
            for order in ("raise", "crash"):
                with pytest.raises(VoiceError) as failure:
                    await all_of(voice.speak(line(f"{order} Balgruuf")))
                assert "Balgruuf" not in str(failure.value)
    assert "Balgruuf" not in caplog.text
    assert not [message for message in notices.messages if "Balgruuf" in message]


# --- The end ---


async def test_an_idle_engine_is_unloaded_and_comes_back() -> None:
    async with a_voice(idle_unload_s=0.1) as (voice, notices):
        await soon(voice.warm_up())
        assert voice.pid is not None
        unloaded = psutil.Process(voice.pid)
        await soon(asyncio.to_thread(unloaded.wait, PATIENCE_S))
        assert len(await all_of(voice.speak(line("hello")))) == 1
        assert notices.codes.count("voice_restarted") == 0


@pytest.mark.parametrize("order", ["hang", "endless"])
async def test_closing_the_voice_ends_its_process_and_fails_what_is_under_way(order: str) -> None:
    async with a_voice() as (voice, _):
        busy, waiting = voice.speak(line(order)), voice.speak(line("next"))
        await soon(voice.warm_up())
        assert voice.pid is not None
        process = psutil.Process(voice.pid)
        await soon(voice.aclose())
        with pytest.raises(VoiceUnavailable):
            await all_of(busy)
        with pytest.raises(VoiceUnavailable):
            await all_of(waiting)
        with pytest.raises(VoiceUnavailable):
            voice.speak(line("late"))
        assert not process.is_running()


async def test_closing_while_the_engine_opens_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rfsn_bridge.loading.LONG_S", 0.0)
    async with a_voice(scripted("HangAtOpenEngine")) as (voice, notices):
        warming = asyncio.ensure_future(voice.warm_up())
        await notices.wait("voice_loading")
        await soon(voice.aclose())
        with pytest.raises(VoiceUnavailable):
            await soon(warming)
    assert not [child for child in psutil.Process().children() if "rfsn_bridge.speech.worker" in child.cmdline()]


async def test_closing_a_voice_that_never_spoke_is_nothing() -> None:
    async with a_voice():
        pass


DAEMON = """
import asyncio, sys
from rfsn_bridge import SpeechRequest
from rfsn_bridge.speech.voice import EngineSpec, VoiceProcess

async def main(engines, order):
    spec = EngineSpec("file", engines, "", "rfsn_bridge_plugins.engines:ScriptedEngine", {})
    async with VoiceProcess(spec, "alto", lambda *_, **__: None) as voice:
        await voice.warm_up()
        if order:
            utterance = voice.speak(SpeechRequest(order, "alto"))
            if order != "hang":
                await anext(utterance)
        print(voice.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    "order",
    [
        "",
        "endless",
        "hang",
        pytest.param("seize", marks=pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")),
    ],
)
def test_nothing_outlives_a_killed_daemon(order: str) -> None:
    daemon = subprocess.Popen([sys.executable, "-c", DAEMON, str(ENGINES), order], stdout=subprocess.PIPE)
    with daemon:
        assert daemon.stdout is not None
        voice = psutil.Process(int(daemon.stdout.readline()))
        assert voice.is_running()
        os.kill(daemon.pid, signal.SIGKILL)
        voice.wait(PATIENCE_S)


async def test_a_default_voice_that_is_none_is_told_of_and_replaced() -> None:
    async with a_voice(voice="jarl_voice") as (voice, notices):
        assert len(await all_of(voice.speak(line("next", voice="jarl_voice")))) == 1
        assert notices.codes == ["unknown_voice"]
