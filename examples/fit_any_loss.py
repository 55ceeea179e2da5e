"""Any loss in NumPy, with parameters in nested containers, held-out rows, and the model of the best epoch.

python examples/fit_any_loss.py
"""

from typing import Any

import numpy as np

import chainrule as cr

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, size=(600, 1))
noise = rng.standard_t(2, size=(600, 1))  # with outliers
y = np.sin(2 * X) + 0.1 * noise


def loss(params: Any, X: Any, y: Any) -> Any:
    """A residual network under a robust loss (Cauchy's)."""
    h = np.tanh(X @ params["first"]["W"] + params["first"]["b"])
    for block in params["blocks"]:
        h = h + np.tanh(h @ block["W"] + block["b"])
    r = h @ params["last"]["W"] + params["last"]["b"] - y
    return np.mean(np.log1p((r / 0.2) ** 2))


def layer(inputs: int, outputs: int) -> dict[str, Any]:
    """Initial weights and biases."""
    return {"W": rng.normal(size=(inputs, outputs)) / np.sqrt(inputs), "b": np.zeros(outputs)}


params = {"first": layer(1, 24), "blocks": [layer(24, 24), layer(24, 24)], "last": layer(24, 1)}
result = cr.fit(
    loss,
    params,
    (X[:450], y[:450]),
    cr.Adam(0.003),
    epochs=400,
    batch_size=50,
    validation=(X[450:], y[450:]),
    patience=40,
)
print("status:", result.status)
print("best epoch is the least:", result.best_epoch == 1 + int(np.argmin(result.history["validation_loss"])))
print(f"validation loss below {0.1 * np.ceil(10 * result.history['validation_loss'].min()):.1f}")
result.save("fit.npz")
again = cr.FitResult.load("fit.npz")
print("read back the same:", np.array_equal(again.params["blocks"][1]["W"], result.params["blocks"][1]["W"]))
