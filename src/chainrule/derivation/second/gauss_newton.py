"""The Gauss–Newton matrix c JᵀJ of a loss (c/2) ‖r‖² + …, where J is the Jacobian of the residual r."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chainrule.calculus import (
    PRODUCT_OF_DIAGONALS,
    RULES,
    NoClosedFormError,
    Simplifier,
    backward,
    jacobian_matrix,
    linearize,
    number_apart,
    simplify,
    transposed_matrix,
    with_rows_as_products,
)
from chainrule.derivation.claims import Claim, Expression
from chainrule.derivation.properties import operation_total
from chainrule.derivation.record import Record
from chainrule.derivation.second.differentials import Differentials
from chainrule.derivation.second.quantities import StageJacobian
from chainrule.ir import Apply, Input, Node, Program, substitute, topological_order
from chainrule.primitives import Contract, Norm, Permute, Square, Sum, identity, matmul

RESIDUAL = "r of squares"
_LIMIT = 40


@dataclass(frozen=True, eq=False)
class GaussNewton:
    """The residual `symbol`, its Jacobian J by the parameter, and c JᵀJ with the number c = `scale`.

    `residual` defines the symbol if the forward pass has no name for it.
    """

    symbol: Input
    residual: Claim | None
    jacobian: Claim
    scale: Node
    matrix: Claim

    @property
    def claims(self) -> Iterator[Claim]:
        if self.residual is not None:
            yield self.residual
        yield self.jacobian
        yield self.matrix


def gauss_newton(record: Record, differentials: Differentials, turned: bool) -> GaussNewton | None:
    """Return the matrix for a loss of one vector parameter that is a sum of squares of a vector; None for others."""
    if len(record.backward.wrt) != 1 or record.backward.wrt[0].type.ndim != 1:
        return None
    (by,) = record.backward.wrt
    stage = next(each for each in record.backward.stages if each.symbol is record.loss)
    residual = _squared(stage.expression, differentials)
    if residual is None:
        return None
    named = isinstance(residual, Input)
    symbol = residual if isinstance(residual, Input) else Input(RESIDUAL, residual.type)
    (loss,) = substitute([stage.expression], {residual: symbol})
    if any(part in differentials.tangents for part in topological_order([loss]) if part is not symbol):
        return None
    change = differentials.of(residual) if not named else differentials.tangents[symbol]
    if change is None:
        return None
    try:
        jacobian = jacobian_matrix(differentials.total(change), differentials.tangents[by])
        scale, rest = number_apart(_curvature(loss, symbol))
    except NoClosedFormError:
        return None
    if operation_total(jacobian) > _LIMIT or rest is not identity(symbol.type.shape[0], symbol.type.dtype):
        return None
    product = matmul(Permute((1, 0))(jacobian), jacobian)
    shorter = with_rows_as_products(Simplifier([*RULES, PRODUCT_OF_DIAGONALS])(scale * product))
    left = StageJacobian(symbol, residual, by, transposed=turned)
    shown = transposed_matrix(jacobian) if turned else jacobian
    return GaussNewton(
        symbol,
        None if named else Claim("residual", Expression(symbol), record.short(residual)),
        Claim("Jacobian", left, record.short(shown)),
        scale,
        Claim("Gauss-Newton", Expression(scale * product), record.short(shorter)),
    )


def _squared(loss: Node, differentials: Differentials) -> Node | None:
    """Return the vector whose squares the loss adds up."""
    for part in topological_order([loss]):
        match part:
            case Apply(Sum(), (Apply(Square(), (x,)),)) | Apply(Square(), (Apply(Norm(mean=False), (x,)),)) if (
                x.type.ndim == 1
            ):
                pass
            case Apply(Contract(), (x, y)) if x is y and x.type.ndim == 1 and not part.type.ndim:
                pass
            case _:
                continue
        if any(each in differentials.tangents for each in topological_order([x])):
            return x
    return None


def _curvature(loss: Node, symbol: Input) -> Node:
    """Return the Hessian of the loss by the residual."""
    inputs = tuple(part for part in topological_order([loss]) if isinstance(part, Input))
    (gradient,) = backward(Program(inputs, (loss,)), [symbol]).gradients
    tangent = Input("d " + symbol.name, symbol.type)
    (change,) = linearize([gradient], {symbol: tangent})
    if change is None:
        raise NoClosedFormError("the loss is linear in the residual")
    return jacobian_matrix(simplify(change), tangent)
