"""Activations: by name, as a formula in z or x, or as a NumPy function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule import functions
from chainrule.ir import ArrayType, named_dim, shape_text
from chainrule.networks.errors import NetworkError
from chainrule.networks.formulas import Formula, title_of
from chainrule.schema import checked, one_of
from chainrule.trace import trace

Function: TypeAlias = Callable[[Any], Any]
ActivationLike: TypeAlias = "str | Function"
"""A name in `ACTIVATIONS`, a formula in z or x, or a NumPy function of one array."""

_SELU_ALPHA: Final = 1.6732632423543772
_SELU_SCALE: Final = 1.0507009873554805
"""The fixed point of Klambauer et al. 2017, equation 14."""


def _selu(x: Any) -> Any:
    return _SELU_SCALE * functions.elu(x, _SELU_ALPHA)


def _mish(x: Any) -> Any:
    return x * np.tanh(functions.softplus(x))


def _softsign(x: Any) -> Any:
    return x / (1 + np.abs(x))


def _linear(x: Any) -> Any:
    return x


ACTIVATIONS: Final[Mapping[str, Function]] = {
    "relu": functions.relu,
    "tanh": np.tanh,
    "sigmoid": functions.sigmoid,
    "gelu": functions.gelu,
    "silu": functions.silu,
    "elu": functions.elu,
    "selu": _selu,
    "mish": _mish,
    "leaky_relu": functions.leaky_relu,
    "softplus": functions.softplus,
    "softsign": _softsign,
    "linear": _linear,
}
"""The named activations, all elementwise."""

ALIASES: Final[Mapping[str, str]] = {"identity": "linear", "logistic": "sigmoid", "swish": "silu"}
"""Aliases."""

OUTPUTS: Final[Mapping[str, Function]] = {
    "linear": _linear,
    "sigmoid": functions.sigmoid,
    "softmax": functions.softmax,
    "exp": np.exp,
}
"""Output activations that losses are paired with; those in `ACTIVATIONS` are allowed too."""

RECTIFIERS: Final = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus"})
"""Activations whose preceding weights are initialized as in He et al. 2015."""

_UNITS: Final = 3
"""The number of units used to test an activation."""

_WORD: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Activation:
    """An activation: `name` is its name, its formula, or `function NAME`."""

    name: str
    function: Function

    def __call__(self, x: Any) -> Any:
        return self.function(x)


def read_activation(what: str, given: ActivationLike, known: Mapping[str, Function] = ACTIVATIONS) -> Activation:
    """Return the activation given by name, formula or function.

    Raises NetworkError for an unknown name, and for a formula or function that does not return one number per element;
    FormulaError and TraceError if it cannot be parsed or traced.

    >>> print(read_activation("activation", "z * sigmoid(1.7 * z)")(0.0))
    0.0
    """
    if isinstance(given, Activation):
        return given
    if isinstance(given, str):
        text = given.strip()
        name = ALIASES.get(text, text)
        if name in known:
            return Activation(name, known[name])
        if not text or (_WORD.fullmatch(text) and text not in ("z", "x")):
            try:
                checked(what, given, one_of(*known, *ALIASES), NetworkError)
            except NetworkError as error:
                raise NetworkError(f"{error} (or a formula in z, such as 'z * sigmoid(z)')") from None
        formula = Formula(text, (("z", "x"),), "activation")
        if not formula.uses(0):
            raise NetworkError(f"{what} is {given!r}, in which there is no z; write a formula in z, or in x")
        found = Activation(text, formula)
    elif callable(given):
        named = next((name for name, function in known.items() if function is given), None)
        if named is not None:
            return Activation(named, given)
        found = Activation(title_of(given), given)
    else:
        raise NetworkError(
            f"{what} is a {type(given).__name__}; give a name such as 'relu', a formula in z, or a NumPy function"
        )
    _check(what, found)
    return found


def _check(what: str, activation: Activation) -> None:
    def applied(z: Any) -> Any:
        return activation.function(z)

    taken = ArrayType((named_dim("rows"), _UNITS))
    (output,) = trace(applied, taken).outputs
    if output.type.shape != taken.shape or not output.type.dtype.is_float:
        raise NetworkError(
            f"{what} {activation.name!r} gives an array of shape {shape_text(output.type.shape)} for one of shape "
            f"{shape_text(taken.shape)}; it should give one number for each that it takes"
        )
