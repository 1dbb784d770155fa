"""What the game tells of its world: events, scenes, pauses, saves; and speech for games without sound from us."""

import asyncio
import json
import wave
from pathlib import Path

import pytest
from raw_client import RawClient, daemon_and_client, raw_client

from rfsn_bridge.game import Game
from rfsn_bridge.memory.heard import PlayingTime
from rfsn_bridge.protocol.messages import Limits
from rfsn_bridge.testing import ScriptedLLM, Settings, running_daemon

REPLY = ("Whiterun stands at the heart of Skyrim. ", "Its people are proud.")


async def told(client: RawClient, llm: ScriptedLLM, npc_id: str = "lydia") -> str:
    """What the model is told with the next line."""
    await client.say(npc_id)
    await client.until("turn_recorded")
    return llm.requests[-1].messages[-1].content


# --- Events


async def test_those_concerned_are_told_of_an_event_once(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("lydia")
        await client.meet("faendal")
        hit = {"type": "game_event", "kind": "hit", "npc_ids": ["lydia"], "text": "The player hit Lydia."}
        assert (await client.ask(**hit))["type"] == "result"
        assert "The player hit Lydia." not in await told(client, llm, "faendal")
        assert "The player hit Lydia." in await told(client, llm)
        assert "The player hit Lydia." not in await told(client, llm)


async def test_of_many_events_the_latest_are_told(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("lydia")
        for i in range(20):
            await client.send(type="game_event", kind="witnessed", text=f"Dragon {i} came.")
        words = await told(client, llm)
    assert "Dragon 19 came." in words and "Dragon 11 came." not in words


async def test_combat_and_quests_are_conditions(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path) as (_, client):
        await client.meet("lydia")
        for kind in ("combat_started", "quest_started"):
            await client.ask(type="game_event", kind=kind, npc_ids=["lydia"])
        await client.say("lydia")
        state = (await client.until("decision"))["state"]
        assert state["combat_active"] and state["quest_active"]
        await client.ask(type="game_event", kind="combat_ended", npc_ids=["lydia"])
        await client.say("lydia")
        assert not (await client.until("decision"))["state"]["combat_active"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "game_event", "kind": "death", "npc_ids": ["lydia"]},
        {"type": "npc_update", "npc_id": "lydia", "name": "Lydia", "conditions": {"in_scene": True}},
    ],
)
async def test_the_dead_and_those_in_a_scene_fall_silent(message: dict[str, object], tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY, gated=True)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("lydia")
        await client.say("lydia")
        await client.send(**message)
        assert (await client.until("turn_finished"))["status"] == "interrupted"
        assert (await client.ask(type="player_line", npc_id="lydia", text="Hail."))["code"] == "unavailable"


async def test_nobody_is_talked_to_in_a_scene(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path) as (_, client):
        await client.meet("lydia", conditions={"in_scene": True})
        refused = await client.ask(type="player_line", npc_id="lydia", text="Hello?")
        assert refused["code"] == "unavailable"
        await client.meet("lydia", conditions={"in_scene": False})
        await client.say("lydia")


async def test_positions_are_taken_and_wrong_ones_refused(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path) as (_, client):
        here = {"position": [0, 0, 0], "forward": [0, 1, 0]}
        good = await client.ask(type="positions", listener=here, npcs={"lydia": [1, 2.5, 3]})
        bad = await client.ask(type="positions", listener=here, npcs={"lydia": [1, 2]})
        assert (good["type"], bad["type"]) == ("result", "error")


# --- Subtitles one by one


async def test_a_silent_client_with_lips_is_told_how_long_and_how(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, visemes=True, reports=True) as (_, client):
        await client.meet("lydia")
        turn = await client.say("lydia")
        await client.until("turn_finished")
        first, second = client.messages("sentence")
        assert first["duration_ms"] > second["duration_ms"] >= 1200
        assert first["visemes"][-1][0] <= first["duration_ms"]
        await client.send(type="speech_report", turn_id=turn, seq=0, status="started")
        await client.send(type="speech_report", turn_id=turn, seq=0, status="ended")
        await client.send(type="speech_report", turn_id=turn, seq=1, status="started")
        await client.send(type="speech_report", turn_id=turn, seq=1, status="aborted", heard_ms=700)
        assert (await client.until("turn_recorded"))["heard_text"] == f"{REPLY[0]}Its people"


@pytest.mark.parametrize("by", ["interrupt", "line"])
async def test_what_is_written_but_not_yet_heard_can_be_cut_off(by: str, tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, visemes=True, reports=True) as (_, client):
        await client.meet("lydia")
        turn = await client.say("lydia")
        await client.until("turn_finished")
        await client.ask(type="speech_report", turn_id=turn, seq=0, status="started")
        if by == "line":
            await client.say("lydia", "Enough.")
        else:
            assert (await client.ask(type="interrupt", npc_id="lydia"))["data"] == {"interrupted": 1}
            assert (await client.ask(type="interrupt", turn_id=turn))["data"] == {"interrupted": 0}
        await client.send(type="speech_report", turn_id=turn, seq=0, status="aborted", heard_ms=1000)
        recorded = await client.until("turn_recorded", turn_id=turn)  # and not ten seconds later
        assert recorded["heard_text"] == "Whiterun stands"
    assert len(client.messages("turn_finished", turn_id=turn)) == 1


@pytest.mark.parametrize("client", [{"visemes": False, "reports": True}, {"visemes": True, "reports": False}])
async def test_a_client_without_both_has_heard_what_it_was_shown(client: dict[str, bool], tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, **client) as (_, raw):
        await raw.meet("lydia")
        await raw.say("lydia")
        assert (await raw.until("turn_recorded"))["heard_text"] == "".join(REPLY)
        assert all(("visemes" in m) is client["visemes"] for m in raw.messages("sentence"))


# --- Speech as files


async def test_speech_is_a_whole_file_before_it_is_told_of(tmp_path: Path) -> None:
    settings = Settings(voice=True, config={"speech": {"folder": str(tmp_path / "mod")}})
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings, audio="file", reports=True) as (
        _,
        client,
    ):
        assert client.messages("identified")[0]["audio"] == "file"
        await client.meet("lydia", voice_type="../../FemaleEvenToned")
        turn = await client.say("lydia")
        for seq in (0, 1):
            audio = await client.until("audio")
            assert audio["path"].startswith("FemaleEvenToned/") and ".." not in audio["path"]
            with wave.open(str(tmp_path / "mod" / audio["path"])) as sound:
                length_ms = 1000 * sound.getnframes() / sound.getframerate()
            assert abs(length_ms - audio["duration_ms"]) <= 1 and audio["visemes"]
            beside = (tmp_path / "mod" / audio["path"]).with_suffix(".json").read_text(encoding="utf-8")
            lips = json.loads(beside)
            assert lips == {"duration_ms": audio["duration_ms"], "visemes": audio["visemes"]}
            assert mouth_at_the_end(lips["visemes"]) == {0} and lips["visemes"][-1][0] <= lips["duration_ms"]
            await client.send(type="speech_report", turn_id=turn, seq=seq, status="ended")
        assert (await client.until("turn_recorded"))["heard_text"] == "".join(REPLY)
    assert not list((tmp_path / "mod").rglob("*.part"))
    assert not client.messages("audio_end") and not client.frames()


def mouth_at_the_end(visemes: list[list[float]]) -> set[float]:
    """How far each of the mouth's shapes is open when all has been said."""
    return set({shape: weight for _, shape, weight in visemes}.values())


async def test_without_a_folder_there_are_no_files_and_the_player_is_told(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, Settings(voice=True), audio="file") as (_, client):
        assert client.messages("identified")[0]["audio"] == "none"
        assert "speech.folder" in (await client.until("notice", code="audio_unavailable"))["hint"]


async def test_a_folder_that_cannot_be_written_costs_the_sound_and_not_the_words(tmp_path: Path) -> None:
    (tmp_path / "mod").write_text("a file, not a folder")
    settings = Settings(voice=True, config={"speech": {"folder": str(tmp_path / "mod")}})
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path / "d", settings, audio="file") as (_, client):
        await client.meet("lydia")
        await client.say("lydia")
        assert (await client.until("turn_finished"))["status"] == "completed"
    assert len(client.messages("audio_dropped")) == len(client.messages("sentence")) == 2


# --- Pauses


def test_playing_time_stands_still_in_a_pause() -> None:
    now = 100.0
    playing = PlayingTime(lambda: now)
    playing.pause(paused=True)
    now = 700.0
    playing.pause(paused=True)
    assert playing() == 100.0
    playing.pause(paused=False)
    playing.pause(paused=False)
    now = 701.0
    assert playing() == 101.0


async def test_a_pause_of_ten_minutes_is_not_heard_nor_a_disconnection(tmp_path: Path) -> None:
    llm, clock = ScriptedLLM(REPLY), _Clock()
    settings = Settings(limits=Limits(resume_grace_s=0.05, paused_grace_s=60))
    async with running_daemon(llm, tmp_path, settings) as daemon:
        async with raw_client(daemon.url, visemes=True, reports=True) as client:
            (game,) = daemon.bridge.games
            _use(game, clock)
            await client.meet("lydia")
            turn = await client.say("lydia")
            await client.until("turn_finished")
            await client.ask(type="speech_report", turn_id=turn, seq=0, status="started")
            await client.ask(type="game_paused", paused=True)
            session, last_n = client.messages("identified")[0]["session_id"], client.last_n
        clock.now += 600
        await asyncio.sleep(0.2)  # four times the grace of a game that is not paused
        resume = {"session_id": session, "last_n": last_n}
        async with raw_client(daemon.url, visemes=True, reports=True, resume=resume) as client:
            assert client.messages("identified")[0]["resumed"]
            await client.ask(type="game_paused", paused=False)
            assert not client.messages("turn_recorded")
            for seq in (0, 1):
                await client.send(type="speech_report", turn_id=turn, seq=seq, status="ended")
            assert (await client.until("turn_recorded"))["heard_text"] == "".join(REPLY)


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _use(game: Game, clock: _Clock) -> None:
    setattr(game._playing, "_clock", clock)


# --- Saves


async def test_a_loaded_save_forgets_what_was_under_way(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY, gated=True)
    async with daemon_and_client(llm, tmp_path, visemes=True, reports=True) as (daemon, client):
        await client.meet("lydia")
        await client.ask(type="save_created", playthrough="default", save_id="s1", game_time=17.25)
        turn = await client.say("lydia")
        llm.release()
        await client.until("sentence")
        loaded = await client.ask(type="save_loaded", playthrough="default", save_id="s1")
        assert loaded["data"] == {"npcs": 1, "turns_forgotten": 1}
        assert client.messages("turn_finished", turn_id=turn)[0]["status"] == "interrupted"
        llm.release(5)
        later = await client.say("lydia", "And now?")
        assert [m.content for m in llm.requests[-1].messages[1:]][:1] != ["Tell me more."]
        for seq in (0, 1):
            await client.until("sentence")
            await client.send(type="speech_report", turn_id=later, seq=seq, status="ended")
        await client.until("turn_recorded", turn_id=later)
        assert not client.messages("turn_recorded", turn_id=turn)
        assert await daemon.bridge.store.find(turn) is None and await daemon.bridge.store.find(later)


async def test_what_the_game_says_of_an_npc_holds_in_every_playthrough(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path) as (_, client):
        await client.meet("lydia", state={"affinity": 0.7}, conditions={"combat_active": True})
        await client.ask(type="game_started", playthrough="other")
        await client.say("lydia", "Hm.")
        state = (await client.until("decision"))["state"]
    assert state["combat_active"] and state["affinity"] > 0.6


async def test_another_playthrough_brings_its_own_memories(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path) as (_, client):
        await client.meet("lydia")
        await told(client, llm)
        await client.ask(type="game_started", playthrough="other")
        await told(client, llm)
        assert len(llm.requests[-1].messages) == 2
        await client.ask(type="save_loaded", playthrough="default", save_id="s1")
        await told(client, llm)
        assert len(llm.requests[-1].messages) == 4
