"""The functions of an architecture as Programs, traced once; those of a user's own function anew each time."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from chainrule.ir import ArrayType, DType, Memo, Program, named_dim
from chainrule.networks import forward
from chainrule.networks.architecture import Architecture
from chainrule.trace import trace

_programs: Memo[Hashable, Program] = Memo(128)


def remembered(architecture: Architecture, what: Hashable, make: Callable[[], Program]) -> Program:
    """What `make` gives, made once for each architecture; a user's function may read what has changed meanwhile."""
    return _programs.made((architecture, what), make) if architecture.is_stated else make()


def objective(architecture: Architecture, weighted: bool, labels: bool) -> Program:
    """The loss in training, for any number of rows.

    Its inputs are `X`, `y`, `weights` and `alpha` where there are such, and the parameters; y are `labels` (rows,) or
    numbers (rows, columns).
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
        given.update({name: ArrayType(shape) for name, shape in architecture.parameters.items()})
        return trace(forward.loss_function(architecture, weighted), **given)

    return remembered(architecture, ("objective", weighted, labels), make)
