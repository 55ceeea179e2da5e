"""Symbolic lowering: one element of a result as an expression.

Indices are kept affine in the loop variables where possible, so that strides can be read off; anything else (a loaded
index, an inexact quotient) becomes an opaque atom. The same emitter serves both kinds of code: with loop variables as
indices it produces the body of a loop nest, with numbers one lane of an unrolled program.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chainrule.ir import Dim, DType, concrete
from chainrule.primitives import Comparison, IntegerOperation, MathFunction, ReductionKind

_serial = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A loop index: 0 ≤ value < extent."""

    extent: int
    serial: int = field(default_factory=_serial.__next__)


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """An operation on scalars.

    `kind` is a method of `Arithmetic`, or one of: constant (payload: the number), load (payload: source and offset),
    index (payload: an `Affine`), quotient and remainder (payload: an `Affine` and a number), reduce (payload: kind and
    variables), terms (payload: kind; the operands of an unrolled reduction).
    """

    kind: str
    arguments: tuple[Expression, ...]
    payload: Any
    dtype: DType
    serial: int = field(default_factory=_serial.__next__)


Atom: TypeAlias = Variable | Expression


@dataclass(frozen=True, slots=True)
class Affine:
    """Σ coefficient · atom + constant, with the atoms in order of their serial numbers."""

    terms: tuple[tuple[Atom, int], ...]
    constant: int

    def coefficient(self, variable: Variable) -> int:
        """The stride along `variable`."""
        return next((c for atom, c in self.terms if atom is variable), 0)

    def bounds(self) -> tuple[float, float]:
        """The minimum and maximum value."""
        low = high = float(self.constant)
        for atom, c in self.terms:
            if isinstance(atom, Variable):
                top: float = atom.extent - 1
            elif atom.kind == "remainder":
                top = atom.payload[1] - 1
            else:
                return -float("inf"), float("inf")
            low, high = low + min(c * top, 0), high + max(c * top, 0)
        return low, high


Index: TypeAlias = int | Affine


def variable_index(variable: Variable) -> Index:
    """Return a loop variable as an index; one with a single value becomes the number 0."""
    return Affine(((variable, 1),), 0) if variable.extent != 1 else 0


def _affine(terms: Mapping[Atom, int], constant: int) -> Index:
    kept = {atom: c for atom, c in terms.items() if c}
    for atom, c in list(kept.items()):
        if isinstance(atom, Expression) and atom.kind == "remainder":
            base, divisor = atom.payload
            for other, d in list(kept.items()):
                matching = isinstance(other, Expression) and other.kind == "quotient" and other.payload == atom.payload
                if matching and d == c * divisor:  # c·(divisor·⌊b/divisor⌋ + b mod divisor) = c·b
                    del kept[atom], kept[other]
                    return add(_affine(kept, constant), scale(base, c))
    if not kept:
        return constant
    return Affine(tuple(sorted(kept.items(), key=lambda term: term[0].serial)), constant)


def add(i: Index, j: Index) -> Index:
    """The sum of two indices."""
    if isinstance(i, int) and isinstance(j, int):
        return i + j
    left, right = _as_affine(i), _as_affine(j)
    total = dict(left.terms)
    for atom, c in right.terms:
        total[atom] = total.get(atom, 0) + c
    return _affine(total, left.constant + right.constant)


def scale(i: Index, factor: int) -> Index:
    """The product of an index and a number."""
    if isinstance(i, int):
        return i * factor
    return _affine({atom: c * factor for atom, c in i.terms}, i.constant * factor)


def _as_affine(i: Index) -> Affine:
    return Affine((), i) if isinstance(i, int) else i


class SymbolicEmitter:
    """An emitter whose scalars are interned expressions. With `unroll`, reductions are written term by term."""

    def __init__(self, unroll: bool = False) -> None:
        self.unroll = unroll
        self._interned: dict[tuple[Any, ...], Expression] = {}
        self._within: dict[Expression, int] = {}
        """Clamped loaded indices, with the size of the axis."""

    def make(self, kind: str, dtype: DType, *arguments: Expression, payload: Any = None) -> Expression:
        """Return the unique expression with these parts."""
        marker = repr(payload) if isinstance(payload, float) else payload
        key = (kind, dtype, marker, arguments)
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = Expression(kind, arguments, payload, dtype)
        return found

    def constant(self, value: float, dtype: DType) -> Expression:
        return self.make("constant", dtype, payload=dtype.numpy.type(value).item())

    def constant_like(self, value: float, x: Expression) -> Expression:
        return self.constant(value, x.dtype)

    def load(self, source: Any, offset: Index, dtype: DType) -> Expression:
        """The element of `source` at a flat offset."""
        return self.make("load", dtype, payload=(source, offset))

    def add(self, x: Expression, y: Expression) -> Expression:
        return self.make("add", x.dtype, x, y)

    def subtract(self, x: Expression, y: Expression) -> Expression:
        return self.make("subtract", x.dtype, x, y)

    def multiply(self, x: Expression, y: Expression) -> Expression:
        return self.make("multiply", x.dtype, x, y)

    def divide(self, x: Expression, y: Expression) -> Expression:
        return self.make("divide", x.dtype, x, y)

    def negate(self, x: Expression) -> Expression:
        return self.make("negate", x.dtype, x)

    def math(self, function: MathFunction, *x: Expression) -> Expression:
        return self.make("math", x[0].dtype, *x, payload=function)

    def compare(self, comparison: Comparison, x: Expression, y: Expression) -> Expression:
        if x.kind == y.kind == "constant":
            return self.constant(_compared(comparison, x.payload, y.payload), DType.BOOL)
        return self.make("compare", DType.BOOL, x, y, payload=comparison)

    def logical_and(self, x: Expression, y: Expression) -> Expression:
        for left, right in ((x, y), (y, x)):
            if left.kind == "constant":
                return right if left.payload else left
        return self.make("logical_and", DType.BOOL, x, y)

    def logical_or(self, x: Expression, y: Expression) -> Expression:
        for left, right in ((x, y), (y, x)):
            if left.kind == "constant":
                return left if left.payload else right
        return self.make("logical_or", DType.BOOL, x, y)

    def logical_not(self, x: Expression) -> Expression:
        if x.kind == "constant":
            return self.constant(not x.payload, DType.BOOL)
        return self.make("logical_not", DType.BOOL, x)

    def integer(self, operation: IntegerOperation, x: Expression, y: Expression) -> Expression:
        return self.make("integer", x.dtype, x, y, payload=operation)

    def select(
        self,
        condition: Expression,
        x: Expression | Callable[[], Expression],
        y: Expression | Callable[[], Expression],
    ) -> Expression:
        if condition.kind == "constant":
            taken = x if condition.payload else y
            return taken() if callable(taken) else taken
        guarded = callable(x), callable(y)
        then, otherwise = x() if callable(x) else x, y() if callable(y) else y
        return self.make("select", then.dtype, condition, then, otherwise, payload=guarded)

    def convert(self, x: Expression, dtype: DType) -> Expression:
        return x if x.dtype is dtype else self.make("convert", dtype, x)

    def random_uniform(
        self, seed: Expression, stream: Expression, step: Expression, place: Expression, dtype: DType
    ) -> Expression:
        return self.make("random_uniform", dtype, seed, stream, step, place)

    def index(self, value: Dim) -> Index:
        return concrete(value)

    def index_add(self, i: Index, j: Index) -> Index:
        return add(i, j)

    def index_multiply(self, i: Index, j: Index) -> Index:
        if isinstance(j, int):
            return scale(i, j)
        if isinstance(i, int):
            return scale(j, i)
        return self._atom(self.make("multiply", DType.INT64, self.scalar_of(i), self.scalar_of(j)))

    def index_divide(self, i: Index, j: Index) -> Index:
        return self._divided(i, concrete_index(j))[0]

    def index_remainder(self, i: Index, j: Index) -> Index:
        return self._divided(i, concrete_index(j))[1]

    def _divided(self, i: Index, divisor: int) -> tuple[Index, Index]:
        """Return quotient and remainder of a non-negative index; 0 for a divisor of 0, the size of an empty axis."""
        if divisor == 0:
            return 0, 0
        if isinstance(i, int):
            return i // divisor, i % divisor
        whole = _affine({a: c // divisor for a, c in i.terms if c % divisor == 0}, i.constant // divisor)
        rest = _affine({a: c for a, c in i.terms if c % divisor}, i.constant % divisor)
        if isinstance(rest, int):
            return whole, rest
        low, high = rest.bounds()
        if low >= 0 and high < divisor:
            return whole, rest
        if low < 0:
            whole, rest = 0, i
        quotient = self.make("quotient", DType.INT64, payload=(rest, divisor))
        remainder = self.make("remainder", DType.INT64, payload=(rest, divisor))
        return add(whole, self._atom(quotient)), self._atom(remainder)

    def index_compare(self, comparison: Comparison, i: Index, j: Index) -> Expression:
        difference = add(i, scale(j, -1))
        low, high = (difference, difference) if isinstance(difference, int) else difference.bounds()
        outcomes = {_compared(comparison, bound, 0) for bound in (low, high)}
        monotone = comparison in ("<", "<=", ">", ">=") or low == high or low > 0 or high < 0
        if monotone and len(outcomes) == 1:
            return self.constant(outcomes.pop(), DType.BOOL)
        return self.compare(comparison, self.scalar_of(i), self.scalar_of(j))

    def index_of(self, x: Expression) -> Index:
        if x.kind == "constant":
            return int(x.payload)
        return x.payload if x.kind == "index" else self._atom(x)

    def _atom(self, x: Expression) -> Affine:
        return Affine(((x, 1),), 0)

    def scalar_of(self, i: Index) -> Expression:
        if isinstance(i, int):
            return self.constant(i, DType.INT64)
        if len(i.terms) == 1 and not i.constant:
            ((atom, c),) = i.terms
            if c == 1 and isinstance(atom, Expression):
                return atom
        return self.make("index", DType.INT64, payload=i)

    def clamped(self, i: Index, size: int) -> Index:
        """Clamp an index to an axis of `size` if it was loaded, so that any value reads within the array."""
        if isinstance(i, int) or all(
            isinstance(atom, Variable) or atom.kind in ("quotient", "remainder") for atom, _ in i.terms
        ):
            return i
        x, top, zero = self.scalar_of(i), self.constant(max(size - 1, 0), DType.INT64), self.constant(0, DType.INT64)
        if self._within.get(x, size + 1) <= size:
            return i
        x = self.select(self.compare("<", x, zero), zero, x)
        x = self.select(self.compare(">", x, top), top, x)
        self._within[x] = size
        return self._atom(x)

    def reduce(
        self, kind: ReductionKind, extents: Sequence[Dim], body: Callable[[Sequence[Index]], Expression]
    ) -> Expression:
        sizes = [concrete(extent) for extent in extents]
        if self.unroll:
            terms = [body(index) for index in itertools.product(*map(range, sizes))]
            return self.make("terms", terms[0].dtype, *terms, payload=kind) if terms else self._empty(kind, body, sizes)
        if 0 in sizes:
            return self._empty(kind, body, sizes)
        variables = tuple(Variable(size) for size in sizes)
        inner = body([variable_index(variable) for variable in variables])
        kept = tuple(variable for variable in variables if variable.extent != 1)
        return self.make("reduce", inner.dtype, inner, payload=(kind, kept)) if kept else inner

    def _empty(
        self, kind: ReductionKind, body: Callable[[Sequence[Index]], Expression], sizes: Sequence[int]
    ) -> Expression:
        """Return the reduction of an empty axis: 0, or NumPy's initial value of a maximum."""
        dtype = body([0] * len(sizes)).dtype
        return self.constant(identity(kind, dtype), dtype)


def concrete_index(i: Index) -> int:
    """Return an index that must be a number, such as a divisor."""
    assert isinstance(i, int), "a divisor of an index is a size"
    return i


def identity(kind: ReductionKind, dtype: DType) -> float:
    """The initial value of a reduction."""
    if kind == "sum":
        return 0
    bound = float("inf") if dtype.is_float else 2**63 - 1
    return -bound if kind == "max" else bound


def _compared(comparison: Comparison, x: float, y: float) -> bool:
    return {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y, "==": x == y, "!=": x != y}[comparison]


def walk(
    expression: Expression, times: int = 1, known: Collection[Expression] = ()
) -> Iterator[tuple[Expression, int]]:
    """Yield every use of an expression below `expression`, itself first, with the evaluations per element.

    A shared operand is visited once for each scope that evaluates it. Expressions inside indices are visited too;
    `known` expressions, and their operands, are not.
    """
    seen: set[tuple[Expression, int]] = set()
    stack = [(expression, times)]
    while stack:
        item = stack.pop()
        if item in seen:
            continue
        seen.add(item)
        yield item
        node, count = item
        if node.kind == "reduce":
            for variable in node.payload[1]:
                count *= variable.extent
        stack.extend((argument, count) for argument in node.arguments if argument not in known)
        for affine in affines(node):
            stack.extend((atom, count) for atom, _ in affine.terms if isinstance(atom, Expression))


def affines(expression: Expression) -> list[Affine]:
    """The indices in an expression itself, without its operands."""
    if expression.kind == "load":
        indices: list[Index] = [expression.payload[1]]
    elif expression.kind == "index":
        indices = [expression.payload]
    elif expression.kind in ("quotient", "remainder"):
        indices = [expression.payload[0]]
    else:
        indices = []
    return [index for index in indices if isinstance(index, Affine)]


class Dependence:
    """Whether expressions depend on a loop variable; cached, since every expression is queried many times."""

    def __init__(self, variable: Variable | None) -> None:
        self.variable = variable
        self._known: dict[Expression, bool] = {}

    def __call__(self, expression: Expression) -> bool:
        if self.variable is None:
            return False
        found = self._known.get(expression)
        if found is None:
            found = any(map(self, expression.arguments)) or any(map(self.index, affines(expression)))
            self._known[expression] = found
        return found

    def index(self, index: Index) -> bool:
        """Whether an index depends on it."""
        return isinstance(index, Affine) and any(
            atom is self.variable or (isinstance(atom, Expression) and self(atom)) for atom, _ in index.terms
        )
