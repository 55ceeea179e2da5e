"""The lexer of formulas.

Names and signs are accepted in the spellings of keyboards, textbooks and input methods: `W₁` is `W1`, `（` is `(`, `−`
is `-`, `x²` is `x^2`, and so are the commands of LaTeX. Each token keeps its position in the user's text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from chainrule.trace.formula import latex
from chainrule.trace.formula.errors import FormulaError, Span, meant, shown
from chainrule.trace.formula.words import canonical_function

LONGEST_TEXT = 20_000
LONGEST_NUMBER = 400
LONGEST_NAME = 100

_OPERATORS = (
    "**", ".*", "./", ".^", ".'", ".+", ".-", ".<=", ".>=", ".==", ".!=", ".<", ".>", "<=", ">=", "==", "!=", "||",
    "+", "-", "*", "/", "@", "^", "<", ">", "=", "(", ")", "{", "}", ",", "|", "√", "∑", "⊗", "⟨", "⟩",
)  # fmt: skip
_DOTTED = frozenset({".'", ".+", ".-", ".<=", ".>=", ".==", ".!=", ".<", ".>"})
"""Operators of Julia and MATLAB that mean the same without their point, since they go element by element anyway."""
_SAME = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "×": "*", "∗": "*", "⋅": "·", "∙": "·", "•": "·", "·": "·",
    "⊙": ".*", "∘": ".*", "⊘": "./", "≤": "<=", "≥": ">=", "≠": "!=", "⩽": "<=", "⩾": ">=", "‖": "||", "∥": "||",
    "∣": "|", "’": "'", "′": "'", "‘": "'", "⊤": "transpose", "ᵀ": "transpose", "″": "''",
    "、": ",", ";": ",",
}  # fmt: skip
_SUPERSCRIPTS = {**{letter: str(k) for k, letter in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}, "⁻": "-", "⁺": "+"}
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_SUBSCRIPTS_OF_EINSUM = re.compile(r"[A-Za-z, ]+(?:->[A-Za-z ]*)?")
_INDEX = re.compile(r"\[\s*(?P<name>[^\W_]\w*)\s*\]")
_CLOSING = (")", "}", "⟩", "'", "||", "|", "superscript", "transpose", "columns", "]", "element")
_EXPECTATION = (
    "an expectation is not in the language; write mean(…) of what is drawn, or the value of the expectation itself"
)
_INDICES = "a sum runs over all values of its indices, as in \\sum_{i=1}^{n} x_i^2; for others multiply by a mask"
_DERIVATIVE = (
    "a derivative is asked for in front of the whole formula, as in ∂/∂x (x' A x); within one write its value, or "
    "derive with order=2"
)
NUCLEAR = "the nuclear norm is not in the language; derive a Python function with np.linalg.norm(X, 'nuc')"
PRODUCT = "a product over elements is not in the language; write exp(sum(log(x))) where they are positive"
_INTEGRAL = "an integral is not in the language; write what it is equal to, or name it as a function, as in F(x)"
_ELEMENTS = (
    "elements are picked one by one, from a vector, as in z[y]; write sums and products of whole arrays, or derive a "
    "Python function"
)
_MEANT = {
    ":": "a colon has no meaning in a formula; shapes are given beside it, as in --shape \"X: n d\" or X=\"n d\"",
    "]": _ELEMENTS,
    "&": "write logical_and(a, b) instead of a & b",
    "!": "a factorial is not in the language; it has no derivative",
    "%": "a remainder is not in the language",
    "?": "write where(condition, a, b) for a choice",
    "~": "write logical_not(a) instead of ~a",
    "÷": "write / for a quotient",
    "∏": PRODUCT,
    "∫": _INTEGRAL,
    "∂": _DERIVATIVE,
    "∇": _DERIVATIVE,
}  # fmt: skip


_MEANT_COMMANDS = {
    "prod": PRODUCT,
    "int": _INTEGRAL,
    "lim": "a limit is not in the language; write what it is equal to",
    "binom": "a binomial coefficient is not in the language; write its value",
    "in": 'what a variable is taken from is given beside the formula, as in --shape "x: n"',
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token; `kind` is "number", "name", "text", "superscript", "end of line", "end" or an operator.

    Of LaTeX there are "function", a name that need no parentheses follow, "ones", the vector, "frac", and "root", whose
    value is its degree; of MATLAB "columns", the `(:)` after a matrix; "element" is an index in brackets.
    """

    kind: str
    text: str
    span: Span
    value: float = 0.0
    bound: str = ""
    """The name of the last value of an index, n in a sum over i from 1 to n."""


class Lexer:
    """Splits a formula into tokens; raises FormulaError, with the position, for invalid text."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_TEXT:
            raise FormulaError(
                f"the formula has {len(text):,} characters, and {LONGEST_TEXT:,} are the most; "
                "a Python function can be longer"
            )
        self._text = text
        self._clean = "".join(map(_plain, text))
        self._place = 0
        self._nested = 0
        self._stacked = 0
        """The number of brackets `[` that are open around the present place."""
        self._tokens: list[Token] = []

    def tokens(self) -> list[Token]:
        """All tokens, the last one of kind "end"."""
        while self._place < len(self._clean):
            self._next()
        self._add("end", "", len(self._clean))
        return self._tokens

    def _add(self, kind: str, text: str, end: int, value: float = 0.0) -> None:
        self._tokens.append(Token(kind, text, Span(self._place, end), value))
        self._place = end

    def _sum_over(self, indices: str, bound: str, end: int) -> None:
        self._tokens.append(Token("sum over", indices, Span(self._place, end), bound=bound))
        self._place = end

    def _error(self, message: str, start: int, end: int) -> FormulaError:
        return FormulaError(message, self._text, Span(start, end))

    def _next(self) -> None:
        text, start = self._clean, self._place
        letter = text[start]
        if letter in "\n;" and not self._nested:
            self._add("end of line", letter, start + 1)
        elif letter.isspace() or letter == "$":
            self._place += 1
        elif letter == "\\":
            self._backslash()
        elif letter == "#":
            end = text.find("\n", start)
            self._place = len(text) if end < 0 else end
        elif letter in "0123456789" or (letter == "." and text[start + 1 : start + 2] in tuple("0123456789")):
            self._number()
        elif unicodedata.category(letter) == "No" and letter not in _SUPERSCRIPTS and _fraction(letter) is not None:
            self._add("number", letter, start + 1, _fraction(letter) or 0.0)
        elif letter in _SUPERSCRIPTS:
            self._superscript()
        elif letter == "[":
            self._bracket()
        elif letter == "]" and self._stacked:
            self._stacked -= 1
            self._nested = max(self._nested - 1, 0)
            self._add("]", "]", start + 1)
        elif text.startswith("(:)", start) and self._tokens and self._tokens[-1].kind in ("name", *_CLOSING):
            self._add("columns", "(:)", start + 3)
        elif letter in ("'", '"'):
            self._quote(letter)
        elif letter in _SUBSCRIPTS:
            self._subscript()
        elif letter.isidentifier() and letter not in _SAME:
            self._name()
        else:
            self._operator()

    def _number(self) -> None:
        text, start = self._clean, self._place
        end = _digits(text, start)
        if text[end : end + 1] == "." and text[end + 1 : end + 2] not in ("*", "/", "^", "'", "T"):
            end = _digits(text, end + 1)
        if text[end : end + 1] in ("e", "E"):
            sign = end + 2 if text[end + 1 : end + 2] in ("+", "-") else end + 1
            if _digits(text, sign) > sign:
                end = _digits(text, sign)
        if end - start > LONGEST_NUMBER:
            raise self._error(f"a number of {end - start:,} digits is too long", start, start + 1)
        value = float(text[start:end])
        if value == float("inf"):
            raise self._error(
                f"the number {shown(text[start:end])} is too large; the most is about 1.8e308", start, end
            )
        following = text[end : end + 1]
        if following == "_" or (following == "." and text[end + 1 : end + 2].isdigit()):
            raise self._error(
                f"{shown(text[start : end + 2])!r} is not a number; write digits and one point", start, end + 1
            )
        self._add("number", text[start:end], end, value)

    def _superscript(self) -> None:
        end = self._place
        while self._clean[end : end + 1] in _SUPERSCRIPTS and end < len(self._clean):
            end += 1
        written = "".join(_SUPERSCRIPTS[letter] for letter in self._clean[self._place : end])
        if not (written[1:] if written[0] in "+-" else written).isdigit():
            raise self._error("this superscript is not a whole number", self._place, end)
        if len(written) > 15:
            raise self._error("this exponent is too large", self._place, end)
        self._add("superscript", written, end, float(written))

    def _backslash(self) -> None:
        """Read a command of LaTeX, or a left division."""
        text, start = self._clean, self._place
        end = start + 1
        while text[end : end + 1].isascii() and text[end : end + 1].isalpha():
            end += 1
        word, following = text[start + 1 : end], text[end : end + 1]
        after_operand = bool(self._tokens) and self._tokens[-1].kind in ("name", "number", *_CLOSING)
        if not word and following in tuple("|,;:!{}"):
            bracket = {"|": "||", "{": "(", "}": ")"}.get(following)
            self._place = end + 1
            if bracket is not None:
                self._tokens.append(Token(bracket, text[start : end + 1], Span(start, end + 1)))
        elif word and latex.is_command(word):
            adjacent = after_operand and self._tokens[-1].span.end == start
            if adjacent and word in latex.LETTERS and not latex.is_latex(text):
                before = shown(self._tokens[-1].text)
                raise self._error(
                    f"{before}\\{word} may be {before} * {word}, as in LaTeX, or solve({before}, {word}), as in MATLAB "
                    "and Julia; write one of the two",
                    start,
                    end,
                )
            self._command(word, end)
        elif word in _MEANT_COMMANDS:
            raise self._error(_MEANT_COMMANDS[word], start, end)
        elif after_operand:
            self._add("\\", "\\", start + 1)
        elif word:
            raise self._error(f"there is no command \\{shown(word)}{meant(word, latex.LETTERS)}", start, end)
        else:
            raise self._error("a backslash begins a command, or divides as in A \\ b", start, start + 1)

    def _command(self, word: str, end: int) -> None:
        if word in latex.NOTHING:
            point = self._clean[end : end + 1] == "." and word in ("left", "right")
            self._place = end + 1 if point else end
        elif word in ("partial", "nabla"):
            raise self._error(_DERIVATIVE, self._place, end)
        elif word == "prod":
            raise self._error(PRODUCT, self._place, end)
        elif word == "sum" and (indices := latex.indices(self._clean, end)) is not None:
            self._sum_over(*indices)
        elif word == "sum" and self._clean[end:].lstrip().startswith("_"):
            raise self._error(_INDICES, self._place, end)
        elif word == "sqrt" and (root := latex.root(self._clean, end)) is not None:
            self._add("root", str(root[0]), root[1], root[0])
        elif word in latex.OPERATORS:
            self._add(latex.OPERATORS[word], "\\" + word, end)
        elif word in latex.FONTS or word in latex.ACCENTS:
            found = latex.argument(self._clean, end)
            if found is None:
                raise self._error(f"\\{word} stands before one name, as in \\{word}{{x}}", self._place, end)
            inner, end = found
            if inner == "1" and word in latex.FONTS:
                self._add("ones", "1", end)
                return
            if word == "mathbb" and inner in ("E", "P"):
                raise self._error(_EXPECTATION, self._place, end)
            if word == "mathcal" and inner == "N" and self._clean[end:].lstrip().startswith("("):
                self._add("name", "normal_density", end)
                return
            inner = latex.LETTERS.get(inner, inner)
            self._letters(inner + latex.ACCENTS.get(word, ""), end, is_function=word in latex.FONTS)
        elif word in latex.LETTERS:
            self._letters(latex.LETTERS[word], end)
        else:
            found = latex.subscript(self._clean, end)
            if found is not None and canonical_function(f"{word}_{found[0]}") is not None:
                word, end = f"{word}_{found[0]}", found[1]
            self._add("function", word, end)

    def _letters(self, name: str, end: int, is_function: bool = False) -> None:
        """Add a name that a command makes, with its subscript."""
        found = latex.subscript(self._clean, end)
        if found is not None:
            name, end = f"{name}_{found[0]}", found[1]
        name = unicodedata.normalize("NFKC", name)
        if not name.isidentifier() or len(name) > LONGEST_NAME:
            raise self._error(f"{shown(name)!r} cannot be a name; write letters, digits and _", self._place, end)
        named = is_function and len(name) > 1 and canonical_function(name) is not None
        self._add("function" if named else "name", name, end)

    def _subscript(self) -> None:
        """Read the order of a norm, as in `‖x‖₁`; within a name, a subscript is part of the name."""
        end = self._place + 1
        if not self._tokens or self._tokens[-1].kind not in ("||", "|"):
            raise self._error("a subscript stands in a name, as in W₁, or gives the order of a norm", self._place, end)
        self._add("name", "_" + unicodedata.normalize("NFKC", self._clean[self._place]), end)

    def _name(self) -> None:
        text, end = self._clean, self._place + 1
        while end < len(text) and _continues_name(text[end]):
            if end - self._place > LONGEST_NAME:
                raise self._error(f"a name of more than {LONGEST_NAME} characters is too long", self._place, end)
            end += 1
        name = text[self._place : end]
        if name.startswith("sum_") and (indices := latex.indices(text, self._place + 3)) is not None:
            self._sum_over(*indices)
            return
        if name.startswith("prod_") and latex.indices(text, self._place + 4) is not None:
            raise self._error(PRODUCT, self._place, end)
        if name[0] == "Σ" and (indices := latex.indices(text, self._place + 1)) is not None and self._sums(*indices):
            self._sum_over(*indices)
            return
        if name == "_" and text[end : end + 1] == "∞":
            self._add("name", "_inf", end + 1)
            return
        name = latex.plain_subscript(name)
        if name.endswith("_") and (found := latex.subscript(text, end - 1)) is not None:
            name, end = name + found[0], found[1]
        elif name == "_" and re.match(r"\{\s*(?:\*|\\ast|\\star|⋆)\s*\}", text[end:]):
            raise self._error(NUCLEAR, self._place, end)
        elif name.endswith("_") and text[end : end + 1] == "{":
            raise self._error("a subscript is one word or number, as in W_{1}", end - 1, end + 1)
        name = unicodedata.normalize("NFKC", name)
        if not name.isidentifier():
            raise self._error(f"{shown(name)!r} cannot be a name; write letters, digits and _", self._place, end)
        self._add("name", name, end)

    def _sums(self, letters: str, bound: str, end: int) -> bool:
        """Whether Σ with indices is a sum, of what follows it and has these indices, and not a matrix Σ_k."""
        before, rest = self._tokens[-1].kind if self._tokens else "", self._clean[end:].lstrip()
        begins = rest[:1].isidentifier() or rest[:1] in tuple("0123456789(|‖√\\∑½¼")
        return begins and before not in ("'", "transpose") and all(latex.has_index(rest, each) for each in letters)

    def _quote(self, mark: str) -> None:
        """Read `'`: a transpose after an operand, a quoted word elsewhere."""
        start = self._place
        last = self._tokens[-1].kind if self._tokens else ""
        if mark == "'" and last in ("name", "number", *_CLOSING):
            self._add("'", mark, start + 1)
            return
        end = self._clean.find(mark, start + 1)
        word = self._clean[start + 1 : end] if end > 0 else ""
        if not (word.isalnum() or _SUBSCRIPTS_OF_EINSUM.fullmatch(word)) or len(word) > LONGEST_NAME:
            what = (
                "a transpose stands after what is transposed, as in x'" if mark == "'" else "a text has no meaning here"
            )
            raise self._error(what, start, start + 1)
        self._add("text", word, end + 1)

    def _bracket(self) -> None:
        """Read `[`, the beginning of vectors below each other; after an operand `[y]` picks an element."""
        start = self._place
        before = self._tokens[-1] if self._tokens else None
        if before is not None and before.kind in ("name", *_CLOSING) and before.span.end == start:
            index = _INDEX.match(self._clean, start)
            if before.kind == "name" and before.text == "E":
                raise self._error(_EXPECTATION, start, start + 1)
            if index is None:
                raise self._error(_ELEMENTS, start, start + 1)
            if index["name"].isdigit():
                raise self._error(
                    f"[{index['name']}] may be counted from 0 or from 1; write an index such as [k] for the element",
                    start,
                    index.end(),
                )
            self._add("element", index["name"], index.end())
            return
        self._stacked += 1
        self._nested += 1
        self._add("[", "[", start + 1)

    def _operator(self) -> None:
        text, start = self._clean, self._place
        same = _SAME.get(text[start])
        if same is not None:
            for kind in ("'", "'") if same == "''" else (same,):
                self._tokens.append(Token(kind, same, Span(start, start + 1)))
            self._place += 1
            return
        if text[start] == "∑" and (indices := latex.indices(text, start + 1)) is not None:
            self._sum_over(*indices)
            return
        for operator in _OPERATORS:
            if text.startswith(operator, start):
                self._nested += {"(": 1, ")": -1, "{": 1, "}": -1}.get(operator, 0)
                self._nested = max(self._nested, 0)
                self._add(operator[1:] if operator in _DOTTED else operator, operator, start + len(operator))
                return
        if text[start] == ".":
            self._add(".", ".", start + 1)
            return
        message = _MEANT.get(text[start])
        if message is None:
            message = f"{shown(self._text[start])!r} has no meaning in a formula"
        raise self._error(message, start, start + 1)


def _plain(letter: str) -> str:
    """Replace a full-width form by the plain character; one character becomes one."""
    if "！" <= letter <= "～":
        return chr(ord(letter) - 0xFEE0)
    return " " if letter == "\u3000" else letter


def _fraction(letter: str) -> float | None:
    value = unicodedata.numeric(letter, None)
    return value if value is not None and "VULGAR FRACTION" in unicodedata.name(letter, "") else None


def _continues_name(letter: str) -> bool:
    return (("x" + letter).isidentifier() and letter not in _SAME) or letter in _SUBSCRIPTS


def _digits(text: str, start: int) -> int:
    end = start
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return end
