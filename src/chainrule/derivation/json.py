"""A derivation as JSON: its claims, with both sides as nodes, and the document for the reader.

`nodes` holds every node once, in topological order, as in model files (`chainrule.interchange.programs`):
`{"input": "W1"}`, `{"constant": 0.5}` or `{"apply": "Multiply", "to": [0, 3], "fields": {…}}`, the first two with their
`dtype` and `shape`, which `types` has of all; an expression is the number of its node. Sizes are numbers, names, or
polynomials of names, each term a list of its coefficient and its names. A constant that is an array is
`{"tensor": name}`, the name of an entry of `arrays`. Numbers that JSON lacks are the strings `"inf"`, `"-inf"` and
`"nan"`. A claim has its formula as `text` and `latex`, or null if that would be too long. In a worked example an
equation of the document has its `value`, as nested lists, and the number of its last sides that are `rounded`. Of a
function with recurrences, `parts` has the inputs, symbols, claims and nodes of what is outside, and of each step.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.derivation.claims import (
    Claim,
    Expression,
    LossDerivative,
    PathDerivative,
    Quantity,
    StageDerivative,
    StageDifferential,
    StageValue,
)
from chainrule.derivation.document import Block, Document, Equation, Frame, Heading, Remark
from chainrule.derivation.latex import latex_of
from chainrule.derivation.notator import Notator
from chainrule.derivation.record import Record
from chainrule.derivation.recurrent import Recurrent
from chainrule.derivation.second.further import Further, derivatives_notator, quantity_notation
from chainrule.derivation.second.quantities import (
    ChainDerivative,
    CotangentDifferential,
    GradientDifferential,
    SecondQuantity,
    StageChange,
    StageJacobian,
)
from chainrule.derivation.text import plain, text_of
from chainrule.derivation.upstream import is_upstream
from chainrule.derivation.verification import Verification
from chainrule.derivation.words import say
from chainrule.interchange import NodeTable, type_as_json
from chainrule.ir import Apply, Input, Node, topological_order
from chainrule.primitives import Infix, Notation, Partial, Symbol
from chainrule.schema import Tensors, number_as_json
from chainrule.words import Language

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | int | bool | None"

SCHEMA = "chainrule derivation 2"
_DEEPEST = 64
_READABLE = 4000
"""The nesting depth, or number of operations, above which a formula is omitted."""


def render_json(
    record: Record,
    document: Document,
    form: str,
    verification: Verification | None,
    first: int = 1,
    derivatives: Further | None = None,
) -> dict[str, Json]:
    """Return the derivation as an object for `json.dumps`; its claims are numbered from `first`.

    With `derivatives` the claims are those of a Hessian or of Jacobians.
    """
    claims = _Claims(record, document.language, derivatives)
    result: dict[str, Json] = {
        "schema": SCHEMA,
        "language": document.language,
        "form": form,
        "loss": record.loss_name,
        "wrt": [symbol.name for symbol in record.backward.wrt],
        "sizes": list(record.program.dim_names),
        "inputs": [{"name": node.name, **type_as_json(node.type)} for node in record.program.inputs],
        "declared": [{"name": each.name, "property": each.property.value} for each in record.program.declared],
        "symbols": claims.symbols(),
        "claims": claims.all(first),
        "nodes": claims.nodes.entries,
        "types": [type_as_json(node.type) for node in claims.nodes.known],
        "arrays": {name: _array(array) for name, array in claims.arrays.items()},
        "document": [block for each in document.blocks for block in _blocks(each, document.language)],
        "verification": None if verification is None else _outcome(verification, document.language),
    }
    return result


def render_recurrence(
    recurrent: Recurrent, document: Document, form: str, verification: Verification | None
) -> dict[str, Json]:
    """Return a derivation with recurrences as an object: its `parts` have the claims, numbered throughout."""
    program = recurrent.program
    parts: list[Json] = []
    first = 1
    for record in recurrent.every_record:
        part = render_json(record, Document((), document.language), form, None, first)
        for key in ("schema", "language", "form", "loss", "document", "verification", "declared"):
            del part[key]
        first += len(list(record.claims))
        parts.append(part)
    return {
        "schema": SCHEMA,
        "language": document.language,
        "form": form,
        "loss": recurrent.loss_name,
        "wrt": [symbol.name for symbol in recurrent.wrt],
        "sizes": list(program.dim_names),
        "inputs": [{"name": node.name, **type_as_json(node.type)} for node in program.inputs],
        "declared": [{"name": each.name, "property": each.property.value} for each in program.declared],
        "parts": parts,
        "document": [block for each in document.blocks for block in _blocks(each, document.language)],
        "verification": None if verification is None else _outcome(verification, document.language),
    }


def _outcome(verification: Verification, language: Language) -> dict[str, Json]:
    return {
        "verified": verification.ok,
        "lines": verification.lines,
        "lines_checked": verification.lines_checked,
        "points": verification.points,
        "at_fewer_points": [{"claim": line, "points": n} for line, n in verification.at_fewer_points.items()],
        "worst_relative_error": number_as_json(verification.worst_relative_error),
        "finite_difference_error": number_as_json(verification.finite_difference_error),
        "failures": [
            {"claim": failure.line, "relative_error": number_as_json(failure.relative_error)}
            for failure in verification.failures
        ],
        "lines_read": verification.lines_read,
        "misreadings": [
            {"form": misread.form, "script": misread.script, "line": misread.line, "reason": misread.reason}
            for misread in verification.misreadings
        ],
        "text": verification.text(language),
    }


class _Claims:
    """Writes the claims of one record."""

    def __init__(self, record: Record, language: Language, derivatives: Further | None = None) -> None:
        self._record = record
        self._derivatives = derivatives
        self._language = language
        self._notator = Notator(record) if derivatives is None else derivatives_notator(derivatives)
        self.arrays: Tensors = {}
        self.nodes = NodeTable(self.arrays)

    def symbols(self) -> list[Json]:
        """Return the meaning of the inputs in expressions that are not inputs of the function."""
        record = self._record
        symbols: list[Json] = []

        def add(node: Input, quantity: dict[str, Json]) -> None:
            symbols.append({"name": node.name, **quantity, **self._written(self._notator.symbol(node))})

        for node in record.program.inputs:
            if is_upstream(node):
                add(node, {"quantity": "given gradient"})
        for stage in record.stages:
            add(stage.stage.symbol, {"quantity": "value", "of": stage.stage.name})
            if stage.derivative_symbol is not None:
                add(stage.derivative_symbol, {"quantity": "derivative", "of": stage.stage.name})
        for symbol in record.abbreviation_claims:
            add(symbol, {"quantity": "abbreviation"})
        for constant, _ in record.constants.named:
            symbols.append({"name": constant.name, "quantity": "constant", **self._written(constant)})
        for entry in record.backward.accumulations:
            add(entry.cotangent, {"quantity": "gradient", "of": record.loss_name, "by": entry.symbol.name})
            for contribution in entry.contributions[:1]:
                assert isinstance(contribution.tangent, Input)
                add(contribution.tangent, {"quantity": "change", "of": entry.symbol.name})
        return symbols

    def all(self, first: int) -> list[Json]:
        """Return every claim in reading order, under the number by which a verification refers to it."""
        every = self._record.claims if self._derivatives is None else self._derivatives.claims
        return [self._claim(number, claim) for number, claim in enumerate(every, start=first)]

    def _claim(self, number: int, claim: Claim) -> Json:
        formula: dict[str, Json] = {"text": None, "latex": None}
        if _is_readable(claim.right) and not (isinstance(claim.left, Expression) and not _is_readable(claim.left.node)):
            formula = self._written(Infix("=", (self._left(claim.left), self._notator.of(claim.right, explicit=True))))
        reason = "".join(map(str, say(self._language, f"claim {claim.kind}", claim.rule)))
        return {
            "number": number,
            "kind": claim.kind,
            "left": self._quantity(claim.left),
            "right": self.nodes.number(claim.right),
            "reason": reason,
            **formula,
        }

    def _written(self, notation: Notation) -> dict[str, Json]:
        return {"text": text_of(notation, self._language), "latex": latex_of(notation, self._language)}

    def _left(self, quantity: Quantity) -> Notation:
        """Return a left side as a notation."""
        if isinstance(quantity, Expression):
            return self._notator.of(quantity.node, explicit=True)
        if isinstance(quantity, LossDerivative):
            return self._notator.partial(quantity.symbol)
        if isinstance(quantity, StageDerivative):
            if quantity.symbol is None:
                return self._notator.quotient(quantity.stage.symbol, quantity.operand)
            return self._notator.symbol(quantity.symbol)
        if isinstance(quantity, PathDerivative):
            factors = [Partial(Symbol(c.stage.name), Symbol(c.operand.name)) for c in quantity.path]
            return Infix("·", tuple(factors)) if len(factors) > 1 else factors[0]
        if isinstance(quantity, StageValue | StageDifferential):
            return Symbol(quantity.stage.name, "d" if isinstance(quantity, StageDifferential) else "")
        return quantity_notation(quantity, self._notator)

    def _quantity(self, quantity: Quantity) -> dict[str, Json]:
        """Return a left side as data: its kind and the quantities involved."""
        if isinstance(quantity, Expression):
            return {"quantity": "expression", "expression": self.nodes.number(quantity.node)}
        if isinstance(quantity, LossDerivative):
            return {"quantity": "gradient", "of": self._record.loss_name, "by": quantity.symbol.name}
        if isinstance(quantity, PathDerivative):
            names: list[Json] = [contribution.stage.name for contribution in quantity.path]
            return {"quantity": "path", "through": [*names, *(c.operand.name for c in quantity.path[-1:])]}
        if isinstance(quantity, StageDifferential):
            return {"quantity": "differential", "of": quantity.stage.name, "in": [o.name for o in quantity.operands]}
        if isinstance(quantity, StageDerivative):
            return {"quantity": "derivative", "of": quantity.stage.name, "by": quantity.operand.name}
        if isinstance(quantity, StageValue):
            return {"quantity": "value", "of": quantity.stage.name}
        return self._further_quantity(quantity)

    def _further_quantity(self, quantity: SecondQuantity) -> dict[str, Json]:
        """Return a quantity of second order, or a Jacobian, as data."""
        loss = self._record.loss_name
        if isinstance(quantity, CotangentDifferential):
            return {"quantity": "gradient differential", "of": loss, "by": quantity.accumulation.symbol.name}
        if isinstance(quantity, GradientDifferential | StageChange):
            along: list[Json] = [direction.name for direction in quantity.directions.values()]
            if isinstance(quantity, StageChange):
                return {"quantity": "change", "of": quantity.symbol.name, "along": along}
            return {"quantity": "gradient differential", "of": loss, "by": quantity.symbol.name, "along": along}
        if isinstance(quantity, ChainDerivative):
            kind = "derivative" if len(quantity.by) == 1 else "second derivative"
            scope = "equation" if quantity.held else "chains"
            return {"quantity": kind, "of": quantity.symbol.name, "by": [x.name for x in quantity.by], "along": scope}
        layout = "axes" if quantity.by_axes else "denominator" if quantity.transposed else "numerator"
        if isinstance(quantity, StageJacobian):
            return {"quantity": "Jacobian", "of": quantity.symbol.name, "by": quantity.by.name, "layout": layout}
        names: list[Json] = [quantity.symbol.name, quantity.by.name]
        return {"quantity": "second derivative", "of": loss, "by": names, "layout": layout}


def _blocks(block: Block, language: Language) -> list[Json]:
    """Return a block of the document; a frame as its blocks, marked as results."""
    if isinstance(block, Frame):
        inner = [each for part in block.blocks for each in _blocks(part, language)]
        return [{**each, "result": True} for each in inner if isinstance(each, dict)]
    if isinstance(block, Equation):
        return [
            {
                "block": "equation",
                "sides": [{"text": text_of(side, language), "latex": latex_of(side, language)} for side in block.sides],
                "shape": block.shape,
                **({} if block.value is None else {"rounded": block.rounded, "value": _array(block.value)}),
                "reasons": [plain(reason, language) for reason in block.reasons],
            }
        ]
    if isinstance(block, Heading):
        return [{"block": "heading", "level": block.level, "text": plain(block.words, language)}]
    kind = "remark" if isinstance(block, Remark) else "paragraph"
    return [{"block": kind, "text": plain(block.words, language)}]


def _heights(order: Sequence[Node]) -> dict[Node, int]:
    """Return the nesting depth of each node of a topological order."""
    heights: dict[Node, int] = {}
    for node in order:
        heights[node] = 1 + max(map(heights.__getitem__, node.operands)) if isinstance(node, Apply) else 0
    return heights


def _is_readable(root: Node) -> bool:
    """Whether an expression is small enough to be written as a formula."""
    order = topological_order([root])
    lengths: dict[Node, int] = {}
    for node in order:
        operands = node.operands if isinstance(node, Apply) else ()
        lengths[node] = 1 + sum(lengths[operand] for operand in operands)
    return lengths[root] <= _READABLE and _heights(order)[root] <= _DEEPEST


def _array(value: NDArray[Any]) -> Json:
    """Return an array as nested lists."""
    if value.ndim:
        return [_array(each) for each in value]
    number: Json = value.item()
    return number_as_json(number) if isinstance(number, float) else number


def json_text(value: Json, indent: int | None = None) -> str:
    """Return `value` as JSON text with non-ASCII letters unescaped, except for lone surrogates."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()
