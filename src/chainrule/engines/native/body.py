"""The instructions that evaluate an expression at one place of a loop nest, for one element or a vector of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from chainrule.engines.native.arithmetic import Arithmetic
from chainrule.engines.native.symbolic import Affine, Expression, Index, Variable, affines, identity
from chainrule.engines.native.text import (
    INTEGER,
    MEMORY_TYPES,
    REGISTER_TYPES,
    Function,
    Loop,
    Value,
    constant,
    constant_vector,
    integer,
    vector,
    width_of,
)
from chainrule.ir import DType
from chainrule.primitives import ReductionKind


class Body:
    """Evaluates expressions. `places` holds the registers of the loop variables.

    With a `lane` variable, what depends on it is a vector of `width` elements, for consecutive values of the variable
    from the one in `places`; the rest stays scalar. Only expressions for which `vectorises` holds may be given then.
    Without, reductions along contiguous memory are formed `reduction_width` elements at a time.
    """

    def __init__(
        self,
        function: Function,
        pointers: Mapping[object, Value],
        places: Mapping[Variable, Value],
        lane: Variable | None = None,
        width: int = 0,
        reduction_width: int = 0,
    ) -> None:
        self.function, self.pointers, self.places = function, pointers, dict(places)
        self.reduction_width = reduction_width
        self.lane, self.width = (lane, width) if width > 1 else (None, 0)
        self.arithmetic = Arithmetic(function)
        self._scopes: list[dict[object, Value]] = [{}]
        self._varying: dict[object, bool] = {}

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Values computed inside are forgotten afterwards: a branch or a loop does not always come by."""
        self._scopes.append({})
        yield
        self._scopes.pop()

    def varies(self, expression: Expression) -> bool:
        """Whether the value differs between lanes."""
        if self.lane is None:
            return False
        found = self._varying.get(expression)
        if found is None:
            found = any(self.varies(argument) for argument in expression.arguments) or any(
                self.lane is atom or (isinstance(atom, Expression) and self.varies(atom))
                for affine in affines(expression)
                for atom, _ in affine.terms
            )
            self._varying[expression] = found
        return found

    def value(self, expression: Expression) -> Value:
        """The value, computed once per scope."""
        for scope in self._scopes:
            if expression in scope:
                return scope[expression]
        result = self._evaluate(expression)
        self._scopes[-1][expression] = result
        return result

    def spread(self, value: Value) -> Value:
        """A scalar in every lane; a vector, or a body without lanes, as it is."""
        if not self.width or width_of(value.type):
            return value
        type = vector(value.type, self.width)
        single = self.function.let(type, f"insertelement {type} poison, {value}, i64 0")
        mask = f"<{self.width} x i32> zeroinitializer"
        return self.function.let(type, f"shufflevector {single}, {type} poison, {mask}")

    def _evaluate(self, expression: Expression) -> Value:
        kind, payload = expression.kind, expression.payload
        if kind == "constant":
            return constant(payload, REGISTER_TYPES[expression.dtype])
        if kind == "load":
            return self._load(expression)
        if kind == "index":
            return self._lanes_of(payload) if self.varies(expression) else self.index(payload)
        if kind in ("quotient", "remainder"):
            operation = "udiv" if kind == "quotient" else "urem"
            return self.function.integer_operation(operation, self.index(payload[0]), payload[1])
        if kind == "reduce":
            along = reduce_along(self, expression) if self.reduction_width > 1 else None
            return reduce_together([self], expression)[0] if along is None else along
        if kind == "select" and any(payload):
            return self._branches(expression)
        operands = [self.value(argument) for argument in expression.arguments]
        if self.varies(expression):
            operands = [self.spread(operand) for operand in operands]
        return self.arithmetic.apply(kind, payload, expression.dtype, operands)

    def index(self, index: Index) -> Value:
        """An index, or that of the first lane, as a register."""
        if isinstance(index, int):
            return integer(index)
        total: Value | None = None
        for atom, c in index.terms:
            term = self._scaled(atom, c)
            total = term if total is None else self.function.integer_operation("add nsw", total, term)
        assert total is not None
        return total if not index.constant else self.function.integer_operation("add nsw", total, index.constant)

    def _scaled(self, atom: Variable | Expression, c: int) -> Value:
        key = (atom, c)
        for scope in self._scopes:
            if key in scope:
                return scope[key]
        value = self.places[atom] if isinstance(atom, Variable) else self.value(atom)
        result = value if c == 1 else self.function.integer_operation("mul nsw", value, c)
        if isinstance(atom, Expression):
            self._scopes[-1][key] = result
        return result

    def _lanes_of(self, index: Affine) -> Value:
        assert self.lane is not None
        stride = index.coefficient(self.lane)
        steps = constant_vector([k * stride for k in range(self.width)], INTEGER)
        return self.arithmetic.add(self.spread(self.index(index)), steps)

    def _load(self, expression: Expression) -> Value:
        source, offset = expression.payload
        pointer = self.function.offset(self.pointers[source], self.index(offset), MEMORY_TYPES[expression.dtype])
        width = self.width if self.varies(expression) else 0
        suffix = f", align {expression.dtype.numpy.itemsize}"
        value = self.function.load(vector(MEMORY_TYPES[expression.dtype], width), pointer, suffix)
        if expression.dtype is DType.BOOL:
            return self.function.let(vector("i1", width), f"icmp ne {value}, {constant(0, value.type).text}")
        return value

    def _branches(self, expression: Expression) -> Value:
        """A choice of which only the side taken may be evaluated, since the other may read outside of an array."""
        f = self.function
        condition, *sides = expression.arguments
        test = self.value(condition)
        names = [f.fresh_label("then"), f.fresh_label("else")]
        after = f.fresh_label("chosen")
        f.branch(test, *names)
        incoming = []
        for name, side in zip(names, sides, strict=True):
            f.label(name)
            with self.scope():
                value = self.value(side)
            incoming.append((value, f.block))
            f.jump(after)
        f.label(after)
        return f.phi(incoming[0][0].type, incoming)

    def store(self, value: Value, pointer: Value, dtype: DType) -> None:
        """Store a result; all lanes of it, if there are lanes."""
        value = self.spread(value)
        if dtype is DType.BOOL:
            wide = vector("i8", width_of(value.type))
            value = self.function.let(wide, f"zext {value} to {wide}")
        self.function.store(value, pointer, f", align {dtype.numpy.itemsize}")


def vectorises(expression: Expression, lane: Variable) -> bool:
    """Whether a `Body` may evaluate it with `lane`: every load is of neighbours, or the same for all lanes."""
    pending, seen = [expression], set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.kind == "select" and any(node.payload):
            return False
        for affine in affines(node):
            stride = affine.coefficient(lane)
            if node.kind == "load" and stride not in (0, 1):
                return False
            if node.kind in ("quotient", "remainder") and stride:
                return False
            atoms = [atom for atom, _ in affine.terms if isinstance(atom, Expression)]
            if any(depends(atom, lane) for atom in atoms):
                return False
            pending.extend(atoms)
        pending.extend(node.arguments)
    return True


def depends(expression: Expression, variable: Variable) -> bool:
    """Whether a loop variable occurs in an expression."""
    pending = [expression]
    seen: set[Expression] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        pending.extend(node.arguments)
        for affine in affines(node):
            if affine.coefficient(variable):
                return True
            pending.extend(atom for atom, _ in affine.terms if isinstance(atom, Expression))
    return False


def reduce_together(bodies: Sequence[Body], expression: Expression) -> list[Value]:
    """One reduction at the places of several bodies, in one loop: each has its own accumulator."""
    function = bodies[0].function
    kind, variables = expression.payload
    (inner,) = expression.arguments
    start = identity(kind, expression.dtype)
    accumulators = []
    for body in bodies:
        width = body.width if body.varies(inner) else 0
        accumulators.append(constant(start, vector(REGISTER_TYPES[expression.dtype], width)))
    loops: list[Loop] = []
    for variable in _innermost_contiguous(variables, inner):
        loops.append(function.open_loop(variable.extent, accumulators))
        accumulators = loops[-1].carried
        for body in bodies:
            body.places[variable] = loops[-1].index
    updated = []
    for body, accumulator in zip(bodies, accumulators, strict=True):
        with body.scope():
            updated.append(body.arithmetic.combine(kind, accumulator, body.value(inner)))
    for loop in reversed(loops):
        function.close_loop(loop, updated)
    return updated


CHAINS = 4
"""Accumulators of a sum along memory: additions that need not wait for each other."""


def reduce_along(body: Body, expression: Expression) -> Value | None:
    """One reduction with vectors along its innermost variable; None where that is too short, or not contiguous."""
    function, width = body.function, body.reduction_width
    kind, variables = expression.payload
    (inner,) = expression.arguments
    *outer, lane = _innermost_contiguous(variables, inner)
    if lane.extent < 2 * width or not vectorises(inner, lane):
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
        body.places[variable] = loops[-1].index

    def advance(accumulator: Value, place: Value, lanes: int) -> Value:
        part = Body(function, body.pointers, {**body.places, lane: place}, lane, lanes)
        return part.arithmetic.combine(kind, accumulator, part.spread(part.value(inner)))

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
    return _folded(body.arithmetic, kind, moved)


def _folded(arithmetic: Arithmetic, kind: ReductionKind, parts: Sequence[Value]) -> Value:
    """All lanes of all parts combined."""
    while len(parts) > 1 and parts[0].type == parts[1].type:
        parts = [arithmetic.combine(kind, parts[0], parts[1]), *parts[2:]]
    scalars = [arithmetic.across(kind, part) for part in parts]
    return scalars[0] if len(scalars) == 1 else arithmetic.combine(kind, scalars[0], scalars[1])


def _innermost_contiguous(variables: Sequence[Variable], body: Expression) -> list[Variable]:
    """The loops of a reduction in order, the one along which most loads are of neighbours as the innermost."""

    def neighbours(variable: Variable) -> int:
        pending, seen, count = [body], set(), 0
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending.extend(node.arguments)
                count += sum(node.kind == "load" and affine.coefficient(variable) == 1 for affine in affines(node))
        return count

    return sorted(variables, key=neighbours)
