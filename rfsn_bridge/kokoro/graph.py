"""An ONNX graph to rewrite: find the nodes around a value, replace what makes it, and drop what nobody needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray


class Graph:
    """`model` is changed in place; call `tidy` when done. Its own constants are initializers, never nodes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self._constants = {constant.name: constant for constant in self.graph.initializer}
        self._makers = {output: node for node in self.graph.node for output in node.output if output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            self._note_users(node)

    def nodes(self, kind: str) -> list[onnx.NodeProto]:
        """All of a kind, new ones too."""
        return [
            node for node in {id(node): node for node in self._makers.values()}.values() if node.op_type == kind
        ]

    def maker(self, value: str, kind: str = "") -> onnx.NodeProto | None:
        """The node whose output this is; None for a constant or an input, or if it is of another kind."""
        node = self._makers.get(value)
        return node if node is not None and kind in ("", node.op_type) else None

    def users(self, value: str, kind: str) -> list[onnx.NodeProto]:
        return [node for node in self._users.get(value, []) if node.op_type == kind]

    def user(self, value: str | None, kind: str = "") -> onnx.NodeProto | None:
        """The one node that takes this value; None if there are several, or if it is of another kind."""
        users = self._users.get(value or "", [])
        return users[0] if len(users) == 1 and kind in ("", users[0].op_type) else None

    def below(self, values: Sequence[str]) -> list[onnx.NodeProto]:
        """All nodes that need one of these, directly or not."""
        found: dict[int, onnx.NodeProto] = {}
        waiting = list(values)
        while waiting:
            for node in self._users.get(waiting.pop(), []):
                if id(node) not in found:
                    found[id(node)] = node
                    waiting.extend(filter(None, node.output))
        return list(found.values())

    def take_instead(self, names: Mapping[str, str]) -> None:
        """Whoever takes a value takes another one from now on."""
        for old, new in names.items():
            users = self._users.pop(old, [])
            for node in users:
                for position, value in enumerate(node.input):
                    if value == old:
                        node.input[position] = new
            self._users.setdefault(new, []).extend(users)

    def is_constant(self, value: str) -> bool:
        return value in self._constants

    def array(self, value: str) -> NDArray[Any]:
        from onnx import numpy_helper

        return numpy_helper.to_array(self._constants[value])

    def constant(self, name: str, array: Any) -> str:
        """A new constant, or the one of this name that was made before."""
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(array, name)
            self.graph.initializer.append(self._constants[name])
        return name

    def make(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """`output` comes from a new node from now on, whatever made it before; returns `output`."""
        self.make_many(kind, inputs, [output], **attributes)
        return output

    def make_many(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        from onnx import helper

        names = list(outputs)
        for name in filter(None, names):
            if (old := self._makers.get(name)) is not None:
                old.output[list(old.output).index(name)] = ""
        node = helper.make_node(kind, list(inputs), names, name=f"{names[0]}.{kind}", **attributes)
        for name in filter(None, names):
            self._makers[name] = node
        self._note_users(node)

    def _note_users(self, node: onnx.NodeProto) -> None:
        for value in node.input:
            self._users.setdefault(value, []).append(node)

    def tidy(self) -> None:
        """Drop nodes and constants that lead to no output, and put the rest in order."""
        nodes, values = self._needed()
        copies = [_copy(node) for node in nodes]
        del self.graph.node[:]
        self.graph.node.extend(copies)
        for position in reversed(range(len(self.graph.initializer))):
            if self.graph.initializer[position].name not in values:
                del self.graph.initializer[position]
        del self.graph.value_info[:]

    def _needed(self) -> tuple[list[onnx.NodeProto], set[str]]:
        """Nodes, each behind those that it needs, and the names of all other values that they take."""
        nodes: dict[int, onnx.NodeProto] = {}
        begun: set[str] = set()
        stack = [(output.name, False) for output in self.graph.output]
        while stack:
            value, ready = stack.pop()
            node = self._makers.get(value)
            if ready and node is not None:
                nodes.setdefault(id(node), node)
            elif value not in begun:
                begun.add(value)
                if node is not None:
                    stack.append((value, True))
                    stack.extend((name, False) for name in node.input if name)
        return list(nodes.values()), begun - self._makers.keys()


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    twin = type(node)()
    twin.CopyFrom(node)
    return twin
