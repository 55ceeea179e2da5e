"""The layout of the matrices of a line.

A product has its left factor at the left, its right one above, and the result where they meet (Falk's scheme); anything
else has its operands beside the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from chainrule.calculus import is_scale
from chainrule.derivation import Record
from chainrule.ir import Apply, Input, Node, topological_order
from chainrule.primitives import Add, Broadcast, Contract, Divide, Multiply, Negate, Permute, Product, Subtract, Sum


@dataclass(frozen=True)
class Factor:
    """A factor of a product: the key of a value, "" for a vector of ones, and whether it is transposed."""

    key: str
    transposed: bool = False


@dataclass(frozen=True)
class Picture:
    """The operands of a line in the order in which it has them, and the factors if it contains one product.

    By `product` it is one of two matrices ("matrix"), of a matrix and a column ("vector"), of a column and a row
    ("outer"), or of a row of ones and a matrix ("ones").
    """

    operands: tuple[str, ...]
    product: Literal["matrix", "vector", "outer", "ones"] | None = None
    left: Factor | None = None
    right: Factor | None = None


def picture_of(node: Node) -> Picture:
    """Return the layout of an expression over named values.

    >>> from chainrule.deriving import derive
    >>> record = derive("z = X @ W; sum(z^2)", ["W"], X="n d", W="d h").record
    >>> picture = picture_of(record.steps[-1].chain.right)
    >>> picture.product, picture.left, picture.right.key
    ('matrix', Factor(key='X', transposed=True), '∂ z')
    """
    operands = tuple(dict.fromkeys(each.name for each in _inputs(node)))
    products = [found for found in (_product(operands, term) for term in _terms(node)) if found is not None]
    return products[0] if len(products) == 1 else Picture(operands)


def has_columns(record: Record) -> bool:
    """Whether a record multiplies matrices by vectors, which are columns then, and adds none to rows of a matrix."""
    nodes = topological_order([stage.forward.right for stage in record.stages])
    return any(map(_is_of_a_vector, nodes)) and not any(map(_repeats_a_row, nodes))


def _is_of_a_vector(node: Node) -> bool:
    match node:
        case Apply(Contract(product=Product("vector"))):
            return True
    return False


def _repeats_a_row(node: Node) -> bool:
    match node:
        case Apply(Broadcast(_, (axis,)), (x,)):
            return x.type.ndim == 1 and node.type.ndim > 1 and axis == node.type.ndim - 1
    return False


def _inputs(node: Node) -> Iterator[Input]:
    """Yield the named values of an expression from left to right."""
    return (each for each in topological_order([node]) if isinstance(each, Input))


def _terms(node: Node) -> Iterator[Node]:
    """Yield the terms of a sum, beneath numbers and signs; not those that are only repeated."""
    match node:
        case Apply(Add() | Subtract(), operands):
            for operand in operands:
                yield from _terms(operand)
        case Apply(Negate(), (x,)):
            yield from _terms(x)
        case Apply(Multiply(), (number, x)) | Apply(Divide(), (x, number)) if _is_number(number):
            yield from _terms(x)
        case _:
            yield node


def _is_number(node: Node) -> bool:
    """Whether `node` is one number, at every entry."""
    return (
        is_scale(node)
        or node.type.ndim == 0
        or (isinstance(node, Apply) and node.primitive == Broadcast(node.type.shape, ()))
    )


def _product(operands: tuple[str, ...], term: Node) -> Picture | None:
    """Return the layout of a product of two named values, or of ones and a named matrix."""
    match term:
        case Apply(Contract(product=Product("matrix" | "vector" | "outer" as kind, left, right, (), False)), factors):
            first, second = (_factor(factors[each.operand], each.transposed) for each in (left, right))
            if first is not None and second is not None:
                return Picture(operands, kind, first, second)
        case Apply(Sum((0,)), (Input() as x,)) if x.type.ndim == 2:
            return Picture(operands, "ones", Factor(""), Factor(x.name))
    return None


def _factor(node: Node, transposed: bool) -> Factor | None:
    """Return a factor that is a named value, or the transpose of one."""
    match node:
        case Input():
            return Factor(node.name, transposed)
        case Apply(Permute((1, 0)), (Input() as matrix,)):
            return Factor(matrix.name, not transposed)
    return None
