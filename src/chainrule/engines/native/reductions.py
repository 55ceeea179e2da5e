"""Sums, and other reductions, at some places of a loop nest: in one loop for a whole tile, or in vectors along the sum.

The terms of every element are added in an order that does not depend on the tile, and so neither do its bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engines.native.arithmetic import Arithmetic, is_float, suffix
from chainrule.engines.native.body import Body, Frame
from chainrule.engines.native.costs import neighbours
from chainrule.engines.native.symbolic import Dependence, Expression, Variable, affines, identity
from chainrule.engines.native.text import REGISTER_TYPES, Loop, Value, constant, integer, vector, width_of
from chainrule.primitives import ReductionKind

LONG_UNROLL = 4
"""`UNROLL` for sums of `LONG` terms and more."""

LONG = 128

WRITTEN_OUT = 4
"""Sums of up to so many terms have no loop."""

CHAINS = 4
"""Accumulators of a sum along memory: additions that need not wait for each other."""


class SummingFrame(Frame):
    """A frame in which a reduction is formed where an expression meets it."""

    def reduced(self, body: Body, expression: Expression) -> Value:
        """See `Frame.reduced`."""
        return reduce_together([body], expression)[0]


def reduce_together(bodies: Sequence[Body], expression: Expression) -> list[Value]:
    """One reduction at the places of several bodies, in one loop: each has its own accumulator.

    The terms of every element are added in order, whatever the tile, so that its bits do not depend on the tile.
    """
    frame = bodies[0].frame
    kind, variables = expression.payload
    (inner,) = expression.arguments
    if frame.sum_width > 1 and len(bodies) == 1:
        along = reduce_along(bodies[0], expression)
        if along is not None:
            return [along]
    function = frame.function
    start = identity(kind, expression.dtype)
    accumulators = []
    for body in bodies:
        width = body.lanes if body.varies(inner) else 0
        accumulators.append(constant(start, vector(REGISTER_TYPES[expression.dtype], width)))
    ordered = innermost_contiguous(variables, inner)
    *outer, last = ordered
    with frame.summing(ordered):
        for body in bodies:
            body.prepare(inner)
        loops: list[Loop] = []
        for variable in outer:
            loops.append(function.open_loop(variable.extent, accumulators))
            accumulators = loops[-1].carried
            frame.places[variable] = loops[-1].index
        with frame.scope():
            accumulators = _innermost(bodies, kind, last, inner, accumulators)
        for loop in reversed(loops):
            function.close_loop(loop, accumulators)
    return accumulators


def reduce_block(
    bodies: Sequence[Body], expression: Expression, first: Value, count: Value, accumulators: Sequence[Value]
) -> list[Value]:
    """A sum continued by `count` terms, a multiple of `unroll`, from term `first` on, with loads from copied strips."""
    frame = bodies[0].frame
    function = frame.function
    kind, (variable,) = expression.payload
    (inner,) = expression.arguments
    with frame.summing([variable]):
        for body in bodies:
            body.prepare(inner)
        loop = function.open_loop(count, accumulators, step=frame.unroll)
        totals = loop.carried
        for turn in range(frame.unroll):
            frame.term = function.integer_operation("add nuw nsw", loop.index, turn)
            frame.places[variable] = function.integer_operation("add nuw nsw", first, frame.term)
            totals = _turn(bodies, kind, inner, totals)
        function.close_loop(loop, totals)
    return totals


def reduce_across(bodies: Sequence[Body], rest: Sequence[Body], expression: Expression) -> list[Value]:
    """One sum at several places of the result, in vectors along it; `rest` are the bodies of a shorter last vector."""
    frame = bodies[0].frame
    function, width = frame.function, bodies[0].width
    kind, (variable,) = expression.payload
    (inner,) = expression.arguments
    whole = variable.extent // width * width
    zero = identity(kind, expression.dtype)
    start = [constant(zero, vector(REGISTER_TYPES[expression.dtype], width)) for _ in bodies]
    with frame.summing([variable]):
        for body in bodies:
            body.prepare(inner)
        loop = function.open_loop(whole, start, step=width)
        frame.places[variable] = loop.index
        totals = _turn(bodies, kind, inner, loop.carried)
        function.close_loop(loop, totals)
        sums = [frame.arithmetic.across(kind, total) for total in totals]
        if rest:
            frame.places[variable] = integer(whole)
            start = [constant(zero, vector(REGISTER_TYPES[expression.dtype], rest[0].lanes)) for _ in rest]
            ends = [frame.arithmetic.across(kind, total) for total in _turn(rest, kind, inner, start)]
            sums = [frame.arithmetic.combine(kind, total, end) for total, end in zip(sums, ends, strict=True)]
    return sums


def reduce_rest(
    bodies: Sequence[Body], expression: Expression, first: int, accumulators: Sequence[Value]
) -> list[Value]:
    """A sum continued to its end from term `first` on, without a loop."""
    frame = bodies[0].frame
    kind, (variable,) = expression.payload
    totals = list(accumulators)
    for place in range(first, variable.extent):
        frame.places[variable] = integer(place)
        totals = _turn(bodies, kind, expression.arguments[0], totals)
    return totals


def _innermost(
    bodies: Sequence[Body], kind: ReductionKind, variable: Variable, inner: Expression, accumulators: list[Value]
) -> list[Value]:
    """The terms along the innermost variable, several turns of its loop written out."""
    frame = bodies[0].frame
    function, extent = frame.function, variable.extent
    whole = extent // frame.unroll * frame.unroll if extent > WRITTEN_OUT else 0
    if whole:
        loop = function.open_loop(whole, accumulators, step=frame.unroll)
        accumulators = loop.carried
        for turn in range(frame.unroll):
            frame.term = frame.places[variable] = function.integer_operation("add nuw nsw", loop.index, turn)
            accumulators = _turn(bodies, kind, inner, accumulators)
        function.close_loop(loop, accumulators)
    for turn in range(whole, extent):
        frame.term = frame.places[variable] = integer(turn)
        accumulators = _turn(bodies, kind, inner, accumulators)
    return accumulators


def _turn(bodies: Sequence[Body], kind: ReductionKind, inner: Expression, accumulators: Sequence[Value]) -> list[Value]:
    with bodies[0].frame.scope():
        return [added(body, kind, inner, total) for body, total in zip(bodies, accumulators, strict=True)]


def added(body: Body, kind: ReductionKind, term: Expression, total: Value) -> Value:
    """`total` with one more term; a product is fused into the sum where the target can."""
    arithmetic = body.frame.arithmetic
    vectors = width_of(total.type) > 0
    if kind == "sum" and term.kind == "multiply" and is_float(total.type):
        x, y = (body.spread_value(each) if vectors else body.value(each) for each in term.arguments)
        return body.function.call(total.type, f"llvm.fmuladd.{suffix(total.type)}", x, y, total)
    return arithmetic.combine(kind, total, body.spread_value(term) if vectors else body.value(term))


def reduce_along(body: Body, expression: Expression) -> Value | None:
    """One reduction with vectors along its innermost variable; None where that is too short, or not contiguous."""
    frame = body.frame
    function, width = frame.function, frame.sum_width
    kind, variables = expression.payload
    (inner,) = expression.arguments
    *outer, lane = innermost_contiguous(variables, inner)
    if lane.extent < 2 * width or not _along(inner, Dependence(lane)):
        return None
    chains = min(CHAINS, lane.extent // width)
    stride, rest = chains * width, lane.extent % (chains * width)
    widths = [width] * chains + [rest % width] * (rest % width > 0)
    start = identity(kind, expression.dtype)
    loops: list[Loop] = []
    accumulators = [constant(start, vector(REGISTER_TYPES[expression.dtype], w if w > 1 else 0)) for w in widths]
    for variable in outer:
        loops.append(function.open_loop(variable.extent, accumulators))
        accumulators = loops[-1].carried
        frame.places[variable] = loops[-1].index

    def advance(accumulator: Value, place: Value, lanes: int) -> Value:
        return added(frame.along(lane).body(place, lanes), kind, inner, accumulator)

    strip = function.open_loop(lane.extent - rest, accumulators[:chains], step=stride)
    moved = [
        advance(accumulator, function.integer_operation("add nuw nsw", strip.index, k * width), width)
        for k, accumulator in enumerate(strip.carried)
    ]
    function.close_loop(strip, moved)
    place = lane.extent - rest
    for k in range(rest // width):
        moved[k] = advance(moved[k], integer(place + k * width), width)
    if rest % width:
        place += rest // width * width
        moved.append(advance(accumulators[-1], integer(place), rest % width))
    for loop in reversed(loops):
        function.close_loop(loop, moved)
    return _folded(frame.arithmetic, kind, moved)


def _along(inner: Expression, varies: Dependence) -> bool:
    """Whether every load below is of neighbours along the variable, and nothing has to be looked up lane by lane."""
    if inner.kind in ("quotient", "remainder", "reduce") and varies(inner):
        return False
    if inner.kind == "select" and any(inner.payload):
        return False
    if inner.kind == "load" and not neighbours(inner, varies):
        return False
    return all(_along(argument, varies) for argument in inner.arguments)


def _folded(arithmetic: Arithmetic, kind: ReductionKind, parts: Sequence[Value]) -> Value:
    """All lanes of all parts combined."""
    while len(parts) > 1 and parts[0].type == parts[1].type:
        parts = [arithmetic.combine(kind, parts[0], parts[1]), *parts[2:]]
    scalars = [arithmetic.across(kind, part) for part in parts]
    return scalars[0] if len(scalars) == 1 else arithmetic.combine(kind, scalars[0], scalars[1])


def innermost_contiguous(variables: Sequence[Variable], body: Expression) -> list[Variable]:
    """The loops of a reduction in order, the one along which most loads are of neighbours as the innermost."""

    def count(variable: Variable) -> int:
        pending, seen, found = [body], set(), 0
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending.extend(node.arguments)
                found += sum(node.kind == "load" and affine.coefficient(variable) == 1 for affine in affines(node))
        return found

    return sorted(variables, key=count)
