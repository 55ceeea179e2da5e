"""Published gradients: problems of matrix calculus, statistics and neural networks."""

from __future__ import annotations

from support.problems import cookbook, courses, gallery, losses, networks, regression, statistics, vectors
from support.problems.problem import Problem

CHAPTERS = {
    module.__name__.rpartition(".")[2]: module.CHAPTER
    for module in (cookbook, vectors, regression, statistics, networks, courses, losses, gallery)
}
PROBLEMS: dict[str, Problem] = {}
for chapter in CHAPTERS.values():
    for name, problem in chapter.problems.items():
        if name in PROBLEMS:
            raise ValueError(f"there are two problems {name}")
        PROBLEMS[name] = problem

UNSOLVED = frozenset(
    {
        "Bradley Terry",
        "Gaussian kernel",
        "Gaussian potential",
        "Geman McClure loss",
        "NT Xent",
        "analytic center",
        "classifier of a vector",
        "cosine similarity",
        "covariance of a Kalman update",
        "cube of a norm",
        "cubic regularization",
        "det of a power",
        "det of an inverse",
        "distillation of one sample",
        "entropy of a softmax",
        "group lasso",
        "harmonic mean",
        "layer normalization",
        "layer normalization of a vector",
        "logarithmic barrier",
        "naive softmax by probabilities",
        "neighbours",
        "normalized by its sum",
        "orthogonality penalty",
        "orthonormal subspace",
        "p-norm",
        "partial likelihood",
        "radial basis function",
        "ridge solution",
        "root mean square normalization",
        "rowwise products",
        "sine of a square",
        "softmax classifier",
        "softmax then pick",
        "softmax with a target",
        "stable softmax classifier",
        "swish layer",
        "trace of X with a diagonal",
        "trace of a fourth order",
        "trace of an inverse Gram matrix",
        "trace ratio of scatters",
        "two forms of a product",
        "two layer classifier",
        "unit vector",
        "weighted distances",
    }
)
"""Those that are not printed as published."""

__all__ = ["CHAPTERS", "PROBLEMS", "UNSOLVED", "Problem"]
