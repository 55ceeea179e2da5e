"""LaTeX: names, Greek letters, brackets, displays of equations, escaped text, a document that stands alone."""

from __future__ import annotations

import re

import pytest

from chainrule.derivation.document import Document, Equation, Frame, Heading, Paragraph, Remark
from chainrule.derivation.latex import LatexWriter, escape, latex_of, render_latex
from chainrule.primitives import (
    BigOperator,
    Call,
    Cases,
    Fraction,
    Indexed,
    Mark,
    Notation,
    Number,
    Pairing,
    Partial,
    Postfix,
    PowerNotation,
    Prefix,
    Symbol,
    infix,
)
from chainrule.words import Language

a, b, i, k = map(Symbol, "abik")
ONE = Number(1)
GRADIENT = Partial(Symbol("L"), Symbol("W1"))

WRITTEN: list[tuple[Notation, str]] = [
    (Symbol("W1"), "W_{1}"),
    (Symbol("a_hidden"), r"a_{\mathrm{hidden}}"),
    (Symbol("W_1"), "W_{1}"),
    (Symbol("weights_hidden_output"), r"\mathit{weights}_{\mathrm{hidden},\mathrm{output}}"),
    (Symbol("logits"), r"\mathit{logits}"),
    (Symbol("alpha"), r"\alpha"),
    (Symbol("theta2"), r"\theta_{2}"),
    (Symbol("σ"), r"\sigma"),
    (Symbol("x_mu"), r"x_{\mu}"),
    (Symbol("损失"), r"\mathit{\langle U{+}635F\rangle \langle U{+}5931\rangle }"),
    (Symbol("W1", "d"), r"\mathrm{d}W_{1}"),
    (Symbol("2", "δ"), r"\delta_{2}"),
    (Symbol("hidden", "δ"), r"\delta_{\mathrm{hidden}}"),
    (Symbol("z_out", "δ"), r"\delta_{z_{\mathrm{out}}}"),
    (Number(0.5), r"\tfrac{1}{2}"),
    (Number(1e-05), "10^{-5}"),
    (Number(2.0), "2"),
    (Number(-1.5), "-1.5"),
    (infix("⊙", a, b), r"a \odot b"),
    (infix("", Postfix("ᵀ", Symbol("W2")), Symbol("2", "δ")), r"W_{2}^{\top} \, \delta_{2}"),
    (infix("", Postfix("ᵀ", ONE), a), r"\mathbf{1}^{\top} \, a"),
    (infix("", ONE, b), r"\mathbf{1} \, b"),
    (infix("+", ONE, b), "1 + b"),
    (GRADIENT, r"\frac{\partial L}{\partial W_{1}}"),
    (Indexed(GRADIENT, (i, k)), r"\frac{\partial L}{\partial W_{1,ik}}"),
    (Postfix("ᵀ", GRADIENT), r"\Bigl(\frac{\partial L}{\partial W_{1}}\Bigr)^{\top}"),
    (Fraction(infix("+", a, b), b), r"\frac{a + b}{b}"),
    (infix("⊙", Fraction(a, b), b), r"\frac{a}{b} \odot b"),
    (PowerNotation(Prefix("−", a), Number(2)), "(-a)^{2}"),
    (Pairing(a, Symbol("W", "d")), r"\langle a, \mathrm{d}W \rangle"),
    (BigOperator("Σ", (i, k), infix("+", a, b)), r"\sum_{i,k} (a + b)"),
    (BigOperator("max", (k,), a), r"\max_{k} a"),
    (Indexed(Symbol("W1"), (infix("+", i, ONE), k)), "W_{1,i + 1,k}"),
    (Indexed(a, (i, k)), "a_{ik}"),
    (Indexed(a, (Mark(":"), i)), "a_{{:},i}"),
    (Call("max", (BigOperator("Σ", (i,), a), b)), r"\max\Bigl(\sum_{i} a, b\Bigr)"),
    (Call("σ", (Symbol("z2"),), 1), r"\sigma'(z_{2})"),
    (Call("relu", (a,)), r"\operatorname{relu}(a)"),
    (Call("leaky_relu", (a,), 1, (Number(0.01),)), r"\operatorname{leaky\_relu}'_{0.01}(a)"),
    (Call("tanh", (a,)), r"\tanh(a)"),
    (Call("ln", (a,)), r"\ln(a)"),
    (Call("sqrt", (a,)), r"\sqrt{a}"),
    (Call("abs", (a,)), r"\lvert a \rvert"),
    (Call("abs", (Fraction(a, b),)), r"\Bigl\lvert \frac{a}{b}\Bigr\rvert"),
    (Indexed(a, (i, Call("floor", (Fraction(k, Number(2)),)))), r"a_{i,\lfloor k / 2 \rfloor}"),
    (PowerNotation(a, Fraction(b, Number(2))), "a^{b / 2}"),
    (PowerNotation(Indexed(a, (i,)), Number(2)), "a_{i}^{2}"),
    (
        Cases(infix(">", a, Number(0)), a, Number(0)),
        r"\begin{cases} a & \text{if } a > 0 \\ 0 & \text{otherwise} \end{cases}",
    ),
]


@pytest.mark.parametrize(("notation", "expected"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_latex_of(notation: Notation, expected: str) -> None:
    assert latex_of(notation) == expected


def test_letters_of_any_alphabet_stand_as_they_are_where_they_can_be_set() -> None:
    assert latex_of(Symbol("损失"), "zh") == r"\mathit{\text{损失}}"
    assert latex_of(Symbol("x̂_1")) == r"\hat{x}_{1}"
    assert latex_of(Symbol("naïve")) == r"\mathit{na\ddot{i}ve}"


def test_text_is_escaped_and_its_signs_are_mathematics() -> None:
    assert escape("50% of a_b & {c}") == r"50\% of a\_b \& \{c\}"
    assert escape("a ⊙ b, ⟨a, b⟩") == r"a $\odot$ b, $\langle$a, b$\rangle$"
    assert escape("\\") == r"\textbackslash{}"


def document(language: Language = "en") -> Document:
    long = infix("+", *(infix("", Symbol(f"W{n}"), Symbol(f"x{n}")) for n in range(20)))
    return Document(
        (
            Heading(("Gradient of ", Symbol("L")), 1),
            Paragraph(("100% of ", GRADIENT, ".")),
            Equation((a, b), "(n×d)(d×h) = n×h"),
            Equation((GRADIENT, long, infix("⊙", a, b)), "n×h", (("because ", Pairing(a, b)), ("and so on",))),
        ),
        language,
    )


def test_a_fragment() -> None:
    latex = render_latex(document())
    assert latex.startswith("\\section*{Gradient of $L$}\n")
    assert r"100\% of $\partial L / \partial W_{1}$." in latex
    assert r"a &= b \tag*{$(n \times d)(d \times h) = n \times h$} \\" in latex
    assert "because $\\langle a, b \\rangle$ \\\\\nand so on" in latex
    assert "documentclass" not in latex


def estimated_width(latex: str) -> int:
    """Estimate the typeset width of a formula in letters."""
    for pattern, replacement in _WIDTHS:
        latex = pattern.sub(replacement, latex)
    return len(latex)


_WIDTHS = [
    (re.compile(r"\\frac\{\\partial [^{}]*\}\{\\partial ([^{}]*(?:\{[^{}]*\})?)\}"), r"d\1"),
    (re.compile(r"\\(mathrm|mathit|mathbf|text|operatorname|tag\*|begin|end|Bigl|Bigr|tfrac|frac|quad)"), ""),
    (re.compile(r"\\(exp|tanh|sin|cos|max|min|ln)\b"), r"\1"),
    (re.compile(r"\\,"), ""),
    (re.compile(r"\\[A-Za-z]+ ?"), "x"),
    (re.compile(r"[{}_^$&\\]"), ""),
]


IN_ONE_ROW = [notation for notation, _ in WRITTEN if not isinstance(notation, Fraction | Cases)]


@pytest.mark.parametrize("notation", IN_ONE_ROW, ids=latex_of)
def test_a_box_is_about_as_wide_as_its_text_tells(notation: Notation) -> None:
    latex = latex_of(notation)
    assert abs(LatexWriter().box(notation).width - estimated_width(latex)) <= 1 + latex.count(r"\frac")


def test_what_stands_over_one_another_is_as_wide_as_the_wider() -> None:
    numerator, denominator = infix("+", Symbol("logits"), b), Symbol("width")
    assert LatexWriter().box(Fraction(numerator, denominator)).width == estimated_width("logits + b")
    assert LatexWriter().box(Fraction(denominator, numerator)).width == estimated_width("logits + b")
    cases = LatexWriter().box(Cases(infix(">", a, Number(0)), numerator, a))
    assert 0 <= cases.width - estimated_width(r"logits + b \quad \text{if } a > 0") <= 12


def test_long_equations_are_broken() -> None:
    (display,) = re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", render_latex(document()), re.DOTALL)
    rows = display.strip().split("\\\\\n")
    assert len(rows) >= 5
    assert all(row.count("&") == 1 for row in rows)
    assert all(estimated_width(re.sub(r"\\tag\*\{.*\}", "", row)) <= 80 for row in rows)
    assert display.count(r"\tag*") == 2


def test_a_document_that_stands_alone() -> None:
    english, chinese = (render_latex(document(language), standalone=True) for language in ("en", "zh"))
    assert r"\documentclass{article}" in english
    assert r"\documentclass[zihao=false]{ctexart}" in chinese
    assert english.rstrip().endswith(r"\end{document}")
    for latex in (english, chinese):
        unescaped = re.sub(r"\\[\\{}]", "", latex)
        assert unescaped.count("{") == unescaped.count("}")
        assert re.sub(r"\\\$", "", latex).count("$") % 2 == 0


def test_a_box_is_framed_while_it_fits_a_page() -> None:
    row = Equation((Symbol("a"), Symbol("b")))
    framed = render_latex(Document((Frame((row,)), Remark(("it is ", Symbol("b")))), "en"))
    assert framed.count("\\fbox{\\begin{minipage}") == framed.count("\\end{minipage}}") == 1
    assert "\\itshape\nit is $b$" in framed
    tall = render_latex(Document((Frame((row,) * 60),), "en"))
    assert "\\fbox" not in tall
    assert tall.count("\\hrulefill") == 2
