"""Unicode text: brackets by precedence, lines within the width, headings, shapes and reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import chainrule as cr
from chainrule.derivation.boxes import Break
from chainrule.derivation.document import Document, Equation, Frame, Heading, Paragraph, Remark
from chainrule.derivation.text import TextWriter, render_text, text_of
from chainrule.primitives import (
    BigOperator,
    Call,
    Cases,
    Fraction,
    Indexed,
    Infix,
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
from chainrule.words import width_of

quick = settings(max_examples=300, deadline=None)
a, b, c, i, j, k, q = map(Symbol, "abcijkq")
ONE, TWO = Number(1), Number(2)
GRADIENT = Partial(Symbol("L"), Symbol("W1"))


def transposed(x: Notation) -> Notation:
    return Postfix("ᵀ", x)


WRITTEN: list[tuple[Notation, str]] = [
    (Number(1e9), "10⁹"),
    (Number(-2.5e8), "−2.5·10⁸"),
    (Number(1200000.0), "1200000"),
    (infix("−", a, infix("−", b, c)), "a − (b − c)"),
    (infix("−", infix("−", a, b), c), "a − b − c"),
    (infix("+", a, infix("−", b, c)), "a + b − c"),
    (infix("+", a, Prefix("−", b)), "a + (−b)"),
    (infix("+", Prefix("−", a), b), "−a + b"),
    (Prefix("−", infix("+", a, b)), "−(a + b)"),
    (Prefix("−", infix("", a, b)), "−a b"),
    (transposed(infix("", a, b)), "(a b)ᵀ"),
    (PowerNotation(Prefix("−", a), TWO), "(−a)²"),
    (infix("⊙", a, infix("+", b, c)), "a ⊙ (b + c)"),
    (infix("⊙", a, infix("⊙", b, c)), "a ⊙ b ⊙ c"),
    (infix("", a, infix("", b, c)), "a b c"),
    (
        infix("⊙", infix("", transposed(Symbol("W2")), Symbol("2", "δ")), Call("σ", (Symbol("z"),), 1)),
        "(W2ᵀ δ2) ⊙ σ′(z)",
    ),
    (infix("", infix("⊙", a, b), c), "(a ⊙ b) c"),
    (Symbol("hidden", "δ"), "δ_hidden"),
    (GRADIENT, "∂L/∂W1"),
    (transposed(GRADIENT), "(∂L/∂W1)ᵀ"),
    (infix("", GRADIENT, a), "(∂L/∂W1) a"),
    (infix("·", GRADIENT, Partial(a, b)), "∂L/∂W1 · ∂a/∂b"),
    (infix("⊙", GRADIENT, a), "∂L/∂W1 ⊙ a"),
    (Indexed(GRADIENT, (j, k)), "∂L/∂W1[j,k]"),
    (Indexed(Call("σ", (Symbol("z"),), 1), (i, k)), "σ′(z[i,k])"),
    (Indexed(Call("softmax", (Symbol("z"),)), (i, k)), "softmax(z)[i,k]"),
    (PowerNotation(a, TWO), "a²"),
    (PowerNotation(a, Number(-1)), "a⁻¹"),
    (PowerNotation(a, Number(1.5)), "a^1.5"),
    (PowerNotation(a, infix("+", b, ONE)), "a^(b + 1)"),
    (PowerNotation(Symbol("W", "d"), TWO), "(dW)²"),
    (transposed(Symbol("W", "d")), "dWᵀ"),
    (PowerNotation(Number(0.5), TWO), "(½)²"),
    (Fraction(infix("+", a, b), infix("", b, c)), "(a + b) / (b c)"),
    (Fraction(a, Fraction(b, c)), "a / (b / c)"),
    (infix("·", Fraction(ONE, Symbol("n")), infix("", a, b)), "(1/n) a b"),
    (infix("·", Number(0.5), Prefix("Σ", PowerNotation(infix("−", a, b), TWO))), "½ Σ (a − b)²"),
    (infix("·", Number(2.0), Number(3.0)), "2 · 3"),
    (infix("·", a, TWO), "a · 2"),
    (infix("", a, infix("·", TWO, b)), "a (2 b)"),
    (infix("⊙", infix("·", TWO, infix("", a, b)), c), "(2 a b) ⊙ c"),
    (Number(0.25), "¼"),
    (Number(-0.5), "−½"),
    (Number(2.0), "2"),
    (Number(1e-05), "10⁻⁵"),
    (Number(-2.5e-7), "−2.5·10⁻⁷"),
    (Number(True), "true"),
    (infix("", transposed(ONE), Symbol("2", "δ")), "1ᵀ δ2"),
    (infix("", ONE, Symbol("b2")), "1 b2"),
    (Pairing(Symbol("2", "δ"), infix("", Symbol("a1"), Symbol("W2", "d"))), "⟨δ2, a1 dW2⟩"),
    (BigOperator("Σ", (i,), infix("", Indexed(a, (i, j)), Indexed(b, (i, k)))), "Σᵢ a[i,j] b[i,k]"),
    (BigOperator("Σ", (i, k), infix("+", a, b)), "Σᵢₖ (a + b)"),
    (BigOperator("Σ", (i, q), a), "Σ[i,q] a"),
    (infix("+", BigOperator("Σ", (i,), a), b), "Σᵢ a + b"),
    (infix("", BigOperator("Σ", (i,), a), b), "(Σᵢ a) b"),
    (infix("+", BigOperator("max", (k,), a), b), "(maxₖ a) + b"),
    (infix("⊙", Prefix("Σ", a), b), "(Σ a) ⊙ b"),
    (Indexed(a, (infix("+", i, ONE), Mark(":"))), "a[i+1,:]"),
    (Cases(infix(">", a, Number(0)), a, Number(0)), "a if a > 0, else 0"),
    (infix("", b, Cases(infix(">", a, Number(0)), a, Number(0))), "b (a if a > 0, else 0)"),
    (Prefix("¬", infix("<", a, b)), "¬(a < b)"),
    (infix("∧", infix("<", a, b), infix("∨", b, c)), "a < b ∧ (b ∨ c)"),
    (Call("permute", (a,), 0, (TWO, Number(0), ONE)), "permute₂₀₁(a)"),
    (Call("leaky_relu", (a,), 1, (Number(0.01),)), "leaky_relu′[0.01](a)"),
    (PowerNotation(Call("sqrt", (infix("+", a, b),)), Number(3)), "(√(a + b))³"),
    (Call("abs", (infix("−", a, b),)), "|a − b|"),
]


@pytest.mark.parametrize(("notation", "expected"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_text_of(notation: Notation, expected: str) -> None:
    assert text_of(notation) == expected


def test_choices_in_chinese() -> None:
    assert text_of(Cases(infix(">", a, Number(0)), a, Number(0)), "zh") == "a 若 a > 0，否则 0"


# Random trees, read back

PRIME = 2**31 - 1
Matrix = NDArray[Any]
_random = np.random.default_rng(7)
MATRICES: dict[str, Matrix] = {
    name: _random.integers(1, PRIME, (3, 3)).astype(object)
    for name in ("a", "b", "W1", "δ2", "dX", *(f"x{n}" for n in range(40)))
}
SYMBOLS = {"a": Symbol("a"), "b": Symbol("b"), "W1": Symbol("W1"), "δ2": Symbol("2", "δ"), "dX": Symbol("X", "d")}


def trees(scalars: bool = True) -> st.SearchStrategy[Notation]:
    """Sums, products, transposes and squares; with `scalars` also signs, numbers in front, and fractions."""
    leaves: st.SearchStrategy[Notation] = st.sampled_from(list(SYMBOLS.values()))

    def grow(inner: st.SearchStrategy[Notation]) -> st.SearchStrategy[Notation]:
        operators = st.sampled_from(["+", "−", "⊙", ""])
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        choices: list[st.SearchStrategy[Notation]] = [
            st.builds(Infix, operators, several),
            st.builds(Postfix, st.just("ᵀ"), inner),
            st.builds(PowerNotation, inner, st.just(Number(2))),
        ]
        if scalars:
            numbers = st.sampled_from([0.5, 2.0, 3, -2.0]).map(Number)
            choices.append(st.builds(lambda n, x: Infix("·", (n, x)), numbers, inner))
            choices.append(st.builds(Prefix, st.just("−"), inner))
            choices.append(st.builds(Fraction, inner, inner))
        return st.one_of(choices)

    return st.recursive(leaves, grow, max_leaves=9)


def _number(value: float) -> int:
    return pow(2, -1, PRIME) if value == 0.5 else int(value) % PRIME


def _quotient(upper: Matrix, lower: Matrix) -> Matrix:
    inverse = np.vectorize(lambda x: pow(int(x), PRIME - 2, PRIME), otypes=[object])
    return np.asarray(upper * inverse(lower) % PRIME)


def meaning(notation: Notation) -> Matrix:
    """The value of a tree, exact in the field."""
    if isinstance(notation, Symbol):
        return MATRICES[notation.prefix + notation.name]
    if isinstance(notation, Infix):
        if notation.operator == "·":
            assert isinstance(notation.operands[0], Number)
            return np.asarray(_number(notation.operands[0].value) * meaning(notation.operands[1]) % PRIME)
        result = meaning(notation.operands[0])
        for operand in notation.operands[1:]:
            result = _combine(notation.operator, result, meaning(operand))
        return result
    if isinstance(notation, Prefix):
        return -meaning(notation.operand) % PRIME
    if isinstance(notation, Postfix):
        return np.asarray(meaning(notation.operand).T)
    if isinstance(notation, PowerNotation):
        return meaning(notation.base) ** 2 % PRIME
    assert isinstance(notation, Fraction)
    return _quotient(meaning(notation.numerator), meaning(notation.denominator))


def _combine(operator: str, x: Matrix, y: Matrix) -> Matrix:
    if operator == "":
        return np.asarray(x.dot(y) % PRIME)
    return np.asarray((x + y if operator == "+" else x - y if operator == "−" else x * y) % PRIME)


class Reader:
    """Parses printed formulas strictly: one kind of product in a chain, one mark on a factor."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = re.findall(r"W1|δ2|dX|x[0-9]+|[ab]|[0-9]+|½|²|ᵀ|[()+−⊙/·]", text)
        assert "".join(self._tokens) == text.replace(" ", ""), text
        self._place = 0

    def read(self) -> Matrix:
        """Return the value of the whole; raise ValueError if it is ambiguous or malformed."""
        result = self._sum()
        if self._next is not None:
            raise ValueError(f"{self._next} is left over")
        return result

    @property
    def _next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self, *tokens: str) -> str | None:
        if self._next in tokens:
            self._place += 1
            return self._tokens[self._place - 1]
        return None

    def _sum(self) -> Matrix:
        result = -self._product() % PRIME if self._take("−") else self._product()
        while operator := self._take("+", "−"):
            result = _combine(operator, result, self._product())
        return result

    def _product(self) -> Matrix:
        coefficient = 1
        while self._next is not None and re.fullmatch("[0-9]+|½", self._next):
            number = self._tokens[self._place]
            self._place += 1
            coefficient = coefficient * _number(0.5 if number == "½" else int(number)) % PRIME
            self._take("·")
        result, kinds = self._factor(), set()
        while self._next not in (None, ")", "+", "−"):
            if self._take("/"):
                if "⊙" in kinds:
                    raise ValueError("a quotient beside ⊙")
                result = _quotient(result, self._factor())
                kinds.add("/")
                if self._next not in (None, ")", "+", "−"):
                    raise ValueError("something follows a quotient")
                break
            operator = self._take("⊙") or ""
            kinds.add(operator)
            if len(kinds) > 1:
                raise ValueError("two kinds of products side by side")
            result = _combine(operator, result, self._factor())
        return coefficient * result % PRIME

    def _factor(self) -> Matrix:
        if self._take("("):
            result = self._sum()
            if not self._take(")"):
                raise ValueError("a bracket is not closed")
        else:
            name = self._take(*MATRICES)
            if name is None:
                raise ValueError(f"{self._next} is not a factor")
            result = MATRICES[name]
        if self._next == "²" and self._tokens[self._place - 1] == "dX":
            raise ValueError("the square of a differential without brackets")
        if mark := self._take("ᵀ", "²"):
            result = result.T if mark == "ᵀ" else result**2 % PRIME
        if self._next in ("ᵀ", "²"):
            raise ValueError("two marks on one factor")
        return result


@quick
@given(trees())
def test_what_is_printed_reads_back_as_the_same_value(tree: Notation) -> None:
    assert (Reader(text_of(tree)).read() == meaning(tree)).all()


@quick
@given(trees(scalars=False))
def test_no_pair_of_brackets_could_be_left_out(tree: Notation) -> None:
    tree = distinct(tree, count())  # a − a − aᵀ happens to be (a − a − a)ᵀ
    text = text_of(tree)
    for start, end in bracket_pairs(text):
        without = text[:start] + text[start + 1 : end] + text[end + 1 :]
        try:
            value = Reader(without).read()
        except ValueError:
            continue
        assert (value != meaning(tree)).any(), without


def distinct(tree: Notation, numbers: Iterator[int]) -> Notation:
    """Return the tree with a distinct symbol at every leaf."""
    if isinstance(tree, Infix):
        return Infix(tree.operator, tuple(distinct(operand, numbers) for operand in tree.operands))
    if isinstance(tree, Postfix):
        return Postfix(tree.operator, distinct(tree.operand, numbers))
    if isinstance(tree, PowerNotation):
        return PowerNotation(distinct(tree.base, numbers), tree.exponent)
    assert isinstance(tree, Symbol)
    return Symbol(f"x{next(numbers)}")


def bracket_pairs(text: str) -> list[tuple[int, int]]:
    pairs, opened = [], []
    for place, character in enumerate(text):
        if character == "(":
            opened.append(place)
        elif character == ")":
            pairs.append((opened.pop(), place))
    return pairs


# Lines


def longest_unit(notation: Notation) -> int:
    """The width of the longest stretch without a place to break."""
    units = [0]
    for piece in TextWriter().pieces(notation):
        if isinstance(piece, Break):
            units.append(0)
        else:
            units[-1] += width_of(piece.text)
    return max(units)


@quick
@given(st.lists(trees(), min_size=1, max_size=3), st.integers(24, 80), st.sampled_from(["", "n×h", "(n×d)(d×h) = n×h"]))
def test_no_line_is_wider_than_asked(sides: list[Notation], width: int, shape: str) -> None:
    reason = ("because ", sides[0], "，所以梯度等于这个量；", sides[-1], ", and nothing else.")
    document = Document(
        (Heading(("Title of ", sides[0]), 1), Equation(tuple(sides), shape, (reason,)), Paragraph(reason)), "en"
    )
    widest = max(map(width_of, render_text(document, width).splitlines()))
    assert widest <= max(width, max(map(longest_unit, sides)) + 10)


@quick
@given(st.lists(trees(), min_size=2, max_size=3), st.integers(30, 70))
def test_breaking_lines_loses_nothing(sides: list[Notation], width: int) -> None:
    document = Document((Equation(tuple(sides), "", (("so ", sides[0]),)),), "en")
    whole = " = ".join(map(text_of, sides)) + " so " + text_of(sides[0])
    assert "".join(render_text(document, width).split()) == "".join(whole.split())


def test_a_long_equation_is_broken_before_the_equality_signs() -> None:
    factors = [Partial(Symbol(f"a{n}"), Symbol(f"z{n}")) for n in range(4)]
    lines = render_text(Document((Equation((GRADIENT, infix("·", *factors), a), "n×h"),), "en"), 56).splitlines()
    assert lines[0].startswith("  ∂L/∂W1 = ∂a0/∂z0 ·")
    assert lines[1] == "         = a"
    assert lines[0].endswith(" n×h")
    assert width_of(lines[0]) == 56


def test_a_long_side_is_broken_at_its_sums_first() -> None:
    terms = [infix("⊙", Symbol(f"first{n}"), Symbol(f"second{n}")) for n in range(4)]
    lines = render_text(Document((Equation((a, infix("+", *terms))),), "en"), 44).splitlines()
    assert lines == ["  a = first0 ⊙ second0 + first1 ⊙ second1", "      + first2 ⊙ second2 + first3 ⊙ second3"]


def test_equations_without_reasons_stand_together() -> None:
    blocks = (Equation((a, b)), Equation((b, c), "", (("why",),)), Equation((a, c)))
    assert render_text(Document(blocks, "en"), 40) == "  a = b\n  b = c\n      why\n\n  a = c\n"


def test_chinese_punctuation_starts_no_line() -> None:
    text = "求和的转置是重复，" * 12 + "（完）。"
    for width in range(11, 40):
        lines = render_text(Document((Paragraph((text,)),), "zh"), width).splitlines()
        assert all(line[0] not in "，。）" and line[-1] != "（" for line in lines)
        assert max(map(width_of, lines)) <= width
        assert "".join(lines) == text


def test_headings_are_underlined_by_columns() -> None:
    assert render_text(Document((Heading(("梯度 ", a), 1),), "zh")) == "梯度 a\n======\n"


def test_an_index_is_written_without_spaces_but_a_name_in_it_as_it_is() -> None:
    index = infix("−", infix("+", Symbol("i"), infix("·", Number(2), Symbol("k"))), Number(1))
    assert text_of(Indexed(a, (index, Fraction(index, b)))) == "a[i+2 k−1,(i+2 k−1)/b]"
    assert text_of(Indexed(a, (infix("·", Number(2), Number(3)),))) == "a[2·3]"
    assert text_of(Indexed(a, (infix("+", Symbol("n + 1"), Number(1)),))) == "a[“n + 1”+1]"


def test_a_number_inside_a_nested_product_is_bracketed() -> None:
    a = Symbol("a")
    nested = Infix("⊙", (Infix("·", (Number(0.5), a)), a))
    assert text_of(Infix("⊙", (a, nested))) == "a ⊙ (½ a ⊙ a)"
    assert text_of(Infix("⊙", (nested, a))) == "½ a ⊙ a ⊙ a"


@pytest.mark.parametrize("width", [30, 60, 80, 100])
def test_a_box_is_framed_on_all_sides(width: int) -> None:
    gradient = infix("", transposed(a), infix("⊙", infix("−", b, c), Call("σ", (Symbol("z"),), 1)))
    rows = (
        Equation((GRADIENT, gradient, infix("+", gradient, gradient, gradient)), "(h×n)(n×o) = h×o"),
        Paragraph(("其中 ", a, " 为全一向量，其余各量由前向传播给出。")),
        Equation((GRADIENT, a), ""),
    )
    top, *lines, bottom = render_text(Document((Frame(rows),), "zh"), width).splitlines()
    assert {top, bottom} == {f"┌{'─' * (width - 2)}┐", f"└{'─' * (width - 2)}┘"}
    assert all(line[0] == line[-1] == "│" and width_of(line) == width for line in lines)


def test_a_line_too_long_for_its_box_leaves_the_frame_open() -> None:
    name = Symbol("a_name_that_is_longer_than_the_page")
    assert render_text(Document((Frame((Equation((name, a)),)),), "en"), 20).splitlines()[1] == f"│ {name.name}"


def test_a_remark_is_set_apart() -> None:
    document = Document((Equation((a, b)), Remark(("since ", a, " is one")), Equation((b, c))), "en")
    assert render_text(document, 12) == "  a = b\n\n  │ since a\n  │ is one\n\n  b = c\n"


@pytest.mark.parametrize("detail", ["full", "brief"])
@pytest.mark.parametrize("width", [40, 80])
def test_color_changes_nothing_but_the_color(detail: Any, width: int) -> None:
    derivation = cr.derive("0.5*sum((sigmoid(X @ W + b) - y)^2)", X="n d", W="d k", b="k", y="n k")
    plain = derivation.text(detail=detail, width=width)
    colored = derivation.text(detail=detail, width=width, color=True)
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == plain
    assert "\x1b[1;36mForward pass\x1b[0m" in colored
    assert "\x1b" not in plain


def test_words_for_greek_letters_are_letters() -> None:
    text = cr.derive(lambda x, mu, lam_max: np.sum((x - mu) ** 2) * lam_max, x="n", mu="n", lam_max="").text()
    assert "∂L/∂μ = 2 λ_max · (μ − x)" in text
    assert "dμ" in text
    assert "lam_max" not in text


def test_names_that_would_be_one_letter_stay_apart() -> None:
    derivation = cr.derive(lambda lam, lambda_: lam * np.exp(lambda_), lam="", lambda_="")
    assert "λ · exp(lambda_)" in derivation.text()
    assert derivation.verify().ok


def test_a_name_of_sigma_leaves_no_function_of_that_letter() -> None:
    derivation = cr.derive(lambda x, sigma: np.sum(cr.sigmoid(x) / sigma), x="n", sigma="")
    assert "Σ (sigmoid(x) / σ)" in derivation.text() or "(Σ sigmoid(x)) / σ" in derivation.text()
    assert derivation.verify().ok


def test_a_matrix_that_holds_no_samples_is_not_said_to() -> None:
    assert "sample" not in cr.derive("norm(A @ x - b)^2", wrt="x").text()
    assert "Each row of X is one sample" in cr.derive("norm(X @ w - y)^2").text()


def test_the_argument_of_a_sigmoid_has_no_double_sign() -> None:
    def loss(X: Any, w: Any) -> Any:
        return np.sum(1 / (1 + np.exp(-X @ w)))

    def named(X: Any, w: Any) -> Any:
        u = -X @ w
        return np.sum(1 / (1 + np.exp(u)))

    assert "z1 = X w" in cr.derive(loss, X="n d", w="d").text(detail="brief")
    assert "u = −X w" in cr.derive(named, X="n d", w="d").text(detail="brief")


@pytest.mark.parametrize(("formula", "line"), [("log2(x)", "ln(x) / ln(2)"), ("log10(x)", "ln(x) / ln(10)")])
def test_logarithms_of_other_bases_have_no_decimals(formula: str, line: str) -> None:
    text = cr.derive(formula).text()
    assert line in text
    assert "." not in text.partition("Gradients")[2]
