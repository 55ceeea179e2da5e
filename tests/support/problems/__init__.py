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
        "log det of a Gram matrix",
        "trace of a third power",
        "trace of a fourth order",
        "trace of an inverse Gram matrix",
        "trace of X with a diagonal",
        "low-rank fit",
        "Gaussian by a factor of its precision",
        "trace ratio of scatters",
        "orthonormal subspace",
        "orthogonality penalty",
        "diagonal of a Gram matrix",
        "log of det",
        "det of a power",
        "det of an inverse",
        "unit vector",
        "pointwise maximum",
        "linear solve",
        "inverse product",
        "layer normalization",
        "layer normalization of a vector",
        "root mean square normalization",
        "entropy of a softmax",
        "two forms of a product",
        "logarithm of a form",
        "quadratic function",
        "Rayleigh quotient",
        "Fisher's criterion",
        "normalized by its sum",
        "Geman McClure loss",
        "covariance of a Kalman update",
        "swish layer",
        "recurrent network on one input",
        "style loss",
        "logarithmic barrier",
        "analytic center",
        "radial basis function",
        "p-norm",
        "harmonic mean",
        "Gaussian potential",
        "sine of a square",
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
        "transition score",
        "softmax classifier",
        "two layer classifier",
        "stable softmax classifier",
        "multiclass hinge loss",
        "softmax then pick",
        "naive softmax",
        "naive softmax by probabilities",
        "softmax with a target",
        "classifier of a vector",
        "info nce of one query",
        "distillation of one sample",
    }
)
"""Those that are not printed as published."""

__all__ = ["CHAPTERS", "PROBLEMS", "UNSOLVED", "Problem"]
