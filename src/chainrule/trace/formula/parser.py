"""The parser of formulas, by precedence climbing.

From lowest to highest precedence: comparisons; `+ -`; `* / @ .* ./ · ⊗` and the left division, from left to right; the
sign; operands side by side; `^ ** .^`, from right to left; transposes. A formula is one or more statements, each
`name = expression` or an expression, separated by `;` or newlines; the last one is the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from chainrule.trace.formula.cursor import COMPARISONS, ENDS, OPENING, Cursor
from chainrule.trace.formula.errors import FormulaError, Span, meant, shown
from chainrule.trace.formula.lexer import Token
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Option, Statement, Syntax, Unary
from chainrule.trace.formula.words import FUNCTION_NAMES, GREEK, canonical_function

_BESIDE = ("name", "(", "{", "√", "∑", "function", "frac", "ones", "⟨")
"""Tokens with which an operand begins that stands beside another; a bar that closes nothing is another one."""
_SUMS = ("+", "-")
_PRODUCTS = ("*", "/", "@", ".*", "./", "·", "⊗", "\\")
_QUOTIENTS = ("/", "./", "\\")
_POWERS = ("^", "**", ".^")
_PREFIXES = ("np", "numpy", "cr", "chainrule", "linalg")
_FUNCTIONS = frozenset("fghFGHφψΦΨ") | {"phi", "psi", "Phi", "Psi"}
"""Names that mean a function without a definition when they are called; those of one letter besides mean variables."""
_TIMES = frozenset({"t", "s", "τ", "tau"})
"""Arguments beside which any letter is a function, as in x(t)."""
_ELSEWHERE = frozenset({"chol", "expm", "logm", "sqrtm", "rank", "null"})
_NUMBERED_NORMS = {"norm1": 1, "norm2": 2}
_OF_TWO = {"max": "maximum", "min": "minimum"}
_CLOSES = {"(": ")", "{": "}"}


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

    Adjacent operands are multiplied, as in `a1ᵀ δ2`, with a higher precedence than other products: by the operator `*`
    if `juxtaposed`, otherwise by one that is written as a space and is never elementwise, and where a quotient before
    them leaves the precedence in doubt, the formula is rejected.
    `functions` names functions without a definition, with their sizes; a name that is called and is neither a known
    function nor in `variables` is one as well. A parenthesis after one of `variables` is a factor.
    """
    return _Parser(text, juxtaposed, functions, variables).formula()


class _Parser(Cursor):
    def __init__(
        self,
        text: str,
        juxtaposed: bool = False,
        functions: tuple[tuple[str, str | None], ...] = (),
        variables: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(text)
        self._juxtaposed = juxtaposed
        self._abstract: dict[str, str | None] = dict(functions)
        following = zip(self._tokens, self._tokens[1:], strict=False)
        self._given = variables
        self._variables = variables | {one.text for one, other in following if one.kind == "name" and other.kind != "("}
        self._bars_open: list[str] = []
        """The brackets and bars around the present place, innermost last."""
        self._assigned: set[str] = set()

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
        if token.kind in ENDS:
            return
        raise self._error(self._stray(token), token.span)

    def _expression(self) -> Syntax:
        self._enter()
        left = self._sum()
        if self._token.kind in COMPARISONS:
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
            right = self._side_by_side(left if operator.kind in _QUOTIENTS else None, operator)
            if operator.kind == "\\":
                left = self._call("solve", (left, right), {}, operator.span, left.span.to(right.span))
            else:
                left = self._binary(operator.kind, left, right, operator.span)
        return left

    def _side_by_side(self, dividend: Syntax | None = None, slash: Token | None = None) -> Syntax:
        """Parse operands side by side; after a quotient it is in doubt which of them it divides by."""
        left = self._signed()
        while self._token.kind in OPENING if self._juxtaposed else self._has_operand_beside():
            mark = self._token.span
            right = self._power()
            if dividend is not None and slash is not None and not self._juxtaposed:
                a, b, c = map(self._written, (dividend, left, right))
                sign = slash.kind
                raise self._error(
                    f"{a} {sign} {b} {c} may be ({a} {sign} {b}) * {c} or {a} {sign} ({b} * {c}); write one of the two",
                    dividend.span.to(right.span),
                )
            left = self._binary("*" if self._juxtaposed else " ", left, right, mark)
        return left

    def _written(self, node: Syntax) -> str:
        """Return a part of the formula as the user wrote it, or … if it is long."""
        text = self._text[node.span.start : node.span.end]
        return shown(text) if len(text) <= 12 else "…"

    def _has_operand_beside(self) -> bool:
        """Whether an operand begins here, right after another one."""
        token = self._token
        if token.kind in ("|", "||"):
            return not self._bars_open or self._bars_open[-1] != token.kind
        if token.kind == "number":
            transposed = self._tokens[self._place + 1].kind in ("'", "transpose", "^")
            return token.text == "1" and (self._previous.kind != "number" or transposed)
        is_call = token.kind == "(" and self._previous.kind == "name" and not self._follows_variable()
        return token.kind in _BESIDE and not is_call

    def _follows_variable(self) -> bool:
        """Whether the parenthesis here follows a name that is a variable, apart from it as in `W (W' x)`, or known."""
        name = self._previous
        if name.text in self._abstract or canonical_function(name.text) is not None:
            return False
        apart = name.span.end < self._token.span.start
        return name.text in self._given or (
            apart and not (name.text in _FUNCTIONS and name.text not in self._variables)
        )

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
        marks = self._marks_above() if operator.kind == "^" else ""
        if marks:
            span = base.span.to(self._previous.span)
            if "-" in marks:
                base = self._unary("inverse" if "T" in marks else "^-1", base, span)
            if "T" in marks:
                base = self._unary("'", base, span)
            return self._power_of(self._postfix(base))
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

    def _marks_above(self) -> str:
        """Take `T`, `-1` or `-T` after `^`, in braces or not; return "T", "-" or "-T", or "" for other exponents."""
        start, braced = self._place, self._ahead("{")
        self._place += braced
        minus = self._ahead("-")
        self._place += minus
        letter = self._ahead("transpose") or self._ahead("'") or self._is_transpose_letter()
        one = minus and self._token.kind == "number" and self._token.text == "1" and not self._juxtaposed
        if letter or one:
            self._place += 1
            if not braced or self._ahead("}"):
                self._place += braced
                return ("-" if minus else "") + ("T" if letter else "")
        self._place = start
        return ""

    def _is_transpose_letter(self) -> bool:
        token = self._token
        if token.kind != "name" or token.text in self._assigned | self._given:
            return False
        once = sum(each.text == token.text for each in self._tokens) == 1
        if token.text[0] == "T" and token.text[1:].isalpha() and once:
            rest = shown(" ".join(token.text[1:]) if len(token.text) < 5 else token.text[1:])
            raise self._error(
                f"^{shown(token.text)} may be a transpose and {rest}, or a power; write ^T {rest}, or ^ (…)"
            )
        return token.text == "T"

    def _postfix(self, operand: Syntax) -> Syntax:
        while True:
            token = self._token
            if token.kind in ("'", "transpose"):
                self._take()
                if isinstance(operand, Number) and self._text[operand.span.start : operand.span.end] != "1":
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
            elif token.kind == "(" and isinstance(operand, Name) and not self._has_operand_beside():
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
        if token.kind in ("(", "{"):
            return self._parenthesis()
        if token.kind in ("|", "||"):
            return self._bars()
        if token.kind == "function":
            return self._applied()
        if token.kind == "frac":
            return self._fraction()
        if token.kind == "⟨":
            return self._inner_product()
        if token.kind == "ones":
            self._take()
            return self._call("vector", (self._made(Number(1.0, token.span)),), {}, token.span, token.span)
        if token.kind in ("√", "∑"):
            self._take()
            if token.kind == "∑" and self._token.kind == "name" and self._token.text.startswith("_"):
                raise self._error("a sum has no index here; it is over all elements, or sum(X, axis=0)")
            self._enter()
            operand = self._postfix(self._atom()) if token.kind == "√" else self._product()
            self._nesting -= 1
            function = "sqrt" if token.kind == "√" else "sum"
            return self._call(function, (operand,), {}, token.span, token.span.to(operand.span))
        raise self._error(self._missing(token), token.span)

    def _parenthesis(self) -> Syntax:
        opening = self._take()
        if self._token.kind == _CLOSES[opening.kind]:
            raise self._error("there is nothing in these parentheses", opening.span.to(self._token.span))
        inner = self._within(opening)
        self._close(opening)
        return inner

    def _within(self, opening: Token) -> Syntax:
        """Parse an expression in brackets or bars, up to what closes them."""
        self._enter()
        self._bars_open.append(opening.kind)
        inner = self._expression()
        self._bars_open.pop()
        self._nesting -= 1
        return inner

    def _fraction(self) -> Syntax:
        """Parse what follows the command of a fraction: two groups, or two digits."""
        mark = self._take()
        digits = self._token
        if digits.kind == "number" and len(digits.text) == 2 and digits.text.isdigit():
            self._take()
            above, below = (
                self._made(Number(float(digit), Span(digits.span.start + place, digits.span.start + place + 1)))
                for place, digit in enumerate(digits.text)
            )
        else:
            above, below = self._atom(), self._atom()
        return self._binary("/", above, below, mark.span)

    def _applied(self) -> Syntax:
        """Parse a function of LaTeX, of what stands in brackets or, without them, of the next operand."""
        token = self._take()
        if self._token.kind == "^" and (self._ahead("^", "number") or self._ahead("^", "{", "number", "}")):
            operator, exponent = self._take(), self._plain_exponent()
            return self._binary("^", self._applied_to(token), exponent, operator.span)
        return self._applied_to(token)

    def _applied_to(self, token: Token) -> Syntax:
        if self._token.kind == "(":
            return self._function(token)
        self._enter()
        operand = self._power()
        self._nesting -= 1
        if self._has_operand_beside() and self._previous.kind not in (")", "}"):
            raise self._error(
                f"{shown(token.text)} without parentheses does not tell where its argument ends; write "
                f"{shown(token.text)}(…)",
                token.span,
            )
        function = canonical_function(token.text)
        assert function is not None
        return self._call(function, (operand,), {}, token.span, token.span.to(operand.span))

    def _inner_product(self) -> Syntax:
        """Parse `⟨x, y⟩`, the sum of the elementwise product."""
        opening = self._take()
        first = self._within(opening)
        comma = self._expect(",", "an inner product ⟨x, y⟩ is of two arrays, with a comma between them")
        second = self._within(opening)
        closing = self._expect("⟩", "this bracket of an inner product is not closed; write ⟩ where it should end")
        product = self._binary(".*", first, second, comma.span)
        return self._call("sum", (product,), {}, opening.span, opening.span.to(closing.span))

    def _close(self, opening: Token) -> Token:
        token = self._token
        if token.kind == _CLOSES[opening.kind]:
            return self._take()
        if token.kind in ENDS:
            closing = _CLOSES[opening.kind]
            raise self._error(f"this parenthesis is not closed; write {closing} where it should end", opening.span)
        if token.kind == ",":
            raise self._error("a comma stands between the arguments of a function only", token.span)
        raise self._error(self._stray(token), token.span)

    def _bars(self) -> Syntax:
        """Parse `|x|`, the absolute value, or a norm `‖x‖` or `||x||`, optionally with its order: `‖x‖_1`."""
        opening = self._take()
        inner = self._within(opening)
        if self._token.kind != opening.kind:
            if self._token.kind in OPENING:
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
        if self._ahead(".", "("):  # exp.(x), as in Julia
            self._take()
            if token.text in _OF_TWO:
                token = replace(token, text=_OF_TWO[token.text])
        if self._token.kind == "^" and self._is_powered(token):
            return self._powered(token)
        if self._token.kind == "(" and not self._follows_variable():
            return self._function(token)
        self._check_beside(token)
        return self._made(Name(token.text, token.span))

    def _is_powered(self, name: Token) -> bool:
        """Whether the power here is that of a function, as in sin^2(x)."""
        if name.text in self._given | self._assigned or canonical_function(name.text) in (None, "sigmoid"):
            return False
        kinds = [token.kind for token in self._tokens[self._place : self._place + 5]]
        return kinds[:3] == ["^", "number", "("] or kinds == ["^", "{", "number", "}", "("]

    def _powered(self, name: Token) -> Syntax:
        """Parse sin^2(x), the square of sin(x)."""
        operator, exponent = self._take(), self._plain_exponent()
        return self._binary("^", self._function(name), exponent, operator.span)

    def _plain_exponent(self) -> Syntax:
        """Take a number, in braces or not."""
        braced = self._token.kind == "{"
        self._place += braced
        number = self._take()
        self._place += braced
        return self._made(Number(number.value, number.span))

    def _check_beside(self, name: Token) -> None:
        """Raise FormulaError for a name that may be a function of the operand beside it."""
        if self._juxtaposed or name.text in self._given | self._assigned or not self._has_operand_beside():
            return
        if name.text == "Σ":
            raise self._error("Σ x may be the sum of x or a product with Σ; write sum(x) or Σ * x", name.span)
        if canonical_function(name.text) is not None and name.text not in ("σ", "sigma"):
            raise self._error(
                f"{name.text} is a function, and its argument stands in parentheses; write {name.text}(…)", name.span
            )

    def _function(self, token: Token, in_shape: bool = False) -> Syntax:
        """Parse a call; `in_shape` is within the second parenthesis of `np.ones((n, m))`."""
        if token.text in _NUMBERED_NORMS and token.text not in self._abstract:
            norm = self._function(replace(token, text="norm"))
            assert isinstance(norm, Call)
            return replace(norm, options={"ord": (_NUMBERED_NORMS[token.text], token.span)} | dict(norm.options))
        function = token.text if token.text in self._abstract else canonical_function(token.text)
        if function is None and self._is_abstract(token.text):
            function = token.text
            self._abstract[function] = None
        if function is None or token.text in self._assigned:
            if token.text in self._assigned:
                raise self._error(_not_called(Name(token.text, token.span)), token.span)
            if len(token.text.rstrip("0123456789'′")) == 1 or token.text in GREEK:
                name = shown(token.text)
                raise self._error(
                    f"{name}(…) may be a product or a function; write {name} * (…) for a product, or name the "
                    f"function, as in --functions {name} or functions={token.text!r}",
                    token.span,
                )
            hint = meant(token.text, FUNCTION_NAMES) or f"; for one without a definition add functions={token.text!r}"
            raise self._error(f"there is no function {shown(token.text)}{hint}", token.span)
        opening = self._take()
        if function == "ones" and self._ahead("("):  # a shape, as in np.ones((n, m))
            call = self._function(token, in_shape=True)
            self._close(opening)
            return call
        self._enter()
        self._bars_open.append("(")
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
        self._bars_open.pop()
        self._nesting -= 1
        closing = self._close_call(opening)
        if function == "ones" and len(arguments) == 2 and not in_shape:
            return self._ones(arguments, token.span, token.span.to(closing.span))
        return self._call(function, arguments, options, token.span, token.span.to(closing.span))

    def _ones(self, sizes: Sequence[Syntax], mark: Span, span: Span) -> Syntax:
        """Return `ones(n, 1)` as a vector and `ones(1, n)` as a row, which they are in MATLAB."""
        first, second = (isinstance(size, Number) and size.value == 1 for size in sizes)
        if first and not second:
            return self._unary("'", self._call("ones", sizes[1:], {}, mark, span), span)
        return self._call("ones", sizes[:1] if second else sizes, {}, mark, span)

    def _is_abstract(self, name: str) -> bool:
        """Whether a call implies that `name` is a function without a definition."""
        if self._juxtaposed or name in self._variables or name.startswith("_"):
            return False
        stem = name.rstrip("0123456789'′")
        if len(stem) == 1 or stem in GREEK:
            of_time = self._ahead("(", "name", ")") and self._tokens[self._place + 1].text in _TIMES
            return stem in _FUNCTIONS or of_time or self._has_several_arguments()
        return not meant(name, FUNCTION_NAMES) and not _is_known_elsewhere(name)

    def _has_several_arguments(self) -> bool:
        """Whether the parenthesis that opens here has a comma of its own."""
        depth = 0
        for token in self._tokens[self._place :]:
            depth += (token.kind in ("(", "{")) - (token.kind in (")", "}"))
            if depth <= 0 or (depth == 1 and token.kind == ","):
                return depth == 1
        return False

    def _close_call(self, opening: Token) -> Token:
        token = self._token
        if token.kind == ")":
            return self._take()
        if token.kind in ENDS:
            raise self._error("this parenthesis is not closed; write ) where it should end", opening.span)
        raise self._error(self._stray(token), token.span)


def _is_known_elsewhere(name: str) -> bool:
    """Whether NumPy or MATLAB has a function of this name, which is not any function."""
    return name in _ELSEWHERE or callable(getattr(np, name, None)) or callable(getattr(np.linalg, name, None))


def _not_called(operand: Syntax) -> str:
    if isinstance(operand, Name):
        return f"{shown(operand.name)} is not a function; write {shown(operand.name)} * (…) for a product"
    return "an operator is missing before the parenthesis; write a * (b) for a product"
