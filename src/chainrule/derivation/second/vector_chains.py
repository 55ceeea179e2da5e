"""The chain rule between vectors: the Jacobian of each equation, and their products along the chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chainrule.calculus import NoClosedFormError, jacobian_matrix, simplify, with_rows_as_products
from chainrule.derivation.claims import Claim
from chainrule.derivation.second.chains import SecondChains
from chainrule.derivation.second.jacobians import Jacobians
from chainrule.ir import Input, Node, cached_property
from chainrule.primitives import matmul


class VectorChains(SecondChains):
    """The claims on the Jacobians of a record in steps between vectors: ∂Y/∂x = (∂Y/∂u) (∂u/∂x), summed over paths."""

    def __init__(self, jacobians: Jacobians, whole: Jacobians) -> None:
        super().__init__(jacobians.first, whole.first)
        self._results = jacobians.results
        is_layer = jacobians.first.is_layer
        self._equations = [symbol for symbol in self._stages if not is_layer or symbol is not self.first.loss]

    @property
    def is_written(self) -> bool:
        """Whether every quantity is a vector, and each equation has a Jacobian in closed form."""
        if any(symbol.type.ndim != 1 for symbol in (*self._equations, *self.parameters)):
            return False
        try:
            return bool(self.own)
        except NoClosedFormError:
            return False

    @property
    def _changes(self) -> Mapping[Input, Node]:
        return {symbol: change for symbol, change in super()._changes.items() if symbol in self._equations}

    def _derivative(self, change: Node, by: Input) -> Node:
        return with_rows_as_products(simplify(jacobian_matrix(change, by)))

    @cached_property
    def own_second(self) -> Mapping[Input, Mapping[tuple[Input, Input], Claim]]:
        return {}

    @cached_property
    def second_totals(self) -> Mapping[tuple[Input, Input, Input], Claim]:
        return {}

    def _times(self, outer: Node, inner: Node) -> Node:
        return matmul(outer, inner)

    def _collected(self, terms: Sequence[Node]) -> Node:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return with_rows_as_products(simplify(total))

    @property
    def results(self) -> Iterator[tuple[Input, tuple[Input, ...], Claim | None]]:
        for result in self._results:
            for x in self.parameters:
                yield result, (x,), self.totals.get((result, x))
