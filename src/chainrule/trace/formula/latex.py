r"""LaTeX as typed: what each command stands for.

A command is an operator (`\cdot`), a letter (`\lambda`), a function (`\log`), a font around a name (`\mathrm{tr}`), an
accent (`\hat{y}`), a construction (`\frac{a}{b}`) or nothing (`\left`). `A\b` is the left division of MATLAB and Julia:
a backslash after an operand, before a word that is no command.
"""

from __future__ import annotations

import re

from chainrule.trace.formula.words import GREEK, canonical_function

OPERATORS = {
    "cdot": "·", "times": "*", "ast": "*", "odot": ".*", "circ": ".*", "oslash": "./", "div": "/", "otimes": "⊗",
    "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">",
    "ne": "!=", "neq": "!=", "lVert": "||", "rVert": "||", "Vert": "||", "lvert": "|", "rvert": "|", "vert": "|",
    "top": "transpose", "intercal": "transpose", "prime": "'", "langle": "⟨", "rangle": "⟩", "sqrt": "√", "sum": "∑",
    "frac": "frac", "dfrac": "frac", "tfrac": "frac",
}  # fmt: skip
"""The kind of token of each command."""
LETTERS = {
    **{word: word for word in GREEK}, "varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho",
    "varsigma": "sigma", "ell": "l", "infty": "inf",
}  # fmt: skip
FONTS = frozenset({
    "mathrm", "mathbf", "mathit", "mathsf", "mathcal", "mathbb", "boldsymbol", "bm", "operatorname", "text", "textrm",
    "textbf", "vec", "symbf",
})  # fmt: skip
ACCENTS = {"hat": "̂", "widehat": "̂", "bar": "̄", "overline": "̄", "tilde": "̃", "widetilde": "̃", "dot": "̇"}
NOTHING = frozenset({
    "left", "right", "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "quad",
    "qquad", "displaystyle", "textstyle", "limits", "nolimits",
})  # fmt: skip
_OF_DERIVATIVES = frozenset({"partial", "nabla"})
_EVIDENCE = re.compile(r"[{}]|\\[|,;!]|(?:^|[^\w)'’ᵀ²⁻¹\\])\s*\\[A-Za-z]|\^\s*\\")
_GROUP = re.compile(r"\s*(?:\{\s*(?P<group>\\?[^\s{}\\]+)\s*\}|(?P<single>\\[A-Za-z]+|\w))")
_LETTERS_BELOW = dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True))
_BELOW = "".join(_LETTERS_BELOW)
_INDICES = re.compile(
    rf"\s*(?P<below>[{_BELOW}]+)(?:₌[₀-₉]+)?(?P<above>ⁿ)?|"
    r"\s*_\s*(?:\{\s*(?P<group>[a-z](?:\s*,?\s*[a-z])*)\s*(?:=[^{}]*|\\in\b[^{}]*)?\}|(?P<single>[a-z])(?!\w))"
    r"(?:\s*\^\s*(?!\{?\s*-)(?:\{\s*(?:(?P<bound>[A-Za-z])|[^{}]*)\s*\}|(?P<letter>[A-Za-z])|\d))?"
)
_ROOT = re.compile(r"\s*\[\s*(?P<degree>[2-9]|1\d)\s*\]")
_SUBSCRIPT = re.compile(r"_(?:\{\s*(?P<group>\\?[^\W_]+|[a-z](?:\s*,\s*[a-z])+)\s*\}|(?P<single>\\infty|[^\W_]\w*))")


def is_command(word: str) -> bool:
    """Whether a backslash before `word` makes a command."""
    tables = (OPERATORS, LETTERS, FONTS, ACCENTS, NOTHING, _OF_DERIVATIVES)
    return any(word in table for table in tables) or canonical_function(word) is not None


def is_latex(text: str) -> bool:
    r"""Whether a formula is LaTeX for certain: it has braces, or a command that does not follow an operand.

    >>> is_latex(r"x^\top A x"), is_latex(r"A\beta")
    (True, False)
    """
    commands = re.findall(r"\\([A-Za-z]+)", text)
    return _EVIDENCE.search(text) is not None or any(is_command(word) and word not in LETTERS for word in commands)


def argument(text: str, place: int) -> tuple[str, int] | None:
    r"""Return the name or command in `{name}`, or a single letter, and where it ends; None for anything else.

    >>> argument("{tr}(A)", 0), argument(r"\beta x", 0)
    (('tr', 4), ('beta', 5))
    """
    match = _GROUP.match(text, place)
    if match is None:
        return None
    word = match["group"] or match["single"]
    return word.removeprefix("\\"), match.end()


def indices(text: str, place: int) -> tuple[str, str, int] | None:
    r"""Return the indices below a sum, `_i` or `_{i=1}^{n}`, a name of their last value, and where they end; else None.

    >>> indices("_{i=1}^n x_i", 0), indices("_{i, j}", 0)
    (('i', 'n', 8), ('ij', '', 7))
    """
    match = _INDICES.match(text, place)
    if match is None:
        return None
    if match["below"]:
        return "".join(map(_LETTERS_BELOW.__getitem__, match["below"])), "n" if match["above"] else "", match.end()
    return re.sub(r"[,\s]", "", match["group"] or match["single"]), match["bound"] or match["letter"] or "", match.end()


def has_index(text: str, letter: str) -> bool:
    """Whether a name in `text` has a letter in its subscript.

    >>> has_index("x_i^2", "i"), has_index("xᵢ²", "i"), has_index("A_{ij}", "j"), has_index("x_1 i", "i")
    (True, True, True, False)
    """
    subscripts = _SUBSCRIPT.finditer(plain_subscript(text))
    return any(letter in (match["group"] or match["single"]) for match in subscripts)


def plain_subscript(name: str) -> str:
    """Return text with letters below the line after the mark of a subscript: xᵢ is x_i.

    >>> plain_subscript("xᵢⱼ"), plain_subscript("W₁")
    ('x_ij', 'W₁')
    """
    return "".join(_LETTERS_BELOW.get(each, each) for each in _with_marks(name))


def _with_marks(text: str) -> str:
    """Put _ before letters below the line."""
    return re.sub(rf"(?<=[^\s_{_BELOW}])(?=[{_BELOW}])", "_", text)


def root(text: str, place: int) -> tuple[float, int] | None:
    """Return the degree of a root, `[3]`, and where it ends; else None."""
    match = _ROOT.match(text, place)
    return None if match is None else (float(match["degree"]), match.end())


def subscript(text: str, place: int) -> tuple[str, int] | None:
    """Return a subscript, `_1`, `_{ab}` or that of infinity, without its mark, and where it ends; else None."""
    match = _SUBSCRIPT.match(text, place)
    if match is None:
        return None
    word = re.sub(r"[,\s]", "", match["group"] or match["single"]).removeprefix("\\")
    return LETTERS.get(word, word), match.end()
