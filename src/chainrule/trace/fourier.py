"""`np.fft`: transforms of real and complex values, with real results where NumPy's are real."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, cast

import numpy as np

from chainrule import functions, primitives
from chainrule.schema import shown
from chainrule.trace.complex_values import TRANSFORMS as TRANSFORMS
from chainrule.trace.complex_values import ComplexValue, minus, plus
from chainrule.trace.source import refusal

Norm = Literal["backward", "ortho", "forward"]
_NORMS: Final = ("backward", "ortho", "forward")


def _part(value: Any, axis: int, imaginary: bool) -> Any:
    return functions.call(primitives.imaginary_fourier if imaginary else primitives.real_fourier, value, axis=axis)


def _parts(x: Any) -> tuple[Any, Any]:
    return x.parts if type(x) is ComplexValue else (x, None)


def _transformed(x: Any, axis: int, inverse: bool) -> tuple[Any, Any]:
    """Return the parts of the transform, without a factor: (C − iS)(a + ib) with C = Re F and −S = Im F."""
    real, imag = _parts(x)
    cosines = [None if part is None else _part(part, axis, False) for part in (real, imag)]
    sines = [None if part is None else _part(part, axis, True) for part in (real, imag)]
    if inverse:
        return plus(cosines[0], sines[1]), minus(cosines[1], sines[0])
    return minus(cosines[0], sines[1]), plus(cosines[1], sines[0])


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise refusal(f"{name} takes whole numbers as axes and lengths, and {shown(value)} is none")
    return int(value)


def _axis(x: Any, axis: object, name: str) -> int:
    """Return an axis of an array, not negative."""
    if not hasattr(x, "ndim"):
        raise refusal(f"{name} takes an array; make one of its parts by np.stack")
    return primitives.normalize_axes(_whole(axis, name), x.ndim)[0]


def _length(x: Any, axis: object, name: str) -> int:
    length = x.shape[_axis(x, axis, name)]
    if not isinstance(length, int):
        raise refusal(
            f"{name} along an axis of the named size {length} needs its number; give it, as in x=(100,) for x='n'"
        )
    return length


def _resized(x: Any, n: int | None, axis: int, name: str) -> Any:
    """Return `x` with `n` elements along `axis`: the first ones, or followed by zeros."""
    length = _length(x, axis, name)
    if n is None or _whole(n, name) == length:
        return x
    if n < 1:
        raise refusal(f"{name} of {n} points; n is at least 1")
    if n < length:
        return x[(*(slice(None),) * (axis % x.ndim), slice(n))]
    widths = [(0, n - length if k == axis % x.ndim else 0) for k in range(x.ndim)]
    return np.pad(x, widths)


def _factor(n: int, norm: Norm | None, inverse: bool, name: str) -> float:
    kind = "backward" if norm is None else norm
    if kind not in _NORMS:
        raise refusal(f"norm={norm!r} of {name} is not one of 'backward', 'ortho', 'forward'")
    if kind == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if inverse == (kind == "backward") else 1.0


def _scaled(parts: tuple[Any, Any], factor: float) -> ComplexValue:
    return ComplexValue(*(part if part is None or factor == 1 else factor * part for part in parts))


def _along(inverse: bool, name: str) -> Callable[..., ComplexValue]:
    def transform(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None) -> ComplexValue:
        x = _resized(a, n, axis, name)
        return _scaled(_transformed(x, axis, inverse), _factor(_length(x, axis, name), norm, inverse, name))

    return transform


_fft, _ifft = _along(False, "np.fft.fft"), _along(True, "np.fft.ifft")


def _first_half(x: ComplexValue, count: int, axis: int) -> Any:
    return x[(*(slice(None),) * (axis % x.ndim), slice(count // 2 + 1))]


def _rfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None) -> Any:
    if type(a) is ComplexValue:
        raise refusal("np.fft.rfft transforms real values, and this one is complex; write np.fft.fft")
    whole = _fft(_resized(a, n, axis, "np.fft.rfft"), None, axis, norm)
    return _first_half(whole, _length(whole, axis, "np.fft.rfft"), axis)


def _irfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None) -> Any:
    """The inverse of a half: the other one is its conjugate, in reverse order."""
    half = _length(a, axis, "np.fft.irfft")
    count = 2 * (half - 1) if n is None else _whole(n, "np.fft.irfft")
    if count < 1:
        raise refusal("np.fft.irfft of one number needs the length of the result; give n=")
    real, imag = (None if part is None else _resized(part, count // 2 + 1, axis, "") for part in _parts(a))
    before = (slice(None),) * (axis % a.ndim)
    mirrored = (*before, slice((count - 1) // 2, 0, -1))

    def whole(part: Any, sign: int) -> Any:
        other = part[mirrored]
        return np.concatenate([part, other if sign > 0 else -other], axis=axis)

    def inner(part: Any) -> Any:
        """The imaginary parts of the constant term, and of the middle one, are not read."""
        ends = np.zeros(count // 2 + 1)
        ends[1 : (count + 1) // 2] = 1.0
        return part * ends.reshape((-1, *(1,) * (a.ndim - 1 - axis % a.ndim)))

    full = ComplexValue(None if real is None else whole(real, 1), None if imag is None else whole(inner(imag), -1))
    found, _ = _scaled(_transformed(full, axis, True), _factor(count, norm, True, "np.fft.irfft")).parts
    return found


def _hfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None) -> Any:
    count = 2 * (_length(a, axis, "np.fft.hfft") - 1) if n is None else n
    return _irfft(np.conjugate(a), count, axis, _opposite(norm))


def _ihfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None) -> Any:
    return np.conjugate(_rfft(a, n, axis, _opposite(norm)))


def _opposite(norm: Norm | None) -> Norm:
    return "ortho" if norm == "ortho" else "backward" if norm == "forward" else "forward"


def _places(a: Any, s: object, axes: object, name: str) -> tuple[list[int], list[int | None]]:
    """Return the axes of a transform along several, and the lengths along them."""
    _axis(a, -1, name)
    if any(each is not None and not isinstance(each, list | tuple) for each in (s, axes)):
        raise refusal(f"s and axes of {name} are lists or tuples of whole numbers")
    lengths = None if s is None else [_whole(each, name) for each in cast("Sequence[object]", s)]
    if axes is None:
        places = list(range(a.ndim))[-len(lengths) if lengths is not None else -a.ndim :]
    else:
        places = [_axis(a, each, name) for each in cast("Sequence[object]", axes)]
    if lengths is not None and len(lengths) != len(places):
        raise refusal(f"{name} along {len(places)} axes takes as many lengths, not {len(lengths)}")
    return places, [*lengths] if lengths is not None else [None] * len(places)


def _several(one: Callable[..., Any], name: str, default: tuple[int, ...] | None) -> Callable[..., Any]:
    """A transform along several axes, the last one first."""

    def transform(
        a: Any,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = default,
        norm: Norm | None = None,
    ) -> Any:
        places, lengths = _places(a, s, axes, name)
        result = a
        for axis, n in reversed(list(zip(places, lengths, strict=True))):
            result = one(result, n, axis, norm)
        return result

    return transform


def _real_several(name: str, default: tuple[int, ...] | None) -> Callable[..., Any]:
    """`rfft` along the last axis, then `fft` along the others."""

    def transform(
        a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = default, norm: Norm | None = None
    ) -> Any:
        places, lengths = _places(a, s, axes, name)
        result = _rfft(a, lengths[-1], places[-1], norm)
        return _several(_fft, name, None)(result, _unless_none(lengths[:-1]), places[:-1], norm)

    return transform


def _unless_none(lengths: list[int | None]) -> Any:
    return None if None in lengths or not lengths else lengths


def _real_inverse(name: str, default: tuple[int, ...] | None) -> Callable[..., Any]:
    """`ifft` along all axes but the last, then `irfft`."""

    def transform(
        a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = default, norm: Norm | None = None
    ) -> Any:
        places, lengths = _places(a, s, axes, name)
        result = a
        if len(places) > 1:
            result = _several(_ifft, name, None)(a, _unless_none(lengths[:-1]), places[:-1], norm)
        return _irfft(result, lengths[-1], places[-1], norm)

    return transform


def _shifted(name: str, toward: Callable[[int], int]) -> Callable[..., Any]:
    def shift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
        places = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
        return np.roll(x, tuple(toward(_length(x, axis, name)) for axis in places), places)

    return shift


TRANSFORMS |= {
    np.fft.fftshift: _shifted("np.fft.fftshift", lambda n: n // 2),
    np.fft.ifftshift: _shifted("np.fft.ifftshift", lambda n: -(n // 2)),
    np.fft.fft: _fft,
    np.fft.ifft: _ifft,
    np.fft.rfft: _rfft,
    np.fft.irfft: _irfft,
    np.fft.hfft: _hfft,
    np.fft.ihfft: _ihfft,
    np.fft.fft2: _several(_fft, "np.fft.fft2", (-2, -1)),
    np.fft.ifft2: _several(_ifft, "np.fft.ifft2", (-2, -1)),
    np.fft.fftn: _several(_fft, "np.fft.fftn", None),
    np.fft.ifftn: _several(_ifft, "np.fft.ifftn", None),
    np.fft.rfft2: _real_several("np.fft.rfft2", (-2, -1)),
    np.fft.rfftn: _real_several("np.fft.rfftn", None),
    np.fft.irfft2: _real_inverse("np.fft.irfft2", (-2, -1)),
    np.fft.irfftn: _real_inverse("np.fft.irfftn", None),
}
