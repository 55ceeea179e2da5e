"""The inputs by which a function is differentiated: those that are named, or by default all but the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chainrule.deriving.errors import DerivationError
from chainrule.ir import Input, Program
from chainrule.trace import canonical_name

WEIGHTS = ("W", "w", "θ", "theta", "beta", "β", "Theta", "Θ")
"""Initial letters of weight names. In a formula without weights, data are differentiated too, as x in xᵀ A x."""

CONSTANT_NAMES = frozenset({"y", "t", "labels", "target", "targets", "mask"})
"""Inputs of these names, in either case, are constants, excluded from a derivation unless listed in `wrt`."""
DATA_NAMES = CONSTANT_NAMES | {"x", "data", "inputs"}
"""Inputs of these names are also excluded if the function is a loss; a layer has gradients with respect to its data."""


def chosen(program: Program, names_left_out: frozenset[str]) -> list[Input]:
    """Return the float inputs except `names_left_out`, or all of them if none would remain."""
    floats = [node for node in program.inputs if node.type.dtype.is_float]
    return [node for node in floats if node.name.lower() not in names_left_out] or floats


def inputs_named(program: Program, wrt: Sequence[str] | str | None) -> list[Input]:
    """Return the inputs to differentiate, by name or by default; raise DerivationError for names of no such input."""
    floats = [node for node in program.inputs if node.type.dtype.is_float]
    if not floats:
        raise DerivationError("the function has no float input, so there is nothing to differentiate by")
    if wrt is None:
        is_loss = len(program.outputs) == 1 and program.outputs[0].type.shape == ()
        return chosen(program, DATA_NAMES if is_loss else CONSTANT_NAMES)
    if not isinstance(wrt, str | Iterable) or not all(isinstance(name, str) for name in wrt):
        raise DerivationError(
            f"wrt is {wrt!r}; name inputs, as in wrt=[{', '.join(repr(each.name) for each in floats)}]"
        )
    names = [wrt] if isinstance(wrt, str) else list(wrt)
    by_name = {node.name: node for node in program.inputs}
    by_letter = {canonical_name(name): name for name in by_name}
    names = [name if name in by_name else by_letter.get(canonical_name(name), name) for name in names]
    for name in names:
        if name not in by_name:
            raise DerivationError(f"{name!r} in wrt is not a parameter of the function; it has {', '.join(by_name)}")
        if by_name[name] not in floats:
            raise DerivationError(f"{name!r} holds {by_name[name].type.dtype.value} and has no derivative")
    if not names:
        raise DerivationError("wrt names nothing; name at least one parameter to differentiate by")
    return [by_name[name] for name in dict.fromkeys(names)]
