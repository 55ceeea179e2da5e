"""A custom activation, as a formula and as a NumPy function; its derivative is derived, shown and compiled.

python examples/custom_activation.py
"""

from typing import Any

import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import cross_val_score

from chainrule.estimators import MLPClassifier

X, y = make_moons(600, noise=0.2, random_state=0)


def bent_identity(z: Any) -> Any:
    """An activation that increases on both sides, with a bend at 0."""
    return (np.sqrt(z**2 + 1) - 1) / 2 + z


activations: dict[str, Any] = {
    "relu": "relu",
    "formula": "z * sigmoid(1.7 * z)",
    "function": bent_identity,
    "one a layer": ["tanh", "z * exp(-z^2)"],
}
for name, activation in activations.items():
    model = MLPClassifier((16, 16), activation, learning_rate_init=0.01, max_iter=500, tol=1e-3, random_state=0)
    print(f"{name:<12} accuracy {cross_val_score(model, X, y).mean():.3f}")

derivation = MLPClassifier((16,), "z * exp(-z^2)", tol=1e-2, random_state=0).fit(X, y).derive()
print()
print(next(line.strip() for line in derivation.text(detail="brief").splitlines() if "∂L/∂z1" in line))
print("every line verified:", derivation.verify().ok)
