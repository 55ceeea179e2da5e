"""The Jacobians of the results of a function as claims: dY in the changes of the parameters, J, and J v."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chainrule.calculus import NoClosedFormError, jacobian_matrix, jacobian_tensor
from chainrule.derivation.claims import Claim, Expression
from chainrule.derivation.properties import operation_total
from chainrule.derivation.record import Record
from chainrule.derivation.second.differentials import CLOSED_LIMIT, Changes
from chainrule.derivation.second.hessian import Layout, stacked, transposed
from chainrule.derivation.second.quantities import StageChange, StageJacobian
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.ir import Input, Node, cached_property, substitute
from chainrule.primitives import Reshape, zeros


@dataclass(frozen=True, eq=False)
class JacobianRecord:
    """The claims on `∂Y/∂x`: as a matrix, if there is one, and by elements."""

    result: Input
    by: Input
    matrix: Claim | None
    array: Claim | None


class Jacobians(Changes):
    """The Jacobians of the results of the function of a `record` of first order."""

    def __init__(self, record: Record, layout: Layout = "numerator") -> None:
        super().__init__(record)
        self.layout = layout
        stages = {stage.name: stage.symbol for stage in record.backward.stages}
        given = [output_name(node) for node in record.program.inputs if is_upstream(node)]
        self.results = tuple(stages[name] for name in given) or (record.loss,)

    @cached_property
    def changes(self) -> Mapping[Input, Node]:
        """The differential of each result in the tangents of the parameters."""
        found = {}
        for result in self.results:
            tangent = self.differentials.tangents.get(result)
            known = tangent is not None and (tangent in self.differentials.totals or result in self.parameters)
            found[result] = self.differentials.total(tangent) if tangent is not None and known else zeros(result.type)
        return found

    @cached_property
    def blocks(self) -> tuple[JacobianRecord, ...]:
        """The Jacobian of each result by each parameter."""
        return tuple(self._block(result, by) for result in self.results for by in self.parameters)

    def _block(self, result: Input, by: Input) -> JacobianRecord:
        matrix = array = None
        change, tangent = self.changes[result], self.differentials.tangents[by]
        turned = self.layout == "denominator"
        try:
            tensor = jacobian_tensor(change, tangent)
            if operation_total(tensor) <= CLOSED_LIMIT:
                left = StageJacobian(result, result, by, by_axes=True)
                array = Claim("Jacobian elements", left, self.first.short(tensor))
            value = self._gradient(by) if result is self.first.loss else self._jacobian(change, tangent)
            value = transposed(value) if turned else value
            if not result.type.ndim and by.type.ndim and not turned:
                value = Reshape((1, by.type.size))(stacked(value))
            if operation_total(value) <= CLOSED_LIMIT:
                left = StageJacobian(result, result, by, transposed=turned)
                matrix = Claim("Jacobian", left, self.first.short(value))
        except NoClosedFormError:
            pass
        return JacobianRecord(result, by, matrix, array)

    def _jacobian(self, change: Node, tangent: Input) -> Node:
        return jacobian_matrix(change, tangent, facts=self.first.backward.facts)

    def _gradient(self, by: Input) -> Node:
        """Return the gradient of a function that returns one number, in terms of names of the forward pass."""
        entry = next(entry for entry in self.first.backward.accumulations if entry.symbol is by)
        factors: dict[Node, Node] = {
            self.first.derivative_symbols[stage]: node for stage, node in self.first.activation_factors.items()
        }
        return substitute([self.first.write_out(entry.result)], factors)[0]

    @cached_property
    def products(self) -> tuple[Claim, ...]:
        """`J v` of each result, if it is written in one line."""
        return tuple(
            Claim("Jacobian product", StageChange(symbol, self.directions), self.first.short(value))
            for symbol, value in self.moved.items()
        )

    @property
    def consistent(self) -> tuple[tuple[Input, Node], ...]:
        """The tangents of all quantities, in an order in which each follows from those before."""
        return tuple((self.differentials.tangents[s], node) for s, node in self.differentials.stages.items())

    @property
    def claims(self) -> Iterator[Claim]:
        """Yield every claim, those of first order first."""
        yield from self.first.claims
        for block in self.blocks:
            yield from (claim for claim in (block.matrix, block.array) if claim is not None)
            if block.array is not None:
                yield Claim("element", Expression(block.array.right), block.array.right)
        yield from self.products
