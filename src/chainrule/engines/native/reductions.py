"""Reductions at one point of a loop nest: in one loop for a whole tile, or vectorized along the reduced axis.

The terms of every element are added in an order that does not depend on the tile, so the result does not either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.engines.native.arithmetic import Arithmetic, is_float, suffix
from chainrule.engines.native.body import Body, Frame
from chainrule.engines.native.costs import neighbours
from chainrule.engines.native.symbolic import Dependence, Expression, Variable, affines, identity
from chainrule.engines.native.text import REGISTER_TYPES, Loop, Value, constant, integer, vector, width_of
from chainrule.primitives import ReductionKind

LONG_UNROLL = 4
"""The unroll factor of sums of at least `LONG` terms."""

LONG = 128

WRITTEN_OUT = 4
"""Sums of up to this many terms are written without a loop."""

CHAINS = 4
"""The number of independent accumulators of a sum over contiguous memory."""


PART = 256
"""The number of terms of a long sum that are added in its own precision."""

MANY = 4 * PART
"""A sum of more terms is long: added sequentially in float32, ten million terms lose the second digit."""


@dataclass(frozen=True)
class Span:
    """`count` places along a variable, starting at `start`."""

    variable: Variable
    start: Value | int
    count: int


class SummingFrame(Frame):
    """A frame that computes a reduction where an expression contains it."""

    def reduced(self, body: Body, expression: Expression) -> Value:
        """See `Frame.reduced`."""
        return reduce_together([body], expression)[0]


def reduce_together(bodies: Sequence[Body], expression: Expression) -> list[Value]:
    """Compute one reduction for several bodies in one loop, each with its own accumulator.

    The terms of every element are added in order, independent of the tile.
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
    element = REGISTER_TYPES[expression.dtype]
    zeros = [constant(start, vector(element, body.lanes if body.varies(inner) else 0)) for body in bodies]

    def form(spans: Sequence[Span]) -> list[Value]:
        *outer, last = spans
        loops, accumulators = _opened(frame, outer, zeros)
        with frame.scope():
            accumulators = _innermost(bodies, kind, last, inner, accumulators)
        for loop in reversed(loops):
            function.close_loop(loop, accumulators)
        return accumulators

    ordered = innermost_contiguous(variables, inner)
    with frame.summing(ordered):
        for body in bodies:
            body.prepare(inner)
        return in_parts(frame, expression, ordered, zeros, form, frame.unroll)


def _opened(frame: Frame, spans: Sequence[Span], carried: Sequence[Value]) -> tuple[list[Loop], list[Value]]:
    """Open nested loops over whole variables, with loop-carried values."""
    loops: list[Loop] = []
    accumulators = list(carried)
    for span in spans:
        loops.append(_loop(frame, span, span.count, accumulators))
        accumulators = loops[-1].carried
        frame.places[span.variable] = loops[-1].index
    return loops, accumulators


def _loop(frame: Frame, span: Span, count: int, carried: Sequence[Value], step: int = 1) -> Loop:
    """Open a loop over the first `count` places of a span."""
    return frame.function.open_loop(_after(frame, span, count), carried, span.start, step)


def _after(frame: Frame, span: Span, count: int) -> Value:
    """The place `count` after the first of a span."""
    if isinstance(span.start, int):
        return integer(span.start + count)
    return frame.function.integer_operation("add nuw nsw", span.start, count) if count else span.start


def is_long(expression: Expression, lanes: int = 1) -> bool:
    """Whether a reduction is a sum that is computed in parts, if `lanes` accumulators share its terms."""
    kind, variables = expression.payload
    count = math.prod(variable.extent for variable in variables) // lanes
    return bool(kind == "sum" and expression.dtype.is_float and count > MANY)


def in_parts(
    frame: Frame,
    expression: Expression,
    ordered: Sequence[Variable],
    zeros: Sequence[Value],
    form: Callable[[Sequence[Span]], list[Value]],
    step: int,
    lanes: int = 1,
) -> list[Value]:
    """Compute a reduction with `form`; split a long sum into parts that are accumulated in float64.

    `form` writes the code of a part: a span of one of the variables, which are `ordered` from the outermost, and all of
    those within. Each accumulator begins with the values in `zeros`; `lanes` of them share the terms of the innermost
    variable, of which a part has a multiple of `step`. The parts do not depend on the tiles.
    """
    function = frame.function
    whole = [Span(variable, 0, variable.extent) for variable in ordered]
    if not is_long(expression, lanes):
        return form(whole)
    cut = len(ordered) - 1
    within = 1 / lanes
    while within * ordered[cut].extent <= PART:
        within *= ordered[cut].extent
        cut -= 1
    multiple = step if cut == len(ordered) - 1 else 1
    size = max(int(PART / within) // multiple, 1) * multiple
    totals = [constant(0.0, _wide(zero.type)) for zero in zeros]
    loops, totals = _opened(frame, whole[:cut], totals)
    variable = ordered[cut]
    end = variable.extent // size * size
    loop = function.open_loop(end, totals, step=size)
    with frame.scope():
        parts = form([Span(variable, loop.index, size), *whole[cut + 1 :]])
    totals = [with_part(frame, total, part) for total, part in zip(loop.carried, parts, strict=True)]
    function.close_loop(loop, totals)
    if end < variable.extent:
        with frame.scope():
            parts = form([Span(variable, end, variable.extent - end), *whole[cut + 1 :]])
        totals = [with_part(frame, total, part) for total, part in zip(totals, parts, strict=True)]
    for outer in reversed(loops):
        function.close_loop(outer, totals)
    return [rounded(frame, total, zero.type) for total, zero in zip(totals, zeros, strict=True)]


def _wide(type: str) -> str:
    """The float64 type with the same width."""
    return vector("double", width_of(type))


def with_part(frame: Frame, total: Value, part: Value) -> Value:
    """Add a part of a sum to a total in float64."""
    wide = part if part.type == total.type else frame.function.let(total.type, f"fpext {part} to {total.type}")
    return frame.arithmetic.combine("sum", total, wide)


def rounded(frame: Frame, total: Value, type: str) -> Value:
    """Round a total to the type of the sum."""
    return total if total.type == type else frame.function.let(type, f"fptrunc {total} to {type}")


def reduce_block(
    bodies: Sequence[Body], expression: Expression, first: Value, count: Value, accumulators: Sequence[Value]
) -> list[Value]:
    """Continue a sum by `count` terms, a multiple of `unroll`, from term `first`, with loads from copied strips."""
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
    """Compute one sum at several places of the result, vectorized along it; `rest` are bodies of a partial vector."""
    frame = bodies[0].frame
    function, width = frame.function, bodies[0].width
    kind, (variable,) = expression.payload
    (inner,) = expression.arguments
    element, zero = REGISTER_TYPES[expression.dtype], identity(kind, expression.dtype)

    def form(spans: Sequence[Span]) -> list[Value]:
        (span,) = spans
        whole = span.count // width * width
        sums: list[Value] = []
        if whole:
            loop = _loop(frame, span, whole, [constant(zero, vector(element, width)) for _ in bodies], width)
            frame.places[variable] = loop.index
            totals = _turn(bodies, kind, inner, loop.carried)
            function.close_loop(loop, totals)
            sums = [frame.arithmetic.across(kind, total) for total in totals]
        if whole < span.count:
            frame.places[variable] = _after(frame, span, whole)
            start = [constant(zero, vector(element, rest[0].lanes)) for _ in rest]
            ends = [frame.arithmetic.across(kind, total) for total in _turn(rest, kind, inner, start)]
            pairs = zip(sums, ends, strict=True)
            sums = [frame.arithmetic.combine(kind, total, end) for total, end in pairs] if sums else ends
        return sums

    with frame.summing([variable]):
        for body in bodies:
            body.prepare(inner)
        return in_parts(frame, expression, [variable], [constant(zero, element)] * len(bodies), form, width, width)


def reduce_rest(
    bodies: Sequence[Body], expression: Expression, first: int, accumulators: Sequence[Value]
) -> list[Value]:
    """Continue a sum to its end from term `first`, without a loop."""
    frame = bodies[0].frame
    kind, (variable,) = expression.payload
    totals = list(accumulators)
    for place in range(first, variable.extent):
        frame.places[variable] = integer(place)
        totals = _turn(bodies, kind, expression.arguments[0], totals)
    return totals


def _innermost(
    bodies: Sequence[Body], kind: ReductionKind, span: Span, inner: Expression, accumulators: list[Value]
) -> list[Value]:
    """Add the terms along the innermost variable, with its loop unrolled."""
    frame = bodies[0].frame
    function, variable = frame.function, span.variable
    whole = span.count // frame.unroll * frame.unroll if span.count > WRITTEN_OUT else 0
    if whole:
        loop = _loop(frame, span, whole, accumulators, frame.unroll)
        accumulators = loop.carried
        for turn in range(frame.unroll):
            frame.term = frame.places[variable] = function.integer_operation("add nuw nsw", loop.index, turn)
            accumulators = _turn(bodies, kind, inner, accumulators)
        function.close_loop(loop, accumulators)
    for turn in range(whole, span.count):
        frame.term = frame.places[variable] = _after(frame, span, turn)
        accumulators = _turn(bodies, kind, inner, accumulators)
    return accumulators


def _turn(bodies: Sequence[Body], kind: ReductionKind, inner: Expression, accumulators: Sequence[Value]) -> list[Value]:
    with bodies[0].frame.scope():
        return [added(body, kind, inner, total) for body, total in zip(bodies, accumulators, strict=True)]


def added(body: Body, kind: ReductionKind, term: Expression, total: Value) -> Value:
    """Add one term to `total`; a product is fused if the target supports it."""
    arithmetic = body.frame.arithmetic
    vectors = width_of(total.type) > 0
    if kind == "sum" and term.kind == "multiply" and is_float(total.type):
        x, y = (body.broadcast_value(each) if vectors else body.value(each) for each in term.arguments)
        return body.function.call(total.type, f"llvm.fmuladd.{suffix(total.type)}", x, y, total)
    return arithmetic.combine(kind, total, body.broadcast_value(term) if vectors else body.value(term))


def reduce_along(body: Body, expression: Expression) -> Value | None:
    """Compute one reduction vectorized along its innermost variable; None if that is too short or not contiguous."""
    frame = body.frame
    function, width = frame.function, frame.sum_width
    kind, variables = expression.payload
    (inner,) = expression.arguments
    *outer, lane = innermost_contiguous(variables, inner)
    if lane.extent < 2 * width or not _along(inner, Dependence(lane)):
        return None
    chains = min(CHAINS, lane.extent // width)
    stride = chains * width
    start, element = identity(kind, expression.dtype), REGISTER_TYPES[expression.dtype]

    def advance(accumulator: Value, place: Value, lanes: int) -> Value:
        return added(frame.along(lane).body(place, lanes), kind, inner, accumulator)

    def form(spans: Sequence[Span]) -> list[Value]:
        *above, span = spans
        rest = span.count % stride
        widths = [width] * chains + [rest % width] * (rest % width > 0)
        starts = [constant(start, vector(element, w if w > 1 else 0)) for w in widths]
        loops, accumulators = _opened(frame, above, starts)
        moved = accumulators[:chains]
        if span.count > rest:
            strip = _loop(frame, span, span.count - rest, moved, stride)
            moved = [
                advance(accumulator, function.integer_operation("add nuw nsw", strip.index, k * width), width)
                for k, accumulator in enumerate(strip.carried)
            ]
            function.close_loop(strip, moved)
        place = span.count - rest
        for k in range(rest // width):
            moved[k] = advance(moved[k], _after(frame, span, place + k * width), width)
        if rest % width:
            place += rest // width * width
            moved.append(advance(accumulators[-1], _after(frame, span, place), rest % width))
        for loop in reversed(loops):
            function.close_loop(loop, moved)
        return [_folded(frame.arithmetic, kind, moved)]

    return in_parts(frame, expression, [*outer, lane], [constant(start, element)], form, stride, stride)[0]


def _along(inner: Expression, varies: Dependence) -> bool:
    """Whether every load below is contiguous along the variable, and no index differs between lanes."""
    if inner.kind in ("quotient", "remainder", "reduce") and varies(inner):
        return False
    if inner.kind == "select" and any(inner.payload):
        return False
    if inner.kind == "load" and not neighbours(inner, varies):
        return False
    return all(_along(argument, varies) for argument in inner.arguments)


def _folded(arithmetic: Arithmetic, kind: ReductionKind, parts: Sequence[Value]) -> Value:
    """Combine all lanes of all parts."""
    while len(parts) > 1 and parts[0].type == parts[1].type:
        parts = [arithmetic.combine(kind, parts[0], parts[1]), *parts[2:]]
    scalars = [arithmetic.across(kind, part) for part in parts]
    return scalars[0] if len(scalars) == 1 else arithmetic.combine(kind, scalars[0], scalars[1])


def innermost_contiguous(variables: Sequence[Variable], body: Expression) -> list[Variable]:
    """Order the loops of a reduction such that most loads are contiguous along the innermost."""

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
