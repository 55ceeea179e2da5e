"""Contents of a derivation: equal results in all forms, names for repeated parts, reasons, remarks, brief and full."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.derivation import FORMS, Form, write_document
from chainrule.derivation.abbreviations import Abbreviation
from chainrule.derivation.document import DETAILS, Detail, Document, Equation, Frame, Heading, Remark
from chainrule.derivation.index_form import IndexForm
from chainrule.derivation.matrix_form import MatrixForm
from chainrule.derivation.remarks import Observation
from chainrule.derivation.text import text_of
from chainrule.derivation.words import enumerated
from chainrule.deriving import Derivation, derive
from chainrule.gallery import GALLERY
from chainrule.primitives import Multiply, Partial
from chainrule.words import LANGUAGES, Language, width_of


def equations(document: Document) -> list[Equation]:
    inner = [part for block in document.blocks for part in (block.blocks if isinstance(block, Frame) else (block,))]
    return [block for block in inner if isinstance(block, Equation)]


def box(document: Document) -> list[Equation]:
    (found,) = [block for block in document.blocks if isinstance(block, Frame)]
    return [block for block in found.blocks if isinstance(block, Equation)]


def words_of(derivation: Derivation, lang: Language = "en") -> str:
    return derivation.text("matrix", lang, width=10_000)


# Every entry of the gallery


@pytest.mark.parametrize("name", GALLERY)
def test_the_forms_end_in_the_same_results(name: str) -> None:
    derivation = derived(name)
    forms: tuple[Form, ...] = ("matrix", "path", "index")
    matrix, path, index = (box(write_document(derivation.record, form, "en")) for form in forms)
    assert [row.sides for row in path] == [row.sides for row in matrix]
    writer = IndexForm(derivation.record, "en")
    writer.body()
    nodes = [MatrixForm(derivation.record, "en").result(gradient) for gradient in derivation.record.gradients]
    pairs = zip(derivation.record.gradients, nodes, strict=True)
    expected = [text_of(writer.result_equation(gradient, each).sides[-1]) for gradient, each in pairs]
    assert [text_of(row.sides[-1]) for row in index] == expected
    assert len(matrix) == len(derivation.record.backward.wrt)


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_line_has_its_shape_and_fits(name: str, detail: Detail, lang: Language) -> None:
    for form in FORMS:
        document = derived(name).document(form, lang, detail)
        assert all(equation.shape for equation in equations(document))
        assert isinstance(document.blocks[-1], Frame)
        for width in (60, 80):
            text = derived(name).text(form, lang, width, detail)
            assert max(map(width_of, text.splitlines())) <= width
            assert "∂L/∂L" not in text
            assert not re.search(r"\de-\d", text)


@pytest.mark.parametrize("name", GALLERY)
def test_chinese_is_chinese(name: str) -> None:
    for form in FORMS:
        for block in derived(name).document(form, "zh").blocks:
            sentences = (
                block.reasons if isinstance(block, Equation) else () if isinstance(block, Frame) else (block.words,)
            )
            for sentence in sentences:
                said = "".join(part for part in sentence if isinstance(part, str))
                assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", said), said


# Names for what repeats


def layer_norm(X: Any, y: Any) -> Any:
    centred = X - np.mean(X, axis=1, keepdims=True)
    Z = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 1e-5)
    return np.sum((Z - y) ** 2)


def test_what_repeats_is_named_once() -> None:
    derivation = cr.derive(layer_norm, wrt="X", X="n d", y="n d")
    assert derivation.verify().ok
    for form in FORMS:
        assert derivation.text(form, width=200).count("10⁻⁵") == 1
    text = derived("lstm_cell").text(width=200)
    assert "t = tanh(c_next)" in text
    assert text.count("tanh(c_next)") == 1
    assert "1 − t²" in text


def test_a_name_is_not_taken_from_the_user() -> None:
    def loss(t: Any, u: Any) -> Any:
        s = t * u
        return np.sum(np.tanh(s) * s + np.tanh(s) ** 3)

    derivation = cr.derive(loss, t="n", u="n")
    assert derivation.verify().ok
    names = {each.symbol.name for each in derivation.record.abbreviations}
    assert names
    assert names.isdisjoint({"t", "u", "s", "L", "n"})


def test_what_goes_into_a_softmax_and_comes_out_of_it_has_a_name() -> None:
    def attend(q: Any, k: Any, v: Any) -> Any:
        return cr.softmax(q @ np.swapaxes(k, 1, 2) / np.sqrt(q.shape[-1])) @ v

    text = words_of(cr.derive(attend, q="h n d", k="h m d", v="h m d"))
    assert "z = q kᵀ / √d" in text
    assert "P = softmax(z)" in text
    assert "∂L/∂v = Pᵀ (∂L/∂Y)" in text
    logits = words_of(cr.derive(lambda X, W, y: cr.cross_entropy(X @ W, y), X="n d", W="d k", y="n:int"))
    assert "z = X W" in logits
    assert "(1/n) (softmax(z) − onehot(y))" in logits


def test_constants_are_written_as_people_write_them() -> None:
    text = words_of(cr.derive(lambda x: np.sum(x * np.log(2 * np.pi) + x / np.sqrt(2 * np.pi)), wrt="x", x="n"))
    assert "ln(2 · π)" in text or "ln(2 π)" in text
    assert "√(2 π)" in text or "√(2 · π)" in text
    assert "1.83" not in text


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        ("4/3*pi*r^3", "L = (4 π / 3) r³"),
        ("sin(pi*x/180)", "∂L/∂x = (π / 180) cos((π / 180) x)"),
        ("x/(4*pi)", "∂L/∂x = 1 / (4 π)"),
        ("3*x/pi", "∂L/∂x = 3/π"),
        ("sin(pi*x)/pi^2", "L = sin(π · x) / π²"),
        ("exp(-x^2)/sqrt(pi)", "L = exp(−x²) / √π"),
        ("q*p/(4*pi*r)", "∂L/∂q = p / (4 π · r)"),
        ("x*(1/(4*pi*r^2))", "∂L/∂x = 1 / (4 π · r²)"),
        ("log(x)/(6*pi)", "∂L/∂x = 1 / (6 π · x)"),
        ("(1/(4*pi))*(q/r)", "L = q / (4 π · r)"),
        ("0.7853981 x", "∂L/∂x = 0.7853981"),
        ("-pi*x", "∂L/∂x = −π"),
        ("exp(-sqrt(2)*x)", "∂L/∂x = −√2 · L"),
    ],
)
def test_constants_in_closed_form_are_written_so(formula: str, line: str) -> None:
    derivation = cr.derive(formula)
    assert line in derivation.text(detail="brief")
    assert derivation.verify().ok


@pytest.mark.parametrize(
    ("formula", "shapes", "lines"),
    [
        ("(s/r)^k", {}, ["∂L/∂s = k · (s / r)^(k − 1) / r", "∂L/∂r = −k · L / r"]),
        ("a*(x/y)^b", {}, ["∂L/∂x = a · b · (x / y)^(b − 1) / y", "∂L/∂y = −L · b / y"]),
        ("(x/y)^y", {}, ["∂L/∂x = (x / y)^(y − 1)", "∂L/∂y = L · (ln(x / y) − 1)"]),
        ("(x/l)^(k-1)", {}, ["∂L/∂x = (k − 1) · (x / l)^(k − 2) / l"]),
        ("x^x", {}, ["∂L/∂x = L · (1 + ln(x))"]),
        ("det(X)^k", {"X": "n n"}, ["∂L/∂X = k · L · X⁻ᵀ"]),
    ],
)
def test_a_power_that_has_a_name_is_written_by_it(formula: str, shapes: dict[str, str], lines: list[str]) -> None:
    derivation = cr.derive(formula, **shapes)
    text = derivation.text(detail="brief")
    assert [line for line in lines if line not in text] == []
    assert derivation.verify().ok


def test_the_power_of_a_quotient_has_a_derivative_at_zero() -> None:
    namespace: dict[str, Any] = {}
    exec(cr.derive("(x/K)^n/(1 + (x/K)^n)").source("numpy"), namespace)
    gradient_x, *_ = namespace["backward"](namespace["forward"](0.0, 2.0, 3.0)[1])
    assert gradient_x == 0


@pytest.mark.parametrize("shape", ["n d", "4 3"])
def test_identity_matrices_of_several_sizes_have_their_sizes(shape: str) -> None:
    n, d = shape.split()
    derivation = cr.derive(f"norm(W'*W - eye({d}))^2 + norm(W*W' - eye({n}))^2", "W", W=shape)
    text = derivation.text(detail="brief")
    assert f"∂L/∂W = 4 (W (Wᵀ W − I_{d}) + (W Wᵀ − I_{n}) W)" in text
    assert f"I_{d} is the identity matrix of size {d}" in text
    assert derivation.verify().ok
    alone = cr.derive(f"norm(W'*W - eye({d}))^2 + I_{n}*tr(W*W' - eye({n}))", "W", W=shape, **{f"I_{n}": ""})
    assert "Wᵀ W − I‖" in alone.text(detail="brief")
    assert alone.verify().ok


def test_one_fraction_bar_is_left() -> None:
    text = cr.derive("atan(y/x)").text(detail="brief")
    assert "u = x² + y²" in text
    assert "∂L/∂y = x / u" in text
    assert "∂L/∂x = −y / u" in text


@pytest.mark.parametrize(("number", "written"), [(np.inf, "∞"), (-np.inf, "−∞"), (np.nan, "NaN"), (1e300, "10³⁰⁰")])
def test_numbers_out_of_bounds_have_no_closed_form(number: float, written: str) -> None:
    derivation = cr.derive(lambda x: np.where(x > 0, x, number), x="")
    assert f"L = x if x > 0, else {written}" in derivation.text(detail="brief")


def test_a_wrong_abbreviation_is_refuted() -> None:
    derivation = cr.derive(layer_norm, wrt="X", X="n d", y="n d")
    record = derivation.record
    assert "abbreviation" in [claim.kind for claim in record.claims]
    (first, *rest) = record.abbreviations
    record.__dict__["abbreviations"] = (Abbreviation(first.symbol, first.value + first.value), *rest)
    failed = {failure.claim.kind for failure in derivation.verify().failures}
    assert {"abbreviation", "forward"} <= failed


# Reasons


REASONS: list[tuple[Any, dict[str, str], str]] = [
    (lambda X, W, b: X @ W + b, {"X": "n d", "W": "d h", "b": "h"}, "broadcasting along n transposes to a sum along n"),
    (lambda X: np.sum(X, axis=1), {"X": "n d"}, "a sum along d transposes to broadcasting along d"),
    (lambda X: np.mean(X, axis=0), {"X": "n d"}, "a mean along n transposes to broadcasting along n"),
    (lambda E, k: E[k], {"E": "v d", "k": "n:int"}, "looking up transposes to a scatter-add"),
    (lambda x: x[1:4] ** 2, {"x": "8"}, "taking a part transposes to padding with zeros"),
    (lambda x, y: np.concatenate([x, y]), {"x": "n", "y": "n"}, "joining transposes to splitting"),
    (lambda x, y: np.where(x > y, x, y), {"x": "n", "y": "n"}, "sends the gradient to what was chosen"),
    (lambda X: np.max(X, axis=1), {"X": "n d"}, "a maximum moves with the entry that attains it"),
    (lambda X: np.swapaxes(X, 0, 1) * 2, {"X": "n d"}, "exchanging axes transposes to exchanging them back"),
    (lambda x, y: x * y, {"x": "n", "y": "n"}, "element by element is a diagonal map"),
    (lambda A, B: A @ B, {"A": "h n d", "B": "h d m"}, "there is one matrix product for each h"),
    (lambda A, B: A @ B, {"A": "n d", "B": "h d m"}, "one factor is the same all along h"),
    (lambda A, B: np.einsum("nk,kne->ne", A, B), {"A": "n k", "B": "k n e"}, "a contraction transposes"),
    (lambda x: np.cumsum(x), {"x": "n"}, "a cumulative sum transposes to one from the other end"),
]


@pytest.mark.parametrize(("function", "shapes", "reason"), REASONS, ids=[reason for *_, reason in REASONS])
def test_each_operation_gives_its_reason_once(function: Any, shapes: dict[str, str], reason: str) -> None:
    derivation = cr.derive(function, **shapes)
    assert words_of(derivation).count(reason) == 1
    assert reason not in derivation.text(detail="brief", width=10_000)


def test_an_ordinary_product_is_not_said_to_share_a_factor() -> None:
    assert "all along" not in words_of(derived("two_layer_rows"))
    assert "all along" not in words_of(cr.derive(lambda A, B: A @ B, A="h n d", B="h d m"))


# Remarks


def remarks(derivation: Derivation) -> set[str]:
    return {each.key for each in derivation.record.observations}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two_layer_rows", {"vanishing sigmoid"}),
        ("relu_mlp", {"relu gate"}),
        ("softmax_regression", {"softmax cancels", "softmax shift"}),
        ("logistic_regression", {"sigmoid cancels"}),
        ("attention", {"softmax shift", "scores"}),
        ("residual_block", {"residual", "relu gate"}),
        ("layer_norm", {"centred"}),
        ("batch_norm", {"centred"}),
        ("rnn", {"vanishing tanh", "shared weight"}),
        ("vae", set()),
        ("rms_norm", set()),
        ("linear_regression", set()),
    ],
)
def test_remarks_are_made_where_they_hold(name: str, expected: set[str]) -> None:
    assert remarks(derived(name)) == expected


def test_the_cell_state_is_carried_by_its_gate() -> None:
    (gate,) = [each for each in derived("lstm_cell").record.observations if each.key == "gate"]
    assert [getattr(part, "name", None) for part in gate.parts] == ["f", "c_next", "c"]


def test_a_quantity_that_is_used_uncentred_is_not_called_centred() -> None:
    def skipped(X: Any) -> Any:
        mu = np.mean(X, axis=1, keepdims=True)
        return (X - mu) ** 2 + X

    def scaled(X: Any) -> Any:
        mu = np.mean(X, axis=1, keepdims=True)
        return X - 2 * mu

    for function in (skipped, scaled):
        derivation = cr.derive(function, X="n d")
        assert "centred" not in remarks(derivation)


def test_the_depth_of_vanishing_is_counted_along_a_path() -> None:
    def deep(X: Any, Ws: Any) -> Any:
        for W in Ws:
            X = cr.sigmoid(X @ W)
        return np.sum(X)

    derivation = cr.derive(deep, X="n d", Ws=["d d"] * 5)
    assert "the gradient passes 5 sigmoids, which multiply it by at most 4⁻⁵" in words_of(derivation)

    def wide(X: Any, V: Any, W: Any) -> Any:
        return np.sum(cr.sigmoid(X @ V) + cr.sigmoid(X @ W))

    assert remarks(cr.derive(wide, X="n d", V="d h", W="d h")) == {"vanishing sigmoid once"}


@pytest.mark.parametrize("name", ["softmax_regression", "attention", "layer_norm", "batch_norm"])
def test_what_a_remark_says_to_vanish_is_verified(name: str) -> None:
    assert derived(name).verify().ok
    derivation = cr.derive(GALLERY[name].function, GALLERY[name].wrt)  # one of its own, since it is made wrong
    record = derivation.record
    wrong = [
        Observation(each.key, each.parts, each.place, Multiply()(each.vanishing, each.vanishing) + 1)
        for each in record.observations
        if each.vanishing is not None
    ]
    assert wrong
    record.__dict__["observations"] = tuple(wrong)
    assert {failure.claim.kind for failure in derivation.verify().failures} == {"remark"}


# Brief and full


@pytest.mark.parametrize("form", FORMS)
def test_brief_fits_a_slide(form: Form) -> None:
    derivation = derived("two_layer_rows")
    text = derivation.text(form, detail="brief")
    assert "because" not in text
    assert "⟨" not in text
    assert len(text.splitlines()) < (55 if form == "path" else 50)
    assert not any(isinstance(block, Remark) for block in derivation.document(form, detail="brief").blocks)


def test_brief_keeps_parameters_for_the_box() -> None:
    document = derived("two_layer_rows").document("matrix", detail="brief")
    outside = [block for block in document.blocks if isinstance(block, Equation)]
    named = {side.by.name for each in outside for side in each.sides if isinstance(side, Partial)}  # type: ignore[union-attr]
    assert named == {"a2", "z2", "a1", "z1"}
    assert {text_of(row.sides[0]) for row in box(derived("two_layer_rows").document())} == {
        "∂L/∂W1",
        "∂L/∂b1",
        "∂L/∂W2",
        "∂L/∂b2",
    }


def test_full_has_the_differential_of_every_line() -> None:
    derivation = derived("gru_cell")
    text = derivation.text(width=400)
    for record in derivation.record.stages:
        if record.differential is not None and record.stage.symbol is not derivation.record.loss:
            assert re.search(rf"^  d{record.stage.name} = ", text, re.MULTILINE)


# Layers, and long chains


def test_a_layer_has_no_loss_of_its_own() -> None:
    for form in FORMS:
        text = derived("attention").text(form)
        assert text.startswith("Backward pass of O\n")
        assert not re.search(r"^ *L = ", text, re.MULTILINE)
        assert "dL = Σ" not in text
        assert "given: it comes back from what follows" in text or form == "path"


def test_a_long_chain_is_folded_and_says_what_is_folded() -> None:
    def deep(X: Any, y: Any, Ws: Any) -> Any:
        a = X
        for W in Ws:
            a = np.tanh(a @ W)
        return np.sum((a - y) ** 2)

    derivation = cr.derive(deep, X="n d", y="n d", Ws=["d d"] * 12)
    text = derivation.text("path", width=200)
    assert "∂L/∂Ws_0 = δ3 · ∂z3/∂a2 · ∂a2/∂z2 · ∂z2/∂a1 · ∂a1/∂z1 · ∂z1/∂Ws_0 = Xᵀ δ1" in text
    assert "δ3 folds the first 20 factors: it is ∂L/∂z3" in text


def test_chains_that_meet_are_gathered_there() -> None:
    text = derived("transformer_block").text("path", width=200)
    assert "∂L/∂R: 3 ways meet" in text or "∂L/∂R: 4 ways meet" in text
    assert "∂L/∂WO = ∂L/∂R · ∂R/∂WO = Oᵀ (∂L/∂R)" in text


def test_headings_follow_the_form() -> None:
    for form, expected in (("matrix", "Transpose"), ("path", "The chains"), ("index", "Chain rule")):
        blocks = derived("two_layer_rows").document(form).blocks  # type: ignore[arg-type]
        assert any(isinstance(b, Heading) and str(b.words[0]).startswith(expected) for b in blocks)


@pytest.mark.parametrize("name", ["two_layer_columns", "two_layer_rows", "logistic_regression", "lstm_cell"])
@pytest.mark.parametrize("detail", DETAILS)
def test_every_delta_of_the_path_form_is_defined_before_it_is_used(name: str, detail: Detail) -> None:
    text = derived(name).text("path", detail=detail).split("The factors")[1]
    for delta in set(re.findall(r"δ(?:_?\w+)?", text)):
        assert text.index(delta) == text.index(f"{delta} = ∂L/∂"), delta


def test_brief_chains_end_in_their_results() -> None:
    text = " ".join(derived("two_layer_columns").text("path", detail="brief").split())
    assert "∂L/∂b2 = ∂L/∂a2 · ∂a2/∂z2 · ∂z2/∂b2 = (a2 − y) ⊙ σ′(z2)" in text
    assert "= ((a2 − y) ⊙ σ′(z2)) a1ᵀ" in text
    assert "= ((W2ᵀ ((a2 − y) ⊙ σ′(z2))) ⊙ σ′(z1)) xᵀ" in text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("formula", ["x'*A*x", "3 + 0*x"])
def test_no_heading_stands_over_nothing(form: Form, detail: Detail, formula: str) -> None:
    blocks = derive(formula).document(form, detail=detail).blocks
    for heading, below in itertools.pairwise(blocks):
        if isinstance(heading, Heading) and isinstance(below, Heading):
            assert below.level > heading.level


def test_delta_is_kept_for_what_goes_into_an_activation() -> None:
    def called_z(X: Any, W: Any) -> Any:
        z = X @ W
        m = z.mean(0)
        return np.sum(m * m)

    assert "δ" not in derive(called_z, ("W",), X="n d", W="d k").text("matrix")
    gru = words_of(derived("gru_cell"))
    assert "δ_zz = ∂L/∂zz" in gru
    assert "δ_z " not in gru
    assert "activation or a softmax: δ_Z = ∂L/∂Z." in words_of(derived("softmax_regression"))


def test_only_a_matrix_factor_that_changes_sides_is_said_to_cross() -> None:
    for formula in ("sum(softmax(x)^2)", "sum(relu(x))"):
        assert "crosses" not in words_of(derive(formula)), formula
    assert "a left factor stays on the left" in words_of(derive("x'*A*x"))
    assert "crosses" in derived("two_layer_rows").text("matrix", detail="brief")
    assert "crosses" not in derived("two_layer_rows").text("index", detail="brief")


def test_the_repetition_of_a_number_is_not_that_of_a_vector() -> None:
    assert "repeats the vector" not in words_of(derived("linear_regression"))
    assert "repeats the vector" in words_of(derived("two_layer_rows"))


def test_lists_of_names_read_as_sentences() -> None:
    lstm, chinese = words_of(derived("lstm_cell")), words_of(derived("lstm_cell"), "zh")
    assert "h_next and c_next are the results" in lstm
    assert "h_next、c_next 的反向传播推导" in chinese
    assert "enters two equations" in lstm
    assert "2 times" not in lstm
    names: list[tuple[str]] = [("h1",), ("h2",), ("h3",)]
    assert "".join(map(str, enumerated("en", [*names]))) == "h1, h2 and h3"
    assert "".join(map(str, enumerated("zh", [*names]))) == "h1、h2 和 h3"
