"""Expressions as a learner would write them, in code, and in equations: `np.sum([a[i] for i in …])` is `Σ_i a_i`."""

from __future__ import annotations

import ast
import copy
import re

from chainrule.cage import TRANSPOSE

_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)
_SIGNS: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: (" + ", _SUM),
    ast.Sub: (" − ", _SUM),
    ast.Mult: (" * ", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.MatMult: (" ", _PRODUCT),
    ast.Pow: ("^", _POWER),
}
_PARTIAL = re.compile(r"d(\w+?)_d(\w+)")


def written(node: ast.expr) -> str:
    """Return the expression as a learner would write it, with `.T` for a transposition that an edit added."""
    if any(_is_transposition(each) for each in ast.walk(node)):
        node = _AsAttributes().visit(copy.deepcopy(node))
    return ast.unparse(node)


class _AsAttributes(ast.NodeTransformer):
    """Replaces transpositions that an edit added by `.T`."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return ast.Attribute(node.args[0], "T", ast.Load()) if _is_transposition(node) else node


def _is_transposition(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == TRANSPOSE


def as_equation(code: str) -> str:
    """Return code of an equation, or of a part of one, as an equation; the code itself where it has no such form.

    >>> as_equation("dL_dz2 @ W2.T"), as_equation("(a - y) * 2"), as_equation("dW = np.outer(d, x)")
    ('∂L/∂z2 W2ᵀ', '(a − y) * 2', 'dW = d xᵀ')
    >>> as_equation("np.array([[np.sum([a[i, j] * d[i, k] for i in range(9)], axis=0) for k in range(3)] for j in x])")
    'Σ_i a_ij * d_ik'
    """
    try:
        (statement,) = ast.parse(code).body
        match statement:
            case ast.Assign([target], value):
                return f"{_text(target)[0]}{_gathered(value)} = {_text(value)[0]}"
            case ast.Expr(value):
                return _text(value)[0]
    except (SyntaxError, ValueError, _UnwritableError):
        pass
    return code


class _UnwritableError(Exception):
    """There is no such notation."""


def _gathered(value: ast.expr) -> str:
    """Return the indices of the component or sample that the left side is."""
    letters = ""
    match value:
        case ast.Call(ast.Attribute(attr="array" | "stack"), [ast.ListComp() as inner]):
            part: ast.expr = inner
            while isinstance(part, ast.ListComp):
                letters += _text(part.generators[0].target)[0]
                part = part.elt
    return f"_{letters}" if letters else ""


def _text(node: ast.expr) -> tuple[str, int]:
    """Return the notation of an expression, and how closely it binds."""
    match node:
        case ast.Name(name):
            return _shown(name), _ATOM
        case ast.Constant(int() | float() as number):
            return f"{number:g}", _ATOM
        case ast.UnaryOp(ast.USub(), operand):
            return f"−{_within(operand, _SIGN)}", _SIGN
        case ast.Attribute(value, "T"):
            return f"{_within(value, _ATOM)}ᵀ", _ATOM
        case ast.BinOp(left, operator, right) if type(operator) in _SIGNS:
            sign, binding = _SIGNS[type(operator)]
            own_right = binding + 1 if isinstance(operator, ast.Sub | ast.Div | ast.MatMult | ast.Pow) else binding
            return f"{_within(left, binding, True)}{sign}{_within(right, own_right)}", binding
        case ast.Subscript(ast.Name(name), index):
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            letters = [part.id for part in parts if isinstance(part, ast.Name)]
            if any(isinstance(part, ast.BinOp | ast.UnaryOp) for part in parts):
                raise _UnwritableError
            return f"{_shown(name)}_{''.join(letters)}", _ATOM
        case ast.Compare(left, [ast.Gt() | ast.GtE() | ast.Lt() | ast.LtE()], [right]):
            return f"({ast.unparse(node)})", _ATOM
        case ast.Call():
            return _call(node)
    raise _UnwritableError


def _shown(name: str) -> str:
    return _PARTIAL.sub(r"∂\1/∂\2", name)


def _call(node: ast.Call) -> tuple[str, int]:
    func = node.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    match name, node.args:
        case "sum", [ast.ListComp(body, [rounds])]:
            return f"Σ_{_text(rounds.target)[0]} {_within(body, _PRODUCT)}", _SUM
        case "array" | "stack", [ast.ListComp(body)]:
            inner: ast.expr = body
            while isinstance(inner, ast.ListComp):
                inner = inner.elt
            return _text(inner)
        case "outer", [left, right]:
            return f"{_within(left, _PRODUCT)} {_within(right, _ATOM)}ᵀ", _PRODUCT
    if not name or name.startswith("__"):
        raise _UnwritableError
    options = [f", {each.arg}={ast.unparse(each.value)}" for each in node.keywords if each.arg]
    arguments = ", ".join(_text(argument)[0] for argument in node.args)
    prime = "'" if name.endswith("_prime") else ""
    return f"{name.removesuffix('_prime')}{prime}({arguments}{''.join(options)})", _ATOM


def _within(node: ast.expr, binding: int, first: bool = False) -> str:
    """Return an operand, in brackets where it binds less closely; a sum over an index too, unless it is last."""
    text, own = _text(node)
    return f"({text})" if own < binding or (first and text.startswith("Σ")) else text
