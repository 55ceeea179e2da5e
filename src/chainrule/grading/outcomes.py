"""What an answer gives in the end, gradients returned or parameters updated, and whether that is right."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.grading.answers import Answer, GradeError
from chainrule.grading.arguments import Binding
from chainrule.grading.comparison import Array, as_arrays, equal
from chainrule.grading.execution import Run
from chainrule.grading.names import called, gradient_of
from chainrule.grading.truth import Quantity, Truth

Source = Literal["variable", "key", "index", "update", "attribute", "entry"]


@dataclass(frozen=True)
class Final:
    """One gradient of the answer: by what, and where it is found: what is returned, or the update of a parameter.

    `label` is what the learner calls it.
    """

    symbol: str
    source: Source
    place: Any
    label: str

    @property
    def is_update(self) -> bool:
        return self.source in ("update", "attribute", "entry")


class Outcomes:
    """The gradients that an answer gives, found in its first run."""

    def __init__(self, answer: Answer, binding: Binding, truth: Truth, wrt: Sequence[str], runs: Sequence[Run]) -> None:
        self._binding = binding
        self.wrt = list(wrt)
        self.known = [q.symbol for q in truth.quantities if q.kind == "gradient" and q.symbol is not None]
        self.inputs = [name for name in truth.inputs if name in self.known]
        self.finals = self._updates(answer, runs[0], truth)
        returned = self._returned(answer, runs[0])
        given = {final.symbol for final in returned}
        self.finals = returned + [final for final in self.finals if final.symbol not in given]
        if not self.finals:
            raise GradeError(
                f"{answer.name} returns no gradient and updates no parameter; return them by name, as in "
                f"return {{{', '.join(f'{name!r}: d{name}' for name in self.wrt[:2])}}}"
            )
        self.missing = [name for name in self.wrt if name not in {final.symbol for final in self.finals}]
        self.rates = self._rates(answer, truth, runs)

    # Where gradients are

    def _returned(self, answer: Answer, run: Run) -> list[Final]:
        if answer.outputs is not None:
            labels = [output.label for output in answer.outputs]
            symbols = self._symbols(labels, answer)
            finals = []
            for output, symbol in zip(answer.outputs, symbols, strict=True):
                if symbol is not None:
                    finals.append(self._final(answer, symbol, "variable", output.variable, output.label))
            return finals
        value = run.returned
        if value is None and answer.returned is not None:
            value = run.namespace.get(answer.returned)
            unit = next(
                (u for u in answer.units if u.names and ast.unparse(_target(u.statement)) == answer.returned), None
            )
            label = unit.names[0] if unit else ""
            if value is None or isinstance(value, np.ndarray | np.generic | int | float):
                symbol = self._symbols([label], answer)[0]
                return [] if symbol is None else [self._final(answer, symbol, "variable", answer.returned, label)]
        if any(value is run.namespace.get(name) for name in self._binding.containers):
            return []
        if isinstance(value, Mapping):
            found = [(key, self._symbols([str(key)], answer, False)[0]) for key in value]
            return [Final(symbol, "key", key, str(key)) for key, symbol in found if symbol is not None]
        if isinstance(value, tuple | list):
            symbols = self._symbols([""] * len(value), answer)
            return [Final(symbol, "index", k, "") for k, symbol in enumerate(symbols) if symbol is not None]
        if value is not None:
            raise GradeError(
                f"{answer.name} returns a {type(value).__name__}; return arrays, or a dict or tuple of arrays"
            )
        return []

    def _final(self, answer: Answer, symbol: str, source: Source, place: Any, label: str) -> Final:
        """A returned variable that the function assigns under a parameter's own name is the updated parameter."""
        if label == symbol and label in self._binding.by_name and label in _assigned_names(answer):
            return Final(symbol, "update", place, label)
        return Final(symbol, source, place, label)

    def _symbols(self, labels: Sequence[str], answer: Answer, by_place: bool = True) -> list[str | None]:
        """What each label is the gradient by; by place where the labels say nothing."""
        found: list[str | None] = [
            None if not label else called(label, self.inputs) or gradient_of(label, self.inputs) for label in labels
        ]
        if any(symbol is not None for symbol in found) or not by_place:
            return self._filled(found)
        for names in (self.wrt, self.inputs):
            if len(labels) == len(names):
                return list(names)
        if len(labels) == 1 and len(self.wrt) > 1:
            return [None]
        raise GradeError(
            f"{answer.name} returns {len(labels)} values and there are {len(self.wrt)} gradients, by "
            f"{', '.join(self.wrt)}; return them in this order, or by name in a dict"
        )

    def _filled(self, found: list[str | None]) -> list[str | None]:
        """Places without a name take what is left, where order leaves no doubt."""
        if len(found) == len(self.wrt) and None in found:
            ordered = [a if a is not None else b for a, b in zip(found, self.wrt, strict=True)]
            if len(set(ordered)) == len(ordered):
                return list(ordered)
        return found

    def _updates(self, answer: Answer, run: Run, truth: Truth) -> list[Final]:
        finals = []
        assigned = _assigned_names(answer)
        for parameter, meaning in self._binding.by_name.items():
            if meaning in self.wrt and parameter in assigned and _moved(run.namespace.get(parameter), truth, meaning):
                finals.append(Final(meaning, "update", parameter, parameter))
        for name in self._binding.containers:
            container = run.namespace.get(name)
            for key in container if isinstance(container, dict) else ():
                symbol = called(str(key), self.wrt)
                if symbol is not None and any(f"{name}{mark}" in _assigned_text(answer) for mark in "[."):
                    finals.append(Final(symbol, "entry", (name, key), str(key)))
        for attribute, symbol in self._binding.attributes.items():
            if f"self.{attribute}" in _assigned_text(answer):
                finals.append(Final(symbol, "attribute", attribute, f"self.{attribute}"))
        return finals

    # Their values

    def check_numbers(self, answer: Answer, runs: Sequence[Run]) -> None:
        """Raise GradeError for what is no array of finite numbers among what the answer gives."""
        for final in self.finals:
            for value in (self._value(final, run) for run in runs):
                label = final.label or f"the gradient by {final.symbol}"
                arrays = None if value is None else as_arrays([value])
                if value is not None and arrays is None:
                    raise GradeError(f"{answer.name}: {label} is a {type(value).__name__}; give an array of numbers")
                if arrays is not None and not np.all(np.isfinite(arrays[0])):
                    raise GradeError(
                        f"{answer.name}: {label} holds nan or inf at random inputs; does a line divide by 0?"
                    )

    def gradients(self, final: Final, runs: Sequence[Run], truth: Truth) -> list[Array] | None:
        """The gradient that an answer gave at each point; None where it gave none."""
        values: list[Any] = []
        for run, point, rate in zip(runs, truth.points, self.rates, strict=False):
            value = self._value(final, run)
            if value is None:
                return None
            if final.is_update:
                try:
                    value = (np.reshape(point.values[final.symbol], np.shape(value)) - np.asarray(value, float)) / rate
                except (ValueError, TypeError):
                    return None
            values.append(value)
        return as_arrays(values)

    def _value(self, final: Final, run: Run) -> Any:
        if final.source in ("variable", "update"):
            return run.namespace.get(final.place)
        if final.source == "attribute":
            return getattr(run.namespace.get("self"), final.place, None)
        if final.source == "entry":
            name, key = final.place
            container = run.namespace.get(name)
            return container.get(key) if isinstance(container, dict) else None
        returned: Any = run.namespace.get("__out_") if run.returned is None else run.returned
        try:
            return returned[final.place]
        except (KeyError, IndexError, TypeError):
            return None

    def right(self, runs: Sequence[Run], truth: Truth, but: frozenset[str] = frozenset()) -> frozenset[str]:
        """The symbols whose gradient is right at all points that were run; those in `but` are not looked at."""
        good = set()
        for final in self.finals:
            if final.symbol in but:
                continue
            true = self.true(final, truth)
            found = self.gradients(final, runs, truth)
            if found is not None and all(equal(a, b) for a, b in zip(found, true.values, strict=False)):
                good.add(final.symbol)
        return frozenset(good)

    def true(self, final: Final, truth: Truth) -> Quantity:
        """The gradient that a final should be."""
        quantity = truth.gradient(final.symbol)
        assert quantity is not None
        return quantity

    def _rates(self, answer: Answer, truth: Truth, runs: Sequence[Run]) -> list[float]:
        """The learning rate at each point: the parameter's, else the constant that makes most updates right."""
        own = [point.rate for point in truth.points]
        if self._binding.rate is not None or not any(final.is_update for final in self.finals):
            return own
        if self._binding.instance is not None and any(
            k in ("lr", "learning_rate", "alpha", "eta") for k in vars(self._binding.instance)
        ):
            return own
        numbers = {1.0}
        for statement in answer.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value > 0:
                    numbers.add(node.value)
                if isinstance(node, ast.Name) and isinstance(answer.globals.get(node.id), float):
                    numbers.add(abs(answer.globals[node.id]) or 1.0)
        best, most = own, -1
        for number in sorted(numbers, key=lambda x: (x == 1.0, x)):
            self.rates = [number] * len(own)
            count = len(self.right(runs, truth))
            if count > most:
                best, most = self.rates, count
        return best


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
    """All that is assigned to, as written."""
    return "\n".join(name for unit in answer.units if unit.top is not None for name in unit.names)


def _moved(value: Any, truth: Truth, name: str) -> bool:
    """Whether a parameter is another after the run than before."""
    old = truth.points[0].values[name]
    try:
        return value is None or not np.array_equal(np.reshape(value, old.shape), old)
    except (ValueError, TypeError):
        return True
