"""A speech server over the network, with a real HTTP server on loopback that answers as it is told."""

import asyncio
import importlib.util
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, TypeVar

import pytest
from scripted_server import Call, Script, ScriptedServer

from rfsn_bridge import AudioChunk, SpeechRequest, VoiceError, VoiceUnavailable, paths
from rfsn_bridge.speech.voice import EngineSpec, VoiceProcess

PLUGIN = paths.builtin_plugins / "tts_openai.py"
PATIENCE_S = 30
SPEECH, VOICES = "/v1/audio/speech", "/v1/audio/voices?model=tts-1"
TONE = (5000).to_bytes(2, "little")
T = TypeVar("T")


def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("openai_under_test", PLUGIN)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def wav(samples: int, rate: int = 16_000, *, channels: int = 1, bits: int = 16, streamed: bool = False) -> bytes:
    """A WAV of a tone, with a chunk that nobody needs before the samples and one after."""
    pcm = TONE * samples
    size = 0xFFFF_FFFF if streamed else len(pcm)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    head = b"fmt " + struct.pack("<I", 16) + form + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    data = b"data" + struct.pack("<I", size) + pcm + (b"" if streamed else b"LIST\4\0\0\0\x88\x13\x88\x13")
    return b"RIFF\xff\xff\xff\xffWAVE" + head + data


def sends(*pieces: bytes, kind: str = "audio/wav") -> Script:
    async def script(call: Call) -> None:
        await call.head(200, kind)
        for piece in pieces:
            await call.send(piece)
        await call.end()

    return script


def says(status: int, body: dict[str, Any]) -> Script:
    async def script(call: Call) -> None:
        await call.answer(status, body)

    return script


async def waits(call: Call) -> None:
    """Never answers."""
    await call.client_gone()


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def speaking(server: ScriptedServer, notices: list[str]) -> Callable[..., Any]:
    """The voice process with this engine, for the scripted server."""

    @asynccontextmanager
    async def voice(**options: Any) -> AsyncIterator[VoiceProcess]:
        spec = EngineSpec(
            "file",
            str(PLUGIN),
            "",
            "rfsn_bridge_plugins.tts_openai:OpenAISpeech",
            {"base_url": server.url, **options},
        )

        def notice(level: str, code: str, message: str, hint: str = "", progress: float | None = None) -> None:
            notices.append(f"{code}: {message}; {hint}")

        async with VoiceProcess(spec, "alloy", notice) as process:
            yield process

    return voice


async def soon(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


async def all_of(voice: VoiceProcess, text: str = "Well met.", speaker: str = "alloy") -> list[AudioChunk]:
    async with asyncio.timeout(PATIENCE_S):
        return [chunk async for chunk in voice.speak(SpeechRequest(text, speaker, 1.25))]


def pcm(chunks: list[AudioChunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


# --- Speaking ---


def test_the_daemon_reads_the_plugin_without_loading_anything_heavy() -> None:
    code = f"import runpy, sys; runpy.run_path({str(PLUGIN)!r}); assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_a_sentence_is_asked_for_and_spoken(server: ScriptedServer, speaking: Any) -> None:
    server.on(SPEECH, sends(wav(16_000)))
    async with speaking(extra={"lang_code": "a"}) as voice:
        chunks = await all_of(voice)
    assert pcm(chunks) == TONE * 16_000
    assert {chunk.sample_rate for chunk in chunks} == {16_000}
    assert max(len(chunk.pcm) for chunk in chunks) == 6_400
    assert server.calls[-1].json == {
        "model": "tts-1",
        "input": "Well met.",
        "voice": "alloy",
        "response_format": "wav",
        "speed": 1.25,
        "lang_code": "a",
    }
    assert "authorization" not in server.calls[-1].headers


async def test_a_wav_that_is_streamed_in_crumbs_is_the_same(server: ScriptedServer, speaking: Any) -> None:
    whole = wav(8_000, streamed=True)
    server.on(SPEECH, sends(*(whole[at : at + 7] for at in range(0, len(whole), 7))))
    async with speaking() as voice:
        assert pcm(await all_of(voice)) == TONE * 8_000


async def test_bare_pcm_has_the_rate_that_the_options_say(server: ScriptedServer, speaking: Any) -> None:
    server.on(SPEECH, sends(bytes(9_000) + TONE * 4_410, kind="audio/pcm"))
    async with speaking(format="pcm", sample_rate=22_050) as voice:
        chunks = await all_of(voice)
    assert chunks[0].sample_rate == 22_050
    silence = len(pcm(chunks)) // 2 - 4_410
    assert 441 <= silence <= 441 + 220  # 20 ms, and what is left of the ten in which the sound begins
    assert server.calls[-1].json["response_format"] == "pcm"


async def test_the_first_sound_does_not_wait_for_the_last(server: ScriptedServer, speaking: Any) -> None:
    heard = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head(200, "audio/pcm")
        await call.send(TONE * 4_800)
        await heard.wait()
        await call.send(TONE * 4_800)
        await call.end()

    server.on(SPEECH, script)
    async with speaking(format="pcm") as voice:
        utterance = voice.speak(SpeechRequest("Well met.", "alloy"))
        first = await soon(anext(utterance))
        heard.set()
        rest = [chunk async for chunk in utterance]
    assert len(first.pcm) + len(pcm(rest)) == 4 * 4_800


async def test_text_without_a_sound_is_not_asked_for(server: ScriptedServer, speaking: Any) -> None:
    async with speaking() as voice:
        assert await all_of(voice, "... !") == []
    assert [call.path for call in server.calls] == [VOICES]


async def test_one_connection_serves_all(server: ScriptedServer, speaking: Any) -> None:
    server.on(SPEECH, sends(wav(1_600)))
    async with speaking() as voice:
        for _ in range(3):
            await all_of(voice)
    assert server.connections == 1


async def test_the_key_is_read_from_the_environment_and_sent(
    server: ScriptedServer, speaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_KEY", "open sesame")
    server.on(SPEECH, sends(wav(1_600)))
    async with speaking(api_key_env="SPEECH_KEY") as voice:
        await all_of(voice)
    assert {call.headers["authorization"] for call in server.calls} == {"Bearer open sesame"}


# --- Voices ---


@pytest.mark.parametrize(
    "listed",
    [
        {"voices": ["nord", "imperial"]},
        {"voices": [{"id": "nord", "name": "Nord"}, {"voice_id": "imperial"}, {"age": 3}, 7]},
        {"object": "list", "data": [{"id": "nord"}, {"id": "imperial"}]},
    ],
)
async def test_the_server_is_asked_for_its_voices(
    server: ScriptedServer, speaking: Any, listed: dict[str, Any]
) -> None:
    server.on(VOICES, says(200, listed))
    async with speaking() as voice:
        await soon(voice.warm_up())
        assert voice.voices == ("nord", "imperial")


@pytest.mark.parametrize("answer", [says(404, {}), says(200, {"voices": 3}), sends(b"<html>", kind="text/html")])
async def test_a_server_that_lists_none_is_taken_to_have_the_usual_ones(
    server: ScriptedServer, speaking: Any, answer: Script
) -> None:
    server.on(VOICES, answer)
    async with speaking() as voice:
        await soon(voice.warm_up())
        assert "alloy" in voice.voices


async def test_the_config_has_the_last_word_on_voices(server: ScriptedServer, speaking: Any) -> None:
    server.on(VOICES, says(200, {"voices": ["nord"]}))
    async with speaking(voices=["mine"]) as voice:
        await soon(voice.warm_up())
        assert voice.voices == ("mine",)


# --- Cancelling ---


@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancel_closes_the_connection_whatever_the_server_does(
    server: ScriptedServer, speaking: Any, begun: bool
) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(call: Call) -> None:
        if begun:
            await call.head(200, "audio/pcm")
            await call.send(TONE * 4_800)
        asked.set()
        await call.client_gone()
        gone.set()

    server.on(SPEECH, script, sends(wav(1_600)))
    async with speaking(format="pcm", answer_s=120) as voice:
        utterance = voice.speak(SpeechRequest("Well met.", "alloy"))
        reading = asyncio.ensure_future(anext(utterance))
        await soon(asked.wait())
        if begun:
            await soon(reading)
        utterance.cancel()
        await soon(gone.wait())
        assert [chunk async for chunk in utterance] == []
        assert len(pcm(await all_of(voice))) == 3_200
        assert voice.restarts == 0
        reading.cancel()


# --- What can go wrong ---


async def test_a_server_that_is_not_there_makes_the_voice_unavailable(speaking: Any, notices: list[str]) -> None:
    async with speaking(base_url="http://127.0.0.1:9") as voice:
        with pytest.raises(VoiceUnavailable, match=r"127\.0\.0\.1:9 does not answer; start it"):
            await soon(voice.warm_up())
    assert notices[0].startswith("voice_unavailable: the speech server")


async def test_a_key_that_is_not_set_is_told_by_its_name(speaking: Any) -> None:
    async with speaking(api_key_env="NO_SUCH_KEY") as voice:
        with pytest.raises(VoiceUnavailable, match="NO_SUCH_KEY is not set"):
            await soon(voice.warm_up())


@pytest.mark.parametrize(
    ("status", "says_so"),
    [
        (401, "wants a key that it knows"),
        (404, "has no such speech model"),
        (429, "answers HTTP 429 "),
        (503, "answers HTTP 503 "),
    ],
)
async def test_a_refusal_that_the_next_sentence_would_meet_too_makes_it_unavailable(
    server: ScriptedServer, speaking: Any, status: int, says_so: str
) -> None:
    server.on(SPEECH, says(status, {"error": {"message": "out of luck"}}))
    async with speaking() as voice:
        with pytest.raises(VoiceUnavailable, match=rf"{says_so}.*out of luck"):
            await all_of(voice)


@pytest.mark.parametrize(
    ("script", "says_so"),
    [
        (says(400, {"detail": "no voice alloy"}), r"refuses the sentence: HTTP 400 \(no voice alloy\)"),
        (sends(b"ID3\4 and so on"), "sent MP3 where WAV or PCM is needed"),
        (sends(wav(100, channels=2)), "2 channels, 16 bits and 16000 Hz"),
        (sends(wav(100, bits=8)), "1 channels, 8 bits"),
        (sends(), "sent no audio"),
        (sends(b"RIFF\0\0\0\0WAVE"), "sent no audio"),
        (sends(b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 9_000), "a WAV without samples"),
    ],
)
async def test_an_answer_that_is_no_speech_costs_one_sentence(
    server: ScriptedServer, speaking: Any, script: Script, says_so: str
) -> None:
    server.on(SPEECH, script, sends(wav(1_600)))
    async with speaking() as voice:
        with pytest.raises(VoiceError, match=says_so) as failed:
            await all_of(voice)
        assert not isinstance(failed.value, VoiceUnavailable)
        assert len(pcm(await all_of(voice))) == 3_200


async def test_a_server_that_quotes_the_dialogue_is_not_quoted(server: ScriptedServer, speaking: Any) -> None:
    server.on(SPEECH, says(422, {"detail": "cannot say: Well met."}))
    async with speaking() as voice:
        with pytest.raises(VoiceError) as failed:
            await all_of(voice)
    assert "Well met" not in str(failed.value)


async def test_a_server_that_never_answers_costs_one_sentence(server: ScriptedServer, speaking: Any) -> None:
    server.on(SPEECH, waits, sends(wav(1_600)))
    async with speaking(answer_s=0.3) as voice:
        with pytest.raises(VoiceError, match=r"was silent for 0\.3 s"):
            await all_of(voice)
        assert len(pcm(await all_of(voice))) == 3_200


async def test_what_came_before_a_broken_connection_is_heard(server: ScriptedServer, speaking: Any) -> None:
    async def script(call: Call) -> None:
        await call.head(200, "audio/pcm")
        await call.send(TONE * 4_800)
        call.reset()

    server.on(SPEECH, script)
    async with speaking(format="pcm") as voice:
        utterance = voice.speak(SpeechRequest("Well met.", "alloy"))
        assert len((await soon(anext(utterance))).pcm) == 9_600
        with pytest.raises(VoiceError, match="broke off"):
            await soon(anext(utterance))


async def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(
    server: ScriptedServer, speaking: Any
) -> None:
    async def hangs_up(call: Call) -> None:
        call.writer.close()

    server.on(SPEECH, hangs_up, sends(wav(1_600)))
    async with speaking() as voice:
        assert len(pcm(await all_of(voice))) == 3_200


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("127.0.0.1:8880", "http://127.0.0.1:8880/v1"),
        ("https://api.example.org/v1/audio/speech", "https://api.example.org/v1"),
    ],
)
def test_the_address_is_understood_as_people_write_it(given: str, meant: str) -> None:
    assert plugin().OpenAISpeechOptions(base_url=given).base_url == meant
