"""Worked examples: the value behind every line, compared with independent NumPy computation."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation import FORMS, Document, Equation, Form, Frame, Valuation, ValuesError
from chainrule.derivation.decimals import decimal_of
from chainrule.derivation.numerals import numeral
from chainrule.derivation.putting_in import with_matrices
from chainrule.gallery import GALLERY
from chainrule.primitives import Infix, Notation, Postfix, Symbol
from chainrule.words import LANGUAGES, width_of

TWO_LAYERS: dict[str, Any] = {
    "X": [[1, 2], [3, -1]],
    "y": [[1], [0]],
    "W1": [[1, 0, -1], [2, 1, 0.5]],
    "b1": [0.1, 0.2, 0],
    "W2": [[1], [2], [-1]],
    "b2": [0.5],
}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def two_layers() -> dict[str, Any]:
    """The values of every quantity of the two-layer network, by hand."""
    X, y, W1, b1, W2, b2 = (np.array(value, float) for value in TWO_LAYERS.values())
    z1 = X @ W1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = sigmoid(z2)
    d2 = (a2 - y) * a2 * (1 - a2)
    d1 = d2 @ W2.T * a1 * (1 - a1)
    return {
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "a2": a2,
        "L": 0.5 * np.sum((a2 - y) ** 2),
        "σ′(z1)": a1 * (1 - a1),
        "σ′(z2)": a2 * (1 - a2),
        "∂L/∂a2": a2 - y,
        "δ2": d2,
        "∂L/∂a1": d2 @ W2.T,
        "δ1": d1,
        "∂L/∂W1": X.T @ d1,
        "∂L/∂b1": d1.sum(axis=0),
        "∂L/∂W2": a1.T @ d2,
        "∂L/∂b2": d2.sum(axis=0),
    }


def equations(derivation: cr.Derivation, at: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """The equations of a worked example that have a value."""
    document = json.loads(derivation.json(at=at, **options))["document"]
    return [block for block in document if "value" in block]


SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def number(text: str) -> float:
    """A printed number."""
    plain = text.replace("−", "-").replace("∞", "inf").replace("NaN", "nan")
    power = re.fullmatch(r"(?:(.*)·|(-?))10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", plain)
    if power is None:
        return float(plain)
    mantissa, sign, exponent = power.groups()
    return float(mantissa or f"{sign}1") * 10.0 ** int(exponent.translate(SMALL))


def array(text: str) -> Any:
    """A printed number or matrix."""
    turned = text.endswith("ᵀ")
    text = text.removesuffix("ᵀ")
    if not text.startswith("["):
        return np.array(number(text))
    rows = [[number(entry) for entry in row.split(", ")] for row in text[1:-1].split("; ")]
    return np.array(rows).T if turned else np.array(rows)


def evaluated(side: str) -> Any:
    """Evaluate a printed side that has numbers only."""
    code = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: "**" + m[1].translate(SMALL), side)
    for sign, meaning in (("−", "-"), ("·", "*"), ("½", "0.5"), ("√", "sqrt"), ("ln", "log")):
        code = code.replace(sign, meaning)
    code = re.sub(r"sqrt([\d.]+)", r"sqrt(\1)", code)
    code = re.sub(r"(?<=[\d)]) (?=[a-zσ(])", "*", code)
    names = {name: getattr(np, name) for name in ("exp", "log", "sin", "cos", "tanh", "sqrt")}
    return eval(code, {"__builtins__": {}}, {**names, "σ": sigmoid})


def has_numbers_only(side: str) -> bool:
    words = set(re.findall(r"[^\W\d]+", side))
    return words <= {"exp", "ln", "sin", "cos", "tanh", "σ"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_values_of_a_network_are_those_computed_by_hand(form: Form, lang: Any) -> None:
    derivation = cr.derive(GALLERY["two_layer_rows"].function, GALLERY["two_layer_rows"].wrt)
    expected = two_layers()
    seen = set()
    for block in equations(derivation, TWO_LAYERS, form=form, lang=lang):
        name = block["sides"][0]["text"]
        if name in TWO_LAYERS:
            np.testing.assert_array_equal(block["value"], TWO_LAYERS[name])
            continue
        if name in expected:
            seen.add(name)
            np.testing.assert_allclose(block["value"], expected[name], rtol=1e-12)
        drawn = array(block["sides"][-1]["text"])
        np.testing.assert_allclose(drawn, np.reshape(block["value"], drawn.shape), rtol=6e-4, atol=1e-15)
    gradients = {name for name in expected if name.startswith("∂L/∂W") or name.startswith("∂L/∂b")}
    assert {"z1", "a1", "z2", "a2", "L", "∂L/∂a2", *gradients} <= seen


SCALARS: dict[str, dict[str, Any]] = {
    "sigmoid(w*x + b)": {"w": -3, "x": 2, "b": 1},
    "sin(exp(x)^2)": {"x": 0.3},
    "sqrt(1 + x^2)": {"x": 2},
    "log(x^2 + y^2)": {"x": 1, "y": -2},
    "exp(-x^2)": {"x": 0.5},
    "(2*x + 1)^5": {"x": -1.5},
    "tanh(3*x)": {"x": 0.1},
    "sin(x)*exp(x^2)": {"x": -0.7},
    "x*y/(x+y)": {"x": 3, "y": 1},
}


@pytest.mark.parametrize("formula", SCALARS)
@pytest.mark.parametrize("form", FORMS)
def test_numbers_put_in_give_the_value(formula: str, form: Form) -> None:
    derivation = cr.derive(formula, wrt=list(SCALARS[formula]))
    filled = 0
    for block in equations(derivation, SCALARS[formula], form=form):
        sides = [side["text"] for side in block["sides"]]
        for place, side in enumerate(sides[1:], 1):
            if has_numbers_only(side):
                rounded = place >= len(sides) - block["rounded"]
                filled += side != sides[-1]
                np.testing.assert_allclose(evaluated(side), block["value"], rtol=2e-3 if rounded else 1e-12)
    assert filled


@pytest.mark.parametrize("formula", SCALARS)
def test_the_gradients_are_differences_of_the_loss(formula: str) -> None:
    at = SCALARS[formula]
    derivation = cr.derive(formula, wrt=list(at))
    final = {block["sides"][0]["text"]: block["value"] for block in equations(derivation, at, detail="brief")}

    def loss(**inputs: float) -> float:
        names = {name: getattr(np, name) for name in ("exp", "log", "sin", "tanh", "sqrt")}
        return float(eval(formula.replace("^", "**"), {**names, "sigmoid": sigmoid}, inputs))

    for name, x in at.items():
        step = 1e-5
        difference = (loss(**{**at, name: x + step}) - loss(**{**at, name: x - step})) / (2 * step)
        assert final[f"∂L/∂{name}"] == pytest.approx(difference, rel=1e-6)


def test_a_scalar_example_as_on_a_whiteboard() -> None:
    text = cr.derive("sigmoid(w*x + b)").text("path", at={"w": -3, "x": 2, "b": 1})
    for line in (
        "At w = −3, x = 2 and b = 1.",
        "  z = w · x + b = −3 · 2 + 1 = −5 ",
        "  L = σ(z) = σ(−5) ≈ 0.006693 ",
        "  δ_z = ∂L/∂z = L · (1 − L) ≈ 0.006693 (1 − 0.006693) ≈ 0.006648 ",
        "  ∂z/∂w = x = 2 ",
        "  ∂z/∂b = 1 ",
        "  ∂L/∂w = ∂L/∂z · ∂z/∂w = L · (1 − L) · x ≈ 0.006648 · 2 ≈ 0.01330 ",
        "│ ∂L/∂w = L · (1 − L) · x ≈ 0.01330 ",
    ):
        assert line in text


def test_the_differential_of_numbers_has_its_coefficients() -> None:
    text = cr.derive("u = w*x + b - 0*c; u^2", wrt=["w", "x", "b"]).text(at={"w": -3, "x": 2, "b": 1, "c": 5})
    assert "= 2 dw − 3 dx + db " in text
    assert "  dL = 2 u · du = −10 du " in text


def test_matrices_are_drawn_and_put_in() -> None:
    text = cr.derive("norm(A @ x - b)^2", wrt="x").text(
        at={"A": [[1, 2], [3, 4], [5, 6]], "x": [1, -1], "b": [0, 1, 2]}
    )
    assert (
        "                ⎡ 1  2 ⎤          ⎡ 0 ⎤   ⎡ −1 ⎤\n"
        "  r = A x − b = ⎢ 3  4 ⎥ ⎡  1 ⎤ − ⎢ 1 ⎥ = ⎢ −2 ⎥                    (m×n)(n) = m\n"
        "                ⎣ 5  6 ⎦ ⎣ −1 ⎦   ⎣ 2 ⎦   ⎣ −3 ⎦\n"
    ) in text
    assert (
        "                                   ⎡ −2 ⎤\n"
        "  ∂L/∂x = Aᵀ (∂L/∂r) = ⎡ 1  3  5 ⎤ ⎢ −4 ⎥ = ⎡ −44 ⎤                 (n×m)(m) = n\n"
        "                       ⎣ 2  4  6 ⎦ ⎣ −6 ⎦   ⎣ −56 ⎦\n"
    ) in text


def test_matrices_are_put_in_only_where_they_give_the_value() -> None:
    A, x, y = Symbol("A"), Symbol("x"), np.array([-1.0, -1.0])
    values: dict[Notation, Any] = {A: np.array([[1.0, 2], [3, 4]]), x: np.array([1.0, -1])}
    assert with_matrices(Infix("", (A, x)), values, y) is not None
    assert with_matrices(Infix("", (Postfix("ᵀ", A), x)), values, y) is None
    assert with_matrices(Infix("", (A, x)), values, -y) is None
    assert with_matrices(Infix("", (A, Symbol("b"))), values, y) is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [80, 50])
def test_no_line_is_wider_than_the_page(form: Form, width: int) -> None:
    derivation = cr.derive(GALLERY["two_layer_rows"].function, GALLERY["two_layer_rows"].wrt)
    for lang in LANGUAGES:
        for line in derivation.text(form, lang, width, at=TWO_LAYERS).splitlines():
            assert width_of(line) <= width, line


def test_a_large_array_is_summarized() -> None:
    X = np.arange(60.0).reshape(12, 5)
    derivation = cr.derive("sum((X @ w - y)^2)", X="n d", w="d", y="n")
    text = derivation.text(at={"X": X, "w": np.ones(5), "y": np.zeros(12)})
    assert "12×5 entries, from 0 to 59, with mean 29.5" in text
    assert "12 entries, from 10 to 285, with mean 147.5" in text
    assert "w = [ 1  1  1  1  1 ]ᵀ" in text


def test_a_layer_takes_ones_unless_it_is_given_a_gradient() -> None:
    derivation = cr.derive("tanh(W @ x)", W="m n", x="n")
    at: dict[str, Any] = {"W": [[1, 0], [2, -1]], "x": [0.5, 1]}
    t = np.tanh(np.array(at["W"]) @ at["x"])
    for given in (None, [3.0, -1.0]):
        values = at if given is None else {**at, "dY": given}
        found = {block["sides"][0]["text"]: block["value"] for block in equations(derivation, values)}
        upstream = np.ones(2) if given is None else np.array(given)
        np.testing.assert_allclose(found["∂L/∂W"], np.outer(upstream * (1 - t**2), at["x"]), rtol=1e-12)
        assert ("taken as ones" in derivation.text(at=values)) is (given is None)


def test_kinks_and_missing_values_are_shown() -> None:
    text = cr.derive("sum(relu(W*x + b))", wrt="W").text(
        at={"x": [1, 2], "W": [[1, -3], [0, 0], [2, -1]], "b": [-1, 0, 0]}
    )
    assert "At this point z1 = 0 in 2 entries, each a kink" in text
    text = cr.derive("log(x) * abs(y)", wrt=["x", "y"]).text(at={"x": -2, "y": 0})
    assert "At this point y = 0, a kink" in text
    assert "At this point not all values are finite (L, ∂L/∂y)" in text
    assert "  L = ln(x) · |y| = ln(−2) · |0| = NaN " in text
    text = cr.derive("max(x)", x="n").text(at={"x": [1, 3, 3]})
    assert "several entries attain max(x)" in text
    assert "kink" not in cr.derive("relu(x)").text(at={"x": 1})


def test_rounding_noise_is_rounded() -> None:
    text = cr.derive("sum((x - mean(x))^2)", x="n").text(at={"x": [0.1, 0.2, 0.3]})
    assert "10⁻¹⁷" not in text
    assert "≈ [ −0.1  0  0.1 ]" in text


@pytest.mark.parametrize(
    ("value", "written", "exact"),
    [
        (0.1 + 0.2, "0.3", True),
        (1 / 3, "0.3333", False),
        (2 / 300, "0.006667", False),
        (0.0133, "0.0133", True),
        (0.013296789, "0.01330", False),
        (12345.678, "12346", False),
        (1234567.8, "1.235·10⁶", False),
        (-3.0, "−3", True),
        (0.5, "0.5", True),
        (1e-7 / 3, "3.333·10⁻⁸", False),
        (0.99999999, "1.000", False),
        (-0.0, "0", True),
        (float("nan"), "NaN", True),
        (-float("inf"), "−∞", True),
        (3e6, "3·10⁶", True),
    ],
)
def test_numbers_are_rounded_to_four_digits(value: float, written: str, exact: bool) -> None:
    found, is_exact = decimal_of(value)
    assert (numeral(found), is_exact) == (written, exact)


def test_latex_and_markdown_have_matrices() -> None:
    derivation = cr.derive("norm(A @ x - b)^2", wrt="x")
    at = {"A": [[1, 2], [3, 4]], "x": [1, -1], "b": [0, 1]}
    for written in (derivation.latex(at=at), derivation.markdown(at=at)):
        assert r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix} \, \begin{bmatrix} 1 \\ -1 \end{bmatrix}" in written
    assert r"L &= \sigma(z) = \sigma(-5) \approx 0.006693" in cr.derive("sigmoid(w*x + b)").latex(
        at={"w": -3, "x": 2, "b": 1}
    )


def test_html_has_tables() -> None:
    page = cr.derive("norm(A @ x - b)^2", wrt="x").html(at={"A": [[1, 2], [3, 4]], "x": [1, -1], "b": [0, 1]})
    tree = ElementTree.fromstring(re.sub("<!DOCTYPE[^>]*>|<meta[^>]*>|<wbr>", "", page, flags=re.IGNORECASE))
    tables = [table for table in tree.iter("mtable") if table.get("class") == "matrix"]
    shapes = {(len(table), len(table[0])) for table in tables}
    assert shapes == {(2, 2), (2, 1)}


def test_without_values_nothing_changes() -> None:
    derivation = cr.derive("sigmoid(w*x + b)")
    assert derivation.text() == derivation.text(at=None)
    assert "≈" not in derivation.text()
    assert not [block for block in json.loads(derivation.json())["document"] if "value" in block]


@pytest.mark.parametrize("name", GALLERY)
def test_every_gallery_entry_has_a_worked_example(name: str) -> None:
    entry = GALLERY[name]
    derivation = cr.derive(entry.function, entry.wrt)
    random = np.random.default_rng(0)
    sizes = {size: 4 + k % 3 for k, size in enumerate(derivation.program.dim_names)}
    at: dict[str, Any] = {}
    for node in derivation.program.inputs:
        shape = node.type.bind(sizes).concrete_shape
        if node.name.startswith("∂"):
            continue
        at[node.name] = random.uniform(0.2, 0.8, shape) if node.type.dtype.is_float else np.zeros(shape, int)
    values = Valuation(derivation.record, at)
    for record in (derivation.record, derivation.in_steps):
        own = Valuation(record, at)
        for symbol in derivation.record.backward.wrt:
            cotangent = next(e.cotangent for e in record.backward.accumulations if e.symbol is symbol)
            np.testing.assert_allclose(own(cotangent), values(cotangent), rtol=1e-9, atol=1e-12)
    for form in FORMS:
        assert derivation.text(form, at=at)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"x": 2}, "the values lack w, b; give them too"),
    "unknown": (
        {"x": 2, "w": 1, "b": 1, "bb": 3},
        "have 'bb', which the function does not; it has w, x, b; did you mean 'b'?",
    ),
    "shape": ({"x": [1, 2], "w": 1, "b": 1}, "x is a vector of length 2, but in the derivation x is a number"),
    "not a number": ({"x": float("nan"), "w": 1, "b": 1}, "x has entries that are not finite; give numbers"),
    "text": ({"x": "two", "w": 1, "b": 1}, "x is not an array of numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_values_are_refused(case: str) -> None:
    at, message = BAD[case]
    with pytest.raises(ValuesError, match=re.escape(message)):
        cr.derive("sigmoid(w*x + b)").text(at=at)


def test_values_that_do_not_fit_are_refused() -> None:
    derivation = cr.derive("sum((X @ w - y)^2)", X="n d", w="d", y="n")
    with pytest.raises(ValuesError, match="the size d is 2 in X but 3 in w"):
        derivation.text(at={"X": [[1, 2]], "w": [1, 2, 3], "y": [1]})
    with pytest.raises(ValuesError, match="rows of different lengths"):
        derivation.text(at={"X": [[1, 2], [3]], "w": [1, 2], "y": [1, 2]})
    entry = GALLERY["softmax_regression"]
    with pytest.raises(ValuesError, match="labels has 3; its entries count from 0 up to 2"):
        cr.derive(entry.function, entry.wrt).text(at={"X": [[1]], "W": [[1, 0, 2]], "b": [0, 0, 0], "labels": [3]})
    with pytest.raises(ValuesError, match="labels has fractions"):
        cr.derive(entry.function, entry.wrt).text(at={"X": [[1]], "W": [[1, 0, 2]], "b": [0, 0, 0], "labels": [0.5]})


def test_a_function_without_a_definition_has_no_values() -> None:
    with pytest.raises(ValuesError, match="has no definition, and so no values; write it out"):
        cr.derive("f(g(x))").text(at={"x": 2})


def test_greek_names_may_be_spelled() -> None:
    assert "At λ = 2 and x = 1." in cr.derive("lambda * x^2", wrt="x").text(at={"λ": 2, "x": 1})


def lines_of(text: str) -> list[str]:
    """The lines of a page, with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_hessian_at_numbers_has_them_behind_every_matrix() -> None:
    hessian = cr.derive("½‖X w − y‖² + (λ/2) ‖w‖²", "w", order=2)
    X, y, w, λ = np.array([[1.0, 2], [3, 4], [0, 1]]), np.array([1.0, 0, 2]), np.array([1.0, -1]), 0.5
    H, g = X.T @ X + λ * np.eye(2), X.T @ (X @ w - y) + λ * w
    at = {"X": X, "y": y, "w": w, "λ": λ}
    equations = _equations(hessian.document(at=at))
    shown = {each.sides[0]: each.value for each in equations if each.value is not None}
    np.testing.assert_allclose(shown[Symbol("H")], H)
    np.testing.assert_allclose(shown[Symbol("g")], g)
    np.testing.assert_allclose(shown[Symbol("Δ")], np.linalg.solve(H, -g))
    assert "H v = Xᵀ X v + λ · v d" in lines_of(hessian.text(at=at))  # v stands for any vector
    assert r"\begin{bmatrix} 10.5 & 14 \\ 14 & 21.5 \end{bmatrix}" in hessian.latex(at=at)


def test_where_a_hessian_is_singular_no_step_is_settled() -> None:
    hessian = cr.derive("sum((A x - b)^2)", "x", order=2)
    at = {"A": [[2, 1], [4, 2]], "x": [1, 2], "b": [1, 0]}
    assert Symbol("Δ") not in {equation.sides[0] for equation in _equations(hessian.document(at=at))}


def test_second_derivatives_of_numbers_are_filled_in() -> None:
    lines = lines_of(cr.derive("x^2 y + y^3", ["x", "y"], order=2).text(at={"x": 1, "y": 2}))
    assert "H_xx = ∂²L/∂x² = 2 y = 2 · 2 = 4 scalar" in lines
    assert any(line.startswith("dg_x = ") and line.endswith("= 4 dx + 2 dy scalar") for line in lines)
    assert "Δ_y = −1 scalar" in lines


@pytest.mark.parametrize("form", ["matrix", "index"])
def test_a_jacobian_at_numbers(form: Form) -> None:
    A, x = np.array([[2.0, 1], [1, 3]]), np.array([1.0, 2])
    jacobian = cr.derive("softmax(A x)", "x", jacobian=True)
    p = np.exp(A @ x) / np.sum(np.exp(A @ x))
    found = [each.value for each in _equations(jacobian.document(form, at={"A": A, "x": x})) if each.value is not None]
    expected = (np.diag(p) - np.outer(p, p)) @ A
    assert any(value.shape == (2, 2) and np.allclose(value, expected) for value in found)
    page = jacobian.text(form, at={"A": A, "x": x})
    assert "taken as ones" not in page  # no gradient comes back to a Jacobian
    assert "∂Y/∂x ≈" in page or "A ≈" in page


def _equations(document: Document) -> list[Equation]:
    frames = [block for frame in document.blocks if isinstance(frame, Frame) for block in frame.blocks]
    return [block for block in (*document.blocks, *frames) if isinstance(block, Equation)]
