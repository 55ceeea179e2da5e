"""Answers as statements that can be run one at a time, recorded, and replaced."""

from __future__ import annotations

import ast
import copy
import marshal
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from chainrule.cage import Setup, Variant
from chainrule.grading.instruments import GradeError, compiled, helper_code, hole_for, names_stored
from chainrule.grading.marks import mark_of, put_mark

Definition = ast.FunctionDef


@dataclass(frozen=True)
class Unit:
    """A statement of the answer that assigns a value.

    `top` is the statement of the function's body that it is, or is in; None in a helper function. `names` are its
    targets as written; `hidden` are variables returned unchanged, and the heads of loops and conditions, which assign
    nothing. `closure` are those of a function that a helper defines, as `_backward` in an addition.
    """

    number: int
    line: int
    top: int | None
    names: tuple[str, ...]
    statement: ast.stmt
    helper: str | None = None
    nested: bool = False
    hidden: bool = False
    closure: bool = False

    @property
    def sets_attribute(self) -> bool:
        """Whether a function within another changes an attribute, as the gradient of one node of a graph or another."""
        return self.closure and any("." in name for name in self.names)

    @property
    def is_head(self) -> bool:
        """Whether it is the head of a loop or of a condition."""
        return self.hidden and isinstance(self.statement, ast.For | ast.If)

    @property
    def order(self) -> tuple[int, int]:
        return self.line, self.number


@dataclass(frozen=True)
class Parameter:
    """A parameter of the answer, or of a constructor, and whether it has a default value."""

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
    """The statements of a function, with those of the helpers that its file defines: functions, and `Class.method`.

    `attributes` are those of the instance if it is a method of the class `owner`, each with its path; `constructor` are
    the parameters of a constructor that needs arguments. `numbers` are global numbers, `defaults` those of parameters.
    `is_text` is true for equations.
    """

    name: str
    filename: str
    lines: list[str]
    parameters: list[Parameter]
    body: list[ast.stmt]
    helpers: dict[str, Definition]
    owner: str = ""
    attributes: list[tuple[tuple[str | int, ...], Any]] | None = None
    constructor: list[Parameter] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    defaults: Mapping[str, float] = field(default_factory=dict)
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
            [names_stored(statement) for statement in self.body],
            defaults,
            self.returned,
            frozenset(unit.number for unit in self.units if unit.nested),
            parameters,
            sorted(containers),
        )

    def statement(self, number: int) -> ast.stmt:
        """Return the statement of a unit as it is now: within a loop, statements may have been replaced."""
        unit = self.units[number]
        wholes = [self.body[unit.top]] if unit.top is not None else [self.helpers[unit.helper or ""]]
        return next(
            node
            for whole in wholes
            for node in ast.walk(whole)
            if isinstance(node, ast.stmt) and mark_of(node).unit == number
        )

    def with_statement(self, number: int, statement: ast.stmt) -> Answer:
        """Return the answer with the statement of a unit replaced."""
        unit = self.units[number]
        other = copy.copy(self)
        other.units = list(self.units)
        whole, changed = self._around(unit, statement)
        other.units[number] = replace(unit, statement=changed)
        if unit.helper is not None:
            other.helpers = {**self.helpers, unit.helper: whole}
            code = marshal.dumps(helper_code(unit.helper, whole, self.filename))
            other.helper_codes = {**self.helper_codes, unit.helper: code}
        else:
            assert unit.top is not None
            other.body = list(self.body)
            other.body[unit.top] = whole
            other.codes = list(self.codes)
            other.codes[unit.top] = marshal.dumps(compiled(whole, self.filename))
        return other

    def code_with(self, number: int, statement: ast.stmt) -> CodeType:
        """Compile the top-level statement that contains a unit, or its helper, with the unit replaced."""
        unit = self.units[number]
        whole, _ = self._around(unit, statement)
        if unit.helper is not None:
            return helper_code(unit.helper, whole, self.filename)
        return compiled(whole, self.filename)

    def holed_code(self, number: int) -> CodeType:
        """Compile the loop or helper that contains a unit, with a hole in the unit's place."""
        unit = self.units[number]
        hole = hole_for(unit.statement, unit.helper is not None)
        if unit.helper is not None:
            return helper_code(unit.helper, swapped(self.helpers[unit.helper], number, hole), self.filename)
        assert unit.top is not None
        return compiled(swapped(self.body[unit.top], number, hole), self.filename)

    def _around(self, unit: Unit, statement: ast.stmt) -> tuple[Any, ast.stmt]:
        """Return the context of a unit with its statement replaced, and the new statement within it."""
        changed = copy.copy(statement)
        put_mark(changed, replace(mark_of(changed), unit=unit.number))
        if unit.helper is not None:
            return swapped(self.helpers[unit.helper], unit.number, changed), changed
        assert unit.top is not None
        return swapped(self.body[unit.top], unit.number, changed), changed


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
    answer = Answer(name, filename, list(lines), _parameters(described["parameters"]), [], {})
    answer.helpers = _reached(definition, dict(_helpers(tree, definition)))
    answer.owner, answer.numbers, answer.defaults = (
        str(described["owner"]),
        described["numbers"],
        described["defaults"],
    )
    attributes = described["attributes"]
    answer.attributes = None if attributes is None else attributes_of(attributes)
    answer.constructor = None if described["constructor"] is None else _parameters(described["constructor"])
    answer.body = list(definition.body)
    return answer


def attributes_of(found: Sequence[Sequence[Any]]) -> list[tuple[tuple[str | int, ...], Any]]:
    """Return the attributes of an instance, each with its path."""
    return [(tuple(path), value) for path, value in found]


def _parameters(found: Sequence[Sequence[Any]]) -> list[Parameter]:
    return [Parameter(str(name), bool(has_default)) for name, has_default in found]


def parsed(source: str, filename: str) -> ast.Module:
    """Parse a file; raise GradeError, with the line, for text that is not Python."""
    try:
        return ast.parse(source, filename)
    except SyntaxError as error:
        raise GradeError(f"{filename}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise GradeError(f"{filename} cannot be read as Python: {error or type(error).__name__}") from None


def _helpers(tree: ast.Module, definition: Definition) -> Iterator[tuple[str, Definition]]:
    """Yield the functions and methods of a file that can be observed."""
    for node in tree.body:
        methods = node.body if isinstance(node, ast.ClassDef) else [node]
        for each in methods:
            if not isinstance(each, ast.FunctionDef) or each is definition or each.decorator_list:
                continue
            nodes = list(ast.walk(each))
            if any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Nonlocal | ast.Global) for n in nodes):
                continue
            if not isinstance(node, ast.ClassDef):
                yield each.name, each
            elif not any(isinstance(n, ast.Name) and n.id in ("super", "__class__") for n in nodes):
                yield f"{node.name}.{each.name}", each


def _reached(function: Definition, helpers: Mapping[str, Definition]) -> dict[str, Definition]:
    """Return the helpers that a function uses, directly or indirectly."""
    reached: dict[str, Definition] = {}
    left = [function]
    while left:
        nodes = list(ast.walk(left.pop()))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        names |= {f".{node.attr}" for node in nodes if isinstance(node, ast.Attribute)}
        for name, helper in helpers.items():
            owner, dot, method = name.rpartition(".")
            called = name in names or (dot and (f".{method}" in names or (owner in names and method[:2] == "__")))
            if called and name not in reached:
                reached[name] = helper
                left.append(helper)
    return reached


def _begins(node: Definition, line: object) -> bool:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) == line
