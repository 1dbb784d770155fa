"""Which voice an NPC has: its own, or by its voice type, race and gender from a table, the same one every time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from rfsn_bridge import blend, yaml_file
from rfsn_bridge.domain import Npc
from rfsn_bridge.errors import ConfigError

Names = tuple[str, ...]
_GENDERS = ("male", "female")
_MOST = 64
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class _Table:
    """One engine's; keys are plain, see `_plain`."""

    voice_types: Mapping[str, Names]
    races: Mapping[tuple[str, str], Names]
    genders: Mapping[str, Names]

    def over(self, other: _Table) -> _Table:
        return _Table(
            {**other.voice_types, **self.voice_types},
            {**other.races, **self.races},
            {**other.genders, **self.genders},
        )


_EMPTY = _Table({}, {}, {})


class Voices:
    """The table, merged from ours and the player's."""

    def __init__(self, tables: Mapping[str, _Table]) -> None:
        self._tables = tables

    def choose(self, npc: Npc, engine: str, known: Sequence[str], default: str) -> str:
        """The voice of an NPC: a name, or a blend where the engine's own table has one.

        `known` are the engine's voices; empty where it has not told yet: then the table is trusted. `default` is
        for an NPC of which nothing is known; if it is empty too, chance decides by the NPC's id. Only voices that
        speak the default's language are chosen, as far as their names tell.
        """
        if npc.voice:
            return npc.voice
        language = _language(default)
        fitting = [voice for voice in known if _speaks(voice, language)]
        for names in self._candidates(npc, engine, trusted=not known):
            usable = [each for each in names if _fits(each, known, language)]
            if usable:
                return _picked(npc.npc_id, usable)
        gender = _gender(npc)
        if not gender and default:
            return default
        of_gender = [voice for voice in fitting if not gender or self._sounds(voice, engine) == gender]
        return _picked(npc.npc_id, of_gender) if of_gender else default or _picked(npc.npc_id, fitting)

    def _candidates(self, npc: Npc, engine: str, *, trusted: bool) -> Iterator[Names]:
        """What the table has for an NPC, the nearest first; a server may have another engine's voices."""
        others = () if trusted else tuple(name for name in self._tables if name != engine)
        kind, race, gender = _plain(npc.voice_type), _race(npc), _gender(npc)
        for name in (engine, *others):
            table = self._tables.get(name, _EMPTY)
            for names in (
                table.voice_types.get(kind, ()),
                table.races.get((race, gender), ()),
                table.genders.get(gender, ()),
            ):
                yield names if name == engine else tuple(each for each in names if "," not in each)

    def _sounds(self, voice: str, engine: str) -> str:
        """The gender that a voice's name tells, or our table of its engine."""
        if match := _KOKORO_NAME.match(voice):
            return "female" if match[2] == "f" else "male"
        if match := _SAYS_GENDER.search(voice):
            return "female" if match[0].casefold() in ("female", "woman", "girl") else "male"
        genders = self._tables.get(engine, _EMPTY).genders
        return next((gender for gender in _GENDERS if voice in genders.get(gender, ())), "")


_LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
_KOKORO_NAME = re.compile(r"([a-z])([fm])_")
_SAYS_GENDER = re.compile(r"(?<![a-z])(?:female|male|woman|man|girl|boy)(?![a-z])", re.IGNORECASE)
_BLEND = re.compile(r"[^\s,:]+(?::\d+(?:\.\d+)?)?(?:\s*,\s*[^\s,:]+(?::\d+(?:\.\d+)?)?)*")
_KIT_PREFIX = re.compile(r"^(?:dlc\d+(?:ld)?|special)")
_KIT_RACE = re.compile(r"race|vampire|^dlc\d+|afflicted|astrid")


def _plain(name: str | None) -> str:
    """A voice type or race without capitals, blanks and the game's prefixes."""
    return _KIT_PREFIX.sub("", "".join(char for char in (name or "").casefold() if char.isalnum()))


def _race(npc: Npc) -> str:
    race = _KIT_RACE.sub("", _plain(npc.race))
    return "child" if race.endswith("child") else race


def _gender(npc: Npc) -> str:
    """As the NPC tells, or its voice type; empty if neither does."""
    told = (npc.gender or "").strip().casefold()
    for gender, ways in (("female", ("female", "f", "woman", "girl")), ("male", ("male", "m", "man", "boy"))):
        if told in ways:
            return gender
    kind = _plain(npc.voice_type)
    return next((gender for gender in ("female", "male") if kind.startswith(gender)), "")


def _language(voice: str) -> str:
    """What a voice's name tells of its language: the letter of Kokoro's names, "a" for both kinds of English."""
    match = _KOKORO_NAME.match(voice or "af_")
    return match[1].replace("b", "a") if match else ""


def language_of(voice: str) -> str:
    """The language that a voice speaks, as espeak names it, by the letter of Kokoro's names; else English."""
    match = _KOKORO_NAME.match(voice)
    return _LANGUAGES.get(match[1], "en-us") if match else "en-us"


def _speaks(voice: str, language: str) -> bool:
    return not language or _language(voice) in ("", language)


def _fits(voice: str, known: Sequence[str], language: str) -> bool:
    names = blend.names(voice)
    return (not known or all(name in known for name in names)) and _speaks(names[0], language)


def _picked(npc_id: str, names: Sequence[str]) -> str:
    """The same for the same NPC, also when other voices come or go: each name draws a number with it."""
    return max(
        names, key=lambda name: hashlib.blake2b(f"{npc_id}\0{name}".encode(), digest_size=8).digest(), default=""
    )


@lru_cache(maxsize=1)
def builtin_voices() -> Voices:
    return load_voices(())


def load_voices(files: Iterable[tuple[str, bytes]]) -> Voices:
    """Ours with `files` (name and content) on top, in order; raises ConfigError with the line."""
    name = "voices.yaml"
    tables: dict[str, _Table] = {}
    for file in ((name, resources.files("rfsn_bridge.speech.data").joinpath(name).read_bytes()), *files):
        for engine, table in _Reader(*file).tables():
            tables[engine] = table.over(tables.get(engine, _EMPTY))
    return Voices(tables)


class _Reader:
    """One file; every mistake is told with its line."""

    def __init__(self, name: str, text: bytes) -> None:
        self._name = name
        self._document = yaml_file.read(text, name)

    def tables(self) -> Iterator[tuple[str, _Table]]:
        for engine, value in self._mapping(self._document.value).items():
            sections = self._mapping(value, engine)
            for section in sections:
                if section not in ("voice_types", "races", "genders"):
                    hint = "known here: voice_types, races, genders"
                    raise self._error(f"there is no section {engine}.{section}", hint, engine, section)
            kinds = self._mapping(sections.get("voice_types"), engine, "voice_types")
            races = self._mapping(sections.get("races"), engine, "races")
            yield (
                engine,
                _Table(
                    {
                        _plain(kind): self._names(names, engine, "voice_types", kind)
                        for kind, names in kinds.items()
                    },
                    {
                        (_plain(race), gender): names
                        for race, genders in races.items()
                        for gender, names in self._by_gender(genders, engine, "races", race).items()
                    },
                    self._by_gender(sections.get("genders"), engine, "genders"),
                ),
            )

    def _by_gender(self, value: Any, *at: str) -> dict[str, Names]:
        genders = self._mapping(value, *at)
        if odd := next((gender for gender in genders if gender not in _GENDERS), None):
            raise self._error(f"there is no key {'.'.join((*at, odd))}", "known here: male, female", *at, odd)
        return {gender: self._names(names, *at, gender) for gender, names in genders.items()}

    def _names(self, value: Any, *at: str) -> Names:
        listed = value if isinstance(value, list) else [value]
        hint = "write a voice, a blend in quotes (`af_bella:0.6,bf_emma:0.4`), or a list of these"
        if not 0 < len(listed) <= _MOST:
            raise self._error(f"{'.'.join(at)} needs 1 to {_MOST} voices", hint, *at)
        for number, voice in enumerate(listed):
            if not isinstance(voice, str) or len(voice) > _LONGEST or not _BLEND.fullmatch(voice):
                raise self._error(f"{'.'.join(at)}: {voice!r} is no voice", hint, *at, str(number))
        return tuple(listed)

    def _mapping(self, value: Any, *at: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            what = ".".join(at) or "the file"
            raise self._error(f"{what} needs keys of its own", "write `key: value` below it", *at)
        return value

    def _error(self, wrong: str, hint: str, *at: str) -> ConfigError:
        lines = self._document.lines
        line = next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), None)
        place = f"{self._name}, line {line}" if line else self._name
        return ConfigError(f"{place}: {wrong}", hint, key=".".join(at), line=line)
