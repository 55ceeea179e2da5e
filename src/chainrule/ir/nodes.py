"""The expressions of a program: a closed set of three node kinds, immutable and interned.

With interning, equality of expressions is identity: the same operation on the same operands is the same object, so
common subexpressions are always shared. Nodes are created only by `Input`, `Const` and `Apply`, and an `Apply` is
type-checked at construction. Pattern matching mirrors construction: `case Apply(Multiply(), (Const(2), x))`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NoReturn, Protocol, TypeAlias, TypeGuard, final

import numpy as np
from numpy.typing import NDArray

from chainrule.ir.dims import Dim, SymbolicDim
from chainrule.ir.errors import ProgramError
from chainrule.ir.locks import fork_safe_lock
from chainrule.ir.types import ArrayType, DType

Literal: TypeAlias = "float | int | bool | SymbolicDim | NDArray[Any]"


class Operation(Protocol):
    """The interface of primitives that `Apply` requires."""

    def type(self, *operands: ArrayType) -> ArrayType: ...

    def bind(self, sizes: Mapping[str, Dim], float_dtype: DType | None) -> Operation: ...


_interned: weakref.WeakValueDictionary[Hashable, Node] = weakref.WeakValueDictionary()
_lock = fork_safe_lock()

OPERATORS: dict[str, Callable[..., Node]] = {}
"""The implementations of `+ - * / ** @ neg T` on nodes, registered by `primitives`."""


class Node:
    """An expression with a type. Compared by identity; arithmetic on nodes builds further nodes."""

    __slots__ = ("__weakref__", "type")
    type: ArrayType

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"nodes are immutable; {type(self).__name__}.{name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"nodes are immutable; {type(self).__name__}.{name} cannot be deleted")

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self

    def __add__(self, other: Operand) -> Node:
        return OPERATORS["+"](self, other)

    def __radd__(self, other: Operand) -> Node:
        return OPERATORS["+"](other, self)

    def __sub__(self, other: Operand) -> Node:
        return OPERATORS["-"](self, other)

    def __rsub__(self, other: Operand) -> Node:
        return OPERATORS["-"](other, self)

    def __mul__(self, other: Operand) -> Node:
        return OPERATORS["*"](self, other)

    def __rmul__(self, other: Operand) -> Node:
        return OPERATORS["*"](other, self)

    def __truediv__(self, other: Operand) -> Node:
        return OPERATORS["/"](self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return OPERATORS["/"](other, self)

    def __pow__(self, other: Operand) -> Node:
        return OPERATORS["**"](self, other)

    def __rpow__(self, other: Operand) -> Node:
        return OPERATORS["**"](other, self)

    def __matmul__(self, other: Operand) -> Node:
        return OPERATORS["@"](self, other)

    def __neg__(self) -> Node:
        return OPERATORS["neg"](self)


Operand: TypeAlias = "Node | float | int | SymbolicDim"


def _intern(cls: type[Node], key: Hashable, fields: dict[str, object]) -> Any:
    with _lock:
        found = _interned.get(key)
        if found is None:
            found = object.__new__(cls)
            for name, value in fields.items():
                object.__setattr__(found, name, value)
            _interned[key] = found
        return found


@final
class Input(Node):
    """A free variable of a program."""

    __slots__ = ("name",)
    __match_args__ = ("name", "type")
    name: str

    def __new__(cls, name: str, type: ArrayType) -> Input:
        node: Input = _intern(cls, (cls, name, type), {"name": name, "type": type})
        return node

    def __reduce__(self) -> tuple[Any, ...]:
        return Input, (self.name, self.type)

    def __repr__(self) -> str:
        return f"Input({self.name!r}, {self.type})"


@final
class Const(Node):
    """A literal: one number (or size) that fills `type.shape`, or an array of exactly that shape.

    A pattern matches the fill value, which an array does not have: `case Const(1)`, `case Const(SymbolicDim() as
    size)`.
    """

    __slots__ = ("value",)
    __match_args__ = ("fill", "type")
    value: Literal

    def __new__(cls, value: Literal | Dim, type: ArrayType) -> Const:
        key: Hashable
        if isinstance(value, np.ndarray):
            if value.shape != type.shape or value.dtype != type.dtype.numpy:
                raise ProgramError(f"a literal of shape {value.shape} and dtype {value.dtype} is not of type {type}")
            if value.flags.writeable:
                value = value.copy()
                value.flags.writeable = False
            key = (cls, type, value.tobytes() if value.nbytes <= 4096 else id(value))
        elif isinstance(value, SymbolicDim):
            key = (cls, type, value)
        else:
            if type.dtype is DType.FLOAT64:
                value = float(value)
            else:
                with np.errstate(over="ignore"):  # a number out of range is infinite, as in arithmetic
                    value = type.dtype.numpy.type(value).item()
            key = (cls, type, repr(value))
        node: Const = _intern(cls, key, {"value": value, "type": type})
        return node

    def __reduce__(self) -> tuple[Any, ...]:
        return Const, (self.value, self.type)

    def __repr__(self) -> str:
        return f"Const({self.value!r}, {self.type})"

    @property
    def fill(self) -> float | int | bool | SymbolicDim | None:
        """The number or size that fills the whole shape; None for an array."""
        return None if isinstance(self.value, np.ndarray) else self.value

    @property
    def is_filled(self) -> bool:
        """Whether one number fills the whole shape."""
        return not isinstance(self.value, np.ndarray)

    def filled_with(self, number: float) -> bool:
        """Whether every element is the literal `number`."""
        return not isinstance(self.value, np.ndarray | SymbolicDim) and self.value == number


@final
class Apply(Node):
    """A primitive applied to operands; its type is inferred from theirs, and construction raises if that fails."""

    __slots__ = ("operands", "primitive")
    __match_args__ = ("primitive", "operands")
    primitive: Any
    operands: tuple[Node, ...]

    def __new__(cls, primitive: Operation, operands: tuple[Node, ...]) -> Apply:
        for operand in operands:
            if not isinstance(operand, Node):
                raise ProgramError(f"{operand!r} is not a node; wrap a literal in Const")
        key = (cls, primitive, operands)
        found = _interned.get(key)
        if isinstance(found, Apply):
            return found
        result = primitive.type(*(operand.type for operand in operands))
        node: Apply = _intern(cls, key, {"primitive": primitive, "operands": operands, "type": result})
        return node

    def __reduce__(self) -> tuple[Any, ...]:
        return Apply, (self.primitive, self.operands)

    def __repr__(self) -> str:
        return f"Apply({self.primitive}, {self.type})"


def applies(node: object, *primitives: type) -> TypeGuard[Apply]:
    """Whether `node` is a primitive of one of these classes applied to operands."""
    return isinstance(node, Apply) and isinstance(node.primitive, primitives)
