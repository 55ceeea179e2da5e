"""Names for constant arrays, distinct from the user's names: I, 1 − I, and C, or C1, C2, …"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivation.names import name_parts
from chainrule.derivation.numerals import number_text
from chainrule.ir import Const, Dim, Node
from chainrule.primitives import Infix, Notation, Number, Symbol, is_identity

_LETTERS = "CKMHJ"
_SHORT = 12
"""The number of elements above which an array is summarised."""


@dataclass(frozen=True, eq=False)
class Constants:
    """The notation of each constant array; `identity` is the name of the identity matrix of any size.

    Where there are identity matrices of several sizes, `identities` has a name for each: I_n and I_d.
    """

    identity: Symbol
    identities: Mapping[Dim, Symbol]
    written: dict[Const, Notation]
    _further: Iterator[str]

    def of(self, node: Const) -> Notation:
        """Return the notation of a constant array; name it if it has no name."""
        if node not in self.written:
            alike = (each for each in self.written if np.array_equal(np.asarray(each.value), np.asarray(node.value)))
            known = next(alike, None)
            shown = _recognised(node, self.identity_of(node)) if known is None else self.written[known]
            self.written[node] = Symbol(next(self._further)) if shown is None else shown
        return self.written[node]

    def identity_of(self, node: Node) -> Symbol:
        """Return the name of an identity matrix of the size of `node`."""
        return self.identities.get(node.type.shape[0], self.identity) if node.type.ndim else self.identity

    @property
    def named(self) -> Iterator[tuple[Symbol, Const]]:
        """Yield the constants with names of their own."""
        for node, symbol in self.written.items():
            if isinstance(symbol, Symbol) and symbol not in (self.identity, *self.identities.values()):
                yield symbol, node


def name_constants(nodes: Iterable[Node], taken: Collection[str]) -> Constants:
    """Name the constant arrays among `nodes`, with names that look unlike those in `taken`."""
    used = {name_parts(name) for name in taken} | {(name, ()) for name in taken}
    heads = {head for head, _ in used}

    def is_free(name: str) -> bool:
        return name not in taken and name_parts(name) not in used

    nodes = list(dict.fromkeys(nodes))
    identity = Symbol(next(name for name in _identity_names() if is_free(name)))
    found = [node for node in nodes if isinstance(node, Const) and not node.is_filled]
    others = [node for node in found if _recognised(node, identity) is None]
    letter = next((letter for letter in _LETTERS if letter not in heads), "Const")
    alone = [letter] if len(others) == 1 and is_free(letter) else []
    numbered = filter(is_free, (letter + str(k) for k in itertools.count(1)))
    constants = Constants(identity, _identities(identity.name, nodes, is_free), {}, itertools.chain(alone, numbered))
    for node in found:
        constants.of(node)
    return constants


def _identities(name: str, nodes: Iterable[Node], is_free: Callable[[str], bool]) -> dict[Dim, Symbol]:
    """Return I_n and I_d for identity matrices of several sizes, if these are free names; else nothing."""
    squares = [node for node in nodes if node.type.ndim == 2 and (is_identity(node) or _is_constant_identity(node))]
    names = {node.type.shape[0]: f"{name}_{node.type.shape[0]}" for node in squares}
    fit = len(names) > 1 and all(str(size).isalnum() and is_free(named) for size, named in names.items())
    return {size: Symbol(named) for size, named in names.items()} if fit else {}


def _is_constant_identity(node: Node) -> bool:
    return isinstance(node, Const) and not node.is_filled and _recognised(node, Symbol("I")) is not None


def _recognised(node: Const, identity: Symbol) -> Notation | None:
    """Return the notation of I and 1 − I; None for other constants."""
    values = np.asarray(node.value)
    if _is_identity(values):
        return identity
    return Infix("−", (Number(1), identity)) if _is_identity(1 - _numbers(values)) else None


def _identity_names() -> Iterator[str]:
    yield from ("I", "Id", "Eye")
    yield from (f"I_{k}" for k in itertools.count(1))


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(float)


def _is_identity(values: NDArray[Any]) -> bool:
    square = values.ndim == 2 and values.shape[0] == values.shape[1]
    return square and bool(np.array_equal(_numbers(values), np.eye(len(values))))


def description(node: Const) -> str:
    """Describe a constant array in a few words."""
    return described(np.asarray(node.value))


def described(values: NDArray[Any]) -> str:
    """Describe an array: its elements, or its shape and a summary of them.

    >>> described(np.arange(3))
    '[0, 1, 2]'
    >>> described(np.arange(20) * 1.0)
    '[0, 1, …, 19]'
    >>> described(np.zeros((30, 4)) + np.arange(4))
    '30×4; 0 … 3'
    """
    if values.size <= _SHORT:
        return _listed(values)
    if values.ndim == 1 and np.array_equal(_numbers(values), np.arange(values.size)):
        return f"[0, 1, …, {values.size - 1}]"
    shape = "×".join(map(str, values.shape)) if values.ndim > 1 else f"[{_number(values[0])}, {_number(values[1])}, …]"
    different = np.unique(_numbers(values))
    if len(different) <= 2:
        ranges = " / ".join(map(_number, different))
    else:
        ranges = f"{_number(different[0])} … {_number(different[-1])}"
    return f"{shape}; {ranges}"


def _listed(values: NDArray[Any]) -> str:
    if values.ndim == 0:
        return _number(values.item())
    return "[" + ", ".join(_listed(np.asarray(each)) for each in values) + "]"


def _number(value: Any) -> str:
    number = np.asarray(value).item()
    if isinstance(number, bool | int):
        return number_text(number)
    exact = number_text(number)
    return exact if len(exact) <= 8 else number_text(float(f"{number:.6g}"))
