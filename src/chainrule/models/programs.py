"""Programs as JSON: every node once, operands before what uses them, primitives by name with their fields.

    {"nodes": [{"input": "x", "dtype": "float64", "shape": ["n"]},
               {"constant": 2.0, "dtype": "float64", "shape": ["n"]},
               {"apply": "Multiply", "to": [0, 1]}],
     "inputs": [0], "outputs": [2], "names": [[2, "y"]]}

The type of an application is derived again as the program is read, never believed. Array literals are kept apart, as
tensors. What is read is within the limits of `limits`, so that a hostile text costs little time and memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, Program, Shape, SymbolicDim
from chainrule.models.errors import DescriptionError, shown
from chainrule.models.limits import DEPTH, NODES, check_node, check_type
from chainrule.models.schema import (
    JSON,
    NAME_LENGTH,
    TENSOR,
    Reader,
    Tensors,
    check_keys,
    number_as_json,
    read_number,
    read_object,
    read_size,
    read_text,
    read_truth,
    read_whole,
    size_as_json,
    written,
)
from chainrule.primitives import REGISTRY, Primitive
from chainrule.words import ChainruleError

PRIMITIVES: Mapping[str, type[Primitive]] = {each.__name__: each for each in REGISTRY}


def program_to_json(program: Program, tensors: Tensors, place: str = "program") -> dict[str, JSON]:
    """`program` as JSON; its array literals are put into `tensors` under names that begin with `place`.

    >>> from chainrule.trace import trace
    >>> text = program_to_json(trace("2*x", x=()), {})
    >>> text["nodes"][-1]
    {'apply': 'Multiply', 'to': [1, 0], 'fields': {}}
    """
    number: dict[Node, int] = {}
    nodes: list[JSON] = []
    for node in [*program.inputs, *program.nodes]:
        if node not in number:
            number[node] = len(nodes)
            nodes.append(_node_to_json(node, number, tensors, f"{place}.nodes[{len(nodes)}]"))
    return {
        "nodes": nodes,
        "inputs": [number[node] for node in program.inputs],
        "outputs": [number[node] for node in program.outputs],
        "names": [[number[node], name] for node, name in program.names.items() if node in number],
    }


def _node_to_json(node: Node, number: Mapping[Node, int], tensors: Tensors, place: str) -> JSON:
    if isinstance(node, Apply):
        given = {
            spec.name: written(getattr(node.primitive, spec.name), f"{place}.{spec.name}", tensors)
            for spec in fields(node.primitive)
        }
        name = type(node.primitive).__name__
        return {"apply": name, "to": [number[operand] for operand in node.operands], "fields": given}
    typed = {"dtype": node.type.dtype.value, "shape": [size_as_json(dim) for dim in node.type.shape]}
    if isinstance(node, Input):
        return {"input": node.name, **typed}
    assert isinstance(node, Const)
    return {"constant": _literal_to_json(node, tensors, place), **typed}


def _literal_to_json(node: Const, tensors: Tensors, place: str) -> JSON:
    if isinstance(node.value, np.ndarray):
        tensors[place] = node.value
        return {TENSOR: place}
    if isinstance(node.value, SymbolicDim):
        return {"size": size_as_json(node.value)}
    return number_as_json(node.value) if isinstance(node.value, float) else node.value


def program_from_json(data: JSON, tensors: Mapping[str, NDArray[Any]] | None = None, place: str = "program") -> Program:
    """The program that `program_to_json` wrote; raises DescriptionError, naming the place, for anything else."""
    return _Reading(tensors or {}, place).program(data)


class _Reading:
    """The nodes read so far, each with how deep it is nested."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], place: str) -> None:
        self.tensors, self.place = tensors, place
        self.reader = Reader({}, tensors)
        self.nodes: list[Node] = []
        self.depths: list[int] = []

    def program(self, data: JSON) -> Program:
        check_keys(read_object(data, self.place), ("nodes", "inputs", "outputs", "names"), self.place)
        entries = self._list(data["nodes"], f"{self.place}.nodes")
        if len(entries) > NODES:
            raise DescriptionError(f"{self.place} has {len(entries):,} nodes; a program has at most {NODES:,}")
        for k, entry in enumerate(entries):
            here = f"{self.place}.nodes[{k}]"
            node, depth = self._node(read_object(entry, here), here)
            check_node(node, here)
            if depth > DEPTH:
                raise DescriptionError(f"{here} is nested more than {DEPTH:,} deep")
            self.nodes.append(node)
            self.depths.append(depth)
        inputs = self._listed(data["inputs"], f"{self.place}.inputs")
        outputs = self._listed(data["outputs"], f"{self.place}.outputs")
        if not all(isinstance(node, Input) for node in inputs):
            raise DescriptionError(f"{self.place}.inputs names a node that is no input")
        try:
            return Program(
                tuple(node for node in inputs if isinstance(node, Input)),
                tuple(outputs),
                self._names(data["names"]),
            )
        except DescriptionError:
            raise
        except ChainruleError as error:
            raise DescriptionError(f"{self.place} is no program: {error}") from None

    def _names(self, data: JSON) -> dict[Node, str]:
        here, names = f"{self.place}.names", {}
        for pair in self._list(data, here):
            if not isinstance(pair, list) or len(pair) != 2:
                raise DescriptionError(f"{here} holds {shown(pair)}; it should hold lists of a node and its name")
            names[self._known(pair[0], here)] = _name(pair[1], here)
        return names

    def _list(self, data: JSON, place: str) -> list[JSON]:
        if not isinstance(data, list):
            raise DescriptionError(f"{place} is {shown(data)}; it should be a list")
        return data

    def _listed(self, data: JSON, place: str) -> list[Node]:
        return [self._known(each, place) for each in self._list(data, place)]

    def _known(self, data: JSON, place: str) -> Node:
        """The node with that number, which must have been read by now."""
        number = read_whole(data, place)
        if not 0 <= number < len(self.nodes):
            raise DescriptionError(f"{place} names node {number}, but there are {len(self.nodes)} nodes before it")
        return self.nodes[number]

    def _node(self, data: dict[str, JSON], place: str) -> tuple[Node, int]:
        if "apply" in data:
            return self._application(data, place)
        kind = "input" if "input" in data else "constant"
        check_keys(data, (kind, "dtype", "shape"), place)
        type_ = self._type(data, place)
        if kind == "input":
            return Input(_name(data["input"], f"{place}.input"), type_), 1
        return self._literal(data["constant"], type_, f"{place}.constant"), 1

    def _type(self, data: Mapping[str, JSON], place: str) -> ArrayType:
        shape: Shape = tuple(read_size(dim, f"{place}.shape") for dim in self._list(data["shape"], f"{place}.shape"))
        type_ = ArrayType(shape, self.reader.read(DType, data["dtype"], f"{place}.dtype"))
        check_type(type_, place)
        return type_

    def _literal(self, data: JSON, type_: ArrayType, place: str) -> Const:
        value: Any
        if isinstance(data, dict) and "size" in data:
            check_keys(data, ("size",), place)
            value = read_size(data["size"], f"{place}.size")
        elif isinstance(data, dict):
            value = self.reader.read(np.ndarray, data, place)
            if value.shape != type_.shape or value.dtype != type_.dtype.numpy:
                raise DescriptionError(f"{place} is a tensor of shape {value.shape} and {value.dtype}, not {type_}")
        elif type_.dtype is DType.BOOL:
            value = read_truth(data, place)
        else:
            value = read_number(data, place) if type_.dtype.is_float else read_whole(data, place)
        return Const(value, type_)

    def _application(self, data: dict[str, JSON], place: str) -> tuple[Node, int]:
        check_keys(data, ("apply", "to", "fields"), place)
        name = read_text(data["apply"], f"{place}.apply")
        if name not in PRIMITIVES:
            raise DescriptionError(f"{place} applies {shown(name)}, a primitive that this version has not")
        operands = self._listed(data["to"], f"{place}.to")
        fields_given = read_object(data["fields"], f"{place}.fields")
        primitive = self.reader.instance(PRIMITIVES[name], fields_given, f"{place}.fields")
        try:
            node = Apply(primitive, tuple(operands))
        except Exception as error:  # whatever a primitive says of operands that it does not take
            raise DescriptionError(f"{place}: {name} does not fit its operands: {_line(error)}") from None
        return node, 1 + max((self.depths[k] for k in data["to"]), default=0)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) if isinstance(error, ChainruleError) else "there are too many or too few"


def _name(data: JSON, place: str) -> str:
    name = read_text(data, place)
    if not 0 < len(name) <= NAME_LENGTH:
        raise DescriptionError(f"{place} is a name of {len(name)} letters; it should have 1 to {NAME_LENGTH}")
    return name
