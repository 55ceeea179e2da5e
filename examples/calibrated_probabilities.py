"""Calibrated probabilities: `CalibratedClassifierCV` around the network.

python examples/calibrated_probabilities.py
"""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split

from chainrule.estimators import MLPClassifier

X, y = make_classification(3000, 20, n_informative=8, flip_y=0.15, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

network = MLPClassifier((64, 64), max_iter=500, tol=1e-3, random_state=0)  # overfits, and is overconfident
calibrated = CalibratedClassifierCV(network, method="sigmoid", cv=5)

print(f"{'':<12}{'log loss':>10}{'Brier score':>13}")
for name, model in {"raw": network, "calibrated": calibrated}.items():
    p = model.fit(X_train, y_train).predict_proba(X_test)
    print(f"{name:<12}{log_loss(y_test, p):>10.3f}{brier_score_loss(y_test, p[:, 1]):>13.3f}")
