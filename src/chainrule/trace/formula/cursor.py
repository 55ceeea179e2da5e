"""The tokens of a formula, the nodes made of them, within limits, and what is said of a token that does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.trace.formula.errors import FormulaError, Span, shown
from chainrule.trace.formula.lexer import Lexer, Token
from chainrule.trace.formula.syntax import WORDS, Binary, Call, Option, Syntax, Unary

DEEPEST = 100
MOST_NODES = 2_000

OPENING = ("name", "number", "(", "√", "∑", "text")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
ENDS = ("end", "end of line")


class Cursor:
    """A place among the tokens of a formula."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = Lexer(text).tokens()
        self._place = 0
        self._nesting = 0
        self._nodes = 0

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

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > DEEPEST:
            raise self._error(f"more than {DEEPEST} parentheses and signs lie inside one another")

    # Options of functions

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

    # What is said of a token that does not fit

    def _stray(self, token: Token) -> str:
        """Return the error for a token where an operator or an end is expected."""
        if token.kind == ")":
            return "this parenthesis closes nothing; leave it out, or open one"
        if token.kind == "=":
            return "an equation only gives a name, as in z = W @ x; compare with =="
        if token.kind == ",":
            return "a comma stands between the arguments of a function only"
        if token.kind in OPENING:
            return self._missing_operator(token)
        if token.kind in COMPARISONS:
            return "write logical_and(a < x, x < b) for a < x < b"
        if token.kind in ("||", "|", "}", "⟩"):
            what = "bar" if "|" in token.kind else "bracket"
            return f"this {what} closes nothing; write abs(x) or norm(x) where bars do not tell"
        return f"{shown(token.text)} does not fit here"

    def _missing_operator(self, token: Token) -> str:
        """Return the error for two adjacent operands."""
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

    def _missing(self, token: Token) -> str:
        """Return the error for a missing operand."""
        before = f" after {shown(self._previous.text)}" if self._place and self._previous.text.strip() else ""
        if token.kind in ENDS:
            return f"something is missing{before}, where the formula ends"
        if token.kind == "text":
            return "a word in quotes is an option only, as in norm(A, 'fro')"
        if token.kind == "=":
            return "a name stands before =, as in z = W @ x; a comparison is =="
        return f"something is missing{before}, before {shown(token.text)}"
