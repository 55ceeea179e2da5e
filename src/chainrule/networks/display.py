"""Networks as tables for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.charts import table_html


def layers_html(title: str, params: Mapping[str, Any], activations: Sequence[str]) -> str:
    """Return a table of the layers: the shape of their weights, their activation, and their number of parameters.

    >>> import numpy as np
    >>> "2 × 3" in layers_html("<MLP>", {"W1": np.zeros((2, 3)), "b1": np.zeros(3)}, ["relu"])
    True
    """
    rows = []
    for k, activation in enumerate(activations, start=1):
        weight = params[f"W{k}"]
        own = [array for name, array in params.items() if name.lstrip("abcdefghijklmnopqrstuvwxyzW") == str(k)]
        rows.append([f"{k}", " × ".join(map(str, weight.shape)), activation, f"{sum(array.size for array in own):,}"])
    return table_html(title, ["layer", "weights", "activation", "parameters"], rows)
