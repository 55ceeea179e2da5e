"""Row orders drawn from a NumPy random generator, as in scikit-learn."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.errors import NetworkError

Array: TypeAlias = NDArray[Any]


class ShuffledOrder:
    """The order of the previous epoch, shuffled by a RandomState; for `TrainingSettings.order`.

    This reproduces scikit-learn's perceptrons. The caller's `random` is advanced once per epoch.

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
        """Return plain data: the order of the last epoch, and the state of the Mersenne Twister."""
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
        """Restore a result of `get_state`; raise NetworkError for anything else."""
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
            raise NetworkError("this is not a state of an order of rows; give what get_state gave") from None
        self.rows = rows
