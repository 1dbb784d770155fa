"""The rewrites, on graphs of a few nodes: what is computed stays the same."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rfsn_bridge import VoiceError
from rfsn_bridge.kokoro import rewrites
from rfsn_bridge.kokoro.graph import Graph

RANDOM = np.random.default_rng(6)


def model(
    nodes: list[Any], inputs: dict[str, list[Any]], output: str, constants: dict[str, Any]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(made: onnx.ModelProto, **inputs: Any) -> Any:
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def kinds(made: onnx.ModelProto) -> list[str]:
    return sorted(node.op_type for node in made.graph.node)


def rewritten(made: onnx.ModelProto, rewrite: Any) -> onnx.ModelProto:
    twin = onnx.ModelProto()
    twin.CopyFrom(made)
    graph = Graph(twin)
    rewrite(graph)
    graph.tidy()
    return twin


def a_norm(users: int = 1) -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["variance"], keepdims=1),
        helper.make_node("Add", ["variance", "epsilon"], ["safe"]),
        helper.make_node("Sqrt", ["safe"], ["deviation"]),
        helper.make_node("Div", ["centred", "deviation"], ["norm"]),
    ]
    for user in range(users):
        nodes.append(helper.make_node("Mul", ["gain", "norm"], [f"gained{user}"]))
        nodes.append(helper.make_node("Add", [f"gained{user}", "shift"], [f"y{user}"]))
    nodes.append(helper.make_node("Sum", [f"y{user}" for user in range(users)], ["y"]))
    shapes = {"x": [1, 4, None], "gain": [1, 4, 1], "shift": [1, 4, 1]}
    return model(nodes, shapes, "y", {"axes": np.array([2]), "epsilon": np.float32(1e-5)})


@pytest.mark.parametrize("users", [1, 3])
def test_a_norm_becomes_one_node_for_each_that_uses_it(users: int) -> None:
    before = a_norm(users)
    after = rewritten(before, rewrites.instance_norms)
    assert kinds(after).count("InstanceNormalization") == users
    assert not {"Sqrt", "ReduceMean", "Sub", "Div"} & set(kinds(after))
    given = {
        "x": RANDOM.normal(2, 3, (1, 4, 50)).astype(np.float32),
        "gain": RANDOM.normal(1, 1, (1, 4, 1)).astype(np.float32),
        "shift": RANDOM.normal(0, 1, (1, 4, 1)).astype(np.float32),
    }
    np.testing.assert_allclose(run(after, **given), run(before, **given), rtol=1e-4, atol=1e-4)


def test_a_norm_over_another_axis_is_left_alone() -> None:
    before = a_norm()
    before.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1]), "axes"))
    assert kinds(rewritten(before, rewrites.instance_norms)) == kinds(before)


def test_a_square_becomes_a_product_and_another_power_does_not() -> None:
    nodes = [helper.make_node("Pow", ["x", "two"], ["a"]), helper.make_node("Pow", ["a", "three"], ["y"])]
    before = model(nodes, {"x": [3]}, "y", {"two": np.float32(2), "three": np.float32(3)})
    after = rewritten(before, rewrites.squares)
    assert kinds(after) == ["Mul", "Pow"]
    x = np.array([1.0, -2.0, 0.5], np.float32)
    np.testing.assert_allclose(run(after, x=x), run(before, x=x), rtol=1e-6)


@pytest.mark.parametrize("attributes", [{}, {"pads": [3, 1], "strides": [2], "dilations": [2], "group": 2}])
def test_a_convolution_over_time_is_the_same_in_two_dimensions(attributes: dict[str, Any]) -> None:
    weights = RANDOM.normal(size=(4, 4 // attributes.get("group", 1), 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3], **attributes)]
    bias = np.arange(4, dtype=np.float32)
    before = model(nodes, {"x": [1, 4, None]}, "y", {"w": weights, "b": bias})
    after = rewritten(before, rewrites.two_dimensional)
    assert kinds(after) == ["Conv", "Squeeze", "Unsqueeze"]
    x = RANDOM.normal(size=(1, 4, 40)).astype(np.float32)
    np.testing.assert_allclose(run(after, x=x), run(before, x=x), rtol=1e-4, atol=1e-4)


def quantised(kind: str, weights: Any, zero: Any, scale: Any) -> onnx.ModelProto:
    """x times weights, as ONNX Runtime's dynamic quantisation writes it."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node(kind, ["xq", "w", "xz", "wz"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["xs", "ws"], ["scales"]),
        helper.make_node("Mul", ["cast", "scales"], ["y"]),
    ]
    shape = [1, 4, None] if kind == "ConvInteger" else [None, 4]
    return model(nodes, {"x": shape}, "y", {"w": weights, "wz": zero, "ws": scale})


def test_a_product_of_integers_becomes_one_of_floats() -> None:
    weights = RANDOM.integers(0, 255, (4, 6)).astype(np.uint8)
    before = quantised("MatMulInteger", weights, np.uint8(120), np.float32(0.01))
    after = rewritten(before, rewrites.as_float)
    assert kinds(after) == ["MatMul"]
    x = RANDOM.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        run(after, x=x), x @ ((weights.astype(np.float32) - 120) * 0.01), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(run(after, x=x), run(before, x=x), atol=0.1)


def test_a_convolution_of_integers_becomes_one_of_floats() -> None:
    weights = RANDOM.integers(0, 255, (3, 4, 5)).astype(np.uint8)
    before = quantised("ConvInteger", weights, np.uint8(128), np.float32(0.02))
    after = rewritten(before, rewrites.as_float)
    assert kinds(after) == ["Conv"]
    x = RANDOM.normal(size=(1, 4, 30)).astype(np.float32)
    np.testing.assert_allclose(run(after, x=x), run(before, x=x), atol=0.5)


def test_durations_are_told_and_a_graph_without_them_is_refused() -> None:
    nodes = [
        helper.make_node("Round", ["x"], ["whole"]),
        helper.make_node("Clip", ["whole", "one"], ["frames"]),
        helper.make_node("Neg", ["frames"], ["y"]),
    ]
    before = model(nodes, {"x": [3]}, "y", {"one": np.float32(1)})
    after = rewritten(before, rewrites.with_durations)
    session = onnxruntime.InferenceSession(after.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(["durations"], {"x": np.array([0.2, 1.7, 3.2], np.float32)})[0].tolist() == [1, 2, 3]
    with pytest.raises(VoiceError, match="no durations"):
        rewritten(model(nodes[:1], {"x": [3]}, "whole", {}), rewrites.with_durations)


def test_what_nobody_needs_is_dropped() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Add", ["x", "c"], ["unused"])]
    after = rewritten(model(nodes, {"x": [1]}, "y", {"c": np.float32(1)}), lambda graph: None)
    assert kinds(after) == ["Neg"]
    assert not after.graph.initializer
