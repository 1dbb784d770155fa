"""Phrases that were spoken before: in memory, on disk, within their bounds, and never a wrong one."""

import asyncio
import os
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfsn_bridge.domain import AudioChunk, SpeechRequest, WordTiming
from rfsn_bridge.speech import cache as module
from rfsn_bridge.speech.cache import LONGEST, PhraseCache, fingerprint
from rfsn_bridge.speech.phrase_files import PhraseFiles, decode, encode

MB = 1024**2
VOICE = "some voice"


def request(text: str = "Hail.", **more: object) -> SpeechRequest:
    return SpeechRequest(text, "af_bella", **more)  # type: ignore[arg-type]


def sound(kilobytes: int = 1, byte: int = 7) -> AudioChunk:
    return AudioChunk(
        bytes([byte]) * 1024 * kilobytes, 24000, (WordTiming("Hail", 0, 300),), (WordTiming("h", 0, 80),)
    )


def cache_in(folder: Path, memory_bytes: int = MB, disk_bytes: int = MB) -> PhraseCache:
    return PhraseCache(folder / "phrases", memory_bytes=memory_bytes, disk_bytes=disk_bytes)


async def say(cache: PhraseCache, what: SpeechRequest, audio: AudioChunk | None = None) -> bool:
    """Ask for a phrase and, if it is not there, speak it; whether it was there."""
    key = cache.key(what, VOICE)
    if await cache.get(key):
        return True
    cache.put(key, what, [audio or sound()])
    return False


def stored(folder: Path) -> list[Path]:
    return sorted((folder / "phrases").glob("*.phrase"))


# --- What a phrase is


@pytest.mark.parametrize(
    "other",
    [
        request("Hail!"),
        SpeechRequest("Hail.", "am_adam"),
        request(speed=1.1),
        request(lang="en-gb"),
        request(phonemes={"Hail": "heɪl"}),
    ],
)
def test_whatever_changes_the_sound_makes_another_phrase(other: SpeechRequest) -> None:
    assert PhraseCache.key(other, VOICE) != PhraseCache.key(request(), VOICE)
    assert PhraseCache.key(request(), "another voice") != PhraseCache.key(request(), VOICE)


def test_the_same_phrase_has_the_same_key() -> None:
    sounds = {"a": "x", "b": "y"}
    turned = MappingProxyType(dict(reversed(sounds.items())))
    assert PhraseCache.key(request(phonemes=sounds), VOICE) == PhraseCache.key(request(phonemes=turned), VOICE)
    assert PhraseCache.key(request(speed=1), VOICE) == PhraseCache.key(request(), VOICE)


def test_a_voice_is_another_when_its_options_or_its_model_file_change(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"one")
    options = {"model": str(model), "threads": 2, "quality": "int8", "note": "a\0b"}
    first = fingerprint("kokoro", options)
    assert fingerprint("kokoro", dict(reversed(options.items()))) == first
    assert fingerprint("piper", options) != first
    assert fingerprint("kokoro", {**options, "quality": "fp32"}) != first
    model.write_bytes(b"another")
    assert fingerprint("kokoro", options) != first


# --- In memory


async def test_what_was_spoken_comes_back_whole_with_its_timings(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    key = cache.key(request(), VOICE)
    assert await cache.get(key) == ()
    first = AudioChunk(b"\1\2", 24000, (WordTiming("Hail", 0, 300),), (WordTiming("h", 0, 80),))
    second = AudioChunk(b"\3\4", 24000, (WordTiming("friend", 300, 600),))
    cache.put(key, request(), [first, second])
    (whole,) = await cache.get(key)
    assert whole.pcm == b"\1\2\3\4" and whole.sample_rate == 24000
    assert [each.text for each in whole.timings] == ["Hail", "friend"] and whole.phonemes == first.phonemes
    assert (cache.stats.memory_hits, cache.stats.misses) == (1, 1)


async def test_the_longest_unused_goes_when_memory_is_full(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, memory_bytes=35 * 1024)
    for text in ("one", "two", "three"):
        await say(cache, request(text), sound(10))
    assert await say(cache, request("one"))
    assert not await say(cache, request("four"), sound(10))
    assert cache.stats.memory_phrases == 3 and cache.stats.memory_bytes <= 35 * 1024
    assert await say(cache, request("one")) and not await say(cache, request("two"), sound(10))


async def test_nothing_is_kept_of_what_is_too_long_too_large_or_silent(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, memory_bytes=2048)
    for what, spoken in (
        (request("x" * (LONGEST + 1)), [sound()]),
        (request("large"), [sound(2)]),
        (request("silent"), []),
    ):
        cache.put(cache.key(what, VOICE), what, spoken)
    assert cache.stats.memory_phrases == 0 == cache.stats.memory_bytes


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 12)), max_size=40))
def test_the_bytes_in_memory_are_counted_right(puts: list[tuple[int, int]]) -> None:
    cache = PhraseCache(Path("nowhere"), memory_bytes=30 * 1024, disk_bytes=0)
    for name, kilobytes in puts:
        what = request(str(name))
        cache.put(cache.key(what, VOICE), what, [sound(kilobytes)])
    held = list(cache._memory.values())
    assert cache.stats.memory_bytes == sum(map(module._size, held)) <= 30 * 1024


async def test_what_was_asked_for_is_remembered_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    cache = cache_in(tmp_path)
    for number in range(10):
        await cache.get(str(number))
    assert list(cache._asked) == ["7", "8", "9"]


# --- On disk


async def test_only_what_is_asked_for_twice_is_written_and_outlives_the_daemon(tmp_path: Path) -> None:
    async with cache_in(tmp_path) as cache:
        await say(cache, request("a secret"))
        assert not await say(cache, request("Hail."))
        assert await say(cache, request("Hail."))
    (file,) = stored(tmp_path)
    assert file.stat().st_size == cache.stats.disk_bytes
    async with cache_in(tmp_path) as cache:
        assert cache.stats.disk_phrases == 1
        assert await say(cache, request("Hail.")) and not await say(cache, request("a secret"))
        assert await cache.get(cache.key(request("Hail."), VOICE)) == (sound(),)
    assert (cache.stats.disk_hits, cache.stats.memory_hits, cache.stats.misses) == (1, 1, 1)


async def test_without_memory_what_is_spoken_twice_is_found_on_disk_the_third_time(tmp_path: Path) -> None:
    async with cache_in(tmp_path, memory_bytes=0) as cache:
        assert not await say(cache, request()) and not await say(cache, request())
        assert cache._writer
        await asyncio.wait([cache._writer])
        assert await say(cache, request())
    assert cache.stats.memory_bytes == 0 and cache.stats.disk_hits == 1


async def twice(cache: PhraseCache, *texts: str, audio: AudioChunk | None = None) -> None:
    """Have phrases written."""
    for text in texts:
        await say(cache, request(text), audio)
        await say(cache, request(text), audio)
        if cache._writer:
            await asyncio.wait([cache._writer])


async def test_the_oldest_use_goes_when_the_disk_is_full(tmp_path: Path) -> None:
    async with cache_in(tmp_path, memory_bytes=0, disk_bytes=35 * 1024) as cache:
        await twice(cache, "one", "two", "three", audio=sound(10))
        assert await say(cache, request("one"))
        await twice(cache, "four", audio=sound(10))
        assert len(stored(tmp_path)) == cache.stats.disk_phrases == 3
        assert sum(file.stat().st_size for file in stored(tmp_path)) == cache.stats.disk_bytes <= 35 * 1024
        assert await say(cache, request("one")) and not await say(cache, request("two"), sound(10))
    async with cache_in(tmp_path, disk_bytes=12 * 1024) as smaller:
        assert smaller.stats.disk_phrases == len(stored(tmp_path)) == 1
        assert await say(smaller, request("two"))


async def test_the_order_of_use_outlives_the_daemon(tmp_path: Path) -> None:
    async with cache_in(tmp_path, disk_bytes=35 * 1024) as cache:
        await twice(cache, "one", "two", "three", audio=sound(10))
    for age, text in enumerate(("two", "one", "three")):
        file = tmp_path / "phrases" / f"{cache.key(request(text), VOICE)}.phrase"
        os.utime(file, (1000 + age, 1000 + age))
    async with cache_in(tmp_path, disk_bytes=35 * 1024) as cache:
        assert await say(cache, request("two"))
        await twice(cache, "four", audio=sound(10))
        assert not await say(cache, request("one")) and await say(cache, request("three"))


async def test_a_disk_that_is_turned_off_is_emptied(tmp_path: Path) -> None:
    async with cache_in(tmp_path) as cache:
        await twice(cache, "Hail.")
    async with cache_in(tmp_path, disk_bytes=0) as cache:
        assert stored(tmp_path) == []
        await twice(cache, "Hail.")
    assert stored(tmp_path) == []


async def test_nothing_is_written_before_it_is_opened_or_after_it_is_closed(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    await twice(cache, "Hail.")
    await cache.open()
    await cache.aclose()
    await twice(cache, "Farewell.")
    assert stored(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another's"])
async def test_a_broken_file_is_deleted_counted_and_spoken_anew(tmp_path: Path, damage: str) -> None:
    async with cache_in(tmp_path) as cache:
        await twice(cache, "Hail.")
    (file,) = stored(tmp_path)
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    file.write_bytes(
        {
            "cut": content[:-1],
            "flipped": content,
            "empty": b"",
            "another's": encode("0" * 64, sound()),
        }[damage]
    )
    async with cache_in(tmp_path) as cache:
        assert not await say(cache, request("Hail."))
        assert cache.stats.broken == 1 and cache.stats.disk_phrases == 0 == cache.stats.disk_bytes
        assert stored(tmp_path) == []
        await twice(cache, "Hail.")
    assert len(stored(tmp_path)) == 1


async def test_what_somebody_else_deletes_is_just_not_there(tmp_path: Path) -> None:
    async with cache_in(tmp_path, memory_bytes=0) as cache:
        await twice(cache, "Hail.", "Farewell.")
        for file in stored(tmp_path):
            file.unlink()
        assert not await say(cache, request("Hail."))
        assert cache.stats.broken == cache.stats.failed == 0 and cache.stats.disk_phrases == 1


async def test_what_was_left_half_written_is_deleted_and_the_rest_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "phrases"
    folder.mkdir()
    (folder / f"{'0' * 64}.1-1.part").write_bytes(b"RFSN")
    (folder / "notes.txt").write_text("mine")
    async with cache_in(tmp_path) as cache:
        await cache.clear()
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]


async def test_a_folder_that_cannot_be_written_costs_only_the_disk(tmp_path: Path) -> None:
    (tmp_path / "phrases").write_text("a file is in the way")
    async with cache_in(tmp_path) as cache:
        await twice(cache, "Hail.", "Farewell.")
        assert await say(cache, request("Hail."))
    assert cache.stats.failed == 3 and cache.stats.disk_phrases == 0


async def test_clearing_forgets_memory_and_disk(tmp_path: Path) -> None:
    async with cache_in(tmp_path) as cache:
        await twice(cache, "Hail.", "Farewell.")
        await cache.clear()
        assert stored(tmp_path) == []
        assert cache.stats.memory_bytes == cache.stats.disk_bytes == 0
        assert not await say(cache, request("Hail."))
        await cache.clear()
    assert stored(tmp_path) == []


async def test_many_at_once_get_what_they_asked_for(tmp_path: Path) -> None:
    rng = Random(6)
    async with cache_in(tmp_path, memory_bytes=8 * 1024, disk_bytes=20 * 1024) as cache:

        async def talk() -> None:
            for _ in range(60):
                number = rng.randrange(12)
                what = request(str(number))
                key = cache.key(what, VOICE)
                if known := await cache.get(key):
                    assert known == (sound(byte=number),)
                else:
                    cache.put(key, what, [sound(byte=number)])
                if cache._writer and rng.random() < 0.2:
                    await asyncio.wait([cache._writer])
                await asyncio.sleep(0)

        talks = [asyncio.create_task(talk()) for _ in range(8)]
        talks[0].cancel()
        await asyncio.wait(talks)
        assert [talk.exception() for talk in talks[1:]] == [None] * 7
    files = stored(tmp_path)
    assert sum(file.stat().st_size for file in files) == cache.stats.disk_bytes <= 20 * 1024
    assert cache.stats.broken == cache.stats.failed == 0 < cache.stats.disk_hits


# --- The files


timings = st.lists(st.builds(WordTiming, st.text(), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=4)
audios = st.builds(
    AudioChunk, st.binary(), st.integers(8000, 48000), timings.map(tuple), phonemes=timings.map(tuple)
)


@given(st.text("0123456789abcdef", min_size=64, max_size=64), audios)
def test_a_phrase_is_read_as_it_was_written(key: str, audio: AudioChunk) -> None:
    assert decode(key, encode(key, audio)) == audio


@given(audios, st.data())
def test_a_file_with_any_byte_changed_or_missing_is_refused(audio: AudioChunk, data: st.DataObject) -> None:
    content = bytearray(encode("k", audio))
    at = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError):
        decode("k", bytes(content[:at]))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError):
        decode("k", bytes(content))


def test_files_of_another_program_are_refused() -> None:
    from rfsn_bridge.speech.phrase_files import MAGIC, _sum

    for header in (b"[]", b"{}", b'{"timings": 1}', b"no json"):
        body = len(header).to_bytes(4, "little") + header
        with pytest.raises(ValueError):
            decode("k", MAGIC + _sum("k", body) + body)


def test_two_processes_writing_one_phrase_leave_a_whole_one(tmp_path: Path) -> None:
    one, other = PhraseFiles(tmp_path), PhraseFiles(tmp_path)
    key = "0" * 64
    assert one.write(key, sound(byte=1)) == other.write(key, sound(byte=2))
    assert one.read(key) == sound(byte=2)
    assert [name for name, _ in one.listing()] == [key]
