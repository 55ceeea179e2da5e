"""Printed lines are checked: an independent parser reads text and LaTeX back, and reports wrong lines."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived
from support.printed_programs import FORMS, SCRIPTS, misreadings, run

import chainrule as cr
from chainrule.derivation import expressions, factors, lookups, sheet
from chainrule.derivation.boxes import Box
from chainrule.derivation.constants import Constants, described
from chainrule.derivation.latex import LatexWriter
from chainrule.derivation.legend import walk
from chainrule.derivation.readback import Page, ReadingError, joined, joined_latex, read
from chainrule.derivation.readback.tokens import FUNCTIONS
from chainrule.derivation.text import TextWriter
from chainrule.derivation.verify import Verifier
from chainrule.derivation.writing import BLOCKS
from chainrule.deriving import Derivation, derive
from chainrule.gallery import GALLERY
from chainrule.ir import Apply
from chainrule.primitives import REGISTRY, Call, Infix, Mark, Notation, Pad, Primitive, Symbol

COUNT = int(os.environ.get("CHAINRULE_PRINTED_PROGRAMS", "12"))


def _pairwise(Y: Any) -> Any:
    D = np.sum((Y[:, None, :] - Y[None, :, :]) ** 2, axis=2)
    return np.sum(np.exp(-D))


def _differences(y: Any) -> Any:
    D = y[:, None] - y[None]
    return np.sum(np.exp(-(D**2)))


def _row_beside_column(z: Any) -> Any:
    return np.sum(np.sin(z[:, None] - z[None]))


def _columns_alone(x: Any, y: Any, Z: Any) -> Any:
    column = x[:, None] - np.exp(y[:, None])
    return np.sum(np.sin(np.broadcast_to(column, Z.shape)) + np.broadcast_to(y[:, None], Z.shape))


def _outer(d: Any, X: Any) -> Any:
    return np.sum(np.exp(d[:, None] * d[None]) * X)


def _square_bias(A: Any, b: Any) -> Any:
    return np.sum((A + b) ** 2)


def _square_column(A: Any, b: Any) -> Any:
    return np.sum((A - b[:, None]) ** 2)


def _two_constants(x: Any) -> Any:
    return np.sum(x * np.array([1.0, 2.0, 3.0])) + np.sum(x**2 * np.array([4.0, 5.0, 6.0]))


def _off_diagonal(A: Any, B: Any, lam: Any) -> Any:
    C = A.T @ B / A.shape[0]
    off = (1 - np.eye(A.shape[1])) * C
    return np.sum((np.diag(C) - 1) ** 2) + lam * np.sum(off**2)


def _bias(X: Any, W: Any, b: Any) -> Any:
    return np.sum((X @ W + b) ** 2)


def _chain(A: Any, B: Any, x: Any) -> Any:
    return np.sum((A @ (B - 2 * A.T) @ x) ** 2)


def _one_element(x: Any) -> Any:
    g = np.tanh(x)
    total = np.sum(g[:, None], axis=(0, 1), keepdims=True)
    return np.sum(np.sin(total)) + np.sum(g**2)


def _repeated_condition(Z: Any) -> Any:
    return np.sum(np.where(Z.T > 0, Z, -Z) ** 2)


def _repeated_row(u: Any) -> Any:
    s = u + u[None, :]
    P = u[:, None] * s
    return np.sum(np.sum(P[:, :, None], axis=(0, 1, 2), keepdims=True) ** 2)


def _unsaid_number_of_columns(Y: Any) -> Any:
    z = 1 - np.sum(Y, axis=(1, 2))[None, :]
    return np.mean(z.T @ z)


def _three_axes_beside_two(A: Any, W: Any) -> Any:
    c = cr.logsumexp(W[:, None, :], axis=0)
    return np.mean(A.T @ W.T) + np.sum(c**2)


def _axes_of_size_one(W: Any) -> Any:
    return np.sum(np.maximum(W.T, W[None, :, :]) ** 2)


def _least(x: Any) -> Any:
    return np.sum(np.min(1e-5 * x, axis=(0, 1), keepdims=True))


def _diagonal_matrix(x: Any) -> Any:
    D = np.diag(np.sin(x))
    return np.sum(D)


def _stacked_sums(Z: Any) -> Any:
    return np.sum((3 * Z) @ Z[0].T)


def _row_beside_one(x: Any, y: Any) -> Any:
    z = (y + x) / (1 + x[None, :] ** 2)
    return np.sum(z)


def _picked_rows(A: Any, c: Any, y: Any) -> Any:
    z = c - (-A)
    return np.mean(z[y])


def _rows_of_a_product(W: Any, b: Any) -> Any:
    P = W @ W.T
    x = P[b].T
    return np.sum(np.sin(x))


def _part_of_a_softmax(Z: Any) -> Any:
    r = cr.log_softmax(-Z, axis=2)
    x = r[1:]
    return np.sum(r) + np.sum(x**2)


PROGRAMS: dict[str, tuple[Any, dict[str, str]]] = {
    "pairwise": (_pairwise, {"Y": "n d"}),
    "differences": (_differences, {"y": "n"}),
    "row beside column": (_row_beside_column, {"z": "n"}),
    "columns alone": (_columns_alone, {"x": "n", "y": "n", "Z": "n m"}),
    "outer": (_outer, {"d": "n", "X": "n n"}),
    "square bias": (_square_bias, {"A": "n n", "b": "n"}),
    "square column": (_square_column, {"A": "n n", "b": "n"}),
    "two constants": (_two_constants, {"x": "3"}),
    "off diagonal": (_off_diagonal, {"A": "4 3", "B": "4 3", "lam": ""}),
    "bias": (_bias, {"X": "n d", "W": "d h", "b": "h"}),
    "one element": (_one_element, {"x": "n"}),
    "repeated condition": (_repeated_condition, {"Z": "1 n"}),
    "repeated row": (_repeated_row, {"u": "n"}),
    "rows of a product": (_rows_of_a_product, {"W": "m 4", "b": "n:int"}),
    "part of a softmax": (_part_of_a_softmax, {"Z": "2 1 n"}),
    "unsaid number of columns": (_unsaid_number_of_columns, {"Y": "n 2 2"}),
    "three axes beside two": (_three_axes_beside_two, {"A": "n 3", "W": "n n"}),
    "axes of size one": (_axes_of_size_one, {"W": "1 1"}),
    "least": (_least, {"x": "2 n"}),
    "diagonal matrix": (_diagonal_matrix, {"x": "n"}),
    "stacked sums": (_stacked_sums, {"Z": "k 2 1"}),
    "row beside one": (_row_beside_one, {"x": "1", "y": ""}),
    "chain": (_chain, {"A": "n m", "B": "m n", "x": "n"}),
}


def _derived(name: str) -> Derivation:
    function, shapes = PROGRAMS[name]
    return derive(function, wrt=[x for x, shape in shapes.items() if not shape.endswith(":int")], **shapes)


_SLIDING = ("⋆", r"\star", "windows", "correlate", "overlap")
"""Marks in whose notation axes are not determined; such lines are reported as unread."""


def _is_chain(line: str) -> bool:
    """Whether one side of a line consists of chain rule factors."""
    return any("direct" in side or re.fullmatch(r"[^+−⊙(]*\bpartial.*|[^+−⊙(]*∂.*", side) for side in line.split(" = "))


# What is printed


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_line_reads_as_what_it_claims(name: str) -> None:
    count, unread, wrong = misreadings(_derived(name))
    assert count >= 18
    assert not unread
    assert not wrong


@pytest.mark.parametrize("name", GALLERY)
def test_every_line_of_the_gallery_reads_as_what_it_claims(name: str) -> None:
    count, unread, wrong = misreadings(derived(name))
    assert count + len(unread) >= 14
    assert all(any(mark in line for mark in _SLIDING) for line in unread if not _is_chain(line))
    assert not wrong


@pytest.mark.parametrize("primitive", REGISTRY, ids=lambda primitive: primitive.__name__)
def test_the_reader_knows_every_function_that_a_primitive_is_written_with(primitive: type[Primitive]) -> None:
    known = {*FUNCTIONS, *BLOCKS}
    for example in primitive.examples():
        names = [Symbol(f"x{k}") for k in range(len(example.operands))]
        for part in walk(example.primitive.notation(names, list(example.operands))):
            assert not isinstance(part, Call) or not part.function or part.function in known


@pytest.mark.parametrize("name", ["two_layer_rows", "huber", "lstm_cell"])
def test_every_line_reads_the_same_in_chinese(name: str) -> None:
    verifier = Verifier(derived(name).record)
    proofreader = verifier.proofreader(verifier.point())
    for form in FORMS:
        for script in SCRIPTS:
            reading = proofreader.read(form, script, "zh")
            assert reading.read == proofreader.read(form, script, "en").read > 5
            assert not reading.misreadings


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("differences", "D = y 1ᵀ − 1 yᵀ"),
        ("row beside column", "cos(z 1ᵀ − 1 zᵀ)ᵀ 1"),
        ("columns alone", "repeat[n×m]"),
        ("outer", "exp(d dᵀ)"),
        ("pairwise", "D = Σ₂((Y[:,∗,:] − Y[∗,:,:])²)"),
        ("square bias", "U = A + 1 bᵀ"),
        ("square column", "(A − b 1ᵀ) ⊙ (A − b 1ᵀ)"),
        ("bias", "= X W + b "),
        ("two constants", "Constants: C1 = [1, 2, 3]; C2 = [4, 5, 6]."),
        ("off diagonal", "off = (1 − I) ⊙ C"),
        ("off diagonal", "I is the identity matrix"),
    ],
)
def test_what_is_repeated_and_what_is_constant_is_written(name: str, line: str) -> None:
    assert line in _derived(name).text()


def test_constants_have_their_names_in_every_format() -> None:
    derivation = _derived("two constants")
    assert "$C_{1}$ = [1, 2, 3]" in derivation.latex()
    assert "C_{2}" in derivation.markdown()
    assert "[4, 5, 6]" in derivation.html()
    assert "C1 = [1, 2, 3]" in derivation.json()
    assert "C1[i]" in derivation.text("index") or "C1[j]" in derivation.text("index")


@pytest.mark.parametrize("names", [("C", "x"), ("C1", "C"), ("I", "K"), ("K1", "C_1")])
def test_no_constant_has_a_name_of_the_user(names: tuple[str, str]) -> None:
    a, b = names
    source = f"lambda {a}, {b}: np.sum({a} * np.array([1.0, 2.0]) + {b} @ np.eye(2) + {b} * np.array([3.0, 4.5]))"
    derivation = derive(eval(source, {"np": np}), wrt=list(names), **{a: "2", b: "2"})
    assert derivation.verify().ok
    assert not misreadings(derivation)[2]


@pytest.mark.parametrize(
    "names",
    [
        ("W1", "W_1"),
        ("alpha", "α"),
        ("sigma", "z"),
        ("d", "dx"),
        ("delta_x", "x"),
        ("pi", "x"),
        ("x", "x0"),
        ("L", "u"),
        ("Σ", "s"),
    ],
)
def test_names_that_look_alike_are_told_apart(names: tuple[str, str]) -> None:
    a, b = names
    source = f"lambda {a}, {b}: np.sum(cr.sigmoid({a} * {b})) + {a}[0] * np.sum({b} ** 2) * np.pi"
    derivation = derive(eval(source, {"np": np, "cr": cr}), wrt=list(names), **{a: "3", b: "3"})
    assert derivation.verify().ok
    assert not misreadings(derivation)[2]


def test_names_that_latex_would_set_alike_are_set_as_they_are_typed() -> None:
    derivation = derive(lambda W1, W_1: np.sum(W1 * W_1**2), W1="n", W_1="n")
    assert r"W_{1} \odot \mathrm{W\_1}^{2}" in derivation.latex()


def test_names_that_are_none_in_a_program_are_read_as_names() -> None:
    names = ("a − b", "[x](y)", "a_{b}", "a & b", "“quoted”", "x^2")
    derivation = derive(lambda w: sum(np.sum(entry**2) for entry in w.values()), w=dict.fromkeys(names, (2,)))
    assert str(derivation.verify(points=1)).startswith("Verified")


def test_sigmoid_is_a_word_beside_a_sigma() -> None:
    derivation = derive("sum(sigmoid(sigma*x))", wrt=["sigma"], x="n", sigma="")
    assert "sigmoid(σ · x)" in derivation.text()
    assert r"\operatorname{sigmoid}(\sigma \cdot x)" in derivation.latex()


def test_softmax_over_all_entries_names_its_axes() -> None:
    derivation = derive(lambda X: cr.logsumexp(X, axis=(0, 1)), X="n m")
    assert "softmax₀₁(X)" in derivation.text()


def test_reshape_says_the_shape() -> None:
    assert "reshape[2×3](x)" in derive(lambda x: np.sum(np.sin(x.reshape(2, 3)) @ np.ones(3)), x="6").text()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.array([0.5, -1.0]), "[½, −1]"),
        (np.arange(30), "[0, 1, …, 29]"),
        (np.tril(np.ones((6, 6))), "6×6; 0 / 1"),
        (np.arange(60.0).reshape(4, 15), "4×15; 0 … 59"),
    ],
)
def test_constants_are_described(values: Any, text: str) -> None:
    assert described(values) == text


def test_random_programs_print_no_false_line() -> None:
    told: list[str] = []
    outcomes = run(COUNT, seed=int(os.environ.get("CHAINRULE_PRINTED_SEED", "5")), tell=told.append)
    assert not told, "\n".join(told)
    assert outcomes["lines"] > 20 * COUNT


# A wrong line is noticed


def _spread_without_axes(base: Notation, *_: object) -> Notation:
    return base


def _unsaid(node: Any, written: Mapping[Any, Notation]) -> Notation:
    return written[node.operands[0]]


def _repeated_in_silence(self: Any, node: Any) -> Notation:
    written: Notation = self.written[node]
    return written


def _one_constant(self: Constants, node: Any) -> Notation:
    return Symbol("C")


def _without_brackets(self: Any, inner: Any) -> Any:
    return inner


def _without_mark(self: Any, operand: Any, operator: str) -> Any:
    return operand


def _without_sign(self: Any, operator: str) -> Box:
    return Box("" if operator == "−" else operator + " ", 2)


def _reversed(original: Any) -> Any:
    def write(self: Any, notation: Infix, nesting: int) -> Any:
        turned = tuple(reversed(notation.operands)) if notation.operator == "" else notation.operands
        return original(self, Infix(notation.operator, turned), nesting)

    return write


CORRUPTIONS: dict[str, tuple[str, list[tuple[Any, str, Any]]]] = {
    "a new axis": ("pairwise", [(sheet, "with_new_axes", _spread_without_axes)]),
    "a repetition": (
        "differences",
        [(sheet.Sheet, "spread", _repeated_in_silence), (factors, "repetition", _unsaid)],
    ),
    "the name of a constant": ("two constants", [(Constants, "of", _one_constant)]),
    "brackets in text": ("chain", [(TextWriter, "bracketed", _without_brackets)]),
    "brackets in LaTeX": ("chain", [(LatexWriter, "bracketed", _without_brackets)]),
    "a transpose in text": ("chain", [(TextWriter, "postfix", _without_mark)]),
    "a transpose in LaTeX": ("chain", [(LatexWriter, "postfix", _without_mark)]),
    "a sign in text": ("pairwise", [(TextWriter, "prefix", _without_sign)]),
    "a sign in LaTeX": ("pairwise", [(LatexWriter, "prefix", _without_sign)]),
    "an order in text": ("chain", [(TextWriter, "_infix", _reversed(TextWriter._infix))]),
    "an order in LaTeX": ("chain", [(LatexWriter, "_infix", _reversed(LatexWriter._infix))]),
}


@pytest.mark.parametrize("lost", CORRUPTIONS)
def test_a_renderer_that_loses_something_is_caught(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, changes = CORRUPTIONS[lost]
    derivation = _derived(name)
    assert derivation.verify(points=1).ok
    for owner, attribute, wrong in changes:
        monkeypatch.setattr(owner, attribute, wrong)
    verification = _derived(name).verify(points=1)
    assert not verification.ok
    assert not verification.failures  # the claims are right: only what is printed is not
    assert verification.misreadings
    assert "NOT verified: the printed line “" in str(verification)


def test_a_verification_counts_the_lines_it_has_read() -> None:
    assert _derived("bias").verify().lines_read >= 16


# The reader


A = np.arange(6.0).reshape(2, 3) + 1
S = np.array([[2.0, 1.0], [0.5, 3.0]])
U = np.array([1.0, -2.0])
V = np.array([0.5, 1.0, 4.0])
NAMES = {
    "A": A,
    "S": S,
    "u": U,
    "v": V,
    "c": np.asarray(2.0),
    "n": np.asarray(3.0),
    "k": np.array([1, 0]),
    "L": np.asarray(0.0),
}
TEXT = Page("text", NAMES, {"A": A + 1}, "L", {}, "I", {"n": 3.0})
LATEX = Page("latex", {**NAMES, "W_{1}": S, r"\mathit{beta}": V}, {"A": A + 1}, "L", {}, "I", {"n": 3.0})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A v", A @ V),
        ("Aᵀ u", A.T @ U),
        ("uᵀ A v", U @ A @ V),
        ("u vᵀ", np.outer(U, V)),
        ("1ᵀ A", A.sum(axis=0)),
        ("A 1", A.sum(axis=1)),
        ("A + 1 v", A + V),
        ("A + v", A + V),
        ("A − u", A - U[:, None]),
        ("u 1ᵀ − 1 vᵀ", U[:, None] - V),
        ("u[:,∗] ⊙ v[∗]", U[:, None] * V),
        ("−2 A ⊙ A + ½", -2 * A * A + 0.5),
        ("(1/n) Σ A²", np.asarray(np.sum(A**2) / 3)),
        ("S⁻¹ u", np.linalg.solve(S, U)),
        ("mean₁(A) ⊙ u", A.mean(axis=1) * U),
        ("∂L/∂A / c", (A + 1) / 2),
        ("A[:,k] − S", A[:, [1, 0]] - S),
        ("1[A > 2 c]", (A > 4).astype(float)),
        ("(A if A > c, else 0)", np.where(A > 2, A, 0)),
        ("⟨A, A⟩ I S", np.sum(A * A) * S),
        ("exp(−|u|) · 1.5·10⁻³", np.exp(-np.abs(U)) * 1.5e-3),
        ("reshape[n×2](A) u", A.reshape(3, 2) @ U),
    ],
)
def test_a_line_is_read_as_a_person_reads_it(line: str, value: Any) -> None:
    outcome = read(line, TEXT, np.asarray(value, float))
    assert (outcome.sides, outcome.error < 1e-12) == (1, True)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (r"W_{1}^{\top} \, u", S.T @ U),
        (r"\frac{A - u}{c} \odot A", (A - U[:, None]) / 2 * A),
        (r"\mathbf{1} \, \mathit{beta} + A", A + V),
        (r"\begin{cases} A & \text{if } A > c \\ 0 & \text{otherwise} \end{cases}", np.where(A > 2, A, 0)),
        (r"\frac{\partial L}{\partial A} - \tfrac{1}{2} \, A", A / 2 + 1),
        (r"\sum \exp(-u^{2})", np.asarray(np.sum(np.exp(-(U**2))))),
        (r"u_{{:},\ast } \odot v_{\ast ,{:}}", U[:, None] * V),
        (r"\Bigl(\frac{1}{c} \, S\Bigr)^{-1}", np.linalg.inv(S / 2)),
    ],
)
def test_a_line_of_latex_is_read_as_a_person_reads_it(line: str, value: Any) -> None:
    outcome = read(line, LATEX, np.asarray(value, float))
    assert (outcome.sides, outcome.error < 1e-12) == (1, True)


@pytest.mark.parametrize(
    "line",
    ["S + u", "A + S", "A A", "v A", "1 A v", "uᵀ v", "A / V", "c c)", "(A", "u +", "1", "A · A", "x", "Σ"],
)
def test_what_has_no_meaning_or_two_is_refused(line: str) -> None:
    with pytest.raises(ReadingError):
        read(line, TEXT, np.asarray(A))


def test_wrapped_lines_are_joined_without_their_shape() -> None:
    lines = ["  y = A x                  n×h", "      + 1 b"]
    assert joined(lines, "n×h") == "y = A x + 1 b"
    display = [r"\begin{align*}", r"  y &= A \, x \tag*{$n \times h$} \\", r"  &\quad + b", r"\end{align*}"]
    assert joined_latex(display) == r"y = A \, x + b"


def test_an_index_that_is_out_of_place_is_another_value() -> None:
    page = Page("text", NAMES, {}, "L", {"i": 2, "j": 3}, "I", {"n": 3.0})
    assert read("A[i,j] = A[i,j]", page).error == 0
    assert read("Σⱼ A[i,j] v[j] = u[i]", page).error > 0.1
    with pytest.raises(ReadingError):
        read("A[i] = u[j,i]", page)


# Sizes, parts and conditions


def _size_called_like_an_input(n: Any, x: Any) -> Any:
    return np.mean(n * x) ** 2


def _size_called_like_a_local(x: Any) -> Any:
    n = np.sum(x, axis=1)
    return np.mean(n**2)


@pytest.mark.parametrize(
    ("function", "shapes", "line"),
    [
        (_size_called_like_an_input, {"n": "n", "x": "n"}, " = (2/N) mean(n ⊙ x) · x"),
        (_size_called_like_a_local, {"x": "n d"}, "∂L/∂n = (2/N) n"),
    ],
)
def test_no_size_has_the_name_of_a_value(function: Any, shapes: dict[str, str], line: str) -> None:
    derivation = derive(function, **shapes)
    assert line in derivation.text()
    _, unread, wrong = misreadings(derivation)
    assert not wrong
    assert all(map(_is_chain, unread))


PARTS: dict[str, tuple[Any, dict[str, str]]] = {
    "a row as a column": (lambda E: np.sum(E[2:5, 1] * E[0]), {"E": "7 3"}),
    "borders": (lambda y: np.sum(np.pad(y, ((1, 1), (0, 0))) ** 2) + np.sum(np.pad(y, 1) ** 3), {"y": "4 6"}),
    "steps": (lambda x: np.sum(x[1:3, ::2] ** 2) + np.sum(x[::-1, 1:4] ** 3) + np.sum(x[:, 2]), {"x": "4 6"}),
    "new axes": (lambda x, y: np.sum((x[:, None, None] * y[None, :, None] + x) ** 2), {"x": "n", "y": "n"}),
    "norms": (lambda x: np.sum(x / np.linalg.norm(x, axis=1, keepdims=True)), {"x": "n d"}),
    "row meets column": (lambda x: np.sum(np.array([[1.0, 2.0, 3.0]]) * x[:, None]), {"x": "3"}),
    "conditions": (lambda x, y: np.sum(np.where(x == y, 0.0, np.where(~(x < y), x * y, x))), {"x": "n", "y": "n"}),
    "parts of parts": (lambda x: x[np.array([1, 0])] @ x[2:] + x[2], {"x": "4"}),
}


@pytest.mark.parametrize("name", PARTS)
def test_lines_with_parts_and_conditions_are_read(name: str) -> None:
    function, shapes = PARTS[name]
    derivation = derive(function, **shapes)
    _, _, wrong = misreadings(derivation)
    assert not wrong
    assert not Verifier(derivation.record).run().unread


def test_infinities_excuse_no_other_entry() -> None:
    names = {"s": np.asarray([1.0, -np.inf]), "t": np.asarray([2.0, -np.inf])}
    page = Page("text", names, {}, "L", {}, "I", {})
    assert read("s = t", page).error > 0.1
    assert read("s = s", page).error == 0


def test_a_side_that_is_not_evaluated_is_told() -> None:
    assert read("A = windows[2](A)", TEXT, np.asarray(A)).left_out == 1


def test_a_wrong_place_among_zeros_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(self: Pad, operands: Any, types: Any) -> Notation:
        return Call("pad", (operands[0], Mark("[0:3]")))

    derivation = derive(lambda x: np.sum(x[1:4] ** 2), x="8")
    assert derivation.verify().ok
    monkeypatch.setattr(Pad, "notation", moved)
    assert derive(lambda x: np.sum(x[1:4] ** 2), x="8").verify().misreadings


def test_the_sum_of_what_is_added_at_places_needs_no_size() -> None:
    derivation = derive(_picked_rows, wrt=["A", "c"], A="n 2", c="1", y="n:int")
    assert "onehot(y)ᵀ 1 1ᵀ" in derivation.text()
    assert not misreadings(derivation)[2]


def test_an_index_that_stands_below_a_sum_alone_is_read() -> None:
    derivation = derive(lambda A, c, y: np.mean((A + c)[y]), wrt=["A", "c"], A="n 2", c="1", y="n:int")
    assert "Σᵢⱼₖ (" in derivation.text("index")
    assert not misreadings(derivation)[2]


_LABELS = np.array([2, 0, 2])
_LOOKUPS = Page(
    "text",
    {"E": np.arange(8.0).reshape(4, 2), "D": np.arange(6.0).reshape(3, 2) - 2, "i": _LABELS, "j": np.array(1)},
    {},
    "L",
    {},
    "I",
    {},
)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("onehot(i)ᵀ D", np.eye(4)[_LABELS].T @ (np.arange(6.0).reshape(3, 2) - 2)),
        ("onehot(i)ᵀ onehot(i)", np.diag([1.0, 0, 2, 0])),
        ("onehot(i)ᵀ 1", np.array([1.0, 0, 2, 0])),
        ("onehot(j) onehot(j)ᵀ", np.diag([0.0, 1, 0, 0])),
        ("E[i[1:],j]", np.array([1.0, 5])),
        ("E[i[:2]]", np.arange(8.0).reshape(4, 2)[[2, 0]]),
    ],
)
def test_products_with_one_hot_rows_are_read(line: str, value: Any) -> None:
    assert read(line, _LOOKUPS, value).error == 0
    assert read(line, _LOOKUPS, value + np.eye(*value.shape) if value.ndim > 1 else value + 1).error > 0.1


@pytest.mark.parametrize(
    ("function", "shapes", "line"),
    [
        (lambda E, k: E[k], {"E": "v d", "k": "n:int"}, "∂L/∂E = onehot(k)ᵀ (∂L/∂Y)"),
        (lambda w, k: np.exp(w[k]), {"w": "v", "k": ":int"}, "∂L/∂w = L · onehot(k)"),
        (lambda T, k: T[k], {"T": "v v", "k": ":int"}, "∂L/∂T = onehot(k) (∂L/∂Y)ᵀ"),
        (lambda T, k: np.sum(T[k]), {"T": "v v", "k": ":int"}, "∂L/∂T = onehot(k) 1ᵀ"),
        (lambda T, k: np.sum(T[k]) / 3, {"T": "v v", "k": "n:int"}, "∂L/∂T = (1/3) onehot(k)ᵀ 1 1ᵀ"),
        (lambda T, k: -np.sum(T[k[:-1], k[1:]]), {"T": "v v", "k": "4:int"}, "∂L/∂T = −onehot(k[:3])ᵀ onehot(k[1:])"),
        (lambda T, i, j: 2 * T[i, j], {"T": "v v", "i": ":int", "j": ":int"}, "∂L/∂T = 2 onehot(i) onehot(j)ᵀ"),
    ],
)
def test_the_transpose_of_a_lookup_is_a_product_with_one_hot_rows(
    function: Callable[..., Any], shapes: dict[str, str], line: str
) -> None:
    derivation = derive(function, **shapes)
    assert line in derivation.text(detail="brief")
    assert derivation.verify().ok


def test_a_product_with_the_wrong_rows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def turned(node: Apply, factors: Any) -> Notation | None:
        found = lookups.scattered(node, factors)
        return Infix("", found.operands[::-1]) if isinstance(found, Infix) else found

    monkeypatch.setattr(expressions, "scattered", turned)
    assert derive(lambda T, i, j: T[i, j], T="v v", i=":int", j=":int").verify().misreadings


@pytest.mark.parametrize(
    ("function", "shapes", "line"),
    [
        (lambda a, b: np.sum(np.exp(np.stack([a, b]))), {"a": "n", "b": "n"}, "stack₀(a, b)"),
        (lambda a, b: np.sum(np.exp(np.stack([a, b], 1))), {"a": "n", "b": "n"}, "[a, b]"),
        (lambda A, B: np.sum(np.exp(np.stack([A, B], 2))), {"A": "n m", "B": "n m"}, "stack₂(A, B)"),
        (lambda x: np.sum(np.exp(np.stack([x[0], x[1]]))), {"x": "3"}, "L = Σ exp([x[0]; x[1]])"),
        (
            lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
            {"x": "2"},
            "∂L/∂x = [400 (x[0]² − x[1]) · x[0] + 2 (x[0] − 1); 200 (x[1] − x[0]²)]",
        ),
        (
            lambda x: np.sum(np.split(x, 2)[0] ** 2) + np.sum(np.exp(np.split(x, 2)[1])),
            {"x": "4 n"},
            "∂L/∂x = [2 x[:2,:]; exp(x[2:,:])]",
        ),
        (lambda A, B: np.einsum("ij,ij->i", A, B), {"A": "n m", "B": "n m"}, "∂L/∂A = ((∂L/∂Y) 1ᵀ) ⊙ B"),
        (lambda A, B: np.einsum("ij,ij->j", A, B), {"A": "n m", "B": "n m"}, "Y = 1ᵀ (A ⊙ B)"),
        (lambda A, B: np.einsum("bij,bij->bi", A, B), {"A": "b n m", "B": "b n m"}, "Y = Σ₂(A ⊙ B)"),
        (lambda A, B: np.einsum("ij,ji->ij", A, B), {"A": "n m", "B": "m n"}, "Y = A ⊙ Bᵀ"),
        (lambda A: np.einsum("ii", A), {"A": "n n"}, "L = tr(A)"),
        (lambda A: np.einsum("ij->i", A), {"A": "n m"}, "Y = A 1"),
        (
            lambda x, W, y: np.einsum("ni,ijk,nj->nk", x, W, y),
            {"x": "n i", "W": "i j k", "y": "n j"},
            "∂L/∂W = einsum(ni,nk,nj→ijk, x, ∂L/∂Y, y)",
        ),
    ],
)
def test_pieces_and_einsums_are_written_as_on_paper_and_read(
    function: Callable[..., Any], shapes: dict[str, str], line: str
) -> None:
    derivation = derive(function, **shapes)
    assert line in derivation.text(detail="brief")
    assert derivation.verify().ok


@pytest.mark.parametrize("line", ["stack₀(v, v)", "stack₁(v, v)"])
def test_a_stack_along_another_axis_is_another(line: str) -> None:
    v = np.arange(2.0)
    page = Page("text", {"v": v}, {}, "L", {}, "I", {})
    other = np.stack([v, v], axis=1 if "₀" in line else 0)
    assert read(line, page, np.stack([v, v], axis=0 if "₀" in line else 1)).error == 0
    assert read(line, page, other).error > 0.1


@pytest.mark.parametrize(
    ("function", "shapes", "line"),
    [
        (lambda x: np.linalg.norm(x) ** 3 / 3, {"x": "n"}, "∂L/∂x = ‖x‖ · x"),
        (lambda A, c: c * np.linalg.norm(A) ** 2, {"A": "n m", "c": ""}, "∂L/∂c = ‖A‖_F²"),
        (lambda A, x: np.linalg.norm(A @ x), {"A": "n m", "x": "m"}, "L = ‖A x‖"),
        (
            lambda a, b: a @ b / (np.linalg.norm(a) * np.linalg.norm(b)),
            {"a": "n", "b": "n"},
            "∂L/∂a = (b / ‖b‖ − L · a / ‖a‖) / ‖a‖",
        ),
    ],
)
def test_norms_are_written_between_double_bars_and_read(
    function: Callable[..., Any], shapes: dict[str, str], line: str
) -> None:
    derivation = derive(function, **shapes)
    assert line in derivation.text(detail="brief")
    assert derivation.verify().ok


@pytest.mark.parametrize("line", ["‖A‖", "‖v‖_F", "‖A‖_2", "‖v", "‖v‖ ‖v"])
def test_a_norm_of_another_kind_is_not_read(line: str) -> None:
    page = Page("text", {"A": np.eye(2), "v": np.ones(2)}, {}, "L", {}, "I", {})
    with pytest.raises(ReadingError):
        read(line, page, np.asarray(np.sqrt(2)))


@pytest.mark.parametrize("line", ["‖A‖_F", "‖v‖", "½ ‖v‖ ‖v‖ ‖A‖_F", "½ ‖v‖³", "‖‖v‖ · v‖ / ‖A‖_F"])
def test_norms_beside_each_other_are_read(line: str) -> None:
    page = Page("text", {"A": np.eye(2), "v": np.ones(2)}, {}, "L", {}, "I", {})
    assert read(line, page, np.asarray(np.sqrt(2))).error < 1e-12


def _strengths(s: Any, W: Any) -> Any:
    D = s[:, None] - s[None, :]
    return -np.sum(W * np.log(cr.sigmoid(D)))


def test_column_sums_beside_row_sums_are_a_column() -> None:
    derivation = derive(_strengths, wrt="s", s="n", W="n n")
    assert "∂L/∂s = δ_D 1 − δ_Dᵀ 1" in derivation.text(detail="brief")
    assert derivation.verify().ok


@pytest.mark.parametrize("line", ["M 1 − 1ᵀ M", "2 (M 1) + 1ᵀ M", "(M 1) ⊙ (1ᵀ M)", "M v − vᵀ M"])
def test_a_row_beside_a_column_is_not_read(line: str) -> None:
    page = Page("text", {"M": np.arange(9.0).reshape(3, 3), "v": np.ones(3)}, {}, "L", {}, "I", {})
    with pytest.raises(ReadingError, match="a row and a column"):
        read(line, page, np.zeros(3))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        pytest.param(lambda v, k: np.sum(v[~k & 3] * v[k ^ 1] + v[k | 1]), {"v": "4", "k": "4:int"}, id="bits"),
        pytest.param(lambda x: np.sum(np.nan_to_num(x) ** 2), {"x": "3"}, id="the largest number"),
        pytest.param(
            lambda T, k: np.sum(T[np.arange(2)[:, None], k[None], 1:3] ** 2), {"T": "2 3 4", "k": "3:int"}, id="places"
        ),
        pytest.param(lambda x, k: np.sum(np.take(x, k, axis=1)[0] ** 2), {"x": "3 4", "k": "4:int"}, id="a row"),
    ],
)
def test_seldom_written_functions_are_read(function: Any, shapes: dict[str, str]) -> None:
    derivation = derive(function, wrt=[next(iter(shapes))], **shapes)
    assert not misreadings(derivation)[2]
    assert derivation.verify().ok


def test_bits_of_another_integer_are_another_value() -> None:
    flipped = np.array([-3.0, -1, -3])
    assert read("bitxor(i, −1)", _LOOKUPS, flipped).error == 0
    assert read("bitxor(i, 1)", _LOOKUPS, flipped).error > 0.1
