"""Programs: what they check, how they are rebuilt and bound to sizes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    Program,
    ProgramError,
    ShapeError,
    dim_product,
    named_dim,
    parse_shape,
    rebuild,
    rebuild_all,
    substitute,
    topological_order,
)
from chainrule.primitives import Add, Broadcast, Exp, OneHot, Reshape, evaluate_nodes, mean, sum_

X = Input("X", ArrayType(parse_shape("n d")))
W = Input("W", ArrayType(parse_shape("d h")))
Z = X @ W
LOSS = mean(Exp()(Z))
PROGRAM = Program((X, W), (LOSS,), {Z: "z"})


class Stranger(Node):
    """A node of a kind that the language does not have."""

    __slots__ = ()


def stranger() -> Node:
    node = object.__new__(Stranger)
    object.__setattr__(node, "type", X.type)
    return node


def test_order_puts_operands_first_and_lists_each_node_once() -> None:
    order = PROGRAM.nodes
    assert len(set(order)) == len(order)
    for place, node in enumerate(order):
        if isinstance(node, Apply):
            assert all(order.index(operand) < place for operand in node.operands)


def test_order_does_not_enter_what_it_stops_at() -> None:
    assert topological_order([LOSS], stop={Z})[0] is Z
    assert X not in topological_order([LOSS], stop={Z})


def test_a_deep_program_needs_no_recursion() -> None:
    node: Node = X
    for _ in range(5000):
        node = node + X
    program = Program((X,), (node,))
    assert len(program.nodes) == 5001
    assert rebuild([node], lambda _: None) == (node,)
    assert len(program.bind({"n": 1, "d": 1}).nodes) == 5001


def test_inputs_are_found_by_name() -> None:
    assert PROGRAM.input("W") is W
    with pytest.raises(ProgramError, match="no input named 'b'; the inputs are X, W"):
        PROGRAM.input("b")
    assert PROGRAM.dim_names == ["n", "d", "h"]


def test_an_input_that_is_not_declared_is_refused() -> None:
    with pytest.raises(ProgramError, match="is used but is not an input"):
        Program((X,), (LOSS,))


def test_a_name_declared_twice_is_refused() -> None:
    with pytest.raises(ProgramError, match="'X' is declared twice"):
        Program((X, Input("X", ArrayType(()))), (X,))


def test_a_node_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ProgramError, match="Stranger is not one of"):
        Program((), (stranger(),))
    with pytest.raises(ProgramError, match="Stranger is not one of"):
        rebuild([stranger()], lambda _: None)


def test_a_stale_type_is_refused() -> None:
    node = Add()(X, Input("stale", X.type))
    right = node.type
    object.__setattr__(node, "type", ArrayType((7,)))
    try:
        with pytest.raises(ProgramError, match="but derives"):
            Program((X, Input("stale", X.type)), (node,))
    finally:
        object.__setattr__(node, "type", right)


def test_rebuild_shares_what_does_not_change() -> None:
    bias = Input("b", Z.type)
    (replaced,) = rebuild([LOSS], lambda node: Z + bias if node is Z else None)
    assert replaced is mean(Exp()(Z + bias))
    assert rebuild([LOSS], lambda _: None) == (LOSS,)
    made = rebuild_all([LOSS], {Z: bias}.get)
    assert made[Z] is bias
    assert made[LOSS] is mean(Exp()(bias))
    assert substitute([Z, LOSS], {Z: bias}) == (bias, mean(Exp()(bias)))


def test_rebuild_checks_types() -> None:
    with pytest.raises(ShapeError):
        substitute([LOSS + sum_(Z)], {W: Input("V", ArrayType(parse_shape("q h")))})


def test_bind_replaces_sizes_everywhere() -> None:
    n, d = named_dim("n"), named_dim("d")
    labels = Input("labels", ArrayType((n,), DType.INT64))
    node = Reshape((n * d,))(X) * Const(n, ArrayType((n * d,)))
    program = Program((X, labels), (sum_(node), OneHot(d)(labels), Broadcast((n, d, d), (0, 1))(X)), {node: "scaled"})
    bound = program.bind({"n": 2, "d": 3})
    assert [output.type.shape for output in bound.outputs] == [(), (2, 3), (2, 3, 3)]
    assert all(part.type.is_concrete for part in bound.nodes)
    assert list(bound.names.values()) == ["scaled"]
    values: dict[Node, np.ndarray[Any, Any]] = {bound.inputs[0]: np.ones((2, 3)), bound.inputs[1]: np.asarray([0, 2])}
    total, rows, _ = (evaluate_nodes(bound.outputs, values)[output] for output in bound.outputs)
    assert total == dim_product([2, 2, 3])
    np.testing.assert_array_equal(rows, np.eye(3)[[0, 2]])


def test_bind_to_single_precision_reaches_every_float() -> None:
    labels = Input("labels", ArrayType(parse_shape("n"), DType.INT64))
    literal = Const(np.asarray([1.0, 2.0, 3.0]), ArrayType((3,)))
    program = Program((labels,), (mean((OneHot(3)(labels) + 0.5) * Broadcast(parse_shape("n 3"), (1,))(literal)),))
    bound = program.bind({"n": 2}, DType.FLOAT32)
    dtypes = {node.type.dtype for node in bound.nodes}
    assert dtypes == {DType.FLOAT32, DType.INT64}
    (output,) = bound.outputs
    assert evaluate_nodes([output], {bound.inputs[0]: np.asarray([0, 1])})[output].dtype == np.float32


def test_bind_leaves_other_names() -> None:
    bound = PROGRAM.bind({"d": 5})
    assert bound.dim_names == ["n", "h"]
    assert bound.bind({"n": 1, "h": 2}).inputs[1].type.shape == (5, 2)


def test_sizes_that_do_not_fit_are_refused() -> None:
    program = Program((X,), (Reshape((named_dim("n"), named_dim("d")))(X),))
    assert program.bind({"n": 0, "d": 3}).outputs[0].type.shape == (0, 3)
    with pytest.raises(ShapeError, match="has no value here"):
        _ = program.outputs[0].type.concrete_shape


def test_programs_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(PROGRAM))
    assert copy.inputs == PROGRAM.inputs
    assert copy.outputs[0] is LOSS
    assert copy.names == {Z: "z"}


def test_programs_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PROGRAM.inputs = ()  # type: ignore[misc]
