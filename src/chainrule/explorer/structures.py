"""The derivations of a page: that of a given function, or those of small networks between which a reader can choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Any, Final

import numpy as np

from chainrule.derivation import Json
from chainrule.deriving import Derivation, derive
from chainrule.explorer.payload import Structure
from chainrule.explorer.start import starting_values
from chainrule.gallery import GALLERY
from chainrule.ir import Program
from chainrule.words import ChainruleError, Language

TITLE: Final[Mapping[Language, str]] = {
    "en": "A network learns XOR: the backward pass",
    "zh": "学习异或的网络：反向传播",
}

ACTIVATIONS: Final = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu"}
LOSSES: Final = {
    "squares": "0.5*sum((a{last} - y)^2)",
    "entropy": "-sum(y .* log(a{last}) + (1 - y) .* log(1 - a{last}))",
}
DEPTHS: Final = (1, 2, 3)
HIDDEN: Final = (2, 3, 4, 6, 8)

CHOICES: Final[Json] = {
    "activation": [
        {"value": "sigmoid", "en": "sigmoid", "zh": "sigmoid"},
        {"value": "tanh", "en": "tanh", "zh": "tanh"},
        {"value": "relu", "en": "ReLU", "zh": "ReLU"},
    ],
    "loss": [
        {"value": "squares", "en": "half squared error", "zh": "平方误差的一半"},
        {"value": "entropy", "en": "cross-entropy", "zh": "交叉熵"},
    ],
    "depth": [{"value": str(depth), "en": str(depth), "zh": str(depth)} for depth in DEPTHS],
}
"""The settings on the page, each with its options in both languages."""


def networks() -> Iterator[Structure]:
    """Yield networks on XOR for each combination of settings, beginning with two layers of sigmoids."""
    for number, (depth, loss, activation) in enumerate(product(DEPTHS, LOSSES, ACTIVATIONS)):
        choice = {"activation": activation, "loss": loss, "depth": str(depth)}
        derivation = _network(activation, loss, depth)
        point = starting_values(derivation.record, _xor(depth))
        yield Structure(derivation, point, choice, {"h": HIDDEN}, is_compiled=number == 0)


def _network(activation: str, loss: str, depth: int) -> Derivation:
    lines, shapes, before = [], {"X": "n d", "y": "n o"}, "X"
    for layer in range(1, depth + 2):
        function = ACTIVATIONS[activation] if layer <= depth else "sigmoid"
        lines += [f"z{layer} = {before} @ W{layer} + b{layer}", f"a{layer} = {function}(z{layer})"]
        rows, columns = "d" if layer == 1 else "h", "h" if layer <= depth else "o"
        shapes |= {f"W{layer}": f"{rows} {columns}", f"b{layer}": columns}
        before = f"a{layer}"
    formula = "; ".join([*lines, f"L = {LOSSES[loss].format(last=depth + 1)}"])
    wrt = [f"{kind}{layer}" for layer in range(1, depth + 2) for kind in "Wb"]
    return derive(formula, wrt, **shapes)


def _xor(depth: int) -> dict[str, Any]:
    """Return the four rows of XOR, and weights drawn like those of `NeuralNetwork`, in two decimals."""
    random = np.random.RandomState(0)
    sizes = [2, *[4] * depth, 1]
    values: dict[str, Any] = {"X": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [[0], [1], [1], [0]]}
    for layer, (rows, columns) in enumerate(pairwise(sizes), start=1):
        values[f"W{layer}"] = np.round(random.randn(rows, columns), 2)
        values[f"b{layer}"] = np.zeros(columns)
    return values


def of_function(
    loss: Callable[..., Any] | Program | Derivation | str, given: Mapping[str, Any] | None, wrt: Sequence[str] | None
) -> Structure:
    """Return the derivation of a function at the values given, or at random ones.

    It has the sizes that the function names, or where the values do not fit them, those of the arrays. Whole numbers
    that cannot be labels are taken as floats.
    """
    if isinstance(loss, Derivation):
        return Structure(loss, starting_values(loss.record, given))
    attempts: list[dict[str, Any]] = [{}]
    if given is not None and not isinstance(loss, Program):
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in given.items()}
        arrays |= {name: arrays[name].astype(float) for name in wrt or ()}
        attempts += [arrays, {name: each.astype(float) for name, each in arrays.items()}]
    failures: list[ChainruleError] = []
    for shapes in attempts:
        try:
            derivation = derive(loss, wrt, **shapes)
            return Structure(derivation, starting_values(derivation.record, given))
        except ChainruleError as error:
            failures.append(error)
    raise failures[0 if len(failures) == 1 else 1]


def title_of(derivation: Derivation) -> dict[Language, str]:
    """Return the title of a page: that of the gallery, or the name of the function."""
    entry = GALLERY.get(derivation.name)
    if entry is not None:
        return {"en": f"{entry.title}: the backward pass", "zh": f"{entry.title_zh}：反向传播"}
    name = derivation.record.loss.name if derivation.name == "f" else derivation.name
    return {"en": f"The backward pass of {name}", "zh": f"{name} 的反向传播"}
