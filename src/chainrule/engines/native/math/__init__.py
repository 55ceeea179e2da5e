"""Elementary functions as generated code, for scalars and vectors of float32 and float64.

They are branch-free, except for one branch in sine and cosine for huge arguments, and call nothing outside the
generated module. Results depend neither on the width of the vector nor on its other elements. The error is at most 2
units in the last place for every argument, subnormal numbers included, whether or not the target fuses a product with a
sum; `docs/about/accuracy.md` lists measured errors.
"""

from collections.abc import Callable

from chainrule.engines.native.math.error_function import erf, erfc
from chainrule.engines.native.math.exponential import exp, expm1, sigmoid, tanh
from chainrule.engines.native.math.logarithm import log, log1p, softplus
from chainrule.engines.native.math.powers import power
from chainrule.engines.native.math.real import Real
from chainrule.engines.native.math.remainder import fmod
from chainrule.engines.native.math.trigonometric import cos, sin

FUNCTIONS: dict[str, Callable[..., Real]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sqrt": Real.sqrt,
    "sin": sin,
    "cos": cos,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
    "erfc": erfc,
    "abs": Real.__abs__,
    "floor": Real.floor,
    "fmod": fmod,
    "power": power,
}
"""The functions of the emitter protocol (`MathFunction`), by name."""

__all__ = ["FUNCTIONS", "Real"]
