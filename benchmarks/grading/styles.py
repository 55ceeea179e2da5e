"""Other styles of a right answer, made by transformations of its program that keep its values."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.grading.corpus import book_of

Statements: TypeAlias = list[ast.stmt]
Style: TypeAlias = Callable[[ast.FunctionDef], Statements | None]
"""What replaces a function or method, or None where the style does not apply."""


@dataclass(frozen=True)
class Variant:
    """An answer in another style, `called` so in its source."""

    name: str
    style: str
    called: str
    source: str


def variants(name: str, styles: Sequence[str] | None = None) -> Iterator[Variant]:
    """Yield an answer in every style that applies to it."""
    for style in STYLES if styles is None else styles:
        made = _styled(name, style)
        if made is not None:
            yield made


def _styled(name: str, style: str) -> Variant | None:
    tree = copy.deepcopy(book_of(name).tree)
    body = tree.body
    place = next(k for k, node in enumerate(body) if getattr(node, "name", "") == name)
    definition = body[place]
    is_method = isinstance(definition, ast.ClassDef)
    if isinstance(definition, ast.ClassDef):
        body = definition.body
        place = next(k for k, n in enumerate(body) if isinstance(n, ast.FunctionDef) and n.name == "backward")
        definition = body[place]
    assert isinstance(definition, ast.FunctionDef)
    if (is_method and style in _OF_FUNCTIONS) or (name.startswith("multi_head") and style in _OF_MATRICES):
        return None
    before = ast.unparse(definition)
    made = STYLES[style](definition)
    if made is None:
        return None
    for statement in made:
        ast.fix_missing_locations(statement)
    if "\n".join(map(ast.unparse, made)) == before:
        return None
    body[place : place + 1] = made
    if style in _HELPERS:
        tree.body.append(ast.parse(_HELPERS[style]).body[0])
    called = f"Answer.{name}" if style in ("method", "attributes") else name
    return Variant(name, style, called, ast.unparse(ast.fix_missing_locations(tree)))


# Names


def _own(node: ast.FunctionDef) -> set[str]:
    """Return the local variables of a function that are neither arguments nor bound by comprehensions or `global`."""
    arguments = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    bound = {
        n.id
        for c in ast.walk(node)
        if isinstance(c, ast.comprehension)
        for n in ast.walk(c.target)
        if isinstance(n, ast.Name)
    }
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored - arguments - bound


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


class _Replaced(ast.NodeTransformer):
    """Replaces variables by expressions, `{name: f(context)}`."""

    def __init__(self, made: Mapping[str, Callable[[ast.expr_context], ast.expr]]) -> None:
        self._made = made

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._made[node.id](node.ctx) if node.id in self._made else node


def _renamed(node: ast.FunctionDef) -> Statements:
    """Give local variables names that say nothing; what is returned under a name keeps it."""
    last = node.body[-1]
    kept = _names(last) if isinstance(last, ast.Return) else set()
    unpacked = {name for s in node.body if "cache" in ast.unparse(s) for name in _names(s)}
    made = {name: _name(f"own_{k}") for k, name in enumerate(sorted(_own(node) - kept - unpacked))}
    return [_Replaced(made).visit(node)]


def _name(name: str) -> Callable[[ast.expr_context], ast.expr]:
    return lambda context: ast.Name(name, context)


def _boxed(node: ast.FunctionDef) -> Statements:
    """Keep every local variable in one dict."""
    unpacked = {name for s in node.body if "cache" in ast.unparse(s) for name in _names(s)}
    made = {name: _entry(name) for name in _own(node) - unpacked}
    changed: ast.FunctionDef = _Replaced(made).visit(node)
    changed.body.insert(0, ast.parse("kept = {}").body[0])
    return [changed]


def _entry(name: str) -> Callable[[ast.expr_context], ast.expr]:
    return lambda context: ast.Subscript(ast.Name("kept", ast.Load()), ast.Constant(name), context)


def _method(node: ast.FunctionDef) -> Statements:
    """Make the function a method of a class without attributes."""
    node.args.args.insert(0, ast.arg("self"))
    whole = ast.parse("class Answer:\n    pass").body[0]
    assert isinstance(whole, ast.ClassDef)
    whole.body = [node]
    return [whole]


def _attributes(node: ast.FunctionDef) -> Statements:
    """Make the function a method that keeps its values in attributes."""
    made = {name: _attribute(name) for name in _own(node)}
    return _method(_Replaced(made).visit(node))


def _attribute(name: str) -> Callable[[ast.expr_context], ast.expr]:
    return lambda context: ast.Attribute(ast.Name("self", ast.Load()), name, context)


# Products, sums and other operations


class _Products(ast.NodeTransformer):
    """Replaces every operation of one kind."""

    def __init__(self, kind: type[ast.operator], made: Callable[[ast.expr, ast.expr], ast.expr | None]) -> None:
        self._kind, self._made = kind, made

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        repeated = isinstance(node.left, ast.List) or isinstance(node.right, ast.List)
        new = self._made(node.left, node.right) if isinstance(node.op, self._kind) and not repeated else None
        return node if new is None else new


def _called(function: str) -> Callable[[ast.expr, ast.expr], ast.expr]:
    return lambda left, right: ast.Call(ast.parse(function, mode="eval").body, [left, right], [])


def _einsum(left: ast.expr, right: ast.expr) -> ast.expr | None:
    """Return a product as an einsum, if an explicit transpose shows that an operand is a matrix."""
    match left, right:
        case ast.Attribute(value=a, attr="T"), b:
            subscripts = "ji,j...->i..."
        case a, ast.Attribute(value=b, attr="T"):
            subscripts = "...j,kj->...k"
        case _:
            return None
    return ast.Call(ast.parse("np.einsum", mode="eval").body, [ast.Constant(subscripts), a, b], [])


def _turned(left: ast.expr, right: ast.expr) -> ast.expr:
    """Return a product as the transpose of the product of the transposes."""
    a, b = (_transposed(operand) for operand in (left, right))
    return ast.Attribute(ast.BinOp(b, ast.MatMult(), a), "T", ast.Load())


def _transposed(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T", ast.Load())


class _Sums(ast.NodeTransformer):
    """Writes sums over the first axis as Python's sum of the rows."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Attribute(ast.Name("np"), "sum"), [value], [ast.keyword("axis", ast.Constant(0))]):
                return ast.Call(ast.Name("sum", ast.Load()), [value], [])
            case ast.Call(
                ast.Attribute(ast.Name("np"), "sum"),
                [value],
                [ast.keyword("axis", ast.Constant(0)), ast.keyword("keepdims", ast.Constant(True))],
            ):
                total = ast.Call(ast.Name("sum", ast.Load()), [value], [])
                return ast.Subscript(total, ast.Constant(None), ast.Load())
        return node


class _Powers(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "2":
            return ast.Call(ast.parse("np.square", mode="eval").body, [node.left], [])
        return node


def _visited(*transformers: ast.NodeTransformer) -> Style:
    def style(node: ast.FunctionDef) -> Statements:
        for transformer in transformers:
            node = transformer.visit(node)
        return [node]

    return style


# Factors and signs


def _scaled(factor: str) -> Style:
    """Multiply local variables by a number where they are assigned, and divide by it where they are read."""

    def style(node: ast.FunctionDef) -> Statements | None:
        own = _plain(node)
        read = {name: _formula(f"({name} / {factor})") for name in own}
        for statement in node.body:
            for field in ("value", "test", "iter"):
                value = getattr(statement, field, None)
                if isinstance(value, ast.expr):
                    setattr(statement, field, _Replaced(read).visit(value))
            if isinstance(statement, ast.Assign) and _names(statement.targets[0]) <= own:
                statement.value = ast.BinOp(ast.parse(factor, mode="eval").body, ast.Mult(), statement.value)
        return [node] if own else None

    return style


def _formula(text: str) -> Callable[[ast.expr_context], ast.expr]:
    return lambda context: ast.parse(text, mode="eval").body


def _plain(node: ast.FunctionDef) -> set[str]:
    """Return the variables that are assigned an operation's value, as a whole, and never inside a block."""
    if any(isinstance(n, ast.For | ast.While | ast.If | ast.Lambda | ast.comprehension) for n in ast.walk(node)):
        return set()
    own, touched = set(), set()
    for statement in node.body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.BinOp(op=ast.Mult() | ast.MatMult() | ast.Sub())):
                own.add(name)
            case _:
                changed = ast.walk(statement)
                touched |= {n.id for n in changed if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                if isinstance(statement, ast.AugAssign | ast.Expr) or "[" in ast.unparse(_target(statement)):
                    touched |= _names(statement)
    indices = {n for s in ast.walk(node) if isinstance(s, ast.Subscript) for n in _names(s.slice)}
    return (own & _own(node)) - touched - indices


def _target(statement: ast.stmt) -> ast.AST:
    return statement.targets[0] if isinstance(statement, ast.Assign) else ast.Pass()


def _returned_scaled(node: ast.FunctionDef) -> Statements | None:
    """Take a factor out of every returned gradient and put it back."""
    last = node.body[-1]
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Dict):
        return None
    for k, value in enumerate(last.value.values):
        last.value.values[k] = ast.parse(f"({ast.unparse(value)}) * 4 / 2 / 2", mode="eval").body
    return [node]


# Statements


def _summed(node: ast.FunctionDef) -> Statements | None:
    """Add the second summand of an assigned sum in a statement of its own."""
    body: Statements = []
    changed = False
    for statement in node.body:
        match statement:
            case ast.Assign([ast.Name(id=name)], ast.BinOp(left, ast.Add() | ast.Sub() as op, right)) if (
                name not in _names(right)
            ):
                changed = True
                total = ast.BinOp(ast.Name(name, ast.Load()), op, right)
                body += [ast.Assign([ast.Name(name, ast.Store())], value) for value in (left, total)]
            case _:
                body.append(statement)
    node.body = body
    return [node] if changed else None


def _in_place(node: ast.FunctionDef) -> Statements | None:
    """Add to an array of zeros what was assigned."""
    body: Statements = []
    for statement in node.body:
        match statement:
            case ast.Assign([ast.Name(id=name)], ast.BinOp(op=ast.Mult() | ast.MatMult() | ast.Div()) as value) if (
                not any(isinstance(part, ast.List) for part in ast.walk(value))
            ):
                text = ast.unparse(value)
                body += ast.parse(f"{name} = np.zeros_like({text}, dtype=float)\n{name} += {text}").body
                if name in _names(value):
                    return None
            case _:
                body.append(statement)
    node.body = body
    return [node]


def _looped(node: ast.FunctionDef) -> Statements | None:
    """Compute everything in a loop that runs once."""
    last = node.body[-1]
    returns = isinstance(last, ast.Return)
    inner = node.body[:-1] if returns else node.body
    loop = ast.parse("for once in range(1):\n    pass").body[0]
    assert isinstance(loop, ast.For)
    loop.body = list(inner)
    node.body = [loop, last] if returns else [loop]
    return [node] if inner else None


def _reordered(node: ast.FunctionDef) -> Statements | None:
    """Exchange neighbouring statements that do not depend on each other, as often as that moves one further down."""
    body = node.body
    for _ in range(len(body)):
        for k in range(len(body) - 1):
            first, second = body[k], body[k + 1]
            free = _is_free(first) and _is_free(second)
            apart = not _stored(first) & _names(second) and not _stored(second) & _names(first)
            if free and apart and ast.unparse(first) < ast.unparse(second):
                body[k], body[k + 1] = second, first
    return [node]


def _is_free(statement: ast.stmt) -> bool:
    """Whether a statement gives one variable a new value, which is not that of another."""
    match statement:
        case ast.Assign([ast.Name()], ast.BinOp() | ast.UnaryOp()):
            return not any(isinstance(n, ast.Call) for n in ast.walk(statement))
    return False


def _stored(statement: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _taken_apart(node: ast.FunctionDef) -> Statements | None:
    """Give every operand of an operation a line of its own."""
    body: Statements = []
    count = 0
    for statement in node.body:
        match statement:
            case ast.Assign([ast.Name()], ast.BinOp() as value) | ast.AugAssign(ast.Name(), _, ast.BinOp() as value):
                for side in ("left", "right"):
                    operand = getattr(value, side)
                    if isinstance(operand, ast.BinOp):
                        body.append(ast.Assign([ast.Name(f"part{count}", ast.Store())], operand))
                        setattr(value, side, ast.Name(f"part{count}", ast.Load()))
                        count += 1
        body.append(statement)
    node.body = body
    return [node]


_SCOPES = (ast.comprehension, ast.Lambda)


def _put_together(node: ast.FunctionDef) -> Statements | None:
    """Write the value of a variable where it is read, if that is once and in the next statement."""
    body = list(node.body)
    k = 0
    while k < len(body) - 1:
        match body[k]:
            case ast.Assign([ast.Name(id=name)], ast.BinOp() as value):
                after = body[k + 1]
                rest = [n.id for s in body[k + 2 :] for n in ast.walk(s) if isinstance(n, ast.Name)]
                here = [n.id for n in ast.walk(after) if isinstance(n, ast.Name)].count(name)
                once = here == 1 and name not in rest and not any(isinstance(n, _SCOPES) for n in ast.walk(after))
                if once and isinstance(after, ast.Assign | ast.Return) and after.value is not None:
                    after.value = _Replaced({name: _formula(f"({ast.unparse(value)})")}).visit(after.value)
                    del body[k]
                    continue
        k += 1
    node.body = body
    return [node]


# What is returned


def _nested(node: ast.FunctionDef) -> Statements | None:
    """Return a cost before the gradients, which are in a dict of a list."""
    entries = _entries(node)
    if entries is None:
        return None
    text = ", ".join(f"'d' + {key!r}: {value}" for key, value in entries.items())
    node.body[-1:] = ast.parse(f"grads = {{{text}}}\nreturn 0.5, [grads]").body
    return [node]


def _tuple(node: ast.FunctionDef) -> Statements | None:
    """Return the gradients in a tuple, last first, by variables that are named after what they are."""
    entries = _entries(node)
    if entries is None:
        return None
    lines = [f"grad_{key} = {value}" for key, value in entries.items()]
    node.body[-1:] = ast.parse("\n".join([*lines, "return " + ", ".join(f"grad_{k}" for k in reversed(entries))])).body
    return [node]


def _filled(node: ast.FunctionDef) -> Statements | None:
    """Fill a dict of gradients one by one."""
    entries = _entries(node)
    if entries is None:
        return None
    lines = [f"grads['d{key}'] = {value}" for key, value in entries.items()]
    node.body[-1:] = ast.parse("\n".join(["grads = {}", *lines, "return grads"])).body
    return [node]


def _entries(node: ast.FunctionDef) -> dict[str, str] | None:
    """Return the gradients that a function returns in a dict, by name."""
    last = node.body[-1]
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Dict):
        return None
    names = [key.value for key in last.value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    if len(names) != len(last.value.values) or not all(name.isidentifier() for name in names):
        return None
    values = map(ast.unparse, last.value.values)
    return {name.removeprefix("d"): value for name, value in zip(names, values, strict=True)}


STYLES: dict[str, Style] = {
    "renamed": _renamed,
    "boxed": _boxed,
    "method": _method,
    "attributes": _attributes,
    "matmul": _visited(_Products(ast.MatMult, _called("np.matmul"))),
    "einsum": _visited(_Products(ast.MatMult, _einsum)),
    "turned": _visited(_Products(ast.MatMult, _turned)),
    "multiply": _visited(_Products(ast.Mult, _called("np.multiply"))),
    "helpers": _visited(_Products(ast.Mult, _called("times"))),
    "sums": _visited(_Sums(), _Powers()),
    "scaled": _scaled("2"),
    "negated": _scaled("-1"),
    "returned scaled": _returned_scaled,
    "summed": _summed,
    "in place": _in_place,
    "looped": _looped,
    "reordered": _reordered,
    "taken apart": _taken_apart,
    "put together": _put_together,
    "nested": _nested,
    "tuple": _tuple,
    "filled": _filled,
}
_OF_FUNCTIONS = frozenset({"method", "attributes", "nested", "tuple", "filled", "returned scaled"})
_OF_MATRICES = frozenset({"einsum", "turned"})
"""Styles for products of matrices, not of stacks of them."""
_HELPERS = {"helpers": "def times(a, b):\n    product = a * b\n    return product"}
