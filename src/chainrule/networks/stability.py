"""Numerically stable logarithms of an output, computed from the values before its activation.

A custom loss contains `log(p)` and `log(1 - p)`; with p = softmax(z), σ(z) or eᶻ these are known functions of z, which
stay finite where p is rounded to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.functions import log_sigmoid, log_softmax, softplus
from chainrule.ir import Node, rebuild
from chainrule.networks.formulas import Formula
from chainrule.trace import Traced, unwrap, wrap

Function = Callable[[Any], Any]


_LOG: Final = (np.log, "log(p)")
_LOG_OTHER: Final = (
    lambda p: np.log(1 - p),
    lambda p: np.log(1.0 - p),
    lambda p: np.log1p(-p),
    lambda p: np.log(-p + 1),
    "log(1 - p)",
    "log(-p + 1)",
    "log1p(-p)",
)
_KNOWN: Final[Mapping[str, tuple[tuple[tuple[str | Function, ...], Function], ...]]] = {
    "softmax": ((_LOG, log_softmax),),
    "sigmoid": ((_LOG, log_sigmoid), (_LOG_OTHER, lambda z: -softplus(z))),
    "exp": ((_LOG, lambda z: z),),
}
"""For each output, equivalent expressions of its value p, and the same as a function of z."""


def stable(values: Any, output: str, z: Any, p: Any) -> Any:
    """Rewrite `values`, computed from the output `p` at `z`, with these logarithms computed from z.

    Untraced values are returned unchanged.
    """
    if output not in _KNOWN or not isinstance(values, Traced) or not isinstance(p, Traced):
        return values
    found: dict[Node, Node] = {}
    for spellings, function in _KNOWN[output]:
        replacement = unwrap(function(z))
        for spelling in spellings:
            written = Formula(spelling, (("p",),), "spelling") if isinstance(spelling, str) else spelling
            found[unwrap(written(p))] = replacement
    return wrap(rebuild([unwrap(values)], found.get)[0])
