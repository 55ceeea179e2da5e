"""The functions and edge cases that the gradient tests of autograd and of JAX go through, as a checklist.

Each call is understood, with NumPy's value and a derivative that agrees with differences, or refused for a reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
from scipy import special as sp

import chainrule as cr

ELEMENTWISE = [
    "abs",
    "absolute",
    "fabs",
    "ceil",
    "floor",
    "trunc",
    "rint",
    "sign",
    "cos",
    "cosh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "sinh",
    "sqrt",
    "cbrt",
    "square",
    "reciprocal",
    "tan",
    "tanh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arctanh",
    "rad2deg",
    "deg2rad",
    "degrees",
    "radians",
    "sinc",
    "negative",
    "positive",
    "real",
    "conj",
    "angle",
    "nan_to_num",
    "i0",
    "imag",
    "isfinite",
    "isnan",
    "isinf",
    "signbit",
    "logical_not",
    "real_if_close",
    "round",
    "around",
    "fix",
]

CALLS = """
np.arccosh(1 + x)
np.logaddexp(x, y)
np.logaddexp2(x, y)
np.true_divide(x, y)
np.mod(x, y)
np.remainder(x, y)
np.fmod(x, y)
np.arctan2(x, y)
np.hypot(x, y)
np.maximum(x, y)
np.minimum(x, y)
np.fmax(x, y)
np.fmin(x, y)
np.power(x, y)
np.float_power(x, y)
np.heaviside(x - 0.5, 0.5)
np.copysign(x, y)
np.ldexp(x, np.array([1, 2, 3]))
np.floor_divide(x, y)
np.divmod(x, y)[1]
np.modf(x)[0]
np.clip(x, 0.3, 0.6)
np.clip(x, y - 0.1, y + 0.1)
np.where(x > 0.4, x, y)
np.select([x > 0.5, x > 0.3], [x, y], 0.0)
np.sum(M, axis=(0, 1))
np.sum(M, axis=-1, keepdims=True)
np.mean(M, axis=0)
np.prod(M, axis=1)
np.prod(np.array([0.0, 1.0, 2.0]) * x)
np.prod(np.array([0.0, 0.0, 2.0]) * x)
np.var(M, axis=0)
np.var(M, axis=1, ddof=1)
np.std(M, axis=0, ddof=1)
np.std(M)
np.max(M, axis=1)
np.min(M)
np.amax(M, axis=(0, 1))
np.ptp(M, axis=0)
np.max(x * 0)
np.cumsum(M, axis=1)
np.cumsum(M)
np.cumprod(M, axis=0)
np.average(M, axis=0, weights=x)
np.median(M, axis=1)
np.percentile(M, 30)
np.quantile(x, np.array([0.2, 0.7]))
np.nansum(x)
np.nanmean(M, axis=0)
np.argmax(x) * x
np.transpose(M)
np.transpose(T, (2, 0, 1))
M.T @ x
np.ravel(M, order="F")
np.reshape(M, (9,), order="F")
M.reshape(-1)
M.flatten()
np.squeeze(T[:, :1])
np.expand_dims(x, (0, 2))
np.diagonal(M, 1)
np.diagonal(T, 0, 1, 2)
np.diag(x, 1)
np.diag(M, -1)
np.diagflat(x)
np.trace(M, offset=1)
np.trace(T, axis1=1, axis2=2)
np.rollaxis(T, 2)
np.moveaxis(T, 0, -1)
np.swapaxes(T, 0, 2)
np.repeat(M, 2, axis=1)
np.repeat(x, [1, 0, 2])
np.tile(M, (2, 1))
np.tile(x, 2)
np.kron(M, M)
np.kron(x, y)
np.roll(M, 1, axis=0)
np.roll(M, (1, 2), (0, 1))
np.array_split(x, 2)[1]
np.split(M, 3)[0]
np.split(x, [1, 2])[1]
np.vsplit(M, 3)[2]
np.hsplit(M, 3)[1]
np.dsplit(T, 3)[0]
np.concatenate([x, y])
np.concatenate([M, M], axis=1)
np.concatenate((x, M.ravel()), axis=0)
np.append(M, M, axis=0)
np.append(x, 1.0)
np.stack([x, y], axis=1)
np.vstack([x, y])
np.hstack([x, y])
np.column_stack([x, y])
np.dstack([M, M])
np.array([x, y])
np.array([[x[0], y[1]], [x[2], 1.0]])
np.block([[M, M], [M, M]])
np.r_[x, y]
np.r_[x, 1.0, y]
np.c_[x, y]
np.tril(M)
np.triu(M, 1)
np.rot90(M)
np.rot90(M, 2)
np.fliplr(M)
np.flipud(M)
np.flip(M, (0, 1))
x[::-1]
x[::2]
x[-1]
M[1]
M[:, 0]
M[..., None]
M[[0, 0, 1]]
M[[0, 1], [1, 2]]
M[np.ix_([0, 2], [1])]
M[np.array([True, False, True])]
x[np.array([[0, 1], [2, 0]])]
np.take(M, [0, 2, 2], axis=1)
np.take_along_axis(M, np.array([[0], [1], [2]]), 1)
np.outer(x, M)
np.inner(M, x)
np.inner(T, x)
np.dot(x, y)
np.dot(M, T)
np.dot(2.0, x)
np.matmul(T, M)
np.matmul(x, T)
np.vdot(M, M)
np.tensordot(T, M, 1)
np.tensordot(T, M, ([0, 1], [1, 0]))
np.tensordot(T, M, 0)
np.einsum("ij,jk->ik", M, M)
np.einsum("ii->i", M)
np.einsum("ii", M)
np.einsum("...ij,...j->...i", T, M)
np.einsum("i,j", x, y)
np.einsum(M, [0, 1], x, [1], [0])
np.cross(x, y)
np.cross(M, x)
np.sort(x)
np.sort(M, axis=0)
np.sort(M, axis=None)
np.partition(x, 1)
x[np.argsort(x)]
np.pad(M, 1)
np.pad(M, ((1, 0), (0, 2)), constant_values=1.0)
np.pad(x, 2, mode="reflect")
np.pad(x, 2, mode="edge")
np.pad(x, 2, mode="wrap")
np.diff(M, axis=0)
np.diff(x, n=2)
np.ediff1d(x)
np.gradient(x)
np.gradient(M, axis=1)
np.interp(0.3, np.array([0.0, 1.0, 2.0]), x)
np.convolve(x, y)
np.convolve(x, y, "same")
np.correlate(x, y, "full")
np.polyval(x, y)
np.vander(x)
np.cov(M)
np.corrcoef(M)
np.searchsorted(np.array([0.1, 0.5]), x) * x
np.bincount(np.array([0, 1, 0]), weights=x)
np.atleast_1d(x[0])
np.atleast_2d(x)
np.atleast_3d(M)
np.broadcast_to(x, (2, 3))
np.broadcast_arrays(x, M)[0]
np.meshgrid(x, y)[1]
np.linspace(x[0], y[0], 5)
np.full((2, 2), x[0])
np.full_like(M, x[1])
np.zeros_like(x) + x
np.ones_like(x) * x
np.unwrap(x * 9)
np.apply_along_axis(np.sum, 0, M)
np.delete(x, 1)
np.insert(x, 1, y[0])
np.maximum.accumulate(x)
np.add.reduce(M, axis=0)
np.multiply.accumulate(x)
np.linalg.inv(M)
np.linalg.inv(np.stack([M, M.T]))
np.linalg.pinv(M)
np.linalg.det(M)
np.linalg.slogdet(M)[1]
np.linalg.solve(M, x)
np.linalg.solve(M, M.T)
np.linalg.norm(x)
np.linalg.norm(M)
np.linalg.norm(M, axis=0)
np.linalg.norm(M, "fro")
np.linalg.norm(M, "nuc")
np.linalg.norm(M, 2)
np.linalg.norm(M, -2)
np.linalg.norm(M, 1)
np.linalg.norm(M, np.inf)
np.linalg.norm(x, 3)
np.linalg.norm(x, 1)
np.linalg.norm(x, np.inf)
np.linalg.norm(x, -np.inf)
np.linalg.norm(x, 0)
np.linalg.norm(T, axis=(0, 2))
np.linalg.eigh(S)[0]
np.linalg.eigh(S)[1] ** 2
np.linalg.eigvalsh(S)
np.linalg.cholesky(S)
np.linalg.svd(M)[1]
np.linalg.svd(M, compute_uv=False)
np.linalg.svd(M[:2], full_matrices=False)[0] ** 2
np.linalg.qr(M)[1] ** 2
np.linalg.matrix_power(M, 3)
np.linalg.matrix_power(M, -2)
np.linalg.matrix_power(M, 0)
np.linalg.multi_dot([M, M, x])
np.linalg.lstsq(M, x, rcond=None)[0]
np.linalg.cond(M)
np.linalg.tensorinv(M, ind=1)
np.linalg.tensorsolve(M, x)
np.abs(np.fft.fft(x)) ** 2
np.fft.ifft(np.fft.fft(x)).real
np.abs(np.fft.rfft(x))
np.fft.irfft(np.fft.rfft(x), 3)
np.abs(np.fft.fft2(M)) ** 2
np.abs(np.fft.fftn(T)) ** 2
np.abs(np.fft.fft(x, 5)) ** 2
np.fft.fftshift(x)
np.fft.ifftshift(M)
sp.beta(x, y)
sp.betaln(x, y)
sp.digamma(x)
sp.psi(x)
sp.gamma(x)
sp.gammainc(x, y)
sp.gammaincc(x, y)
sp.gammaln(x)
sp.gammasgn(x) * x
sp.rgamma(x)
sp.i0(x)
sp.i0e(x)
sp.i1(x)
sp.i1e(x)
sp.iv(1, x)
sp.ive(1, x)
sp.j0(x)
sp.j1(x)
sp.jn(2, x)
sp.y0(x)
sp.y1(x)
sp.yn(1, x)
sp.logit(x / 2)
sp.expit(x)
sp.erf(x)
sp.erfc(x)
sp.erfinv(x / 2)
sp.erfcinv(x)
sp.ndtr(x)
sp.log_ndtr(x)
sp.ndtri(x / 2)
sp.xlogy(x, y)
sp.xlog1py(x, y)
sp.entr(x)
sp.rel_entr(x, y)
sp.kl_div(x, y)
sp.expi(x)
sp.exp1(x)
sp.spence(x)
cr.relu(x - 0.5)
cr.softplus(x)
cr.silu(x)
cr.gelu(x)
cr.elu(x - 0.5)
cr.leaky_relu(x - 0.5)
cr.logsumexp(x)
cr.one_hot(np.array([0, 2]), 3) @ x
x[np.argpartition(x, 1)]
np.lexsort((x,)) * x
np.nanmax(x)
np.nanprod(x)
np.nanstd(M, axis=0)
np.piecewise(x, [x < 0.5, x >= 0.5], [lambda v: v**2, lambda v: 3 * v])
np.choose(np.array([0, 1, 0]), [x, y])
np.compress([True, False, True], x)
np.extract(np.array([True, False, True]), x)
M[np.triu_indices(3)]
cr.expm(0.3 * M)
cr.solve_triangular(np.tril(M), x, lower=True)
cr.polygamma(1, x)
cr.log_softmax(x)
cr.softmax(x)
cr.logdet(S)
""".strip().splitlines()

REFUSED = """
np.linalg.eig(S)[0]
np.linalg.eigvals(M)
sp.betainc(x, y, 0.4)
sp.multigammaln(x + 2, 2)
sp.poch(x, y)
sp.polygamma(1, x)
sp.logsumexp(M, axis=1)
sp.logsumexp(x, b=y)
sp.softmax(x)
sp.log_softmax(x)
sp.zeta(x + 2, y)
sp.hyp1f1(x, y, 0.3)
scipy.linalg.expm(M)
scipy.linalg.sqrtm(S)
scipy.linalg.logm(S)
scipy.linalg.solve_triangular(np.tril(M), x, lower=True)
scipy.linalg.cho_solve((S, True), x)
scipy.linalg.cholesky(S, lower=True)
scipy.linalg.solve(M, x)
scipy.linalg.solve_sylvester(M, M, M)
scipy.linalg.block_diag(M, M)
scipy.linalg.toeplitz(x)
scipy.signal.convolve(x, y)
np.nextafter(x, y)
np.histogram(x)[0] * 1.0
np.unique(x)
np.nonzero(x)[0] * 1.0
np.spacing(x)
""".strip().splitlines()

_random = np.random.default_rng(0)
M, T = _random.normal(size=(3, 3)) + 2 * np.eye(3), _random.normal(size=(3, 3, 3))
GIVEN = {"x": np.array([0.31, 0.73, 0.52]), "y": np.array([0.45, 0.85, 0.66]), "M": M, "S": M @ M.T, "T": T}
DIRECTIONS = [_random.normal(size=value.shape) for value in GIVEN.values()]
LIBRARIES = {"np": np, "sp": sp, "scipy": scipy, "cr": cr}


def _loss(call: str) -> Any:
    """Return a call as a number, a weighted sum of its entries; `S` is symmetric."""
    code = compile(call, "<call>", "eval")

    def loss(x: Any, y: Any, M: Any, S: Any, T: Any) -> Any:
        found = eval(code, LIBRARIES, {"x": x, "y": y, "M": M, "S": (S + S.T) / 2, "T": T})
        return np.sum(np.cos(np.arange(np.size(found))) * np.ravel(found)) + 0 * np.sum(x)

    return loss


@pytest.mark.filterwarnings("ignore")
def test_what_they_differentiate_has_numpys_value_and_the_derivative() -> None:
    wrong = []
    for call in [*CALLS, *(f"np.{name}(x)" for name in ELEMENTWISE)]:
        loss = _loss(call)
        value, gradients = cr.value_and_grad(loss, tuple(range(5)))(*GIVEN.values())
        pairs = list(zip(GIVEN.values(), DIRECTIONS, strict=True))
        ahead, behind = (loss(*(given + step * along for given, along in pairs)) for step in (1e-6, -1e-6))
        slope = sum(np.sum(gradient * along) for gradient, along in zip(gradients, DIRECTIONS, strict=True))
        is_value = np.isclose(value, loss(*GIVEN.values()), rtol=1e-12)
        if not (is_value and np.isclose(slope, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-7)):
            wrong.append(call)
    assert wrong == []


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_not_understood_is_refused_for_a_reason(call: str) -> None:
    reasons = "is not among the functions that can be recorded|needs numbers|by its last argument only"
    with pytest.raises(cr.ChainruleError, match=reasons):
        cr.grad(_loss(call), tuple(range(5)))(*GIVEN.values())
