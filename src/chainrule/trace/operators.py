"""The operators of traced values: each is a NumPy ufunc, applied as NumPy applies it to the operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _operator(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return _binary(ufunc, self, self, other)

    return method


def _reflected(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return _binary(ufunc, self, other, self)

    return method


def _in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Implement `x += y`: a new number for a number; for an array, a write, which its other names and views see."""

    def method(self: Any, other: Any) -> Any:
        result = _binary(ufunc, self, self, other)
        if result is NotImplemented or not self.is_array:
            return result
        self.overwrite(result, f"np.{ufunc.__name__}", exactly=True)
        return self

    return method


def _compared(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Implement `==` and `!=`; arrays are compared elementwise even with None or a string."""

    def method(self: Any, other: Any) -> Any:
        if self.ndim and (other is None or isinstance(other, str)):
            return np.full_like(self, ufunc is np.not_equal, dtype=bool)
        return _binary(ufunc, self, self, other)

    return method


def _binary(ufunc: np.ufunc, self: Any, left: Any, right: Any) -> Any:
    if left is None or right is None or isinstance(left, str) or isinstance(right, str):
        return NotImplemented
    return self.__array_ufunc__(ufunc, "__call__", left, right)


class NumberOperators:
    """The operators that values and symbolic sizes have in common."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    __truediv__ = _operator(np.true_divide)
    __rtruediv__ = _reflected(np.true_divide)
    __pow__ = _operator(np.power)
    __rpow__ = _reflected(np.power)
    __lt__ = _operator(np.less)
    __le__ = _operator(np.less_equal)
    __gt__ = _operator(np.greater)
    __ge__ = _operator(np.greater_equal)


class ArrayOperators(NumberOperators):
    """The other operators of arrays; those in place write to `overwrite` of an array, as NumPy's do."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # as for arrays: equality is elementwise

    __add__ = _operator(np.add)
    __radd__ = _reflected(np.add)
    __sub__ = _operator(np.subtract)
    __rsub__ = _reflected(np.subtract)
    __mul__ = _operator(np.multiply)
    __rmul__ = _reflected(np.multiply)
    __matmul__ = _operator(np.matmul)
    __rmatmul__ = _reflected(np.matmul)
    __floordiv__ = _operator(np.floor_divide)
    __rfloordiv__ = _reflected(np.floor_divide)
    __divmod__ = _operator(np.divmod)
    __rdivmod__ = _reflected(np.divmod)
    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.true_divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __imod__ = _in_place(np.remainder)
    __ipow__ = _in_place(np.power)
    __imatmul__ = _in_place(np.matmul)
    __iand__ = _in_place(np.bitwise_and)
    __ior__ = _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)
    __ilshift__ = _in_place(np.left_shift)
    __irshift__ = _in_place(np.right_shift)
    __mod__ = _operator(np.remainder)
    __rmod__ = _reflected(np.remainder)
    __and__ = _operator(np.bitwise_and)
    __rand__ = _reflected(np.bitwise_and)
    __or__ = _operator(np.bitwise_or)
    __ror__ = _reflected(np.bitwise_or)
    __xor__ = _operator(np.bitwise_xor)
    __rxor__ = _reflected(np.bitwise_xor)
    __lshift__ = _operator(np.left_shift)
    __rlshift__ = _reflected(np.left_shift)
    __rshift__ = _operator(np.right_shift)
    __rrshift__ = _reflected(np.right_shift)
    __eq__ = _compared(np.equal)
    __ne__ = _compared(np.not_equal)

    def __pos__(self) -> Any:
        return np.positive(self)

    def __neg__(self) -> Any:
        return np.negative(self)

    def __abs__(self) -> Any:
        return np.abs(self)

    def __invert__(self) -> Any:
        return np.invert(self)
