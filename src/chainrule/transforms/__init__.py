"""Derivatives of Python functions at values: gradients, directional derivatives, Jacobians and Hessians."""

from chainrule.transforms.checking import GradientError, check_grads
from chainrule.transforms.gradients import grad, jvp, value_and_grad, vjp
from chainrule.transforms.jacobians import hessian, jacobian

__all__ = ["GradientError", "check_grads", "grad", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"]
