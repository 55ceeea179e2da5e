"""Plots with matplotlib, an optional dependency: axes, and the decision boundary of a classifier."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.words import ChainruleError, MissingDependencyError, at_callers_line

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


class PlotError(ChainruleError, ValueError):
    """The data or the model cannot be plotted."""


@at_callers_line
def plot_decision_boundary(
    model: Any, X: ArrayLike, y: ArrayLike | None = None, ax: Axes | None = None, resolution: int = 200
) -> Axes:
    """Plot the classes that `model` predicts around the rows of `X`, as regions, with the rows as points.

    Parameters
    ----------
    model
        A fitted `MLP`, an estimator, a loaded `Model`, or another object with `predict`, of which `predict_proba` is
        preferred for two classes; a `NeuralNetwork`; or a function of an array (rows, 2). A single number for each row
        that is not a class is read as the probability of the second of two classes.
    X
        Two columns, (rows, 2).
    y
        The classes of the rows, (rows,) or (rows, 1), for the colours of the points; None for no points.
    ax
        Axes to plot on; by default new ones.
    resolution
        The number of predictions along each axis.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    PlotError
        If `X` does not have two columns, `y` not the same number of rows, or the model does not predict.
    MissingDependencyError
        Without matplotlib: `pip install 'chainrule[plot]'`.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> network = cr.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    >>> result = network.fit(X, [0, 1, 1, 0], epochs=500)
    >>> ax = cr.plot_decision_boundary(network, X, [0, 1, 1, 0])  # doctest: +SKIP

    """
    rows = np.asarray(X, float)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise PlotError(f"X has the shape {rows.shape}; give two columns, as in X[:, :2]")
    labels = None if y is None else np.asarray(y).reshape(-1)
    if labels is not None and len(labels) != len(rows):
        raise PlotError(f"y has {labels.size} labels for {len(rows)} rows of X; give one for each")
    ax = axes_for(ax)
    margin = 0.1 * np.maximum(np.ptp(rows, axis=0), 1e-9)
    low, high = rows.min(axis=0) - margin, rows.max(axis=0) + margin
    across, up = (np.linspace(low[k], high[k], resolution) for k in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    values = _response(model, grid.reshape(-1, 2)).reshape(grid.shape[:2])
    if values.dtype.kind == "f" and (values % 1).any():
        ax.contourf(across, up, values, levels=20, cmap="RdBu", alpha=0.35)
        ax.contour(across, up, values, levels=[0.5], colors="k", linewidths=1)
        classes = np.unique([] if labels is None else labels)
    else:
        classes = np.unique(values if labels is None else np.concatenate([values.reshape(-1), labels]))
        codes, levels = np.searchsorted(classes, values), np.arange(len(classes) + 1) - 0.5
        ax.contourf(across, up, codes, levels=levels, colors=_colours(len(classes)), alpha=0.4)
    if labels is not None:
        for label, colour in zip(classes, _colours(len(classes)), strict=True):
            place = rows[labels == label]
            ax.scatter(place[:, 0], place[:, 1], color=colour, s=24, edgecolors="w", linewidths=0.5, label=str(label))
        ax.legend()
    return ax


def _colours(count: int) -> list[str]:
    return ["tab:red", "tab:blue"] if count == 2 else [f"C{k % 10}" for k in range(count)]


def _response(model: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """Return for each of `rows` the probability of the second of two classes, or the predicted class or number."""
    found: NDArray[Any] | None = None
    if hasattr(model, "predict_proba"):
        with suppress(ChainruleError):  # of a network without classes
            found = np.asarray(model.predict_proba(rows))
    if found is None or (found.ndim == 2 and found.shape[1] > 2):
        predict = getattr(model, "predict", getattr(model, "feedforward", model))
        if not callable(predict):
            what = type(model).__name__
            raise PlotError(f"model is a {what}; give one with predict, or a function of an array (rows, 2)")
        found = np.asarray(predict(rows))
    if found.ndim == 2 and found.shape[1] > 2:
        return found.argmax(axis=1)
    return found[:, -1] if found.ndim == 2 else found
