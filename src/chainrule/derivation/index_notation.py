"""Index notation: one element of an expression, with sums over named indices.

It is derived from `lower` of each primitive, the rule that the engines compile, run with an emitter whose scalars and
indices are notations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from typing import TypeAlias

from chainrule.ir import Apply, ArrayType, Dim, DType, Node, Shape, SymbolicDim, named_dim, reading_order
from chainrule.primitives import (
    AbstractMap,
    BigOperator,
    Call,
    Cases,
    Comparison,
    Composite,
    Elementwise,
    Fraction,
    Indexed,
    Infix,
    IntegerOperation,
    MathFunction,
    Notation,
    Number,
    Pad,
    PowerNotation,
    Precedence,
    Prefix,
    Primitive,
    ReductionKind,
    Symbol,
    indexed,
    integer_notation,
    precedence,
)

Leaf: TypeAlias = Callable[[Node, Sequence[Notation]], Notation]
"""Writes the element of an Input, a Const or a named value at an index; without an index, the whole value."""

_LETTERS = "ijkmpqrstuvwabcfgh"  # without l, which reads as 1
_COMPARISONS: dict[Comparison, str] = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}
_FUNCTIONS: dict[MathFunction, str] = {"log": "ln", "sigmoid": "σ"}
_REDUCTIONS: dict[ReductionKind, str] = {"sum": "Σ", "max": "max", "min": "min"}


class IndexNames:
    """Letters for indices, the same for the same size if possible: `i` for n, `j` for d, …

    `dims` are the sizes of a program in order of appearance, as names or sizes; `avoid` are names in other use. A size
    that appears twice in one product gets the next letter that no other size prefers.
    """

    def __init__(self, dims: Iterable[Dim | str], avoid: Collection[str] = ()) -> None:
        sizes = [named_dim(dim) if isinstance(dim, str) else dim for dim in dims]
        taken = {*avoid, *(name for dim in sizes if isinstance(dim, SymbolicDim) for name in dim.names)}
        self._letters = [letter for letter in _LETTERS if letter not in taken]
        self._owned: dict[Dim, list[str]] = {}
        self._runs: dict[Dim, dict[str, None]] = {}
        if named_dim("n") in sizes and "i" in self._letters:
            self._owned[named_dim("n")] = ["i"]
        for dim in sizes:
            self._owned.setdefault(dim, self._free_letter())

    def _free_letter(self) -> list[str]:
        """Return a letter that no size has yet, in a list; an empty list if there is none."""
        owned = {letter for letters in self._owned.values() for letter in letters}
        return [letter for letter in self._letters if letter not in owned][:1]

    @property
    def runs(self) -> list[tuple[Dim, list[Notation]]]:
        """Return the sizes that were indexed, each with its letters."""
        return [(dim, [Symbol(letter) for letter in sorted(letters)]) for dim, letters in self._runs.items()]

    def letter(self, dim: Dim, used: Container[str] = ()) -> Symbol:
        """Return a letter for an index over `dim`, not in `used`; each letter belongs to one size."""
        letters = self._owned.setdefault(dim, [])
        if all(letter in used for letter in letters):
            letters += self._free_letter() or [self._marked(letters, used)]
        chosen = next(letter for letter in letters if letter not in used)
        self._runs.setdefault(dim, {})[chosen] = None
        return Symbol(chosen)

    def _marked(self, letters: Sequence[str], used: Container[str]) -> str:
        """Return a letter with primes, if all letters are taken."""
        owned = {letter for others in self._owned.values() for letter in others}
        stem = letters[0] if letters else self._letters[0]
        return next(
            mark for count in itertools.count(1) if (mark := stem + "′" * count) not in owned and mark not in used
        )

    def indices(self, shape: Shape, used: Collection[str] = ()) -> tuple[Notation, ...]:
        """Return distinct indices for the axes; an axis of size 1 has the index 0."""
        result: list[Notation] = []
        taken = set(used)
        for dim in shape:
            if dim == 1:
                result.append(Number(0))
            else:
                symbol = self.letter(dim, taken)
                taken.add(symbol.name)
                result.append(symbol)
        return tuple(result)


class NotationEmitter:
    """An emitter whose scalars and indices are notations; `used` are the letters of outer indices."""

    def __init__(self, names: IndexNames, used: Iterable[str] = ()) -> None:
        self._names = names
        self._used = list(used)

    def constant(self, value: float, dtype: DType) -> Notation:
        return Number(value)

    def constant_like(self, value: float, x: Notation) -> Notation:
        return Number(value)

    def add(self, x: Notation, y: Notation) -> Notation:
        return Infix("+", (x, y))

    def subtract(self, x: Notation, y: Notation) -> Notation:
        return Infix("−", (x, y))

    def multiply(self, x: Notation, y: Notation) -> Notation:
        """Return a product by juxtaposition, with numbers in front."""
        if Number(1) in (x, y):  # which would be a vector of ones beside an array
            return y if x == Number(1) else x
        for factor, rest in ((x, y), (y, x)):
            if isinstance(factor, Number):
                return Infix("·", (factor, rest))
        if isinstance(y, Infix) and y.operator == "·" and isinstance(y.operands[0], Number):
            return Infix("·", (y.operands[0], self.multiply(x, y.operands[1])))
        return Infix("", (x, y))

    def divide(self, x: Notation, y: Notation) -> Notation:
        if isinstance(x, BigOperator) and isinstance(y, Number | Symbol):
            return Infix("·", (Fraction(Number(1), y), x))
        return Fraction(x, y)

    def negate(self, x: Notation) -> Notation:
        return Prefix("−", x)

    def math(self, function: MathFunction, *x: Notation) -> Notation:
        if function == "power":
            return PowerNotation(x[0], x[1])
        if function == "expm1":
            return Infix("−", (Call("exp", x), Number(1)))
        if function == "log1p":
            return Call("ln", (Infix("+", (Number(1), *x)),))
        return Call(_FUNCTIONS.get(function, function), x)

    def compare(self, comparison: Comparison, x: Notation, y: Notation) -> Notation:
        return Infix(_COMPARISONS[comparison], (x, y))

    def logical_and(self, x: Notation, y: Notation) -> Notation:
        return Infix("∧", (x, y))

    def logical_or(self, x: Notation, y: Notation) -> Notation:
        return Infix("∨", (x, y))

    def logical_not(self, x: Notation) -> Notation:
        return Prefix("¬", x)

    def integer(self, operation: IntegerOperation, x: Notation, y: Notation) -> Notation:
        return self.multiply(x, y) if operation == "multiply" else integer_notation(operation, x, y, "·")

    def select(
        self, condition: Notation, x: Notation | Callable[[], Notation], y: Notation | Callable[[], Notation]
    ) -> Notation:
        chosen, other = (each() if callable(each) else each for each in (x, y))
        if (chosen, other) == (Number(1), Number(0)) and not isinstance(condition, Indexed):
            return Indexed(Number(1), (condition,))
        return Cases(condition, chosen, other)

    def convert(self, x: Notation, dtype: DType) -> Notation:
        """Convert a condition to a number: 1 if it holds, otherwise 0."""
        if dtype is not DType.BOOL and _is_condition(x):
            return Indexed(Number(1), (x,))
        return x

    def random_uniform(
        self, seed: Notation, stream: Notation, step: Notation, place: Notation, dtype: DType
    ) -> Notation:
        """Write a random number without seed and step, which are the same throughout."""
        return indexed(Call("uniform", (stream,)), [place])

    def index(self, value: Dim) -> Notation:
        return size_notation(value)

    def index_add(self, i: Notation, j: Notation) -> Notation:
        if isinstance(i, Number) and isinstance(j, Number):
            return Number(i.value + j.value)
        if _is_negative(i) or (isinstance(i, Number) and not _is_negative(j)):
            i, j = j, i
        if j == Number(0):
            return i
        last = _last_number(i)
        if isinstance(j, Number) and isinstance(i, Infix) and last is not None:
            return self.index_add(i.operands[0], Number(last + j.value))
        if isinstance(j, Infix) and j.operator in ("+", "−") and len(j.operands) == 2:
            first, second = j.operands
            return self.index_add(self.index_add(i, first), second if j.operator == "+" else _negated(second))
        return Infix("−", (i, _negated(j))) if _is_negative(j) else Infix("+", (i, j))

    def index_multiply(self, i: Notation, j: Notation) -> Notation:
        if isinstance(i, Number) and isinstance(j, Number):
            return Number(i.value * j.value)
        if isinstance(j, Number):
            i, j = j, i
        if isinstance(i, Number) and i.value in (0, 1):
            return j if i.value == 1 else i
        return _negated(j) if i == Number(-1) else Infix("·", (i, j))

    def index_divide(self, i: Notation, j: Notation) -> Notation:
        if isinstance(i, Number) and isinstance(j, Number):
            return Number(i.value // j.value)
        return i if j == Number(1) else Call("floor", (Fraction(i, j),))

    def index_remainder(self, i: Notation, j: Notation) -> Notation:
        if isinstance(i, Number) and isinstance(j, Number):
            return Number(i.value % j.value)
        return Number(0) if j == Number(1) else Call("mod", (i, j))

    def index_compare(self, comparison: Comparison, i: Notation, j: Notation) -> Notation:
        return self.compare(comparison, i, j)

    def index_of(self, x: Notation) -> Notation:
        """Return a label as an index; that negative ones count from the end is not written."""
        if isinstance(x, Cases) and x.condition == Infix("<", (x.otherwise, Number(0))):
            return x.otherwise
        return x

    def scalar_of(self, i: Notation) -> Notation:
        return i

    def reduce(
        self, kind: ReductionKind, extents: Sequence[Dim], body: Callable[[Sequence[Notation]], Notation]
    ) -> Notation:
        """Merge nested sums under one sign; an axis of size 1 needs none."""
        index = self._names.indices(tuple(extents), self._used)
        bound = tuple(symbol for symbol in index if isinstance(symbol, Symbol))
        outside = len(self._used)
        self._used += [symbol.name for symbol in bound]
        inner = body(index)
        del self._used[outside:]
        if not bound:
            return inner
        if isinstance(inner, BigOperator) and inner.operator == _REDUCTIONS[kind]:
            return BigOperator(inner.operator, (*bound, *inner.indices), inner.body)
        return BigOperator(_REDUCTIONS[kind], bound, inner)


def _is_condition(x: Notation) -> bool:
    return precedence(x) is Precedence.COMPARISON or (isinstance(x, Prefix) and x.operator == "¬")


def _last_number(i: Notation) -> float | None:
    """Return the number added at the end of an index: 1 in i + 1, −1 in i − 1; otherwise None."""
    if isinstance(i, Infix) and i.operator in ("+", "−") and len(i.operands) == 2:
        last = i.operands[1]
        if isinstance(last, Number):
            return last.value if i.operator == "+" else -last.value
    return None


def _is_negative(i: Notation) -> bool:
    if isinstance(i, Infix) and i.operator == "·":
        return _is_negative(i.operands[0])
    return isinstance(i, Prefix) or (isinstance(i, Number) and i.value < 0)


def _negated(i: Notation) -> Notation:
    """Return −i without a double sign."""
    if isinstance(i, Number):
        return Number(-i.value)
    if isinstance(i, Prefix):
        return i.operand
    if isinstance(i, Infix) and i.operator == "·" and isinstance(i.operands[0], Number):
        first = _negated(i.operands[0])
        return i.operands[1] if first == Number(1) and len(i.operands) == 2 else Infix("·", (first, *i.operands[1:]))
    return Prefix("−", i)


def size_notation(dim: Dim) -> Notation:
    """Return a size: a number, a name, or a polynomial of names."""
    if isinstance(dim, int):
        return Number(dim)
    total: Notation | None = None
    for monomial, coefficient in sorted(dim.terms, key=reading_order):
        names = tuple(Symbol(name) for name in monomial)
        size = abs(coefficient)
        factors: tuple[Notation, ...] = names if size == 1 and names else (Number(size), *names)
        term = factors[0] if len(factors) == 1 else Infix("·", factors)
        if total is None:
            total = Prefix("−", term) if coefficient < 0 else term
        else:
            total = Infix("−" if coefficient < 0 else "+", (total, term))
    assert total is not None
    return total


def index_notation(
    node: Node,
    index: Sequence[Notation],
    leaf: Leaf,
    names: IndexNames,
    stop: Container[Node] = (),
    whole: Callable[[Node], Notation] | None = None,
) -> Notation:
    """Return the element of `node` at `index`, in terms of elements of its leaves: inputs, constants, nodes in `stop`.

    `index` has one entry per axis of `node`; its symbols are not used again for inner sums. An element of a primitive
    that is decomposed, such as a softmax, or of a padded array is written as an element of the whole array, by `whole`
    if that is given.
    """
    emit = NotationEmitter(names, _letters_in(index))

    def element(node: Node, index: Sequence[Notation]) -> Notation:
        if not isinstance(node, Apply) or node in stop:
            return leaf(node, index)
        primitive, types = node.primitive, [operand.type for operand in node.operands]
        if isinstance(primitive, Elementwise):
            scalars = [ArrayType((), operand.dtype) for operand in types]
            return primitive.notation([element(operand, index) for operand in node.operands], scalars)
        if isinstance(primitive, Composite | AbstractMap) or _is_padded(primitive):
            return indexed((whole or plain)(node), index)
        result: Notation = primitive.lower(emit, [accessor(operand) for operand in node.operands], types, index)
        return result

    def accessor(node: Node) -> Callable[[Sequence[Notation]], Notation]:
        return lambda index: element(node, index)

    def plain(node: Node) -> Notation:
        if not isinstance(node, Apply) or node in stop:
            return leaf(node, ())
        result: Notation = node.primitive.notation(
            [plain(operand) for operand in node.operands], [operand.type for operand in node.operands]
        )
        return result

    return element(node, index)


def _is_padded(primitive: Primitive) -> bool:
    """Whether an element is written as one of the whole padded array rather than by cases."""
    if not isinstance(primitive, Pad):
        return False
    return any(primitive.interior) or (primitive.low == primitive.high and any(width != 0 for width in primitive.low))


def _letters_in(index: Sequence[Notation]) -> set[str]:
    """Return the names in an index."""
    letters: set[str] = set()
    for entry in index:
        if isinstance(entry, Symbol):
            letters.add(entry.name)
        elif isinstance(entry, Infix):
            letters |= _letters_in(entry.operands)
    return letters
