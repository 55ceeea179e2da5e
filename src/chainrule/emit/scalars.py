"""Scalars and indices as expressions of a language with loops: the emitter that lowers primitives to statements.

C and JavaScript write the same arithmetic, conditions and loops. What differs is abstract in `ScalarWriter`:
declarations, loop heads, numbers, functions, conversions and integer division.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chainrule.emit.code import (
    Code,
    Level,
    atom,
    binary,
    difference,
    negative,
    product,
    quotient,
    total,
    written_dim,
)
from chainrule.emit.names import Names
from chainrule.ir import Dim, DType, SymbolicDim, dim_quotient
from chainrule.primitives import Comparison, Elementwise, IntegerOperation, MathFunction, ReductionKind

_LOOP_NAMES: list[str] = [*"ijklmnpq", *(f"i{k}" for k in range(1, 100))]


@dataclass(frozen=True)
class Value:
    """A scalar."""

    code: Code
    dtype: DType


@dataclass(frozen=True)
class Index:
    """Σ coefficient · atom + constant; an atom is a loop variable, or a parenthesized expression."""

    terms: tuple[tuple[str, Dim], ...] = ()
    constant: Dim = 0

    def coefficient(self, variable: str) -> Dim:
        return dict(self.terms).get(variable, 0)


def loop_index(name: str) -> Index:
    """Return a loop variable as an index."""
    return Index(((name, 1),))


def plus(i: Index, j: Index) -> Index:
    """`i + j`."""
    terms = dict(i.terms)
    for name, coefficient in j.terms:
        terms[name] = terms.get(name, 0) + coefficient
    return Index(tuple((name, c) for name, c in terms.items() if c != 0), i.constant + j.constant)


def times(i: Index, factor: Dim) -> Index:
    """`factor · i`."""
    if factor == 0:
        return Index()
    return Index(tuple((name, c * factor) for name, c in i.terms), i.constant * factor)


class Block:
    """The statements at one depth of a nest, and the values computed there."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.lines: list[str] = []
        self.known: dict[object, Value] = {}

    def say(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)


class ScalarWriter(ABC):
    """The emitter of a language: `blocks` is the current nest, innermost last.

    `size_names` are the variables or constants for symbolic sizes, `sizes` the numbers of those that have one, and
    `functions` those of the language's library that replace a primitive's lowering. `used` are the variables that the
    statements use.
    """

    functions: ClassVar[Mapping[type, str]]
    has_nested_arrays: ClassVar[bool] = False
    """Whether an array of several axes has several subscripts, as in C; otherwise it is flat, in row-major order."""
    rows_from: ClassVar[int] = 0
    """The number of elements from which a sum reads an operand row by row; one that is smaller is in the cache."""
    takes_apart: ClassVar[bool] = False
    """Whether a function begins with variables for the arrays among the members of its structures."""

    def __init__(
        self,
        prefix: str,
        size_names: Mapping[str, str],
        fresh: Callable[[str], str],
        reserved: Names | tuple[str, ...],
    ) -> None:
        self.reserved = reserved
        self.open: list[str] = []
        self.prefix = prefix
        self.size_names = size_names
        self.sizes: Mapping[str, int] = {}
        self.fresh = fresh
        self.blocks: list[Block] = [Block(1)]
        self.extents: dict[str, Dim] = {}
        self.helpers: dict[str, None] = {}
        self.used: dict[str, None] = {}
        self.reductions = 0

    @property
    def block(self) -> Block:
        return self.blocks[-1]

    # What a language spells ------------------------------------------------------------------------------------------

    @staticmethod
    @abstractmethod
    def identifier(label: str) -> str:
        """Return a name of the user as an identifier."""

    @abstractmethod
    def member(self, structure: str, name: str) -> str:
        """Write a member of what `structure` refers to."""

    def taken_apart(self, structure: str, members: Mapping[str, str]) -> str:
        """Write the declaration of a variable for each of `members`; only with `takes_apart`."""
        raise NotImplementedError

    @abstractmethod
    def fixed(self, name: str, value: Value) -> str:
        """Write the declaration of a variable that is not assigned again."""

    @abstractmethod
    def variable(self, name: str, dtype: DType, value: Code | None = None) -> str:
        """Write the declaration of a variable, initialized by `value` if given."""

    @abstractmethod
    def loop(self, name: str, extent: Code) -> str:
        """Write the head of a loop."""

    @abstractmethod
    def loop_back(self, name: str, last: Code) -> str:
        """Write the head of a loop that begins with the last index."""

    @abstractmethod
    def constant(self, value: float, dtype: DType) -> Value: ...

    @abstractmethod
    def math(self, function: MathFunction, *x: Value) -> Value: ...

    @abstractmethod
    def convert(self, x: Value, dtype: DType) -> Value: ...

    @abstractmethod
    def random_uniform(self, seed: Value, stream: Value, step: Value, place: Value, dtype: DType) -> Value: ...

    @abstractmethod
    def library(self, name: str, operands: Sequence[Value]) -> Value:
        """Write a call of a function of the language's library."""

    @abstractmethod
    def quotient_of_integers(self, x: str, y: str) -> str:
        """Write the quotient of two integers, rounded down; in float64, where those of 32 bits are exact."""

    def floor_divided(self, x: str, y: str) -> str:
        """Write the quotient of two non-negative integers, rounded down."""
        return f"({x} / {y})"

    def comparison_sign(self, comparison: Comparison, dtype: DType) -> str:
        return comparison

    # Sizes and indices ----------------------------------------------------------------------------------------------

    def size(self, dim: Dim) -> Code:
        """Write a size; a symbolic size has a name of its own."""
        return written_dim(dim, self._size_name)

    def _size_name(self, size: str) -> str:
        name = self.size_names[size]
        self.used[name] = None
        return name

    def written(self, i: Index) -> Code:
        """Write an index."""
        code: Code | None = None
        terms, constant = i.terms, i.constant
        if terms and constant != 0 and all(isinstance(c, int) and c < 0 for _, c in terms):
            code, constant = self.size(constant), 0  # K - 1 - m rather than -m + K - 1
        for name, coefficient in terms:
            down = isinstance(coefficient, int) and coefficient < 0
            size = 0 - coefficient if down else coefficient
            term = atom(name) if size == 1 else product(atom(name), atom(self.size(size).at(Level.ATOM)))
            if code is None:
                code = negative(term) if down else term
            else:
                code = difference(code, term) if down else total(code, term)
        if code is None:
            return self.size(i.constant)
        if constant == 0:
            return code
        if isinstance(constant, int) and constant < 0:
            return difference(code, atom(str(-constant)))
        return total(code, self.size(constant))

    def index(self, value: Dim) -> Index:
        return Index((), value)

    def index_add(self, i: Index, j: Index) -> Index:
        return plus(i, j)

    def index_multiply(self, i: Index, j: Index) -> Index:
        for x, y in ((i, j), (j, i)):
            if not y.terms:
                return times(x, y.constant)
        return self._opaque(product(atom(f"({self.written(i)})"), atom(f"({self.written(j)})")))

    def index_divide(self, i: Index, j: Index) -> Index:
        return self._divided(i, j)[0]

    def index_remainder(self, i: Index, j: Index) -> Index:
        return self._divided(i, j)[1]

    def _divided(self, i: Index, j: Index) -> tuple[Index, Index]:
        """Return quotient and remainder; exact if the rest is below the divisor, as in row-major positions."""
        divisor = j.constant
        if divisor == 1 and not j.terms:
            return i, Index()
        above: list[tuple[str, Dim]] = []
        rest: list[tuple[str, Dim]] = []
        for name, coefficient in i.terms:
            share = None if j.terms else dim_quotient(coefficient, divisor)
            (rest if share is None else above).append((name, coefficient if share is None else share))
        if i.constant == 0 and not j.terms:
            if not rest:
                return Index(tuple(above)), Index()
            if self._reach(rest) == divisor:
                return Index(tuple(above)), Index(tuple(rest))
        x, y = f"({self.written(i)})", self.written(j).at(Level.ATOM)
        return self._opaque(atom(self.floor_divided(x, y))), self._opaque(atom(f"({x} % {y})"))

    def _reach(self, terms: Sequence[tuple[str, Dim]]) -> Dim:
        """Return the exclusive bound of a row-major position; 0 if the terms are not one."""
        reach: Dim = 1
        for name, coefficient in reversed(terms):
            if coefficient != reach or name not in self.extents:
                return 0
            reach = reach * self.extents[name]
        return reach

    def _opaque(self, code: Code) -> Index:
        return Index(((str(code), 1),))

    def index_compare(self, comparison: Comparison, i: Index, j: Index) -> Value:
        sign = self.comparison_sign(comparison, DType.INT64)
        return Value(binary(sign, self.written(i), self.written(j), Level.COMPARISON), DType.BOOL)

    def index_of(self, x: Value) -> Index:
        return self._opaque(atom(x.code.at(Level.ATOM)))

    def scalar_of(self, i: Index) -> Value:
        return Value(self.written(i), DType.INT64)

    # Scalars --------------------------------------------------------------------------------------------------------

    def constant_like(self, value: float, x: Value) -> Value:
        return self.constant(value, x.dtype)

    def size_as(self, dim: Dim, dtype: DType) -> Value:
        """Write a size as a scalar."""
        if isinstance(dim, SymbolicDim):
            return self.convert(Value(self.size(dim), DType.INT64), dtype)
        return self.constant(dim, dtype)

    def add(self, x: Value, y: Value) -> Value:
        return Value(total(x.code, y.code), x.dtype)

    def subtract(self, x: Value, y: Value) -> Value:
        return Value(difference(x.code, y.code), x.dtype)

    def multiply(self, x: Value, y: Value) -> Value:
        return Value(product(x.code, y.code), x.dtype)

    def divide(self, x: Value, y: Value) -> Value:
        return Value(quotient(x.code, y.code), x.dtype)

    def negate(self, x: Value) -> Value:
        return Value(negative(x.code), x.dtype)

    def elementwise(self, primitive: Elementwise, operands: Sequence[Value]) -> Value:
        """Write a scalar function: that of the library if available, else the lowering of the primitive."""
        name = self.functions.get(type(primitive))
        return primitive.lower(self, *operands) if name is None else self.library(name, operands)

    def compare(self, comparison: Comparison, x: Value, y: Value) -> Value:
        return Value(binary(self.comparison_sign(comparison, x.dtype), x.code, y.code, Level.COMPARISON), DType.BOOL)

    def logical_and(self, x: Value, y: Value) -> Value:
        return Value(binary("&&", x.code, y.code, Level.AND), DType.BOOL)

    def logical_or(self, x: Value, y: Value) -> Value:
        # Compilers warn about an `and` within an `or` without parentheses.
        return Value(Code(f"{_within_or(x.code)} || {_within_or(y.code)}", Level.OR), DType.BOOL)

    def logical_not(self, x: Value) -> Value:
        return Value(Code(f"!{x.code.at(Level.ATOM)}", Level.SIGN), DType.BOOL)

    def integer(self, operation: IntegerOperation, x: Value, y: Value) -> Value:
        left, right = x.code.at(Level.ATOM), y.code.at(Level.ATOM)
        match operation:
            case "add":
                return self.add(x, y)
            case "subtract":
                return self.subtract(x, y)
            case "multiply":
                return self.multiply(x, y)
            case "maximum" | "minimum":
                return self.select(self.compare(">" if operation == "maximum" else "<", x, y), x, y)
            case "floor_divide":
                code = f"({right} == 0 ? 0 : {self.quotient_of_integers(left, right)})"
            case "remainder":
                code = f"({right} == 0 ? 0 : {left} - {right} * {self.quotient_of_integers(left, right)})"
            case _:
                symbol = {"and": "&", "or": "|", "xor": "^"}[operation]
                code = f"({left} {symbol} {right})"
        return Value(atom(code), x.dtype)

    def select(self, condition: Value, x: Value | Callable[[], Value], y: Value | Callable[[], Value]) -> Value:
        branches = [self._branch(x), self._branch(y)]
        dtype = branches[0][1].dtype
        if not any(block.lines for block, _ in branches):
            (_, first), (_, second) = branches
            text = f"{condition.code.at(Level.OR)} ? {first.code.at(Level.OR)} : {second.code.at(Level.CHOICE)}"
            return Value(Code(text, Level.CHOICE), dtype)
        # Loads of a branch may execute only if it is taken.
        name = self.fresh("chosen")
        self.block.say(self.variable(name, dtype))
        for head, (block, value) in zip((f"if ({condition.code}) {{", "} else {"), branches, strict=True):
            self.block.say(head)
            self.block.lines += [*block.lines, "    " * (self.block.depth + 1) + f"{name} = {value.code};"]
        self.block.say("}")
        return Value(atom(name), dtype)

    def _branch(self, x: Value | Callable[[], Value]) -> tuple[Block, Value]:
        block = Block(self.block.depth + 1)
        if isinstance(x, Value):
            return block, x
        self.blocks.append(block)
        try:
            return block, x()
        finally:
            self.blocks.pop()

    # Loops ----------------------------------------------------------------------------------------------------------

    def loops(self, extents: Sequence[Dim], body: Callable[[list[Index]], None]) -> None:
        """Write a loop for each extent, and `body` in the innermost."""
        indices: list[Index] = []
        opened = 0
        for extent in extents:
            if extent == 1:
                indices.append(Index())
                continue
            name = self.loop_name()
            self.open.append(name)
            self.extents[name] = extent
            self.block.say(self.loop(name, self.size(extent)))
            self.blocks.append(Block(self.block.depth + 1))
            indices.append(loop_index(name))
            opened += 1
        body(indices)
        for _ in range(opened):
            inner = self.blocks.pop()
            self.block.lines += inner.lines
            self.block.say("}")
            self.open.pop()

    def loop_name(self) -> str:
        """Return a loop variable that no enclosing loop uses."""
        return next(name for name in _LOOP_NAMES if name not in self.reserved and name not in self.open)

    def reduce(self, kind: ReductionKind, extents: Sequence[Dim], body: Callable[[Sequence[Index]], Value]) -> Value:
        self.reductions += 1
        name = self.fresh({"sum": "sum", "max": "most", "min": "least"}[kind])
        place = len(self.block.lines)
        found: list[Value] = []

        def step(inner: list[Index]) -> None:
            value = body(inner)
            found.append(value)
            if kind == "sum":
                self.block.say(f"{name} += {value.code};")
                return
            element = value.code
            if not element.is_word:
                local = self.fresh("element")
                self.block.say(self.fixed(local, value))
                element = atom(local)
            sign, differs = ">" if kind == "max" else "<", self.comparison_sign("!=", value.dtype)
            self.block.say(f"if ({element} {sign} {name} || {element} {differs} {element}) {name} = {element};")

        self.loops(list(extents), step)
        dtype = found[0].dtype
        start = self.constant({"sum": 0.0, "max": -math.inf, "min": math.inf}[kind], dtype).code
        self.block.lines.insert(place, "    " * self.block.depth + self.variable(name, dtype, start))
        return Value(atom(name), dtype)


def signed(text: str, is_negative: bool) -> Code:
    """Write a number with its sign."""
    return negative(atom(text)) if is_negative else atom(text)


def _within_or(x: Code) -> str:
    return x.at(Level.COMPARISON) if x.level is Level.AND else x.at(Level.OR)
