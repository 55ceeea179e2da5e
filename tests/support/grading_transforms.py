"""Correct answers in other styles, made of those in a file by transformations of programs that keep their values."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

from support.grading_mutants import NAMES, TREE, function

Transform = Callable[[ast.FunctionDef], list[ast.stmt] | None]


def styled(transform: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every answer to which a transformation applies, by name, transformed."""
    for name in NAMES:
        tree = copy.deepcopy(TREE)
        place = next(k for k, node in enumerate(tree.body) if isinstance(node, ast.FunctionDef) and node.name == name)
        definition = tree.body[place]
        assert isinstance(definition, ast.FunctionDef)
        made = TRANSFORMS[transform](definition)
        if made is not None:
            tree.body[place : place + 1] = made
            source = ast.unparse(ast.fix_missing_locations(tree))
            found = function("Answer" if transform == "method" else name, source, f"styled {transform} {name}.py")
            yield name, (getattr(found(), name) if transform == "method" else found)


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(f"own_{node.id}", node.ctx) if node.id in self._names else node


def _renamed(node: ast.FunctionDef) -> list[ast.stmt]:
    """Give local variables names that say nothing; what is returned under a name keeps it."""
    arguments = {argument.arg for argument in node.args.args}
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    last = node.body[-1]
    kept = {n.id for n in ast.walk(last) if isinstance(n, ast.Name)} if isinstance(last, ast.Return) else set()
    unpacked = {n.id for s in node.body if "cache" in ast.unparse(s) for n in ast.walk(s) if isinstance(n, ast.Name)}
    return [_Renamed(stored - arguments - kept - unpacked).visit(node)]


class _Calls(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.MatMult):
            return ast.parse(f"np.matmul({ast.unparse(node.left)}, {ast.unparse(node.right)})", mode="eval").body
        return node


class _Helpers(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            return ast.Call(ast.Name("times", ast.Load()), [node.left, node.right], [])
        return node


def _with_helpers(node: ast.FunctionDef) -> list[ast.stmt]:
    """Multiply in a helper function."""
    helper = ast.parse("def times(a, b):\n    product = a * b\n    return product").body
    return [*helper, _Helpers().visit(node)]


def _summed(node: ast.FunctionDef) -> list[ast.stmt] | None:
    """Add the second summand of an assigned sum in a statement of its own."""
    body: list[ast.stmt] = []
    changed = False
    for statement in node.body:
        match statement:
            case ast.Assign([ast.Name(id=name)], ast.BinOp(left, ast.Add() | ast.Sub() as op, right)) if not any(
                isinstance(n, ast.Name) and n.id == name for n in ast.walk(right)
            ):
                changed = True
                total = ast.BinOp(ast.Name(name, ast.Load()), op, right)
                body += [ast.Assign([ast.Name(name, ast.Store())], value) for value in (left, total)]
            case _:
                body.append(statement)
    node.body = body
    return [node] if changed else None


def _looped(node: ast.FunctionDef) -> list[ast.stmt]:
    """Compute everything in a loop that runs once."""
    last = node.body[-1]
    returns = isinstance(last, ast.Return)
    inner = node.body[:-1] if returns else node.body
    loop = ast.parse("for once in range(1):\n    pass").body[0]
    assert isinstance(loop, ast.For)
    loop.body = list(inner)
    node.body = [loop, last] if returns else [loop]
    return [node] if inner else []


def _method(node: ast.FunctionDef) -> list[ast.stmt]:
    """Make the function a method of a class without attributes."""
    node.args.args.insert(0, ast.arg("self"))
    whole = ast.parse("class Answer:\n    pass").body[0]
    assert isinstance(whole, ast.ClassDef)
    whole.body = [node]
    return [whole]


def _scaled(node: ast.FunctionDef) -> list[ast.stmt] | None:
    """Take a factor out of every returned gradient and put it back."""
    last = node.body[-1]
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Dict):
        return None
    for k, value in enumerate(last.value.values):
        last.value.values[k] = ast.parse(f"({ast.unparse(value)}) * 4 / 2 / 2", mode="eval").body
    return [node]


def _nested(node: ast.FunctionDef) -> list[ast.stmt] | None:
    """Return a cost before the gradients, which are in a dict of a list."""
    last = node.body[-1]
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Dict):
        return None
    entries = ", ".join(
        f"'d' + {ast.unparse(key)}: {ast.unparse(value)}"
        for key, value in zip(last.value.keys, last.value.values, strict=True)
        if key is not None
    )
    node.body[-1:] = ast.parse(f"grads = {{{entries}}}\nreturn 0.5, [grads]").body
    return [node]


TRANSFORMS: dict[str, Transform] = {
    "renamed": _renamed,
    "calls": lambda node: [_Calls().visit(node)],
    "helpers": _with_helpers,
    "summed": _summed,
    "looped": _looped,
    "method": _method,
    "scaled": _scaled,
    "nested": _nested,
}
