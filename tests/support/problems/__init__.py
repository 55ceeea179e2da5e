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
        "logarithmic barrier",
        "analytic center",
        "sine of a square",
        "trace of a fourth order",
        "trace of an inverse Gram matrix",
        "trace of X with a diagonal",
        "trace ratio of scatters",
        "orthonormal subspace",
        "orthogonality penalty",
        "log of det",
        "det of a power",
        "det of an inverse",
        "unit vector",
        "pointwise maximum",
        "layer normalization",
        "layer normalization of a vector",
        "root mean square normalization",
        "entropy of a softmax",
        "two forms of a product",
        "normalized by its sum",
        "Geman McClure loss",
        "covariance of a Kalman update",
        "swish layer",
        "radial basis function",
        "p-norm",
        "harmonic mean",
        "Gaussian potential",
        "log-cosh loss",
        "group lasso",
        "infomax",
        "Gaussian kernel",
        "cube of a norm",
        "cosine similarity",
        "squared hinge loss",
        "cubic regularization",
        "Bradley Terry",
        "partial likelihood",
        "weighted distances",
        "rowwise products",
        "contrastive loss",
        "neighbours",
        "ridge solution",
        "Gaussian process noise",
        "NT Xent",
        "Barlow Twins",
        "softmax classifier",
        "two layer classifier",
        "stable softmax classifier",
        "multiclass hinge loss",
        "softmax then pick",
        "naive softmax by probabilities",
        "softmax with a target",
        "classifier of a vector",
        "distillation of one sample",
    }
)
"""Those that are not printed as published."""

__all__ = ["CHAPTERS", "PROBLEMS", "UNSOLVED", "Problem"]
