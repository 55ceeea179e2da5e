"""Gradients found in tables of matrix calculus, from formula text.

Each expected gradient is written down as a formula of its own. It is compared at random values always, and with the
derivation's own final expression as a tree, up to the order of sums and element-wise products.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.calculus import simplify
from chainrule.ir import Apply, Const, Input, Node, Program, concrete, topological_order
from chainrule.primitives import Add, Contract, Divide, DivideNoNan, Multiply, Norm, Permute, Square, evaluate_nodes

Array = NDArray[Any]

XX = {"X": "n n"}
LEAST = {"A": "m n", "x": "n", "b": "m"}
ROWS = {"X": "n d", "w": "d", "y": "n"}

CLASSICS: list[tuple[str, str, dict[str, str], str]] = [
    # linear and quadratic forms
    ("a'*x", "x", {"a": "n", "x": "n"}, "a"),
    ("x'*a", "x", {"a": "n", "x": "n"}, "a"),
    ("x'*x", "x", {"x": "n"}, "2*x"),
    ("a'*X*b", "X", {"a": "n", "X": "n m", "b": "m"}, "a*b'"),
    ("a'*X'*b", "X", {"a": "m", "X": "n m", "b": "n"}, "b*a'"),
    ("a'*X*a", "X", {"a": "n", **XX}, "a*a'"),
    ("x'*A*x", "x", {"A": "n n", "x": "n"}, "(A + A')*x"),
    ("x'*A*x", "A", {"A": "n n", "x": "n"}, "x*x'"),
    ("x'*A*y", "x", {"A": "n m", "x": "n", "y": "m"}, "A*y"),
    ("x'*A*y", "y", {"A": "n m", "x": "n", "y": "m"}, "A'*x"),
    ("x'*A'*A*x", "x", {"A": "m n", "x": "n"}, "2*(A'*(A*x))"),
    ("x'*A*x + b'*x + c", "x", {"A": "n n", "x": "n", "b": "n", "c": ""}, "(A + A')*x + b"),
    ("b'*X'*X*c", "X", {"b": "m", "c": "m", "X": "n m"}, "(X*b)*c' + (X*c)*b'"),
    ("(a'*x)^2", "x", {"a": "n", "x": "n"}, "2*(a'*x)*a"),
    ("(a'*x)*(b'*x)", "x", {"a": "n", "b": "n", "x": "n"}, "(b'*x)*a + (a'*x)*b"),
    # least squares
    ("norm(A@x-b)^2", "x", LEAST, "2*A'*(A*x - b)"),
    ("norm(A@x-b)^2", "b", LEAST, "2*(b - A*x)"),
    ("norm(A@x-b)^2", "A", LEAST, "2*(A*x - b)*x'"),
    ("1/2*‖X*w − y‖²", "w", ROWS, "X'*(X*w - y)"),
    ("mean((X@w - y)^2)", "w", ROWS, "2/n*(X'*(X*w - y))"),
    ("norm(A*x-b)", "x", LEAST, "1/norm(A*x-b) * (A'*(A*x - b))"),
    ("norm(x)^4", "x", {"x": "n"}, "4*norm(x)^2*x"),
    ("½*‖X*w − y‖² + λ/2*‖w‖²", "w", {**ROWS, "λ": ""}, "X'*(X*w - y) + λ*w"),
    ("(x - s)'*W*(x - s)", "x", {"x": "n", "s": "n", "W": "n n"}, "(W + W')*(x - s)"),
    ("norm(A*X - B)^2", "X", {"A": "m n", "X": "n k", "B": "m k"}, "2*A'*(A*X - B)"),
    # norms
    ("norm(x)", "x", {"x": "n"}, "1/norm(x)*x"),
    ("norm(x)^2", "x", {"x": "n"}, "2*x"),
    ("norm(x - a)", "x", {"x": "n", "a": "n"}, "1/norm(x - a)*(x - a)"),
    ("norm(x, 1)", "x", {"x": "n"}, "sign(x)"),
    ("norm(X)", "X", {"X": "n m"}, "1/norm(X)*X"),
    ("norm(X, fro)^2", "X", {"X": "n m"}, "2*X"),
    ("x'*A*x/(x'*x)", "x", {"A": "n n", "x": "n"}, "(A + A')*x/(x'*x) - 2*(x'*A*x)/(x'*x)^2*x"),
    # sums, exponentials, logarithms
    ("log(sum(exp(x)))", "x", {"x": "n"}, "softmax(x)"),
    ("sum(x)^2", "x", {"x": "n"}, "2*sum(x)*ones(n)"),
    ("sum(x .* log(x))", "x", {"x": "n"}, "log(x) + 1"),
    ("exp(-x'*x/2)", "x", {"x": "n"}, "-exp(-x'*x/2)*x"),
    ("sum(sin(x))", "x", {"x": "n"}, "cos(x)"),
    ("log(x'*A*x)", "x", {"A": "n n", "x": "n"}, "1/(x'*A*x)*((A + A')*x)"),
    ("sum(log(1 + exp(-y.*(X*w))))", "w", ROWS, "-X'*(sigmoid(-y.*(X*w)) .* y)"),
    ("-sum(log(sigmoid(y.*(X*w))))", "w", ROWS, "X'*((sigmoid(y.*(X*w)) - 1) .* y)"),
    # traces
    ("tr(X)", "X", XX, "eye(n)"),
    ("tr(A@X)", "X", {"A": "n m", "X": "m n"}, "A'"),
    ("tr(A@X')", "X", {"A": "n m", "X": "n m"}, "A"),
    ("tr(A@X@B)", "X", {"A": "n m", "X": "m k", "B": "k n"}, "A'*B'"),
    ("tr(A*X'*B)", "X", {"A": "n k", "X": "m k", "B": "m n"}, "B*A"),
    ("tr(X'*X)", "X", {"X": "n m"}, "2*X"),
    ("tr(X@X)", "X", XX, "2*X'"),
    ("tr(X'*A*X)", "X", {"X": "n m", "A": "n n"}, "(A + A')*X"),
    ("tr(X*A*X')", "X", {"X": "n m", "A": "m m"}, "X*(A' + A)"),
    ("tr(A*X*B*X')", "X", {"A": "n n", "X": "n m", "B": "m m"}, "A'*X*B' + A*X*B"),
    # inverses and determinants
    ("x'*inv(A)*x", "A", {"A": "n n", "x": "n"}, "-inv(A)'*(x*x')*inv(A)'"),
    ("x' * inv(A) * x", "x", {"A": "n n", "x": "n"}, "(inv(A) + inv(A)')*x"),
    ("a'*X⁻¹*b", "X", {"a": "n", "b": "n", **XX}, "-inv(X)'*(a*b')*inv(X)'"),
    ("tr(inv(X))", "X", XX, "-(inv(X)*inv(X))'"),
    ("tr(A@inv(X))", "X", {"A": "n n", **XX}, "-(inv(X) @ A @ inv(X))'"),
    ("logdet(X)", "X", XX, "inv(X)'"),
    ("log(det(X))", "X", XX, "inv(X)'"),
    ("det(X)", "X", XX, "det(X)*inv(X)'"),
    ("logdet(A@X)", "X", {"A": "n n", **XX}, "inv(X)'"),
    ("½*x'*inv(S)*x + ½*logdet(S)", "S", {"x": "n", "S": "n n"}, "½*inv(S)' - ½*inv(S)'*(x*x')*inv(S)'"),
    ("(x-mu)'*inv(Sigma)*(x-mu)", "mu", {}, "-(inv(Sigma) + inv(Sigma)')*(x - mu)"),
    ("log(det(Sigma)) + (x-mu)'*inv(Sigma)*(x-mu)", "x", {}, "(inv(Sigma) + inv(Sigma)')*(x - mu)"),
]  # fmt: skip

IN_OTHER_FORM = {
    ("x'*A*x/(x'*x)", "x"),
    ("det(X)", "X"),
}
"""Right, and written otherwise than in the tables: the gradient of det(X) is adj(X)ᵀ, also where X has no inverse."""


def _expected(gradient: str, formula: str, shapes: dict[str, str]) -> Node:
    """The expected gradient over the inputs of the formula; sizes and functions as there."""
    stated = {node.name: " ".join(map(str, node.type.shape)) for node in cr.trace(formula, **shapes).inputs}
    # A variable that the gradient does not have still states sizes such as n.
    extra = " + 0*sum(" + ") + 0*sum(".join(stated) + ")"
    (output,) = cr.trace(f"({gradient}){extra}", **stated).outputs
    return simplify(output)


@functools.cache
def _case(number: int) -> tuple[cr.Derivation, Node, Node]:
    formula, wrt, shapes, gradient = CLASSICS[number]
    derivation = cr.derive(formula, wrt, **shapes)
    (found,) = derivation.record.backward.gradients
    return derivation, simplify(found), _expected(gradient, formula, shapes)


def _values(nodes: list[Node], seed: int) -> list[Array]:
    program = Program(tuple(_inputs(nodes)), tuple(nodes)).bind({"n": 4, "m": 3, "k": 2, "d": 3})
    random = np.random.default_rng(seed)
    held: dict[Node, Array] = {}
    for node in program.inputs:
        shape = tuple(concrete(dim) for dim in node.type.shape)
        square = len(shape) == 2 and shape[0] == shape[1]
        held[node] = random.uniform(0.1, 0.9, shape) + (3 * np.eye(shape[0]) if square else 0)
    found = evaluate_nodes(list(program.outputs), held)
    return [np.asarray(found[output]) for output in program.outputs]


def _inputs(nodes: list[Node]) -> list[Input]:
    return [node for node in topological_order(nodes) if isinstance(node, Input)]


def _normal(node: Node) -> Any:
    """A tree in which sums and element-wise products are sorted, so that trees equal up to commutation are equal."""
    if isinstance(node, Input):
        return node.name
    if isinstance(node, Const):
        return ("const", str(node.value), str(node.type.shape))
    assert isinstance(node, Apply)
    match node:
        case Apply(Square(), (Apply(Norm() as norm, (x,)),)):  # it reads the same as Σ x²
            return _normal(norm.squared(x))
    operands = [_normal(operand) for operand in node.operands]
    if isinstance(node.primitive, Add | Multiply):
        operands = sorted(operands, key=repr)
    if isinstance(node.primitive, DivideNoNan):  # it reads the same
        return _normal(Divide()(*node.operands))
    if isinstance(node.primitive, Contract):
        factors, output = _factors(node, itertools.count())
        written = [(_normal(factor), labels) for factor, labels in factors]
        return min((_relabelled(order, output) for order in itertools.permutations(written)), key=repr)
    return (repr(node.primitive), *operands)


def _factors(node: Node, fresh: Iterator[int]) -> tuple[list[tuple[Node, tuple[int, ...]]], tuple[int, ...]]:
    """A product of products as one product, every factor with the labels of its axes."""
    if not (isinstance(node, Apply) and isinstance(node.primitive, Contract | Permute)):
        labels = tuple(next(fresh) for _ in range(node.type.ndim))
        return [(node, labels)], labels
    if isinstance(node.primitive, Permute):
        factors, labels = _factors(node.operands[0], fresh)
        return factors, tuple(labels[axis] for axis in node.primitive.order)
    result: list[tuple[Node, tuple[int, ...]]] = []
    name: dict[int, int] = {}
    for operand, outer in zip(node.operands, node.primitive.inputs, strict=True):
        factors, inner = _factors(operand, fresh)
        same = {label: name.setdefault(there, label) for label, there in zip(inner, outer, strict=True)}
        result += [(factor, tuple(same.get(label, label) for label in labels)) for factor, labels in factors]
    return result, tuple(name[label] for label in node.primitive.output)


def _relabelled(factors: Sequence[tuple[Any, tuple[int, ...]]], output: tuple[int, ...]) -> Any:
    number: dict[int, int] = {}
    for label in (label for _, labels in factors for label in labels):
        number.setdefault(label, len(number))
    return (*((factor, tuple(number[l] for l in labels)) for factor, labels in factors), tuple(map(number.get, output)))


@pytest.mark.parametrize("number", range(len(CLASSICS)), ids=[f"{f} by {w}" for f, w, _, _ in CLASSICS])
def test_the_gradient_is_that_of_the_tables(number: int) -> None:
    derivation, found, expected = _case(number)
    assert derivation.verify().ok
    for seed in range(3):
        value, right = _values([found, expected], seed)
        np.testing.assert_allclose(value, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("number", range(len(CLASSICS)), ids=[f"{f} by {w}" for f, w, _, _ in CLASSICS])
def test_the_gradient_is_written_as_in_the_tables(number: int) -> None:
    _, found, expected = _case(number)
    assert (_normal(found) == _normal(expected)) == (CLASSICS[number][:2] not in IN_OTHER_FORM)


def test_a_wrong_gradient_is_told_apart() -> None:
    wrong = _expected("(A - A')*x", "x'*A*x", {"A": "n n", "x": "n"})
    _, found, _ = _case(6)
    value, other = _values([found, wrong], 0)
    assert not np.allclose(value, other)
    assert _normal(found) != _normal(wrong)
