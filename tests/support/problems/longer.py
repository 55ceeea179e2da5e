"""Gradients that are printed longer than they were published, in symbols that a reader reads, and why."""

from __future__ import annotations

LONGER: dict[str, dict[str, str]] = {
    "a dot stands between a number that has a name and what it multiplies, and keeps the factor 1 apart": {
        "inverse of a norm": "x",
        "inverse of a distance": "x",
        "exponential of a form": "x A",
        "norm of a Kronecker product": "A B",
        "squared trace over a norm": "X",
        "distance of a Gram matrix": "X",
        "weighted distance": "x",
        "bounded form": "x",
        "squared ratio": "x",
        "average pooling": "X",
        "mean discrepancy": "X Y",
    },
    "brackets show how far a product goes that is divided, scaled or summed": {
        "p-norm": "x",
        "dropout of a batch": "X",
        "gallery dropout": "X",
        "focal loss": "p",
        "sum of a Kronecker product": "A B",
        "Gaussian of one variable": "mu",
        "Barlow Twins": "A B",
        "standard deviation": "x",
    },
    "a common factor or sign is taken out: a pair of brackets more, a product less": {
        "trace of X' B X": "X",
        "trace of B X X'": "X",
        "trace of X X' B": "X",
        "trace of X B X'": "X",
        "trace of B X' X": "X",
        "ridge": "w",
        "ridge by norms": "w",
        "Tikhonov regularization": "x",
        "cubic regularization": "s",
        "Gaussian by its covariance": "m",
        "rate of Michaelis and Menten": "s",
    },
    "an outer transpose is distributed": {
        "trace of X X B": "X",
        "trace of A X X X": "X",
    },
    "a number that is subtracted from each element is repeated by 1": {
        "softmax written out": "x",
        "normalized by its sum": "x",
        "softmax layer": "x",
        "layer normalization of a vector": "x",
        "attention of one query": "s",
        "gallery mixture_of_experts": "h",
    },
    "∂L/∂u of a named value u is in brackets within a product": {
        "factorization machine": "V",
        "linear solve": "b A",
        "principal components": "W",
        "linear autoencoder": "V W",
        "center loss": "C",
        "style loss": "F",
    },
    "the adjugate is there for a singular matrix too, which has no inverse; it is that of one factor": {
        "det of a product": "X",
        "det of a square form": "X",
        "det of a power": "X",
        "determinant": "A",
        "determinant of a product": "X",
        "cube of a determinant": "X",
    },
    "several largest elements share the derivative": {"pointwise maximum": "x"},
    "the two places at which Y stands give a sum each": {"weighted distances": "Y", "neighbours": "Y"},
}
"""By reason, the problems and the names of what their loss is differentiated by."""
REASONS = {(name, symbol) for names in LONGER.values() for name, symbols in names.items() for symbol in symbols.split()}
