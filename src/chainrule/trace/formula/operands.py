"""Operands of a formula: numbers, names, and what stands in brackets, bars or commands of LaTeX."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import replace

from chainrule.trace.formula.applications import CLOSES, INSTEAD, WITHOUT_BRACKETS, Applications
from chainrule.trace.formula.cursor import OPENING
from chainrule.trace.formula.errors import Span, shown
from chainrule.trace.formula.indices import MOST_INDICES
from chainrule.trace.formula.lexer import NUCLEAR, Token
from chainrule.trace.formula.syntax import Binary, Name, Number, Syntax
from chainrule.trace.formula.words import canonical_name

_PREFIXES = frozenset({
    "np", "numpy", "cr", "chainrule", "linalg", "torch", "nn", "functional", "F", "tf", "math", "keras", "jax", "jnp",
    "scipy", "special", "LinearAlgebra",
})  # fmt: skip
"""Names of libraries and of their parts before a function, as in `np.linalg.norm(x)`."""
_WORDS = frozenset({"cost", "sins", "tang", "tank", "logs", "logo", "expo", "exps", "dets"})
"""Words that are no function of a letter."""
_OF_TWO = {"max": "maximum", "min": "minimum"}


class Operands(Applications, ABC):
    """Parses operands; the expressions within them are parsed by the methods of a subclass."""

    @abstractmethod
    def _product(self) -> Syntax:
        """Parse a product."""

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
        if token.kind == "[":
            return self._stacked()
        if token.kind == "sum over":
            return self._sum_over()
        if token.kind == "root":
            return self._root()
        if token.kind in ("√", "∑"):
            self._take()
            self._enter()
            operand = self._postfix(self._atom()) if token.kind == "√" else self._product()
            self._nesting -= 1
            function = "sqrt" if token.kind == "√" else "sum"
            return self._call(function, (operand,), {}, token.span, token.span.to(operand.span))
        raise self._error(self._missing(token), token.span)

    def _sum_over(self) -> Syntax:
        """Parse a sum with indices, of the product that follows."""
        mark, outer = self._take(), self._indices
        own = mark.text
        while self._token.kind == "sum over":
            own += self._take().text
        if len(set(outer + own)) < len(outer + own) or len(outer + own) > MOST_INDICES:
            raise self._error(f"a sum is over up to {MOST_INDICES} different indices here", mark.span)
        start, around = self._place, outer
        body = self._below_sum(around + own)
        if outer and set(outer).isdisjoint(self._letters(body)):  # one number for all values of the outer indices
            self._place, around = start, ""
            body = self._below_sum(own)
        self._indices = around + own
        found = self._summed(mark, body, own)
        self._indices = outer
        return found

    def _below_sum(self, indices: str) -> Syntax:
        """Parse what is summed over."""
        self._indices = indices
        self._enter()
        body = self._product()
        self._nesting -= 1
        return body

    def _stacked(self) -> Syntax:
        """Parse `[x; y]`, vectors one below the other."""
        opening = self._take()
        listed = bool(self._place > 1 and self._tokens[self._place - 2].kind == "(")
        parts = [self._within(opening)]
        while self._token.kind == ",":
            comma = self._take()
            if self._text[comma.span.start] == "," and not listed:
                raise self._error(
                    "[x, y] would put columns side by side; write [x; y] for one vector below the other", comma.span
                )
            parts.append(self._within(opening))
        closing = self._expect("]", "this bracket is not closed; write ] where it should end")
        span = opening.span.to(closing.span)
        return parts[0] if len(parts) == 1 else self._call("concatenate", parts, {}, opening.span, span)

    def _root(self) -> Syntax:
        """Parse a root of a degree, as LaTeX writes it."""
        token = self._take()
        self._enter()
        operand = self._atom()
        self._nesting -= 1
        span = token.span.to(operand.span)
        if token.value in (2, 3):
            return self._call("sqrt" if token.value == 2 else "cbrt", (operand,), {}, token.span, span)
        exponent = self._made(Number(1 / token.value, token.span))
        return self._made(Binary("^", operand, exponent, token.span, span, operand.depth + 1))

    def _parenthesis(self) -> Syntax:
        opening = self._take()
        if self._token.kind == CLOSES[opening.kind]:
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
        if opening.kind == "|" and self._token.kind == "||":
            self._divide_bars()
        if self._token.kind != opening.kind:
            if self._token.kind in OPENING:
                raise self._error(self._missing_operator(self._token), self._token.span)
            other = "|" if opening.kind == "|" else "‖"
            raise self._error(
                f"this bar {other} is not closed; write abs(x) or norm(x) where bars do not tell", opening.span
            )
        closing = self._take()
        span = opening.span.to(closing.span)
        if re.match(r"_\{?\s*(?:\*|\\ast|\\star|⋆)", self._text[span.end :]):
            raise self._error(NUCLEAR, span)
        options, span = self._order_below(span)
        if opening.kind == "|" and not options:
            return self._call("abs", (inner,), {}, opening.span, span)
        rows = self._norm_of_rows(inner, opening.span, span, options)
        return self._call("norm", (inner,), options, opening.span, span) if rows is None else rows

    def _name(self) -> Syntax:
        token = self._take()
        if token.text in _PREFIXES and self._ahead(".", "name") and self._tokens[self._place + 1].text != "T":
            self._take()
            return self._name()
        if self._token.kind == "columns":
            columns = self._take()
            matrix = self._made(Name(token.text, token.span))
            return self._call("vec", (matrix,), {}, columns.span, token.span.to(columns.span))
        if token.text == "N" and self._is_density():
            token = replace(token, text="normal_density")
        if canonical_name(token.text) == "Γ" and self._is_gamma(token.text):
            token = replace(token, text="gamma_function")
        if self._ahead(".", "("):  # exp.(x), as in Julia
            self._take()
            if token.text in _OF_TWO:
                token = replace(token, text=_OF_TWO[token.text])
        if self._is_powered(token):
            return self._powered(token)
        if self._token.kind == "(" and not self._follows_variable():
            return self._function(token)
        self._check_element(token)
        if self._is_applied(token):
            return self._applied_to(token)
        self._check_beside(token)
        self._check_name(token)
        found = self._indexed(token) or self._picked(token)
        return self._made(Name(token.text, token.span)) if found is None else found

    def _check_name(self, name: Token) -> None:
        """Raise FormulaError for a name that is rather a function, as in sinx and lg x, or an element, as in x(1)."""
        if name.text in self._given | self._assigned or self._juxtaposed:
            return
        stem, letter = name.text[:-1], name.text[-1:]
        if stem in WITHOUT_BRACKETS and letter.isalpha() and name.text not in _WORDS and stem != "tr":
            raise self._error(
                f"{name.text} may be {stem}({letter}) or a name; write {stem}({letter}), or state its shape, as in "
                f'--shape "{name.text}: n"',
                name.span,
            )
        if not self._has_operand_beside():
            return
        if name.text in INSTEAD:
            raise self._error(INSTEAD[name.text], name.span)
        extremum, _, index = name.text.partition("_")
        if extremum in ("max", "min") and index:
            largest, smallest = "write max(x) for the largest element", "write min(x) for the smallest element"
            raise self._error(largest if extremum == "max" else smallest, name.span)

    def _check_element(self, name: Token) -> None:
        """Raise FormulaError for x(1), which is an element in MATLAB."""
        if not self._ahead("(", "number", ")") or name.span.end < self._token.span.start or self._juxtaposed:
            return
        number = self._tokens[self._place + 1]
        if number.text.isdigit():
            element = f"{name.text}({number.text})"
            raise self._error(
                f"{shown(element)} may be a product or an element, which cannot be picked in a formula; write "
                f"{number.text} * {shown(name.text)} for the product",
                name.span.to(number.span),
            )
