"""The final gradients of an answer, returned or applied as updates, and their correctness."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.cage import RATES, Place, called
from chainrule.grading.answers import Answer, GradeError
from chainrule.grading.arguments import Binding
from chainrule.grading.comparison import TOLERANCE, Array, as_arrays, equal, same_shape_and_values
from chainrule.grading.epsilon import MOST_BY_EPSILON, difference
from chainrule.grading.execution import Overview, kind_of
from chainrule.grading.names import gradient_of
from chainrule.grading.truth import Quantity, Truth

Source = Literal["variable", "key", "index", "update", "attribute", "entry", "held"]


@dataclass(frozen=True)
class Final:
    """One gradient of the answer: its variable, and where it is found.

    It is a returned value, the update of a parameter, or an attribute named like a gradient. `label` is the learner's
    name.
    """

    symbol: str
    source: Source
    place: Any
    label: str

    @property
    def is_update(self) -> bool:
        return self.source in ("update", "attribute", "entry")


class Outcomes:
    """The gradients of an answer, located in its first run."""

    def __init__(self, answer: Answer, binding: Binding, truth: Truth, wrt: Sequence[str], overview: Overview) -> None:
        self._answer = answer
        self._binding = binding
        self.wrt = list(wrt)
        self.known = [q.symbol for q in truth.quantities if q.kind == "gradient" and q.symbol is not None]
        self.inputs = [name for name in truth.inputs if name in self.known]
        self.finals = self._updates(overview, truth)
        returned = self._returned(overview)
        given = {final.symbol for final in returned}
        self.finals = returned + [final for final in self.finals if final.symbol not in given]
        if not self.finals:
            raise GradeError(
                f"{answer.name} returns no gradient and updates no parameter; return them by name, as in "
                f"return {{{', '.join(f'{name!r}: d{name}' for name in self.wrt[:2])}}}"
            )
        self.missing = [name for name in self.wrt if name not in {final.symbol for final in self.finals}]
        self.rates = [point.rate for point in truth.points]
        self._expected: dict[tuple[str, Truth], list[Array]] = {}

    @property
    def is_text(self) -> bool:
        """Whether the answer consists of equations, which do not distinguish axes of size 1."""
        return self._answer.is_text

    @property
    def places(self) -> list[Place]:
        """The locations of the gradients."""
        return [Place(final.source, final.place) for final in self.finals]

    # Locations of gradients

    def _returned(self, overview: Overview) -> list[Final]:
        answer = self._answer
        if answer.outputs is not None:
            labels = [output.label for output in answer.outputs]
            symbols = self._symbols(labels)
            finals = []
            for output, symbol in zip(answer.outputs, symbols, strict=True):
                if symbol is not None:
                    finals.append(self._final(symbol, output.variable, output.label, output.name))
            return finals
        if not overview.early and answer.returned is not None and (overview.array or overview.kind == "NoneType"):
            unit = next(
                (u for u in answer.units if u.names and ast.unparse(_target(u.statement)) == answer.returned), None
            )
            label = unit.names[0] if unit else ""
            symbol = self._symbols([label])[0]
            return [] if symbol is None else [self._final(symbol, answer.returned, label, label)]
        if overview.container:
            return []
        if overview.keys is not None:
            found = [(key, self._symbols([key], False)[0]) for key in overview.keys]
            return [Final(symbol, "key", key, key) for key, symbol in found if symbol is not None]
        if overview.count is not None:
            symbols = self._symbols([""] * overview.count)
            return [Final(symbol, "index", k, "") for k, symbol in enumerate(symbols) if symbol is not None]
        if overview.kind != "NoneType":
            raise GradeError(f"{answer.name} returns a {overview.kind}; return arrays, or a dict or tuple of arrays")
        return []

    def _final(self, symbol: str, variable: str, label: str, name: str) -> Final:
        """Return a gradient; a returned variable assigned under a parameter's own name is the updated parameter."""
        updated = name == symbol and name in self._binding.by_name and name in _assigned_names(self._answer)
        return Final(symbol, "update" if updated else "variable", variable, label)

    def _symbols(self, labels: Sequence[str], by_place: bool = True) -> list[str | None]:
        """Return the symbol of each label's gradient; by position if the labels do not determine it."""
        found: list[str | None] = [
            None if not label else called(label, self.inputs) or gradient_of(label, self.inputs) for label in labels
        ]
        if any(symbol is not None for symbol in found) or not by_place:
            return self._filled(found)
        kept = {final.symbol for final in self.finals}
        for names in (self.wrt, self.inputs, [name for name in self.wrt if name not in kept]):
            if len(labels) == len(names):
                return list(names)
        if len(labels) == 1 and len(self.wrt) > 1:
            return [None]
        raise GradeError(
            f"{self._answer.name} returns {len(labels)} values and there are {len(self.wrt)} gradients, by "
            f"{', '.join(self.wrt)}; return them in this order, or by name in a dict"
        )

    def _filled(self, found: list[str | None]) -> list[str | None]:
        """Assign the remaining symbols to positions without a name, if their order is unambiguous."""
        if len(found) == len(self.wrt) and None in found:
            ordered = [a if a is not None else b for a, b in zip(found, self.wrt, strict=True)]
            if len(set(ordered)) == len(ordered):
                return list(ordered)
        return found

    def _updates(self, overview: Overview, truth: Truth) -> list[Final]:
        finals = []
        answer = self._answer
        assigned = _assigned_names(answer)
        for parameter, meaning in self._binding.by_name.items():
            after = overview.parameters.get(parameter)
            if meaning in self.wrt and parameter in assigned and _moved(after, truth, meaning):
                finals.append(Final(meaning, "update", parameter, parameter))
        for name in self._binding.containers:
            for key in overview.entries.get(name, ()):
                symbol = called(str(key), self.wrt)
                if symbol is not None and any(f"{name}{mark}" in _assigned_text(answer) for mark in "[."):
                    finals.append(Final(symbol, "entry", (name, key), str(key)))
        for attribute, symbol in self._binding.attributes.items():
            if symbol in self.wrt and f"self.{attribute}" in _assigned_text(answer):
                finals.append(Final(symbol, "attribute", attribute, f"self.{attribute}"))
        return finals + self._held()

    def _held(self) -> list[Final]:
        """Return gradients that a layer stores in attributes, as in `self.dW = …`."""
        names = dict.fromkeys(name for unit in self._answer.units if unit.top is not None for name in unit.names)
        attributes = [name.removeprefix("self.") for name in names if name.startswith("self.")]
        found = [(gradient_of(name, self.inputs), name) for name in attributes if name.isidentifier()]
        return [Final(symbol, "held", name, f"self.{name}") for symbol, name in found if symbol in self.wrt and symbol]

    # Values of gradients

    def check_numbers(self, places: Sequence[Sequence[Any]]) -> None:
        """Raise GradeError for a gradient that is not an array of finite numbers."""
        for number, final in enumerate(self.finals):
            for row in places:
                value = row[number]
                label = final.label or f"the gradient by {final.symbol}"
                arrays = None if value is None else as_arrays([value])
                if value is not None and arrays is None:
                    if isinstance(value, np.ndarray | float):
                        raise GradeError(
                            f"{self._answer.name}: {label} holds nan or inf at random inputs; does a line divide by 0?"
                        )
                    raise GradeError(f"{self._answer.name}: {label} is a {kind_of(value)}; give an array of numbers")

    def gradients(self, final: Final, places: Sequence[Sequence[Any]], truth: Truth) -> list[Array] | None:
        """Return the gradient of an answer at each point, from the values at the places; None if there is none."""
        number = self.finals.index(final)
        values: list[Any] = []
        for row, point, rate in zip(places, truth.points, self.rates, strict=False):
            found = as_arrays([row[number]])
            if found is None:
                return None
            value = found[0]
            if final.is_update:
                try:
                    value = (np.reshape(point.values[final.symbol], value.shape) - value) / rate
                except ValueError:
                    return None
            values.append(value)
        return values

    def right(self, places: Sequence[Sequence[Any]], truth: Truth, but: frozenset[str] = frozenset()) -> frozenset[str]:
        """Return the symbols whose gradient is correct, in value and shape, at all points.

        Those in `but` are skipped.
        """
        good = set()
        for final in self.finals:
            if final.symbol in but:
                continue
            found = self.gradients(final, places, truth)
            if found is not None and (self._is_equal(final, found, truth) or self._is_close(final, found, truth)):
                good.add(final.symbol)
        return frozenset(good)

    def _is_equal(self, final: Final, found: Sequence[Array], truth: Truth) -> bool:
        same = equal if self.is_text else same_shape_and_values  # equations have no broadcasting
        return all(map(same, found, self.expected(final, truth)))

    def _is_close(self, final: Final, found: Sequence[Array], truth: Truth) -> bool:
        """Whether a gradient is correct up to the effect of the reference's ε."""
        true, slacks = self.expected(final, truth), truth.slack(final.symbol)[: len(found)]
        if not slacks or any(a.shape != b.shape for a, b in zip(found, true, strict=False)):
            return False
        off = [difference(b, a) for a, b in zip(found, true, strict=False)]
        if max(off, default=0.0) > MOST_BY_EPSILON:
            return False
        return all(d <= 2 * slack + TOLERANCE for d, slack in zip(off, slacks, strict=True))

    def epsilons(self, places: Sequence[Sequence[Any]], truth: Truth) -> tuple[float, ...]:
        """Return the constants ε of the reference up to which gradients are correct, if they are not exact."""
        numbers: set[float] = set()
        for final in self.finals:
            found = self.gradients(final, places, truth)
            if found is not None and not self._is_equal(final, found, truth) and self._is_close(final, found, truth):
                numbers |= set(truth.epsilons(final.symbol))
        return tuple(sorted(numbers))

    def expected(self, final: Final, truth: Truth) -> list[Array]:
        """Return the correct gradient at each point, in the shape of the answer's parameter."""
        key = final.symbol, truth
        if key not in self._expected:
            values = self.true(final, truth).values
            shape = self._binding.shape
            self._expected[key] = [np.reshape(value, shape(final.symbol, value.shape)) for value in values]
        return self._expected[key]

    def true(self, final: Final, truth: Truth) -> Quantity:
        """Return the correct gradient."""
        quantity = truth.gradient(final.symbol)
        assert quantity is not None
        return quantity

    def choose_rates(self, places: Sequence[Sequence[Any]], truth: Truth) -> None:
        """Set the learning rate at each point: the parameter, or else the constant that makes most updates correct."""
        answer = self._answer
        if self._binding.rate is not None or not any(final.is_update for final in self.finals):
            return
        if any(key in RATES for key in answer.attributes or ()):
            return
        numbers = {1.0}
        for statement in answer.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value > 0:
                    numbers.add(node.value)
                if isinstance(node, ast.Name) and node.id in answer.numbers:
                    numbers.add(abs(answer.numbers[node.id]) or 1.0)
        best, most = self.rates, -1
        for number in sorted(numbers, key=lambda x: (x == 1.0, x)):
            self.rates = [number] * len(best)
            count = len(self.right(places, truth))
            if count > most:
                best, most = self.rates, count
        self.rates = best


def _target(statement: ast.stmt) -> ast.expr:
    return statement.targets[0] if isinstance(statement, ast.Assign) else ast.Constant(None)


def _assigned_names(answer: Answer) -> set[str]:
    nodes = (node for statement in answer.body for node in ast.walk(statement))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    nodes = (node for statement in answer.body for node in ast.walk(statement))
    indexed = {
        node.value.id
        for node in nodes
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
    }
    return stored | indexed


def _assigned_text(answer: Answer) -> str:
    """Return all assigned targets, as written."""
    return "\n".join(name for unit in answer.units if unit.top is not None for name in unit.names)


def _moved(value: Any, truth: Truth, name: str) -> bool:
    """Whether a parameter changed during the run."""
    old = truth.points[0].values[name]
    try:
        return value is None or not np.array_equal(np.reshape(value, old.shape), old)
    except (ValueError, TypeError):
        return True
