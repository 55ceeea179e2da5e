"""Table entries for decompositions and functions of matrices, and the helper functions that some of them need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.emit.arrays import ArrayWriter, Entry, primitive_of
from chainrule.emit.code import Code, call
from chainrule.emit.expressions import Expr
from chainrule.primitives import (
    Cholesky,
    Eigenvalues,
    Eigenvectors,
    LeftVector,
    LeftVectors,
    MatrixExponential,
    NuclearNorm,
    OrthogonalFactor,
    PolarFactor,
    RightVector,
    RightVectors,
    SingularValues,
    SpectralNorm,
    TriangularFactor,
    TriangularSolve,
)

_SVD = "{np}.linalg.svd({}, full_matrices=False)"

DECOMPOSITIONS: Mapping[type, Entry] = {
    Eigenvalues: "{np}.linalg.eigvalsh({})",
    Eigenvectors: "{np}.linalg.eigh({})[1]",
    LeftVector: _SVD + "[0][..., 0]",
    LeftVectors: _SVD + "[0]",
    NuclearNorm: _SVD + "[1].sum(-1)",
    OrthogonalFactor: "{np}.linalg.qr({})[0]",
    PolarFactor: "{polar_factor}({})",
    RightVector: _SVD + "[2][..., 0, :]",
    RightVectors: _SVD + "[2]",
    SingularValues: _SVD + "[1]",
    SpectralNorm: _SVD + "[1][..., 0]",
    TriangularFactor: "{np}.linalg.qr({})[1]",
}
"""Entries with names common to NumPy, JAX and PyTorch."""

IN_JAX: Mapping[type, Entry] = {
    Cholesky: "{np}.linalg.cholesky({}, symmetrize_input=False)",
    Eigenvalues: "{np}.linalg.eigvalsh({}, symmetrize_input=False)",
    Eigenvectors: "{np}.linalg.eigh({}, symmetrize_input=False)[1]",
    MatrixExponential: "jax.scipy.linalg.expm({})",
}
"""Those of JAX, which would otherwise read both triangles."""


def solved_in_numpy(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """A triangular system for `np.linalg.solve`, since NumPy has no function of its own."""
    triangle = writer.function("triu" if _is_upper(x) else "tril", operands[0])
    return writer.function("linalg.solve", triangle, operands[1])


def solved_in_jax(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """A triangular system for JAX."""
    return call("jax.scipy.linalg.solve_triangular", *operands, lower=str(not _is_upper(x)))


def solved_in_torch(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """A triangular system for PyTorch."""
    return call("torch.linalg.solve_triangular", *operands, upper=str(_is_upper(x)))


def _is_upper(x: Expr) -> bool:
    primitive = primitive_of(x)
    assert isinstance(primitive, TriangularSolve)
    return primitive.upper


def polar_factor_source(np: str) -> str:
    """Return the helper of that name for a library."""
    return f'''def polar_factor(x):
    """U V' of the singular value decomposition x = U S V'."""
    u, _, v = {np}.linalg.svd(x, full_matrices=False)
    return u @ v'''


EXPONENTIAL = '''def expm(x):
    """The matrix exponential: a Padé approximant of order 13, with scaling and squaring."""
    size = np.abs(x).sum(axis=-2).max(initial=0)
    halvings = max(0, math.ceil(math.log2(size / 5.37))) if size > 0 else 0
    x = x / 2.0**halvings
    even = odd = power = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    coefficient = 1.0
    for k in range(1, 14):
        power = power @ x
        coefficient *= (14 - k) / (k * (27 - k))
        even = even + coefficient * power
        odd = odd + (-1) ** k * coefficient * power
    result = np.linalg.solve(odd, even)
    for _ in range(halvings):
        result = result @ result
    return result'''
"""The helper of that name for NumPy."""
