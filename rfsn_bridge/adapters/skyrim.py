"""Skyrim as it lies on disk: which folder is which, and whether all is there that our plugin needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rfsn_bridge.adapters import folders
from rfsn_bridge.errors import BridgeError

PLUGINS = ("Platform", "Plugins")
"""Where plugins lie, from the Data folder."""

_EXES = ("skyrimse.exe", "skyrimvr.exe")
_OLD_EXE = "tesv.exe"
_OF_A_MOD = {"meta.ini", "platform", "skse", "scripts", "textures", "meshes", "sound", "interface"}
_STAGING = {"mods", "skyrimse", "skyrimspecialedition", "skyrim special edition"}
_MOST_SIBLINGS = 4000

_SKSE_DLL = re.compile(r"(?:skse64|sksevr)_(\d+)_(\d+)_(\d+)\.dll")
_ADDRESSES = re.compile(r"version(?:lib)?-(\d+)-(\d+)-(\d+)-\d+\.(?:bin|csv)")

Version = tuple[int, ...]


class NoGame(BridgeError):
    """The folder that was named is no place to install to."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is needed: `fail` is missing, `warn` could not be checked or may not fit."""

    name: str
    mark: Literal["ok", "warn", "fail"]
    finding: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to install. `data` is what the game sees as its Data folder; a mod has no `game` of its own."""

    data: Path
    game: Path | None

    @property
    def plugins(self) -> Path:
        return folders.place(self.data, *PLUGINS)


def recognise(folder: Path, *, as_mod: bool = False) -> Place:
    """Which folder this is: the game's, its Data, or a mod's; raises NoGame."""
    if folder.is_file() and folder.name.lower() in (*_EXES, _OLD_EXE):
        folder = folder.parent
    if not folder.is_dir():
        raise NoGame(f"{folder} is not a folder", "name the folder that holds SkyrimSE.exe")
    if as_mod:
        return Place(folder, None)
    inside, beside = folders.names(folder), folders.names(folder.parent)
    if any(exe in inside for exe in _EXES) or "skyrim.esm" in folders.names(folders.find(folder, "Data")):
        return Place(folders.place(folder, "Data"), folder)
    if "skyrim.esm" in inside or (folder.name.lower() == "data" and any(exe in beside for exe in _EXES)):
        return Place(folder, folder.parent)
    if _OLD_EXE in inside or (folder.name.lower() == "data" and _OLD_EXE in beside):
        raise NoGame(
            f"{folder} holds the Skyrim of 2011",
            "Skyrim Platform needs Special Edition, Anniversary Edition or VR",
        )
    if _OF_A_MOD & set(inside) or folder.parent.name.lower() in _STAGING:
        return Place(folder, None)
    near = next((child for child in _folders(folder) if set(_EXES) & set(folders.names(child))), None)
    hint = f"did you mean {near}?" if near else "name the folder that holds SkyrimSE.exe, or add --mod-folder"
    raise NoGame(f"{folder} is neither Skyrim's folder nor a mod's", hint)


def needs(place: Place) -> list[Part]:
    """What the plugin needs of others, each with what to do where it is missing."""
    if place.game is None:
        return [Part("Skyrim", "warn", "cannot be seen from a mod's folder"), *_needs_of_mod(place.data)]
    exe = next((exe for exe in _EXES if exe in folders.names(place.game)), None)
    game = (
        Part("Skyrim", "ok", str(place.game))
        if exe
        else Part(
            "Skyrim", "warn", f"no SkyrimSE.exe in {place.game}", "check that this is the game that you play"
        )
    )
    versions = _skse_versions(place.game)
    return [game, _skse(place.game, versions), _address_library([place.data], versions), _platform(place.data)]


def _skse(game: Path, versions: set[Version]) -> Part:
    inside = folders.names(game)
    loader = "skse64_loader.exe" in inside or "sksevr_loader.exe" in inside
    if loader and versions:
        return Part("SKSE", "ok", f"for Skyrim {', '.join(map(_dotted, sorted(versions)))}")
    what = "its loader is missing" if versions else "its dll is missing" if loader else "missing"
    return Part(
        "SKSE", "fail", what, "copy all of SKSE64 for your Skyrim beside SkyrimSE.exe, and start skse64_loader.exe"
    )


def _skse_versions(game: Path) -> set[Version]:
    return _versions(_SKSE_DLL, folders.names(game))


def _address_library(datas: Iterable[Path], wanted: set[Version]) -> Part:
    found: set[Version] = set()
    for data in datas:
        found |= _versions(_ADDRESSES, folders.names(folders.find(data, "SKSE", "Plugins")))
    name, hint = "Address Library", "install Address Library for SKSE Plugins, the file for your Skyrim's version"
    if not found:
        return Part(name, "fail", "missing", hint)
    if wanted and not wanted & found:
        return Part(name, "fail", f"has nothing for Skyrim {', '.join(map(_dotted, sorted(wanted)))}", hint)
    return Part(name, "ok", f"for Skyrim {_dotted(max(wanted & found or found))}")


def _platform(data: Path) -> Part:
    dll = folders.find(data, "SKSE", "Plugins", "SkyrimPlatform.dll")
    rest = set(folders.names(folders.find(data, "Platform"))) - {"plugins"}
    hint = "install Skyrim Platform with your mod manager, or unpack all of it into the Data folder"
    if dll and rest:
        return Part("Skyrim Platform", "ok", str(dll))
    what = "only half there: Data/Platform is missing" if dll else "half there: its dll is missing" if rest else ""
    return Part("Skyrim Platform", "fail", what or "missing", hint)


def _needs_of_mod(mod: Path) -> list[Part]:
    """What can be found among the other mods of a mod manager; it decides itself which are switched on."""
    mods = [mod, *_folders(mod.parent)[:_MOST_SIBLINGS]]
    skse = next((versions for each in mods if (versions := _skse_versions(each))), set())
    addresses, platform = _address_library(mods, skse), None
    for each in mods:
        platform = platform or (_platform(each) if _platform(each).mark == "ok" else None)
    hint = "see in your mod manager that it is installed and switched on"
    unseen = [
        Part("SKSE", "warn", "cannot be seen from a mod's folder", "start the game through skse64_loader.exe")
    ]
    for part in (addresses, platform or Part("Skyrim Platform", "fail", "missing")):
        if part.mark == "ok":
            unseen.append(Part(part.name, "ok", f"{part.finding}, in another mod"))
        else:
            unseen.append(Part(part.name, "warn", "not found among the mods beside this one", hint))
    return unseen


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir())
    except OSError:
        return []


def _versions(pattern: re.Pattern[str], lowercase: Iterable[str]) -> set[Version]:
    matches = (pattern.fullmatch(name) for name in lowercase)
    return {tuple(int(part) for part in match.groups()) for match in matches if match}


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
