"""Functions without a definition: their notation, its verification, and their limits."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.deriving.functions import function_sizes
from chainrule.primitives import Abstract, AbstractMap, Application, Symbol

GRADIENTS: dict[str, tuple[dict[str, Any], str | None, list[str]]] = {
    "f(g(x))": ({}, None, ["∂L/∂x = f′(g(x)) · g′(x)"]),
    "f(w*x + b)": ({}, None, ["∂L/∂w = f′(u) · x", "∂L/∂b = f′(u)"]),
    "f(x, y)": ({"wrt": ["x", "y"]}, None, ["∂L/∂x = ∂₁f(x, y)", "∂L/∂y = ∂₂f(x, y)"]),
    "phi(x)^2": ({}, None, ["∂L/∂x = 2 φ(x) · φ′(x)"]),
    "sum(f(A @ x))": ({"wrt": "x"}, None, ["∂L/∂x = Aᵀ f′(A x)"]),
    "f(A @ x)": ({"wrt": "x"}, "f: m ->", ["∂L/∂x = Aᵀ ∇f(A x)"]),
    "sum(f(x).*c)": ({"wrt": "x", "c": "m"}, "f: n -> m", ["∂L/∂x = J_f(x)ᵀ c"]),
    "c' f(x, W*x)": (
        {"wrt": ["W", "x"], "c": "k"},
        "f: (n, m) -> k",
        ["∂L/∂W = ∂₂f(x, u)ᵀ c xᵀ", "∂L/∂x = ∂₁f(x, u)ᵀ c + Wᵀ ∂₂f(x, u)ᵀ c"],
    ),
    "f(g(x), x)": (
        {"x": "n"},
        "f: (m, n) ->; g: n -> m",
        ["∂L/∂x = J_g(x)ᵀ ∂₁f(u, x) + ∂₂f(u, x)"],
    ),
}


SPACES = {
    "f: R^n -> R^m": "(n) -> m",
    "f: ℝⁿ → ℝ": "(n) -> ",
    "f: R^n x R^k -> R^m": "(n, k) -> m",
    "f: (R^{n}, R^{10}) -> R": "(n, 10) -> ",
    r"f: \mathbb{R}^n \times \mathbb R^2 \to \mathbb{R}": "(n, 2) -> ",
    "f: ℝ^n × ℝ¹⁰ → ℝ": "(n, 10) -> ",
    "f: R -> R": None,
    "f: R x R -> R": None,
    "f: R -> m": "R -> m",
    "f: n -> R": "n -> R",
    "f: n → m": "n -> m",
}


@pytest.mark.parametrize("text", SPACES)
def test_spaces_as_on_paper_are_sizes(text: str) -> None:
    assert function_sizes(text) == {"f": SPACES[text]}


def test_spaces_of_numbers_and_vectors_together_are_refused() -> None:
    for text in ("f: R x R^n -> R", "f: R -> R^n"):
        with pytest.raises(cr.ProgramError, match=r"write them as in 'n -> m'|is not a name for a size"):
            cr.derive("f(x)", functions=text)


def test_a_function_of_a_space_is_derived() -> None:
    derivation = cr.derive("f(W g(x))", "x", functions="f: ℝᵐ → ℝ, g: ℝᵈ → ℝⁿ", W="m n", x="d")
    assert boxed(derivation.text(detail="brief")) == ["∂L/∂x = J_g(x)ᵀ Wᵀ ∇f(W g(x))"]
    assert derivation.verify().ok
    assert cr.function("f", "R^2 -> R").__name__ == "f"


def boxed(text: str) -> list[str]:
    """The gradients in the box at the end, without their shapes."""
    lines = [line.strip("│ ") for line in text.splitlines() if line.startswith("│")]
    return [line.split("   ")[0] for line in lines]


@pytest.mark.parametrize("formula", GRADIENTS)
def test_gradients_as_printed(formula: str) -> None:
    options, functions, expected = GRADIENTS[formula]
    derivation = cr.derive(formula, functions=functions, **options)
    assert boxed(derivation.text(detail="brief")) == expected
    verification = derivation.verify()
    assert verification.ok, verification
    assert not verification.unread


def test_a_function_in_numpy_code() -> None:
    f, g = cr.function("f"), cr.function("g", "n ->")

    def loss(x: Any, w: Any) -> Any:
        return f(g(x) * w, w)

    derivation = cr.derive(loss, wrt=["x", "w"], x="n", w="")
    assert derivation.verify().ok
    assert "∇g(x)" in derivation.text()
    assert r"\nabla g(x)" in derivation.latex()
    assert r"\partial _{2}f" in derivation.latex()
    assert "<mi>∇</mi><mi>g</mi>" in derivation.html()
    assert "f, g are any differentiable functions; ∂₂f is the derivative of f by argument 2" in " ".join(
        derivation.text().split()
    )
    assert "f，g 为任意可微函数；∂₂f 为 f 对第2 个变量的偏导数" in derivation.text(lang="zh").replace("\n", "")


@pytest.mark.parametrize("form", ["matrix", "path", "index"])
@pytest.mark.parametrize("formula", ["f(x, g(x))", "sum(f(W @ x + b, g(W @ x)))"])
def test_every_form_reads_as_it_claims(formula: str, form: Any) -> None:
    from chainrule.derivation import Verifier

    derivation = cr.derive(formula)
    verifier = Verifier(derivation.record)
    proofreader = verifier.proofreader(verifier.point())
    for script in ("text", "latex"):
        reading = proofreader.read(form, script)
        assert reading.read
        assert not reading.misreadings


def test_the_derivative_by_another_argument_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Abstract.by
    monkeypatch.setattr(Abstract, "by", lambda self, k: right(self, 0))
    assert cr.derive("f(3*x, x)").verify().failures


@pytest.mark.parametrize(
    ("formula", "functions", "change"),
    [
        ("f(g(x))", None, {"primes": 0}),
        ("f(3*x, x)", None, {"by": (1,)}),
        ("f(A @ x)", "f: m ->", {"function": Symbol("g")}),
    ],
)
def test_a_mark_that_is_not_printed_right_is_caught(
    formula: str, functions: str | None, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (Abstract, AbstractMap):
        right = kind.notation

        def wrong(self: Any, operands: Any, types: Any, right: Any = right) -> Any:
            shown = right(self, operands, types)
            assert isinstance(shown, Application)
            if not (shown.primes or shown.by or shown.nablas):
                return shown
            return dataclasses.replace(shown, **change)

        monkeypatch.setattr(kind, "notation", wrong)
    verification = cr.derive(formula, functions=functions).verify()
    assert not verification.failures
    assert verification.misreadings


def test_what_has_no_definition_is_not_run() -> None:
    f = cr.function("f")
    message = "f has no definition, so it has no values"
    with pytest.raises(cr.ProgramError, match=message):
        f(1.0)
    with pytest.raises(cr.ProgramError, match=message):
        cr.grad(lambda x: np.sum(f(x)))(np.ones(2))
    with pytest.raises(cr.ProgramError, match=message):
        cr.fit(lambda w, x: np.sum(f(x * w)), params={"w": np.ones(2)}, data={"x": np.ones((3, 2))}, epochs=1)
    for target in ("numpy", "torch", "jax", "c", "js", "wasm"):
        with pytest.raises(cr.ProgramError, match=message):
            cr.derive("f(x)").source(target)


@pytest.mark.parametrize(
    ("formula", "functions", "message"),
    [
        ("x(y + 1)", None, r"x\(…\) may be a product or a function; write x \* \(…\) for a product"),
        ("f(x) + f", None, r"f\(…\) may be a product or a function; write f \* \(…\) for a product"),
        ("A(x - b)", None, r"name the function, as in --functions A"),
        ("cumprod(x)", None, "there is no function cumprod; for one without a definition add functions='cumprod'"),
        ("sum(sigmod(x))", None, "there is no function sigmod; did you mean sigmoid"),
        ("f(x, axis=1)", None, "f has no definition, and so no options"),
        ("f(x, y)", "f: n ->", "f is given 2 arguments, and its sizes are those of 1"),
        ("f(x*x')", "f: n ->", "f takes a vector, not a matrix"),
        ("f(x)", "f: (n, m) -> k", "f is given 1 arguments, and its sizes are those of 2"),
        ("f(x, 2)", "f: (n, m) -> k", "f takes a vector, not a number"),
        ("f(x, y) + f(x)", None, "f is called in two ways, with different numbers of arguments"),
        ("f = g(x); f(f)", "f", r"f is not a function; write f \* \(…\) for a product"),
        ("L(x)", "L", "L is a function without a definition and a variable; rename one"),
        ("f(x)", "f, f: n ->", "functions names f twice"),
        ("f(x)", "2f", "functions has '2f'; write names, as in 'f, g: n -> m'"),
        ("f(x)", "f: n m", "write them as in 'n -> m'"),
    ],
)
def test_refusals(formula: str, functions: str | None, message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message):
        cr.derive(formula, functions=functions)


def test_functions_are_named_for_formulas_only() -> None:
    with pytest.raises(cr.ChainruleError, match=r"in Python code call chainrule.function\('f'\)"):
        cr.derive(lambda x: np.sum(x), functions="f", x="n")
    with pytest.raises(cr.ProgramError, match="'a b' cannot be the name of a function"):
        cr.function("a b")


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        ("(x - b)' A (x - b)", "∂L/∂x = (A + Aᵀ) (x − b)"),
        ("c (x - b)^2", "∂L/∂c = (x − b)²"),
        (r"\lambda (x^T x)", "∂L/∂λ = xᵀ x"),
        ("f(x(t), y(t))", "∂L/∂t = ∂₁f(x(t), y(t)) · x′(t) + ∂₂f(x(t), y(t)) · y′(t)"),
        ("sin^2(x)", "∂L/∂x = 2 sin(x) · cos(x)"),
        (r"\log^2(x)", "∂L/∂x = 2 ln(x) / x"),
    ],
)
def test_a_name_before_a_parenthesis_is_what_it_is_on_paper(formula: str, line: str) -> None:
    assert line in cr.derive(formula).text(detail="brief")


def test_a_name_with_a_shape_is_a_variable() -> None:
    assert "∂L/∂x = 2 Aᵀ (A (x − b))" in cr.derive("norm(A(x - b))^2", A="m n", x="n", b="n").text(
        detail="brief"
    ).replace("u", "(A (x − b))")


def test_maps_of_vectors_compose() -> None:
    derivation = cr.derive("f(g(x))", functions="f: n -> m; g: k -> n")
    assert "∂L/∂x = J_g(x)ᵀ J_f(g(x))ᵀ (∂L/∂Y)" in derivation.text(detail="brief")
    assert derivation.verify().ok


def test_second_derivatives_of_a_function_of_two_vectors() -> None:
    hessian = cr.derive("f(x, W x)", "x", functions="f: (n, m) ->", order=2)
    line = "H = ∇²L = ∂²L/∂x∂xᵀ = ∂₁₁f(x, u) + Wᵀ ∂₁₂f(x, u)ᵀ + (∂₁₂f(x, u) + Wᵀ ∂₂₂f(x, u)) W"
    assert line in " ".join(hessian.text(width=120).split())
    assert hessian.verify().ok
    jacobian = cr.derive("f(x, g(x))", functions="f: (n, m) -> k, g: n -> m", jacobian=True)
    text = " ".join(jacobian.text().split())
    assert "J = ∂Y/∂x = ∂₁f(x, u) + ∂₂f(x, u) J_g(x)" in text
    assert "∂₁f is the Jacobian of f by argument 1, with a row for each element of f" in text
    assert jacobian.verify().ok


def test_a_function_of_two_vectors_in_numpy_code() -> None:
    f = cr.function("f", "(n, 2) ->")
    derivation = cr.derive(lambda x, t: f(x, t) ** 2, x="n", t=np.ones(2, np.float32))
    assert "∂L/∂t = 2 f(x, t) · ∂₂f(x, t)" in derivation.text(detail="brief")
    assert derivation.verify().ok
    with pytest.raises(cr.ProgramError, match="f is given 1 arguments, and its sizes are those of 2"):
        cr.derive(lambda x: f(x), x="n")
    with pytest.raises(cr.ShapeError, match="f takes a vector of 2 numbers, not of 3"):
        cr.derive(lambda x: f(x, x), x="3")


def test_a_function_of_numbers_is_differentiated_by_each() -> None:
    text = cr.derive("f(x, y)").text(detail="brief")
    assert "∂L/∂x = ∂₁f(x, y)" in text
    assert "∂L/∂y = ∂₂f(x, y)" in text
