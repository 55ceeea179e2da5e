"""Simplification of what is picked by integer labels: one-hot vectors, and numbers added at one place."""

from __future__ import annotations

import numpy as np

from chainrule.calculus.examples import filled, some_x
from chainrule.calculus.rules import is_scale, is_scaling, number_of, refilled, rule
from chainrule.ir import Apply, ArrayType, Const, DType, Node
from chainrule.primitives import Multiply, Negate, OneHot, ScatterAdd


def _labels() -> Node:
    return Const(np.array([2, 0, 2]), ArrayType((3,), DType.INT64))


def _label() -> Node:
    return Const(1, ArrayType((), DType.INT64))


@rule("a number added at one place → onehot", ScatterAdd, examples=lambda: [
    ScatterAdd(0, 4)(filled(1, ""), _label()),
    ScatterAdd(0, 4)(filled(-2, ""), _label()),
])  # fmt: skip
def _number_at_one_place(node: Apply) -> Node | None:
    match node:
        case Apply(ScatterAdd(0, size), (number, place)) if is_scale(number) and number.type.ndim == 0:
            chosen = OneHot(size, node.type.dtype)(place)
            return chosen if number_of(number) == 1 else refilled(number, node.type) * chosen
    return None


@rule("number out of a scatter-add", ScatterAdd, examples=lambda: [
    ScatterAdd(0, 4)(-some_x("3"), _labels()),
    ScatterAdd(0, 4)(2 * some_x("3"), _labels()),
    ScatterAdd(1, 4)(filled(-1, "n 3"), _labels()),
])  # fmt: skip
def _number_out_of_scatter(node: Apply) -> Node | None:
    match node:
        case Apply(ScatterAdd() as scatter, (Apply(Negate(), (x,)), places)):
            return -scatter(x, places)
        case Apply(ScatterAdd() as scatter, (Const(float(number)) as x, places)) if number < 0:
            return -scatter(Const(-number, x.type), places)
        case Apply(ScatterAdd() as scatter, (Apply(Multiply(), (c, x)), places)) if is_scaling(c, x):
            return refilled(c, node.type) * scatter(x, places)
    return None
