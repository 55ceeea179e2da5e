"""The messages in the source of the package, found in its syntax: what errors say, and the parts of what they say."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import chainrule

SOURCE = Path(chainrule.__file__).parent
_ERROR = re.compile(r"(Error|NoReturn|Refusal)\b")
_MAKERS = re.compile(r"^[A-Z_]\w*Error$|^(Refusal|UsageError|Finding)$")
"""Classes made of messages."""


@dataclass(frozen=True)
class Message:
    """A template as it is written in the source; fields are named after the expressions in them."""

    text: str
    file: str
    line: int

    @property
    def room(self) -> str:
        """The folder, or the module of its own, in which it is."""
        return self.file.split("/")[0].removesuffix(".py")

    @property
    def shape(self) -> str:
        """The template without the names of its fields."""
        return shape_of(self.text)


def shape_of(template: str) -> str:
    """Return a template without the names of its fields."""
    return re.sub(r"\{\{|\}\}|\{[^{}]*\}", lambda found: found[0] if found[0] in ("{{", "}}") else "{}", template)


@dataclass
class Scope:
    """A module or a function: the function itself, and what stands in it, without the functions in it."""

    file: str
    function: ast.FunctionDef | None
    outer: Scope | None
    assigned: dict[str, list[ast.expr]]
    returned: list[ast.expr]
    said: list[ast.expr]
    """What may be the texts of errors: arguments of calls, and of what is raised."""

    @property
    def returns(self) -> str:
        """The annotation of what the function returns."""
        annotation = None if self.function is None else self.function.returns
        return "" if annotation is None else ast.unparse(annotation).strip("'\"")

    def values(self, name: str) -> list[ast.expr]:
        """Return the values that are assigned to `name`, here or in the module."""
        if name in self.assigned or self.outer is None:
            return self.assigned.get(name, [])
        return self.outer.values(name)


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text("utf-8"))


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax of each file."""
    return {path.relative_to(SOURCE).as_posix(): tree_of(path) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def _scopes() -> tuple[Scope, ...]:
    found: list[Scope] = []
    for file, tree in trees().items():
        module = Scope(file, None, None, {}, [], [])
        found.append(module)
        pending: list[tuple[ast.AST, Scope]] = [(tree, module)]
        while pending:
            node, scope = pending.pop()
            if isinstance(node, ast.FunctionDef):
                scope = Scope(file, node, scope, {}, [], [])
                found.append(scope)
            _note(node, scope)
            pending += [(child, scope) for child in ast.iter_child_nodes(node)]
    return tuple(found)


def _note(node: ast.AST, scope: Scope) -> None:
    """Note in `scope` what is assigned, returned and said."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            scope.assigned.setdefault(name, []).append(value)
        case (
            ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            | ast.NamedExpr(target=ast.Name(id=name), value=value)
            | ast.AugAssign(target=ast.Name(id=name), value=value)
        ):
            scope.assigned.setdefault(name, []).append(value)
        case ast.Return(value=ast.expr() as value):
            scope.returned.append(value)
        case ast.Call():
            scope.said.append(node)
        case ast.Raise(exc=ast.Call() as call):
            scope.said += call.args


@cache
def _functions() -> dict[str, list[Scope]]:
    """Functions by name."""
    found: dict[str, list[Scope]] = defaultdict(list)
    for scope in _scopes():
        if scope.function is not None:
            found[scope.function.name].append(scope)
    return found


@cache
def _makers() -> frozenset[str]:
    """Names of functions that make an error of the text that they are given."""
    return frozenset(
        name for name, places in _functions().items() if any(_ERROR.search(each.returns) for each in places)
    )


def _name(callee: ast.expr) -> str:
    return callee.attr if isinstance(callee, ast.Attribute) else callee.id if isinstance(callee, ast.Name) else ""


@cache
def messages() -> tuple[Message, ...]:
    """All messages of all files, each once."""
    reader = _Reader()
    found: dict[tuple[str, str], Message] = {}
    for scope in _scopes():
        for node in scope.said:
            if not isinstance(node, ast.Call):
                arguments: list[ast.expr] = [node]
            elif _MAKERS.match(_name(node.func)) or _name(node.func) in _makers():
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            else:
                continue
            for argument in arguments:
                for each in reader.read(argument, scope):
                    found.setdefault((each.room, each.text), each)
    return tuple(sorted(found.values(), key=lambda each: (each.file, each.line)))


class _Reader:
    """Reads the texts of which an expression makes a message, each node once."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def read(self, node: ast.expr, scope: Scope) -> Iterator[Message]:
        """Yield the templates in `node`, an expression in the function `scope`."""
        if id(node) in self.seen:
            return
        self.seen.add(id(node))
        match node:
            case ast.Constant(value=str(text)):
                if _says(text):
                    yield Message(text.replace("{", "{{").replace("}", "}}"), scope.file, node.lineno)
            case ast.JoinedStr() | ast.BinOp(op=ast.Add()):
                text, parts = self._template(node)
                if _says(text):
                    yield Message(text, scope.file, node.lineno)
                for part in parts:
                    yield from self.read(part, scope)
            case ast.IfExp():
                yield from self.read(node.body, scope)
                yield from self.read(node.orelse, scope)
            case ast.BoolOp():
                for value in node.values:
                    yield from self.read(value, scope)
            case ast.Name():
                for value in scope.values(node.id):
                    yield from self.read(value, scope)
            case ast.Subscript() if isinstance(node.value, ast.Name):  # a text of a table
                for value in scope.values(node.value.id):
                    yield from self._texts(value, scope)
            case ast.Call(func=ast.Attribute(attr="join" | "format" | "get" | "strip" | "removesuffix")):
                for argument in [node.func.value, *node.args]:  # type: ignore[attr-defined]
                    yield from self.read(argument, scope)
            case ast.Dict():
                yield from self._texts(node, scope)
            case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
                yield from self.read(element, scope)
            case ast.Call():
                yield from self._returned(_name(node.func), scope)
            case ast.Attribute(attr=name):  # a property
                yield from self._returned(name, scope)

    def _texts(self, node: ast.expr, scope: Scope) -> Iterator[Message]:
        for each in ast.walk(node):
            if isinstance(each, ast.Dict):
                for value in each.values:
                    yield from self.read(value, scope)
            elif isinstance(each, ast.Call) and _name(each.func) == "fromkeys":
                yield from self.read(each.args[1], scope)

    def _returned(self, name: str, scope: Scope) -> Iterator[Message]:
        """Yield the templates of the text that functions called `name` return, those of this file if it has any."""
        places = _functions().get(name, ())
        near = [place for place in places if place.file == scope.file] or places
        for place in near if len(near) <= 3 else ():
            if place.returns in ("str", "str | None"):
                for value in place.returned:
                    yield from self.read(value, place)

    def _template(self, node: ast.expr) -> tuple[str, list[ast.expr]]:
        """Return the template of an f-string, or of a sum of texts, and the expressions in its fields."""
        names: dict[str, str] = {}
        parts: list[ast.expr] = []

        def piece(node: ast.expr) -> str:
            match node:
                case ast.Constant(value=str(text)):
                    return text.replace("{", "{{").replace("}", "}}")
                case ast.JoinedStr():
                    return "".join(map(piece, node.values))
                case ast.BinOp(op=ast.Add()):
                    return piece(node.left) + piece(node.right)
                case ast.FormattedValue():
                    parts.append(node.value)
                    conversion = "!r" if node.conversion == ord("r") else ""
                    return "{" + _field(node.value, names, conversion) + conversion + "}"
                case _:
                    parts.append(node)
                    return "{" + _field(node, names) + "}"

        return piece(node), parts


def _field(node: ast.expr, taken: dict[str, str], conversion: str = "") -> str:
    """Name the field of an expression: as where it stands before, else unlike the other fields of its template."""
    key = ast.unparse(node) + conversion
    if key not in taken:
        base = (_called(node).strip("_").lower() or "value").rstrip("0123456789")
        names = (base if number == 1 else f"{base}{number}" for number in itertools.count(1))
        taken[key] = next(name for name in names if name not in taken.values())
    return taken[key]


def _called(node: ast.expr) -> str:
    """Return a name for what an expression is."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Name(id="repr" | "str" | "len" | "sorted" | "tuple" | "list"), args=[inner, *_]):
            return _called(inner)
        case ast.Call(func=ast.Attribute(attr="join"), args=[inner]):
            return _called(inner)
        case ast.Call(func=function):
            return _name(function)
        case ast.Subscript(value=ast.Name(id=name)) | ast.Subscript(value=ast.Attribute(attr=name)):
            return name
        case ast.GeneratorExp(elt=element):
            return _called(element)
        case _:
            return "which" if isinstance(node, ast.IfExp) else "value"


def _says(text: str) -> bool:
    """Whether a text or template has a word of English outside of its fields."""
    outside = re.sub(r"\{[^{}]*\}", " ", text)
    return bool(re.search(r"[A-Za-z]{2,}|\ba\b", outside)) and (" " in text.strip() or "{" in text)
