"""Plain-text answers, equations in lines, as statements that are graded like those of a function.

The right sides are parsed as formulas. The kind of each product `*` is inferred from the shapes, as in formulas.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import functions
from chainrule.cage import RATES, called
from chainrule.grading.answers import Answer, Output, Parameter
from chainrule.grading.instruments import GradeError
from chainrule.grading.marks import Mark, put_mark
from chainrule.grading.names import COUNTS, gradient_of
from chainrule.grading.notation import equations_in
from chainrule.grading.truth import Truth
from chainrule.trace import FormulaError, canonical_name, parse_formula, syntax

_EQUATION = re.compile(r"^(?P<left>[^=<>!]+?)\s*(?P<sign>[+\-−]?)=(?!=)\s*(?P<right>.+)$")
_PARTIAL = re.compile(r"[∂d](\w+)\s*/\s*[∂d](\w+)")
_PRIME = re.compile(r"\b([^\W\d_]\w*)['′’]\s*\(\s*(\w+)\s*\)")
_ONES = re.compile(r"(?<![\w.])1(?:ᵀ|\.T|['′])\s*[*@·]?\s*(\w+)")
_OF = "_prime_of_"
_NAME = re.compile(r"[^\W\d]\w*")
_OPERATORS: Mapping[str, type[ast.operator]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "@": ast.MatMult,
    ".*": ast.Mult,
    "/": ast.Div,
    "./": ast.Div,
    "^": ast.Pow,
    "**": ast.Pow,
    ".^": ast.Pow,
}
_POWERS = frozenset({"^", "**", ".^"})
_COMPARISONS: Mapping[str, type[ast.cmpop]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
}
_PRIMES: Mapping[str, Callable[[Any], Any]] = {
    "sigmoid": lambda z: functions.sigmoid(z) * (1 - functions.sigmoid(z)),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: (np.asarray(z) > 0) * 1.0,
    "exp": np.exp,
    "softplus": functions.sigmoid,
    "silu": lambda z: functions.sigmoid(z) * (1 + z * (1 - functions.sigmoid(z))),
}
_SPELLINGS = {"σ": "sigmoid", "sigma": "sigmoid", "ReLU": "relu", "swish": "silu"}


def equation_names() -> dict[str, Any]:
    """Return the global names that the statements of equations use."""
    return {"np": np, "cr": functions, **{f"{name}_prime": prime for name, prime in _PRIMES.items()}}


def read_equations(text: str, truth: Truth) -> Answer:
    """Parse `text`, lines of the form `name = formula`, as an answer; raise GradeError, with the line, for others."""
    return _Reader(text, truth).answer()


class _Reader:
    def __init__(self, text: str, truth: Truth) -> None:
        self._lines = text.splitlines()
        self._truth = truth
        self._point = truth.points[0]
        self._parameters: dict[str, None] = {}
        self._assigned: dict[str, str] = {}
        self._values: dict[str, Any] = equation_names()
        self._line = 0
        self._dotted = any(mark in text for mark in (".*", "⊙", "∘"))

    def answer(self) -> Answer:
        body: list[ast.stmt] = []
        for number, line in enumerate(self._lines, start=1):
            self._line = number
            plain = line.partition("#")[0].strip().rstrip(";")
            body += [self._statement(each) for each in equations_in(plain)]
        if not body:
            raise GradeError("the answer has no equation; write one a line, as in dW2 = a1' * d2")
        parameters = [Parameter(name) for name in self._parameters]
        answer = Answer("answer", "answer", self._lines, parameters, body, {}, is_text=True)
        known = [q.symbol for q in self._truth.quantities if q.kind == "gradient" and q.symbol in self._truth.inputs]
        symbols = [name for name in known if name is not None]
        variables = dict.fromkeys(self._assigned.values())
        answer.outputs = [Output(name, name) for name in variables if gradient_of(name, symbols) is not None] or None
        if answer.outputs is None and variables.keys().isdisjoint(symbols):
            raise GradeError("the answer has no equation for a gradient; write one for each, as in dW2 = a1' * d2")
        return answer

    def _error(self, message: str) -> GradeError:
        return GradeError(f"line {self._line}: {message}")

    def _statement(self, text: str) -> ast.stmt:
        found = _EQUATION.match(_PARTIAL.sub(r"d\1_d\2", text))
        if found is None:
            raise self._error(f"{text!r} is not an equation; write a name, = and a formula, as in dW2 = a1' * d2")
        left = found["left"].strip().rstrip(":").strip().translate(_SUBSCRIPTS)
        if not left.isidentifier():
            raise self._error(f"{left!r} is not a name; write one before =, as in dW2 = a1' * d2")
        right = _ONES.sub(r"sum(\1, axis=0)", found["right"])
        right = _PRIME.sub(lambda m: f"{_SPELLINGS.get(m[1], m[1])}{_OF}{m[2]}", right)
        try:
            formula = parse_formula(right, juxtaposed=True, variables=self._variables_in(right))
        except FormulaError as error:
            raise self._error(str(error).splitlines()[0].removesuffix(":")) from None
        value = self._expression(formula.statements[-1].value)
        statement: ast.stmt
        if found["sign"]:
            target = self._target(left)
            self._use(target)
            operator = ast.Add() if found["sign"] == "+" else ast.Sub()
            statement = ast.AugAssign(ast.Name(target, ast.Store()), operator, value)
        else:
            target = self._target(left)
            statement = ast.Assign([ast.Name(target, ast.Store())], value)
        put_mark(statement, Mark(shown=_left(text)))
        statement.lineno = statement.end_lineno = self._line
        statement.col_offset = statement.end_col_offset = 0
        self._run(ast.fix_missing_locations(statement))
        return statement

    def _target(self, left: str) -> str:
        known = self._known(left)
        name = known if known in self._truth.inputs and known is not None else left
        self._assigned[canonical_name(left)] = name
        return name

    def _run(self, statement: ast.stmt) -> None:
        """Evaluate the statement at one point; later lines infer their products from the shape of its value."""
        code = compile(ast.Module([statement], []), "answer", "exec")
        try:
            with np.errstate(all="ignore"):
                exec(code, self._values)  # noqa: S102  # made of a formula's tree alone
        except (ValueError, TypeError, NameError, IndexError, ArithmeticError, MemoryError):
            pass  # incompatible shapes are a mistake to be graded
        self._correct()

    def _correct(self) -> None:
        """Give a variable named as a gradient its shape, so that later lines are parsed as intended."""
        for name in set(self._assigned.values()):
            symbol = gradient_of(name, [q.symbol for q in self._truth.quantities if q.kind == "gradient" and q.symbol])
            true = None if symbol is None else self._truth.gradient(symbol)
            if true is not None and np.shape(self._values.get(name, 0.0)) != true.values[0].shape:
                self._values[name] = true.values[0]

    # Names

    def _known(self, name: str) -> str | None:
        """Return the reference's name, or the parameter, for a name in an equation; None if unknown."""
        names = [key for key in self._point.values if not key.startswith("∂")]
        found = called(name, names)
        if found is None:
            canonical = {canonical_name(key): key for key in names}
            found = canonical.get(canonical_name(name))
        return found

    def _variables_in(self, text: str) -> frozenset[str]:
        """Return the names in `text` that have values, so that a parenthesis after one is a factor."""
        names = {canonical_name(name) for name in _NAME.findall(text)}
        return frozenset(name for name in names if name in self._assigned or self._known(name) is not None)

    def _name(self, node: syntax.Name) -> ast.expr:
        name = node.name
        if _OF in name:
            function, _, of = name.partition(_OF)
            if function not in _PRIMES:
                raise self._error(f"the derivative of {function} has no name here; write it out")
            return _called(ast.Name(f"{function}_prime", ast.Load()), [self._variable(of)])
        return self._variable(name)

    def _variable(self, name: str) -> ast.expr:
        assigned = self._assigned.get(canonical_name(name))
        if assigned is not None:
            return ast.Name(assigned, ast.Load())
        found = self._known(name)
        if found is not None:
            self._use(found)
            return ast.Name(found, ast.Load())
        upstream = next((u for o, u in self._truth.upstream.items() if gradient_of(name, [o]) is not None), None)
        if upstream is not None:
            self._use(name, self._point.values[upstream])
        elif name in RATES:
            self._use(name, self._point.rate)
        elif name in self._point.sizes:
            self._use(name, self._point.sizes[name])
        elif name in COUNTS and self._truth.batch is not None:
            self._use(name, self._point.sizes[self._truth.batch])
        elif name in ("pi", "π", "e"):
            return ast.Constant(np.pi if name != "e" else np.e)
        else:
            known = ", ".join(key for key in self._point.values if not key.startswith("∂"))
            written = re.fullmatch(r"d(\w+)_d(\w+)", name)
            if written is not None:
                partial = f"∂{written[1]}/∂{written[2]}"
                raise self._error(f"{partial} is used before it has an equation; write one first, as {partial} = …")
            raise self._error(f"{name!r} is not known there; there are {known}, and what lines above define")
        return ast.Name(name, ast.Load())

    def _use(self, name: str, value: Any = None) -> None:
        if name not in self._values:
            self._parameters[name] = None
            self._values[name] = self._point.values[name] if value is None else value

    # Expressions

    def _expression(self, node: syntax.Syntax) -> ast.expr:
        if isinstance(node, syntax.Number):
            value = node.value
            return ast.Constant(int(value) if float(value).is_integer() else value)
        if isinstance(node, syntax.Name):
            return self._name(node)
        if isinstance(node, syntax.Unary):
            operand = self._expression(node.operand)
            if node.operator == "-":
                return ast.UnaryOp(ast.USub(), operand)
            if node.operator in ("'", ".T"):
                return ast.Attribute(operand, "T", ast.Load())
            inverse = ast.Attribute(_numpy("linalg"), "inv", ast.Load())
            return _called(inverse, [operand])
        if isinstance(node, syntax.Binary):
            return self._binary(node)
        return self._call(node)

    def _binary(self, node: syntax.Binary) -> ast.expr:
        left, right = self._expression(node.left), self._expression(node.right)
        if node.operator in _COMPARISONS:
            return ast.Compare(left, [_COMPARISONS[node.operator]()], [right])
        if node.operator in ("*", "·"):
            return self._product(node, left, right)
        if node.operator in _POWERS and not any(isinstance(part, ast.Name) for part in ast.walk(left)):
            # A power of integers can exhaust memory.
            left = ast.BinOp(left, ast.Mult(), ast.Constant(1.0))
        return ast.BinOp(left, _OPERATORS[node.operator](), right)

    def _product(self, node: syntax.Binary, left: ast.expr, right: ast.expr) -> ast.expr:
        """Infer the kind of `*` from the shapes; if no product fits, the matrix product is assumed."""
        a, b = self._shape(left), self._shape(right)
        elementwise = ast.BinOp(left, ast.Mult(), right)
        matrix = ast.BinOp(left, ast.MatMult(), right)
        if a is None or b is None or not a or not b:
            return elementwise
        if len(a) == len(b) == 1:
            rows = [isinstance(side, syntax.Unary) and side.operator in ("'", ".T") for side in (node.left, node.right)]
            if rows == [False, True]:
                return _called(_numpy("outer"), [left, right])
            return matrix if rows == [True, False] else elementwise
        if len(a) < 2 or len(b) < 2:
            fits = a[-1] == b[max(len(b) - 2, 0)]
            return matrix if fits or not _broadcast(a, b) else elementwise
        if a[-1] == b[-2]:
            return elementwise if a == b and not self._dotted else matrix
        return elementwise if a == b else matrix

    def _shape(self, expression: ast.expr) -> tuple[int, ...] | None:
        code = compile(ast.fix_missing_locations(ast.Expression(expression)), "answer", "eval")
        try:
            with np.errstate(all="ignore"):
                shape: tuple[int, ...] = np.shape(eval(code, self._values))  # noqa: S307  # a formula's tree alone
                return shape
        except (ValueError, TypeError, NameError, IndexError, ArithmeticError, MemoryError):
            return None

    def _call(self, node: syntax.Call) -> ast.expr:
        arguments = [self._expression(argument) for argument in node.arguments]
        if node.function == "indicator":
            return ast.Compare(arguments[0], [ast.Gt()], [ast.Constant(0)])
        keywords = [ast.keyword(name, _option(value)) for name, (value, _) in node.options.items()]
        home = "np" if hasattr(np, node.function) else "cr"
        if home == "cr" and not hasattr(functions, node.function):
            raise self._error(f"{node.function} cannot be graded in an equation; write the answer as a Python function")
        function = ast.Attribute(ast.Name(home, ast.Load()), node.function, ast.Load())
        return ast.Call(function, arguments, keywords)


def _left(text: str) -> str:
    """Return the left side of the equation, as written."""
    return text.partition("=")[0].rstrip("+-− :")


_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def _option(value: syntax.Option) -> ast.expr:
    if isinstance(value, tuple):
        return ast.Tuple([ast.Constant(axis) for axis in value], ast.Load())
    return ast.Constant(value)


def _numpy(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load())


def _called(function: ast.expr, arguments: list[ast.expr]) -> ast.expr:
    return ast.Call(function, arguments, [])


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether arrays of the shapes `a` and `b` can be combined element by element."""
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True
