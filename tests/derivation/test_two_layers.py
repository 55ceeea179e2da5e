"""The two-layer network: both conventions, three forms, two languages, every line verified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation import FORMS, Form, Verification, Verifier
from chainrule.deriving import Derivation, DerivationError
from chainrule.words import LANGUAGES, Language


def rows(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    z1 = X @ W1 + b1
    a1 = cr.sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


def columns(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    z1 = W1 @ x + b1
    a1 = cr.sigmoid(z1)
    z2 = W2 @ a1 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


SHAPES = {
    "rows": {"X": "n d", "y": "n o", "W1": "d h", "b1": "h", "W2": "h o", "b2": "o"},
    "columns": {"x": "d 1", "y": "o 1", "W1": "h d", "b1": "h 1", "W2": "o h", "b2": "o 1"},
    "vectors": {"x": "d", "y": "o", "W1": "h d", "b1": "h", "W2": "o h", "b2": "o"},
}


@pytest.fixture(scope="module", params=list(SHAPES))
def convention(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def derivation(convention: str) -> Derivation:
    return cr.derive(rows if convention == "rows" else columns, **SHAPES[convention])


def test_every_line_is_verified(derivation: Derivation) -> None:
    verification = derivation.verify(points=5)
    assert verification.ok
    assert verification.lines == verification.lines_checked >= 40
    assert verification.points == 5
    assert verification.worst_relative_error < 1e-13
    assert verification.finite_difference_error < 1e-7


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_fits_the_terminal(derivation: Derivation, form: Form, lang: Language, width: int) -> None:
    text = derivation.text(form, lang, width)
    assert all(cells(line) <= width for line in text.splitlines())
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in text)
    assert chinese == (lang == "zh")


def cells(line: str) -> int:
    import unicodedata

    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in line
    )


def lines_of(derivation: Derivation, form: Form) -> list[str]:
    return [" ".join(line.strip("│ ").split()) for line in derivation.text(form, width=200).splitlines()]


def has(lines: list[str], start: str) -> bool:
    return any(line.startswith(start) for line in lines)


def test_the_four_gradients_of_a_batch() -> None:
    lines = lines_of(cr.derive(rows, **SHAPES["rows"]), "matrix")
    assert has(lines, "∂L/∂a2 = a2 − y n×o")
    assert has(lines, "δ2 = ∂L/∂z2 = ∂L/∂a2 ⊙ σ′(z2) n×o")
    assert has(lines, "∂L/∂W2 = a1ᵀ δ2 (h×n)(n×o) = h×o")
    assert has(lines, "∂L/∂b2 = 1ᵀ δ2 o")
    assert has(lines, "∂L/∂W1 = Xᵀ δ1 (d×n)(n×h) = d×h")
    assert has(lines, "∂L/∂b1 = 1ᵀ δ1 h")
    assert has(lines, "σ′(z2) = a2 ⊙ (1 − a2)")
    assert has(lines, "dz2 = da1 W2 + a1 dW2 + 1 db2")
    assert has(lines, "because ⟨δ2, a1 dW2⟩ = ⟨a1ᵀ δ2, dW2⟩")


def test_the_four_gradients_of_one_sample_factor_by_factor() -> None:
    lines = lines_of(cr.derive(columns, **SHAPES["columns"]), "path")
    assert has(lines, "∂L/∂W2 = ∂L/∂a2 · ∂a2/∂z2 · ∂z2/∂W2 = ((a2 − y) ⊙ σ′(z2)) a1ᵀ")
    assert has(lines, "∂L/∂b2 = ∂L/∂a2 · ∂a2/∂z2 · ∂z2/∂b2 = (a2 − y) ⊙ σ′(z2)")
    assert has(
        lines,
        "∂L/∂b1 = ∂L/∂a2 · ∂a2/∂z2 · ∂z2/∂a1 · ∂a1/∂z1 · ∂z1/∂b1 = (W2ᵀ ((a2 − y) ⊙ σ′(z2))) ⊙ σ′(z1)",
    )
    assert has(
        lines,
        "∂L/∂W1 = ∂L/∂a2 · ∂a2/∂z2 · ∂z2/∂a1 · ∂a1/∂z1 · ∂z1/∂W1 = ((W2ᵀ ((a2 − y) ⊙ σ′(z2))) ⊙ σ′(z1)) xᵀ",
    )


def test_index_form() -> None:
    lines = lines_of(cr.derive(rows, **SHAPES["rows"]), "index")
    assert has(lines, "∂L/∂b2[k] = Σᵢ δ2[i,k]") or has(lines, "∂L/∂b2[l] = Σᵢ δ2[i,l]")
    assert any(line.startswith("∂L/∂W2[") and "= Σᵢ a1[i," in line for line in lines)


def test_convention_is_recognised(derivation: Derivation, convention: str) -> None:
    expected = "Each row of X is one sample" if convention == "rows" else "A sample x is a column"
    assert expected in derivation.text()


def test_latex_names_everything(derivation: Derivation) -> None:
    for form in FORMS:
        for lang in LANGUAGES:
            source = derivation.latex(form, lang, standalone=True)
            assert source.count("{") == source.count("}")
            assert r"\documentclass" in source
            assert r"\delta_{2}" in source
            assert r"W_{1}" in source
    assert r"\documentclass" not in derivation.latex()


def test_a_residual_connection_has_one_chain_for_every_path() -> None:
    def loss(X: Any, y: Any, W: Any, V: Any) -> Any:
        h = np.tanh(X @ W)
        u = h + cr.relu(h @ V)
        return np.mean((u - y) ** 2)

    derivation = cr.derive(loss, X="n d", y="n h", W="d h", V="h h")
    assert derivation.verify().ok
    lines = lines_of(derivation, "path")
    assert has(lines, "∂L/∂W: 2 chains")
    assert has(lines, "∂L/∂u · ∂u/∂h · ∂h/∂z1 · ∂z1/∂W =")
    assert has(lines, "∂L/∂u · ∂u/∂a2 · ∂a2/∂z2 · ∂z2/∂h · ∂h/∂z1 · ∂z1/∂W =")


def test_softmax_with_cross_entropy_is_p_minus_y() -> None:
    def loss(X: Any, labels: Any, W: Any, b: Any) -> Any:
        z = X @ W + b
        return cr.cross_entropy(z, labels)

    derivation = cr.derive(loss, X="n d", labels="n:int", W="d k", b="k")
    assert derivation.verify().ok
    assert has(lines_of(derivation, "matrix"), "δ_z = ∂L/∂z = (1/n) (softmax(z) − onehot(labels))")


def test_sigmoid_with_binary_cross_entropy_is_p_minus_y() -> None:
    def loss(X: Any, y: Any, w: Any, b: Any) -> Any:
        z = X @ w + b
        p = cr.sigmoid(z)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def from_logits(X: Any, y: Any, w: Any, b: Any) -> Any:
        z = X @ w + b
        return cr.binary_cross_entropy(z, y)

    for function, result in ((loss, "(1/n) (p − y)"), (from_logits, "(1/n) (σ(z) − y)")):
        derivation = cr.derive(function, X="n d", y="n", w="d", b="")
        assert derivation.verify().ok
        line = next(line for line in lines_of(derivation, "matrix") if "∂L/∂z =" in line)
        assert result in line


def test_wrt_is_checked() -> None:
    with pytest.raises(DerivationError, match="'W3' in wrt is not a parameter"):
        cr.derive(rows, wrt=["W3"], **SHAPES["rows"])
    with pytest.raises(DerivationError, match="form is 'matrx'; it can be path, matrix, index"):
        cr.derive(rows, **SHAPES["rows"]).text("matrx")  # type: ignore[arg-type]
    with pytest.raises(cr.ChainruleError, match="lang is 'de'"):
        cr.derive(rows, **SHAPES["rows"]).text(lang="de")  # type: ignore[arg-type]
    with pytest.raises(cr.ProgramError, match="returns floats, not int64"):
        cr.derive(lambda x, k: (x * 2, np.transpose(k)), x="n", k="n m:int")


def test_data_is_left_out_unless_asked_for() -> None:
    assert [node.name for node in cr.derive(rows, **SHAPES["rows"]).record.backward.wrt] == ["W1", "b1", "W2", "b2"]
    assert [n.name for n in cr.derive(rows, wrt="X", **SHAPES["rows"]).record.backward.wrt] == ["X"]


def test_repeated_vectors_show_the_ones_that_repeat_them() -> None:
    def rows_summed(X: Any, W: Any, y: Any) -> Any:
        s = np.sum(X @ W, axis=1)
        return np.sum((s - y) ** 2)

    def columns_summed(X: Any, W: Any, y: Any) -> Any:
        s = np.sum(X @ W, axis=0)
        return np.sum(s * y)

    first = lines_of(cr.derive(rows_summed, X="n d", W="d h", y="n"), "matrix")
    assert has(first, "∂L/∂W = Xᵀ (∂L/∂s) 1ᵀ = 2 Xᵀ (s − y) 1ᵀ")
    second = lines_of(cr.derive(columns_summed, X="n d", W="d h", y="h"), "matrix")
    assert has(second, "∂L/∂W = Xᵀ 1 (∂L/∂s)ᵀ = Xᵀ 1 yᵀ")


def test_a_verification_is_done_once_for_the_same_points_and_suffices_for_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    derivation = cr.derive("norm(A @ x - b)^2", wrt="x")
    few = derivation.verify(points=1)
    assert few.points == 1
    done = derivation.verify()
    assert done.ok
    assert derivation.verify() is done
    assert derivation.verify(seed=1) is not done

    def again(verifier: Verifier, points: int = 3) -> Verification:
        raise AssertionError("the lines are verified again")

    monkeypatch.setattr(Verifier, "run", again)
    assert derivation.source("numpy")
    with pytest.raises(AssertionError, match="verified again"):
        cr.derive("norm(A @ x - b)^2", wrt="x").source("numpy")


def test_points_on_a_kink_or_near_a_pole_are_drawn_again() -> None:
    def relus(X: Any, labels: Any, W1: Any, W2: Any, W3: Any) -> Any:
        h1 = cr.relu(X @ W1)
        h2 = cr.relu(h1 @ W2)  # exactly 0 where a row of h1 is
        return cr.cross_entropy(h2 @ W3, labels)

    derivation = cr.derive(relus, X="n d", labels="n:int", W1="d h", W2="h h", W3="h k")
    assert all(derivation.verify(seed=seed).ok for seed in range(3))

    def pole(w: Any, x: Any) -> Any:
        t = (w * x) ** 3
        return np.exp(t) / t

    assert all(cr.derive(pole, w="", x="").verify(seed=seed).ok for seed in range(5))


def test_marks_that_a_name_already_has_are_not_used() -> None:
    def clashing(X: Any, W: Any, dW: Any, y: Any) -> Any:
        z1 = X @ W + X @ dW
        delta1 = np.tanh(z1)
        return np.sum((delta1 - y) ** 2)

    text = cr.derive(clashing, X="n d", W="d h", dW="d h", y="n h").text()
    assert "ΔW" in text
    assert "ddW" not in text
    assert "δ1 = ∂L" not in text
    assert "∂L/∂z1" in text


def test_index_letters_avoid_names_and_are_declared() -> None:
    def f(X: Any, i: Any, j: Any) -> Any:
        p = X @ i + j
        return np.sum(p**2)

    text = cr.derive(f, X="n d", i="d h", j="h").text("index", width=200)
    declared = next(line for line in text.splitlines() if line.startswith("Indices:"))
    letters = {word for word in declared.replace(",", " ").replace(";", " ").split() if len(word) == 1} - {
        "n",
        "d",
        "h",
    }
    assert letters.isdisjoint({"i", "j", "p", "l"})
    assert len(letters) >= 3


def test_written_by_hand_means_the_same() -> None:
    def by_hand(X: Any, Y: Any, W1: Any, W2: Any) -> Any:
        a = 1 / (1 + np.exp(-(X @ W1)))
        h = np.maximum(0, a)
        z = h @ W2
        e = np.exp(z - np.max(z, axis=1, keepdims=True))
        p = e / np.sum(e, axis=1, keepdims=True)
        return -np.sum(Y * np.log(p))

    derivation = cr.derive(by_hand, X="n d", Y="n k", W1="d h", W2="h k")
    assert derivation.verify().ok
    lines = lines_of(derivation, "matrix")
    assert has(lines, "a = σ(z1)")
    assert has(lines, "h = relu(a)")
    assert has(lines, "p = softmax(z)")


def test_a_mean_that_keeps_its_axis_keeps_its_name() -> None:
    def f(x: Any) -> Any:
        mu = np.mean(x, axis=-1, keepdims=True)
        return np.sum((x - mu) ** 3)

    assert "∂L/∂μ" in cr.derive(f, wrt="x", x="n d").text()


def by_hand(X: Any, Y: Any, W1: Any, W2: Any) -> Any:
    a = 1 / (1 + np.exp(-(X @ W1)))
    z = np.maximum(0, a) @ W2
    p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
    return -np.sum(Y * np.log(p)) + 0.1 * np.sum(W1**2)


@pytest.mark.parametrize("form", FORMS)
def test_latex_is_written_with_characters_that_every_engine_has(form: Form) -> None:
    source = cr.derive(by_hand, X="n d", Y="n k", W1="d h", W2="h k").latex(form, standalone=True)
    assert source.isascii()


def test_the_direct_part_is_not_called_the_whole() -> None:
    derivation = cr.derive(by_hand, X="n d", Y="n k", W1="d h", W2="h k")
    assert derivation.verify().ok
    path, index = lines_of(derivation, "path"), lines_of(derivation, "index")
    assert has(path, "(∂L/∂W1)[direct] = 0.2 W1")
    assert not has(path, "∂L/∂W1 = 0.2 W1 d×h")
    assert any("[direct]" in line for line in index if "chain rule" in line)


def test_a_deep_network_is_written_in_reasonable_room() -> None:
    def deep(X: Any, y: Any, Ws: Any) -> Any:
        a = X
        for W in Ws:
            a = np.tanh(a @ W)
        return np.sum((a - y) ** 2)

    derivation = cr.derive(deep, X="n d", y="n d", Ws=["d d"] * 16)
    lines = lines_of(derivation, "path")
    assert len(lines) < 800
    assert any(line.endswith("= Xᵀ δ1") or "Xᵀ δ1 " in line for line in lines)


def test_numbers_are_written_as_people_write_them() -> None:
    def scaled(x: Any) -> Any:
        return np.sum((x / np.sqrt(8.0) + x * (2 / 3)) ** 2)

    text = cr.derive(scaled, wrt="x", x="n").text()
    assert "√(8)" in text or "√8" in text
    assert "2/3" in text
    assert "0.666" not in text


def test_what_softmax_and_one_hot_rows_give_is_said() -> None:
    def loss(X: Any, Y: Any, W: Any) -> Any:
        z = X @ W
        p = cr.softmax(z)
        return -np.mean(np.sum(Y * np.log(p), axis=1))

    text = cr.derive(loss, X="n d", Y="n k", W="d k").text(width=200)
    assert "if every row of Y sums to one, this is (1/n) (p − Y)" in text


def test_nothing_to_differentiate_by_is_refused() -> None:
    with pytest.raises(DerivationError, match="no float input"):
        cr.derive(lambda x: np.sum(x), x="n:int")


def test_no_letter_runs_over_two_sizes() -> None:
    def attention(Q: Any, K: Any, V: Any, T: Any) -> Any:
        A = cr.softmax(np.einsum("bnd,bmd->bnm", Q, K))
        return np.sum((np.einsum("bnm,bmd->bnd", A, V) - T) ** 2)

    derivation = cr.derive(attention, wrt=["Q", "K", "V"], Q="b n d", K="b m d", V="b m d", T="b n d")
    line = next(x for x in derivation.text("index", width=300).splitlines() if x.startswith("Indices:"))
    letters = [letter for part in line.split(": ")[1].split(";") for letter in part.split(" over ")[0].split(",")]
    stripped = [letter.strip() for letter in letters]
    assert len(set(stripped)) == len(stripped)


def test_every_line_is_decided_at_each_point_anew() -> None:
    verifier = Verifier(cr.derive("norm(sigmoid(A @ x) - b)^2", wrt="x").record)
    for _ in range(2):
        values = verifier.point()
        assert all(verifier._judged(claim, values).holds for claim in verifier.claims)
