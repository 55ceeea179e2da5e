"""HTML: well-formed, self-contained, complete, safe with any name; MathML of each form."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.derivation.boxes import row
from chainrule.derivation.document import Document, Equation, Frame, Heading, Paragraph, Remark
from chainrule.derivation.html import render_html
from chainrule.derivation.mathml import MathWriter, math_of, parted
from chainrule.derivation.style import STYLE
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

a, b, i, k = map(Symbol, "abik")
GRADIENT = Partial(Symbol("L"), Symbol("W1"))

WRITTEN: list[tuple[Notation, str]] = [
    (a, "<mi>a</mi>"),
    (Symbol("W1"), "<msub><mi>W</mi><mrow><mn>1</mn></mrow></msub>"),
    (Symbol("a_hidden"), "<msub><mi>a</mi><mrow><mi>hidden</mi></mrow></msub>"),
    (Symbol("logits"), '<mi class="word">logits</mi>'),
    (Symbol("WQ"), "<msub><mi>W</mi><mrow><mi>Q</mi></mrow></msub>"),
    (Symbol("theta"), "<mi>θ</mi>"),
    (Symbol("损失"), '<mi class="word">损失</mi>'),
    (Symbol("2", "δ"), "<msub><mi>δ</mi><mrow><mn>2</mn></mrow></msub>"),
    (Symbol("hidden", "δ"), "<msub><mi>δ</mi><mrow><mi>hidden</mi></mrow></msub>"),
    (Symbol("a", "d"), '<mrow><mi mathvariant="normal">d</mi><mi>a</mi></mrow>'),
    (Symbol("<i>"), '<mi class="word">“&lt;i&gt;”</mi>'),
    (Number(0.5), "<mn>½</mn>"),
    (Number(2.0), "<mn>2</mn>"),
    (Number(1e-05), '<msup><mn>10</mn><mrow><mo form="prefix">−</mo><mn>5</mn></mrow></msup>'),
    (Number(1e20), "<msup><mn>10</mn><mrow><mn>20</mn></mrow></msup>"),
    (Number(float("inf")), "<mn>∞</mn>"),
    (Number(True), "<mi>true</mi>"),
    (Number(-3), '<mo form="prefix">−</mo><mn>3</mn>'),
    (infix("<", a, b), '<mi>a</mi> <mo form="infix">&lt;</mo> <mi>b</mi>'),
    (Postfix("ᵀ", a), "<msup><mrow><mi>a</mi></mrow><mi>⊤</mi></msup>"),
    (Postfix("ᵀ", Symbol("W1")), "<msubsup><mi>W</mi><mrow><mn>1</mn></mrow><mi>⊤</mi></msubsup>"),
    (Postfix("⁻¹", a), '<msup><mrow><mi>a</mi></mrow><mrow><mo form="prefix">−</mo><mn>1</mn></mrow></msup>'),
    (Postfix("⁻ᵀ", a), '<msup><mrow><mi>a</mi></mrow><mrow><mo form="prefix">−</mo><mi>⊤</mi></mrow></msup>'),
    (PowerNotation(a, Number(2)), "<msup><mrow><mi>a</mi></mrow><mrow><mn>2</mn></mrow></msup>"),
    (Fraction(a, b), "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
    (Call("sqrt", (a,)), "<msqrt><mrow><mi>a</mi></mrow></msqrt>"),
    (Call("√", (Number(2),)), "<msqrt><mrow><mn>2</mn></mrow></msqrt>"),
    (
        Indexed(a, (Mark(":"), k)),
        "<msub><mi>a</mi><mrow><mi>:</mi><mo>,</mo><mi>k</mi></mrow></msub>",
    ),
    (
        PowerNotation(Indexed(Symbol("W1"), (i,)), Number(2)),
        "<msubsup><mi>W</mi><mrow><mn>1</mn><mo>,</mo><mi>i</mi></mrow><mrow><mn>2</mn></mrow></msubsup>",
    ),
    (Indexed(a, (i, k)), "<msub><mi>a</mi><mrow><mi>i</mi><mi>k</mi></mrow></msub>"),
]

FORMS: list[Notation] = [
    *(notation for notation, _ in WRITTEN),
    GRADIENT,
    Postfix("ᵀ", GRADIENT),
    Postfix("⁻¹", infix("+", a, b)),
    Indexed(GRADIENT, (i, k)),
    Pairing(GRADIENT, Symbol("W", "d")),
    BigOperator("Σ", (i, k), infix("+", a, b)),
    BigOperator("max", (k,), Fraction(a, b)),
    Call("σ", (Symbol("z2"),), 1),
    Call("leaky_relu", (a,), 1, (Number(0.01),)),
    Call("Σ", (a,), subscript=(Number(0),)),
    Call("abs", (Fraction(a, b),)),
    Call("norm", (a,)),
    Call("max", (a, Cases(infix(">", a, Number(0)), a, Number(0)))),
    Cases(infix("≥", a, b), Fraction(a, b), Prefix("−", a)),
    Prefix("Σ", PowerNotation(infix("−", a, b), Number(2))),
    Prefix("¬", a),
    Number(1.5e-7),
    Number(float("inf")),
    infix("", Postfix("ᵀ", Number(1)), a),
    infix("∧", infix("<", a, b), infix("≤", b, a)),
]


@pytest.mark.parametrize(("notation", "expected"), WRITTEN, ids=str)
def test_mathematics(notation: Notation, expected: str) -> None:
    assert MathWriter().write(notation) == expected


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("notation", FORMS, ids=str)
def test_every_form_is_well_formed_inline_and_displayed(notation: Notation, language: str) -> None:
    ElementTree.fromstring(math_of(notation, language))
    ElementTree.fromstring(f"<math>{MathWriter(language).write(notation)}</math>")
    assert MathWriter(language).box(notation).width > 0


def test_what_is_wide_is_parted_at_its_outermost_operators_first() -> None:
    product = infix("⊙", *(Symbol(f"factor{n}") for n in range(4)))
    pieces = MathWriter().pieces(infix("+", product, b, product))
    whole = parted(pieces, 1000, display=True)
    assert whole.count("<math") == 1
    halves = ElementTree.fromstring(f"<p>{parted(pieces, 40, display=True)}</p>".replace("<wbr>", "<wbr/>"))
    assert [child.tag for child in halves if child.tag != "wbr"] == ["math"] * 3
    nested = parted(pieces, 20, display=True).replace("<wbr>", "")
    assert nested.count('<span class="part">') == 2
    texts = ("".join(ElementTree.fromstring(f"<p>{text}</p>").itertext()) for text in (nested, whole))
    assert len({re.sub(r"\s", "", text) for text in texts}) == 1


def test_brackets_grow_with_a_fraction_unless_they_can_be_parted() -> None:
    small = MathWriter().write(infix("⊙", infix("+", Fraction(a, b), b), a))
    assert 'stretchy="false"' not in small
    long = Symbol("a_rather_long_name_of_a_quantity")
    assert 'stretchy="false"' in MathWriter().write(infix("⊙", infix("+", Fraction(a, b), long), a))
    whole = Call("mean", (Cases(infix(">", a, long), Fraction(a, b), long),))
    assert 'stretchy="false"' not in MathWriter().write(whole)


def test_a_sentence_keeps_punctuation_beside_its_formula() -> None:
    page = render_html(Document((Paragraph(("see (", a, "), then ", b, "；")),), "en"))
    held = '<span class="held">(<span class="held"><math><mi>a</mi></math>),</span></span>'
    assert f"<p>see {held} then " in page
    assert "<mi>b</mi></math>；</span></p>" in page


def test_headings_remarks_and_boxes() -> None:
    blocks = (
        Heading(("Title of ", Symbol("L")), 1),
        Paragraph(("A < B & C",)),
        Heading(("Part",), 2),
        Equation((a, b), "n×d", (("why ", a),)),
        Remark(("sharper",)),
        Frame((Equation((a, infix("+", a, b)), "(n×d)(d×h) = n×h"),)),
    )
    page = render_html(Document(blocks, "zh"), "Verified: <all>.")
    assert '<html lang="zh-Hans">' in page
    assert "<title>Title of L</title>" in page
    assert "A &lt; B &amp; C" in page
    assert '<p class="remark">sharper</p>' in page
    assert page.index('<div class="box">') < page.index('<i>d</i>×<i>h</i>)</span> <span class="size">= ')
    assert '<span class="hidden">形状：</span><span class="size"><i>n</i>×<i>d</i></span>' in page
    assert "<footer><p>Verified: &lt;all&gt;.</p></footer>" in page
    element = render_html(Document(blocks, "en"), standalone=False)
    assert "<html" not in element
    assert "<nav" not in element
    assert element.count('class="chainrule"') == 1


class _Checker(HTMLParser):
    """Parses a page like a browser, and records unexpected content."""

    VOID = frozenset({"meta", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), f"{name} on {tag} is a script"
            assert name not in ("src", "style"), f"{name} on {tag}"
            assert name != "href" or (value or "").startswith("#")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("form", ["matrix", "path", "index"])
@pytest.mark.parametrize("name", ["two_layer_rows", "layer_norm", "attention"])
def test_a_page_is_well_formed_needs_nothing_else_and_holds_every_equation(name: str, form: Any, lang: Any) -> None:
    derivation = derived(name)
    page = derivation.html(form, lang)
    checker = _Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert not checker.tags & {"script", "link", "img", "iframe", "object", "svg"}
    assert not re.search(r"https?:|@import|url\(|src=", page)
    written = _without_breaks(page)
    writer = MathWriter(lang)
    for block in derivation.document(form, lang).blocks:
        for equation in block.blocks if isinstance(block, Frame) else [block]:
            if isinstance(equation, Equation):
                for side in equation.sides:
                    assert _without_breaks(row(writer.side(side)).text) in written


def _without_breaks(page: str) -> str:
    """Return the formulas of a page without line break marks."""
    page = re.sub(r"</?math[^>]*>|</?span[^>]*>|<wbr>|\s", "", page)
    return page.replace(re.sub(r"\s", "", MathWriter.space.text), "")


def test_hostile_names() -> None:
    def loss(lambda_: Any, 权重: Any, a_b_c__d: Any, Ω1: Any, very_long: Any) -> Any:
        z = lambda_ @ 权重 + a_b_c__d * Ω1
        return np.sum(z**2) * very_long

    derivation = cr.derive(loss, ["权重", "very_long"], lambda_="n d", 权重="d", a_b_c__d="", Ω1="n", very_long="")
    checker = _Checker()
    checker.feed(derivation.html())
    assert checker.open == []
    assert "权重" in checker.text
    assert re.search(r"<mi>Ω</mi><mrow><mn>1</mn>", derivation.html())


def test_a_long_name_does_not_keep_an_equation_from_being_parted() -> None:
    long = Symbol("x" * 300)
    pieces = MathWriter().pieces(Infix("+", (long, long)))
    assert parted(pieces, 20, display=True).count("<math") == 2


def test_roots_have_a_font_with_their_sign_on_every_system() -> None:
    (rule,) = re.findall(r"\.chainrule msqrt \{([^}]*)\}", STYLE)
    for font in ("STIX Two Math", "Cambria Math", "DejaVu Math TeX Gyre", "Noto Sans Math", "DejaVu Sans", "Roboto"):
        assert font in rule
