"""Letters in a row: `Ax` is the product A x, `xTAx` is xᵀ A x, and `Sw` beside `Sb` may be a name.

A name that is known, because it has a shape, a property or a value of its own, is never divided. Of other names of two
to four letters the rest of the formula decides: whether it has products without an operator, as on paper, and whether
the letters stand elsewhere by themselves. What is in doubt is refused, with both readings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import TypeAlias

from chainrule.trace.formula.errors import FormulaError, Span
from chainrule.trace.formula.latex import is_latex
from chainrule.trace.formula.lexer import Token
from chainrule.trace.formula.words import GREEK, canonical_function

_LETTERS = frozenset(GREEK.values()) - {"Δ", "δ"}
"""Greek letters that stand before another name as factors; a Δ or δ before a name is a part of it."""
_OPERATORS = frozenset({"*", ".*", "@"})
_OF_LINEAR_ALGEBRA = frozenset({"'", "transpose", "||", "|"})
_MATRIX_FUNCTIONS = frozenset({"tr", "det", "logdet", "inv", "norm", "vec", "kron", "solve"})
_WORDS = frozenset({
    "as", "at", "by", "do", "dt", "dx", "dy", "dz", "fro", "id", "if", "in", "inf", "is", "it", "lr", "nan", "no", "of",
    "on", "or", "pi", "to", "wd", "xs", "ys", "KL", "CE", "MSE", "NLL", "MAE", "SSE", "eps", "lam", "tol", "reg",
})  # fmt: skip
"""Names of two or three letters that are not products, unless they have to be."""
_NUMBERED = re.compile(r"[A-Z]\d+[a-z]\d*")
_PARTS = re.compile(r"[A-Za-z]\d*")
"""A name with its number; `W1x` is the product of two."""
_COORDINATES = "xyzt"

Letter: TypeAlias = tuple[str, str]
"""The kind of a token, "name" or "transpose", and its text."""


class Runs:
    """Divides the names of a formula that are products; `known` names are never divided."""

    def __init__(self, text: str, tokens: Sequence[Token], known: frozenset[str]) -> None:
        self._text = text
        self._tokens = tokens
        assigned = {one.text for one, other in itertools.pairwise(tokens) if other.kind == "="}
        self._known = known | assigned
        named = [(place, token) for place, token in enumerate(tokens) if token.kind == "name"]
        names = [token.text for place, token in named if not self._is_call(place)]
        self._single = {name for name in names if len(name) == 1} | {name for name in self._known if len(name) == 1}
        self._runs = list(dict.fromkeys(name for name in names if _is_run(name) and name not in self._known))
        self._names = len(set(names))
        kinds = {token.kind for token in tokens}
        self._latex = is_latex(text)
        self._on_paper = self._latex or kinds.isdisjoint(_OPERATORS)
        functions = {canonical_function(token.text) for token in tokens if token.kind in ("name", "function")}
        self._of_matrices = not (kinds.isdisjoint(_OF_LINEAR_ALGEBRA) and functions.isdisjoint(_MATRIX_FUNCTIONS))

    def divided(self) -> list[Token]:
        """Return the tokens, with those of letters for every name that is a product."""
        found: list[Token] = []
        for place, token in enumerate(self._tokens):
            letters = self._letters(place) if token.kind == "name" else None
            found += [token] if letters is None else _tokens_of(token, letters)
        return found

    def _letters(self, place: int) -> list[Letter] | None:
        """Return what the letters of a name stand for, or None for a name."""
        token = self._tokens[place]
        name = token.text
        if name in self._known or self._is_command(token) or self._before(place).kind == ".":
            return None
        if name.startswith("T") and (marked := self._after_power(place)) is not None:
            return marked
        if name == "T" and self._stands_between(place) and "T" not in self._known:
            return [("transpose", "T")]
        if self._on_paper and _NUMBERED.fullmatch(name) and not self._is_call(place):
            return [("name", part) for part in _PARTS.findall(name)]
        if not _is_run(name) or self._is_call(place):
            return self._before_call(place) if _is_run(name) else None
        for reading in (self._of_known, self._transposed, self._greek, self._capitals, self._small):
            letters = reading(place, name)
            if letters is not None:
                return letters
        return None

    # The surroundings

    def _before(self, place: int) -> Token:
        return self._tokens[place - 1] if place else Token("end", "", Span(0, 0))

    def _is_call(self, place: int) -> bool:
        following = self._tokens[place + 1]
        adjacent = following.span.start == self._tokens[place].span.end
        if following.kind == "." or (following.kind == "(" and adjacent):
            return True
        return canonical_function(self._tokens[place].text) is not None

    def _is_command(self, token: Token) -> bool:
        """Whether a name is a command of LaTeX, or in one."""
        return self._text[token.span.start : token.span.start + 1] == "\\"

    def _stands_between(self, place: int) -> bool:
        """Whether a T stands between a parenthesis and an operand without a space, as in `(y - X b)T(y - X b)`."""
        token, before, after = self._tokens[place], self._before(place), self._tokens[place + 1]
        close = before.span.end == token.span.start and after.span.start == token.span.end
        return close and before.kind == ")" and after.kind in ("(", "name")

    # Readings

    def _after_power(self, place: int) -> list[Letter] | None:
        """Read `^T` and `^TAx`, a transpose and what follows it."""
        name, before = self._tokens[place].text, self._before(place)
        if before.kind != "^" or "T" in self._known or not 1 <= len(name) <= 4 or not name.isalpha():
            return None
        return [("transpose", "T"), *_product(name[1:])]

    def _before_call(self, place: int) -> list[Letter] | None:
        """Read `xT(…)`, a transpose before a parenthesis."""
        name, following = self._tokens[place].text, self._tokens[place + 1]
        if following.kind == "(" and re.fullmatch("[A-Za-z]T", name) and canonical_function(name) is None:
            return [("name", name[0]), ("transpose", "T")]
        return None

    def _of_known(self, place: int, name: str) -> list[Letter] | None:
        return _product(name) if all(letter in self._known for letter in name) else None

    def _transposed(self, place: int, name: str) -> list[Letter] | None:
        """Read `xTAx`, and `XT` before an operand."""
        if "T" in self._known or name[1] != "T" or not name.isascii() or name in _WORDS:
            return None
        after = self._tokens[place + 1].kind in ("name", "(", "||") or len(name) > 2
        if not after or not self._on_paper:
            return None
        rest = name[2:]
        inner = self._transposed(place, rest) if len(rest) > 2 else None
        return [("name", name[0]), ("transpose", "T"), *(_product(rest) if inner is None else inner)]

    def _greek(self, place: int, name: str) -> list[Letter] | None:
        """Read `λI`, a number before a name."""
        return _product(name) if name[0] in _LETTERS else None

    def _capitals(self, place: int, name: str) -> list[Letter] | None:
        """Read `Ax`, `AXB` and `ABx`."""
        if not re.fullmatch("[A-Z]+[a-z]?", name) or name in _WORDS or len(name) > 4:
            return None
        stand_alone = all(letter in self._single for letter in name)
        if stand_alone or self._names == 1:
            return _product(name)
        if name[-1].islower():
            if self._is_named_after(place):
                return None
            alike = [other for other in self._runs if other != name and other[:-1] == name[:-1] and other[-1].islower()]
            if self._on_paper and (not alike or self._single.intersection(name)):
                return _product(name)
            if self._on_paper or name[-1] in self._single:
                raise self._question(place)
            return None
        if self._on_paper and (self._of_matrices or self._shares_letter(name)):
            return _product(name)
        if self._on_paper:
            raise self._question(place)
        return None

    def _is_named_after(self, place: int) -> bool:
        """Whether a name ends in the operand that follows it, as in `Wx x` and `Wx*x`: the letter tells them apart."""
        following = self._tokens[place + 1 : place + 3]
        if following and following[0].kind in ("*", "@", "·"):
            following = following[1:]
        return bool(following) and following[0].kind == "name" and following[0].text == self._tokens[place].text[-1]

    def _shares_letter(self, name: str) -> bool:
        others = {letter for other in self._runs if other != name for letter in other}
        return not (self._single | others).isdisjoint(name)

    def _small(self, place: int, name: str) -> list[Letter] | None:
        """Read `2xy`, `ax^2 + bx` and `wx + b`."""
        if not re.fullmatch("[a-z]{2,3}", name):
            return None
        before = self._before(place)
        after_number = before.kind == "number" and before.span.end == self._tokens[place].span.start
        if all(letter in self._single for letter in name) or (after_number and name not in GREEK):
            return _product(name)
        if name in _WORDS or name in GREEK or name.startswith("d") or not self._on_paper:
            return None
        if len(name) == 2 and name[1] in _COORDINATES and name[0] != name[1]:
            alike = [other for other in self._runs if other != name and other[0] == name[0] and other.islower()]
            if not alike or self._single.intersection(name):
                return _product(name)
        if (len(name) == 2 and self._single.intersection(name)) or (self._latex and self._shares_letter(name)):
            raise self._question(place)
        return None

    def _question(self, place: int) -> FormulaError:
        token = self._tokens[place]
        product = " ".join(token.text)
        return FormulaError(
            f"{token.text} may be the product {product} or one name; write {product}, or state its shape, as in "
            f'--shape "{token.text}: n"',
            self._text,
            token.span,
        )


def _is_run(name: str) -> bool:
    """Whether a name is of letters in a row, the first of which may be Greek."""
    rest = name if name.isascii() else name[1:] if name[:1] in _LETTERS else ""
    return 2 <= len(name) <= 5 and rest.isascii() and rest.isalpha()


def _product(letters: str) -> list[Letter]:
    return [("name", letter) for letter in letters]


def _tokens_of(token: Token, letters: Sequence[Letter]) -> list[Token]:
    """Return a token for each letter, at its place."""
    start, found = token.span.start, []
    for kind, text in letters:
        found.append(Token(kind, text, Span(start, start + len(text))))
        start += len(text)
    return found
