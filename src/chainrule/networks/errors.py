"""The error class of networks, and validators of settings."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable

from chainrule.words import ChainruleError, suggestion


class NetworkError(ChainruleError, ValueError):
    """Sizes, names, targets or settings of a network are invalid or inconsistent."""


def choice(what: str, name: object, known: Iterable[str]) -> str:
    """Return `name` if it is in `known`; raise NetworkError with a suggestion otherwise."""
    names = list(known)
    if not isinstance(name, str) or name not in names:
        hint = suggestion(str(name), names, f"; it can be {', '.join(names)}")
        raise NetworkError(f"{what} is {name!r}{hint}")
    return name


def number_between(
    what: str, value: object, low: float, high: float = math.inf, *, open_low: bool = False, open_high: bool = False
) -> float:
    """Return `value` as a finite float in an interval; raise NetworkError, which states the interval, otherwise.

    >>> number_between("tau", 0.5, 0, 1, open_low=True, open_high=True)
    0.5
    """
    number = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (above and below and math.isfinite(number)):
        first = f"above {low:g}" if open_low else f"of at least {low:g}"
        last = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"
        raise NetworkError(f"{what} is {value!r}; it should be a number {first}{last}")
    return number
