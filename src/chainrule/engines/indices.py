"""Bounds checks of integer inputs before a run, since generated code cannot raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import Scan
from chainrule.ir import Apply, Const, DType, Input, Node, Program, ProgramError, topological_order
from chainrule.primitives import RandomUniform, evaluate_nodes


def check_indices(program: Program, values: Mapping[str, NDArray[Any]]) -> None:
    """Raise ProgramError, naming the input, if an integer in `values` is out of range as an index.

    Only the minimum and the maximum of each input are tried, broadcast to its shape. Indexed arrays, and inputs without
    a value, are replaced by zeros. Indices that the program computes from floats are not checked.
    """
    named = {
        node: values[node.name]
        for node in program.inputs
        if node.type.dtype is DType.INT64 and np.size(values.get(node.name, ()))
    }
    if not named:
        return
    for extreme in (np.min, np.max):
        known: dict[Node, NDArray[Any]] = {
            node: np.full(node.type.concrete_shape, extreme(value), np.int64) for node, value in named.items()
        }
        _try_all(program.nodes, known, named)


def _try_all(nodes: Sequence[Node], known: dict[Node, NDArray[Any]], named: Mapping[Input, NDArray[Any]]) -> None:
    """Try the nodes that depend on known integers, and enter their values; of a loop, those of one step."""
    loops: set[object] = set()
    for node in nodes:
        if not isinstance(node, Apply) or not _chooses(node, known):
            continue
        if not isinstance(node.primitive, Scan):
            known[node] = _tried(node, known, named)
        elif (loop := (node.primitive.together, node.operands)) not in loops:
            loops.add(loop)
            for extreme in (np.min, np.max):
                within: dict[Node, NDArray[Any]] = {
                    symbol: np.full(symbol.type.concrete_shape, extreme(known[operand]), symbol.type.dtype.numpy)
                    for symbol, operand in zip(node.primitive.inputs, node.operands, strict=True)
                    if operand in known and known[operand].size
                }
                _try_all(topological_order(node.primitive.outputs), within, named)


def _chooses(node: Apply, known: Mapping[Node, object]) -> bool:
    """Whether `node` depends on known integers, or on conditions on them; random numbers accept any seed and step."""
    return not isinstance(node.primitive, RandomUniform) and any(
        operand in known and not operand.type.dtype.is_float for operand in node.operands
    )


def _tried(node: Apply, known: Mapping[Node, NDArray[Any]], named: Mapping[Input, NDArray[Any]]) -> NDArray[Any]:
    operands = []
    for operand in node.operands:
        if operand in known:
            operands.append(known[operand])
        elif isinstance(operand, Const):
            operands.append(evaluate_nodes([operand], {})[operand])
        else:
            operands.append(np.zeros(operand.type.concrete_shape, operand.type.dtype.numpy))
    try:
        with np.errstate(all="ignore"):
            return np.asarray(node.primitive.value(*operands))
    except IndexError as error:
        ranges = ", ".join(f"{each.name} holds {np.min(value)} to {np.max(value)}" for each, value in named.items())
        raise ProgramError(f"an index is out of range: {error} ({ranges})") from error
