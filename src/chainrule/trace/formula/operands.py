"""Operands of a formula: numbers, names, calls, and what stands in brackets, bars or commands of LaTeX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from chainrule.trace.formula.contexts import Context, not_called
from chainrule.trace.formula.cursor import ENDS, OPENING
from chainrule.trace.formula.errors import Span, meant, shown
from chainrule.trace.formula.lexer import Token
from chainrule.trace.formula.syntax import Call, Name, Number, Option, Syntax
from chainrule.trace.formula.words import FUNCTION_NAMES, GREEK, canonical_function

_PREFIXES = ("np", "numpy", "cr", "chainrule", "linalg")
_NUMBERED_NORMS = {"norm1": 1, "norm2": 2}
_OF_TWO = {"max": "maximum", "min": "minimum"}
_CLOSES = {"(": ")", "{": "}"}


class Operands(Context, ABC):
    """Parses operands; the expressions within them are parsed by the methods of a subclass."""

    @abstractmethod
    def _expression(self) -> Syntax:
        """Parse an expression."""

    @abstractmethod
    def _product(self) -> Syntax:
        """Parse a product."""

    @abstractmethod
    def _power(self) -> Syntax:
        """Parse an operand with its powers and transposes."""

    @abstractmethod
    def _postfix(self, operand: Syntax) -> Syntax:
        """Parse the transposes and powers that are written after an operand as signs of their own."""

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
                raise self._error(not_called(Name(token.text, token.span)), token.span)
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

    def _close_call(self, opening: Token) -> Token:
        token = self._token
        if token.kind == ")":
            return self._take()
        if token.kind in ENDS:
            raise self._error("this parenthesis is not closed; write ) where it should end", opening.span)
        raise self._error(self._stray(token), token.span)
