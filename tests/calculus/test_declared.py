"""Identities of declared inputs: each holds where the declaration does, and not elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.calculus import RULES, Simplifier
from chainrule.calculus.declared import declared_rules
from chainrule.derivation.declared import with_properties
from chainrule.ir import Const, Input, Node, Program, Property
from chainrule.primitives import evaluate_nodes

Array = NDArray[Any]

IDENTITIES: list[tuple[str, str, dict[str, str], str]] = [
    # a formula, a declaration, shapes, and what is written
    ("K'", "skew", {"K": "n n"}, "−K"),
    ("K' x", "skew", {"K": "n n", "x": "n"}, "−K x"),
    ("x' K' y", "skew", {"K": "n n", "x": "n", "y": "n"}, "−xᵀ K y"),
    ("inv(W)", "orth", {"W": "n n"}, "Wᵀ"),
    ("W' W", "orth", {"W": "n n"}, "I"),
    ("W W'", "orth", {"W": "n n"}, "I"),
    ("W' W x", "orth", {"W": "n n", "x": "n"}, "x"),
    ("W (W' X)", "orth", {"W": "n n", "X": "n m"}, "X"),
    ("X W W' Y", "orth", {"W": "n n", "X": "m n", "Y": "n k"}, "X Y"),
    ("tr(W' W)", "orth", {"W": "n n"}, "n"),
    ("abs(n)", "pos", {"n": ""}, "n"),
    ("abs(n*exp(m)/n)", "nonneg", {"n": "", "m": ""}, "exp(m)"),
    ("relu(n) + maximum(n, 0)", "nonneg", {"n": "k"}, "2 n"),
    ("sqrt(n^2)", "pos", {"n": ""}, "n"),
    ("sign(n)", "pos", {"n": "k"}, "1"),
    ("sum(p)", "simplex", {"p": "k"}, "1"),
    ("sum(p, axis=1)", "simplex", {"p": "m k"}, "1"),
    ("norm(x)", "unit", {"x": "k"}, "1"),
    ("x' x", "unit", {"x": "k"}, "1"),
    ("sum(x^2)", "unit", {"x": "k"}, "1"),
]  # fmt: skip
_SIZES = {"n": 3, "m": 4, "k": 5}


def _subject(formula: str, kind: str, shapes: dict[str, str]) -> tuple[Program, Node, str]:
    name = next(iter(shapes))
    program = cr.trace(formula, **{**shapes, name: f"{shapes[name]} {kind}"})
    rules = declared_rules({node: program.properties(node) for node in program.inputs if program.properties(node)})
    return program, Simplifier([*RULES, *rules])(program.outputs[0]), name


def _written(program: Program, node: Node) -> str:
    match node:
        case Input():
            return node.name
        case Const():
            return f"{node.value:g}" if isinstance(node.value, float | int) else str(node.value)
    return str(cr.equations(Program(program.inputs, (node,)))).split(" = ", 1)[1]


def _values(program: Program, after: Node, keep: Callable[[str], bool]) -> tuple[Array, Array]:
    bound = Program(program.inputs, (program.outputs[0], after), declared=program.declared).bind(
        {name: _SIZES.get(name, 6) for name in program.dim_names}
    )
    random = np.random.default_rng(3)
    held: dict[Node, Array] = {}
    for node in bound.inputs:
        value = random.standard_normal(node.type.concrete_shape)
        held[node] = with_properties(value, bound.properties(node)) if keep(node.name) else -np.abs(value) - 0.7
    found = evaluate_nodes(list(bound.outputs), held)
    first, second = (np.asarray(found[output]) for output in bound.outputs)
    return first, second


@pytest.mark.parametrize(
    ("formula", "kind", "shapes", "written"), IDENTITIES, ids=[f"{f} {k}" for f, k, *_ in IDENTITIES]
)
def test_an_identity_holds_where_it_is_declared_and_only_there(
    formula: str, kind: str, shapes: dict[str, str], written: str
) -> None:
    program, after, declared = _subject(formula, kind, shapes)
    assert _written(program, after) == written
    before, rewritten = _values(program, after, lambda name: True)
    np.testing.assert_allclose(before, np.broadcast_to(rewritten, before.shape), atol=1e-12)
    before, rewritten = _values(program, after, lambda name: name != declared)
    if formula != "abs(n*exp(m)/n)":
        assert not np.allclose(before, rewritten)


def test_the_squares_of_an_orthogonal_matrix_sum_to_its_size() -> None:
    program = cr.trace(lambda W: np.einsum("ij,ij->", W, W), W="n n orth")
    rules = declared_rules({node: program.properties(node) for node in program.inputs})
    before, after = _values(program, Simplifier([*RULES, *rules])(program.outputs[0]), lambda name: True)
    np.testing.assert_allclose(after, before, rtol=1e-12)
    assert after == _SIZES["n"]


def test_the_forward_pass_is_differentiated_as_it_is_written() -> None:
    """Σ (WᵀW) is n at an orthogonal W, and its gradient there is not 0."""
    derivation = cr.derive("tr(A W' W) + log(sum(p))", ["W", "p"], A="n n", W="n n orth", p="n simplex")
    assert derivation.verify().ok
    text = derivation.text(detail="brief")
    assert "∂L/∂W = W (A + Aᵀ)" in text
    assert "∂L/∂p = 1" in text


@pytest.mark.parametrize("kind", Property)
def test_values_with_a_property_have_it(kind: Property) -> None:
    value = with_properties(np.random.default_rng(1).standard_normal((4, 4)), [kind])
    turned = value.T
    holds = {
        Property.SYMMETRIC: np.allclose(value, turned),
        Property.SKEW: np.allclose(value, -turned) and np.any(value != 0),
        Property.DIAGONAL: np.allclose(value, np.diag(np.diag(value))),
        Property.ORTHOGONAL: np.allclose(turned @ value, np.eye(4)),
        Property.DEFINITE: np.allclose(value, turned) and np.linalg.eigvalsh(value).min() > 0,
        Property.SEMIDEFINITE: np.allclose(value, turned) and np.linalg.eigvalsh(value).min() > -1e-12,
        Property.POSITIVE: np.all(value > 0),
        Property.NONNEGATIVE: np.all(value >= 0),
        Property.SIMPLEX: np.allclose(value.sum(-1), 1) and np.all(value >= 0),
        Property.UNIT: np.allclose((value**2).sum(-1), 1),
    }
    assert holds[kind]


def test_values_have_several_properties() -> None:
    value = np.random.default_rng(1).standard_normal((4, 4))
    both = with_properties(value, [Property.DIAGONAL, Property.DEFINITE])
    assert np.allclose(both, np.diag(np.diag(both)))
    assert np.all(np.diag(both) > 0)
    both = with_properties(value, [Property.SYMMETRIC, Property.DEFINITE, Property.POSITIVE])
    assert np.all(both > 0)
    assert np.linalg.eigvalsh(both).min() > 0
    both = with_properties(value, [Property.ORTHOGONAL, Property.SYMMETRIC])
    np.testing.assert_allclose(both @ both, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(both, both.T, atol=1e-12)
    both = with_properties(value, [Property.UNIT, Property.POSITIVE])
    assert np.all(both > 0)
