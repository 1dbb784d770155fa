"""Derived graphs on the disk: whole or not there, whoever makes them. They are really made, of a tiny model."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rfsn_bridge import VoiceError
from rfsn_bridge.kokoro import derived


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """As little as `derive` takes for Kokoro."""
    import numpy as np

    nodes = [
        helper.make_node("Round", ["x"], ["whole"]),
        helper.make_node("Clip", ["whole", "one"], ["frames"]),
        helper.make_node("Neg", ["frames"], ["y"]),
    ]
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    graph = helper.make_graph(nodes, "tiny", [given], [made], [numpy_helper.from_array(np.float32(1), "one")])
    path = tmp_path / "tiny.int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), str(path))
    return path


def test_it_is_made_once_and_then_found(model: Path) -> None:
    folder = derived.folder_for(model)
    assert derived.find(model, "int8", folder) is None
    made = derived.find_or_make(model, "int8", folder)
    written = made.stat().st_mtime_ns
    assert derived.find_or_make(model, "int8", folder) == made
    assert made.stat().st_mtime_ns == written
    assert [each.name for each in onnx.load(str(made)).graph.output] == ["y", "durations"]
    assert sorted(folder.iterdir()) == [made]


@pytest.mark.parametrize("damage", [b"", b"half of it", None])
def test_a_broken_file_is_made_anew(model: Path, damage: bytes | None) -> None:
    folder = derived.folder_for(model)
    made = derived.make(model, "fp32", folder)
    whole = made.read_bytes()
    made.write_bytes(whole[:-1] + b"\x00" if damage is None else damage)
    assert derived.find_or_make(model, "fp32", folder).read_bytes() == whole


def test_another_model_takes_the_place_of_the_first(model: Path) -> None:
    folder = derived.folder_for(model)
    first = derived.make(model, "int8", folder)
    other = onnx.load(str(model))
    other.doc_string = "newer"
    onnx.save(other, str(model))
    second = derived.make(model, "int8", folder)
    assert not first.exists()
    assert second.exists()


def test_a_model_that_is_none_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    model = tmp_path / "kokoro.onnx"
    model.write_bytes(b"not a model at all")
    folder = derived.folder_for(model)
    with pytest.raises(VoiceError, match=r"int8 graph of kokoro\.onnx could not be made"):
        derived.find_or_make(model, "int8", folder)
    assert not list(folder.iterdir())


def test_several_processes_at_once_make_the_same(model: Path) -> None:
    folder = derived.folder_for(model)
    command = [sys.executable, "-m", "rfsn_bridge.kokoro.derived", str(model), "int8", str(folder)]
    with ThreadPoolExecutor(3) as pool:
        codes = list(pool.map(lambda _: subprocess.run(command, timeout=120, check=False).returncode, range(3)))
    assert codes == [0, 0, 0]
    assert [path.name for path in folder.iterdir()] == [derived.find_or_make(model, "int8", folder).name]


def test_who_is_stopped_waits_no_longer(model: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(VoiceError):
        derived.find_or_make(model, "int8", derived.folder_for(model), stopped)


def test_a_folder_that_cannot_be_written_has_a_substitute(tmp_path: Path) -> None:
    beside = tmp_path / "derived"
    beside.write_text("a file where the folder should be", encoding="utf-8")
    assert derived.folder_for(tmp_path / "kokoro.onnx") != beside
