"""The interface of losses: values for predictions and targets, and the paired output, targets and score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.errors import NetworkError
from chainrule.schema import keep

Array: TypeAlias = NDArray[Any]
Kind: TypeAlias = Literal["values", "labels", "shares"]
Score: TypeAlias = Literal["r2", "accuracy"]


@dataclass(frozen=True)
class Loss(ABC):
    """A loss of one row, computed from prediction and target, summed over outputs and averaged over rows.

    A subclass is a frozen dataclass; its fields are numbers, which `describe` returns.

    Attributes
    ----------
    name
        The name of the loss.
    output
        The paired output activation. If the network has it, the loss is computed by `before`.
    kind
        The targets: `"values"` (rows, outputs); `"labels"`, whole numbers (rows,) from 0 to outputs − 1, or a
        proportion of each class (rows, outputs); or `"shares"`, numbers from 0 to 1 (rows, outputs).
    score
        The score reported with it: `"r2"` or `"accuracy"`.

    """

    name: ClassVar[str]
    output: ClassVar[str] = "linear"
    kind: ClassVar[Kind] = "values"
    score: ClassVar[Score] = "r2"

    def __post_init__(self) -> None:
        keep(self, NetworkError)

    @abstractmethod
    def after(self, p: Any, y: Any) -> Any:
        """The loss of predictions `p` (rows, outputs), an array (rows, outputs) or (rows,), in array code."""

    def before(self, z: Any, y: Any) -> Any:
        """The same from the values `z` before the activation `output`, without overflow."""
        return self.after(z, y)

    def check(self, y: Array, outputs: int) -> None:  # noqa: B027  # most take any numbers
        """Raise NetworkError for targets that are invalid for this loss."""

    def width(self, outputs: int) -> int:
        """The number of target columns for this number of outputs."""
        return outputs

    def describe(self) -> dict[str, Any]:
        """Return a description that can be stored as JSON; `read_loss` reads it."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"name": self.name, **{key: list(v) if isinstance(v, tuple) else v for key, v in settings.items()}}


def refuse_targets(loss: str, y: Array, bad: NDArray[np.bool_], needed: str) -> None:
    """Raise NetworkError, naming the first position, if any element of `bad` is set."""
    if bad.any():
        place = np.unravel_index(int(bad.argmax()), bad.shape)
        where = ", ".join(map(str, place))
        raise NetworkError(f"the loss {loss} takes targets {needed}, but y[{where}] is {y[place]:g}")
