"""The final gradients of an answer, and their correctness."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.cage import OUT, RATES, Place, Probe, called
from chainrule.grading.answers import Answer, Unit
from chainrule.grading.arguments import Binding
from chainrule.grading.comparison import COARSEST, TOLERANCE, Array, agree, as_arrays, equal, fits_update
from chainrule.grading.epsilon import MOST_BY_EPSILON, difference
from chainrule.grading.execution import Overview, kind_of
from chainrule.grading.finals import Final, Finder, Look
from chainrule.grading.instruments import GradeError
from chainrule.grading.names import gradient_of
from chainrule.grading.quantities import Quantity
from chainrule.grading.truth import Truth
from chainrule.trace import flatten


class Outcomes:
    """The gradients of an answer, located in its first run, and those that are missing of `wrt`.

    An entry or attribute that one of the statements `failed` would assign is a gradient too.
    """

    def __init__(
        self,
        answer: Answer,
        binding: Binding,
        truth: Truth,
        wrt: Sequence[str],
        overview: Overview,
        look: Look,
        unfinished: bool = False,
        failed: Collection[int] = (),
    ) -> None:
        self._answer = answer
        self._binding = binding
        self.wrt = list(wrt)
        trees = truth.vocabulary.forward.arguments.values()
        self._lists = [[getattr(n, "name", "") for n in flatten(t)[0]] for t in trees if isinstance(t, list | tuple)]
        self.finals = Finder(answer, binding, truth, wrt, overview, look).finals(unfinished)
        self.finals += self._failed(failed, whole=not unfinished)
        self.missing = [name for name in self.wrt if name not in {final.symbol for final in self.finals}]
        self.rates = [point.rate for point in truth.points]
        self._expected: dict[tuple[str, Truth], list[Array]] = {}

    @property
    def units(self) -> Sequence[Unit]:
        """The statements of the answer."""
        return self._answer.units

    @property
    def is_text(self) -> bool:
        """Whether the answer consists of equations, which do not distinguish axes of size 1."""
        return self._answer.is_text

    @property
    def places(self) -> list[Place]:
        """The locations of the gradients."""
        return [final.place for final in self.finals]

    def updated_by(self, unit: Any) -> Final | None:
        """Return the parameter that a unit updates, or None."""
        return next((f for f in self.finals if f.is_update and self.in_variable(f).is_set_by(unit)), None)

    def given_by(self, unit: Any) -> list[Final]:
        """Return the gradients in what a helper gives to a unit: `grads = backward(X, cache)`."""
        match unit.statement:
            case ast.Assign([ast.Name(id=root)], ast.Call(ast.Name(id=called))) if called in self._answer.helpers:
                finals = (f for f in self.finals if f.place.path and not f.is_update)
                return [final for final in finals if self.in_variable(final).place.root == root]
        return []

    def in_variable(self, final: Final) -> Final:
        """Return a gradient with the place of the variable, if it is one that is returned unchanged."""
        for unit in self._answer.units if final.place.root.startswith(OUT) else ():
            match unit.statement:
                case ast.Assign([ast.Name(id=root)], ast.Name(id=name)) if root == final.place.root and unit.hidden:
                    return replace(final, place=replace(final.place, root=name))
        return final

    def _failed(self, failed: Collection[int], whole: bool) -> list[Final]:
        """Return the gradients that a dict, an attribute or a list lacks, as after failed statements."""
        found: list[Final] = []
        known = {self.in_variable(final).place.root: final for final in self.finals if final.place.path}
        names = [name for name in self.wrt if name not in {final.symbol for final in self.finals}]
        for unit in self._answer.units if names else ():
            if unit.helper is not None or unit.top not in failed:
                continue
            for target in unit.names:
                match ast.parse(target, mode="eval").body:
                    case ast.Subscript(ast.Name(id=root), ast.Constant(value=str() as key)):
                        pass
                    case ast.Attribute(ast.Name(id=root), key):
                        pass
                    case _:
                        continue
                symbol = called(key, names) or gradient_of(key, names)
                if symbol is not None and root in known:
                    place = known[root].place
                    place = replace(place, path=(*place.path[:-1], key))
                    found.append(replace(known[root], symbol=symbol, place=place, label=target))
                    names.remove(symbol)
        for k, final in enumerate(self.finals if failed or whole else ()):
            *above, index = final.place.path or ("",)
            for tree in self._lists:
                own = tree.index(final.symbol) if final.symbol in tree else None
                if isinstance(index, int) and own is not None and (failed or own == index):
                    self.finals[k] = replace(final, place=replace(final.place, path=(*above, own)))
                    for name in [name for name in names if name in tree]:
                        place = replace(final.place, path=(*above, tree.index(name)))
                        found.append(replace(final, symbol=name, place=place, label=name))
                        names.remove(name)
        return found

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
            if found is not None and self._is_right(final, found, truth):
                good.add(final.symbol)
        return frozenset(good)

    def probes(self, truth: Truth, but: frozenset[str]) -> list[Probe]:
        """Return, for each gradient that is not in `but`, an entry that tells most values at the first point from it.

        It is the largest. Whatever `right` accepts, the probe does.
        """
        probes = []
        for number, final in enumerate(self.finals):
            true = self.expected(final, truth)[0]
            if final.symbol in but:
                continue
            if not true.size:
                return []
            entry = int(np.abs(true).argmax())
            value = float(true.flat[entry])
            slack = (truth.slack(final.symbol) or [0.0])[0]
            tolerance = max(COARSEST, min(MOST_BY_EPSILON, 2 * slack)) * max(abs(value), 1e-9)
            if final.is_update:
                start = float(np.asarray(truth.points[0].values[final.symbol]).flat[entry])
                value, tolerance = start - self.rates[0] * value, abs(self.rates[0]) * tolerance + COARSEST * abs(start)
            probes.append(Probe(number, true.size, entry, value, 1.01 * tolerance))
        return probes

    def ascend(self, places: Sequence[Sequence[Any]], truth: Truth) -> bool:
        """Whether every gradient is an update that adds what it should subtract."""
        for final in self.finals:
            found = self.gradients(final, places, truth) if final.is_update else None
            if found is None or not agree([-value for value in found], self.true(final, truth).values):
                return False
        return True

    def _is_equal(self, final: Final, found: Sequence[Array], truth: Truth) -> bool:
        expected = self.expected(final, truth)
        return (self.is_text or self.is_shaped(final, found, truth)) and all(map(equal, found, expected))

    def is_shaped(self, final: Final, found: Sequence[Array], truth: Truth) -> bool:
        """Whether an update by a gradient, or the updated parameter, has the shape of the parameter."""
        pairs = zip(found, self.expected(final, truth), strict=False)
        return all(a.shape == b.shape or (not final.is_update and fits_update(a.shape, b.shape)) for a, b in pairs)

    def other_shapes(
        self, places: Sequence[Sequence[Any]], truth: Truth
    ) -> list[tuple[str, Sequence[Array], Sequence[Array]]]:
        """Return the right gradients of another shape than their parameter, with correct ones of its shape."""
        result: list[tuple[str, Sequence[Array], Sequence[Array]]] = []
        for final in self.finals:
            found = None if self.is_text else self.gradients(final, places, truth)
            true = self.expected(final, truth)
            if found and found[0].shape != true[0].shape and self._is_right(final, found, truth):
                result.append((final.symbol, found, true))
        return result

    def _is_right(self, final: Final, found: Sequence[Array], truth: Truth) -> bool:
        return self._is_equal(final, found, truth) or self._is_close(final, found, truth)

    def _is_close(self, final: Final, found: Sequence[Array], truth: Truth) -> bool:
        """Whether a gradient is correct up to the effect of the reference's ε."""
        true, slacks = self.expected(final, truth), truth.slack(final.symbol)[: len(found)]
        if not slacks or not self.is_shaped(final, found, truth):
            return False
        off = [difference(b, a.reshape(b.shape)) for a, b in zip(found, true, strict=False)]
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
        if self._binding.rates or not any(final.is_update for final in self.finals):
            return
        held = answer.attributes or ()
        if any(str(path[-1]) in RATES for path, _ in held if path):
            return
        numbers = {1.0, *(abs(x) for x in answer.defaults.values() if x)}
        numbers |= {abs(float(x)) for path, x in held if type(x) is float and x}
        nodes = [node for statement in (*answer.body, *answer.helpers.values()) for node in ast.walk(statement)]
        for node in nodes:
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
