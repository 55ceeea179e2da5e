"""Classification of contractions of two arrays as products of linear algebra.

Used for notation, for source code (`@`, `outer`) and for descriptions of products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Labels: TypeAlias = tuple[int, ...]
Kind: TypeAlias = Literal["scaling", "inner", "outer", "rows", "vector", "matrix", "trace"]


@dataclass(frozen=True)
class Factor:
    """Operand number `operand` of a contraction, with `batch` axes first; `transposed` swaps its last two axes."""

    operand: int
    transposed: bool = False
    batch: Labels = ()


@dataclass(frozen=True)
class Product:
    """A contraction of two operands as `left` times `right`, batched along `batch`.

    By `kind` it is a number times an array ("scaling"), aᵀ b ("inner"), a bᵀ ("outer"), (A ⊙ B) 1 ("rows"), A b
    ("vector"), A B ("matrix") or tr(A B) ("trace"). `batch` are leading axes of the result; a factor that lacks some of
    them broadcasts along them. If `added`, both factors have one more axis after the batch, along which the products
    are summed.
    """

    kind: Kind
    left: Factor
    right: Factor
    batch: Labels = ()
    added: bool = False

    def factor(self, operand: int) -> Factor:
        """Return the factor for operand number `operand`."""
        return self.left if self.left.operand == operand else self.right

    @property
    def is_stack(self) -> bool:
        """Whether each factor is unbatched or has all batch axes."""
        return {self.left.batch, self.right.batch} <= {(), self.batch}


def product_of(inputs: Sequence[Labels], output: Labels) -> Product | None:
    """Return the product for a contraction with these labels; None if it has no standard name."""
    if len(inputs) != 2:
        return None
    left, right = inputs
    if not left or not right:
        scalar = 0 if not left else 1
        return Product("scaling", Factor(scalar), Factor(1 - scalar)) if inputs[1 - scalar] == output else None
    if not set(left) ^ set(right) <= set(output):
        return None  # summed over one operand alone
    summed = [label for label in left if label in right and label not in output]
    if not summed and len(left) == len(right) == 1 and left != right:
        first = 0 if output == left + right else 1
        return Product("outer", Factor(first), Factor(1 - first))
    if len(summed) == 1:
        return _over_one_axis(inputs, output, *summed)
    return _trace(left, right, output) or _added(left, right, output) if len(summed) == 2 else None


def _over_one_axis(inputs: Sequence[Labels], output: Labels, summed: int) -> Product | None:
    if inputs[0] == inputs[1] == (*output, summed) and len(output) < 2:
        return Product("rows" if output else "inner", Factor(0), Factor(1))
    for first, second in ((0, 1), (1, 0)):
        batch = output[:-1] if len(inputs[second]) == 1 else output[:-2]
        row = (output[len(batch)], summed)
        column = (summed, *output[len(batch) + 1 :])
        left, right = _factor(first, inputs[first], row), _factor(second, inputs[second], column)
        if left is None or right is None or batch not in (left.batch, right.batch):
            continue
        if all(batch[len(batch) - len(factor.batch) :] == factor.batch for factor in (left, right)):
            return Product("matrix" if len(column) == 2 else "vector", left, right, batch)
    return None


def _factor(operand: int, labels: Labels, core: Labels) -> Factor | None:
    """Return the operand as an array of the axes `core`, transposed if necessary; a vector has no batch."""
    batch, found = labels[: -len(core)], labels[-len(core) :]
    if found not in (core, core[::-1]) or (batch and len(core) == 1):
        return None
    return Factor(operand, found != core, batch)


def _trace(left: Labels, right: Labels, output: Labels) -> Product | None:
    """Return tr(A B), where A or B may be a stack of matrices."""
    stacks = [labels[:-2] for labels in (left, right)]
    if sorted(stacks) != sorted([(), output]) or len(output) > 1 or set(left[-2:]) != set(right[-2:]):
        return None
    return Product("trace", Factor(0, left[-2:] == right[-2:], stacks[0]), Factor(1, False, stacks[1]), output)


def _added(left: Labels, right: Labels, output: Labels) -> Product | None:
    """Return Σ A B along the axis that both have after the batch."""
    place = len(output) - 2
    if place < 0 or not len(left) == len(right) == place + 3 or left[: place + 1] != right[: place + 1]:
        return None
    one = product_of([(*labels[:place], *labels[place + 1 :]) for labels in (left, right)], output)
    return None if one is None or one.kind != "matrix" or left[place] in output else replace(one, added=True)
