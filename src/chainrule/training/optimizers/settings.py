"""Common settings of optimizers, with their rules; valid numbers are converted to floats."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from chainrule.schema import NOT_NEGATIVE, POSITIVE, SHARE, Rule
from chainrule.training.schedules import Hyperparameter, over_steps

_TWO = Rule(
    ("two numbers from 0 to below 1, such as (0.9, 0.999)",),
    lambda value: isinstance(value, tuple | list) and len(value) == 2 and all(map(SHARE.holds, value)),
    lambda value: tuple(map(float, value)),
    inner=SHARE,
)

Rate: TypeAlias = Annotated[Hyperparameter, over_steps(POSITIVE), "the learning rate"]
Factor: TypeAlias = Annotated[Hyperparameter, over_steps(SHARE)]
Decay: TypeAlias = Annotated[Hyperparameter, over_steps(NOT_NEGATIVE)]
ClipNorm: TypeAlias = Annotated[Hyperparameter, over_steps(POSITIVE)] | None
Betas: TypeAlias = Annotated[tuple[float, float], _TWO]
