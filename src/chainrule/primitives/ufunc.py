"""Primitives that correspond to one NumPy ufunc, from whose name most rules follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar, cast, get_args

import numpy as np

from chainrule.ir import ArrayType, Node, Operand
from chainrule.primitives.base import Array, Elementwise
from chainrule.primitives.emitter import MathFunction, Scalars
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import broadcast_together

S = TypeVar("S")

UFUNCS: dict[str, type[Ufunc]] = {}
"""All of them by name."""


class Ufunc(Elementwise, abstract=True):
    """The NumPy ufunc `name` on floats; a subclass states it and `partials`.

    Value and notation follow from the name, and so does the lowering if it is a `MathFunction`. Traced code, formulas
    and source targets find the function by its name.
    """

    name: ClassVar[str]

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        if not abstract:
            if not hasattr(cls, "name"):
                raise TypeError(f"the primitive {cls.__name__} lacks name")
            if cls.lower is Ufunc.lower and cls.name not in get_args(MathFunction):
                raise TypeError(f"the primitive {cls.__name__} lacks lower")
        super().__init_subclass__(abstract, **kwargs)
        if not abstract:
            UFUNCS[cls.name] = cls

    @classmethod
    def of(cls, *operands: Operand) -> Node:
        """Apply the function to `operands`, broadcast, as floats."""
        return cls()(*broadcast_together(*operands, floats=True))

    def value(self, *operands: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(getattr(np, self.name)(*operands))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call(self.name, tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.math(cast(MathFunction, self.name), *operands)
