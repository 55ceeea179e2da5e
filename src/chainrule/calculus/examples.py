"""Variables, numbers and sizes of which the examples of rules are made."""

from __future__ import annotations

from chainrule.ir import ArrayType, Const, Input, Node, named_dim, parse_shape


def some_x(shape: str = "n m") -> Node:
    """An array x."""
    return Input("x", ArrayType(parse_shape(shape)))


def some_y(shape: str = "n m") -> Node:
    """Another array, y."""
    return Input("y", ArrayType(parse_shape(shape)))


def filled(value: float, shape: str = "n m") -> Const:
    """An array with the same number everywhere."""
    return Const(value, ArrayType(parse_shape(shape)))


def size(name: str, shape: str = "n m") -> Const:
    """An array filled with a size."""
    return Const(named_dim(name), ArrayType(parse_shape(shape)))
