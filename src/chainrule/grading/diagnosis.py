"""Diagnosis of a mistake from its correction: the kind of mistake, and the values for its sentence."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.cage import BEFORE
from chainrule.grading.activations import is_activation
from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.changes import DERIVATIVE, FACTOR, Kind
from chainrule.grading.comparison import Array, agree, as_arrays, constant_ratios, in_shapes, same_shapes
from chainrule.grading.execution import columns
from chainrule.grading.measures import Measures
from chainrule.grading.mended import code_of, exchanged
from chainrule.grading.mending import Mend, Mender
from chainrule.grading.quantities import Match, Quantity
from chainrule.grading.truth import Truth
from chainrule.grading.written import as_equation, written

_LONGEST_FORMULA = 100


@dataclass(frozen=True)
class Diagnosis:
    """The mistake in a line.

    Attributes
    ----------
    kind
        The kind of mistake, such as "transposed", "missing sum", "factor", "sign", "derivative".
    values
        The values for its sentence: parts of the line, an axis, a factor.
    needed, formula
        The name of the correct value in the derivation, and the derivation's formula for it; "" if there is none.
    quantity
        What the correct value is a multiple or the transpose of, by the derivation's name; without one, the gradients
        that are wrong because of it.
    code
        The corrected line, if a single change corrects it; otherwise "".
    single
        Whether the line is correct for a batch of one sample.
    further
        The kind and the values of a second mistake in the same line.

    """

    kind: Kind
    values: Mapping[str, str] = field(default_factory=dict)
    needed: str = ""
    formula: str = ""
    quantity: str = ""
    code: str = ""
    single: bool = False
    further: tuple[tuple[Kind, Mapping[str, str]], ...] = ()


class Diagnostician:
    """Interprets the corrections found by a search."""

    def __init__(self, truth: Truth, mender: Mender) -> None:
        self._truth = truth
        self._mender = mender
        self._measures = Measures(truth)

    def of(self, attempt: Attempt, mend: Mend) -> Diagnosis:
        """Diagnose the unit that `mend` changed."""
        found = columns(attempt.runs, mend.unit.number)
        after = columns(mend.after.runs, mend.unit.number)
        name = mend.unit.names[0] if mend.unit.names else ""
        needed = None
        if after:
            needed = self._truth.identify(after[0], self._mender.identities.claim(name), name)
        often = mend.unit.helper is not None and attempt.runs[0].counts.get(mend.unit.number, 1) > 1
        label, formula = self._needed(None if often else needed)  # a helper called twice has two values
        if not label and mend.quantity is not None and mend.quantity.kind != "part":
            label = mend.quantity.label
        quantity = self._quantity(None if often else needed, mend.gain)
        symbol = needed.quantity.symbol if needed is not None and needed.is_exact else None
        kind, values = self._kind(attempt, mend, found[0] if found else None, after[0] if after else None)
        forward = needed is not None and needed.quantity.kind == "forward"
        if kind in ("other", "shape") and mend.edit is None and forward and symbol is not None and found:
            kind, values = self._of_forward(found[0], symbol, (kind, values))
        elif (kind == "other" or (kind == "shape" and mend.edit is None)) and symbol is not None and found and needed:
            kind, values = self._term(in_shapes(found[0], needed.quantity.values), symbol, (kind, values))
        if kind == "shape" and mend.edit is None and needed is not None:
            kind, values = self._inner(attempt, mend.unit, needed.quantity.values[0].ndim, (kind, values))
        if kind == "other" and symbol is not None:
            kind, values = self._applied(attempt, mend.unit, symbol, values)
        if kind == "operand" and needed is not None and needed.is_exact and needed.quantity.kind == "derivative":
            kind, values = "derivative", {"at": values["before"], "instead": values["after"], **values}
        values = {key: self._shown(text) for key, text in values.items()}
        code = code_of(mend, self._mender.numbers)
        if attempt.answer.is_text:
            code, values = as_equation(code), _as_equations(values)
        if code and not self._mender.holds(attempt, mend, code):
            code = code_of(mend, self._mender.numbers, deep=True)
            code = code if code and self._mender.holds(attempt, mend, code) else ""
            if code and values.get("after") == f"{values['before']}.T":
                values["after"] = exchanged(values["before"])
        values = {**values, **self._other(attempt, mend)}
        if mend.first is None:
            return Diagnosis(kind, values, label, formula, quantity, code)
        first, own = self._kind(attempt, replace(mend, edit=mend.first), None, None)
        own = {key: self._shown(text) for key, text in own.items()}
        own = _as_equations(own) if attempt.answer.is_text else own
        return Diagnosis(first, own, label, formula, quantity, code, further=((kind, values),))

    def _other(self, attempt: Attempt, mend: Mend) -> dict[str, str]:
        """Return the line, and its code, that could be changed instead."""
        code = "" if mend.other is None else code_of(mend.other, self._mender.numbers)
        if mend.other is None or not code or not self._mender.holds(attempt, mend.other, code):
            return {}
        return {"other line": str(mend.other.unit.line), "other": code}

    def _needed(self, match: Match | None) -> tuple[str, str]:
        if match is None or match.quantity.kind == "part" or not match.quantity.label:
            return "", ""
        symbol = match.quantity.symbol
        formula = None
        if match.is_exact and symbol is not None and match.quantity.kind in ("gradient", "forward"):
            gradient = match.quantity.kind == "gradient"
            formula = self._truth.formula(symbol, gradient) if gradient or symbol in self._truth.stages else None
        return match.text, formula if formula is not None and len(formula) <= _LONGEST_FORMULA else ""

    def _quantity(self, match: Match | None, gain: frozenset[str]) -> str:
        """Return what a value is, whatever the answer calls it; otherwise the gradients `gain` that depend on it."""
        if match is not None and match.quantity.label:
            return match.quantity.label
        return ", ".join(self._truth.vocabulary.gradient_label(symbol) for symbol in sorted(gain))

    def _kind(
        self, attempt: Attempt, mend: Mend, found: Sequence[Any] | None, needed: Sequence[Any] | None
    ) -> tuple[Kind, dict[str, str]]:
        if mend.edit is None:
            return self._compared(*self._summand(attempt, mend.unit, found, needed))
        edit = mend.edit
        values = {"before": self._shown(edit.before), "after": self._shown(edit.after)}
        if edit.kind == "updated":
            return "updated", {**values, "update": str(self._mender.updated_in(attempt, mend.unit, edit))}
        if edit.kind in ("derivative", "operand"):
            return self._of_exchange(attempt, mend, values)
        if edit.kind in ("extra operand", "missing operand"):
            return self._of_operand(attempt, mend, values, found, needed)
        if edit.kind in ("missing sum", "extra sum", "axis", "shape"):
            kind, values = self._of_sum(attempt, mend, values)
            return kind, {**values, **(self._measures.shapes(found, needed) if kind == "shape" else {})}
        if edit.kind == "factor":
            first = [[run.rounds.get(mend.unit.number) for run in each.runs] for each in (attempt, mend.after)]
            if mend.unit.helper is not None and all(all(rounds) for rounds in first):
                found, needed = ([rounds[0] for rounds in each if rounds] for each in first)  # the second depends on it
            values = self._measures.of_factor(values, found, needed)
            if edit.subject is not None and edit.name.startswith(FACTOR) and not values["factor"]:
                values.update({"before": edit.before or written(edit.subject), "on": "yes"})
            return "factor", values
        if edit.kind == "missing term":
            return "missing term", values
        if edit.kind == "missing derivative":
            compared = self._compared(found, needed)
            if compared[0] == "extra derivative":  # put below a fraction bar, it takes one away
                return compared
            return "missing derivative", {**values, "right": values["after"]}
        return edit.kind, values

    def _shown(self, text: str) -> str:
        """Return code in which derivatives and factors are written by their names, and parameters by their own."""
        called = {f"{DERIVATIVE}{k}": quantity.label for k, quantity in enumerate(self._truth.derivatives())}
        called.update({**self._mender.labels, BEFORE: ""})
        for name in sorted((name for name in called if name in text), key=len, reverse=True):
            text = text.replace(name, called[name])
        return text

    # Kinds that depend on values

    def _value_of(self, attempt: Attempt, mend: Mend, node: ast.expr) -> list[Array] | None:
        """Evaluate a part of the unit's statement at each point, before the statement runs."""
        if mend.unit.top is None or mend.unit.nested:
            return None
        found = self._mender.value_of(attempt, mend.unit.top, node)
        return None if found is None else as_arrays(found)

    def _of_exchange(self, attempt: Attempt, mend: Mend, values: dict[str, str]) -> tuple[Kind, dict[str, str]]:
        """Diagnose a replaced operand: σ′ evaluated at a instead of z, another derivative, or another operand."""
        edit = mend.edit
        assert edit is not None
        before = None if edit.subject is None else self._value_of(attempt, mend, edit.subject)
        after_node = ast.parse(edit.after.removesuffix(".T"), mode="eval").body if edit.after.isidentifier() else None
        if edit.kind == "derivative" and not edit.after.startswith(DERIVATIVE):
            return "derivative", {**values, "plain": "yes"} if isinstance(edit.subject, ast.Name) else values
        if edit.kind == "derivative":
            index = int(edit.after.removeprefix(DERIVATIVE))
            right = self._truth.derivatives()[index]
            pair = self._pair_of(right)
            if before is not None and pair is not None and self._is_at_activation(before, pair):
                return "derivative", {"at": pair[1], "instead": pair[0], "right": right.label, **values}
            if before is not None:
                match = self._truth.identify(before)
                own = None if pair is None else pair[1]
                if match is not None and match.is_exact and match.quantity.kind in ("forward", "input"):
                    if match.quantity.symbol == own:
                        return "derivative", {"right": right.label, **values}
                    return "operand", {**values, "after": right.label}
            return "derivative", {"right": right.label, **values}
        if before is not None and after_node is not None:
            after = self._value_of(attempt, mend, after_node)
            for z, a in self._pairs():
                forward = {q.symbol: q for q in self._truth.quantities if q.kind == "forward"}
                if after is not None and agree(before, forward[a].values) and agree(after, forward[z].values):
                    return "derivative", {"at": edit.before, "instead": edit.after, **values}
        return "operand", values

    def _pairs(self) -> list[tuple[str, str]]:
        """Return the pre-activation and activation of every activation function."""
        return [
            (stage.operands[0].name, stage.name)
            for stage in self._truth.record.derivative_symbols
            if stage.operands[0].name in self._truth.stages
        ]

    def _pair_of(self, derivative: Quantity) -> tuple[str, str] | None:
        return next((pair for pair in self._pairs() if pair[0] == derivative.symbol), None)

    def _is_at_activation(self, values: Sequence[Array], pair: tuple[str, str]) -> bool:
        """Whether `values` are the derivative of the activation evaluated at its output."""
        taken = self._truth.derivative_at_activation(pair[0])
        return taken is not None and agree(list(values), taken)

    def _of_operand(
        self,
        attempt: Attempt,
        mend: Mend,
        values: dict[str, str],
        whole: Sequence[Any] | None,
        needed: Sequence[Any] | None,
    ) -> tuple[Kind, dict[str, str]]:
        """Diagnose an extra or missing factor: a number, the derivative of an activation, or another value."""
        edit = mend.edit
        assert edit is not None
        missing = edit.kind == "missing operand"
        text = edit.after if missing else edit.before
        inverse = text.startswith("1/")
        node = ast.parse(text.removeprefix("1/"), mode="eval").body
        found = self._value_of(attempt, mend, node)
        if found is None:
            return edit.kind, values
        if all(value.size == 1 for value in found):
            factor = self._measures.named_ratio(whole, needed)
            return ("factor", {"factor": factor, **values}) if factor else (edit.kind, values)
        match = self._truth.identify(found)
        if match is not None and match.is_exact and not inverse and self._is_derivative(match.quantity):
            return ("missing derivative" if missing else "extra derivative"), {**values, "right": match.quantity.label}
        return edit.kind, values

    def _is_derivative(self, quantity: Quantity) -> bool:
        return any(
            agree(quantity.values, d.values)
            for d in self._truth.derivatives()
            if same_shapes(d.values, quantity.values)
        )

    def _of_sum(self, attempt: Attempt, mend: Mend, values: dict[str, str]) -> tuple[Kind, dict[str, str]]:
        """Diagnose a sum over an axis, which is named by its size."""
        edit = mend.edit
        assert edit is not None
        operand = edit.subject
        if operand is not None and edit.kind != "missing sum" and isinstance(operand, ast.Call):
            func = operand.func
            inner = operand.args[0] if operand.args and not _method_of_value(operand) else getattr(func, "value", None)
            operand = inner if isinstance(inner, ast.expr) else None
        found = None if operand is None else self._value_of(attempt, mend, operand)
        axes = dict.fromkeys(("0", "1", "2"), "")
        if found is not None:
            axes = {str(k): self._measures.axis(found, k) for k in range(found[0].ndim)}
        for key in ("before", "after"):
            axis = values[key]
            if axis.removeprefix("-").isdigit() and found is not None:
                axis = str(int(axis) % max(found[0].ndim, 1))
            values[f"{key} axis"] = axes.get(axis, "")
        return edit.kind, values

    # Lines that no single change corrects

    def _summand(
        self, attempt: Attempt, unit: Unit, found: Sequence[Any] | None, needed: Sequence[Any] | None
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        """Return what a statement such as `dW += reg * W` adds, and what it should add; of others, the values."""
        statement = unit.statement
        if (
            unit.top is None
            or unit.nested
            or not isinstance(statement, ast.AugAssign)
            or found is None
            or needed is None
        ):
            return found, needed
        added = self._mender.value_of(attempt, unit.top, statement.value)
        parts = [None if values is None else as_arrays(values) for values in (added, found, needed)]
        if not isinstance(statement.op, ast.Add) or any(part is None for part in parts):
            return found, needed
        a, total, true = ([np.asarray(x) for x in part] for part in parts if part is not None)
        if any(x.shape != y.shape or y.shape != z.shape for x, y, z in zip(a, total, true, strict=True)):
            return found, needed
        return a, [z - (y - x) for x, y, z in zip(a, total, true, strict=True)]

    def of_gradient(self, attempt: Attempt, unit: Unit, symbol: str) -> Diagnosis:
        """Diagnose a unit that assigns the gradient by `symbol`, by comparison with the correct one."""
        found, true = columns(attempt.runs, unit.number), self._truth.gradient(symbol)
        if true is None:
            return Diagnosis("other", self.misfit(attempt, unit))
        kind, values = self._compared(*self._summand(attempt, unit, found[0] if found else None, true.values))
        if kind == "other" and found:
            kind, values = self._term(found[0], symbol, (kind, values))
        if kind == "shape":
            kind, values = self._inner(attempt, unit, true.values[0].ndim, (kind, values))
        label, formula = self._needed(Match(true))
        return Diagnosis(kind, {**values, **self.misfit(attempt, unit)}, label, formula, label)

    def _inner(
        self, attempt: Attempt, unit: Unit, ndim: int, other: tuple[Kind, dict[str, str]]
    ) -> tuple[Kind, dict[str, str]]:
        """Return that a unit multiplies two vectors to a number where a matrix belongs, or `other`."""
        value = getattr(unit.statement, "value", None)
        match value:
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                operands = [left, right]
            case ast.Call(func=ast.Attribute(attr="dot" | "inner" | "matmul"), args=[left, right]):
                operands = [left, right]
            case ast.Call(func=ast.Attribute(value=left, attr="dot"), args=[right]):
                operands = [left, right]
            case _:
                return other
        if unit.top is None or unit.nested or ndim != 2:
            return other
        found = [self._mender.value_of(attempt, unit.top, node) for node in operands]
        if all(values is not None and np.ndim(values[0]) == 1 for values in found):
            return "outer", {"before": written(value), "after": ""}
        return other

    def _compared(self, found: Sequence[Any] | None, needed: Sequence[Any] | None) -> tuple[Kind, dict[str, str]]:
        """Compare the value with the correct one."""
        a, b = (None if found is None else as_arrays(found)), (None if needed is None else as_arrays(needed))
        if a is None or b is None:
            return "other", {}
        if all(x.shape == y.shape for x, y in zip(a, b, strict=True)):
            ratios = constant_ratios(a, b)
            factor = None if ratios is None else self._measures.factor(ratios)
            if factor is not None:
                return ("sign" if factor == "−" else "factor"), {"factor": factor, "before": "", "after": ""}
            named = None if ratios is None else self._measures.number(ratios)
            if named is not None:
                return "missing operand", {"after": named, "before": ""}
            for d in self._truth.derivatives():
                if same_shapes(d.values, a):
                    if agree([x * s for x, s in zip(a, d.values, strict=True)], b):
                        return "missing derivative", {"right": d.label, "before": "", "after": ""}
                    if agree(a, [y * s for y, s in zip(b, d.values, strict=True)]):
                        return "extra derivative", {"right": d.label, "before": d.label, "after": ""}
                    scaled = constant_ratios([x * s for x, s in zip(a, d.values, strict=True)], b)
                    factor = None if scaled is None else self._measures.factor(scaled)
                    if factor is not None:
                        return "missing derivative", {"right": d.label, "factor": factor, "before": "", "after": ""}
                    pair = self._pair_of(d)
                    taken = None if pair is None else self._truth.derivative_at_activation(pair[0])
                    if pair is not None and taken is not None and _exchanged(a, taken, b, d.values):
                        return "derivative", {"at": pair[1], "instead": pair[0], "before": "", "after": ""}
            for quantity in self._truth.quantities:
                if same_shapes(quantity.values, a) and quantity.label:
                    masked = agree(quantity.values, b)  # a mask times what is right is no explanation
                    if not masked and agree([x * t for x, t in zip(a, quantity.values, strict=True)], b):
                        return "missing operand", {"after": quantity.label, "before": ""}
                    for sign in (1, -1):
                        if agree([x + sign * t for x, t in zip(a, quantity.values, strict=True)], b):
                            term = quantity.label if sign == 1 else f"−({quantity.label})"
                            return "missing term", {"after": term, "before": ""}
            if a[0].ndim == 2 and a[0].shape[0] == a[0].shape[1] and agree([x.T for x in a], b):
                return "transposed", {"before": "", "after": ""}
            return "other", {}
        if a[0].ndim == b[0].ndim == 2 and agree([x.T for x in a], b):
            return "transposed", {"before": "", "after": ""}
        for axis in range(a[0].ndim):
            if all(x.shape[axis] == 1 for x in a):  # a sum over one entry only takes an axis away
                continue
            for keep in (False, True):
                if agree([x.sum(axis=axis, keepdims=keep) for x in a], b):
                    return "missing sum", {
                        "after": str(axis),
                        "after axis": self._measures.axis(a, axis),
                        "before": "",
                    }
        return "shape", {**self._measures.shapes(a, b), "before": "", "after": ""}

    def _applied(
        self, attempt: Attempt, unit: Unit, symbol: str, values: dict[str, str]
    ) -> tuple[Kind, dict[str, str]]:
        """Return that an activation is applied to a gradient, where its derivative belongs."""
        derivative = next((d for d in self._truth.derivatives() if d.symbol == symbol), None)
        calls = [node for node in ast.walk(unit.statement) if isinstance(node, ast.Call) and len(node.args) == 1]
        for call in calls if derivative is not None and unit.top is not None and not unit.nested else ():
            if is_activation(call):
                found = self._mender.value_of(attempt, unit.top or 0, call.args[0])
                match = None if found is None else self._truth.identify(found)
                if match is not None and match.is_exact and match.quantity.kind == "gradient":
                    return "applied", {"before": written(call), "after": derivative.label if derivative else ""}
        return "other", values

    def _of_forward(
        self, found: Sequence[Any], symbol: str, other: tuple[Kind, dict[str, str]]
    ) -> tuple[Kind, dict[str, str]]:
        """Return a term that a value of the forward pass lacks, or `other` without one."""
        arrays = as_arrays(found)
        for label, partial in self._truth.without_terms(symbol, gradient=False) if arrays is not None else ():
            try:
                whole = [np.broadcast_to(a, p.shape) for a, p in zip(arrays or (), partial, strict=True)]
            except ValueError:
                continue
            if label and agree(whole, partial):
                return "missing term", {"after": label, "before": ""}
        return other

    def lacking(self, found: Sequence[Any], symbol: str) -> Mapping[str, str]:
        """Return the paths, or the term, that a gradient lacks; nothing if that does not explain it."""
        kind, values = self._term(found, symbol, ("other", {}))
        return values if kind == "missing term" else {}

    def _term(
        self, found: Sequence[Any], symbol: str, other: tuple[Kind, dict[str, str]]
    ) -> tuple[Kind, dict[str, str]]:
        """Return a term of the formula that the value lacks, or `other` without one."""
        arrays = as_arrays(found)
        diagonal = None if arrays is None else self._diagonal(arrays, symbol)
        if diagonal is not None:
            return "derivative", {"softmax": diagonal, "before": "", "after": ""}
        for names, partial in self._truth.without_paths(symbol) if arrays is not None else ():
            if arrays is not None and agree(arrays, partial):
                return "missing term", {"paths": names, "before": "", "after": ""}
        for label, partial in self._truth.without_terms(symbol) if arrays is not None else ():
            if arrays is not None and label and agree(arrays, partial):
                return "missing term", {"after": label, "before": ""}
        return other

    def _diagonal(self, arrays: Sequence[Array], symbol: str) -> str | None:
        """Return the softmax of which a value takes s (1 − s) for the derivative, up to a factor, or None."""
        for quantity in self._truth.quantities:
            values, gradient = quantity.values, self._truth.gradient(quantity.symbol or "")
            if (
                quantity.kind != "forward"
                or gradient is None
                or values[0].shape != arrays[0].shape
                or not values[0].ndim
            ):
                continue
            sums = any(all(np.allclose(v.sum(axis), 1.0) for v in values) for axis in range(values[0].ndim))
            if sums and quantity.symbol != symbol:
                wrong = [g * s * (1 - s) for g, s in zip(gradient.values, values, strict=True)]
                if constant_ratios(arrays, wrong) is not None:
                    return quantity.label
        return None

    def misfit(self, attempt: Attempt, unit: Unit) -> dict[str, str]:
        """Return the innermost product or sum in a statement whose operand shapes are incompatible."""
        if unit.top is None or unit.nested:
            return {}
        parts = [node for node in ast.walk(unit.statement) if isinstance(node, ast.BinOp)]
        for node in reversed(parts):
            left, right = self._shapes(attempt, unit, node.left), self._shapes(attempt, unit, node.right)
            if left and right and self._shapes(attempt, unit, node) is None:
                shown = as_equation(written(node)) if attempt.answer.is_text else written(node)
                return {"misfit": shown, "left": left, "right": right}
        return {}

    def _shapes(self, attempt: Attempt, unit: Unit, node: ast.expr) -> str | None:
        assert unit.top is not None
        found = self._mender.value_of(attempt, unit.top, node)
        if found is None:
            return None
        return self._measures.shape([np.asarray(value) for value in found]) if np.ndim(found[0]) else ""


def _as_equations(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a sentence on an equation, of which those that are code are written as equations."""
    return {key: as_equation(text) if key in ("before", "after", "at") else text for key, text in values.items()}


def _method_of_value(call: ast.Call) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and not (
        isinstance(func.value, ast.Name) and func.value.id in ("np", "numpy", "cr")
    )


def _exchanged(found: Sequence[Array], taken: Sequence[Array], needed: Sequence[Array], right: Sequence[Array]) -> bool:
    """Whether the value found results from the correct one if `taken` replaces the factor `right`."""
    crosswise = [x * factor for x, factor in zip(found, right, strict=True)]
    return agree(crosswise, [x * factor for x, factor in zip(needed, taken, strict=True)])
