"""Numbers that change nothing, as in the first round of a loop that begins with `s = 0.0`."""

from __future__ import annotations

from chainrule.ir import Apply, Const, Node
from chainrule.primitives import Add, Divide, Multiply


def without_neutral(node: Node) -> Node | None:
    """Return what 0 is added to, or what is multiplied or divided by 1; None for anything else.

    A zero behind a value stays: whoever writes x + 0.0 may want 0 for −0.
    """
    match node:
        case Apply(Add(), (Const() as zero, x)) if zero.filled_with(0) and x.type == node.type:
            return x
        case Apply(Multiply(), (Const() as one, x)) if one.filled_with(1) and x.type == node.type:
            return x
        case Apply(Multiply() | Divide(), (x, Const() as one)) if one.filled_with(1) and x.type == node.type:
            return x
    return None
