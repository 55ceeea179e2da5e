"""Plain-text answers, equations in lines, as statements that are graded like those of a function.

The right sides are parsed as formulas. The kind of each product `*` is inferred from the shapes, as in formulas.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule import functions
from chainrule.cage import RATES, called, folded
from chainrule.grading.answers import Answer, Output, Parameter
from chainrule.grading.components import ComponentError, Components, Element, element
from chainrule.grading.instruments import GradeError
from chainrule.grading.marks import Mark, put_mark
from chainrule.grading.names import COUNTS, gradient_of, is_target
from chainrule.grading.notation import as_printed, equations_in, left_of, of_ones, sides_of
from chainrule.grading.slopes import PRIMES, SPELLINGS, equation_names
from chainrule.grading.truth import Truth
from chainrule.trace import FormulaError, canonical_name, parse_formula, syntax

_EQUATION = re.compile(r"^(?P<left>[^=<>!]+?)\s*(?P<sign>[+\-−]?)=(?!=)\s*(?P<right>.+)$")
_PARTIAL = re.compile(r"[∂d](\w+)\s*/\s*[∂d](\w+)")
_PRIME = re.compile(r"\b([^\W\d_]\w*)['′’]\s*\(\s*(\w+)\s*\)")
_OF = "_prime_of_"
_SUM = re.compile(r"over_([a-z]+)_to_(\w+)")
_HYPOTHESIS = re.compile(r"(?<!\w)[hf]_?(?:θ|w|W|β)\(\s*[xX](_of_[a-z]|_[a-z])?\s*\)")
_LAMBDAS = frozenset({"lam", "lamda", "lambd", "lmbda", "lmbd", "lambda1", "l2", "reg", "wd", "weightdecay", "c"})
_PREDICTIONS = frozenset({"yhat", "ŷ", "y_hat", "ypred", "y_pred"})
_NAME = re.compile(r"[^\W\d]\w*")
_RAISED = re.compile(r"(?<!\w)([^\W\d]\w*)\^(\d)(?![^\Wᵀ])")
_WRITTEN_PARTIAL = re.compile(r"(?<!\w)d(\w+?)_d(\w+)")
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
        self._last = ""
        self._letters: dict[str, str] = {}
        self._components_of: dict[tuple[str, str], str] = {}
        self._due: tuple[int, ...] | None = None
        batch = None if truth.batch is None else self._point.sizes.get(truth.batch)
        self._components = Components(self._values, batch)
        self._symbols = [q.symbol for q in truth.quantities if q.kind == "gradient" and q.symbol]
        self._dotted = any(mark in text for mark in (".*", "⊙", "∘"))

    def answer(self) -> Answer:
        body: list[ast.stmt] = []
        found: list[tuple[int, str]] = []
        for number, line in enumerate(self._lines, start=1):
            self._line = number
            plain = line.partition("#")[0].strip().rstrip(";")
            try:
                equations = list(equations_in(plain))
            except GradeError as error:
                raise self._error(str(error)) from None
            found += [(number, each) for each in equations]
        for (number, each), (_, following) in zip(found, [*found, (0, "")][1:], strict=True):
            self._line = number
            body += self._statements(each, following.startswith("="))
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
        return GradeError(f"line {self._line}: {as_printed(message)}")

    def _statements(self, text: str, goes_on: bool) -> Iterator[ast.stmt]:
        """Yield the statements of an equation, one for each formula of `name = formula = formula`.

        Of several, formulas that cannot be read, such as the factors of the chain rule, are left out but for the last.
        """
        if text.startswith("="):
            text = f"{self._last} {text}"
        text = _RAISED.sub(self._of_layer, text)
        found = _EQUATION.match(_PARTIAL.sub(r"d\1_d\2", text))
        if found is None:
            raise self._error(f"{text!r} is not an equation; write a name, = and a formula, as in dW2 = a1' * d2")
        self._last = left_of(text)
        sides = list(sides_of(found["right"]))
        for place, side in enumerate(sides):
            try:
                yield self._statement(text, found["left"], found["sign"], side)
            except GradeError:
                if place == len(sides) - 1 and not goes_on:
                    raise

    def _statement(self, text: str, left: str, sign: str, right: str) -> ast.stmt:
        left = self._of_left(left.strip().rstrip(":").strip().translate(_SUBSCRIPTS))
        if not left.isidentifier():
            raise self._error(f"{left!r} is not a name; write one before =, as in dW2 = a1' * d2")
        jacobian = next((m for m in _WRITTEN_PARTIAL.finditer(right) if self._is_between_arrays(m[1])), None)
        if jacobian is not None:
            partial = f"∂{jacobian[1]}/∂{jacobian[2]}"
            raise self._error(f"{partial} is a factor of the chain rule; write the product that it makes, as a1' * d2")
        right = of_ones(_HYPOTHESIS.sub(r"yhat\1", right))
        right = _PRIME.sub(self._primed, right)
        sums = tuple(dict.fromkeys((found[0], None) for found in _SUM.finditer(right)))
        try:
            formula = parse_formula(right, True, sums, self._variables_in(right))
        except FormulaError as error:
            raise self._error(str(error).splitlines()[0].removesuffix(":")) from None
        target, value = self._value(left, right, formula.statements[-1].value)
        statement: ast.stmt
        if sign:
            self._use(target)
            operator = ast.Add() if sign == "+" else ast.Sub()
            statement = ast.AugAssign(ast.Name(target, ast.Store()), operator, value)
        else:
            statement = ast.Assign([ast.Name(target, ast.Store())], value)
        put_mark(statement, Mark(shown=as_printed(left_of(text))))
        statement.lineno = statement.end_lineno = self._line
        statement.col_offset = statement.end_col_offset = 0
        self._run(ast.fix_missing_locations(statement))
        return statement

    def _value(self, left: str, right: str, formula: syntax.Syntax) -> tuple[str, ast.expr]:
        """Return the variable of an equation and its formula, of which the left side may be a component."""
        own = self._component_of(left, right)
        target = left if own is None else self._variable_of(own)
        symbol = gradient_of(target, self._symbols)
        due = None if symbol is None else self._truth.gradient(symbol)
        self._due = None if due is None else due.values[0].shape
        self._components.rows = self._components.sampled = False
        value = self._read(own, formula)
        if self._due is not None and self._components.sampled and self._shape(value) != self._due:
            self._components.rows = True
            rows = self._read(own, formula)
            if self._shape(rows) == self._due:
                value = rows
        return self._target(target), value

    def _variable_of(self, own: Element) -> str:
        """Return the variable of which a left side is a component: δ_k and δ_j are two of them."""
        stem = self._of_left(own.stem)
        before = self._letters.setdefault(stem, own.letters)
        name = stem if before == own.letters else f"{stem}_{own.letters}"
        self._components_of[stem, own.letters] = name
        return name

    def _of_left(self, left: str) -> str:
        """Return a left side with the reference's spelling of Greek letters: dJ_dtheta for dJ_dθ."""
        if gradient_of(left, self._symbols) is None:
            for symbol in self._symbols:
                letter = canonical_name(symbol)
                if letter != symbol and left.endswith(letter):
                    return left.removesuffix(letter) + symbol
        return left

    def _read(self, own: Element | None, formula: syntax.Syntax) -> ast.expr:
        try:
            if own is None:
                return self._expression(formula)
            with self._components.within(own.indices), self._counting(own.indices):
                value = self._expression(formula)
                shape, due = self._shape(value), self._due
                of_sample = self._components.sampled and (due is None or len(own.letters) < len(due))
                if own.letters and not of_sample and (shape is None or np.prod(shape) != 1):
                    raise ComponentError(
                        f"{own.shown} is a number, and what stands right of = is an array; where a sample's index is "
                        "left out, write it, and the sum over it"
                    )
                return self._components.gathered(own, value)
        except ComponentError as error:
            raise self._error(str(error)) from None

    def _component_of(self, left: str, right: str) -> Element | None:
        """Return the component or sample that a left side names, if all its indices stand right of it."""
        found = element(left)
        if found is None or canonical_name(left) in self._assigned or self._known(left) is not None:
            return None
        if gradient_of(left, self._symbols) is not None:
            return None
        own = self._components_of.values()
        names = (each for each in _NAME.findall(right) if self._plainly(each) is None or each in own)
        indices = {letter for each in names if (part := element(each)) is not None for letter in part.indices}
        return found if set(found.indices) <= indices else None

    def _of_layer(self, found: re.Match[str]) -> str:
        """Return a name with its layer, which stands above it as in δ^2, unless it is a power of a value."""
        joined = found[1] + found[2]
        if self._plainly(found[1]) is not None:
            return found[0]
        known = self._plainly(joined) is not None or gradient_of(joined, self._symbols) is not None
        return joined if known else found[0]

    def _is_between_arrays(self, name: str) -> bool:
        known = self._known(name)
        outputs = (*self._truth.upstream, self._truth.record.loss.name)
        return known is not None and known not in outputs

    def _primed(self, found: re.Match[str]) -> str:
        """Return the derivative of a function at a name; the transpose of a matrix stays."""
        name = SPELLINGS.get(found[1], found[1])
        if name not in PRIMES and self._plainly(found[1]) is not None:
            return found[0]
        return f"{name}{_OF}{found[2]}"

    @contextmanager
    def _counting(self, letters: Sequence[str]) -> Iterator[None]:
        """Give indices a value, by which the shapes of products are inferred."""
        before = {letter: self._values[letter] for letter in letters if letter in self._values}
        self._values.update(dict.fromkeys(letters, 0))
        try:
            yield
        finally:
            for letter in letters:
                del self._values[letter]
            self._values.update(before)

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
            symbol = gradient_of(name, self._symbols)
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
        if found is None and canonical_name(name) in _PREDICTIONS:
            found = self._prediction()
        if found is None and canonical_name(name) == "λ":
            factors = [each for each in names if folded(each) in _LAMBDAS]
            found = factors[0] if len(factors) == 1 else None
        return found

    def _prediction(self) -> str | None:
        """Return the last value of the shape of the labels that does not depend on them."""
        targets = {name for name in self._truth.inputs if is_target(name)}
        shapes = {self._point.values[name].shape for name in targets}
        found = None
        for stage in self._truth.record.backward.stages:
            if targets.isdisjoint(operand.name for operand in stage.operands):
                found = stage.name if self._point.values[stage.name].shape in shapes else found
            else:
                targets.add(stage.name)
        return found

    def _plainly(self, name: str) -> str | None:
        """Return the variable that a name without an index stands for; None if there is none."""
        return self._assigned.get(canonical_name(name)) or self._known(name) or self._gradient(name)

    def _gradient(self, name: str) -> str | None:
        """Return the variable, such as δ2, that a line above assigned to what is written as a derivative, ∂L/∂z2."""
        symbol = gradient_of(name, self._symbols) if _WRITTEN_PARTIAL.fullmatch(name) else None
        own = (each for each in reversed(self._assigned.values()) if gradient_of(each, self._symbols) == symbol)
        return None if symbol is None else next(own, None)

    def _variables_in(self, text: str) -> frozenset[str]:
        """Return the names in `text` that have values, so that a parenthesis after one is a factor."""
        names = {canonical_name(name) for name in _NAME.findall(text)}
        stems = {name: element(name) for name in names}
        return frozenset(
            name
            for name, part in stems.items()
            if self._plainly(name) is not None or (part is not None and self._plainly(part.stem) is not None)
        )

    def _name(self, node: syntax.Name) -> ast.expr:
        name = node.name
        if _OF in name:
            written, _, of = name.partition(_OF)
            function = written if written in PRIMES else self._activation(of)
            if function is None:
                raise self._error(f"the derivative {written}' has no name here; write it out")
            return _called(ast.Name(f"{function}_prime", ast.Load()), [self._variable(of)])
        return self._variable(name)

    def _activation(self, of: str) -> str | None:
        """Return the function with whose derivative the forward pass goes on from a value: tanh for g'(z1)."""
        part = element(of)
        known = self._known(of) or (None if part is None else self._known(part.stem))
        slope = next((q.values[0] for q in self._truth.derivatives() if q.symbol == known), None)
        if known is None or slope is None:
            return None
        value = self._point.values[known]
        return next((name for name, prime in PRIMES.items() if np.allclose(prime(value), slope)), None)

    def _variable(self, name: str) -> ast.expr:
        part = element(name)
        array = None if part is None else self._components_of.get((part.stem, part.letters))
        if part is not None and array is not None and self._components.counts(part.letters):
            return self._components.taken(array, part)
        assigned = self._assigned.get(canonical_name(name)) or self._gradient(name)
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
        elif part is not None and self._plainly(part.stem) is not None:
            whole = self._variable(part.stem)
            assert isinstance(whole, ast.Name)
            return self._components.taken(whole.id, part)
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
            if isinstance(operand, ast.Constant) and node.operator != "-":
                raise self._error("a row of ones, 1ᵀ, stands before the array whose rows it adds, as in 1ᵀ δ2")
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
            rows = rows[::-1] if self._components.rows else rows
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

    def _sum(self, letters: str, bound: str, summed: syntax.Syntax) -> ast.expr:
        """Return a sum over indices, or over the samples of whole arrays."""
        letters = "" if letters == "all" else letters
        size = int(bound) if bound.isdigit() else self._point.sizes.get(bound)
        with self._components.within(letters), self._counting(letters):
            body = self._expression(summed)
            found = self._components.summed(letters, size, body) if letters else None
        if found is not None:
            return found
        shape = self._shape(body)
        total = self._components.total(body, shape)
        if letters and total is None:
            raise self._error(f"what is summed over {letters[0]} has no index {letters[0]}; write the sum with indices")
        return total if total is not None and (letters or self._due) else _called(_numpy("sum"), [body])

    def _call(self, node: syntax.Call) -> ast.expr:
        found = _SUM.fullmatch(node.function)
        if found is not None:
            return self._sum(found[1], found[2], node.arguments[0])
        arguments = [self._expression(argument) for argument in node.arguments]
        if node.function == "indicator":
            return ast.Compare(arguments[0], [ast.Gt()], [ast.Constant(0)])
        keywords = [ast.keyword(name, _option(value)) for name, (value, _) in node.options.items()]
        home = "np" if hasattr(np, node.function) else "cr"
        if home == "cr" and not hasattr(functions, node.function):
            raise self._error(f"{node.function} cannot be graded in an equation; write the answer as a Python function")
        function = ast.Attribute(ast.Name(home, ast.Load()), node.function, ast.Load())
        return ast.Call(function, arguments, keywords)


def with_equation(lines: Sequence[str], line: int, place: int, equation: str) -> str:
    """Return the text of an answer with another equation at a place of a line."""
    beside = list(equations_in(lines[line - 1]))
    beside[place] = equation
    return "\n".join([*lines[: line - 1], "; ".join(beside), *lines[line:]])


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
