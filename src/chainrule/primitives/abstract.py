"""Functions without a definition, f(x) and its derivatives, for derivations that hold for every f.

Where verification needs a value, a smooth function drawn from the name is used.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar, final

import numpy as np

from chainrule.ir import (
    ArrayType,
    Dim,
    DType,
    DTypeError,
    Node,
    ProgramError,
    ShapeError,
    applies,
    concrete,
    named_dim,
)
from chainrule.primitives.arithmetic import Add
from chainrule.primitives.base import Array, Elementwise, Example, Nonlinear
from chainrule.primitives.contraction import Contract
from chainrule.primitives.emitter import Accessor, Emitter, Scalars
from chainrule.primitives.notation import Application, Notation, Symbol

S = TypeVar("S")
I = TypeVar("I")

_WAVES = 3
_HIGHEST = 16
_LEVEL = 2.5
"""Added to the sines, so that most values are positive and have a logarithm."""


@final
@dataclass(frozen=True)
class Abstract(Elementwise):
    """An elementwise function `name`; `orders` are the orders of differentiation in each argument.

    The value is c + Σₖ aₖ sin(wₖ·x + φₖ) with c, a, w and φ drawn from the name.
    """

    name: str
    orders: tuple[int, ...]

    def __post_init__(self) -> None:
        _check(self.name, self.orders)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        operand, all_orders = ArrayType((n, m)), ((0,), (2,), (0, 0), (1, 3))
        return [Example(cls("f", each), (operand,) * len(each), cls.domain * len(each)) for each in all_orders]

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != len(self.orders):
            raise ProgramError(f"{self.name} takes {len(self.orders)} arguments, not {len(operands)}")
        for operand in operands[1:]:
            if operand.shape != operands[0].shape:
                raise ShapeError(f"{self.name} takes arguments of one shape")
        return operands[0].with_dtype(self.result_dtype([operand.dtype for operand in operands]))

    def value(self, *operands: Array) -> Array:
        total = np.full_like(operands[0], 0.0 if any(self.orders) else _LEVEL)
        for amplitude, frequencies, phase in _waves(self.name, len(self.orders)):
            angle = np.full_like(operands[0], self._turned(phase))
            for w, x in zip(frequencies, operands, strict=True):
                angle = angle + w * x
            total = total + self._factor(amplitude, frequencies) * np.sin(angle)
        return np.asarray(total, operands[0].dtype)

    def _factor(self, amplitude: float, frequencies: Sequence[float]) -> float:
        return amplitude * math.prod(w**k for w, k in zip(frequencies, self.orders, strict=True))

    def _turned(self, phase: float) -> float:
        """Return the phase of the derivative: each differentiation adds a quarter period."""
        return phase + sum(self.orders) % 4 * math.pi / 2

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return [self.by(k)(*operands) for k in range(len(operands))]

    def by(self, argument: int) -> Abstract:
        """Return the derivative in one argument."""
        return replace(self, orders=tuple(order + (k == argument) for k, order in enumerate(self.orders)))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        function = Symbol(self.name)
        if len(operands) == 1:
            return Application(function, tuple(operands), self.orders[0])
        by = itertools.chain.from_iterable(itertools.repeat(k + 1, order) for k, order in enumerate(self.orders))
        return Application(function, tuple(operands), by=tuple(by))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        first = operands[0]
        total = emit.constant_like(0.0 if any(self.orders) else _LEVEL, first)
        for amplitude, frequencies, phase in _waves(self.name, len(self.orders)):
            angle = emit.constant_like(self._turned(phase), first)
            for w, x in zip(frequencies, operands, strict=True):
                angle = emit.add(angle, emit.multiply(emit.constant_like(w, x), x))
            factor = emit.constant_like(self._factor(amplitude, frequencies), first)
            total = emit.add(total, emit.multiply(factor, emit.math("sin", angle)))
        return total


@final
@dataclass(frozen=True)
class AbstractMap(Nonlinear):
    """A function `name` of `arity` vectors, with a result of shape `outputs`, differentiated `by` arguments in order.

    Each derivative appends an axis of the length of its argument: for a number the gradient ∇f and the Hessian ∇²f, for
    a vector the Jacobian J_f; ∂₁₂f of several vectors. Element j of the value is
    c + Σₖ aₖ sin(φₖ + j + Σᵢ wₖ cos(pₖ + j + 2 i) xᵢ), where j counts the elements of the result, with such a sum over
    i for each argument.
    """

    name: str
    outputs: tuple[Dim, ...] = ()
    by: tuple[int, ...] = ()
    arity: int = 1

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        kinds = (cls("f"), cls("f", (), (0,)), cls("f", (), (0, 0)), cls("g", (m,)), cls("g", (m,), (0,)))
        several = (cls("f", (), (), 2), cls("g", (n,), (0,), 2), cls("g", (m,), (0, 1), 2))
        x, y = ArrayType((n,)), ArrayType((m,))
        return [
            *(Example(kind, (x,)) for kind in (*kinds, cls("g", (n,), (0, 0)))),
            *(Example(kind, (x, y)) for kind in several),
        ]

    def __post_init__(self) -> None:
        _check(self.name, (len(self.by), self.arity))
        if len(self.outputs) > 1:
            raise ProgramError(f"{self.name} gives a number or a vector, not an array of {len(self.outputs)} axes")
        if list(self.by) != sorted(self.by) or not all(0 <= place < self.arity for place in self.by):
            raise ProgramError(
                f"{self.name} is differentiated by {self.by}, which are not {self.arity} arguments in order"
            )

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != self.arity or any(x.ndim != 1 for x in operands):
            raise ShapeError(f"{self.name} takes vectors, as many as {self.arity}")
        for x in operands:
            if not x.dtype.is_float:
                raise DTypeError(f"{self.name} takes floats, not {x.dtype.value}")
            if x.dtype != operands[0].dtype:
                raise DTypeError(f"{self.name} mixes {operands[0].dtype.value} and {x.dtype.value}")
        shape = (*self.outputs, *(operands[place].shape[0] for place in self.by))
        return operands[0].with_shape(shape)

    def value(self, *operands: Array) -> Array:
        rows = np.arange(concrete(self.outputs[0])) if self.outputs else np.zeros(1)
        total: Array = np.asarray(0.0 if self.by else _LEVEL)
        for amplitude, frequencies, phase in _waves(self.name, self.arity):
            weights = [
                w * np.cos(phase + rows[:, None] + 2.0 * np.arange(len(x)))
                for w, x in zip(frequencies, operands, strict=True)
            ]
            angle = phase + rows + len(self.by) % 4 * math.pi / 2
            for each, x in zip(weights, operands, strict=True):
                angle = angle + each @ x
            wave = amplitude * np.sin(angle)
            for place in self.by:
                wave = wave[..., None] * weights[place].reshape(len(rows), *(1,) * (wave.ndim - 1), -1)
            total = total + wave
        return np.asarray(total if self.outputs else total[0], operands[0].dtype)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        axes = tuple(range(result.type.ndim))
        total: Node | None = None
        for place, tangent in enumerate(tangents):
            if tangent is not None:
                further = (result.type.ndim,)
                after = len(self.outputs) + bisect.bisect_right(self.by, place)
                derivative = replace(self, by=tuple(sorted((*self.by, place))))(*operands)
                term = Contract(((*axes[:after], *further, *axes[after:]), further), axes)(derivative, tangent)
                total = term if total is None else Add()(total, term)
        return total

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        function, order = Symbol(self.name), len(self.by)
        is_jacobian = bool(self.outputs) and order == 1
        nablas = 0 if is_jacobian else order
        by = tuple(place + 1 for place in self.by) if self.arity > 1 else ()
        return Application(function, tuple(operands), by=by, nablas=nablas, jacobian=is_jacobian)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        dtype = types[0].dtype
        row = emit.convert(emit.scalar_of(index[0] if self.outputs else emit.index(0)), dtype)
        total = emit.constant(0.0 if self.by else _LEVEL, dtype)
        for amplitude, frequencies, phase in _waves(self.name, self.arity):
            start = emit.add(emit.constant(phase, dtype), row)

            def weight(i: I, w: float, start: S) -> S:
                step = emit.multiply(emit.constant(2.0, dtype), emit.convert(emit.scalar_of(i), dtype))
                return emit.multiply(emit.constant(w, dtype), _cosine(emit, emit.add(start, step), dtype))

            angle = emit.add(start, emit.constant(len(self.by) % 4 * math.pi / 2, dtype))
            for w, x, type_ in zip(frequencies, operands, types, strict=True):

                def term(at: Sequence[I], w: float = w, x: Accessor[I, S] = x, start: S = start) -> S:
                    return emit.multiply(weight(at[0], w, start), x(at))

                angle = emit.add(angle, emit.reduce("sum", [type_.shape[0]], term))
            wave = emit.multiply(emit.constant(amplitude, dtype), emit.math("sin", angle))
            for place, i in zip(self.by, index[len(self.outputs) :], strict=True):
                wave = emit.multiply(wave, weight(i, frequencies[place], start))
            total = emit.add(total, wave)
        return total


def _check(name: str, orders: Sequence[int]) -> None:
    """Raise ProgramError for an invalid name or order of differentiation."""
    if not name.isidentifier():
        raise ProgramError(f"{name!r} cannot be the name of a function; give an identifier, such as 'f'")
    if not orders or not all(0 <= order <= _HIGHEST for order in orders):
        raise ProgramError(f"{name} is differentiated {orders} times; up to {_HIGHEST} times can be told")


def _cosine(emit: Emitter[S, I], x: S, dtype: DType) -> S:
    return emit.math("sin", emit.add(x, emit.constant(math.pi / 2, dtype)))


@lru_cache(256)
def _waves(name: str, arity: int) -> tuple[tuple[float, tuple[float, ...], float], ...]:
    """Return amplitude, frequencies and phase of each sine, drawn reproducibly from the name."""
    seed = int.from_bytes(hashlib.sha256(f"{name}/{arity}".encode()).digest()[:8], "little")
    draw = np.random.default_rng(seed).uniform
    return tuple(
        (float(draw(0.4, 1.0)), tuple(float(w) for w in draw(0.5, 1.3, arity)), float(draw(0.0, 2 * math.pi)))
        for _ in range(_WAVES)
    )


def refuse_abstract(nodes: Iterable[Node]) -> None:
    """Raise ProgramError if `nodes`, which are to be executed or exported, contain an abstract function."""
    for node in nodes:
        if applies(node, Abstract, AbstractMap):
            name = node.primitive.name
            raise ProgramError(
                f"{name} has no definition, so it has no values; it can be derived, and to be run it needs one, as in "
                f"def {name}(x): return np.tanh(x)"
            )
