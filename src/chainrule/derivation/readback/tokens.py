"""Tokens of a printed line, common to text and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chainrule.derivation.readback.functions import BINARY, ELEMENTWISE, ORDERS, REDUCTIONS
from chainrule.derivation.readback.values import ReadingError

Kind: TypeAlias = Literal[
    "number",
    "ones",
    "name",
    "function",
    "applied",
    "primes",
    "below",
    "index",
    "partial",
    "quotient",
    "mark",
    "raised",
    "sign",
    "end",
]

DECOMPOSED = (
    *("eigvals", "eigvecs", "svdvals", "leftvecs", "rightvecs", "leftvec", "rightvec"),
    *("nuclear", "spectral", "polar", "qfactor", "rfactor"),
)
"""What decompositions of a matrix give."""

FUNCTIONS = frozenset(
    (
        *ELEMENTWISE,
        *BINARY,
        *REDUCTIONS,
        "clip",
        "gammainc_a",
        *ORDERS,
        "median",
        "nanmedian",
        "nanquantile",
        "quantile",
        "take_along",
        "add_along",
        "softmax",
        "log_softmax",
        "cumsum",
        "reverse_cumsum",
        "refft",
        "imfft",
        "diag",
        "tr",
        "tril",
        "triu",
        "det",
        "chol",
        "pinv",
        *DECOMPOSED,
        "expm",
        "dexpm",
        "adj",
        "vec",
        "commuted",
        "onehot",
        "scatter_add",
        "reshape",
        "repeat",
        "permute",
        "pad",
        "flip",
        "concatenate",
        "stack",
        "norm",
        "windows",
        "overlap_add",
        "correlate",
        "einsum",
        "uniform",
    )
)
"""The names of functions in the notation."""

SIGNS = frozenset("()|‖⌊⌋⌈⌉⟨⟩,+−⊙⊗⋆·/=<≤>≥≠∧∨¬√^")


@dataclass(frozen=True)
class Token:
    """A token: `text` is its key, name or sign; `entries` are the unparsed contents of an index or subscript."""

    kind: Kind
    text: str = ""
    number: float = 0.0
    entries: tuple[str, ...] = ()
    tight: bool = False
    """Whether no space precedes the token."""


class Vocabulary:
    """The names that a line may use, as printed, each with its number of axes.

    `functions` are names that denote a function if a bracket or a prime follows.
    """

    def __init__(self, names: Mapping[str, int], functions: Iterable[str] = ()) -> None:
        self.axes = dict(names)
        self.functions = sorted(functions, key=len, reverse=True)
        self.odd = sorted((name for name in names if not is_word(name)), key=len, reverse=True)
        self.heads: dict[str, list[str]] = {}
        for name in names:
            self.heads.setdefault(head_of(name), []).append(name)
        self.longest_heads: dict[str, list[str]] = {}
        for head in sorted(self.heads, key=len, reverse=True):
            self.longest_heads.setdefault(head[:1], []).append(head)


_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ"
_PLAIN = "0123456789aehijklmnoprstuvxβγρφχ"
RAISED_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
LOWERED = dict(zip(_LOWERED, _PLAIN, strict=True))
VULGAR = {"½": 0.5, "¼": 0.25, "¾": 0.75}
_OUTSIDE_WORDS = frozenset(_RAISED + _LOWERED + "".join(VULGAR))


def is_raised(character: str) -> bool:
    """Whether a character is a superscript."""
    return character in _RAISED


def in_word(character: str) -> bool:
    """Whether a character can be part of a name."""
    return (character.isalnum() or character == "_") and character not in _OUTSIDE_WORDS


def is_word(name: str) -> bool:
    """Whether a name is a single word."""
    return bool(name) and all(map(in_word, name)) and not name[0].isdigit()


def head_of(name: str) -> str:
    r"""Return the base of a name with subscripts in LaTeX: `W` of `W_{1}`."""
    depth = 0
    for place, character in enumerate(name):
        escaped = place > 0 and name[place - 1] == "\\"
        if character in "{}" and not escaped:
            depth += 1 if character == "{" else -1
        elif depth == 0 and not escaped and name.startswith("_{", place):
            return name[:place]
    return name


def closing(text: str, start: int, brackets: str) -> int:
    """Return the position of the bracket that closes the one at `start`."""
    depth = 0
    place = start
    while place < len(text):
        if text[place] == "\\" and place + 1 < len(text) and text[place + 1] in "{}\\":
            place += 2
            continue
        depth += (text[place] == brackets[0]) - (text[place] == brackets[1])
        if depth == 0:
            return place
        place += 1
    raise ReadingError(f"a bracket is not closed: {text[start:]}")


def parted(text: str, sign: str = ",") -> tuple[str, ...]:
    """Split a list at the commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{⟨⌊⌈") - (character in ")]}⟩⌋⌉")
        if character == sign and depth == 0 and text[place - 1 : place] != "\\":
            parts.append(text[start:place].strip())
            start = place + 1
    return (*parts, text[start:].strip())


def joined_blocks(name: str, blocks: Iterable[Iterable[Token]]) -> list[Token]:
    """Return the call of `rows` or `columns`, which join blocks."""
    tokens = [Token("function", name), Token("sign", "(", tight=True)]
    for place, block in enumerate(blocks):
        tokens += [Token("sign", ","), *block] if place else block
    return [*tokens, Token("sign", ")")]
