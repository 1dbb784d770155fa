"""`rfsn-bridge adapter install` and `uninstall`, against folders that look like a player's."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from rfsn_bridge import paths
from rfsn_bridge.cli import main

SHIPPED = {"host": "127.0.0.1", "port": 8765, "http_port": 8001, "talk_key": 21}
PLUGIN = b"// the plugin\n"


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What we ship, in small."""
    adapter = tmp_path / "ours" / "skyrim"
    (adapter / "dist").mkdir(parents=True)
    (adapter / "dist" / "rfsn-bridge.js").write_bytes(PLUGIN)
    (adapter / "rfsn-bridge-settings.txt").write_text(json.dumps(SHIPPED, indent=4) + "\n")
    monkeypatch.setattr(paths, "game_adapters", tmp_path / "ours")
    monkeypatch.setenv("RFSN_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RFSN_CONFIG", raising=False)
    return adapter


class Game:
    """A game folder, whole unless told otherwise."""

    def __init__(self, folder: Path, data: str = "Data") -> None:
        self.folder = folder
        self.data = folder / data
        for name in (
            "SkyrimSE.exe",
            "skse64_loader.exe",
            "skse64_1_6_1170.dll",
            f"{data}/Skyrim.esm",
            f"{data}/SKSE/Plugins/SkyrimPlatform.dll",
            f"{data}/SKSE/Plugins/versionlib-1-6-1170-0.bin",
            f"{data}/Platform/Distribution/cef.pak",
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"")

    @property
    def plugins(self) -> Path:
        return self.data / "Platform" / "Plugins"

    @property
    def settings(self) -> Path:
        return self.plugins / "rfsn-bridge-settings.txt"

    def read(self) -> dict[str, Any]:
        return dict(json.loads(self.settings.read_text()))

    def change(self, **values: Any) -> None:
        self.settings.write_text(json.dumps({**self.read(), **values}))

    def lose(self, name: str) -> None:
        (self.folder / name).unlink()


@pytest.fixture
def game(tmp_path: Path) -> Game:
    return Game(tmp_path / "Skyrim Special Edition")


def install(folder: Path, *options: str) -> int:
    return main(["adapter", "install", "skyrim", "--game", str(folder), *options])


def uninstall(folder: Path, *options: str) -> int:
    return main(["adapter", "uninstall", "skyrim", "--game", str(folder), *options])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- A whole game


def test_a_whole_game_gets_plugin_and_settings(
    game: Game, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(game.folder) == 0
    assert (game.plugins / "rfsn-bridge.js").read_bytes() == PLUGIN
    assert game.settings.read_bytes() == (shipped / "rfsn-bridge-settings.txt").read_bytes()
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert "SKSE             for Skyrim 1.6.1170" in lines[1]


@pytest.mark.parametrize("named", ["", "Data", "SkyrimSE.exe"])
def test_the_game_may_be_named_by_its_folder_its_data_or_its_exe(game: Game, named: str) -> None:
    assert install(game.folder / named) == 0
    assert game.settings.is_file()


def test_names_are_found_whatever_their_case(tmp_path: Path) -> None:
    game = Game(tmp_path / "skyrim", data="data")
    (game.data / "Platform").rename(game.data / "PLATFORM")
    assert install(game.folder) == 0
    assert [path.name for path in (game.data / "PLATFORM" / "Plugins").iterdir()]
    assert {path.name for path in game.folder.iterdir() if path.is_dir()} == {"data"}


def test_a_dry_run_changes_nothing(game: Game, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(tmp_path)
    assert install(game.folder, "--dry-run") == 0
    assert files(tmp_path) == before and not game.plugins.exists()
    assert "would be installed" in capsys.readouterr().out


def test_the_second_time_nothing_is_written(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    install(game.folder)
    stamps = [path.stat().st_mtime_ns for path in sorted(game.plugins.iterdir())]
    assert install(game.folder) == 0
    assert [path.stat().st_mtime_ns for path in sorted(game.plugins.iterdir())] == stamps
    assert "is current" in capsys.readouterr().out


def test_json_tells_the_same(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    game.lose("skse64_loader.exe")
    assert install(game.folder, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    marks = {part["name"]: part["mark"] for part in said["parts"]}
    assert marks == {
        "Skyrim": "ok",
        "SKSE": "fail",
        "Address Library": "ok",
        "Skyrim Platform": "ok",
        "plugin": "ok",
        "settings": "ok",
    }


# --- What is missing


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("skse64_loader.exe", "its loader is missing"),
        ("skse64_1_6_1170.dll", "its dll is missing"),
        ("Data/SKSE/Plugins/versionlib-1-6-1170-0.bin", "Address Library  missing"),
        ("Data/SKSE/Plugins/SkyrimPlatform.dll", "its dll is missing"),
    ],
)
def test_what_is_missing_is_said_and_the_plugin_installed_all_the_same(
    game: Game, lost: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    game.lose(lost)
    assert install(game.folder) == 1
    assert said in capsys.readouterr().out
    assert (game.plugins / "rfsn-bridge.js").read_bytes() == PLUGIN


def test_an_address_library_for_another_version_does_not_do(
    game: Game, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins = game.data / "SKSE" / "Plugins"
    (plugins / "versionlib-1-6-1170-0.bin").rename(plugins / "version-1-5-97-0.bin")
    assert install(game.folder) == 1
    assert "has nothing for Skyrim 1.6.1170" in capsys.readouterr().out


def test_the_platform_without_its_dll_is_only_half_there(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    game.lose("Data/Platform/Distribution/cef.pak")
    (game.data / "Platform" / "Distribution").rmdir()
    assert install(game.folder) == 1
    assert "Data/Platform is missing" in capsys.readouterr().out


# --- Folders that are something else


def test_a_folder_without_the_game_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.mp3").touch()
    assert install(tmp_path / "music") == 2
    assert "neither Skyrim's folder nor a mod's" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "music").iterdir()] == ["song.mp3"]


def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert install(tmp_path / "nowhere") == 2
    assert not (tmp_path / "nowhere").exists()


def test_the_folder_above_the_game_gets_a_hint(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(game.folder.parent) == 2
    assert f"did you mean {game.folder}" in capsys.readouterr().err


def test_the_old_skyrim_is_told_from_the_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "TESV.exe").touch()
    assert install(tmp_path / "old") == 2
    assert "Special Edition" in capsys.readouterr().err


def test_a_mods_folder_is_filled_like_a_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mod = tmp_path / "mods" / "RFSN Bridge"
    mod.mkdir(parents=True)
    (tmp_path / "mods" / "Skyrim Platform" / "SKSE" / "Plugins").mkdir(parents=True)
    (tmp_path / "mods" / "Skyrim Platform" / "SKSE" / "Plugins" / "SkyrimPlatform.dll").touch()
    (tmp_path / "mods" / "Skyrim Platform" / "Platform" / "Distribution").mkdir(parents=True)
    assert install(mod) == 0
    assert (mod / "Platform" / "Plugins" / "rfsn-bridge.js").read_bytes() == PLUGIN
    said = capsys.readouterr().out
    assert "ok   Skyrim Platform" in said and "in another mod" in said
    assert "warn SKSE" in said and "warn Address Library" in said


def test_any_folder_is_a_mods_where_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "notes.doc").touch()
    assert install(tmp_path / "odd", "--mod-folder") == 0
    assert (tmp_path / "odd" / "Platform" / "Plugins" / "rfsn-bridge.js").is_file()


# --- Settings


def test_the_players_settings_stay_and_new_ones_are_added(game: Game, shipped: Path) -> None:
    install(game.folder)
    game.change(talk_key=30, of_his_own={"kept": [1, 2]})
    (shipped / "rfsn-bridge-settings.txt").write_text(json.dumps({**SHIPPED, "lips": True}))
    assert install(game.folder) == 0
    assert game.read() == {**SHIPPED, "talk_key": 30, "of_his_own": {"kept": [1, 2]}, "lips": True}


def test_an_older_plugin_is_replaced(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    game.plugins.mkdir(parents=True)
    (game.plugins / "RFSN-Bridge.JS").write_bytes(b"// older")
    assert install(game.folder) == 0
    assert "replaced by this version's" in capsys.readouterr().out
    assert [path.read_bytes() for path in game.plugins.glob("*.[jJ][sS]")] == [PLUGIN]
    assert not list(game.plugins.glob(".rfsn*"))


def test_the_settings_get_the_daemons_address(game: Game, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {host: 0.0.0.0, port: 9100, http_port: 9101}")
    assert install(game.folder, "--config", str(config)) == 0
    assert (game.read()["host"], game.read()["port"], game.read()["http_port"]) == ("127.0.0.1", 9100, 9101)
    config.write_text("server: {port: 9200}")
    assert install(game.folder, "--config", str(config)) == 0
    assert (game.read()["port"], game.read()["http_port"]) == (9200, 8001)


def test_an_address_that_the_player_has_set_stays(
    game: Game, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(game.folder)
    game.change(port=7777)
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 9100}")
    assert install(game.folder, "--config", str(config)) == 0
    assert game.read()["port"] == 7777
    assert "port stays 7777, as it was set; the daemon's is 9100" in capsys.readouterr().out


def test_a_port_that_is_picked_anew_each_time_is_not_written(game: Game, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 0, http_port: null}")
    assert install(game.folder, "--config", str(config)) == 0
    assert game.read() == SHIPPED


@pytest.mark.parametrize("broken", [b"{ talk_key: 3", b"[]", b"\xff\xfe{\x00}\x00", b"[" * 100000])
def test_settings_that_cannot_be_read_are_set_aside(
    game: Game, broken: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    game.plugins.mkdir(parents=True)
    for _ in range(2):
        game.settings.write_bytes(broken)
        assert install(game.folder) == 0
    assert game.read() == SHIPPED
    assert [(game.plugins / f"{game.settings.name}.bak{n}").read_bytes() for n in ("", 1)] == [broken, broken]
    assert "rfsn-bridge-settings.txt.bak" in capsys.readouterr().out


def test_a_byte_order_mark_is_taken_away_and_nothing_else(game: Game) -> None:
    install(game.folder)
    game.settings.write_bytes(b"\xef\xbb\xbf" + json.dumps({**SHIPPED, "talk_key": 5}).encode())
    assert install(game.folder) == 0
    assert game.read()["talk_key"] == 5


def test_a_broken_record_counts_as_none(game: Game, tmp_path: Path) -> None:
    install(game.folder)
    (tmp_path / "data" / "adapters" / "skyrim.json").write_text("[1")
    assert install(game.folder) == 0
    assert game.read() == SHIPPED


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="a folder that is closed, as POSIX has it"
)
def test_a_folder_that_cannot_be_written_is_said(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    game.plugins.mkdir(parents=True)
    game.plugins.chmod(0o500)
    assert install(game.folder) == 1
    assert "cannot be written" in capsys.readouterr().out


def test_a_file_in_the_place_of_the_folder_is_said(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    game.plugins.write_bytes(b"")
    assert install(game.folder) == 1
    assert "fail plugin" in capsys.readouterr().out


def test_a_plugin_that_was_never_built_is_said(
    game: Game, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shipped / "dist" / "rfsn-bridge.js").unlink()
    assert install(game.folder) == 1
    assert "npm run build" in capsys.readouterr().err


# --- Out again


def test_uninstalling_leaves_the_game_as_it_was(game: Game) -> None:
    before = files(game.folder)
    install(game.folder)
    assert uninstall(game.folder) == 0
    assert files(game.folder) == before
    assert not game.plugins.exists()


def test_uninstalling_leaves_what_others_have_put_there(game: Game) -> None:
    game.plugins.mkdir(parents=True)
    (game.plugins / "other.js").write_bytes(b"")
    install(game.folder)
    uninstall(game.folder)
    assert [path.name for path in game.plugins.iterdir()] == ["other.js"]


def test_settings_that_were_changed_stay_unless_they_are_purged(
    game: Game, capsys: pytest.CaptureFixture[str]
) -> None:
    install(game.folder)
    game.change(talk_key=30)
    install(game.folder)
    assert uninstall(game.folder) == 0
    assert [path.name for path in game.plugins.iterdir()] == [game.settings.name]
    assert "kept, because you changed it" in capsys.readouterr().out
    assert uninstall(game.folder, "--purge") == 0
    assert not game.plugins.exists()


def test_settings_that_only_follow_the_config_are_not_the_players(game: Game, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 9100}")
    install(game.folder)
    install(game.folder, "--config", str(config))
    uninstall(game.folder)
    assert not game.plugins.exists()


def test_a_dry_run_of_uninstalling_removes_nothing(game: Game) -> None:
    install(game.folder)
    before = files(game.folder)
    assert uninstall(game.folder, "--dry-run") == 0
    assert files(game.folder) == before


def test_uninstalling_twice_is_no_error(game: Game, capsys: pytest.CaptureFixture[str]) -> None:
    assert uninstall(game.folder) == 0
    assert capsys.readouterr().out.count("not there") == 2


def test_what_is_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    assert uninstall(tmp_path / "nowhere") == 2
    with pytest.raises(SystemExit) as left:
        main(["adapter", "install", "oblivion", "--game", str(tmp_path)])
    assert left.value.code == 2
