"""How names and words are said that a voice would read wrongly: a lexicon in YAML, the player's files on top.

A text's own words are looked up, so the cost does not grow with the lexicon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from rfsn_bridge import yaml_file
from rfsn_bridge.errors import ConfigError

_MAX_WORD = 60
_MAX_SOUND = 160
_MAX_WORDS_OF_ONE = 6
_IPA = frozenset(
    " abcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔʣʥʦʨᵝꭧᵊᵻˈˌːʰʲ\u0303↓→↗↘"
)
"""What Kokoro knows of espeak's alphabet."""
_OTHER_WAYS = str.maketrans({"g": "ɡ", "'": "ˈ", ":": "ː", "ɝ": "ɚ", "ʼ": "ˈ", "͡": ""})
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_VOICELESS = "ptkfθ"
_SIBILANTS = "szʃʒ"


@dataclass(frozen=True, slots=True)
class _Entry:
    """`words` are the key's, folded. `capital`: meant only where the text has a capital."""

    words: tuple[str, ...]
    capital: bool
    say: str
    ipa: tuple[str, ...]


class Pronunciation:
    """What is known of how words are said."""

    def __init__(self, entries: Mapping[tuple[str, ...], _Entry]) -> None:
        self._entries = entries
        starts: dict[str, list[_Entry]] = {}
        for words, entry in sorted(entries.items(), key=lambda item: -len(item[0])):
            starts.setdefault(words[0], []).append(entry)
        self._starts: Mapping[str, tuple[_Entry, ...]] = {word: tuple(all_) for word, all_ in starts.items()}

    def __len__(self) -> int:
        return len(self._entries)

    def apply(self, text: str, *, ipa: bool = True) -> tuple[str, Mapping[str, str]]:
        """The text, respelled where the lexicon only has a spelling; and the sounds, in IPA, of words in it.

        Words are given as they stand in the text, a plural or possessive with its ending. Without `ipa`, for an
        engine that takes no sounds, all that has a spelling is respelled.
        """
        found = list(_WORD.finditer(text))
        sounds: dict[str, str] = {}
        out: list[str] = []
        kept = at = 0
        while at < len(found):
            entry, ending = self._find(text, found, at)
            if entry is None:
                at += 1
                continue
            matches = found[at : at + len(entry.words)]
            at += len(matches)
            if entry.ipa and ipa:
                for match, sound in zip(matches, entry.ipa, strict=True):
                    sounds[match[0]] = sound
                sounds[matches[-1][0]] = _with_ending(entry.ipa[-1], ending)
            elif entry.say:
                out += (text[kept : matches[0].start()], entry.say, ending)
                kept = matches[-1].end()
        return ("".join((*out, text[kept:])) if out else text), sounds

    def _find(self, text: str, found: list[re.Match[str]], at: int) -> tuple[_Entry | None, str]:
        """The longest entry that begins at a word, and the ending that its last word has beside it."""
        first = found[at][0]
        for word, ending in _bare(first):
            for entry in self._starts.get(word, ()):
                if entry.capital and not first[0].isupper():
                    continue
                if len(entry.words) == 1:
                    return entry, ending
                if not ending and (last := _follows(text, found[at : at + len(entry.words)], entry)) is not None:
                    return entry, last
        return None, ""


def _bare(word: str) -> Iterator[tuple[str, str]]:
    """A word as the lexicon may have it, with what ending taken off."""
    folded = word.casefold().replace("’", "'")
    yield folded, ""
    if folded.endswith("'s"):
        yield folded[:-2], "'s"
    elif folded.endswith("s"):
        yield folded[:-1], "s"


def _follows(text: str, matches: list[re.Match[str]], entry: _Entry) -> str | None:
    """The ending of the last word, where all words of the entry follow one another."""
    if len(matches) < len(entry.words):
        return None
    for earlier, later, word in zip(matches, matches[1:-1], entry.words[1:-1], strict=False):
        if later[0].casefold() != word or text[earlier.end() : later.start()] not in (" ", "-"):
            return None
    if text[matches[-2].end() : matches[-1].start()] not in (" ", "-"):
        return None
    return next((ending for word, ending in _bare(matches[-1][0]) if word == entry.words[-1]), None)


def _with_ending(sound: str, ending: str) -> str:
    if not ending:
        return sound
    last = sound.rstrip("ːˈˌ")[-1:]
    return sound + ("ᵻz" if last in _SIBILANTS else "s" if last in _VOICELESS else "z")


@lru_cache(maxsize=1)
def builtin_pronunciation() -> Pronunciation:
    return load_pronunciation(())


def load_pronunciation(files: Iterable[tuple[str, bytes]]) -> Pronunciation:
    """Ours with `files` (name and content) on top, in order; raises ConfigError with the line."""
    name = "pronunciation.yaml"
    entries: dict[tuple[str, ...], _Entry] = {}
    for file in ((name, resources.files("rfsn_bridge.speech.data").joinpath(name).read_bytes()), *files):
        for entry in _Reader(*file).entries():
            entries[entry.words] = entry
    return Pronunciation({words: entry for words, entry in entries.items() if entry.say or entry.ipa})


class _Reader:
    """One file; every mistake is told with its line."""

    def __init__(self, name: str, text: bytes) -> None:
        self._name = name
        self._document = yaml_file.read(text, name)

    def entries(self) -> Iterator[_Entry]:
        document = self._document.value
        if document is None:
            return
        if not isinstance(document, dict):
            raise ConfigError(f"{self._name} holds no words", "write `Jarl: yarl`, a line for each word")
        for key, value in document.items():
            yield self._entry(key, value)

    def _entry(self, key: str, value: Any) -> _Entry:
        words = tuple(word.casefold() for word in _WORD.findall(key.replace("’", "'")))
        if not 0 < len(words) <= _MAX_WORDS_OF_ONE or len(key) > _MAX_WORD:
            hint = f"write {_MAX_WORDS_OF_ONE} words at most, of {_MAX_WORD} characters together"
            raise self._error(f"{key} is no word", hint, key)
        if isinstance(value, str):
            value = {"say": value}
        if not isinstance(value, dict) or not value:
            hint = "write a spelling, or {say: a spelling, ipa: sounds}; put it in quotes if it is a number"
            raise self._error(f"{key} does not tell how it is said", hint, key)
        for part, text in value.items():
            if part not in ("say", "ipa"):
                raise self._error(f"there is no key {key}.{part}", "known here: say, ipa", key, part)
            if not isinstance(text, str) or len(text) > _MAX_SOUND:
                hint = "put it in quotes" if not isinstance(text, str) else "shorten it"
                raise self._error(f"{key}.{part} is no text of {_MAX_SOUND} characters at most", hint, key, part)
        return _Entry(words, key != key.casefold(), value.get("say", "").strip(), self._ipa(key, words, value))

    def _ipa(self, key: str, words: tuple[str, ...], value: Mapping[str, str]) -> tuple[str, ...]:
        written = value.get("ipa", "").strip().strip("/[]").translate(_OTHER_WAYS)
        if odd := next((char for char in written if char not in _IPA), None):
            raise self._error(f"{key}.ipa has the sign {odd!r}, which no voice knows", _IPA_HINT, key, "ipa")
        sounds = tuple(written.split())
        if sounds and len(sounds) != len(words):
            hint = "put a space between the sounds of each word"
            raise self._error(f"{key}.ipa is {len(sounds)} words, not {len(words)}", hint, key, "ipa")
        return sounds

    def _error(self, wrong: str, hint: str, *at: str) -> ConfigError:
        lines = self._document.lines
        line = lines.get(at) or lines.get(at[:1])
        place = f"{self._name}, line {line}" if line else self._name
        return ConfigError(f"{place}: {wrong}", hint, key=".".join(at), line=line)


_IPA_HINT = "write IPA as espeak does (`espeak-ng -q --ipa word`), or a spelling under `say`"
