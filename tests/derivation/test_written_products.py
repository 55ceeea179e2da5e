"""Printed right sides are mathematics that is right as it is printed, whatever expression it came from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import sizes_of
from support.written_products import NoSuchProductError, Reader, UnknownFormError, named

from chainrule.calculus import TANGENT
from chainrule.derivation import Derivation, Notator, derive
from chainrule.gallery import GALLERY
from chainrule.ir import DType, Input, Node, Program, topological_order
from chainrule.primitives import Infix, Notation, Number, Postfix, Symbol, evaluate_nodes

FORMULAS: list[tuple[str, dict[str, str]]] = [
    ("sum(A@B@C)", {"A": "m n", "B": "n k", "C": "k p"}),
    ("sum(X@W)", {"X": "n d", "W": "d h"}),
    ("sum(W@x)", {"W": "m n", "x": "n"}),
    ("sum(-2*W@x)", {"W": "m n", "x": "n"}),
    ("sum(x@W)", {"W": "n m", "x": "n"}),
    ("mean(X@W+b)", {"X": "n d", "W": "d k", "b": "k"}),
    ("mean(A@B@x)", {"A": "m n", "B": "n k", "x": "k"}),
    ("t*sum(A@B)", {"A": "m n", "B": "n k", "t": ""}),
    ("sum(A@B)^2", {"A": "m n", "B": "n k"}),
    ("sum((X@W+b)^2)", {"X": "n d", "W": "d k", "b": "k"}),
    ("x'*inv(A)*x", {"A": "n n", "x": "n"}),
    ("x'*A*y", {"A": "n m", "x": "n", "y": "m"}),
    ("sum(X)", {"X": "n d"}),
    ("mean(x)", {"x": "n"}),
]


def _outer_sum(u: Any, v: Any) -> Any:
    return np.sum(np.outer(u, v))


def _outer_then_product(u: Any, v: Any, W: Any) -> Any:
    return np.sum(np.outer(u, v) @ W)


def _rows_summed(X: Any, W: Any, y: Any) -> Any:
    return np.sum((np.sum(X @ W, axis=1) - y) ** 2)


def _columns_summed(X: Any, W: Any, y: Any) -> Any:
    s = np.sum(X @ W, axis=0)
    return np.sum(s * y)


def _bias_inside(X: Any, b: Any, W: Any) -> Any:
    return np.sum(((X + b) @ W) ** 2)


def _repeated_inside(b: Any, X: Any, W: Any) -> Any:
    return np.sum(((0 * X + b) @ W) ** 2)


def _row_products(A: Any, B: Any, w: Any) -> Any:
    return np.einsum("ij,ij->i", A, B) @ w


def _experts(W: Any, x: Any, g: Any) -> Any:
    return np.sum(g @ (W @ x))


def _lone_axis(A: Any, B: Any) -> Any:
    return np.sum(np.einsum("ij,jk->k", A, B) ** 2)


def _weighted_rows(v: Any, A: Any) -> Any:
    return np.sum(np.einsum("i,ij->ij", v, A) ** 2)


PROGRAMS: dict[str, tuple[Any, dict[str, str]]] = {
    "outer sum": (_outer_sum, {"u": "n", "v": "m"}),
    "outer then product": (_outer_then_product, {"u": "n", "v": "m", "W": "m k"}),
    "rows summed": (_rows_summed, {"X": "n d", "W": "d h", "y": "n"}),
    "columns summed": (_columns_summed, {"X": "n d", "W": "d h", "y": "h"}),
    "bias inside": (_bias_inside, {"X": "n d", "b": "d", "W": "d k"}),
    "repeated inside": (_repeated_inside, {"b": "d", "X": "n d", "W": "d k"}),
    "row products": (_row_products, {"A": "n d", "B": "n d", "w": "n"}),
    "experts": (_experts, {"W": "k e d", "x": "d", "g": "k"}),
    "lone axis": (_lone_axis, {"A": "n m", "B": "m k"}),
    "weighted rows": (_weighted_rows, {"v": "n", "A": "n m"}),
}


def check(derivation: Derivation) -> Counter[str]:
    """Read every printed right side, and count those that were read."""
    notator, found = Notator(derivation.record), Counter[str]()
    sizes = sizes_of(derivation)
    for claim in derivation.record.claims:
        node = claim.right
        if node.type.ndim > 2 or not node.type.dtype.is_float:
            continue
        found[_checked(notator, node, sizes)] += 1
    return found


def _checked(notator: Notator, node: Node, sizes: dict[str, int]) -> str:
    parts = topological_order([node])
    if any(part.type.ndim > 1 and 1 in part.type.shape for part in parts):
        return "unknown"  # an axis of size 1 is left unsaid
    inputs = tuple(part for part in parts if isinstance(part, Input))
    program = Program(inputs, (node,))
    bound = program.bind(sizes, DType.FLOAT64)
    random = np.random.default_rng(5)
    values: dict[Node, Any] = {}
    symbols = named(sizes)
    for free, node_ in zip(inputs, bound.inputs, strict=True):
        shape = node_.type.concrete_shape
        if not node_.type.dtype.is_float:
            return "unknown"
        values[node_] = random.uniform(0.1, 0.9, shape)
        symbols[notator.symbol(free)] = values[node_]
    (output,) = bound.outputs
    expected = evaluate_nodes([output], values)[output]
    changes = any(part.name.startswith(TANGENT) for part in inputs)
    shown = notator.of(node, explicit=True)
    try:
        found = Reader(symbols).read(shown, expected.shape, changes)
    except UnknownFormError:
        return "unknown"
    except NoSuchProductError as error:
        raise AssertionError(f"{node}: {shown}") from error
    except ValueError:  # a stack meets what is repeated along axes that are left unsaid
        if max(part.type.ndim for part in parts) > 2:
            return "unknown"
        raise
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=str(shown))
    return "read"


def _derived(name: str) -> Derivation:
    if name in PROGRAMS:
        function, shapes = PROGRAMS[name]
        return derive(function, wrt=list(shapes), **shapes)
    shapes = dict(FORMULAS)[name]
    return derive(name, wrt=list(shapes), **shapes)


@pytest.mark.parametrize("name", [*(formula for formula, _ in FORMULAS), *PROGRAMS])
def test_printed_products_are_true_products(name: str) -> None:
    assert check(_derived(name))["read"] >= 2


@pytest.mark.parametrize("name", GALLERY)
def test_printed_products_of_the_gallery_are_true_products(name: str) -> None:
    assert check(derive(GALLERY[name].function, GALLERY[name].wrt))["read"] >= 1


def test_a_vector_of_ones_with_a_number_in_front_is_no_number_in_latex() -> None:
    assert r"\frac{1}{k} \cdot \mathbf{1}" in _derived("mean(X@W+b)").latex()


def test_a_stack_times_a_vector_is_bracketed_as_a_factor() -> None:
    derivation = _derived("experts")
    assert "∂L/∂g = (W x) 1" in derivation.text()
    assert r"(W \, x)^{\top} \, g" in derivation.latex()
    assert r"\operatorname{}" not in derivation.latex()


ONE, ROW = Number(1), Postfix("ᵀ", Number(1))


@pytest.mark.parametrize(
    "wrong",
    [
        Infix("", (ONE, Symbol("x"))),
        Infix("", (ROW, Symbol("A"), ROW)),
        Infix("", (Symbol("A"), Symbol("A"))),
        Infix("", (Symbol("x"), Symbol("A"))),
        Number(1),
    ],
)
def test_the_reader_refuses_products_that_do_not_exist(wrong: Notation) -> None:
    values: dict[Notation, Any] = {Symbol("A"): np.ones((2, 3)), Symbol("x"): np.ones(3)}
    with pytest.raises(NoSuchProductError):
        Reader(values).read(wrong, (2, 3))
