"""Answers as statements that can be run one at a time, recorded, and replaced."""

from __future__ import annotations

import ast
import copy
import marshal
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from chainrule.cage import OUT, RETURN, SEEN, TICK, Setup, Variant
from chainrule.grading.marks import Mark, located, mark_of, put_mark
from chainrule.words import ChainruleError

_LOOPS = (ast.For, ast.While)


def visible(text: str) -> str:
    """Escape characters of `text` that control a terminal or the writing direction."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class GradeError(ChainruleError):
    """An answer, or its reference, cannot be graded; the message is one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


@dataclass(frozen=True)
class Unit:
    """A statement of the answer that assigns a value.

    `top` is the statement of the function's body that it is, or is in; None in a helper function. `names` are its
    targets as written; `hidden` are variables returned unchanged.
    """

    number: int
    line: int
    top: int | None
    names: tuple[str, ...]
    statement: ast.stmt
    helper: str | None = None
    nested: bool = False
    hidden: bool = False

    @property
    def order(self) -> tuple[int, int]:
        return self.line, self.number


@dataclass(frozen=True)
class Parameter:
    """A parameter of the answer, and whether it has a default value."""

    name: str
    has_default: bool = False


@dataclass(frozen=True)
class Output:
    """A returned value: its label, "" if it has none, and the variable that holds it.

    `name` is the learner's variable, if the value is one that is returned unchanged.
    """

    label: str
    variable: str
    name: str = ""


@dataclass(eq=False)
class Answer:
    """The statements of a function, with those of the helpers that its file defines.

    `attributes` are those of the instance if it is a method of the class `owner`; `numbers` are global numbers.
    `is_text` is true for equations.
    """

    name: str
    filename: str
    lines: list[str]
    parameters: list[Parameter]
    body: list[ast.stmt]
    helpers: dict[str, ast.FunctionDef]
    owner: str = ""
    attributes: Mapping[str, Any] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    is_text: bool = False
    units: list[Unit] = field(default_factory=list)
    outputs: list[Output] | None = None
    returned: str | None = None
    codes: list[bytes] = field(default_factory=list)
    helper_codes: dict[str, bytes] = field(default_factory=dict)

    def source(self, line: int) -> str:
        """Return a line without indentation and comment."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return text.split("  #")[0].strip()

    def unit(self, number: int) -> Unit:
        return self.units[number]

    def variant(self, given: Mapping[str, int]) -> Variant:
        """Return the answer as it is run, with the indices of the candidates substituted for names."""
        return Variant(tuple(self.codes), tuple(self.helper_codes.items()), tuple(given.items()))

    def setup(self, defaults: Sequence[str], parameters: Sequence[str], containers: Collection[str]) -> Setup:
        """Return what is common to all variants; `defaults` are the parameters that keep their default values."""
        return Setup(
            self.name,
            self.filename,
            [statement.lineno for statement in self.body],
            [_names_stored(statement) for statement in self.body],
            defaults,
            self.returned,
            frozenset(unit.number for unit in self.units if unit.nested),
            parameters,
            sorted(containers),
        )

    def with_statement(self, number: int, statement: ast.stmt) -> Answer:
        """Return the answer with the statement of a unit replaced."""
        unit = self.units[number]
        other = copy.copy(self)
        other.units = list(self.units)
        whole, changed = self._around(unit, statement)
        other.units[number] = replace(unit, statement=changed)
        if unit.top is None:
            assert unit.helper is not None
            other.helpers = {**self.helpers, unit.helper: whole}
            other.helper_codes = {**self.helper_codes, unit.helper: marshal.dumps(_helper_code(whole, self.filename))}
        else:
            other.body = list(self.body)
            other.body[unit.top] = whole
            other.codes = list(self.codes)
            other.codes[unit.top] = marshal.dumps(_compiled(whole, self.filename))
        return other

    def code_with(self, number: int, statement: ast.stmt) -> CodeType:
        """Compile the top-level statement that contains a unit, with the unit replaced."""
        unit = self.units[number]
        whole, _ = self._around(unit, statement)
        return _helper_code(whole, self.filename) if unit.top is None else _compiled(whole, self.filename)

    def _around(self, unit: Unit, statement: ast.stmt) -> tuple[Any, ast.stmt]:
        """Return the context of a unit with its statement replaced, and the new statement within it."""
        changed = copy.copy(statement)
        put_mark(changed, replace(mark_of(changed), unit=unit.number))
        if unit.top is not None:
            return swapped(self.body[unit.top], unit.number, changed), changed
        assert unit.helper is not None
        return swapped(self.helpers[unit.helper], unit.number, changed), changed


def swapped(node: Any, number: int, statement: ast.stmt) -> Any:
    """Return `node` with the unit `number` in it replaced; subtrees without the unit are shared."""
    if mark_of(node).unit == number:
        return statement
    changed = node
    for block in ("body", "orelse", "finalbody"):
        inner = getattr(node, block, None)
        if isinstance(inner, list):
            new = [swapped(child, number, statement) for child in inner]
            if any(a is not b for a, b in zip(new, inner, strict=True)):
                changed = copy.copy(changed)
                setattr(changed, block, new)
    return changed


def read_answer(described: Mapping[str, Any], lines: Sequence[str]) -> Answer:
    """Build the answer from the lines of a file and the description of its function by the process that runs it.

    Raises GradeError unless it is a function made with def.
    """
    name, filename = str(described["name"]), str(described["file"])
    if not lines:
        raise GradeError(f"the source of {name} is not available; write it to a file")
    tree = parsed("\n".join(lines), filename)
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    found = [node for node in nodes if node.name == described["code"] and _begins(node, described["line"])]
    if not found:
        raise GradeError(f"{name} is not a plain function made with def; write it as def backward(…):")
    definition = found[0]
    helpers = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node is not definition and not node.decorator_list
    }
    parameters = [Parameter(str(name), bool(has_default)) for name, has_default in described["parameters"]]
    attributes, numbers = described["attributes"], described["numbers"]
    answer = Answer(name, filename, list(lines), parameters, [], _reached(definition, helpers))
    answer.owner, answer.attributes, answer.numbers = str(described["owner"]), attributes, numbers
    answer.body = list(definition.body)
    return answer


def parsed(source: str, filename: str) -> ast.Module:
    """Parse a file; raise GradeError, with the line, for text that is not Python."""
    try:
        return ast.parse(source, filename)
    except SyntaxError as error:
        raise GradeError(f"{filename}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise GradeError(f"{filename} cannot be read as Python: {error or type(error).__name__}") from None


def _reached(function: ast.FunctionDef, helpers: dict[str, ast.FunctionDef]) -> dict[str, ast.FunctionDef]:
    """Return the helpers that a function uses, directly or indirectly."""
    reached: dict[str, ast.FunctionDef] = {}
    left = [function]
    while left:
        for node in ast.walk(left.pop()):
            if isinstance(node, ast.Name) and node.id in helpers and node.id not in reached:
                reached[node.id] = helpers[node.id]
                left.append(helpers[node.id])
    return reached


def _begins(node: ast.FunctionDef, line: object) -> bool:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) == line


def prepare(answer: Answer, containers: Collection[str]) -> Answer:
    """Split returns and assignments of several values, number the statements, and compile them.

    `containers` are the parameters that hold many values, so that `W1, b1 = params` is matched by name.
    """
    body: list[ast.stmt] = []
    for statement in answer.body:
        body += _parted(statement, answer, containers)
    answer.body = body
    for top, statement in enumerate(body):
        _number(answer, statement, top, None)
    for name, helper in answer.helpers.items():
        _count_rounds(helper)
        answer.helper_codes[name] = marshal.dumps(_helper_code(helper, answer.filename))
        for statement in helper.body:
            _number(answer, statement, None, name)
    answer.codes = [marshal.dumps(_compiled(statement, answer.filename)) for statement in body]
    return answer


def _names_stored(statement: ast.stmt) -> frozenset[str]:
    """Return the variables that a statement assigns."""
    nodes = ast.walk(statement)
    return frozenset(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


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
            if (
                isinstance(value, ast.Name)
                and value.id in containers
                and all(isinstance(t, ast.Name) for t in target.elts)
            ):
                for name in target.elts:
                    assert isinstance(name, ast.Name)
                    yield _at(ast.Assign([name], ast.Subscript(value, ast.Constant(name.id), ast.Load())), statement)
                return
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                temporaries = [f"__part_{statement.lineno}_{k}" for k in range(len(value.elts))]
                for t, element, temporary in zip(target.elts, value.elts, temporaries, strict=True):
                    assign = _at(ast.Assign([ast.Name(temporary, ast.Store())], element), element)
                    put_mark(assign, Mark(shown=ast.unparse(t)))
                    yield assign
                for t, temporary in zip(target.elts, temporaries, strict=True):
                    moved = _at(ast.Assign([t], ast.Name(temporary, ast.Load())), t)
                    put_mark(moved, Mark(silent=True))
                    yield moved
                return
    yield statement


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
    if isinstance(element, ast.Name):
        return element.id
    return element.attr if isinstance(element, ast.Attribute) and element.attr != "T" else ""


def _at(statement: ast.Assign, place: ast.AST) -> ast.Assign:
    return ast.fix_missing_locations(ast.copy_location(statement, place))


def _number(answer: Answer, statement: ast.stmt, top: int | None, helper: str | None, nested: bool = False) -> None:
    """Number a statement and its nested statements, if they assign."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return
    names = _assigned(statement, in_helper=helper is not None)
    mark = mark_of(statement)
    if names is not None and not mark.silent:
        number = len(answer.units)
        put_mark(statement, replace(mark, unit=number))
        labels = names if mark.shown is None else (mark.shown,) if mark.shown else ()
        inner = nested or helper is not None
        answer.units.append(Unit(number, statement.lineno, top, labels, statement, helper, inner, mark.hidden))
    for block in ("body", "orelse", "finalbody"):
        for inner in getattr(statement, block, []):
            _number(answer, inner, top, helper, True)


def _assigned(statement: ast.stmt, in_helper: bool) -> tuple[str, ...] | None:
    if isinstance(statement, ast.Assign):
        return tuple(ast.unparse(t) for target in statement.targets for t in _elements(target))
    if isinstance(statement, ast.AugAssign):
        return (ast.unparse(statement.target),)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and statement.value.args:
        first = statement.value.args[0]
        return (first.id,) if isinstance(first, ast.Name) else None
    if in_helper and isinstance(statement, ast.Return) and statement.value is not None:
        return ()
    return None


def _elements(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, ast.Tuple | ast.List) else [target]


# Instrumentation


class _Watch(ast.NodeTransformer):
    """Counts loop iterations, reports assignments of nested statements, and turns `return` into an exception."""

    def __init__(self, watch_units: bool = True) -> None:
        self._units = watch_units
        self._depth = 0

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.AsyncFunctionDef):
            self._depth += 1
            changed = self.generic_visit(node)
            self._depth -= 1
            return changed
        if isinstance(node, ast.Return) and not self._depth:
            call = ast.Call(ast.Name(RETURN, ast.Load()), [node.value or ast.Constant(None)], [])
            return ast.copy_location(ast.Raise(call, None), node)
        number = mark_of(node).unit
        node = self.generic_visit(node)
        if isinstance(node, _LOOPS):
            tick = ast.Expr(ast.Call(ast.Name(TICK, ast.Load()), [], []))
            node.body.insert(0, ast.copy_location(tick, node))
        if number is None or self._depth or not self._units:
            return node
        return [node, _report(node, number)]


def _report(statement: ast.AST, number: int) -> ast.stmt:
    """Return a call that reports the value assigned by a unit."""
    loads = _loads(statement) if isinstance(statement, ast.Assign | ast.AugAssign) else []
    call = ast.Call(ast.Name(SEEN, ast.Load()), [ast.Constant(number), ast.Tuple(loads, ast.Load())], [])
    return ast.copy_location(ast.Expr(call), statement)


def _loads(statement: ast.Assign | ast.AugAssign) -> list[ast.expr]:
    targets = [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets
    return [_as_load(element) for target in targets for element in _elements(target)]


def _as_load(target: ast.expr) -> ast.expr:
    """Return a target as an expression that reads it."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Starred):
        return _as_load(target.value)
    if isinstance(target, ast.Tuple | ast.List):
        return ast.Tuple([_as_load(element) for element in target.elts], ast.Load())
    read = copy.copy(target)
    if isinstance(read, ast.Attribute | ast.Subscript):
        read.ctx = ast.Load()
    return read


def _compiled(statement: ast.stmt, filename: str) -> CodeType:
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):  # these contain no loop and no return
        number = mark_of(statement).unit
        statements: list[ast.stmt] = [statement]
        statements += [] if number is None else [_report(statement, number)]
    else:
        watched = _Watch().visit(copy.deepcopy(statement))
        statements = watched if isinstance(watched, list) else [watched]
    return _code(statements, filename)


def _helper_code(helper: ast.FunctionDef, filename: str) -> CodeType:
    return _code([helper], filename)


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


def _count_rounds(function: ast.FunctionDef) -> None:
    """Instrument every loop of a function to count its iterations."""
    for node in ast.walk(function):
        if isinstance(node, _LOOPS):
            tick = ast.Expr(ast.Call(ast.Name(TICK, ast.Load()), [], []))
            node.body.insert(0, ast.copy_location(tick, node))
