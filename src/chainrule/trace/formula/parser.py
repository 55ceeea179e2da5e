"""The parser of formulas, by precedence climbing.

From lowest to highest precedence: comparisons; `+ -`; `* / @ .* ./ · ⊗` and the left division, from left to right; the
sign; operands side by side; `^ ** .^`, from right to left; transposes. A formula is one or more statements, each
`name = expression` or an expression, separated by `;` or newlines; the last one is the result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from chainrule.trace.formula.contexts import not_called
from chainrule.trace.formula.cursor import COMPARISONS, ENDS, OPENING
from chainrule.trace.formula.errors import FormulaError, Span, shown
from chainrule.trace.formula.lexer import Token
from chainrule.trace.formula.operands import Operands
from chainrule.trace.formula.syntax import Name, Number, Statement, Syntax, Unary
from chainrule.trace.formula.words import canonical_function

_SUMS = ("+", "-")
_PRODUCTS = ("*", "/", "@", ".*", "./", "·", "⊗", "\\")
_QUOTIENTS = ("/", "./", "\\")
_POWERS = ("^", "**", ".^")


@dataclass(frozen=True)
class Formula:
    """A parsed formula: its text, and its statements in order."""

    text: str
    statements: tuple[Statement, ...]
    abstract: Mapping[str, str | None] = field(default_factory=dict)
    """The functions without a definition, with the sizes of those of a vector."""
    numbers: Collection[str] = ()
    """The variables that are numbers, since they stand beside others with indices in a sum over these."""

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


class _Parser(Operands):
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
        if self._sizes:
            statements = [replace(each, value=self._with_sizes(each.value)) for each in statements]
        return Formula(self._text, tuple(statements), self._abstract, frozenset(self._numbers))

    def _statement(self) -> Statement:
        if self._defines_function():
            return self._named(self._take(), self._end_of_arguments())
        if not self._ahead("name", "="):
            value = self._expression()
            self._end_of_statement()
            return Statement(None, value, value.span)
        return self._named(self._take(), self._place)

    def _named(self, name: Token, sign: int) -> Statement:
        """Parse the value that a name is given after the sign of equality at a place."""
        self._place = sign + 1
        if name.text in self._assigned:
            raise self._error(f"{shown(name.text)} is given twice; give the second one another name", name.span)
        value = self._expression()
        self._end_of_statement()
        self._assigned.add(name.text)
        return Statement(name.text, value, name.span)

    def _defines_function(self) -> bool:
        """Whether `f(x) =` stands here, which gives the value a name: the arguments are variables anyway."""
        if not self._ahead("name", "("):
            return False
        end = self._end_of_arguments()
        inside = self._tokens[self._place + 2 : end - 1]
        kinds = {token.kind for token in inside}
        is_definition = bool(inside) and kinds <= {"name", ","} and self._tokens[end].kind == "="
        if not is_definition or canonical_function(self._token.text) is None:
            return is_definition
        if self._tokens[end + 1].kind == "number" and self._tokens[end + 2].kind in ENDS:
            return False  # a comparison, as in sum(x) = 3
        raise self._error(
            f"{shown(self._token.text)} has a meaning here; give what you define another name, or write only what "
            "follows the sign of equality",
            self._token.span,
        )

    def _end_of_arguments(self) -> int:
        """Return the place after the first parenthesis that closes."""
        place = self._place
        while self._tokens[place].kind not in (")", "end"):
            place += 1
        return min(place + 1, len(self._tokens) - 1)

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
            left = self._operation(operator.kind, left, self._product(), operator.span)
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
            is_fraction = self._is_beside()
            if operator.kind == "\\":
                left = self._call("solve", (left, right), {}, operator.span, left.span.to(right.span))
            else:
                left = self._operation(operator.kind, left, right, operator.span)
            if is_fraction:
                left = self._with_others_beside(left)
        return left

    def _operation(self, operator: str, left: Syntax, right: Syntax, mark: Span) -> Syntax:
        """Return a product or quotient; below a sum with indices it goes element by element."""
        indexed = self._with_indices(operator, left, right, mark) if self._indices else None
        return self._binary(operator, left, right, mark) if indexed is None else indexed

    def _side_by_side(self, dividend: Syntax | None = None, slash: Token | None = None) -> Syntax:
        """Parse operands side by side; after a quotient it is in doubt which of them it divides by.

        Only the divisor is parsed if it ends a fraction.
        """
        left = self._signed()
        if dividend is not None and slash is not None and self._is_beside() and not self._juxtaposed:
            if self._is_fraction(dividend, left):
                return left
            a, b, c = map(self._written, (dividend, left, right := self._power()))
            sign = slash.kind
            raise self._error(
                f"{a} {sign} {b} {c} may be ({a} {sign} {b}) * {c} or {a} {sign} ({b} * {c}); write one of the two",
                dividend.span.to(right.span),
            )
        return self._with_others_beside(left)

    def _with_others_beside(self, left: Syntax) -> Syntax:
        """Return an operand times those that stand beside it."""
        while self._is_beside():
            mark = self._token.span
            left = self._operation("*" if self._juxtaposed else " ", left, self._power(), mark)
        return left

    def _is_beside(self) -> bool:
        """Whether an operand stands here, right after another one."""
        return self._token.kind in OPENING if self._juxtaposed else self._has_operand_beside()

    def _is_fraction(self, above: Syntax, below: Syntax) -> bool:
        """Whether a quotient is the number before what follows: `1/2 ‖x‖²`, written together, or `1/n Σ x`."""
        together = " " not in self._text[above.span.start : below.span.end]
        apart = self._token.span.start > below.span.end
        is_sum = self._token.kind in ("sum over", "∑") or self._token.text in ("sum", "norm")
        ends = is_sum or (isinstance(below, Number) and self._token.kind in ("|", "||", "("))
        return together and apart and ends and isinstance(above, Number) and isinstance(below, Number | Name)

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
        self._check_end_of_power(base, exponent, exponent_start)
        return self._operation(operator.kind, base, exponent, operator.span)

    def _check_end_of_power(self, base: Syntax, exponent: Syntax, start: Token) -> None:
        """Raise FormulaError for a letter right after an exponent, as in e^2x and 2^xy; x^2 y is usual, as x^2y is."""
        token, before = self._token, self._previous
        adjacent = token.kind == "name" and token.span.start == before.span.end and before.kind in ("name", "number")
        is_usual = before.kind == "number" and not (
            isinstance(base, Number) or (isinstance(base, Name) and base.name == "e")
        )
        if not adjacent or is_usual or self._juxtaposed:
            return
        last = self._text[start.span.start : token.span.end]
        a, b = self._written(base), self._written(exponent)
        c = shown(token.text)
        raise self._error(
            f"{a}^{last} may be {a}^({b} {c}) or {a}^{b} * {c}; write one of the two", base.span.to(token.span)
        )

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
                    operand = self._operation("^", operand, exponent, token.span)
            elif token.kind == ".":
                operand = self._attribute(operand)
            elif token.kind == "element":
                operand = self._element(operand)
            elif token.kind == "(" and isinstance(operand, Name) and not self._has_operand_beside():
                raise self._error(not_called(operand), operand.span)
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
