"""Words of the language: functions and their aliases, Greek letters, constants."""

from __future__ import annotations

import math

from chainrule.primitives import UFUNCS

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip

CONSTANTS = {"π": math.pi, "e": math.e}

FUNCTION_NAMES = (
    *(name for name in UFUNCS if name != "absolute"), "abs", "binary_cross_entropy", "clip", "concatenate", "corr",
    "cross_entropy", "cumsum", "det", "diag", "diff", "digamma", "dot", "einsum", "elu", "erf", "erfc", "eye",
    "gamma_function", "gammaln", "gelu", "huber", "indicator", "inner", "inv", "kron", "layer_norm", "leaky_relu",
    "length", "log10", "log2", "log_sigmoid", "log_softmax", "logdet", "logical_and", "logical_not", "logical_or",
    "logsumexp", "matmul", "matrix", "matrix_power", "max", "mean", "mean_squared_error", "min", "multiply", "norm",
    "normal_density", "numel", "ones", "outer", "reciprocal", "relu", "rms_norm", "sigmoid", "silu", "size", "softmax",
    "softplus", "solve", "square", "std", "sum", "tan", "tr", "transpose", "trigamma", "var", "vec", "vector", "where",
)  # fmt: skip

_ALIASES = {
    "Diagonal": "diag", "Tr": "tr", "abs2": "square", "absolute": "abs", "acos": "arccos", "acosh": "arccosh",
    "amax": "max", "amin": "min", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "average": "mean", "bce": "binary_cross_entropy", "bmm": "matmul", "cat": "concatenate",
    "concat": "concatenate", "corrcoef": "corr", "crossentropy": "cross_entropy", "determinant": "det",
    "diagonal": "diag", "fabs": "abs", "hadamard": "multiply", "heaviside": "indicator", "identity": "eye",
    "ifelse": "where", "inverse": "inv", "layernorm": "layer_norm", "leakyrelu": "leaky_relu", "lgamma": "gammaln",
    "ln": "log", "log_10": "log10", "log_2": "log2", "log_det": "logdet", "log_e": "log", "log_gamma": "gammaln",
    "log_sum_exp": "logsumexp", "loggamma": "gammaln", "logistic": "sigmoid", "logsigmoid": "log_sigmoid",
    "logsoftmax": "log_softmax", "lse": "logsumexp", "mm": "matmul", "mpower": "matrix_power",
    "mse": "mean_squared_error", "mse_loss": "mean_squared_error", "mv": "matmul", "pow": "power",
    "reduce_logsumexp": "logsumexp", "reduce_max": "max", "reduce_mean": "mean", "reduce_min": "min",
    "reduce_sum": "sum", "rmsnorm": "rms_norm", "sgn": "sign", "sigma": "sigmoid", "swish": "silu", "tg": "tan",
    "trace": "tr", "variance": "var", "vcat": "concatenate", "vdot": "dot", "σ": "sigmoid",
}  # fmt: skip
_CANONICAL = {**{name: name for name in FUNCTION_NAMES}, **_ALIASES}


def canonical_function(name: str) -> str | None:
    """Return the function that a word names, including aliases and other cases; None if there is none."""
    return _CANONICAL.get(name) or (_CANONICAL.get(name.lower()) if len(name) > 2 else None)


_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def canonical_name(name: str) -> str:
    """Replace a spelled Greek letter at the head of a name: `lambda` becomes `λ`, `beta1` becomes `β1`."""
    name = name.translate(_SUBSCRIPTS)
    stem = name.rstrip("0123456789")
    head, underscore, tail = stem.partition("_")
    return GREEK.get(head, head) + underscore + tail + name[len(stem) :]
