"""A network of units in a record: the layers and the weights between them, which the page draws as discs and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.derivation import Record, is_upstream
from chainrule.explorer.pictures import Picture, picture_of
from chainrule.ir import Input, Node, applies
from chainrule.primitives import Primitive, Relu, Sigmoid, Tanh

STEEPEST: Final[Mapping[type[Primitive], float]] = {Sigmoid: 0.25, Tanh: 1.0, Relu: 1.0}
"""The largest derivative of common activations."""


@dataclass(frozen=True)
class Layer:
    """The values of the units of a layer, and those before the activation if it has one.

    `steepest` is the largest derivative of the activation, 1 without one, and 0 if it is not known.
    """

    value: str
    pre: str = ""
    steepest: float = 1.0


@dataclass(frozen=True)
class Weights:
    """The weights into a layer, and its bias if it has one."""

    key: str
    bias: str = ""


@dataclass(frozen=True)
class Network:
    """Layers from the input to the output; `rows` says that samples are rows. `target` is what the output is for."""

    layers: tuple[Layer, ...]
    weights: tuple[Weights, ...]
    rows: bool
    target: str


def network_of(record: Record) -> Network | None:
    """Return the chain of layers through which the data go, or None if the function is no such chain.

    >>> from chainrule.deriving import derive
    >>> from chainrule.gallery import GALLERY
    >>> network = network_of(derive(GALLERY["two_layer_columns"].function).record)
    >>> [layer.value for layer in network.layers], network.rows
    (['x', 'a1', 'a2'], False)
    """
    parameters = {node.name for node in record.backward.wrt}
    data = {node.name: node for node in record.program.inputs if node.name not in parameters and not is_upstream(node)}
    layers: list[Layer] = []
    weights: list[Weights] = []
    conventions: set[bool] = set()
    for stage in record.stages:
        symbol, picture = stage.stage.symbol, picture_of(stage.forward.right)
        found = _layer(picture, parameters)
        if found is not None and not layers and found[0] in data:
            layers.append(Layer(found[0]))
        if found is not None and layers and found[0] == layers[-1].value:
            weights.append(Weights(found[1], _bias(picture, parameters - {found[1]})))
            conventions.add(found[2])
            layers.append(Layer(symbol.name))
        elif layers and stage.derivative is not None and picture.operands == (layers[-1].value,):
            layers[-1] = Layer(symbol.name, layers[-1].value, _steepest(stage.stage.expression))
    if not weights or len(conventions) > 1:
        return None
    output = next(each.stage.symbol for each in record.stages if each.stage.symbol.name == layers[-1].value)
    others = [node for name, node in data.items() if name != layers[0].value]
    return Network(tuple(layers), tuple(weights), conventions.pop(), _like(output, others))


def _layer(picture: Picture, parameters: set[str]) -> tuple[str, str, bool] | None:
    """Return the values that a product takes, its weights, and whether samples are rows."""
    left, right = picture.left, picture.right
    if picture.product not in ("matrix", "vector") or left is None or right is None:
        return None
    if right.key in parameters and not right.transposed and not left.transposed and picture.product == "matrix":
        return left.key, right.key, True
    if left.key in parameters and not left.transposed and not right.transposed:
        return right.key, left.key, False
    return None


def _steepest(activation: Node) -> float:
    for primitive, most in STEEPEST.items():
        if applies(activation, primitive):
            return most
    return 0.0


def _bias(picture: Picture, parameters: set[str]) -> str:
    return next((key for key in picture.operands if key in parameters), "")


def _like(output: Input, inputs: Sequence[Input]) -> str:
    return next((node.name for node in inputs if node.type.shape == output.type.shape), "")
