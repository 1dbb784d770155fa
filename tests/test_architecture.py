"""The arrows hold: a room knows the rooms above it in this list, and none below."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rfsn_bridge
from rfsn_bridge.paths import builtin_plugins

PACKAGE = Path(rfsn_bridge.__file__).parent
ROOMS = (
    # what everybody speaks in
    "errors",
    "domain",
    "protocol",
    "interfaces",
    "hookspecs",
    "model_path",
    "rfsn_bridge",
    "loading",
    # tools without a view of the whole
    "paths",
    "loopback",
    "yaml_file",
    "models",
    "sse",
    "http_stream",
    "openai_chat",
    "plugin_file",
    "blend",
    "kokoro",
    "silence",
    # the three rooms that know nothing of each other
    "mind",
    "speech",
    "memory",
    # the daemon
    "observe",
    "config",
    "registry",
    "snapshot",
    "game_time",
    "acting",
    "aftermath",
    "episodes",
    "turn",
    "cast",
    "insight",
    "summariser",
    "remembrance",
    "repertoire",
    "deeds",
    "recollection",
    "watch",
    "audio_path",
    "under_way",
    "game",
    "housekeeping",
    "bridge",
    "server",
    "long_poll",
    "http_server",
    # who uses it
    "client",
    "testing",
    "adapter_test",
    "adapters",
    "doctor",
    "demo",
    "cli",
    "__main__",
)
STRANGERS = ({"mind", "speech", "memory"}, {"client", "bridge"}, {"client", "server"}, {"client", "game"})


def room_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return "rfsn_bridge" if parts == ("__init__",) else parts[0]


def imports(file: Path) -> Iterator[str]:
    """The rfsn_bridge modules that a file imports, anywhere in it; a name of the package itself is the package."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "rfsn_bridge")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "rfsn_bridge":
            assert node.level == 0
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else node.module


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def known_rooms(file: Path) -> set[str]:
    return {[*name.split("."), "rfsn_bridge"][1] for name in imports(file)} - {room_of(file)}


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_knows_only_what_stands_above_it(file: Path) -> None:
    room = room_of(file)
    above = set(ROOMS[: ROOMS.index(room)])
    assert known_rooms(file) <= above


def test_every_room_has_its_place() -> None:
    assert {room_of(file) for file in SOURCES} == set(ROOMS)


@pytest.mark.parametrize("strangers", STRANGERS, ids="-".join)
def test_these_rooms_know_nothing_of_each_other(strangers: set[str]) -> None:
    for file in SOURCES:
        if room_of(file) in strangers:
            assert not known_rooms(file) & strangers


PUBLIC = {
    "rfsn_bridge",
    "rfsn_bridge.openai_chat",
    "rfsn_bridge.http_stream",
    "rfsn_bridge.loading",
    "rfsn_bridge.silence",
}


@pytest.mark.parametrize("file", sorted(builtin_plugins.glob("*.py")), ids=lambda file: file.stem)
def test_a_built_in_plugin_enters_by_the_door_that_others_have(file: Path) -> None:
    inside = {name for name in imports(file) if name not in PUBLIC}
    if file.stem.startswith("mind_"):  # the built-in mind is the package's own room
        inside = {name for name in inside if not name.startswith("rfsn_bridge.mind.")}
    if file.stem == "tts_kokoro":  # its own room, which nobody else enters
        inside = {name for name in inside if not name.startswith("rfsn_bridge.kokoro.")}
    assert not inside


def test_kokoros_room_is_for_its_plugin_alone() -> None:
    for file in SOURCES:
        assert room_of(file) == "kokoro" or "kokoro" not in known_rooms(file)


@pytest.mark.parametrize("room", ["domain", "errors", "mind", "protocol", "turn", "game"])
def test_what_decides_touches_no_socket_file_or_process(room: str) -> None:
    doing = {"socket", "subprocess", "threading", "http", "httpx", "websockets", "os", "shutil", "urllib"}
    for file in SOURCES:
        if room_of(file) == room and file.stem != "reference":
            tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            names = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
            assert not names & doing


HEAVY = ("onnx", "onnxruntime", "kokoro_onnx", "xllamacpp", "numpy", "sounddevice")


def loaded_by(program: str) -> set[str]:
    """The modules that are there after a program has run in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.split())


def test_the_daemon_loads_nothing_heavy_nor_do_its_plugins() -> None:
    loaded = loaded_by(
        "import rfsn_bridge.cli.run\nfrom rfsn_bridge import registry\nassert registry.discover().problems == []"
    )
    assert "rfsn_bridge_plugins.tts_kokoro" in loaded
    assert not loaded & set(HEAVY)


def test_every_command_can_be_listed_without_loading_anything_heavy() -> None:
    loaded = loaded_by(
        "from rfsn_bridge.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert not loaded & set(HEAVY)


def test_the_voice_process_needs_no_network() -> None:
    assert not loaded_by("import rfsn_bridge.speech.worker") & {"httpx", "websockets", "pydantic.networks"}


def test_no_tracked_file_names_a_registry_of_packages() -> None:
    """Packages are fetched by their ordinary clients, which know where from."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    names = (
        "files.python" + "hosted.org",
        "registry.npm" + "js.org",
        "registry.yarn" + "pkg.com",
        "pypi" + ".org/simple",
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            text = (root / name).read_bytes()
            assert not [host for host in names if host.encode() in text], name
