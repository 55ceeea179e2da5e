"""Single changes of an expression, each the inverse of a common mistake in handwritten gradients."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from chainrule.cage import BEFORE, TRANSPOSE
from chainrule.grading.activations import activated, derivatives, is_activation, is_tanh, of_outputs, slopes
from chainrule.grading.axes import axes_up_to, of_order, of_reduction, other_axes
from chainrule.grading.building import (
    argument_of,
    binary,
    bracketed,
    call,
    function_name,
    is_method,
    is_transposition,
    placeholder,
    summed,
    times,
    toggled,
    turned,
    with_arguments,
)
from chainrule.grading.indices import compared, of_brackets
from chainrule.grading.lacking import by_sign, of_entries, of_exponentials
from chainrule.grading.written import written

Kind: TypeAlias = Literal[
    "updated",
    "direction",
    "rate",
    "mask",
    "index",
    "rounds",
    "brackets",
    "applied",
    "target",
    "repeated",
    "transposed",
    "order",
    "outer",
    "missing sum",
    "extra sum",
    "axis",
    "factor",
    "sign",
    "elementwise",
    "matrix product",
    "missing derivative",
    "extra derivative",
    "derivative",
    "operand",
    "missing operand",
    "extra operand",
    "missing term",
    "extra term",
    "power",
    "shape",
    "exchanged",
    "other",
]
Path: TypeAlias = tuple[tuple[str, int | None], ...]

UNLIKELY = 20
"""The cost from which on a change is considered after those of every other kind."""
ACTIVATED = 6
"""The cost of putting an activation around what a helper is given."""
WHOLE = 2
"""The cost of replacing the whole value by a derivative; that of a part is higher."""
_UNEVEN = frozenset({"exp", "sigmoid", "expit", "logistic", "softplus", "log1p", "expm1"})
"""Functions of −x that are neither those of x nor the opposite: a sign forgotten inside is no sign outside."""
DERIVATIVE = "_derivative__"
FACTOR = "_factor__"
"""Not `__name`, which a method would read as a private name of its class."""


@dataclass(frozen=True)
class Scope:
    """What an edit may introduce: variables in scope, derivatives of activations, named factors.

    `updated` are parameters that statements above have updated, whose values before may be meant; `holders` are lists
    and dicts. `last` if no later statement assigns the same variable. `indices` are those of the loop it is in,
    `entries` what is looked up there, `others` what could be, `constants` the numbers to which the reference compares;
    `signs` if the reference has absolute values, `flags` are the parameters of functions that ask for their
    derivatives. `inner` is that of a helper function, `undone` what it has updated above, with the expressions of the
    values before. `helpers` are the answer's own functions, `ndim` is the number of axes that arrays have at most.
    """

    variables: Sequence[str]
    derivatives: Sequence[str]
    factors: Mapping[str, str]
    rate: str | None
    parameter: bool
    updated: frozenset[str] = frozenset()
    holders: Sequence[str] = ()
    last: bool = True
    indices: Sequence[ast.expr] = ()
    constants: Sequence[float] = ()
    entries: Sequence[ast.expr] = ()
    others: Sequence[ast.expr] = ()
    signs: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)
    inner: bool = False
    undone: Mapping[str, ast.expr] = field(default_factory=dict)
    helpers: frozenset[str] = frozenset()
    ndim: int = 2


class With(NamedTuple):
    """An expression with the variable `name` in place of `OTHER`; it is for `part`, if not for the whole expression."""

    pattern: ast.expr
    name: str
    part: ast.expr | None = None


Change: TypeAlias = tuple[Kind, ast.expr | With, int, str, str]


def changes(node: ast.expr, path: Path, scope: Scope, parent: ast.AST) -> Iterator[Change]:
    """Yield every change of the expression at a path of a statement; `parent` is what it is a part of."""
    depth = len(path) - 1
    if isinstance(parent, ast.Attribute) and ast.unparse(parent) in scope.variables:  # `out` is no array in `out.grad`
        return
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and (root := _root(node)) in scope.updated:
        yield "updated", _renamed_root(node, f"{BEFORE}{root}"), 0, written(node), ""
    if scope.undone and (text := ast.unparse(node)) in scope.undone:
        yield "updated", scope.undone[text], 0, text, ""
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.value, ast.Name):
        yield from _of_part(node, node.value.id, scope)
    if isinstance(node, ast.Compare):
        yield from _of_comparison(node, scope)
    if isinstance(node, ast.BinOp):
        for by_output, before, after in of_outputs(node):
            yield "operand", by_output, UNLIKELY, before, after
        yield from of_brackets(node)
        yield from _of_operation(node, depth, scope)
    elif isinstance(node, ast.Call):
        yield from _of_call(node, scope, parent)
    elif isinstance(node, ast.Name):
        yield from _of_name(node, scope)
        yield from _of_argument(node) if scope.inner and path[-1][0] != "args" else ()
    elif isinstance(node, ast.Constant) and _number(node) is not None and path[-1][0] != "comparators":
        yield from _of_constant(node, path, parent)  # that of a comparison is changed with it
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node.operand, 0, written(node), written(node.operand)
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transposed", node.value, 0, written(node), written(node.value)
    elif is_transposition(node):
        argument = argument_of(node)
        yield "transposed", argument, 0, written(node), written(argument)
    elif not isinstance(node, ast.Constant) and (path[-1][0] != "args" or depth <= 2):
        counted = isinstance(parent, ast.Call) and function_name(parent) == "len"  # of two sizes one fits by chance
        product, cost = turned(node), UNLIKELY if counted else 1 + depth
        after = f"{bracketed(node)}.T" if product is None else written(product)
        yield "transposed", call(TRANSPOSE, node) if product is None else product, cost, written(node), after
    whole = path == (("value", None),)
    if whole and not isinstance(node, ast.Compare):  # a mask has no factor and no terms
        yield from _of_whole(node, scope)
    yield from of_entries(node, whole, scope.entries, scope.others)
    variable, constant = placeholder(), isinstance(node, ast.Constant)
    if (path[-1][0] in ("left", "right", "value", "operand") or whole) and not constant:
        text, scaled = written(node), times(node, variable)
        for name in scope.derivatives:
            yield "derivative", With(variable, name), WHOLE + depth, text, name
            yield "missing derivative", With(scaled, name), depth, "", name
    if path[-1][0] == "args" and isinstance(parent, ast.Call) and function_name(parent) in _UNEVEN:
        negative = ast.UnaryOp(ast.USub(), node)
        yield "sign", negative, 2, written(node), written(negative)
    if path[-1][0] == "args" and isinstance(parent, ast.Call) and function_name(parent) in scope.helpers:
        yield from _of_given(node, depth, scope)
    if path[-1][0] in ("args", "left", "right"):
        more, less = ast.BinOp(node, ast.Add(), variable), ast.BinOp(node, ast.Sub(), variable)
        for name in scope.variables:
            yield "missing term", With(more, name), 2 + depth, "", name
            yield "missing term", With(less, name), 2 + depth, "", f"-{name}"
    squarable = isinstance(node, ast.Name | ast.Attribute | ast.Subscript) or is_tanh(node)
    if not whole and squarable and path[-1][0] in ("left", "right"):
        squared = binary(node, ast.Pow, ast.Constant(2))
        yield "power", squared, 6, written(node), written(squared)
    if scope.signs and (whole or path[-1][0] in ("args", "left", "right")) and isinstance(node, ast.Name):
        for name in scope.variables:
            yield "missing operand", With(by_sign(node, variable), name), 5, "", f"np.sign({name})"
    if not whole and isinstance(node, ast.BinOp | ast.Call):
        for name in scope.variables:
            yield "operand", With(variable, name), UNLIKELY, written(node), name
    if not whole and not constant:
        product, quotient = times(node, variable), ast.BinOp(node, ast.Div(), variable)
        for name in scope.variables:
            yield "missing operand", With(product, name), 3 + depth, "", name
            yield "missing operand", With(quotient, name), 4 + depth, "", f"1/{name}"
        for axis in ("0", "1", "None"):
            yield "missing sum", summed(node, axis, True), 3 + depth, written(node), axis
            if axis != "None":
                yield "missing sum", summed(node, axis, False), 3 + depth, written(node), axis


def _of_part(node: ast.Subscript | ast.Attribute, own: str, scope: Scope) -> Iterator[Change]:
    """Yield other variables for an entry `own[k]`, or `own.T`, and the entry of other lists and dicts."""
    is_entry = isinstance(node, ast.Subscript)
    if (is_entry and not scope.inner) or (isinstance(node, ast.Attribute) and node.attr == "T"):
        for name in scope.variables:
            if name != own:
                yield "operand", With(placeholder(), name), 3 if is_entry else 8, written(node), name
    text = ast.unparse(node)
    for name in scope.variables if not is_entry and text in scope.variables else ():
        if "." in name and name != text:  # another attribute, or that of another instance
            yield "operand", With(placeholder(), name), 0, text, name
    for name in scope.holders if is_entry else ():
        if name != own:
            new = copy.copy(node)
            new.value = ast.Name(name, ast.Load())
            yield "operand", new, 1, written(node), written(new)


def _of_given(node: ast.expr, depth: int, scope: Scope) -> Iterator[Change]:
    """Yield the derivatives, and of what is computed in place the factors, that what a helper is given may lack."""
    scaled = times(node, placeholder())
    for name in scope.derivatives if not isinstance(node, ast.Constant) else ():
        yield "missing derivative", With(scaled, name), depth, "", name
    for label, name in scope.factors.items() if isinstance(node, ast.BinOp) else ():
        if label not in ("η", "1/η"):
            yield "sign" if label == "−" else "factor", With(scaled, name), 3, written(node), label


def _root(node: ast.expr) -> str:
    """Return the variable in which a value is looked up."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _renamed_root(node: ast.expr, name: str) -> ast.expr:
    if isinstance(node, ast.Name):
        return ast.Name(name, ast.Load())
    new = copy.copy(node)
    assert isinstance(new, ast.Attribute | ast.Subscript)
    new.value = _renamed_root(new.value, name)
    return new


def _of_comparison(node: ast.Compare, scope: Scope) -> Iterator[Change]:
    if scope.signs and len(node.comparators) == 1 and isinstance(node.left, ast.Name):
        unsigned = copy.copy(node)
        unsigned.left = ast.Call(ast.Attribute(ast.Name("np", ast.Load()), "abs", ast.Load()), [node.left], [])
        yield "mask", unsigned, 1, written(node), written(unsigned)
    for new in compared(node):
        yield "mask", new, 0, written(node), written(new)
    for number in scope.constants:
        operator = ast.Add() if number > 0 else ast.Sub()
        new = copy.copy(node)
        new.left = ast.BinOp(node.left, operator, ast.Constant(abs(number)))
        yield "mask", new, 1, written(node), written(new)


def _of_whole(node: ast.expr, scope: Scope) -> Iterator[Change]:
    variable = placeholder()
    product, quotient = times(node, variable), ast.BinOp(node, ast.Div(), variable)
    for label, name in scope.factors.items():
        factor = With(product, name)
        if label == "η" or label == "1/η":
            if scope.rate is not None:
                yield "rate", factor, 0, written(node), label
        else:
            yield ("sign", factor, 1, "", label) if label == "−" else ("factor", factor, 2, "", label)
    for axis, cost in axes_up_to(scope.ndim):
        for keep in (False, True):
            yield "missing sum", summed(node, axis, keep), cost + int(keep), written(node), axis
    more, less = ast.BinOp(node, ast.Add(), variable), ast.BinOp(node, ast.Sub(), variable)
    complement = times(node, ast.BinOp(ast.Constant(1), ast.Sub(), variable))
    for name in scope.variables if scope.inner else ():
        for slope in slopes(ast.Name(name, ast.Load())):
            yield "missing derivative", times(node, slope), 4, "", written(slope)
    for name in scope.variables:
        yield "missing operand", With(product, name), 0, "", name
        yield "missing operand", With(quotient, name), 1, "", f"1/{name}"
        yield "missing term", With(more, name), 0, "", name
        yield "missing term", With(less, name), 0, "", f"-{name}"
        yield "missing operand", With(complement, name), 2, "", f"(1 - {name})"


def _of_operation(node: ast.BinOp, depth: int, scope: Scope) -> Iterator[Change]:
    left, right = node.left, node.right
    text = written(node)
    if isinstance(node.op, ast.MatMult):
        yield "matrix product", binary(left, ast.Mult, right), 0, text, ""
        yield from _products(left, right, text, "transposed", "order")
    elif isinstance(node.op, ast.Mult):
        for cost, new in enumerate(_matrix_products(left, right)):
            yield "elementwise", new, cost, text, written(new)
        yield "extra operand", left, 0, written(right), ""
        yield "extra operand", right, 0, written(left), ""
        for kept, dropped in ((left, right), (right, left)):
            if _number(dropped) is not None:
                yield "factor", kept, 0, written(dropped), "1"
        yield "other", binary(left, ast.Div, right), 1, text, ""
        if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):  # the last two factors, as in d * h * (1 - h)
            slope, less = binary(left.right, ast.Mult, right), times(left.left, placeholder())
            for name in scope.derivatives:
                yield "derivative", With(less, name, slope), WHOLE + depth, written(slope), name
    elif isinstance(node.op, ast.Div):
        if _number(right) is not None:
            yield "factor", left, 0, f"1/{written(right)}", "1"
        yield "extra operand", left, 0, f"1/{written(right)}", ""
        yield "other", binary(left, ast.Mult, right), 1, text, ""
        divisor, quotient = written(right), binary(left, ast.Div, placeholder())
        for name in scope.variables:
            yield "operand", With(quotient, name), 2, divisor, name
    elif isinstance(node.op, ast.Add | ast.Sub):
        flipped = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield "sign", binary(left, flipped, right), 1, text, ""
        if isinstance(node.op, ast.Sub):
            exchanged = binary(right, ast.Sub, left)
            yield "sign", exchanged, 0, text, written(exchanged)
        yield "extra term", left, 0, written(right), ""
        yield "extra term", right, 0, written(left), ""
        variable, texts = placeholder(), (written(left), written(right))
        scaled = ast.BinOp(times(left, variable), node.op, right), ast.BinOp(left, node.op, times(right, variable))
        for label, name in scope.factors.items():
            kind: Kind = "sign" if label == "−" else "factor"
            for new, before in zip(scaled, texts, strict=True):
                yield kind, With(new, name), 3, before, label
        for name in scope.variables:
            for new, before in zip(scaled, texts, strict=True):
                yield "missing operand", With(new, name), 3, before, name
    elif isinstance(node.op, ast.Pow):
        yield "power", left, 0, text, written(left)
        exponent = _number(right)
        if exponent is not None:
            for cost, power in enumerate((exponent - 1, exponent + 1, -exponent, 2 * exponent, exponent / 2)):
                number = int(power) if float(power).is_integer() else power
                new = binary(left, ast.Pow, ast.Constant(number))
                yield "power", new, 1 + cost, written(right), f"{number:g}"


def _number(node: ast.expr) -> float | None:
    """Return the number that an expression is, perhaps with a sign, or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _products(left: ast.expr, right: ast.expr, text: str, single: Kind, swapped: Kind) -> Iterator[Change]:
    """Yield `left @ right` with both transposed, exchanged, or with one of them transposed, and the outer product."""
    a, b = toggled(left), toggled(right)
    yield single, binary(a, ast.MatMult, b), 4, text, written(binary(a, ast.MatMult, b))
    for cost, (x, y) in enumerate(((right, left), (b, left), (right, a), (b, a))):
        new = binary(x, ast.MatMult, y)
        yield swapped, new, cost, text, written(new)
    outer = ast.Call(ast.Attribute(ast.Name("np", ast.Load()), "outer", ast.Load()), [left, right], [])
    yield "outer", outer, 0, text, written(outer)
    yield "extra operand", left, 0, written(right), ""
    yield "extra operand", right, 0, written(left), ""


def _matrix_products(left: ast.expr, right: ast.expr) -> Iterator[ast.expr]:
    for x, y in ((left, right), (right, left)):
        for a in (x, toggled(x)):
            for b in (y, toggled(y)):
                yield binary(a, ast.MatMult, b)


def _of_call(node: ast.Call, scope: Scope, parent: ast.AST) -> Iterator[Change]:
    name = function_name(node)
    if name in ("dot", "matmul", "outer", "multiply") and len(node.args) == 2 and not is_method(node):
        left, right = node.args
        text = written(node)
        if name in ("outer", "dot", "matmul"):
            yield "transposed" if name == "outer" else "order", with_arguments(node, [right, left]), 0, text, ""
        if name in ("dot", "matmul"):
            yield from _products(left, right, text, "transposed", "order")
            yield "matrix product", binary(left, ast.Mult, right), 0, text, ""
        if name == "multiply":
            for cost, new in enumerate(_matrix_products(left, right)):
                yield "elementwise", new, cost, text, written(new)
            yield "extra operand", left, 0, written(right), ""
            yield "extra operand", right, 0, written(left), ""
    if name == "dot" and is_method(node) and len(node.args) == 1:
        assert isinstance(node.func, ast.Attribute)
        left, right = node.func.value, node.args[0]
        yield from _products(left, right, written(node), "transposed", "order")
        yield "matrix product", binary(left, ast.Mult, right), 0, written(node), ""
    if name in ("sum", "mean"):
        yield from of_reduction(node, name, scope.ndim)
    elif name in ("max", "min", "std", "var", "softmax", "cumsum") or any(k.arg == "axis" for k in node.keywords):
        yield from other_axes(node, scope.ndim)
    if name in ("transpose", "swapaxes", "reshape"):
        yield from of_order(node, scope.ndim)
    if name in ("zeros_like", "copy", "array", "asarray"):
        return
    if name == "exp" and not isinstance(parent, ast.BinOp):
        yield from of_exponentials(node)
    if isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        yield "extra operand", node.args[0], 3, written(node), ""
    if name in scope.flags and len(node.args) == 1 and not node.keywords:
        new = copy.copy(node)
        new.keywords = [ast.keyword(scope.flags[name], ast.Constant(True))]
        yield "derivative", new, 0, written(node), written(new)
    if is_activation(node):
        for new in derivatives(node, name):
            yield "derivative", new, 1, written(node), written(new)
        rest = ast.BinOp(ast.Constant(1), ast.Sub(), node)
        yield "missing operand", times(node, rest), 2, "", f"(1 - {written(node)})"
        variable = placeholder()
        for k in range(len(node.args)):
            for derivative in scope.derivatives:
                yield "applied", With(times(node.args[k], variable), derivative), 0, written(node), derivative


def _of_name(node: ast.Name, scope: Scope) -> Iterator[Change]:
    variable = placeholder()
    transposed = call(TRANSPOSE, variable)
    for name in scope.variables:
        if name != node.id:
            yield "operand", With(variable, name), 0, node.id, name
            yield "operand", With(transposed, name), 9, node.id, f"{name}.T"
    complement = ast.BinOp(ast.Constant(1), ast.Sub(), node)
    yield "operand", complement, 8, node.id, written(complement)


def _of_argument(node: ast.Name) -> Iterator[Change]:
    """Yield the derivative of an activation for what a helper is given, and the activation for it."""
    text = written(node)
    for slope in slopes(node):
        yield "derivative", slope, 3, text, written(slope)
    for value in activated(node):
        yield "operand", value, ACTIVATED, text, written(value)


def _of_constant(node: ast.Constant, path: Path, parent: ast.AST) -> Iterator[Change]:
    name = path[-1][0]
    value = node.value
    assert isinstance(value, int | float)
    choices: tuple[float, ...] = (1, 2, 3, 0.5, -1, 0, 4, -value)
    exponent = name == "right" and isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    for choice in choices:
        if choice != value:
            constant = ast.Constant(choice)
            kind: Kind = "power" if exponent else "operand" if name == "args" else "factor"
            yield kind, constant, 1 if kind == "factor" else 5, str(value), f"{choice:g}"
