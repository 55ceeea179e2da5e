"""Nodes are immutable, interned and typed."""

from __future__ import annotations

import copy
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    DTypeError,
    Input,
    Node,
    ProgramError,
    ShapeError,
    SymbolicDim,
    applies,
    named_dim,
    parse_shape,
)
from chainrule.primitives import Add, Divide, Exp, Linear, Multiply, Reshape, Sum

MATRIX = ArrayType(parse_shape("n m"))
X, Y = Input("x", MATRIX), Input("y", MATRIX)
NODES: list[Node] = [
    X,
    Const(2.0, MATRIX),
    Const(named_dim("n"), ArrayType(())),
    Const(np.arange(3), ArrayType((3,), DType.INT64)),
    Add()(X, Y),
    Sum((0,))(Exp()(X) * 2),
]


def test_equal_nodes_are_one_object() -> None:
    assert Input("x", MATRIX) is X
    assert Input("x", ArrayType((2, 2))) is not X
    assert Const(2, MATRIX) is Const(2.0, MATRIX)
    assert Add()(X, Y) is Add()(X, Y)
    assert Add()(X, Y) is not Add()(Y, X)
    assert Exp()(X) * Exp()(X) is Exp()(X) * Exp()(X)


def test_literals_that_differ_in_bits_are_different_nodes() -> None:
    scalar = ArrayType(())
    assert Const(0.0, scalar) is not Const(-0.0, scalar)
    assert Const(float("nan"), scalar) is Const(float("nan"), scalar)
    assert Const(1, ArrayType((), DType.INT64)) is not Const(1, scalar)
    assert Const(0.1, ArrayType((), DType.FLOAT32)).value == float(np.float32(0.1))


def test_array_literals_are_interned_by_content_and_cannot_change() -> None:
    type = ArrayType((3,))
    array = np.asarray([1.0, 2.0, 3.0])
    node = Const(array, type)
    assert node is Const(array.copy(), type)
    array[0] = 9.0
    assert isinstance(node.value, np.ndarray)
    assert node.value[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        node.value[0] = 9.0
    assert not node.is_filled


def test_large_literals_are_not_confused() -> None:
    type = ArrayType((1000,))
    gc.freeze()  # what there is already need not be looked through each time
    try:
        for fill in range(20):
            node = Const(np.full(1000, float(fill)), type)
            assert isinstance(node.value, np.ndarray)
            assert node.value[0] == fill
            del node
            gc.collect()
    finally:
        gc.unfreeze()


def test_a_literal_of_another_type_is_refused() -> None:
    with pytest.raises(ProgramError, match="a literal of shape"):
        Const(np.zeros(3), ArrayType((2,)))
    with pytest.raises(ProgramError, match="a literal of shape"):
        Const(np.zeros(3, np.float32), ArrayType((3,)))


@pytest.mark.parametrize("node", NODES)
def test_nodes_cannot_be_changed(node: Any) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        node.type = MATRIX
    with pytest.raises(AttributeError, match="immutable"):
        node.anything = 1
    with pytest.raises(AttributeError, match="immutable"):
        del node.type


@pytest.mark.parametrize("node", NODES)
def test_copies_and_pickles_are_the_node_itself(node: Node) -> None:
    assert copy.copy(node) is node
    assert copy.deepcopy(node) is node
    assert copy.deepcopy([node])[0] is node
    assert pickle.loads(pickle.dumps(node)) is node


def test_types_are_checked_as_a_node_is_made() -> None:
    with pytest.raises(ShapeError):
        Add()(X, Input("z", ArrayType(parse_shape("n k"))))
    with pytest.raises(DTypeError):
        Exp()(Input("i", ArrayType((2,), DType.INT64)))
    with pytest.raises(ProgramError, match="takes 2 operands"):
        Apply(Add(), (X,))
    with pytest.raises(ProgramError, match="is not a node"):
        Apply(Add(), (X, 1.0))  # type: ignore[arg-type]


def test_threads_make_one_node() -> None:
    def make(_: int) -> Node:
        return Exp()(Input("shared", MATRIX)) + 1

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(200)))
    assert len(set(map(id, made))) == 1


def test_operators_take_numbers_on_either_side() -> None:
    one = Const(1, MATRIX)
    assert 1 + X is one + X
    assert X - 1 is X - one
    assert 1 - X is one - X
    assert 2 * X is Const(2, MATRIX) * X
    assert (1 / X) is one / X
    assert X**2 is X**2.0
    assert (2**X).type == MATRIX
    assert (X @ Input("w", ArrayType(parse_shape("m k")))).type.shape == parse_shape("n k")


def test_filled_literals() -> None:
    assert Const(2, MATRIX).filled_with(2)
    assert not Const(2, MATRIX).filled_with(3)
    assert not Const(named_dim("n"), MATRIX).filled_with(2)
    assert Const(named_dim("n"), MATRIX).is_filled


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float64, DType.FLOAT64),
        (np.float32, DType.FLOAT32),
        (np.int8, DType.INT64),
        (np.uint32, DType.INT64),
        (np.bool_, DType.BOOL),
    ],
)
def test_dtypes_of_numpy(dtype: type[Any], expected: DType) -> None:
    assert DType.of(np.dtype(dtype)) is expected


@pytest.mark.parametrize("dtype", [np.complex128, np.float16, np.object_, np.str_])
def test_dtypes_that_are_not_supported(dtype: type[Any]) -> None:
    with pytest.raises(DTypeError, match="is not supported"):
        DType.of(np.dtype(dtype))


def test_an_application_is_matched_as_it_is_made() -> None:
    node: Node = Multiply()(X, Divide()(Const(1, MATRIX), Y))
    match node:
        case Apply(Multiply(), (x, Apply(Divide(), (Const(1), y)))):
            assert (x, y) == (X, Y)
        case _:
            pytest.fail(f"{node!r} is not matched")
    match Reshape(parse_shape("m n"))(X):
        case Apply(Reshape(shape), (Input("x", type_),)):
            assert (shape, type_) == (parse_shape("m n"), MATRIX)
        case _:
            pytest.fail("a reshape is not matched")
    match Add()(X, Y):
        case Apply(Multiply(), _) | Apply(Add(), (_,)) | Apply(Add(), (Const(), _)):
            pytest.fail("a sum is taken for something else")


def test_a_literal_is_matched_by_the_number_that_fills_it() -> None:
    literals = [Const(2, MATRIX), Const(named_dim("n"), MATRIX), Const(np.full((3,), 2.0), ArrayType((3,)))]
    found = []
    for literal in literals:
        match literal:
            case Const(2):
                found.append("number")
            case Const(SymbolicDim() as size):
                found.append(str(size))
            case Const(None):
                found.append("array")
    assert found == ["number", "n", "array"]


def test_applies_asks_for_one_of_several_primitives() -> None:
    assert applies(Add()(X, Y), Add)
    assert applies(Add()(X, Y), Multiply, Linear)
    assert not applies(Multiply()(X, Y), Add, Linear)
    assert not applies(X, Add)
