"""The silence around the speech is not rendered, and the speech sounds as if it had been.

Kokoro was trained on recordings with a fifth of a second of nothing at either end, and renders 0.8 to 0.9 s of
silence with each sentence. Shortening the pads' durations does not help: the model then swallows the first sounds.
But its front (7 % of the work) predicts an energy for each half frame, which falls below `QUIET` where the silence
is; so frames beyond `MARGIN` around the speech are cut out between the front and the vocoder (90 %).

The vocoder's norms take the mean and the variance over the whole time. Without the silence they would differ, and
short sentences would come out up to 9 dB softer and dull. So the few silent frames that stay stand for those that
went: they weigh more in each mean and variance. What is heard then differs from the whole rendering by no more
than fp32 differs from int8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rfsn_bridge.kokoro.graph import Graph

if TYPE_CHECKING:
    import onnx

TEXT, PITCH, ENERGY = "/encoder/MatMul_1_output_0", "/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0"
"""What the front gives to the vocoder: the text by frames, pitch and energy by half frames."""
QUIET = -4.0
"""About -65 dB of full scale; the softest /f/ and /h/ are well above."""
MARGIN = 3
SKIPPED = "skipped"
"""An output: how many frames were cut from the start."""
WEIGHTS = "rfsn.weights"


def without_silence(graph: Graph) -> None:
    from onnx import TensorProto, helper

    if any(graph.maker(value) is None for value in (TEXT, PITCH, ENERGY)):
        return
    cuts = {value: f"{value}.cut" for value in (TEXT, PITCH, ENERGY)}
    vocoder = graph.below(list(cuts))
    graph.take_instead(cuts)
    _find_speech(graph)
    last = _whole(graph, "last", -1)
    graph.make("Mul", ["rfsn.from", _whole(graph, "two", 2)], "rfsn.from2")
    graph.make("Mul", ["rfsn.to", _whole(graph, "two", 2)], "rfsn.to2")
    graph.make("Slice", [TEXT, "rfsn.from", "rfsn.to", last], cuts[TEXT])
    graph.make("Slice", [PITCH, "rfsn.from2", "rfsn.to2", last], cuts[PITCH])
    graph.make("Slice", [ENERGY, "rfsn.from2", "rfsn.to2", last], cuts[ENERGY])
    graph.make("Identity", ["rfsn.from"], SKIPPED)
    graph.graph.output.append(helper.make_tensor_value_info(SKIPPED, TensorProto.INT64, [1]))
    _weigh(graph)
    for node in vocoder:
        if node.op_type == "InstanceNormalization":
            _weighted_norm(graph, node)


def _find_speech(graph: Graph) -> None:
    """`rfsn.from` and `rfsn.to`: the frames that stay; `rfsn.first` and `rfsn.end`: those that are loud."""
    import numpy as np
    from onnx import TensorProto

    two, one, none = _whole(graph, "two", 2), _whole(graph, "one", 1), _whole(graph, "none", 0)
    margin = _whole(graph, "margin", MARGIN)
    graph.make("Reshape", [ENERGY, _whole(graph, "flat", -1)], "rfsn.energy")
    graph.make("Greater", ["rfsn.energy", graph.constant("rfsn.quiet", np.float32(QUIET))], "rfsn.is_loud")
    graph.make("Cast", ["rfsn.is_loud"], "rfsn.loud", to=TensorProto.INT32)
    graph.make("ArgMax", ["rfsn.loud"], "rfsn.first2", axis=0, keepdims=1)
    graph.make("ArgMax", ["rfsn.loud"], "rfsn.last2", axis=0, keepdims=1, select_last_index=1)
    graph.make("Shape", ["rfsn.energy"], "rfsn.halves")
    graph.make("Div", ["rfsn.halves", two], "rfsn.frames")
    graph.make("Div", ["rfsn.first2", two], "rfsn.first")
    graph.make("Div", ["rfsn.last2", two], "rfsn.last_loud")
    graph.make("Add", ["rfsn.last_loud", one], "rfsn.end")
    graph.make("Sub", ["rfsn.first", margin], "rfsn.early")
    graph.make("Max", ["rfsn.early", none], "rfsn.from")
    graph.make("Add", ["rfsn.end", margin], "rfsn.late")
    graph.make("Min", ["rfsn.late", "rfsn.frames"], "rfsn.to")


def _weigh(graph: Graph) -> None:
    """For each frame that stays, how many it stands for: those next to the speech only for themselves."""
    import numpy as np

    one = _whole(graph, "one", 1)
    graph.make("Sub", ["rfsn.to", "rfsn.from"], "rfsn.length")
    length, zero, step = (
        graph.make("Squeeze", ["rfsn.length"], "rfsn.length0"),
        graph.constant("rfsn.zero0", np.int64(0)),
        graph.constant("rfsn.one0", np.int64(1)),
    )
    graph.make("Range", [zero, length, step], "rfsn.places")
    graph.make("Sub", ["rfsn.length", one], "rfsn.final")
    graph.make("Sub", ["rfsn.final", "rfsn.places"], "rfsn.places_back")
    graph.make("Sub", ["rfsn.frames", "rfsn.to"], "rfsn.gone_after")
    sides = {
        "before": ("rfsn.first", "rfsn.from", "rfsn.from", "rfsn.places"),
        "after": ("rfsn.to", "rfsn.end", "rfsn.gone_after", "rfsn.places_back"),
    }
    for side, (more, less, gone, places) in sides.items():
        name = f"rfsn.{side}"
        graph.make("Sub", [more, less], f"{name}.kept")
        graph.make("Sub", [f"{name}.kept", one], f"{name}.far")
        graph.make("Max", [f"{name}.far", one], f"{name}.carriers")
        graph.make("Less", [places, f"{name}.carriers"], f"{name}.carries")
        graph.make("Cast", [f"{name}.carries"], f"{name}.carry", to=1)
        graph.make("Cast", [gone], f"{name}.gone", to=1)
        graph.make("Cast", [f"{name}.carriers"], f"{name}.by", to=1)
        graph.make("Div", [f"{name}.gone", f"{name}.by"], f"{name}.each")
        graph.make("Mul", [f"{name}.carry", f"{name}.each"], f"{name}.extra")
    graph.make("Add", ["rfsn.before.extra", "rfsn.after.extra"], "rfsn.extra")
    graph.make("Add", ["rfsn.extra", graph.constant("rfsn.unit", np.float32(1.0))], WEIGHTS)


def _weighted_norm(graph: Graph, node: onnx.NodeProto) -> None:
    """An InstanceNormalization whose mean and variance are weighted, as x * a + b."""
    import numpy as np
    from onnx import helper

    x, gain, shift = node.input
    y = node.output[0]
    epsilon = next(helper.get_attribute_value(a) for a in node.attribute if a.name == "epsilon")
    _statistics(graph, x, float(epsilon))
    column = graph.constant("rfsn.channels", np.array([1, -1, 1], np.int64))
    graph.make("Reshape", [gain, column], f"{y}.gain")
    graph.make("Reshape", [shift, column], f"{y}.shift")
    graph.make("Div", [f"{y}.gain", f"{x}.deviation"], f"{y}.a")
    graph.make("Mul", [f"{x}.mean", f"{y}.a"], f"{y}.moved")
    graph.make("Sub", [f"{y}.shift", f"{y}.moved"], f"{y}.b")
    graph.make("Mul", [x, f"{y}.a"], f"{y}.scaled")
    graph.make("Add", [f"{y}.scaled", f"{y}.b"], y)


def _statistics(graph: Graph, x: str, epsilon: float) -> None:
    """Weighted mean and deviation of each channel; x may have many samples for a frame."""
    import numpy as np

    if graph.maker(f"{x}.deviation") is not None:
        return
    graph.make("Shape", [x], f"{x}.samples", start=2, end=3)
    graph.make("Squeeze", [f"{x}.samples"], f"{x}.samples0")
    zero, one = graph.constant("rfsn.zero0", np.int64(0)), graph.constant("rfsn.one0", np.int64(1))
    graph.make("Range", [zero, f"{x}.samples0", one], f"{x}.places")
    graph.make("Mul", [f"{x}.places", "rfsn.length"], f"{x}.stretched")
    graph.make("Div", [f"{x}.stretched", f"{x}.samples"], f"{x}.frames")
    graph.make("Gather", [WEIGHTS, f"{x}.frames"], f"{x}.weights", axis=0)
    graph.make("ReduceSum", [f"{x}.weights"], f"{x}.sum", keepdims=1)
    graph.make("Div", [f"{x}.weights", f"{x}.sum"], f"{x}.shares")
    column = graph.constant("rfsn.column", np.array([-1, 1], np.int64))
    graph.make("Reshape", [f"{x}.shares", column], f"{x}.share")
    graph.make("MatMul", [x, f"{x}.share"], f"{x}.mean")
    graph.make("Mul", [x, x], f"{x}.squares")
    graph.make("MatMul", [f"{x}.squares", f"{x}.share"], f"{x}.mean_square")
    graph.make("Mul", [f"{x}.mean", f"{x}.mean"], f"{x}.square_mean")
    graph.make("Sub", [f"{x}.mean_square", f"{x}.square_mean"], f"{x}.raw")
    graph.make("Max", [f"{x}.raw", graph.constant("rfsn.zero", np.float32(0.0))], f"{x}.variance")
    graph.make("Add", [f"{x}.variance", graph.constant("rfsn.epsilon", np.float32(epsilon))], f"{x}.safe")
    graph.make("Sqrt", [f"{x}.safe"], f"{x}.deviation")


def _whole(graph: Graph, name: str, value: int) -> str:
    import numpy as np

    return graph.constant(f"rfsn.{name}", np.array([value], np.int64))
