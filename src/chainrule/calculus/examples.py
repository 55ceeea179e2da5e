"""Variables, numbers and sizes for the examples of rules."""

from __future__ import annotations

from chainrule.ir import ArrayType, Const, Input, Node, named_dim, parse_shape


def some(name: str, shape: str) -> Node:
    """Return an array of this name."""
    return Input(name, ArrayType(parse_shape(shape)))


def some_x(shape: str = "n m") -> Node:
    """Return an array x."""
    return some("x", shape)


def some_y(shape: str = "n m") -> Node:
    """Return another array, y."""
    return some("y", shape)


def filled(value: float, shape: str = "n m") -> Const:
    """Return an array filled with a number."""
    return Const(value, ArrayType(parse_shape(shape)))


def size(name: str, shape: str = "n m") -> Const:
    """Return an array filled with a size."""
    return Const(named_dim(name), ArrayType(parse_shape(shape)))
