"""Which gradients an answer owes, if the caller does not say it: those by the parameters, not those by data."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chainrule.grading.names import is_data, is_hyperparameter, is_mask, is_target, is_weight
from chainrule.ir import Input


def parameters_of(inputs: Sequence[Input], is_loss: bool) -> list[str]:
    """Return the inputs by which gradients are due.

    A layer has one by every input but masks, labels and numbers such as ε. A loss has one by its parameters: inputs
    named like them, and others that stand among these; before and after them, and if they are named so, they are data.
    """
    floats = [node for node in inputs if node.type.dtype.is_float]
    if not is_loss:
        named = [node for node in floats if not is_target(node.name) and not is_mask(node.name)]
        kept = [node.name for node in named if node.type.ndim or not is_hyperparameter(node.name)]
        return kept or [node.name for node in floats]
    chosen = [node.name for node in floats if not is_plainly_data(node)]
    weights = [k for k, node in enumerate(floats) if is_weight(node.name) and not is_plainly_data(node)]
    if weights:
        among = {node.name for node in floats[weights[0] : weights[-1] + 1]}
        chosen = [name for name in chosen if name in among]
    return chosen or [node.name for node in floats]


def is_plainly_data(node: Input) -> bool:
    """Whether an input is data, or a chosen number, by its name."""
    return is_data(node.name) or (not node.type.ndim and is_hyperparameter(node.name) and not is_weight(node.name))


def unasked(inputs: Sequence[Input], wanted: Collection[str], given: Collection[str]) -> list[str]:
    """Return the inputs that are taken as data although their names do not say it."""
    floats = [node for node in inputs if node.type.dtype.is_float]
    return [n.name for n in floats if n.name not in wanted and n.name not in given and not is_plainly_data(n)]
