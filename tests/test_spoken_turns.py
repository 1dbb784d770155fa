"""How turns sound: one NPC at a time, interrupted in four ways, dropped, and played by the daemon itself."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from raw_client import RawClient, daemon_and_client, raw_client

from rfsn_bridge.protocol.frames import AudioFrame
from rfsn_bridge.testing import ScriptedLLM, Settings

REPLY = ("Whiterun stands at the heart of Skyrim. ", "Its people are proud. ", "Its walls have never fallen.")


def spoken(ms_per_character: int = 10, **config: Any) -> Settings:
    tone = {"tone": {"ms_per_character": ms_per_character, "chunk_ms": 100}}
    return Settings(voice=True, config={"tts": {"options": tone}, **config})


def places(client: RawClient, turn_id: str) -> tuple[int, int]:
    """Where the first and the last audio message of a turn stand."""
    found = [client.seen.index(each) for each in client.messages("audio", turn_id=turn_id)]
    return found[0], found[-1]


# --- One at a time


async def test_one_npc_waits_until_another_has_been_heard(tmp_path: Path) -> None:
    async with daemon_and_client(ScriptedLLM(REPLY[:2]), tmp_path, spoken(), audio="binary") as (_, client):
        for npc in ("lydia", "farkas"):
            await client.meet(npc)
        first = await client.say("lydia")
        await client.until("audio", turn_id=first)
        second = await client.say("farkas")
        await client.until("text_finished", turn_id=second)
        assert not client.messages("audio", turn_id=second), "text waits for nobody"
        await client.until("turn_finished", turn_id=second)
        assert places(client, first)[1] < places(client, second)[0]
        reports = [message["turn_id"] for message in client.messages("turn_finished")]
        assert reports == [first, second]


async def test_nobody_waits_for_sound_that_was_reported_as_over(tmp_path: Path) -> None:
    settings = spoken(600)  # a client that plays nothing reports at once what would take minutes
    async with daemon_and_client(ScriptedLLM(REPLY[:1]), tmp_path, settings, audio="binary", reports=True) as (
        _,
        client,
    ):
        for npc in ("lydia", "farkas"):
            await client.meet(npc)
        first = await client.say("lydia")
        await client.until("audio", turn_id=first)
        await client.send(type="speech_report", turn_id=first, seq=0, status="ended")
        await client.until("turn_recorded", turn_id=first)
        second = await client.say("farkas")
        await client.until("audio", turn_id=second)


async def test_npcs_talk_at_once_where_the_player_wants_that(tmp_path: Path) -> None:
    settings = spoken(40, speech={"one_at_a_time": False})
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings, audio="binary") as (_, client):
        for npc in ("lydia", "farkas"):
            await client.meet(npc)
        first = await client.say("lydia")
        await client.until("audio", turn_id=first)
        second = await client.say("farkas")
        await client.until("audio", turn_id=second)
        assert not client.messages("turn_recorded", turn_id=first)


# --- Interruption


async def begun(client: RawClient) -> str:
    """A turn whose first sentence sounds at the client."""
    await client.meet("balgruuf")
    turn_id = await client.say("balgruuf")
    await client.until("audio", turn_id=turn_id, seq=0)
    await client.send(type="speech_report", turn_id=turn_id, seq=0, status="started")
    return turn_id


async def test_low_waits_until_all_has_been_said(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path, spoken(), audio="binary", reports=True) as (_, client):
        turn_id = await begun(client)
        assert (await client.ask(type="interrupt", priority="low"))["data"]["interrupted"] == 0
        after = await client.say("balgruuf", "And then?", priority="low")
        finished = await client.until("turn_finished", turn_id=turn_id)
        assert (finished["status"], finished["text"]) == ("completed", "".join(REPLY))
        await client.until("sentence", turn_id=after)


async def test_medium_finishes_the_sentence_that_is_heard(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path, spoken(30), audio="binary", reports=True) as (_, client):
        turn_id = await begun(client)
        assert (await client.ask(type="interrupt", priority="medium"))["data"]["interrupted"] == 1
        await client.settle()
        assert not client.messages("turn_finished")
        await client.send(type="speech_report", turn_id=turn_id, seq=0, status="ended", heard_ms=1200)
        finished = await client.until("turn_finished", turn_id=turn_id)
        assert finished["status"] == "interrupted"
        recorded = await client.until("turn_recorded", turn_id=turn_id)
        assert recorded["heard_text"] == REPLY[0].strip()


async def test_medium_finishes_a_sentence_whose_first_clause_is_heard(tmp_path: Path) -> None:
    pieces = ("If you must go to Bleak Falls Barrow, ", "take a torch and a friend. ", "Or stay here with us.")
    llm = ScriptedLLM(pieces, gated=True)
    async with daemon_and_client(llm, tmp_path, spoken(30), audio="binary", reports=True) as (_, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        llm.release()
        await client.until("audio", turn_id=turn_id, seq=0)
        await client.send(type="speech_report", turn_id=turn_id, seq=0, status="started")
        await client.ask(type="interrupt", priority="medium")
        llm.release(2)
        await client.until("audio", turn_id=turn_id, seq=1)
        for status in ("started", "ended"):
            for seq in (0, 1):
                await client.send(type="speech_report", turn_id=turn_id, seq=seq, status=status)
        finished = await client.until("turn_finished", turn_id=turn_id)
        assert (finished["status"], finished["text"]) == ("interrupted", "".join(pieces[:2]).strip())
        recorded = await client.until("turn_recorded", turn_id=turn_id)
        assert recorded["heard_text"] == "".join(pieces[:2]).strip()


@pytest.mark.parametrize("priority", ["high", "critical"])
async def test_high_and_critical_end_the_turn_at_once(tmp_path: Path, priority: str) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path, spoken(30), audio="binary", reports=True) as (_, client):
        turn_id = await begun(client)
        await client.ask(type="interrupt", priority=priority)
        finished = client.messages("turn_finished", turn_id=turn_id)
        assert [message["status"] for message in finished] == ["interrupted"]
        await client.settle()
        after = client.seen[client.seen.index(finished[0]) + 1 :]
        assert not [seen for seen in after if isinstance(seen, AudioFrame)]


async def test_the_players_next_line_counts_as_high(tmp_path: Path) -> None:
    llm = ScriptedLLM(REPLY)
    async with daemon_and_client(llm, tmp_path, spoken(30), audio="binary", reports=True) as (_, client):
        turn_id = await begun(client)
        after = await client.say("balgruuf", "Enough.")
        (finished,) = client.messages("turn_finished", turn_id=turn_id)
        (started,) = client.messages("turn_started", turn_id=after)
        assert client.seen.index(finished) < client.seen.index(started)


# --- What there is no room for


async def test_what_is_dropped_is_told_of_and_shown_all_the_same(tmp_path: Path) -> None:
    settings = spoken(20, speech={"when_full": "drop", "max_queue_size": 2})
    pieces = tuple(f"This is sentence number {number} of many. " for number in range(9))
    async with daemon_and_client(ScriptedLLM(pieces), tmp_path, settings, audio="binary") as (daemon, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        finished = await client.until("turn_finished", turn_id=turn_id)
        dropped = {message["seq"] for message in client.messages("audio_dropped")}
        spoken_of = {
            seq
            for message in client.messages("audio")
            for seq in range(message["seq"], message["through_seq"] + 1)
        }
        assert dropped and not dropped & spoken_of and dropped | spoken_of == set(range(9))
        assert {0, 8} <= spoken_of, "the first and the last are kept"
        assert finished["text"] == "".join(pieces).strip()
        assert daemon.bridge.meter.dropped_sentences == len(dropped)


async def test_nothing_is_dropped_where_text_waits(tmp_path: Path) -> None:
    settings = spoken(2, speech={"max_queue_size": 1})
    pieces = tuple(f"This is sentence number {number} of many. " for number in range(9))
    async with daemon_and_client(ScriptedLLM(pieces), tmp_path, settings, audio="binary") as (_, client):
        await client.meet("balgruuf")
        await client.say("balgruuf")
        await client.until("turn_finished")
        assert not client.messages("audio_dropped")
        assert [message["seq"] for message in client.messages("audio_end")] == list(range(9))


# --- What the daemon plays itself: with no device, time passes as if there were one


PLAYED: dict[str, Any] = {"playback": {"device": "none"}}


async def test_the_daemon_plays_and_tells_what_was_heard(tmp_path: Path) -> None:
    settings = spoken(**PLAYED)
    async with daemon_and_client(ScriptedLLM(REPLY[:2]), tmp_path, settings, audio="daemon") as (_, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        recorded = await client.until("turn_recorded", turn_id=turn_id)
        assert recorded["heard_text"] == "".join(REPLY[:2]).strip()
        played = [(message["seq"], message["status"]) for message in client.messages("playback")]
        assert played == [(0, "started"), (0, "ended"), (1, "started"), (1, "ended")]
        assert not client.frames()
        for audio in client.messages("audio"):
            assert audio["visemes"]
            (started, _) = client.messages("playback", seq=audio["seq"])
            assert client.seen.index(audio) < client.seen.index(started)


async def test_what_the_daemon_plays_is_cut_off_and_remembered_to_the_word(tmp_path: Path) -> None:
    settings = spoken(50, **PLAYED)
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings, audio="daemon") as (_, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        await client.until("playback", seq=0, status="started")
        await asyncio.sleep(0.4)
        await client.send(type="interrupt", turn_id=turn_id)
        aborted = await client.until("playback", turn_id=turn_id, status="aborted")
        assert aborted["heard_ms"] < 1900
        recorded = await client.until("turn_recorded", turn_id=turn_id)
        assert "".join(REPLY).startswith(recorded["heard_text"])
        assert 0 < len(recorded["heard_text"]) < len(REPLY[0])


async def test_what_the_daemon_plays_stands_still_while_the_game_does(tmp_path: Path) -> None:
    settings = spoken(20, **PLAYED)
    async with daemon_and_client(ScriptedLLM(REPLY[:1]), tmp_path, settings, audio="daemon") as (_, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        await client.until("playback", seq=0, status="started")
        await client.ask(type="game_paused", paused=True)
        await asyncio.sleep(1.2)
        await client.settle()
        assert not client.messages("playback", status="ended")
        await client.ask(type="game_paused", paused=False)
        await client.until("playback", turn_id=turn_id, status="ended")


async def test_the_next_npc_begins_when_the_daemon_has_played_the_first(tmp_path: Path) -> None:
    settings = spoken(**PLAYED)
    async with daemon_and_client(ScriptedLLM(REPLY[:1]), tmp_path, settings, audio="daemon") as (_, client):
        for npc in ("lydia", "farkas"):
            await client.meet(npc)
        first = await client.say("lydia")
        await client.until("audio", turn_id=first)
        second = await client.say("farkas")
        await client.until("playback", turn_id=second, status="ended")
        (ended,) = client.messages("playback", turn_id=first, status="ended")
        (started,) = client.messages("playback", turn_id=second, status="started")
        assert client.seen.index(ended) < client.seen.index(started)


async def test_a_game_that_was_lost_in_a_menu_silences_no_other(tmp_path: Path) -> None:
    settings = spoken(**PLAYED)
    async with daemon_and_client(ScriptedLLM(REPLY[:1]), tmp_path, settings, audio="daemon") as (daemon, lost):
        await lost.ask(type="game_paused", paused=True)
        async with raw_client(daemon.url, audio="daemon") as client:
            await client.meet("balgruuf")
            turn_id = await client.say("balgruuf")
            await client.until("playback", turn_id=turn_id, status="ended")


async def test_what_a_crash_of_the_player_keeps_from_being_heard_is_shown(tmp_path: Path) -> None:
    settings = spoken(30, **PLAYED)
    async with daemon_and_client(ScriptedLLM(REPLY), tmp_path, settings, audio="daemon") as (daemon, client):
        await client.meet("balgruuf")
        turn_id = await client.say("balgruuf")
        while not (client.messages("audio", seq=1) and client.messages("playback", seq=0)):
            await client.receive()
        assert daemon.bridge.playback.pid
        os.kill(daemon.bridge.playback.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        await client.until("audio_dropped", turn_id=turn_id, seq=1)
        recorded = await client.until("turn_recorded", turn_id=turn_id)
        assert recorded["heard_text"].endswith("".join(REPLY[1:]))
        played = [(message["seq"], message["status"]) for message in client.messages("playback")]
        assert played[:2] == [(0, "started"), (0, "aborted")] and (1, "aborted") not in played
        assert not client.messages("audio_dropped", seq=0)
