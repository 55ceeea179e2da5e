"""Listing of a program as equations, one for each named value and each output."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.derivation.constants import Constants, description, name_constants
from chainrule.derivation.document import Document, Equation, Paragraph, Words
from chainrule.derivation.expressions import ExpressionWriter
from chainrule.derivation.html import render_html
from chainrule.derivation.latex import render_latex
from chainrule.derivation.legend import constants_legend
from chainrule.derivation.literals import literal
from chainrule.derivation.markdown import render_markdown
from chainrule.derivation.notator import shape_of
from chainrule.derivation.text import text_of
from chainrule.derivation.words import join, say
from chainrule.ir import Apply, Const, Input, Node, Program, substitute
from chainrule.primitives import Notation, Partial, Symbol


def equations(program: Program) -> str:
    """Return `program` in Unicode, a line for each named value and each output, in the order of computation.

    A name with spaces in it is written with underscores; outputs that are not named are called output1, output2, ….

    >>> from chainrule.trace import trace
    >>> def model(X, W, b):
    ...     z = X @ W + b
    ...     return 1 / (1 + z**2)
    >>> print(equations(trace(model, X="n d", W="d h", b="h")))
    z = X W + b
    output1 = 1 / (1 + z²)
    """
    lines = [f"{text_of(symbol)} = {description(node)}" for symbol, node in _constants(program).named]
    lines += [f"{text_of(left)} = {text_of(right)}" for left, right, _ in _lines(program)]
    return "\n".join(lines)


def program_html(program: Program) -> str:
    """Return `program` as an HTML element: the shapes of its inputs, and its equations with shapes."""
    return render_html(_document(program), standalone=False)


def program_latex(program: Program) -> str:
    """Return `program` as a LaTeX fragment."""
    return render_latex(_document(program))


def program_markdown(program: Program) -> str:
    """Return `program` as Markdown with formulas between dollar signs."""
    return render_markdown(_document(program), github=False)


def _document(program: Program) -> Document:
    shapes: list[Words] = []
    for node in program.inputs:
        key = ("is a scalar", "length of")[node.type.ndim] if node.type.ndim < 2 else "shape of"
        shapes.append(say("en", key, _symbol(node.name), shape_of(node.type)))
    lines = [Equation((left, right), shape_of(node.type)) for left, right, node in _lines(program)]
    blocks = [Paragraph(say("en", "shapes", join("en", shapes)))]
    constants = constants_legend(_constants(program), lines, "en")
    return Document((*blocks, *([Paragraph(constants)] if constants else []), *lines), "en")


def _constants(program: Program) -> Constants:
    names = {node.name for node in program.inputs} | set(program.names.values()) | set(program.dim_names)
    return name_constants(program.nodes, names)


def _lines(program: Program) -> Iterator[tuple[Symbol, Notation, Node]]:
    """Yield the name, the notation and the node of each named value."""
    unnamed = [node for node in program.outputs if isinstance(node, Apply) and node not in program.names]
    names = {node: name.replace(" ", "_") for node, name in program.names.items() if isinstance(node, Apply)}
    names.update({node: f"output{k}" for k, node in enumerate(unnamed, 1)})
    writer = _Writer(_constants(program))
    known: dict[Node, Node] = {}
    for node in program.nodes:
        if node in names:
            (expression,) = substitute([node], known)
            yield Symbol(names[node]), writer.of(expression), node
            known[node] = Input(names[node], node.type)


class _Writer(ExpressionWriter):
    """Writes the expressions of a program with its own names."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants

    def symbol(self, node: Input) -> Notation:
        return _symbol(node.name)

    def literal(self, node: Const) -> Notation:
        return literal(node) if node.is_filled else self._constants.of(node)

    def identity(self, node: Node) -> Symbol:
        return self._constants.identity_of(node)


def _symbol(name: str) -> Notation:
    of, _, by = name.removeprefix("∂").partition("/∂")
    return Partial(Symbol(of), Symbol(by)) if by else Symbol(name.replace(" ", "_"))
