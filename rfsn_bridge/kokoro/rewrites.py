"""Kokoro's graph as it is published (int8), made to tell durations, and derived as fp32 that runs faster.

What is changed, and why, in the order of `derive`:

- `with_durations`: the frames (25 ms) that each token lasts become an output: word and phoneme times come from it.
- `as_float`: plain weights in place of dynamic quantisation, which saves memory but costs time: activations are
  quantised anew before each product.
- `instance_norms`: 65 norms of nine nodes each become one InstanceNormalization.
- `squares`: Pow(x, 2) becomes Mul(x, x).
- `without_silence`: see silence.py.
- `two_dimensional`: ONNX Runtime has its fast layout (NCHWc) for 2-D convolutions only.

Only what looks as expected is changed; a graph without durations is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfsn_bridge.errors import VoiceError
from rfsn_bridge.kokoro.graph import Graph
from rfsn_bridge.kokoro.silence import without_silence

if TYPE_CHECKING:
    import onnx


DURATIONS = "durations"
FLOAT = 1


def derive(model: onnx.ModelProto, quality: str) -> None:
    """Rewrite in place; `quality` is "int8" or "fp32"."""
    graph = Graph(model)
    with_durations(graph)
    if quality == "fp32":
        as_float(graph)
    instance_norms(graph)
    squares(graph)
    without_silence(graph)
    if quality == "fp32":
        two_dimensional(graph)
    graph.tidy()


def with_durations(graph: Graph) -> None:
    """The one Clip of a Round is what the model turns into frames."""
    from onnx import helper

    found = [clip for clip in graph.nodes("Clip") if graph.maker(clip.input[0], "Round")]
    if len(found) != 1:
        raise VoiceError("this is not a Kokoro model that is known: it has no durations")
    graph.make("Identity", [found[0].output[0]], DURATIONS)
    graph.graph.output.append(helper.make_tensor_value_info(DURATIONS, FLOAT, None))


# --- Integers to floats ---


def as_float(graph: Graph) -> None:
    for node in graph.nodes("ConvInteger") + graph.nodes("MatMulInteger"):
        _float_product(graph, node)
    for node in graph.nodes("DynamicQuantizeLSTM"):
        _float_lstm(graph, node)
    for node in graph.nodes("DequantizeLinear"):
        _float_table(graph, node)


def _float_product(graph: Graph, node: onnx.NodeProto) -> None:
    """A product of integers [plus a bias of integers], Cast and scaled, becomes one product of floats."""
    quantize = graph.maker(node.input[0], "DynamicQuantizeLinear")
    after = graph.user(node.output[0])
    bias = _bias(graph, after.input[1]) if after is not None and after.op_type == "Add" else []
    cast = graph.user(after.output[0]) if after is not None and bias else after
    scaled = graph.user(cast.output[0], "Mul") if cast is not None and cast.op_type == "Cast" else None
    if quantize is None or cast is None or scaled is None:
        return
    scales = graph.maker(_other(scaled, cast.output[0]), "Mul")
    scale = next(filter(graph.is_constant, scales.input), "") if scales is not None else ""
    if not scale or not graph.is_constant(node.input[1]):
        return
    is_convolution = node.op_type == "ConvInteger"
    weights = _dequantised(graph, node.input[1], scale, node.input[3], axis=0 if is_convolution else -1)
    kind = "Conv" if is_convolution else "MatMul"
    graph.make(kind, [quantize.input[0], weights, *bias], scaled.output[0], **_attributes(node))


def _bias(graph: Graph, value: str) -> list[str]:
    """The floats that Reshape(Cast(Floor(floats / scale + a half))) was made of; empty if it was not."""
    while (node := graph.maker(value)) is not None and node.op_type in ("Reshape", "Cast", "Floor", "Add", "Div"):
        value = node.input[0]
        if node.op_type == "Div":
            return [value]
    return []


def _float_lstm(graph: Graph, node: onnx.NodeProto) -> None:
    """ONNX Runtime's own LSTM keeps its weights transposed."""
    x, w, r, bias, lengths, h, c, _, w_scale, w_zero, r_scale, r_zero = node.input
    weights = [
        _dequantised(graph, w, w_scale, w_zero, axis=0, transposed=True),
        _dequantised(graph, r, r_scale, r_zero, axis=0, transposed=True),
    ]
    graph.make_many("LSTM", [x, *weights, bias, lengths, h, c], list(node.output), **_attributes(node))


def _float_table(graph: Graph, node: onnx.NodeProto) -> None:
    """DequantizeLinear(Gather(table, i)) becomes Gather of a table of floats."""
    gather = graph.maker(node.input[0], "Gather")
    if gather is None or not graph.is_constant(gather.input[0]):
        return
    table = _dequantised(graph, gather.input[0], node.input[1], node.input[2], axis=-1)
    graph.make("Gather", [table, gather.input[1]], node.output[0], **_attributes(gather))


def _dequantised(graph: Graph, value: str, scale: str, zero: str, *, axis: int, transposed: bool = False) -> str:
    """The floats, with a scale and a zero point for all of them or for each index of `axis`."""
    import numpy as np

    whole = graph.array(value)

    def spread(name: str) -> Any:
        given = graph.array(name).astype(np.float32)
        shape = [1] * whole.ndim
        shape[axis] = -1
        return given.reshape(shape) if given.size > 1 else given.reshape([1] * whole.ndim)

    floats = (whole.astype(np.float32) - spread(zero)) * spread(scale)
    if transposed:
        floats = np.ascontiguousarray(floats.swapaxes(-1, -2))
    return graph.constant(f"{value}.float", floats)


# --- Fewer and faster nodes ---


def instance_norms(graph: Graph) -> None:
    """shift + gain * (x - mean) / sqrt(mean of (x - mean) squared + epsilon), over the last of three axes."""
    for root in graph.nodes("Sqrt"):
        variance = graph.maker(root.input[0], "Add")
        division = graph.user(root.output[0], "Div")
        if variance is None or division is None:
            continue
        mean_square = graph.maker(variance.input[0], "ReduceMean")
        square = graph.maker(mean_square.input[0]) if mean_square is not None else None
        centred = graph.maker(division.input[0], "Sub")
        mean = graph.maker(centred.input[1], "ReduceMean") if centred is not None else None
        if square is None or centred is None or mean is None or mean.input[0] != centred.input[0]:
            continue
        if square.op_type not in ("Mul", "Pow") or square.input[0] != centred.output[0]:
            continue
        if not graph.is_constant(variance.input[1]) or _axes(graph, mean) not in ([2], [-1]):
            continue
        epsilon = float(graph.array(variance.input[1]))
        for gained in graph.users(
            division.output[0], "Mul"
        ):  # Three blocks share the norm of what they begin with.
            shifted = graph.user(gained.output[0], "Add")
            if shifted is not None:
                gain = _flat(graph, _other(gained, division.output[0]))
                shift = _flat(graph, _other(shifted, gained.output[0]))
                inputs = [centred.input[0], gain, shift]
                graph.make("InstanceNormalization", inputs, shifted.output[0], epsilon=epsilon)


def _axes(graph: Graph, node: onnx.NodeProto) -> list[int]:
    if len(node.input) < 2 or not graph.is_constant(node.input[1]):
        return []
    return [int(axis) for axis in graph.array(node.input[1]).reshape(-1)]


def _flat(graph: Graph, value: str) -> str:
    import numpy as np

    shape = graph.constant("rfsn.flat", np.array([-1], np.int64))
    flat = f"{value}.flat"
    return flat if graph.maker(flat) is not None else graph.make("Reshape", [value, shape], flat)


def squares(graph: Graph) -> None:
    for node in graph.nodes("Pow"):
        power = node.input[1]
        if graph.is_constant(power) and graph.array(power).size == 1 and float(graph.array(power)) == 2.0:
            graph.make("Mul", [node.input[0], node.input[0]], node.output[0])


def two_dimensional(graph: Graph) -> None:
    """Conv of [batch, channels, time] becomes Conv of [batch, channels, 1, time]."""
    import numpy as np

    axis = graph.constant("rfsn.height", np.array([2], np.int64))
    for node in graph.nodes("Conv"):
        weights = node.input[1]
        if not graph.is_constant(weights) or graph.array(weights).ndim != 3:
            continue
        high = graph.constant(f"{weights}.2d", graph.array(weights)[:, :, None, :])
        output = node.output[0]
        attributes = _attributes(node)
        left, right = attributes.get("pads", [0, 0])
        attributes["pads"] = [0, left, 0, right]
        for name in ("kernel_shape", "strides", "dilations"):
            if name in attributes:
                attributes[name] = [1, *attributes[name]]
        x = graph.make("Unsqueeze", [node.input[0], axis], f"{output}.x2d")
        y = graph.make("Conv", [x, high, *node.input[2:]], f"{output}.y2d", **attributes)
        graph.make("Squeeze", [y, axis], output)


def _other(node: onnx.NodeProto, value: str) -> str:
    """The input of a node with two that is not this one."""
    return str(node.input[1] if node.input[0] == value else node.input[0])


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
