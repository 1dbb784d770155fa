"""Putting the Skyrim adapter into the game, replacing an older one, and taking it out again.

What was put where is kept in the data folder, so that a player's own changes are told from ours.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rfsn_bridge.adapters import folders, settings_file
from rfsn_bridge.adapters.settings_file import Unreadable
from rfsn_bridge.adapters.skyrim import Part, Place
from rfsn_bridge.errors import BridgeError

PLUGIN = "rfsn-bridge.js"
SETTINGS = "rfsn-bridge-settings.txt"


@dataclass(frozen=True, slots=True)
class Shipped:
    """What we bring."""

    plugin: bytes
    settings: bytes

    @classmethod
    def read(cls, adapter: Path) -> "Shipped":
        """From the adapter's folder; raises BridgeError."""
        try:
            return cls((adapter / "dist" / PLUGIN).read_bytes(), (adapter / SETTINGS).read_bytes())
        except OSError as error:
            hint = "install rfsn-bridge again; in a checkout, run `npm run build` in game_adapters/skyrim"
            raise BridgeError(f"{error.filename} is missing", hint) from None


@dataclass(frozen=True, slots=True)
class Record:
    """What was installed to one Data folder."""

    plugin: str = ""
    """The file's sha256; empty if none was."""
    settings: str = ""
    """The file's sha256; empty where it holds something of the player's."""
    address: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    """Folders that were made for it."""


class Records:
    """One file for all installations, in the data folder."""

    def __init__(self, data: Path) -> None:
        self._file = data / "adapters" / "skyrim.json"

    def of(self, place: Place) -> Record:
        """Nothing where it cannot be read: then every difference counts as the player's."""
        entry = self._all().get(str(place.data))
        try:
            return Record(**{**entry, "folders": tuple(entry["folders"])}) if isinstance(entry, dict) else Record()
        except (TypeError, KeyError):
            return Record()

    def keep(self, place: Place, record: Record | None) -> None:
        """None forgets it."""
        entries = self._all()
        entries.pop(str(place.data), None)
        if record:
            entries[str(place.data)] = {
                "plugin": record.plugin,
                "settings": record.settings,
                "address": dict(record.address),
                "folders": list(record.folders),
            }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write(self._file, (json.dumps(entries, indent=2) + "\n").encode())

    def _all(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


def install(
    place: Place, shipped: Shipped, address: Mapping[str, Any], records: Records, *, dry_run: bool = False
) -> list[Part]:
    """Put plugin and settings in place; a line for each. What cannot be written is a `fail`, not an exception."""
    record = records.of(place)
    made = _missing_folders(place.plugins)
    plugin, settings = (folders.place(place.plugins, name) for name in (PLUGIN, SETTINGS))
    try:
        old_plugin, old_settings = _read(plugin), _read(settings)
        merged, said, set_aside = _settled(shipped.settings, old_settings, address, record)
        if not dry_run:
            place.plugins.mkdir(parents=True, exist_ok=True)
            if set_aside and old_settings is not None:
                said += f" as {_set_aside(settings).name}"
            if old_plugin != shipped.plugin:
                write(plugin, shipped.plugin)
            if old_settings != merged.text:
                write(settings, merged.text)
            written = Record(
                _sum(shipped.plugin),
                _untouched(shipped.settings, merged, address),
                {key: merged.settings[key] for key in address},
                tuple(dict.fromkeys((*record.folders, *map(str, made)))),
            )
            records.keep(place, written)
    except OSError as error:
        return [Part("plugin", "fail", f"{error.filename or place.plugins} cannot be written", _remedy(error))]
    would = "would be " if dry_run else ""
    if old_plugin is None:
        done = f"{would}installed"
    else:
        done = "is current" if old_plugin == shipped.plugin else f"{would}replaced by this version's"
    return [
        Part("plugin", "ok", f"{done}: {plugin}"),
        Part(
            "settings",
            "warn" if set_aside or merged.notes else "ok",
            f"{would if said else ''}{said}: {settings}" if said else f"are current: {settings}",
            "; ".join(merged.notes),
        ),
    ]


def uninstall(place: Place, records: Records, shipped: Shipped, *, purge: bool, dry_run: bool) -> list[Part]:
    """Take out what was installed; what the player has changed stays, unless `purge`."""
    record = records.of(place)
    parts = []
    kept = False
    try:
        for name, ours in ((PLUGIN, {record.plugin, _sum(shipped.plugin)}), (SETTINGS, {record.settings})):
            part = _take_out(folders.find(place.plugins, name), name, ours, purge=purge, dry_run=dry_run)
            kept = kept or part.mark == "warn"
            parts.append(part)
        if purge and not dry_run:
            for spare in place.plugins.glob(f"{SETTINGS}.bak*") if place.plugins.is_dir() else ():
                spare.unlink()
        if not dry_run:
            for folder in map(Path, reversed(record.folders)):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
            records.keep(place, record if kept else None)
    except OSError as error:
        parts.append(Part("files", "fail", f"{error.filename} cannot be removed", _remedy(error)))
    return parts


def write(path: Path, content: bytes) -> None:
    """Replace a file whole or not at all: the game may read it at any moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".rfsn-bridge-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _settled(
    shipped: bytes, own: bytes | None, address: Mapping[str, Any], record: Record
) -> tuple[settings_file.Merged, str, bool]:
    """The settings to write, what happens to the file (nothing: empty), and whether the old one is set aside."""
    ours = settings_file.parse(shipped)
    try:
        merged = settings_file.merge(ours, own, address, record.address)
    except Unreadable as error:
        return settings_file.merge(ours, None, address), f"replaced, as they cannot be read ({error}); kept", True
    if own is None:
        as_shipped = merged.settings == ours
        return (replace(merged, text=shipped) if as_shipped else merged), "installed", False
    return merged, "" if merged.text == own else "brought up to date", False


def _untouched(shipped: bytes, merged: settings_file.Merged, address: Mapping[str, Any]) -> str:
    """The sum by which the settings are known as ours when they are taken out; none if they are the player's."""
    fresh = settings_file.merge(settings_file.parse(shipped), None, address)
    return _sum(merged.text) if merged.settings == fresh.settings else ""


def _take_out(file: Path | None, name: str, ours: set[str], *, purge: bool, dry_run: bool) -> Part:
    what = "plugin" if name == PLUGIN else "settings"
    content = _read(file) if file else None
    if file is None or content is None:
        return Part(what, "ok", "not there")
    if not purge and _sum(content) not in ours:
        return Part(what, "warn", f"kept, because you changed it: {file}", "to remove it too, add --purge")
    if not dry_run:
        file.unlink()
    return Part(what, "ok", f"{'would be ' if dry_run else ''}removed: {file}")


def _set_aside(settings: Path) -> Path:
    """Move the file to a name that is free."""
    number = 0
    while True:
        spare = settings.with_name(f"{settings.name}.bak{number or ''}")
        if not spare.exists():
            settings.rename(spare)
            return spare
        number += 1


def _missing_folders(folder: Path) -> Sequence[Path]:
    """The folders that have to be made, outermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    return missing[::-1]


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remedy(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{reason}; close the game, and see that you may write there"
