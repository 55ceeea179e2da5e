"""The parser of formulas, by precedence climbing.

From lowest to highest precedence: comparisons; `+ -`; `* / @ .* ./ ·`, from left to right; the sign; `^ ** .^`, from
right to left; transposes. A formula is one or more statements, each `name = expression` or an expression, separated by
`;` or newlines; the last one is the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from chainrule.trace.formula.errors import FormulaError, Span, meant, shown
from chainrule.trace.formula.lexer import Lexer, Token
from chainrule.trace.formula.syntax import WORDS, Binary, Call, Name, Number, Option, Statement, Syntax, Unary
from chainrule.trace.formula.words import FUNCTION_NAMES, canonical_function

DEEPEST = 100
MOST_NODES = 2_000

_OPENING = ("name", "number", "(", "√", "∑", "text")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_SUMS = ("+", "-")
_PRODUCTS = ("*", "/", "@", ".*", "./", "·")
_POWERS = ("^", "**", ".^")
_PREFIXES = ("np", "numpy", "cr", "chainrule", "linalg")
_DATA = frozenset("xXyYwWbB")
"""Names before a parenthesis that are treated as a product without an operator, not as a function call."""
_ENDS = ("end", "end of line")


@dataclass(frozen=True)
class Formula:
    """A parsed formula: its text, and its statements in order."""

    text: str
    statements: tuple[Statement, ...]
    abstract: Mapping[str, str | None] = field(default_factory=dict)
    """The functions without a definition, with the sizes of those of a vector."""

    def error(self, message: str, span: Span) -> FormulaError:
        """Return a FormulaError about a position in this formula."""
        return FormulaError(message, self.text, span)


@lru_cache(maxsize=64)
def parse(
    text: str,
    juxtaposed: bool = False,
    functions: tuple[tuple[str, str | None], ...] = (),
    variables: frozenset[str] = frozenset(),
) -> Formula:
    """Parse a formula; raise FormulaError, with the position, for invalid syntax.

    With `juxtaposed`, adjacent operands are multiplied, as in `a1ᵀ δ2`, with a higher precedence than other products.
    `functions` names functions without a definition, with their sizes; a name that is called and is neither a known
    function nor in `variables` is one as well.
    """
    return _Parser(text, juxtaposed, functions, variables).formula()


class _Parser:
    def __init__(
        self,
        text: str,
        juxtaposed: bool = False,
        functions: tuple[tuple[str, str | None], ...] = (),
        variables: frozenset[str] = frozenset(),
    ) -> None:
        self._text = text
        self._juxtaposed = juxtaposed
        self._tokens = Lexer(text).tokens()
        self._abstract: dict[str, str | None] = dict(functions)
        following = zip(self._tokens, self._tokens[1:], strict=False)
        self._variables = variables | {one.text for one, other in following if one.kind == "name" and other.kind != "("}
        self._place = 0
        self._nesting = 0
        self._nodes = 0
        self._assigned: set[str] = set()

    # Tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._place]

    @property
    def _previous(self) -> Token:
        return self._tokens[self._place - 1]

    def _take(self) -> Token:
        token = self._token
        self._place += 1
        return token

    def _ahead(self, *kinds: str) -> bool:
        """Whether the next tokens are of these kinds."""
        following = self._tokens[self._place : self._place + len(kinds)]
        return [token.kind for token in following] == list(kinds)

    def _error(self, message: str, span: Span | None = None) -> FormulaError:
        return FormulaError(message, self._text, self._token.span if span is None else span)

    def _expect(self, kind: str, message: str) -> Token:
        if self._token.kind != kind:
            raise self._error(message)
        return self._take()

    # Nodes, with a limit on their number

    def _made(self, node: Syntax) -> Syntax:
        self._nodes += 1
        if node.depth > DEEPEST:
            raise self._error(
                f"more than {DEEPEST} operations lie inside one another; give names to parts, as in z = W @ x; sum(z)",
                node.span,
            )
        if self._nodes > MOST_NODES:
            raise self._error(
                f"a formula has at most {MOST_NODES:,} parts; derive a Python function instead", node.span
            )
        return node

    def _unary(self, operator: str, operand: Syntax, span: Span) -> Syntax:
        return self._made(Unary(operator, operand, span, operand.depth + 1))

    def _binary(self, operator: str, left: Syntax, right: Syntax, mark: Span) -> Syntax:
        span = left.span.to(right.span)
        return self._made(Binary(operator, left, right, mark, span, max(left.depth, right.depth) + 1))

    def _call(
        self,
        function: str,
        arguments: Sequence[Syntax],
        options: dict[str, tuple[Option, Span]],
        mark: Span,
        span: Span,
    ) -> Syntax:
        depth = max((argument.depth for argument in arguments), default=0) + 1
        return self._made(Call(function, tuple(arguments), options, mark, span, depth))

    # Grammar

    def formula(self) -> Formula:
        statements: list[Statement] = []
        while self._token.kind != "end":
            if self._token.kind == "end of line":
                self._take()
                continue
            statements.append(self._statement())
        if not statements:
            raise FormulaError("the formula is empty; write one, as in sum((X @ w - y)^2)")
        for statement in statements[:-1]:
            if statement.name is None:
                raise self._error(
                    "only the last line may go without a name; write name = … for the others", statement.value.span
                )
        return Formula(self._text, tuple(statements), self._abstract)

    def _statement(self) -> Statement:
        if not self._ahead("name", "="):
            value = self._expression()
            self._end_of_statement()
            return Statement(None, value, value.span)
        name = self._take()
        self._take()
        if name.text in self._assigned:
            raise self._error(f"{shown(name.text)} is given twice; give the second one another name", name.span)
        value = self._expression()
        self._end_of_statement()
        self._assigned.add(name.text)
        return Statement(name.text, value, name.span)

    def _end_of_statement(self) -> None:
        token = self._token
        if token.kind in _ENDS:
            return
        raise self._error(self._stray(token), token.span)

    def _stray(self, token: Token) -> str:
        """Return the error for a token where an operator or an end is expected."""
        if token.kind == ")":
            return "this parenthesis closes nothing; leave it out, or open one"
        if token.kind == "=":
            return "an equation only gives a name, as in z = W @ x; compare with =="
        if token.kind == ",":
            return "a comma stands between the arguments of a function only"
        if token.kind in _OPENING:
            return self._missing_operator(token)
        if token.kind in _COMPARISONS:
            return "write logical_and(a < x, x < b) for a < x < b"
        if token.kind == "||" or token.kind == "|":
            return "this bar closes nothing; write abs(x) or norm(x) where bars do not tell"
        return f"{shown(token.text)} does not fit here"

    def _missing_operator(self, token: Token) -> str:
        """Return the error for two adjacent operands."""
        if self._tokens[self._place - 1].text in ("Σ", "∑"):
            return "write sum(x) for the sum of all elements of x"
        before = self._operand_before() if token.kind in ("name", "number") else None
        if before is None:
            return "an operator is missing here; write a * b for a product"
        return f"an operator is missing here; write {before} * {shown(token.text)} for a product"

    def _operand_before(self) -> str | None:
        """Return the operand that has just been read, if it is short."""
        place, marks = self._place - 1, ""
        while self._tokens[place].kind in ("'", "transpose"):
            place, marks = place - 1, marks + "'"
        token = self._tokens[place]
        if token.kind == ")":
            return "(…)" + marks
        if token.kind not in ("name", "number"):
            return None
        if place > 1 and self._tokens[place - 1].kind == "^":
            return f"{shown(self._tokens[place - 2].text)}^{shown(token.text)}{marks}"
        return shown(token.text) + marks

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > DEEPEST:
            raise self._error(f"more than {DEEPEST} parentheses and signs lie inside one another")

    def _expression(self) -> Syntax:
        self._enter()
        left = self._sum()
        if self._token.kind in _COMPARISONS:
            operator = self._take()
            left = self._binary(operator.kind, left, self._sum(), operator.span)
        self._nesting -= 1
        return left

    def _sum(self) -> Syntax:
        left = self._signed_product()
        while self._token.kind in _SUMS:
            operator = self._take()
            left = self._binary(operator.kind, left, self._product(), operator.span)
        return left

    def _signed_product(self) -> Syntax:
        """Parse a product with a sign: `-a * b` is −(a b), which equals (−a) b and reads better."""
        if self._token.kind != "-":
            return self._product()
        sign = self._take()
        product = self._product()
        return self._unary("-", product, sign.span.to(product.span))

    def _product(self) -> Syntax:
        left = self._side_by_side()
        while self._token.kind in _PRODUCTS:
            operator = self._take()
            left = self._binary(operator.kind, left, self._side_by_side(), operator.span)
        return left

    def _side_by_side(self) -> Syntax:
        left = self._signed()
        while self._juxtaposed and self._token.kind in _OPENING:
            left = self._binary("*", left, self._power(), self._token.span)
        return left

    def _signed(self) -> Syntax:
        if self._token.kind not in _SUMS:
            return self._power()
        self._enter()
        sign = self._take()
        operand = self._signed()
        self._nesting -= 1
        return operand if sign.kind == "+" else self._unary("-", operand, sign.span.to(operand.span))

    def _power(self) -> Syntax:
        base = self._postfix(self._atom())
        if self._token.kind not in _POWERS:
            return base
        operator = self._take()
        if operator.kind == "^" and (self._ahead("transpose") or self._is_transpose_letter()):
            mark = self._take()
            return self._power_of(self._postfix(self._unary("'", base, base.span.to(mark.span))))
        exponent_start = self._token
        self._enter()
        exponent = self._signed()
        self._nesting -= 1
        if isinstance(exponent, Unary) and exponent.operator in ("'", ".T") and exponent_start.kind != "(":
            raise self._error("write (A^k)' for the transpose of a power", exponent.span)
        return self._binary(operator.kind, base, exponent, operator.span)

    def _power_of(self, base: Syntax) -> Syntax:
        """Parse an optional power after a transpose `^T`."""
        if self._token.kind not in _POWERS:
            return base
        operator = self._take()
        self._enter()
        exponent = self._signed()
        self._nesting -= 1
        return self._binary(operator.kind, base, exponent, operator.span)

    def _is_transpose_letter(self) -> bool:
        return self._token.kind == "name" and self._token.text == "T" and "T" not in self._assigned

    def _postfix(self, operand: Syntax) -> Syntax:
        while True:
            token = self._token
            if token.kind in ("'", "transpose"):
                self._take()
                if isinstance(operand, Number):
                    raise self._error("a number has no transpose", token.span)
                operand = self._unary("'", operand, operand.span.to(token.span))
            elif token.kind == "superscript":
                self._take()
                span = operand.span.to(token.span)
                if token.value == -1:
                    operand = self._unary("inverse", operand, span)
                else:
                    exponent = self._made(Number(token.value, token.span))
                    operand = self._made(Binary("^", operand, exponent, token.span, span, operand.depth + 1))
            elif token.kind == ".":
                operand = self._attribute(operand)
            elif token.kind == "(" and not isinstance(operand, Call):
                raise self._error(_not_called(operand), operand.span)
            else:
                return operand

    def _attribute(self, operand: Syntax) -> Syntax:
        self._take()
        token = self._token
        if token.kind == "name" and token.text == "T":
            self._take()
            return self._unary(".T", operand, operand.span.to(token.span))
        if token.kind != "name":
            raise self._error("a point stands within a number, or in X.T", self._previous.span)
        if canonical_function(token.text) is not None:
            raise self._error(f"write {shown(token.text)}(…) with what it is taken of in parentheses", token.span)
        raise self._error(f"there is no .{shown(token.text)} in a formula; only .T, the transpose", token.span)

    def _atom(self) -> Syntax:
        token = self._token
        if token.kind == "number":
            self._take()
            return self._made(Number(token.value, token.span))
        if token.kind == "name":
            return self._name()
        if token.kind == "(":
            return self._parenthesis()
        if token.kind in ("|", "||"):
            return self._bars()
        if token.kind in ("√", "∑"):
            self._take()
            self._enter()
            operand = self._postfix(self._atom()) if token.kind == "√" else self._product()
            self._nesting -= 1
            function = "sqrt" if token.kind == "√" else "sum"
            return self._call(function, (operand,), {}, token.span, token.span.to(operand.span))
        raise self._error(self._missing(token), token.span)

    def _missing(self, token: Token) -> str:
        """Return the error for a missing operand."""
        before = f" after {shown(self._previous.text)}" if self._place and self._previous.text.strip() else ""
        if token.kind in _ENDS:
            return f"something is missing{before}, where the formula ends"
        if token.kind == "text":
            return "a word in quotes is an option only, as in norm(A, 'fro')"
        if token.kind == "=":
            return "a name stands before =, as in z = W @ x; a comparison is =="
        return f"something is missing{before}, before {shown(token.text)}"

    def _parenthesis(self) -> Syntax:
        opening = self._take()
        self._enter()
        if self._token.kind == ")":
            raise self._error("there is nothing in these parentheses", opening.span.to(self._token.span))
        inner = self._expression()
        self._nesting -= 1
        self._close(opening)
        return inner

    def _close(self, opening: Token) -> Token:
        token = self._token
        if token.kind == ")":
            return self._take()
        if token.kind in _ENDS:
            raise self._error("this parenthesis is not closed; write ) where it should end", opening.span)
        if token.kind == ",":
            raise self._error("a comma stands between the arguments of a function only", token.span)
        raise self._error(self._stray(token), token.span)

    def _bars(self) -> Syntax:
        """Parse `|x|`, the absolute value, or a norm `‖x‖` or `||x||`, optionally with its order: `‖x‖_1`."""
        opening = self._take()
        self._enter()
        inner = self._expression()
        self._nesting -= 1
        if self._token.kind != opening.kind:
            if self._token.kind in _OPENING:
                raise self._error(self._missing_operator(self._token), self._token.span)
            other = "|" if opening.kind == "|" else "‖"
            raise self._error(
                f"this bar {other} is not closed; write abs(x) or norm(x) where bars do not tell", opening.span
            )
        closing = self._take()
        span = opening.span.to(closing.span)
        if opening.kind == "|":
            return self._call("abs", (inner,), {}, opening.span, span)
        options: dict[str, tuple[Option, Span]] = {}
        if self._token.kind == "name" and self._token.text.startswith("_") and self._token.span.start == span.end:
            order = self._take()
            options["ord"] = (order.text.lstrip("_"), order.span)
            span = span.to(order.span)
        return self._call("norm", (inner,), options, opening.span, span)

    def _name(self) -> Syntax:
        token = self._take()
        if token.text in _PREFIXES and self._ahead(".", "name") and self._tokens[self._place + 1].text != "T":
            self._take()
            return self._name()
        if self._token.kind == "(":
            return self._function(token)
        return self._made(Name(token.text, token.span))

    def _function(self, token: Token) -> Syntax:
        function = token.text if token.text in self._abstract else canonical_function(token.text)
        if function is None and self._is_abstract(token.text):
            function = token.text
            self._abstract[function] = None
        if function is None or token.text in self._assigned:
            if token.text in self._assigned or len(token.text) == 1:
                raise self._error(_not_called(Name(token.text, token.span)), token.span)
            raise self._error(
                f"there is no function {shown(token.text)}{meant(token.text, FUNCTION_NAMES)}", token.span
            )
        opening = self._take()
        self._enter()
        arguments: list[Syntax] = []
        options: dict[str, tuple[Option, Span]] = {}
        while self._token.kind != ")":
            if self._ahead("name", "="):
                name, value, span = self._option()
                if name in options:
                    raise self._error(f"the option {shown(name)} is given twice", span)
                options[name] = (value, span)
            elif self._token.kind == "text":
                word = self._take()
                options[f"#{len(arguments) + len(options)}"] = (word.text, word.span)
            else:
                if options:
                    raise self._error("what is calculated with stands before the options")
                arguments.append(self._expression())
            if self._token.kind != ",":
                break
            self._take()
        self._nesting -= 1
        closing = self._close_call(opening)
        return self._call(function, arguments, options, token.span, token.span.to(closing.span))

    def _is_abstract(self, name: str) -> bool:
        """Whether a call implies that `name` is a function without a definition."""
        if self._juxtaposed or name in self._variables or name in _DATA or name.startswith("_"):
            return False
        return not meant(name, FUNCTION_NAMES) if len(name) > 1 else True

    def _close_call(self, opening: Token) -> Token:
        token = self._token
        if token.kind == ")":
            return self._take()
        if token.kind in _ENDS:
            raise self._error("this parenthesis is not closed; write ) where it should end", opening.span)
        raise self._error(self._stray(token), token.span)

    def _option(self) -> tuple[str, Option, Span]:
        """Parse `axis=1`, `keepdims=true`, `axis=(0, 1)`."""
        name = self._take()
        self._take()
        start = self._token
        value = self._option_value()
        return name.text, value, name.span.to(self._previous.span if self._place else start.span)

    def _option_value(self) -> Option:
        token = self._token
        if token.kind in ("-", "+", "number"):
            sign = -1.0 if token.kind == "-" else 1.0
            if token.kind != "number":
                self._take()
            number = self._expect("number", "an option is a number here").value * sign
            return int(number) if number == int(number) and "e" not in token.text.lower() else number
        if token.kind in ("name", "text"):
            self._take()
            return WORDS.get(token.text.lower(), token.text)
        if token.kind == "(":
            self._take()
            numbers: list[int] = []
            while self._token.kind != ")":
                entry = self._option_value()
                if not isinstance(entry, int) or len(numbers) > 8:
                    raise self._error("axes are whole numbers, as in axis=(0, 1)", token.span)
                numbers.append(entry)
                if self._token.kind != ",":
                    break
                self._take()
            self._expect(")", "this parenthesis of an option is not closed")
            return tuple(numbers)
        raise self._error("an option is a number, true, false, or a word", token.span)


def _not_called(operand: Syntax) -> str:
    if isinstance(operand, Name):
        return f"{shown(operand.name)} is not a function; write {shown(operand.name)} * (…) for a product"
    return "an operator is missing before the parenthesis; write a * (b) for a product"
