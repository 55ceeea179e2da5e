"""Named functions of plain arrays, nodes, and objects that wrap nodes.

Each public function is a `builder` of expressions, called through `call`. An argument with a method
`__chainrule_call__(builder, arguments, options)`, such as a traced array, takes over the call; nodes are passed to the
builder unchanged; plain arrays are evaluated by the definition of each primitive and give a NumPy array or scalar.
Integers are converted to float64; float32 is preserved.
"""

from __future__ import annotations

from chainrule.functions.abstract import function, plain_sizes, sizes_of
from chainrule.functions.calling import call, collected_demands, demand
from chainrule.functions.draws import (
    RNG_SEED,
    RNG_STEP,
    RandomSource,
    dropout,
    random_draws,
    random_inputs,
    random_normal,
    random_source,
    random_uniform,
    without_dropout,
)
from chainrule.functions.matrices import expm, solve_triangular
from chainrule.functions.named import (
    arctan,
    arctan2,
    binary_cross_entropy,
    cosh,
    cross_entropy,
    elu,
    erf,
    gelu,
    layer_norm,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    logdet,
    logsumexp,
    mean_squared_error,
    one_hot,
    polygamma,
    relu,
    rms_norm,
    sigmoid,
    silu,
    sinh,
    softmax,
    softplus,
    take,
)
from chainrule.functions.typing import Floats

__all__ = [
    "RNG_SEED",
    "RNG_STEP",
    "Floats",
    "RandomSource",
    "arctan",
    "arctan2",
    "binary_cross_entropy",
    "call",
    "collected_demands",
    "cosh",
    "cross_entropy",
    "demand",
    "dropout",
    "elu",
    "erf",
    "expm",
    "function",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logdet",
    "logsumexp",
    "mean_squared_error",
    "one_hot",
    "plain_sizes",
    "polygamma",
    "random_draws",
    "random_inputs",
    "random_normal",
    "random_source",
    "random_uniform",
    "relu",
    "rms_norm",
    "sigmoid",
    "silu",
    "sinh",
    "sizes_of",
    "softmax",
    "softplus",
    "solve_triangular",
    "take",
    "without_dropout",
]
