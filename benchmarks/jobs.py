"""The training jobs as data: model, data and number of epochs. Every contender reads the same description.

A network is fully connected; its parameters are a list `[W1, b1, W2, b2, …]` with weights of shape (inputs, outputs).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Job:
    """A network, its data and its number of steps.

    Attributes
    ----------
    sizes
        The width of each layer, the inputs' first.
    loss
        `"squared_error"`: ½ Σ (a − y)² over a batch, `a` the logistic function of the last layer's outputs and every
        hidden layer logistic too. `"cross_entropy"`: the mean over a batch of −log softmax, with relu in between.
    learning_rate
        The learning rate of `optimizer`; Adam's other constants are 0.9, 0.999 and 1e-8.
    rows, batch, epochs
        `rows` is a multiple of `batch`; batches are consecutive rows, in the same order in each epoch.

    """

    name: str
    title: str
    sizes: tuple[int, ...]
    loss: Literal["squared_error", "cross_entropy"]
    optimizer: Literal["sgd", "adam"]
    learning_rate: float
    rows: int
    batch: int
    epochs: int
    dtype: str
    against_product: bool = False

    def __post_init__(self) -> None:
        if self.rows % self.batch:
            raise ValueError(f"{self.rows} rows do not divide into batches of {self.batch}")

    @property
    def steps_per_epoch(self) -> int:
        return self.rows // self.batch

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def tolerance(self) -> float:
        """The relative tolerance of final losses: the square root of the precision, since rounding errors grow."""
        return float(np.sqrt(np.finfo(self.dtype).eps))

    @property
    def product_operations(self) -> int:
        """The floating-point operations of a step's matrix products, without the gradient of the inputs."""
        products = [2 * self.batch * m * n for m, n in pairwise(self.sizes)]
        return 3 * sum(products) - products[0]

    def shortened(self) -> Job:
        """Return the same job with a tenth of its epochs."""
        return replace(self, epochs=max(1, self.epochs // 10))

    def initial(self) -> list[Array]:
        """Return the initial parameters of every contender: normal draws, scaled for relu, and zero biases."""
        random = np.random.RandomState(0)
        parameters: list[Array] = []
        for m, n in pairwise(self.sizes):
            scale = 1.0 if self.loss == "squared_error" else np.sqrt(2 / m)
            parameters += [(scale * random.randn(m, n)).astype(self.dtype), np.zeros(n, self.dtype)]
        return parameters

    def data(self) -> tuple[Array, Array]:
        """Return the rows and their targets (float columns, or int64 labels), the same read-only arrays each time."""
        return _data(self.sizes[0], self.sizes[-1], self.rows, self.loss, self.dtype)

    def evaluate(self, parameters: list[Array]) -> float:
        """Return the mean loss of a row over all the data, in float64, computed alike for all contenders."""
        X, y = self.data()
        a = X.astype(np.float64)
        weights, biases = parameters[::2], parameters[1::2]
        for k, (W, b) in enumerate(zip(weights, biases, strict=True)):
            z = a @ np.asarray(W, np.float64) + np.asarray(b, np.float64)
            if self.loss == "squared_error":
                a = 1 / (1 + np.exp(-z))
            else:
                a = z if k == len(weights) - 1 else np.maximum(z, 0)
        if self.loss == "squared_error":
            return float(0.5 * np.sum((a - y) ** 2) / len(X))
        shifted = a - a.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]))


@cache
def _data(inputs: int, outputs: int, rows: int, loss: str, dtype: str) -> tuple[Array, Array]:
    random = np.random.RandomState(1)
    X: Array
    y: Array
    if loss == "squared_error":
        X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype), np.array([[0], [1], [1], [0]], dtype)
        if (inputs, outputs, rows) != (2, 1, 4):
            raise ValueError("the squared error is for XOR: 2 inputs, 1 output, 4 rows")
    else:
        X = random.randn(rows, inputs).astype(dtype)
        y = np.argmax(X @ random.randn(inputs, outputs), axis=1)
    X.flags.writeable = y.flags.writeable = False
    return X, y


_MLP = Job(
    "mlp",
    "784-128-10, relu, cross-entropy, SGD, batches of 128, float32",
    sizes=(784, 128, 10),
    loss="cross_entropy",
    optimizer="sgd",
    learning_rate=0.05,
    rows=12_800,
    batch=128,
    epochs=10,
    dtype="float32",
    against_product=True,
)

JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job(
            "xor",
            "2-4-1, sigmoid, squared error, gradient descent on all four rows, float64",
            sizes=(2, 4, 1),
            loss="squared_error",
            optimizer="sgd",
            learning_rate=0.1,
            rows=4,
            batch=4,
            epochs=10_000,
            dtype="float64",
        ),
        _MLP,
        replace(
            _MLP,
            name="tabular",
            title="20-64-2, relu, cross-entropy, SGD, batches of 64, float32",
            sizes=(20, 64, 2),
            rows=6_400,
            batch=64,
            epochs=50,
            against_product=False,
        ),
        replace(
            _MLP,
            name="adam",
            title="784-128-10, relu, cross-entropy, Adam, batches of 128, float32",
            optimizer="adam",
            learning_rate=0.0003,
        ),
        replace(
            _MLP,
            name="wide",
            title="512-512-512-10, relu, cross-entropy, SGD, batches of 256, float32",
            sizes=(512, 512, 512, 10),
            rows=5_120,
            batch=256,
            epochs=5,
        ),
        replace(
            _MLP,
            name="deep",
            title="64 inputs, eight layers of 64, relu, cross-entropy, SGD, float32",
            sizes=(64, *[64] * 8, 10),
            learning_rate=0.001,
            rows=6_400,
            batch=64,
            epochs=20,
            against_product=False,
        ),
    )
}
