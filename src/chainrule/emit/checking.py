"""Verification before export: of the lines of the derivation, and of the values of the NumPy source."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from chainrule.derivation import Derivatives, Record, Verifier, derivatives_verifier, is_upstream, output_name
from chainrule.emit.errors import UnverifiedError
from chainrule.ir import Node

_TOLERANCE = 1e-8
_verified: WeakSet[Record] = WeakSet()


def check_lines(record: Record) -> None:
    """Raise UnverifiedError unless every line of the derivation holds; a verified one is not checked again."""
    if record in _verified:
        return
    verification = Verifier(record).run()
    if not verification.holds:  # source does not depend on the printed text
        raise UnverifiedError(f"nothing is written, since the derivation is not verified: {verification}")
    _verified.add(record)


def check_derivatives(derivatives: Derivatives) -> None:
    """Raise UnverifiedError unless every line of a Hessian or of Jacobians holds."""
    verification = derivatives_verifier(derivatives).run()
    if not verification.holds:
        raise UnverifiedError(f"nothing is written, since the derivation is not verified: {verification}")


def check_numpy(record: Record, text: str) -> None:
    """Run the NumPy source at a point; raise UnverifiedError unless it agrees with the derivation."""
    stages = {stage.name: stage.symbol for stage in record.backward.stages}
    given = [node for node in record.program.inputs if is_upstream(node)]
    outputs: list[Node] = [stages[output_name(node)] for node in given] or [record.loss]
    order = [node for node in record.program.inputs if node in record.backward.wrt]
    cotangents = {entry.symbol: entry.cotangent for entry in record.backward.accumulations}
    verifier = Verifier(record)
    wanted = [*outputs, *(cotangents[node] for node in order)]
    values, expected, spreads = verifier.values_with_spread(wanted)
    arguments = [verifier.value_of(node, values) for node in record.program.inputs if node not in given]
    seeds = [verifier.value_of(node, values) for node in given]
    space: dict[str, Any] = {}
    try:
        with np.errstate(all="ignore"):
            exec(compile(text, "<emitted source>", "exec"), space)  # noqa: S102
            *found, saved = space["forward"](*arguments)
            gradients = space["backward"](saved, *seeds)
    except Exception as error:
        raise UnverifiedError(
            f"nothing is written, since the source in NumPy fails with {type(error).__name__}: {error}"
        ) from error
    found += [gradients] if len(order) == 1 else gradients
    names = [output_name(node) for node in given] or [record.loss.name]
    names += [f"the gradient by {node.name}" for node in order]
    for name, value, right, spread in zip(names, found, expected, spreads, strict=True):
        if not _agree(np.asarray(value, float), right, spread):
            raise UnverifiedError(
                f"nothing is written, since what the source in NumPy gives for {name} is not what was derived"
            )


def _agree(found: NDArray[Any], expected: NDArray[Any], spread: NDArray[Any]) -> bool:
    if found.shape != expected.shape:
        return False
    size = float(np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0))
    with np.errstate(invalid="ignore"):
        near = np.abs(found - expected) <= _TOLERANCE * size + spread + 1e-300
    return bool(np.all(near | (found == expected) | (np.isnan(found) & np.isnan(expected))))
