"""The voice process itself, spoken to over its pipes as the daemon does."""

import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rfsn_bridge.speech import wire
from rfsn_bridge.speech.wire import Frame, Kind

ENGINES = Path(__file__).with_name("engines.py")


class Process:
    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "rfsn_bridge.speech.worker"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        assert self.process.stdout is not None
        self.frames = wire.read(self.process.stdout.fileno())

    def send(self, kind: Kind, **header: Any) -> None:
        assert self.process.stdin is not None
        wire.write(self.process.stdin.fileno(), Frame(kind, header))

    def open(
        self, engine: str = "ScriptedEngine", path: Path = ENGINES, sha256: str = "", **options: Any
    ) -> Frame:
        module = f"rfsn_bridge_plugins.{path.stem}"
        self.send(
            Kind.OPEN,
            **{"source": "file", "path": str(path), "sha256": sha256},
            **{"engine": f"{module}:{engine}", "options": options},
        )
        return next(self.frames)

    def speak(self, job: int, text: str) -> None:
        self.send(Kind.SPEAK, job=job, text=text, voice="alto", speed=1.0, lang="en-us", phonemes={})

    def until_over(self, job: int) -> list[Frame]:
        """The frames up to the one that ends `job`."""
        frames = []
        for frame in self.frames:
            frames.append(frame)
            if frame.kind in (Kind.FINISHED, Kind.FAILED) and frame.header["job"] == job:
                break
        return frames

    def end(self) -> tuple[int, str]:
        """Close its input; return the exit code and what it wrote to standard error."""
        _, stderr = self.process.communicate(timeout=20)
        return self.process.returncode, stderr.decode()


@pytest.fixture
def process() -> Iterator[Process]:
    started = Process()
    watchdog = threading.Timer(30, started.process.kill)  # No test hangs for longer.
    watchdog.start()
    with started.process:
        yield started
        started.process.kill()
    watchdog.cancel()


def test_it_opens_the_engine_of_a_plugin_file_and_speaks(process: Process) -> None:
    opened = process.open()
    assert (opened.kind, opened.header["voices"]) == (Kind.OPENED, ["alto", "bass"])
    process.speak(1, "two words")
    first, second, last = process.until_over(1)
    assert (first.kind, first.header["sample_rate"], len(first.body)) == (Kind.AUDIO, 8000, 1600)
    assert second.kind is Kind.AUDIO
    assert last.kind is Kind.FINISHED
    assert last.header["busy_s"] >= 0


def test_it_ends_at_the_end_of_its_input_and_closes_the_engine(process: Process, tmp_path: Path) -> None:
    process.open(farewell=str(tmp_path / "farewell"))
    assert process.end()[0] == 0
    assert (tmp_path / "farewell").read_text() == "closed"


def test_it_ends_at_the_end_of_its_input_before_anything_was_opened(process: Process) -> None:
    assert process.end()[0] == 0


@pytest.mark.parametrize("order", ["hang", "endless", "deaf"])
def test_it_ends_at_the_end_of_its_input_whatever_the_engine_does(process: Process, order: str) -> None:
    process.open()
    process.speak(1, order)
    assert process.end()[0] == 0


def test_a_plugin_file_that_has_changed_is_not_loaded(process: Process) -> None:
    failed = process.open(sha256="0" * 64)
    assert failed.kind is Kind.FAILED
    assert "has changed" in failed.header["message"]
    assert process.end()[0] == 1


def test_a_plugin_file_with_the_expected_digest_is_loaded(process: Process) -> None:
    assert process.open(sha256=hashlib.sha256(ENGINES.read_bytes()).hexdigest()).kind is Kind.OPENED


def test_an_engine_that_is_not_there_is_named(process: Process) -> None:
    assert "has no Nothing" in process.open("Nothing").header["message"]


@pytest.mark.parametrize("body", ["raise SystemExit(1)", "import nothing_of_this_name", "def ("])
def test_a_plugin_file_that_cannot_be_imported_is_reported(process: Process, tmp_path: Path, body: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(body)
    failed = process.open(path=path)
    assert failed.kind is Kind.FAILED
    assert "when it was loaded" in failed.header["message"]


def test_an_engine_of_an_installed_package_is_imported(process: Process) -> None:
    engine = "rfsn_bridge.no_such_module:Engine"
    process.send(Kind.OPEN, source="module", path="", sha256="", engine=engine, options={})
    failed = next(process.frames)
    assert "ModuleNotFoundError" in failed.header["message"]


def test_what_plugins_print_does_not_reach_the_frames(process: Process) -> None:
    process.open()
    process.speak(1, "print")
    assert [frame.kind for frame in process.until_over(1)] == [Kind.AUDIO, Kind.FINISHED]
    _, stderr = process.end()
    for line in ("a stray line", "and one from native code", "and one from a child"):
        assert line in stderr


def test_a_job_cancelled_before_it_starts_is_skipped(process: Process) -> None:
    process.open()
    process.speak(1, "endless")
    assert next(process.frames).kind is Kind.AUDIO
    process.speak(2, "never heard")
    process.send(Kind.CANCEL, job=2)
    process.send(Kind.CANCEL, job=1)
    frames = process.until_over(2)
    assert not [frame for frame in frames if frame.kind is Kind.AUDIO and frame.header["job"] == 2]


def test_a_cancel_ends_its_own_job_and_never_the_next(process: Process) -> None:
    """Wherever in the job's life it arrives: before, during or after."""
    process.open()
    for job in range(0, 100, 2):
        process.speak(job, "endless" if job % 4 else "short")
        process.send(Kind.CANCEL, job=job)
        process.speak(job + 1, "five words to be said")
        process.send(Kind.CANCEL, job=job)
        frames = process.until_over(job + 1)
        spoken = [frame for frame in frames if frame.kind is Kind.AUDIO and frame.header["job"] == job + 1]
        assert len(spoken) == 5


def test_an_engine_that_raises_fails_the_job_without_quoting_the_dialogue(process: Process) -> None:
    process.open()
    process.speak(1, "raise a secret")
    (failed,) = process.until_over(1)
    assert failed.kind is Kind.FAILED
    assert "RuntimeError at engines.py" in failed.header["message"]
    assert "secret" not in failed.header["message"]
    process.speak(2, "fine")
    assert process.until_over(2)[-1].kind is Kind.FINISHED


@pytest.mark.parametrize("order", ["exit", "half", "huge"])
def test_an_engine_that_misbehaves_fails_only_the_job(process: Process, order: str) -> None:
    process.open()
    process.speak(1, order)
    assert process.until_over(1)[-1].kind is Kind.FAILED
    process.speak(2, "fine")
    assert process.until_over(2)[-1].kind is Kind.FINISHED


def test_an_engine_may_return_any_iterator(process: Process) -> None:
    process.open("ListEngine")
    process.speak(1, "three more words")
    assert len(process.until_over(1)) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_left_to_the_daemon(process: Process) -> None:
    process.open()
    process.process.send_signal(signal.SIGINT)
    process.speak(1, "still here")
    assert process.until_over(1)[-1].kind is Kind.FINISHED


def test_it_does_not_load_the_daemon(process: Process) -> None:
    modules = process.open("ModulesEngine").header["voices"]
    ours = {name for name in modules if name.startswith("rfsn_bridge.")}
    assert ours <= {
        f"rfsn_bridge.{name}"
        for name in ("domain", "errors", "hookspecs", "interfaces", "model_path", "plugin_file", "speech")
    } | {
        "rfsn_bridge.speech.child",
        "rfsn_bridge.speech.wire",
        "rfsn_bridge.speech.worker",
    }
    assert not {"onnxruntime", "numpy", "asyncio.subprocess"} & set(modules)
