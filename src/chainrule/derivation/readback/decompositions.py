"""What decompositions and functions of matrices give, read back by NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.derivation.readback.values import Array, Meaning, ReadingError, Value, known


def _svd(x: Array) -> tuple[Array, Array, Array]:
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    return left, sizes, right


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "eigvals": np.linalg.eigvalsh,
    "eigvecs": lambda x: np.linalg.eigh(x)[1],
    "svdvals": lambda x: _svd(x)[1],
    "leftvecs": lambda x: _svd(x)[0],
    "rightvecs": lambda x: _svd(x)[2],
    "leftvec": lambda x: _svd(x)[0][..., 0],
    "rightvec": lambda x: _svd(x)[2][..., 0, :],
    "nuclear": lambda x: np.sum(_svd(x)[1], -1),
    "spectral": lambda x: np.max(_svd(x)[1], -1),
    "polar": lambda x: np.matmul(*_svd(x)[::2]),
    "qfactor": lambda x: np.linalg.qr(x)[0],
    "rfactor": lambda x: np.linalg.qr(x)[1],
}


def decomposed(name: str, x: Meaning) -> Meaning:
    """Return what a decomposition of a matrix gives."""
    value = known(x)
    if value.ndim < 2 or (name.startswith("eig") and value.shape[-1] != value.shape[-2]):
        raise ReadingError(f"{name} of an array of shape {value.shape}")
    return Value(np.asarray(_FUNCTIONS[name](value.data)), value.letters)


def exponential(name: str, x: Meaning, *directions: Meaning) -> Meaning:
    """Return the matrix exponential, or its derivative in some directions, by power series of scaled matrices."""
    if (name == "expm") != (not directions):
        raise ReadingError(f"{name} of {1 + len(directions)} arguments")
    values = [known(each) for each in (x, *directions)]
    first, size = values[0], values[0].shape[-1]
    if first.shape[-2:] != (size, size) or any(
        (each.shape, each.letters) != (first.shape, first.letters) for each in values
    ):
        raise ReadingError("the exponential of an array that is not square")
    whole = first.data
    for direction in values[1:]:
        ahead = np.kron(np.eye(whole.shape[-1] // size), direction.data)
        whole = np.block([[whole, ahead], [np.zeros_like(whole), whole]])
    term = total = np.broadcast_to(np.eye(whole.shape[-1]), whole.shape)
    for k in range(1, 25):
        term = term @ whole / (1024 * k)
        total = total + term
    for _ in range(10):
        total = total @ total
    return Value(total[..., :size, total.shape[-1] - size :], first.letters)
