"""The daemon's side of the player, with a real process behind it, without a device: the clock takes the sound."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from rfsn_bridge import VoiceError, VoiceUnavailable
from rfsn_bridge.speech.playback import Limits, Playback, Sounded

RATE = 8000
PATIENCE_S = 30


class Ear:
    """What was told of utterances, in order."""

    def __init__(self) -> None:
        self.all: list[Sounded] = []
        self._news = asyncio.Event()

    def __call__(self, sounded: Sounded) -> None:
        self.all.append(sounded)
        self._news.set()

    @property
    def short(self) -> list[tuple[str, str, int]]:
        return [(each.status, each.turn_id, each.seq) for each in self.all]

    async def wait(self, status: str, turn_id: str, seq: int) -> Sounded:
        async with asyncio.timeout(PATIENCE_S):
            while (status, turn_id, seq) not in self.short:
                self._news.clear()
                await self._news.wait()
        return self.all[self.short.index((status, turn_id, seq))]


@asynccontextmanager
async def a_playback(notices: list[Any] | None = None, **options: Any) -> AsyncIterator[Playback]:
    def notice(*told: Any) -> None:
        if notices is not None:
            notices.append(told)

    async with Playback(notice, device="none", **options) as playback:
        yield playback
    assert playback.pid is None


def sound(milliseconds: int) -> bytes:
    return b"\0\x20" * (milliseconds * RATE // 1000)


def say(playback: Playback, ear: Ear, turn_id: str, seq: int = 0, milliseconds: int = 100) -> None:
    playback.begin(turn_id, seq, "npc", RATE, ear)
    playback.feed(turn_id, seq, sound(milliseconds))
    playback.end(turn_id, seq)


async def until_something_is_heard(playback: Playback) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not playback.heard_ms("turn", 0):  # noqa: ASYNC110  # it is asked for, never told
            await asyncio.sleep(0.01)


async def test_the_utterances_of_a_turn_sound_one_after_another() -> None:
    ear = Ear()
    async with a_playback() as playback:
        for seq in range(3):
            say(playback, ear, "turn", seq)
        assert playback.ahead_ms("turn") == 300
        assert (await ear.wait("ended", "turn", 2)).heard_ms == 100
        assert ear.short == [(status, "turn", seq) for seq in range(3) for status in ("started", "ended")]
        assert (playback.busy, playback.ahead_ms("turn")) == (0, 0)


async def test_no_device_is_told_and_costs_nothing() -> None:
    ear = Ear()
    async with a_playback() as playback:
        say(playback, ear, "turn")
        await ear.wait("ended", "turn", 0)
        assert not playback.available
        assert "none" in playback.why_not


async def test_what_is_fed_in_pieces_is_one() -> None:
    ear = Ear()
    async with a_playback() as playback:
        playback.begin("turn", 0, "npc", RATE, ear)
        for _ in range(10):
            playback.feed("turn", 0, sound(20))
        playback.end("turn", 0)
        playback.feed("turn", 0, sound(20))  # too late
        assert (await ear.wait("ended", "turn", 0)).heard_ms == 200


async def test_stopping_a_turn_aborts_all_of_it_with_what_was_heard() -> None:
    ear = Ear()
    async with a_playback() as playback:
        say(playback, ear, "turn", 0, 10_000)
        say(playback, ear, "turn", 1)
        say(playback, ear, "other", 0)
        await ear.wait("started", "turn", 0)
        playback.stop("turn")
        assert (await ear.wait("aborted", "turn", 1)).heard_ms == 0
        assert (await ear.wait("aborted", "turn", 0)).heard_ms < 9000
        await ear.wait("ended", "other", 0)
        assert playback.counters.aborted == 2
        playback.stop("turn")  # nothing of it is left
        playback.stop("unheard of")


async def test_a_stop_waits_for_the_end_of_a_word() -> None:
    ear = Ear()
    async with a_playback() as playback:
        playback.begin("turn", 0, "npc", RATE, ear)
        playback.feed("turn", 0, sound(9000), [1500, 8000])
        await ear.wait("started", "turn", 0)
        playback.stop("turn", 0, within_ms=7000)
        assert (await ear.wait("aborted", "turn", 0)).heard_ms == 1500


async def test_nothing_is_heard_while_the_game_stands_still() -> None:
    ear, other = Ear(), Ear()
    async with a_playback() as playback:
        playback.pause(True)
        say(playback, ear, "turn")
        await asyncio.sleep(0)
        playback.pause(False)
        playback.pause(True)
        playback.begin("probe", 0, "npc", RATE, other)
        playback.stop("probe")
        await other.wait("aborted", "probe", 0)  # so the player has read all of that
        assert ("ended", "turn", 0) not in ear.short
        playback.pause(False)
        assert (await ear.wait("ended", "turn", 0)).heard_ms == 100


async def test_how_much_was_heard_is_known_meanwhile() -> None:
    ear = Ear()
    async with a_playback() as playback:
        say(playback, ear, "turn", 0, 20_000)
        await until_something_is_heard(playback)
        assert playback.ahead_ms("turn") == 20_000 - playback.heard_ms("turn", 0)
        assert playback.heard_ms("turn", 7) == 0


async def test_places_levels_and_the_focus_may_be_told_at_any_time() -> None:
    ear = Ear()
    async with a_playback() as playback:
        for _ in range(2):  # before the process runs, and while it does
            playback.places(((0, 0, 0), (0, 1, 0)), {f"npc{number}": (number, 0, 0) for number in range(300)})
            playback.places(npcs={"npc": (1, 2, 3)})
            playback.volume(0.5)
            playback.mute(True)
            playback.focus("npc")
            playback.focus(None)
            say(playback, ear, "turn")
            await ear.wait("ended", "turn", 0)
            ear.all.clear()
            assert playback.counters.restarts == 0


# --- What is too much ---


async def test_what_is_begun_twice_or_too_many_is_refused() -> None:
    ear = Ear()
    async with a_playback(limits=Limits(utterances=2)) as playback:
        playback.begin("turn", 0, "npc", RATE, ear)
        with pytest.raises(VoiceError, match="sounds already"):
            playback.begin("turn", 0, "npc", RATE, ear)
        playback.begin("turn", 1, "npc", RATE, ear)
        with pytest.raises(VoiceError, match="already waiting"):
            playback.begin("turn", 2, "npc", RATE, ear)
        assert playback.counters.refused == 1


async def test_too_much_sound_is_refused_and_the_utterance_aborted() -> None:
    ear = Ear()
    async with a_playback(limits=Limits(ahead_s=1.0)) as playback:
        playback.begin("turn", 0, "npc", RATE, ear)
        playback.feed("turn", 0, sound(900))
        with pytest.raises(VoiceError, match="1 s of speech"):
            playback.feed("turn", 0, sound(500))
        await ear.wait("aborted", "turn", 0)


async def test_more_turns_at_a_time_than_voices_are_aborted() -> None:
    ear = Ear()
    async with a_playback() as playback:
        for turn in range(17):
            playback.begin(f"turn {turn}", 0, "npc", RATE, ear)
        await ear.wait("aborted", "turn 16", 0)
        assert ear.short == [("aborted", "turn 16", 0)]


async def test_a_long_utterance_passes_in_several_frames() -> None:
    ear = Ear()
    async with a_playback() as playback:
        say(playback, ear, "turn", 0, 140_000)  # over two megabytes
        await ear.wait("started", "turn", 0)
        playback.stop("turn")
        await ear.wait("aborted", "turn", 0)


def test_the_daemon_loads_nothing_that_sounds() -> None:
    program = "import sys, rfsn_bridge.speech.playback\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "sounddevice", "rfsn_bridge.speech.player"}


# --- What goes wrong ---


async def test_a_player_that_dies_is_replaced_and_what_it_had_is_told_as_aborted() -> None:
    ear = Ear()
    notices: list[Any] = []
    async with a_playback(notices) as playback:
        say(playback, ear, "turn", 0, 20_000)
        say(playback, ear, "turn", 1)
        await until_something_is_heard(playback)
        assert playback.pid is not None
        psutil.Process(playback.pid).kill()
        assert 0 < (await ear.wait("aborted", "turn", 0)).heard_ms < 20_000
        assert (await ear.wait("aborted", "turn", 1)).heard_ms == 0
        say(playback, ear, "turn", 2)
        await ear.wait("ended", "turn", 2)
        assert playback.counters.restarts == 1
        assert [told[1] for told in notices] == ["sound_restarted"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_a_player_that_hangs_is_replaced() -> None:
    ear = Ear()
    async with a_playback(limits=Limits(hung_s=0.5)) as playback:
        say(playback, ear, "turn", 0, 20_000)
        await ear.wait("started", "turn", 0)
        assert playback.pid is not None
        os.kill(playback.pid, signal.SIGSTOP)
        await ear.wait("aborted", "turn", 0)
        say(playback, ear, "turn", 1)
        await ear.wait("ended", "turn", 1)


async def test_a_player_that_keeps_dying_is_left_alone_for_a_while() -> None:
    ear = Ear()
    notices: list[Any] = []
    async with a_playback(notices, limits=Limits(cooldown_s=0.2)) as playback:
        for seq in range(3):
            say(playback, ear, "turn", seq, 20_000)
            await ear.wait("started", "turn", seq)
            assert playback.pid is not None
            psutil.Process(playback.pid).kill()
            await ear.wait("aborted", "turn", seq)
        with pytest.raises(VoiceUnavailable, match="cannot be played"):
            say(playback, ear, "turn", 3)
        assert [told[1] for told in notices][-1] == "sound_unavailable"
        await asyncio.sleep(0.2)
        say(playback, ear, "turn", 4)
        await ear.wait("ended", "turn", 4)


@pytest.mark.slow
async def test_a_sound_system_that_does_not_answer_costs_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes its time for that, and is no reason for a notice: the next process finds what it can."""
    (tmp_path / "sounddevice.py").write_text("import threading\nthreading.Event().wait()")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    ear = Ear()
    notices: list[Any] = []
    async with Playback(lambda *told: notices.append(told)) as playback:
        say(playback, ear, "turn", 0, 1000)
        assert (await ear.wait("ended", "turn", 0)).heard_ms == 1000
        async with asyncio.timeout(PATIENCE_S):
            while not playback.counters.restarts:  # noqa: ASYNC110  # it is asked for, never told
                await asyncio.sleep(0.1)
        say(playback, ear, "turn", 1)
        await ear.wait("ended", "turn", 1)
        assert notices == []


async def test_who_listens_badly_does_not_keep_others_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    ear = Ear()

    def broken(sounded: Sounded) -> None:
        raise ZeroDivisionError

    async with a_playback() as playback:
        playback.begin("bad", 0, "npc", RATE, broken)
        playback.end("bad", 0)
        say(playback, ear, "turn")
        await ear.wait("ended", "turn", 0)
        assert playback.counters.failed_tellings > 0
        assert "ZeroDivisionError" in caplog.text


async def test_closing_tells_what_was_not_over_and_refuses_more() -> None:
    ear = Ear()
    async with a_playback() as playback:
        say(playback, ear, "turn", 0, 20_000)
        await ear.wait("started", "turn", 0)
    assert ear.short[-1] == ("aborted", "turn", 0)
    with pytest.raises(VoiceUnavailable, match="shut down"):
        say(playback, ear, "turn", 1)
    playback.wake()
    assert playback.why_not == "the playback has been shut down"


async def test_closing_before_the_process_runs() -> None:
    ear = Ear()
    async with a_playback() as playback:
        say(playback, ear, "turn")
    assert ear.short == [("aborted", "turn", 0)]


async def test_the_player_goes_with_the_daemon() -> None:
    """Also when the daemon is killed: the end of the pipe is enough."""
    program = (
        "import asyncio\nfrom rfsn_bridge.speech.playback import Playback\n"
        "async def main():\n"
        "    playback = Playback(lambda *a: None, device='none')\n"
        "    playback.wake()\n"
        "    while playback.pid is None: await asyncio.sleep(0.01)\n"
        "    print(playback.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    daemon = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert daemon.stdout is not None
    player = psutil.Process(int(await daemon.stdout.readline()))
    daemon.kill()
    await daemon.wait()
    await asyncio.to_thread(player.wait, PATIENCE_S)
