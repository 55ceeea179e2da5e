"""What a name or an operand means at a place of a formula: a variable, a function, a mark of a transpose, a factor."""

from __future__ import annotations

import numpy as np

from chainrule.trace.formula.cursor import Cursor
from chainrule.trace.formula.errors import Span, meant, shown
from chainrule.trace.formula.lexer import Token
from chainrule.trace.formula.runs import Runs
from chainrule.trace.formula.syntax import Name, Syntax
from chainrule.trace.formula.words import FUNCTION_NAMES, GREEK, canonical_function, canonical_name

_BESIDE = ("name", "(", "{", "√", "∑", "function", "frac", "ones", "⟨", "root", "sum over")
"""Tokens with which an operand begins that stands beside another; a bar that closes nothing is another one."""
_FUNCTIONS = frozenset("fghFGHφψΦΨ") | {"phi", "psi", "Phi", "Psi"}
"""Names that mean a function without a definition when they are called; those of one letter besides mean variables."""
_TIMES = frozenset({"t", "s", "τ", "tau"})
"""Arguments beside which any letter is a function, as in x(t)."""
_NUMBERS = frozenset(GREEK.values()) - set("φψσΓΦΨ")
"""Greek letters that are factors of the expression in the parenthesis after them."""
_ELSEWHERE = frozenset({"chol", "expm", "logm", "sqrtm", "rank", "null", "if"})


class Context(Cursor):
    """A place among the tokens of a formula, with what is known of its names there."""

    def __init__(
        self,
        text: str,
        juxtaposed: bool = False,
        functions: tuple[tuple[str, str | None], ...] = (),
        variables: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(text)
        if not juxtaposed:
            self._tokens = Runs(text, self._tokens, variables | {name for name, _ in functions}).divided()
        self._juxtaposed = juxtaposed
        self._abstract: dict[str, str | None] = dict(functions)
        following = zip(self._tokens, self._tokens[1:], strict=False)
        self._given = variables
        self._variables = variables | {one.text for one, other in following if one.kind == "name" and other.kind != "("}
        self._bars_open: list[str] = []
        """The brackets and bars around the present place, innermost last."""
        self._assigned: set[str] = set()
        self._numbers: set[str] = set()
        """The variables without an index beside indexed ones, which are numbers."""
        self._rows: dict[Syntax, str] = {}
        """The products of the rows of a matrix with a vector, with the index of the rows."""
        self._axes: dict[str, tuple[str, int]] = {}
        """An array, and its axis, for each index of a sum."""
        self._sizes: dict[str, tuple[str, int]] = {}
        """Such an axis for each name that is the last value of an index."""
        indices = "".join(token.text for token in self._tokens if token.kind == "sum over")
        names = [token.text.partition("_") for token in self._tokens if token.kind == "name"]
        self._summed_over = frozenset(indices)
        self._vectors = frozenset(stem for stem, _, below in names if len(below) == 1 and below in indices)
        """The vectors whose elements are summed over, such as z where a sum of `e^{z_j}` stands."""
        self._in_abstract = 0
        """The number of calls of functions without a definition around the present place."""

    def _follows_variable(self) -> bool:
        """Whether the parenthesis here follows a name that is a variable, apart from it as in `W (W' x)`, or known."""
        name = self._previous
        if name.text in self._abstract or canonical_function(name.text) is not None:
            return False
        apart = name.span.end < self._token.span.start or self._is_factor(name.text)
        return name.text in self._given or (
            apart and not (name.text in _FUNCTIONS and name.text not in self._variables)
        )

    def _has_operand_beside(self) -> bool:
        """Whether an operand begins here, right after another one."""
        token = self._token
        if token.kind in ("|", "||"):
            innermost = self._bars_open[-1] if self._bars_open else ""
            return innermost != token.kind and not (innermost == "|" and self._is_odd())
        if token.kind == "number":
            transposed = self._tokens[self._place + 1].kind in ("'", "transpose", "^")
            return token.text == "1" and (self._previous.kind != "number" or transposed)
        is_call = token.kind == "(" and self._previous.kind == "name" and not self._follows_variable()
        return token.kind in _BESIDE and not is_call

    def _is_transpose_letter(self) -> bool:
        token = self._token
        if token.kind != "name" or token.text in self._assigned | self._given:
            return False
        return token.text == "T"

    def _is_abstract(self, name: str) -> bool:
        """Whether a call implies that `name` is a function without a definition."""
        if self._juxtaposed or name in self._variables or name.startswith("_"):
            return False
        stem = name.rstrip("0123456789'′")
        if len(stem) == 1 or stem in GREEK:
            if self._in_abstract and self._has_names_only():
                return True
            of_time = self._ahead("(", "name", ")") and self._tokens[self._place + 1].text in _TIMES
            return stem in _FUNCTIONS or of_time or self._has_several_arguments()
        return not meant(name, FUNCTION_NAMES) and not _is_known_elsewhere(name)

    def _is_mapped(self) -> bool:
        """Whether a function stands here as an argument, as in `sum(abs2, x)`."""
        name = self._token
        is_free = name.text not in self._given | self._assigned
        return self._ahead("name", ",") and canonical_function(name.text) is not None and is_free

    def _is_density(self) -> bool:
        """Whether the parenthesis here is that of a density, `N(x; μ, σ²)`, with a semicolon."""
        depth = 0
        for token in self._tokens[self._place :]:
            depth += (token.kind in ("(", "{")) - (token.kind in (")", "}"))
            if depth == 1 and token.kind == "," and self._text[token.span.start] == ";":
                return True
            if depth <= 0:
                break
        return False

    def _is_gamma(self, name: str) -> bool:
        """Whether Γ is the gamma function here: of one argument, where no variable has this name."""
        is_free = name not in self._variables | self._assigned | self._abstract.keys()
        return is_free and self._token.kind == "(" and not (self._juxtaposed or self._has_several_arguments())

    def _has_names_only(self) -> bool:
        """Whether the parenthesis that opens here holds names, as in `y(x)`."""
        place = self._place + 1
        while self._tokens[place].kind in ("name", ",", "(", ")"):
            if self._tokens[place].kind == ")":
                return True
            place += 1
        return False

    def _is_factor(self, name: str) -> bool:
        """Whether a letter before a parenthesis is a number times what stands in it, as in `λ(‖U‖² + ‖V‖²)`."""
        letter = canonical_name(name.rstrip("0123456789"))
        if name in self._abstract or letter not in _NUMBERS or self._has_several_arguments():
            return False
        return not self._has_names_only()

    def _has_several_arguments(self) -> bool:
        """Whether the parenthesis that opens here has a comma of its own."""
        depth = 0
        for token in self._tokens[self._place :]:
            depth += (token.kind in ("(", "{")) - (token.kind in (")", "}"))
            if depth <= 0 or (depth == 1 and token.kind == ","):
                return depth == 1
        return False

    def _is_odd(self) -> bool:
        """Whether the double bars from here on do not form pairs, so that these are two single ones."""
        return sum(token.kind == "||" for token in self._tokens[self._place :]) % 2 == 1

    def _divide_bars(self) -> None:
        """Read the two bars here as the end of an absolute value and the beginning of another, as in |x||y|."""
        bars = self._token
        middle = bars.span.start + 1
        if bars.span.end - bars.span.start == 2:
            parts = (Span(bars.span.start, middle), Span(middle, bars.span.end))
            self._tokens[self._place : self._place + 1] = [Token("|", "|", span) for span in parts]

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

    def _written(self, node: Syntax) -> str:
        """Return a part of the formula as the user wrote it, or … if it is long."""
        start, end = node.span
        while (text := self._text[start:end]).count(")") > text.count("(") and start > 0:
            start -= 1
        while text.count("(") > text.count(")") and end < len(self._text):
            end += 1
            text = self._text[start:end]
        return shown(text) if len(text) <= 20 else "…"


def _is_known_elsewhere(name: str) -> bool:
    """Whether NumPy or MATLAB has a function of this name, which is not any function."""
    return name in _ELSEWHERE or callable(getattr(np, name, None)) or callable(getattr(np.linalg, name, None))


def not_called(operand: Syntax) -> str:
    """Return the error for parentheses after an operand that is no function."""
    if isinstance(operand, Name):
        return f"{shown(operand.name)} is not a function; write {shown(operand.name)} * (…) for a product"
    return "an operator is missing before the parenthesis; write a * (b) for a product"
