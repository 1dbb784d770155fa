"""`rfsn-bridge run` as a player starts it: a process of its own, with a config and a plugin for the test."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psutil

from rfsn_bridge.cli import main

PATIENCE_S = 20
PLUGIN = '''
import asyncio
from rfsn_bridge import Health, TextDelta, hookimpl

class Parrot:
    """Says a short line; told to go on, it never ends."""

    def __init__(self, options, services): pass
    async def stream(self, request):
        yield TextDelta("Well met, traveller. ")
        while "go on" in request.messages[-1].content:
            yield TextDelta("And on it went. ")
            await asyncio.sleep(0.01)
        yield TextDelta("Farewell.")
    async def warm_up(self): pass
    def count_tokens(self, text): return 1
    async def health(self): return Health(True)
    async def aclose(self): pass

@hookimpl
def register_llm_backends(register):
    register("parrot", Parrot)

@hookimpl
def register_tts_engines(register):
    register("tone", "rfsn_bridge.testing:ToneEngine")
'''
CONFIG = "llm: {backend: parrot}\ntts: {engine: tone, voice: tone}\n"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "rfsn_bridge", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    """This process's, without what would tell the daemon where things are."""
    return {key: value for key, value in os.environ.items() if not key.startswith("RFSN_")} | variables


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """One command from start to end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, env=environment(**variables), check=False
    )


def attempt(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, for what ends before it begins: it spares the start of an interpreter."""
    told = list(map(str, arguments))
    with (
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
        patch.dict(os.environ, environment(**variables), clear=True),
    ):
        try:
            code = main(told)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(told, code, out.getvalue(), err.getvalue())


def said_in_one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed command said on standard error: one line, and no traceback."""
    assert done.returncode == 1, done
    lines = [line for line in done.stderr.splitlines() if line.startswith("rfsn-bridge: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


def write_config(folder: Path, text: str = CONFIG) -> Path:
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins" / "parrot.py").write_text(PLUGIN)
    (folder / "config.yaml").write_text(text)
    return folder / "config.yaml"


@dataclass
class DaemonProcess:
    """A daemon that listens at `url`."""

    process: subprocess.Popen[str]
    line: str

    @property
    def url(self) -> str:
        return self.line.removeprefix("listening on ").strip()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ended(self) -> tuple[int, str, str]:
        """Exit code, and what else was said on standard output and standard error."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


@contextmanager
def daemon_process(
    folder: Path, *arguments: str, config: str = CONFIG, **variables: str
) -> Iterator[DaemonProcess]:
    told = (
        "run",
        "--port",
        "0",
        "--http-port",
        "0",
        "--config",
        write_config(folder, config),
        "--data",
        folder / "data",
        *arguments,
    )
    process = subprocess.Popen(
        command(*told), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**variables)
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), process.communicate()
        yield DaemonProcess(process, line)
    finally:
        process.kill()
        process.communicate()
