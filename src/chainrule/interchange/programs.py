"""Programs as JSON: every node once, operands before what uses them, primitives by name with their fields.

    {"nodes": [{"input": "x", "dtype": "float64", "shape": ["n"]},
               {"constant": 2.0, "dtype": "float64", "shape": ["n"]},
               {"apply": "Multiply", "to": [0, 1], "fields": {}}],
     "inputs": [0], "outputs": [2], "names": [[2, "y"]]}

An entry `"declared": [["S", "symmetric"]]` is there if properties of inputs are declared. The type of an application is
inferred again when the program is read. Array literals are stored separately, as tensors. `limits` bounds what is read,
so a hostile file costs little time and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.interchange.limits import DEPTH, NODES, check_node, check_type
from chainrule.interchange.sizes import NAME_LENGTH, SIZE, read_size, size_as_json
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Declaration,
    DType,
    Input,
    Node,
    Program,
    Property,
    SymbolicDim,
    topological_order,
)
from chainrule.primitives import REGISTRY, Primitive
from chainrule.schema import JSON, TENSOR, DescriptionError, Rule, Schema, Tensors, number_as_json, shown, shown_data
from chainrule.words import ChainruleError

PRIMITIVES: Mapping[str, type[Primitive]] = {each.__name__: each for each in REGISTRY}
_SCHEMA = Schema(forms=(SIZE,))
_NAME = Annotated[str, Rule((f"a name of 1 to {NAME_LENGTH} letters",), lambda name: 0 < len(name) <= NAME_LENGTH)]
_LIST, _OBJECT = list[object], dict[str, object]


class NodeTable:
    """A list of nodes as JSON, each once, operands first; `number` returns the index of a node, and adds missing nodes.

    Array literals are added to `tensors`, under names that begin with `place`.
    """

    def __init__(self, tensors: Tensors, place: str = "nodes") -> None:
        self.entries: list[JSON] = []
        self._tensors, self._place = tensors, place
        self._numbers: dict[Node, int] = {}

    def number(self, node: Node) -> int:
        """Return the index of `node` in `entries`."""
        if node not in self._numbers:
            self.extend(topological_order([node]))
        return self._numbers[node]

    def extend(self, nodes: Iterable[Node]) -> None:
        """Add nodes in topological order."""
        for node in nodes:
            if node not in self._numbers:
                self.entries.append(self._entry(node, f"{self._place}[{len(self.entries)}]"))
                self._numbers[node] = len(self.entries) - 1

    @property
    def known(self) -> list[Node]:
        """The nodes, in the order of `entries`."""
        return list(self._numbers)

    def __contains__(self, node: Node) -> bool:
        return node in self._numbers

    def _entry(self, node: Node, place: str) -> JSON:
        if isinstance(node, Apply):
            fields = _SCHEMA.fields_of(node.primitive, place, self._tensors)
            to = [self._numbers[operand] for operand in node.operands]
            return {"apply": type(node.primitive).__name__, "to": to, "fields": fields}
        if isinstance(node, Input):
            return {"input": node.name, **type_as_json(node.type)}
        assert isinstance(node, Const)
        return {"constant": self._literal(node.value, place), **type_as_json(node.type)}

    def _literal(self, value: Any, place: str) -> JSON:
        if isinstance(value, np.ndarray):
            self._tensors[place] = value
            return {TENSOR: place}
        if isinstance(value, SymbolicDim):
            return {"size": size_as_json(value)}
        return number_as_json(value) if isinstance(value, float) else value


def type_as_json(type_: ArrayType) -> dict[str, JSON]:
    """Return the dtype and the shape of an array as JSON."""
    return {"dtype": type_.dtype.value, "shape": [size_as_json(dim) for dim in type_.shape]}


def program_to_json(program: Program, tensors: Tensors, place: str = "program") -> dict[str, JSON]:
    """Return `program` as JSON; its array literals are added to `tensors`, under names that begin with `place`.

    >>> from chainrule.trace import trace
    >>> text = program_to_json(trace("2*x", x=()), {})
    >>> text["nodes"][-1]
    {'apply': 'Multiply', 'to': [1, 0], 'fields': {}}
    """
    table = NodeTable(tensors, f"{place}.nodes")
    table.extend([*program.inputs, *program.nodes])
    written: dict[str, JSON] = {
        "nodes": table.entries,
        "inputs": [table.number(node) for node in program.inputs],
        "outputs": [table.number(node) for node in program.outputs],
        "names": [[table.number(node), name] for node, name in program.names.items() if node in table],
    }
    if program.declared:
        written["declared"] = [[each.name, each.property.value] for each in program.declared]
    return written


def program_from_json(data: JSON, tensors: Mapping[str, NDArray[Any]] | None = None, place: str = "program") -> Program:
    """Return the program that `program_to_json` wrote; raise DescriptionError, with the location, for anything else."""
    return _Reading(tensors or {}, place).program(data)


class _Reading:
    """The nodes read so far, with their depths."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], place: str) -> None:
        self.tensors, self.place = tensors, place
        self.nodes: list[Node] = []
        self.depths: list[int] = []

    def program(self, data: JSON) -> Program:
        optional = ("declared",) if isinstance(data, dict) and "declared" in data else ()
        given = _SCHEMA.entries(data, ("nodes", "inputs", "outputs", "names", *optional), self.place)
        entries = self._read(_LIST, given["nodes"], f"{self.place}.nodes")
        if len(entries) > NODES:
            raise DescriptionError(f"{self.place} has {len(entries):,} nodes; a program has at most {NODES:,}")
        for k, entry in enumerate(entries):
            here = f"{self.place}.nodes[{k}]"
            node, depth = self._node(self._read(_OBJECT, entry, here), here)
            check_node(node, here)
            if depth > DEPTH:
                raise DescriptionError(f"{here} is nested more than {DEPTH:,} deep")
            self.nodes.append(node)
            self.depths.append(depth)
        inputs = self._listed(given["inputs"], f"{self.place}.inputs")
        outputs = self._listed(given["outputs"], f"{self.place}.outputs")
        if not all(isinstance(node, Input) for node in inputs):
            raise DescriptionError(f"{self.place}.inputs names a node that is not an input")
        try:
            return Program(
                tuple(node for node in inputs if isinstance(node, Input)),
                tuple(outputs),
                self._names(given["names"]),
            ).declare(self._declared(given.get("declared", [])))
        except DescriptionError:
            raise
        except ChainruleError as error:
            raise DescriptionError(f"{self.place} is not a program: {error}") from None

    def _read(self, hint: Any, data: JSON, place: str) -> Any:
        return _SCHEMA.read(hint, data, place, self.tensors)

    def _names(self, data: JSON) -> dict[Node, str]:
        here, names = f"{self.place}.names", {}
        for pair in self._read(_LIST, data, here):
            if not isinstance(pair, list) or len(pair) != 2:
                raise DescriptionError(f"{here} holds {shown_data(pair)}; it should hold lists of a node and its name")
            names[self._known(pair[0], here)] = self._read(_NAME, pair[1], here)
        return names

    def _declared(self, data: JSON) -> list[Declaration]:
        here, found = f"{self.place}.declared", []
        for pair in self._read(_LIST, data, here):
            if not isinstance(pair, list) or len(pair) != 2:
                raise DescriptionError(
                    f"{here} holds {shown_data(pair)}; it should hold lists of a name and a property"
                )
            found.append(Declaration(self._read(_NAME, pair[0], here), self._read(Property, pair[1], here)))
        return found

    def _listed(self, data: JSON, place: str) -> list[Node]:
        return [self._known(each, place) for each in self._read(_LIST, data, place)]

    def _known(self, data: JSON, place: str) -> Node:
        """Return the node with that number, which must precede the current one."""
        number: int = self._read(int, data, place)
        if not 0 <= number < len(self.nodes):
            raise DescriptionError(f"{place} names node {number}, but there are {len(self.nodes)} nodes before it")
        return self.nodes[number]

    def _node(self, data: dict[str, JSON], place: str) -> tuple[Node, int]:
        if "apply" in data:
            return self._application(data, place)
        kind = "input" if "input" in data else "constant"
        _SCHEMA.entries(data, (kind, "dtype", "shape"), place)
        shape = [read_size(dim, f"{place}.shape") for dim in self._read(_LIST, data["shape"], f"{place}.shape")]
        type_ = ArrayType(tuple(shape), self._read(DType, data["dtype"], f"{place}.dtype"))
        check_type(type_, place)
        if kind == "input":
            return Input(self._read(_NAME, data["input"], f"{place}.input"), type_), 1
        return self._literal(data["constant"], type_, f"{place}.constant"), 1

    def _literal(self, data: JSON, type_: ArrayType, place: str) -> Const:
        value: Any
        if isinstance(data, dict) and "size" in data:
            _SCHEMA.entries(data, ("size",), place)
            value = read_size(data["size"], f"{place}.size")
        elif isinstance(data, dict):
            value = self._read(np.ndarray, data, place)
            if value.shape != type_.shape or value.dtype != type_.dtype.numpy:
                raise DescriptionError(f"{place} is a tensor of shape {value.shape} and {value.dtype}, not {type_}")
        else:
            kind = bool if type_.dtype is DType.BOOL else float if type_.dtype.is_float else int
            value = self._read(kind, data, place)
        return Const(value, type_)

    def _application(self, data: dict[str, JSON], place: str) -> tuple[Node, int]:
        _SCHEMA.entries(data, ("apply", "to", "fields"), place)
        name: str = self._read(str, data["apply"], f"{place}.apply")
        if name not in PRIMITIVES:
            raise DescriptionError(f"{place} applies {shown(name)}, a primitive that this version does not have")
        operands = self._listed(data["to"], f"{place}.to")
        primitive = _SCHEMA.instance(PRIMITIVES[name], data["fields"], f"{place}.fields", self.tensors)
        try:
            node = Apply(primitive, tuple(operands))
        except Exception as error:  # any error of a primitive about its operands
            raise DescriptionError(f"{place}: {name} does not fit its operands: {_line(error)}") from None
        return node, 1 + max((self.depths[k] for k in data["to"]), default=0)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) if isinstance(error, ChainruleError) else "there are too many or too few"
