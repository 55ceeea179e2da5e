"""Custom losses: a formula or a NumPy function of prediction and target."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from chainrule.ir import ArrayType, named_dim, shape_text
from chainrule.networks.errors import NetworkError
from chainrule.networks.formulas import Formula, title_of
from chainrule.networks.losses.base import Loss
from chainrule.trace import trace
from chainrule.training import BroadcastWarning, rows_that_cross

VARIABLES = (("p", "y_hat", "prediction"), ("y", "target"))
"""The names of the two variables in a formula."""


@dataclass(frozen=True)
class FormulaLoss(Loss):
    """The loss given by a formula in `p` (or `y_hat`, `prediction`) and `y` (or `target`).

    It returns a number per output, per row, or, as `mean((p - y)^2)`, per batch; rows of the last kind cannot be
    weighted. Targets are values (rows, outputs).
    """

    text: str
    name: ClassVar[str] = "formula"
    _formula: Formula = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        formula = Formula(self.text, VARIABLES, "loss")
        if not formula.uses(0):
            raise NetworkError(
                f"the loss {self.text!r} does not use the prediction; write it as p, y_hat or prediction"
            )
        object.__setattr__(self, "_formula", formula)

    def after(self, p: Any, y: Any) -> Any:
        return self._formula(p, y)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "text": self.text}


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """The loss computed by the NumPy function `function(prediction, target)`; see `FormulaLoss` for its result."""

    function: Callable[[Any, Any], Any]
    name: ClassVar[str] = "function"

    def after(self, p: Any, y: Any) -> Any:
        return self.function(p, y)

    def describe(self) -> dict[str, Any]:
        return {"name": title_of(self.function)}


def check_custom(loss: Loss, outputs: int) -> None:
    """Raise NetworkError for a custom loss that returns neither a number per output or row, nor a single one.

    Warns, with BroadcastWarning, if it combines each prediction with the target of every row.
    """

    def applied(p: Any, y: Any) -> Any:
        return loss.after(p, y)

    rows = named_dim("rows")
    taken = ArrayType((rows, outputs))
    program = trace(applied, taken, taken)
    (output,) = program.outputs
    allowed = ((rows, outputs), (rows, 1), (rows,), ())
    if output.type.shape not in allowed or not output.type.dtype.is_float:
        raise NetworkError(
            f"the loss gives an array of shape {shape_text(output.type.shape)} for predictions and targets of shape "
            f"{shape_text(taken.shape)}; it should give a number for each output, for each row, or one in all"
        )
    if rows_that_cross(program, ("p",)) is not None:
        warnings.warn(
            f"the loss meets each row of the predictions with every row of the targets, which broadcasts to (rows, "
            f"rows); both have the shape (rows, {outputs}), so treat their axes alike",
            BroadcastWarning,
            stacklevel=5,
        )
