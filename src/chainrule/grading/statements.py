"""The statements of an answer made ready to be run: returned values and assignments apart, numbered, compiled."""

from __future__ import annotations

import ast
import marshal
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from chainrule.cage import OUT, called
from chainrule.grading.answers import Answer, Output, Unit
from chainrule.grading.building import MODULES
from chainrule.grading.instruments import compiled, elements, helper_code
from chainrule.grading.marks import Mark, mark_of, put_mark
from chainrule.grading.names import is_gradient_name


def prepare(answer: Answer, containers: Collection[str], known: Collection[str] = ()) -> Answer:
    """Split returns and assignments of several values, number the statements, and compile them.

    `containers` are the parameters that hold many values, so that `W1, b1 = params` is matched by name, and `x = cache`
    if `x` is `known`.
    """
    body: list[ast.stmt] = []
    for k, statement in enumerate(answer.body):
        for part in _parted(_with_container(statement, answer.body[:k]), answer, containers):
            body.append(_picked(part, containers, known))
    answer.body = body
    for top, statement in enumerate(body):
        _number(answer, statement, top, None)
    for name, helper in answer.helpers.items():
        for statement in helper.body:
            _number(answer, statement, None, name)
        answer.helper_codes[name] = marshal.dumps(helper_code(name, helper, answer.filename))
    answer.codes = [marshal.dumps(compiled(statement, answer.filename)) for statement in body]
    return answer


def _with_container(statement: ast.stmt, above: Sequence[ast.stmt]) -> ast.stmt:
    """Return `return grads` as the return of the dict of variables that makes it, which exists if a line fails."""
    match statement:
        case ast.Return(ast.Name(id=name)):
            pass
        case _:
            return statement
    for k, maker in reversed(list(enumerate(above))):
        later = {n.id: n for each in above[k + 1 :] for n in ast.walk(each) if isinstance(n, ast.Name)}
        match maker:
            case ast.Assign([ast.Name(id=target)], ast.Dict(values=values) as made) if target == name:
                held = {value.id for value in values if isinstance(value, ast.Name)}
                plain = len(held) == len(values) and held.isdisjoint(later) and name not in later
                return ast.copy_location(ast.Return(made), statement) if plain else statement
    return statement


def _parted(statement: ast.stmt, answer: Answer, containers: Collection[str]) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return
    if isinstance(statement, ast.Return):
        yield from _returned(statement, answer)
        return
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield _at(ast.Assign([statement.target], statement.value), statement)
        return
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Tuple | ast.List) and not any(isinstance(t, ast.Starred) for t in target.elts):
            names = [t for t in target.elts if isinstance(t, ast.Name)]
            if isinstance(value, ast.Name) and value.id in containers and len(names) == len(target.elts):
                for name in names:
                    if name.id.strip("_"):
                        entry = ast.Subscript(value, ast.Constant(name.id), ast.Load())
                        yield _at(ast.Assign([name], entry), statement)
                return
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                temporaries = [f"__part_{statement.lineno}_{k}" for k in range(len(value.elts))]
                for t, element, temporary in zip(target.elts, value.elts, temporaries, strict=True):
                    if isinstance(element, ast.Name) and element.id in containers and isinstance(t, ast.Name):
                        element = ast.copy_location(ast.Subscript(element, ast.Constant(t.id), ast.Load()), element)
                    assign = _at(ast.Assign([ast.Name(temporary, ast.Store())], element), element)
                    put_mark(assign, Mark(shown=ast.unparse(t)))
                    yield assign
                for t, temporary in zip(target.elts, temporaries, strict=True):
                    moved = _at(ast.Assign([t], ast.Name(temporary, ast.Load())), t)
                    put_mark(moved, Mark(silent=True))
                    yield moved
                return
    yield statement


def _picked(statement: ast.stmt, containers: Collection[str], known: Collection[str]) -> ast.stmt:
    """Return `x = cache` as the entry of this name, if it is known."""
    match statement:
        case ast.Assign([ast.Name(id=target) as name], ast.Name(id=container) as value) if container in containers:
            if called(target, known) is not None:
                return _at(ast.Assign([name], ast.Subscript(value, ast.Constant(target), ast.Load())), statement)
    return statement


def _returned(statement: ast.Return, answer: Answer) -> Iterator[ast.stmt]:
    value = statement.value
    if value is None or answer.outputs is not None or answer.returned is not None:
        return
    parts: list[tuple[str, ast.expr]] | None = None
    if isinstance(value, ast.Dict) and all(
        isinstance(k, ast.Constant) and isinstance(k.value, str) for k in value.keys
    ):
        parts = [
            (str(k.value), v) for k, v in zip(value.keys, value.values, strict=True) if isinstance(k, ast.Constant)
        ]
    elif (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict" and not value.args
    ):
        parts = [(k.arg, k.value) for k in value.keywords if k.arg is not None]
    elif isinstance(value, ast.Tuple | ast.List) and not any(isinstance(e, ast.Starred) for e in value.elts):
        parts = [(_label(element), element) for element in value.elts]
    if parts is None:
        answer.returned = OUT
        yield from [_out(OUT, _label(value), value)]
        return
    answer.outputs = [
        Output(label, f"{OUT}{k}", element.id if isinstance(element, ast.Name) else "")
        for k, (label, element) in enumerate(parts)
    ]
    for output, (label, element) in zip(answer.outputs, parts, strict=True):
        yield _out(output.variable, label, element)


def _out(variable: str, label: str, value: ast.expr) -> ast.stmt:
    assign = _at(ast.Assign([ast.Name(variable, ast.Store())], value), value)
    put_mark(assign, Mark(shown=label, hidden=isinstance(value, ast.Name | ast.Attribute | ast.Constant)))
    return assign


def _label(element: ast.expr) -> str:
    """Return the name of a returned value: the variable, attribute or key that it is, perhaps scaled or reshaped."""
    match element:
        case ast.Name():
            return element.id
        case ast.Attribute(value=inner, attr="T"):
            return ""
        case ast.Attribute():
            return element.attr
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            return key
        case ast.Subscript(value=inner, slice=ast.Slice()):
            return _label(inner)
        case ast.BinOp(left=left, op=ast.Div() | ast.Mult(), right=right):
            return next((label for label in (_label(left), _label(right)) if is_gradient_name(label)), "")
        case ast.Call(func=ast.Attribute(value=inner, attr="reshape" | "copy" | "squeeze")):
            return _label(inner)
        case _:
            return ""


def _at(statement: ast.Assign, place: ast.AST) -> ast.Assign:
    return ast.fix_missing_locations(ast.copy_location(statement, place))


def _number(
    answer: Answer,
    statement: ast.stmt,
    top: int | None,
    helper: str | None,
    nested: bool = False,
    closure: bool = False,
) -> None:
    """Number a statement and its nested statements, if they assign."""
    if isinstance(statement, ast.FunctionDef) and helper is not None and not closure:
        for child in statement.body:
            _number(answer, child, top, helper, True, True)
        return
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return
    names = _assigned(statement, answer, in_helper=helper is not None)
    mark = mark_of(statement)
    if names is not None and not mark.silent:
        number = len(answer.units)
        hidden = mark.hidden
        if isinstance(statement, ast.Return):
            hidden = isinstance(statement.value, ast.Name | ast.Attribute | ast.Constant | ast.Tuple)
        changed = names[0] if isinstance(statement, ast.Expr) else None
        put_mark(statement, replace(mark, unit=number, changed=changed))
        labels = names if mark.shown is None else (mark.shown,) if mark.shown else ()
        inner = nested or helper is not None
        answer.units.append(Unit(number, statement.lineno, top, labels, statement, helper, inner, hidden, closure))
    elif isinstance(statement, ast.For) or (isinstance(statement, ast.If) and isinstance(statement.test, ast.Compare)):
        number = len(answer.units)
        put_mark(statement, replace(mark, unit=number, hidden=True))
        inner = nested or helper is not None
        answer.units.append(Unit(number, statement.lineno, top, (), statement, helper, inner, True, closure))
    for block in ("body", "orelse", "finalbody"):
        for child in getattr(statement, block, []):
            _number(answer, child, top, helper, True, closure)


def _assigned(statement: ast.stmt, answer: Answer, in_helper: bool) -> tuple[str, ...] | None:
    if isinstance(statement, ast.Assign):
        return tuple(ast.unparse(t) for target in statement.targets for t in elements(target))
    if isinstance(statement, ast.AugAssign):
        return (ast.unparse(statement.target),)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        changed = changed_argument(statement.value, answer)
        return None if changed is None else (changed.id,)
    if in_helper and isinstance(statement, ast.Return) and statement.value is not None:
        return ()
    return None


def changed_argument(call: ast.Call, answer: Answer) -> ast.Name | None:
    """Return the variable that a call changes in place: `out=`, that of a helper, or else the first argument."""
    out = next((k.value for k in call.keywords if k.arg == "out"), None)
    if isinstance(out, ast.Name):
        return out
    helper = answer.helpers.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if helper is not None:
        stored = {
            node.value.id
            for node in ast.walk(helper)
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
        }
        stored |= {
            node.target.id
            for node in ast.walk(helper)
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
        }
        for parameter, argument in zip(helper.args.args, call.args, strict=False):
            if parameter.arg in stored and isinstance(argument, ast.Name):
                return argument
        return None
    first = call.args[0] if call.args else None
    module = call.func
    while isinstance(module, ast.Attribute):
        module = module.value
    is_library = isinstance(module, ast.Name) and module is not call.func and module.id in MODULES
    return first if isinstance(first, ast.Name) and is_library else None
