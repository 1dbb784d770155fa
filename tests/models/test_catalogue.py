"""The shipped catalogue, and finding files by it."""

import hashlib
from pathlib import Path

import pytest

from rfsn_bridge import paths
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.models import catalogue

ENTRY = """\
models:
  tiny:
    purpose: for tests
    file: tiny.bin
    size: 5
    sha256: {sum}
    licence: MIT
    needs: [{needs}]
    sources: [{{url: "http://127.0.0.1/tiny.bin"}}]
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one five-byte model; returns the data folder, outside of any checkout."""
    file = tmp_path / "catalogue.yaml"
    file.write_text(ENTRY.format(sum=hashlib.sha256(b"right").hexdigest(), needs=""))
    monkeypatch.setattr(paths, "catalogue", file)
    monkeypatch.setattr(paths, "_CHECKOUT", None)
    (tmp_path / "data" / "models").mkdir(parents=True)
    monkeypatch.setenv("RFSN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_each_model_of_the_shipped_catalogue_has_an_official_place_first() -> None:
    """Each has an official download first, and packages after it."""
    models = catalogue.load()
    assert list(models) == ["kokoro", "kokoro-voices", "smollm2", "piper-joe", "piper-joe-config"]
    for model in models.values():
        official, fallback = model.sources
        assert official.url is not None and official.url.startswith("https://")
        assert official.url.endswith(model.file)
        assert fallback.packages
        assert model.licence.startswith(("Apache-2.0", "CC0-1.0", "MIT"))


def test_every_package_is_pinned() -> None:
    """A later version could carry anything."""
    packages = [package for m in catalogue.load().values() for source in m.sources for package in source.packages]
    assert len(set(packages)) == 7
    assert all("==" in package or "@" in package for package in packages)


def test_kokoro_comes_with_its_voices() -> None:
    """Either is useless alone."""
    assert [model.name for model in catalogue.with_needs(["kokoro"])] == ["kokoro", "kokoro-voices"]


def test_a_model_wanted_twice_is_listed_once() -> None:
    wanted = catalogue.with_needs(["kokoro-voices", "kokoro", "smollm2", "kokoro"])
    assert [model.name for model in wanted] == ["kokoro-voices", "kokoro", "smollm2"]


def test_missing_model_names_the_command_that_fetches_it(tiny: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        catalogue.find("tiny", tiny)
    assert caught.value.message == "tiny.bin is missing"
    assert caught.value.hint == "run: rfsn-bridge models pull tiny"


def test_hint_names_a_data_folder_that_is_not_the_usual_one(tiny: Path, tmp_path: Path) -> None:
    """Else the command would fetch the file to where nobody looks."""
    with pytest.raises(ModelMissing) as caught:
        catalogue.find("tiny", tmp_path / "elsewhere")
    assert caught.value.hint == f'run: rfsn-bridge models pull tiny --data "{tmp_path / "elsewhere"}"'


def test_model_is_found_in_the_data_folder(tiny: Path) -> None:
    (tiny / "models" / "tiny.bin").write_bytes(b"right")
    assert catalogue.find("tiny") == tiny / "models" / "tiny.bin"


def test_checkout_is_looked_in_first(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_CHECKOUT", tmp_path)
    (tmp_path / "models").mkdir()
    for folder in (tmp_path, tiny):
        (folder / "models" / "tiny.bin").write_bytes(b"right")
    assert catalogue.find("tiny", tiny) == tmp_path / "models" / "tiny.bin"


def test_half_a_file_is_not_found(tiny: Path) -> None:
    """A copy that was cut off would crash the engine."""
    (tiny / "models" / "tiny.bin").write_bytes(b"rig")
    with pytest.raises(ModelMissing, match="has 3 bytes instead of 5; run: rfsn-bridge models pull tiny"):
        catalogue.find("tiny", tiny)


def test_same_size_with_other_bytes_is_not_right(tiny: Path) -> None:
    file = tiny / "models" / "tiny.bin"
    file.write_bytes(b"wrong")
    assert not catalogue.is_right(file, catalogue.named("tiny"))
    file.write_bytes(b"right")
    assert catalogue.is_right(file, catalogue.named("tiny"))


def test_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        ModelMissing, match="no model called 'llama'; the catalogue has: kokoro, kokoro-voices, smollm2"
    ):
        catalogue.named("llama")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "models: 3",
        "models: {tiny: {file: x}}",
        ENTRY.format(sum="0" * 64, needs="nothing-known"),
        ENTRY.format(sum="not a sum", needs=""),
        ENTRY.format(sum="0" * 64, needs="").replace("tiny.bin\n", "../tiny.bin\n"),
        ENTRY.format(sum="0" * 64, needs="").replace("{url:", "{npm: [x@1], url:"),
    ],
)
def test_broken_catalogue_is_one_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(content)
    with pytest.raises(ModelMissing, match="cannot be read"):
        catalogue.load(file)
