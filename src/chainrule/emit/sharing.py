"""Naming of values in a pass: values that are used more than once, and parts of lines that are too long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from chainrule.emit.expressions import (
    Arena,
    Einsum,
    Expr,
    Function,
    Indexed,
    Inserted,
    MatrixProduct,
    Number,
    Outer,
    Picked,
    Reduction,
    Repeated,
    Reshaped,
    Structured,
    Table,
    TensorDot,
    Transposed,
    Variable,
    occurrences,
    ordered,
    parents_of,
)
from chainrule.emit.names import Names
from chainrule.primitives import (
    UFUNCS,
    Abs,
    Add,
    Cast,
    Compare,
    Divide,
    Erf,
    Erfc,
    Gather,
    LogSoftmax,
    Maximum,
    Minimum,
    Multiply,
    Negate,
    OneHot,
    OverlapAdd,
    Pad,
    Power,
    Primitive,
    Relu,
    Sigmoid,
    Softmax,
    Sqrt,
    Square,
    Subtract,
    Where,
    Windows,
)

_INLINE_LIMIT = 56
_CHEAP = (Add, Subtract, Multiply, Negate, Square, Where, Cast, Compare, Maximum, Minimum, Relu)
_NAME_LIMIT = 16
_STEMS: dict[type, str] = {
    **{kind: name for name, kind in UFUNCS.items() if kind.arity == 1},
    Abs: "abs",
    Erf: "erf",
    Erfc: "erfc",
    LogSoftmax: "log_p",
    Pad: "padded",
    Sigmoid: "sigma",
    Softmax: "p",
    Windows: "windows",
}
_BETWEEN: dict[type, str] = {Add: "plus", Subtract: "minus", Divide: "over", Multiply: "times"}
_SHORT: dict[type, str] = {
    Add: "total",
    Cast: "mask",
    Gather: "rows",
    OverlapAdd: "added",
    Compare: "mask",
    Divide: "ratio",
    Multiply: "product",
    OneHot: "one_hot",
    Power: "power",
    Sqrt: "root",
    Square: "square",
    Subtract: "difference",
}


@dataclass(frozen=True)
class Line:
    """`variable = value`; `about` is the quantity of the record that it computes, wholly or in part.

    In loops a value may also be assigned to an element of an array, or, if it `adds`, be added to a variable.
    """

    variable: Expr
    value: Expr
    about: str
    adds: bool = False


@dataclass(frozen=True)
class Repeat:
    """A loop over `count` places, of which the current one is the size called `place`, from the last with `reverse`."""

    place: str
    count: int
    reverse: bool
    lines: tuple[Line, ...]


def plain_lines(items: Sequence[Line | Repeat]) -> list[Line]:
    """Return the lines of a pass, each of a loop once."""
    return [line for item in items for line in (item.lines if isinstance(item, Repeat) else (item,))]


def alive(lines: Sequence[Line], outputs: Sequence[Expr]) -> list[Line]:
    """Return the lines that an output depends on."""
    needed = set(outputs)
    found = []
    for line in reversed(lines):
        if line.variable in needed:
            found.append(line)
            needed.update(x for x in ordered([line.value]) if isinstance(x.operation, Variable))
    return found[::-1]


def is_trivial(x: Expr) -> bool:
    """Whether evaluating `x` twice is free: a name, a number, or a view of one."""
    match x:
        case Expr(Variable() | Number() | Table()):
            return True
        case Expr(Transposed() | Inserted() | Indexed() | Repeated() | Reshaped(), (viewed, *_)):
            return is_trivial(viewed)
    return x.is_number


def is_dear(x: Expr) -> bool:
    """Whether recomputing `x` from its operands costs more than storing it."""
    operation = x.operation
    if isinstance(operation, Function):
        return not isinstance(operation.primitive, _CHEAP) and not x.is_number
    return isinstance(operation, Reduction | MatrixProduct | Outer | TensorDot | Einsum | Structured | Picked)


def stem_of(x: Expr) -> str:
    """Return the stem of the name of a value that the user did not name, from its operation and operands."""
    words = [_word(operand) for operand in x.operands]
    match x.operation:
        case Reduction(name):
            kind = "lse" if name == "logsumexp" else name
            found = f"{kind}_{words[0]}"
            return found if words[0] and len(found) <= _NAME_LIMIT else f"{kind}s"
        case Function(primitive) | Structured(primitive):
            described = _described(primitive, x.operands, words)
            if described is None or len(described) > _NAME_LIMIT:
                return _SHORT.get(type(primitive), _STEMS.get(type(primitive), "u"))
            return described
    return "u"


def _described(primitive: Primitive, operands: Sequence[Expr], words: Sequence[str | None]) -> str | None:
    """Return a name for the result of a primitive on operands that are called `words`, or None."""
    if isinstance(primitive, Divide | Multiply) and any(operand.is_number for operand in operands):
        variable = next((word for word, o in zip(words, operands, strict=True) if word and not o.is_number), None)
        return f"{variable}_scaled" if variable else "scaled"
    if type(primitive) in _BETWEEN and all(words):
        return f"{words[0]}_{_BETWEEN[type(primitive)]}_{words[1]}"
    if len(operands) == 1 and words[0] and type(primitive) in _STEMS:
        return f"{_STEMS[type(primitive)]}_{words[0]}"
    return None


def _word(x: Expr) -> str | None:
    """Return a variable, or the number 1, as part of a name."""
    if isinstance(x.operation, Variable):
        return x.operation.name
    return "one" if x.operation == Number(1.0) else None


def keep_for_later(
    arena: Arena, names: Names, forward: Sequence[Line], backward: Sequence[Line]
) -> tuple[list[Line], list[Line]]:
    """Name values in the forward pass that the backward pass needs too, if they are expensive or named there."""
    uses = parents_of([line.value for line in forward])
    found: dict[Expr, None] = {}
    seen: set[Expr] = set()
    stack = [line.value for line in backward]
    while stack:
        part = stack.pop()
        if part in seen:
            continue
        seen.add(part)
        if part in uses and not is_trivial(part) and (is_dear(part) or uses[part] > 1):
            found[part] = None
        else:
            stack.extend(part.operands)
    values: dict[Expr, Expr] = {}
    forward = named(arena, names, forward, found, values)
    return forward, [Line(line.variable, arena.rebuilt(line.value, values), line.about) for line in backward]


def named(
    arena: Arena, names: Names, lines: Sequence[Line], chosen: Collection[Expr], values: dict[Expr, Expr]
) -> list[Line]:
    """Return `lines` with each expression in `chosen` computed once, as a variable, before its first use.

    `values` receives the variable of each.
    """
    result: list[Line] = []
    for line in lines:
        for part in ordered([line.value], stop=values):
            if part in chosen and part not in values and part is not line.value:
                variable = arena.variable(names.local(stem_of(part)), part.shape, part.dtype)
                result.append(Line(variable, arena.rebuilt(part, values), line.about))
                values[part] = variable
        value = line.value
        rebuilt = arena.rebuilt(value, values)
        if value in chosen:
            values.setdefault(value, line.variable)
        result.append(Line(line.variable, rebuilt, line.about))
    return result


def written_where_used(
    arena: Arena, lines: Sequence[Line], keep: Collection[Expr], length: Callable[[Expr], int]
) -> list[Line]:
    """Inline lines that are used once, if the line that uses them stays short."""
    lines = _without_aliases(arena, lines, keep)
    uses = occurrences([line.value for line in lines])
    result: dict[Expr, Line] = {}
    for line in lines:
        value = line.value
        for part in ordered([value]):
            # Only values that this pass computes for one use can be inlined.
            if part in result and part not in keep and uses[part] == 1:
                moved = arena.rebuilt(value, {part: result[part].value})
                if value is part or length(moved) <= _INLINE_LIMIT:
                    value = moved
                    del result[part]
        result[line.variable] = Line(line.variable, value, line.about)
    return list(result.values())


def _without_aliases(arena: Arena, lines: Sequence[Line], keep: Collection[Expr]) -> list[Line]:
    """Remove lines that only assign a generated name to a variable."""
    aliases: dict[Expr, Expr] = {}
    result = []
    for line in lines:
        value = arena.rebuilt(line.value, aliases)
        if isinstance(value.operation, Variable) and line.variable not in keep:
            aliases[line.variable] = value
        else:
            result.append(Line(line.variable, value, line.about))
    return result


def shared(arena: Arena, names: Names, lines: Sequence[Line]) -> list[Line]:
    """Return `lines` with repeated expressions named."""
    # After a line, its value is available under its name.
    known: dict[Expr, Expr] = {}
    current = []
    for line in lines:
        value = arena.rebuilt(line.value, known)
        current.append(Line(line.variable, value, line.about))
        if not is_trivial(line.value):
            known.setdefault(line.value, line.variable)
            known.setdefault(value, line.variable)
    uses = parents_of([line.value for line in current])
    chosen = {part for part, count in uses.items() if count > 1 and not is_trivial(part)}
    return named(arena, names, current, chosen, {})


def shortened(
    arena: Arena, names: Names, lines: Sequence[Line], length: Callable[[Expr], int], limit: int
) -> list[Line]:
    """Return `lines` with parts of long ones named."""
    result: list[Line] = []
    for line in lines:
        value = line.value
        while length(value) > limit:
            parts = [p for p in ordered([value]) if p is not value and not is_trivial(p)]
            fitting = [p for p in parts if 12 <= length(p) <= limit]
            if fitting:
                longest = max(fitting, key=length)
            else:
                # Even views are named if nothing else shortens the line.
                views = [p for p in ordered([value]) if p is not value and p.operands and length(p) > 24]
                if not views:
                    break
                longest = min(views, key=length)
            variable = arena.variable(names.local(stem_of(longest)), longest.shape, longest.dtype)
            result.append(Line(variable, longest, line.about))
            value = arena.rebuilt(value, {longest: variable})
        result.append(Line(line.variable, value, line.about))
    return result
