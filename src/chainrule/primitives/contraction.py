"""Contractions: all products that sum over shared axes, such as matrix products, dot, outer, tensordot and einsum.

A contraction is written as einsum's index lists: a label per axis of each operand, and the labels of the result. Its
transpose is the contraction with the labels of one operand and of the result exchanged. Transposed matrices in a
backward pass result from this exchange, which puts the summed label first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Dim, DTypeError, Node, Operand, ShapeError, named_dim, shape_text
from chainrule.primitives.base import Array, Example, Multilinear
from chainrule.primitives.diagonal import diagonal
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import permute, reshape, squeeze
from chainrule.primitives.notation import Call, Infix, Mark, Notation, Number, transposed
from chainrule.primitives.products import Labels, Product, product_of
from chainrule.primitives.replication import Broadcast, Sum, cast, common_dtype, sum_

S = TypeVar("S")
I = TypeVar("I")
_LARGE = 4_000


@final
@dataclass(frozen=True)
class Contract(Multilinear):
    """The product of the operands, summed over the labels that are not in `output`; no operand repeats a label."""

    inputs: tuple[Labels, ...]
    output: Labels

    def __post_init__(self) -> None:
        # Labels are numbered in order of appearance, so that equivalent contractions are equal objects.
        number: dict[int, int] = {}
        for label in (label for labels in (*self.inputs, self.output) for label in labels):
            number.setdefault(label, len(number))
        object.__setattr__(self, "inputs", tuple(tuple(number[k] for k in labels) for labels in self.inputs))
        object.__setattr__(self, "output", tuple(number[k] for k in self.output))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m, k = map(named_dim, "nmk")
        ij, jk = ArrayType((n, m)), ArrayType((m, k))
        return [
            Example(cls(((0, 1), (1, 2)), (0, 2)), (ij, jk)),
            Example(cls(((1, 0), (1, 2)), (0, 2)), (ArrayType((m, n)), jk)),
            Example(cls(((0, 1), (2, 1)), (0, 2)), (ij, ArrayType((k, m)))),
            Example(cls(((0, 1), (1,)), (0,)), (ij, ArrayType((m,)))),
            Example(cls(((0,), (0, 1)), (1,)), (ArrayType((n,)), ij)),
            Example(cls(((0,), (1,)), (0, 1)), (ArrayType((n,)), ArrayType((m,)))),
            Example(cls(((0,), (0,)), ()), (ArrayType((n,)), ArrayType((n,)))),
            Example(cls(((0, 1, 2), (0, 2, 3)), (0, 1, 3)), (ArrayType((2, n, m)), ArrayType((2, m, k)))),
            Example(cls(((0, 1), (1, 2), (2, 3)), (3, 0)), (ij, jk, ArrayType((k, 2)))),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != len(self.inputs):
            raise ShapeError(f"{self} takes {len(self.inputs)} operands, not {len(operands)}")
        sizes: dict[int, Dim] = {}
        for labels, operand in zip(self.inputs, operands, strict=True):
            if len(labels) != operand.ndim or len(set(labels)) != len(labels):
                raise ShapeError(f"index list {labels} does not label an array of {operand.ndim} dimensions")
            if not operand.dtype.is_float or operand.dtype != operands[0].dtype:
                raise DTypeError(
                    "a product takes floats of one dtype, not " + ", ".join(o.dtype.value for o in operands)
                )
            for label, dim in zip(labels, operand.shape, strict=True):
                if sizes.setdefault(label, dim) != dim:
                    shapes = " and ".join(shape_text(o.shape) for o in operands)
                    raise ShapeError(f"shapes {shapes} do not fit: the summed sizes {sizes[label]} and {dim} differ")
        if len(set(self.output)) != len(self.output) or not set(self.output) <= set(sizes):
            raise ShapeError(f"index list {self.output} of the result is not among those of the operands")
        return ArrayType(tuple(sizes[label] for label in self.output), operands[0].dtype)

    def sizes(self, operands: Sequence[ArrayType]) -> dict[int, Dim]:
        """The size of each label, in order of appearance in the operands."""
        return {
            label: dim
            for labels, operand in zip(self.inputs, operands, strict=True)
            for label, dim in zip(labels, operand.shape, strict=True)
        }

    @property
    def product(self) -> Product | None:
        """The contraction as a product of two arrays; None if it has no standard name."""
        return product_of(self.inputs, self.output)

    def value(self, *operands: Array) -> Array:
        interleaved: list[object] = []
        for operand, labels in zip(operands, self.inputs, strict=True):
            interleaved += [operand, list(labels)]
        # Optimizing the order of products, and BLAS, pay from a few thousand elements on.
        large = sum(operand.size for operand in operands) > _LARGE
        return np.asarray(np.einsum(*interleaved, list(self.output), optimize=large))  # type: ignore[call-overload]

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        product = self.product
        if product is not None and product.is_stack:
            return _product_notation(product, operands)
        summed = self._summed_notation(operands, types)
        if summed is not None:
            return summed
        letters = _letters(self.sizes(types))
        spec = ",".join("".join(letters[label] for label in labels) for labels in self.inputs)
        return Call("einsum", (Mark(spec + "→" + "".join(letters[label] for label in self.output)), *operands))

    def _summed_notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation | None:
        """Return `Σ₂(A ⊙ B)` if all operands have the same axes, in one order, and those of the result are in order."""
        labels = self.inputs[0]
        kept = tuple(label for label in labels if label in self.output)
        if len(operands) < 2 or any(other != labels for other in self.inputs) or kept != self.output:
            return None
        product = Infix("⊙", tuple(operands))
        axes = tuple(axis for axis, label in enumerate(labels) if label not in self.output)
        return Sum(axes).notation([product], types[:1]) if axes else product

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        """⟨δ, C(…, dx, …)⟩ = ⟨C′(…, δ, …), dx⟩, where C′ exchanges the labels of x and of the result."""
        target = self.inputs[operand]
        inputs = (*self.inputs[:operand], self.output, *self.inputs[operand + 1 :])
        factors = (*operands[:operand], cotangent, *operands[operand + 1 :])
        found = {label for labels in inputs for label in labels}
        kept = tuple(label for label in target if label in found)
        product = Contract(inputs, kept)(*factors)
        # A label that only this operand has was summed in the forward pass: its transpose is a broadcast.
        axes = tuple(axis for axis, label in enumerate(target) if label in found)
        return product if kept == target else Broadcast(operands[operand].type.shape, axes)(product)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        sizes = self.sizes(types)
        summed = [label for label in sizes if label not in self.output]
        place = dict(zip(self.output, index, strict=True))

        def product(inner: Sequence[I]) -> S:
            at = {**place, **dict(zip(summed, inner, strict=True))}
            factors = [
                read([at[label] for label in labels]) for read, labels in zip(operands, self.inputs, strict=True)
            ]
            result = factors[0]
            for factor in factors[1:]:
                result = emit.multiply(result, factor)
            return result

        return emit.reduce("sum", [sizes[label] for label in summed], product) if summed else product([])


def _letters(sizes: Mapping[int, Dim]) -> dict[int, str]:
    """Return a letter for each label: the name of its size, if these are different letters, else i, j, k, …"""
    names = [str(size) for size in sizes.values()]
    if len(set(names)) == len(names) and all(len(name) == 1 and name.isalpha() for name in names):
        return dict(zip(sizes, names, strict=True))
    return {label: chr(ord("i") + k) for k, label in enumerate(sorted(sizes))}


def _product_notation(product: Product, operands: Sequence[Notation]) -> Notation:
    """Write `A B`, with transposes according to the labels."""
    left, right = (operands[factor.operand] for factor in (product.left, product.right))
    match product.kind:
        case "scaling":
            return Infix("·", (left, right))
        case "rows":
            return Infix("", (Infix("⊙", (left, right)), Number(1)))
        case "inner":
            return Infix("", (transposed(left), right))
        case "outer":
            return Infix("", (left, transposed(right)))
    factors = (
        transposed(left) if product.left.transposed else left,
        transposed(right) if product.right.transposed else right,
    )
    if product.kind == "trace":
        return Call("tr", (Infix("", factors),))
    return (
        Call("Σ", (Infix("", factors),), subscript=(Number(len(product.batch)),))
        if product.added
        else Infix("", factors)
    )


def contract(operands: Sequence[Node], inputs: Sequence[Labels], output: Labels) -> Node:
    """Contract operands with promotion of float dtypes, summing over the labels that are not in `output`."""
    dtype = common_dtype(list(operands))
    if not dtype.is_float:
        raise DTypeError("a product of integer arrays is not supported; convert one with astype(float)")
    return Contract(tuple(inputs), output)(*(cast(x, dtype) for x in operands))


def matmul(x: Operand, y: Operand) -> Node:
    """`x @ y` with NumPy's rules for vectors and batches."""
    if not isinstance(x, Node) or not isinstance(y, Node) or 0 in (x.type.ndim, y.type.ndim):
        raise ShapeError("a matrix product takes arrays, not numbers; write * to multiply by a number")
    shared = x.type.ndim + y.type.ndim
    row, column = (shared + 1,) if x.type.ndim > 1 else (), (shared + 2,) if y.type.ndim > 1 else ()
    x_batch, y_batch = x.type.shape[:-2], y.type.shape[:-2]
    if x.type.shape[-1] != y.type.shape[-2 if y.type.ndim > 1 else 0]:
        raise ShapeError(
            f"shapes {shape_text(x.type.shape)} and {shape_text(y.type.shape)} do not fit in a matrix product: "
            f"the summed sizes {x.type.shape[-1]} and {y.type.shape[-2 if y.type.ndim > 1 else 0]} differ"
        )
    rank = max(len(x_batch), len(y_batch))
    for a, b in zip(x_batch[::-1], y_batch[::-1], strict=False):
        if a != b and 1 not in (a, b):
            raise ShapeError(
                f"shapes {shape_text(x.type.shape)} and {shape_text(y.type.shape)} do not fit in a batched product"
            )
    # An axis of size 1 that broadcasts is removed from the operand.
    dims = [max((b[k] for b in (x_batch, y_batch) if len(b) >= -k), key=lambda d: d != 1) for k in range(-rank, 0)]
    factors, labels = [], []
    for operand, batch, core in ((x, x_batch, (*row, shared)), (y, y_batch, (shared, *column))):
        first = rank - len(batch)
        dropped = [k for k, dim in enumerate(batch) if dim == 1 and dims[first + k] != 1]
        shape = tuple(dim for k, dim in enumerate(operand.type.shape) if k not in dropped)
        factors.append(operand if not dropped else reshape(operand, shape))
        labels.append((*(first + k for k in range(len(batch)) if k not in dropped), *core))
    return contract(factors, labels, (*range(rank), *row, *column))


def dot(x: Node, y: Node) -> Node:
    """`np.dot`: for arrays, a sum over the last axis of x and the second to last of y; a scalar multiplies."""
    if 0 in (x.type.ndim, y.type.ndim):
        return x * y
    return tensordot(x, y, ((x.type.ndim - 1,), (max(y.type.ndim - 2, 0),)))


def inner(x: Node, y: Node) -> Node:
    """`np.inner`: a sum over the last axes; a scalar multiplies."""
    if 0 in (x.type.ndim, y.type.ndim):
        return x * y
    return tensordot(x, y, ((x.type.ndim - 1,), (y.type.ndim - 1,)))


def outer(x: Node, y: Node) -> Node:
    """`np.outer`: all products of an element of x and one of y."""
    return tensordot(reshape(x, (x.type.size,)), reshape(y, (y.type.size,)), 0)


def tensordot(x: Node, y: Node, axes: int | Sequence[int | Sequence[int]] = 2) -> Node:
    """`np.tensordot`: `axes` is the number of summed axes, last of x and first of y, or lists those of each."""
    if isinstance(axes, int):
        x_axes, y_axes = list(range(x.type.ndim - axes, x.type.ndim)), list(range(axes))
    else:
        x_axes, y_axes = ([entry] if isinstance(entry, int) else list(entry) for entry in axes)
    for listed, operand in ((x_axes, x), (y_axes, y)):
        if len(listed) != len(x_axes) or any(not -operand.type.ndim <= axis < operand.type.ndim for axis in listed):
            raise ShapeError(f"axes {axes} do not fit arrays of {x.type.ndim} and {y.type.ndim} dimensions")
    left = list(range(x.type.ndim))
    right = list(range(x.type.ndim, x.type.ndim + y.type.ndim))
    for i, j in zip(x_axes, y_axes, strict=True):
        right[j] = left[i]
    output = [label for label in left if label not in right] + [label for label in right if label not in left]
    return contract((x, y), (tuple(left), tuple(right)), tuple(output))


def einsum(subscripts: str, *operands: Node) -> Node:
    """`np.einsum` with an index string; `...` stands for leading axes, a letter twice in one operand for a diagonal.

    Without `->` the result has the letters that occur once, in alphabetical order. A single operand is summed and
    permuted. An axis of size 1 broadcasts to the size that its letter has elsewhere.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ShapeError(f"einsum {subscripts!r} names {len(terms)} operands but is given {len(operands)}")
    ranks = [x.type.ndim - len(term.replace("...", "")) for term, x in zip(terms, operands, strict=True)]
    widest = max((rank for term, rank in zip(terms, ranks, strict=True) if "..." in term), default=0)
    hidden = [chr(0x10000 + k) for k in range(widest)]  # private-use letters for the axes of the ellipsis
    lists = []
    for term, rank, x in zip(terms, ranks, operands, strict=True):
        letters = term.replace("...", "".join(hidden[len(hidden) - rank :]) if rank else "")
        if len(letters) != x.type.ndim or rank < 0:
            raise ShapeError(f"einsum {subscripts!r}: {term!r} does not label an array of {x.type.ndim} dimensions")
        lists.append(letters)
    found = "".join(lists)
    result = right.replace("...", "".join(hidden))
    if not arrow:
        result = "".join([*hidden, *sorted({letter for letter in found if found.count(letter) == 1} - set(hidden))])
    for letter in result:
        if letter not in found or result.count(letter) > 1:
            raise ShapeError(f"einsum {subscripts!r}: the result must use letters of the operands, each once")
    labelled = [pair for term, x in zip(lists, operands, strict=True) for pair in zip(term, x.type.shape, strict=True)]
    sizes = {letter: dim for letter, dim in labelled if dim != 1}
    fitting = [_without_single(letters, x, sizes) for letters, x in zip(lists, operands, strict=True)]
    diagonals = [_on_diagonals(subscripts, letters, x) for letters, x in fitting]
    lists = [letters for letters, _ in diagonals]
    nodes: list[Node] = []
    for k, (letters, x) in enumerate(diagonals):
        others = {*result, *"".join(lists[:k]), *"".join(lists[k + 1 :])}
        lists[k] = "".join(letter for letter in letters if letter in others)
        nodes.append(sum_(x, [axis for axis, letter in enumerate(letters) if letter not in others]))
    labels = {letter: k for k, letter in enumerate(dict.fromkeys(found))}
    indices = [tuple(labels[letter] for letter in letters) for letters in lists]
    output = tuple(labels[letter] for letter in result)
    if len(nodes) == 1:
        return permute(nodes[0], [indices[0].index(label) for label in output])
    return multiplied(nodes, indices, output) or contract(nodes, indices, output)


def _without_single(letters: str, x: Node, sizes: Mapping[str, Dim]) -> tuple[str, Node]:
    """Return an operand and its letters without the axes of size 1 that broadcast."""
    single = [
        k for k, (letter, dim) in enumerate(zip(letters, x.type.shape, strict=True)) if dim == 1 and letter in sizes
    ]
    return "".join(letter for k, letter in enumerate(letters) if k not in single), squeeze(x, single)


def _on_diagonals(subscripts: str, letters: str, x: Node) -> tuple[str, Node]:
    """Return an operand and its letters, each once: where a letter was repeated, the diagonal."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            sizes = x.type.shape[first], x.type.shape[second]
            if sizes[0] != sizes[1]:
                raise ShapeError(
                    f"einsum {subscripts!r}: {letter} has the sizes {sizes[0]} and {sizes[1]} in one operand"
                )
            x = diagonal(x, 0, first, second)
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + letter
    return letters, x


def multiplied(operands: Sequence[Node], inputs: Sequence[Labels], output: Labels) -> Node | None:
    """Return a contraction that sums over nothing as an elementwise product, if one factor has all axes; else None.

    A transposed factor is transposed, others are broadcast.
    """
    if {label for labels in inputs for label in labels} != set(output):
        return None
    if not output or all(len(labels) < len(output) for labels in inputs):
        return None
    dtype = common_dtype(list(operands))
    sizes = {
        label: x.type.shape[k] for x, labels in zip(operands, inputs, strict=True) for k, label in enumerate(labels)
    }
    product: Node | None = None
    for x, labels in zip(operands, inputs, strict=True):
        order = sorted(range(len(labels)), key=lambda axis: output.index(labels[axis]))
        places = tuple(output.index(labels[axis]) for axis in order)
        factor = permute(cast(x, dtype), order)
        if places != tuple(range(len(output))):
            factor = Broadcast(tuple(sizes[label] for label in output), places)(factor)
        product = factor if product is None else product * factor
    return product
