"""The words that language models are told, from YAML: the built-in ones, and the files of modders on top of them.

What is stronger, last: the built-in file, the files in the order given, their `games:` section of the game that
is played, their `npcs:` section of the NPC that speaks. A text may be one for all models or differ for very small
ones (`short`) and others (`full`). Placeholders are plain `{name}`; which a text may use is a closed set, and what
is put in their place is never read as a template.
"""

import difflib
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from string import Formatter
from typing import Any, Literal

from rfsn_bridge import yaml_file
from rfsn_bridge.domain import Action, Exchange, Mood, Relationship, Style
from rfsn_bridge.errors import ConfigError

_MAX_TEXT = 4000
_MAX_EXAMPLES = 32
_MAX_EXAMPLE = 500
_NEAR = 0.5

Profile = Literal["short", "full"]
_PROFILES: tuple[Profile, ...] = ("short", "full")
_NOTE = "place when events memories relationship mood trust fear fight quest action style"
_EXAMPLES = "examples"
# Every text and the placeholders that it may use, beside {name}; those with a "!" it must use.
_PLACEHOLDERS: Mapping[str, str] = {
    "system": "who bio rules summaries",
    "who": "",
    "who_of_a_kind": "kind",
    "bio": "bio",
    "rules": "",
    "line": "line! note",
    "unprompted": "reason! note",
    "speak": "",
    "spoke_unasked": "",
    "note": _NOTE,
    "situation.place": "location",
    "situation.when": "when",
    "situation.event": "event!",
    "memories.all": "memories!",
    "memories.one": "memory!",
    "summaries.all": "summaries!",
    "summaries.one": "summary!",
    "summarise.system": "",
    "summarise.said": "who! text!",
    "summarise.did": "who! deed!",
    "summarise.earlier": "summary!",
    "summarise.ask": "notes!",
    **dict.fromkeys((f"relationships.{each.value}" for each in Relationship), ""),
    **dict.fromkeys((f"moods.{each.value}" for each in Mood), ""),
    **dict.fromkeys((f"state.{each}" for each in ("trusting", "distrusting", "afraid", "fight", "quest")), ""),
    "deeds.done": "deed",
    "deeds.not_done": "deed",
    "deeds.not_done_because": "deed reason",
    **dict.fromkeys((f"actions.{each.value}" for each in Action), ""),
    **dict.fromkeys((f"styles.{each.value}" for each in Style), ""),
}
_SECTIONS = frozenset(key.partition(".")[0] for key in _PLACEHOLDERS if "." in key)


@dataclass(frozen=True, slots=True)
class Example:
    """An exchange that shows how NPCs answer; its line carries the note of the action and style, if it has any."""

    exchange: Exchange
    action: Action | None = None
    style: Style | None = None


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one file, game or NPC says."""

    texts: Mapping[tuple[Profile, str], str]
    examples: Mapping[Profile, tuple[Example, ...]]

    def over(self, other: "_Layer") -> "_Layer":
        return _Layer({**other.texts, **self.texts}, {**other.examples, **self.examples})


_NOTHING = _Layer({}, {})


class Words:
    """The texts for one NPC and profile. What `fill` puts in place of placeholders is never read as a template."""

    def __init__(self, profile: Profile, layers: Iterable[_Layer], own: tuple[Example, ...] | None) -> None:
        strongest_first = tuple(layers)
        self._profile = profile
        self._texts = ChainMap(*(dict(layer.texts) for layer in strongest_first))
        self.own_examples = own
        """Those that are written for this NPC alone."""
        found = (layer.examples[profile] for layer in strongest_first if profile in layer.examples)
        self.examples: tuple[Example, ...] = next(found, ())
        """For an NPC that brings none."""

    def fill(self, key: str, **values: str) -> str:
        """The text with its values. Of a line whose placeholders are all empty, nothing is left."""
        lines = []
        for template in self._texts[self._profile, key].split("\n"):
            used = {name: values.get(name, "") for name in _fields(template)}
            line = template.format_map(used)
            if not all(used.values()):
                line = " ".join(part for part in line.split(" ") if part)
                if not any(used.values()) and not any(map(str.isalnum, line)):
                    continue
            lines.append(line)
        return "\n".join(lines).strip()


@dataclass(frozen=True, slots=True)
class Prompts:
    """All words, merged. `words` gives those for one NPC of one game."""

    base: _Layer
    games: Mapping[str, _Layer]
    npcs: Mapping[str, _Layer]

    def words(self, npc_id: str, game: str = "", *, small: bool) -> Words:
        profile: Profile = "short" if small else "full"
        npc = self.npcs.get(npc_id, _NOTHING)
        return Words(
            profile, (npc, self.games.get(game.casefold(), _NOTHING), self.base), npc.examples.get(profile)
        )


@lru_cache(maxsize=1)
def builtin_prompts() -> Prompts:
    return load_prompts(())


def load_prompts(files: Iterable[tuple[str, bytes]]) -> Prompts:
    """The built-in words with `files` (name and content) merged in, in order; raises ConfigError with the line."""
    name = "prompts.yaml"
    merged = Prompts(_NOTHING, {}, {})
    for file in ((name, resources.files("rfsn_bridge.mind.data").joinpath(name).read_bytes()), *files):
        found = _Reader(*file).prompts()
        merged = Prompts(
            found.base.over(merged.base), _over(found.games, merged.games), _over(found.npcs, merged.npcs)
        )
    return merged


def _over(layers: Mapping[str, _Layer], others: Mapping[str, _Layer]) -> Mapping[str, _Layer]:
    return {**others, **{name: layer.over(others.get(name, _NOTHING)) for name, layer in layers.items()}}


class _Reader:
    """One file: every mistake is told with its line and, where something is misspelt, the nearest right word."""

    def __init__(self, name: str, text: bytes) -> None:
        self._name = name
        self._document = yaml_file.read(text, name)

    def prompts(self) -> Prompts:
        top = dict(self._mapping(self._document.value, ()))
        games = self._mapping(top.pop("games", None), ("games",))
        npcs = self._mapping(top.pop("npcs", None), ("npcs",))
        return Prompts(
            self._layer(top, ()),
            {game.casefold(): self._layer(value, ("games", game)) for game, value in games.items()},
            {npc_id: self._layer(value, ("npcs", npc_id)) for npc_id, value in npcs.items()},
        )

    def _layer(self, value: Any, at: tuple[str, ...]) -> _Layer:
        texts: dict[tuple[Profile, str], str] = {}
        examples: dict[Profile, tuple[Example, ...]] = {}
        for key, inner in self._mapping(value, at).items():
            if key == _EXAMPLES:
                for profile, listed, where in self._profiles(inner, (*at, key)):
                    examples[profile] = self._examples(listed, where)
            elif key in _SECTIONS:
                for part, text in self._mapping(inner, (*at, key)).items():
                    texts |= self._texts(f"{key}.{part}", text, (*at, key, part))
            else:
                texts |= self._texts(key, inner, (*at, key))
        return _Layer(texts, examples)

    def _texts(self, key: str, value: Any, at: tuple[str, ...]) -> dict[tuple[Profile, str], str]:
        if key not in _PLACEHOLDERS:
            raise self._unknown("text", at, _known(key, top=len(at) == 1))
        return {(profile, key): self._text(key, text, where) for profile, text, where in self._profiles(value, at)}

    def _profiles(self, value: Any, at: tuple[str, ...]) -> Iterator[tuple[Profile, Any, tuple[str, ...]]]:
        """A value for each profile: the same for both, or as written below `short` and `full`."""
        if not isinstance(value, dict):
            yield from ((profile, value, at) for profile in _PROFILES)
            return
        for name, inner in value.items():
            profile = next((known for known in _PROFILES if known == name), None)
            if profile is None:
                raise self._unknown("kind of prompt", (*at, name), _PROFILES)
            yield profile, inner, (*at, name)

    def _text(self, key: str, text: Any, at: tuple[str, ...]) -> str:
        if not isinstance(text, str):
            raise self._error("must be a text", "put it in quotes; to say nothing, write ''", at)
        if len(text) > _MAX_TEXT:
            raise self._error(f"is longer than {_MAX_TEXT} characters", "shorten it", at)
        known = ("name", *(name.rstrip("!") for name in _PLACEHOLDERS[key].split()))
        try:
            used = list(_fields(text, plain=True))
        except ValueError as error:
            raise self._error(f"{error}", "write {{ and }} for braces that are no placeholder", at) from None
        if odd := next((name for name in used if name not in known), None):
            near = difflib.get_close_matches(odd, known, 1, _NEAR)
            hint = f"did you mean {{{near[0]}}}?" if near else f"known here: {_braced(known)}"
            raise self._error(f"has no placeholder {{{odd}}}", hint, at)
        needed = [name[:-1] for name in _PLACEHOLDERS[key].split() if name.endswith("!")]
        if missing := [name for name in needed if name not in used]:
            raise self._error(f"lacks {_braced(missing)}", "put it where it belongs", at)
        return text.strip()

    def _examples(self, value: Any, at: tuple[str, ...]) -> tuple[Example, ...]:
        if value is None:
            value = []
        if not isinstance(value, list) or len(value) > _MAX_EXAMPLES:
            hint = "write each as `- {player: Good day., npc: Well met.}`"
            raise self._error(f"must be a list of {_MAX_EXAMPLES} at most", hint, at)
        return tuple(self._example(each, (*at, str(number))) for number, each in enumerate(value))

    def _example(self, value: Any, at: tuple[str, ...]) -> Example:
        entry = self._mapping(value, at)
        known = ("player", "npc", "action", "style")
        if odd := next((key for key in entry if key not in known), None):
            raise self._unknown("key", (*at, odd), known)
        for key in ("player", "npc"):
            text = entry.get(key)
            if not isinstance(text, str) or not 0 < len(text.strip()) <= _MAX_EXAMPLE:
                raise self._error(f"needs `{key}`, a text of {_MAX_EXAMPLE} characters at most", "", at)
        return Example(
            Exchange(entry["player"].strip(), entry["npc"].strip()),
            self._one_of(Action, entry.get("action"), (*at, "action")),
            self._one_of(Style, entry.get("style"), (*at, "style")),
        )

    def _one_of(self, kind: Any, value: Any, at: tuple[str, ...]) -> Any:
        if value is None or value in list(kind):
            return None if value is None else kind(value)
        raise self._unknown(at[-1], (*at[:-1], str(value)), [each.value for each in kind], at)

    def _mapping(self, value: Any, at: tuple[str, ...]) -> Mapping[str, Any]:
        if value is None:  # a section whose keys are all commented out
            return {}
        if not isinstance(value, dict):
            what = ".".join(at) or "the file"
            raise ConfigError(f"{self._place(at)}: {what} needs keys of its own", "write `key: text` below it")
        return value

    def _unknown(
        self, what: str, at: tuple[str, ...], known: Iterable[str], line_at: tuple[str, ...] | None = None
    ) -> ConfigError:
        known = list(known)
        near = difflib.get_close_matches(at[-1], known, 1, _NEAR)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        key = ".".join(at)
        message = f"{self._place(line_at or at)}: there is no {what} {key}"
        return ConfigError(message, hint, key=key, line=self._line(line_at or at))

    def _error(self, wrong: str, hint: str, at: tuple[str, ...]) -> ConfigError:
        key = ".".join(at)
        return ConfigError(f"{self._place(at)}: {key} {wrong}", hint, key=key, line=self._line(at))

    def _line(self, at: tuple[str, ...]) -> int | None:
        lines = self._document.lines
        return next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), None)

    def _place(self, at: tuple[str, ...]) -> str:
        line = self._line(at)
        return f"{self._name}, line {line}" if line else self._name


def _known(key: str, *, top: bool) -> list[str]:
    """What could have been meant, beside a wrong key."""
    section, dot, _ = key.partition(".")
    if dot:
        return [name.partition(".")[2] for name in _PLACEHOLDERS if name.startswith(f"{section}.")]
    names = [name for name in _PLACEHOLDERS if "." not in name] + [*sorted(_SECTIONS), _EXAMPLES]
    return [*names, "games", "npcs"] if top else names


def _fields(template: str, *, plain: bool = False) -> Iterator[str]:
    """The placeholders of a template. `plain`: raises ValueError where one is more than a name."""
    for _, name, form, conversion in Formatter().parse(template):
        if name is not None:
            if plain and (form or conversion or not name.isidentifier()):
                raise ValueError(f"holds {{{name}}}, which is no plain placeholder")
            yield name


def _braced(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
