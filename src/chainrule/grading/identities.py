"""Identification of the values of statements, and whether they agree with their names."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.cage import called
from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.comparison import Array, as_arrays, constant_ratios, fits_update, same_shapes
from chainrule.grading.execution import columns
from chainrule.grading.names import gradient_of, is_numbered_gradient
from chainrule.grading.outcomes import Outcomes
from chainrule.grading.quantities import Match
from chainrule.grading.truth import Truth


@dataclass(frozen=True, eq=False)
class Identity:
    """The identity of a unit's value: `match` if it is a known quantity; `each` if only per iteration of a loop.

    `is_misshaped` is true for a requested gradient whose shape is wrong for an update of its parameter. `is_partial` if
    later statements add to the value, so that it may be a summand.
    """

    match: Match | None
    claim: str | None
    each: tuple[Match, ...] = ()
    name: str = ""
    forward: bool = False
    is_misshaped: bool = False
    is_partial: bool = False

    @property
    def is_entry(self) -> bool:
        """Whether the values are entries of known quantities, in the rounds of a loop."""
        return bool(self.each) and all(match.index for match in self.each)

    @property
    def _is_itself(self) -> bool:
        """Whether the value is that of the forward pass with its name."""
        return self.match is not None and self.match.is_exact and self.match.quantity.symbol == self.name

    @property
    def trust(self) -> int:
        """3 for the quantity that its name says, 2 for another quantity, 1 for a multiple of one, 0 for other values.

        A gradient with the opposite sign is a known quantity: errors are often written y − a.

        −1 for a variable named like a value of the forward pass that has another value.
        """
        if self.each:
            strange = any(match.quantity.kind != "gradient" for match in self.each)
            scaled = any(match.quantity.kind == "forward" and not match.is_exact for match in self.each)
            return 0 if self.claim is not None and strange else 1 if scaled else 2
        quantity = None if self.match is None else self.match.quantity
        if self.forward and (quantity is None or not self._is_itself):
            return -1
        if self.match is None or quantity is None:
            return 0
        if self.claim is not None and self.is_partial and self.claim in quantity.summand_of:
            return 1 if self.match.factor.startswith("−") else 2
        if self.claim is not None and (quantity.symbol != self.claim or quantity.kind != "gradient"):
            return 0
        if quantity.kind == "size" and is_numbered_gradient(self.name):
            return 0
        if self.is_misshaped:
            return 1
        if not self.match.is_exact:
            return 2 if self.claim is None and self.match.factor == "−" else 1
        if quantity.kind == "gradient" and quantity.symbol is not None and quantity.symbol == self.claim:
            return 3
        if quantity.kind in ("forward", "input"):
            return 3 if quantity.symbol == self.name else 2
        return 3 if quantity.kind == "size" else 2


class Identities:
    """Identifies units of attempts, each once."""

    def __init__(self, truth: Truth, outcomes: Outcomes) -> None:
        self._truth, self._outcomes = truth, outcomes
        self._activations = {stage.name for stage in truth.record.derivative_symbols}
        own = truth.record.traced.names.values()
        operands = {stage.name: stage.operands[0].name for stage in truth.record.derivative_symbols}
        self._unnamed = {name: operand for name, operand in operands.items() if operand not in own}
        """What activations with a name are taken of, if that has no name: `dft` may be its gradient."""
        known = [q.symbol for q in truth.quantities if q.kind == "gradient" and q.symbol is not None]
        numbered = [n for unit in outcomes.units for n in unit.names if is_numbered_gradient(n)]
        from_one = any(re.fullmatch(r"\D*1", name) for name in numbered)
        self._is_counted_otherwise = not from_one and any(gradient_of(name, known) is None for name in numbered)
        """Whether the layers have other numbers in the answer: of two, the last is δ3."""
        self._identities: dict[tuple[int, int], Identity] = {}
        self._attempts: list[Attempt] = []

    def of(self, attempt: Attempt, unit: Unit) -> Identity:
        """Return the identity of a unit's value."""
        key = id(attempt), unit.number
        if key not in self._identities:
            self._attempts.append(attempt)  # keeps the attempt alive, so that its id stays unique
            self._identities[key] = self._identified(attempt, unit)
        return self._identities[key]

    def _identified(self, attempt: Attempt, unit: Unit) -> Identity:
        name = self.name(attempt, unit)
        claim = self.claim(name)
        found = columns(attempt.runs, self._last_of_sum(attempt, unit))
        if not found or unit.sets_attribute:
            return Identity(None, claim)
        match = self._truth.identify(found[0], claim, name)
        if match is None and not unit.nested:
            summed = self._summed(attempt, unit, found[0], claim, name)
            if summed is not None:
                return Identity(summed, claim, (), name, is_partial=claim is not None)
        if match is not None or not unit.nested:
            misshaped = match is not None and self._is_misshaped(attempt, match, found[0])
            claim = None if self._is_otherwise_named(attempt, unit, match, claim) else claim
            forward = name in self._truth.stages
            partial = claim is not None and self._is_added_to(attempt, unit)
            return Identity(match, claim, (), name, forward, misshaped, partial)
        return self._by_rounds(attempt, unit, claim, name)

    def _summed(self, attempt: Attempt, unit: Unit, found: Sequence[Any], claim: str | None, name: str) -> Match | None:
        """Return the summands of a gradient of which a value is the sum, if others are added later, or to `dx1`."""
        part = self.claim(name.rstrip("0123456789").rstrip("_")) if claim is None and name[-1:].isdigit() else None
        symbol = claim if claim is not None and self._is_added_to(attempt, unit) else part
        arrays = None if symbol is None else as_arrays(found)
        return None if arrays is None or symbol is None else self._truth.summed(symbol, arrays)

    def _last_of_sum(self, attempt: Attempt, unit: Unit) -> int:
        """Return the last unit of a loop that adds to the same array: before, there are partial sums."""
        if not unit.nested or not isinstance(unit.statement, ast.AugAssign) or unit.top is None:
            return unit.number
        own = _root(unit)
        same = {u.number for u in attempt.answer.units if u.top == unit.top and _root(u) == own}
        return next((number for number in reversed(attempt.runs[0].order) if number in same), unit.number)

    def _is_added_to(self, attempt: Attempt, unit: Unit) -> bool:
        """Whether a later statement changes the variable of a unit."""
        own, units = _root(unit), (u for u in attempt.answer.units if u.helper == unit.helper)
        return any(u.order > unit.order and u.top != unit.top and _root(u) == own for u in units)

    def is_known(self, attempt: Attempt, unit: Unit, number: int) -> bool | None:
        """Whether a unit's value in one round is a known quantity; None for what is no array or a single number."""
        values: list[Any] = []
        for run in attempt.runs:
            rounds = run.rounds.get(unit.number, ()) if unit.nested else run.lasts.get(unit.number, ())[:1]
            if number >= len(rounds):
                return None
            values.append(rounds[number])
        arrays = as_arrays(values)
        if arrays is None or len({float(x) for array in arrays for x in array.flat}) <= 1:
            return None
        name = self.name(attempt, unit)
        return self._truth.identify(values, self.claim(name), name) is not None

    def known(self, values: Sequence[Any]) -> Match | None:
        """Return what values are, whatever their name is."""
        return self._truth.identify(values)

    def name(self, attempt: Attempt, unit: Unit) -> str:
        """Return the variable that a unit assigns: of a changed part of an array, the array."""
        name = unit.names[0] if unit.names else ""
        return _whole(name) if unit.number in attempt.runs[0].wholes and name.endswith("]") else name

    def _is_otherwise_named(self, attempt: Attempt, unit: Unit, match: Match | None, claim: str | None) -> bool:
        """Whether a value is another gradient than its name says, and may be: a name may be used for several."""
        if match is None or claim is None or not match.is_exact or match.quantity.symbol == claim:
            return False
        quantity = match.quantity
        if quantity.kind == "gradient" and quantity.symbol is not None and quantity.symbol == self._unnamed.get(claim):
            return True
        twin = any(u.names == unit.names and u.number != unit.number for u in attempt.answer.units if not u.hidden)
        if twin and quantity.kind == "gradient" and quantity.label and not unit.nested:
            return True
        return self._is_turned_into(attempt, unit, match, claim)

    def _is_turned_into(self, attempt: Attempt, unit: Unit, match: Match | None, claim: str | None) -> bool:
        """Whether a changed part makes an array another gradient than its name says: `dhidden[z <= 0] = 0`."""
        if match is None or claim is None or unit.number not in attempt.runs[0].wholes or claim in self._truth.inputs:
            return False
        return match.is_exact and match.quantity.kind == "gradient" and match.quantity.symbol not in (None, claim)

    def _is_misshaped(self, attempt: Attempt, match: Match, values: Sequence[Any]) -> bool:
        quantity = match.quantity
        final = next((f for f in self._outcomes.finals if f.symbol == quantity.symbol), None)
        if final is None or quantity.kind != "gradient" or match.transposed or self._outcomes.is_text:
            return False
        if final.is_update and final.symbol in attempt.right:
            return False
        found, expected = as_arrays(values), self._outcomes.expected(final, self._truth)
        return found is not None and not fits_update(found[0].shape, expected[0].shape)

    def _by_rounds(self, attempt: Attempt, unit: Unit, claim: str | None, name: str) -> Identity:
        """Identify a unit in a loop: by its stacked values, otherwise per iteration."""
        rounds: list[list[Array]] = []
        for run in attempt.runs:
            arrays = as_arrays(run.rounds.get(unit.number, ()))
            if not arrays:
                return Identity(None, claim)
            rounds.append(arrays)
        if len({float(x) for arrays in rounds for array in arrays for x in array.flat}) == 1:
            return Identity(None, claim)  # a single number may be equal to anything
        entry = None if _looks_up_by_data(unit.statement) else self._truth.entry(rounds)
        if entry is not None and (claim is None or (entry.quantity.kind, entry.quantity.symbol) == ("gradient", claim)):
            return Identity(None, claim, (entry,))
        if all(len({array.shape for array in arrays}) == 1 for arrays in rounds):
            match = self._truth.identify([np.squeeze(np.stack(arrays)) for arrays in rounds], claim, name)
            if match is not None:
                return Identity(None, claim, (match,))
        if len({len(values) for values in rounds}) != 1:
            return Identity(None, claim)
        each = [self._truth.identify(list(values), None, "") for values in zip(*rounds, strict=True)]
        found = [match for match in each if match is not None]
        return Identity(None, claim, tuple(found) if len(found) == len(each) else ())

    def direction(self, match: Match) -> int:
        """Return the sign with which a value is a gradient, or the multiple of one, as a − y is; 0 if it is none."""
        if match.quantity.kind == "gradient":
            return -1 if match.factor.startswith("−") else 1
        part = match.quantity.values if match.quantity.kind == "part" and match.quantity.values[0].size > 1 else ()
        gradients = (q for q in self._truth.quantities if q.kind == "gradient" and q.symbol in self._truth.stages)
        for quantity in gradients if part else ():
            ratios = constant_ratios(part, quantity.values) if same_shapes(part, quantity.values) else None
            if ratios is not None and self._truth.numbers.label(ratios) is not None:
                return 1 if min(ratios) > 0 else -1
        return 0

    def claim(self, name: str) -> str | None:
        """Return the symbol whose gradient a variable of this name claims to be, or None."""
        inner = name.partition("[")[2].strip("]'\"") if "[" in name else name.rpartition(".")[2]
        known = [q.symbol for q in self._truth.quantities if q.kind == "gradient" and q.symbol is not None]
        forward = [*self._truth.inputs, *self._truth.stages]
        if called(inner, forward) is not None:
            return None
        symbol = gradient_of(inner, known)
        if self._is_counted_otherwise and is_numbered_gradient(inner):
            return None
        if re.search("delta|δ", inner.casefold()) and symbol in self._activations:
            return None  # the delta of a layer is the gradient before its activation or after it
        return symbol


def _looks_up_by_data(statement: ast.stmt) -> bool:
    """Whether a line is an entry at a place that is looked up itself, as in `scores[y[i]]`; any other is one too."""
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Subscript) and any(isinstance(node, ast.Subscript) for node in ast.walk(value.slice))


def _root(unit: Unit) -> str:
    """Return the variable that a unit assigns or changes; of a dict or list, the entry."""
    name = unit.names[0] if unit.names else ""
    container, bracket, key = name.partition("[")
    return name if bracket and key[:1] in "\"'" else container


def _whole(target: str) -> str:
    """Return the array of which a target is a part."""
    node = ast.parse(target, mode="eval").body
    return ast.unparse(node.value) if isinstance(node, ast.Subscript) else target
