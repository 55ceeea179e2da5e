"""Two processes on this machine train one network together, and a third one alone comes to the same.

On several hosts, a launcher such as srun or mpirun starts the processes; nothing else changes.

pip install "chainrule[xla]"
python examples/two_processes.py
"""

import os
import socket
import subprocess
import sys

import numpy as np

import chainrule as cr
from chainrule.engines import get_engine


def fitted(engine: str) -> cr.FitResult:
    """Return a small regression, trained on one engine."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(300, 2))
    data = {"X": X, "y": np.sin(X[:, :1]) * X[:, 1:]}
    params = {"W1": rng.normal(size=(2, 16)), "b1": np.zeros(16), "W2": rng.normal(size=(16, 1)) / 4, "b2": np.zeros(1)}
    loss = "mean((tanh(X @ W1 + b1) @ W2 + b2 - y)^2)"
    return cr.fit(loss, params, data, cr.Adam(0.01), epochs=20, batch_size=32, engine=engine)


def train() -> None:
    """Train as one of several processes; the first one prints."""
    processes = get_engine("xla").processes
    result = fitted("xla")
    if processes.leads:
        print(f"{processes.count} processes: loss {result.history['loss'][-1]:.6f}")


def main() -> None:
    """Start the processes, as a launcher does, and train in this one too."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    together = {**os.environ, "JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    command = [sys.executable, __file__, "train"]
    started = [subprocess.Popen(command, env={**together, "JAX_PROCESS_ID": str(number)}) for number in range(2)]
    statuses = [process.wait() for process in started]
    print(f"one process: loss {fitted('native').history['loss'][-1]:.6f}")
    sys.exit(max(statuses))


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
