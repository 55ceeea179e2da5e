"""Complex numbers while a function is traced: a pair of real arrays, which are recorded.

They come from Fourier transforms and from complex numbers in the code, such as `np.exp(1j * x)`. What is linear treats
the two parts alike, what is bilinear multiplies them out; the other functions are written by modulus and angle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import Any, Final, NoReturn

import numpy as np

from chainrule.trace.operators import ArrayOperators
from chainrule.trace.source import refusal

Part = Any
"""An array, traced or not; None for a part that is 0 everywhere."""


class ComplexValue(ArrayOperators):
    """A complex array `real + 1j * imag`, of which at least one part is traced or was."""

    __slots__ = ("_imag", "_real")
    __hash__ = None  # as for arrays: equality is elementwise
    dtype: Final = np.dtype(np.complex128)

    def __init__(self, real: Part, imag: Part) -> None:
        if real is not None and imag is not None and np.shape(real) != np.shape(imag):
            real, imag = np.broadcast_arrays(real, imag)
        self._real = real
        self._imag = imag

    @property
    def parts(self) -> tuple[Part, Part]:
        """The parts, of which one may be None."""
        return self._real, self._imag

    @property
    def real(self) -> Any:
        return self._imag * 0.0 if self._real is None else self._real

    @property
    def imag(self) -> Any:
        return self._real * 0.0 if self._imag is None else self._imag

    @property
    def _known(self) -> Any:
        return self._imag if self._real is None else self._real

    @property
    def shape(self) -> Any:
        return np.shape(self._known)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Any:
        return np.size(self._known)

    @property
    def T(self) -> Any:
        return np.transpose(self)

    def conj(self) -> Any:
        return np.conjugate(self)

    conjugate = conj

    def reshape(self, *shape: Any, **options: Any) -> Any:
        return self._both(lambda part: part.reshape(*shape, **options))

    def transpose(self, *axes: Any) -> Any:
        return self._both(lambda part: part.transpose(*axes))

    def copy(self) -> ComplexValue:
        return ComplexValue(self._real, self._imag)

    def _both(self, function: Callable[[Any], Any]) -> ComplexValue:
        return ComplexValue(*(None if part is None else function(part) for part in self.parts))

    def __getitem__(self, index: Any) -> Any:
        return self._both(lambda part: part[index])

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise refusal("an assignment to elements of a complex array is not recorded; write np.where or np.concatenate")

    def __len__(self) -> int:
        return len(self._known)

    def __neg__(self) -> Any:
        return np.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return np.abs(self)

    def __bool__(self) -> NoReturn:
        raise refusal("a complex value has no truth while it is recorded; compare a real part, and use np.where")

    def overwrite(self, result: Any, name: str, exactly: bool) -> NoReturn:
        raise refusal(f"{name} in place on a complex array is not recorded; write it as an expression, x = x + y")

    @property
    def is_array(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name, None)
        if function in _PARTWISE or function in _FUNCTIONS:
            return partial(function, self)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            raise _unsupported(name)
        raise AttributeError(f"a complex traced value has no attribute {name!r}")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        raise refusal("a complex array has no numbers yet while it is recorded; use NumPy functions on it")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return complex_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return complex_function(function, args, kwargs)

    def __chainrule_call__(self, *args: object) -> NoReturn:
        raise refusal("this function takes real arrays, and the argument is complex; pass z.real or np.abs(z)")


def is_complex(value: object) -> bool:
    """Whether a value is a complex number or array, recorded or not."""
    if type(value) is ComplexValue:
        return True
    return isinstance(value, complex | np.complexfloating) or (type(value) is np.ndarray and value.dtype.kind == "c")


def holds_complex(values: Iterable[Any]) -> bool:
    """Whether there is a complex value among `values`, or in lists and tuples of them."""
    for value in values:
        if type(value) in (list, tuple):
            if holds_complex(value):
                return True
        elif is_complex(value):
            return True
    return False


def _parts(value: Any) -> tuple[Part, Part]:
    """Return the parts of a value of any kind."""
    if type(value) is ComplexValue:
        return value.parts
    if not is_complex(value):
        return value, None
    real, imag = np.real(value), np.imag(value)
    return (real if np.any(real) else None, imag) if np.any(imag) else (real, None)


def _made(real: Part, imag: Part) -> ComplexValue:
    return ComplexValue(0.0 if real is None and imag is None else real, imag)


def plus(x: Part, y: Part) -> Part:
    """Return the sum of two parts."""
    return y if x is None else x if y is None else x + y


def minus(x: Part, y: Part) -> Part:
    """Return the difference of two parts."""
    return x if y is None else -y if x is None else x - y


def _bilinear(function: Callable[..., Any], x: Any, y: Any, **options: Any) -> ComplexValue:
    """Multiply out a function that is linear in both of its arguments."""
    (a, b), (c, d) = _parts(x), _parts(y)

    def of(u: Part, v: Part) -> Part:
        return None if u is None or v is None else function(u, v, **options)

    return _made(minus(of(a, c), of(b, d)), plus(of(a, d), of(b, c)))


def _divided(x: Any, y: Any) -> ComplexValue:
    a, b = _parts(y)
    if b is None:
        return _made(*(None if part is None else part / a for part in _parts(x)))
    below = b * b if a is None else a * a + b * b
    product = _bilinear(np.multiply, x, _conjugated(y))
    return _made(*(None if part is None else part / below for part in product.parts))


def _conjugated(x: Any) -> ComplexValue:
    real, imag = _parts(x)
    return ComplexValue(real, None if imag is None else -imag)


def _absolute(x: Any) -> Any:
    real, imag = _parts(x)
    return np.abs(real) if imag is None else np.abs(imag) if real is None else np.hypot(real, imag)


def _angle(z: Any, deg: bool = False) -> Any:
    real, imag = _parts(z)
    one = imag if real is None else real
    angle = np.arctan2(one * 0.0 if imag is None else imag, one * 0.0 if real is None else real)
    return np.degrees(angle) if deg else angle


def _polar(size: Any, angle: Any) -> ComplexValue:
    return ComplexValue(size * np.cos(angle), size * np.sin(angle))


def _exp(x: Any) -> ComplexValue:
    real, imag = _parts(x)
    if imag is None:
        return ComplexValue(np.exp(real), None)
    size = 1.0 if real is None else np.exp(real)
    return _polar(size, imag)


def _log(x: Any) -> ComplexValue:
    return ComplexValue(np.log(_absolute(x)), _angle(x))


def _sqrt(x: Any) -> ComplexValue:
    return _polar(np.sqrt(_absolute(x)), _angle(x) / 2)


def _square(x: Any) -> ComplexValue:
    real, imag = _parts(x)
    if real is None or imag is None:
        return _made(-(imag * imag) if real is None else real * real, None)
    return ComplexValue(real * real - imag * imag, 2.0 * real * imag)


def _power(x: Any, y: Any) -> ComplexValue:
    """A power; by products for a small whole exponent, else by modulus and angle."""
    if isinstance(y, int | np.integer) or (isinstance(y, float) and y.is_integer()):
        exponent = int(y)
        if abs(exponent) <= 16:
            result = ComplexValue(1.0, None)
            for digit in f"{abs(exponent):b}":
                result = _square(result)
                result = _bilinear(np.multiply, result, x) if digit == "1" else result
            return result if exponent >= 0 else _divided(1.0, result)
    return _exp(_bilinear(np.multiply, y, _log(x)))


def _sinh(x: Any) -> ComplexValue:
    real, imag = x.real, x.imag
    return ComplexValue(np.sinh(real) * np.cos(imag), np.cosh(real) * np.sin(imag))


def _cosh(x: Any) -> ComplexValue:
    real, imag = x.real, x.imag
    return ComplexValue(np.cosh(real) * np.cos(imag), np.sinh(real) * np.sin(imag))


def _sin(x: Any) -> ComplexValue:
    real, imag = x.real, x.imag
    return ComplexValue(np.sin(real) * np.cosh(imag), np.cos(real) * np.sinh(imag))


def _cos(x: Any) -> ComplexValue:
    real, imag = x.real, x.imag
    return ComplexValue(np.cos(real) * np.cosh(imag), -(np.sin(real) * np.sinh(imag)))


def _equal(x: Any, y: Any) -> Any:
    difference = _made(*map(minus, _parts(x), _parts(y)))
    return (difference.real == 0) & (difference.imag == 0)


_UFUNCS: Final[dict[str, Callable[..., Any]]] = {
    "add": lambda x, y: _made(*map(plus, _parts(x), _parts(y))),
    "subtract": lambda x, y: _made(*map(minus, _parts(x), _parts(y))),
    "multiply": partial(_bilinear, np.multiply),
    "matmul": partial(_bilinear, np.matmul),
    "divide": _divided,
    "negative": lambda x: _made(*(None if part is None else -part for part in _parts(x))),
    "positive": lambda x: x,
    "conjugate": _conjugated,
    "absolute": _absolute,
    "reciprocal": lambda x: _divided(1.0, x),
    "square": _square,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "power": _power,
    "float_power": _power,
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x: _divided(_sin(x), _cos(x)),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": lambda x: _divided(_sinh(x), _cosh(x)),
    "equal": _equal,
    "not_equal": lambda x, y: ~_equal(x, y),
    "isfinite": lambda x: np.isfinite(x.real) & np.isfinite(x.imag),
    "isnan": lambda x: np.isnan(x.real) | np.isnan(x.imag),
    "isinf": lambda x: np.isinf(x.real) | np.isinf(x.imag),
}
"""By the ufunc's name."""

_PARTWISE: Final = {
    *(np.sum, np.mean, np.cumsum, np.reshape, np.transpose, np.moveaxis, np.swapaxes, np.squeeze, np.expand_dims),
    *(np.ravel, np.roll, np.flip, np.fliplr, np.flipud, np.rot90, np.repeat, np.tile, np.trace, np.diagonal, np.diag),
    *(np.tril, np.triu, np.take, np.take_along_axis, np.diff, np.broadcast_to, np.atleast_1d, np.atleast_2d, np.copy),
    *(np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack, np.append, np.average, np.pad),
    *(np.split, np.array_split, np.delete, np.zeros_like),
}
"""Functions that treat the real parts and the imaginary parts of their arrays alike."""

_BILINEAR: Final = {np.dot, np.inner, np.outer, np.tensordot, np.kron, np.convolve, np.cross}
_IGNORED: Final = {np.ndim, np.shape, np.size, np.iscomplexobj, np.isrealobj}
"""Functions of the kind of an array, which NumPy itself computes."""


def _with_part(value: Any, place: int) -> Any:
    """Return a tree of arguments with the real parts (place 0) or the imaginary ones (1) of its arrays."""
    if type(value) in (list, tuple):
        return type(value)(_with_part(each, place) for each in value)
    if is_complex(value):
        parts = _parts(value)
        return parts[place] if parts[place] is not None else parts[1 - place] * 0.0
    return value if place == 0 or not _is_real_array(value) else value * 0.0


def _is_real_array(value: object) -> bool:
    """Whether a value is an array of floats, of which the imaginary part is 0."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _partwise(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    first = args[0]
    if type(first) is ComplexValue:  # a part that is 0 stays so
        results = [None if part is None else function(part, *args[1:], **kwargs) for part in first.parts]
        if not any(isinstance(result, list | tuple) for result in results) and not holds_complex(args[1:]):
            return _made(*results)
    real, imag = (function(*_with_part(args, place), **kwargs) for place in (0, 1))
    if isinstance(real, list | tuple):
        return type(real)(ComplexValue(a, b) for a, b in zip(real, imag, strict=True))
    return ComplexValue(real, imag)


def _where(condition: Any, x: Any, y: Any) -> ComplexValue:
    parts = zip(_parts(x), _parts(y), strict=True)
    return _made(
        *(
            None if a is None and b is None else np.where(condition, 0.0 if a is None else a, 0.0 if b is None else b)
            for a, b in parts
        )
    )


def _einsum(subscripts: Any, *operands: Any, **options: Any) -> Any:
    if not isinstance(subscripts, str) or len(operands) > 2:
        raise refusal("np.einsum of complex arrays is recorded for letters and two arrays; multiply two at a time")
    if len(operands) == 1:
        return ComplexValue(*(np.einsum(subscripts, part, **options) for part in (operands[0].real, operands[0].imag)))
    return _bilinear(partial(np.einsum, subscripts), *operands, **options)


def _vdot(a: Any, b: Any) -> ComplexValue:
    return _bilinear(np.vdot, _conjugated(a), b)


def _variance(x: Any, *args: Any, **options: Any) -> Any:
    return np.var(x.real, *args, **options) + np.var(x.imag, *args, **options)


def _prod(a: Any, axis: int | None = None) -> Any:
    rows = np.ravel(a) if axis is None else np.moveaxis(a, axis, 0)
    return reduce(partial(_bilinear, np.multiply), (rows[k] for k in range(len(rows))))


_FUNCTIONS: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    np.angle: _angle,
    np.real: lambda val: val.real,
    np.imag: lambda val: val.imag,
    np.where: _where,
    np.einsum: _einsum,
    np.vdot: _vdot,
    np.var: _variance,
    np.std: lambda x, *args, **options: np.sqrt(_variance(x, *args, **options)),
    np.prod: _prod,
    np.linalg.norm: lambda x, *args, **options: np.linalg.norm(_absolute(x), *args, **options),
    np.isclose: lambda a, b, rtol=1e-5, atol=1e-8: _absolute(a - b) <= atol + rtol * _absolute(b),
    np.real_if_close: lambda a, tol=100: a,
    np.iscomplex: lambda x: x.imag != 0,
    np.isreal: lambda x: x.imag == 0,
    np.correlate: lambda a, v, mode="valid": _bilinear(np.correlate, a, _conjugated(v), mode=mode),
}


def complex_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply a ufunc to values of which some are complex."""
    if method == "reduce" and ufunc is np.add:
        return _partwise(np.sum, inputs, {"axis": 0, **kwargs})
    if method == "outer" and ufunc is np.multiply:
        return _bilinear(np.multiply.outer, *inputs)
    handler = _UFUNCS.get(ufunc.__name__)
    if handler is None or method != "__call__" or kwargs:
        raise _unsupported(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
    return handler(*(_recorded(value) for value in inputs))


def _recorded(value: Any) -> Any:
    return ComplexValue(*_parts(value)) if is_complex(value) else value


def complex_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply a NumPy function that is no ufunc to values of which some are complex."""
    if function in TRANSFORMS:
        return TRANSFORMS[function](*args, **kwargs)
    if function in _FUNCTIONS:
        return _FUNCTIONS[function](*args, **kwargs)
    if function in _BILINEAR:
        x, y, *further = args
        return _bilinear(partial(function, **_named(function, further), **kwargs), x, y)
    if function in _PARTWISE:
        return _partwise(function, args, kwargs)
    if function in _IGNORED:
        return function.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]  # beneath NumPy's dispatch
    raise _unsupported(f"{function.__module__}.{function.__name__}".removeprefix("numpy."))


def _named(function: Callable[..., Any], further: list[Any]) -> dict[str, Any]:
    names = {np.tensordot: "axes", np.convolve: "mode"}
    return {names[function]: further[0]} if further else {}


def _unsupported(name: str) -> Exception:
    return refusal(
        f"np.{name} of complex values is not recorded; there are arithmetic, exp, log, sqrt, powers, sums, matrix "
        "products, Fourier transforms, np.abs, np.angle, np.conj, and the parts z.real and z.imag"
    )


TRANSFORMS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""Fourier transforms, which take real values too; entered by `transforms`."""
