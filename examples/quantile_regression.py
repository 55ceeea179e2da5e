"""Quantile regression with the loss as a formula: an interval that should hold nine tenths of the targets.

The pinball loss of the quantile q (Koenker and Bassett 1978, equation 2.2) is q·r where the residual r = y − p is
positive and (q − 1)·r where it is not.

python examples/quantile_regression.py
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.estimators import MLPRegressor

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)


def quantile(q: float) -> TransformedTargetRegressor:
    """Return a fitted regressor of the quantile `q`."""
    loss = f"mean(max({q} * (y - p), ({q} - 1) * (y - p)))"
    network = MLPRegressor(loss, hidden_layer_sizes=(16,), alpha=1.0, max_iter=500, random_state=0)
    scaled = make_pipeline(StandardScaler(), network)
    return TransformedTargetRegressor(scaled, transformer=StandardScaler()).fit(X_train, y_train)


low, middle, high = (quantile(q).predict(X_test) for q in (0.05, 0.5, 0.95))
inside = np.mean((low <= y_test) & (y_test <= high))
print(f"{inside:.0%} of the held-out rows lie between the quantiles 0.05 and 0.95")
print(f"{np.mean(y_test <= middle):.0%} lie below the median")

# A single network with three outputs predicts all quantiles; its loss is available by name:
together = make_pipeline(
    StandardScaler(),
    MLPRegressor(
        "quantile", quantile=[0.05, 0.5, 0.95], hidden_layer_sizes=(16,), alpha=1.0, max_iter=500, random_state=0
    ),
).fit(X_train, (y_train - y_train.mean()) / y_train.std())
print("one network, three quantiles:", together.predict(X_test).shape)
