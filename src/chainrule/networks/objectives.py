"""Programs of an architecture's functions, cached; those with user functions are traced each time."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from chainrule.ir import ArrayType, DType, Memo, Program, named_dim
from chainrule.networks import forward
from chainrule.networks.architecture import Architecture
from chainrule.trace import trace

_programs: Memo[Hashable, Program] = Memo(128)


def remembered(architecture: Architecture, what: Hashable, make: Callable[[], Program]) -> Program:
    """Return the result of `make`, cached per architecture unless user functions are involved, which may change."""
    return _programs.made((architecture, what), make) if architecture.is_stated else make()


def objective(architecture: Architecture, weighted: bool, labels: bool) -> Program:
    """The training loss, for any number of rows.

    Its inputs are `X`, `y`, `weights` and `alpha` if used, and the parameters; y are `labels` (rows,) or numbers (rows,
    columns).
    """

    def make() -> Program:
        rows = named_dim("rows")
        columns = architecture.loss.width(architecture.outputs)
        given = {
            "X": ArrayType((rows, architecture.inputs)),
            "y": ArrayType((rows,), DType.INT64) if labels else ArrayType((rows, columns)),
        }
        if weighted:
            given["weights"] = ArrayType((rows,))
        if architecture.alpha:
            given["alpha"] = ArrayType(())
        given.update({name: ArrayType(shape) for name, shape in architecture.params.items()})
        return trace(forward.loss_function(architecture, weighted), **given)

    return remembered(architecture, ("objective", weighted, labels), make)
