"""The second derivatives of a loss as claims: dg in closed form, the Hessian's blocks, H v, and the steps of Newton."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias

import numpy as np

from chainrule.calculus import (
    TANGENT,
    Accumulation,
    NoClosedFormError,
    expanded,
    jacobian_matrix,
    jacobian_tensor,
    linearize,
    number_apart,
    reading_cost,
    simplify,
    transposed_matrix,
)
from chainrule.derivation.claims import Claim, Expression
from chainrule.derivation.points import Array, NoPointError
from chainrule.derivation.properties import operation_total
from chainrule.derivation.record import Record, inner
from chainrule.derivation.second.differentials import CLOSED_LIMIT, Changes
from chainrule.derivation.second.gauss_newton import GaussNewton, gauss_newton
from chainrule.derivation.second.quantities import CotangentDifferential, GradientDifferential, SecondDerivative
from chainrule.derivation.second.weights import change_by_weights, weights_within
from chainrule.derivation.verify import Verifier
from chainrule.ir import Apply, Const, Input, Node, applies, cached_property, substitute, topological_order
from chainrule.primitives import Add, Broadcast, Divide, Log, Sqrt, Vec, matmul, zeros

Layout: TypeAlias = Literal["numerator", "denominator"]
LAYOUTS: Final = ("numerator", "denominator")
"""The rows of a Jacobian belong to the result, or to the variable."""

GRADIENT = "g "
QUOTIENT_LIMIT = 24
"""What is read of a Hessian above which it is written with g."""
STEP = "Δ "
SINGULAR = 1e-12
"""The relative size of a singular value that counts as zero."""
TRIALS = 3
"""The number of points at which H Δ = −g must have a solution."""


@dataclass(frozen=True, eq=False)
class BlockRecord:
    """The claims on one block of the Hessian, `∂²L/∂x∂y`: as a matrix, if there is one, and by elements."""

    symbol: Input
    by: Input
    matrix: Claim | None
    array: Claim | None

    @property
    def vanishes(self) -> bool:
        """Whether the block is zero."""
        return self.array is not None and self.array.right is zeros(self.array.right.type)


class SecondOrder(Changes):
    """The claims of second order beside those of a `record` of the backward pass of a loss."""

    def __init__(self, record: Record, layout: Layout = "numerator") -> None:
        super().__init__(record)
        self.layout = layout
        self._entries = {entry.symbol: entry for entry in record.backward.accumulations}

    # The gradient and its differential

    def gradient(self, symbol: Input) -> Node:
        """Return ∂L/∂symbol in terms of names of the forward pass."""
        (written_out,) = substitute([self.first.write_out(self._entries[symbol].result)], self._factors)
        return written_out

    @cached_property
    def _factors(self) -> dict[Node, Node]:
        """The value of each σ′(z)."""
        return {self.first.derivative_symbols[stage]: node for stage, node in self.first.activation_factors.items()}

    @cached_property
    def changes(self) -> Mapping[Input, Node]:
        """The differential of each gradient in the tangents of the parameters."""
        found = {symbol: self.differentials.total(change, self._known) for symbol, change in self.local_changes.items()}
        if all(symbol.type.ndim == 0 for symbol in self.parameters):
            return {symbol: self._with_coefficients(change) for symbol, change in found.items()}
        return found

    def _with_coefficients(self, change: Node) -> Node:
        """Return a differential in changes of numbers with one term for each."""
        total: Node | None = None
        for symbol in self.parameters:
            tangent = self.differentials.tangents[symbol]
            try:
                term = jacobian_tensor(change, tangent) * tangent
            except NoClosedFormError:
                return change
            if simplify(term) is not zeros(change.type):
                total = term if total is None else total + term
        return zeros(change.type) if total is None else total

    @cached_property
    def local_changes(self) -> Mapping[Input, Node]:
        """The differential of each gradient in the tangents of the names in it."""
        return self._local_by_gradient if self.names_gradient else self._local

    @cached_property
    def _local(self) -> Mapping[Input, Node]:
        changes = {symbol: self.differentials.of(self.gradient(symbol)) for symbol in self.parameters}
        return {symbol: zeros(symbol.type) if node is None else node for symbol, node in changes.items()}

    # The gradient as a name

    @cached_property
    def gradient_symbols(self) -> Mapping[Input, Input]:
        """The name g of each gradient."""
        return {symbol: Input(GRADIENT + symbol.name, symbol.type) for symbol in self.parameters}

    @cached_property
    def names_gradient(self) -> bool:
        """Whether second derivatives are written with g, as those of a quotient are where they are long without."""
        if len(self.parameters) > 1:
            return False
        gradient = self.gradient(self.parameters[0])
        if not self._is_quotient(gradient) and weights_within(gradient, self.differentials) is None:
            return False
        plain = self._cost(self._local, {})
        return plain > QUOTIENT_LIMIT and self._cost(self._local_by_gradient, self._of_loss) < plain

    def _cost(self, local: Mapping[Input, Node], known: Mapping[Node, Node]) -> int:
        """Return what a reader reads of the Hessian by the only parameter, or of the differential if it has none."""
        ((symbol, change),) = local.items()
        total = self.differentials.total(change, known)
        try:
            return reading_cost(self._jacobian(total, symbol))
        except NoClosedFormError:
            return reading_cost(total)

    def _jacobian(self, change: Node, by: Input) -> Node:
        differentials = self.differentials
        return jacobian_matrix(change, differentials.tangents[by], differentials.names, self.first.backward.facts)

    def _is_quotient(self, gradient: Node) -> bool:
        """Whether a gradient is divided by a quantity or multiplied by one that depends on the loss."""
        number, core = number_apart(gradient)
        return applies(core, Divide) or self.first.loss in topological_order([number])

    @cached_property
    def _local_by_gradient(self) -> Mapping[Input, Node]:
        """The differential of each gradient c · u, u / s or p ⊙ q, with g for itself: c · du + (dc / c) · g."""
        differentials = self.differentials
        found = dict[Input, Node]()
        for symbol, name in self.gradient_symbols.items():
            gradient = self.gradient(symbol)
            number, core = number_apart(gradient)
            names = dict(self._by_loss)
            weights = weights_within(gradient, differentials)
            if weights is not None:
                change = change_by_weights(*weights, name, differentials)
            elif isinstance(number, Const):
                names[core] = name / repeated(number, name)
                change = differentials.of(gradient, names)
            else:
                change, scale = differentials.of(core, names), differentials.of(number, names)
                change = None if change is None else repeated(number, name) * change
                if scale is not None:
                    more = repeated(scale / number, name) * name
                    change = more if change is None else change + more
            forms = [] if change is None else [simplify(change), simplify(expanded(change))]
            found[symbol] = min(forms, key=reading_cost, default=zeros(symbol.type))
        return found

    @cached_property
    def _by_loss(self) -> Mapping[Node, Node]:
        """The differential of s in terms of dL where the loss is ln s or √s."""
        loss, tangents = self.first.loss, self.differentials.tangents
        (expression,) = (stage.expression for stage in self.first.backward.stages if stage.symbol is loss)
        match expression:
            case Apply(Log(), (s,)):
                scale: Node = s
            case Apply(Sqrt(), (s,)):
                scale = 2 * loss
            case _:
                return {}
        (change,) = linearize([s], tangents)
        return {} if change is None else {change: scale * tangents[loss]}

    @cached_property
    def _of_loss(self) -> Mapping[Node, Node]:
        """The differential of the loss by g."""
        tangents = self.differentials.tangents
        terms = [simplify(inner(name, tangents[symbol])) for symbol, name in self.gradient_symbols.items()]
        return {tangents[self.first.loss]: functools.reduce(Add(), terms)}

    @property
    def _known(self) -> Mapping[Node, Node]:
        return self._of_loss if self.names_gradient else {}

    def change_of(self, symbol: Input) -> Node:
        """Return the differential of a quantity of the forward pass in those of its operands, or of the loss by g."""
        tangent = self.differentials.tangents[symbol]
        return self._known.get(tangent, self.differentials.stages[symbol])

    @cached_property
    def tangents_in_use(self) -> frozenset[Node]:
        """The tangents in the differential of the gradient, and in those of the quantities that they belong to."""
        stages = self.differentials.stages
        pending = [*self.local_changes.values(), *(claim.right for _, claim in self.lines)]
        known = {tangent: symbol for symbol, tangent in self.differentials.tangents.items()}
        found = set[Node]()
        while pending:
            for part in topological_order([pending.pop()]):
                if part in known and part not in found:
                    found.add(part)
                    symbol = known[part]
                    if isinstance(symbol, Input) and symbol in stages:
                        pending.append(stages[symbol])
        return frozenset(found)

    @cached_property
    def gradients(self) -> tuple[Claim, ...]:
        """The gradient of each parameter."""
        records = {each.symbol: each.written_out for each in self.first.gradients}
        return tuple(
            Claim("gradient", records[symbol].left, self.first.short(self.gradient(symbol)))
            for symbol in self.parameters
        )

    @cached_property
    def tangent_claims(self) -> tuple[Claim, ...]:
        """`dg = …` of each parameter, in the tangents of the parameters."""
        tangents = {symbol: self.differentials.tangents[symbol] for symbol in self.parameters}
        return tuple(
            Claim("second differential", GradientDifferential(symbol, tangents), self.first.short(change))
            for symbol, change in self.changes.items()
        )

    @cached_property
    def lines(self) -> tuple[tuple[Accumulation, Claim], ...]:
        """The differential of each line of the backward pass, for a function too long for one line."""
        if self.is_closed:
            return ()
        found = []
        tangents: dict[Node, Input] = dict(self.differentials.tangents)
        for entry in self.first.backward.accumulations:
            if entry.symbol is not self.first.loss and entry.result is not entry.cotangent:
                (value,) = substitute([entry.result], self._factors)
                (change,) = linearize([value], tangents)
                tangents[entry.cotangent] = cotangent_tangent(entry.cotangent)
                right = zeros(entry.symbol.type) if change is None else simplify(change)
                known = {node: tangent for node, tangent in tangents.items() if isinstance(node, Input)}
                claim = Claim("second differential", CotangentDifferential(entry, known), self.first.short(right))
                found.append((entry, claim))
        return tuple(found)

    # The Hessian

    @cached_property
    def blocks(self) -> tuple[BlockRecord, ...]:
        """The blocks of the Hessian, row by row; of two that are each other's transpose the first."""
        pairs = [(x, y) for k, x in enumerate(self.parameters) for y in self.parameters[k:]]
        return tuple(self._block(x, y) for x, y in pairs)

    def _block(self, symbol: Input, by: Input) -> BlockRecord:
        change, tangent = self.changes[symbol], self.differentials.tangents[by]
        matrix = array = None
        turned = self.layout == "denominator" and symbol is not by
        try:
            tensor = jacobian_tensor(change, tangent)
            array = self._readable("Hessian elements", SecondDerivative(symbol, by, by_axes=True), tensor)
            value = self._jacobian(change, by)
            value = transposed(value) if turned else value
            matrix = self._readable("Hessian", SecondDerivative(symbol, by, transposed=turned), value)
        except NoClosedFormError:
            pass
        return BlockRecord(symbol, by, matrix, array)

    def _readable(
        self, kind: Literal["Hessian", "Hessian elements"], left: SecondDerivative, value: Node
    ) -> Claim | None:
        return Claim(kind, left, self.first.short(value)) if operation_total(value) <= CLOSED_LIMIT else None

    @property
    def has_matrix(self) -> bool:
        """Whether every block is written as a matrix."""
        return all(block.matrix is not None for block in self.blocks)

    # Products with a vector

    @cached_property
    def products(self) -> tuple[Claim, ...]:
        """`H v` of each parameter, if it is written in one line."""
        return tuple(
            Claim("Hessian product", GradientDifferential(symbol, self.directions), self.first.short(value))
            for symbol, value in self.moved.items()
        )

    # Steps

    @cached_property
    def steps(self) -> Mapping[Input, Input]:
        """Newton's step Δ of each parameter."""
        return {symbol: Input(STEP + symbol.name, symbol.type) for symbol in self.parameters}

    @cached_property
    def newton(self) -> tuple[Claim, ...]:
        """The equations H Δ = −g, one for each parameter, if they have a solution at a random point."""
        return self._equations if self._is_solvable else ()

    @cached_property
    def _equations(self) -> tuple[Claim, ...]:
        """H Δ = −g for each row of blocks; matrices are vectors of their columns."""
        found = []
        for row, gradient in zip(self.parameters, self.gradients, strict=True):
            left: Node | None = None
            for column in self.parameters:
                matrix = self._matrix(row, column)
                if matrix is not None:
                    term = _applied(matrix, stacked(self.steps[column]), row)
                    left = term if left is None else left + term
            left = zeros(stacked(row).type) if left is None else left
            found.append(Claim("Newton", Expression(self.first.short(left)), simplify(-stacked(gradient.right))))
        return tuple(found)

    @cached_property
    def _is_solvable(self) -> bool:
        """Whether −g is a combination of the columns of H: always where H is regular, and where g = Jᵀr."""
        if not self.has_matrix or all(block.vanishes for block in self.blocks):
            return False
        verifier = Verifier(self.first, claims=())
        for _ in range(TRIALS):
            try:
                values = verifier.point()
            except NoPointError:
                return False
            if not self.solves(partial(verifier.value_of, values=values)):
                return False
        return True

    def solves(self, value: Callable[[Node], Array]) -> bool:
        """Whether H Δ = −g has a solution where expressions have the values `value`."""
        matrix, gradient = self._system(value)
        if not np.all(np.isfinite(matrix)) or not np.all(np.isfinite(gradient)):
            return False
        step = np.linalg.lstsq(matrix, -gradient, rcond=SINGULAR)[0]
        return bool(np.allclose(matrix @ step, -gradient, rtol=1e-9, atol=1e-9 * np.max(np.abs(gradient), initial=0.0)))

    def step(self, value: Callable[[Node], Array]) -> Mapping[Input, Array]:
        """Return Newton's step of each parameter at values where the Hessian is regular, as nothing else settles it."""
        if not self.newton or not np.all(np.isfinite(matrix := self._system(value)[0])):
            return {}
        return self.solve(value) if np.linalg.matrix_rank(matrix) == len(matrix) else {}

    def _system(self, value: Callable[[Node], Array]) -> tuple[Array, Array]:
        """Return the whole Hessian and the gradient as a vector, where expressions have the values `value`."""
        gradients = [value(stacked(self.gradient(symbol))).reshape(-1) for symbol in self.parameters]
        rows = []
        for row, mine in zip(self.parameters, gradients, strict=True):
            cells = []
            for column, other in zip(self.parameters, gradients, strict=True):
                matrix = self._matrix(row, column)
                if matrix is not None:
                    (matrix,) = substitute([matrix], dict[Node, Node](self.defined.items()))
                shape = len(mine), len(other)
                cells.append(np.zeros(shape) if matrix is None else value(matrix).reshape(shape))
            rows.append(cells)
        return np.block(rows), np.concatenate(gradients)

    def _matrix(self, row: Input, column: Input) -> Node | None:
        """Return one block in the numerator layout; None for zero."""
        for block in self.blocks:
            if {block.symbol, block.by} == {row, column} and not block.vanishes:
                assert block.matrix is not None
                value = block.matrix.right
                assert isinstance(block.matrix.left, SecondDerivative)
                here = (block.symbol is row) != block.matrix.left.transposed or row is column
                return value if here else transposed(value)
        return None

    @cached_property
    def gauss_newton(self) -> GaussNewton | None:
        """The approximation Jᵀ Q J, if the loss is a function of one residual."""
        return gauss_newton(self.first, self.differentials, self.layout == "denominator")

    @property
    def defined(self) -> Mapping[Input, Node]:
        """The value of the gradients, if they are names, and of the residual where the forward pass has no name."""
        found = self.gauss_newton
        known: dict[Input, Node] = {}
        if self.names_gradient:
            known = {name: self.gradient(symbol) for symbol, name in self.gradient_symbols.items()}
        return known if found is None or found.residual is None else {**known, found.symbol: found.residual.right}

    @cached_property
    def consistent(self) -> tuple[tuple[Input, Node], ...]:
        """The tangents of all quantities, in an order in which each follows from those before."""
        stages = [(self.differentials.tangents[symbol], node) for symbol, node in self.differentials.stages.items()]
        return (*stages, *((cotangent_tangent(entry.cotangent), claim.right) for entry, claim in self.lines))

    def solve(self, value: Callable[[Node], Array]) -> Mapping[Input, Array]:
        """Return Newton's step of each parameter where expressions have the values `value`."""
        if not self.newton or not self.solves(value):
            return {}
        matrix, gradient = self._system(value)
        whole = np.linalg.lstsq(matrix, -gradient, rcond=SINGULAR)[0]
        shapes = [value(symbol).shape for symbol in self.parameters]
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = np.split(whole, ends)
        return {
            step: part.reshape(shape, order="F")
            for step, part, shape in zip(self.steps.values(), parts, shapes, strict=True)
        }

    # All claims

    @property
    def claims(self) -> Iterator[Claim]:
        """Yield every claim, those of first order first."""
        yield from self.first.claims
        yield from self.gradients
        yield from self.tangent_claims if self.is_closed else ()
        for claim in (*self.gradients, *(self.tangent_claims if self.is_closed else ())):
            yield Claim("element", Expression(claim.right), claim.right)
        yield from (claim for _, claim in self.lines)
        for block in self.blocks:
            yield from (claim for claim in (block.matrix, block.array) if claim is not None)
            if block.array is not None:
                yield Claim("element", Expression(block.array.right), block.array.right)
        yield from self.products
        yield from self.newton
        if self.gauss_newton is not None:
            yield from self.gauss_newton.claims


def cotangent_tangent(cotangent: Input) -> Input:
    """Return the symbol d(∂L/∂q)."""
    return Input(TANGENT + cotangent.name, cotangent.type)


def transposed(matrix: Node) -> Node:
    """Return the transpose; a number or a vector is its own."""
    return transposed_matrix(matrix) if matrix.type.ndim == 2 else matrix


def stacked(x: Node) -> Node:
    """Return a matrix as the vector of its columns, others unchanged."""
    return Vec()(x) if x.type.ndim == 2 else x


def repeated(number: Node, like: Node) -> Node:
    """Return an array filled with `number`, of the shape of `like`."""
    return Broadcast(like.type.shape, ())(number) if like.type.ndim else number


def _applied(matrix: Node, step: Node, row: Input) -> Node:
    """Return the product of a block with a step."""
    return matmul(matrix, step) if step.type.ndim and (matrix.type.ndim == 2 or not row.type.ndim) else matrix * step
