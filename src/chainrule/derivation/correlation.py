"""Contractions of sliding windows, written as correlations: `x ⋆ W`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from chainrule.ir import Apply, Node
from chainrule.primitives import Call, Contract, Infix, Mark, Notation, Windows

Steps: TypeAlias = tuple[int, ...]


def is_correlation(node: Node) -> bool:
    """Whether `node` is a contraction written as a correlation."""
    return _found(node) is not None


def correlation(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    """Return `x ⋆ w` for Σ x[p + k] w[k] over k, and for the sum over p of x[p + k] y[p], its transpose by w.

    Further axes are summed if only the factors have them. Steps other than 1 are subscripts of `correlate(x, w)`; the
    stride of windows is the dilation of a sum over p.
    """
    found = _found(node)
    if found is None:
        return None
    x, kernel, strides, dilations = found
    factors = written[x], written[kernel]
    if max(*strides, *dilations) == 1:
        return Infix("⋆", factors)
    steps = [_steps("::", strides), _steps("/", dilations)]
    return Call("correlate", factors, subscript=tuple(Mark(text) for text in steps if text))


def _found(node: Node) -> tuple[Node, Node, Steps, Steps] | None:
    """Return the input, the kernel, the steps and the dilations; None if `node` is not a correlation."""
    match node:
        case Apply(Contract(inputs, output), (_, _) as operands):
            pass
        case _:
            return None
    for k, operand in enumerate(operands):
        match operand:
            case Apply(Windows() as windows, (x,)):
                kernel, labels, others = operands[1 - k], inputs[k], inputs[1 - k]
            case _:
                continue
        places = {labels[axis] for axis in windows.axes}
        within = set(labels[x.type.ndim :])
        if within <= set(others) and places <= set(output) and not (places & set(others) or within & set(output)):
            return x, kernel, windows.strides, windows.dilations
        if places <= set(others) and within <= set(output) and not (within & set(others) or places & set(output)):
            return x, kernel, windows.dilations, windows.strides
    return None


def _steps(mark: str, steps: Steps) -> str:
    """Return `::2` for windows at steps of 2, `/2` for elements at steps of 2; "" if all steps are 1."""
    shown = steps[:1] if len(set(steps)) == 1 else steps
    return "" if set(steps) == {1} else mark + "×".join(map(str, shown))
