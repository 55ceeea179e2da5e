"""The named functions of the vocabulary, for plain arrays, for nodes, and for whatever wraps nodes.

Each public function is a `builder`, which makes an expression of nodes, behind `call`. An argument with a method
`__chainrule_call__(builder, arguments, options)` takes the call over (a traced array does); nodes go to the builder as
they are; plain arrays are evaluated by the definition of each primitive, and give an array, or a scalar, of NumPy.
Integers count as float64, and float32 stays float32.
"""

from __future__ import annotations

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
)
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
    relu,
    rms_norm,
    sigmoid,
    silu,
    sinh,
    softmax,
    softplus,
    take,
)

__all__ = [
    "RNG_SEED",
    "RNG_STEP",
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
    "gelu",
    "layer_norm",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logdet",
    "logsumexp",
    "mean_squared_error",
    "one_hot",
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
    "softmax",
    "softplus",
    "take",
]
