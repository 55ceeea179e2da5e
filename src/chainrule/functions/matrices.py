"""Functions of matrices that NumPy does not have, with SciPy's names and meaning."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from chainrule import primitives
from chainrule.functions.calling import call


def expm(x: ArrayLike) -> Any:
    """The exponential Σ xᵏ / k! of a square matrix, or of each matrix in the last two axes, as `scipy.linalg.expm`.

    The derivative is the Fréchet derivative (Higham 2008, chapter 10), written `dexpm(x, dx)`.

    >>> print(expm([[0.0, 1.0], [0.0, 0.0]]))
    [[1. 1.]
     [0. 1.]]
    """
    return call(primitives.matrix_exponential, x)


def solve_triangular(
    a: ArrayLike, b: ArrayLike, trans: int = 0, lower: bool = False, unit_diagonal: bool = False
) -> Any:
    """Solve a x = b with the upper triangle of a, or the `lower` one, as `scipy.linalg.solve_triangular`.

    b is a vector, or a matrix of columns. With `trans` the matrix is transposed, with `unit_diagonal` its diagonal is
    taken as 1. The other triangle of a is not read, and its gradient is zero there. A singular matrix gives NaN.

    >>> print(solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 9.0], lower=True))
    [1. 2.]
    """
    return call(primitives.solve_triangular, a, b, trans=trans, lower=lower, unit_diagonal=unit_diagonal)
