"""Functions without a definition, for derivations that hold for every function."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from chainrule.functions.calling import call
from chainrule.ir import Dim, Node, ProgramError, ShapeError, parse_shape, shape_text
from chainrule.primitives import Abstract, AbstractMap, as_floats, broadcast_together, cast, common_dtype

_ARROWS = re.compile(r"→|\\(?:to|rightarrow)\b")
_TIMES = re.compile(r"×|\\times\b|\bx\b|,")
_SPACE = re.compile(r"(?:ℝ|\\mathbb\s*\{?\s*R\s*\}?|R)\s*(?:\^\s*\{?\s*(\w+)\s*\}?|(.*))")


def function(name: str, sizes: str | None = None) -> Callable[..., Any]:
    """Return a function `name` without a definition, for use in derivations.

    Parameters
    ----------
    name
        Its name in formulas: an identifier.
    sizes
        None for an elementwise function of one or more arrays, which broadcast. `"n -> m"` for a function from vectors
        of length n to vectors of length m, with a Jacobian J_f; `"n ->"` for one from vectors to numbers, with a
        gradient ∇f; `"(n, k) -> m"` for one of two vectors, with the Jacobians ∂₁f and ∂₂f. A symbolic size matches any
        size. The same as on paper: `"R^n -> R^m"`, `"ℝⁿ → ℝ"`, `"R^n x R^k -> R^m"`; `"R -> R"` is elementwise.

    Raises
    ------
    ProgramError
        For a name that is not an identifier, or sizes of another form; and if the function is called with numbers or in
        training, since it has no values.

    Examples
    --------
    >>> import chainrule as cr
    >>> f, g = cr.function("f"), cr.function("g")
    >>> derivation = cr.derive(lambda x: f(g(x)), x="")
    >>> print(*(line.strip("│ ") for line in derivation.text(detail="brief").splitlines() if "│ ∂L/∂x" in line))
    ∂L/∂x = f′(g(x)) · g′(x)                                             scalar

    """
    Abstract(name, (0,))  # rejects an invalid name
    sizes = None if sizes is None else plain_sizes(sizes)
    given = None if sizes is None else sizes_of(name, sizes)

    def applied(*arguments: Any) -> Any:
        if given is None:
            return call(_elementwise, *arguments, name=name)
        if len(arguments) != len(given[0]):
            raise ProgramError(
                f"{name} is given {len(arguments)} arguments, and its sizes are those of {len(given[0])}"
            )
        return call(_map, *arguments, name=name, given=given[0], outputs=given[1])

    applied.__name__ = applied.__qualname__ = name
    return applied


def plain_sizes(text: str) -> str | None:
    """Rewrite spaces, as in "ℝⁿ → ℝ", as sizes; None for a function of numbers, and text of other forms as it is.

    >>> plain_sizes("R^n x R^k -> R^m"), plain_sizes("ℝⁿ → ℝ"), plain_sizes("R -> R"), plain_sizes("n -> m")
    ('(n, k) -> m', '(n) -> ', None, 'n -> m')
    """
    text = _ARROWS.sub("->", text)
    left, arrow, right = text.partition("->")
    left = left.strip()
    if left.startswith("(") and left.endswith(")"):
        left = left[1:-1]
    given, result = [_dimension(part) for part in _TIMES.split(left)], _dimension(right)
    if not arrow or result is None or None in given or ("" in given and (any(given) or result)):
        return text
    return f"({', '.join(map(str, given))}) -> {result}" if any(given) else None


def _dimension(space: str) -> str | None:
    """Return the n of "R^n", "" for "R", and None for what is no space."""
    match = _SPACE.fullmatch(space.strip())
    if match is None:
        return None
    raised = match[2] or ""
    if not all(unicodedata.decomposition(letter).startswith("<super>") for letter in raised):
        return None
    return match[1] or unicodedata.normalize("NFKC", raised)


def sizes_of(name: str, text: str) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
    """Parse `"n -> m"` or `"(n, k) -> m"`: return the lengths of the arguments and the shape of the result."""
    left, arrow, right = text.partition("->")
    left = left.strip()
    parts = left[1:-1].split(",") if left.startswith("(") and left.endswith(")") else [left]
    try:
        shapes, outputs = [parse_shape(part) for part in parts], parse_shape(right)
    except ShapeError as error:
        raise ProgramError(f"the sizes of {name}: {error}") from None
    if not arrow or any(len(shape) != 1 for shape in shapes) or len(outputs) > 1:
        raise ProgramError(
            f"the sizes of {name} are {text!r}; write them as in 'n -> m', '(n, k) -> m' for two vectors, or 'n ->' "
            "for a function that gives a number"
        )
    return tuple(size for (size,) in shapes), outputs


def _elementwise(*arguments: Node, name: str) -> Node:
    if not arguments:
        raise ProgramError(f"{name} takes at least one argument")
    return Abstract(name, (0,) * len(arguments))(*broadcast_together(*arguments, floats=True))


def _map(*arguments: Node, name: str, given: tuple[Dim, ...], outputs: tuple[Dim, ...]) -> Node:
    dtype = common_dtype([as_floats(x) for x in arguments])
    nodes = [cast(x, dtype) for x in arguments]
    for node, length in zip(nodes, given, strict=True):
        if node.type.ndim != 1:
            raise ShapeError(f"{name} takes a vector, not an array of shape {shape_text(node.type.shape)}")
        (size,) = node.type.shape
        if isinstance(length, int) and size != length:
            raise ShapeError(f"{name} takes a vector of {length} numbers, not of {size}")
    return AbstractMap(name, outputs, (), len(nodes))(*nodes)
