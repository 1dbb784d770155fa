"""What reaches a real sound system, recorded there and compared; and what happens when that goes away."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rfsn_bridge.speech.playback import Playback
from rfsn_bridge.speech.resampling import Resampler
from tests.speech.sound_server import RATE, Recording, SoundServer, needed
from tests.speech.test_playback import PATIENCE_S, Ear

SOURCE = 24_000
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs PulseAudio")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    needed()
    server = SoundServer(tmp_path)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def playing(notices: list[Any]) -> AsyncIterator[Playback]:
    """A playback that has found its device."""
    async with Playback(lambda *told: notices.append(told)) as playback:
        playback.wake()
        await until_available(playback)
        yield playback


async def until_available(playback: Playback) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not playback.available:  # noqa: ASYNC110  # it is asked for, never told
            await asyncio.sleep(0.01)


def babble(seconds: float, seed: int = 0) -> NDArray[np.int16]:
    """Noise that swells like speech: it matches itself at one place only."""
    count = round(seconds * SOURCE)
    noise = np.random.default_rng(seed).standard_normal(count)
    smooth = np.convolve(noise, np.hanning(16), "same")
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(count) / SOURCE)
    return (smooth / np.abs(smooth).max() * swell * 12_000).astype(np.int16)


def say(playback: Playback, ear: Ear, turn: str, seq: int, samples: NDArray[np.int16], npc: str = "npc") -> None:
    playback.begin(turn, seq, npc, SOURCE, ear)
    for at in range(0, len(samples), 4800):
        playback.feed(turn, seq, samples[at : at + 4800].tobytes())
    playback.end(turn, seq)


def likeness(given: NDArray[np.int16], recorded: NDArray[np.float32]) -> float:
    """How well what was given is found in the recording, at the place where it fits best; 1 is exactly."""
    wanted = Resampler(SOURCE, RATE).feed(given.astype(np.float32) / 32768, last=True)
    size = 1 << (len(wanted) + len(recorded)).bit_length()
    found = np.fft.irfft(np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(wanted, size)), size)
    at = int(np.argmax(found[: len(recorded)]))
    there = recorded[at : at + len(wanted)]
    both = float(np.linalg.norm(there) * np.linalg.norm(wanted))
    return float(found[at]) / both if both else 0.0


def sounding(recording: Recording) -> NDArray[np.intp]:
    return np.flatnonzero(np.abs(recording.samples).max(axis=1) > 1e-4)


async def test_what_is_given_is_what_sounds(server: SoundServer) -> None:
    ear = Ear()
    notices: list[Any] = []
    async with playing(notices) as playback:
        with server.recording() as recording:
            first, second = babble(0.8, 1), babble(0.8, 2)
            say(playback, ear, "turn", 0, first)
            say(playback, ear, "turn", 1, second)
            assert (await ear.wait("ended", "turn", 1)).heard_ms == 800
        both = np.concatenate((first, second))
        assert likeness(both, recording.samples[:, 0]) > 0.97  # one after the other, and no gap between them
        assert likeness(both, recording.samples[:, 1]) > 0.97
        assert likeness(babble(1.6, 3), recording.samples[:, 0]) < 0.2
        assert not notices
        assert playback.device and playback.latency_ms > 0


async def test_who_stands_to_the_left_is_heard_on_the_left_beside_another(server: SoundServer) -> None:
    ear = Ear()
    async with playing([]) as playback:
        playback.places(((0, 0, 0), (0, 1, 0)), {"lydia": (-300, 0, 0), "farkas": (300, 0, 0)})
        with server.recording() as recording:
            lydia, farkas = babble(1, 1), babble(1, 2)
            say(playback, ear, "a", 0, lydia, "lydia")
            say(playback, ear, "b", 0, farkas, "farkas")
            await ear.wait("ended", "a", 0)
            await ear.wait("ended", "b", 0)
        left, right = recording.samples.T
        assert likeness(lydia, left) > 0.9 > 0.4 > likeness(lydia, right)
        assert likeness(farkas, right) > 0.9 > 0.4 > likeness(farkas, left)


async def test_what_is_stopped_falls_silent(server: SoundServer) -> None:
    ear = Ear()
    async with playing([]) as playback:
        with server.recording() as recording:
            say(playback, ear, "turn", 0, babble(5))
            await ear.wait("started", "turn", 0)
            await asyncio.sleep(0.3)
            playback.stop("turn")
            heard_ms = (await ear.wait("aborted", "turn", 0)).heard_ms
            await asyncio.to_thread(recording.wait, 1)
        sounds = sounding(recording)
        assert (sounds[-1] - sounds[0]) / RATE * 1000 == pytest.approx(heard_ms, abs=15)
        assert len(recording.samples) - sounds[-1] > 0.7 * RATE


async def test_the_sound_server_may_die_in_the_midst_and_come_back(server: SoundServer) -> None:
    ear = Ear()
    notices: list[Any] = []
    async with playing(notices) as playback:
        say(playback, ear, "turn", 0, babble(3))
        await ear.wait("started", "turn", 0)
        server.kill()
        assert (await ear.wait("ended", "turn", 0)).heard_ms == 3000  # time went on
        assert notices and notices[0][:2] == ("warning", "sound_device")
        assert not playback.available
        server.start()
        playback.wake()
        await until_available(playback)
        with server.recording() as recording:
            again = babble(0.8)
            say(playback, ear, "turn", 1, again)
            await ear.wait("ended", "turn", 1)
        assert likeness(again, recording.samples[:, 0]) > 0.97


async def test_a_device_that_is_not_there_gives_the_systems_own_and_is_told(server: SoundServer) -> None:
    notices: list[Any] = []
    async with Playback(lambda *told: notices.append(told), device="Grammophone") as playback:
        playback.wake()
        await until_available(playback)
        assert "no sound device Grammophone" in notices[0][2]
