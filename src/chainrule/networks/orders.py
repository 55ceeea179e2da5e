"""Orders of rows that come from a source of random numbers of NumPy's, as scikit-learn draws them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.errors import NetworkError

Array: TypeAlias = NDArray[Any]


class ShuffledOrder:
    """For each epoch the order of the epoch before, shuffled by a RandomState; for `TrainingSettings.order`.

    That is how scikit-learn's perceptrons draw. The caller's `random` is drawn from, once for each epoch.

    >>> order = ShuffledOrder(np.random.RandomState(0), 4)
    >>> print(order(0), order(1))
    [2 3 1 0] [2 1 3 0]
    """

    def __init__(self, random: np.random.RandomState, rows: int) -> None:
        self.random = random
        self.rows: NDArray[np.int64] = np.arange(rows, dtype=np.int64)

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        places = np.arange(len(self.rows))
        self.random.shuffle(places)
        self.rows = self.rows[places]
        return self.rows

    def get_state(self) -> dict[str, Any]:
        """Plain data: the order of the last epoch, and the state of a Mersenne twister."""
        name, key, position, has_gauss, cached = self.random.get_state(legacy=True)
        return {
            "rows": self.rows,
            "generator": str(name),
            "key": np.asarray(key, np.int64),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave; raises NetworkError for anything else."""
        try:
            rows = np.asarray(state["rows"], np.int64)
            key = np.asarray(state["key"]).astype(np.uint32)
            own = (str(state["generator"]), key, state["position"], state["has_gauss"], state["cached"])
            if sorted(rows.tolist()) != list(range(len(self.rows))):
                raise NetworkError(f"the state of the order has {rows.size} rows; this run has {len(self.rows)}")
            self.random.set_state(own)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, NetworkError):
                raise
            raise NetworkError("this is no state of an order of rows; give what get_state gave") from None
        self.rows = rows
