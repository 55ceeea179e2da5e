"""One network, trained by all workers of a Dask cluster together, here two processes on this machine.

Each worker has its own part of the rows. On a cluster of machines, replace the LocalCluster by
`Client("scheduler:8786")`; the workers must reach one another. Workers join once, so start others for the next network.

pip install "chainrule[xla]" "dask[distributed]"
python examples/train_on_dask.py
"""

import logging
import socket
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from numpy.typing import NDArray

import chainrule as cr

ROWS = 1000
PARTS = [0, 400, 1000]
BATCH = 50


def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """Return the mean squared error of a network with one hidden layer."""
    a1 = np.tanh(X @ W1 + b1)
    return np.mean((a1 @ W2 + b2 - y) ** 2)


def params() -> dict[str, NDArray[Any]]:
    """Return the initial parameters, the same in every process."""
    rng = np.random.default_rng(1)
    return {"W1": rng.normal(size=(2, 16)), "b1": np.zeros(16), "W2": rng.normal(size=(16, 1)) / 4, "b2": np.zeros(1)}


def table() -> dict[str, NDArray[Any]]:
    """Return all rows; a worker would read its own part from a file."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(ROWS, 2))
    return {"X": X, "y": np.sin(X[:, :1]) * X[:, 1:]}


def free_address() -> str:
    """Return HOST:PORT of this machine, with a port that is free now; to be called on the first worker."""
    with socket.socket() as found:
        found.bind(("", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def train(address: str, count: int, number: int) -> tuple[list[float], dict[str, NDArray[Any]]]:
    """Train on one worker, together with the others; return losses and parameters."""
    own = slice(PARTS[number], PARTS[number + 1])
    rows = cr.OwnRows({name: array[own] for name, array in table().items()})
    with cr.join_processes(address, count, number):
        result = cr.fit(loss, params(), rows, cr.Adam(0.01), epochs=20, batch_size=BATCH, engine="xla")
    return result.history["loss"].tolist(), result.params


def main() -> None:
    """Train on the cluster, and again in this process on the same rows in the same order."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    workers = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR)
    with workers as cluster, Client(cluster) as client:
        names = sorted(client.scheduler_info()["workers"])
        address = client.submit(free_address, workers=[names[0]]).result()
        futures = [
            client.submit(train, address, len(names), number, workers=[name], pure=False)
            for number, name in enumerate(names)
        ]
        (losses, found), (_, other) = client.gather(futures)
    print(f"{len(names)} workers: the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")
    print("the same parameters in both:", all(np.array_equal(found[name], other[name]) for name in found))
    order = cr.DividedOrder(ROWS, BATCH, devices=len(names))
    alone = cr.begin_training(loss, params(), table(), cr.Adam(0.01), batch_size=BATCH)
    alone.advance(20, order=np.stack([order(epoch) for epoch in range(20)]))
    difference = max(np.abs(found[name] - value).max() for name, value in alone.params.items())
    print("one process, the same up to rounding:", difference < 1e-10)


if __name__ == "__main__":
    main()
