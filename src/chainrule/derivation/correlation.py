"""Contractions of sliding windows, written as the correlations that they are: `x ⋆ W`."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.ir import Apply, Node
from chainrule.primitives import Call, Contract, Infix, Notation, Symbol, Windows


def correlation(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    """`x ⋆ w` for Σ x[p + k] w[k] over k, and also for the sum over p of x[p + k] y[p], which is its transpose by w.

    Other axes are summed too where only the factors have them. Steps that are not 1 stand below `correlate(x, w)`; the
    stride of windows is the dilation of a sum over p.
    """
    if not isinstance(node.primitive, Contract) or len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        if not isinstance(operand, Apply) or not isinstance(operand.primitive, Windows):
            continue
        windows, (x,), kernel = operand.primitive, operand.operands, node.operands[1 - k]
        labels, others, output = node.primitive.inputs[k], node.primitive.inputs[1 - k], node.primitive.output
        places = {labels[axis] for axis in windows.axes}
        within = set(labels[x.type.ndim :])
        if within <= set(others) and places <= set(output) and not (places & set(others) or within & set(output)):
            strides, dilations = windows.strides, windows.dilations
        elif places <= set(others) and within <= set(output) and not (within & set(others) or places & set(output)):
            strides, dilations = windows.dilations, windows.strides
        else:
            continue
        factors = written[x], written[kernel]
        if max(*strides, *dilations) == 1:
            return Infix("⋆", factors)
        steps = [_steps("::", strides), _steps("/", dilations)]
        return Call("correlate", factors, subscript=tuple(Symbol(text) for text in steps if text))
    return None


def _steps(mark: str, steps: tuple[int, ...]) -> str:
    """`::2` for windows that are 2 apart, `/2` for places that are; empty where all are 1."""
    shown = steps[:1] if len(set(steps)) == 1 else steps
    return "" if set(steps) == {1} else mark + "×".join(map(str, shown))
