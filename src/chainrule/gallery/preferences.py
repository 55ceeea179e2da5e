"""Objectives for fitting a policy to preferences or to advantages."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry("Direct preference optimization (DPO)", "直接偏好优化（DPO）", wrt=("logp_w", "logp_l"))
def dpo(
    logp_w: Float[Array, "n"],
    logp_l: Float[Array, "n"],
    ref_w: Float[Array, "n"],
    ref_l: Float[Array, "n"],
    beta: Float[Array, ""],
) -> Array:
    """−ln σ(r_w − r_l) for the rewards β ln(π/π_ref) of two answers (Rafailov et al. 2023, equation 7)."""
    r_w = beta * (logp_w - ref_w)
    r_l = beta * (logp_l - ref_l)
    return -np.mean(cr.log_sigmoid(r_w - r_l))


@entry("PPO's clipped objective", "PPO 的裁剪目标", wrt=("logp",))
def ppo(
    logp: Float[Array, "n"],
    logp_old: Float[Array, "n"],
    A: Float[Array, "n"],
    eps: Float[Array, ""],
) -> Array:
    """−mean min(r A, clip(r, 1 − ε, 1 + ε) A) with the ratio r = π/π_old (Schulman et al. 2017, equation 7)."""
    r = np.exp(logp - logp_old)
    return -np.mean(np.minimum(r * A, np.clip(r, 1 - eps, 1 + eps) * A))
