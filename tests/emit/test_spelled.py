"""Gradients in the notations of other programs, which the formula parser reads back as the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.emit import DIALECTS
from chainrule.ir import Node, Program, concrete
from chainrule.primitives import evaluate_nodes

Array = NDArray[Any]
SIZES = {"n": 3, "m": 4, "d": 2, "k": 5, "h": 4}

FORMULAS: list[tuple[str, str | None, dict[str, str]]] = [
    ("norm(A x - b)^2", None, {}),
    ("x' A x + b' x + c", None, {}),
    ("x' A x/(x' x)", "x", {}),
    ("log(sum(exp(x)))", None, {}),
    ("sum(log(1 + exp(-y.*(X*w))))", "w", {}),
    ("½*logdet(S) + ½*(x - μ)' S^-1 (x - μ)", "μ", {}),
    ("½*logdet(S) + ½*(x - μ)' S^-1 (x - μ)", "S", {}),
    ("x' S x + logdet(S)", None, {"S": "n n spd"}),
    ("tr(A*X*B)", None, {}),
    ("tr(X' A X)", None, {}),
    ("norm(x) + norm(A)", None, {}),
    ("x/norm(x)", None, {}),
    ("W x + b", None, {}),
    ("sum(sigmoid(W x + b))", None, {}),
    ("z = W x + b; a = tanh(z); L = sum(a.^2)", None, {}),
    ("mean((X w + b - y)^2)", None, {"X": "n d", "w": "d", "b": "", "y": "n"}),
    ("sum(X)^2", None, {}),
    ("sum(X' X)", None, {}),
    ("sum(X .* log(X))", None, {}),
    ("N*log(sigma) + sum((x - mu)^2)/(2*sigma^2)", None, {}),
    ("a' X^-1 b", None, {}),
    ("norm(A X - B)^2", None, {}),
    ("sum(x.^3)*y", None, {"x": "n", "y": ""}),
    ("tr(X)*tr(X^-1)", None, {}),
    ("det(X)", None, {}),
    ("softmax(x)' y", "x", {"x": "n", "y": "n"}),
    ("sum((X w + 1).^2 .* (X w))", "w", {"X": "n d", "w": "d"}),
    ("y*exp(-x^2/2)", None, {"x": "", "y": ""}),
    ("sum(abs(x) + sqrt(abs(x)))", None, {"x": "n"}),
    ("sum((X - 1*m')^2)", None, {"X": "n d", "m": "d"}),
]


def _values(program: Program, seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    held: dict[str, Array] = {}
    for node in program.inputs:
        shape = tuple(concrete(dim) for dim in node.type.shape)
        square = len(shape) == 2 and shape[0] == shape[1]
        held[node.name] = random.uniform(0.2, 0.9, shape) + (2 * np.eye(shape[0]) if square else 0)
        if node.name == "S":
            held[node.name] = (held[node.name] + held[node.name].T) / 2
    return held


def _evaluated(program: Program, held: dict[str, Array]) -> list[Array]:
    inputs: dict[Node, Any] = {node: held[node.name] for node in program.inputs}
    found = evaluate_nodes(list(program.outputs), inputs)
    return [np.asarray(found[output]) for output in program.outputs]


@pytest.mark.parametrize("notation", DIALECTS)
@pytest.mark.parametrize(("formula", "wrt", "shapes"), FORMULAS, ids=[f"{f} by {w}" for f, w, _ in FORMULAS])
def test_what_is_written_reads_as_the_gradient(
    formula: str, wrt: str | None, shapes: dict[str, str], notation: str
) -> None:
    derivation = cr.derive(formula, wrt, functions=None, assume=None, **shapes)
    back = derivation.record.backward
    written = [line for line in derivation.formulas(notation).splitlines() if line[0] not in "#%"]
    sizes = {name: SIZES.get(name, 6) for name in derivation.program.dim_names}
    gradients = Program(derivation.program.inputs, back.gradients).bind(sizes)
    held = _values(gradients, 1)
    expected = dict(zip([symbol.name for symbol in back.wrt], _evaluated(gradients, held), strict=True))
    names = {node.name: node.name.replace("∂ ", "d") for node in gradients.inputs}
    for name, value in expected.items():
        spelled = {"μ": "mu"}.get(name, name) if DIALECTS[notation].is_ascii else name
        own = next(line for line in written if line.startswith(f"d{spelled} = "))
        others = [line for line in written if not any(line.startswith(f"d{other} = ") for other in [*expected, "mu"])]
        anchored = f"{own} + 0*{spelled}"  # vector(1) has the size that fits
        text = "; ".join([*others, anchored])
        stated = {names[node.name]: node.type for node in derivation.program.inputs}
        program = cr.trace(text, **{key: type_ for key, type_ in stated.items() if _uses(text, key)}).bind(sizes)
        (found,) = _evaluated(program, {**{names[key]: array for key, array in held.items()}, **_ascii(held)})
        np.testing.assert_allclose(found.reshape(value.shape), value, rtol=1e-9, atol=1e-12, err_msg=text)


def _ascii(held: dict[str, Array]) -> dict[str, Array]:
    return {"mu": held["μ"]} if "μ" in held else {}


def _uses(text: str, name: str) -> bool:
    try:
        cr.trace(text, **{name: "n"})
    except cr.ChainruleError as error:
        return "is not in the formula" not in str(error)
    return True


def test_a_notation_has_its_own_spelling() -> None:
    derivation = cr.derive("mean((X w + b - y)^2)", ["w", "b"], X="n d", w="d", b="", y="n")
    assert derivation.formulas("matrixcalculus").startswith("dw = 2/n*X'*(X*w + vector(b) - y)")
    assert derivation.formulas("julia").startswith("# n = size(X, 1)\ndw = 2/n*X'*(X*w .+ b - y)")
    assert derivation.formulas("matlab").startswith("% n = size(X, 1)\ndw = 2/n*X'*(X*w + b - y)")
    assert derivation.formulas("numpy").startswith("# n = X.shape[0]\ndw = 2/n*X.T @ (X @ w + b - y)")


def test_numpy_runs() -> None:
    derivation = cr.derive("z = W x + b; a = sigmoid(z); L = sum((a - y)^2)", ["W", "b"])
    random = np.random.default_rng(0)
    space: dict[str, Any] = {
        "np": np,
        "W": random.normal(size=(3, 2)),
        "x": random.normal(size=2),
        "b": random.normal(size=3),
        "y": random.normal(size=3),
    }
    exec(derivation.formulas("numpy"), space)
    right = cr.grad(lambda W, x, b, y: np.sum((cr.sigmoid(W @ x + b) - y) ** 2), argnums=(0, 2))
    for found, expected in zip((space["dW"], space["db"]), right(*(space[k] for k in "Wxby")), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


Function = Callable[..., Any]
SECOND: list[tuple[str, str, dict[str, str], Function, str]] = [
    ("norm(A x - b)^2", "x", {}, lambda A, x, b: np.sum((A @ x - b) ** 2), "H"),
    ("log(sum(exp(x)))", "x", {}, lambda x: np.log(np.sum(np.exp(x))), "H"),
    ("sum(log(1 + exp(-y.*(X w))))", "w", {},
     lambda y, X, w: np.sum(np.log1p(np.exp(-y * (X @ w)))), "H"),
    ("norm(x)", "x", {}, lambda x: np.sqrt(np.sum(x**2)), "H"),
    ("x' A x + sum(x.^3)", "x", {}, lambda x, A: x @ A @ x + np.sum(x**3), "H"),
    ("W x", "W", {}, lambda W, x: W @ x, "J"),
    ("softmax(A x)", "x", {}, lambda A, x: cr.softmax(A @ x), "J"),
    ("tanh(W x + b)", "x", {}, lambda W, x, b: np.tanh(W @ x + b), "J"),
    ("x/norm(x)", "x", {}, lambda x: x / np.sqrt(np.sum(x**2)), "J"),
    ("A x + x", "x", {}, lambda A, x: A @ x + x, "J"),
]  # fmt: skip

OF_VECTORS = [entry for entry in SECOND if entry[1] != "W"]


def _second(
    formula: str, wrt: str, shapes: dict[str, str], function: Function, letter: str
) -> tuple[cr.Derivation, dict[str, Array], Array]:
    """The derivation of a Hessian or Jacobian, values of the inputs, and the value of the matrix by `transforms`."""
    order: dict[str, Any] = {"order": 2} if letter == "H" else {"jacobian": True}
    derivation: cr.Derivation = cr.derive(formula, wrt, **order, **shapes)
    program = derivation.program
    inputs = [node for node in program.inputs if not node.name.startswith("∂")]
    held = _values(
        Program(tuple(inputs), tuple(inputs)).bind({name: SIZES.get(name, 6) for name in program.dim_names}), 2
    )
    names = [node.name for node in inputs]
    transform = cr.hessian if letter == "H" else cr.jacobian
    value = np.asarray(transform(function, argnums=names.index(wrt))(*(held[name] for name in names)))
    if value.ndim > 2:
        value = value.transpose(*range(value.ndim - 2), -1, -2).reshape(value.shape[0], -1)  # by vec(W)
    return derivation, held, value


@pytest.mark.parametrize("case", SECOND, ids=[f"{entry[4]} of {entry[0]}" for entry in SECOND])
def test_numpy_runs_hessians_and_jacobians(case: tuple[str, str, dict[str, str], Function, str]) -> None:
    derivation, held, value = _second(*case)
    space: dict[str, Any] = {"np": np, **held, **SIZES, "o": 6}
    exec(derivation.formulas("numpy"), space)
    np.testing.assert_allclose(space[case[4]], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("notation", [notation for notation in DIALECTS if notation != "numpy"])
@pytest.mark.parametrize("case", OF_VECTORS, ids=[f"{entry[4]} of {entry[0]}" for entry in OF_VECTORS])
def test_hessians_and_jacobians_read_as_they_are(
    case: tuple[str, str, dict[str, str], Function, str], notation: str
) -> None:
    derivation, held, value = _second(*case)
    lines = [line for line in derivation.formulas(notation).splitlines() if line[0] not in "#%"]
    text = "; ".join(line for line in lines if not line.startswith("d"))
    stated = {node.name: node.type for node in derivation.program.inputs if _uses(text, node.name)}
    program = cr.trace(text, **stated)
    sizes = {name: SIZES.get(name, 6) for name in program.dim_names}
    (found,) = _evaluated(program.bind(sizes), held)
    np.testing.assert_allclose(found.reshape(value.shape), value, rtol=1e-9, atol=1e-12, err_msg=text)


@pytest.mark.parametrize(
    ("formula", "notation", "words"),
    [
        (
            "x' A x",
            "mathematica",
            "no notation 'mathematica'; it can be matrixcalculus, julia, matlab, numpy, latex",
        ),
        ("sum(relu(x))", "matrixcalculus", "matrixcalculus.org has no spelling of"),
        ("sum(relu(x))", "matrixcalculus", "no spelling of 1[x > 0] here; write the derivation as text, or source"),
        ("sum(diff(x).^2)", "julia", "Julia has no spelling of pad("),
        ("sum(log([x; 2*x]))", "matlab", "MATLAB has no spelling of (1 / [x; 2 x])[:n] here"),
        ("sum(gelu(x))", "numpy", "NumPy has no spelling of erfc("),
        ("sum(f(x))", "julia", "f has no definition"),
    ],
)
def test_what_a_notation_lacks_is_refused(formula: str, notation: str, words: str) -> None:
    with pytest.raises(cr.ChainruleError) as caught:
        cr.derive(formula, **({"X": "n d"} if "X" in formula else {})).formulas(notation)
    assert words in str(caught.value)


def test_no_name_of_the_package_is_told() -> None:
    with pytest.raises(cr.ChainruleError, match=r"matrixcalculus.org has no spelling of xᵀ ⊗ I here"):
        cr.derive("W x", "W", jacobian=True).formulas("matrixcalculus")
    with pytest.raises(cr.ChainruleError, match="Julia has no spelling of the commutation matrix K_nd here"):
        cr.derive("X'", X="n d", jacobian=True).formulas("julia")
