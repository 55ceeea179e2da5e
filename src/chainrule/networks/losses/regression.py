"""Regression losses: squared, absolute and robust errors, quantiles, and deviances of counts and amounts.

Deviances are halved, like the squared error, so that the derivative in the linear predictor is a residual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from chainrule.functions import softplus
from chainrule.networks.errors import NetworkError
from chainrule.networks.losses.base import Array, Loss, refuse_targets
from chainrule.schema import POSITIVE, WITHIN, each, number


@dataclass(frozen=True)
class Squared(Loss):
    """Squared error, `½ (p − y)²`; estimates the mean."""

    name: ClassVar[str] = "squared"

    def after(self, p: Any, y: Any) -> Any:
        return 0.5 * (p - y) ** 2


@dataclass(frozen=True)
class Absolute(Loss):
    """Absolute error, `|p − y|`; estimates the median."""

    name: ClassVar[str] = "absolute"

    def after(self, p: Any, y: Any) -> Any:
        return np.abs(p - y)


@dataclass(frozen=True)
class Huber(Loss):
    """Huber loss: `½ r²` for residuals |r| ≤ delta, else `delta (|r| − ½ delta)` (Huber 1964, equation 2.1)."""

    delta: Annotated[float, POSITIVE, "delta of huber"] = 1.0
    name: ClassVar[str] = "huber"

    def after(self, p: Any, y: Any) -> Any:
        distance = np.abs(p - y)
        return np.where(distance <= self.delta, 0.5 * distance**2, self.delta * (distance - 0.5 * self.delta))


@dataclass(frozen=True)
class LogCosh(Loss):
    """`ln cosh(p − y)`: ½ r² near zero and |r| − ln 2 far from it."""

    name: ClassVar[str] = "log_cosh"

    def after(self, p: Any, y: Any) -> Any:
        residual = p - y
        return residual + softplus(-2 * residual) - math.log(2)


@dataclass(frozen=True)
class Quantile(Loss):
    """Quantile loss, `max(τ r, (τ − 1) r)` with `r = y − p`; estimates the τ-quantile (Koenker and Bassett 1978).

    `levels` are one or several τ between 0 and 1, stored as a tuple. With several, there is one output for each, and
    one target column.
    """

    levels: Annotated[Any, each(WITHIN), "levels of quantile"] = (0.5,)
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        levels = tuple(self.levels) if isinstance(self.levels, tuple | list | np.ndarray) else (self.levels,)
        if not levels:
            raise NetworkError("quantile has no levels; give at least one number between 0 and 1")
        object.__setattr__(self, "levels", levels)
        super().__post_init__()

    def after(self, p: Any, y: Any) -> Any:
        level = self.levels[0] if len(self.levels) == 1 else np.array(self.levels, _dtype_of(p))
        residual = y - p
        return np.maximum(level * residual, (level - 1) * residual)

    def width(self, outputs: int) -> int:
        if len(self.levels) == 1:
            return outputs
        if outputs != len(self.levels):
            raise NetworkError(
                f"quantile has {len(self.levels)} levels and the network {outputs} outputs; give an output for each"
            )
        return 1


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance, `y ln(y / p) − y + p`, for counts y ≥ 0; paired with the output `exp`."""

    name: ClassVar[str] = "poisson"
    output: ClassVar[str] = "exp"

    def after(self, p: Any, y: Any) -> Any:
        return _entropy(y) - y * np.log(p) - y + p

    def before(self, z: Any, y: Any) -> Any:
        return _entropy(y) - y * z - y + np.exp(z)

    def check(self, y: Array, outputs: int) -> None:
        refuse_targets("poisson", y, y < 0, "of at least 0")


@dataclass(frozen=True)
class Gamma(Loss):
    """Half the gamma deviance, `y / p − 1 − ln(y / p)`, for amounts y > 0; paired with the output `exp`."""

    name: ClassVar[str] = "gamma"
    output: ClassVar[str] = "exp"

    def after(self, p: Any, y: Any) -> Any:
        return y / p - 1 - np.log(y) + np.log(p)

    def before(self, z: Any, y: Any) -> Any:
        return y * np.exp(-z) - 1 - np.log(y) + z

    def check(self, y: Array, outputs: int) -> None:
        refuse_targets("gamma", y, y <= 0, "above 0")


@dataclass(frozen=True)
class Tweedie(Loss):
    """Half the Tweedie deviance with variance `pᵏ`, k the power (Jørgensen 1987); paired with the output `exp`.

    `y²⁻ᵏ / ((1 − k)(2 − k)) − y p¹⁻ᵏ / (1 − k) + p²⁻ᵏ / (2 − k)`, with the limits of Poisson at k = 1 and gamma at k =
    2. A power below 2 requires targets of at least 0, one of at least 2 positive targets.
    """

    power: Annotated[float, number(at_least=1), "the power of tweedie"] = 1.5
    name: ClassVar[str] = "tweedie"
    output: ClassVar[str] = "exp"

    def after(self, p: Any, y: Any) -> Any:
        if self.power in (1, 2):
            return _LIMITS[self.power].after(p, y)
        return self._deviance(y, p ** (1 - self.power), p ** (2 - self.power))

    def before(self, z: Any, y: Any) -> Any:
        if self.power in (1, 2):
            return _LIMITS[self.power].before(z, y)
        return self._deviance(y, np.exp((1 - self.power) * z), np.exp((2 - self.power) * z))

    def check(self, y: Array, outputs: int) -> None:
        if self.power < 2:
            refuse_targets(f"tweedie of power {self.power:g}", y, y < 0, "of at least 0")
        else:
            refuse_targets(f"tweedie of power {self.power:g}", y, y <= 0, "above 0")

    def _deviance(self, y: Any, first: Any, second: Any) -> Any:
        """The deviance from `p¹⁻ᵏ` and `p²⁻ᵏ`."""
        k = self.power
        return y ** (2 - k) / ((1 - k) * (2 - k)) - y * first / (1 - k) + second / (2 - k)


_LIMITS: dict[float, Loss] = {1: Poisson(), 2: Gamma()}


def _entropy(y: Any) -> Any:
    """`y ln y`, with the limit 0 at 0."""
    return y * np.log(np.where(y > 0, y, 1.0))


def _dtype_of(p: Any) -> Any:
    dtype = np.dtype(getattr(p, "dtype", float))
    return dtype if dtype.kind == "f" else np.float64
