"""Activations in an answer's code: their names, and their derivatives as expressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.grading.building import binary, function_name, times

_SIGMOIDS, _RELUS = frozenset({"sigmoid", "sigma"}), frozenset({"relu", "ReLU"})
_ACTIVATIONS = frozenset({"maximum", "tanh", "clip"}) | _SIGMOIDS | _RELUS
_OF_DERIVATIVES = ("back", "bwd", "d", "grad", "prime", "slope")
"""How a name goes on that is that of an activation's derivative."""


def is_activation(call: ast.Call) -> bool:
    """Whether a call is that of an activation function, by its name."""
    name = function_name(call)
    first, _, rest = name.partition("_")
    is_variant = first in _ACTIVATIONS and bool(rest) and not rest.casefold().startswith(_OF_DERIVATIVES)
    return bool(call.args) and (name in _ACTIVATIONS or is_variant)


def derivatives(node: ast.Call, name: str) -> Iterator[ast.expr]:
    """Yield the derivative of an activation, from its value as from its argument if this is the value already."""
    value, one = node.args[0], ast.Constant(1)
    if name in _SIGMOIDS:
        yield times(value, ast.BinOp(one, ast.Sub(), value))
    if name == "tanh":
        for inner in (value, node):
            yield ast.BinOp(one, ast.Sub(), binary(inner, ast.Pow, ast.Constant(2)))
    if name in _RELUS:
        yield ast.Compare(value, [ast.Gt()], [ast.Constant(0)])


def slopes(value: ast.expr) -> Iterator[ast.expr]:
    """Yield the derivatives of activations that are computed from a value alone."""
    one = ast.Constant(1)
    yield ast.Compare(value, [ast.Gt()], [ast.Constant(0)])
    yield ast.BinOp(one, ast.Sub(), binary(value, ast.Pow, ast.Constant(2)))
    yield times(value, ast.BinOp(one, ast.Sub(), value))


def activated(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the activations of a value whose derivatives are computed from their results."""
    negative = ast.UnaryOp(ast.USub(), node)
    tanh, exponential = (ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()) for name in ("tanh", "exp"))
    yield ast.Call(tanh, [node], [])
    whole = ast.BinOp(ast.Constant(1), ast.Add(), ast.Call(exponential, [negative], []))
    yield ast.BinOp(ast.Constant(1), ast.Div(), whole)


def of_outputs(node: ast.BinOp) -> Iterator[tuple[ast.expr, str, str]]:
    """Yield 1 − tanh² and σ (1 − σ) of a value for 1 − z² and z (1 − z), with what is replaced and by what.

    >>> def of(code):
    ...     return [ast.unparse(new) for new, *_ in of_outputs(ast.parse(code, mode="eval").body)]
    >>> of("1 - z**2") == of("1 - np.square(z)") == of("1 - z * z"), of("1 - z**3"), of("z * (1 - y)")
    (True, [], [])
    >>> of("1 - z**2"), of("z * (1 - z)")
    (['1 - np.tanh(z) ** 2'], ['1 / (1 + np.exp(-z)) * (1 - 1 / (1 + np.exp(-z)))'])
    """
    match node:
        case ast.BinOp(ast.Constant(1), ast.Sub(), square):
            value = _root_of(square)
            if value is not None:
                new = next(activated(value))
                yield ast.BinOp(node.left, ast.Sub(), binary(new, ast.Pow, ast.Constant(2))), *_texts(value, new)
        case ast.BinOp(value, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Sub(), again)):
            if isinstance(value, ast.Name) and ast.dump(value) == ast.dump(again):
                new = list(activated(value))[1]
                yield times(new, ast.BinOp(ast.Constant(1), ast.Sub(), new)), *_texts(value, new)


def _root_of(square: ast.expr) -> ast.expr | None:
    """Return what is squared: z in `z ** 2`, `np.square(z)`, `z * z`."""
    match square:
        case ast.BinOp(ast.Name() as value, ast.Pow(), ast.Constant(2)):
            return value
        case ast.BinOp(ast.Name() as value, ast.Mult(), ast.Name(other)):
            return value if value.id == other else None
        case ast.Call(args=[ast.Name() as value]) if function_name(square) == "square":
            return value
    return None


def _texts(before: ast.expr, after: ast.expr) -> tuple[str, str]:
    return ast.unparse(before), ast.unparse(after)


def is_tanh(node: ast.expr) -> bool:
    """Whether an expression is a hyperbolic tangent."""
    return isinstance(node, ast.Call) and function_name(node) == "tanh"
