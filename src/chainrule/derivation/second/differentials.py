"""The differential of each quantity of a forward pass in the changes of the parameters alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from chainrule.calculus import TANGENT, Simplifier, by_result, linearize, reading_cost, simplify, with_powers
from chainrule.derivation.properties import operation_total
from chainrule.derivation.record import Record
from chainrule.ir import Apply, Input, Node, cached_property, substitute

DIRECTION = "v "
CLOSED_LIMIT = 40
"""The number of operations above which a differential is written line by line, and a matrix is not written out."""


class Differentials:
    """The differentials of one record; `tangents` maps each active symbol to its own tangent, such as dz."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.tangents: dict[Node, Input] = {
            entry.symbol: Input(TANGENT + entry.symbol.name, entry.symbol.type)
            for entry in record.backward.accumulations
        }

    @cached_property
    def stages(self) -> Mapping[Input, Node]:
        """The differential of each equation in the tangents of its operands."""
        found: dict[Input, Node] = {}
        for stage in self.record.backward.stages:
            if stage.symbol in self.tangents:
                change = self.of(stage.expression)
                if change is not None:
                    (change,) = substitute([change], by_result(stage))
                    found[stage.symbol] = simplify(change)
        return found

    @cached_property
    def totals(self) -> Mapping[Node, Node]:
        """The tangent of each symbol of the forward pass, in the tangents of the parameters."""
        found: dict[Node, Node] = {}
        for symbol, change in self.stages.items():
            (found[self.tangents[symbol]],) = substitute([change], found)
        return found

    def of(self, node: Node, names: Mapping[Node, Node] | None = None) -> Node | None:
        """Return the differential of an expression in the tangents of its symbols, with `names` for its parts.

        None stands for zero.
        """
        (change,) = linearize([node], self.tangents)
        return None if change is None else self._simplified(substitute([change], names or {})[0])

    def total(self, change: Node, known: Mapping[Node, Node] | None = None) -> Node:
        """Return a differential in the tangents of the parameters alone; `known` has the values of other tangents."""
        (change,) = substitute([change], known or {})
        (written_out,) = substitute([change], self.totals)
        (named,) = substitute([self._simplified(written_out)], self.names)
        result = self._simplified(named)
        return min(result, self._simplified(with_powers(result)), key=reading_cost)

    @cached_property
    def _simplified(self) -> Simplifier:
        """Applies what is declared of the quantities that do not vary."""
        return self.record.backward.facts.simplifier()

    @cached_property
    def names(self) -> Mapping[Node, Node]:
        """The symbol of each equation by its value, except where a name stands for an input or a number."""
        stages = [stage for stage in self.record.backward.stages if isinstance(stage.expression, Apply)]
        simplified = {self._simplified(stage.expression): stage.symbol for stage in stages}
        found: dict[Node, Node] = {value: symbol for value, symbol in simplified.items() if isinstance(value, Apply)}
        return found | {stage.expression: stage.symbol for stage in stages}


class Changes(ABC):
    """What a Hessian and Jacobians of a `record` of first order have in common: the changes of some quantities."""

    def __init__(self, record: Record) -> None:
        self.first = record
        self.parameters = record.backward.wrt
        self.differentials = Differentials(record)

    @property
    @abstractmethod
    def changes(self) -> Mapping[Input, Node]:
        """The differential of each quantity in the tangents of the parameters."""

    @property
    def defined(self) -> Mapping[Input, Node]:
        """The values of the symbols that the record does not have."""
        return {}

    @cached_property
    def is_closed(self) -> bool:
        """Whether each differential is written in one line."""
        return all(operation_total(change) <= CLOSED_LIMIT for change in self.changes.values())

    @cached_property
    def directions(self) -> Mapping[Input, Input]:
        """The direction v of each parameter."""
        return {symbol: Input(DIRECTION + symbol.name, symbol.type) for symbol in self.parameters}

    @cached_property
    def moved(self) -> Mapping[Input, Node]:
        """Each differential in the directions, as in `H v`, if it is written in one line."""
        if not self.is_closed:
            return {}
        along: dict[Node, Node] = {self.differentials.tangents[symbol]: v for symbol, v in self.directions.items()}
        return dict(zip(self.changes, substitute(list(self.changes.values()), along), strict=True))
