"""A single network of several that are trained side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.networks.architecture import Architecture

Array: TypeAlias = NDArray[Any]


def one_member(
    architecture: Architecture, params: Mapping[str, Array], member: int = 0
) -> tuple[Architecture, dict[str, Array]]:
    """Return the architecture and the parameters of one member.

    >>> several = Architecture(4, (8,), 3, members=5)
    >>> one, params = one_member(several, several.initial(0), 2)
    >>> one.members, params["W1"].shape, params["b1"].shape
    (1, (4, 8), (8,))
    """
    if architecture.members == 1:
        return architecture, dict(params)
    one = replace(architecture, members=1)
    shapes = {**one.params, **one.statistics}
    return one, {name: array[member].reshape(shapes[name]) for name, array in params.items() if name in shapes}
