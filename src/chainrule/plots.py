"""Access to matplotlib, an optional dependency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.words import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_for(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure if it is None; raise MissingDependencyError without matplotlib."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise MissingDependencyError("plots need matplotlib; install it with pip install 'chainrule[plot]'") from None
    _, made = plt.subplots()
    return made
