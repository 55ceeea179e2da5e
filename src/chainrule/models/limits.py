"""How large a program from a file may be: what keeps a hostile one from filling memory, or from never ending."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, Program, SymbolicDim, concrete
from chainrule.models.errors import DescriptionError, ModelError
from chainrule.primitives import (
    Abs,
    Broadcast,
    Compare,
    Composite,
    Contract,
    Divide,
    DivideNoNan,
    Elementwise,
    Gather,
    LeakyRelu,
    Linear,
    Maximum,
    Minimum,
    NotExpandableError,
    Permute,
    Relu,
    Reshape,
    Sign,
    Slice,
    Sqrt,
    Square,
)
from chainrule.words import ChainruleError

NODES = 10_000
DEPTH = 4_000
AXES = 16
TERMS = 64
"""The terms that the number of elements of a value may have as a polynomial in the named sizes."""

ELEMENTS = 2**31
"""The elements of a value, with every named size 1."""

BOUND_ELEMENTS = 2**30
"""The elements of all values together, for a block of rows."""

WORK = 2**42
"""The multiplications of one product, with every named size 1."""

MULTIPLICATIONS = 64
"""The multiplications of all products together, for a block of rows, for each byte that may be read of a file."""

BYTES_PER_OPERATION = 2**17
"""The bytes that may be read of a file for each operation that is compiled: 8,192 operations for a gibibyte."""

_ELEMENTARY = 16
"""The operations that an elementary function, such as tanh, is made of, roughly."""

_PLAIN = (Abs, Compare, Divide, DivideNoNan, LeakyRelu, Maximum, Minimum, Relu, Sign, Sqrt, Square)


def check_type(type_: ArrayType, place: str) -> None:
    """Raise DescriptionError for a type with too many axes, too complicated sizes, or too many elements."""
    if type_.ndim > AXES:
        raise DescriptionError(f"{place} has {type_.ndim} axes; a value has at most {AXES}")
    terms, elements = 1, 1
    for dim in type_.shape:
        if isinstance(dim, int) and dim < 0:
            raise DescriptionError(f"{place} has an axis of the negative size {dim}")
        terms *= max(1, len(dim.terms)) if isinstance(dim, SymbolicDim) else 1
        elements *= max(1, _magnitude(dim))
    if terms > TERMS:
        raise DescriptionError(f"{place} has sizes of {terms} terms; a value has at most {TERMS}")
    if elements > ELEMENTS:
        raise DescriptionError(f"{place} has more than {ELEMENTS:,} elements")


def check_node(node: Node, place: str) -> None:
    """Raise DescriptionError for a node that would take too much memory or work, or may read where nothing is."""
    check_type(node.type, place)
    if not isinstance(node, Apply):
        return
    if isinstance(node.primitive, Contract):
        sizes = node.primitive.sizes([operand.type for operand in node.operands])
        if math.prod(map(_magnitude, sizes.values())) > WORK:
            raise DescriptionError(f"{place} is a product of more than {WORK:,} multiplications")
    if isinstance(node.primitive, Gather):
        _check_indices(node, place)


def _magnitude(dim: Dim) -> int:
    """A bound on the size where every name is 1."""
    return sum(abs(coefficient) for _, coefficient in dim.terms) if isinstance(dim, SymbolicDim) else dim


def _check_indices(node: Apply, place: str) -> None:
    """Places to read at may be given, and are checked then, or be literals; computed ones could point anywhere."""
    indices, size = node.operands[1], node.operands[0].type.shape[node.primitive.axis]
    while isinstance(indices, Apply) and isinstance(indices.primitive, Permute | Reshape | Broadcast | Slice):
        (indices,) = indices.operands
    if isinstance(indices, Input):
        return
    value = indices.value if isinstance(indices, Const) else None
    if value is None or isinstance(value, SymbolicDim) or isinstance(size, SymbolicDim):
        raise DescriptionError(f"{place} chooses by places that are computed, which a model in a file may not")
    if np.size(value) and not -size <= np.min(value) <= np.max(value) < size:
        raise DescriptionError(f"{place} chooses places that an axis of size {size} has not")


def check_work(program: Program, sizes: Mapping[str, int], limit: int) -> None:
    """Raise DescriptionError where computing a block of rows, or compiling what does, is too much for a file.

    `limit` is the number of bytes that may be read of one; work is bounded in proportion. What a primitive is written
    out as is counted, not the primitive.
    """
    bound = program.bind(dict(sizes))
    most = MULTIPLICATIONS * limit
    multiplications = sum(_multiplications(node) for node in bound.nodes if isinstance(node, Apply))
    if multiplications > most:
        raise DescriptionError(
            f"takes {multiplications:,} multiplications for {max(sizes.values(), default=1)} rows, more than the "
            f"{most:,} of a model in a file"
        )
    counted, total = _Operations(limit // BYTES_PER_OPERATION), 0
    for node in bound.nodes:
        total += counted.of(node, 0)
        if total > counted.most:
            raise DescriptionError(f"takes more operations to compile than the {counted.most:,} of a model in a file")


def _multiplications(node: Apply) -> int:
    if not isinstance(node.primitive, Contract):
        return 0
    sizes = node.primitive.sizes([operand.type for operand in node.operands])
    return math.prod(map(concrete, sizes.values()))


class _Operations:
    """Counts what nodes are written out as; each primitive on operands of the same types once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: dict[object, int] = {}

    def of(self, node: Node, depth: int) -> int:
        """The operations of a node without its operands; more than `most` stand for any number."""
        if not isinstance(node, Apply):
            return 0
        key = node.primitive, tuple(operand.type for operand in node.operands)
        if key not in self._known:
            self._known[key] = self._counted(node, depth)
        return self._known[key]

    def _counted(self, node: Apply, depth: int) -> int:
        plain = _ELEMENTARY if isinstance(node.primitive, Elementwise) and not isinstance(node.primitive, _PLAIN) else 1
        if depth > AXES or not isinstance(node.primitive, Composite | Linear):
            return plain
        operands = tuple(Input(f"operand {k}", operand.type) for k, operand in enumerate(node.operands))
        try:
            expanded = node.primitive.expand(*operands)
        except NotExpandableError:
            return plain  # and refused where it is to be compiled
        if expanded is None:
            return plain
        total = 0
        for each in Program(operands, (expanded,)).nodes:
            total += self.of(each, depth + 1)
            if total > self.most:
                break
        return total


def check_bound(program: Program, sizes: Mapping[str, int]) -> None:
    """Raise ModelError where, with numbers for the named sizes, a size is negative or too much memory would be used."""
    try:
        bound = program.bind(dict(sizes))
    except ChainruleError as error:
        raise ModelError(f"the program has no types for {sizes}: {error}") from None
    except Exception:  # whatever a primitive says of operands that it does not take
        raise ModelError(f"the program has no types for {sizes}") from None
    total = 0
    for node in bound.nodes:
        if not node.type.is_concrete:
            raise ModelError("the program has a size with a name beside the number of rows")
        check_node(node, "a value of the program")
        total += math.prod(node.type.concrete_shape)
    if total > BOUND_ELEMENTS:
        raise ModelError(f"the program computes {total:,} numbers for a block of rows, more than {BOUND_ELEMENTS:,}")
