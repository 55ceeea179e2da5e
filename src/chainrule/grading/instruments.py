"""Instrumentation of an answer's code: assignments are reported, loops counted, `return` ends the statements."""

from __future__ import annotations

import ast
import copy
import marshal
import warnings
from types import CodeType
from typing import TypeVar

from chainrule.cage import HOLE, NOTED, PICK, RETURN, SEEN, TICK, VALUE, WHOLE
from chainrule.grading.marks import located, mark_of
from chainrule.words import ChainruleError

_LOOPS = (ast.For, ast.While)
_Node = TypeVar("_Node", bound=ast.AST)


def visible(text: str) -> str:
    """Escape characters of `text` that control a terminal or the writing direction."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class GradeError(ChainruleError):
    """An answer, or its reference, cannot be graded; the message is one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


def compiled(statement: ast.stmt, filename: str) -> CodeType:
    """Compile a statement of the answer's body."""
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):  # these contain no loop and no return
        number = mark_of(statement).unit
        statements: list[ast.stmt] = [statement]
        statements += [] if number is None else [_report(statement, number)]
    else:
        statements = _watched(statement, helper=False)
    return _code(statements, filename)


def helper_code(name: str, helper: ast.FunctionDef, filename: str) -> CodeType:
    """Compile a function, or a method as that of a class with nothing else."""
    owner, _, _ = name.rpartition(".")
    watched = copy.copy(helper)
    watched.body = [each for statement in helper.body for each in _watched(statement, helper=True)]
    if not owner:
        return _code([watched], filename)
    whole = ast.ClassDef(owner, [], [], [watched], [])
    if "type_params" in ast.ClassDef._fields:
        whole.type_params = []
    return _code([ast.copy_location(whole, helper)], filename)


def hole_for(statement: ast.stmt, in_helper: bool) -> ast.stmt:
    """Return a statement that runs another, given later, in the place of one: many changes share the code around."""
    hole = ast.Name(HOLE, ast.Load())
    if not in_helper:
        made: ast.stmt = ast.Expr(ast.Call(hole, [], []))
    else:
        names = [VALUE] if isinstance(statement, ast.Return) else sorted(names_stored(statement))
        local = ast.Call(ast.Name("locals", ast.Load()), [], [])
        wanted = ast.Tuple([ast.Constant(name) for name in names], ast.Load())
        call = ast.Call(hole, [local, wanted], [])
        if isinstance(statement, ast.Return):
            made = ast.Return(ast.Subscript(call, ast.Constant(0), ast.Load()))
        elif names:
            made = ast.Assign([ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())], call)
        else:
            made = ast.Expr(call)
    return ast.copy_location(made, statement)


def filling_code(statement: ast.stmt, filename: str) -> CodeType:
    """Compile a single statement for a hole."""
    if isinstance(statement, ast.Return):
        value = statement.value or ast.Constant(None)
        statement = ast.copy_location(ast.Assign([ast.Name(VALUE, ast.Store())], value), statement)
    return _code([statement], filename)


def _watched(statement: ast.stmt, helper: bool, inner: bool = False) -> list[ast.stmt]:
    """Return a statement with what counts the rounds of its loops and reports its assignments.

    `return` becomes an exception, and in a helper is reported. What does not change is shared with the original, since
    a search compiles a loop once for each of its lines. `inner` statements are in a function that the answer defines,
    in which `return` is no exception.
    """
    number = mark_of(statement).unit
    if isinstance(statement, ast.Return) and (helper or not inner):
        value = statement.value or ast.Constant(None)
        if not helper:
            call = ast.Call(ast.Name(RETURN, ast.Load()), [value], [])
            return [ast.copy_location(ast.Raise(call, None), statement)]
        if number is None:
            return [statement]
        noted = ast.Call(ast.Name(NOTED, ast.Load()), [ast.Constant(number), value], [])
        return [ast.copy_location(ast.Return(noted), statement)]
    defines = isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    changed = _with_blocks(statement, helper, inner or defines)
    if isinstance(changed, _LOOPS):
        tick = ast.Expr(ast.Call(ast.Name(TICK, ast.Load()), [], []))
        changed.body.insert(0, ast.copy_location(tick, changed))
    head = isinstance(statement, ast.For | ast.If) and mark_of(statement).hidden
    return [changed] if number is None or head or defines else [changed, _report(statement, number)]


def _with_blocks(node: _Node, helper: bool, inner: bool) -> _Node:
    """Return a node with the statements in its blocks watched: a copy if there are any."""
    changed = node
    for name, block in ast.iter_fields(node):
        first = block[0] if isinstance(block, list) and block else None
        if isinstance(first, ast.stmt | ast.ExceptHandler | ast.match_case):
            changed = copy.copy(changed) if changed is node else changed
            if isinstance(first, ast.stmt):
                setattr(changed, name, [each for part in block for each in _watched(part, helper, inner)])
            else:
                setattr(changed, name, [_with_blocks(part, helper, inner) for part in block])
    return changed


def _report(statement: ast.stmt, number: int) -> ast.stmt:
    """Return a call that reports the value assigned by a unit."""
    call = ast.Call(
        ast.Name(SEEN, ast.Load()), [ast.Constant(number), ast.Tuple(_loads(statement, number), ast.Load())], []
    )
    return ast.copy_location(ast.Expr(call), statement)


def _loads(statement: ast.stmt, number: int) -> list[ast.expr]:
    if isinstance(statement, ast.Expr):
        changed = mark_of(statement).changed
        return [ast.Name(changed, ast.Load())] if changed else []
    if isinstance(statement, ast.If) and mark_of(statement.body[0]).unit == number:  # a statement and what follows it
        return _loads(statement.body[0], number)
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return []
    targets = [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets
    return [_as_load(element, number) for target in targets for element in elements(target)]


def elements(target: ast.expr) -> list[ast.expr]:
    """Return the targets of an assignment of several values."""
    return list(target.elts) if isinstance(target, ast.Tuple | ast.List) else [target]


def _as_load(target: ast.expr, number: int) -> ast.expr:
    """Return a target as an expression that reads it: of a changed array, all of it."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Starred):
        return _as_load(target.value, number)
    if isinstance(target, ast.Tuple | ast.List):
        return ast.Tuple([_as_load(element, number) for element in target.elts], ast.Load())
    read = copy.copy(target)
    if isinstance(read, ast.Attribute):
        read.ctx = ast.Load()
    if isinstance(read, ast.Subscript):
        read.ctx = ast.Load()
        key = ast.Subscript(ast.Name(PICK, ast.Load()), read.slice, ast.Load())
        return ast.Call(ast.Name(WHOLE, ast.Load()), [ast.Constant(number), read.value, key], [])
    return read


def names_stored(statement: ast.stmt) -> frozenset[str]:
    """Return the variables that a statement assigns."""
    nodes = ast.walk(statement)
    return frozenset(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _code(statements: list[ast.stmt], filename: str) -> CodeType:
    module = ast.Module(statements, [])
    located(module)
    try:
        with warnings.catch_warnings():  # warnings of the file have been shown already
            warnings.simplefilter("ignore", SyntaxWarning)
            return compile(module, filename, "exec")
    except SyntaxError as error:
        raise GradeError(f"{filename}:{error.lineno or statements[0].lineno}: {error.msg}") from None


def with_name(code: CodeType, old: str, new: str) -> CodeType | None:
    """Compile a statement of the body with one variable replaced by another; None if it has nested scopes.

    In a comprehension or a lambda, `new` may have another meaning.
    """
    if code.co_varnames or code.co_cellvars or any(isinstance(constant, CodeType) for constant in code.co_consts):
        return None
    return code.replace(co_names=tuple(new if name == old else name for name in code.co_names))


def expression_code(node: ast.expr) -> bytes:
    """Compile an expression."""
    return marshal.dumps(compile(ast.fix_missing_locations(ast.Expression(node)), "<part>", "eval"))
