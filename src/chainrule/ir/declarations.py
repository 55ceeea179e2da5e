"""Declared properties of inputs: `S symmetric; p on the simplex; n > 0`.

A declaration holds for the values that a program is given. It is a fact of the points at which the program is
evaluated, not of the function: a gradient with respect to a symmetric matrix is that of all its entries, at a symmetric
matrix.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.ir.errors import DeclarationError
from chainrule.ir.nodes import Input
from chainrule.ir.types import ArrayType, shape_text
from chainrule.words import nearest, suggestion


class Property(enum.Enum):
    """A property of the values of an input; the value is its name in a declaration."""

    SYMMETRIC = "symmetric"
    SKEW = "skew-symmetric"
    DIAGONAL = "diagonal"
    ORTHOGONAL = "orthogonal"
    DEFINITE = "positive definite"
    SEMIDEFINITE = "positive semidefinite"
    POSITIVE = "positive"
    NONNEGATIVE = "nonnegative"
    SIMPLEX = "on the simplex"
    UNIT = "of unit length"

    @property
    def implies_symmetry(self) -> bool:
        """Whether a matrix with this property equals its transpose."""
        return self in (Property.SYMMETRIC, Property.DIAGONAL, Property.DEFINITE, Property.SEMIDEFINITE)

    @property
    def is_square(self) -> bool:
        """Whether only a square matrix can have this property."""
        return self.implies_symmetry or self in (Property.SKEW, Property.ORTHOGONAL)

    @property
    def rank(self) -> int | None:
        """The number of axes of one value with this property; None if it is a property of each element."""
        if self in (Property.SIMPLEX, Property.UNIT):
            return 1
        return 2 if self.is_square else None


_WORDS = {
    **{each.value: each for each in Property},
    "sym": Property.SYMMETRIC, "symm": Property.SYMMETRIC, "对称": Property.SYMMETRIC, "对称矩阵": Property.SYMMETRIC,
    "skew": Property.SKEW, "skew symmetric": Property.SKEW, "antisymmetric": Property.SKEW, "反对称": Property.SKEW,
    "diag": Property.DIAGONAL, "对角": Property.DIAGONAL, "对角矩阵": Property.DIAGONAL,
    "orth": Property.ORTHOGONAL, "正交": Property.ORTHOGONAL, "正交矩阵": Property.ORTHOGONAL,
    "orthonormal": Property.ORTHOGONAL,
    "pd": Property.DEFINITE, "spd": Property.DEFINITE, "symmetric positive definite": Property.DEFINITE,
    "正定": Property.DEFINITE,
    "psd": Property.SEMIDEFINITE, "symmetric positive semidefinite": Property.SEMIDEFINITE,
    "positive semi-definite": Property.SEMIDEFINITE, "半正定": Property.SEMIDEFINITE,
    "pos": Property.POSITIVE, "正": Property.POSITIVE, "为正": Property.POSITIVE,
    "nonneg": Property.NONNEGATIVE, "non-negative": Property.NONNEGATIVE, "非负": Property.NONNEGATIVE,
    "simplex": Property.SIMPLEX, "in the simplex": Property.SIMPLEX, "a probability vector": Property.SIMPLEX,
    "probabilities": Property.SIMPLEX, "在单纯形上": Property.SIMPLEX,
    "unit": Property.UNIT, "a unit vector": Property.UNIT, "unit length": Property.UNIT, "单位向量": Property.UNIT,
}  # fmt: skip
"""Every word or phrase for a property."""
SHORT_WORDS = {
    word: kind for word, kind in _WORDS.items() if word.isascii() and word.isalpha() and word != "probabilities"
}
"""The words that may follow the sizes of a shape, as in `"n n sym"`."""
_COMPARED = {
    ">": Property.POSITIVE, ">=": Property.NONNEGATIVE, "≥": Property.NONNEGATIVE, "⩾": Property.NONNEGATIVE,
    "≻": Property.DEFINITE, "⪰": Property.SEMIDEFINITE, "≽": Property.SEMIDEFINITE,
}  # fmt: skip
_NAME = r"[^\W\d]\w*"
_TRANSPOSE = r"(?:'|ᵀ|\.T|\^T|\^⊤)"
_COMPARISON = re.compile(rf"(?P<name>{_NAME})\s*(?P<sign>>=|>|[≥⩾≻⪰≽])\s*0")
_OWN_TRANSPOSE = re.compile(rf"(?P<name>{_NAME})(?:\s*=\s*(?P=name){_TRANSPOSE}|{_TRANSPOSE}\s*=\s*(?P=name))")
_OWN_INVERSE = re.compile(rf"(?P<name>{_NAME}){_TRANSPOSE}\s*[@*]?\s*(?P=name)\s*=\s*I")
_SENTENCE = re.compile(rf"(?P<name>{_NAME})\s*(?:\s+|:|∈|(?=[\u4e00-\u9fff]))\s*(?P<words>.+)", re.DOTALL)


@dataclass(frozen=True)
class Declaration:
    """The declaration that the input `name` has a property."""

    name: str
    property: Property

    def check(self, type_: ArrayType) -> None:
        """Raise DeclarationError if no value of a type has the property."""
        name, kind = self.name, self.property
        said = f"{name} is declared {kind.value}"
        if not type_.dtype.is_float:
            raise DeclarationError(f"{said}, but it holds {type_.dtype.value}; declare properties of float inputs")
        shape = shape_text(type_.shape) or "()"
        if kind.rank is not None and type_.ndim < kind.rank:
            what = "a matrix" if kind.rank == 2 else "a vector"
            mend = f'{name}="n n"' if kind.rank == 2 else f'{name}="n"'
            raise DeclarationError(
                f"{said}, which only {what} can be, but its shape is {shape}; state one, as in {mend}"
            )
        if kind.is_square and type_.shape[-1] != type_.shape[-2]:
            size = type_.shape[-1]
            raise DeclarationError(
                f'{said}, but its shape is {shape}; a matrix like this is square, as in {name}="{size} {size}"'
            )

    def __str__(self) -> str:
        return f"{self.name} {self.property.value}"


def parse_declarations(text: str) -> tuple[Declaration, ...]:
    """Parse `"S, Q symmetric; p on the simplex; n > 0"`; raise DeclarationError for text that declares nothing known.

    >>> [str(each) for each in parse_declarations("S, Q sym; W'W = I; n > 0")]
    ['S symmetric', 'Q symmetric', 'W orthogonal', 'n positive']
    """
    found: list[Declaration] = []
    for sentence in re.split("[;；\n]", text):
        if sentence.strip():
            found += _declared_by(sentence.strip())
    if not found:
        raise DeclarationError('assume declares nothing; write a name and a property, as in "S symmetric; n > 0"')
    return tuple(dict.fromkeys(found))


def _declared_by(sentence: str) -> list[Declaration]:
    found: list[Declaration] = []
    waiting: list[str] = []
    for part in re.split(r"\s*(?:[,，、]|\band\b|和)\s*", sentence):
        if re.fullmatch(_NAME, part):
            waiting.append(part)
            continue
        name, kind = _declared_in(part)
        found += [Declaration(each, kind) for each in (*waiting, name)]
        waiting = []
    if waiting:
        raise DeclarationError(f"assume names {waiting[0]} without a property; it can be {_listed()}")
    return found


def _declared_in(part: str) -> tuple[str, Property]:
    """Return what one relation or phrase declares, such as `n > 0`, `S' = S` or `S symmetric`."""
    if match := _COMPARISON.fullmatch(part):
        return match["name"], _COMPARED[match["sign"]]
    if match := _OWN_TRANSPOSE.fullmatch(part):
        return match["name"], Property.SYMMETRIC
    if match := _OWN_INVERSE.fullmatch(part):
        return match["name"], Property.ORTHOGONAL
    if match := _SENTENCE.fullmatch(part):
        return match["name"], _property(match["words"], part)
    raise DeclarationError(f'assume has {part!r}; write a name and a property, as in "S symmetric; n > 0"')


def _property(words: str, sentence: str) -> Property:
    phrase = re.sub(r"\s+", " ", words.strip().rstrip(".").casefold())
    found = _WORDS.get(phrase)
    if found is None:
        phrase = re.sub(r"^(?:is|are|has|have|lies|是|为)\s*", "", phrase)
        found = _WORDS.get(phrase)
    if found is None:
        found = _WORDS.get(re.sub("^(?:a|an|the) ", "", phrase).removesuffix(" matrix").removesuffix(" matrices"))
    if found is not None:
        return found
    near = nearest(phrase, _WORDS)
    meant = f" (did you mean {near}?)" if near else ""
    raise DeclarationError(f"assume says {sentence!r}, which is no property{meant}; it can be {_listed()}")


def _listed() -> str:
    return ", ".join(each.value for each in Property)


def checked(declarations: Iterable[Declaration], inputs: Sequence[Input]) -> tuple[Declaration, ...]:
    """Return the declarations, each once, ordered like the inputs; raise DeclarationError for one that cannot hold."""
    types = {node.name: node.type for node in inputs}
    found: dict[Declaration, None] = {}
    for each in declarations:
        if each.name not in types:
            hint = suggestion(each.name, types, f"; there are {', '.join(types)}")
            raise DeclarationError(f"assume names {each.name!r}, which is not an input of the function{hint}")
        each.check(types[each.name])
        found[each] = None
    for name in dict.fromkeys(each.name for each in found):
        _check_together(name, [each.property for each in found if each.name == name])
    order = list(types)
    return tuple(sorted(found, key=lambda each: order.index(each.name)))


_MATRICES = frozenset({Property.SYMMETRIC, Property.DEFINITE, Property.SEMIDEFINITE})
_SIGNS = frozenset({Property.POSITIVE, Property.NONNEGATIVE})
_TOGETHER = (
    _MATRICES | {Property.DIAGONAL, Property.NONNEGATIVE},
    _MATRICES | _SIGNS,
    _SIGNS | {Property.SIMPLEX},
    _SIGNS | {Property.UNIT},
    frozenset({Property.ORTHOGONAL, Property.SYMMETRIC}),
)
"""The sets of properties of which an input may have several."""


def _check_together(name: str, properties: Sequence[Property]) -> None:
    if len(properties) > 1 and not any(allowed.issuperset(properties) for allowed in _TOGETHER):
        listed = " and ".join(each.value for each in properties)
        raise DeclarationError(f"{name} is declared {listed}; these do not go together, declare one of them")
