"""Write the forward pass; get the backward pass: derived line by line, every line checked, compiled to train fast."""

from chainrule.derivation import Derivation, DerivationError, Verification, derive
from chainrule.functions import (
    binary_cross_entropy,
    cross_entropy,
    elu,
    erf,
    gelu,
    layer_norm,
    leaky_relu,
    log_softmax,
    logsumexp,
    mean_squared_error,
    one_hot,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
)
from chainrule.ir import ChainruleError, DTypeError, Program, ProgramError, ShapeError
from chainrule.trace import TraceError, trace
from chainrule.transforms import GradientError, check_grads, grad, jvp, value_and_grad, vjp
