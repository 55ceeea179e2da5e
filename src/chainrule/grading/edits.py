"""Single changes of a statement, each the inverse of a common mistake in handwritten gradients.

A change that corrects a wrong answer identifies the place and the kind of the mistake.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from chainrule.grading.activations import activated
from chainrule.grading.building import (
    MODULES,
    OTHER,
    function_name,
    is_method,
    placeholder,
    summed,
    without_axes,
)
from chainrule.grading.changes import ACTIVATED, UNLIKELY, Kind, Path, Scope, With, changes
from chainrule.grading.indices import of_index
from chainrule.grading.lacking import by_sign

_Node = TypeVar("_Node", bound=ast.AST)

PRIORITY: tuple[Kind, ...] = (
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
    "axis",
    "transposed",
    "elementwise",
    "sign",
    "factor",
    "missing sum",
    "extra sum",
    "extra operand",  # before "operand": if removing it is correct, some replacements are so by chance
    "operand",
    "power",
    "missing derivative",
    "extra derivative",
    "derivative",
    "order",
    "outer",
    "matrix product",
    "extra term",
    "missing operand",
    "missing term",
    "shape",
    "other",
)


class Edit(NamedTuple):  # a search creates tens of thousands; a frozen dataclass takes several times as long
    """A changed statement: the kind of mistake that it corrects, and the replaced parts.

    It is `pattern`, with the variable `name` in place of `OTHER` unless that is empty: changes that introduce one
    variable each share a pattern, which is built and compiled once. `before` and `after` are the parts as code; `cost`
    orders changes of one kind, simple ones first.
    """

    kind: Kind
    pattern: ast.stmt
    before: str = ""
    after: str = ""
    cost: int = 0
    subject: ast.expr | None = None
    name: str = ""

    @property
    def statement(self) -> ast.stmt:
        """The changed statement."""
        if not self.name:
            return self.pattern
        return _renamed(self.pattern, OTHER, self.name)

    @property
    def rank(self) -> tuple[int, int]:
        return PRIORITY.index(self.kind if self.cost < UNLIKELY else "other"), self.cost


_NATURAL = frozenset(
    {
        "updated", "mask", "index", "brackets", "axis", "transposed", "elementwise", "sign", "factor", "missing sum",
        "missing derivative", "power", "order", "outer",
    }
)  # fmt: skip
"""Kinds of mistakes of which two in one statement are sought."""
_SECOND = _NATURAL | {"operand", "derivative", "missing operand"}
_LIKELY = 5


_REPEATING = frozenset({"tile", "repeat"})
"""Functions that are told how often: with an array for it, a single trial would fill the memory."""


def pairs(statement: ast.stmt, scope: Scope) -> Iterator[tuple[Edit, Edit]]:
    """Yield two likely changes of `statement`, the second as a change of what the first makes of it."""
    made = (edit for edit in edits(statement, scope) if edit.kind in _NATURAL and not edit.name)
    firsts = [edit for edit in made if edit.cost <= (_LIKELY if edit.kind == "transposed" else 1)]
    for first in sorted(firsts, key=lambda edit: edit.rank):
        if isinstance(first.pattern, type(statement)):
            for second in edits(first.pattern, scope):
                likely = second.kind in _SECOND and second.cost <= _LIKELY
                if likely and (second.kind not in _NATURAL or first.rank[0] <= second.rank[0]):
                    yield first, second


def edits(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Yield every single change of `statement`."""
    yield from _of_update(statement, scope)
    for path, node, parent in _positions(statement):
        patterns: dict[ast.expr, ast.stmt] = {}
        for kind, new, cost, before, after in changes(node, path, scope, parent):
            new, name, part = new if isinstance(new, With) else (new, "", None)
            if new not in patterns:
                patterns[new] = replaced(statement, path, new)
            yield Edit(kind, patterns[new], before, after, cost, part or node, name)
    for path, node in _slices(statement):
        for kind, new, cost, before, after in of_index(node, scope.variables):
            yield Edit(kind, replaced(statement, path, new), before, after, cost, node)
    yield from _of_added_axes(statement)
    yield from _everywhere(statement, scope)
    yield from _of_every_axis(statement)


def _positions(statement: ast.stmt) -> Iterator[tuple[Path, ast.expr, ast.AST]]:
    """Yield every expression that the statement evaluates, with its path and parent; targets are excluded."""
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) and statement.value is not None:
        yield from _within(statement.value, (("value", None),), statement)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        for k, argument in enumerate(statement.value.args):
            if k:
                yield from _within(argument, (("value", None), ("args", k)), statement.value)


def _slices(statement: ast.stmt) -> Iterator[tuple[Path, ast.expr]]:
    """Yield the index of every subscript in the statement, also of its targets, with its path."""
    for name, value in ast.iter_fields(statement):
        if name in ("value", "target") and isinstance(value, ast.expr):
            yield from _slices_within(value, ((name, None),))
        elif name == "targets":
            for k, item in enumerate(value):
                yield from _slices_within(item, ((name, k),))


def _slices_within(node: ast.expr, path: Path) -> Iterator[tuple[Path, ast.expr]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            if name == "slice":
                yield (*path, (name, None)), value
            yield from _slices_within(value, (*path, (name, None)))
        elif isinstance(value, list):
            for k, item in enumerate(value):
                if isinstance(item, ast.expr):
                    yield from _slices_within(item, (*path, (name, k)))


def _within(node: ast.expr, path: Path, parent: ast.AST) -> Iterator[tuple[Path, ast.expr, ast.AST]]:
    yield path, node, parent
    for name, value in ast.iter_fields(node):
        if name == "func":
            if isinstance(value, ast.Attribute) and isinstance(node, ast.Call) and is_method(node):
                yield from _within(value.value, (*path, ("func", None), ("value", None)), node)
        elif name == "slice" or (isinstance(value, ast.Name) and value.id in MODULES):
            continue
        elif isinstance(value, ast.expr):
            yield from _within(value, (*path, (name, None)), node)
        elif isinstance(value, list):
            counts = name == "args" and isinstance(node, ast.Call) and function_name(node) in _REPEATING
            for k, item in enumerate(value[:1] if counts else value):
                if isinstance(item, ast.expr) and not isinstance(item, ast.Starred):
                    yield from _within(item, (*path, (name, k)), node)


def replaced(statement: ast.stmt, path: Path, new: ast.expr) -> ast.stmt:
    """Return a copy of `statement` with `new` at `path`; subtrees off the path are shared."""
    top = copy.copy(statement)
    node: Any = top
    for name, index in path[:-1]:
        node = _fork(node, name, index)
    name, index = path[-1]
    if index is None:
        setattr(node, name, new)
    else:
        setattr(node, name, [*getattr(node, name)[:index], new, *getattr(node, name)[index + 1 :]])
    return top


def _fork(node: Any, name: str, index: int | None) -> Any:
    """Copy the child that lies on the path, so that the original is unchanged."""
    if index is None:
        child = copy.copy(getattr(node, name))
        setattr(node, name, child)
    else:
        children = list(getattr(node, name))
        child = children[index] = copy.copy(children[index])
        setattr(node, name, children)
    return child


def _of_update(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Exchange `+=` and `-=` in the update of a parameter, also when written out."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add | ast.Sub):
        changed = copy.copy(statement)
        changed.op = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
        signs = ("+=", "-=") if isinstance(statement.op, ast.Add) else ("-=", "+=")
        yield Edit("direction" if scope.parameter else "sign", changed, *signs)
        assign = ast.copy_location(ast.Assign([statement.target], statement.value), statement)
        yield Edit("other", ast.fix_missing_locations(assign), cost=5)
        if isinstance(statement.target, ast.Subscript):
            adding = ast.parse("np.add.at").body[0]
            assert isinstance(adding, ast.Expr)
            base = _as_loaded(statement.target.value)
            value = statement.value if isinstance(statement.op, ast.Add) else ast.UnaryOp(ast.USub(), statement.value)
            call = ast.Call(adding.value, [base, _as_argument(statement.target.slice), value], [])
            at_once = ast.copy_location(ast.Expr(call), statement)
            yield Edit("repeated", ast.fix_missing_locations(at_once), ast.unparse(statement.target), "", 1)
    if scope.parameter and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        value = statement.value
        if isinstance(value.op, ast.Add | ast.Sub):
            flipped = ast.Sub if isinstance(value.op, ast.Add) else ast.Add
            new = replaced(statement, (("value", None),), ast.BinOp(value.left, flipped(), value.right))
            yield Edit("direction", new, "+" if flipped is ast.Sub else "-", "-" if flipped is ast.Sub else "+")
    yield from _of_attribute(statement, scope)
    yield from _of_signs(statement, scope)
    yield from _afterwards(statement, scope)
    yield from _beside(statement, scope)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name | ast.Subscript | ast.Attribute):
            both = scope.parameter or isinstance(target, ast.Subscript)
            for operator, sign in ((ast.Add(), "+="), (ast.Sub(), "-="))[: 2 if both else 1]:
                added = ast.copy_location(ast.AugAssign(target, operator, statement.value), statement)
                yield Edit("missing term", ast.fix_missing_locations(added), "=", sign, 0 if sign == "+=" else 5)
        if isinstance(target, ast.Name):
            named = ast.copy_location(ast.Assign([ast.Name(OTHER, ast.Store())], statement.value), statement)
            ast.fix_missing_locations(named)
            for name in scope.variables:
                if name != target.id:
                    yield Edit("target", named, target.id, name, 3, None, name)


def _of_attribute(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Change the attribute of another instance: the gradient of `other` instead of that of `self`."""
    target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", ())), None)
    own = ast.unparse(target) if isinstance(target, ast.Attribute) else ""
    for name in scope.variables if own in scope.variables else ():
        if name != own and name.rpartition(".")[2] == own.rpartition(".")[2]:
            assert isinstance(target, ast.Attribute)
            changed = copy.copy(statement)
            moved = copy.copy(target)
            moved.value = ast.parse(name.rpartition(".")[0], mode="eval").body
            if isinstance(changed, ast.AugAssign):
                changed.target = moved
            elif isinstance(changed, ast.Assign):
                changed.targets = [moved]
            yield Edit("target", ast.fix_missing_locations(changed), own, name, 3)


def _of_signs(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Multiply what is put at some places by the sign of another array there: `d[far] = c * np.sign(r[far])`."""
    match statement:
        case ast.Assign([ast.Subscript(slice=index)], value) if scope.signs:
            signed = by_sign(value, ast.Subscript(placeholder(), index, ast.Load()))
            new = ast.copy_location(ast.Assign(statement.targets, signed), statement)
            for name in scope.variables:
                text = f"np.sign({name}[{ast.unparse(index)}])".replace("[(", "[").replace(")])", "])")
                yield Edit("missing operand", ast.fix_missing_locations(new), "", text, 5, None, name)


def _as_argument(index: ast.expr) -> ast.expr:
    """Return an index as an argument: `(slice(None), i)` for `:, i`."""
    if isinstance(index, ast.Tuple):
        return ast.Tuple([_as_argument(part) for part in index.elts], ast.Load())
    if not isinstance(index, ast.Slice):
        return index
    ends = [ast.Constant(None) if end is None else end for end in (index.lower, index.upper, index.step)]
    if index.step is None:
        ends = ends[1:2] if index.lower is None else ends[:2]
    return ast.Call(ast.Name("slice", ast.Load()), ends, [])


def _as_loaded(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


def _afterwards(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Multiply an array, of which a part is changed, by a factor or a derivative afterwards."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
    if not scope.last or not isinstance(target, ast.Subscript) or not isinstance(target.value, ast.Name):
        return
    step = ast.AugAssign(ast.Name(target.value.id, ast.Store()), ast.Mult(), placeholder())
    both = ast.copy_location(ast.If(ast.Constant(True), [statement, step], []), statement)
    ast.fix_missing_locations(both)
    for label, name in scope.factors.items():
        if label not in ("η", "1/η"):
            yield Edit("sign" if label == "−" else "factor", both, "", label, 2, None, name)
    for name in scope.derivatives:
        yield Edit("missing derivative", both, "", name, 2, None, name)


def _beside(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Add to, or subtract from, an entry at another index what a statement in a loop adds to one."""
    if not isinstance(statement, ast.AugAssign) or not isinstance(statement.target, ast.Subscript):
        return
    whole = statement.target.slice
    parts = whole.elts if isinstance(whole, ast.Tuple) else [whole]
    for k, part in enumerate(parts):
        for index in scope.indices if not isinstance(part, ast.Slice) else ():
            if ast.dump(index) == ast.dump(part):
                continue
            moved = ast.Tuple([*parts[:k], index, *parts[k + 1 :]], ast.Load()) if len(parts) > 1 else index
            target = ast.Subscript(statement.target.value, moved, ast.Store())
            for operator in (ast.Sub(), ast.Add()):
                twin = ast.AugAssign(target, operator, statement.value)
                both = ast.copy_location(ast.If(ast.Constant(True), [statement, twin], []), statement)
                yield Edit("missing term", ast.fix_missing_locations(both), "", ast.unparse(twin), 4)


def _everywhere(statement: ast.stmt, scope: Scope) -> Iterator[Edit]:
    """Replace one variable by another throughout the statement."""
    names = [node.id for _, node, _ in _positions(statement) if isinstance(node, ast.Name)]
    for old in {name for name in names if names.count(name) > 1}:
        renamed = _renamed(statement, old, OTHER)
        name = ast.Name(old, ast.Load())
        for new in scope.variables:
            if new != old:
                yield Edit("operand", renamed, old, new, 1, name, new)
        for value in activated(name) if scope.inner else ():
            put = _renamed(statement, old, value)
            yield Edit("operand", put, old, ast.unparse(value), ACTIVATED, name)


def _of_added_axes(statement: ast.stmt) -> Iterator[Edit]:
    """Leave out axes of size 1 that an index adds, or sum instead: `d.sum(axis=0)` for `d[None, :]`."""
    for path, node, _ in _positions(statement):
        inner = without_axes(node)
        if inner is not None:
            yield Edit("shape", replaced(statement, path, inner), ast.unparse(node), ast.unparse(inner), 1, node)
            for axis in ("0", "1"):
                for keep in (False, True):
                    new = replaced(statement, path, summed(inner, axis, keep))
                    yield Edit("missing sum", new, ast.unparse(node), axis, 3 + keep, inner)


def _of_every_axis(statement: ast.stmt) -> Iterator[Edit]:
    """Exchange the axis of several reductions along the same one."""
    calls = [node for _, node, _ in _positions(statement) if isinstance(node, ast.Call)]
    axes = [axis for axis in map(_axis_of, calls) if axis is not None]
    for old in {axis for axis in axes if axes.count(axis) > 1}:
        first = next(call for call in calls if _axis_of(call) == old)
        for new in (0, 1, 2):
            for keep in (False, True) if new != old else ():
                turned = _Turn(old, new, keep).visit(copy.deepcopy(statement))
                yield Edit("axis", turned, str(old), str(new), int(keep), first)


def _axis_of(call: ast.Call) -> int | None:
    """Return the axis that a sum or mean names by a number; None for other calls."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    values = [keyword.value for keyword in call.keywords if keyword.arg == "axis"]
    match values:
        case [ast.Constant(value=int() as axis)] if name in ("sum", "mean"):
            return axis
    return None


class _Turn(ast.NodeTransformer):
    """Puts another axis into all reductions along one."""

    def __init__(self, old: int, new: int, keep: bool) -> None:
        self._old, self._new, self._keep = old, new, keep

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if _axis_of(node) == self._old:
            rest = [keyword for keyword in node.keywords if keyword.arg not in ("axis", "keepdims")]
            kept = [ast.keyword("keepdims", ast.Constant(True))] if self._keep else []
            node.keywords = [*rest, ast.keyword("axis", ast.Constant(self._new)), *kept]
        return node


@functools.lru_cache(maxsize=64)
def _named(name: str) -> ast.expr:
    return ast.parse(name, mode="eval").body


def _renamed(node: _Node, old: str, new: str | ast.expr) -> _Node:
    """Return `node` with another name, or an expression, where it reads `old`; what does not is shared, not copied."""
    if isinstance(node, ast.Name):
        if node.id != old or not (isinstance(node.ctx, ast.Load) or node.id == OTHER):
            return node
        if isinstance(new, ast.expr):
            return copy.deepcopy(new)  # type: ignore[return-value]
        put = copy.copy(_named(new)) if "." in new else ast.Name(new, node.ctx)
        return ast.copy_location(put, node)  # type: ignore[return-value]
    changed: dict[str, Any] = {}
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.expr_context | ast.operator):
            continue
        if isinstance(value, ast.AST):
            made = _renamed(value, old, new)
            if made is not value:
                changed[name] = made
        elif type(value) is list:
            items = [_renamed(item, old, new) if isinstance(item, ast.AST) else item for item in value]
            if any(item is not before for item, before in zip(items, value, strict=True)):
                changed[name] = items
    if not changed:
        return node
    top = copy.copy(node)
    vars(top).update(changed)
    return top
