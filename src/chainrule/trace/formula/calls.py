"""Classification of a call's arguments as arrays and options; distinguishes `max(x, y)` from `max(x, axis=0)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.ir import Dim, named_dim
from chainrule.trace.formula.errors import Span, meant, shown
from chainrule.trace.formula.parser import Formula
from chainrule.trace.formula.syntax import WORDS, Call, Name, Number, Option, Syntax, Unary
from chainrule.trace.formula.vocabulary import INDEXED, PICKED, VOCABULARY, Function, abstract_function

_ORDERS: dict[str, Option] = {
    "inf": "inf",
    "∞": "inf",
    "max": "inf",
    "fro": "fro",
    "F": "fro",
    "f": "fro",
    "frobenius": "fro",
    "1": 1,
    "2": 2,
}
LARGEST_SIZE = 10_000
MOST_FACTORS = 20
"""The largest power of a matrix."""
_WHOLE = ("ddof",)
_REAL = ("eps", "alpha", "delta", "negative_slope")


@dataclass(frozen=True)
class Application:
    """A call with its function, array arguments and options."""

    function: Function
    arrays: tuple[Syntax, ...]
    options: dict[str, Any]


def read_call(formula: Formula, call: Call) -> Application:
    """Resolve a call; raise FormulaError for invalid arguments."""
    name = call.function
    if name in formula.abstract:
        return _abstract(formula, call, formula.abstract[name])
    if name == "indexed":
        return Application(INDEXED, call.arguments, {key: value for key, (value, _) in call.options.items()})
    if name == "picked":
        return Application(PICKED, call.arguments, {})
    if name not in VOCABULARY:
        raise formula.error(f"{name} is not available here", call.mark)
    function = VOCABULARY[name]
    if name in ("eye", "ones"):
        return Application(function, (), {"sizes": _sizes(formula, call, function)})
    if name in ("max", "min") and len(call.arguments) == 2 and not call.options:
        return _larger_of_two(formula, call)
    arrays = call.arguments[: function.most]
    given: dict[str, tuple[Option, Span]] = {}
    order = iter(function.options)
    for argument in call.arguments[function.most :]:
        option = next(order, None)
        if option is None:
            raise formula.error(f"{name} takes {_count(function)}, not {len(call.arguments)}", argument.span)
        given[option] = (_literal(formula, argument, name, option), argument.span)
    for written, (value, span) in call.options.items():
        key, value = _counted_from_one(written, value) if written == "dims" else (written, value)
        option = next(order, None) if key.startswith("#") else key
        if option is None or option not in function.options:
            known = f"it has {', '.join(function.options)}" if function.options else "it has none"
            raise formula.error(
                f"{name} has no option {shown(key.strip('#'))}; {known}{meant(key, function.options)}", span
            )
        if option in given:
            raise formula.error(f"the option {option} is given twice", span)
        given[option] = (value, span)
    if len(arrays) < function.least:
        raise formula.error(f"{name} takes {_count(function)}, not {len(arrays)}", call.span)
    options = {key: _checked(formula, name, key, value, span) for key, (value, span) in given.items()}
    return Application(function, arrays, options)


def _counted_from_one(key: str, value: Option) -> tuple[str, Option]:
    """Return `dims`, the axis as Julia counts it, as the option `axis`."""
    axes = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(axis, int) and axis > 0 for axis in axes):
        return key, value
    counted = tuple(axis - 1 for axis in axes if isinstance(axis, int))
    return "axis", counted if isinstance(value, tuple) else counted[0]


def _abstract(formula: Formula, call: Call, sizes: str | None) -> Application:
    """Resolve a call of a function without a definition."""
    if call.options:
        raise formula.error(f"{call.function} has no definition, and so no options", call.span)
    function = abstract_function(call.function, sizes)
    count = len(call.arguments)
    if not function.least <= count <= function.most:
        if sizes is not None:
            raise formula.error(
                f"{call.function} is given {count} arguments, and its sizes are those of {function.most}", call.span
            )
        takes = "at least one argument"
        raise formula.error(f"{call.function} takes {takes}, not {count or 'nothing'}", call.span)
    return Application(function, call.arguments, {})


def _sizes(formula: Formula, call: Call, function: Function) -> tuple[Dim, ...]:
    """Return the sizes in `eye(n)` and `ones(n, 3)`."""
    if call.options or not function.least <= len(call.arguments) <= function.most:
        raise formula.error(f"{call.function} takes the names of sizes or numbers, as in {call.function}(n)", call.span)
    sizes: list[Dim] = []
    for argument in call.arguments:
        if isinstance(argument, Name):
            sizes.append(named_dim(argument.name))
        elif isinstance(argument, Number) and argument.value == int(argument.value) and argument.value <= LARGEST_SIZE:
            sizes.append(int(argument.value))
        else:
            raise formula.error("a size is the name of one, or a whole number", argument.span)
    return tuple(sizes)


def _count(function: Function) -> str:
    numbers = {0: "nothing", 1: "one argument", 2: "two arguments", 3: "three arguments"}
    if function.least == function.most:
        return numbers[function.most]
    return f"{function.least} to {function.most} arguments"


def _larger_of_two(formula: Formula, call: Call) -> Application:
    first, second = call.arguments
    if _is_axis(second) and not _is_axis(first):
        raise formula.error(
            f"{call.function}(x, 0) may mean the {'larger' if call.function == 'max' else 'smaller'} of x and 0, or "
            f"look along axis 0; write {call.function}imum(x, 0) or {call.function}(x, axis=0)",
            call.span,
        )
    return Application(VOCABULARY[call.function + "imum"], call.arguments, {})


def _is_axis(argument: Syntax) -> bool:
    number = argument.operand if isinstance(argument, Unary) and argument.operator == "-" else argument
    return isinstance(number, Number) and number.value in (0, 1, 2)


def _literal(formula: Formula, argument: Syntax, function: str, option: str) -> Option:
    sign = 1.0
    if isinstance(argument, Unary) and argument.operator == "-":
        sign, argument = -1.0, argument.operand
    if isinstance(argument, Number):
        value = sign * argument.value
        return int(value) if value == int(value) else value
    if isinstance(argument, Name):
        return WORDS.get(argument.name.lower(), argument.name)
    raise formula.error(f"the option {option} of {function} is written as a number or a word", argument.span)


def _checked(formula: Formula, function: str, option: str, value: Option, span: Span) -> Option:
    """Validate and convert the value of an option."""
    if option == "ord":
        order = _ORDERS.get(str(value))
        if order is None and value is not None:
            raise formula.error(
                f"there is no norm of order {shown(str(value))}; there are 1, 2, inf, and fro for a matrix", span
            )
        return order
    if option == "subscripts":
        return value
    if option == "exponent":
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MOST_FACTORS:
            raise formula.error(f"the power of a matrix is a whole number up to {MOST_FACTORS}", span)
        return value
    if option in ("keepdims", "approximate"):
        if value not in (True, False, 0, 1):
            raise formula.error(f"{option} is true or false", span)
        return bool(value)
    if option in _WHOLE:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1000:
            raise formula.error(f"{option} is a whole number, as in {option}=1", span)
        return value
    if option in _REAL:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise formula.error(f"{option} is a number", span)
        return float(value)
    entries = value if isinstance(value, tuple) else (value,)
    if value is not None and not all(isinstance(entry, int) and not isinstance(entry, bool) for entry in entries):
        raise formula.error("an axis is a whole number, as in axis=0 for columns and axis=1 for rows of a matrix", span)
    if function in ("softmax", "log_softmax") and value is None:
        return None
    return value
