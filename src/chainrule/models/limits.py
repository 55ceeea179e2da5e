"""Limits on programs read from a file, which prevent a malicious one from exhausting memory or time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chainrule.interchange import AXES, check_node
from chainrule.ir import Apply, Input, Node, Program, concrete
from chainrule.models.errors import ModelError
from chainrule.primitives import (
    Abs,
    Compare,
    Composite,
    Contract,
    Divide,
    DivideNoNan,
    Elementwise,
    LeakyRelu,
    Linear,
    Maximum,
    Minimum,
    NotExpandableError,
    Relu,
    Sign,
    Sqrt,
    Square,
)
from chainrule.schema import DescriptionError
from chainrule.words import ChainruleError

BOUND_ELEMENTS = 2**30
"""The maximum number of elements of all values together, for a block of rows."""

MULTIPLICATIONS = 64
"""The maximum number of multiplications for a block of rows, per byte of the size limit of a file."""

BYTES_PER_OPERATION = 2**17
"""Bytes of the size limit of a file for each compiled operation: 8,192 operations for a gibibyte."""

_ELEMENTARY = 16
"""The approximate number of operations in an elementary function, such as tanh."""

_PLAIN = (Abs, Compare, Divide, DivideNoNan, LeakyRelu, Maximum, Minimum, Relu, Sign, Sqrt, Square)


def check_work(program: Program, sizes: Mapping[str, int], limit: int) -> None:
    """Raise DescriptionError if computing a block of rows, or compiling the program, takes too much work.

    `limit` is the size limit of the file in bytes; the allowed work is proportional to it. Primitives are counted as
    the operations into which they are decomposed.
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
    """Counts the operations into which nodes are decomposed; each primitive with operands of the same types once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: dict[object, int] = {}

    def of(self, node: Node, depth: int) -> int:
        """Return the operations of a node without its operands; a result above `most` means too many."""
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
            return plain  # rejected when it is compiled
        if expanded is None:
            return plain
        total = 0
        for each in Program(operands, (expanded,)).nodes:
            total += self.of(each, depth + 1)
            if total > self.most:
                break
        return total


def check_bound(program: Program, sizes: Mapping[str, int]) -> None:
    """Raise ModelError if, for the given sizes, a size is negative or too much memory is needed."""
    try:
        bound = program.bind(dict(sizes))
    except ChainruleError as error:
        raise ModelError(f"the program has no types for {sizes}: {error}") from None
    except Exception:  # any error of a primitive about its operands
        raise ModelError(f"the program has no types for {sizes}") from None
    total = 0
    for node in bound.nodes:
        if not node.type.is_concrete:
            raise ModelError("the program has a size with a name beside the number of rows")
        try:
            check_node(node, "a value of the program")
        except DescriptionError as error:
            raise ModelError(str(error)) from None
        total += math.prod(node.type.concrete_shape)
    if total > BOUND_ELEMENTS:
        raise ModelError(f"the program computes {total:,} numbers for a block of rows, more than {BOUND_ELEMENTS:,}")
