"""Adam and its variants: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from chainrule.schema import NOT_NEGATIVE, keep
from chainrule.training.errors import TrainingError
from chainrule.training.optimizers.base import Optimizer
from chainrule.training.optimizers.settings import Betas, ClipNorm, Decay, Rate
from chainrule.training.optimizers.sgd import decayed
from chainrule.training.rule import Array, is_zero
from chainrule.training.schedules import Hyperparameter


class _Moments(Optimizer):
    """The common part: two means for each parameter, and weight decay.

    Each variant divides by √v̂ + ε with v̂ = v / c, where c corrects the bias of v. Since that is (√v + ε√c) / √c, the
    factors √c are absorbed into shared scalars (Kingma and Ba 2015, end of section 2), which leaves one square root and
    one division per element.
    """

    learning_rate: Hyperparameter
    betas: tuple[float, float]
    eps: float
    weight_decay: Hyperparameter

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        beta1, beta2 = self.betas
        decay = {} if is_zero(self.weight_decay) else {"weight_decay": self.weight_decay}
        return {"learning_rate": self.learning_rate, "beta1": beta1, "beta2": beta2, "eps": self.eps, **decay}

    def state(self, parameter: Array) -> Mapping[str, Array]:
        return {"mean": np.zeros_like(parameter), "mean square": np.zeros_like(parameter)}


def _means(gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]) -> dict[str, Any]:
    """Return the updated means of the gradient and of its square."""
    mean, square = state["mean"], state["mean square"]
    return {
        "mean": mean + scalars["share1"] * (gradient - mean),
        "mean square": scalars["beta2"] * square + scalars["share2"] * gradient**2,
    }


def _shares(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"share1": 1 - given["beta1"], "share2": 1 - given["beta2"]}


@dataclass(frozen=True)
class Adam(_Moments):
    """Adam (Kingma and Ba 2015, algorithm 1): `W ← W − learning_rate · m̂ / (√v̂ + eps)`.

    m and v are running means of the gradient and of its square, `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
    initially 0, a bias that `m̂ = m / (1 − β₁ᵗ)` and `v̂ = v / (1 − β₂ᵗ)` correct, with t = 1 in the first step.

    Parameters
    ----------
    learning_rate
        The learning rate, a positive number or a function of the step, such as one of `cr.schedules`.
    betas
        β₁ and β₂, from 0 to below 1.
    eps
        A number of at least 0.
    weight_decay
        λ in the gradient `g = ∂L/∂W + λ W`; a number of at least 0, or a function of the step.
    amsgrad
        Whether the largest v so far takes v's place (Reddi et al. 2018, in the form of PyTorch's `Adam`).
    clip_norm
        The largest global norm of the gradients, see `Optimizer`; None for none.

    Raises
    ------
    TrainingError
        For settings out of range.

    Examples
    --------
    >>> import chainrule as cr
    >>> data = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.Adam(0.05), epochs=500)
    >>> print(result.params["slope"].round(2))
    3.0

    """

    learning_rate: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Annotated[float, NOT_NEGATIVE] = 1e-8
    weight_decay: Decay = 0.0
    amsgrad: bool = False
    clip_norm: ClipNorm = None

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        correction1 = 1 - given["beta1"] ** (step + 1)
        root2 = np.sqrt(1 - given["beta2"] ** (step + 1))
        return {
            **_shares(given),
            "corrected learning rate": given["learning_rate"] * root2 / correction1,
            "corrected eps": given["eps"] * root2,
        }

    def state(self, parameter: Array) -> Mapping[str, Array]:
        largest = {"largest mean square": np.zeros_like(parameter)} if self.amsgrad else {}
        return {**super().state(parameter), **largest}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        return self._stepped(parameter, decayed(gradient, parameter, scalars), state, scalars)

    def _stepped(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        following = _means(gradient, state, scalars)
        scale = following["mean square"]
        if self.amsgrad:
            scale = following["largest mean square"] = np.maximum(state["largest mean square"], scale)
        direction = following["mean"] / (np.sqrt(scale) + scalars["corrected eps"])
        return parameter - scalars["corrected learning rate"] * direction, following


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).

    `W ← (1 − learning_rate · λ) W` before the step of `Adam`, whose gradient excludes the decay. Parameters as in
    `Adam`; the decay follows a schedule of the learning rate.

    Examples
    --------
    >>> import chainrule as cr
    >>> data = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.AdamW(0.05, weight_decay=0), epochs=500)
    >>> print(result.params["slope"].round(2))
    3.0

    """

    weight_decay: Decay = 1e-2

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**super().scalars(step, given), **_kept(given)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        return self._stepped(_shrunk(parameter, scalars), gradient, state, scalars)


def _kept(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the factor that decoupled weight decay applies to a parameter."""
    return {"kept": 1 - given["learning_rate"] * given["weight_decay"]} if "weight_decay" in given else {}


def _shrunk(parameter: Any, scalars: Mapping[str, Any]) -> Any:
    return scalars["kept"] * parameter if "kept" in scalars else parameter


@dataclass(frozen=True)
class NAdam(_Moments):
    """Adam with Nesterov's momentum (Dozat 2016), in the form of PyTorch's `NAdam`.

    With μₜ = β₁ (1 − ½ · 0.96^(t ψ)), ψ the momentum decay, m and v as in `Adam`, and η the learning rate, the step is
    `W ← W − η ((1 − μₜ) / (1 − μ₁⋯μₜ) · g + μₜ₊₁ / (1 − μ₁⋯μₜ₊₁) · m) / (√v̂ + eps)`.

    Parameters as in `Adam`, and `momentum_decay` ψ, at least 0; with `decoupled_weight_decay` the weight decays as in
    `AdamW`.

    Examples
    --------
    >>> import chainrule as cr
    >>> data = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.NAdam(0.05), epochs=500)
    >>> print(result.params["slope"].round(2))
    3.0

    """

    learning_rate: Rate = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: Annotated[float, NOT_NEGATIVE] = 1e-8
    weight_decay: Decay = 0.0
    momentum_decay: Decay = 4e-3
    decoupled_weight_decay: bool = False
    clip_norm: ClipNorm = None

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        return {**super().hyperparameters, "momentum_decay": self.momentum_decay}

    @property
    def running(self) -> Mapping[str, float]:
        return {"momentum product": 1.0}

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        t, beta1, decay = step + 1, given["beta1"], given["momentum_decay"]
        momentum = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
        following = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
        product = given["momentum product"] * momentum
        root2 = np.sqrt(1 - given["beta2"] ** t)
        return {
            **_shares(given),
            **(_kept(given) if self.decoupled_weight_decay else {}),
            "momentum product": product,
            "learning rate of gradient": given["learning_rate"] * root2 * (1 - momentum) / (1 - product),
            "learning rate of mean": given["learning_rate"] * root2 * following / (1 - product * following),
            "corrected eps": given["eps"] * root2,
        }

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        if self.decoupled_weight_decay:
            parameter = _shrunk(parameter, scalars)
        else:
            gradient = decayed(gradient, parameter, scalars)
        following = _means(gradient, state, scalars)
        ahead = scalars["learning rate of gradient"] * gradient + scalars["learning rate of mean"] * following["mean"]
        return parameter - ahead / (np.sqrt(following["mean square"]) + scalars["corrected eps"]), following
