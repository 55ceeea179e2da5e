"""The derivation of a network's gradients."""

from __future__ import annotations

import numpy as np

from chainrule.deriving import Derivation, derive
from chainrule.ir import ArrayType, Dim, DType, named_dim
from chainrule.networks.architecture import Architecture
from chainrule.networks.forward import loss_function


def network_derivation(architecture: Architecture, letters: bool = False) -> Derivation:
    """Derive the gradients of a network and its loss, for `n` rows.

    With `letters`, sizes that the loss does not fix are d, h (h1, h2, … if there are several) and o; otherwise they are
    the network's numbers.

    >>> print(network_derivation(Architecture(4, (8,), 3), letters=True).record.program.input("W1").type.shape)
    (d, h)
    """
    dtype = DType.of(np.dtype(architecture.dtype))
    rows, columns = named_dim("n"), architecture.loss.width(architecture.outputs)
    sizes: list[Dim] = list(architecture.widths)
    if letters:
        hidden = len(architecture.hidden)
        sizes[:-1] = map(named_dim, ["d", *(f"h{k + 1}" if hidden > 1 else "h" for k in range(hidden))])
        if architecture.outputs > 1 and columns == architecture.outputs:  # the number of quantile levels
            sizes[-1] = named_dim("o")

    def shape(name: str) -> tuple[Dim, ...]:
        what = name.rstrip("0123456789")
        layer = int(name.removeprefix(what))
        return (sizes[layer - 1], sizes[layer]) if what == "W" else (sizes[layer],)

    labels = architecture.loss.kind == "labels"
    targets = ArrayType((rows,), DType.INT64) if labels else ArrayType((rows, sizes[-1] if columns > 1 else 1), dtype)
    types = {"X": ArrayType((rows, sizes[0]), dtype), "y": targets}
    if architecture.alpha:
        types["alpha"] = ArrayType((), dtype)
    types |= {name: ArrayType(shape(name), dtype) for name in architecture.params}
    return derive(loss_function(architecture), list(architecture.params), functions=None, assume=None, **types)
