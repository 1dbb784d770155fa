"""The daemon's own life: how it stops, and what it tells."""

from pathlib import Path

from raw_client import daemon_and_client, raw_client
from stored import latest

from rfsn_bridge.domain import TurnStatus
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.speech.voice import EngineSpec
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon


async def test_a_session_that_expires_while_the_daemon_stops_is_recorded_all_the_same(tmp_path: Path) -> None:
    llm = ScriptedLLM(["Whiterun stands. ", "It ", "does."], gated=True)
    async with running_daemon(llm, tmp_path) as daemon, raw_client(daemon.url) as client:
        await client.meet("a")
        await client.say("a", "Tell me.")
        llm.release(2)
        await client.until("sentence")
        (game,) = daemon.bridge.games
        daemon.bridge._expire(game.session.session_id)
        await daemon.bridge.aclose()
    record = await latest(tmp_path)
    assert record and record.status is TurnStatus.INTERRUPTED


def missing() -> EngineSpec:
    raise ModelMissing("the model is missing", "run: rfsn-bridge models pull kokoro")


async def test_a_voice_that_cannot_be_opened_is_told_of_once(tmp_path: Path) -> None:
    async with running_daemon(ScriptedLLM(["Aye. "]), tmp_path, Settings(voice=True)) as daemon:
        chain = daemon.bridge.snapshot.voice
        assert chain
        chain._engines[0].voice._find_spec = missing  # type: ignore[union-attr]
        async with raw_client(daemon.url, audio="binary") as client:
            await client.meet("a")
            await client.say("a", "Hail.")
            await client.until("turn_finished")
            assert [notice["code"] for notice in client.messages("notice")] == ["voice_unavailable"]
            assert client.messages("audio_dropped") and client.messages("sentence")


GONE = """
from rfsn_bridge import VoiceUnavailable, hookimpl

@hookimpl
def register_tts_engines(register):
    register("gone", f"{__name__}:Gone")

class Gone:
    def open(self, options): raise VoiceUnavailable("the voice is gone", "bring it back")
"""


async def test_another_engine_speaks_where_the_preferred_one_cannot(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "gone.py").write_text(GONE)
    settings = Settings(voice=True, config={"tts": {"engine": ["gone", "tone"]}}, plugins=tmp_path / "plugins")
    async with (
        running_daemon(ScriptedLLM(["Aye. "]), tmp_path, settings) as daemon,
        raw_client(daemon.url, audio="binary") as client,
    ):
        await client.meet("a")
        await client.say("a", "Hail.")
        await client.until("turn_finished")
        assert client.frames() and not client.messages("audio_dropped")
        told = [notice["code"] for notice in client.messages("notice")]
        assert {"voice_unavailable", "voice_fallback"} <= set(told)
        assert daemon.bridge.health()["tts"] == "tone"


async def test_text_alone_may_stand_in_for_a_voice(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "gone.py").write_text(GONE)
    settings = Settings(voice=True, config={"tts": {"engine": ["gone", "none"]}}, plugins=tmp_path / "plugins")
    async with (
        running_daemon(ScriptedLLM(["Aye. "]), tmp_path, settings) as daemon,
        raw_client(daemon.url, audio="binary") as client,
    ):
        await client.meet("a")
        await client.say("a", "Hail.")
        await client.until("turn_finished")
        assert client.messages("sentence") and client.messages("audio_dropped") and not client.frames()
        assert daemon.bridge.health()["tts"] == "none"


async def test_the_name_of_a_turn_can_be_given_to_a_command(tmp_path: Path) -> None:
    """It is no option: it begins with no dash."""
    async with daemon_and_client(ScriptedLLM(["Hm."]), tmp_path) as (_, client):
        await client.meet("a")
        session, _, number = (await client.say("a")).partition(".")
    assert session.isalnum() and number == "1"
