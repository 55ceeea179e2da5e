"""Stateless random numbers: each draw is a cipher of its position, so the order of evaluation is irrelevant.

Threefry-2x64-20 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is a block cipher used as a
counter-based generator: 128 bits of counter under 128 bits of key give 128 random bits. Element i of a draw is the
cipher of (step, i) under the key (seed, stream), in any thread and in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import (
    ArrayType,
    Dim,
    DType,
    DTypeError,
    Node,
    ProgramError,
    Shape,
    ShapeError,
    concrete,
    named_dim,
)
from chainrule.primitives.base import Array, Example, Nonlinear
from chainrule.primitives.comparison import greater_equal
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.exponentials import log, sqrt
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.replication import cast
from chainrule.primitives.trigonometric import cos

S = TypeVar("S")
I = TypeVar("I")

THREEFRY_ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
THREEFRY_PARITY = 0x1BD11BDAA9FC1A22
THREEFRY_ROUNDS = 20
UNIFORM_BITS = {DType.FLOAT64: 53, DType.FLOAT32: 24}
"""The number of leading bits of a word in a uniform float: all that are exact between ½ and 1."""

_WORD = (1 << 64) - 1
_Words = NDArray[np.uint64]


def threefry(key: tuple[int, int], counter: tuple[_Words, _Words]) -> tuple[_Words, _Words]:
    """Threefry-2x64-20 of arrays of counters with at least one dimension; keys are taken modulo 2⁶⁴."""
    first, second = key[0] & _WORD, key[1] & _WORD
    words = [np.uint64(first), np.uint64(second), np.uint64(THREEFRY_PARITY ^ first ^ second)]
    x, y = counter[0] + words[0], counter[1] + words[1]
    for round in range(THREEFRY_ROUNDS):
        rotation = THREEFRY_ROTATIONS[round % len(THREEFRY_ROTATIONS)]
        x = x + y
        y = (y << np.uint64(rotation) | y >> np.uint64(64 - rotation)) ^ x
        if round % 4 == 3:
            injection = round // 4 + 1
            x = x + words[injection % 3]
            y = y + words[(injection + 1) % 3] + np.uint64(injection)
    return x, y


def uniform_floats(seed: int, stream: int, step: int, places: _Words, dtype: DType) -> Array:
    """Return the elements at `places` (one-dimensional) of a draw of `RandomUniform`."""
    steps = np.full(1, step & _WORD, np.uint64)
    words, _ = threefry((seed, stream), (steps, places))
    bits = UNIFORM_BITS[dtype]
    return np.asarray((words >> np.uint64(64 - bits)).astype(dtype.numpy) * dtype.numpy.type(2.0**-bits))


@final
@dataclass(frozen=True)
class RandomUniform(Nonlinear):
    """Independent numbers, uniform in [0, 1), with 53 random bits (24 in float32).

    The operands are the seed and the step, int64 scalars. Draws with different `stream`, `seed` or `step` are
    independent. A shorter draw is a prefix of a longer one, in row-major order.
    """

    shape: Shape
    stream: int
    dtype: DType = DType.FLOAT64

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        integers = (ArrayType((), DType.INT64),) * 2
        domain = ((-9, 9), (0, 1000))
        return [Example(cls(shape, 3), integers, domain) for shape in ((n, m), (m, 2, n + 1), (n,), ())]

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != 2:
            raise ProgramError(f"RandomUniform takes a seed and a step, not {len(operands)} operands")
        for name, operand in zip(("seed", "step"), operands, strict=True):
            if operand != ArrayType((), DType.INT64):
                raise DTypeError(f"the {name} of random numbers is one integer, not {operand}")
        if not self.dtype.is_float:
            raise DTypeError(f"uniform random numbers are floats, not {self.dtype.value}")
        return ArrayType(self.shape, self.dtype)

    def value(self, *operands: Array) -> Array:
        seed, step = map(int, operands)
        shape = [concrete(dim) for dim in self.shape]
        places = np.arange(math.prod(shape), dtype=np.uint64)
        return uniform_floats(seed, self.stream, step, places, self.dtype).reshape(shape)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("uniform", (Number(self.stream),))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        place = emit.index(0)
        for i, size in zip(index, self.shape, strict=True):
            place = emit.index_add(emit.index_multiply(place, emit.index(size)), i)
        stream = emit.constant(self.stream, DType.INT64)
        return emit.random_uniform(operands[0]([]), stream, operands[1]([]), emit.scalar_of(place), self.dtype)


def random_uniform(seed: Node, step: Node, shape: Sequence[Dim], stream: int, dtype: DType = DType.FLOAT64) -> Node:
    """Draw independent numbers, uniform in [0, 1)."""
    for dim in shape:
        if isinstance(dim, int) and dim < 0:
            raise ShapeError(f"an array of random numbers has the size {dim} on an axis; sizes are 0 or more")
    return RandomUniform(tuple(shape), stream, dtype)(seed, step)


def random_normal(
    seed: Node, step: Node, shape: Sequence[Dim], streams: tuple[int, int], dtype: DType = DType.FLOAT64
) -> Node:
    """Draw independent standard normal numbers: √(−2 ln(1 − u)) cos(2π v) of two uniform draws.

    Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29, 1958.
    The magnitude is at most 8.6 (5.8 in float32), since 1 − u is at least 2⁻⁵³ (2⁻²⁴).
    """
    u, v = (random_uniform(seed, step, shape, stream, dtype) for stream in streams)
    return sqrt(-2 * log(1 - u)) * cos(2 * math.pi * v)


def dropout_mask(seed: Node, step: Node, like: Node, rate: float, stream: int) -> Node:
    """For each element of `like`, independently: 0 with probability `rate`, else 1/(1 − rate)."""
    draw = random_uniform(seed, step, like.type.shape, stream, like.type.dtype)
    return cast(greater_equal(draw, rate), like.type.dtype) * (1 / (1 - rate))
