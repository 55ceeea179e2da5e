"""Functions of a formula applied to their arguments, in brackets or without, with powers and options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from chainrule.trace.formula.contexts import not_called
from chainrule.trace.formula.cursor import ENDS, OPENING
from chainrule.trace.formula.errors import FormulaError, Span, meant, shown
from chainrule.trace.formula.indices import Indices
from chainrule.trace.formula.lexer import PRODUCT, Token
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Option, Syntax, Unary, parts
from chainrule.trace.formula.words import FUNCTION_NAMES, GREEK, canonical_function

_MAPPED = ("sum", "mean", "max", "min")
"""Functions that take a function first in Julia, as in `sum(abs2, x)`."""
_REDUCTIONS = ("sum", "mean", "max", "min", "norm", "std", "var")
"""Functions that give the same of all elements of a matrix as of its columns in one vector."""
WITHOUT_BRACKETS = frozenset({
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "log2", "log10", "exp", "det",
    "logdet", "tr",
})  # fmt: skip
"""Functions whose argument may follow without parentheses, as on paper."""
_ENDLESS = ("*", "/", "./")
"""Operators after which the argument of a function without parentheses may go on."""
_DECOMPOSED = (
    "singular values and eigenvalues are not in the language; derive a Python function with np.linalg.svd or "
    "np.linalg.eigh"
)
INSTEAD = {
    "prod": PRODUCT,
    "sqrtm": "the square root of a matrix is not in the language; that of X' X has the nuclear norm of X as its trace, "
    "np.linalg.norm(X, 'nuc') in a Python function",
    **dict.fromkeys(("svdvals", "singular_values", "eigvals", "eigvalsh"), _DECOMPOSED),
    "if": "write where(condition, a, b) for a choice",
    "lg": "lg is the logarithm to base 10 or 2; write log10(x) or log2(x)",
    "cross": "a cross product is not in the language; derive a Python function with np.cross",
    "cov": "cov divides by n or by n − 1; write (x - mean(x))' (y - mean(y)) / n, or with n − 1",
}
"""What to write instead of a function that is not one thing."""
_INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
_NUMBERED_NORMS = {"norm1": 1, "norm2": 2}
CLOSES = {"(": ")", "{": "}"}


class Applications(Indices, ABC):
    """Parses applied functions; their arguments are parsed by the methods of a subclass."""

    @abstractmethod
    def _expression(self) -> Syntax:
        """Parse an expression."""

    @abstractmethod
    def _power(self) -> Syntax:
        """Parse an operand with its powers and transposes."""

    def _applied(self) -> Syntax:
        """Parse a function of LaTeX, of what stands in brackets or, without them, of the next operand."""
        token = self._take()
        return self._powered(token) if self._has_plain_exponent() else self._applied_to(token)

    def _inverse_of(self, token: Token, exponent: Number) -> Token:
        """Return the inverse function that `sin^{-1}` is; others have none that could be written so."""
        inverse = _INVERSES.get(canonical_function(token.text) or "")
        if inverse is None or exponent.value != -1:
            name = shown(token.text)
            raise self._error(
                f"{name}^{exponent.value:g} may be an inverse function or a power; for the power write "
                f"{name}(…)^({exponent.value:g})",
                token.span.to(exponent.span),
            )
        return replace(token, text=inverse)

    def _applied_to(self, token: Token) -> Syntax:
        """Parse the argument of a function: what stands in parentheses, or the next operand."""
        if self._token.kind == "(":
            return self._function(token)
        self._enter()
        operand = self._power()
        self._nesting -= 1
        self._check_end_of(token, operand)
        function = canonical_function(token.text)
        assert function is not None
        return self._call(function, (operand,), {}, token.span, token.span.to(operand.span))

    def _check_end_of(self, function: Token, argument: Syntax) -> None:
        """Raise FormulaError where the argument of a function without parentheses may go on after its first operand.

        It ends before the name of a function: `sin x cos x` is a product.
        """
        operator, following = self._token.kind, None
        if operator in _ENDLESS or (isinstance(argument, Number) and operator in ("+", "-")):
            self._take()
            following = self._power()
        elif self._has_operand_beside() and self._previous.kind not in (")", "}") and not self._begins_function():
            following, operator = self._power(), " "
        if following is None:
            return
        name, inside = shown(function.text), self._written(argument)
        more = self._text[argument.span.start : following.span.end]
        more = shown(more if operator != " " or len(more) > 3 else f"{inside} {self._written(following)}")
        sign = "*" if operator == " " else operator
        raise self._error(
            f"{name} {more} may be {name}({more}) or {name}({inside}) {sign} {self._written(following)}; write one of "
            "the two",
            function.span.to(following.span),
        )

    def _begins_function(self) -> bool:
        """Whether a function stands here, with an argument in parentheses or without."""
        name = self._token
        known = name.kind == "name" and name.text not in self._given | self._assigned
        return name.kind == "function" or (known and canonical_function(name.text) is not None)

    def _powered(self, name: Token) -> Syntax:
        """Parse sin^2(x), the square of sin(x)."""
        operator = self._token.span
        exponent = self._plain_exponent()
        if exponent.value < 0:
            return self._applied_to(self._inverse_of(name, exponent))
        return self._binary("^", self._applied_to(name), self._made(exponent), operator)

    def _is_powered(self, name: Token) -> bool:
        """Whether the power here is that of a function, as in sin^2(x) and sin² x."""
        if name.text in self._given | self._assigned or canonical_function(name.text) in (None, "sigmoid"):
            return False
        if not self._has_plain_exponent():
            return False
        start = self._place
        self._plain_exponent()
        begins = self._token.kind == "(" or (
            canonical_function(name.text) in WITHOUT_BRACKETS and self._token.kind in (*OPENING, "function", "||", "|")
        )
        self._place = start
        return begins

    def _is_applied(self, name: Token) -> bool:
        """Whether a function stands before its argument without parentheses, as in sin x and log det(X)."""
        if self._juxtaposed or name.text in self._given | self._assigned:
            return False
        is_function = canonical_function(name.text) in WITHOUT_BRACKETS
        return is_function and (self._has_operand_beside() or self._token.kind == "number")

    def _has_plain_exponent(self) -> bool:
        """Whether the power here is a number, with a sign or in braces."""
        if self._token.kind == "superscript":
            return True
        kinds = [each.kind for each in self._tokens[self._place : self._place + 5] if each.kind != "-"]
        return kinds[:2] == ["^", "number"] or kinds[:4] == ["^", "{", "number", "}"]

    def _plain_exponent(self) -> Number:
        """Take the power that a number is, with a sign or in braces, or raised."""
        if self._take().kind == "superscript":
            return Number(self._previous.value, self._previous.span)
        braced = self._token.kind == "{"
        self._place += braced
        minus = self._token.kind == "-"
        self._place += minus
        number = self._take()
        self._place += braced
        return Number(-number.value if minus else number.value, number.span)

    def _function(self, token: Token, in_shape: bool = False) -> Syntax:
        """Parse a call; `in_shape` is within the second parenthesis of `np.ones((n, m))`."""
        if token.text in _NUMBERED_NORMS and token.text not in self._abstract:
            norm = self._function(replace(token, text="norm"))
            assert isinstance(norm, Call)
            return replace(norm, options={"ord": (_NUMBERED_NORMS[token.text], token.span)} | dict(norm.options))
        function = self._called(token)
        opening = self._take()
        is_abstract = function in self._abstract
        self._in_abstract += is_abstract
        if function == "ones" and self._ahead("("):  # a shape, as in np.ones((n, m))
            call = self._function(token, in_shape=True)
            self._close(opening)
            return call
        arguments, options = self._arguments(function)
        self._in_abstract -= is_abstract
        span = token.span.to(self._close_call(opening).span)
        if function == "norm" and len(arguments) == 1 and not options:
            options, span = self._order_below(span)
        if self._indices and len(arguments) == 1:
            rows = self._norm_of_rows(arguments[0], token.span, span, options) if function == "norm" else None
            if rows is not None:
                return rows
            self._check_numbers(function, arguments, token.span)
        if function in _REDUCTIONS and len(arguments) == 1 and not options and _is_of_columns(arguments[0]):
            arguments = [_without_columns(arguments[0])]
        if function == "concatenate" and len(arguments) == 1 and isinstance(arguments[0], Call):
            return arguments[0]
        if function in ("std", "var") and len(arguments) > 1:
            raise self._divisor_or_axis(function, arguments[1])
        if function == "ones" and len(arguments) == 2 and not in_shape:
            return self._ones(arguments, token.span, span)
        return self._call(function, arguments, options, token.span, span)

    def _called(self, token: Token) -> str:
        """Return the function that is called by a name; raise FormulaError if there is none."""
        function = token.text if token.text in self._abstract else canonical_function(token.text)
        if function is None and self._is_abstract(token.text):
            function = token.text
            self._abstract[function] = None
        if token.text in self._assigned:
            raise self._error(not_called(Name(token.text, token.span)), token.span)
        if function is not None:
            return function
        if len(token.text.rstrip("0123456789'′")) == 1 or token.text in GREEK:
            name = shown(token.text)
            raise self._error(
                f"{name}(…) may be a product or a function; write {name} * (…) for a product, or name the "
                f"function, as in --functions {name} or functions={token.text!r}",
                token.span,
            )
        if token.text in INSTEAD:
            raise self._error(INSTEAD[token.text], token.span)
        hint = meant(token.text, FUNCTION_NAMES) or f"; for one without a definition add functions={token.text!r}"
        raise self._error(f"there is no function {shown(token.text)}{hint}", token.span)

    def _arguments(self, function: str) -> tuple[list[Syntax], dict[str, tuple[Option, Span]]]:
        """Parse what a function is given in its parentheses, up to what closes them."""
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
            elif function in _MAPPED and not arguments and self._is_mapped():
                mapped = self._take()
                self._take()
                argument = self._expression()
                arguments.append(
                    self._call(canonical_function(mapped.text) or "", (argument,), {}, mapped.span, argument.span)
                )
            elif self._token.kind == "text":
                word = self._take()
                options[f"#{len(arguments) + len(options)}"] = (word.text, word.span)
            else:
                if options and function != "einsum":
                    raise self._error("what is calculated with stands before the options")
                arguments.append(self._expression())
            if self._token.kind != ",":
                break
            self._take()
        self._bars_open.pop()
        self._nesting -= 1
        return arguments, options

    def _divisor_or_axis(self, function: str, second: Syntax) -> FormulaError:
        """Return the error for a second argument of `std` or `var`."""
        written = self._written(second)
        divisor, ddof = ("n", 0) if written == "1" else ("n − 1", 1)
        return self._error(
            f"{function}(x, {written}) is along axis {written} in NumPy, and divides by {divisor} in MATLAB; write "
            f"{function}(x, axis={written}) or {function}(x, ddof={ddof})",
            second.span,
        )

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

    def _close(self, opening: Token) -> Token:
        token = self._token
        if token.kind == CLOSES[opening.kind]:
            return self._take()
        if token.kind in ENDS:
            closing = CLOSES[opening.kind]
            raise self._error(f"this parenthesis is not closed; write {closing} where it should end", opening.span)
        if token.kind == ",":
            raise self._error("a comma stands between the arguments of a function only", token.span)
        raise self._error(self._stray(token), token.span)

    def _order_below(self, span: Span) -> tuple[dict[str, tuple[Option, Span]], Span]:
        """Read the order of a norm below its closing bar or bracket, if there is one, as in `‖X‖_F` and `norm(X)_F`."""
        token = self._token
        if token.kind != "name" or not token.text.startswith("_") or token.span.start != span.end:
            return {}, span
        self._take()
        return {"ord": (token.text.lstrip("_"), token.span)}, span.to(token.span)


def _is_of_columns(node: Syntax) -> bool:
    """Whether all variables of an expression are matrices as vectors, `X(:)`."""
    if isinstance(node, Call) and node.function == "vec":
        return isinstance(node.arguments[0], Name)
    linear = isinstance(node, Binary | Unary) and node.operator in ("*", "@", " ", "'", ".T")
    of = parts(node)
    return isinstance(node, Number) or (bool(of) and not linear and all(map(_is_of_columns, of)))


def _without_columns(node: Syntax) -> Syntax:
    if isinstance(node, Call):
        if node.function == "vec":
            return node.arguments[0]
        return replace(node, arguments=tuple(map(_without_columns, node.arguments)))
    if isinstance(node, Binary):
        return replace(node, left=_without_columns(node.left), right=_without_columns(node.right))
    return replace(node, operand=_without_columns(node.operand)) if isinstance(node, Unary) else node
