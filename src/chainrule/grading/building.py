"""Expressions of Python: what they are, and new ones made of them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

from chainrule.cage import TRANSPOSE
from chainrule.grading.written import written

OTHER = "__other__"
"""The placeholder in the pattern of many changes for the variable that each of them introduces."""
MODULES = frozenset({"np", "numpy", "cr", "chainrule", "self", "math", "jnp", "scipy", "special"})


def function_name(node: ast.Call) -> str:
    """Return the name of the function or method that is called; "" for another expression."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def times(left: ast.expr, right: ast.expr) -> ast.expr:
    """Return the elementwise product of two expressions."""
    return ast.BinOp(left, ast.Mult(), right)


def binary(left: ast.expr, operator: Callable[[], ast.operator], right: ast.expr) -> ast.BinOp:
    """Return the operation of two expressions."""
    return ast.BinOp(left, operator(), right)


def is_method(call: ast.Call) -> bool:
    """Whether a call is that of an array method rather than of a module's function."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return False
    return not (isinstance(function.value, ast.Name) and function.value.id in MODULES)


def bracketed(node: ast.expr) -> str:
    """Return the text of a factor."""
    text = written(node)
    return text if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript) else f"({text})"


def placeholder() -> ast.Name:
    """Return the variable that stands for each of many."""
    return ast.Name(OTHER, ast.Load())


def call(name: str, *arguments: ast.expr) -> ast.expr:
    """Return the call of a function by its name."""
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def summed(node: ast.expr, axis: str, keep: bool) -> ast.expr:
    """Return the sum along an axis, several, or of all entries, as code says it; `keep` these with the size 1."""
    along = ast.parse(axis, mode="eval").body
    keywords = [ast.keyword("axis", along), ast.keyword("keepdims", ast.Constant(keep))]
    return ast.Call(ast.Attribute(node, "sum", ast.Load()), [], keywords)


def toggled(node: ast.expr) -> ast.expr:
    """Return the transpose, without a double transpose."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return argument_of(node) if is_transposition(node) else call(TRANSPOSE, node)


def turned(node: ast.expr) -> ast.expr | None:
    """Return the transpose of a product, as that of its transposed factors: `x.T @ d` for `d.T @ x`; None for others.

    >>> [ast.unparse(turned(ast.parse(code, mode="eval").body)) for code in ("d.T @ x.T", "d[None, :] * x[:, None]")]
    ['x @ d', 'd[:, None] * x[None, :]']
    """
    match node:
        case ast.BinOp(left, ast.MatMult(), right):
            return binary(toggled(right), ast.MatMult, toggled(left))
        case ast.Call(ast.Attribute(attr="dot" | "matmul"), [left, right]) if not is_method(node):
            return with_arguments(node, [toggled(right), toggled(left)])
        case ast.Call(ast.Attribute(value, "dot"), [argument], []):
            return ast.Call(ast.Attribute(toggled(argument), "dot", ast.Load()), [toggled(value)], [])
        case ast.BinOp(left, ast.Mult(), right) if _is_axis_added(left) and _is_axis_added(right):
            return binary(_with_other_axis(left), ast.Mult, _with_other_axis(right))
    return None


def _is_axis_added(node: ast.expr) -> bool:
    """Whether an expression makes a vector a row or a column: `x[None, :]`."""
    match node:
        case ast.Subscript(slice=ast.Tuple([ast.Constant(None), ast.Slice(None, None, None)])):
            return True
        case ast.Subscript(slice=ast.Tuple([ast.Slice(None, None, None), ast.Constant(None)])):
            return True
    return False


def _with_other_axis(node: ast.expr) -> ast.expr:
    assert isinstance(node, ast.Subscript)
    assert isinstance(node.slice, ast.Tuple)
    return ast.Subscript(node.value, ast.Tuple(node.slice.elts[::-1], ast.Load()), ast.Load())


def without_axes(node: ast.expr) -> ast.expr | None:
    """Return what an index only gives axes of size 1 to, as `d[None, :]` does; None for other expressions."""
    match node:
        case ast.Subscript(value, ast.Tuple(parts)):
            pass
        case ast.Subscript(value, part):
            parts = [part]
        case _:
            return None
    added = [part for part in parts if _is_new_axis(part)]
    whole = all(isinstance(p, ast.Slice) and p.lower is p.upper is p.step is None for p in parts if p not in added)
    return value if added and whole else None


def _is_new_axis(node: ast.expr) -> bool:
    match node:
        case ast.Constant(None) | ast.Attribute(attr="newaxis"):
            return True
    return False


def is_transposition(node: ast.expr) -> bool:
    """Whether an expression calls a function that exchanges axes."""
    return isinstance(node, ast.Call) and function_name(node) in ("transpose", "swapaxes")


def argument_of(node: ast.expr) -> ast.expr:
    """Return the argument of a function, or the object of an array method."""
    assert isinstance(node, ast.Call)
    if is_method(node):
        assert isinstance(node.func, ast.Attribute)
        return node.func.value
    return node.args[0] if node.args else node


def with_arguments(node: ast.Call, arguments: list[ast.expr]) -> ast.Call:
    """Return the call with other arguments."""
    new = copy.copy(node)
    new.args = arguments
    return new
