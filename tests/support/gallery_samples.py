"""Sample arguments for the gallery: small sizes, and arrays at which each function is differentiable."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.deriving import Derivation, derive
from chainrule.explorer import explore
from chainrule.gallery import GALLERY, Entry
from chainrule.ir import ArrayType, DType, bind_dim

Array = NDArray[Any]

SCALARS = {"T": 2.5, "alpha": 1.5, "beta": 0.7, "delta": 0.6, "eps": 0.2, "gamma": 2.5, "lam": 0.3, "margin": 0.5}
SCALARS |= {"q": 0.8, "tau": 0.6}


@cache
def derived(name: str) -> Derivation:
    """Return the cached derivation of an entry, verified for emission."""
    return derive(GALLERY[name].function, GALLERY[name].wrt)


@cache
def page_of(name: str) -> str:
    """Return the page of an entry."""
    return explore(derived(name)).html()


def sizes_of(derivation: Derivation) -> dict[str, int]:
    """Return distinct sizes for the names."""
    return {name: size for size, name in enumerate(sorted(derivation.program.dim_names), start=3)}


def arguments_of(entry: Entry, derivation: Derivation, seed: int) -> dict[str, Array]:
    """Return a value for each input of the derivation's program, including given gradients."""
    random, sizes = np.random.default_rng(seed), sizes_of(derivation)
    values: dict[str, Array] = {}
    for node in derivation.program.inputs:
        shape = ArrayType(tuple(bind_dim(dim, sizes) for dim in node.type.shape)).concrete_shape
        if node.type.dtype is DType.INT64:
            values[node.name] = random.integers(0, 3, shape)
        elif not shape and node.name in SCALARS:
            values[node.name] = np.asarray(SCALARS[node.name])
        elif entry.name == "focal_loss" and node.name == "y":
            values[node.name] = random.choice([-1.0, 1.0], shape)
        elif entry.name == "logistic_regression" and node.name == "y":
            values[node.name] = random.random(shape)
        else:
            values[node.name] = random.standard_normal(shape)
    return values
