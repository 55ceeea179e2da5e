"""Products with epilogues, and training runs, of any size, for comparison of generated code with references."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from numpy.typing import NDArray

from chainrule import primitives as p
from chainrule.calculus import backward
from chainrule.engines import Loop
from chainrule.ir import ArrayType, Const, DType, Input, Node, Program

Array = NDArray[Any]
BOUNDARIES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70)
"""Sizes around those of vectors, tiles and grains, and their multiples."""

FLOATS = (DType.FLOAT64, DType.FLOAT32)


def few(count: int) -> settings:
    """Return settings with `count` examples, or many more with new draws, as for `--hypothesis-profile=explore`."""
    chosen = settings()
    return settings(max_examples=count if chosen.derandomize else 50 * count)


@dataclass(frozen=True)
class Sizes:
    """The rows, the inputs of a layer, its units, and the outputs of a second layer."""

    rows: int
    inputs: int
    hidden: int
    outputs: int


Product = tuple[str, str]
"""An einsum over the axes n (rows), d (inputs), h (hidden) and o (outputs), and its summed axes."""

PRODUCTS: dict[str, Product] = {
    "plain": ("nd,dh->nh", "d"),
    "left transposed": ("dn,dh->nh", "d"),
    "right transposed": ("nd,hd->nh", "d"),
    "both transposed": ("dn,hd->nh", "d"),
    "result transposed": ("nd,dh->hn", "d"),
    "all transposed": ("dn,hd->hn", "d"),
    "matrix and vector": ("nd,d->n", "d"),
    "transposed matrix and vector": ("dn,d->n", "d"),
    "vector and matrix": ("d,dh->h", "d"),
    "inner": ("d,d->", "d"),
    "outer": ("n,h->nh", ""),
    "batched": ("ond,odh->onh", "d"),
    "batched, transposed": ("nod,ohd->noh", "d"),
    "batch last": ("ndo,dho->nho", "d"),
    "three operands": ("nd,dh,ho->no", "dh"),
    "weighted": ("nd,d,dh->nh", "d"),
    "two axes": ("ndh,dho->no", "dh"),
    "two axes, crossed": ("hnd,odh->no", "dh"),
    "diagonal": ("nd,nd->n", "d"),
    "trace of a product": ("nd,dn->", "nd"),
}

Epilogue = Callable[[Node, Callable[..., Input]], Sequence[Node]]


def _last(z: Node) -> tuple[Any, ...]:
    return z.type.shape[-1:]


def _layer(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    return [p.sigmoid(z + p.broadcast_to(new(_last(z)), z.type.shape))]


def _masked(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    shifted = z + new(z.type.shape)
    return [p.where(new(z.type.shape, DType.BOOL), p.tanh(shifted), -shifted), shifted]


def _softmax(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    return [p.softmax(z, -1), p.softmax(z, 0) * new(z.type.shape)]


def _log_softmax(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    return [p.sum_(p.log_softmax(z, -1) * new(z.type.shape), -1)]


def _normalized(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    centred = z - p.mean(z, -1, True)
    spread = p.sqrt(p.mean(p.square(centred), -1, True) + 0.1)
    return [centred / spread * p.broadcast_to(new(_last(z)), z.type.shape)]


def _sums(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    h = p.relu(z)
    return [p.sum_(h, 0), p.sum_(h, -1), p.mean(p.square(z)), h]


def _extremes(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    return [p.max_(z, 0), p.min_(z, -1), p.max_(z), z - p.max_(z, -1, True)]


def _updated(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    velocity = 0.9 * new(z.type.shape) + z
    return [velocity, new(z.type.shape) - 0.1 * velocity]


def _plain(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    return [z]


def _moved(z: Node, new: Callable[..., Input]) -> Sequence[Node]:
    """Return values that are read at other indices than they were written, and one that needs both."""
    h = p.silu(z)
    turned = p.permute(z)
    back = p.reverse(h, (0,))
    return [h * back, p.reshape(turned, (-1,)), p.concatenate([h, p.square(back)], 0), p.pad(h, 1)]


EPILOGUES: dict[str, Epilogue] = {
    "nothing": _plain,
    "bias and activation": _layer,
    "mask": _masked,
    "softmax": _softmax,
    "log softmax": _log_softmax,
    "normalization": _normalized,
    "sums": _sums,
    "extremes": _extremes,
    "update": _updated,
    "other places": _moved,
}
NEED_AXES = frozenset(EPILOGUES) - {"nothing", "update", "mask"}


def product_program(sizes: Sizes, product: str, epilogues: Sequence[str], dtype: DType) -> Program:
    """Return a product, scaled to the size of its factors, with every epilogue that applies to its axes."""
    text, summed = PRODUCTS[product]
    extents = {"n": sizes.rows, "d": sizes.inputs, "h": sizes.hidden, "o": sizes.outputs}
    inputs: list[Input] = []

    def new(shape: tuple[Any, ...], kind: DType = dtype) -> Input:
        inputs.append(Input(f"x{len(inputs)}", ArrayType(shape, kind)))
        return inputs[-1]

    factors = [new(tuple(extents[axis] for axis in factor)) for factor in text.split("->")[0].split(",")]
    scale = 1 / math.sqrt(math.prod(extents[axis] for axis in summed))
    z = p.einsum(text, *factors) * scale
    outputs = [node for name in epilogues if z.type.ndim or name not in NEED_AXES for node in EPILOGUES[name](z, new)]
    return Program(tuple(inputs), tuple(outputs or [z]))


def random_values(program: Program, seed: int) -> dict[str, Array]:
    """Return values for the inputs: floats from −1 to 1, and integers that index the first axis of the first input."""
    rng = np.random.default_rng(seed)
    places = program.inputs[0].type.concrete_shape[:1]
    values: dict[str, Array] = {}
    for node in program.inputs:
        shape, dtype = node.type.concrete_shape, node.type.dtype
        if dtype is DType.BOOL:
            values[node.name] = rng.random(shape) < 0.5
        elif dtype is DType.INT64:
            values[node.name] = rng.integers(-places[0], places[0], shape)
        else:
            values[node.name] = np.asarray(rng.uniform(-1, 1, shape)).astype(dtype.numpy)
    return values


LOSSES = ("squares", "classes", "normalized", "masked")
OPTIMIZERS = ("descent", "momentum", "adam")


@dataclass(frozen=True)
class Training:
    """A run of a network with one hidden layer on `count` rows."""

    sizes: Sizes
    """Sizes of a batch; `rows` is the batch size."""
    count: int
    loss: str
    optimizer: str
    dtype: DType
    shuffle: bool = True

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.sizes
        return {"W1": (s.inputs, s.hidden), "b1": (s.hidden,), "W2": (s.hidden, s.outputs), "b2": (s.outputs,)}

    @property
    def memory(self) -> tuple[str, ...]:
        """The states that the optimizer keeps for each parameter."""
        return {"descent": (), "momentum": ("v",), "adam": ("m", "v")}[self.optimizer]

    @property
    def loop(self) -> Loop:
        """Return the run; Adam counts its steps in a state `t`."""
        counts = {min(self.sizes.rows, self.count), self.count % self.sizes.rows} - {0}
        steps = {rows: self.step(rows) for rows in counts}
        state = tuple(node.name for node in next(iter(steps.values())).inputs if node.name not in ("X", "y"))
        return Loop(state, ("X", "y"), (), steps, self.count, self.sizes.rows, self.shuffle)

    def step(self, rows: int) -> Program:
        """Return the loss of a batch and the next value of every state."""
        X = Input("X", ArrayType((rows, self.sizes.inputs), self.dtype))
        classes = self.loss == "classes"
        y = Input(
            "y", ArrayType((rows,), DType.INT64) if classes else ArrayType((rows, self.sizes.outputs), self.dtype)
        )
        weights = {name: Input(name, ArrayType(shape, self.dtype)) for name, shape in self.shapes.items()}
        loss = self._loss(X, y, *weights.values())
        gradients = backward(Program((X, y, *weights.values()), (loss,)), tuple(weights.values())).gradients
        return self._step((X, y), loss, list(weights.values()), gradients)

    def _loss(self, X: Node, y: Node, W1: Node, b1: Node, W2: Node, b2: Node) -> Node:
        z = X @ W1 + b1
        if self.loss == "normalized":
            centred = z - p.mean(z, 1, True)
            z = centred / p.sqrt(p.mean(p.square(centred), 1, True) + 0.1)
        h = p.where(p.greater(z, 0), z, 0.1 * z) if self.loss == "masked" else p.tanh(z)
        scores = h @ W2 + b2
        if self.loss == "classes":
            chosen = p.log_softmax(scores, 1) * p.one_hot(y, self.sizes.outputs, self.dtype)
            return -p.mean(p.sum_(chosen, 1))
        return p.mean(p.square(p.sigmoid(scores) - y))

    def _step(self, data: tuple[Input, ...], loss: Node, weights: list[Input], gradients: Sequence[Node]) -> Program:
        inputs, following = list(weights), []
        remembered: list[Input] = []
        kept: list[Node] = []
        t = Input("t", ArrayType((), self.dtype))
        for weight, gradient in zip(weights, gradients, strict=True):
            own = [Input(f"{weight.name} {name}", weight.type) for name in self.memory]
            remembered += own
            if not own:
                following.append(weight - 0.1 * gradient)
            elif self.optimizer == "momentum":
                velocity = 0.9 * own[0] + gradient
                kept.append(velocity)
                following.append(weight - 0.05 * velocity)
            else:
                m = 0.9 * own[0] + 0.1 * gradient
                v = 0.99 * own[1] + 0.01 * p.square(gradient)
                kept += [m, v]
                corrected = m / (1 - p.power(Const(0.9, t.type), t + 1))
                following.append(weight - 0.01 * corrected / (p.sqrt(v) + 0.01))
        if self.optimizer == "adam":
            remembered.append(t)
            kept.append(t + 1)
        return Program((*data, *inputs, *remembered), (loss, *following, *kept))

    def values(self, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return an initial state and data."""
        rng = np.random.default_rng(seed)
        program = self.step(1)
        state: dict[str, Array] = {}
        for node in program.inputs[2:]:
            shape = node.type.concrete_shape
            fresh = node.name not in self.shapes
            state[node.name] = np.zeros(shape) if fresh else rng.normal(size=shape) / math.sqrt(shape[0])
        classes = self.loss == "classes"
        y = rng.integers(0, self.sizes.outputs, self.count) if classes else rng.random((self.count, self.sizes.outputs))
        data = {"X": rng.normal(size=(self.count, self.sizes.inputs)), "y": y}
        numpy = self.dtype.numpy
        data = {name: value if value.dtype.kind == "i" else value.astype(numpy) for name, value in data.items()}
        return {name: value.astype(numpy) for name, value in state.items()}, data


def moving_program(sizes: Sizes, dtype: DType) -> Program:
    """Return a program that reads and writes at looked-up, shifted, strided or selected indices."""
    n, d, h, o = sizes.rows, sizes.inputs, sizes.hidden, sizes.outputs
    x, y = Input("x", ArrayType((n, d), dtype)), Input("y", ArrayType((n, d), dtype))
    mask = Input("mask", ArrayType((n, d), DType.BOOL))
    rows = Input("rows", ArrayType((h,), DType.INT64))
    table = Input("table", ArrayType((h, o), dtype))
    spread = p.Pad((1, 0), (0, 2), (0, 1))(x)
    strided = p.Slice((n - 1, 0), (n, -(-d // 2)), (-1, 2))(x)
    chosen = p.where(mask, p.square(x), y)
    joined = p.concatenate([chosen, p.exp(y), strided], 1)
    outputs = (
        p.take(p.sigmoid(x), rows, 0),
        p.ScatterAdd(0, n)(table, rows),
        p.sum_(p.ScatterAdd(0, n)(p.square(table), rows), 0),
        p.one_hot(rows, n, dtype),
        spread,
        p.sum_(spread, 1),
        joined,
        p.max_(joined, 0),
        p.where(mask, p.pad(p.Slice((0, 0), (n, d - 1), (1, 1))(x), ((0, 0), (1, 0))), y) if d > 1 else y,
        p.logical_not(mask),
    )
    return Program((x, y, mask, rows, table), outputs)
